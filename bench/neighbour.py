#!/usr/bin/env python3
"""What a tenant sees of another that floods: python3 bench/neighbour.py build-release/quell

One quell, two tenants with tokens. `calm` sends at a low steady rate; `loud` sends ten times its
limits.events_per_second (row "rate"), or has no limit and sends as much as its connections carry
(row "share": only server.tenant_share bounds it). Rounds alternate, calm alone and calm beside loud;
told are quartiles over the rounds of calm's latencies, measured from the moment at which each
request was due, and the ratio of the lower ones: what a host does to a virtual machine only adds.

What the flood's clients take of this machine's cores is shown by "loud at another quell": then calm
and loud share the cores and the disk, and nothing of quell. What is the overload's doing, and not
that of what loud may send, is shown by "loud at its limit" (row "rate"). What --awake is for:
awake.py.
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

from awake import Awake

PERCENTILES = ("p50", "p90", "p99")


class Server:
    def __init__(self, options):
        self.directory = tempfile.mkdtemp(prefix="quell-neighbour-", dir=options.directory)
        folder = os.path.join(self.directory, "tenants")
        os.mkdir(folder)
        for tenant in ("calm", "loud"):
            digest = hashlib.sha256(tenant.encode()).hexdigest()
            with open(os.path.join(folder, tenant + ".toml"), "w") as file:
                file.write(f'[tenant]\nid = "{tenant}"\ntokens_sha256 = ["{digest}"]\n')
                if tenant == "loud" and options.row == "rate":
                    file.write(f"[limits]\nevents_per_second = {options.limit}\n")
        command = [*options.before("-19"), options.binary, "run"]
        for one in [f"data_dir={self.directory}/data", f"tenants_dir={folder}", f"server.io={options.io}",
                    "listen.http=127.0.0.1:0", "listen.console=127.0.0.1:0", "listen.grpc=127.0.0.1:0",
                    "auth.mode=token", *options.set]:
            command += ["--set", one]
        log = os.path.join(self.directory, "log")
        with open(log, "w") as file:
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file,
                                            cwd=self.directory)
        found = None
        while found is None:
            time.sleep(0.01)
            if self.process.poll() is not None:
                raise SystemExit("quell ended")
            with open(log) as file:
                found = re.search(r"ingest on port (\d+), console on port (\d+)", file.read())
        self.http = int(found[1])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        shutil.rmtree(self.directory, ignore_errors=True)


class Load:
    def __init__(self, binary, server, tenant, before, *flags):
        self.process = subprocess.Popen(
            [*before, binary, "load", "--json", "--token", tenant, "--url",
             f"http://127.0.0.1:{server.http}", "--pid", str(server.process.pid), *flags],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def result(self):
        return json.loads(self.process.communicate()[0])


def measure(options, flooded, calm_server, times=10):
    """One round of calm, beside a flood at `flooded` when there is one, of so many times the limit."""
    loud = None
    if flooded is not None:
        rate = "max" if options.row == "share" else str(times * options.limit)
        loud = Load(options.binary, flooded, "loud", [], "--rate", rate, "--duration",
                    f"{options.seconds + 2}s", "--connections", str(options.connections),
                    "--errors", "0.001")
        time.sleep(1)
    found = Load(options.binary, calm_server, "calm", options.before("-20"), "--rate", str(options.rate), "--batch", "5",
                 "--duration", f"{options.seconds}s", "--connections", "32", "--seed", "2").result()
    if found["requests_refused"] > 0:
        print("calm was refused", found["requests_refused"], flush=True)
    return found, None if loud is None else loud.result()


def tell(name, rounds):
    """Prints lower quartiles and medians; returns the lower quartiles."""
    values, words = {}, ""
    for one in PERCENTILES:
        values[one], middle, _ = (value / 1e6 for value in statistics.quantiles(
            [found["latency_ns"][one] for found, _ in rounds], n=4, method="inclusive"))
        words += f"  {one} {values[one]:6.3f} {middle:6.3f} ms"
    loud = [found for _, found in rounds if found is not None]
    if loud:
        words += (f"   loud: {statistics.median(one['records_accepted'] for one in loud):.0f} records "
                  f"taken, {statistics.median(one['requests_refused'] for one in loud):.0f} requests put off")
    print(f"{name:34}{words}", flush=True)
    return values


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binary")
    parser.add_argument("--row", choices=["rate", "share"], default="rate")
    parser.add_argument("--rounds", type=int, default=20, help="two at least")
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rate", type=int, default=2500, help="of calm, records a second")
    parser.add_argument("--limit", type=int, default=2000, help="limits.events_per_second of loud")
    parser.add_argument("--connections", type=int, default=64, help="of loud")
    parser.add_argument("--io", default="auto")
    parser.add_argument("--directory", default="/var/tmp", help="/dev/shm: without the disk's noise")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of quell")
    parser.add_argument("--first", action="store_true", help="quell and calm before all else that "
                        "runs on the machine: on a busy one the clock else tells of the others")
    parser.add_argument("--awake", action="store_true", help="a loop of the idle class a core")
    options = parser.parse_args()
    options.before = lambda niceness: ["nice", "-n", niceness] if options.first else []
    options.binary = os.path.abspath(options.binary)
    with Awake(options.awake):
        run(options)


def run(options):
    server, other = Server(options), Server(options)
    alone, beside, elsewhere, within = [], [], [], []
    measure(options, server, server)  # warm
    for number in range(max(options.rounds, 2)):
        alone.append(measure(options, None, server))
        beside.append(measure(options, server, server))
        elsewhere.append(measure(options, other, server))
        if options.row == "rate":
            time.sleep(2)  # of the flood nothing is left to come back
            within.append(measure(options, server, server, 1))
    server.stop()
    other.stop()
    before = tell("calm alone", alone)
    after = tell("calm beside loud", beside)
    far = tell("calm, loud at another quell", elsewhere)
    near = tell("calm beside loud at its limit", within) if within else None
    print("lower quartile and median of the rounds; ratios of the lower quartiles")
    print("beside/alone    " + "  ".join(f"{one} {after[one] / before[one]:.2f}" for one in PERCENTILES))
    if near is not None:
        print("beside/at limit " + "  ".join(f"{one} {after[one] / near[one]:.2f}" for one in PERCENTILES))
    print("beside/elsewhere " + "  ".join(f"{one} {after[one] / far[one]:.2f}" for one in PERCENTILES))


if __name__ == "__main__":
    main()
