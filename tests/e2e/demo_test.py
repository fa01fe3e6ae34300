"""quell demo, as a newcomer starts it: what was only built is not found by its name alone."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import BINARY


class Demo(unittest.TestCase):
    def test_forty_failures_are_one_incident_and_how_to_go_on_is_told(self):
        folder = tempfile.mkdtemp(prefix="quell-test-")
        self.addCleanup(shutil.rmtree, folder)
        os.symlink(BINARY, os.path.join(folder, "built"))
        with open(os.path.join(folder, "quell.toml"), "w") as file:
            file.write("[nonsense]\n")  # is not the demo's
        run = subprocess.run(["./built", "demo"], cwd=folder, capture_output=True, text=True,
                             timeout=60)
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        told = re.findall(r"Z  (\w+) +(\w+) \[default\] (\S+) failed: .*; (\d+) downstream", run.stdout)
        self.assertEqual(told, [(what, "critical", "job:extract_orders_00", "39")
                                for what in ("opened", "resolved")])
        self.assertIn("\n  ./built run\n", run.stdout)
        self.assertEqual(sorted(os.listdir(folder)), ["built", "quell.toml"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
