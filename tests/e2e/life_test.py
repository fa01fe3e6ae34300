"""An incident's life: told, acknowledged, recovered, kept over restarts; tenants; configuration."""
import base64
import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from unittest import mock

import http2_peer
from harness import BINARY, Quell, Story, failure, wait_for, write_whole


def post_lines(quell, outcomes):
    """As NDJSON, a kilobyte a line: more than one batch of the journal's."""
    lines = [json.dumps({"job_id": job, "status": status, "message": "x" * 1000})
             for job, status in outcomes]
    return quell.request("POST", "/v1/events", "\n".join(lines))[0]


def post_logs(quell, outcomes):
    """The same as OTLP/JSON."""
    records = [{"body": {"stringValue": "x" * 1000}, "attributes": [
        {"key": key, "value": {"stringValue": value}}
        for key, value in (("job.id", job), ("job.status", status))]} for job, status in outcomes]
    return quell.post("/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})[0]


class Closed(Quell):
    """Started without stdout and stderr, so on ports that it is told."""

    def start(self):
        with socket.socket() as one, socket.socket() as other:
            for each in (one, other):
                each.bind(("127.0.0.1", 0))
            self.http, self.console = one.getsockname()[1], other.getsockname()[1]
        self.log = open(os.path.join(self.directory, "log"), "w")
        command = [BINARY, "run", "--set", f"listen.http=127.0.0.1:{self.http}", "--set",
                   f"listen.console=127.0.0.1:{self.console}", "--set", "listen.grpc=127.0.0.1:0"]
        for override in self.overrides:
            command += ["--set", override]
        self.process = subprocess.Popen(command, cwd=self.directory,
                                        preexec_fn=lambda: (os.close(1), os.close(2)))
        assert wait_for(self.is_ready)

    def is_ready(self):
        try:
            return self.request("GET", "/readyz", port=self.console)[0] == 200
        except OSError:
            return False


class Life(Story):
    def hooked(self, *overrides, **more):
        receiver = self.receiver()
        return receiver, self.quell("notify.group_wait=0s", "sink.hook.type=webhook",
                                    "sink.hook.url=" + receiver.url, *overrides, **more)

    def test_recovery_resolves_and_tells_once(self):
        receiver, quell = self.hooked()
        quell.events(failure("load"))
        self.assertTrue(wait_for(lambda: receiver.types() == ["opened"]))
        quell.events({"job_id": "load", "status": "succeeded"})
        self.assertTrue(wait_for(lambda: receiver.types() == ["opened", "resolved"]))
        self.assertEqual(receiver.messages[1]["data"]["status"], "resolved")
        self.assertEqual(receiver.errors, [])

    def test_a_large_request_is_applied_in_its_order(self):
        quell = self.quell("notify.group_wait=1h")
        for post in (post_lines, post_logs):
            for first, last, wanted in (("failed", "succeeded", "resolved"),
                                        ("succeeded", "failed", "open")):
                job = f"{post.__name__}-{wanted}"
                fillers = [(f"filler{number}", "succeeded") for number in range(700)]
                self.assertEqual(post(quell, [(job, first), *fillers, (job, last)]), 200)
        quell.settle()
        found = {one["root_cause"]["entity"]: one["status"] for one in quell.incidents()}
        self.assertEqual(found, {"job:post_lines-resolved": "resolved",
                                 "job:post_lines-open": "open",
                                 "job:post_logs-resolved": "resolved",
                                 "job:post_logs-open": "open"})

    def test_a_service_recovers_by_silence(self):
        receiver, quell = self.hooked("notify.resolve_after=1s")
        quell.events({"entity": "service:api", "status": "down", "message": "503"})
        self.assertTrue(wait_for(lambda: receiver.types() == ["opened", "resolved"]))

    def test_a_failure_by_a_slow_clock_is_told_and_one_far_behind_is_counted(self):
        quell = self.quell("notify.group_wait=1h")
        for job, behind_s in (("slow", 30), ("stale", 600)):
            quell.events({"job_id": job, "status": "succeeded", "run_id": "r1",
                          "occurred_at": time.time()})
            quell.events({"job_id": job, "status": "failed", "run_id": "r2",
                          "occurred_at": time.time() - behind_s})
        quell.settle()
        self.assertEqual([one["root_cause"]["entity"] for one in quell.incidents()], ["job:slow"])
        self.assertEqual(quell.metric("quell_signals_stale_total"), 1)

    def test_late_cause_keeps_the_id_that_people_saw(self):
        receiver, quell = self.hooked("notify.group_interval=0s")
        quell.events(failure("load", "extract"))
        self.assertTrue(wait_for(lambda: receiver.messages))
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: len(receiver.messages) == 2))
        first, second = [message["data"] for message in receiver.messages]
        self.assertEqual(first["id"], second["id"])
        self.assertEqual(second["root_cause"]["entity"], "job:extract")
        self.assertEqual([a["entity"] for a in second["affected"]], ["job:load"])
        timeline = quell.get(f"/api/v1/incidents/{first['id']}/timeline")[1]["timeline"]
        self.assertIn("re-rooted", [entry["what"] for entry in timeline])

    def test_a_merged_incident_is_not_printed_as_resolved(self):
        receiver, quell = self.hooked("notify.group_interval=0s", "sink.lines.type=stdout")
        quell.events(failure("one", "cause"))
        quell.events(failure("two", "cause"))
        self.assertTrue(wait_for(lambda: receiver.types() == ["opened", "opened"]))
        quell.events(failure("cause"))
        self.assertTrue(wait_for(lambda: "resolved" in receiver.types()))
        merged, = [message["data"] for message in receiver.messages
                   if message["type"] == "incident.resolved"]
        path = os.path.join(quell.directory, "out")

        def printed():
            with open(path) as file:
                return [line for line in file if " merged " in line or " resolved " in line]
        self.assertTrue(wait_for(printed))
        line, = printed()
        self.assertRegex(line, r" merged   \S+ +\[default\] job:.*  " + merged["id"] + " into " +
                         merged["labels"]["merged_into"] + "\n$")

    def test_the_line_of_an_acknowledged_incident_says_who_has_it(self):
        _, quell = self.hooked("notify.group_interval=0s", "sink.lines.type=stdout")

        def printed(what):
            with open(os.path.join(quell.directory, "out")) as file:
                return [line for line in file if f" {what} " in line]
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: printed("opened")))
        incident = quell.incidents()[0]["id"]
        body = json.dumps({"by": "ann", "note": "mine"})
        quell.request("POST", f"/api/v1/incidents/{incident}/ack", body, port=quell.console)
        quell.events({"job_id": "extract", "status": "succeeded"})
        self.assertTrue(wait_for(lambda: printed("resolved")))
        self.assertTrue(printed("updated")[0].endswith(f"  {incident} acknowledged by ann\n"))
        for what in ("opened", "resolved"):
            self.assertTrue(printed(what)[0].endswith(f"  {incident}\n"))

    def test_what_is_open_again_after_its_end_says_so_to_each(self):
        hook, quell = self.hooked("notify.group_interval=0s", "sink.lines.type=stdout")
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: hook.types() == ["opened"]))
        quell.events({"job_id": "extract", "status": "succeeded"})
        self.assertTrue(wait_for(lambda: hook.types() == ["opened", "resolved"]))
        quell.events({**failure("extract"), "event_id": "again"})
        self.assertTrue(wait_for(lambda: hook.types() == ["opened", "resolved", "updated"]))
        first, end, again = (message["data"] for message in hook.messages)
        self.assertEqual((again["id"], again["status"]), (first["id"], "open"))
        self.assertNotIn("reopened_at", {**first["labels"], **end["labels"]})
        self.assertGreater(again["labels"]["reopened_at"], end["resolved_at"])
        self.assertEqual(quell.incidents()[0]["labels"], again["labels"])

        def lines():
            with open(os.path.join(quell.directory, "out")) as file:
                return [line for line in file if first["id"] in line]
        self.assertTrue(wait_for(lambda: len(lines()) == 3))
        self.assertEqual([line.endswith(f"  {first['id']} reopened\n") for line in lines()],
                         [False, False, True])

    def timeline_of(self, quell, tenant):
        incident, = quell.incidents("&tenant=" + tenant)
        _, answer = quell.get(f"/api/v1/incidents/{incident['id']}/timeline")
        return [(entry["what"], entry["detail"]) for entry in answer["timeline"]]

    def test_who_failed_again_stands_in_the_timeline(self):
        quell = self.quell("notify.group_wait=1h")
        for number, status in enumerate(("failed", "succeeded", "aborted")):
            quell.events({"job_id": "load", "status": status, "event_id": f"e{number}"})
        quell.settle()
        self.assertEqual(self.timeline_of(quell, "default")[-1], ("reopened", "job:load aborted"))

    def test_a_failure_that_is_reported_after_a_later_success_opens_nothing(self):
        quell = self.quell("notify.group_wait=0s")
        now = time.time()

        def run(job, status, ago):
            return {"job_id": job, "status": status, "run_id": f"r{ago}", "occurred_at": now - ago}

        quell.events(run("one", "succeeded", 60), run("one", "failed", 700))
        quell.events(run("two", "failed", 1200), run("two", "succeeded", 60))
        quell.settle()
        quell.stop(signal.SIGKILL)
        quell.start()
        quell.events(run("one", "failed", 650), run("two", "failed", 650))
        stats = quell.settle()
        self.assertEqual([(each["root_cause"]["entity"], each["status"], each["signals"]["total"])
                          for each in quell.incidents()], [("job:two", "resolved", 2)])
        self.assertEqual((stats["events_accepted"], stats["signals_total"],
                          stats["incidents_opened"]), (6, 4, 1))

    def test_a_tenants_graph_shows_what_it_depends_on_of_the_platform(self):
        warehouse = "platform/service:warehouse"
        quell = self.quell("notify.group_wait=1h")
        quell.events({"tenant_id": "platform", "entity": "service:warehouse", "status": "down",
                      "depends_on": ["service:inner"]},
                     *[{**failure("load"), "tenant_id": tenant, "depends_on": [warehouse]}
                       for tenant in ("acme", "beta")])
        quell.settle()
        graph = quell.get("/api/v1/graph?tenant=acme")[1]
        self.assertEqual([node["entity"] for node in graph["nodes"]], ["job:load", warehouse])
        self.assertEqual([(edge["from"], edge["to"], edge["origin"]) for edge in graph["edges"]],
                         [("job:load", warehouse, "event")])
        self.assertEqual(self.timeline_of(quell, "acme")[0], ("opened", warehouse + " down"))
        graph = quell.get("/api/v1/graph?tenant=platform")[1]
        self.assertEqual([node["entity"] for node in graph["nodes"]],
                         ["service:warehouse", "service:inner"])

    def test_acknowledge_and_resolve_by_a_person(self):
        quell = self.quell("notify.group_wait=1h")
        quell.events(failure("load"))
        quell.settle()
        incident, = quell.incidents()
        path = f"/api/v1/incidents/{incident['id']}"
        body = json.dumps({"by": "ann", "note": "looking"})
        status, text, _ = quell.request("POST", path + "/ack", body, port=quell.console)
        self.assertEqual((status, json.loads(text)["status"]), (200, "acknowledged"))
        status, text, _ = quell.request("POST", path + "/resolve", "{}", port=quell.console)
        self.assertEqual((status, json.loads(text)["status"]), (200, "resolved"))
        self.assertEqual(quell.request("POST", path + "/ack", "{}", port=quell.console)[0], 409)
        self.assertEqual(quell.get("/api/v1/incidents/inc_nothing")[0], 404)

    def test_a_repeat_that_opens_its_incident_again_is_not_counted_as_suppressed(self):
        quell = self.quell("notify.group_wait=1h")
        quell.events(failure("load", event_id="1"), failure("load", event_id="2"))
        quell.settle()
        incident, = quell.incidents()
        path = f"/api/v1/incidents/{incident['id']}"
        quell.request("POST", path + "/resolve", "{}", port=quell.console)
        quell.events(failure("load", event_id="3"), failure("load", event_id="4"))
        quell.settle()
        incident = quell.get(path)[1]
        self.assertEqual((incident["status"], incident["signals"]),
                         ("open", {"total": 4, "unique": 2, "suppressed": 2}))
        stats = quell.get("/api/v1/stats")[1]
        self.assertEqual((stats["signals_total"], stats["signals_suppressed"]), (4, 2))

    def test_a_restart_in_the_middle_changes_nothing_that_people_see(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            receiver, quell = self.hooked()
            quell.events(failure("extract"), failure("load", "extract"))
            self.assertTrue(wait_for(lambda: len(receiver.messages) >= 1))
            quell.settle()
            time.sleep(3)  # ranking and radius follow within a second
            quell.settle()
            before = quell.incidents()
            told = len(receiver.messages)
            quell.stop(number)
            quell.start()
            self.assertEqual(quell.incidents(), before)
            quell.events(failure("load", "extract", event_id="again"))
            quell.settle()
            time.sleep(0.5)
            self.assertEqual(len(receiver.messages), told)
            quell.events({"job_id": "extract", "status": "succeeded"},
                         {"job_id": "load", "status": "succeeded"})
            self.assertTrue(wait_for(lambda: receiver.types()[-1] == "resolved"))

    def test_what_was_acknowledged_survives_a_kill(self):
        quell = self.quell("notify.group_wait=1h")
        for number in range(20):
            quell.events(failure(f"job{number}"))
        quell.stop(signal.SIGKILL)
        quell.start()
        quell.settle()
        self.assertEqual(len(quell.incidents()), 20)

    def test_the_same_event_id_is_applied_once_also_over_a_restart(self):
        quell = self.quell("notify.group_wait=1h")
        event = failure("load", event_id="once")
        quell.events(event)
        quell.events(event)
        quell.settle()
        quell.stop()
        quell.start()
        quell.events(event)
        stats = quell.settle()
        self.assertEqual((stats["events_accepted"], stats["events_duplicate"],
                          stats["signals_total"]), (3, 2, 1))

    def test_a_tenant_has_a_horizon_of_its_own(self):
        quell = self.quell(files={"tenants/quick.toml": "[tenant]\nid = \"quick\"\n"
                                                        "[idempotency]\nhorizon = \"3s\"\n"})

        def duplicates(restarts=False):
            if restarts:
                quell.stop()
                quell.start()
            for tenant in ("quick", "usual"):
                quell.events({"job_id": "load", "status": "started", "event_id": "once"},
                             **{"X-Scope-OrgID": tenant})
            quell.settle()
            tenants = quell.get("/api/v1/stats")[1]["tenants"]
            return [tenants[tenant]["events_duplicate"] for tenant in ("quick", "usual")]
        self.assertEqual(duplicates(), [0, 0])
        time.sleep(4)
        self.assertEqual(duplicates(), [0, 1])
        time.sleep(4)
        self.assertEqual(duplicates(restarts=True), [0, 2])
        found, more = [0, 2], 0
        while found[0] == 0 and more < 20:  # each is later than three seconds only by bad luck
            found, more = duplicates(), more + 1
        self.assertEqual(found, [1, 2 + more])

    def test_webhooks_are_retried_with_the_same_id_and_signed(self):
        key = b"0123456789abcdef0123456789abcdef"
        receiver = self.receiver()
        receiver.status = 503
        quell = self.quell("notify.group_wait=0s", "sink.hook.type=webhook",
                           "sink.hook.url=" + receiver.url, "sink.hook.backoff=50ms",
                           "sink.hook.secret=whsec_" + base64.b64encode(key).decode())
        bodies = []
        take = receiver.take
        receiver.take = lambda headers, body: (bodies.append(body), take(headers, body))
        quell.events(failure("load"))
        self.assertTrue(wait_for(lambda: len(receiver.headers) >= 2))
        receiver.status = 200
        self.assertTrue(wait_for(lambda: receiver.messages))
        headers = {name.lower(): value for name, value in receiver.headers[-1].items()}
        ids = {h.get("webhook-id") or h.get("Webhook-Id") for h in receiver.headers}
        self.assertEqual(len(ids), 1)
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + bodies[-1]
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        self.assertEqual(headers["webhook-signature"], "v1," + wanted)
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/stats")[1]["deliveries_ok"] == 1))

    def test_without_lag_everything_is_to_be_seen(self):
        quell = self.quell("notify.group_wait=1h")
        for sent in range(1, 9):
            refused = [{"status": "nonsense"}] * 5000
            self.assertEqual(quell.post("/v1/events", refused)[0], 400)
            while True:
                stats = quell.get("/api/v1/stats")[1]
                if stats["journal_lag_events"] == 0:
                    break
            self.assertEqual(stats["events_rejected"], 5000 * sent)

    def test_tenants_do_not_see_each_other(self):
        token = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("acme", "globex")}
        files = {f"tenants/{name}.toml": f'[tenant]\nid = "{name}"\ntokens_sha256 = ["{digest}"]\n'
                 for name, digest in token.items()}
        quell = self.quell("auth.mode=token", "notify.group_wait=1h", files=files)
        self.assertEqual(quell.post("/v1/events", failure("load"))[0], 401)
        bearer = {"Authorization": "Bearer acme"}
        self.assertEqual(quell.post("/v1/events", failure("load"), bearer)[0], 200)
        foreign = failure("load", tenant_id="globex")
        self.assertEqual(quell.post("/v1/events", foreign, bearer)[0], 400)
        quell.settle()
        self.assertEqual(len(quell.incidents("&tenant=acme")), 1)
        self.assertEqual(quell.incidents("&tenant=globex"), [])

    def test_declared_dependencies_and_reload(self):
        files = {"tenants/acme.toml": '[tenant]\nid = "acme"\n[[job]]\nid = "load"\n'
                                      'depends_on = ["job:extract"]\nowner = "data-eng"\n'}
        quell = self.quell("notify.group_wait=1h", files=files)
        quell.events(failure("load", tenant_id="acme"), failure("extract", tenant_id="acme"))
        quell.settle()
        self.assertEqual([i["root_cause"]["entity"] for i in quell.incidents()], ["job:extract"])
        path = os.path.join(quell.directory, "tenants/acme.toml")
        with open(path, "a") as file:
            file.write("nonsense = 1\n")
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "is refused" in quell.read_log()))
        write_whole(path, '[tenant]\nid = "acme"\n')
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "reloaded" in quell.read_log()))

    @unittest.skipUnless(os.environ.get("QUELL_PRELOAD_FAIL_LOOP"), "no loop can be failed here")
    def test_a_thread_that_ends_by_itself_is_told_of_everywhere(self):
        directory = tempfile.mkdtemp(prefix="quell-test-")
        trigger = os.path.join(directory, "fail")
        with mock.patch.dict(os.environ, LD_PRELOAD=os.environ["QUELL_PRELOAD_FAIL_LOOP"],
                             QUELL_FAIL_LOOP=trigger):
            quell = self.quell("server.io=epoll", directory=directory)
        self.assertEqual(quell.request("GET", "/readyz", port=quell.console)[0], 200)
        with open(trigger, "w"):
            pass
        self.assertTrue(wait_for(lambda: quell.request("GET", "/readyz",
                                                       port=quell.console)[0] == 503))
        status, text, _ = quell.request("GET", "/readyz?verbose", port=quell.console)
        self.assertEqual(status, 503)
        self.assertIn(b"[-] threads", text)
        self.assertEqual(quell.metric("quell_threads_ended"), 1)
        self.assertRegex(quell.read_log(), '"level":"error","area":"ingest","message":"its thread ')
        self.assertEqual(quell.stop(), 1)

    def test_sigterm_drains_and_exits_zero(self):
        quell = self.quell()
        quell.events(failure("load"))
        self.assertEqual(quell.stop(), 0)

    def test_sigterm_waits_a_moment_only_for_what_was_begun(self):
        quell = self.quell("server.header_timeout=\"1m\"", "server.body_timeout=\"1m\"")
        body = json.dumps(failure("late")).encode()
        head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\n"
        whole = head + b"Content-Length: %d\r\n\r\n" % len(body) + body

        def begin(data):
            connection = socket.create_connection(("127.0.0.1", quell.http), timeout=60)
            self.addCleanup(connection.close)
            connection.sendall(data)
            return connection
        begun = [begin(whole[:-20]), begin(head[:-5])]
        late = begin(whole[:-10])
        peer = http2_peer.Peer(quell.grpc)
        self.addCleanup(peer.socket.close)
        peer.send(http2_peer.frame(http2_peer.HEADERS, http2_peer.END_HEADERS, 1,
                                   http2_peer.head(b"/v1/events")))
        self.assertTrue(wait_for(lambda: quell.metric("quell_connections") >= 4))
        time.sleep(0.5)  # received, and not by the stop only
        quell.process.send_signal(signal.SIGTERM)
        stopped = time.time()
        time.sleep(1)
        self.assertEqual(quell.request("GET", "/readyz", port=quell.console)[:2],
                         (503, b"not ready: stopping\n"))
        status, text, _ = quell.request("GET", "/readyz?verbose", port=quell.console)
        self.assertEqual(status, 503)
        self.assertIn(b"[-] shard takes no events: stopping\n", text)
        self.assertEqual(quell.request("GET", "/livez", port=quell.console)[0], 200)
        late.sendall(whole[-10:])
        self.assertIn(b'HTTP/1.1 200 OK', late.recv(65536))
        self.assertEqual(quell.process.wait(60), 0)
        self.assertLess(time.time() - stopped, 30)  # five seconds where it does not stand still
        quell.log.close()
        for connection in begun:
            answer = connection.recv(65536)
            self.assertIn(b"HTTP/1.1 503 ", answer)
            self.assertIn(b"Retry-After: ", answer)
        peer.read_frames()
        self.assertTrue(peer.ended)
        quell.start()
        self.assertEqual([one["root_cause"]["entity"] for one in quell.incidents()], ["job:late"])

    def test_check_tells_all_errors_with_their_places(self):
        quell = self.quell(files={"bad.toml": "datadir = 1\n[journal]\nsink = 2\nsync = \"often\"\n"})
        result = subprocess.run([BINARY, "check", os.path.join(quell.directory, "bad.toml")],
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("bad.toml:1:1: unknown key \"datadir\": did you mean \"data_dir\"?",
                      result.stderr)
        self.assertIn("bad.toml:3:1:", result.stderr)
        self.assertIn("bad.toml:4:1:", result.stderr)

    def test_health_metrics_and_stats(self):
        quell = self.quell()
        for path in ("/healthz", "/readyz"):
            self.assertEqual(quell.request("GET", path, port=quell.console)[0], 200)
        quell.events(failure("load"))
        quell.settle()
        text = quell.request("GET", "/metrics", port=quell.console)[1].decode()
        self.assertIn('quell_events_accepted_total{tenant="default"} 1', text)
        promised = {"events_received", "events_accepted", "events_rejected", "events_duplicate",
                    "signals_total", "signals_suppressed", "incidents_opened", "deliveries_ok",
                    "deliveries_failed", "deliveries_dead", "journal_bytes", "journal_lag_events"}
        for path in ("/api/v1/stats", "/api/v1/stats?tenant=default"):
            stats = quell.get(path)[1]
            for counters in (stats, stats["tenants"]["default"]):
                self.assertLessEqual(promised, set(counters))
                self.assertEqual(counters["journal_bytes"], stats["journal_bytes"])

    def test_what_is_printed_with_stdout_closed_is_written_into_no_file(self):
        quell = Closed("notify.group_wait=0s", "sink.lines.type=stdout")
        self.addCleanup(quell.close)
        quell.events(failure("load"))
        self.assertTrue(wait_for(lambda: quell.metric("quell_sink_attempts_failed_total")
                                 or quell.metric("quell_sink_delivered_total")))
        self.assertEqual(quell.metric("quell_sink_delivered_total"), 0)
        with open(os.path.join(quell.directory, "quell-data", "LOCK"), "rb") as file:
            self.assertNotIn(b"load", file.read())

    def test_a_second_process_on_the_same_data_is_refused(self):
        quell = self.quell()
        result = subprocess.run([BINARY, "run", "--set", "listen.http=127.0.0.1:0",
                                 "--set", "listen.grpc=127.0.0.1:0", "--set",
                                 "listen.console=127.0.0.1:0"], cwd=quell.directory,
                                capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn("used by another quell", result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
