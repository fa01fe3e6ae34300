"""quell graph and quell explain: the graph as DOT, why this root, and never another tenant's."""
import datetime
import json
import subprocess
import time
import unittest

from harness import BINARY, Story, failure, wait_for


class Explain(Story):
    def setUp(self):
        self.q = self.quell("notify.group_wait=1h")

    def command(self, *words, code=0):
        run = subprocess.run([BINARY, *words, "--console", f"127.0.0.1:{self.q.console}"],
                             capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, code, run.stderr)
        return run.stdout if code == 0 else run.stderr

    def storm(self):
        """report -> load -> extract; beside, a cycle of two services; extract leans on disk."""
        at = "2026-11-20T03:00:%02dZ"
        self.q.events({"job_id": "extract", "status": "started", "depends_on": ["job:disk"]},
                      {"job_id": "disk", "status": "succeeded"},
                      failure("load", "extract", occurred_at=at % 20),
                      failure("report", "load", occurred_at=at % 40),
                      failure("extract", occurred_at=at % 5),
                      failure("ping", "pong", occurred_at=at % 30),
                      failure("pong", "ping", "extract", occurred_at=at % 35))
        self.q.settle()
        incident, = self.q.incidents()
        self.assertEqual(incident["root_cause"]["entity"], "job:extract")
        # Ranked again a second after members have changed.
        self.assertTrue(wait_for(lambda: len(
            self.q.incidents()[0]["root_cause"]["alternatives"]) == 4))
        return incident["id"]

    def test_explain_says_order_paths_cycles_and_what_was_ruled_out(self):
        name = self.storm()
        told = json.loads(self.command("explain", name, "--json"))
        self.assertEqual(told["incident"], name)
        self.assertEqual([one["entity"] for one in told["order"]],
                         ["job:extract", "job:load", "job:ping", "job:pong", "job:report"])
        paths = {one["entity"]: one["path"] for one in told["order"]}
        self.assertEqual(paths["job:report"], ["job:extract", "job:load", "job:report"])
        self.assertEqual(paths["job:ping"], ["job:extract", "job:pong", "job:ping"])
        self.assertEqual(told["order"][4]["after_root_ms"], 35000)
        self.assertEqual([sorted(one) for one in told["slice"]["cycles"]],
                         [["job:ping", "job:pong"]])
        seen = {(one["from"], one["to"]): one for one in told["slice"]["edges"]}
        edge = seen["job:load", "job:extract"]
        self.assertEqual(set(edge), {"from", "to", "origin", "last_seen"})
        self.assertEqual(edge["origin"], "event")
        reasons = {one["entity"]: one["reason"] for one in told["ruled_out"]}
        self.assertIn("has reported nothing bad", reasons["job:disk"])
        self.assertIn("15.000 s after the root", reasons["job:load"])
        self.assertIn("downstream of the root by 1 hop", reasons["job:load"])
        words = self.command("explain", name)
        self.assertIn("job:extract > job:load > job:report", words)
        self.assertIn("job:disk: upstream of the root, has reported nothing bad", words)
        self.assertIn("cycle    ", words)

    def test_another_that_fails_upstream_is_an_alternative(self):
        at = "2026-11-20T03:00:%02dZ"
        self.q.events(failure("one", occurred_at=at % 0), failure("two", occurred_at=at % 1),
                      failure("hit", "one", "two", occurred_at=at % 2))
        self.q.settle()
        incident, = [one for one in self.q.incidents() if one["affected"]]
        self.assertEqual(incident["root_cause"]["entity"], "job:two")
        # Ranked again a moment after members have changed.
        self.assertTrue(wait_for(lambda: "job:one: fails as well, and some that are affected depend "
                                         "on it directly" in self.command("explain", incident["id"])))

    def test_of_a_reopened_incident_what_fails_since_is_explained(self):
        self.q.events(failure("up"), failure("down", "up"))
        self.q.events(*[{"job_id": job, "status": "succeeded"} for job in ("up", "down")])
        self.q.settle()
        self.q.events(failure("up", event_id="again"))
        self.q.settle()
        incident, = self.q.incidents()
        self.assertEqual((incident["status"], incident["affected"]), ("open", []))
        told = json.loads(self.command("explain", incident["id"], "--json"))
        self.assertEqual([one["entity"] for one in told["order"]], ["job:up"])

    def test_how_each_failed_stands_beside_when_also_of_what_is_well_again(self):
        self.q.events(failure("up"), failure("down", "up"), failure("last", "down"))
        self.q.events({"job_id": "up", "status": "succeeded"})
        self.q.settle()
        incident, = self.q.incidents()
        order = json.loads(self.command("explain", incident["id"], "--json"))["order"]
        self.assertEqual([(one["entity"], one["failed_as"], one["status"]) for one in order],
                         [("job:up", "failed", "succeeded"), ("job:down", "failed", "failed"),
                          ("job:last", "failed", "failed")])
        words = self.command("explain", incident["id"])
        self.assertRegex(words, r"Z  failed  job:up  \(now succeeded\)   the root\n")
        self.assertRegex(words, r"Z  failed  job:down   by job:up > job:down\n")
        self.assertIn("downstream of the root by 1 hop\n", words)
        self.assertIn("downstream of the root by 2 hops\n", words)

    def test_another_storm_that_is_over_is_not_said_to_be_upstream(self):
        self.q.events(failure("one"), failure("hit_one", "one"),
                      failure("two"), failure("hit_two", "two"))
        self.q.settle()
        two, = [one for one in self.q.incidents() if one["root_cause"]["entity"] == "job:two"]
        self.assertTrue(wait_for(lambda: "job:one: it broke before or about the same time, but no " in
                                         self.command("explain", two["id"])))
        self.q.events(*[{"job_id": job, "status": "succeeded"} for job in ("one", "hit_one")])
        self.q.settle()
        self.assertIn("job:one: does not fail now, and no known edge leads from it to the root",
                      self.command("explain", two["id"]))

    def test_who_complains_without_failing_is_shown_as_hit(self):
        self.q.events(failure("extract"), {"entity": "service:shop", "status": "ok",
                                           "message": "extract is slow, using old prices"})
        self.q.settle()
        incident, = self.q.incidents()
        self.assertEqual([(one["entity"], one["status"]) for one in incident["affected"]],
                         [("service:shop", "degraded")])
        self.assertEqual(incident["blast_radius"]["failing"], 1)
        self.assertEqual(incident["signals"]["total"], 1)
        self.assertIn("service:shop  (has not failed, complains)",
                      self.command("explain", incident["id"]))

    def test_a_suspected_root_is_explained_too(self):
        self.q.events(*[failure(f"load_{i}", "warehouse") for i in range(4)])
        self.q.settle()
        incident, = self.q.incidents()
        told = json.loads(self.command("explain", incident["id"], "--json"))
        self.assertTrue(told["root"]["suspected"])
        self.assertEqual(told["root"]["entity"], "job:warehouse")
        self.assertEqual({tuple(one["path"]) for one in told["order"]},
                         {("job:warehouse", f"job:load_{i}") for i in range(4)})
        self.assertTrue(wait_for(lambda: "ruled out" in self.command("explain", incident["id"])))
        told = json.loads(self.command("explain", incident["id"], "--json"))
        self.assertEqual({one["reason"] for one in told["ruled_out"]},
                         {"downstream of the root by 1 hop"})  # which has failed at no time

    def test_who_is_ruled_out_is_listed_once(self):
        self.q.events(failure("here", "there"), failure("there", "here"))
        self.q.settle()
        incident, = self.q.incidents()

        def ruled_out():
            told = json.loads(self.command("explain", incident["id"], "--json"))
            return [(one["entity"], one["reason"][:40]) for one in told["ruled_out"]]
        self.assertTrue(wait_for(lambda: self.q.incidents()[0]["root_cause"]["alternatives"]))
        self.assertEqual(ruled_out(),
                         [("job:there", "upstream of the root and downstream of i")])

    def test_the_graph_is_dot_or_json(self):
        self.storm()
        dot = self.command("graph", "--tenant", "default")
        self.assertTrue(dot.startswith("digraph quell {"))
        self.assertIn('"job:load" -> "job:extract";', dot)
        self.assertIn('"job:load" [color=red', dot)
        self.assertIn('"job:disk";', dot)
        self.assertIn("// cycle:", dot)
        below = json.loads(self.command("graph", "job:load", "--tenant", "default",
                                        "--direction", "down", "--json"))
        self.assertEqual([node["entity"] for node in below["nodes"]], ["job:load", "job:report"])
        self.assertIn("the graph has no entity of this name",
                      self.command("graph", "job:none", code=1))

    def test_spans_read_as_people_say_them_and_the_root_is_called_that(self):
        self.q.events(failure("extract", occurred_at="2026-11-20T03:00:00Z"),
                      failure("load", "extract", occurred_at="2026-11-20T03:10:30.250Z"))
        self.q.settle()
        words = self.command("explain", self.q.incidents()[0]["id"])
        self.assertIn("  failed  job:extract   the root\n", words)
        self.assertIn("  failed  job:load   by job:extract > job:load\n", words)
        self.assertTrue(wait_for(lambda: "job:load: failed 10m30s after the root; " in
                                 self.command("explain", self.q.incidents()[0]["id"])))

    def test_an_edge_says_when_it_was_seen_last_also_after_a_restart(self):
        started = time.time()
        self.storm()
        edges = json.loads(self.command("graph", "--json"))["edges"]
        for edge in edges:
            seen = datetime.datetime.fromisoformat(edge["last_seen"].replace("Z", "+00:00"))
            self.assertLess(abs(seen.timestamp() - started), 600, edge)
        self.q.stop()
        self.q.start()
        self.assertEqual(json.loads(self.command("graph", "--json"))["edges"], edges)

    def test_a_name_cannot_break_out_of_dot(self):
        self.q.events({"entity": 'job:a"]; evil \\ [x="', "status": "failed"})
        self.q.settle()
        self.assertIn('"job:a\\"]; evil \\\\ [x=\\""', self.command("graph"))

    def test_another_tenant_learns_nothing(self):
        name = self.storm()
        self.assertIn("no incident has this id",
                      self.command("explain", name, "--tenant", "other", code=1))
        self.assertNotIn("job:load", self.command("graph", "--tenant", "other"))
        self.assertEqual(self.q.get(f"/api/v1/incidents/{name}/explain?tenant=other")[0], 404)
        self.assertIn("usage", self.command("explain", "../stats", code=2))


if __name__ == "__main__":
    unittest.main(verbosity=2)
