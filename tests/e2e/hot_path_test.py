"""What a record costs on the hot path is no allocation and no system call: both are counted while
a real quell takes a steady load. What a request and a commit cost is bounded."""
import json
import mmap
import os
import re
import signal
import struct
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from harness import BINARY, Story, wait_for  # noqa: E402
from tools.kafka_broker import Broker  # noqa: E402

RATE, SECONDS, BATCH = 20000, 2, 100


class HotPath(Story):
    def load(self, quell, protocol):
        result = subprocess.run(
            [BINARY, "load", "--json", "--url", f"http://127.0.0.1:{quell.http}", "--protocol",
             protocol, "--rate", str(RATE), "--duration", f"{SECONDS}s", "--batch", str(BATCH)],
            capture_output=True, text=True, timeout=120)
        return json.loads(result.stdout)

    def load_much(self, quell, protocol):
        """Requests and records taken, enough of them: on a slow machine one load leaves many unsent."""
        requests = records = 0
        for _ in range(20):
            report = self.load(quell, protocol)
            requests += report["requests_accepted"]
            records += report["records_accepted"]
            if records > RATE * SECONDS * 0.9:
                return requests, records
        self.fail(f"{records} records taken")

    def counted(self, *overrides, **more):
        """A quell, and the page with its allocations: all, and those of its own code."""
        counter = os.path.join(os.environ["QUELL_BUILD"], f"allocations-{os.getpid()}")
        with open(counter, "w+b") as file:
            file.truncate(4096)
            page = mmap.mmap(file.fileno(), 4096)
        self.addCleanup(os.unlink, counter)
        os.environ["LD_PRELOAD"] = os.environ["QUELL_COUNT_ALLOCATIONS"]
        os.environ["QUELL_ALLOCATIONS_FILE"] = counter
        try:
            return self.quell(*overrides, **more), page
        finally:
            del os.environ["LD_PRELOAD"], os.environ["QUELL_ALLOCATIONS_FILE"]

    def test_a_kafka_message_allocates_nothing_of_ours(self):
        broker = Broker()
        self.addCleanup(broker.close)
        broker.create("steady", 3)
        quell, page = self.counted(files={"quell.toml": (
            f'[[kafka]]\nbrokers = "{broker.address}"\ntopics = ["steady"]\ngroup = "steady"\n'
            'format = "native"\ntenant = "acme"\nstart = "earliest"\n')})
        own, before = [], (0, 0)
        for load in range(2):  # the first warms: pools fill, tables grow
            broker.produce("steady", [json.dumps({"job_id": f"job_{i % 500}", "status": "succeeded",
                                                  "event_id": f"{load}-{i}"}) for i in range(RATE)])
            self.assertTrue(wait_for(
                lambda: quell.settle()["events_accepted"] == RATE * (load + 1)))
            now = struct.unpack_from("QQ", page)
            own, before = [one - other for one, other in zip(now, before)], now
        print(f"kafka: {own[0]} allocations for {RATE} messages, {own[1]} of them our own code's")
        self.assertGreater(before[1], 0, "none is taken for our own")
        self.assertLess(own[1] / RATE, 0.02)

    def test_a_record_allocates_nothing(self):
        quell, page = self.counted()
        for protocol in ["otlp-json", "otlp-proto", "native"]:
            self.load(quell, protocol)  # warm: pools fill, tables grow, the store's pages too
            quell.settle()
            before = struct.unpack_from("Q", page)[0]
            self.assertGreater(before, 0, "the counter is not preloaded")
            _, records = self.load_much(quell, protocol)
            quell.settle()
            calls = struct.unpack_from("Q", page)[0] - before
            # The store's commits allocate pages, a hundred a second at most.
            self.assertLess(calls / records, 0.02, protocol)
            print(f"{protocol}: {calls} allocations for {records} records")

    def test_a_record_makes_no_system_call(self):
        quell = self.quell()
        self.load(quell, "otlp-json")
        trace = os.path.join(quell.directory, "trace")
        strace = subprocess.Popen(["strace", "-f", "-c", "-o", trace, "-p",
                                   str(quell.process.pid)], stderr=subprocess.PIPE)
        if b"attached" not in strace.stderr.readline():
            self.skipTest("strace may not attach here")
        time.sleep(0.2)
        requests, _ = self.load_much(quell, "otlp-json")
        strace.send_signal(signal.SIGINT)
        strace.wait(120)
        strace.stderr.close()
        with open(trace) as file:
            text = file.read()
        calls = int(re.search(r"^\s*100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s.*total", text, re.M)[1])
        print(f"{calls} system calls for {requests} requests of {BATCH} records\n{text}")
        self.assertLess(calls / requests, 40)  # for a hundred records


if __name__ == "__main__":
    unittest.main(verbosity=2)
