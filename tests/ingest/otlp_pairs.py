"""OTLP in JSON and in protobuf of the same data give the same envelopes, byte for byte.

Requests are made and encoded by the official opentelemetry-proto classes; damaged ones must be
judged without a crash.
"""
import base64
import itertools
import json
import os
import random
import struct
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.environ["QUELL_SOURCE"], "tests", "tools"))
import python_packages

try:
    python_packages.want("opentelemetry-proto==1.29.0", "protobuf<6")
except unittest.SkipTest as reason:
    print(reason)
    sys.exit(77)
from google.protobuf.json_format import MessageToDict, ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

KEYS = ["job.id", "job.status", "service.name", "service.namespace", "event.id", "error.type",
        "exception.message", "tenant.id", "dataset.name", "check.id", "check.status", "run.id",
        "http.method", "ümläut", "x"]
WORDS = ["failed", "succeeded", "acme", "boom 17", "", "a \"quoted\" word\n", "ünïcode €😀",
         "load_orders", "no-such-status", "tab\tbell\x07", "x" * 3000]


def fill_any(any_value, rng, depth=0):
    kind = rng.randrange(8 if depth < 3 else 5)
    if kind == 0:
        any_value.bool_value = rng.random() < 0.5
    elif kind == 1:
        any_value.int_value = rng.choice([0, 1, -1, 2**63 - 1, -2**63, rng.randrange(10**6)])
    elif kind == 2:
        any_value.double_value = rng.choice(
            [0.0, 0.5, -0.25, 100000.0, 1e20, 1e-7, 0.1 + 0.2, 3.14, 5e-324, 1e15, 123456789.125,
             float("inf"), float("-inf"), float("nan"), rng.random() * 1000,
             struct.unpack("<d", struct.pack("<Q", rng.getrandbits(62)))[0]])
    elif kind == 3:
        any_value.bytes_value = rng.randbytes(rng.randrange(6))
    elif kind == 5:
        any_value.array_value.SetInParent()
        for _ in range(rng.randrange(4)):
            fill_any(any_value.array_value.values.add(), rng, depth + 1)
    elif kind == 6:
        any_value.kvlist_value.SetInParent()
        for _ in range(rng.randrange(4)):
            pair = any_value.kvlist_value.values.add()
            pair.key = rng.choice(KEYS)
            fill_any(pair.value, rng, depth + 1)
    elif kind == 7:
        pass  # an empty AnyValue
    else:
        any_value.string_value = rng.choice(WORDS)


def fill_attributes(attributes, rng, most):
    for _ in range(rng.randrange(most)):
        attribute = attributes.add()
        attribute.key = rng.choice(KEYS)
        if rng.random() < 0.7:
            attribute.value.string_value = rng.choice(
                ["failed", "late", "ok", "no-such"] if "status" in attribute.key else WORDS)
        else:
            fill_any(attribute.value, rng)


def fill_ids(record, rng):
    if rng.random() < 0.7:
        record.trace_id = rng.randbytes(16)
        record.span_id = rng.randbytes(8)


def make_logs(rng):
    request = ExportLogsServiceRequest()
    for _ in range(rng.randrange(3)):
        resource = request.resource_logs.add()
        fill_attributes(resource.resource.attributes, rng, 5)
        for _ in range(rng.randrange(3)):
            scope = resource.scope_logs.add()
            fill_attributes(scope.scope.attributes, rng, 3)
            for _ in range(rng.randrange(4)):
                record = scope.log_records.add()
                record.time_unix_nano = rng.choice([0, 1799999999 * 10**9 + rng.randrange(10**9)])
                record.observed_time_unix_nano = rng.choice([0, 1799999998 * 10**9])
                record.severity_number = rng.randrange(25)
                record.severity_text = rng.choice(WORDS)
                record.flags = rng.randrange(2)
                fill_ids(record, rng)
                if rng.random() < 0.9:
                    fill_any(record.body, rng)
                fill_attributes(record.attributes, rng, 8)
    return request


