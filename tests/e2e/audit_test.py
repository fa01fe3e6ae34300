"""The audit: who changed what and when, what was refused; kept over crashes, bounded, each its own."""
import hashlib
import json
import os
import signal
import subprocess
import time
import unittest

from harness import BINARY, Story, failure, wait_for, write_whole


class Audit(Story):
    def tenants(self):
        files = {}
        for name in ("acme", "umbrella"):
            digest = hashlib.sha256(name.encode()).hexdigest()
            files[f"tenants/{name}.toml"] = (f'[tenant]\nid = "{name}"\ntokens_sha256 = '
                                             f'["{digest}"]\n[notify]\ngroup_wait = "0s"\n')
        return self.quell("auth.mode=token", "tenants_dir=tenants", files=files)

    def audit(self, quell, query="", token=None):
        headers = {"Authorization": "Bearer " + token} if token else {}
        status, text, _ = quell.request("GET", "/api/v1/audit?" + query, None, headers,
                                        quell.console)
        return status, json.loads(text)

    def lines(self, quell, query="", token=None):
        return [(line["tenant"], line["by"], line["what"], line["detail"])
                for line in self.audit(quell, query, token)[1]["audit"]]

    def write(self, quell, tenant, more):
        path = os.path.join(quell.directory, "tenants", tenant + ".toml")
        with open(path) as file:
            text = file.read()
        write_whole(path, text + more)

    def reload(self, quell, words="reloaded: "):
        count = quell.read_log().count(words)
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: quell.read_log().count(words) > count))

    def test_a_reload_says_who_when_and_what_to_each_tenant_its_own(self):
        quell = self.tenants()
        self.write(quell, "acme", "[labels]\na = 'secret-word'\n")
        self.write(quell, "umbrella", "[dedup]\nwindow = '7m'\n")
        self.reload(quell)
        self.write(quell, "acme", "[nonsense]\n")
        self.reload(quell, "is refused, the old one stays")
        quell.stop(signal.SIGKILL)
        with open(os.path.join(quell.directory, "tenants", "acme.toml")) as file:
            text = file.read().replace("[nonsense]\n", "")
        write_whole(os.path.join(quell.directory, "tenants", "acme.toml"), text)
        quell.start()
        lines = self.lines(quell)
        changes = [line for line in lines if line[2] == "change configuration"]
        self.assertEqual([(line[0], line[3]) for line in changes],
                         [("umbrella", "rules"), ("acme", "rules")])
        self.assertRegex(changes[0][1], r"a signal of user \d+, process \d+|a changed file")
        self.assertEqual([line[2] for line in lines if line[0] == "" and line[2] == "start"],
                         ["start"] * 2)
        self.assertIn("configuration refused", [line[2] for line in lines])
        self.assertNotIn("secret-word", json.dumps(lines))
        for name in ("acme", "umbrella"):
            own = self.lines(quell, token=name)
            self.assertEqual([line[0] for line in own], [name])
        stamps = [line["at"] for line in self.audit(quell)[1]["audit"]]
        self.assertEqual(stamps, sorted(stamps, reverse=True))

    def test_what_counts_from_a_reload_on_is_named_whosever_it_is(self):
        """Above all: who need not say who he is any more, and which certificate lets whom in."""
        quell = self.quell("notify.group_wait=0s", files={
            "quell.toml": '[auth]\nmode = "token"\n', "tenants/acme.toml": '[tenant]\nid = "acme"\n'})
        for name, text, told in (
                ("quell.toml", '[auth]\nmode = "none"\n', "quell.toml: auth.mode"),
                ("quell.toml", '[sinks]\naddresses = "any"\n'
                 '[server]\ntenant_share = 50\nidle_timeout = "9s"\n',
                 "quell.toml: server.tenant_share, sinks.addresses"),
                ("tenants/acme.toml", '[tenant]\nid = "acme"\nclient_names = ["agent"]\n',
                 "acme: client certificates")):
            start = len(quell.read_log())
            write_whole(os.path.join(quell.directory, name), text)
            self.reload(quell)
            self.assertRegex(quell.said(start), f"(?m)^configuration changed by .*[0-9e]: {told}$")
        quell.settle()
        lines = [line for line in self.lines(quell) if line[2] == "change configuration"]
        self.assertEqual([(line[0], line[3]) for line in lines[::-1] if "nothing" not in line[3]],
                         [("", "auth.mode"), ("", "server.tenant_share, sinks.addresses"),
                          ("acme", "client certificates")])

    def test_what_operators_do_is_there_after_a_crash(self):
        quell = self.tenants()
        quell.request("POST", "/v1/events", json.dumps(failure("load")),
                      {"Authorization": "Bearer acme"})
        quell.settle()
        incident = quell.incidents()[0]["id"]
        for path, body in ((f"incidents/{incident}/ack", {"by": "ann", "note": "on it <b>"}),
                           ("silences?tenant=acme", {"entity": "job:x", "duration": "1h",
                                                     "reason": "moving", "by": "bob"}),
                           (f"incidents/{incident}/resolve", {"by": "ann", "note": ""})):
            status, _, _ = quell.request("POST", "/api/v1/" + path, json.dumps(body),
                                         port=quell.console)
            self.assertEqual(status, 200)
        quell.stop(signal.SIGKILL)
        quell.start()
        lines = [line for line in self.lines(quell, "tenant=acme")]
        self.assertEqual([line[:3] for line in lines],
                         [("acme", "ann", "resolve incident"), ("acme", "bob", "make silence"),
                          ("acme", "ann", "acknowledge incident")])
        self.assertEqual(lines[2][3], incident + ": on it <b>")
        self.assertRegex(lines[1][3], r"^sil_[0-9a-z]{26}: moving$")

    def test_records_of_another_tenant_are_counted_and_do_not_flood(self):
        quell, begun = self.tenants(), time.monotonic()
        bearer = {"Authorization": "Bearer acme"}
        escaped = json.dumps(  # what is escaped lies in memory that the next record uses again
            [{**failure(f"j{number}"), "tenant_id": "umbrella"} for number in range(5)]
            + [{**failure("own"), "message": "Xtreme trouble"}])
        escaped = escaped.replace('"umbrella', '"\\u0075mbrella').replace('"X', '"\\u0058')
        for _ in range(40):
            quell.request("POST", "/v1/events", escaped, bearer)
        for scope in ("umbrella", "a/b <x>"):
            status, _, _ = quell.request("POST", "/v1/events", json.dumps(failure("x")),
                                         {**bearer, "X-Scope-OrgID": scope})
            self.assertEqual(status, 403)
        status, _ = self.audit(quell, "tenant=umbrella", "acme")
        self.assertEqual(status, 403)
        for _ in range(50):
            self.assertEqual(self.audit(quell, "tenant=umbrella%00", "acme")[0], 403)

        def refused():
            return [line for line in self.lines(quell, "tenant=acme") if line[2] == "refused"]
        self.assertTrue(wait_for(lambda: len(refused()) >= 2))
        self.assertIn("1 on the console port claimed tenant umbrella",
                      [line[3] for line in refused()])
        lines_max = 5 + 3 * int((time.monotonic() - begun) / 10)  # each port tells every ten seconds
        self.assertLess(len(refused()), lines_max)
        quell.stop()  # says what is left
        quell.start()
        lines = [line[3] for line in refused()]
        counts = [int(line.split()[0]) for line in lines if line.endswith("tenant umbrella")]
        self.assertEqual(sum(counts), 40 * 5 + 2)
        counts = [int(line.split()[0]) for line in lines if line.endswith("tenant umbrella?")]
        self.assertEqual(sum(counts), 50)
        self.assertLess(len(counts), lines_max - 3)
        self.assertIn("1 on the ingest port claimed tenant a/b <x>", lines)
        self.assertEqual(self.lines(quell, token="umbrella"), [])

    def test_a_record_of_another_tenant_is_told_whatever_else_is_wrong_with_it(self):
        quell, bearer = self.tenants(), {"Authorization": "Bearer acme"}
        quell.post("/v1/events", [{**failure("x"), "tenant_id": "umbrella", "status": "exploded"},
                                  {"tenant_id": "umbrella"}, {**failure("x"), "status": "bad"}],
                   bearer)
        record = {"attributes": [{"key": key, "value": {"stringValue": value}} for key, value in
                                 (("tenant.id", "umbrella"), ("job.status", "exploded"))]}
        quell.post("/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}, bearer)
        quell.post("/v1/edges", [{"from": "job:a", "to": "job:a", "tenant_id": "umbrella"}], bearer)
        self.assertEqual(quell.settle()["events_rejected"], 5)
        quell.stop()  # says what is left
        quell.start()
        lines = [line[3] for line in self.lines(quell, "tenant=acme") if line[2] == "refused"]
        self.assertEqual(sum(int(line.split()[0]) for line in lines), 4, lines)

    def test_each_tenant_that_one_request_claims_is_told(self):
        quell = self.tenants()
        claims = ["beta", "gamma", "beta"] + [f"t{number}" for number in range(20)]
        events = [{**failure("x"), "tenant_id": claim} for claim in claims]
        quell.request("POST", "/v1/events", json.dumps(events), {"Authorization": "Bearer acme"})

        def refused():
            return [line[3] for line in self.lines(quell, "tenant=acme") if line[2] == "refused"]
        self.assertTrue(wait_for(lambda: len(refused()) >= 8))
        self.assertEqual(sorted(refused()), sorted(
            [f"{2 if claim == 'beta' else 1} on the ingest port claimed tenant {claim}"
             for claim in {"beta", "gamma", "t0", "t1", "t2", "t3", "t4"}]
            + ["15 on the ingest port claimed tenant of others"]))

    def test_pages_go_back_to_the_first_line(self):
        quell = self.quell("notify.group_wait=1h")
        quell.events(failure("load"))
        quell.settle()
        incident = quell.incidents()[0]["id"]
        for number in range(25):
            quell.request("POST", f"/api/v1/incidents/{incident}/ack",
                          json.dumps({"by": f"p{number}"}), port=quell.console)
        seen, cursor = [], ""
        while cursor is not None:
            page = self.audit(quell, "limit=4" + (f"&cursor={cursor}" if cursor else ""))[1]
            seen += [line["by"] for line in page["audit"]]
            cursor = page["next_cursor"]
        self.assertEqual(seen, [f"p{number}" for number in reversed(range(25))] + ["quell"])
        for bad in ("cursor=zz", "cursor=" + "f" * 33, "limit=0", "limit=x"):
            self.assertEqual(self.audit(quell, bad)[0], 400)
        status, answer = self.audit(quell, "cursor=" + "f" * 32)
        self.assertEqual((status, answer["audit"]), (200, []))
        done = subprocess.run([BINARY, "audit", "--console", f"127.0.0.1:{quell.console}",
                               "--limit", "2"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 2)
        self.assertIn("acknowledge incident", done.stdout)
        self.assertTrue(done.stdout.splitlines()[0].endswith(f" {incident} by p24"), done.stdout)
        quell.request("POST", f"/api/v1/incidents/{incident}/ack", "{}", port=quell.console)
        done = subprocess.run(done.args, capture_output=True, text=True)
        self.assertTrue(done.stdout.splitlines()[0].endswith(" by nobody named"), done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
