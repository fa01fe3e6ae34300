"""Yesterday's events through other rules: a dry run that tells nobody and changes nothing."""
import hashlib
import json
import os
import signal
import subprocess
import time
import unittest

from harness import BINARY, Story, failure


class Replay(Story):
    def replay(self, quell, *words):
        command = [BINARY, "replay", "--data", os.path.join(quell.directory, "quell-data"), *words]
        for override in quell.overrides:
            if override.split("=")[0] not in [word.split("=")[0] for word in words]:
                command += ["--set", override]
        result = subprocess.run(command, capture_output=True, text=True, cwd=quell.directory)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def report(self, quell, *words):
        return json.loads(self.replay(quell, "--json", *words))

    def cascades(self, quell):
        """Five causes with four jobs behind each, told in the wrong order."""
        for cause in range(5):
            for job in (3, 1, 4, 2, 0):
                quell.events(failure(f"c{cause}_{job}", *([f"c{cause}_0"] if job else [])))
        quell.settle()

    def digest(self, quell):
        found = {}
        for place, _, names in os.walk(os.path.join(quell.directory, "quell-data")):
            for name in names:
                with open(os.path.join(place, name), "rb") as file:
                    found[name] = hashlib.sha256(file.read()).hexdigest()
        return found

    def test_the_same_rules_give_the_same_incidents_and_nobody_is_told(self):
        receiver = self.receiver()
        quell = self.quell("notify.group_wait=0s", "sink.hook.type=webhook",
                           "sink.hook.url=" + receiver.url)
        self.cascades(quell)
        time.sleep(1.5)
        quell.settle()
        before = {i["root_cause"]["entity"]: len(i["affected"]) for i in quell.incidents()}
        quell.events(failure("late"))
        quell.settle()
        late, = [i["id"] for i in quell.incidents() if i["root_cause"]["entity"] == "job:late"]
        before["job:late"] = 0
        quell.stop()
        told, files = len(receiver.messages), self.digest(quell)
        report = self.report(quell)
        after = {i["root_cause"]["entity"]: len(i["affected"]) for i in report["incidents"]}
        self.assertEqual(after, before)
        self.assertEqual((report["events"], report["incident_count"]), (26, 6))
        self.assertIn(late, [i["id"] for i in report["incidents"]])  # as the API called it
        self.assertGreaterEqual(report["sinks"]["default/hook"]["opened"], 5)
        self.assertEqual((len(receiver.messages), self.digest(quell)), (told, files))

    def test_one_of_a_kind_is_said_so(self):
        quell = self.quell("notify.group_wait=1h")
        quell.events(failure("job"))
        quell.settle()
        quell.stop()
        data = os.path.join(quell.directory, "quell-data")
        self.assertIn(" 1 event: 1 incident, 1 message; 0 damaged places\n", self.replay(quell))
        copy = os.path.join(data, "shard-0", f"state.copy-{1:020}")
        os.mkdir(copy)
        with open(os.path.join(copy, "data.mdb"), "wb") as file:
            file.write(b"no copy")
        result = subprocess.run([BINARY, "check", "--data", data], capture_output=True, text=True)
        self.assertIn("\n1 damaged place\n", result.stdout)

    def test_what_is_told_late_finds_its_cause_over_crashes_and_in_a_replay(self):
        """a: failed, and was well again; c: the same, but its success was told first."""
        quell = self.quell("notify.group_wait=1h")
        now = int(time.time())
        told = [failure("a", occurred_at=now - 600),
                {"job_id": "a", "status": "succeeded", "occurred_at": now - 300},
                {"job_id": "c", "status": "succeeded", "occurred_at": now - 300},
                failure("c", occurred_at=now - 600)]
        late = [failure("d", "c", occurred_at=now - 500), failure("b", "a", occurred_at=now - 500),
                failure("a2", "a", occurred_at=now - 100)]  # when a was well
        pictures = []
        for events in (told, late, []):
            for event in events:
                quell.events(event)
            quell.settle()
            quell.stop(signal.SIGKILL)
            quell.start()
            quell.settle()
            pictures.append({i["root_cause"]["entity"]: (i["id"], i["status"], i["opened_at"], [
                one["entity"] for one in i["affected"]]) for i in quell.incidents()})
        self.assertEqual({root: seen[1] for root, seen in pictures[0].items()},
                         {"job:a": "resolved"})
        self.assertEqual({root: (seen[1], seen[3]) for root, seen in pictures[1].items()},
                         {"job:a": ("open", ["job:b"]), "job:c": ("open", ["job:d"]),
                          "job:a2": ("open", [])})
        self.assertEqual(pictures[2], pictures[1])
        quell.stop()
        report = self.report(quell)
        self.assertEqual(report["incident_count"], 3)
        self.assertEqual({i["root_cause"]["entity"]: (i["id"], i["status"], i["opened_at"], [
            one["entity"] for one in i["affected"]]) for i in report["incidents"]}, pictures[1])

    def test_another_rule_gives_another_picture_also_beside_the_running_quell(self):
        quell = self.quell("notify.group_wait=1h")
        self.cascades(quell)
        self.assertEqual(len(quell.incidents()), 5)
        self.assertEqual(self.report(quell)["incident_count"], 5)
        apart = self.report(quell, "--set", "correlate.window=1ms")
        self.assertGreater(apart["incident_count"], 5)
        silent = self.report(quell, "--set", "limits.incidents=2")
        self.assertEqual(silent["incident_count"], 2)

    def test_a_range_by_record_and_by_time(self):
        quell = self.quell("notify.group_wait=1h")
        quell.events(failure("a"))
        middle = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() + 1)) + "Z"
        time.sleep(2.1)
        quell.events(failure("b"))
        quell.settle()
        roots = lambda *words: [i["root_cause"]["entity"]
                                for i in self.report(quell, *words)["incidents"]]
        self.assertEqual(sorted(roots()), ["job:a", "job:b"])
        self.assertEqual(roots("--from", middle), ["job:b"])
        self.assertEqual(roots("--to", middle), ["job:a"])
        self.assertEqual(sorted(roots("--from", "1h")), ["job:a", "job:b"])
        last = self.report(quell)["last_record"]
        self.assertEqual(roots("--from", str(last)), ["job:b"])
        self.assertEqual(roots("--to", str(last - 1)), ["job:a"])
        text = self.replay(quell)
        self.assertIn("job:a failed: Timeout", text)
        self.assertIn("2 incidents", text)

    def test_what_is_no_range_or_no_data_is_said(self):
        quell = self.quell()
        for words, answer, code in ((["--from", "soon"], "no record number", 2),
                                    (["--limit", "x"], "--limit wants a number", 2),
                                    (["--from", "5", "--to", "3"], "--from is behind --to", 2),
                                    (["--from", "1h", "--to", "2h"], "--from is behind --to", 2),
                                    (["--from", "1700000000"], "no record of the journal in", 0),
                                    (["--to", "500000h"], "no record of the journal in", 0),
                                    (["--data", "/nonexistent"], "is no data directory", 1)):
            result = subprocess.run([BINARY, "replay", "--data",
                                     os.path.join(quell.directory, "quell-data"), *words],
                                    capture_output=True, text=True)
            self.assertEqual(result.returncode, code)
            self.assertIn(answer, result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
