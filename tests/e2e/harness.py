"""A running quell, a webhook receiver that checks every payload, and small HTTP helpers."""
import http.client
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

import jsonschema

BINARY = os.environ["QUELL_BINARY"]
SOURCE = os.environ["QUELL_SOURCE"]
# Sanitizers take memory and time of their own.
IS_SANITIZED = os.environ.get("QUELL_SANITIZE", "none") != "none"
SHARED = os.path.join(SOURCE, "..", "shared", "data")
with open(os.path.join(SOURCE, "schemas", "incident.schema.json")) as file:
    SCHEMA = json.load(file)


class Server:
    """Serves HTTP on a port of its own, in threads, until it is closed."""

    def serve(self, handler, path=""):
        handler.log_message = lambda *_: None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}{path}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Receiver(Server):
    """Takes webhooks; answers what `status` says; keeps bodies and headers."""

    def __init__(self):
        self.messages, self.headers, self.errors, self.status = [], [], [], 200
        receiver = self

        # A port that another test gave back may still be called by that test's quell.
        self.path = "/hook-" + os.urandom(8).hex()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if not self.path.startswith(receiver.path):
                    self.send_error(404)
                    return
                receiver.take(dict(self.headers), body)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.serve(Handler, self.path)

    def take(self, headers, body):
        if self.status != 200:
            self.headers.append(headers)
            return
        message = json.loads(body)
        try:
            jsonschema.validate(message["data"], SCHEMA)
            assert re.fullmatch(r"incident\.(opened|updated|resolved)", message["type"])
        except Exception as error:  # told by the test: a thread's exception would be lost
            self.errors.append(str(error)[:400])
        self.headers.append(headers)
        self.messages.append(message)

    def types(self):
        return [message["type"].split(".")[1] for message in self.messages]


class Console(Server):
    """Stands in for a quell's console: `answer(method, path)` gives status and value."""

    def __init__(self, answer):
        console = self
        self.asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                console.asked.append(f"{self.command} {self.path}")
                status, value = answer(self.command, self.path)
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

        self.serve(Handler)
        self.console = self.port


