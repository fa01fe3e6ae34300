"""The rules of HTTP/2, section by section (RFC 9113), and the hazards of its compression (RFC 7541):
what a peer must not do ends its stream or its connection with the right code, and harms nobody."""
import struct
import unittest

from harness import Story
from http2_peer import *

BODY = b'{"job_id":"load","status":"failed"}'
ANSWER = b'{"accepted":1,"rejected":0,"errors":[]}'


def number(value):
    return struct.pack(">I", value)


def setting(name, value):
    return struct.pack(">HI", name, value)


def request(stream=1, *fields, body=BODY):
    return (frame(HEADERS, END_HEADERS, stream, head(b"/v1/events", *fields)) +
            frame(DATA, END_STREAM, stream, body))


PSEUDO = {name: literal(b":" + name, value) for name, value in (
    (b"method", b"POST"), (b"scheme", b"http"), (b"path", b"/v1/events"))}
OPEN = frame(HEADERS, END_HEADERS, 1, head())  # a request whose body is to come
DONE = frame(HEADERS, END_HEADERS | END_STREAM, 1, head())

# What ends the connection: section, code, bytes. Where 9113 lets a server choose, both are given.
CONNECTION_ERRORS = [
    ("4.2 a frame beyond SETTINGS_MAX_FRAME_SIZE", SIZE,
     OPEN + frame(DATA, 0, 1, bytes(16385))),
    ("4.2 HEADERS beyond it", SIZE, frame(HEADERS, END_HEADERS, 1, bytes(16385))),
    ("4.3 a field block that is none", COMPRESSION, frame(HEADERS, END_HEADERS, 1, b"\x40")),
    ("5.1 idle: DATA", (PROTOCOL, CLOSED), frame(DATA, END_STREAM, 1, b"x")),
    ("5.1 idle: RST_STREAM", PROTOCOL, frame(RST, 0, 1, number(CANCEL))),
    ("5.1 idle: WINDOW_UPDATE", PROTOCOL, frame(WINDOW, 0, 1, number(9))),
    ("5.1 idle: CONTINUATION", PROTOCOL, frame(CONTINUATION, END_HEADERS, 1, head())),
    ("5.1 half-closed: DATA", CLOSED, DONE + frame(DATA, END_STREAM, 1, b"x")),
    ("5.1 half-closed: HEADERS", CLOSED, DONE + DONE),
    ("5.1.1 an even stream", PROTOCOL, request(2)),
    ("5.1.1 a stream with a smaller number", (PROTOCOL, CLOSED),
     frame(HEADERS, END_HEADERS | END_STREAM, 5, head()) + request(3)),
    ("5.4.1 more of it behind an error", PROTOCOL, frame(PING, 0, 1, bytes(8)) + request()),
    ("6.1 DATA on stream 0", PROTOCOL, frame(DATA, 0, 0, b"x")),
    ("6.1 padding longer than DATA", PROTOCOL, OPEN + frame(DATA, PADDED, 1, b"\x05abc")),
    ("6.1 DATA without its padding's length", (PROTOCOL, SIZE), OPEN + frame(DATA, PADDED, 1)),
    ("6.2 HEADERS on stream 0", PROTOCOL, frame(HEADERS, END_HEADERS, 0, head())),
    ("6.2 padding longer than HEADERS", PROTOCOL,
     frame(HEADERS, END_HEADERS | PADDED, 1, b"\xff" + head())),
    ("6.2 another frame inside a field block", PROTOCOL, frame(HEADERS, 0, 1, head()) + OPEN),
    ("6.2 HEADERS too short for their priority", (PROTOCOL, SIZE),
     frame(HEADERS, END_HEADERS | PRIORITIZED, 1, b"\0\0")),
    ("6.3 PRIORITY on stream 0", PROTOCOL, frame(PRIORITY, 0, 0, bytes(5))),
    ("6.3 PRIORITY of four bytes", SIZE, frame(PRIORITY, 0, 1, bytes(4))),
    ("6.3 a stream that depends on itself", PROTOCOL, frame(PRIORITY, 0, 1, number(1) + b"\0")),
    ("6.4 RST_STREAM on stream 0", PROTOCOL, frame(RST, 0, 0, number(CANCEL))),
    ("6.4 RST_STREAM of three bytes", SIZE, OPEN + frame(RST, 0, 1, bytes(3))),
    ("6.5 SETTINGS on a stream", PROTOCOL, frame(SETTINGS, 0, 1)),
    ("6.5 SETTINGS of five bytes", SIZE, frame(SETTINGS, 0, 0, bytes(5))),
    ("6.5 an acknowledgement that says something", SIZE, frame(SETTINGS, ACK, 0, setting(3, 1))),
    ("6.5.2 ENABLE_PUSH 2", PROTOCOL, frame(SETTINGS, 0, 0, setting(2, 2))),
    ("6.5.2 INITIAL_WINDOW_SIZE 2^31", FLOW, frame(SETTINGS, 0, 0, setting(4, 1 << 31))),
    ("6.5.2 MAX_FRAME_SIZE 16383", PROTOCOL, frame(SETTINGS, 0, 0, setting(5, 16383))),
    ("6.5.2 MAX_FRAME_SIZE 2^24", PROTOCOL, frame(SETTINGS, 0, 0, setting(5, 1 << 24))),
    ("6.6 PUSH_PROMISE of a client", PROTOCOL, OPEN + frame(PUSH, END_HEADERS, 1, number(2) + head())),
    ("6.7 PING of six bytes", SIZE, frame(PING, 0, 0, bytes(6))),
    ("6.7 PING on a stream", PROTOCOL, frame(PING, 0, 1, bytes(8))),
    ("6.8 GOAWAY on a stream", PROTOCOL, frame(GOAWAY, 0, 1, bytes(8))),
    ("6.8 GOAWAY of seven bytes", (PROTOCOL, SIZE), frame(GOAWAY, 0, 0, bytes(7))),
    ("6.9 WINDOW_UPDATE of three bytes", SIZE, frame(WINDOW, 0, 0, bytes(3))),
    ("6.9 WINDOW_UPDATE by 0", PROTOCOL, frame(WINDOW, 0, 0, number(0))),
    ("6.9.1 a window beyond 2^31-1", FLOW, frame(WINDOW, 0, 0, number((1 << 31) - 1)) * 2),
    ("6.10 CONTINUATION of another stream", PROTOCOL,
     frame(HEADERS, 0, 1, head()) + frame(CONTINUATION, END_HEADERS, 3, b"")),
    ("6.10 CONTINUATION on stream 0", PROTOCOL,
     frame(HEADERS, 0, 1, head()) + frame(CONTINUATION, END_HEADERS, 0, b"")),
    ("6.10 CONTINUATION behind the end of the block", PROTOCOL,
     OPEN + frame(CONTINUATION, END_HEADERS, 1, b"")),
    ("7541 2.3.3 an index beyond the table", COMPRESSION,
     frame(HEADERS, END_HEADERS, 1, head() + b"\xfe")),
    ("7541 4.2 a size update beyond the setting", COMPRESSION,
     frame(HEADERS, END_HEADERS, 1, b"\x3f\xe2\xff\x03" + head())),
    ("7541 4.2 a size update at the end", COMPRESSION,
     frame(HEADERS, END_HEADERS, 1, head() + b"\x20")),
    ("7541 5.1 a number without end", COMPRESSION,
     frame(HEADERS, END_HEADERS, 1, b"\x7f" + b"\xff" * 40)),
    ("7541 5.2 a string longer than its block", COMPRESSION,
     frame(HEADERS, END_HEADERS, 1, b"\x00\x7f\x80\x7f" + b"a" * 20)),
    ("7541 5.2 Huffman padded by more than 7 bits", COMPRESSION,
     frame(HEADERS, END_HEADERS, 1, head() + b"\x00\x01a\x82\x1f\xff")),
    ("7541 5.2 Huffman padded by zeros", COMPRESSION,
     frame(HEADERS, END_HEADERS, 1, head() + b"\x00\x01a\x81\x18")),
    ("7541 5.2 Huffman with EOS inside", COMPRESSION,
     frame(HEADERS, END_HEADERS, 1, head() + b"\x00\x01a\x84\xff\xff\xff\xff")),
    ("7541 6.1 index 0", COMPRESSION, frame(HEADERS, END_HEADERS, 1, head() + b"\x80")),
]

