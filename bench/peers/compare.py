#!/usr/bin/env python3
"""The same load against quell and its peers, in one run: records per CPU-second, peak memory.

    bench/peers/compare.py build-release/quell --collector PATH --json peers.json

A peer is measured when its program is named: --collector (built from bench/peers/collector by
`go build`), --fluent-bit, --vector. Nothing is downloaded here. Rounds alternate between the peers,
so that what else the machine does is spread over all; the best round of each counts. Each peer is
the process that `quell load --pid` watches: its CPU-seconds, user and kernel, all threads.
"""
import argparse
import http.server
import json
import multiprocessing
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import end_to_end  # noqa: E402

CONNECTIONS = 64


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    except OSError:
        return False


def take_all(port):
    """A receiver that answers 200 to everything: where a peer's queue empties to."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
        daemon_threads = True
    Server(("127.0.0.1", port), Handler).serve_forever()


class Peer:
    """A program with a configuration of its own, in a directory of its own."""

    def __init__(self, make_command):
        self.directory = tempfile.mkdtemp(prefix="quell-peer-", dir="/var/tmp")
        self.http = free_port()
        command = make_command(self.directory, self.http)
        with open(os.path.join(self.directory, "log"), "w") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory)
        deadline = time.monotonic() + 60
        while not listens(self.http):
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(os.path.join(self.directory, "log")) as log:
                    words = log.read()[-2000:]
                self.stop()
                raise SystemExit(f"{command[0]} does not listen: {words}")
            time.sleep(0.05)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w") as file:
        file.write(text)
    return path


# --- What is measured: a name, what it does with a record, how it starts ---

def collector(program, storage, sink_port):
    """storage: None for nothing stored, else whether the sending queue's file is synced."""
    def command(directory, port):
        exporter, extensions, used = "debug: {verbosity: basic}", "", ""
        if storage is not None:
            exporter = (f"otlphttp: {{endpoint: 'http://127.0.0.1:{sink_port}', compression: none, "
                        "sending_queue: {storage: file_storage, queue_size: 100000}}")
            extensions = (f"extensions:\n  file_storage: {{directory: {directory}, "
                          f"fsync: {str(storage).lower()}}}\n")
            used = "  extensions: [file_storage]\n"
        return [program, "--config", "yaml:" + (
            f"receivers:\n  otlp: {{protocols: {{http: {{endpoint: 127.0.0.1:{port}}}}}}}\n"
            f"{extensions}exporters:\n  {exporter}\nservice:\n{used}"
            "  telemetry: {metrics: {level: none}, logs: {level: error}}\n"
            "  pipelines:\n"
            f"    logs: {{receivers: [otlp], exporters: [{exporter.split(':')[0]}]}}\n")]
    return lambda: Peer(command)


def fluent_bit(program, stores):
    def command(directory, port):
        return [program, "-c", write(directory, "fluent-bit.yaml", f"""service:
  flush: 1
  log_level: error
  storage.path: {directory}
  storage.sync: {"full" if stores else "normal"}
pipeline:
  inputs:
    - name: opentelemetry
      listen: 127.0.0.1
      port: {port}
      storage.type: {"filesystem" if stores else "memory"}
  outputs:
    - name: {"file" if stores else "null"}
      match: '*'
""" + (f"      path: {directory}\n      file: out\n" if stores else ""))]
    return lambda: Peer(command)


def vector(program, stores):
    def command(directory, port):
        buffer = "{type: disk, max_size: 1073741824}" if stores else "{type: memory}"
        return [program, "--quiet", "--config", write(directory, "vector.yaml", f"""
data_dir: {directory}
sources:
  otlp:
    type: opentelemetry
    grpc: {{address: '127.0.0.1:{free_port()}'}}
    http: {{address: '127.0.0.1:{port}'}}
sinks:
  out:
    type: blackhole
    inputs: [otlp.logs]
    buffer: {buffer}
    acknowledgements: {{enabled: {str(stores).lower()}}}
""")]
    return lambda: Peer(command)


def contestants(options, sink_port):
    """Rows: name, what is done with a record before the answer, start."""
    rows = [("quell", "synced journal, idempotency, dedup, correlation",
             lambda: end_to_end.Server(options.binary))]
    if options.collector:
        rows += [("Collector", "nothing stored", collector(options.collector, None, 0)),
                 ("Collector", "sending queue on disk, not synced",
                  collector(options.collector, False, sink_port)),
                 ("Collector", "sending queue on disk, synced",
                  collector(options.collector, True, sink_port))]
    if options.fluent_bit:
        rows += [("Fluent Bit", "nothing stored", fluent_bit(options.fluent_bit, False)),
                 ("Fluent Bit", "file-system buffer, synced, to a file",
                  fluent_bit(options.fluent_bit, True))]
    if options.vector:
        rows += [("Vector", "nothing stored", vector(options.vector, False)),
                 ("Vector", "disk buffer", vector(options.vector, True))]
    return rows


def measure(binary, start, protocol, seconds):
    server = start()
    try:
        return end_to_end.load(binary, server, "--rate", "max", "--duration", f"{seconds}s",
                               "--protocol", protocol, "--connections", str(CONNECTIONS))
    finally:
        server.stop()


def summary(name, does, protocol, reports):
    """The best round; what was refused or lost in it stands beside."""
    best = max(reports, key=lambda one: one["server"]["records_per_cpu_second"])
    return {"name": name, "does": does, "protocol": protocol,
            "records_per_cpu_second": best["server"]["records_per_cpu_second"],
            "rounds": [one["server"]["records_per_cpu_second"] for one in reports],
            "records_per_second": best["records_per_second"],
            "resident_bytes_max": max(one["server"]["resident_bytes_max"] for one in reports),
            "p99_ns": best["latency_ns"]["p99"],
            "requests_accepted": best["requests_accepted"],
            "requests_sent": best["requests_sent"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("--collector")
    parser.add_argument("--fluent-bit")
    parser.add_argument("--vector")
    parser.add_argument("--protocols", default="otlp-json,otlp-proto")
    parser.add_argument("--seconds", type=int, default=5, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", help="where the results go")
    options = parser.parse_args()
    for name in ("binary", "collector", "fluent_bit", "vector"):
        if getattr(options, name):
            setattr(options, name, os.path.abspath(getattr(options, name)))
    sink_port = free_port()
    sink = multiprocessing.Process(target=take_all, args=(sink_port,), daemon=True)
    sink.start()
    rows = contestants(options, sink_port)
    results = []
    for protocol in options.protocols.split(","):
        reports = [[] for _ in rows]
        for _ in range(options.rounds):
            for i, (_, _, start) in enumerate(rows):
                reports[i].append(measure(options.binary, start, protocol, options.seconds))
        for (name, does, _), ours in zip(rows, reports):
            one = summary(name, does, protocol, ours)
            results.append(one)
            print(f"{protocol}: {name} ({does}): {one['records_per_cpu_second']:,} records per "
                  f"CPU-second, {one['resident_bytes_max'] / 1e6:.0f} MB", flush=True)
    sink.terminate()
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
