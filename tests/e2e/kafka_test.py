"""quell fed by a real Apache Kafka."""
import base64
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), ".."))
from harness import BINARY, Story, failure, wait_for, write_whole  # noqa: E402
from tools.kafka_broker import Broker  # noqa: E402
from tools.python_packages import want  # noqa: E402

want("lmdb==1.6.2")
want("opentelemetry-proto==1.29.0", "protobuf<6")
import lmdb  # noqa: E402
from google.protobuf.json_format import MessageToDict  # noqa: E402
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: E402
    ExportLogsServiceRequest)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (  # noqa: E402
    ExportMetricsServiceRequest)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: E402
    ExportTraceServiceRequest)


def make_logs(service):
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    attribute = resource.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", service
    record = resource.scope_logs.add().log_records.add()
    record.time_unix_nano, record.severity_number = time.time_ns(), 17
    record.body.string_value = "boom"
    return request


def make_traces(service, number=None, parent=0):
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    attribute = resource.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", service
    span = resource.scope_spans.add().spans.add()
    span.trace_id, span.name, span.kind = bytes(range(16)), "GET /", 2
    span.span_id = service.encode() * 8 if number is None else number.to_bytes(8, "big")
    if parent:
        span.parent_span_id = parent.to_bytes(8, "big")
    span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns()
    span.status.code = 2
    return request


def make_metrics(service):
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    attribute = resource.resource.attributes.add()
    attribute.key, attribute.value.string_value = "service.name", service
    metric = resource.scope_metrics.add().metrics.add()
    metric.name = "requests"
    point = metric.gauge.data_points.add()
    point.time_unix_nano, point.as_int = time.time_ns(), 7
    return request


