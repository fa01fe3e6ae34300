"""What a record costs on the hot path is no allocation and no system call: both are counted while
a real quell takes a steady load. What a request and a commit cost is bounded."""
import json
import mmap
import os
import re
import signal
import struct
import subprocess
import time
import unittest

from harness import BINARY, Story

RATE, SECONDS, BATCH = 20000, 2, 100


class HotPath(Story):
    def load(self, quell, protocol):
        result = subprocess.run(
            [BINARY, "load", "--json", "--url", f"http://127.0.0.1:{quell.http}", "--protocol",
             protocol, "--rate", str(RATE), "--duration", f"{SECONDS}s", "--batch", str(BATCH)],
            capture_output=True, text=True, timeout=120)
        report = json.loads(result.stdout)
        self.assertGreater(report["records_accepted"], RATE * SECONDS * 0.9, result.stderr)
        return report

    def test_a_record_allocates_nothing(self):
        counter = os.path.join(os.environ["QUELL_BUILD"], f"allocations-{os.getpid()}")
        with open(counter, "w+b") as file:
            file.truncate(4096)
            page = mmap.mmap(file.fileno(), 4096)
        self.addCleanup(os.unlink, counter)
        os.environ["LD_PRELOAD"] = os.environ["QUELL_COUNT_ALLOCATIONS"]
        os.environ["QUELL_ALLOCATIONS_FILE"] = counter
        try:
            quell = self.quell()
        finally:
            del os.environ["LD_PRELOAD"], os.environ["QUELL_ALLOCATIONS_FILE"]
        for protocol in ["otlp-json", "otlp-proto", "native"]:
            self.load(quell, protocol)  # warm: pools fill, tables grow, the store's pages too
            quell.settle()
            before = struct.unpack_from("Q", page)[0]
            self.assertGreater(before, 0, "the counter is not preloaded")
            report = self.load(quell, protocol)
            quell.settle()
            calls = struct.unpack_from("Q", page)[0] - before
            # The store's commits allocate pages, a hundred a second at most.
            self.assertLess(calls / report["records_accepted"], 0.02, protocol)
            print(f"{protocol}: {calls} allocations for {report['records_accepted']} records")

    def test_a_record_makes_no_system_call(self):
        quell = self.quell()
        self.load(quell, "otlp-json")
        trace = os.path.join(quell.directory, "trace")
        strace = subprocess.Popen(["strace", "-f", "-c", "-o", trace, "-p",
                                   str(quell.process.pid)], stderr=subprocess.PIPE)
        if b"attached" not in strace.stderr.readline():
            self.skipTest("strace may not attach here")
        time.sleep(0.2)
        report = self.load(quell, "otlp-json")
        strace.send_signal(signal.SIGINT)
        strace.wait(20)
        strace.stderr.close()
        with open(trace) as file:
            text = file.read()
        calls = int(re.search(r"^\s*100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s.*total", text, re.M)[1])
        requests = report["requests_accepted"]
        print(f"{calls} system calls for {requests} requests of {BATCH} records\n{text}")
        self.assertLess(calls / requests, 20)  # for a hundred records


if __name__ == "__main__":
    unittest.main(verbosity=2)
