"""Too much, or no room: quell asks to try again, loses nothing, and goes on by itself.

  python3 tests/crash/pressure_test.py [Overload | NoRoom]
"""
import gzip
import http.client
import itertools
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import unittest

from disks import Mount, loop, tmpfs
from oracle import Oracle, cause, native_body, report
from process import Process
from receiver import Receiver

BINARY = os.environ.get("QUELL_BINARY", "build/quell")
IO = os.environ.get("QUELL_IO", "auto")


class Pressure(unittest.TestCase):
    def start(self, directory, *overrides, descriptors=None):
        self.receiver = Receiver(1)
        self.addCleanup(self.receiver.close)
        kept = tempfile.mkdtemp(prefix="quell-pressure-")
        self.addCleanup(shutil.rmtree, kept)
        self.oracle = Oracle(os.path.join(kept, "obligations"))
        self.addCleanup(self.oracle.file.close)
        process = Process(BINARY, directory, IO,
                          ["notify.group_wait=0s", "sink.hook.type=webhook",
                           "sink.hook.url=" + self.receiver.url, "log.level=info", *overrides])
        process.descriptors = descriptors
        process.start()
        self.addCleanup(lambda: process.process.poll() is None and process.kill())
        return process

    def post(self, port, body, path="/v1/events", encoding="identity"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", path, body, {"Content-Type": "application/json",
                                                "Content-Encoding": encoding})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response, text

    def send(self, process, name, filler=0):
        """One cause with ids of its own; the answer's status and Retry-After."""
        names = cause(name, 2)
        path, body = native_body(names)
        body = body.replace(b'"boom"', b'"boom ' + b"x" * filler + b'"')
        self.oracle.write("sent", names)
        response, _ = self.post(process.http, body)
        if response.status == 200:
            self.oracle.write("acknowledged", names)
        return response.status, response.headers["Retry-After"]

    def send_until_taken(self, process, name, filler=0):
        """Seconds until it takes something again, by itself: five at most. A refusal takes 1.2 s at
        most; where an attempt took more, the machine stood still."""
        spent = 0
        for number in itertools.count():
            begin = time.monotonic()
            try:
                is_taken = self.send(process, f"{name}{number}", filler)[0] == 200
            except (OSError, http.client.HTTPException):
                is_taken = False
            if is_taken:
                return spent
            time.sleep(0.02)
            spent += min(time.monotonic() - begin, 1.3)
            self.assertLess(spent, 5, "nothing is taken again")

    def metric(self, process, name):
        text = process.get("/metrics")[1].decode()
        return float(re.search(rf"^{name} (\S+)", text, re.M)[1])

    def bounded(self, *overrides, descriptors=None):
        directory = tempfile.mkdtemp(prefix="quell-pressure-")
        self.addCleanup(shutil.rmtree, directory)
        return self.start(directory, *overrides, descriptors=descriptors)

    def judge(self, process):
        deadline = time.monotonic() + 60
        while True:
            incidents = process.incidents()
            verdict = self.oracle.judge(incidents, self.receiver.opened)
            if not any(verdict.values()) or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        self.assertTrue(report(verdict, self.oracle, incidents, self.receiver.opened))

    def wait(self, condition, words, seconds=60):
        until = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), until, words)
            time.sleep(0.02)


