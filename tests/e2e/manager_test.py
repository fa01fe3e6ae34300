"""What a service manager (systemd) hears of a quell: that it starts, is ready, lives, stops."""
import json
import os
import signal
import socket
import tempfile
import threading
import time
import unittest
from unittest import mock

from harness import Story, wait_for


class Managed(Story):
    def manager(self):
        """A socket for what is told, and its path."""
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(manager.close)
        manager.bind(os.path.join(directory.name, "notify"))
        manager.settimeout(0.1)
        return manager, manager.getsockname()

    def notified(self, count=0, **variables):
        """A quell under a service manager; what it tells it in three seconds, or longer until that is
        more than `count`; and for how long it was listened to."""
        manager, path = self.manager()
        with mock.patch.dict(os.environ, NOTIFY_SOCKET=path, **variables):
            quell = self.quell()
        told, begun = [], time.time()
        while True:
            try:
                told.append(manager.recv(4096).decode())
            except TimeoutError:
                if quell.process.poll() is not None:
                    return told, time.time() - begun
                if time.time() > begun + (3 if len(told) > count else 60):
                    quell.stop()

    def test_a_service_manager_hears_that_it_is_ready_lives_and_stops(self):
        told, seconds = self.notified(count=5, WATCHDOG_USEC="600000")
        self.assertEqual((told[0], told[-1]), ("READY=1", "STOPPING=1"))
        self.assertEqual(set(told[1:-1]), {"WATCHDOG=1"})
        self.assertGreater(len(told), 5)  # half of 600 ms, in 3 s, on a busy machine
        self.assertLess(len(told), 7 * seconds)
        for nobody in ({}, {"WATCHDOG_USEC": "0"}, {"WATCHDOG_USEC": "600000", "WATCHDOG_PID": "1"}):
            self.assertEqual(self.notified(**nobody)[0], ["READY=1", "STOPPING=1"])

    def test_the_log_says_who_stopped_it_and_that_all_is_kept(self):
        for number in signal.SIGTERM, signal.SIGINT:
            quell = self.quell()
            self.assertEqual(quell.stop(number), 0)
            asked, done = [json.loads(line) for line in quell.read_log().splitlines()[-2:]]
            self.assertEqual({asked["level"], done["level"]}, {"info"})
            self.assertEqual((asked["message"], done["message"]), (
                f"stopping, by {number.name} of user {os.getuid()}, process {os.getpid()}",
                "stopped: what was received is committed"))

    def replay_for_long(self, copies):
        """What is told of a start that replays so many times 40,000 records, stopped in it; None:
        the replay was over by then."""
        quell = self.quell("notify.group_wait=1h")
        lines = [json.dumps({"job_id": f"j{number % 1000}", "message": "x",
                             "status": "failed" if number // 1000 % 2 else "succeeded"})
                 for number in range(40000)]
        for _ in range(copies):
            self.assertTrue(wait_for(lambda: quell.request(
                "POST", "/v1/events", "\n".join(lines))[0] == 200))
        quell.stop()
        state = os.path.join(quell.directory, "quell-data", "shard-0", "state", "data.mdb")
        with open(state, "r+b") as file:
            file.write(b"\0" * 8192)
        manager, path = self.manager()
        with mock.patch.dict(os.environ, NOTIFY_SOCKET=path):
            start = threading.Thread(target=quell.start)
            start.start()
            deadline = time.time() + 60
            while "made anew" not in quell.read_log() and time.time() < deadline:
                time.sleep(0.001)
        quell.process.send_signal(signal.SIGSTOP)  # in the replay: it takes its time
        time.sleep(2.5)
        quell.process.send_signal(signal.SIGCONT)
        start.join(60)
        manager.settimeout(60)
        told = []
        while not told or told[-1] != "READY=1":
            told.append(manager.recv(4096).decode())
        return told if told != ["READY=1"] else None

    def test_a_start_that_replays_for_long_asks_for_more_time(self):
        for copies in (3, 6, 12):  # the test itself may stand still before the stop
            told = self.replay_for_long(copies)
            if told is not None:
                break
        self.assertGreaterEqual(len(told or []), 3, told)
        for extension in told[:-2]:  # one a second: a slow machine takes longer than the stop
            self.assertRegex(extension, r"\AEXTEND_TIMEOUT_USEC=60000000\nSTATUS=starting: .*: \d+\Z")
        self.assertEqual(told[-2:], ["STATUS=", "READY=1"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
