"""The n-th malloc, open, mmap, accept, ring set-up fails: quell says so and ends, or goes on; it never
crashes, leaks (in an ASan build), and what it acknowledged is there after a restart.

  python3 tests/crash/torture_test.py [--seconds 30 | --all] [--seed N] [--skip N] [--call malloc --n 17]
"""
import argparse
import http.client
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time

from oracle import Oracle, cause, native_body
from process import Process

BINARY = os.environ.get("QUELL_BINARY", "build/quell")
LIBRARY = os.environ.get("QUELL_FAIL_NTH", "build-check/tests/crash/libfail_nth.so")
HERE = os.path.dirname(os.path.abspath(__file__))
REQUESTS = 200
OVERRIDES = ["notify.group_wait=1h", "log.level=info"]


def sanitizer():
    """In an ASan build its library comes second; it tells what leaks at the end."""
    linked = subprocess.run(["ldd", BINARY], capture_output=True, text=True).stdout
    return re.findall(r"lib[al]san\S* => (\S+)", linked)


SANITIZER = sanitizer()


class Tortured(Process):
    def begin(self, call, n):
        environment = {**os.environ, "LD_PRELOAD": " ".join([os.path.abspath(LIBRARY), *SANITIZER]),
                       "QUELL_FAIL_CALL": call, "QUELL_FAIL_N": str(n),
                       "ASAN_OPTIONS": "verify_asan_link_order=0:allocator_may_return_null=1",
                       "LSAN_OPTIONS": f"print_suppressions=0:suppressions={HERE}/leaks.supp"}
        with open(os.path.join(self.directory, "log"), "a") as log:
            self.process = subprocess.Popen(self.command, stderr=log, stdout=subprocess.DEVNULL,
                                            env=environment)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.is_ready():
                return True
            time.sleep(0.003)
        return False


def send_all(process, oracle, seconds):
    connection = None
    for number in range(REQUESTS):
        names = cause(f"c{number}", 1)
        path, body = native_body(names)
        oracle.write("sent", names)
        try:
            if connection is None or number % 20 == 0:
                connection = http.client.HTTPConnection("127.0.0.1", process.http,
                                                        timeout=seconds)
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            if response.status == 200:
                oracle.write("acknowledged", names)
        except (OSError, http.client.HTTPException):
            connection = None


def torture(call, n, io):
    """What is wrong, as words; and how many calls there were."""
    directory = tempfile.mkdtemp(prefix="quell-torture-")
    oracle = Oracle(os.path.join(directory, "obligations"))
    process = Tortured(BINARY, directory, io, OVERRIDES)
    wrong = []
    try:
        if process.begin(call, n):
            send_all(process, oracle, 5 if n else 60)  # an answer may fail to come on purpose
        if process.process.poll() is None:
            process.process.terminate()
            try:
                process.process.wait(60)
            except subprocess.TimeoutExpired:
                wrong.append("does not end")
                process.kill()
        code = process.process.returncode
        log = process.log_text()
        # The sanitizer allocates, too, when a thread starts, and gives up when it cannot.
        is_sanitizers_own = "__sanitizer::CheckFailed" in log or "CHECK failed: sanitizer_" in log
        if code not in (0, 1) and not is_sanitizers_own:
            wrong.append(f"ended with {code}")
        if code == 1 and not re.sub(r"calls \d+", "", log).strip():
            wrong.append("ended without a word")
        if "Sanitizer" in log and not is_sanitizers_own:
            wrong.append("a sanitizer spoke")
        calls = [int(found) for found in re.findall(r"^calls (\d+)$", log, re.M)]
        process.start()
        incidents = process.incidents()
        verdict = oracle.judge(incidents, {i["id"]: {"m": ""} for i in incidents})
        if any(verdict.values()):
            wrong.append(str(verdict)[:300])
        process.stop()
        if wrong:
            wrong.append(log[-1500:])
        return wrong, calls[0] if calls else 0, len(oracle.acknowledged)
    finally:
        if process.process.poll() is None:
            process.kill()
        oracle.file.close()
        shutil.rmtree(directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--skip", type=int, default=0, help="places that were done with this seed")
    parser.add_argument("--call")
    parser.add_argument("--n", type=int)
    parser.add_argument("--io", default="")
    options = parser.parse_args()
    assert os.path.exists(LIBRARY), LIBRARY
    print("seed", options.seed, flush=True)
    chance = random.Random(options.seed)
    places = []
    kinds = [options.call] if options.call else ["malloc", "open", "mmap", "accept", "ring"]
    for call in kinds:
        io = options.io or ("epoll" if call == "accept" else "auto")
        if options.n:
            places.append((call, options.n, io))
            continue
        wrong, calls, taken = torture(call, 0, io)
        assert not wrong and taken == REQUESTS, wrong
        print(f"{call}: {calls} calls", flush=True)
        places += [(call, n + 1, io) for n in range(calls)]
    chance.shuffle(places)
    places.sort(key=lambda place: place[1] > 1)  # the first call of each kind is always tried
    begin, done, is_good = time.monotonic(), 0, True
    for call, n, io in places[options.skip:]:
        if not options.all and time.monotonic() - begin > options.seconds:
            break
        wrong, _, _ = torture(call, n, io)
        done += 1
        if wrong:
            is_good = False
            print(f"FAILED; again: python3 tests/crash/torture_test.py --call {call} --n {n} "
                  f"--io {io}\n  " + "\n  ".join(wrong), flush=True)
        if options.all and done % 100 == 0:
            print(f"{done} of {len(places)}", flush=True)
    print(f"{done} of {len(places)} places failed on purpose", flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
