"""Clients that never forget: each sends a cause until it is acknowledged, whatever happens."""
import http.client
import random
import threading
import time

from oracle import cause, native_body, otlp_body


class Client(threading.Thread):
    """Sends causes named <name>.<number> at about `rate` a second. An answer that never came means
    that the same ids are sent again: idempotency is under test too."""

    def __init__(self, name, kind, port, oracle, seed, rate):
        super().__init__(daemon=True)
        self.client, self.kind, self.port, self.oracle = name, kind, port, oracle
        self.chance, self.rate = random.Random(f"{seed}/{name}"), rate
        self.stopping, self.errors = threading.Event(), []
        self.repeats = self.throttled = 0

    def run(self):
        number = 0
        while not self.stopping.is_set():
            number += 1
            count = self.chance.randint(1, 5) if self.kind == "native" else 1
            self.send(cause(f"{self.client}.{number}", count))
            time.sleep(self.chance.uniform(0, 2 / self.rate))
        self.disconnect()

    def send(self, names):
        path, body = (native_body if self.kind == "native" else otlp_body)(names)
        self.oracle.write("sent", names)
        first = True
        while not self.stopping.is_set():
            self.repeats += not first
            first = False
            status = self.post(path, body)
            if status == 200:
                self.oracle.write("acknowledged", names)
                return
            if status not in (None, 429, 503):
                self.errors.append(f"{status} for {names}")
                return
            self.throttled += status is not None
            time.sleep(0.02)

    connection = None

    def disconnect(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def post(self, path, body):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            self.connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = self.connection.getresponse()
            response.read()
            return response.status
        except (OSError, http.client.HTTPException):
            self.disconnect()
            return None
