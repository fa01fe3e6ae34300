"""Formats of other systems: OpenLineage, CloudEvents, native fields, pings."""
import base64
import datetime
import json
import os
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
import python_packages  # noqa: E402
from harness import SHARED, Story, failure, wait_for  # noqa: E402

QUICK = ("defaults.notify.group_wait=0s",)


def stamp(seconds=0):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return now.isoformat().replace("+00:00", "Z")


def lineage(state, job, inputs=(), outputs=(), seconds=0, **facets):
    name = lambda text: {"namespace": "warehouse", "name": text}  # noqa: E731
    return {"eventType": state, "eventTime": stamp(seconds), "producer": "test",
            "run": {"runId": str(uuid.uuid4()), "facets": facets}, "job": name(job),
            "inputs": [name(text) for text in inputs],
            "outputs": [name(text) for text in outputs]}


class OpenLineage(Story):
    def test_a_failed_job_is_the_root_through_the_datasets_between(self):
        quell = self.quell(*QUICK)
        for event in (lineage("COMPLETE", "load", ["raw"], ["clean"], -30),
                      lineage("COMPLETE", "report", ["clean"], ["board"], -20)):
            self.assertEqual(quell.post("/api/v1/lineage", event)[0], 201)
        failed = lineage("FAIL", "load", errorMessage={"message": "disk full"})
        late = lineage("ABORT", "report", seconds=1)
        status, answer = quell.post("/api/v1/lineage", [late, failed])
        self.assertEqual((status, answer["accepted"], answer["rejected"]), (201, 2, 0))
        quell.settle()
        incidents = quell.incidents()
        self.assertEqual(len(incidents), 1)
        self.assertEqual(incidents[0]["root_cause"]["entity"], "job:warehouse/load")
        self.assertEqual(incidents[0]["root_cause"]["message"], "disk full")
        self.assertEqual([(a["entity"], a["status"], a["hops"]) for a in incidents[0]["affected"]],
                         [("job:warehouse/report", "aborted", 2)])
        quell.post("/api/v1/lineage", [lineage("COMPLETE", "load", seconds=2),
                                       lineage("COMPLETE", "report", seconds=3)])
        self.assertTrue(wait_for(lambda: quell.incidents()[0]["status"] == "resolved"))

    def test_a_name_that_is_too_long_ends_with_its_hash_and_loses_nothing(self):
        quell = self.quell(*QUICK)
        path = "s3a/" + "part=\u00fc/" * 60
        events = [lineage("COMPLETE", "load", [], [path + "1"], -30),
                  lineage("COMPLETE", "report", [path + "1"], ["board"], -20),
                  lineage("COMPLETE", "other", [path + "2"], [], -20),
                  lineage("FAIL", "load"), lineage("FAIL", "report", seconds=1),
                  lineage("FAIL", "other", seconds=1), lineage("FAIL", path, seconds=2)]
        status, answer = quell.post("/api/v1/lineage", events)
        self.assertEqual((status, answer["accepted"], answer["rejected"]), (201, 7, 0))
        quell.settle()
        incidents = {one["root_cause"]["entity"]: one["affected"] for one in quell.incidents()}
        self.assertEqual([a["entity"] for a in incidents.pop("job:warehouse/load")],
                         ["job:warehouse/report"])
        self.assertEqual(incidents.pop("job:warehouse/other"), [])
        (cut,) = incidents
        self.assertRegex(cut, "^job:warehouse/s3a/(part=\u00fc/)+[^#]*#[0-9a-f]{32}$")
        self.assertLessEqual(len(cut.encode()), 256)

    def test_a_failed_task_is_the_root_of_its_failed_parent(self):
        quell = self.quell(*QUICK)
        parent = {"run": {"runId": "r"}, "job": {"namespace": "warehouse", "name": "dag"}}
        quell.post("/api/v1/lineage", lineage("FAIL", "dag", seconds=-1))
        quell.post("/api/v1/lineage", lineage("FAIL", "dag.task", parent=parent))
        quell.settle()
        self.assertEqual([i["root_cause"]["entity"] for i in quell.incidents()],
                         ["job:warehouse/dag.task"])

    def test_recorded_events_are_taken_and_unsound_ones_refused(self):
        quell = self.quell(*QUICK)
        folder = os.path.join(SHARED, "openlineage", "events")
        if not os.path.isdir(folder):
            self.skipTest("no recorded events at " + folder)
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                status, answer = quell.post("/api/v1/lineage", file.read())
            self.assertEqual(status, 400 if name == "event_no_run_id.json" else 201, name)
        self.assertEqual(quell.post("/api/v1/lineage", {"job": {"name": "x"}})[0], 400)
        self.assertEqual(quell.post("/api/v1/lineage", "[{]")[0], 400)
        graph = quell.get("/api/v1/graph?entity=job:my-scheduler-namespace/myjob.mytask"
                          "&direction=up&hops=2")[1]
        self.assertIn("dataset:my-datasource-namespace/instance.schema.table",
                      json.dumps(graph))

    def test_more_inputs_than_an_envelope_holds_all_become_edges(self):
        quell = self.quell(*QUICK)
        inputs = [f"part-{i}" for i in range(700)]
        quell.post("/api/v1/lineage", lineage("COMPLETE", "merge", inputs))
        quell.settle()
        graph = quell.get("/api/v1/graph?entity=job:warehouse/merge&direction=up&hops=1")[1]
        text = json.dumps(graph)
        self.assertTrue(all(f"dataset:warehouse/part-{i}\"" in text for i in (0, 255, 256, 699)))

    def test_an_event_counts_once_whatever_it_becomes(self):
        quell = self.quell(*QUICK)
        parent = {"run": {"runId": "r"}, "job": {"namespace": "warehouse", "name": "dag"}}
        events = [lineage("COMPLETE", "load", ["a", "b"], ["c", "d", "e"], parent=parent),
                  lineage("FAIL", "odd", [f"part-{i}" for i in range(300)], ["f"]),
                  lineage("COMPLETE", "report", ["c"], ["board"])]
        del events[1]["outputs"][0]["name"]
        for _ in range(2):
            status, answer = quell.post("/api/v1/lineage", events)
            self.assertEqual((status, answer["accepted"], answer["rejected"]), (201, 2, 1))
            self.assertEqual(answer["errors"], [
                {"index": 1, "reason": "a name is missing: dataset"}])
        stats = quell.settle()
        self.assertEqual([stats["events_" + name] for name in (
            "received", "accepted", "rejected", "duplicate")], [6, 4, 2, 2])
        graph = quell.get("/api/v1/graph?entity=dataset:warehouse/e&direction=up&hops=2")[1]
        self.assertIn("dataset:warehouse/a", json.dumps(graph))
        self.assertEqual(quell.get("/api/v1/graph?entity=dataset:warehouse/part-0")[0], 404)
        self.assertEqual(quell.incidents(), [])

    def test_the_official_client_is_understood(self):
        python_packages.want("openlineage-python==1.24.2")
        from openlineage.client import OpenLineageClient
        from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
        quell = self.quell(*QUICK)
        client = OpenLineageClient(url=f"http://127.0.0.1:{quell.http}")
        client.emit(RunEvent(eventType=RunState.FAIL, eventTime=stamp(),
                             run=Run(runId=str(uuid.uuid4())),
                             job=Job(namespace="prod", name="etl"), producer="https://test"))
        self.assertTrue(wait_for(quell.incidents))
        self.assertEqual(quell.incidents()[0]["root_cause"]["entity"], "job:prod/etl")


