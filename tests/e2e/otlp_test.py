"""OTLP as real exporters speak it: gRPC and HTTP, with and without compression."""
import concurrent.futures
import json
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from harness import BINARY, Story, wait_for
from otlp_sdk import Exporters, grpc, python_packages
from otlp_wire import LOGS, METRICS, POINT_TYPES, SERVICES, field, log_request, metric_request

WAYS = [(protocol, packed) for protocol in ("grpc", "http") for packed in ("plain", "gzip", "deflate")]


class Client:
    """A bare gRPC client: bytes in, bytes out."""

    def __init__(self, port):
        self.channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def call(self, method, message, compression=None, **headers):
        invoke = self.channel.unary_unary(method, lambda value: value, lambda value: value)
        return invoke(message, timeout=60, compression=compression, metadata=[
            (name.replace("_", "-"), value) for name, value in headers.items()])

    def code(self, *arguments, **more):
        try:
            self.call(*arguments, **more)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        return "OK", ""


class Otlp(Story):
    def client(self, quell):
        client = Client(quell.grpc)
        self.addCleanup(client.channel.close)
        return client

    def roots(self, quell):
        return {incident["root_cause"]["entity"] for incident in quell.incidents()}

    def test_every_exporter_of_the_sdk_makes_incidents(self):
        quell = self.quell("notify.group_wait=1s")
        wanted = set()
        for protocol, packed in WAYS:
            name = f"{protocol}-{packed}"
            port = quell.grpc if protocol == "grpc" else quell.http
            exporters = Exporters(protocol, port, packed)
            exporters.error_log("logs-" + name, "disk is full " + "x" * 2000)
            exporters.failing_span("spans-" + name, "card refused")
            exporters.points("points-" + name)
            self.assertEqual(exporters.results, ["SUCCESS"] * 3, name)
            wanted |= {"service:logs-" + name, "service:spans-" + name}
        self.assertTrue(wait_for(lambda: self.roots(quell) == wanted), self.roots(quell))
        text = quell.request("GET", "/metrics", port=quell.console)[1].decode()
        self.assertIn("quell_metric_points_total 12", text)

    def test_a_port_that_another_has_stops_nobody_who_did_not_ask_for_it(self):
        try:
            other = socket.create_server(("127.0.0.1", 4317))
        except OSError:
            other = None  # somebody has it: as good
        for given in (False, True):
            command = [BINARY, "run", "--set", "listen.http=127.0.0.1:0", "--set",
                       "listen.console=127.0.0.1:0"]
            command += ["--set", "listen.grpc=127.0.0.1:4317"] if given else []
            folder = tempfile.mkdtemp(prefix="quell-test-")
            process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
            lines = ""
            while "listening: ingest" not in lines and process.poll() is None:
                lines += process.stderr.readline()
            process.terminate()
            process.communicate()
            shutil.rmtree(folder)
            self.assertEqual("listening: ingest" in lines, not given, lines)
        if other:
            other.close()

    def test_both_protocols_are_taken_on_both_ports(self):
        quell = self.quell()
        for protocol, port in (("grpc", quell.http), ("http", quell.grpc)):
            exporters = Exporters(protocol, port, "gzip")
            exporters.error_log("crossed-" + protocol, "boom")
            self.assertEqual(exporters.results, ["SUCCESS"])
        self.assertTrue(wait_for(lambda: len(quell.incidents()) == 2))

    def test_refusals_have_their_grpc_status(self):
        quell = self.quell("server.max_request_bytes=100KiB")
        client = self.client(quell)
        gzipped = grpc.Compression.Gzip
        self.assertEqual(client.code(LOGS, b"\xff\xff")[0], "INVALID_ARGUMENT")
        self.assertEqual(client.code(SERVICES + "profiles.v1.ProfilesService/Export", b"")[0],
                         "UNIMPLEMENTED")
        self.assertEqual(client.code("/grpc.health.v1.Health/List", b"")[0], "UNIMPLEMENTED")
        self.assertEqual(client.code(LOGS, b"\x0a" + bytes(200_000))[0], "RESOURCE_EXHAUSTED")
        self.assertEqual(client.code(LOGS, bytes(10_000_000), gzipped)[0], "RESOURCE_EXHAUSTED")
        self.assertEqual(client.code(LOGS, b"", x_scope_orgid="no/tenant")[0], "INVALID_ARGUMENT")
        self.assertEqual(client.call(LOGS, b""), b"")
        self.assertEqual(client.code(LOGS, log_request("fine"))[0], "OK")

    def test_tokens_are_asked_for(self):
        import hashlib
        tenant = '[tenant]\nid = "acme"\ntokens_sha256 = ["%s"]\n' % hashlib.sha256(
            b"secret").hexdigest()
        quell = self.quell("auth.mode=token", files={"tenants/acme.toml": tenant})
        client = self.client(quell)
        request = log_request("api")
        self.assertEqual(client.code(LOGS, request)[0], "UNAUTHENTICATED")
        self.assertEqual(client.code(LOGS, request, authorization="Bearer wrong")[0],
                         "UNAUTHENTICATED")
        self.assertEqual(client.code(LOGS, request, authorization="Bearer secret",
                                     x_scope_orgid="globex")[0], "PERMISSION_DENIED")
        exporters = Exporters("grpc", quell.grpc, "plain",
                              headers=(("authorization", "Bearer secret"),))
        exporters.error_log("api", "boom")
        self.assertEqual(exporters.results, ["SUCCESS"])

    def test_a_record_that_is_refused_is_a_partial_success(self):
        client = self.client(self.quell())
        status = field(6, field(1, b"job.status") + field(2, field(1, b"odd")))
        answer = client.call(LOGS, field(1, field(2, field(2, status))))
        self.assertEqual(answer[:1] + answer[2:4], b"\x0a\x08\x01")  # partial_success: 1 rejected
        bad_trace_id = field(2, field(2, field(9, b"xyz")))
        self.assertEqual(client.call(LOGS, field(1, bad_trace_id)), b"")

    def test_words_of_a_refusal_are_text_whatever_they_quote(self):
        quell = self.quell()
        word = ("x" + "\u00e9" * 30).encode()  # of which the answer quotes the beginning

        def attribute(key, value):
            return field(6, field(1, key) + field(2, field(1, value)))
        record = field(2, attribute(b"job.id", b"load") + attribute(b"job.status", word))
        request = field(1, field(2, record))
        over_grpc = self.client(quell).call(LOGS, request)
        status, over_http, _ = quell.request("POST", "/v1/logs", request,
                                             {"Content-Type": "application/x-protobuf"})
        self.assertEqual(status, 200)
        for answer in over_grpc, over_http:
            words = answer[answer.index(b"unknown"):].decode()
            self.assertRegex(words, "^unknown status \"x\u00e9")

    def test_health_is_told(self):
        client = self.client(self.quell())
        check = "/grpc.health.v1.Health/Check"
        self.assertEqual(client.call(check, b""), b"\x08\x01")
        self.assertEqual(client.call(check, field(1, (SERVICES[1:] + "logs.v1.LogsService").encode())),
                         b"\x08\x01")
        self.assertEqual(client.code(check, field(1, b"nobody"))[0], "NOT_FOUND")

    def send_points(self, quell, way, kind, *points):
        """How many were rejected, as the answer has it, and why."""
        if way == "json":
            points = [{"attributes": [{"key": key, "value": {"stringValue": value}}
                                      for key, value in point.items()]} for point in points]
            status, answer = quell.post("/v1/metrics", {"resourceMetrics": [{"scopeMetrics": [
                {"metrics": [{"name": "m", kind: {"dataPoints": points}}]}]}]})
            self.assertEqual(status, 200)
            partial = answer.get("partialSuccess", {})
            return int(partial.get("rejectedDataPoints", 0)), partial.get("errorMessage", "")
        body = metric_request(kind, *points)
        if way == "grpc":
            answer = self.client(quell).call(METRICS, body)
        else:
            status, answer = quell.request("POST", "/v1/metrics", body,
                                           {"Content-Type": "application/x-protobuf"})[:2]
            self.assertEqual(status, 200)
        if not answer:
            return 0, ""
        self.assertEqual((answer[:1], answer[2:3], answer[4:5]), (b"\x0a", b"\x08", b"\x12"))
        return answer[3], answer[6:].decode()

    def test_points_of_every_type_and_encoding_tell_of_a_jobs_status(self):
        quell = self.quell("notify.group_wait=1h")
        failing = set()
        for way in ("json", "protobuf", "grpc"):
            for kind in POINT_TYPES:
                jobs = [f"{way}-{kind}", f"{way}-{kind}-fine", f"{way}-{kind}-silent"]
                self.assertEqual(self.send_points(
                    quell, way, kind, {"job.id": jobs[0], "job.status": "failed"},
                    {"job.id": jobs[1], "job.status": "succeeded"}, {"job.id": jobs[2]}), (0, ""))
                failing.add("job:" + jobs[0])
        self.assertTrue(wait_for(lambda: self.roots(quell) == failing), self.roots(quell))
        before = quell.settle()["events_duplicate"]
        self.send_points(quell, "json", "gauge", {"job.id": "json-gauge", "job.status": "failed"})
        self.assertEqual(quell.settle()["events_duplicate"], before + 1)  # the same, sent again
        self.send_points(quell, "grpc", "sum", {"job.id": "json-gauge", "job.status": "succeeded"})
        self.assertTrue(wait_for(lambda: [
            incident["root_cause"]["entity"] for incident in quell.incidents("&status=resolved")
        ] == ["job:json-gauge"]))

    def test_a_points_unknown_status_is_a_partial_success_and_stands_in_the_quarantine(self):
        quell = self.quell()
        for way in ("json", "protobuf", "grpc"):
            for kind in POINT_TYPES:
                for what in ("job", "check"):
                    rejected, reason = self.send_points(
                        quell, way, kind, {what + ".id": "a", what + ".status": "zz"}, {})
                    self.assertEqual(rejected, 1)
                    self.assertIn('unknown status "zz"', reason)
        stats = quell.settle()
        self.assertEqual((stats["events_rejected"], stats["events_accepted"]), (30, 30))
        records = quell.get("/api/v1/quarantine?limit=100")[1]["quarantine"]
        self.assertEqual([record["reason"].split(":")[0] for record in records],
                         ['unknown status "zz"'] * 30)

    def test_points_without_a_status_change_nobodys_state(self):
        quell = self.quell()
        Exporters("grpc", quell.grpc, "gzip").points("api")
        stats = quell.settle()
        self.assertEqual((stats["events_accepted"], stats["signals_total"]), (2, 0))

        def request(points):  # what a resource says stands in each of its points' envelopes
            attributes = [{"key": f"k{i}", "value": {"stringValue": "v" * 1000}}
                          for i in range(20)]
            point = {"asInt": "1", "timeUnixNano": "1700000000000000000"}
            return {"resourceMetrics": [{"resource": {"attributes": attributes}, "scopeMetrics": [
                {"metrics": [{"name": "m", "gauge": {"dataPoints": [point] * points}}]}]}]}

        self.assertEqual(quell.post("/v1/metrics", request(2000)), (200, {}))
        self.assertEqual(quell.settle()["events_accepted"], 2002)
        self.assertEqual(quell.post("/v1/metrics", request(8000))[0], 413)  # no use to wait
        self.assertEqual(quell.post("/v1/metrics", request(10)), (200, {}))

    def test_many_streams_of_one_connection(self):
        quell = self.quell()
        client = self.client(quell)
        with concurrent.futures.ThreadPoolExecutor(64) as pool:
            answers = list(pool.map(
                lambda i: client.call(LOGS, log_request("api", b"line %d " % i + b"x" * 9000)),
                range(1500)))
        self.assertEqual(set(answers), {b""})
        self.assertEqual(quell.settle()["events_accepted"], 1500)

    def test_what_was_acknowledged_survives_a_kill(self):
        quell = self.quell()
        client = self.client(quell)
        for i in range(20):
            client.call(LOGS, log_request(f"api-{i}"))
        quell.stop(signal.SIGKILL)
        quell.start()
        self.assertTrue(wait_for(lambda: len(quell.incidents()) == 20))

    def test_a_drain_says_goaway_and_loses_nothing(self):
        quell = self.quell()
        client = self.client(quell)
        client.call(LOGS, log_request("before"))  # the connection stays open
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            results = [pool.submit(client.code, LOGS, log_request(f"api-{i}")) for i in range(400)]
            wait_for(lambda: sum(result.done() for result in results) > 40)
            self.assertEqual(quell.stop(), 0)
            codes = [result.result()[0] for result in results]
        self.assertLessEqual(set(codes), {"OK", "UNAVAILABLE"})
        quell.start()
        self.assertGreaterEqual(quell.settle()["events_accepted"], codes.count("OK") + 1)

    def test_zstd_is_taken_and_bounded(self):
        python_packages.want("zstandard==0.23.0")
        import zstandard
        quell = self.quell("server.max_request_bytes=1MiB")
        fine, bomb = (zstandard.compress(b"[" + b" " * blanks + b'{"job_id":"a","status":"failed"}]')
                      for blanks in (900_000, 40_000_000))
        for body, code in ((fine, 200), (bomb, 413), (fine[:-9], 400)):
            self.assertEqual(quell.request("POST", "/v1/events", body, {
                "Content-Type": "application/json", "Content-Encoding": "zstd"})[0], code)

    def by_http_2(self, port, path, media_type, body):
        """The answer, the protocol and the status."""
        return subprocess.run(
            ["curl", "-s", "--http2-prior-knowledge", "-w", " %{http_version} %{http_code}", "-H",
             "Content-Type: " + media_type, "--data-binary", "@-", f"http://127.0.0.1:{port}{path}"],
            input=body, capture_output=True, timeout=60).stdout

    def test_http_by_http_2(self):
        quell = self.quell()
        for body in (b'{"job_id":"load","status":"failed"}', b"[" + b" " * 3_000_000 +
                     b'{"job_id":"other","status":"failed"}]'):
            self.assertEqual(self.by_http_2(quell.http, "/v1/events", "application/json", body),
                             b'{"accepted":1,"rejected":0,"errors":[]} 2 200')

    def test_otlp_http_by_http_2(self):
        quell = self.quell()
        proto, text = "application/x-protobuf", "application/json"
        logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"severityNumber": 17}]}]}]}
        for port in (quell.http, quell.grpc):
            for path in ("/v1/logs", "/v1/traces", "/v1/metrics"):
                self.assertEqual(self.by_http_2(port, path, proto, b""), b" 2 200")
            self.assertEqual(self.by_http_2(port, "/v1/logs", proto, log_request("a")), b" 2 200")
            self.assertEqual(self.by_http_2(port, "/v1/logs", text, json.dumps(logs).encode()),
                             b"{} 2 200")
            self.assertEqual(self.by_http_2(port, "/v1/logs", proto, b"\xff")[-6:], b" 2 400")
        self.assertGreater(quell.settle()["events_accepted"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
