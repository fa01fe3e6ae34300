"""What TLS costs: handshakes a second, and bodies through it against the plain socket.

Needs openssl. Run: QUELL_BINARY=build/quell python3 bench/tls_cost.py [seconds]
The server's own CPU time is told beside, since client and server share the machine.
"""
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
os.environ.setdefault("QUELL_SOURCE", SOURCE)
sys.path[:0] = [os.path.join(SOURCE, "tests", "e2e"), os.path.join(SOURCE, "tests", "tools")]
from certificates import Authority
from harness import Quell

SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 4
BODY = os.urandom(1 << 20) * 32


def cpu_s(quell):
    with open(f"/proc/{quell.process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def handshakes(quell, *how):
    before = cpu_s(quell)
    result = subprocess.run(
        ["openssl", "s_time", "-connect", f"127.0.0.1:{quell.http}", *how, "-time", str(SECONDS)],
        capture_output=True, text=True)
    found = re.search(r"(\d+) connections in (\d+) real seconds", result.stdout)
    count, seconds = int(found[1]), int(found[2])
    spent = cpu_s(quell) - before
    return f"{count / seconds:8.0f} /s   {1000 * spent / count:6.2f} ms of the server's CPU each"


def bodies(quell, context):
    """Whole requests that are refused for their media type once their body is read."""
    connection = socket.create_connection(("127.0.0.1", quell.http))
    if context:
        connection = context.wrap_socket(connection, server_hostname="localhost")
    head = (f"POST /v1/logs HTTP/1.1\r\nHost: x\r\nContent-Type: text/x\r\n"
            f"Content-Length: {len(BODY)}\r\n\r\n").encode()
    count, before, start = 0, cpu_s(quell), time.time()
    while time.time() - start < SECONDS:
        connection.sendall(head)
        connection.sendall(BODY)
        answer = connection.recv(65536)
        assert b" 415 " in answer, answer
        count += 1
    seconds, megabytes = time.time() - start, count * len(BODY) / 1e6
    connection.close()
    spent = 1000 * (cpu_s(quell) - before) / (megabytes / 1000)
    return f"{megabytes / seconds:8.0f} MB/s {spent:6.0f} ms of the server's CPU a GB"


def main():
    folder = tempfile.mkdtemp(prefix="quell-certificates-")
    authority = Authority(folder)
    for io in ("io_uring", "epoll"):
        os.environ["QUELL_IO"] = io
        plain = Quell()
        print(f"{io:9} bodies, plain                   {bodies(plain, None)}")
        plain.close()
        for key in ("ec", "rsa"):
            identity = authority.issue("server-" + key, key=key)
            quell = Quell(f"tls.cert_file={identity.cert}", f"tls.key_file={identity.key}",
                          "tls.console=false")
            name = "P-256" if key == "ec" else "RSA 2048"
            print(f"{io:9} full handshakes, {name:9}      {handshakes(quell, '-new')}")
            # s_time does not wait for the tickets of 1.3
            print(f"{io:9} resumed handshakes, {name:9}   {handshakes(quell, '-reuse', '-tls1_2')}")
            if key == "ec":
                context = ssl.create_default_context(cafile=authority.cert)
                print(f"{io:9} bodies, as agreed upon         {bodies(quell, context)}")
                context.maximum_version = ssl.TLSVersion.TLSv1_2
                for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"):
                    context.set_ciphers(suite)
                    print(f"{io:9} bodies, {suite:30}{bodies(quell, context)}")
            quell.close()


main()
