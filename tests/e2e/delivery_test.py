"""A sink that hangs or is away: others are not delayed, memory stays flat, the latest state comes."""
import fcntl
import json
import os
import re
import resource
import select
import shutil
import signal
import socket
import tempfile
import threading
import time
import unittest
from unittest import mock

import harness
from harness import IS_SANITIZED, Receiver, Story, failure, wait_for, write_whole

INCIDENTS = int(os.environ.get("QUELL_DELIVERY_INCIDENTS", "300"))


class Hanging:
    """Accepts connections and never answers."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = self.socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.connections = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        try:
            while True:
                self.connections.append(self.socket.accept()[0])
        except OSError:
            pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.connections:
            connection.close()


class DeliveryStory(Story):
    def metric(self, quell, name, sink):
        _, text, _ = quell.request("GET", "/metrics", port=quell.console)
        return int(re.search(rf'^quell_sink_{name}{{tenant="",sink="{sink}"}} (\d+)$',
                             text.decode(), re.M)[1])

    def memory_kib(self, quell):
        with open(f"/proc/{quell.process.pid}/status") as file:
            return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1])

    def bad_sink(self, url, *overrides):
        return self.quell("notify.group_wait=0s", "notify.group_interval=0s",
                          "sink.bad.type=webhook", "sink.bad.url=" + url,
                          "sink.bad.timeout=200ms", "sink.bad.backoff=30ms",
                          "sink.bad.backoff_max=200ms", "sink.bad.breaker_failures=3",
                          "sink.bad.breaker_wait=300ms", *overrides)

    def two_sinks(self, url, *overrides):
        good = self.receiver()
        return self.bad_sink(url, "sink.good.type=webhook", "sink.good.url=" + good.url,
                             *overrides), good

    def test_more_incidents_than_a_sink_queues_are_told_by_their_latest_state(self):
        receiver = self.receiver()
        receiver.status = 503
        quell = self.quell("notify.group_wait=0s", "reopen_window=1h", "sink.hook.type=webhook",
                           "sink.hook.url=" + receiver.url, "sink.hook.breaker_failures=1",
                           "sink.hook.breaker_wait=1h")
        jobs = [f"job{number}" for number in range(4300)]  # 4,096 wait in memory
        opened = "quell_incidents_open"
        turns = (("failed", 4300), ("succeeded", 0), ("failed", 4300))
        for turn, (status, count) in enumerate(turns):
            for first in range(0, len(jobs), 100):
                quell.events(*({"job_id": job, "status": status, "run_id": str(turn)}
                               for job in jobs[first:first + 100]))
            self.assertTrue(wait_for(lambda: quell.metric(opened) == count, 15))
            quell.settle()
        # Of the end and what came after it only the latest waits, beside that it was opened.
        superseded = 'quell_sink_superseded_total{tenant="",sink="hook"}'
        self.assertTrue(wait_for(lambda: quell.metric(superseded) >= 4000, 20),
                        quell.metric(superseded))

    def test_a_sink_that_hangs_delays_nobody_and_later_gets_the_latest_of_everything(self):
        hanging = Hanging()
        quell, good = self.two_sinks(hanging.url)
        quell.events(failure("first"))
        self.assertTrue(wait_for(lambda: self.metric(quell, "breaker_state", "bad") == 2))
        before = self.memory_kib(quell)
        for number in range(300):
            quell.events(failure(f"job{number}"))
            quell.events({"job_id": f"job{number}", "status": "succeeded"})
            if number % 50 == 49:  # a queue that lags would keep the latest states only
                self.assertTrue(wait_for(lambda: len(good.messages) == 2 * number + 3))
        if not IS_SANITIZED:
            self.assertLess(self.memory_kib(quell) - before, 24 * 1024)
        self.assertLessEqual(self.metric(quell, "pending", "bad"), 301)
        hanging.close()
        back = Receiver.__new__(Receiver)
        self.assertTrue(wait_for(lambda: self.take_over(back, hanging.port)))
        self.addCleanup(back.close)
        self.assertTrue(wait_for(lambda: len({message["data"]["id"]
                                              for message in back.messages}) == 301, 120))
        self.assertTrue(wait_for(lambda: self.metric(quell, "pending", "bad") == 0))
        self.assertGreater(self.metric(quell, "superseded_total", "bad"), 250)
        last = {message["data"]["root_cause"]["entity"]: message["data"]["status"]
                for message in back.messages}
        self.assertEqual(last.pop("job:first"), "open")
        self.assertEqual(set(last.values()), {"resolved"})
        self.assertEqual(self.metric(quell, "breaker_state", "bad"), 0)
        self.assertEqual(quell.settle()["deliveries_dead"], 0)
        self.assertEqual(back.errors, [])

    def quell_with_sinks(self, tenants_count, url, good_url, more=""):
        """Each tenant has 32 sinks at the address, and a message for each of them; the sink `good`
        is of those without a file."""
        names = [f"s{number}" for number in range(32)]
        text = "".join(f'[sink.{name}]\ntype = "webhook"\nurl = "{url}"\n{more}'
                       for name in names) + f"[[route]]\nsinks = {json.dumps(names)}\n"
        tenants = [f"t{number}" for number in range(tenants_count)]
        files = {f"tenants/{name}.toml": f'[tenant]\nid = "{name}"\n{text}' for name in tenants}
        quell = self.quell("tenants_dir=tenants", "notify.group_wait=0s", "sink.good.type=webhook",
                           "sink.good.url=" + good_url, files=files)
        for name in tenants:
            quell.events(failure("job"), **{"X-Scope-OrgID": name})
        return quell

    def test_sinks_that_hang_leave_files_to_those_who_send(self):
        hanging, good = Hanging(), self.receiver()
        self.addCleanup(hanging.close)
        directory = tempfile.mkdtemp(prefix="quell-test-")
        self.addCleanup(shutil.rmtree, directory)
        few = os.path.join(directory, "quell")
        with open(few, "w") as file:
            file.write(f'#!/bin/sh\nexec prlimit --nofile=256 "{harness.BINARY}" "$@"\n')
        os.chmod(few, 0o755)
        with mock.patch("harness.BINARY", few):
            quell = self.quell_with_sinks(12, hanging.url, good.url, 'timeout = "3s"\n')
        self.assertTrue(wait_for(lambda: len(hanging.connections) > 50))
        start = time.monotonic()
        quell.events(failure("job"))
        self.assertEqual(quell.request("GET", "/readyz", port=quell.console)[0], 200)
        self.assertLess(time.monotonic() - start, 1)
        self.assertTrue(wait_for(lambda: len(good.messages) == 1))
        self.assertNotIn("Couldn't connect", quell.said())

    def test_more_sinks_than_a_thousand_that_hang_at_once_delay_nobody(self):
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        if before[1] != resource.RLIM_INFINITY and before[1] < 4096:
            self.skipTest("a process may not have so many descriptors here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 4096), before[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        hanging, good = Hanging(), self.receiver()
        self.addCleanup(hanging.close)
        quell = self.quell_with_sinks(33, hanging.url, good.url)
        self.assertTrue(wait_for(lambda: len(hanging.connections) == 33 * 32),
                        len(hanging.connections))
        quell.events(failure("job"))
        self.assertTrue(wait_for(lambda: len(good.messages) == 1, 10))
        self.assertNotIn("failed", quell.said())

    @unittest.skipUnless(os.environ.get("QUELL_PRELOAD_FAIL_WATCH"), "no watch can be failed here")
    def test_a_connection_that_cannot_be_watched_is_tried_again(self):
        directory = tempfile.mkdtemp(prefix="quell-test-")
        sign, good = os.path.join(directory, "fail"), self.receiver()
        open(sign, "w").close()
        with mock.patch.dict(os.environ, LD_PRELOAD=os.environ["QUELL_PRELOAD_FAIL_WATCH"],
                             QUELL_FAIL_WATCH=sign, QUELL_IO="epoll"):
            quell = self.quell("notify.group_wait=0s", "sink.good.type=webhook",
                               "sink.good.url=" + good.url, "sink.good.timeout=200ms",
                               "sink.good.backoff=100ms", directory=directory)
        quell.events(failure("job"))
        self.assertTrue(wait_for(lambda: "attempt 1 failed" in quell.said(), 10))
        os.remove(sign)
        self.assertTrue(wait_for(lambda: good.messages, 20))

    def test_more_than_a_queue_holds_waits_on_disk_and_comes_as_it_is_at_last(self):
        """A third of the incidents changes eight times while the sink hangs. With 5000 of them the
        queue of 4,096 is not enough; that takes a quiet machine some ten seconds."""
        hanging = Hanging()
        quell = self.bad_sink(hanging.url)
        jobs, turn_jobs = range(INCIDENTS), range(INCIDENTS // 3)

        def send(status, numbers, turn):
            for start in range(0, len(numbers), 500):
                quell.events(*[{"job_id": f"j{number}", "status": status, "run_id": f"r{turn}",
                                "message": "x" * 300, "error_type": "E"}
                               for number in numbers[start:start + 500]])
            quell.settle()
        send("failed", jobs, 0)
        self.assertTrue(wait_for(lambda: self.metric(quell, "pending", "bad") ==
                                 min(INCIDENTS, 4096)))
        before = self.memory_kib(quell)
        for turn in range(1, 5):
            send("succeeded", turn_jobs, turn)
            send("failed", turn_jobs, turn)
        send("succeeded", turn_jobs[:50], 5)
        after = self.memory_kib(quell)
        self.assertLessEqual(self.metric(quell, "pending", "bad"), 4096)
        if not IS_SANITIZED:
            self.assertLess(after - before, 8 * 1024)
        hanging.close()
        back = Receiver.__new__(Receiver)
        self.assertTrue(wait_for(lambda: self.take_over(back, hanging.port)))
        self.addCleanup(back.close)
        self.assertTrue(wait_for(lambda: len(back.messages) >= INCIDENTS and
                                 self.metric(quell, "pending", "bad") == 0, 60 + INCIDENTS / 5))
        last = {message["data"]["root_cause"]["entity"]: message["data"]["status"]
                for message in back.messages}
        self.assertEqual(len(last), INCIDENTS)
        told = {one["webhook-id"] for one in back.headers}  # one whose answer was late comes twice
        self.assertLess(len(told), INCIDENTS + 2 * len(turn_jobs))  # of eight times
        self.assertEqual({entity for entity, status in last.items() if status == "resolved"},
                         {f"job:j{number}" for number in range(50)})
        self.assertEqual(quell.settle()["deliveries_dead"], 0)
        self.assertEqual(back.errors, [])

    def take_over(self, receiver, port):
        """A receiver where the hanging one was."""
        import http.server
        original = http.server.ThreadingHTTPServer
        try:
            http.server.ThreadingHTTPServer = lambda _, handler: original(("127.0.0.1", port),
                                                                          handler)
            receiver.__init__()
            receiver.path = "/hook"  # what the hanging one was called by
            return True
        except OSError:
            return False
        finally:
            http.server.ThreadingHTTPServer = original

    def unread(self, *overrides):
        """A quell whose stdout is a small pipe, and the pipe's end to read."""
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 8192)
        quell = self.quell("notify.group_wait=0s", "notify.group_interval=0s", *overrides,
                           stdout=writer)
        os.close(writer)
        file = os.fdopen(reader, "rb", buffering=0)
        self.addCleanup(file.close)
        return quell, file

    def terminal(self):
        """A terminal's two ends: to look at, and to write to."""
        screen, end = os.openpty()
        self.addCleanup(os.close, screen)
        return screen, end

    def seen_on(self, screen):
        """All that is still to be seen on it, when nobody writes to it any more."""
        seen = b""
        try:
            while more := os.read(screen, 65536):
                seen += more
        except OSError:  # its other end is closed
            pass
        return seen

    def assert_all_told_and_reloads_and_stops(self, quell, good, count):
        self.addCleanup(quell.process.kill)  # a stop would wait for what has failed
        quell.events(*[failure(f"job{number}") for number in range(count)])
        self.assertTrue(wait_for(lambda: len({message["data"]["id"]
                                              for message in good.messages}) == count))
        reloaded = lambda: quell.metric("quell_config_last_reload_success_timestamp_seconds")
        before = reloaded()
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: reloaded() > before))
        self.assertEqual(quell.stop(), 0)  # within a minute: a drain is five seconds

    def test_a_terminal_that_nobody_reads_delays_nobody_and_its_lines_stay_whole(self):
        good = self.receiver()
        screen, end = self.terminal()
        quell = self.quell("notify.group_wait=0s", "notify.group_interval=0s",
                           "sink.good.type=webhook", "sink.good.url=" + good.url,
                           "sink.out.type=stdout", "sink.out.format=json", stdout=end)
        os.close(end)
        self.assert_all_told_and_reloads_and_stops(quell, good, 300)
        lines = self.seen_on(screen).splitlines(keepends=True)
        self.assertGreater(len(lines), 1)
        for line in lines[:-1]:  # the last one found as much room as there was
            json.loads(line)

    def test_a_terminal_that_nobody_reads_takes_no_log_and_delays_nobody(self):
        good = self.receiver()
        screen, end = self.terminal()
        directory = tempfile.mkdtemp(prefix="quell-test-")

        def show():  # until it listens
            with open(os.path.join(directory, "log"), "ab", buffering=0) as file:
                shown = b""
                while b"console on port" not in shown:
                    shown += os.read(screen, 65536)
                    file.write(shown)
        reader = threading.Thread(target=show, daemon=True)
        reader.start()
        quell = self.quell("notify.group_wait=0s", "notify.group_interval=0s",
                           "sink.good.type=webhook", "sink.good.url=" + good.url,
                           "sink.bad.type=webhook", "sink.bad.url=http://127.0.0.1:1/",
                           "sink.bad.max_attempts=1", "sink.bad.breaker_failures=1000",
                           stderr=end, directory=directory)
        os.close(end)
        reader.join()
        self.assert_all_told_and_reloads_and_stops(quell, good, 300)
        self.assertGreater(len(self.seen_on(screen)), 4000)

    def test_a_stdout_that_nobody_reads_delays_nobody_and_its_lines_stay_whole(self):
        good = self.receiver()
        quell, file = self.unread("sink.good.type=webhook", "sink.good.url=" + good.url,
                                  "sink.out.type=stdout", "sink.out.format=json")
        quell.events(*[failure(f"job{number}") for number in range(200)])
        self.assertTrue(wait_for(lambda: len({message["data"]["id"]
                                              for message in good.messages}) == 200))
        self.assertLess(self.metric(quell, "delivered_total", "out"), 200)
        self.assertEqual(quell.stop(), 0)  # within a minute: a drain is five seconds
        lines = file.read().splitlines(keepends=True)
        self.assertGreater(len(lines), 1)
        for line in lines:
            self.assertTrue(line.endswith(b"\n"))
            json.loads(line)

    def test_a_stdout_that_is_read_slowly_gets_every_line_whole(self):
        """Of two sinks, and some longer than what a pipe takes at once."""
        quell, file = self.unread("sink.out.type=stdout", "sink.out.format=json",
                                  "sink.also.type=stdout", "sink.also.format=json")
        for number in range(10):
            job = f"{'long' * 50}{number}-"
            quell.events(failure(job), *[failure(f"{job}{below}", job) for below in range(40)])
        quell.settle()
        pending = lambda: (self.metric(quell, "pending", "out") +  # noqa: E731
                           self.metric(quell, "pending", "also"))
        self.assertTrue(wait_for(pending))
        text, until = b"", time.monotonic() + 60
        is_over = False
        while not is_over and time.monotonic() < until:
            is_over = pending() == 0  # and then what it has written until now
            while select.select([file], [], [], 0.2)[0]:
                text += file.read(2000)
        self.assertEqual(self.metric(quell, "attempts_failed_total", "out"), 0)
        lines = [json.loads(line) for line in text.splitlines()]
        self.assertGreater(max(map(len, text.splitlines())), 4096)
        self.assertEqual(len({line["id"] for line in lines}), 10)
        self.assertEqual(len(lines), self.metric(quell, "delivered_total", "out") +
                         self.metric(quell, "delivered_total", "also"))

    def test_an_incidents_messages_arrive_in_order(self):
        good = self.receiver()
        quell = self.quell("notify.group_wait=0s", "notify.group_interval=0s",
                           "sink.good.type=webhook", "sink.good.url=" + good.url,
                           "sink.good.backoff=20ms", "sink.good.breaker_failures=1000")
        for turn in range(20):
            good.status = 503 if turn % 3 == 1 else 200
            quell.events(failure("job"))
            quell.events({"job_id": "job", "status": "succeeded"})
        good.status = 200
        quell.settle()
        self.assertTrue(wait_for(lambda: good.messages and
                                 self.metric(quell, "pending", "good") == 0))
        times = [message["data"]["updated_at"] for message in good.messages]
        self.assertEqual(times, sorted(times))
        self.assertEqual(good.messages[-1]["data"]["status"], "resolved")

    def test_a_sink_that_was_away_hears_no_second_end_of_what_was_open_again_meanwhile(self):
        for restarts in (False, True):
            bad = self.receiver()
            quell = self.bad_sink(bad.url, "sink.bad.timeout=1m")
            fails = lambda run: quell.events(failure("job", run_id=run))  # noqa: E731
            ends = lambda run: quell.events(  # noqa: E731
                {"job_id": "job", "status": "succeeded", "run_id": run})
            superseded = lambda: self.metric(quell, "superseded_total", "bad")  # noqa: E731
            fails("1")
            ends("1")
            self.assertTrue(wait_for(lambda: bad.types() == ["opened", "resolved"]), bad.types())
            quell.settle()
            bad.status = 503
            fails("2")
            self.assertTrue(wait_for(lambda: self.metric(quell, "breaker_state", "bad") > 0, 20))
            ends("2")
            self.assertTrue(wait_for(lambda: superseded() == 1, 20))
            quell.settle()
            if restarts:
                quell.stop(signal.SIGKILL)
                quell.start()
            bad.status = 200
            self.assertTrue(wait_for(lambda: superseded() == (1 if restarts else 2), 20),
                            bad.types())
            fails("3")
            self.assertTrue(wait_for(lambda: bad.types()[2:] == ["updated"], 20), bad.types())
            ends("3")
            self.assertTrue(wait_for(lambda: bad.types()[2:] == ["updated", "resolved"], 20))

    def test_a_message_that_is_never_taken_is_a_dead_letter_after_max_attempts(self):
        bad = self.receiver()
        bad.status = 500
        quell, good = self.two_sinks(bad.url, "sink.bad.max_attempts=4", "sink.bad.timeout=1m")
        quell.events(failure("job"))
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/dlq")[1]["dead_letters"]))
        letter, = quell.get("/api/v1/dlq")[1]["dead_letters"]
        self.assertEqual((letter["sink"], letter["attempts"]), ("bad", 4))
        self.assertEqual(len(bad.headers), 4)
        self.assertTrue(wait_for(lambda: len(good.messages) == 1))
        counts = lambda: [quell.settle()["deliveries_" + word]  # noqa: E731
                          for word in ("ok", "failed", "dead")]
        self.assertTrue(wait_for(lambda: counts() == [1, 4, 1]), counts())

    def hook(self, url, backoff=100):
        return ('[notify]\ngroup_wait = "0s"\n[sink.hook]\ntype = "webhook"\n'
                f'url = "{url}"\nbackoff = "{backoff}ms"\n')

    def reload_text(self, quell, text):
        write_whole(os.path.join(quell.directory, "quell.toml"), text)
        quell.process.send_signal(signal.SIGHUP)

    def test_a_sink_that_a_reload_changes_is_told_everything_once(self):
        receiver = self.receiver()
        quell = self.quell(config="quell.toml", files={"quell.toml": self.hook(receiver.url)})
        for turn in range(120):
            quell.events(*[failure(f"job{turn}-{number}") for number in range(3)])
            if turn % 4 == 0:
                self.reload_text(quell, self.hook(receiver.url, 100 + turn))
        count = quell.settle()["incidents_opened"]
        self.assertTrue(wait_for(lambda: quell.settle()["deliveries_ok"] == count), count)
        ids = [headers["webhook-id"] for headers in receiver.headers]
        self.assertEqual(len(ids), len(set(ids)))

    def test_an_attempt_that_is_under_way_at_a_reload_ends_before_quell_does(self):
        receiver, begun = self.receiver(), threading.Event()
        take = receiver.take
        receiver.take = lambda *arguments: (begun.set(), time.sleep(2), take(*arguments))
        quell = self.quell(config="quell.toml", files={"quell.toml": self.hook(receiver.url)})
        quell.events(failure("job"))
        self.assertTrue(begun.wait(60))
        self.reload_text(quell, self.hook(receiver.url, 200))
        self.assertTrue(wait_for(lambda: "reloaded: " in quell.read_log()))
        self.assertEqual(quell.stop(), 0)
        quell.start()
        quell.events(failure("other"))
        self.assertTrue(wait_for(lambda: quell.settle()["deliveries_ok"] == 2))
        self.assertEqual(len(receiver.headers), 2)

    def test_a_sink_that_is_new_is_told_also_what_comes_while_its_reload_waits(self):
        hanging, receiver = Hanging(), self.receiver()
        self.addCleanup(hanging.close)
        quell = self.quell(config="quell.toml", files={"quell.toml": self.hook(hanging.url)})
        quell.events(failure("job"))
        self.assertTrue(wait_for(lambda: len(hanging.connections) == 1))
        self.reload_text(quell, self.hook(hanging.url, 200) + '[sink.new]\ntype = "webhook"\n'
                         f'url = "{receiver.url}"\n')
        self.assertTrue(wait_for(lambda: "reloaded: " in quell.read_log()))
        quell.events(failure("other"))
        self.assertTrue(wait_for(lambda: len(receiver.messages) == 1, 10), quell.said())
        self.assertEqual(quell.get("/api/v1/dlq")[1]["dead_letters"], [])

    def test_a_reload_waits_for_no_sink_that_hangs(self):
        hanging, receiver = Hanging(), self.receiver()
        self.addCleanup(hanging.close)
        quell = self.quell(config="quell.toml", files={"quell.toml": self.hook(hanging.url)})
        quell.events(failure("job"))
        self.assertTrue(wait_for(lambda: len(hanging.connections) == 1))
        self.reload_text(quell, self.hook(receiver.url))
        self.assertTrue(wait_for(lambda: len(receiver.messages) == 1, 10))

    def test_attempts_that_failed_are_counted_while_it_goes_on(self):
        receiver = self.receiver()
        receiver.status = 503
        quell = self.quell("notify.group_wait=0s", "sink.hook.type=webhook",
                           "sink.hook.url=" + receiver.url, "sink.hook.backoff=100ms",
                           "sink.hook.breaker_failures=1000", "sink.hook.max_attempts=1000")
        quell.events(failure("job"))
        quell.settle()
        counts = lambda: quell.get("/api/v1/stats")[1]["tenants"]["default"]  # noqa: E731
        self.assertTrue(wait_for(lambda: counts()["deliveries_failed"] >= 2))
        self.assertEqual((counts()["deliveries_ok"], counts()["deliveries_dead"]), (0, 0))
        quell.stop(signal.SIGKILL)
        quell.start()
        self.assertGreaterEqual(counts()["deliveries_failed"], 2)
        receiver.status = 200
        self.assertTrue(wait_for(lambda: counts()["deliveries_ok"] == 1))
        stats = quell.settle()
        self.assertLessEqual(stats["deliveries_failed"], len(receiver.headers) - 1)
        self.assertGreaterEqual(stats["deliveries_failed"], len(receiver.headers) - 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
