"""The kafka sink against a real Apache Kafka: incidents by key, in order, through its restarts."""
import json
import os
import sys
import unittest

import jsonschema

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from harness import SCHEMA, Story, failure, wait_for  # noqa: E402
from tools.kafka_broker import Broker  # noqa: E402


class Sink(Story):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker()
        cls.addClassCleanup(cls.broker.close)

    def sink(self, topic, *overrides):
        return self.quell("notify.group_wait=0s", "notify.group_interval=0s",
                          "sink.bus.type=kafka", "sink.bus.brokers=" + self.broker.address,
                          "sink.bus.topic=" + topic, "sink.bus.backoff=100ms",
                          "sink.bus.breaker_wait=200ms", *overrides)

    def read(self, topic):
        """(key, headers, incident) of each record."""
        text = self.broker.kcat("-C", "-t", topic, "-o", "beginning", "-e", "-q",
                                "-f", "%k\x01%h\x01%s\x02")
        records = [record.split("\x01") for record in text.split("\x02")[:-1]]
        return [(key, dict(one.split("=", 1) for one in headers.split(",")), json.loads(value))
                for key, headers, value in records]

    def wait_for_records(self, topic, count, seconds=90):
        self.assertTrue(wait_for(lambda: len(self.read(topic)) >= count, seconds))
        return self.read(topic)

    def test_an_incidents_records_have_its_key_and_its_state(self):
        self.broker.create("incidents", 3)
        quell = self.sink("incidents")
        quell.events(failure("extract"), **{"X-Scope-OrgID": "acme"})
        self.wait_for_records("incidents", 1)
        quell.events({"job_id": "extract", "status": "succeeded"}, **{"X-Scope-OrgID": "acme"})
        records = self.wait_for_records("incidents", 2)
        incident = quell.incidents("&tenant=acme")[0]["id"]
        self.assertEqual([f"acme/{incident}"] * 2, [key for key, _, _ in records])
        self.assertEqual(["incident.opened", "incident.resolved"],
                         [headers["quell-type"] for _, headers, _ in records])
        self.assertEqual(["open", "resolved"], [value["status"] for _, _, value in records])
        self.assertNotEqual(records[0][1]["quell-message-id"], records[1][1]["quell-message-id"])
        for _, headers, value in records:
            jsonschema.validate(value, SCHEMA)
            self.assertEqual(("application/json", "acme"),
                             (headers["content-type"], headers["quell-tenant"]))
        self.assertTrue(wait_for(lambda: quell.metric("quell_sink_delivered_total") == 2))

    def test_a_broker_that_is_gone_delays_nobody_else_and_gets_each_message_once_when_it_is_back(self):
        self.broker.create("outage")
        receiver = self.receiver()
        quell = self.sink("outage", "sink.bus.max_attempts=100", "sink.bus.timeout=4s",
                          "sink.hook.type=webhook", "sink.hook.url=" + receiver.url)
        quell.events(failure("before"))
        self.wait_for_records("outage", 1)
        self.broker.kill()
        self.addCleanup(self.broker.ensure)
        quell.events(*[failure(f"job{number}") for number in range(20)])
        self.assertTrue(wait_for(lambda: len(receiver.messages) == 21))
        self.assertTrue(wait_for(lambda: quell.metric("quell_sink_attempts_failed_total") > 0))
        self.assertTrue(wait_for(lambda: "Message timed out; " in quell.read_log()))
        self.broker.start()
        records = self.wait_for_records("outage", 21)
        self.assertEqual(21, len({key for key, _, _ in records}))
        self.assertEqual(21, len({headers["quell-message-id"] for _, headers, _ in records}))
        self.assertEqual(0, quell.close())

    def test_what_the_topic_never_takes_becomes_a_dead_letter(self):
        self.broker.create("small", max_message_bytes=200)
        quell = self.sink("small")
        quell.events(failure("big"))
        self.assertTrue(wait_for(lambda: quell.metric("quell_sink_dead_total") == 1))

    def test_a_missing_topic_is_waited_for(self):
        quell = self.sink("missing", "sink.bus.max_attempts=100")
        quell.events(failure("job"))
        self.assertTrue(wait_for(lambda: quell.metric("quell_sink_attempts_failed_total") > 0))
        self.broker.create("missing")
        self.wait_for_records("missing", 1)

    def test_properties_are_passed_on_and_bad_ones_are_told_at_their_place(self):
        self.broker.create("proper")
        toml = ('[sink.bus]\ntype = "kafka"\nbrokers = ["127.0.0.1:1", "%s"]\ntopic = "proper"\n'
                '[sink.bus.properties]\ncompression.codec = "zstd"\n"acks" = "all"\n'
                % self.broker.address)
        quell = self.quell("notify.group_wait=0s", files={"quell.toml": toml})
        quell.events(failure("job"))
        self.wait_for_records("proper", 1)
        with self.assertRaisesRegex(AssertionError, r"quell.toml.*no property .*securty.protocol"):
            self.quell(files={"quell.toml": toml + "securty.protocol = 'SSL'\n"})


if __name__ == "__main__":
    unittest.main()