class Quell:
    """The real binary on free ports in a directory of its own."""

    ALWAYS = ("listen.http=127.0.0.1:0", "listen.grpc=127.0.0.1:0", "listen.console=127.0.0.1:0")

    def __init__(self, *overrides, files=None, directory=None, stdout=None, stderr=None,
                 config=None):
        self.stdout = stdout  # a descriptor; else a file, "out"
        self.stderr = stderr  # too; somebody else then fills the file "log"
        self.directory = directory or tempfile.mkdtemp(prefix="quell-test-")
        self.overrides = list(overrides)
        self.config = config
        for name, text in (files or {}).items():
            path = os.path.join(self.directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as file:
                file.write(text)
        try:
            self.start()
        except AssertionError:  # says what the log says
            shutil.rmtree(self.directory, ignore_errors=True)
            raise

    def start(self):
        command = [BINARY, "run"] + (["--config", self.config] if self.config else [])
        always = [*self.ALWAYS, "server.io=" + os.environ.get("QUELL_IO", "auto")]
        for override in always + self.overrides:
            command += ["--set", override]
        self.log = open(os.path.join(self.directory, "log"), "a+")
        start = self.log.seek(0, os.SEEK_END)
        with open(os.path.join(self.directory, "out"), "a") as out:
            self.process = subprocess.Popen(command, cwd=self.directory,
                                            stdout=out if self.stdout is None else self.stdout,
                                            stderr=self.log if self.stderr is None else self.stderr)
        deadline = time.time() + 60
        while time.time() < deadline:
            if self.process.poll() is not None:
                raise AssertionError("quell ended: " + self.said(start))
            found = re.search(r"ingest on port (\d+), console on port (\d+)", self.read_log(start))
            if found:
                self.http, self.console = int(found[1]), int(found[2])
                self.grpc = int(re.search(r"for gRPC on port (\d+)", self.read_log(start))[1])
                return
            time.sleep(0.01)
        raise AssertionError("quell does not listen: " + self.read_log())

    def thread_ports(self):
        """Of each ingest thread: with port 0 asked for, each has one of its own."""
        return [int(port) for port in re.findall(r"listening on port (\d+) with", self.read_log())]

    def read_log(self, start=0):
        with open(os.path.join(self.directory, "log")) as file:
            file.seek(start)
            return file.read()

    def said(self, start=0):
        """The log's messages without their JSON, one a line."""
        return "\n".join(json.loads(line)["message"] if line.startswith("{") else line
                         for line in self.read_log(start).splitlines())

    def stop(self, signal_number=signal.SIGTERM):
        self.process.send_signal(signal_number)
        code = self.process.wait(60)
        self.log.close()
        return code

    def close(self):
        code = self.stop() if self.process.poll() is None else self.process.returncode
        shutil.rmtree(self.directory, ignore_errors=True)
        return code

    def request(self, method, path, body=None, headers=None, port=None):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.http, timeout=60)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, text, response.headers

    def post(self, path, value, headers=None):
        body = value if isinstance(value, (bytes, str)) else json.dumps(value)
        status, text, _ = self.request("POST", path, body,
                                       {"Content-Type": "application/json", **(headers or {})})
        return status, json.loads(text)

    def events(self, *events, **headers):
        status, answer = self.post("/v1/events", list(events), headers)
        assert status == 200 and answer["rejected"] == 0, answer
        return answer

    def get(self, path):
        status, text, _ = self.request("GET", path, port=self.console)
        return status, json.loads(text)

    def metric(self, name):
        """The sum of a metric's samples on /metrics."""
        text = self.request("GET", "/metrics", port=self.console)[1].decode()
        found = re.findall(rf"^{name}(?:{{.*}})? ([0-9.e+-]+)$", text, re.M)
        return sum(float(one) for one in found)

    def incidents(self, query=""):
        return self.get("/api/v1/incidents?limit=1000" + query)[1]["incidents"]

    def settle(self):
        """Waits until everything sent is applied and committed."""
        before = None
        while True:
            now = self.get("/api/v1/stats")[1]
            if now == before and now["journal_lag_events"] == 0:
                return now
            before = now
            time.sleep(0.08)


def wait_for(condition, seconds=60):
    deadline = time.time() + seconds
    while time.time() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def write_whole(path, text):
    """A file that quell watches is seen as it was or as it is, not half of it."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def failure(job, *upstream, **more):
    return {"job_id": job, "status": "failed", "message": "boom", "error_type": "Timeout",
            "depends_on": ["job:" + name for name in upstream], **more}


def listed(quell, *words):
    """The first column of what a command lists, page by page, and how many pages there were."""
    found, pages, cursor = [], 0, []
    while True:
        result = subprocess.run([BINARY, *words, *cursor, "--console",
                                 f"127.0.0.1:{quell.console}"], capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        found += [line.split()[0] for line in result.stdout.splitlines()]
        pages += 1
        more = re.fullmatch(r"more: (--cursor) (\S+)\n", result.stderr)
        if more is None:
            assert result.stderr == "", result.stderr
            return found, pages
        cursor = more.groups()


fakes_names = unittest.skipUnless(os.environ.get("QUELL_PRELOAD_FAKE_NAMES"),
                                  "names cannot be faked here")


class Story(unittest.TestCase):
    """A test case with a quell and a receiver that are gone afterwards."""

    def quell(self, *overrides, **more):
        quell = Quell(*overrides, **more)
        self.addCleanup(quell.close)
        return quell

    def quell_with_fake_names(self, *overrides, **more):
        """One that finds the addresses of fake_names.c."""
        os.environ["LD_PRELOAD"] = os.environ["QUELL_PRELOAD_FAKE_NAMES"]
        try:
            return self.quell(*overrides, **more)
        finally:
            del os.environ["LD_PRELOAD"]

    def receiver(self):
        receiver = Receiver()
        self.addCleanup(receiver.close)
        return receiver
