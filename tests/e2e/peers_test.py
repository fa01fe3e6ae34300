"""bench/peers/compare.py: a peer whose program is named is started, loaded, told beside quell."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import BINARY, SOURCE

# Reads its port where Fluent Bit does, in the file behind -c, and takes everything.
PEER = """#!/usr/bin/env python3
import re, sys
sys.path.insert(0, {peers!r})
import compare
with open(sys.argv[2]) as file:
    compare.take_all(int(re.search(r"port: (\\d+)", file.read())[1]))
"""


class Peers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="quell-peers-")
        self.addCleanup(shutil.rmtree, self.folder)

    def compare(self, program):
        results = os.path.join(self.folder, "peers.json")
        peers = os.path.join(SOURCE, "bench", "peers")
        path = os.path.join(self.folder, "peer")
        with open(path, "w") as file:
            file.write(program.replace("{peers!r}", repr(peers)))
        os.chmod(path, 0o755)
        done = subprocess.run([sys.executable, os.path.join(peers, "compare.py"), BINARY,
                               "--fluent-bit", path, "--seconds", "1", "--rounds", "1",
                               "--protocols", "otlp-json", "--json", results],
                              capture_output=True, text=True, timeout=120,
                              env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
        if done.returncode != 0:
            return done.stderr, None
        with open(results) as file:
            return done.stdout, json.load(file)

    def test_quell_and_the_peer_stand_side_by_side(self):
        words, rows = self.compare(PEER)
        self.assertEqual([row["name"] for row in rows or []], ["quell", "Fluent Bit", "Fluent Bit"],
                         words)
        for row in rows:
            self.assertGreater(row["records_per_cpu_second"], 1000, row)
            self.assertGreater(row["resident_bytes_max"], 1000000, row)
            self.assertEqual(row["protocol"], "otlp-json")
            self.assertIn(row["does"], words)

    def test_a_peer_that_does_not_start_is_said_in_its_own_words(self):
        words, rows = self.compare("#!/bin/sh\necho no such plugin\nexit 1\n")
        self.assertIsNone(rows)
        self.assertIn("does not listen: no such plugin", words)


if __name__ == "__main__":
    unittest.main(verbosity=2)
