"""OTLP through the OpenTelemetry Collector: its otlp and otlphttp exporters, each compression."""
import http.client
import json
import os
import socket
import subprocess
import time
import unittest

from go_stories import Secured
from harness import wait_for


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


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

    def send(self, port, service):
        def ask(path, body):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("POST", path, json.dumps(body),
                               {"Content-Type": "application/json"})
            response = connection.getresponse()
            self.assertEqual(response.status, 200, response.read())
            connection.close()

        def resource(name):
            return {"attributes": [{"key": "service.name", "value": {"stringValue": name}}]}

        now = str(time.time_ns())
        ask("/v1/logs", {"resourceLogs": [{"resource": resource(service), "scopeLogs": [
            {"logRecords": [{"timeUnixNano": now, "severityNumber": 17,
                             "body": {"stringValue": "disk is full " * 200}}]}]}]})
        ask("/v1/traces", {"resourceSpans": [{"resource": resource(service + "-spans"),
            "scopeSpans": [{"spans": [{"traceId": os.urandom(16).hex(), "name": "charge",
                                       "spanId": os.urandom(8).hex(), "endTimeUnixNano": now,
                                       "status": {"code": 2, "message": "refused"}}]}]}]})
        ask("/v1/metrics", {"resourceMetrics": [{"resource": resource(service), "scopeMetrics": [
            {"metrics": [{"name": "m", "gauge": {"dataPoints": [
                {"timeUnixNano": now, "asDouble": 0.5}]}}]}]}]})

    def test_every_exporter_forwards(self):
        for tls in (False, True):
            quell = self.start(tls)
            names, config = self.configure(quell, tls)
            path = os.path.join(self.folder, "collector.yaml")
            with open(path, "w") as file:
                file.write(config)
            log = open(os.path.join(self.folder, "collector.log"), "w+")
            collector = subprocess.Popen([self.program, "--config", f"yaml:{config}"], stderr=log,
                                         stdout=log)
            try:
                def is_up():
                    try:
                        socket.create_connection(("127.0.0.1", max(names.values()))).close()
                        return True
                    except OSError:
                        return collector.poll() is not None
                self.assertTrue(wait_for(is_up, 30))
                log.seek(0)
                self.assertIsNone(collector.poll(), log.read()[-2000:])
                for name, port in names.items():
                    self.assertTrue(wait_for(lambda: self.listens(port)))
                    self.send(port, name)
                self.expect_roots(quell, {f"service:{name}{end}" for name in names
                                          for end in ("", "-spans")})
                self.expect_points(quell, len(names))
            finally:
                collector.terminate()
                collector.wait(20)
                log.seek(0)
                text = log.read()
                log.close()
            self.assertNotIn("Exporting failed", text)

    def listens(self, port):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return True
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main(verbosity=2)
