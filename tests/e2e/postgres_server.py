"""A PostgreSQL 15 of the test's own, in a directory of its own, that can be stopped and frozen."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from harness import Story, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
from ports import free_port  # noqa: E402

PROGRAMS = "/usr/lib/postgresql/15/bin"


class Postgres:
    def __init__(self):
        # The server refuses to run as root; Debian's package brings a user.
        self.user = "postgres" if os.getuid() == 0 else None
        self.directory = tempfile.mkdtemp(prefix="quell-pg-")
        if self.user:
            shutil.chown(self.directory, self.user)
        self.data = os.path.join(self.directory, "data")
        self.port = free_port()
        self.dsn = f"postgresql://quell:s3cret-pg@127.0.0.1:{self.port}/postgres"
        self.run("initdb", "-D", self.data, "-U", "quell", "-A", "trust", "-E", "UTF8",
                 "--locale=C", "--no-sync")
        self.start()

    def run(self, program, *arguments):
        subprocess.run([os.path.join(PROGRAMS, program), *arguments], check=True, user=self.user,
                       cwd=self.directory, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def start(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-l", os.path.join(self.directory, "log"), "-o",
                 f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off "
                 f"-c unix_socket_directories={self.directory}", "start")

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-m", "fast", "stop")

    def psql(self, sql, check=True):
        return subprocess.run(["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", self.dsn, "-c", sql],
                              check=check, text=True, capture_output=True).stdout.strip()

    def rows(self, sql):
        return [line.split("|") for line in self.psql(sql, check=False).splitlines()]

    def hold(self, sql):
        """A session that runs sql, which is to wait, until it is ended."""
        return subprocess.Popen(["psql", "-X", "-At", self.dsn, "-c", sql],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def processes(self):
        with open(os.path.join(self.data, "postmaster.pid")) as file:
            postmaster = int(file.readline())
        found = [postmaster]
        for path in glob.glob(f"/proc/{postmaster}/task/*/children"):
            with open(path) as file:
                found += [int(word) for word in file.read().split()]
        return found

    def freeze(self):
        self.frozen = self.processes()
        for process in self.frozen:
            os.kill(process, signal.SIGSTOP)

    def thaw(self):
        for process in reversed(self.frozen):
            os.kill(process, signal.SIGCONT)

    def close(self):
        if os.path.exists(os.path.join(self.data, "postmaster.pid")):
            self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


@unittest.skipUnless(os.path.exists(PROGRAMS) or os.environ.get("CI"), "needs postgresql-15")
class DatabaseStory(Story):
    """Stories with one server for all of them, emptied before each."""

    @classmethod
    def setUpClass(cls):
        cls.postgres = Postgres()
        cls.addClassCleanup(cls.postgres.close)

    def setUp(self):
        self.postgres.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public;"
                           "DROP SCHEMA IF EXISTS ops CASCADE")

    def wait_for_rows(self, sql, rows, seconds=60):
        self.assertTrue(wait_for(lambda: self.postgres.rows(sql) == rows, seconds),
                        (self.postgres.rows(sql), rows))
