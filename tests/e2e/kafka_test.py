"""quell fed by a real Apache Kafka."""
import json
import os
import re
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from harness import Story, failure, wait_for  # noqa: E402
from tools.kafka_broker import Broker  # noqa: E402


class Kafka(Story):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()

    @classmethod
    def tearDownClass(cls):
        cls.broker.close()

    def kafka(self, topic, *overrides, properties=None, **more):
        """A quell that reads one topic as a group of the topic's name."""
        lines = ["[[kafka]]", 'name = "main"', f'brokers = "{self.broker.address}"',
                 f'topics = "{topic}"', f'group = "{topic}"']
        lines += [f"{key} = {json.dumps(value)}" for key, value in more.items()]
        lines.append("[kafka.properties]")
        lines += [f'"{key}" = {json.dumps(value)}' for key, value in (properties or {}).items()]
        return self.quell("notify.group_wait=100ms", *overrides,
                          files={"quell.toml": "\n".join(lines) + "\n"})

    def groups(self, *arguments):
        return self.broker.java(["org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
                                 "--bootstrap-server", self.broker.address, *arguments])

    def committed(self, topic):
        """What the group of that name has committed, by partition."""
        text = self.groups("--group", topic, "--describe")
        found = re.findall(rf"^\S+\s+{topic}\s+(\d+)\s+(\d+)\s", text, re.M)
        return {int(partition): int(offset) for partition, offset in found}

    def stats(self, quell):
        return quell.get("/api/v1/stats")[1]

    def accepted(self, quell, count, seconds=20):
        self.assertTrue(wait_for(lambda: self.stats(quell)["events_accepted"] >= count, seconds),
                        self.stats(quell))
        quell.settle()
        self.assertEqual(count, self.stats(quell)["events_accepted"])

    def ready(self, quell):
        return quell.request("GET", "/readyz?verbose", port=quell.console)[1].decode()

    def test_events_of_a_topic_become_an_incident(self):
        self.broker.create("storm", 3)
        self.broker.produce("storm", [json.dumps(failure("load", "extract")),
                                      json.dumps(failure("extract"))])
        quell = self.kafka("storm")
        self.accepted(quell, 2)
        incidents = quell.incidents()
        self.assertEqual(["job:extract"], [one["root_cause"]["entity"] for one in incidents])
        self.assertEqual(["job:load"], [one["entity"] for one in incidents[0]["affected"]])
        self.assertIn("[+] kafka main connected", self.ready(quell))
        self.assertEqual(0, quell.close())
        self.assertEqual(2, sum(self.committed("storm").values()))

    def test_reading_goes_on_where_the_journal_says_whatever_the_group_has_committed(self):
        self.broker.create("resumed")
        self.broker.produce("resumed", [json.dumps(failure(f"job{i}")) for i in range(100)])
        quell = self.kafka("resumed", properties={"session.timeout.ms": 6000})
        self.accepted(quell, 100)
        self.assertTrue(wait_for(lambda: self.committed("resumed") == {0: 100}))
        quell.stop(signal.SIGKILL)
        self.assertTrue(wait_for(lambda: "Error" not in self.groups(
            "--group", "resumed", "--reset-offsets", "--to-earliest", "--topic", "resumed",
            "--execute")))
        self.assertEqual({0: 0}, self.committed("resumed"))
        quell.start()
        self.broker.produce("resumed", [json.dumps(failure("job100"))])
        self.assertTrue(wait_for(lambda: len(quell.incidents()) == 101))
        self.assertEqual(101, self.stats(quell)["events_received"])
        self.assertIn("reading resumed/0 from offset 100", quell.read_log())
        self.assertTrue(wait_for(lambda: self.committed("resumed") == {0: 101}))

    def test_a_restart_after_a_crash_waits_for_no_session_to_end(self):
        self.broker.create("crashed")
        quell = self.kafka("crashed")
        self.broker.produce("crashed", [json.dumps(failure("before"))])
        self.accepted(quell, 1)
        quell.stop(signal.SIGKILL)
        start = time.time()
        quell.start()
        self.broker.produce("crashed", [json.dumps(failure("after"))])
        self.assertTrue(wait_for(lambda: len(quell.incidents()) == 2))
        self.assertLess(time.time() - start, 10)


if __name__ == "__main__":
    unittest.main()
