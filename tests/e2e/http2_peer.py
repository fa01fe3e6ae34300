"""HTTP/2 by hand, frame by frame (RFC 9113), for tests that say what no library would."""
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 1, 1, 4, 8, 32
NO_ERROR, PROTOCOL, INTERNAL, FLOW, _, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION, _, CALM = range(12)


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(
        ">I", stream) + payload


def literal(name, value):
    """A header field without indexing, without Huffman."""
    def text(value):
        return (bytes([len(value)]) if len(value) < 127 else
                b"\x7f" + bytes([(len(value) - 127) & 0x7F | 0x80, (len(value) - 127) >> 7])) + value
    return b"\x00" + text(name) + text(value)


def head(path=b"/v1/events", *fields, method=b"POST"):
    pairs = ((b":method", method), (b":scheme", b"http"), (b":authority", b"quell"),
             (b":path", path)) + fields
    return b"".join(literal(*pair) for pair in pairs)


class Peer:
    """One raw connection; reads frames until the server has no more to say."""

    def __init__(self, port, settings=b""):
        self.socket, self.data = socket.create_connection(("127.0.0.1", port), timeout=60), b""
        self.send(PREFACE + frame(SETTINGS, payload=settings))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # the server may close on us while we flood

    def read_frames(self, seconds=60, until=lambda kind, stream, payload: False):
        """Frames until `until` one, the server's end or the time; ended says which."""
        self.ended, frames = False, []
        deadline = time.time() + seconds
        while time.time() < deadline:
            for one in self.take_frames():
                frames.append(one)
                if until(*one):
                    return frames
            self.socket.settimeout(max(0.01, deadline - time.time()))
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                return frames
            except OSError:
                more = b""
            if not more:
                self.ended = True
                return frames
            self.data += more
        return frames

    def take_frames(self):
        """What has come: (kind, stream, payload), until the caller has enough; the last's flags."""
        while len(self.data) >= 9 and len(self.data) >= 9 + int.from_bytes(self.data[:3], "big"):
            size = int.from_bytes(self.data[:3], "big")
            one = (self.data[3], int.from_bytes(self.data[5:9], "big"), self.data[9:9 + size])
            self.flags, self.data = self.data[4], self.data[9 + size:]
            yield one

    def goaway(self):
        """The error code of the server's GOAWAY, None when there is none; and that it closed."""
        codes = [int.from_bytes(payload[4:8], "big")
                 for kind, _, payload in self.read_frames() if kind == GOAWAY]
        assert self.ended, "the connection is still open"
        return codes[0] if codes else None

    def reset(self, stream):
        for kind, number, payload in self.read_frames(
                until=lambda kind, number, _: kind == RST and number == stream):
            if kind == RST and number == stream:
                return int.from_bytes(payload, "big")
        return None
