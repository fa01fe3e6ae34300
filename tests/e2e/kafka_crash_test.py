"""quell and Apache Kafka are killed again and again under load: every message is applied once."""
import json
import os
import random
import signal
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from harness import Story, wait_for  # noqa: E402
from tools.kafka_broker import Broker, ConsoleProducer  # noqa: E402

QUELL_KILLS, BROKER_KILLS, PARTITIONS = 20, 3, 6
CONFIG = """
[[kafka]]
brokers = "{address}"
topics = ["crash"]
group = "crash"
threads = 2
"""


class Load(threading.Thread):
    """About 1000 messages a second until stopped; each has an id of its own, one in 50 fails."""

    def __init__(self, producer):
        super().__init__(daemon=True)
        self.producer, self.count, self.failed, self.is_over = producer, 0, 0, threading.Event()

    def make(self):
        self.count += 1
        is_failure = self.count % 50 == 0
        self.failed += is_failure
        return json.dumps({"job_id": f"job{self.count}", "event_id": f"event{self.count}",
                           "status": "failed" if is_failure else "succeeded",
                           "message": "x" * random.randrange(200)})

    def run(self):
        while not self.is_over.is_set():
            self.producer.write([self.make() for _ in range(100)])
            time.sleep(0.1)


class Crash(Story):
    def setUp(self):
        self.broker = Broker()
        self.addCleanup(self.broker.close)
        self.broker.create("crash", PARTITIONS)

    def kill_quell(self, quell):
        """Whether it had applied something since the last time: a kill of an idle one is cheap."""
        before = self.accepted
        time.sleep(random.uniform(0.05, 2.0) + self.idle_kills)  # on a slow machine it begins late
        quell.stop(signal.SIGKILL)
        quell.start()
        self.accepted = quell.get("/api/v1/stats")[1]["events_accepted"]
        self.idle_kills = 0 if self.accepted > before else min(self.idle_kills + 1, 10)
        return self.accepted > before

    def kill_broker(self):
        self.broker.kill()
        time.sleep(random.uniform(0, 2))
        self.broker.start()

    def test_every_message_is_applied_once_whoever_is_killed(self):
        seed = random.randrange(1 << 32)
        random.seed(seed)
        print("seed", seed)
        producer = ConsoleProducer(self.broker, "crash")
        load = Load(producer)
        load.start()
        quell = self.quell("notify.group_wait=100ms",
                           files={"quell.toml": CONFIG.format(address=self.broker.address)})
        self.accepted, self.idle_kills, at_work = 0, 0, 0
        for number in range(3 * QUELL_KILLS):
            at_work += self.kill_quell(quell)
            if number % (QUELL_KILLS // BROKER_KILLS) == 3:
                self.kill_broker()
            if number + 1 >= QUELL_KILLS and at_work > QUELL_KILLS // 2:
                break  # on a slow machine most of them may be idle
        load.is_over.set()
        load.join()
        producer.close()
        produced = sum(self.broker.end_offsets("crash").values())
        self.assertEqual(load.count, produced)
        stats = lambda: quell.get("/api/v1/stats")[1]  # noqa: E731
        self.assertTrue(wait_for(lambda: stats()["events_accepted"] >= produced, 240),
                        (produced, stats()))
        quell.settle()
        found = stats()
        self.assertGreater(at_work, QUELL_KILLS // 2)
        print(f"{produced} messages, {at_work} kills at work, {quell.metric('quell_stream_absorbed_total')} absorbed")
        self.assertEqual((produced, 0, 0, load.failed, load.failed),
                         (found["events_accepted"], found["events_duplicate"],
                          found["events_rejected"], found["signals_total"],
                          found["incidents_opened"]))
        self.assertEqual(0, quell.close())


if __name__ == "__main__":
    unittest.main()
