"""Stories of programs in Go, with and without TLS."""
import os
import shutil
import sys
import tempfile

from harness import SOURCE, Story, wait_for

sys.path.insert(0, os.path.join(SOURCE, "tests", "tools"))
import go_programs
from certificates import Authority


class Secured(Story):
    @classmethod
    def setUpClass(cls):
        cls.program = go_programs.want(os.path.join(SOURCE, "tests", "e2e", cls.source))
        cls.folder = tempfile.mkdtemp(prefix="quell-certificates-")
        cls.authority = Authority(cls.folder)
        cls.server = cls.authority.issue("server")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def start(self, tls):
        files = (f"tls.cert_file={self.server.cert}", f"tls.key_file={self.server.key}",
                 "tls.console=false") if tls else ()
        return self.quell(*files)

    def expect_roots(self, quell, wanted):
        roots = lambda: {one["root_cause"]["entity"] for one in quell.incidents()}
        self.assertTrue(wait_for(lambda: roots() == wanted), (roots(), wanted))

    def expect_points(self, quell, least):
        def points():
            text = quell.request("GET", "/metrics", port=quell.console)[1].decode()
            return int(text.split("\nquell_metric_points_total ")[1].split()[0])
        self.assertTrue(wait_for(lambda: points() >= least), points())