class CloudEvents(Story):
    EVENT = {"specversion": "1.0", "id": "17", "source": "/scheduler", "subject": "load_orders",
             "type": "com.acme.job.failed.v1", "time": "2026-11-20T03:00:00Z",
             "data": {"message": "no space left"}}

    def test_structured_batch_and_binary_events_are_one_event_by_their_identity(self):
        quell = self.quell(*QUICK)
        send = lambda body, kind, **more: quell.post(  # noqa: E731
            "/v1/cloudevents", body, {"Content-Type": kind, **more})
        binary = {"ce-" + key: value for key, value in self.EVENT.items() if key != "data"}
        answers = [
            send(self.EVENT, "application/cloudevents+json; charset=utf-8"),
            send([self.EVENT], "application/cloudevents-batch+json"),
            send(self.EVENT["data"], "application/json", **binary),
        ]
        for status, answer in answers:
            self.assertEqual((status, answer["accepted"], answer["rejected"]), (200, 1, 0))
        stats = quell.settle()
        self.assertEqual((stats["events_received"], stats["events_duplicate"]), (3, 2))
        incident = quell.incidents()[0]
        self.assertEqual(incident["root_cause"]["entity"], "job:load_orders")
        self.assertEqual(incident["root_cause"]["message"], "no space left")
        self.assertTrue(incident["root_cause"]["first_seen"].startswith("2026-11-20T03:00:00"))

    def binary(self, quell, **changes):
        """The event in binary mode, its headers as they are to be sent."""
        headers = {"ce-" + key: value for key, value in self.EVENT.items() if key != "data"}
        return quell.post("/v1/cloudevents", self.EVENT["data"], {
            **headers, **{"ce-" + key: value for key, value in changes.items()}})

    def test_data_of_any_media_type_leaves_a_binary_event_what_its_context_says(self):
        quell = self.quell(*QUICK)
        headers = {"ce-" + key: value for key, value in self.EVENT.items() if key != "data"}
        cases = (("text/plain", b"no {json"), ("application/octet-stream", b"\xff\x00"),
                 ("application/xml; charset=utf-8", b"<a/>"), ("text/csv", b""),
                 ("application/vnd.acme.run+json", b'{"message":"no space left"}'),
                 ("application/x-www-form-urlencoded", b'{"message":"no space left"}'))
        for kind, data in cases:
            told = {**headers, "Content-Type": kind, "ce-subject": kind.split(";")[0]}
            told["ce-id"] = str(uuid.uuid4())
            status, text, _ = quell.request("POST", "/v1/cloudevents", data, told)
            self.assertEqual((status, json.loads(text)["accepted"]), (200, 1), kind)
        quell.settle()
        self.assertEqual({i["root_cause"]["entity"]: i["root_cause"]["message"]
                          for i in quell.incidents()},
                         {"job:" + kind.split(";")[0]: "no space left" if b"space" in data else ""
                          for kind, data in cases})
        for kind, status in (("application/cloudevents+avro", 415), ("a/b+json", 400),
                             ("application/x-www-form-urlencoded", 200)):
            self.assertEqual(quell.post("/v1/cloudevents", b"{no",
                                        {**headers, "Content-Type": kind})[0], status)

    def test_headers_of_binary_events_are_unquoted_and_percent_decoded_once(self):
        quell = self.quell(*QUICK)
        event = {**self.EVENT, "subject": 'load "1+1" %41 orders\u20ac', "id": "run 7"}
        answers = [quell.post("/v1/cloudevents", event,
                              {"Content-Type": "application/cloudevents+json"})]
        for subject, name, time_ in (
                ("load%20%221+1%22%20%2541%20orders%e2%82%AC", "run%207", event["time"]),
                ('"load \\"1+1\\" %2541 orders%E2%82%AC"', '"run 7"', "2026-11-20T03%3A00%3A00Z")):
            answers.append(self.binary(quell, subject=subject, id=name, time=time_))
        for status, answer in answers:
            self.assertEqual((status, answer["accepted"], answer["rejected"]), (200, 1, 0))
        stats = quell.settle()
        self.assertEqual((stats["events_received"], stats["events_duplicate"]), (3, 2))
        self.assertEqual([i["root_cause"]["entity"] for i in quell.incidents()],
                         ["job:" + event["subject"]])
        for subject in ("100%", "5%zz", "%", '"half', 'a "b" c', '"a\\"'):
            self.assertEqual(self.binary(quell, subject=subject, id=str(uuid.uuid4()))[0], 200)
            quell.settle()
            self.assertIn("job:" + subject, [i["root_cause"]["entity"] for i in quell.incidents()])

    def test_headers_that_are_no_utf_8_are_refused(self):
        quell = self.quell(*QUICK)
        for name in ("subject", "id", "source", "type", "tenantid", "traceparent", "time"):
            for value in ("%C0%A0", b"\xff", "%ed%a0%80", '"%FF"'):
                status, answer = self.binary(quell, **{name: value})
                self.assertEqual((status, answer["errors"][0]["reason"]),
                                 (400, "no UTF-8: ce-" + name), value)
        self.assertEqual(quell.settle()["events_rejected"], 28)

    def test_events_of_one_source_and_id_only_are_one(self):
        quell = self.quell(*QUICK)
        far = "https://scheduler.example/" + 300 * "a"
        names = [("a b", "c"), ("a", "b c"), ("a b c", "d"), ("a b", "c d"), ("a", "b  c"),
                 (far, "1"), (far, "2"), (far[:-1], "a1"), ("a", 300 * "1"), ("a", 300 * "2")]
        for _ in range(2):
            events = [{**self.EVENT, "source": source, "id": name} for source, name in names]
            status, answer = quell.post("/v1/cloudevents", events, {
                "Content-Type": "application/cloudevents-batch+json"})
            self.assertEqual((status, answer["accepted"], answer["rejected"]), (200, 10, 0))
        stats = quell.settle()
        self.assertEqual((stats["events_received"], stats["events_duplicate"]), (20, 10))

    def test_data_wins_over_the_context_and_unsound_events_are_refused(self):
        quell = self.quell(*QUICK)
        data = {"entity": "service:api", "status": "degraded", "tenant_id": "acme"}
        status, answer = quell.post("/v1/cloudevents", {**self.EVENT, "data": data},
                                    {"Content-Type": "application/cloudevents+json"})
        self.assertEqual((status, answer["accepted"]), (200, 1))
        quell.settle()
        self.assertEqual([i["root_cause"]["entity"] for i in quell.incidents("&tenant=acme")],
                         ["service:api"])
        for change in ({"specversion": "0.3"}, {"id": ""}, {"type": "com.acme.nothing"},
                       {"source": None}, {"subject": None}, {"time": "yesterday"}):
            status, answer = quell.post("/v1/cloudevents", {**self.EVENT, **change},
                                        {"Content-Type": "application/cloudevents+json"})
            self.assertEqual((status, answer["rejected"]), (400, 1), change)
            self.assertTrue(answer["errors"][0]["reason"])
        for path, event, reason in (
                ("/v1/cloudevents", {**self.EVENT, "specversion": None}, "specversion is required"),
                ("/api/v1/lineage", {**lineage("FAIL", "a", [], [], 0), "eventTime": "noon"},
                 "eventTime is no RFC 3339 time: noon"),
                ("/api/v1/lineage", {**lineage("FAIL", "a", [], [], 0), "job": {}},
                 "the name of a job or dataset is required")):
            status, answer = quell.post(path, event)
            self.assertEqual((status, answer["errors"][0]["reason"]), (400, reason))
        self.assertEqual(quell.post("/v1/cloudevents", "x", {"Content-Type": "text/html"})[0], 415)