def as_json(request):
    """OTLP/JSON: as the mapping of protobuf says, but for ids in hex."""
    value = MessageToDict(request, use_integers_for_enums=True)
    for resource in value.get("resourceSpans", []):
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in {"traceId", "spanId", "parentSpanId"} & set(span):
                    span[name] = base64.b64decode(span[name]).hex()
    return json.dumps(value).encode()


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

    def accepted(self, quell, count, seconds=90):
        self.assertTrue(wait_for(lambda: self.stats(quell)["events_accepted"] >= count, seconds),
                        self.stats(quell))
        quell.settle()
        self.assertEqual(count, self.stats(quell)["events_accepted"])

    def ready(self, quell):
        return quell.request("GET", "/readyz?verbose", port=quell.console)[1].decode()

    def test_a_member_that_joins_goes_on_where_the_others_stand(self):
        """No commit is sent behind a join: it would cost its sender all partitions, and what he
        read since."""
        self.broker.create("joined", 3)
        first, sent = self.kafka("joined"), 0
        self.assertTrue(wait_for(lambda: "reading joined/2" in first.said()))
        with subprocess.Popen(["kcat", "-P", "-b", self.broker.address, "-t", "joined", "-X",
                               "linger.ms=5", "-X", "sticky.partitioning.linger.ms=0"],
                              stdin=subprocess.PIPE, text=True) as producer:
            second, end = None, time.time() + 60
            while second is None or "reading joined" not in second.said():
                self.assertLess(time.time(), end)
                producer.stdin.write(json.dumps({"job_id": f"j{sent}", "status": "ok"}) + "\n")
                producer.stdin.flush()
                sent += 1
                time.sleep(0.01)
                if sent == 200:
                    second = self.kafka("joined")
        quells = (first, second)
        self.assertTrue(wait_for(lambda: sum(self.stats(one)["events_accepted"]
                                             for one in quells) >= sent))
        for one in quells:
            one.settle()
            self.assertNotIn("could not be committed", one.said())
        self.assertEqual(sum(self.stats(one)["events_accepted"] for one in quells), sent)

    def join_in_wait(self, topic):
        """The third member of a group joins while another stands still, so that the first one's
        own join waits for that; returns the first, the one that stands still, the third."""
        self.broker.create(topic, 4)
        joined = ["-X", "partition.assignment.strategy=cooperative-sticky", "-G", topic, topic]
        other = subprocess.Popen(["kcat", "-b", self.broker.address, *joined],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (other.kill(), other.wait()))
        self.assertTrue(wait_for(lambda: "rdkafka" in self.groups("--group", topic, "--describe")))
        first = self.kafka(topic)
        self.assertTrue(wait_for(lambda: first.said().count("reading " + topic) == 2))
        other.send_signal(signal.SIGSTOP)
        third, end = self.kafka(topic), time.time() + 8  # heartbeats come every 3 s
        while time.time() < end:
            self.broker.produce(topic, [json.dumps({"job_id": "j", "status": "ok"})] * 40)
            time.sleep(0.1)
        return first, other, third

    def test_a_member_commits_nothing_while_others_learn_of_a_join(self):
        """A commit behind its own join would cost it all partitions."""
        first, other, third = self.join_in_wait("patient")
        other.send_signal(signal.SIGCONT)
        self.assertTrue(wait_for(lambda: "reading patient" in third.said()))
        self.assertNotIn("could not be committed", first.said())
        self.assertEqual(2, first.said().count("reading patient"))

    def test_a_stop_while_others_learn_of_a_join_still_commits(self):
        first, other, _ = self.join_in_wait("parting")
        read = self.stats(first)["events_accepted"]
        first.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        other.send_signal(signal.SIGCONT)
        self.assertEqual(0, first.process.wait(60))
        self.assertNotIn("could not be committed", first.said())
        was_ours = {int(one) for one in re.findall(r"reading parting/(\d)", first.said())}
        committed = self.committed("parting")
        self.assertGreater(read, 0)
        self.assertGreaterEqual(sum(committed[one] for one in was_ours), read)

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
        self.assertLess(time.time() - start, 30)  # a session is 45

    def test_every_codec_and_a_message_of_ten_megabytes(self):
        self.broker.create("codecs", max_message_bytes=16000000)
        codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
        for codec in codecs:
            self.broker.produce("codecs", [json.dumps(failure(codec))], "-z", codec)
        many = json.dumps([failure("big", message="x" * 10000) for _ in range(1000)])
        self.broker.produce("codecs", [many], "-X", "message.max.bytes=16000000")
        self.broker.produce("codecs", [json.dumps(failure("one", message="y" * 10000000))],
                            "-X", "message.max.bytes=16000000")
        quell = self.kafka("codecs")
        self.accepted(quell, len(codecs) + 1000 + 1)
        self.assertEqual({"job:" + name for name in codecs + ["big", "one"]},
                         {one["root_cause"]["entity"] for one in quell.incidents()})

    def produce_bytes(self, topic, value, *arguments):
        with tempfile.NamedTemporaryFile() as file:
            file.write(value)
            file.flush()
            self.broker.kcat("-P", "-t", topic, *arguments, file.name)

    def roots(self, quell, tenant):
        return {one["root_cause"]["entity"] for one in quell.incidents("&tenant=" + tenant)}

    def test_every_format_is_known_by_its_bytes_or_named_by_header_or_topic(self):
        for topic in ("any", "json.only", "proto.only"):
            self.broker.create(topic)
        self.produce_bytes("any", make_logs("a").SerializeToString())
        self.produce_bytes("any", make_traces("b").SerializeToString())
        self.produce_bytes("any", make_metrics("c").SerializeToString())
        self.produce_bytes("any", as_json(make_logs("d")))
        self.produce_bytes("any", as_json(make_traces("e")))
        self.produce_bytes("any", as_json(make_metrics("f")))
        self.produce_bytes("any", json.dumps([failure("g"), failure("h")]).encode())
        self.produce_bytes("any", "".join(json.dumps(failure(one)) + "\n" for one in "ij").encode(),
                           "-H", "content-type=application/x-ndjson")
        self.produce_bytes("any", make_logs("k").SerializeToString(),
                           "-H", "content-type=application/x-protobuf")
        self.produce_bytes("json.only", as_json(make_logs("l")))
        self.produce_bytes("proto.only", make_traces("m").SerializeToString())
        toml = (f'[[kafka]]\nbrokers = "{self.broker.address}"\ngroup = "formats"\n'
                'topics = ["any", {name = "^json[.].*", format = "otlp-json"},'
                ' {name = "proto.only", format = "otlp-proto"}]\n')
        quell = self.quell("notify.group_wait=100ms", files={"quell.toml": toml})
        self.accepted(quell, 13)
        self.assertEqual({"service:" + name for name in "abdeklm"}
                         | {"job:" + name for name in "ghij"}, self.roots(quell, "default"))
        self.assertEqual(0, self.stats(quell)["events_rejected"])

    def test_spans_of_topics_and_of_http_teach_the_graph_together(self):
        self.broker.create("spans", 2)
        quell = self.kafka("spans")
        spans = [as_json(make_traces(name, number, number - 1))
                 for number, name in ((3, "stock"), (2, "cart"), (1, "shop"))]
        self.produce_bytes("spans", spans[0], "-p", "0")
        self.accepted(quell, 1)
        self.assertEqual(200, quell.request("POST", "/v1/traces", spans[1],
                                            {"Content-Type": "application/json"})[0])
        self.produce_bytes("spans", spans[2], "-p", "1")
        edges = lambda: {(edge["from"], edge["to"]) for edge in  # noqa: E731
                         quell.get("/api/v1/graph?tenant=default")[1]["edges"]}
        wanted = {("service:shop", "service:cart"), ("service:cart", "service:stock")}
        self.assertTrue(wait_for(lambda: edges() == wanted), edges())

    def test_the_tenant_is_the_topics_or_a_headers_that_counts_or_the_records(self):
        for topic in ("bound", "free", "plain"):
            self.broker.create(topic)
        for topic in ("bound", "free", "plain"):
            for name, arguments in (("none", []), ("header", ["-H", "tenant=header"])):
                self.broker.produce(topic, [json.dumps(failure(topic + "_" + name)),
                                            json.dumps(failure(topic + "_" + name + "_own",
                                                               tenant_id="record"))], *arguments)
        self.broker.produce("free", [json.dumps(failure("free_empty"))], "-H", "tenant=")
        self.broker.produce("free", [json.dumps(failure("bad"))], "-H", "tenant=no/tenant")
        toml = (f'[[kafka]]\nbrokers = "{self.broker.address}"\ngroup = "tenants"\n'
                'topics = [{name = "bound", tenant = "topic"}, "free",'
                ' {name = "plain", headers = false}]\n')
        quell = self.quell("notify.group_wait=100ms", files={"quell.toml": toml})
        self.accepted(quell, 13)
        self.assertEqual({"job:bound_none", "job:bound_none_own", "job:bound_header",
                          "job:bound_header_own"}, self.roots(quell, "topic"))
        self.assertEqual({"job:free_header", "job:free_header_own"}, self.roots(quell, "header"))
        self.assertEqual({"job:free_none_own", "job:plain_none_own", "job:plain_header_own"},
                         self.roots(quell, "record"))
        self.assertEqual({"job:free_none", "job:free_empty", "job:plain_none", "job:plain_header"},
                         self.roots(quell, "default"))
        quell.stop()
        self.assertIn(b"header tenant: ", self.quarantine(quell)[0])

    def test_a_tenant_over_its_limit_waits_alone_and_loses_nothing(self):
        for topic in ("limited.loud", "limited.calm"):
            self.broker.create(topic)
        toml = (f'[[kafka]]\nbrokers = "{self.broker.address}"\ngroup = "limited"\n'
                'topics = [{name = "limited.loud", tenant = "loud"}, '
                '{name = "limited.calm", tenant = "calm"}]\n')
        quell = self.quell(files={"quell.toml": toml, "tenants/loud.toml":
                                  '[tenant]\nid = "loud"\n[limits]\nevents_per_second = 20\n'})
        tenant = lambda name: self.stats(quell)["tenants"].get(  # noqa: E731
            name, {}).get("events_accepted", 0)
        batch = [json.dumps(failure(f"job{number}")) for number in range(300)]
        self.broker.produce("limited.loud", batch)
        self.assertTrue(wait_for(lambda: "limited.loud/0 is held back" in quell.read_log()))
        self.broker.produce("limited.calm", batch)
        self.assertTrue(wait_for(lambda: tenant("calm") == 300))
        self.assertLess(tenant("loud"), 300)
        self.accepted(quell, 600)
        self.assertEqual(0, self.stats(quell)["events_duplicate"])

    def test_a_reload_says_what_waits_for_the_next_start(self):
        self.broker.create("reloaded")
        quell = self.kafka("reloaded")
        path = os.path.join(quell.directory, "quell.toml")
        for change, is_told in (("\n[defaults.dedup]\nwindow = \"5m\"\n", False),
                                ("\"fetch.wait.max.ms\" = 100\n", True)):
            with open(path) as file:
                text = file.read()
            write_whole(path, change + text if not is_told else text + change)
            reloads = quell.read_log().count("reloaded: ")
            quell.process.send_signal(signal.SIGHUP)
            self.assertTrue(wait_for(lambda: quell.read_log().count("reloaded: ") > reloads))
            self.assertEqual(is_told, "counts from the next start on" in quell.read_log())
        self.broker.produce("reloaded", [json.dumps(failure("still_read"))])
        self.accepted(quell, 1)

    def load(self, topic, *flags, address=None):
        result = subprocess.run(
            [BINARY, "load", "--json", "--kafka", address or self.broker.address, "--topic", topic,
             "--rate", "20000", "--duration", "500ms", "--batch", "50", *flags],
            capture_output=True, text=True, timeout=60)
        return result, json.loads(result.stdout) if result.stdout else None

    def test_quell_load_fills_a_topic_at_a_constant_rate_until_all_is_acknowledged(self):
        self.broker.create("load", 3)
        quell = self.kafka("load")
        kept = os.path.join(quell.directory, "kept.load")
        records = 0
        for protocol in ("otlp-json", "otlp-proto", "native"):
            for _ in range(20):
                result, report = self.load("load", "--protocol", protocol, "--tenants", "3",
                                           "--record", kept)
                records += report["records_accepted"]
                if report["requests_unsent"] == 0:  # else the machine stood still
                    break
            self.assertEqual(0, result.returncode, (result.stderr, report))
            self.assertEqual((200, 200, 10000), (report["requests_sent"],
                             report["requests_accepted"], report["records_accepted"]))
            self.assertGreater(report["latency_ns"]["p50"], 0)
        self.accepted(quell, records)
        self.assertEqual((0, 0), (self.stats(quell)["events_duplicate"],
                                  self.stats(quell)["events_rejected"]))
        self.assertEqual({"load-0", "load-1", "load-2"},
                         set(self.stats(quell)["tenants"]) - {"default"})
        result, _ = self.load("load", "--replay", kept, "--property", "compression.codec=zstd")
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertTrue(wait_for(lambda: self.stats(quell)["events_duplicate"] == 10000))

    def test_quell_load_says_what_is_wrong_with_its_topic(self):
        for topic, address, wait, words in [
                ("nowhere", None, "30s", "topic nowhere: .*Unknown topic"),
                ("any", "127.0.0.1:1", "2s", "topic any: .*refused")]:
            result, report = self.load(topic, "--timeout", wait, address=address)
            self.assertEqual((1, None), (result.returncode, report))
            self.assertRegex(result.stderr, words)
        self.assertIn("--kafka wants --topic", subprocess.run(
            [BINARY, "load", "--kafka", "x"], capture_output=True, text=True).stderr)

    def quarantine(self, quell):
        """The rows of the quarantine, read from the files of a quell that has stopped."""
        path = os.path.join(quell.directory, "quell-data", "shard-0", "state")
        with lmdb.open(path, max_dbs=64, readonly=True, lock=False) as environment:
            table = environment.open_db(b"quarantine", create=False)
            with environment.begin(table) as transaction:
                return [bytes(value) for _, value in transaction.cursor()]

    def test_poison_stands_in_the_quarantine_and_the_dead_letter_topic(self):
        self.broker.create("poison")
        self.broker.create("poison.dead")
        self.broker.produce("poison", [json.dumps(failure("first"))])
        self.broker.kcat("-P", "-t", "poison", "-k", "the key", "-H", "trace=abc",
                         "-H", "tenant=acme", "-H", "X-Api-Key=hush", text="{no json at all")
        self.broker.kcat("-P", "-t", "poison", text=b"\x07\x00\x01unknown magic")
        self.broker.produce("poison", ["tombstone:"], "-K", ":", "-Z")
        self.broker.produce("poison", ["empty:"], "-K", ":")
        self.broker.produce("poison", [json.dumps({"job_id": "half"}),
                                       json.dumps(failure("last"))])
        quell = self.kafka("poison", dead_letter_topic="poison.dead")
        self.accepted(quell, 2)
        self.assertEqual({"job:first", "job:last"},
                         {one["root_cause"]["entity"] for one in quell.incidents()})
        listed = quell.get("/api/v1/quarantine?tenant=acme")[1]["quarantine"]
        shown = quell.get("/api/v1/quarantine/" + listed[0]["id"])[1]
        self.assertEqual({one["key"]: one["value"] for one in shown["attributes"]},
                         {"kafka.topic": "poison", "kafka.partition": "0", "kafka.offset": "1",
                          "kafka.key": "the key", "kafka.header.trace": "abc",
                          "kafka.header.tenant": "acme",
                          "kafka.header.X-Api-Key": "(left out)"})
        quell.stop()
        rows = self.quarantine(quell)
        places = [int(re.search(rb"kafka:poison/0@(\d+)", row)[1]) for row in rows]
        self.assertEqual([1, 2, 4, 5], places)
        self.assertIn(b"the message is empty", rows[2])
        first = rows[places.index(1)]
        for part in (b"{no json at all", b"kafka.key", b"the key", b"kafka.header.trace", b"abc",
                     b"acme", b"kafka.offset", b"kafka.partition", b"kafka.topic"):
            self.assertIn(part, first)
        self.assertIn(b"\x07\x00\x01unknown magic", rows[places.index(2)])
        letters = self.broker.kcat("-C", "-t", "poison.dead", "-o", "beginning", "-e", "-q",
                                   "-f", "%k|%h|%s\n").splitlines()
        self.assertEqual(len(rows), len(letters), letters)
        self.assertTrue(letters[0].startswith("the key|quell.error.reason="), letters[0])
        self.assertIn("quell.error.topic=poison,quell.error.partition=0,quell.error.offset=1,"
                      "trace=abc,tenant=acme,X-Api-Key=hush|{no json at all", letters[0])
        self.assertIn("status is required", letters[-1])
        self.assertEqual({0: 7}, self.committed("poison"))

    def test_a_dead_letter_topic_that_is_missing_is_told_and_delays_little(self):
        self.broker.create("lonely")
        quell = self.kafka("lonely", dead_letter_topic="lonely.dead")
        self.broker.produce("lonely", ["no json", json.dumps(failure("after"))])
        self.accepted(quell, 1)
        self.assertRegex(quell.read_log(), "dead-letter topic lonely.dead: .*Unknown topic")
        self.assertEqual(1, quell.metric("quell_kafka_dead_letters_failed_total"))
        self.broker.produce("lonely", [json.dumps(failure("more"))])
        self.accepted(quell, 2)
        self.broker.create("lonely.dead")
        self.assertTrue(wait_for(lambda: self.produce_poison(quell)))
        quell.stop()
        self.assertIn(b"no json", self.quarantine(quell)[0])

    def produce_poison(self, quell):
        """Whether a letter has arrived by now."""
        self.broker.produce("lonely", ["no json again"])
        time.sleep(0.5)
        return quell.metric("quell_kafka_dead_letters_total") > 0


if __name__ == "__main__":
    unittest.main()