class Overload(Pressure):
    """More than it can take; some of it is measured, so nothing else may run beside it."""

    def flood(self, process, clients, seconds, events=1, tenant="", filler=0):
        """Clients that take every answer for an invitation to send again, at once: (counts by
        status, the shortest Retry-After of those that were put off). It goes on until some were
        taken and some put off, however slow the machine."""
        counts, waits, lock = {}, [], threading.Lock()
        until = time.monotonic() + seconds

        def run(client):
            connection = http.client.HTTPConnection("127.0.0.1", process.http, timeout=60)
            for number in itertools.count():
                if time.monotonic() > until + (0 if len(counts) > 1 else 60):
                    break
                names = cause(f"flood{client}.{number}", events)
                _, body = native_body(names)
                connection.request("POST", "/v1/events",
                                   body.replace(b'"boom"', b'"boom ' + b"x" * filler + b'"'),
                                   {"Content-Type": "application/json", "X-Scope-OrgID": tenant}
                                   if tenant else {"Content-Type": "application/json"})
                response = connection.getresponse()
                response.read()
                with lock:
                    counts[response.status] = counts.get(response.status, 0) + 1
                    if response.status != 200:
                        waits.append(int(response.headers["Retry-After"]))
                    if not tenant:
                        self.oracle.write("sent", names)
                        if response.status == 200:
                            self.oracle.write("acknowledged", names)
            connection.close()
        threads = [threading.Thread(target=run, args=(client,)) for client in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return counts, min(waits, default=0)

    def after_the_flood(self, process, counts, wait, metric):
        print(counts)
        self.assertEqual(set(counts), {200, 429})
        self.assertGreaterEqual(wait, 1)
        self.assertEqual(self.metric(process, metric), counts[429])
        self.assertEqual(self.metric(process, "quell_requests_waiting"), 0)
        self.send_until_taken(process, "after")
        self.judge(process)
        self.assertEqual(process.stop(), 0)

    def test_requests_beyond_those_that_may_wait_are_put_off(self):
        process = self.bounded("server.max_waiting_requests=3", "server.tenant_share=100")
        counts, wait = self.flood(process, 8, 2)
        self.after_the_flood(process, counts, wait, "quell_queue_full_total")

    def test_events_beyond_the_lag_are_put_off(self):
        process = self.bounded("journal.max_lag_events=20")
        counts, wait = self.flood(process, 8, 2, events=9)
        self.after_the_flood(process, counts, wait, "quell_journal_lag_full_total")

    def test_a_tenant_that_floods_leaves_room_for_the_others(self):
        process = self.bounded("server.max_waiting_requests=8", "server.tenant_share=50")
        found = []
        flood = threading.Thread(target=lambda: found.append(self.flood(process, 8, 3, tenant="loud")))
        flood.start()
        spent = []
        for number in itertools.count():
            if not flood.is_alive():
                break
            begin = time.monotonic()
            self.assertEqual(self.send(process, f"calm{number}")[0], 200)  # never 429
            spent.append(time.monotonic() - begin)
        (counts, wait), = found
        spent.sort()
        print(f"loud {counts}; calm: {len(spent)} taken, p50 {spent[len(spent) // 2] * 1000:.1f} ms, "
              f"p99 {spent[int(len(spent) * 0.99)] * 1000:.1f} ms")
        self.assertEqual(set(counts), {200, 429})
        self.assertGreaterEqual(wait, 1)
        self.assertEqual(self.metric(process, "quell_share_limited_total"), counts[429])

    def load(self, process, connections, duration="3s"):
        """Records taken, the server's CPU-seconds, requests put off; by clients that never rest."""
        result = subprocess.run(
            [BINARY, "load", "--url", f"http://127.0.0.1:{process.http}", "--rate", "max",
             "--duration", duration, "--connections", str(connections), "--errors", "0.001",
             "--pid", str(process.process.pid), "--json"], capture_output=True, text=True)
        found = json.loads(result.stdout)
        return (found["records_accepted"], found["server"]["cpu_seconds"],
                found["requests_refused"])

    def test_ten_times_too_much_does_not_eat_what_is_taken(self):
        # By the server's own CPU time: the clock would say what others on the machine do. Busy
        # neighbours cost caches too: hence pairs in turns, their median, and more pairs in doubt.
        # Of a run of one second, opening the connections and their memory was a tenth. Where others
        # have the caches and most of the CPU all the time, 0.84 was found; a quarter eaten is too much.
        ratios, refused, pairs_max = [], 0, 15
        while len(ratios) < 3 or (statistics.median(ratios) < 0.9 and len(ratios) < pairs_max):
            directory = tempfile.mkdtemp(prefix="quell-pressure-")
            # Few may wait: how many of 320 do at once hangs on who gets the processor.
            process = self.start(directory, "server.max_waiting_requests=64")
            self.load(process, 32, "1s")  # until memory and caches are warm
            (usual, usual_s, _), (much, much_s, put_off) = (self.load(process, 32),
                                                            self.load(process, 320))
            if usual_s > 0 and much_s > 0:  # else the machine stood still all the time
                ratios.append((much / much_s) / (usual / usual_s))
            refused += put_off
            process.kill()
            shutil.rmtree(directory)  # each fills some GiB of journal
        ratio = statistics.median(ratios)
        print(f"320 connections against 32, records a CPU-second: "
              f"{' '.join(f'{one:.2f}' for one in ratios)}, median {ratio:.2f}; {refused} requests "
              "put off")
        self.assertGreater(refused, 0)
        self.assertGreaterEqual(ratio, 0.9 if len(ratios) < pairs_max else 0.75)

    def test_idle_connections_do_not_slow_the_others(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        count = min(5000, hard - 1000)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        # Also of those that have sent nothing yet, however long the rounds take.
        process = self.bounded("server.idle_timeout=1h", "server.header_timeout=1h")
        # What others on the machine do only adds: the least of each is nearest to the truth.
        before, spent_before = map(min, zip(*(self.p99(process, f"before{i}-") for i in range(3))))
        idle = [socket.create_connection(("127.0.0.1", process.http)) for _ in range(count)]
        rounds = []
        while len(rounds) < 3 or (len(rounds) < 10 and
                                  (min(rounds)[0] > max(2 * before, 0.05) or
                                   min(spent for _, spent in rounds) > 2 * spent_before)):
            rounds.append(self.p99(process, f"after{len(rounds)}-"))
        after, spent_after = map(min, zip(*rounds))
        print(f"p99 {before * 1000:.1f} ms, with {count} idle connections {after * 1000:.1f} ms; CPU "
              f"{spent_before * 1000:.0f} ms, then {spent_after * 1000:.0f} ms")
        # On a machine that others keep busy the clock says nothing of quell, its own CPU time does.
        self.assertLess(spent_after, 2 * spent_before)
        if os.getloadavg()[0] < 2 * os.cpu_count():
            self.assertLess(after, max(2 * before, 0.05))
        self.assertGreaterEqual(self.metric(process, "quell_connections"), count)
        for connection in idle:
            connection.close()
        self.judge(process)

    def p99(self, process, name):
        """Of an answer by the clock; and the server's CPU time for all of them."""
        spent, cpu_before = [], process.cpu_seconds()
        for number in range(300):
            begin = time.monotonic()
            self.assertEqual(self.send(process, f"{name}{number}")[0], 200)
            spent.append(time.monotonic() - begin)
        return sorted(spent)[296], process.cpu_seconds() - cpu_before


class NoRoom(Pressure):
    """No room on the disk, in memory, for descriptors or connections."""

    def send_until_refused(self, process, name, filler):
        for number in range(100000):
            status, again = self.send(process, f"{name}{number}", filler)
            if status != 200:
                return status, again, number
        self.fail("never refused")

    def rests(self, process, seconds):
        """Its CPU time within a second, waits for a processor too: the least of some, since those
        that share or steal the processor only add. Who does not rest spends all of each."""
        spent = []
        while not spent or (min(spent) >= seconds and len(spent) < 15):
            before = process.cpu_seconds(with_waits=True)
            time.sleep(1)
            spent.append(process.cpu_seconds(with_waits=True) - before)
        self.assertLess(min(spent), seconds)
        return min(spent)

    def test_bodies_beyond_the_memory_for_them_are_put_off(self):
        process = self.bounded("server.max_request_bytes=1MiB", "server.max_buffered_bytes=1MiB")
        head = (b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                b"Content-Length: 700000\r\n\r\n")
        slow = socket.create_connection(("127.0.0.1", process.http))
        slow.sendall(head + b" " * 600000)  # what is promised takes no room, what came does
        self.wait(lambda: self.metric(process, "quell_buffered_bytes") >= 600000, "not received")
        other = socket.create_connection(("127.0.0.1", process.http))
        other.sendall(head + b" " * 100000)
        other.settimeout(60)
        answer = other.recv(65536)
        self.assertIn(b" 503 ", answer.split(b"\r\n")[0])
        self.assertIn(b"Retry-After: 1\r\n", answer)
        self.assertEqual(self.metric(process, "quell_buffers_full_total"), 1)
        self.assertLessEqual(self.metric(process, "quell_buffered_bytes"), (1 << 20) + (64 << 10))  # two heads
        for connection in (slow, other):
            connection.close()
        self.wait(lambda: self.metric(process, "quell_buffered_bytes") < 600000, "still held")

    def test_a_client_that_never_reads_is_cut_off_and_holds_no_memory(self):
        process = self.bounded("server.send_timeout=1s")
        requests = b"GET /v1/nothing HTTP/1.1\r\nHost: a\r\n\r\n" * 1000
        deaf = {}
        for _ in range(10):
            connection = socket.socket()
            self.addCleanup(connection.close)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", process.http))
            connection.setblocking(False)
            deaf[connection] = 0  # where in the requests it is
        before, until = self.resident_bytes(process), time.monotonic() + 90
        while self.metric(process, "quell_clients_slow_total") < len(deaf):
            self.assertLess(time.monotonic(), until, "not cut off")
            for connection, at in deaf.items():
                try:
                    deaf[connection] = (at + connection.send(requests[at:])) % len(requests)
                except OSError:
                    pass  # it sends no faster than its answers are taken, or is cut off
        self.assertEqual(self.send(process, "after")[0], 200)
        self.assertLess(self.resident_bytes(process) - before, 20 << 20)
        self.wait(lambda: self.metric(process, "quell_connections") <= 1, "not closed")

    def test_bombs_are_refused_within_the_memory_of_one_request(self):
        process = self.bounded("server.max_request_bytes=16MiB")
        self.assertEqual(self.send(process, "before")[0], 200)
        before = self.resident_bytes(process, "VmHWM")
        bomb = gzip.compress(b" " * (256 << 20))
        nests = (b"[" * (8 << 20), b'{"a":' * (2 << 20),
                 b'{"resourceLogs":[{"resource":' + b'{"kvlistValue":{"values":[' * (1 << 18))
        for _ in range(3):
            for path in ("/v1/events", "/v1/logs"):
                self.assertEqual(self.post(process.http, bomb, path, "gzip")[0].status, 413)
                for nest in nests:
                    self.assertEqual(self.post(process.http, nest, path)[0].status, 400)
        grown = self.resident_bytes(process, "VmHWM") - before
        print(f"bombs: {len(bomb)} bytes that are 256 MiB, and nests of {len(nests[0])}: "
              f"{grown >> 20} MiB more at the peak")
        self.assertLess(grown, 6 * (16 << 20))
        self.assertEqual(self.send(process, "after")[0], 200)

    def resident_bytes(self, process, name="VmRSS"):
        with open(f"/proc/{process.process.pid}/status") as file:
            return int(re.search(rf"^{name}:\s+(\d+) kB", file.read(), re.M)[1]) << 10

    def test_a_full_disk_asks_to_try_again_and_goes_on_when_there_is_room(self):
        disk = tmpfs(64)
        self.addCleanup(disk.close)
        process = self.start(disk.path, "journal.segment_bytes=8MiB", "journal.state_reserve_bytes=8MiB")
        self.assertEqual(self.send(process, "early")[0], 200)
        disk.fill()
        status, again, taken = self.send_until_refused(process, "full", 14000)
        self.assertIn(status, (429, 503))
        self.assertGreaterEqual(int(again), 1)
        for number in range(10):  # each is answered a second late
            self.assertIn(self.send(process, f"more{number}", 14000)[0], (429, 503))
        self.assertEqual(process.get("/healthz")[0], 200)
        disk.empty()
        spent = self.send_until_taken(process, "again")
        print(f"{taken} causes until {status}; taken again after {spent:.2f} s")
        process.kill()
        process.start()
        self.judge(process)
        self.assertEqual(process.stop(), 0)

    def test_the_states_reserve_leaves_the_journal_the_room_that_it_cannot_use(self):
        kept = tempfile.mkdtemp(prefix="quell-pressure-")
        self.addCleanup(shutil.rmtree, kept)
        disk = loop(os.path.join(kept, "image"), 200)
        self.addCleanup(disk.close)
        before = disk.free()
        process = self.start(disk.path, "journal.segment_bytes=8MiB",
                             "journal.state_reserve_bytes=110MiB")  # twice as much is not there
        self.assertEqual(self.send(process, "early")[0], 200)
        taken = (before - disk.free()) >> 20
        print(f"of {before >> 20} MiB {taken} are taken")
        self.assertGreaterEqual(taken, 110)
        self.assertLess(taken, 110 + 3 * 8)
        for number in range(300):  # more than a segment
            self.assertEqual(self.send(process, f"more{number}", 14000)[0], 200)
        self.judge(process)
        self.assertEqual(process.stop(), 0)

    def test_outcomes_that_find_no_room_rest_until_there_is_some(self):
        disk = tmpfs(64)
        self.addCleanup(disk.close)
        process = self.start(disk.path, "journal.segment_bytes=8MiB", "journal.state_reserve_bytes=8MiB",
                             "sink.hook.timeout=10m")  # to fill the disk may take a while
        self.receiver.holds = True
        self.assertEqual(self.send(process, "early")[0], 200)
        self.wait(lambda: self.receiver.held == 1, "nothing is told")
        disk.fill()
        self.send_until_refused(process, "full", 14000)
        self.receiver.holds = False
        self.wait(lambda: self.receiver.requests > 0, "what waited is not told")
        time.sleep(0.3)
        spent = self.rests(process, 0.3)
        told = self.receiver.requests
        disk.empty()
        self.wait(lambda: self.receiver.requests > told or not self.pending(process),
                  "the outcomes were not taken")
        self.wait(lambda: not self.pending(process), "not all is told")
        self.assertEqual(process.stop(), 0)
        process.start()
        self.judge(process)
        print(f"CPU {spent * 1000:.0f} ms in 1 s; {told} told while it was full, then "
              f"{self.receiver.requests - told}")
        self.assertEqual(set(self.receiver.tellings.values()), {1})
        self.assertEqual(process.stop(), 0)

    def pending(self, process):
        return self.metric(process, "quell_outbox_pending")

    def test_a_disk_that_stays_full_over_a_restart_loses_nothing(self):
        disk = tmpfs(64)
        self.addCleanup(disk.close)
        process = self.start(disk.path, "journal.segment_bytes=8MiB", "journal.state_reserve_bytes=8MiB")
        disk.fill()
        self.send_until_refused(process, "full", 14000)
        process.kill()
        disk.empty()
        process.start()
        self.assertEqual(self.send(process, "after")[0], 200)
        self.judge(process)
        self.assertEqual(process.stop(), 0)

    def test_after_a_failed_sync_nothing_is_acknowledged_until_a_restart(self):
        outer = tmpfs(64)
        self.addCleanup(outer.close)
        disk = loop(outer.join("image"), 400)
        self.addCleanup(disk.close)
        process = self.start(disk.path, "journal.segment_bytes=32MiB", "journal.state_reserve_bytes=8MiB",
                             "notify.group_wait=2s")
        self.assertEqual(self.send(process, "early")[0], 200)
        outer.fill()
        status, again, taken = self.send_until_refused(process, "lost", 14000)
        self.assertEqual(status, 503)
        self.assertGreaterEqual(int(again), 1)
        self.assertEqual(process.get("/readyz")[0], 503)
        self.assertEqual(process.get("/healthz")[0], 200)
        for number in range(20):
            self.assertEqual(self.send(process, f"after{number}")[0], 503)
        self.assertEqual(self.metric(process, "quell_journal_failed"), 1)
        time.sleep(2.5)  # messages are due that cannot be told any more: it rests all the same
        self.rests(process, 0.5)
        outer.empty()
        self.assertEqual(self.send(process, "late")[0], 503)  # the next sync would say "fine"
        self.assertEqual(process.get("/readyz")[0], 503)
        process.stop()  # it ends, also with a journal that failed
        disk.close()
        disk = Mount("-o", "loop", outer.join("image"))
        self.addCleanup(disk.close)
        process.directory = disk.path
        process.command = [("data_dir=" + disk.path + "/data") if one.startswith("data_dir=") else one
                           for one in process.command]
        process.start()
        print(f"{taken} causes until the sync failed")
        self.judge(process)
        self.assertEqual(process.stop(), 0)

    def test_without_descriptors_nothing_is_lost_and_it_passes_by_itself(self):
        process = self.bounded("journal.segment_bytes=8MiB", descriptors="150:150")
        keep = http.client.HTTPConnection("127.0.0.1", process.http, timeout=60)
        keep.connect()
        idle = [socket.create_connection(("127.0.0.1", process.http)) for _ in range(400)]
        time.sleep(0.3)
        refused = 0
        for number in range(400):  # some segments long: new ones want a descriptor
            names = cause(f"busy{number}", 2)
            path, body = native_body(names)
            self.oracle.write("sent", names)
            keep.request("POST", path, body.replace(b'"boom"', b'"' + b"x" * 14000 + b'"'))
            response = keep.getresponse()
            response.read()
            self.assertIn(response.status, (200, 429))
            refused += response.status == 429
            if response.status == 200:
                self.oracle.write("acknowledged", names)
        for connection in idle:
            connection.close()
        self.send_until_taken(process, "after", 14000)
        print(f"{refused} of 400 asked to try again for want of descriptors")
        self.judge(process)
        self.assertEqual(process.stop(), 0)

    def test_connections_beyond_the_limit_are_closed_and_counted(self):
        process = self.bounded("server.max_connections=40")
        idle = []
        for _ in range(120):
            connection = socket.create_connection(("127.0.0.1", process.http))
            idle.append(connection)
        self.wait(lambda: self.metric(process, "quell_connections_refused_total") >= 80, "not refused")
        self.assertLessEqual(self.metric(process, "quell_connections"), 40)
        for connection in idle:
            connection.close()
        self.send_until_taken(process, "again")
        self.judge(process)
        self.assertEqual(process.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
