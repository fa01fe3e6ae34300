"""OTLP as the official Go SDK speaks it: HTTP and gRPC, gzip or not, TLS or not."""
import os
import subprocess
import unittest

from go_stories import Secured


class Sdk(Secured):
    source = "go_sdk"

    def test_every_exporter(self):
        for tls in (False, True):
            quell = self.start(tls)
            wanted = set()
            for protocol in ("http/protobuf", "grpc"):
                for packed in ("none", "gzip"):
                    name = f"{protocol.replace('/', '-')}-{packed}"
                    port = quell.grpc if protocol == "grpc" else quell.http
                    result = subprocess.run(
                        [self.program, name], capture_output=True, text=True, timeout=120,
                        env={**os.environ, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                             "OTEL_EXPORTER_OTLP_COMPRESSION": packed,
                             "OTEL_EXPORTER_OTLP_TIMEOUT": "50000",
                             "OTEL_EXPORTER_OTLP_ENDPOINT":
                                 f"{'https' if tls else 'http'}://localhost:{port}",
                             **({"SSL_CERT_FILE": self.authority.cert} if tls else {})})
                    self.assertEqual((result.returncode, result.stderr), (0, ""), name)
                    wanted |= {f"service:{name}", f"service:{name}-spans"}
            self.expect_roots(quell, wanted)
            self.expect_points(quell, 8)


if __name__ == "__main__":
    unittest.main(verbosity=2)
