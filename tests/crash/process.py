"""The real binary on fixed ports, so that clients find it again after each restart."""
import glob
import http.client
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
from ports import free_port


class Process:
    def __init__(self, binary, directory, io, overrides):
        self.directory = directory
        self.http, self.console = free_port(), free_port()
        self.command = [binary, "run", "--config", "/dev/null"]
        for one in [f"listen.http=127.0.0.1:{self.http}", "listen.grpc=127.0.0.1:0",
                    f"listen.console=127.0.0.1:{self.console}", "tenants_dir=/nonexistent",
                    "data_dir=" + os.path.join(directory, "data"), f"server.io={io}", *overrides]:
            self.command += ["--set", one]
        self.process, self.descriptors = None, None

    def launch(self):
        with open(os.path.join(self.directory, "log"), "a") as log:
            prefix = ["prlimit", f"--nofile={self.descriptors}"] if self.descriptors else []
            self.process = subprocess.Popen(prefix + self.command, stderr=log,
                                            stdout=subprocess.DEVNULL)
        return time.monotonic()

    def start(self, seconds=60):
        """Seconds from exec to /readyz 200. While quell was down, a stranger may have been given its
        port for a moment: then it is launched again."""
        begin, launches = self.launch(), 1
        while time.monotonic() - begin < seconds:
            if self.process.poll() is not None:
                if launches == 10 or not self.log_end().endswith("Address already in use\n"):
                    raise AssertionError("quell ended:\n" + self.log_end())
                time.sleep(1)
                begin, launches = self.launch(), launches + 1
            if self.is_ready():
                return time.monotonic() - begin
            time.sleep(0.003)
        raise AssertionError("quell is not ready:\n" + self.log_end())

    def is_ready(self):
        try:
            return self.get("/readyz", 10)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def get(self, path, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.console, timeout=timeout)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def cpu_seconds(self, with_waits=False):
        """That its threads have had, to the microsecond: what the clock says on a quiet machine.
        With those for which they were ready to run and others had the CPU."""
        spent = 0
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/schedstat"):
            try:
                with open(path) as file:
                    had, waited, _ = map(int, file.read().split())
                    spent += had + (waited if with_waits else 0)
            except OSError:
                pass  # the thread has ended
        return spent / 1e9

    def json(self, path):
        status, text = self.get(path)
        assert status == 200, (path, status, text)
        return json.loads(text)

    def incidents(self):
        found, cursor = [], ""
        while cursor is not None:
            page = self.json("/api/v1/incidents?limit=500" + (f"&cursor={cursor}" if cursor else ""))
            found += page["incidents"]
            cursor = page["next_cursor"]
        return found

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def log_text(self):
        with open(os.path.join(self.directory, "log")) as file:
            return file.read()

    def log_end(self):
        return self.log_text()[-2000:]
