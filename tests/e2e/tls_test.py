"""TLS on every listener: exporters, ALPN, tickets, reload, client certificates, hostile bytes."""
import http.client
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from harness import BINARY, Story, failure, wait_for
from otlp_sdk import Exporters, python_packages  # noqa: F401 (it finds tests/tools)
from certificates import Authority

BODY = json.dumps(failure("load"))


class Tls(Story):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="quell-certificates-")
        cls.authority = Authority(cls.folder)
        cls.server = cls.authority.issue("server")
        cls.server_rsa = cls.authority.issue("server-rsa", key="rsa")
        cls.acme = cls.authority.issue("acme", "DNS:collector.acme.test")
        cls.globex = cls.authority.issue("globex", "URI:spiffe://globex.test/collector")
        cls.initech = cls.authority.issue("initech", names=None)
        cls.stranger = Authority(cls.folder, "other").issue("stranger", "DNS:collector.acme.test")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def read(self, path):
        with open(path, "rb") as file:
            return file.read()

    def secure(self, *overrides, identity=None, **more):
        identity = identity or self.server
        return self.quell(f"tls.cert_file={identity.cert}", f"tls.key_file={identity.key}",
                          *overrides, **more)

    def context(self, client=None, **more):
        context = ssl.create_default_context(cafile=self.authority.cert)
        if client:
            context.load_cert_chain(client.cert, client.key)
        for name, value in more.items():
            setattr(context, name, value)
        return context

    def ask(self, port, path="/v1/events", body=BODY, headers=None, context=None, method="POST"):
        connection = http.client.HTTPSConnection("localhost", port, timeout=60,
                                                 context=context or self.context())
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def incidents(self, quell, **more):
        text = self.ask(quell.console, "/api/v1/incidents", None, method="GET", **more)[1]
        return json.loads(text)["incidents"]

    def test_every_listener_speaks_it(self):
        for identity in (self.server, self.server_rsa):
            quell = self.secure(identity=identity)
            for port in (quell.http, quell.grpc):
                self.assertEqual(self.ask(port)[0], 200)
            self.assertTrue(wait_for(lambda: len(self.incidents(quell)) == 1))
            self.assertEqual(self.ask(quell.console, "/readyz", None, method="GET")[0], 200)

    def test_our_own_commands_speak_it_too(self):
        def silences(quell, identity, *more):
            command = [BINARY, "silence", "list"]
            for key in (f"listen.console=127.0.0.1:{quell.console}",
                        f"tls.cert_file={identity.cert}", f"tls.key_file={identity.key}", *more):
                command += ["--set", key]
            return subprocess.run(command, cwd=self.folder, capture_output=True, text=True,
                                  timeout=60)

        quell = self.secure()
        self.assertEqual(silences(quell, self.server).returncode, 0)
        result = silences(quell, self.server_rsa)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("another certificate", result.stderr)
        result = subprocess.run([BINARY, "silence", "list", "--console",
                                 f"127.0.0.1:{quell.console}"], capture_output=True, text=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is it quell's, and without TLS? --config says where it has it", result.stderr)
        authority = f"tls.client_ca_file={self.authority.cert}"
        result = silences(self.secure(authority), self.server, authority)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_a_listener_may_stay_plain(self):
        quell = self.secure("tls.http=false", "tls.console=false")
        quell.events(failure("plain"))
        self.assertEqual(self.ask(quell.grpc)[0], 200)
        self.assertTrue(wait_for(lambda: len(quell.incidents()) == 2))

    def test_every_exporter_of_the_sdk(self):
        quell = self.secure()
        tls = {"ca": self.read(self.authority.cert), "ca_file": self.authority.cert}
        wanted = set()
        for protocol, port in (("grpc", quell.grpc), ("http", quell.http)):
            for packed in ("plain", "gzip"):
                exporters = Exporters(protocol, port, packed, tls=tls)
                exporters.error_log(f"logs-{protocol}-{packed}", "boom " + "x" * 30000)
                exporters.failing_span(f"spans-{protocol}-{packed}", "refused")
                exporters.points("points")
                self.assertEqual(exporters.results, ["SUCCESS"] * 3)
                wanted |= {f"service:{kind}-{protocol}-{packed}" for kind in ("logs", "spans")}
        self.assertTrue(wait_for(lambda: {
            one["root_cause"]["entity"] for one in self.incidents(quell)} == wanted))

    def test_alpn_and_versions(self):
        quell = self.secure()
        cases = [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), ([], None)]
        for offered, chosen in cases:
            context = self.context()
            if offered:
                context.set_alpn_protocols(offered)
            with context.wrap_socket(socket.create_connection(("localhost", quell.http)),
                                     server_hostname="localhost") as client:
                self.assertEqual(client.selected_alpn_protocol(), chosen)
                self.assertRegex(client.cipher()[0], "ECDHE.*(GCM|POLY1305)|TLS_.*(GCM|POLY1305)")
        context = self.context()
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises(ssl.SSLError):
            self.ask(quell.http, context=context)
        context = self.context(maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers("AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256")  # no secrecy, no AEAD
        with self.assertRaises(ssl.SSLError):
            self.ask(quell.http, context=context)
        context = self.context()
        context.set_alpn_protocols(["h2"])
        with self.assertRaises(ssl.SSLError):
            context.wrap_socket(socket.create_connection(("localhost", quell.console)),
                                server_hostname="localhost")

    def test_http_2_by_curl(self):
        quell = self.secure()
        result = subprocess.run(
            ["curl", "-s", "--http2", "--cacert", self.authority.cert, "-w",
             " %{http_version} %{http_code}", "--data-binary", "@-",
             f"https://localhost:{quell.http}/v1/events"],
            input=b"[" + b" " * 5_000_000 + BODY.encode() + b"]", capture_output=True, timeout=60)
        self.assertEqual(result.stdout.decode(), '{"accepted":1,"rejected":0,"errors":[]} 2 200')

    def test_a_session_is_resumed(self):
        quell = self.secure()
        context, session, reused = self.context(), None, []
        for _ in range(3):
            raw = socket.create_connection(("localhost", quell.http))
            with context.wrap_socket(raw, server_hostname="localhost", session=session) as client:
                client.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"404", client.recv(65536))
                session = client.session
                reused.append(client.session_reused)
        self.assertEqual(reused, [False, True, True])

    def resume(self, quell, context, session=None, thread=0):
        """One request; the session behind it, and whether the one before was resumed."""
        raw = socket.create_connection(("localhost", quell.thread_ports()[thread]))
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as client:
            client.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\n"
                           b'{"job_id":"a","status":"ok"}\n')
            answer = client.recv(65536)
            self.assertIn(b"200", answer.split(b"\r\n")[0], answer)
            return client.session, client.session_reused

    def test_a_session_is_resumed_by_every_thread(self):
        quell = self.secure("server.ingest_threads=2")
        context = self.context()
        sessions = [self.resume(quell, context, thread=thread)[0] for thread in (0, 1)]
        for session in sessions:
            self.assertEqual([self.resume(quell, context, session, thread)[1]
                              for thread in (0, 1)], [True, True])

    def test_sessions_outlive_a_certificate_but_not_the_authority_over_clients(self):
        directory = tempfile.mkdtemp(prefix="quell-test-")
        live = os.path.join(directory, "live")

        def install(identity, authority):
            shutil.copy(identity.cert, live + ".crt")
            shutil.copy(identity.key, live + ".key")
            shutil.copy(authority.cert, live + ".ca")

        def reload(quell):
            before = quell.read_log().count('"reloaded: ')
            quell.process.send_signal(signal.SIGHUP)
            self.assertTrue(wait_for(lambda: quell.read_log().count('"reloaded: ') > before))

        install(self.server, self.authority)
        quell = self.quell("tls.cert_file=live.crt", "tls.key_file=live.key",
                           "tls.client_ca_file=live.ca", "server.ingest_threads=2",
                           "tls.client_auth=request", directory=directory)
        # 1.2, because 1.3 resumes nobody where clients are asked for certificates.
        context = self.context(maximum_version=ssl.TLSVersion.TLSv1_2)
        session, _ = self.resume(quell, context)
        install(self.authority.issue("renewed"), self.authority)
        reload(quell)
        self.assertEqual([self.resume(quell, context, session, thread)[1] for thread in (0, 1)],
                         [True, True])
        install(self.server, Authority(self.folder, "another"))
        reload(quell)
        self.assertTrue(wait_for(lambda: not any(
            self.resume(quell, context, session, thread)[1] for thread in (0, 1))))

    def test_who_resumes_is_still_known(self):
        quell = self.mutual()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.context(self.acme, maximum_version=version)
            session = None
            for _ in range(4):  # 401 were the answer to a stranger
                session, _ = self.resume(quell, context, session)

    def test_large_answers_and_requests_in_pieces(self):
        quell = self.secure()
        events = [failure(f"job-{i}", message="m" * 200) for i in range(4000)]
        self.assertEqual(self.ask(quell.http, body=json.dumps(events))[0], 200)
        self.assertTrue(wait_for(lambda: len(self.incidents(quell)) >= 50))
        text = self.ask(quell.console, "/api/v1/incidents?limit=1000", None, method="GET")[1]
        self.assertGreater(len(text), 300_000)
        json.loads(text)
        request = (f"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n"
                   + BODY).encode()
        with self.context().wrap_socket(socket.create_connection(("localhost", quell.http)),
                                        server_hostname="localhost") as client:
            for byte in request:  # a record a byte
                client.sendall(bytes([byte]))
            self.assertIn(b"200 OK", client.recv(65536))
            client.sendall(request * 3)
            answers = b""
            while answers.count(b"200 OK") < 3:
                answers += client.recv(65536)

    def test_both_sides_say_when_they_end(self):
        quell = self.secure()
        with self.context().wrap_socket(socket.create_connection(("localhost", quell.http)),
                                        server_hostname="localhost",
                                        suppress_ragged_eofs=False) as client:
            client.sendall(b"POST /v1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                           b"Content-Length: 2\r\n\r\n[]")
            answer = b""
            more = client.recv(65536)
            while more:
                answer += more
                more = client.recv(65536)  # raises when close_notify is missing
            self.assertIn(b"\r\n\r\n{", answer)

    def test_idle_connections_are_told_of_their_end(self):
        for stops in (False, True):
            quell = self.secure("server.idle_timeout=\"75s\"" if stops else
                                "server.idle_timeout=\"4s\"")
            with self.context().wrap_socket(socket.create_connection(("localhost", quell.http)),
                                            server_hostname="localhost",
                                            suppress_ragged_eofs=False) as client:
                client.settimeout(60)
                client.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertIn(b"404", client.recv(65536))
                if stops:
                    quell.process.send_signal(signal.SIGTERM)
                self.assertEqual(client.recv(65536), b"")  # raises when close_notify is missing

    def test_a_reload_brings_a_new_certificate(self):
        directory = tempfile.mkdtemp(prefix="quell-test-")

        def install(identity):
            shutil.copy(identity.cert, os.path.join(directory, "live.crt"))
            shutil.copy(identity.key, os.path.join(directory, "live.key"))

        install(self.server)
        quell = self.quell("tls.cert_file=live.crt", "tls.key_file=live.key", directory=directory)
        keep = self.context().wrap_socket(socket.create_connection(("localhost", quell.http)),
                                          server_hostname="localhost")
        ask = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
        keep.sendall(ask)
        self.assertIn(b"404", keep.recv(65536))
        second = self.authority.issue("second")

        def serial(port):
            return ssl.get_server_certificate(("127.0.0.1", port))

        before = serial(quell.http)
        install(second)
        quell.process.send_signal(signal.SIGHUP)
        for port in (quell.http, quell.grpc, quell.console):
            self.assertTrue(wait_for(lambda: serial(port) != before))
        after = serial(quell.http)
        install(self.authority.issue("third"))  # nobody says so: the files are watched
        self.assertTrue(wait_for(lambda: serial(quell.http) != after))
        after = serial(quell.http)
        keep.sendall(ask)
        self.assertIn(b"404", keep.recv(65536))  # an old connection goes on
        keep.close()
        shutil.copy(self.server.key, os.path.join(directory, "live.key"))  # not its key
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "is refused, the old one stays" in quell.read_log()))
        self.assertEqual(serial(quell.http), after)
        self.assertEqual(self.ask(quell.http)[0], 200)

    def test_a_reload_says_that_tls_begins_and_ends_at_the_next_start(self):
        files = f'cert_file = "{self.server.cert}"\nkey_file = "{self.server.key}"\n'
        for before, after in (("", "[tls]\n" + files), ("[tls]\n" + files, "")):
            quell = self.quell(files={"quell.toml": before})
            with open(os.path.join(quell.directory, "quell.toml"), "w") as file:
                file.write(after)
            quell.process.send_signal(signal.SIGHUP)
            self.assertTrue(wait_for(lambda: "reloaded: " in quell.read_log()))
            self.assertTrue(wait_for(lambda: "the next start: tls.cert_file\"" in quell.read_log(), 5))

    def test_a_certificate_that_ends_is_told_of(self):
        name = "quell_tls_certificate_not_after_timestamp_seconds"
        ended, lasting = (self.authority.issue(f"of {days} days", days=days) for days in (0, 90))
        quell = self.secure("tls.console=false", identity=ended)
        self.assertIn("tls.cert_file ended at ", quell.read_log())
        self.assertLess(abs(quell.metric(name) - time.time()), 3600)
        quell = self.secure("tls.console=false")
        self.assertIn("tls.cert_file ends at ", quell.read_log())
        quell = self.secure("tls.console=false", identity=lasting)
        self.assertNotIn("tls.cert_file", quell.read_log())
        self.assertGreater(quell.metric(name), time.time() + 89 * 24 * 3600)
        for identity, words in ((ended, "note: the certificate of tls.cert_file ended at "),
                                (lasting, "ok: ")):
            result = subprocess.run([BINARY, "check", "--set", f"tls.cert_file={identity.cert}",
                                     "--set", f"tls.key_file={identity.key}"], cwd=self.folder,
                                    capture_output=True, text=True, timeout=60)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn(words, result.stdout)
            self.assertEqual("tls.cert_file" in result.stdout, identity is ended)

    def mutual(self, *overrides):
        tenants = {"acme": 'client_names = ["collector.acme.test"]',
                   "globex": 'client_names = ["spiffe://globex.test/collector"]',
                   "initech": f'client_certs_sha256 = ["{self.initech.sha256()}"]'}
        return self.secure(
            "auth.mode=token", f"tls.client_ca_file={self.authority.cert}", *overrides,
            files={f"tenants/{name}.toml": f'[tenant]\nid = "{name}"\n{line}\n'
                   for name, line in tenants.items()})

    def test_client_certificates_are_tenants(self):
        quell = self.mutual()
        with self.assertRaisesRegex(ssl.SSLError, "(?i)handshake.failure|certificate.required"):
            self.ask(quell.http)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.ask(quell.http, context=self.context(self.stranger))
        for name in ("acme", "globex", "initech"):
            context = self.context(getattr(self, name))
            self.assertEqual(self.ask(quell.http, context=context)[0], 200, name)
            self.assertTrue(wait_for(lambda: [one["tenant"] for one in self.incidents(
                quell, context=context)] == [name]), name)
            self.assertEqual(self.ask(quell.http, context=context, headers={
                "X-Scope-OrgID": "other"})[0], 403)
            claim = json.dumps({**failure("x"), "tenant_id": "other"})
            self.assertEqual(self.ask(quell.http, context=context, body=claim)[0], 400)
        unknown = self.context(self.authority.issue("nobody", "DNS:nobody.test"))
        self.assertEqual(self.ask(quell.http, context=unknown)[0], 401)
        tls = {"ca": self.read(self.authority.cert), "key": self.read(self.acme.key),
               "chain": self.read(self.acme.cert)}
        exporters = Exporters("grpc", quell.grpc, "gzip", tls=tls)
        exporters.error_log("api", "boom")
        self.assertEqual(exporters.results, ["SUCCESS"])

    def test_a_client_certificate_may_be_left_out_where_it_is_only_asked_for(self):
        quell = self.mutual("tls.client_auth=request")
        self.assertEqual(self.ask(quell.http)[0], 401)
        self.assertEqual(self.ask(quell.http, context=self.context(self.stranger))[0], 401)
        self.assertEqual(self.ask(quell.http, context=self.context(self.acme))[0], 200)

    def test_hostile_bytes_end_one_connection_only(self):
        quell = self.secure()
        seed = random.Random(7)
        hello = bytearray(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + seed.randbytes(193))
        cases = [b"GET / HTTP/1.1\r\n\r\n", bytes(1000), b"\x16\x03\x01\xff\xff" + bytes(70000),
                 b"\x15\x03\x03\x00\x02\x02\x28", b"\x17\x03\x03\x00\x10" + bytes(16), b"\x16",
                 b"\x80\x2e\x01\x00\x02" + bytes(50), bytes(hello)]
        for _ in range(200):
            hello[seed.randrange(11, len(hello))] = seed.randrange(256)
            cases.append(bytes(hello))
        for case in cases:
            with socket.create_connection(("localhost", quell.http), timeout=60) as client:
                client.sendall(case)
                client.shutdown(socket.SHUT_WR)
                try:
                    while client.recv(65536):
                        pass
                except ConnectionError:
                    pass
        self.assertEqual(self.ask(quell.http)[0], 200)

    def test_a_record_that_was_changed_ends_the_connection(self):
        quell = self.secure()
        server = socket.create_connection(("localhost", quell.http), timeout=60)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = self.context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                server.sendall(outgoing.read())
                incoming.write(server.recv(65536))
        server.sendall(outgoing.read())
        client.write(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        record = bytearray(outgoing.read())
        record[-1] ^= 1
        server.sendall(record)
        with self.assertRaises(ssl.SSLError):  # the alert
            while True:
                data = server.recv(65536)
                self.assertTrue(data, "closed without an alert")
                incoming.write(data)
                try:
                    client.read(100)
                except ssl.SSLWantReadError:
                    pass
        server.close()

    def test_what_is_wrong_is_told_by_check(self):
        cases = [({"tls.cert_file": self.server.cert}, "needs both"),
                 ({"tls.cert_file": self.server.cert, "tls.key_file": self.acme.key},
                  "the key is not the certificate's"),
                 ({"tls.cert_file": "/nowhere", "tls.key_file": self.acme.key}, "cannot read"),
                 ({"tls.cert_file": self.server.key, "tls.key_file": self.server.key},
                  "the certificate: "),
                 ({"tls.cret_file": "x"}, 'did you mean "cert_file"')]
        for keys, words in cases:
            command = [BINARY, "check"]
            for key, value in keys.items():
                command += ["--set", f"{key}={value}"]
            result = subprocess.run(command, cwd=self.folder, capture_output=True, text=True,
                                    timeout=60)
            self.assertEqual(result.returncode, 1)
            self.assertIn(words, result.stderr)

    def test_check_tells_each_file_that_is_wrong_at_its_own_key(self):
        cert, key = f'cert_file = "{self.server.cert}"\n', f'key_file = "{self.server.key}"\n'
        nowhere = "/nowhere: No such file or directory"
        for keys, told in (
                ('cert_file = "/nowhere"\nkey_file = "/nowhere"\nclient_ca_file = "/nowhere"\n',
                 [f"{row}:1: cannot read {nowhere}" for row in (2, 3, 4)]),
                (cert, ["2:1: TLS needs both tls.cert_file and tls.key_file"]),
                (f'key_file = "{self.server.key}"\n{key.replace("key_f", "cert_f")}',
                 ["3:1: the certificate: "]),
                (f'{cert}key_file = "{self.acme.key}"\n',
                 ["3:1: the key is not the certificate's"]),
                (f'{cert}{key}client_ca_file = "{self.acme.key}"\n',
                 ["4:1: the clients' certificate authority: "]),
                (f'{cert}{key}client_auth = "require"\n',
                 ['4:1: tls.client_auth = "require" asks nobody without tls.client_ca_file'])):
            with open(os.path.join(self.folder, "wrong.toml"), "w") as file:
                file.write("[tls]\n" + keys)
            result = subprocess.run([BINARY, "check", "wrong.toml"], cwd=self.folder, timeout=60,
                                    capture_output=True, text=True)
            lines = result.stderr.splitlines()
            self.assertEqual((result.returncode, len(lines)), (1, len(told)), result.stderr)
            for line, words in zip(lines, told):
                self.assertIn("wrong.toml:" + words, line)


if __name__ == "__main__":
    unittest.main(verbosity=2)