# A request that is malformed: its stream is reset (8.1.1) or answered 400, the connection goes on.
MALFORMED = [
    ("8.2.1 a name in upper case", head() + literal(b"X-Up", b"x")),
    ("8.2.1 a name with a blank", head() + literal(b"a b", b"x")),
    ("8.2.1 a name with a colon inside", head() + literal(b"a:b", b"x")),
    ("8.2.1 no name at all", head() + literal(b"", b"x")),
    ("8.2.1 a value with NUL", head() + literal(b"a", b"x\0y")),
    ("8.2.1 a value with CR LF", head() + literal(b"a", b"x\r\ny: z")),
    ("8.2.2 connection", head() + literal(b"connection", b"keep-alive")),
    ("8.2.2 keep-alive", head() + literal(b"keep-alive", b"5")),
    ("8.2.2 proxy-connection", head() + literal(b"proxy-connection", b"close")),
    ("8.2.2 transfer-encoding", head() + literal(b"transfer-encoding", b"chunked")),
    ("8.2.2 upgrade", head() + literal(b"upgrade", b"h2c")),
    ("8.2.2 te that is not trailers", head() + literal(b"te", b"gzip")),
    ("8.3 an unknown pseudo-header", literal(b":x", b"y") + head()),
    ("8.3 one of answers", literal(b":status", b"200") + head()),
    ("8.3 one behind others", literal(b"a", b"b") + head()),
    ("8.3.1 no :method", PSEUDO[b"scheme"] + PSEUDO[b"path"]),
    ("8.3.1 no :scheme", PSEUDO[b"method"] + PSEUDO[b"path"]),
    ("8.3.1 no :path", PSEUDO[b"method"] + PSEUDO[b"scheme"]),
    ("8.3.1 an empty :path", PSEUDO[b"method"] + PSEUDO[b"scheme"] + literal(b":path", b"")),
    ("8.3.1 two of :method", PSEUDO[b"method"] + head()),
    ("8.3.1 two of :path", PSEUDO[b"path"] + head()),
    ("8.3.1 two of :scheme", PSEUDO[b"scheme"] + head()),
    ("8.5 CONNECT with a path", head(method=b"CONNECT")),
    ("8.1.1 a content-length that is too large",
     head() + literal(b"content-length", b"%d" % (len(BODY) + 1))),
    ("8.1.1 one that is too small", head() + literal(b"content-length", b"%d" % (len(BODY) - 1))),
    ("8.1.1 one that is no number", head() + literal(b"content-length", b"3a")),
    ("8.1.1 two that differ", head() + literal(b"content-length", b"%d" % len(BODY)) +
     literal(b"content-length", b"3")),
]


