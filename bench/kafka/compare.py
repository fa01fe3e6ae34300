#!/usr/bin/env python3
"""quell against librdkafka's bare consumer loop: messages per CPU-second off one preloaded topic.

usage: compare.py BUILD_FOLDER [--messages N] [--bytes N] [--failing PERCENT] [--rounds N] [--codec C]

bare shipped: rd_kafka_consumer_poll with librdkafka's own settings, as its rdkafka_performance has it.
bare poll: the same with quell's settings, which store no offsets. bare batch:
rd_kafka_consume_batch_queue with them, as quell does. Each round reads the whole topic with all, one
after the other; quell with an empty data directory, its whole pipeline behind it and
journal.sync = always, until every event is applied. Of quell there are three: one whose topic has its
tenant in the configuration, one that takes it from the record (headers = false), and one that looks
for it in each message's headers, then in the record.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path[:0] = [os.path.join(SOURCE, "tests", "e2e"), os.path.join(SOURCE, "tests")]

PARTITIONS = 6


def make_message(number, size, failing):
    is_failure = number % 1000 < failing * 10
    event = {"tenant_id": "acme", "job_id": f"job_{number * 7919 % 10000}",
             "status": "failed" if is_failure else "succeeded", "event_id": f"01J{number:023d}",
             "run_id": f"r-{number}", "occurred_at": "2026-11-20T03:00:00Z", "message": ""}
    event["message"] = "x" * (size - len(json.dumps(event, separators=(",", ":"))))
    return json.dumps(event, separators=(",", ":"))


def preload(broker, options):
    broker.create("bench", PARTITIONS)
    with tempfile.NamedTemporaryFile("w", suffix=".ndjson") as file:
        for number in range(options.messages):
            file.write(make_message(number, options.bytes, options.failing) + "\n")
        file.flush()
        broker.kcat("-P", "-t", "bench", "-l", "-z", options.codec, "-X", "linger.ms=50", file.name)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_bare(broker, options, loop):
    text = subprocess.run([os.path.join(options.build, "bench", "kafka", "bare_consumer"),
                           loop, broker.address, "bench", str(options.messages)], check=True,
                          capture_output=True, text=True).stdout
    return json.loads(text)


def run_quell(broker, options, name, number):
    from harness import Quell
    config = (f'[[kafka]]\nbrokers = "{broker.address}"\ntopics = ["bench"]\n'
              f'group = "{name}-{number}"\nformat = "native"\n'
              + {"quell": 'tenant = "acme"\n', "record": "headers = false\n", "headers": ""}[name])
    quell = Quell(files={"quell.toml": config})
    try:
        stats = lambda: quell.get("/api/v1/stats")[1]  # noqa: E731
        deadline = time.time() + 600
        while (found := stats())["events_accepted"] < options.messages:
            assert time.time() < deadline, found
            time.sleep(0.25)  # asking costs quell's CPU-seconds, too
        return {"messages": found["events_accepted"], "cpu_seconds": cpu_seconds(quell.process.pid),
                "incidents": found["incidents_opened"]}
    finally:
        quell.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--messages", type=int, default=1000000)
    parser.add_argument("--bytes", type=int, default=250)
    parser.add_argument("--failing", type=float, default=1.0, help="percent of bad news")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--codec", default="none")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    os.environ.update(QUELL_BINARY=os.path.join(options.build, "quell"), QUELL_SOURCE=SOURCE,
                      QUELL_BUILD=options.build)
    from tools.kafka_broker import Broker
    broker = Broker()
    try:
        preload(broker, options)
        rates = {"shipped": [], "poll": [], "batch": [], "quell": [], "record": [], "headers": []}
        for number in range(options.rounds):
            for name in rates:
                found = (run_bare(broker, options, name) if name in ("shipped", "poll", "batch")
                         else run_quell(broker, options, name, number))
                rate = found["messages"] / found["cpu_seconds"]
                rates[name].append(rate)
                print(f"{name:7} {found} {rate:12.0f} messages/CPU-s "
                      f"{rate * options.bytes / 1e6:8.1f} MB/CPU-s", flush=True)
        best = {name: statistics.median(values) for name, values in rates.items()}
        for name in ("shipped", "poll", "batch"):
            print(f"medians: bare {name} {best[name]:.0f}, quell {best['quell']:.0f} messages/CPU-s"
                  f": {100 * best['quell'] / best[name]:.1f} %, the tenant in the record "
                  f"{best['record']:.0f}: {100 * best['record'] / best[name]:.1f} %, asking each "
                  f"message's headers {best['headers']:.0f}: "
                  f"{100 * best['headers'] / best[name]:.1f} %")
    finally:
        broker.close()


if __name__ == "__main__":
    main()
