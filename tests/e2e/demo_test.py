"""quell demo, as a newcomer starts it: what was only built is not found by its name alone."""
import glob
import os
import re
import shutil
import signal
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

    def test_a_key_that_is_set_counts_and_a_file_is_refused(self):
        run = subprocess.run([BINARY, "demo", "--set", "server.io=kqueue"], capture_output=True,
                             text=True, timeout=60)
        self.assertEqual((run.returncode, run.stdout), (1, ""))
        self.assertIn('io: one of "auto", "io_uring", "epoll" is wanted here', run.stderr)
        run = subprocess.run([BINARY, "demo", "--config", "quell.toml"], capture_output=True,
                             text=True, timeout=60)
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("a configuration of its own", run.stderr)

    def test_who_ends_it_leaves_nothing_behind(self):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup, also over the tests, has it ignored
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = set(glob.glob("/tmp/quell-demo-*"))
            run = subprocess.Popen([BINARY, "demo"], stdout=subprocess.PIPE, text=True)
            while "Forty pages?" not in run.stdout.readline():
                pass
            ours = [path for path in set(glob.glob("/tmp/quell-demo-*")) - before
                    if f"{path}/" in self.open_files(run.pid)]
            self.assertEqual(len(ours), 1)
            run.send_signal(number)
            self.assertEqual(run.wait(60), -number)
            run.stdout.close()
            self.assertFalse(os.path.exists(ours[0]))

    def open_files(self, pid):
        folder = f"/proc/{pid}/fd"
        return " ".join(os.readlink(os.path.join(folder, name)) for name in os.listdir(folder))


if __name__ == "__main__":
    unittest.main(verbosity=2)