class Rules(Story):
    @classmethod
    def setUpClass(cls):
        cls.story = Story("run")
        cls.server = cls.story.quell()

    @classmethod
    def tearDownClass(cls):
        try:
            assert cls.server.stop() == 0
        finally:
            cls.story.doCleanups()

    def peer(self, settings=b""):
        peer = Peer(self.server.grpc, settings)
        self.addCleanup(peer.socket.close)
        return peer

    def assert_serves(self, peer, stream=1001):
        """It goes on: a request of one more stream is answered."""
        peer.send(request(stream))
        frames = peer.read_frames(until=lambda kind, number, _: kind == DATA and number == stream)
        self.assertIn((DATA, stream, ANSWER), frames)
        return frames

    def test_what_ends_the_connection(self):
        for name, codes, data in CONNECTION_ERRORS:
            with self.subTest(name):
                peer = self.peer()
                peer.send(data)
                self.assertIn(peer.goaway(), codes if isinstance(codes, tuple) else (codes,))
        self.assert_serves(self.peer())

    def test_malformed_requests_end_their_stream_only(self):
        peer = self.peer()
        for i, (name, fields) in enumerate(MALFORMED):
            with self.subTest(name):
                stream = 2 * i + 1
                peer.send(frame(HEADERS, END_HEADERS, stream, fields) +
                          frame(DATA, END_STREAM, stream, BODY))
                self.assertEqual(peer.reset(stream), PROTOCOL)
        self.assert_serves(peer)

    def test_stream_errors_are_told_by_their_code(self):
        cases = [  # 5.4.2 is obeyed also by ending the connection with the code
            ("6.9 WINDOW_UPDATE by 0", PROTOCOL, lambda n: frame(WINDOW, 0, n, number(0))),
            ("6.9.1 a window beyond 2^31-1", FLOW,
             lambda n: frame(WINDOW, 0, n, number((1 << 31) - 1)) * 2),
            ("6.9.2 a window that a setting lifts beyond it", FLOW,
             lambda n: frame(WINDOW, 0, n, number((1 << 31) - 1 - 65535)) +
             frame(SETTINGS, 0, 0, setting(4, 65536 + 9))),
            ("5.3.1 a stream that depends on itself", PROTOCOL,
             lambda n: frame(HEADERS, END_HEADERS | PRIORITIZED, n + 2, number(n + 2) + b"\0" + head())),
            ("8.1 trailers that do not end it", PROTOCOL,
             lambda n: frame(HEADERS, END_HEADERS, n, literal(b"a", b"b"))),
            ("8.1 pseudo-headers in trailers", PROTOCOL,
             lambda n: frame(HEADERS, END_HEADERS | END_STREAM, n, PSEUDO[b"method"])),
        ]
        for name, code, make in cases:
            with self.subTest(name):
                peer = self.peer()
                peer.send(OPEN + make(1))
                kind, _, payload = peer.read_frames(until=lambda kind, *_: kind in (RST, GOAWAY))[-1]
                self.assertEqual(payload[4:8] if kind == GOAWAY else payload, number(code))
        self.assert_serves(self.peer())

    def test_what_must_be_let_pass(self):
        cases = [
            ("4.1 frames of unknown types", frame(0xEF, 0xFF, 0, b"?") + frame(0xEE, 0, 9, b"?"), 1),
            ("5.1 PRIORITY of idle streams", frame(PRIORITY, 0, 99, number(0) + b"\x10"), 1),
            ("6.5.2 unknown settings", frame(SETTINGS, 0, 0, setting(0xFFFF, 7)), 1),
            ("6.10 a block in pieces", frame(HEADERS, 0, 1, head()[:9]) + b"".join(
                frame(CONTINUATION, 0, 1, head()[i:i + 1]) for i in range(9, 14)) +
                frame(CONTINUATION, END_HEADERS, 1, head()[14:]) + frame(DATA, END_STREAM, 1, BODY), 3),
            ("6.1 padding", frame(HEADERS, END_HEADERS | PADDED, 1, b"\x02" + head() + b"\0\0") +
             frame(DATA, PADDED | END_STREAM, 1, b"\x09" + BODY + bytes(9)), 3),
            ("8.2.2 te: trailers", request(1, (b"te", b"trailers")), 3),
            ("8.1 trailers", frame(HEADERS, END_HEADERS, 1, head()) + frame(DATA, 0, 1, BODY) + frame(
                HEADERS, END_HEADERS | END_STREAM, 1, literal(b"grpc-status", b"0")), 3),
        ]
        for name, data, stream in cases:
            with self.subTest(name):
                peer = self.peer()
                peer.send(data)
                frames = self.assert_serves(peer, stream)
                self.assertNotIn(GOAWAY, [kind for kind, *_ in frames])
                self.assertEqual(sum(kind == DATA for kind, *_ in frames), 1 if stream == 1 else 2)

    def test_who_says_goaway_gets_the_answers_that_are_due(self):
        peer = self.peer()
        peer.send(OPEN)
        peer.read_frames(0.2)
        peer.send(frame(GOAWAY, 0, 0, bytes(8)) + frame(DATA, END_STREAM, 1, BODY))
        self.assertIn((DATA, 1, ANSWER), peer.read_frames())
        self.assertTrue(peer.ended)
        peer = self.peer()
        peer.send(frame(GOAWAY, 0, 0, bytes(8)) + request(1))
        peer.read_frames()
        self.assertTrue(peer.ended)  # it may have an answer; it has no more to ask
        self.assert_serves(self.peer())

    def test_window_updates_and_resets_of_closed_streams_are_passed_over(self):
        peer = self.peer()
        self.assert_serves(peer, 1)
        peer.send(frame(WINDOW, 0, 1, number(9)) + frame(RST, 0, 1, number(CANCEL)) +
                  frame(PRIORITY, 0, 1, number(0) + b"\x10"))
        self.assert_serves(peer, 3)

    def test_trailers_behind_an_early_answer_are_passed_over(self):
        peer = self.peer()
        peer.send(frame(HEADERS, END_HEADERS, 1, head(b"/v1/events", (b"content-length", b"9" * 11))))
        self.assertEqual(peer.reset(1), NO_ERROR)
        peer.send(frame(DATA, 0, 1, b"[") +
                  frame(HEADERS, END_HEADERS | END_STREAM, 1, literal(b"a", b"b")))
        self.assert_serves(peer, 3)

    def test_a_bomb_of_indexed_fields_is_bounded(self):
        # 7541, 7.3: one entry of 4,000 bytes, then each byte of the block means it once more.
        entry = b"\x40\x01b\x7f" + bytes([(4000 - 127) & 0x7F | 0x80, (4000 - 127) >> 7]) + b"z" * 4000
        peer = self.peer()
        peer.send(frame(HEADERS, END_HEADERS, 1, head() + entry))
        for stream in range(3, 43, 2):  # 20 times 60 MB, were it unfolded
            peer.send(frame(HEADERS, END_HEADERS, stream, head() + b"\xbe" * 15000))
        answers = peer.read_frames(until=lambda kind, stream, _: stream == 41 and kind in (HEADERS, RST))
        self.assertIn(41, [stream for _, stream, _ in answers])
        with open(f"/proc/{self.server.process.pid}/status") as file:
            peak = int(next(line for line in file if line.startswith("VmRSS")).split()[1])
        self.assertLess(peak, 600_000)  # KiB
        self.assert_serves(peer)

    def test_too_many_fields_are_answered_431(self):
        peer = self.peer()
        peer.send(request(1, *[(b"x-%d" % i, b"y") for i in range(100)]))
        frames = peer.read_frames(until=lambda kind, stream, _: kind == DATA and stream == 1)
        self.assertIn(b"the headers are too large", frames[-1][2])
        self.assert_serves(peer)

    def test_head_is_answered_without_a_body(self):
        peer = self.peer()
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, head(b"/v1/nowhere", method=b"HEAD")))
        peer.read_frames(until=lambda kind, stream, _: kind == HEADERS and stream == 1)
        self.assertTrue(peer.flags & END_STREAM)
        self.assertNotIn(DATA, [kind for kind, *_ in self.assert_serves(peer, 3)[:-1]])


if __name__ == "__main__":
    unittest.main(verbosity=2)
