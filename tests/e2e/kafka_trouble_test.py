"""Kafka in trouble: not there yet, gone, emptied, made anew, not allowed; and groups of quells."""
import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from harness import Story, failure, wait_for  # noqa: E402
from tools.kafka_broker import Broker  # noqa: E402


OTHER_CLUSTER = "cXVlbGwtdGVzdC1vdGhlcg"


def config(broker, topics, properties=(), group=None):
    group = group or topics[0].lstrip("^").rstrip(".*")  # one a test: they share a broker
    lines = ["[[kafka]]", 'name = "main"', f'brokers = "{broker.address}"',
             f"topics = {json.dumps(topics)}", f'group = "{group}"', "[kafka.properties]",
             '"topic.metadata.refresh.interval.ms" = 500', *properties]
    return {"quell.toml": "\n".join(lines) + "\n"}


def ready(quell):
    status, text, _ = quell.request("GET", "/readyz", port=quell.console)
    return status, text.decode()


def accepted(quell):
    return quell.get("/api/v1/stats")[1]["events_accepted"]


class Trouble(Story):
    shared_broker = None

    @classmethod
    def shared(cls):
        """The broker of the tests that do it no harm."""
        if Trouble.shared_broker is None:
            Trouble.shared_broker = Broker()
            cls.addClassCleanup(Trouble.shared_broker.close)
        return Trouble.shared_broker

    def broker(self, **more):
        broker = Broker(**more)
        self.addCleanup(broker.close)
        return broker

    def quell(self, *overrides, **more):
        self.latest = super().quell(*overrides, **more)
        return self.latest

    def wait(self, condition, seconds=90):
        self.assertTrue(wait_for(condition, seconds), self.latest.read_log())

    def test_a_broker_that_is_not_there_yet_and_one_that_goes_and_comes_back(self):
        broker = self.broker(start=False)
        quell = self.quell(files=config(broker, ["later"]))
        self.wait(lambda: "Connection refused" in ready(quell)[1])
        self.assertEqual(503, ready(quell)[0])
        self.assertTrue(ready(quell)[1].startswith("not ready: kafka main not connected: "))
        quell.events(failure("by_http"))
        broker.start()
        self.wait(lambda: ready(quell) == (200, "ready\n"))
        self.assertEqual(1, quell.metric("quell_kafka_connected"))
        broker.create("later", 2)  # a topic that was not there, either
        broker.produce("later", [json.dumps(failure(f"job{i}")) for i in range(20)])
        self.wait(lambda: accepted(quell) == 21)
        broker.kill()
        self.wait(lambda: ready(quell)[0] == 503)
        broker.start()
        broker.produce("later", [json.dumps(failure("again"))])
        self.wait(lambda: accepted(quell) == 22)
        self.wait(lambda: ready(quell)[0] == 200)
        self.assertEqual(0, quell.close())

    def test_a_broker_that_stands_still_does_not_hold_up_a_stop(self):
        broker = self.broker()
        broker.create("still", 1)
        quell = self.quell(files=config(broker, ["still"]))
        broker.produce("still", [json.dumps(failure("one"))])
        self.wait(lambda: accepted(quell) == 1)
        broker.process.send_signal(signal.SIGSTOP)
        self.addCleanup(lambda: broker.process.send_signal(signal.SIGCONT))
        start = time.monotonic()
        self.assertEqual(0, quell.stop())
        self.assertLess(time.monotonic() - start, 55)
        self.assertIn("the group could not be left in time", quell.read_log())
        quell.close()

    def test_a_member_that_the_group_took_another_for_joins_anew(self):
        broker = self.shared()
        broker.create("twin", 1)
        quell = self.quell(files=config(broker, ["twin"]))
        self.wait(lambda: ready(quell)[0] == 200)
        broker.produce("twin", [json.dumps(failure("one"))])
        self.wait(lambda: accepted(quell) == 1)
        members = broker.java(["org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
                               "--bootstrap-server", broker.address, "--describe", "--group",
                               "twin", "--members"])
        name = re.search(r"quell-[0-9a-f]{16}-\d+", members)[0]
        twin = subprocess.Popen(["kcat", "-b", broker.address, "-X", "group.instance.id=" + name,
                                 "-X", "partition.assignment.strategy=cooperative-sticky",
                                 "-G", "twin", "twin"], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (twin.kill(), twin.wait()))
        self.wait(lambda: "joining it anew" in quell.read_log())
        twin.kill()
        broker.produce("twin", [json.dumps(failure("two"))])
        self.wait(lambda: accepted(quell) == 2)
        self.assertEqual(0, quell.close())

    def test_two_clusters_are_read_side_by_side(self):
        brokers = {"one": self.shared(), "two": self.broker(cluster=OTHER_CLUSTER)}
        text = ""
        for name, broker in brokers.items():  # the same names of group, topic and partitions
            broker.create("both", 2)
            text += config(broker, ["both"])["quell.toml"].replace('"main"', f'"{name}"')
        send = lambda name, count, batch: brokers[name].produce(  # noqa: E731
            "both", [json.dumps(failure(f"{name}-{batch}-{i}")) for i in range(count)])
        quell = self.quell(files={"quell.toml": text})
        send("one", 100, "a")
        send("two", 150, "a")
        self.wait(lambda: accepted(quell) == 250)
        self.wait(lambda: ready(quell) == (200, "ready\n"))
        brokers["two"].kill()
        self.wait(lambda: ready(quell)[0] == 503)
        self.assertTrue(ready(quell)[1].startswith("not ready: kafka two not connected: "))
        send("one", 50, "b")
        self.wait(lambda: accepted(quell) == 300)
        quell.stop(9)
        quell.start()
        brokers["two"].start()
        send("two", 50, "b")
        send("one", 50, "c")
        self.wait(lambda: accepted(quell) == 400)
        self.wait(lambda: ready(quell)[0] == 200)
        self.assertEqual(0, quell.get("/api/v1/stats")[1]["events_duplicate"])
        for name in brokers:
            self.assertIn(f"{name}: reading both/0 from its beginning", quell.read_log())

    def test_the_lag_of_each_partition_is_a_metric(self):
        broker = self.shared()
        broker.create("lag", 2)
        broker.produce("lag", [json.dumps(failure(f"job{i}")) for i in range(10)], "-p", "1")
        quell = self.quell(files=config(broker, ["^la.*"]))
        self.wait(lambda: accepted(quell) == 10)
        wanted = 'quell_kafka_offset{source="main",topic="lag",partition="1"} 10\n'
        metrics = lambda: quell.request("GET", "/metrics", port=quell.console)[1].decode()  # noqa
        self.wait(lambda: wanted in metrics())
        for partition in (0, 1):
            self.wait(lambda: f'quell_kafka_lag{{source="main",topic="lag",partition="{partition}"}} 0'
                      in metrics())

    def test_the_end_of_a_transaction_is_no_message_that_is_missing(self):
        broker = self.shared()
        broker.create("transacted")
        payloads = os.path.join(broker.directory, "payloads")
        with open(payloads, "w") as file:
            file.writelines(json.dumps(failure(f"job{i}")) + "\n" for i in range(20))
        broker.java(["org.apache.kafka.tools.ProducerPerformance", "--topic", "transacted",
                     "--num-records", "20", "--throughput", "-1", "--payload-file", payloads,
                     "--transactional-id", "lag", "--transaction-duration-ms", "50",
                     "--producer-props",
                     "bootstrap.servers=" + broker.address])
        end, = broker.end_offsets("transacted").values()
        self.assertGreater(end, 20)  # the marker has an offset, too
        quell = self.quell(files=config(broker, ["transacted"]))
        self.wait(lambda: quell.metric("quell_kafka_offset") == end - 1)
        self.wait(lambda: quell.metric("quell_kafka_lag") == 0)
        broker.produce("transacted", [json.dumps(failure("after"))])
        self.wait(lambda: quell.metric("quell_kafka_offset") == end + 1)
        self.assertEqual(quell.metric("quell_kafka_lag"), 0)

    def test_messages_that_retention_deleted_are_told_and_the_rest_is_read(self):
        broker = self.shared()
        broker.create("kept")
        quell = self.quell(files=config(broker, ["kept"]))
        broker.produce("kept", [json.dumps(failure(f"a{i}")) for i in range(10)])
        self.wait(lambda: accepted(quell) == 10)
        self.assertEqual(0, quell.stop())
        broker.produce("kept", [json.dumps(failure(f"b{i}")) for i in range(30)])
        path = os.path.join(broker.directory, "delete.json")
        with open(path, "w") as file:
            json.dump({"version": 1, "partitions": [{"topic": "kept", "partition": 0,
                                                     "offset": 25}]}, file)
        broker.java(["org.apache.kafka.tools.DeleteRecordsCommand", "--bootstrap-server",
                     broker.address, "--offset-json-file", path])
        quell.start()
        self.wait(lambda: accepted(quell) == 10 + 15)
        self.assertIn("15 messages from 10 on were deleted by its retention", quell.read_log())
        self.assertEqual(15, quell.metric("quell_kafka_lost_total"))
        broker.produce("kept", [json.dumps(failure("c"))])
        self.wait(lambda: accepted(quell) == 26)

    def test_a_topic_that_was_made_anew_is_read_from_its_beginning(self):
        broker = self.shared()
        broker.create("anew")
        quell = self.quell(files=config(broker, ["anew"]))
        broker.produce("anew", [json.dumps(failure(f"a{i}")) for i in range(10)])
        self.wait(lambda: accepted(quell) == 10)
        self.assertEqual(0, quell.stop())
        broker.java(["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", broker.address,
                     "--delete", "--topic", "anew"])
        broker.create("anew")
        broker.produce("anew", [json.dumps(failure(f"b{i}")) for i in range(5)])
        quell.start()
        self.wait(lambda: accepted(quell) == 15)
        self.assertIn("the topic was made anew", quell.read_log())
        quell.stop(9)
        quell.start()
        broker.produce("anew", [json.dumps(failure("c"))])
        self.wait(lambda: accepted(quell) == 16)
        self.assertEqual(0, quell.get("/api/v1/stats")[1]["events_duplicate"])

    def test_a_topic_that_is_deleted_while_it_is_read_does_not_hold_up_a_stop(self):
        broker = self.shared()
        broker.create("deleted", 3)
        quell = self.quell(files=config(broker, ["deleted"]))
        broker.produce("deleted", [json.dumps(failure(f"a{i}")) for i in range(10)])
        self.wait(lambda: accepted(quell) == 10)
        broker.java(["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", broker.address,
                     "--delete", "--topic", "deleted"])
        self.wait(lambda: "Unknown topic or partition: topic deleted" in quell.read_log())
        quell.process.send_signal(signal.SIGTERM)
        self.assertEqual(0, quell.process.wait(30))  # librdkafka itself would never end

    def test_a_group_shares_partitions_and_nothing_is_lost_or_read_twice(self):
        broker = self.shared()
        broker.create("shared", 6)
        batch = lambda name: [json.dumps(failure(f"{name}{i}")) for i in range(300)]  # noqa: E731
        # A member that starves longer than its session reads again what it had not told of yet.
        files = config(broker, ["shared"], ['"session.timeout.ms" = 20000'])
        first = self.quell(files=files)
        broker.produce("shared", batch("a"))
        self.wait(lambda: accepted(first) == 300)
        second = self.quell(files=files)
        for name in "bcdefg":  # while partitions move
            broker.produce("shared", batch(name))
        self.wait(lambda: accepted(first) + accepted(second) >= 2100)
        self.wait(lambda: second.read_log().count("reading shared/") >= 3)
        broker.produce("shared", batch("h"))
        self.wait(lambda: accepted(first) + accepted(second) >= 2400)
        self.assertGreater(accepted(second), 0)
        kept = accepted(first)
        self.assertEqual(0, first.stop())
        broker.produce("shared", batch("i"))
        self.wait(lambda: kept + accepted(second) >= 2700)
        time.sleep(1)
        self.assertEqual(2700, kept + accepted(second))
        self.assertEqual(0, second.close())

    def test_threads_share_partitions_and_take_over_from_one_another(self):
        broker = self.shared()
        broker.create("threads", 6)
        files = config(broker, ["threads"])
        files["quell.toml"] = files["quell.toml"].replace("[kafka.prop", "threads = 3\n[kafka.prop")
        quell = self.quell(files=files)
        batch = lambda name: [json.dumps(failure(f"{name}{i}")) for i in range(500)]  # noqa: E731
        for name in "abcdef":  # while the members join one by one
            broker.produce("threads", batch(name))
        self.wait(lambda: accepted(quell) >= 3000)
        self.wait(lambda: quell.request("GET", "/readyz?verbose", port=quell.console)[1].decode()
                  .count("[+] kafka main") == 3)
        self.wait(lambda: all(f"main/{i}: reading" in quell.read_log() for i in (1, 2)))
        for _ in range(3):
            quell.stop(9)
            quell.start()
            broker.produce("threads", batch("g"))
        self.wait(lambda: accepted(quell) >= 4500)
        broker.produce("threads", batch("h"))
        self.wait(lambda: accepted(quell) >= 5000)
        time.sleep(1)
        self.assertEqual(5000, accepted(quell))
        self.assertEqual(0, quell.close())

    def test_who_is_not_allowed_is_told_so_clearly(self):
        module = ("org.apache.kafka.common.security.plain.PlainLoginModule required "
                  'username="admin" password="a" user_admin="a" user_quell="q";')
        broker = self.broker(start=False, properties={
            "sasl.enabled.mechanisms": "PLAIN",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS;User:admin", "listener.name.client.plain.sasl.jaas.config":
            module})
        broker.add_listener("CLIENT", "SASL_PLAINTEXT")
        broker.start()
        broker.create("secret")
        broker.create("dead")
        login = lambda word: ['"security.protocol" = "SASL_PLAINTEXT"',  # noqa: E731
                              '"sasl.mechanism" = "PLAIN"', '"sasl.username" = "quell"',
                              f'"sasl.password" = "{word}"']
        os.environ["QUELL_TEST_PASSWORD"] = "q"
        broker.address, plain = broker.listener, broker.address
        stranger = self.quell(files=config(broker, ["secret"], login("wrong")))
        self.wait(lambda: "uthentication" in ready(stranger)[1])
        self.assertNotIn("wrong", stranger.read_log())
        files = config(broker, ["secret"], login("${env:QUELL_TEST_PASSWORD}"))
        files["quell.toml"] = files["quell.toml"].replace(
            "[kafka.prop", 'dead_letter_topic = "dead"\n[kafka.prop')
        refused = self.quell(files=files)
        self.wait(lambda: "uthorization" in ready(refused)[1])
        self.assertEqual(503, ready(refused)[0])
        broker.address = plain
        for resource in (["--topic", "secret"], ["--group", "secret"]):
            broker.java(["kafka.admin.AclCommand", "--bootstrap-server", plain, "--add",
                         "--allow-principal", "User:quell", "--operation", "All", *resource])
        broker.produce("secret", [json.dumps(failure("job"))])
        self.wait(lambda: accepted(refused) == 1)
        self.wait(lambda: ready(refused)[0] == 200)
        # It may read, but not write letters.
        broker.produce("secret", ["no json", json.dumps(failure("next"))])
        self.wait(lambda: accepted(refused) == 2)
        self.assertRegex(refused.read_log(), "dead-letter topic dead: .*[Aa]uthorization")
        self.assertEqual(1, refused.metric("quell_kafka_dead_letters_failed_total"))
        self.assertEqual(1, refused.get("/api/v1/stats")[1]["events_rejected"])
        broker.java(["kafka.admin.AclCommand", "--bootstrap-server", plain, "--add",
                     "--allow-principal", "User:quell", "--operation", "All", "--topic", "dead"])
        for _ in range(40):  # the next letters are written, as soon as the producer knows
            broker.produce("secret", ["no json either"])
            if wait_for(lambda: refused.metric("quell_kafka_dead_letters_total") > 0, 1):
                break
        self.assertGreater(refused.metric("quell_kafka_dead_letters_total"), 0)


if __name__ == "__main__":
    unittest.main()
