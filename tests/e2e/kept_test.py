"""What is kept for people has an end: of a tenant that floods, the oldest go; nobody else's do."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from harness import BINARY, Story, failure, listed, wait_for


class Kept(Story):
    def bounded(self, section, limits, sink=""):
        tenant = (f'[tenant]\nid = "acme"\n[notify]\ngroup_wait = "0s"\n'
                  f'[{section}]\n{limits}\n{sink}')
        return self.quell("tenants_dir=tenants", "notify.group_wait=0s",
                          files={"tenants/acme.toml": tenant})

    def refuse(self, quell, tenant, numbers):
        for first in range(0, len(numbers), 50):
            status, answer = quell.post("/v1/events", [{"job_id": f"odd{number}", "status": "strange"}
                                                       for number in numbers[first:first + 50]],
                                        {"X-Scope-OrgID": tenant})
            self.assertEqual((status, answer["accepted"]), (400, 0))
        quell.settle()

    def quarantined(self, quell, tenant):
        return listed(quell, "quarantine", "list", "--tenant", tenant)[0]

    def sample(self, quell, name, tenant):
        text = quell.request("GET", "/metrics", port=quell.console)[1].decode()
        return int(next(line.split()[1] for line in text.splitlines()
                        if line.startswith(f'{name}{{tenant="{tenant}"}}')))

    def check_flood(self, quell):
        found = self.quarantined(quell, "acme")
        dropped = self.sample(quell, "quell_quarantine_dropped_total", "acme")
        self.assertEqual(len(found) + dropped, 1000)
        self.assertTrue(20 < len(found) < 250, len(found))
        self.assertIn("odd999", quell.get("/api/v1/quarantine/" + found[-1])[1]["raw"])
        self.assertEqual(len(self.quarantined(quell, "rival")), 3)
        self.assertEqual(self.sample(quell, "quell_quarantine_dropped_total", "rival"), 0)
        return found

    def test_a_flood_of_refused_records_drops_the_oldest_of_its_tenant(self):
        quell = self.bounded("quarantine", 'retention_bytes = "64KiB"')
        self.refuse(quell, "rival", range(3))
        self.refuse(quell, "acme", range(1000))
        self.assertTrue(wait_for(lambda: len(self.quarantined(quell, "acme")) < 250))
        quell.settle()
        found = self.check_flood(quell)
        self.assertLessEqual(quell.metric("quell_quarantine_bytes"), 66 * 1024)
        self.assertEqual(quell.get("/api/v1/stats?tenant=acme")[1]["quarantine_dropped"],
                         1000 - len(found))
        self.assertRegex(quell.read_log(), "were dropped, the oldest of their tenants, the latest of "
                         "tenant acme: see quarantine.retention and quarantine.retention_bytes")
        quell.stop(signal.SIGKILL)
        quell.start()
        self.assertEqual(self.check_flood(quell), found)
        quell.stop()
        shutil.rmtree(os.path.join(quell.directory, "quell-data", "shard-0", "state"))
        quell.start()  # out of the journal alone
        self.assertEqual(self.check_flood(quell), found)

    def test_a_sink_that_takes_nothing_keeps_the_newest_letters_of_its_tenant(self):
        hook = self.receiver()
        hook.status = 400
        sink = f'[sink.hook]\ntype = "webhook"\nurl = "{hook.url}"\n'
        quell = self.bounded("dead_letters", 'retention_bytes = "64KiB"', sink)
        with open(os.path.join(quell.directory, "tenants", "rival.toml"), "w") as file:
            file.write('[tenant]\nid = "rival"\n' + sink)
        self.assertTrue(wait_for(lambda: "reloaded" in quell.read_log()))
        quell.events(failure("load"), **{"X-Scope-OrgID": "rival"})
        quell.events(*[failure(f"job{number}") for number in range(300)],
                     **{"X-Scope-OrgID": "acme"})
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/stats")[1]["deliveries_dead"] == 301))
        quell.settle()
        letters = quell.get("/api/v1/dlq?limit=1000&tenant=acme")[1]["dead_letters"]
        dropped = self.sample(quell, "quell_dead_letters_dropped_total", "acme")
        self.assertEqual(len(letters) + dropped, 300)
        self.assertTrue(5 < len(letters) < 200, len(letters))
        self.assertEqual(len(quell.get("/api/v1/dlq?tenant=rival")[1]["dead_letters"]), 1)
        self.assertIn("see dead_letters.retention", quell.read_log())
        hook.status = 200
        quell.stop(signal.SIGKILL)
        quell.start()
        retried = subprocess.run([BINARY, "dlq", "retry", "--all", "--console",
                                  f"127.0.0.1:{quell.console}"], capture_output=True, text=True)
        self.assertEqual(retried.returncode, 0, retried.stderr)
        self.assertTrue(wait_for(lambda: len(hook.messages) == len(letters) + 1))
        quell.settle()
        self.assertEqual(quell.metric("quell_dead_letters_bytes"), 0)

    def test_what_is_too_old_goes_without_anything_else_happening(self):
        quell = self.bounded("quarantine", 'retention = "2s"')
        self.refuse(quell, "rival", range(3))
        self.refuse(quell, "acme", range(3))
        self.assertTrue(wait_for(lambda: self.quarantined(quell, "acme") == []))
        self.assertEqual(self.sample(quell, "quell_quarantine_dropped_total", "acme"), 3)
        self.assertEqual(len(self.quarantined(quell, "rival")), 3)

    def test_a_retention_raised_before_a_start_keeps_what_the_old_one_would_drop(self):
        quell = self.bounded("quarantine", 'retention = "3s"')
        self.refuse(quell, "acme", range(3))
        quell.stop(signal.SIGKILL)
        with open(os.path.join(quell.directory, "tenants", "acme.toml"), "w") as file:
            file.write('[tenant]\nid = "acme"\n[quarantine]\nretention = "1h"\n')
        time.sleep(4)
        quell.start()
        quell.settle()
        self.assertEqual(len(self.quarantined(quell, "acme")), 3)
        self.assertEqual(self.sample(quell, "quell_quarantine_dropped_total", "acme"), 0)

    def resolved(self, quell, tenant, jobs):
        named = {"X-Scope-OrgID": tenant}
        quell.events(*[failure(job) for job in jobs], **named)
        quell.settle()
        found = [i["id"] for i in quell.incidents(f"&tenant={tenant}") if i["status"] == "open"]
        quell.events(*[{"job_id": job, "status": "succeeded"} for job in jobs], **named)
        quell.settle()
        return found

    def test_resolved_incidents_go_when_they_are_old_and_are_not_found_any_more(self):
        hook = self.receiver()
        hook.status = 400
        quell = self.bounded("incidents", 'retention = "3s"\n[incident]\nreopen_window = "1s"',
                             f'[sink.hook]\ntype = "webhook"\nurl = "{hook.url}"\n')
        old = self.resolved(quell, "acme", ["one", "two"])
        rivals = self.resolved(quell, "rival", ["one"])
        quell.events(failure("open"), **{"X-Scope-OrgID": "acme"})
        self.assertEqual((len(old), len(rivals)), (2, 1))
        self.assertEqual(quell.get("/api/v1/incidents/" + old[0])[0], 200)
        self.assertTrue(wait_for(lambda: len(quell.incidents("&tenant=acme")) == 1))
        quell.settle()
        for _ in range(2):
            for path in ("", "/timeline", "/explain"):
                status, answer = quell.get("/api/v1/incidents/" + old[0] + path)
                self.assertEqual((status, answer["error"]["code"]), (404, "not_found"))
            self.assertEqual(quell.request("POST", f"/api/v1/incidents/{old[0]}/ack", '{"by":"ann"}',
                                           port=quell.console)[0], 404)
            self.assertEqual(quell.get("/api/v1/incidents/" + rivals[0])[0], 200)
            self.assertEqual(quell.incidents("&tenant=acme")[0]["status"], "open")
            self.assertEqual(self.sample(quell, "quell_incidents_dropped_total", "acme"), 2)
            self.assertEqual(self.sample(quell, "quell_incidents_dropped_total", "rival"), 0)
            quell.stop()
            checked = subprocess.run([BINARY, "check", "--data", "quell-data"], cwd=quell.directory,
                                     capture_output=True, text=True)
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
            self.assertIn("resolved incidents were dropped", quell.read_log())
            quell.start()
        letters = quell.get("/api/v1/dlq?tenant=acme&limit=100")[1]["dead_letters"]
        self.assertEqual(len([one for one in letters if one["incident"] in old]), 4, letters[:1])
        quell.stop()
        shutil.rmtree(os.path.join(quell.directory, "quell-data", "shard-0", "state"))
        quell.start()  # out of the journal alone
        self.assertEqual(quell.get("/api/v1/incidents/" + old[0])[0], 404)
        self.assertEqual(quell.get("/api/v1/incidents/" + rivals[0])[0], 200)
        quell.stop()
        report = subprocess.run([BINARY, "replay", "--json", "--data", "quell-data",
                                 "--set", "tenants_dir=tenants"], cwd=quell.directory,
                                capture_output=True, text=True)
        self.assertEqual(json.loads(report.stdout)["incident_count"], 4, report.stderr)

    def test_bounds_that_hold_nothing_are_refused(self):
        path = self.quell().directory
        with open(os.path.join(path, "bad.toml"), "w") as file:
            file.write('[quarantine]\nretention_bytes = "1KiB"\n[dead_letters]\nretention = "0s"\n'
                       '[incidents]\nretention = "0s"\nretention_bytes = "1KiB"\n')
        checked = subprocess.run([BINARY, "check", "--config", "bad.toml"], cwd=path,
                                 capture_output=True, text=True)
        self.assertEqual(checked.returncode, 1)
        self.assertIn("bad.toml:2:1: quarantine.retention_bytes is at least 64KiB",
                      checked.stdout + checked.stderr)
        self.assertIn("bad.toml:4:1: dead_letters.retention is at least 1s",
                      checked.stdout + checked.stderr)
        self.assertIn("bad.toml:6:1: incidents.retention is at least 1s",
                      checked.stdout + checked.stderr)
        self.assertIn("bad.toml:7:1: incidents.retention_bytes is at least 64KiB",
                      checked.stdout + checked.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
