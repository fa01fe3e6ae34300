"""Ports for servers that are stopped and started again."""
import random
import socket


_given = set()  # none is given twice: a server takes two at once


def free_port():
    """Below the range from which the kernel takes ports for connections: those of a client, which
    may even connect to itself while the server is down, would be in the server's way."""
    chance = random.SystemRandom()
    for _ in range(1000):
        port = chance.randrange(15000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                if port not in _given:
                    _given.add(port)
                    return port
            except OSError:
                continue
    raise OSError("no free port")
