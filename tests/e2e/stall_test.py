"""A process that stood still: who sent in time, or was in the middle of it, is not cut off for that."""
import json
import signal
import socket
import threading
import time
import unittest

import http2_peer
from harness import Story, failure


class Stall(Story):
    def stand_still(self, quell, seconds, begin, go_on):
        """What `go_on` gives of what `begin` gave, with the process stopped from between the two on,
        for so long; all again when the test itself stood still."""
        for _ in range(30):
            begun = time.monotonic()
            state = begin()
            quell.process.send_signal(signal.SIGSTOP)
            is_in_time = time.monotonic() < begun + 1.5
            try:
                result = go_on(state)
                time.sleep(seconds)
            finally:
                quell.process.send_signal(signal.SIGCONT)
            if is_in_time:
                break
        return result

    def connect(self, quell, data):
        connection = socket.create_connection(("127.0.0.1", quell.http), timeout=60)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    def test_who_sent_in_time_is_answered_when_the_process_stood_still(self):
        quell = self.quell(*(f'server.{what}_timeout="4s"' for what in ("header", "body", "idle")))
        body = json.dumps(failure("load")).encode()
        head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        whole = head + body

        def begin():
            begun = [(self.connect(quell, whole[:size]), size) for _ in range(50)
                     for size in (0, 20, len(head), len(whole) - 5)]  # more than one poll tells of
            idle = self.connect(quell, whole)
            self.assertIn(b"HTTP/1.1 200 OK", idle.recv(65536))
            return [*begun, (idle, 0)]

        def go_on(begun):
            for connection, size in begun:
                connection.sendall(whole[size:])
            return [connection for connection, _ in begun] + [self.connect(quell, whole)]
        answers = {connection.recv(65536)[:12]
                   for connection in self.stand_still(quell, 4.5, begin, go_on)}
        self.assertLessEqual(answers, {b"HTTP/1.1 200", b"HTTP/1.1 429"})  # heard, all of them

    def test_a_long_body_is_taken_when_the_process_stood_still_in_it(self):
        quell = self.quell('server.body_timeout="2s"')
        line = json.dumps(failure("load")).encode() + b"\n"
        body = line * (12 * 2**20 // len(line))  # more than the sockets hold
        head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)

        def begin():
            connection = self.connect(quell, head + body[:1000])
            time.sleep(0.3)  # received, and not by the stop only
            return connection

        def go_on(connection):
            sender = threading.Thread(target=connection.sendall, args=(body[1000:],))
            sender.start()
            return connection, sender
        connection, sender = self.stand_still(quell, 8, begin, go_on)
        self.assertIn(connection.recv(65536)[:12], (b"HTTP/1.1 200", b"HTTP/1.1 429"))
        sender.join(60)

    def test_a_stream_is_taken_when_the_process_stood_still_in_it(self):
        quell = self.quell('server.body_timeout="2s"', 'server.idle_timeout="3s"')
        line = json.dumps(failure("load")).encode()

        def begin():
            peer = http2_peer.Peer(quell.grpc)
            self.addCleanup(peer.socket.close)
            peer.send(http2_peer.frame(http2_peer.HEADERS, http2_peer.END_HEADERS, 1,
                                       http2_peer.head(b"/v1/events")) +
                      http2_peer.frame(http2_peer.DATA, 0, 1, line[:9]))
            peer.read_frames(0.2)
            return peer
        peer = self.stand_still(quell, 8, begin, lambda peer: peer)
        time.sleep(0.5)  # it was waiting for room in its window, say
        peer.send(http2_peer.frame(http2_peer.DATA, http2_peer.END_STREAM, 1, line[9:]))
        frames = peer.read_frames(until=lambda kind, stream, _: kind == http2_peer.DATA and stream)
        self.assertIn(b"accepted", frames[-1][2])


if __name__ == "__main__":
    unittest.main(verbosity=2)
