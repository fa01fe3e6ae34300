"""SIGKILL at random moments, again and again, under several clients: nothing acknowledged is lost,
nothing is told twice, no phantom.

  python3 tests/crash/crash_test.py [--cycles 50 on each] [--seed N] [--io io_uring|epoll|both] [--keep]
"""
import argparse
import os
import random
import shutil
import sys
import tempfile
import time

from clients import Client
from oracle import Oracle, report
from process import Process
from receiver import Receiver

BINARY = os.environ.get("QUELL_BINARY", "build/quell")
READY_SECONDS = float(os.environ.get("QUELL_READY_SECONDS", "1"))
OVERRIDES = ["notify.group_wait=0s", "limits.incidents=1000000", "sink.hook.type=webhook",
             "sink.hook.backoff=20ms", "sink.hook.max_attempts=20",
             "sink.hook.timeout=5s", "log.level=warning"]


def kill_often(process, cycles, chance, clients):
    """Seconds until ready, of each restart: by the clock, and of its own CPU time."""
    ready, spent = [], []
    for _ in range(cycles):
        # Often soon after the start, when recovery has just ended; sometimes under full steam.
        time.sleep(chance.choice([chance.uniform(0, 0.05), chance.uniform(0.05, 0.6)]))
        process.kill()
        ready.append(process.start())
        spent.append(process.cpu_seconds())
        assert all(client.is_alive() for client in clients)
    return sorted(ready), sorted(spent)


def drain(process, receiver, oracle):
    """Waits until what is known is told, or for long nothing moves any more."""
    before, still = None, 0
    while still < 30 or (still < 300 and b"\nquell_outbox_pending 0\n" not in process.get("/metrics")[1]):
        stats = process.json("/api/v1/stats")
        now = (stats["events_accepted"], stats["deliveries_ok"], receiver.requests)
        still = still + 1 if now == before else 0
        before = now
        time.sleep(0.1)
    return process.incidents()


def run(io, cycles, seed, keep):
    chance = random.Random(f"{seed}/{io}")
    directory = tempfile.mkdtemp(prefix="quell-crash-")
    receiver = Receiver(seed, failures=0.05)
    oracle = Oracle(os.path.join(directory, "obligations"))
    process = Process(BINARY, directory, io, OVERRIDES + ["sink.hook.url=" + receiver.url])
    process.start()
    clients = [Client(name, name[:-1], process.http, oracle, seed, rate=40)
               for name in ("native1", "native2", "otlp1", "otlp2")]
    for client in clients:
        client.start()
    begin = time.monotonic()
    ready, spent = kill_often(process, cycles, chance, clients)
    for client in clients:
        client.stopping.set()
    for client in clients:
        client.join(120)
    seconds = time.monotonic() - begin
    incidents = drain(process, receiver, oracle)
    verdict = oracle.judge(incidents, receiver.opened)
    print(f"{io}: {cycles} kills in {seconds:.0f} s, ready again p50 "
          f"{ready[len(ready) // 2] * 1000:.0f} ms, p99 {ready[int(len(ready) * 0.99)] * 1000:.0f} "
          f"ms (CPU {spent[int(len(spent) * 0.99)] * 1000:.0f} ms); requests repeated {sum(c.repeats for c in clients)}, throttled "
          f"{sum(c.throttled for c in clients)}; deliveries refused {receiver.refused}")
    is_good = report(verdict, oracle, incidents, receiver.opened)
    errors = [error for client in clients for error in client.errors]
    for error in errors[:10]:
        print("  refused for good:", error)
    # Where others have the machine for a while, the clock says nothing of quell in one of the
    # restarts: hence the median by the clock, and of its own CPU time all but a tenth.
    for seconds, words in ((ready[len(ready) // 2], "half of the times after"),
                           (spent[int(len(spent) * 0.9)], "a tenth of the times with CPU of")):
        if seconds > READY_SECONDS:
            print(f"  slow: ready again {words} {seconds:.2f} s")
            is_good = False
    if process.stop() != 0:
        print("  did not end well:\n" + process.log_end())
        is_good = False
    receiver.close()
    if keep or not is_good or errors:
        print("data kept in", directory)
    else:
        shutil.rmtree(directory)
    return is_good and not errors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--io", default="both")
    parser.add_argument("--sync", default="always")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    OVERRIDES.append("journal.sync=" + options.sync)
    print("seed", options.seed, flush=True)
    ios = ["io_uring", "epoll"] if options.io == "both" else [options.io]
    for io in ios:
        if not run(io, options.cycles, options.seed, options.keep):
            print(f"FAILED; again: python3 tests/crash/crash_test.py --cycles {options.cycles} "
                  f"--seed {options.seed} --io {options.io} --sync {options.sync}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
