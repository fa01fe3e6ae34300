"""Writes the first files of the corpus; what a fuzzer found is added beside them by hand.

  python3 tests/fuzz/make_corpus.py
"""
import json
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def write(target, name, data):
    os.makedirs(os.path.join(HERE, target), exist_ok=True)
    with open(os.path.join(HERE, target, name), "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def attribute(key, **value):
    return {"key": key, "value": value}


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def main():
    write("http", "get", "GET /a?b=%20c HTTP/1.1\r\nHost: x\r\n\r\n")
    write("http", "post", "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
                          "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    write("http", "chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                             "Expect: 100-continue\r\n\r\n3;a=b\r\nabc\r\n0\r\nT: u\r\n\r\n")
    write("http", "http2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9))
    event = {"tenant_id": "acme", "job_id": "load", "status": "failed", "event_id": "1",
             "occurred_at": "2026-11-20T03:00:00Z", "severity": "error", "message": "a\u00e9\\",
             "error_type": "T", "depends_on": ["job:x"], "details": {"rows": 0, "score": 1.5e3}}
    write("native", "object", json.dumps(event))
    write("native", "array", json.dumps([event, {"entity": "job:y", "status": "ok"}, 3, []]))
    write("native", "lines", json.dumps(event) + "\n" + json.dumps(event) + "\n{\n")
    logs = {"resourceLogs": [{"resource": {"attributes": [
        attribute("service.name", stringValue="a")]}, "scopeLogs": [{"scope": {"name": "s"},
            "logRecords": [{"timeUnixNano": "1700000000000000000", "severityNumber": 17,
                            "body": {"kvlistValue": {"values": [attribute("k", intValue="7")]}},
                            "traceId": "0af7651916cd43dd8448eb211c80319c",
                            "attributes": [attribute("job.id", stringValue="j"), attribute(
                                "x", arrayValue={"values": [{"doubleValue": 1.5}]})]}]}]}]}
    write("otlp_json", "logs", json.dumps(logs))
    spans = {"resourceSpans": [{"scopeSpans": [{"spans": [
        {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "n",
         "kind": 2, "status": {"code": 2, "message": "m"}, "startTimeUnixNano": 1,
         "endTimeUnixNano": "2", "attributes": [attribute("error.type", stringValue="E")]}]}]}]}
    write("otlp_json", "spans", json.dumps(spans))
    point = {"timeUnixNano": "3", "asDouble": 1.5, "attributes": [attribute("a", boolValue=True)]}
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "g", "gauge": {"dataPoints": [point]}},
        {"name": "h", "histogram": {"dataPoints": [{"count": "2", "sum": 3, "bucketCounts": ["1", 1],
                                                     "explicitBounds": [1]}]}}]}]}]}
    write("otlp_json", "metrics", json.dumps(metrics))
    points = [{"flags": flags, "attributes": [attribute("job.id", stringValue="j"), attribute(
        "job.status", stringValue=word)]} for flags, word in ((0, "failed"), (0, "zz"), (1, "late"))]
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "m", kind: {"dataPoints": points}}
        for kind in ("gauge", "sum", "histogram", "exponentialHistogram", "summary")]}]}]}
    write("otlp_json", "metrics_status", json.dumps(metrics))
    text = lambda key, value: field(1, key) + field(2, field(1, value))
    record = field(2, 17) + field(5, field(1, b"boom")) + field(6, text(b"job.id", b"j"))
    resource = field(1, field(1, text(b"service.name", b"a")))
    write("otlp_proto", "logs", field(1, resource + field(2, field(2, record))))
    span = (field(1, bytes(range(16))) + field(2, bytes(range(8))) + field(5, b"n") + field(6, 2) +
            field(15, field(2, b"m") + field(3, 2)))
    write("otlp_proto", "spans", field(1, resource + field(2, field(2, span))))
    metrics = b""
    for kind, attributes in ((5, 7), (7, 7), (9, 9), (10, 1), (11, 7)):
        points = b"".join(field(1, field(attributes, text(b"job.id", b"j")) +
                                field(attributes, text(b"job.status", word)))
                          for word in (b"failed", b"zz"))
        metrics += field(2, field(1, b"m") + field(kind, points))
    write("otlp_proto", "metrics_status", field(1, resource + field(2, metrics)))
    write("toml", "config", 'data_dir = "./x"\n[journal]\nsync = "always"\n[[route]]\n'
                            'match = { severity = ">=error" }\nsinks = ["a", \'b\']\n'
                            '[sink.a]\nurl = """x\ny"""\nn = [1, 2.5, 0x1F, 1979-05-27T07:32:00Z]\n')
    write("toml", "odd", 'a.b."c d" = true\n[a.e]\nf = "\\u00e9\\t"\n')
    entry = bytes(range(64))
    batch = (b"QBT1" + struct.pack("<HHIIQQ", 1, 0, 1, 48 + 8 + 64, 5, 1) + bytes(16) +
             struct.pack("<II", 64, 0) + entry)
    head = b"QUELLBK1" + struct.pack("<IIIIQQQ", 1, 0, len(batch), 1, 1, 0, 0) + bytes(16)
    write("block", "one", head + batch)
    write("block", "two", head[:20] + struct.pack("<I", 2) + head[24:] + batch + batch)


if __name__ == "__main__":
    main()
