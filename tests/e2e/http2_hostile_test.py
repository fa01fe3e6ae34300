"""Hostile HTTP/2, frame by frame: refused without harm to others (RFC 9113)."""
import socket
import struct
import time
import unittest

from harness import Story, wait_for
from http2_peer import *


class Hostile(Story):
    def setUp(self):
        self.server = self.quell("server.body_timeout=\"2s\"")

    def tearDown(self):
        peer = Peer(self.server.grpc)
        body = b'{"job_id":"load","status":"failed"}'
        peer.send(frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, END_STREAM, 1, body))
        frames = peer.read_frames(until=lambda kind, stream, _: kind == DATA and stream == 1)
        self.assertIn((DATA, 1, b'{"accepted":1,"rejected":0,"errors":[]}'), frames)
        peer.socket.close()
        self.assertEqual(self.server.stop(), 0)

    def assert_goaway(self, code, data, settings=b""):
        peer = Peer(self.server.grpc, settings)
        peer.send(data)
        self.assertIn(peer.goaway(), code if isinstance(code, tuple) else (code,))
        peer.socket.close()

    def test_rapid_reset(self):
        peer = Peer(self.server.grpc)
        for i in range(40):
            peer.send(b"".join(
                frame(HEADERS, END_HEADERS, 2 * (100 * i + k) + 1, head()) +
                frame(RST, 0, 2 * (100 * i + k) + 1, struct.pack(">I", CANCEL))
                for k in range(100)))
        self.assertIn(peer.goaway(), (CALM, None))  # or reset by TCP, as we still sent
        peer.socket.close()

    def test_floods_of_control_frames(self):
        for flood in (frame(PING, 0, 0, bytes(8)), frame(SETTINGS),
                      frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535) * 8),
                      frame(WINDOW, 0, 0, struct.pack(">I", 1)),
                      frame(PRIORITY, 0, 1, struct.pack(">IB", 0, 1))):
            peer = Peer(self.server.grpc)
            peer.send(flood * 3000)
            self.assertIn(peer.goaway(), (CALM, None))
            peer.socket.close()

    def test_a_flood_of_empty_data(self):
        peer = Peer(self.server.grpc)
        peer.send(frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, 0, 1) * 3000)
        self.assertIn(peer.goaway(), (CALM, None))
        peer.socket.close()

    def test_a_flood_of_continuations(self):
        peer = Peer(self.server.grpc)
        peer.send(frame(HEADERS, 0, 1, head()) + frame(CONTINUATION, 0, 1, b"") * 3000)
        peer.goaway()
        peer.socket.close()
        peer = Peer(self.server.grpc)
        peer.send(frame(HEADERS, 0, 1, head()) +
                  frame(CONTINUATION, 0, 1, literal(b"x", b"y" * 5000) * 3) * 100)
        peer.goaway()
        peer.socket.close()

    def test_headers_without_end_are_refused(self):
        peer = Peer(self.server.grpc)
        peer.send(frame(HEADERS, END_HEADERS, 1, head(b"/v1/logs", (b"a", b"b" * 9000))))
        big = literal(b"c", b"d" * 5000) * 3
        peer.send(frame(HEADERS, 0, 3, head(b"/v1/logs")) + frame(CONTINUATION, 0, 3, big) * 2 +
                  frame(CONTINUATION, END_HEADERS, 3, big))
        heads = [payload for kind, stream, payload in peer.read_frames(
            until=lambda kind, stream, _: stream == 3 and kind in (HEADERS, RST)) if stream == 3]
        self.assertTrue(heads)
        peer.socket.close()

    def test_a_hundred_pings_are_answered(self):
        peer = Peer(self.server.grpc)
        peer.send(b"".join(frame(PING, 0, 0, struct.pack(">Q", i)) for i in range(100)))
        frames = peer.read_frames(until=lambda kind, _, payload: kind == PING
                                  and payload == struct.pack(">Q", 99))
        self.assertEqual(sum(kind == PING for kind, *_ in frames), 100)
        peer.socket.close()

    def test_frame_errors_end_the_connection(self):
        cases = [
            (SIZE, frame(PING, 0, 0, b"short")), (PROTOCOL, frame(PING, 0, 1, bytes(8))),
            (SIZE, frame(SETTINGS, 0, 0, b"xxx")), (PROTOCOL, frame(SETTINGS, 0, 1)),
            (SIZE, frame(SETTINGS, ACK, 0, bytes(6))),
            (PROTOCOL, frame(DATA, 0, 0, b"x")), ((PROTOCOL, CLOSED), frame(DATA, 0, 1, b"x")),
            (PROTOCOL, frame(HEADERS, END_HEADERS, 2, head())),
            (PROTOCOL, frame(HEADERS, END_HEADERS, 0, head())),
            (PROTOCOL, frame(CONTINUATION, END_HEADERS, 1, head())),
            (PROTOCOL, frame(HEADERS, 0, 1, head()) + frame(PING, 0, 0, bytes(8))),
            (COMPRESSION, frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff")),
            (SIZE, struct.pack(">I", 20000)[1:] + bytes([DATA, 0, 0, 0, 0, 1]) + bytes(20000)),
            (PROTOCOL, frame(PUSH, END_HEADERS, 1, struct.pack(">I", 2))),
            (PROTOCOL, frame(SETTINGS, 0, 0, struct.pack(">HI", 2, 7))),
            (FLOW, frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 31))),
            (PROTOCOL, frame(RST, 0, 1, struct.pack(">I", 0))),
            (PROTOCOL, frame(WINDOW, 0, 0, struct.pack(">I", 0))),
            (FLOW, frame(WINDOW, 0, 0, struct.pack(">I", (1 << 31) - 1)) * 2),
        ]
        for number, (code, data) in enumerate(cases):
            with self.subTest(number):
                self.assert_goaway(code, data)

    def test_a_window_overflow_of_a_stream_resets_it(self):
        peer = Peer(self.server.grpc)
        peer.send(frame(HEADERS, END_HEADERS, 1, head()) +
                  frame(WINDOW, 0, 1, struct.pack(">I", (1 << 31) - 1)) * 2)
        self.assertEqual(peer.reset(1), FLOW)
        peer.socket.close()

    def test_more_streams_than_allowed_are_refused(self):
        peer = Peer(self.server.grpc)
        peer.read_frames(0.2)
        peer.send(frame(SETTINGS, ACK))
        time.sleep(0.05)
        peer.send(b"".join(frame(HEADERS, END_HEADERS, 2 * i + 1, head()) for i in range(129)))
        self.assertEqual(peer.goaway(), PROTOCOL)
        peer.socket.close()

    def test_malformed_requests_are_reset(self):
        for fields in (literal(b":method", b"POST"), head() + literal(b"Upper", b"x"),
                       head() + literal(b"connection", b"close"),
                       literal(b"x", b"y") + head(), head() + literal(b"content-length", b"7")):
            peer = Peer(self.server.grpc)
            peer.send(frame(HEADERS, END_HEADERS, 1, fields) + frame(DATA, END_STREAM, 1, b"[]"))
            self.assertEqual(peer.reset(1), PROTOCOL, fields)
            peer.socket.close()

    def test_a_body_beyond_its_limit_is_answered_before_it_came(self):
        peer = Peer(self.server.grpc)
        peer.send(frame(HEADERS, END_HEADERS, 1, head(b"/v1/events", (
            b"content-length", b"99999999999"))))
        frames = peer.read_frames(until=lambda kind, stream, _: kind == RST and stream == 1)
        self.assertIn(HEADERS, [kind for kind, stream, _ in frames if stream == 1])
        self.assertEqual(frames[-1], (RST, 1, struct.pack(">I", NO_ERROR)))
        peer.socket.close()

    def test_a_body_that_never_comes_is_cut_off_and_counted(self):
        peer = Peer(self.server.grpc)
        peer.send(frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, 0, 1, b"{"))
        frames = peer.read_frames(until=lambda kind, stream, _: kind == RST and stream == 1)
        self.assertIn(HEADERS, [kind for kind, stream, _ in frames if stream == 1])
        self.assertEqual(self.server.metric("quell_clients_slow_total"), 1)
        peer.socket.close()

    def test_a_peer_that_leaves_half_way(self):
        for data in (PREFACE[:10], PREFACE, PREFACE + frame(HEADERS, END_HEADERS, 1, head()),
                     PREFACE + frame(HEADERS, 0, 1, head())[:20], PREFACE + b"\xff" * 64):
            for closes in (True, False):
                peer = socket.create_connection(("127.0.0.1", self.server.grpc), timeout=60)
                peer.sendall(data)
                if closes:
                    peer.close()
                else:
                    peer.shutdown(socket.SHUT_WR)
                    self.drain(peer)
                    peer.close()

    def drain(self, peer):
        while peer.recv(65536):
            pass

    def test_a_reader_that_opens_no_window_holds_nobody_up(self):
        peer = Peer(self.server.grpc, struct.pack(">HI", 4, 0))
        body = b'{"job_id":"stuck","status":"failed"}'
        for stream in range(1, 41, 2):
            peer.send(frame(HEADERS, END_HEADERS, stream, head()) +
                      frame(DATA, END_STREAM, stream, body))
        frames = peer.read_frames(until=lambda kind, stream, _: kind == HEADERS and stream == 39)
        self.assertNotIn(DATA, [kind for kind, *_ in frames])
        peer.socket.close()

    def test_who_opens_no_window_for_an_answer_is_cut_off_in_time(self):
        server = self.quell("server.send_timeout=\"1s\"")
        peer = Peer(server.grpc, struct.pack(">HI", 4, 0))
        body = b'{"job_id":"stuck","status":"failed"}'
        peer.send(frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, END_STREAM, 1, body))
        for _ in range(200):  # a byte now and then is no reading
            peer.read_frames(0.3)
            if peer.ended:
                break
            peer.send(frame(WINDOW, 0, 1, struct.pack(">I", 1)))
        self.assertTrue(peer.ended)
        self.assertEqual(server.metric("quell_clients_slow_total"), 1)
        peer.socket.close()

    def test_the_largest_request_fits_into_the_room_for_all(self):
        server = self.quell("server.max_buffered_bytes=200KiB", "server.max_request_bytes=200KiB")
        peer = Peer(server.grpc)
        peer.read_frames(0.2)
        peer.send(frame(SETTINGS, ACK))
        peer.send(frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, 0, 1, b" " * 16384) * 12 +
                  frame(DATA, END_STREAM, 1, b" " * 8192))
        frames = peer.read_frames(until=lambda kind, stream, _: kind == DATA and stream == 1)
        told = b"".join(payload for kind, stream, payload in frames if kind == DATA)
        self.assertNotIn(b"too many requests", told)
        self.assertIn(b"rejected", told)
        peer.socket.close()

    def test_the_memory_of_what_is_received_is_bounded_and_told(self):
        server = self.quell("server.max_buffered_bytes=\"1MiB\"",
                            "server.max_request_bytes=\"256KiB\"")
        peer = Peer(server.grpc)
        peer.read_frames(0.2)
        peer.send(frame(SETTINGS, ACK))  # its larger windows are taken
        for stream in range(1, 11, 2):  # each has 256 KiB
            peer.send(frame(HEADERS, END_HEADERS, stream, head()) +
                      frame(DATA, 0, stream, bytes(16384)) * 15)
        frames = peer.read_frames(until=lambda kind, stream, _: kind == RST)
        self.assertTrue(any(b"too many requests are being received" in payload
                            for kind, _, payload in frames if kind == DATA))
        self.assertGreaterEqual(server.metric("quell_buffers_full_total"), 1)
        self.assertGreater(server.metric("quell_buffered_bytes"), 500_000)
        peer.socket.close()
        self.assertTrue(wait_for(lambda: server.metric("quell_buffered_bytes") == 0))


if __name__ == "__main__":
    unittest.main(verbosity=2)
