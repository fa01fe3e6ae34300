"""h2spec, the conformance test of others for HTTP/2 and HPACK, over plain TCP and over TLS."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

from harness import SOURCE, Story

sys.path.insert(0, os.path.join(SOURCE, "tests", "tools"))
import go_programs
from certificates import Authority

# It tests RFC 7540. What we do otherwise:
OTHERWISE = {
    # The port speaks HTTP/1.1 too: who sends no preface is answered 400 in that, and closed.
    "Sends invalid connection preface",
    # RFC 9113, section 5.1: "an endpoint MAY treat" them as an error; they are passed over.
    "closed: Sends a DATA frame after sending RST_STREAM frame",
    "closed: Sends a DATA frame",
    # Seldom: when the answer was faster than the frame, so that the stream is closed already.
    "half closed (remote): Sends a DATA frame",
}


class H2spec(Story):
    @classmethod
    def setUpClass(cls):
        cls.program = go_programs.want(os.path.join(SOURCE, "tests", "e2e", "h2spec"))
        cls.folder = tempfile.mkdtemp(prefix="quell-certificates-")
        cls.server = Authority(cls.folder).issue("server")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def run_against(self, quell, how):
        """The names of its cases: all, and those that failed."""
        report = os.path.join(self.folder, how + ".xml")
        result = subprocess.run([self.program, str(quell.grpc), report, how], capture_output=True,
                                text=True, timeout=400)
        self.assertEqual(result.returncode, 0, result.stderr)
        cases = list(xml.parse(report).iter("testcase"))
        failed = {case.get("classname") for case in cases
                  if case.find("failure") is not None or case.find("error") is not None}
        return len(cases), failed

    def test_it_finds_nothing_but_what_is_known(self):
        for how in ("plain", "tls"):
            quell = self.quell(*((f"tls.cert_file={self.server.cert}",
                                  f"tls.key_file={self.server.key}") if how == "tls" else ()))
            count, failed = self.run_against(quell, how)
            print(f"{how}: {count} cases, {len(failed)} otherwise")
            self.assertGreater(count, 140)
            self.assertLessEqual(failed, OTHERWISE)
            self.assertEqual(quell.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