class NativeFields(Story):
    def test_a_time_beyond_what_a_clock_holds_is_now_whichever_way_it_is_written(self):
        quell = self.quell(*QUICK)
        times = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z", 0, 1e30]
        start = stamp(-1)
        quell.events(*[{"job_id": f"n{i}", "status": "failed", "occurred_at": time}
                       for i, time in enumerate(times)])
        for i, time in enumerate(times[:3]):
            event = {**CloudEvents.EVENT, "id": str(i), "subject": f"c{i}", "time": time}
            self.assertEqual(quell.post("/v1/cloudevents", event)[0], 200, time)
            event = {**lineage("FAIL", f"l{i}"), "eventTime": time}
            self.assertEqual(quell.post("/api/v1/lineage", event)[0], 201, time)
        quell.settle()
        seen = [i["root_cause"]["first_seen"] for i in quell.incidents()]
        self.assertEqual(len(seen), 11)
        self.assertTrue(all(start <= one <= stamp(1) for one in seen), seen)

    def test_a_time_is_decimal_in_quotes_too(self):
        quell = self.quell(*QUICK)
        for text in ("0x10", "0x1p30", " 1700000000.5", "inf", "nan", "1e", "1700000000s"):
            status, answer = quell.post("/v1/events", failure("timed", occurred_at=text))
            self.assertEqual((status, answer["rejected"]), (400, 1), text)
            self.assertIn("epoch time: " + text, answer["errors"][0]["reason"])
        quell.events(failure("timed", occurred_at="1.7e9"))
        quell.settle()
        self.assertEqual([i["root_cause"]["first_seen"] for i in quell.incidents()],
                         ["2023-11-14T22:13:20.000Z"])

    def test_a_data_point_holds_decimal_numbers_in_quotes_too(self):
        quell = self.quell(*QUICK)

        def told(**point):
            return quell.post("/v1/metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [
                {"name": "latency", "histogram": {"dataPoints": [
                    {"timeUnixNano": 1, **point}]}}]}]}]})[0]
        for text in ("0x10", " 1", "inf", "nan", "infinity", "1e", ""):
            self.assertEqual((told(sum=text), told(explicitBounds=[text])), (400, 400), text)
        for text in ("1.5e1", "-2", "Infinity", "-Infinity", "NaN"):
            self.assertEqual((told(sum=text), told(explicitBounds=[text])), (200, 200), text)

    def test_a_byte_order_mark_and_a_slash_behind_the_path_change_nothing(self):
        quell = self.quell(*QUICK)
        marked = ("\ufeff" + json.dumps(failure("marked"))).encode()
        lines = {"Content-Type": "application/x-ndjson"}
        self.assertEqual(quell.post("/v1/events", marked)[1]["accepted"], 1)
        self.assertEqual(quell.post("/v1/events/", marked + b"\n" + marked[3:], lines),
                         (200, {"accepted": 2, "rejected": 0, "errors": []}))
        self.assertEqual(quell.post("/v1/logs/", marked[:3] + b'{"resourceLogs":[]}')[0], 200)
        self.assertEqual(quell.post("/api/v1/lineage/", lineage("FAIL", "slash"))[0], 201)
        self.assertEqual(quell.request("GET", "/v1/events/")[0], 405)
        self.assertEqual(quell.request("POST", "/v1/events//", marked)[0], 404)
        self.assertEqual(quell.post("/v1/events", marked[:3])[0], 400)

    def test_a_native_event_and_base64_data_carry_their_trace(self):
        quell = self.quell(*QUICK)
        trace = "5b8efff798038103d269b633813fc60c"
        event = failure("traced", trace_id=trace.upper(), span_id="eee19b7ec3c1b174")
        quell.events(event, failure("untraced", trace_id="no hex"))
        data = base64.b64encode(json.dumps(failure("packed", trace_id=trace)).encode()).decode()
        cloud = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
        kind = {"Content-Type": "application/cloudevents+json"}
        for value, status in ((data, 200), ("?", 400), ("bm8ganNvbg==", 400)):
            answer = quell.post("/v1/cloudevents", {**cloud, "data_base64": value}, kind)
            self.assertEqual(answer[0], status, answer)
        quell.settle()
        self.assertEqual({i["root_cause"]["entity"]: i["trace_ids"] for i in quell.incidents()},
                         {"job:traced": [trace], "job:untraced": [], "job:packed": [trace]})


