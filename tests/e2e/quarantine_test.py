"""What was refused stands in the quarantine: listed, shown with its raw bytes, dropped; what could
not be applied for want of room is applied again."""
import json
import subprocess
import unittest
from collections import Counter

from harness import BINARY, Console, Story, failure, listed, wait_for


class Quarantine(Story):
    def cli(self, quell, *words):
        result = subprocess.run([BINARY, "quarantine", *words, "--console",
                                 f"127.0.0.1:{quell.console}"], capture_output=True, text=True)
        return result.returncode, result.stdout, result.stderr

    def list(self, quell, *words):
        code, out, words = self.cli(quell, "list", "--json", *words)
        self.assertEqual(code, 0, words)
        return json.loads(out)["quarantine"]

    def test_a_refused_record_is_listed_shown_and_dropped_for_good(self):
        quell = self.quell("notify.group_wait=1h")
        status, _ = quell.post("/v1/events", [failure("load"), {"job_id": "odd", "status": "strange"}],
                               {"X-Scope-OrgID": "acme"})
        self.assertEqual(status, 200)
        quell.settle()
        record, = self.list(quell)
        self.assertEqual((record["tenant"], record["retryable"]), ("acme", False))
        self.assertIn("strange", record["reason"])
        code, out, _ = self.cli(quell, "show", record["id"])
        self.assertEqual(json.loads(json.loads(out)["raw"])["status"], "strange")
        self.assertIn("strange", self.cli(quell, "list")[1])
        self.assertIn("no quarantined record has this id", self.cli(quell, "show", "99-0")[2])
        self.assertEqual(self.cli(quell, "drop", "98-0", "99-0")[2],
                         "quell: 98-0: refused (404): no quarantined record has this id\n"
                         "quell: 99-0: refused (404): no quarantined record has this id\n")
        code, _, words = self.cli(quell, "retry", record["id"])
        self.assertEqual(code, 1)
        self.assertIn("correct it and send it again", words)
        for words in ("show", "first"), ("retry", "first"), ("drop", record["id"], "first"):
            self.assertEqual(self.cli(quell, *words), (
                2, "", 'quell: "first" is no id of a record, such as 3-0\n'))
        self.assertEqual(len(self.list(quell)), 1)  # nothing was dropped before the mistake
        code, out, words = self.cli(quell, "retry", "--all")
        self.assertEqual((code, out), (0, ""))
        self.assertIn("would be again, so were left: 1;", words)
        self.assertEqual(self.list(quell, "--tenant", "rival"), [])
        line, = self.cli(quell, "list")[1].splitlines()
        self.assertEqual(line, line.rstrip())
        code, out, _ = self.cli(quell, "drop", record["id"], "--json")
        self.assertEqual((code, json.loads(out)), (0, {"id": record["id"], "result": "dropped"}))
        self.assertEqual(self.list(quell), [])
        self.assertEqual(self.cli(quell, "drop", record["id"])[0], 1)
        quell.stop()
        quell.start()
        self.assertEqual(self.list(quell), [])

    def test_a_refused_record_stands_with_the_tenant_that_it_names(self):
        quell = self.quell("notify.group_wait=1h")
        bogus = {"job_id": "x", "status": "bogus"}
        log = {"attributes": [{"key": "job.id", "value": {"stringValue": "x"}},
                              {"key": "job.status", "value": {"stringValue": "bogus"}}]}
        resource = {"attributes": [{"key": "tenant.id", "value": {"stringValue": "otlp"}}]}
        quell.post("/v1/events", {"tenant_id": "one", **bogus})
        quell.post("/v1/events", [{"tenant_id": "many", **bogus}, {"tenant_id": "no name", **bogus},
                                  {"tenant_id": "many", "job_id": "x"}, bogus])
        quell.post("/v1/events", {"tenant_id": "one", **bogus}, {"X-Scope-OrgID": "header"})
        quell.post("/v1/logs", {"resourceLogs": [
            {"resource": resource, "scopeLogs": [{"logRecords": [log]}]}]})
        quell.post("/v1/edges", [{"tenant_id": "edges", "from": "job:a"}])
        quell.request("POST", "/api/v2/alerts", json.dumps(
            [{"labels": {"tenant": "alerts", "alertname": "A"}, "endsAt": "soon"}]))
        quell.settle()
        expected = {"one": 1, "many": 2, "default": 2, "header": 1, "otlp": 1, "edges": 1,
                    "alerts": 1}
        tenants = quell.get("/api/v1/stats")[1]["tenants"]
        self.assertEqual({name: one["events_rejected"] for name, one in tenants.items()}, expected)
        self.assertEqual(Counter(one["tenant"] for one in self.list(quell)), Counter(expected))

    def test_a_refused_record_keeps_what_stood_around_it(self):
        """Of a resource, or in a header: nobody can send it again without that."""
        quell = self.quell("notify.group_wait=1h")
        pair = lambda key, value: {"key": key, "value": {"stringValue": value}}  # noqa: E731
        status = [pair("job.id", "x"), pair("job.status", "bogus")]
        point = {"timeUnixNano": "1", "asInt": "1", "attributes": status}
        scope = {"scope": {"name": "s", "attributes": [pair("team", "data")]}}
        around = {"resource": {"attributes": [pair("service.name", "shop"), pair("zone", "a")]}}
        scopes = {"logs": {"logRecords": [{"attributes": status}]},
                  "traces": {"spans": [{"traceId": "1" * 32, "spanId": "2" * 16,
                                        "attributes": status}]},
                  "metrics": {"metrics": [{"name": "runs", "gauge": {"dataPoints": [point]}}]}}
        for signal, name in (("logs", "Logs"), ("traces", "Spans"), ("metrics", "Metrics")):
            answer = quell.post("/v1/" + signal, {"resource" + name: [
                {**around, "scope" + name: [{**scope, **scopes[signal]}]}]})
            self.assertIn("bogus", answer[1]["partialSuccess"]["errorMessage"])
        event = {"ce-specversion": "1.0", "ce-id": "17", "ce-source": "/cron", "ce-type": "x.odd",
                 "ce-time": "2026-11-20T03:00:00Z"}
        for body in ("{}", "{no json"):
            self.assertEqual(quell.post("/v1/cloudevents", body, event)[0], 400)
        quell.post("/v1/events", {"job_id": "x", "status": "bogus", "zone": "in its bytes"})
        quell.settle()
        shown = [json.loads(self.cli(quell, "show", record["id"])[1])
                 for record in self.list(quell)]
        found = [{one["key"]: one["value"] for one in record.get("attributes", [])}
                 for record in shown]
        for record in found[:3]:
            self.assertEqual({key: record.get(key) for key in ("service.name", "zone", "team")},
                             {"service.name": "shop", "zone": "a", "team": "data"})
        self.assertEqual(found[2]["metric.name"], "runs")
        self.assertEqual(found[3:], [event, event, {}])

    def test_a_refused_record_too_large_with_what_stood_around_it_is_kept_without(self):
        quell = self.quell("notify.group_wait=1h")
        pair = lambda key, value: {"key": key, "value": {"stringValue": value}}  # noqa: E731
        log = {"attributes": [pair("job.id", "x"), pair("job.status", "bogus")]}
        resource = {"attributes": [pair(f"k{number}", "x" * 16000) for number in range(100)]}
        status, answer = quell.post("/v1/logs", {"resourceLogs": [
            {"resource": resource, "scopeLogs": [{"logRecords": [log]}]}]})
        self.assertEqual((status, answer["partialSuccess"]["rejectedLogRecords"]), (200, "1"))
        quell.settle()
        record, = self.list(quell)
        self.assertTrue(record["cut"])
        shown = json.loads(self.cli(quell, "show", record["id"])[1])
        self.assertNotIn("attributes", shown)
        self.assertIn("bogus", shown["raw"])

    def test_a_record_that_is_kept_in_part_says_so(self):
        quell = self.quell()
        for size in (1000, 600 * 1024):
            quell.post("/v1/events", [{"job_id": "odd", "status": "strange", "message": "x" * size}])
        quell.settle()
        whole, part = self.list(quell)
        self.assertNotIn("cut", whole)
        self.assertEqual((part["cut"], part["bytes"]), (True, 512 * 1024))
        shown = json.loads(self.cli(quell, "show", part["id"])[1])
        self.assertEqual((shown["cut"], len(shown["raw"])), (True, 512 * 1024))

    def test_pages_go_on_behind_one_another_and_all_are_dropped(self):
        quell = self.quell()
        for tenant in ("a", "b"):
            quell.post("/v1/events", [{"n": n} for n in range(40)],
                       {"X-Scope-OrgID": tenant})
        quell.settle()
        found, cursor = [], ""
        while cursor is not None:
            page = quell.get("/api/v1/quarantine?limit=7" + (f"&cursor={cursor}" if cursor else ""))
            found += [record["id"] for record in page[1]["quarantine"]]
            cursor = page[1]["next_cursor"]
        self.assertEqual((len(found), len(set(found))), (80, 80))
        self.assertEqual(self.cli(quell, "drop", "--all", "--tenant", "a")[0], 0)
        self.assertEqual({record["tenant"] for record in self.list(quell)}, {"b"})
        for bad in ("zz", "00" * 200):
            self.assertEqual(quell.get("/api/v1/quarantine?cursor=" + bad)[0], 400)
        for path in ("/1-2", "/1", "/1-2/fly", "/x-y"):
            self.assertEqual(quell.get("/api/v1/quarantine" + path)[0], 404)

    def test_a_list_says_that_there_is_more_and_is_followed_to_its_end(self):
        quell = self.quell()
        quell.post("/v1/events", [{"n": n} for n in range(150)])
        quell.settle()
        found, pages = listed(quell, "quarantine", "list")
        self.assertEqual((len(found), len(set(found)), pages), (150, 150, 2))
        for record in found[:5]:
            self.assertEqual(self.cli(quell, "drop", record)[0], 0)
        quell.settle()
        lines, pages = listed(quell, "audit", "--limit", "2")
        self.assertEqual(pages, -(-len(lines) // 2))
        self.assertGreaterEqual(len(lines), 5)

    def test_each_of_all_is_named_with_its_tenant_and_a_refusal_does_not_end_it(self):
        def answer(method, path):
            if method == "GET":
                return 200, {"next_cursor": None, "quarantine": [
                    {"id": f"{number}-0", "tenant": tenant, "retryable": True}
                    for number, tenant in ((7, "a"), (8, "b"))]}
            return (404, {"error": {"message": "gone"}}) if "/7-0/" in path else (200, {})
        console = Console(answer)
        self.addCleanup(console.close)
        code, out, words = self.cli(console, "retry", "--all")
        self.assertEqual((code, out), (1, "8-0 retried\n"))
        self.assertIn("gone", words)
        self.assertEqual([line for line in console.asked if line.startswith("POST")],
                         ["POST /api/v1/quarantine/7-0/retry?&tenant=%61",
                          "POST /api/v1/quarantine/8-0/retry?&tenant=%62"])

    def test_what_found_no_room_is_applied_again(self):
        quell = self.quell("notify.group_wait=1h", "limits.entities=8")
        quell.events(*[failure(f"job{number}") for number in range(12)])
        quell.settle()
        self.assertLess(len(quell.incidents()), 12)
        self.assertEqual(quell.metric("quell_graph_nodes_limit"), 8)
        self.assertTrue(wait_for(lambda: quell.metric("quell_graph_nodes") == 8))
        waiting = self.list(quell)
        self.assertTrue(waiting and all(record["retryable"] for record in waiting))
        quell.stop()
        quell.overrides.remove("limits.entities=8")
        quell.start()
        self.assertEqual(self.cli(quell, "retry", "--all")[0], 0)
        quell.settle()
        self.assertEqual((len(quell.incidents()), self.list(quell)), (12, []))

    def test_all_are_retried_once_also_when_they_find_no_room_again(self):
        quell = self.quell("notify.group_wait=1h", "limits.entities=8")
        quell.events(*[failure(f"job{number}") for number in range(130)])
        quell.settle()
        waiting = listed(quell, "quarantine", "list")[0]
        self.assertGreater(len(waiting), 100)  # more than a page, which those come back behind
        result = subprocess.run([BINARY, "quarantine", "retry", "--all", "--console",
                                 f"127.0.0.1:{quell.console}"], capture_output=True, text=True,
                                timeout=60)
        self.assertEqual(result.stdout.splitlines(), [f"{record} retried" for record in waiting])
        self.assertIn("stands there anew", result.stderr)
        self.assertEqual(result.returncode, 0)
        quell.settle()
        self.assertEqual(len(listed(quell, "quarantine", "list")[0]), len(waiting))


if __name__ == "__main__":
    unittest.main(verbosity=2)
