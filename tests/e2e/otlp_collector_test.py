"""OTLP through the OpenTelemetry Collector: its otlp and otlphttp exporters, each compression."""
import contextlib
import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import textwrap
import time
import unittest

from go_stories import Secured
from harness import SOURCE, wait_for


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def resource(name):
    return {"attributes": [{"key": "service.name", "value": {"stringValue": name}}]}


class Collector(Secured):
    source = "collector"
    EXPORTERS = [("otlp", more) for more in ("compression: none", "compression: gzip",
                                             "compression: zstd")] + [
        ("otlphttp", more) for more in ("compression: none", "compression: gzip",
                                        "compression: zstd", "compression: deflate",
                                        "encoding: json")]

    def configure(self, quell, tls):
        """A pipeline with a receiver of its own for each exporter; their ports by name."""
        ports = free_ports(len(self.EXPORTERS))
        secure = f"ca_file: {self.authority.cert}" if tls else "insecure: true"
        receivers, exporters, pipelines, names = "", "", "", {}
        for i, (kind, more) in enumerate(self.EXPORTERS):
            port = quell.grpc if kind == "otlp" else quell.http
            scheme = "" if kind == "otlp" else "https://" if tls else "http://"
            receivers += f"  otlp/{i}: {{protocols: {{http: {{endpoint: 127.0.0.1:{ports[i]}}}}}}}\n"
            exporters += (f"  {kind}/{i}: {{endpoint: '{scheme}localhost:{port}', {more}, "
                          f"tls: {{{secure}}}}}\n")
            for signal in ("logs", "traces", "metrics"):
                pipelines += (f"    {signal}/{i}: {{receivers: [otlp/{i}], "
                              f"exporters: [{kind}/{i}]}}\n")
            names[f"{kind}-{more.split()[1]}"] = ports[i]
        return names, (f"receivers:\n{receivers}exporters:\n{exporters}service:\n  telemetry:\n"
                       f"    metrics: {{level: none}}\n  pipelines:\n{pipelines}")

    def ask(self, port, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        self.assertEqual(response.status, 200, response.read())
        connection.close()

    def send_logs(self, port, service):
        self.ask(port, "/v1/logs", {"resourceLogs": [{"resource": resource(service), "scopeLogs": [
            {"logRecords": [{"timeUnixNano": str(time.time_ns()), "severityNumber": 17,
                             "body": {"stringValue": "disk is full " * 200}}]}]}]})

    def send(self, port, service):
        now = str(time.time_ns())
        self.send_logs(port, service)
        self.ask(port, "/v1/traces", {"resourceSpans": [{"resource": resource(service + "-spans"),
            "scopeSpans": [{"spans": [{"traceId": os.urandom(16).hex(), "name": "charge",
                                       "spanId": os.urandom(8).hex(), "endTimeUnixNano": now,
                                       "status": {"code": 2, "message": "refused"}}]}]}]})
        self.ask(port, "/v1/metrics", {"resourceMetrics": [{"resource": resource(service), "scopeMetrics": [
            {"metrics": [{"name": "m", "gauge": {"dataPoints": [
                {"timeUnixNano": now, "asDouble": 0.5}]}}]}]}]})

    @contextlib.contextmanager
    def running(self, config, ports):
        """A Collector that listens on the ports; it must not fail to export."""
        with open(os.path.join(self.folder, "collector.log"), "w+") as log:
            collector = subprocess.Popen([self.program, "--config", f"yaml:{config}"], stderr=log,
                                         stdout=log)
            try:
                self.assertTrue(wait_for(lambda: collector.poll() is not None or
                                         all(self.listens(port) for port in ports), 30))
                log.seek(0)
                self.assertIsNone(collector.poll(), log.read()[-2000:])
                yield
            finally:
                collector.terminate()
                collector.wait(20)
            log.seek(0)
            self.assertNotIn("Exporting failed", log.read())

    def test_every_exporter_forwards(self):
        for tls in (False, True):
            quell = self.start(tls)
            names, config = self.configure(quell, tls)
            with self.running(config, names.values()):
                for name, port in names.items():
                    self.send(port, name)
                self.expect_roots(quell, {f"service:{name}{end}" for name in names
                                          for end in ("", "-spans")})
                self.expect_points(quell, len(names))

    def test_the_configuration_of_our_documentation_is_one(self):
        with open(os.path.join(SOURCE, "docs", "otlp.md")) as file:
            told = re.search(r"    exporters:\n(?:    .*\n)+", file.read())[0]
        digest = hashlib.sha256(b"secret").hexdigest()
        quell = self.quell("auth.mode=token", files={
            "tenants/acme.toml": f'[tenant]\ntokens_sha256 = ["{digest}"]\n'})
        for name, service in (("otlp/quell", "a"), ("otlphttp/quell", "b")):
            port, = free_ports(1)
            config = (f"    receivers: {{otlp: {{protocols: {{http: {{endpoint: 127.0.0.1:{port}}}}}}}}}\n"
                      + told.replace("${env:QUELL_TOKEN}", "secret")
                      .replace("exporters: [otlp/quell]", f"exporters: [{name}]")
                      .replace("quell.example:4317", f"127.0.0.1:{quell.grpc}")
                      .replace("quell.example:4318", f"127.0.0.1:{quell.http}")
                      .replace("service:\n", "service:\n      telemetry: {metrics: {level: none}}\n"))
            with self.running(textwrap.dedent(config), [port]):
                self.send_logs(port, service)
                self.assertTrue(wait_for(lambda: f"service:{service}" in {
                    one["root_cause"]["entity"] for one in quell.incidents("&tenant=acme")}))

    def listens(self, port):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
