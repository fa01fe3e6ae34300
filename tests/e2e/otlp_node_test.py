"""OTLP as the official JavaScript SDK speaks it: three protocols, gzip or not, TLS or not."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import SOURCE, Story, wait_for

sys.path.insert(0, os.path.join(SOURCE, "tests", "tools"))
import node_packages
from certificates import Authority

PACKAGES = ["@opentelemetry/api@1.9.0", "@opentelemetry/api-logs@0.57.0", "@grpc/grpc-js@1.12.5"] + [
    f"@opentelemetry/{name}@1.30.0" for name in ("resources", "sdk-trace-base", "sdk-metrics")] + [
    "@opentelemetry/sdk-logs@0.57.0"] + [
    f"@opentelemetry/exporter-{signal}-otlp-{kind}@0.57.0" for signal in ("trace", "logs", "metrics")
    for kind in ("http", "proto", "grpc")]


class Node(Story):
    @classmethod
    def setUpClass(cls):
        cls.packages = node_packages.want(*PACKAGES)
        cls.folder = tempfile.mkdtemp(prefix="quell-certificates-")
        cls.authority = Authority(cls.folder)
        cls.server = cls.authority.issue("server")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def export(self, quell, protocol, gzip, tls, service):
        port = quell.grpc if protocol == "grpc" else quell.http
        options = {"folder": self.packages, "protocol": protocol, "gzip": gzip, "service": service,
                   "url": f"{'https' if tls else 'http'}://localhost:{port}",
                   "ca": self.authority.cert if tls else None}
        result = subprocess.run(
            ["node", "--dns-result-order=ipv4first", os.path.join(SOURCE, "tests/e2e/otlp_sdk.js"),
             json.dumps(options)], capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout), ["SUCCESS"] * 4, service)  # metrics once more at shutdown

    def test_every_exporter(self):
        for tls in (False, True):
            files = (f"tls.cert_file={self.server.cert}", f"tls.key_file={self.server.key}",
                     "tls.console=false") if tls else ()
            quell = self.quell(*files)
            wanted = set()
            for protocol in ("http/json", "http/protobuf", "grpc"):
                for gzip in (False, True):
                    name = f"{protocol.replace('/', '-')}-{'gzip' if gzip else 'plain'}"
                    self.export(quell, protocol, gzip, tls, name)
                    wanted |= {f"service:{name}", f"service:{name}-spans"}
            roots = lambda: {one["root_cause"]["entity"] for one in quell.incidents()}
            self.assertTrue(wait_for(lambda: roots() == wanted), roots())
            text = quell.request("GET", "/metrics", port=quell.console)[1].decode()
            self.assertIn("quell_metric_points_total 24", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