def make_traces(rng):
    request = ExportTraceServiceRequest()
    for _ in range(rng.randrange(3)):
        resource = request.resource_spans.add()
        fill_attributes(resource.resource.attributes, rng, 5)
        for _ in range(rng.randrange(3)):
            scope = resource.scope_spans.add()
            for _ in range(rng.randrange(4)):
                span = scope.spans.add()
                span.name = rng.choice(WORDS)
                span.start_time_unix_nano = 1799999990 * 10**9
                span.end_time_unix_nano = rng.choice([0, 1799999991 * 10**9])
                span.kind = rng.randrange(6)
                fill_ids(span, rng)
                if rng.random() < 0.5:
                    span.parent_span_id = rng.randbytes(8)
                span.status.code = rng.randrange(3)
                span.status.message = rng.choice(WORDS)
                fill_attributes(span.attributes, rng, 6)
                for _ in range(rng.randrange(3)):
                    event = span.events.add()
                    event.name = "exception"
                    fill_attributes(event.attributes, rng, 4)
    return request


def some_double(rng):
    return rng.choice([0.0, -0.0, 1.0, 5.0, 0.1, 1e300, -2.5, float("inf"), float("-inf"),
                       float("nan"), rng.random() * 100])


def fill_exemplars(exemplars, rng):
    for _ in range(rng.choice([0, 0, 1, 2, 12])):
        exemplar = exemplars.add()
        exemplar.time_unix_nano = rng.randrange(2**62)
        if rng.random() < 0.4:
            exemplar.as_int = rng.choice([0, -5, 2**63 - 1])
        elif rng.random() < 0.8:
            exemplar.as_double = some_double(rng)
        if rng.random() < 0.7:
            exemplar.trace_id, exemplar.span_id = rng.randbytes(16), rng.randbytes(8)
        fill_attributes(exemplar.filtered_attributes, rng, 2)


def fill_point(point, rng):
    point.start_time_unix_nano = rng.choice([0, 1799999990 * 10**9])
    point.time_unix_nano = rng.choice([0, 1799999991 * 10**9 + rng.randrange(10**9)])
    point.flags = rng.choice([0, 0, 1])
    fill_attributes(point.attributes, rng, 6)


def fill_number(data, rng):
    for _ in range(rng.randrange(4)):
        point = data.data_points.add()
        fill_point(point, rng)
        if rng.random() < 0.4:
            point.as_int = rng.choice([0, 1, -1, 2**63 - 1, -2**63])
        elif rng.random() < 0.8:
            point.as_double = some_double(rng)
        fill_exemplars(point.exemplars, rng)


def fill_distribution(point, rng):
    fill_point(point, rng)
    fill_exemplars(point.exemplars, rng)
    point.count = rng.choice([0, 3, 2**64 - 1])
    for name in ("sum", "min", "max"):
        if rng.random() < 0.6:
            setattr(point, name, some_double(rng))


def fill_histogram(data, rng):
    for _ in range(rng.randrange(3)):
        point = data.data_points.add()
        fill_distribution(point, rng)
        many = rng.choice([0, 3, 3, 2500])
        point.explicit_bounds.extend(sorted(rng.random() * 1e6 for _ in range(many)))
        point.bucket_counts.extend(rng.randrange(2**40) for _ in range(many + 1 if many else 0))


def fill_exponential(data, rng):
    for _ in range(rng.randrange(3)):
        point = data.data_points.add()
        fill_distribution(point, rng)
        point.scale = rng.choice([0, -3, 20])
        point.zero_count = rng.choice([0, 7])
        point.zero_threshold = rng.choice([0.0, 0.001])
        for buckets in (point.positive, point.negative):
            if rng.random() < 0.7:
                buckets.offset = rng.choice([0, -10, 4])
                buckets.bucket_counts.extend(rng.randrange(2**33) for _ in range(rng.randrange(5)))


def fill_summary(data, rng):
    for _ in range(rng.randrange(3)):
        point = data.data_points.add()
        fill_point(point, rng)
        point.count, point.sum = rng.choice([0, 9]), some_double(rng)
        for quantile in (0.0, 0.5, 1.0)[:rng.randrange(4)]:
            point.quantile_values.add(quantile=quantile, value=some_double(rng))


