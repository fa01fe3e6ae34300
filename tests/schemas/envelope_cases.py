"""Envelopes against the official tools: what we write, flatc decodes and the official verifier accepts;
what flatc writes, also of a newer schema, we read; damaged bytes are refused without a crash."""
import json
import os
import random
import subprocess
import sys
import tempfile

tool, verifier, schema = sys.argv[1:]
TEXTS = ["tenant", "entity", "event_id", "run_id", "error_class", "message", "source", "reason"]


def run(*command, data=b""):
    return subprocess.run(command, input=data, capture_output=True)


def flatc_json(folder, data):
    path = os.path.join(folder, "envelope.bin")
    with open(path, "wb") as file:
        file.write(data)
    subprocess.run(["flatc", "--json", "--strict-json", "--defaults-json", "-o", folder, schema,
                    "--", path], check=True)
    with open(os.path.join(folder, "envelope.json"), encoding="utf-8") as file:
        return json.load(file)


def check_same(ours, theirs):
    assert ours["event_key"] == [theirs["event_key"]["lo"], theirs["event_key"]["hi"]]
    for name in ("span_id", "event_time_ns", "score", "flags", "kind", "status", "severity"):
        assert ours[name] == theirs[name], name
    for name in TEXTS:  # what is rare and empty is left out
        assert ours[name] == theirs.get(name, ""), name
    assert ours["raw"].encode() == bytes(theirs.get("raw", []))
    assert ours["depends_on"] == theirs.get("depends_on", [])
    assert ours["attributes"] == unpack(bytes(theirs["packed"]))
    assert "attributes" not in theirs


def take_size(data):
    """Seven bits a byte, the lowest first."""
    size = shift = 0
    while True:
        size, shift, byte = size | (data[0] & 0x7F) << shift, shift + 7, data.pop(0)
        if byte < 0x80:
            return size


def unpack(packed):
    """What attributes_packed.h says of the bytes."""
    data, attributes = list(packed[2:]), []
    while data:
        kind, key_size, value_size = data.pop(0), take_size(data), take_size(data)
        texts = bytes(data[:key_size + value_size])
        attributes.append([texts[:key_size].decode(), texts[key_size:].decode(), kind])
        del data[:key_size + value_size]
    assert len(attributes) == int.from_bytes(packed[:2], "little")
    return attributes


def read_written_by(folder, text, event):
    """What we read of an event that flatc wrote by another schema."""
    with open(os.path.join(folder, "other.fbs"), "w") as file:
        file.write(text)
    with open(os.path.join(folder, "other.json"), "w") as file:
        json.dump({"tenant": "acme", "entity": "job:a", "message": "hello", **event}, file)
    subprocess.run(["flatc", "--binary", "-o", folder, os.path.join(folder, "other.fbs"),
                    os.path.join(folder, "other.json")], check=True)
    with open(os.path.join(folder, "other.bin"), "rb") as file:
        result = run(tool, "read", data=file.read())
    assert result.returncode == 0
    read = json.loads(result.stdout)
    assert (read["tenant"], read["message"], read["run_id"]) == ("acme", "hello", "")
    return read


def check_older_schema(folder):
    """As they were written before attributes were packed: a table for each."""
    with open(schema) as file:
        text = "".join(line for line in file if "packed:" not in line)
    read = read_written_by(folder, text, {
        "error_class": "Timeout", "depends_on": ["job:b", "job:c"],
        "attributes": [{"key": f"k{i}", "value": "v" * i, "type": i % 6} for i in range(9)]})
    assert read["error_class"] == "Timeout"
    assert read["attributes"] == [[f"k{i}", "v" * i, i % 6] for i in range(9)]
    assert read["depends_on"] == ["job:b", "job:c"]


def check_newer_schema(folder):
    with open(schema) as file:
        text = file.read().replace("packed:[ubyte] (id: 24);",
                                   "packed:[ubyte] (id: 24);\n  mood:string (id: 25);")
    assert "mood" in text
    read = read_written_by(folder, text, {
        "mood": "calm", "attributes": [{"key": "k", "value": "v", "type": 2}]})
    assert read["attributes"] == [["k", "v", 2]]


seed = random.randrange(1 << 32)
print("seed", seed)
chance = random.Random(seed)
with tempfile.TemporaryDirectory() as folder:
    for number in range(60):
        data = run(tool, "write", str(chance.randrange(1 << 60))).stdout
        assert len(data) % 8 == 0 and data[4:8] == b"QENV"
        assert run(verifier, data=data).returncode == 0, "the official verifier refuses it"
        check_same(json.loads(run(tool, "read", data=data).stdout), flatc_json(folder, data))
        for _ in range(8):
            damaged = bytearray(data)
            for _ in range(chance.randint(1, 4)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            assert run(tool, "read", data=bytes(damaged[:chance.randint(8, len(damaged))])
                       ).returncode in (0, 1)
    check_older_schema(folder)
    check_newer_schema(folder)
print("60 envelopes, 480 damaged ones, 1 of an older schema, 1 of a newer one")