class Pings(Story):
    CHECK = "11f2c3d4-0000-4000-8000-0123456789ab"

    def ping(self, quell, path, method="GET", body=None, **headers):
        status, text, answered = quell.request(method, "/ping/" + path, body, headers)
        if status == 200 and method != "HEAD":
            self.assertEqual(text, b"OK")
            self.assertEqual(answered["Ping-Body-Limit"], "10000")
        return status

    def test_a_failed_ping_opens_and_the_next_good_one_resolves(self):
        quell = self.quell(*QUICK)
        self.assertEqual(self.ping(quell, self.CHECK), 200)
        self.assertEqual(self.ping(quell, self.CHECK + "/start", rid="x"), 200)
        quell.settle()
        self.assertEqual(quell.incidents(), [])
        self.assertEqual(self.ping(quell, self.CHECK + "/3", "POST", "tar: disk full"), 200)
        quell.settle()
        incident = quell.incidents()[0]
        self.assertEqual(incident["root_cause"]["entity"], "check:" + self.CHECK)
        self.assertEqual(incident["root_cause"]["message"], "tar: disk full")
        self.assertEqual(self.ping(quell, self.CHECK + "/log", "POST", "still trying"), 200)
        quell.settle()
        self.assertEqual(quell.incidents()[0]["status"], "open")
        self.assertEqual(self.ping(quell, self.CHECK + "/0", "HEAD"), 200)
        self.assertTrue(wait_for(lambda: quell.incidents()[0]["status"] == "resolved"))

    def test_what_a_cron_line_said_is_told_however_long_and_in_whatever_encoding(self):
        quell = self.quell(*QUICK)
        long = "a" + 6000 * "\u00e9"  # a character stands across the limit of what is kept
        for name, body, told in (
                ("latin", b"Datei f\xfcr B\xe4nder fehlt", "Datei f\ufffdr B\ufffdnder fehlt"),
                ("bytes", b"\xff\xf0\x9f\x94 gone\xc3", "\ufffd\ufffd\ufffd\ufffd gone\ufffd"),
                ("whole", "\U0001f525 gone", "\U0001f525 gone"), ("long", long, long)):
            for action in ("/fail", "/3"):
                self.assertEqual(self.ping(quell, name + action, "POST",
                                           body if isinstance(body, bytes) else body.encode()), 200)
            quell.settle()
            seen = quell.incidents()[0]["root_cause"]["message"]
            self.assertGreaterEqual(len(seen), min(len(told), 150))
            self.assertTrue(told.startswith(seen.rstrip("\u2026")), (told[:50], seen))

    def test_an_exit_status_alone_is_told(self):
        quell = self.quell(*QUICK)
        self.assertEqual(self.ping(quell, "nightly/3"), 200)
        quell.settle()
        self.assertEqual(quell.incidents()[0]["title"], "check:nightly failed: exit status 3")

    def test_a_slug_names_its_project_and_curl_needs_no_header(self):
        quell = self.quell(*QUICK)
        url = f"http://127.0.0.1:{quell.http}/ping/acme/nightly-backup/fail?rid=7"
        answer = subprocess.run(["curl", "-fsS", "--max-time", "10", url], capture_output=True,
                                check=True)
        self.assertEqual(answer.stdout, b"OK")
        quell.settle()
        self.assertEqual([i["root_cause"]["entity"] for i in quell.incidents("&tenant=acme")],
                         ["check:nightly-backup"])

    def test_a_line_of_curl_that_names_no_type_is_taken_by_every_path_of_json(self):
        quell = self.quell(*QUICK)
        for path in ("/v1/events", "/api/v1/lineage", "/api/v1/lineage/batch", "/api/v2/alerts",
                     "/v1/cloudevents", "/v1/edges"):
            answers = {quell.request("POST", path, "{}", headers)[1]
                       for headers in ({}, {"Content-Type": "application/x-www-form-urlencoded"},
                                       {"Content-Type": "application/json"})}
            self.assertEqual(len(answers), 1, (path, answers))

    def test_a_token_is_the_key_of_a_ping(self):
        tenant = ('[tenant]\nid = "acme"\ntokens_sha256 = '
                  '["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]\n')
        quell = self.quell(*QUICK, "auth.mode=token", files={"tenants/acme.toml": tenant})
        self.assertEqual(self.ping(quell, "test/nightly/fail"), 200)
        self.assertEqual(self.ping(quell, "wrong/nightly/fail"), 404)
        self.assertEqual(self.ping(quell, self.CHECK), 401)
        self.assertEqual(self.ping(quell, self.CHECK, Authorization="Bearer test"), 200)
        quell.settle()
        self.assertEqual(len(quell.incidents("&tenant=acme")), 1)

    def test_a_check_of_ones_own_needs_no_project(self):
        quell = self.quell(*QUICK)

        def state(entity):
            quell.settle()
            found = [i for i in quell.incidents() if i["root_cause"]["entity"] == entity]
            return [(i["tenant"], i["status"]) for i in found]
        self.assertEqual(self.ping(quell, "backup/fail"), 200)  # and no good news of "fail"
        self.assertEqual(state("check:backup"), [("default", "open")])
        self.assertEqual(self.ping(quell, "backup"), 200)
        self.assertEqual(state("check:backup"), [("default", "resolved")])
        self.assertEqual(self.ping(quell, "backup/7"), 200)
        self.assertEqual(state("check:backup"), [("default", "open")])
        self.assertEqual(self.ping(quell, "acme/backup/fail"), 200)
        self.assertEqual(state("check:backup"), [("acme", "open"), ("default", "open")])

    def test_a_slug_that_is_a_number_is_no_exit_status(self):
        quell = self.quell(*QUICK)
        for path in ("acme/1000", "acme/20261123/log", "acme/4711/start"):
            self.assertEqual(self.ping(quell, path), 200)
        stats = quell.settle()
        self.assertEqual((stats["events_accepted"], stats["signals_total"]), (3, 0))
        self.assertEqual(self.ping(quell, "acme/1000/fail"), 200)
        quell.settle()
        self.assertEqual([i["title"] for i in quell.incidents("&tenant=acme")],
                         ["check:1000 failed"])

    def test_a_key_that_can_be_no_tenant_is_refused_and_makes_none(self):
        quell = self.quell(*QUICK)
        for key in (".hidden", "..", "k" * 65):
            self.assertEqual(self.ping(quell, key + "/backup"), 400, key)
        stats = quell.settle()
        self.assertEqual((stats["events_received"], stats["tenants"]), (0, {}))
        self.assertEqual(self.ping(quell, "k" * 64 + "/backup"), 200)

    def test_paths_that_are_no_ping_are_refused(self):
        quell = self.quell(*QUICK)
        for path in ("", "a/b/c/d", self.CHECK + "/256", "a/b/stop", "a/b%20c", "a/../b"):
            self.assertEqual(self.ping(quell, path), 404, path)
        self.assertEqual(self.ping(quell, self.CHECK, "PUT", "x"), 405)
        self.assertEqual(quell.settle()["events_received"], 0)


if __name__ == "__main__":
    unittest.main()