def make_metrics(rng):
    request = ExportMetricsServiceRequest()
    for _ in range(rng.randrange(3)):
        resource = request.resource_metrics.add()
        fill_attributes(resource.resource.attributes, rng, 5)
        for _ in range(rng.randrange(3)):
            scope = resource.scope_metrics.add()
            fill_attributes(scope.scope.attributes, rng, 3)
            for _ in range(rng.randrange(4)):
                metric = scope.metrics.add()
                metric.name = rng.choice(["requests", "requests", "ünits", ""])
                metric.unit = rng.choice(["", "1", "ms"])
                metric.description = rng.choice(WORDS)
                kind = rng.choice(["gauge", "sum", "histogram", "exponential_histogram",
                                   "summary", None])
                if kind is None:
                    continue
                data = getattr(metric, kind)
                data.SetInParent()
                if kind not in ("gauge", "summary"):
                    data.aggregation_temporality = rng.randrange(3)
                if kind == "sum":
                    data.is_monotonic = rng.random() < 0.5
                {"gauge": fill_number, "sum": fill_number, "histogram": fill_histogram,
                 "exponential_histogram": fill_exponential, "summary": fill_summary}[kind](data, rng)
    return request


def as_otlp_json(value):
    """protobuf's own JSON, with ids in hex as OTLP wants them."""
    if isinstance(value, dict):
        return {key: base64.b64decode(inner).hex() if key in ("traceId", "spanId", "parentSpanId")
                else as_otlp_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [as_otlp_json(inner) for inner in value]
    return value


def as_protobuf_json(value):
    """The other way round."""
    if isinstance(value, dict):
        return {key: base64.b64encode(bytes.fromhex(inner)).decode()
                if key in ("traceId", "spanId", "parentSpanId") else as_protobuf_json(inner)
                for key, inner in value.items()}
    if isinstance(value, list):
        return [as_protobuf_json(inner) for inner in value]
    return value


def name_events(request, name):
    """The request's bytes with event_name in its one record."""
    def wrapped(number, inner):
        return bytes([number << 3 | 2]) + varint(len(inner)) + inner
    resource = request.resource_logs[0]
    scope = resource.scope_logs[0]
    record = scope.log_records[0].SerializeToString() + wrapped(12, name)
    scope = wrapped(1, scope.scope.SerializeToString()) + wrapped(2, record)
    return wrapped(1, wrapped(1, resource.resource.SerializeToString()) + wrapped(2, scope))


class Tool:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, what, encoding, body):
        self.process.stdin.write(f"{what} {encoding} {body.hex()}\n".encode())
        self.process.stdin.flush()
        answer = self.process.stdout.readline().decode().rstrip("\n")
        assert self.process.poll() is None, "the tool died"
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait() == 0


