#!/usr/bin/env python3
"""Measures a whole quell, as a user runs it: python3 bench/end_to_end.py build-release/quell

Everything is on: bearer tokens, durable journal (sync = always), dedup, correlation, one error in a
hundred records. The load is `quell load` of the same binary. Results go to --json; the tables of
docs/performance.md are made of them by bench/report.py.
"""
import argparse
import hashlib
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from awake import Awake

TOKEN = "bench-token"
ROUNDS = 2
ROUNDS_HALF = 5  # of latencies at half the largest rate: told is the median


class Server:
    """A quell in a directory of its own, on free ports."""

    def __init__(self, binary, *overrides, tenants=1):
        self.directory = tempfile.mkdtemp(prefix="quell-bench-", dir="/var/tmp")
        folder = os.path.join(self.directory, "tenants")
        os.mkdir(folder)
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        with open(os.path.join(folder, "bench.toml"), "w") as file:
            file.write(f'[tenant]\nid = "bench"\ntokens_sha256 = ["{digest}"]\n')
        mode = "token" if tenants == 1 else "none"
        command = [binary, "run"]
        for override in [f"data_dir={self.directory}/data", f"tenants_dir={folder}",
                         "listen.http=127.0.0.1:0", "listen.console=127.0.0.1:0",
                         "listen.grpc=127.0.0.1:0", f"auth.mode={mode}", *overrides]:
            command += ["--set", override]
        self.log = os.path.join(self.directory, "log")
        with open(self.log, "w") as log, open(os.devnull, "w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=log, cwd=self.directory)
        for _ in range(3000):
            found = re.search(r"ingest on port (\d+), console on port (\d+)", self.read_log())
            if found:
                break
            time.sleep(0.01)
        self.http, self.console = int(found[1]), int(found[2])

    def read_log(self):
        with open(self.log) as file:
            return file.read()

    def memory_bytes(self):
        """What is ours alone: the store's mapped file is the page cache's."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1]) * 1024

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)
        shutil.rmtree(self.directory, ignore_errors=True)


def settle():
    """What the run before deleted is gone from the disk, too: the file system discards it late, and
    every sync waits meanwhile."""
    os.sync()
    time.sleep(8)


def load(binary, server, *flags):
    result = subprocess.run([binary, "load", "--json", "--url", f"http://127.0.0.1:{server.http}",
                             "--pid", str(server.process.pid), "--token", TOKEN, *flags],
                            capture_output=True, text=True, timeout=600)
    if not result.stdout:
        raise SystemExit("quell load failed: " + result.stderr)
    return json.loads(result.stdout)


def measure_rate(binary, seconds, *flags, overrides=(), tenants=1):
    server = Server(binary, *overrides, tenants=tenants)
    report = load(binary, server, "--rate", "max", "--duration", f"{seconds}s", *flags)
    server.stop()
    return report


def measure_protocols(binary, seconds):
    """Of logs the records of the goal, near 280 bytes in JSON, and larger ones. The largest rate is
    told of twice as long a load: what a start costs once, memory before all, weighs less."""
    kinds = {"otlp-json": ["--attributes", "1"], "otlp-json, larger": [],
             "otlp-proto": ["--attributes", "1"], "otlp-proto, larger": [], "native": []}
    results = {}
    for protocol, more in kinds.items():
        flags = ["--protocol", protocol.split(",")[0], "--connections", "64", *more]
        most = max((measure_rate(binary, seconds * 2, *flags) for _ in range(ROUNDS)),
                   key=lambda one: one["server"]["records_per_cpu_second"])
        settle()
        server = Server(binary)
        with Awake():
            half = sorted((load(binary, server, "--rate", str(int(most["records_per_second"] / 2)),
                                "--duration", f"{seconds}s", "--seed", str(round), *flags)
                           for round in range(1, ROUNDS_HALF + 1)),
                          key=lambda one: one["latency_ns"]["p99"])[ROUNDS_HALF // 2]
        server.stop()
        results[protocol] = {"max": most, "half": half}
        print(f"{protocol}: {most['records_per_second']:,} records/s, "
              f"{most['server']['records_per_cpu_second']:,} per CPU-second; at half of it p99 "
              f"{half['latency_ns']['p99'] / 1e6:.1f} ms", flush=True)
    return results


class Arrivals:
    """A webhook receiver that remembers when each entity's incident arrived."""

    def __init__(self):
        self.times = {}
        arrivals = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                now = time.monotonic()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                arrivals.times.setdefault(body["data"]["root_cause"]["entity"], now)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def measure_telling(binary, count):
    """From the first byte of a signal to the webhook's arrival, group_wait = 0."""
    arrivals = Arrivals()
    port = arrivals.server.server_port
    server = Server(binary, "notify.group_wait=0s", "sink.hook.type=webhook",
                    f"sink.hook.url=http://127.0.0.1:{port}/")
    connection = http.client.HTTPConnection("127.0.0.1", server.http)
    sent = {}
    for number in range(count):
        entity = f"job:bench_{number}"
        body = json.dumps({"entity": entity, "status": "failed", "message": "boom"})
        sent[entity] = time.monotonic()
        connection.request("POST", "/v1/events", body, {"Authorization": "Bearer " + TOKEN,
                                                        "Content-Type": "application/json"})
        connection.getresponse().read()
        time.sleep(0.02)
    deadline = time.monotonic() + 20
    while len(arrivals.times) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    server.stop()
    arrivals.server.shutdown()
    waits = sorted(arrivals.times[entity] - sent[entity] for entity in arrivals.times)
    result = {"signals": count, "told": len(waits), "p50_ms": waits[len(waits) // 2] * 1e3,
              "p99_ms": waits[int(len(waits) * 0.99)] * 1e3}
    print(f"signal to webhook: p50 {result['p50_ms']:.1f} ms, p99 {result['p99_ms']:.1f} ms",
          flush=True)
    return result


def measure_growth(binary, seconds):
    """How records/s per CPU-second and memory grow over one quantity at a time; the best round of
    each, since the machine is never quite still."""
    axes = {
        "connections": [["--connections", str(n)] for n in (1, 3, 10, 30, 100, 300, 1000)],
        "tenants": [["--tenants", str(n), "--connections", "64"]
                    for n in (1, 10, 100, 1000, 5000)],
        "attributes": [["--attributes", str(n), "--connections", "64"] for n in (1, 2, 4, 8)],
        "batch": [["--batch", str(n), "--connections", "64"] for n in (1, 10, 100, 1000, 10000)],
        "services": [["--services", str(n), "--connections", "64", "--errors", "0.1"]
                     for n in (100, 1000, 10000, 60000)],
    }
    results = {}
    for axis, settings in axes.items():
        results[axis] = []
        for flags in settings:
            value = int(flags[flags.index("--" + axis) + 1])
            tenants = value if axis == "tenants" else 1
            report = max((measure_rate(binary, seconds, *flags, tenants=tenants)
                          for _ in range(ROUNDS)),
                         key=lambda one: one["server"]["records_per_cpu_second"])
            results[axis].append({"value": value, **report})
            print(f"{axis} {value}: {report['server']['records_per_cpu_second']:,} per CPU-second, "
                  f"{report['server']['resident_bytes_max'] / 1e6:.0f} MB", flush=True)
    return results


def post_signals(server, classes):
    """A failure of one entity for each error class: keys grow, entities and incidents do not."""
    connection = http.client.HTTPConnection("127.0.0.1", server.http)
    headers = {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/x-ndjson"}
    for start in range(0, len(classes), 1000):
        body = "\n".join(f'{{"entity":"job:keys","status":"failed","error_type":"E{one}",'
                         f'"event_id":"{start + i}"}}'
                         for i, one in enumerate(classes[start:start + 1000]))
        answer = {"accepted": 0}
        while answer.get("accepted") != len(classes[start:start + 1000]):
            connection.request("POST", "/v1/events", body, headers)
            answer = json.loads(connection.getresponse().read())


def wait_until_applied(server):
    """What is acknowledged is in the journal; the engine and the store may be behind."""
    last, still = -1, 0
    while still < 4:
        time.sleep(0.25)
        used = server.cpu_seconds()
        last, still = used, still + 1 if used - last < 0.02 else 0


def measure_keys(binary, counts):
    """What a live dedup key costs: as many signals with one key, then each with its own."""
    results = []
    for count in counts:
        found = []
        for classes in ([0] * count, range(count)):
            server = Server(binary, f"limits.dedup_keys={max(count * 2, 1000)}",
                            f"limits.event_ids={max(count * 2, 1000)}", "notify.group_wait=1h",
                            "dedup.window=1h")
            before, used = server.memory_bytes(), server.cpu_seconds()
            post_signals(server, classes)
            wait_until_applied(server)
            found.append((server.memory_bytes() - before, server.cpu_seconds() - used))
            server.stop()
        (ids_bytes, ids_seconds), (all_bytes, all_seconds) = found
        results.append({"keys": count, "bytes": all_bytes - ids_bytes, "bytes_all": all_bytes,
                        "cpu_seconds": all_seconds, "cpu_seconds_one_key": ids_seconds})
        print(f"{count} dedup keys: {(all_bytes - ids_bytes) / count:.0f} B each, "
              f"{all_seconds / count * 1e6:.2f} us of CPU a new one, "
              f"{ids_seconds / count * 1e6:.2f} a repeat", flush=True)
    return results


def measure_edges(program, counts):
    """The graph alone, ten edges a node; quell-bench-graph tells what it finds in words."""
    results = []
    for count in counts:
        result = subprocess.run([program, "--edges", str(count), "--nodes",
                                 str(max(count // 10, 1000)), "--seconds", "2", "--readers", "1",
                                 "--rate", "10000", "--restart-edges", str(min(count, 1000000))],
                                capture_output=True, text=True, timeout=300, check=True)
        words = result.stdout
        found = re.search(r"edges (\d+) ns each, (-?[\d.]+) B; whole fold (\d+) ms", words)
        search = re.search(r"ours ([\d.]+) ns/edge, plain ([\d.]+) ns/edge", words)
        back = re.search(r"(\d+) edges back in [\d.]+ s \(processor ([\d.]+) s", words)
        results.append({"edges": count, "ns_add": int(found[1]), "bytes": float(found[2]),
                        "fold_ms": int(found[3]), "ns_search": float(search[1]),
                        "ns_search_plain": float(search[2]),
                        "ns_restore": float(back[2]) * 1e9 / int(back[1])})
        print(f"{count} edges: {found[1]} ns to add, {found[2]} B, {search[1]} ns/edge searched "
              f"(plain {search[2]})", flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("--json", help="where the results go")
    parser.add_argument("--seconds", type=int, default=5, help="of each load")
    parser.add_argument("--keys", type=int, default=10000000, help="most live dedup keys")
    parser.add_argument("--only", help="protocols, telling, growth, keys or edges")
    options = parser.parse_args()
    binary = os.path.abspath(options.binary)
    parts = {
        "protocols": lambda: measure_protocols(binary, options.seconds),
        "telling": lambda: measure_telling(binary, 300),
        "growth": lambda: measure_growth(binary, max(options.seconds // 2, 1)),
        "keys": lambda: measure_keys(
            binary, sorted({10 ** n for n in range(3, 7)} | {options.keys})),
        "edges": lambda: measure_edges(
            os.path.join(os.path.dirname(binary), "bench", "graph", "quell-bench-graph"),
            [10 ** n for n in range(3, 8)]),
    }
    results = {name: part() for name, part in parts.items() if options.only in (None, name)}
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
