"""The power goes, again and again, while clients write: the image of the file system is copied by
reflink in one moment, as a disk would be left, and each copy is mounted and recovered.

  python3 tests/crash/powercut_test.py [--cuts 50] [--seed N]

Outside XFS with reflink on a loop device, inside ext4 on a second one, whose image is a file of the
first. What was acknowledged before a copy began must be in it.
"""
import argparse
import os
import random
import shutil
import sys
import tempfile
import time
import unittest

from clients import Client
from disks import Mount, run
from oracle import Oracle
from process import Process

BINARY = os.environ.get("QUELL_BINARY", "build/quell")
OVERRIDES = ["notify.group_wait=0s", "journal.segment_bytes=8MiB", "log.level=warning",
             "journal.state_reserve_bytes=8MiB"]


class Frozen:
    """The oracle as it stood when a copy began."""

    def __init__(self, oracle):
        with oracle.lock:
            self.acknowledged, self.before = set(oracle.acknowledged), None

    def judge(self, sent, incidents):
        oracle = Oracle(os.devnull)
        oracle.sent, oracle.acknowledged = sent, self.acknowledged
        verdict = oracle.judge(incidents, {i["id"]: {"m": ""} for i in incidents})
        oracle.file.close()
        return verdict


def outer_disk():
    image = tempfile.mktemp(prefix="quell-outer-")
    with open(image, "w") as file:
        file.truncate(6 << 30)
    made = run("mkfs.xfs", "-q", "-m", "reflink=1", image)
    if made.returncode != 0:
        os.unlink(image)
        raise unittest.SkipTest("mkfs.xfs is not to be had: " + made.stderr.strip())
    try:
        return image, Mount("-o", "loop", image)
    except unittest.SkipTest:
        os.unlink(image)
        raise


def take_cuts(outer, oracle, count, chance):
    """(copy, what was acknowledged when it began), and how long a copy takes."""
    cuts, spent = [], []
    for number in range(count):
        time.sleep(chance.uniform(0, 0.12))
        frozen = Frozen(oracle)
        copy = outer.join(f"cut{number}")
        begin = time.monotonic()
        done = run("cp", "--reflink=always", outer.join("image"), copy)
        spent.append(time.monotonic() - begin)
        assert done.returncode == 0, done.stderr
        cuts.append((copy, frozen))
    return cuts, sorted(spent)


def recover(copy, frozen, sent, io):
    disk = Mount("-o", "loop", copy)
    process = Process(BINARY, disk.path, io, OVERRIDES)
    try:
        ready = process.start()
        verdict = frozen.judge(sent, process.incidents())
        assert process.stop() == 0
        return ready, verdict, process.log_text()
    finally:
        if process.process.poll() is None:
            process.kill()
        disk.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--io", default=os.environ.get("QUELL_IO", "auto"))
    parser.add_argument("--sync", default="always", help="never: shows that this test can fail")
    options = parser.parse_args()
    OVERRIDES.append("journal.sync=" + options.sync)
    print("seed", options.seed, flush=True)
    chance = random.Random(options.seed)
    image = None
    try:
        image, outer = outer_disk()
        with open(outer.join("image"), "w") as file:
            file.truncate(512 << 20)
        made = run("mkfs.ext4", "-q", "-F", outer.join("image"))
        assert made.returncode == 0, made.stderr
        inner = Mount("-o", "loop", outer.join("image"))
    except unittest.SkipTest as reason:
        print("skipped:", reason)
        return 77
    kept = tempfile.mkdtemp(prefix="quell-cut-")
    oracle = Oracle(os.path.join(kept, "obligations"))
    process = Process(BINARY, inner.path, options.io, OVERRIDES)
    is_good = True
    try:
        process.start()
        clients = [Client(name, name[:-1], process.http, oracle, options.seed, rate=60)
                   for name in ("native1", "native2", "otlp1")]
        for client in clients:
            client.start()
        cuts, spent = take_cuts(outer, oracle, options.cuts, chance)
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join(120)
        process.kill()
        ready = []
        for number, (copy, frozen) in enumerate(cuts):
            seconds, verdict, log = recover(copy, frozen, oracle.sent, options.io)
            ready.append(seconds)
            os.unlink(copy)
            if any(verdict.values()) or "damaged" in log:
                is_good = False
                print(f"cut {number}: {verdict}\n{log[-2000:]}")
        ready.sort()
        print(f"{len(cuts)} power cuts, a copy takes {spent[len(spent) // 2] * 1000:.1f} ms, "
              f"{len(oracle.acknowledged)} acknowledged, ready p99 "
              f"{ready[int(len(ready) * 0.99)] * 1000:.0f} ms")
    finally:
        if process.process.poll() is None:
            process.kill()
        inner.close()
        outer.close()
        os.unlink(image)
        shutil.rmtree(kept)
    if not is_good:
        print(f"FAILED; again: python3 tests/crash/powercut_test.py --cuts {options.cuts} "
              f"--seed {options.seed}")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