class Pairs(unittest.TestCase):
    def setUp(self):
        self.tool = Tool(os.environ["QUELL_OTLP_TOOL"])

    def tearDown(self):
        self.tool.close()

    def compare(self, what, make, seeds):
        envelopes = 0
        for seed in seeds:
            rng = random.Random(seed)
            request = make(rng)
            proto = self.tool.run(what, "proto", request.SerializeToString())
            document = as_otlp_json(MessageToDict(request, use_integers_for_enums=True))
            is_ascii = rng.random() < 0.5
            # Without blanks it is what exporters write, and what is matched byte for byte.
            for spelling in [{}, {"indent": 1}, {"separators": (",", ":")}]:
                text = json.dumps(document, ensure_ascii=is_ascii, **spelling).encode()
                self.assertEqual(proto, self.tool.run(what, "json", text),
                                 f"seed {seed} {spelling}")
            self.assertFalse(proto.startswith("invalid"), f"seed {seed}: {proto}")
            envelopes += len(proto.split())
        self.assertGreater(envelopes, len(seeds))

    def test_logs_in_both_encodings_are_the_same_envelopes(self):
        self.compare("logs", make_logs, range(400))

    def test_traces_in_both_encodings_are_the_same_envelopes(self):
        self.compare("traces", make_traces, range(300))

    def test_metrics_in_both_encodings_are_the_same_envelopes(self):
        self.compare("metrics", make_metrics, range(400))

    def test_a_points_status_is_news_or_a_refusal_in_both_encodings(self):
        reason = (b'unknown status "no-such": it is none of started running succeeded failed '
                  b"aborted skipped late missed ok degraded down").hex()
        for kind in ("gauge", "sum", "histogram", "exponential_histogram", "summary"):
            for flags in (0, 1):  # 1: no recorded value, of which a status says nothing
                request = ExportMetricsServiceRequest()
                metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
                for word in ("failed", "no-such"):
                    point = getattr(metric, kind).data_points.add(time_unix_nano=1, flags=flags)
                    for key, value in (("job.id", "load"), ("job.status", word)):
                        point.attributes.add(key=key).value.string_value = value
                proto = self.tool.run("metrics", "proto", request.SerializeToString())
                text = json.dumps(MessageToDict(request)).encode()
                self.assertEqual(proto, self.tool.run("metrics", "json", text), kind)
                self.assertEqual("refused:" + reason in proto.split(), flags == 0, kind)

    def test_the_official_examples_in_both_encodings(self):
        folder = os.path.join(os.environ["QUELL_SOURCE"], "..", "shared", "data", "otlp")
        kinds = {"logs.json": ("logs", ExportLogsServiceRequest),
                 "events.json": ("logs", ExportLogsServiceRequest),
                 "trace.json": ("traces", ExportTraceServiceRequest),
                 "metrics.json": ("metrics", ExportMetricsServiceRequest)}
        if not os.path.exists(folder) and not os.environ.get("CI"):
            self.skipTest("there is no " + folder)
        for name, (what, message) in kinds.items():
            with open(os.path.join(folder, name), "rb") as file:
                text = file.read()
            request = message()
            ParseDict(as_protobuf_json(json.loads(text)), request, ignore_unknown_fields=True)
            body = request.SerializeToString()
            if name == "events.json":  # the installed schema does not know event_name yet
                body = name_events(request, b"browser.page_view")
            self.assertEqual(self.tool.run(what, "proto", body), self.tool.run(what, "json", text),
                             name)

    def test_resource_behind_its_records_counts_too(self):
        rng = random.Random(5)
        request = ExportLogsServiceRequest()
        resource = request.resource_logs.add()
        record = resource.scope_logs.add().log_records.add()
        record.time_unix_nano = 1799999999 * 10**9
        before = request.SerializeToString()
        other = ExportLogsServiceRequest()
        other.resource_logs.add().resource.attributes.add(key="service.name").value.string_value = "s"
        ordered = ExportLogsServiceRequest.FromString(before)
        ordered.resource_logs[0].resource.MergeFrom(other.resource_logs[0].resource)
        tail = ordered.resource_logs[0].resource.SerializeToString()
        inner = request.resource_logs[0].SerializeToString() + b"\x0a" + bytes([len(tail)]) + tail
        swapped = b"\x0a" + bytes([len(inner)]) + inner
        self.assertEqual(self.tool.run("logs", "proto", swapped),
                         self.tool.run("logs", "proto", ordered.SerializeToString()))

    def test_values_nest_equally_deep_in_both_encodings_wherever_they_stand(self):
        for depth, is_map in itertools.product((1, 14, 15, 31, 32, 33, 40), (False, True)):
            log, span, point = (ExportLogsServiceRequest(), ExportTraceServiceRequest(),
                                ExportMetricsServiceRequest())
            metric = point.resource_metrics.add().scope_metrics.add().metrics.add(name="m")
            exemplar = metric.gauge.data_points.add(time_unix_nano=1).exemplars.add()
            record = log.resource_logs.add().scope_logs.add().log_records.add(time_unix_nano=1)
            event = span.resource_spans.add().scope_spans.add().spans.add(name="s").events.add()
            for what, request, value in (
                    ("logs", log, record.body), ("logs", log, record.attributes.add(key="a").value),
                    ("traces", span, event.attributes.add(key="exception.message").value),
                    ("metrics", point, exemplar.filtered_attributes.add(key="a").value)):
                for _ in range(depth):
                    value = (value.kvlist_value.values.add(key="k").value if is_map
                             else value.array_value.values.add())
                value.string_value = "leaf"
                proto = self.tool.run(what, "proto", request.SerializeToString())
                text = json.dumps(MessageToDict(request), separators=(",", ":")).encode()
                told = self.tool.run(what, "json", text)
                case = (depth, is_map, what)
                if depth > 32 and what != "metrics":  # of an exemplar its trace is kept, no more
                    self.assertIn("nested too deeply", proto, case)
                    self.assertIn("nested too deeply", told, case)
                elif depth <= 33:
                    self.assertEqual(proto, told, case)
                    self.assertFalse(proto.startswith("invalid"), case)

    def test_an_id_of_another_length_is_refused_by_its_name(self):
        for name, key, size in (("trace_id", "traceId", 16), ("span_id", "spanId", 8),
                                ("parent_span_id", "parentSpanId", 8)):
            request = ExportTraceServiceRequest()
            span = request.resource_spans.add().scope_spans.add().spans.add(name="s")
            setattr(span, name, b"odd")
            for encoding, body, unit in (
                    ("proto", request.SerializeToString(), f"{size} bytes"),
                    ("json", json.dumps(MessageToDict(request)).encode(), f"{2 * size} hex digits")):
                reason = f"{key} is not {unit}".encode().hex()
                self.assertIn("refused:" + reason, self.tool.run("traces", encoding, body).split())

    def test_a_log_record_with_an_id_of_another_length_is_taken_without_it(self):
        plain, odd = ExportLogsServiceRequest(), ExportLogsServiceRequest()
        for request in (plain, odd):
            logs = request.resource_logs.add().scope_logs.add().log_records
            logs.add(time_unix_nano=1799999999000000000).body.string_value = "boom"
        logs[0].trace_id, logs[0].span_id = b"odd", b"\x12" * 9
        wanted = self.tool.run("logs", "proto", plain.SerializeToString())
        self.assertNotIn("refused", wanted)
        self.assertEqual(self.tool.run("logs", "proto", odd.SerializeToString()), wanted)
        document = json.dumps(as_otlp_json(MessageToDict(plain)))
        for ids in ("0123456789abcdef0123456789abcdeg", "0123456789abcdeg"), ("ab", "no hex"):
            named = '{"traceId":"%s","spanId":"%s","timeUnixNano"' % ids
            body = document.replace('{"timeUnixNano"', named).encode()
            self.assertEqual(self.tool.run("logs", "json", body), wanted)

    def test_damaged_bodies_are_judged_without_a_crash(self):
        invalid = 0
        for seed in range(2000):
            rng = random.Random(seed)
            what, make = [("logs", make_logs), ("traces", make_traces),
                          ("metrics", make_metrics)][seed % 3]
            body = bytearray(make(rng).SerializeToString())
            for _ in range(rng.randrange(1, 4)):
                if body:
                    at = rng.randrange(len(body))
                    if rng.random() < 0.3:
                        del body[at:at + rng.randrange(1, 9)]
                    else:
                        body[at] = rng.randrange(256)
            answer = self.tool.run(what, "proto", bytes(body))
            invalid += answer.startswith("invalid")
        self.assertGreater(invalid, 100)

    def test_damaged_json_is_never_taken_for_json(self):
        refused = 0
        for seed in range(1500):
            rng = random.Random(seed)
            document = as_otlp_json(MessageToDict(make_logs(rng), use_integers_for_enums=True))
            text = bytearray(json.dumps(document, separators=(",", ":")).encode())
            for _ in range(rng.randrange(1, 3)):
                at = rng.randrange(len(text))
                if rng.random() < 0.5:
                    text[at] = rng.choice(b'{}[]:,"\\ 019aex\xff\x00')
                else:
                    del text[at]
            try:
                json.loads(bytes(text), parse_constant=float.fromhex)
            except ValueError:
                refused += 1
                answer = self.tool.run("logs", "json", bytes(text))
                self.assertTrue(answer.startswith("invalid"), f"seed {seed}: {bytes(text)}")
        self.assertGreater(refused, 300)

    def test_what_protobuf_forbids_is_refused_with_a_place(self):
        cases = {
            b"\x0a\x05ab": "invalid: a field is longer than its message at byte 2",
            b"\x0e": "invalid: a field has an unknown wire type at byte 1",
            b"\x00\x01": "invalid: a field has no sound number at byte 1",
            b"\x08" + b"\xff" * 11: "invalid: a number has more than 64 bits at byte 11",
            b"\x0a\x0c\x12\x0a\x12\x08\x2a\x06\x0a\x04\xff\xfe\xfd\xfc":
                "invalid: a string is not UTF-8 at byte 10",
        }
        for body, wanted in cases.items():
            self.assertEqual(self.tool.run("logs", "proto", body), wanted)
        self.assertEqual(self.tool.run("logs", "proto", b""), "")
        deep = b""
        for _ in range(80):
            deep = b"\x0a" + varint(len(deep)) + deep
            deep = b"\x2a" + varint(len(deep)) + deep
        record = b"\x2a" + varint(len(deep)) + deep
        scope = b"\x12" + varint(len(record)) + record
        resource = b"\x12" + varint(len(scope)) + scope
        answer = self.tool.run("logs", "proto", b"\x0a" + varint(len(resource)) + resource)
        self.assertTrue(answer.startswith("invalid: nested too deeply at byte"), answer)


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([0x80 | value & 0x7F])
        value >>= 7
    return out + bytes([value])


if __name__ == "__main__":
    unittest.main(verbosity=2)
