"""A data directory that was damaged while nobody looked: recovery is right, or refuses with file and
offset; a damaged state is made anew from the journal, equal row by row.

  python3 tests/crash/storage_test.py [--seed N]
"""
import argparse
import glob
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import disks
from clients import Client
from oracle import Oracle, cause, native_body
from process import Process
from receiver import Receiver

BINARY = os.environ.get("QUELL_BINARY", "build/quell")
SEED = random.randrange(1 << 32)
OVERRIDES = ["notify.group_wait=0s", "sink.hook.type=webhook", "sink.hook.backoff=20ms",
             "log.level=info"]


def check(directory):
    result = subprocess.run([BINARY, "check", "--data", os.path.join(directory, "data"), "--json"],
                            capture_output=True, text=True)
    return result.returncode, json.loads(result.stdout or "{}"), result.stderr


class Storage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """A data directory with some history, which each test damages a copy of."""
        cls.chance = random.Random(SEED)
        cls.template = tempfile.mkdtemp(prefix="quell-storage-")
        cls.receiver = Receiver(SEED)
        process = cls.process(cls.template)
        process.start()
        oracle = Oracle(os.path.join(cls.template, "obligations"))
        client = Client("native1", "native", process.http, oracle, SEED, 0)
        for number in range(150):
            client.send(cause(f"job{number}", cls.chance.randint(1, 9)))
        for number in range(0, 150, 3):
            good = [{"job_id": f"job{number}.0", "status": "succeeded"}]
            assert client.post("/v1/events", json.dumps(good).encode()) == 200
        cls.rest(client)
        assert process.stop() == 0
        oracle.file.close()
        client.disconnect()
        code, cls.found, words = check(cls.template)
        assert code == 0, words
        cls.job_count = 150

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.template)
        cls.receiver.close()

    @classmethod
    def rest(cls, client):
        """Until no timer is due: what blast radius and ranking lag behind. Each answer comes of a
        turn, also where the machine stood still in the meantime."""
        for _ in range(3):
            assert client.post("/v1/events", b'[{"job_id":"x","status":"strange"}]') == 400
            time.sleep(1)
        assert client.post("/v1/events", b'[{"job_id":"x","status":"strange"}]') == 400

    @classmethod
    def process(cls, directory, *overrides):
        return Process(BINARY, directory, os.environ.get("QUELL_IO", "epoll"),
                       OVERRIDES + ["sink.hook.url=" + cls.receiver.url, *overrides])

    def copy(self):
        directory = tempfile.mkdtemp(prefix="quell-storage-")
        self.addCleanup(shutil.rmtree, directory)
        shutil.copytree(os.path.join(self.template, "data"), os.path.join(directory, "data"))
        return directory

    def segments(self, directory):
        return sorted(glob.glob(os.path.join(directory, "data/shard-0/journal/*.qj")))

    def state(self, directory):
        return os.path.join(directory, "data/shard-0/state/data.mdb")

    def damage(self, path, offset, data):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    def flip(self, path, offset):
        with open(path, "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ (1 << self.chance.randrange(8))]))

    def test_an_intact_directory_is_whole_and_stays_as_it_was(self):
        before = {path: os.path.getmtime(path) for path in self.segments(self.template)}
        code, found, words = check(self.template)
        self.assertEqual((code, found["damages"], found["behind"], words), (0, 0, 0, ""))
        self.assertGreater(found["rows"], 500)
        self.assertEqual(before, {path: os.path.getmtime(path) for path in before})

    def test_a_damaged_state_is_made_anew_from_the_journal_equal_row_by_row(self):
        rebuilt = 0
        for number in range(12):
            directory = self.copy()
            size = os.path.getsize(self.state(directory))
            if number == 0:
                shutil.rmtree(os.path.dirname(self.state(directory)))
            elif number == 1:
                os.truncate(self.state(directory), size // 2)
            else:
                for _ in range(24):
                    self.flip(self.state(directory), self.chance.randrange(size))
            code, _, words = check(directory)
            if number > 0 and code != 0:
                self.assertRegex(words, r"data\.mdb is damaged at offset \d+")
                rebuilt += 1
            process = self.process(directory)
            process.start()
            self.assertEqual(len(process.incidents()), self.job_count)
            self.assertEqual(process.stop(), 0)
            self.assertEqual("made anew from the journal" in process.log_text(),
                             number > 0 and code != 0)
            code, found, words = check(directory)
            self.assertEqual((code, found["digest"]), (0, self.found["digest"]), words)
        self.assertGreater(rebuilt, 5)

    def test_without_the_journals_beginning_a_damaged_state_is_refused(self):
        directory = self.copy()
        first, = self.segments(directory)
        os.rename(first, first.replace("01.qj", "02.qj"))
        self.damage(self.state(directory), 0, bytes(8192))
        with self.assertRaises(AssertionError) as caught:
            self.process(directory).start()
        self.assertRegex(str(caught.exception), r"data\.mdb is damaged at offset 0")
        self.assertIn("the journal begins at record 2", str(caught.exception))

    def with_a_cut_journal(self):
        """A directory whose journal no longer begins at record 1, and what check says of it."""
        directory = tempfile.mkdtemp(prefix="quell-storage-")
        self.addCleanup(shutil.rmtree, directory)
        process = self.process(directory, "journal.segment_bytes=8MiB",
                               "journal.retention_bytes=16MiB")
        process.start()
        client = Client("native1", "native", process.http, None, SEED, 0)
        for number in range(240):
            names = cause(f"cut{number}", 9)
            path, body = native_body(names)
            body = body.replace(b'"boom"', b'"boom ' + b"x" * 15000 + b'"')
            self.assertEqual(client.post(path, body), 200)
            deadline = time.monotonic() + 60
            while number == 220 and "0001.qj" in self.segments(directory)[0]:
                self.assertLess(time.monotonic(), deadline, process.log_end())
                time.sleep(0.1)
        self.rest(client)
        client.disconnect()
        while len(glob.glob(os.path.join(directory, "data/shard-0/state.copy-*"))) > 1:
            self.assertLess(time.monotonic(), deadline + 60, process.log_end())
            time.sleep(0.1)  # the older copy goes when the newer is whole
        for _ in range(20):
            process.kill()
            code, found, words = check(directory)
            self.assertEqual((code, words), (0, ""))
            if found["behind"] == 0:  # else the last of what came is not in the state yet
                break
            process.start()
            time.sleep(1)
        self.assertEqual(found["behind"], 0)
        self.assertGreater(found["first_record"], 1)
        self.assertGreaterEqual(found["copy"] + 1, found["first_record"], process.log_end())
        return directory, found

    def test_behind_a_cut_journal_a_damaged_state_is_made_anew_from_its_copy(self):
        directory, before = self.with_a_cut_journal()
        for number in range(3):
            if number == 0:
                self.damage(self.state(directory), 0, bytes(8192))
            elif number == 1:
                os.truncate(self.state(directory), os.path.getsize(self.state(directory)) // 2)
            else:
                shutil.rmtree(os.path.dirname(self.state(directory)))
            process = self.process(directory)
            process.start()
            self.assertEqual(len(process.incidents()), 240)
            self.assertIn("made anew from the journal and", process.log_text())
            deadline = time.monotonic() + 60
            while "a copy of the state" not in process.log_text():  # a new one, for the next time
                self.assertLess(time.monotonic(), deadline, process.log_end())
                time.sleep(0.1)
            self.assertEqual(process.stop(), 0)
            os.unlink(os.path.join(directory, "log"))
            code, after, words = check(directory)
            self.assertEqual((code, after["digest"], words), (0, before["digest"], ""))

    def test_a_cut_journal_without_state_and_copy_is_not_whole(self):
        directory, before = self.with_a_cut_journal()
        shutil.rmtree(os.path.dirname(self.state(directory)))
        code, _, words = check(directory)
        self.assertEqual((code, words), (0, ""))  # the copy stands for it
        copy, = glob.glob(os.path.join(directory, "data/shard-0/state.copy-*"))
        shutil.rmtree(copy)
        code, found, words = check(directory)
        self.assertEqual((code, found["damages"]), (1, 1))
        self.assertIn(f"records 1 to {before['first_record'] - 1} are in neither", words)

    def test_a_state_whose_journal_is_gone_is_not_whole(self):
        directory = self.copy()
        segment, = self.segments(directory)
        os.unlink(segment)
        code, found, words = check(directory)
        self.assertEqual((code, found["damages"]), (1, 1))
        self.assertIn(f"ends at record 0, the state has applied {found['applied']}", words)
        self.assertIn("journal files are missing", self.fails_to_start(directory))

    def test_a_directory_in_which_nothing_happened_yet_is_whole(self):
        directory = tempfile.mkdtemp(prefix="quell-storage-")
        self.addCleanup(shutil.rmtree, directory)
        process = self.process(directory)
        process.start()
        self.assertEqual(process.stop(), 0)
        code, _, words = check(directory)
        self.assertEqual((code, words), (0, ""))
        for part in ("journal", "state"):
            shutil.rmtree(os.path.join(directory, "data/shard-0", part), ignore_errors=True)
            os.makedirs(os.path.join(directory, "data/shard-0", part))
        code, _, words = check(directory)
        self.assertEqual((code, words), (0, ""))

    def test_a_first_start_without_room_says_so_and_the_next_one_begins(self):
        disk = disks.tmpfs(96)
        self.addCleanup(disk.close)
        directory = tempfile.mkdtemp(prefix="quell-storage-")
        self.addCleanup(shutil.rmtree, directory)
        for pages in (0, 1, 2, 3, 4, 5):
            data = disk.join(f"data-{pages}")
            process = self.process(directory, "data_dir=" + data)
            disk.fill()
            with open(disk.join("ballast"), "r+b") as file:
                file.truncate(file.seek(0, os.SEEK_END) - pages * 4096)
            process.launch()
            self.assertEqual(process.process.wait(60), 1, f"{pages} pages: {process.log_end()}")
            self.assertIn("No space left on device", process.log_end())
            disk.empty()
            process.start()
            self.assertEqual(process.stop(), 0)
            shutil.rmtree(data)

    def test_a_disk_that_is_full_before_the_state_has_its_reserve_only_delays_the_next_start(self):
        disk = disks.tmpfs(96)
        self.addCleanup(disk.close)
        directory = tempfile.mkdtemp(prefix="quell-storage-")
        self.addCleanup(shutil.rmtree, directory)
        for has_reserve in (True, False):
            data = disk.join(f"data-{has_reserve}")
            process = self.process(directory, "data_dir=" + data, "journal.segment_bytes=8MiB")
            process.start()
            process.kill()
            if not has_reserve:
                state = os.path.join(data, "shard-0/state/data.mdb")
                shutil.copyfile(state, state + ".copy")
                os.replace(state + ".copy", state)
            disk.fill()
            process.launch()
            begin = time.monotonic()
            while not has_reserve and "waits for room" not in process.log_text():
                self.assertIsNone(process.process.poll(), process.log_end())
                self.assertLess(time.monotonic() - begin, 60)
                time.sleep(0.01)
            if not has_reserve:
                disk.empty()
            while not process.is_ready():
                self.assertIsNone(process.process.poll(), process.log_end())
                self.assertLess(time.monotonic() - begin, 60)
                time.sleep(0.01)
            if has_reserve:
                disk.empty()
            self.assertEqual(process.stop(), 0)
            shutil.rmtree(data)

    def test_a_start_on_a_full_disk_waits_for_room(self):
        disk = disks.tmpfs(160)
        self.addCleanup(disk.close)
        directory = tempfile.mkdtemp(prefix="quell-storage-")
        self.addCleanup(shutil.rmtree, directory)
        process = self.process(directory, "data_dir=" + disk.join("data"),
                               "journal.segment_bytes=8MiB")
        process.start()
        self.addCleanup(lambda: process.process.poll() is None and process.kill())
        client = Client("native1", "native", process.http, None, SEED, 0)
        self.rest(client)  # until the state has its reserve
        disk.fill()
        for count, size in ((100, 9000), (10, 9000), (1, 9000), (1, 1)):  # to the last block
            status = 200
            while status == 200:
                events = [{"job_id": f"job{n}", "status": "started", "run_id": str(time.time()),
                           "message": "m" * size} for n in range(count)]
                status = client.post("/v1/events", json.dumps(events).encode())
        client.disconnect()
        self.assertEqual(status, 429)
        process.kill()
        process.launch()
        begin = time.monotonic()
        while "waits for room" not in process.log_text():
            self.assertIsNone(process.process.poll(), process.log_end())
            self.assertLess(time.monotonic() - begin, 60)
            time.sleep(0.01)
        for _ in range(10):
            time.sleep(0.1)
            self.assertIsNone(process.process.poll(), process.log_end())
            self.assertEqual(process.get("/readyz")[0], 503)
        disk.empty()
        while not process.is_ready():
            self.assertIsNone(process.process.poll(), process.log_end())
            self.assertLess(time.monotonic() - begin, 60)
            time.sleep(0.01)
        self.assertEqual(process.stop(), 0)

    def test_a_snapshot_that_may_not_be_written_is_verified_too(self):
        mount = disks.Mount("--bind", "-o", "ro", os.path.join(self.template, "data"))
        self.addCleanup(mount.close)
        result = subprocess.run([BINARY, "check", "--data", mount.path, "--json"],
                                capture_output=True, text=True, timeout=120)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertEqual(json.loads(result.stdout)["digest"], self.found["digest"])
        result = subprocess.run([BINARY, "replay", "--data", mount.path],
                                capture_output=True, text=True, timeout=120)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_a_damaged_copy_is_not_used_and_told(self):
        directory, _ = self.with_a_cut_journal()
        copy, = glob.glob(os.path.join(directory, "data/shard-0/state.copy-*/data.mdb"))
        self.flip(copy, 3 * 4096 + self.chance.randrange(2, 8))
        code, _, words = check(directory)
        self.assertEqual(code, 1)
        self.assertIn(copy, words)
        self.damage(self.state(directory), 0, bytes(8192))
        words = self.fails_to_start(directory)
        self.assertIn("no sound copy of the state", words)
        self.assertIn(copy + " is damaged", words)

    def block_offsets(self, path):
        with open(path, "rb") as file:
            data = file.read()
        return [at for at in range(0, len(data), 4096) if data[at:at + 8] == b"QUELLBK1"]

    def test_a_flipped_bit_in_the_middle_is_found_told_and_skipped_by_block(self):
        directory = self.copy()
        segment, = self.segments(directory)
        offsets = self.block_offsets(segment)
        victim = self.chance.randrange(5, len(offsets) - 5)
        self.flip(segment, offsets[victim] + 70)
        code, found, words = check(directory)
        self.assertEqual((code, found["damages"]), (1, 1))
        self.assertIn(f"damaged at offset {offsets[victim]}", words)
        self.assertEqual(found["last_record"], self.found["last_record"])
        process = self.process(directory)
        process.start()
        self.assertEqual(len(process.incidents()), self.job_count)  # the state had it
        self.assertEqual(process.stop(), 0)

    def test_a_damaged_last_block_that_the_state_has_is_told_and_numbering_goes_on(self):
        directory = self.copy()
        segment, = self.segments(directory)
        self.damage(segment, self.block_offsets(segment)[-1], os.urandom(64))
        self.assertEqual(check(directory)[0], 1)
        process = self.process(directory)
        process.start()
        self.assertIn("numbering goes on behind them", process.log_text())
        client = Client("native1", "native", process.http, None, SEED, 0)
        path, body = native_body(["after.0"])
        self.assertEqual(client.post(path, body), 200)
        self.assertEqual(process.stop(), 0)
        process.start()
        self.assertEqual(len(process.incidents()), self.job_count + 1)
        self.assertEqual(process.stop(), 0)

    def test_an_unknown_format_is_refused_with_what_to_do(self):
        directory = self.copy()
        with open(os.path.join(directory, "data/FORMAT"), "w") as file:
            file.write("quell-data 0\n")
        for words in (check(directory)[2], self.fails_to_start(directory)):
            self.assertIn("use the quell that wrote it", words)
        segment, = self.segments(directory)
        shutil.copy(os.path.join(self.template, "data/FORMAT"), os.path.join(directory, "data"))
        self.damage(segment, 8, b"\x07")
        self.assertIn("has format 7", self.fails_to_start(directory))

    def fails_to_start(self, directory):
        with self.assertRaises(AssertionError) as caught:
            self.process(directory).start()
        return str(caught.exception)

    def seal(self, path):
        """Nothing can be made in the directory, by root either; refused: skipped."""
        result = subprocess.run(["chattr", "+i", path], capture_output=True, text=True)
        if result.returncode != 0:
            self.skipTest("chattr is refused here: " + result.stderr.strip())
        self.addCleanup(subprocess.run, ["chattr", "-i", path])

    def killed_with_a_message_to_come(self):
        """A directory that was left with a message two seconds before it is due, and its process."""
        directory = self.copy()
        process = self.process(directory, "notify.group_wait=2s")
        process.start()
        self.addCleanup(lambda: process.process.poll() is None and process.kill())
        client = Client("native1", "native", process.http, None, SEED, 0)
        path, body = native_body(["due.0"])
        begin = time.monotonic()
        self.assertEqual(client.post(path, body), 200)
        while len(process.incidents()) == self.job_count:
            self.assertLess(time.monotonic() - begin, 60)
        client.disconnect()
        process.kill()
        return directory, process, time.monotonic() - begin

    def test_a_shard_that_fails_in_its_first_turn_ends_the_start(self):
        for _ in range(20):  # until the machine stands still in none
            directory, process, seconds = self.killed_with_a_message_to_come()
            if seconds < 1.9:
                break
        segment, = self.segments(directory)  # ends before the state: the next record wants a new one
        self.damage(segment, self.block_offsets(segment)[-1], bytes(4096))
        time.sleep(2.1)  # until a message is due, which the first turn journals
        self.seal(os.path.dirname(segment))
        process.launch()
        self.assertEqual(process.process.wait(60), 1)
        # Or, when it failed between being ready and being given the configuration, with that.
        self.assertRegex(process.log_text(), "the shard did not start|"
                         "the configuration could not be journaled")

    def test_a_directory_in_use_and_one_that_is_none_are_refused(self):
        directory = self.copy()
        process = self.process(directory)
        process.start()
        code, _, words = check(directory)
        self.assertEqual(code, 1)
        self.assertIn("used by another quell", words)
        self.assertIn("used by another quell", self.fails_to_start(directory))
        process.stop()
        code, _, words = check("/nonexistent")
        self.assertEqual(code, 1)
        self.assertIn("is no data directory", words)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=SEED)
    options, rest = parser.parse_known_args()
    SEED = options.seed
    print(f"seed {SEED}; again: python3 tests/crash/storage_test.py --seed {SEED}", flush=True)
    unittest.main(verbosity=2, argv=sys.argv[:1] + rest)
