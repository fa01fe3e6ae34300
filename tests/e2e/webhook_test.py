"""Webhooks: signatures by an independent verifier, rotation, own headers and bodies, no way inside."""
import http.server
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import unittest

from harness import BINARY, SCHEMA, Server, Story, failure, fakes_names, wait_for, write_whole

sys.path.insert(0, os.path.join(os.environ["QUELL_SOURCE"], "tests", "tools"))
import python_packages  # noqa: E402
from certificates import Authority  # noqa: E402

SECRETS = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]


class Listener(Server):
    """Keeps raw requests; answers what `answers` say, then 200."""

    def __init__(self, answers=()):
        self.requests, self.answers = [], list(answers)
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                listener.requests.append((time.monotonic(), self.path, self.headers, body))
                status, headers = listener.answers.pop(0) if listener.answers else (200, {})
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if "Content-Length" in headers:  # a body that breaks off
                    self.wfile.write(b"ok")

        self.serve(Handler)


class WebhookStory(Story):
    def listener(self, *answers):
        listener = Listener(answers)
        self.addCleanup(listener.close)
        return listener

    def hook(self, url, *overrides, **more):
        return self.quell("notify.group_wait=0s", "notify.group_interval=0s",
                          "sink.hook.type=webhook", "sink.hook.url=" + url, "sink.hook.backoff=20ms",
                          *overrides, **more)

    def wait_for_requests(self, listener, count, seconds=60):
        self.assertTrue(wait_for(lambda: len(listener.requests) >= count, seconds))
        return listener.requests

    def test_signatures_are_those_of_standard_webhooks_also_during_a_rotation(self):
        python_packages.want("standardwebhooks")
        from standardwebhooks.webhooks import Webhook, WebhookVerificationError
        listener = self.listener()
        quell = self.hook(listener.url, "sink.hook.secret=" + SECRETS[0])
        quell.events(failure("one"))
        _, _, headers, body = self.wait_for_requests(listener, 1)[0]
        self.assertEqual(Webhook(SECRETS[0]).verify(body, headers)["type"], "incident.opened")
        with self.assertRaises(WebhookVerificationError):
            Webhook(SECRETS[1]).verify(body, headers)
        with self.assertRaises(WebhookVerificationError):
            Webhook(SECRETS[0]).verify(body.replace(b"one", b"two"), headers)
        quell.stop()
        quell.overrides += ["sink.hook.secret=" + SECRETS[1],
                            "sink.hook.secret_previous=" + SECRETS[0]]
        quell.start()
        quell.events(failure("two"))
        _, _, headers, body = self.wait_for_requests(listener, 2)[1]
        for secret in SECRETS:  # a receiver may change over before or after us
            self.assertEqual(Webhook(secret).verify(body, headers)["data"]["root_cause"]["entity"],
                             "job:two")

    def test_a_retry_is_the_same_message_with_a_signature_of_its_own(self):
        python_packages.want("standardwebhooks")
        from standardwebhooks.webhooks import Webhook
        listener = self.listener((503, {}), (500, {}))
        quell = self.hook(listener.url, "sink.hook.secret=" + SECRETS[0])
        quell.events(failure("one"))
        requests = self.wait_for_requests(listener, 3)
        self.assertEqual(len({headers["webhook-id"] for _, _, headers, _ in requests}), 1)
        self.assertEqual(len({body for _, _, _, body in requests}), 1)
        for _, _, headers, body in requests:
            Webhook(SECRETS[0]).verify(body, headers)

    def test_what_may_pass_is_retried(self):
        """A route that is not deployed yet, a token in rotation, a login page in between."""
        states = (302, 401, 403, 404, 405, 423, 429, 500)
        listener = self.listener(*[(status, {}) for status in states])
        quell = self.hook(listener.url, "sink.hook.breaker_failures=50")
        quell.events(failure("one"))
        self.wait_for_requests(listener, len(states) + 1)
        self.assertTrue(wait_for(lambda: quell.metric("quell_sink_delivered_total") == 1))
        self.assertEqual(len({headers["webhook-id"] for _, _, headers, _ in listener.requests}), 1)
        self.assertEqual(quell.get("/api/v1/dlq")[1]["dead_letters"], [])

    def test_what_will_never_do_is_a_dead_letter_at_once(self):
        finals = (301, 308, 400, 409, 410, 411, 413, 415, 422, 431)
        listener = self.listener(*[(status, {}) for status in finals])
        quell = self.hook(listener.url, "sink.hook.breaker_failures=50")
        for count, status in enumerate(finals, 1):
            quell.events(failure(f"job-{status}"))
            self.assertTrue(wait_for(lambda: len(quell.get("/api/v1/dlq")[1]["dead_letters"]) ==
                                     count), status)
        for letter in quell.get("/api/v1/dlq")[1]["dead_letters"]:
            self.assertEqual(letter["attempts"], 1, letter["error"])
        self.assertEqual(len(listener.requests), len(finals))

    def test_an_answer_whose_body_breaks_off_is_an_answer(self):
        listener = self.listener(*[(200, {"Content-Length": "1000"})] * 3)
        quell = self.hook(listener.url)
        quell.events(failure("one"))
        self.assertTrue(wait_for(lambda: quell.metric("quell_sink_delivered_total") == 1))
        self.assertEqual(quell.metric("quell_sink_attempts_failed_total"), 0)
        self.assertEqual(len(listener.requests), 1)

    def test_headers_and_a_body_of_ones_own(self):
        listener = self.listener()
        config = """[notify]
group_wait = "0s"
[sink.hook]
type = "webhook"
url = "%s"
headers = { "X-Team" = "data", "Authorization" = "Bearer abc" }
template = '{"words":"{{severity}} {{type}}: {{ title }}","who":"{{root_cause.entity}}","n":{{signals.total}},"none":"{{labels.nothing}}","dots":"{{labels.a.b}}"}'
[labels]
"a.b" = "c"
""" % listener.url
        quell = self.quell(files={"quell.toml": config})
        quell.events(failure("x", message='quote " and \\ and \n\r\0 é', error_type='E"<b>'))
        _, _, headers, body = self.wait_for_requests(listener, 1)[0]
        self.assertEqual((headers["X-Team"], headers["Authorization"]), ("data", "Bearer abc"))
        value = json.loads(body)
        self.assertEqual((value["who"], value["n"], value["none"]), ("job:x", 1, ""))
        self.assertIn('E"<b>', value["words"])
        self.assertIn("opened", value["words"])
        self.assertEqual(value["dots"], "c")

    def test_a_path_that_no_incident_has_is_an_error_of_the_template(self):
        def check(template):
            with open(os.path.join(folder, "quell.toml"), "w") as file:
                file.write(f'[sink.hook]\ntype = "webhook"\nurl = "{self.listener().url}"\n'
                           f"template = '{template}'\n")
            return subprocess.run([BINARY, "check"], cwd=folder, capture_output=True, text=True)

        def paths_of(schema, before=""):
            for name, below in schema.get("properties", {}).items():
                yield before + name
                yield from paths_of(below, before + name + ".")
            if isinstance(schema.get("additionalProperties"), dict):
                yield before + "anything.at-all"
        folder = tempfile.mkdtemp(prefix="quell-test-")
        self.addCleanup(shutil.rmtree, folder)
        every = ["type", *paths_of(SCHEMA)]
        self.assertIn("labels.anything.at-all", every)
        run = check(" ".join("{{%s}}" % path for path in every))
        self.assertEqual((run.returncode, run.stderr), (0, ""))
        run = check("{{titel}} {{ root_cause.entty }} {{affected.0}} {{" + "x" * 100 + "}}")
        self.assertEqual(run.returncode, 1)
        for words in ('unknown path "titel": did you mean "title"?', 'unknown path "affected.0"',
                      'unknown path "root_cause.entty": did you mean "root_cause.entity"?',
                      'unknown path "xxx'):
            self.assertIn('quell.toml:4:1: sink "hook": template: ' + words, run.stderr)

    def test_a_server_whose_authority_the_system_does_not_know_is_trusted_by_its_file(self):
        folder = tempfile.mkdtemp(prefix="quell-certificates-")
        self.addCleanup(shutil.rmtree, folder)
        authority, other = Authority(folder), Authority(folder, "other")
        server = authority.issue("server", "DNS:localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.cert, server.key)
        listener = self.listener()
        # In the connection's own thread: one that breaks off holds nobody up.
        listener.server.socket = context.wrap_socket(listener.server.socket, server_side=True,
                                                     do_handshake_on_connect=False)
        listener.server.handle_error = lambda *_: None
        known = os.path.join(folder, "known.crt")
        hook = (f'[sink.hook]\ntype = "webhook"\nurl = "https://localhost:{listener.port}/"\n'
                f'backoff = "100ms"\nbreaker_failures = 1000\nca_file = "{known}"\n')
        shutil.copy(other.cert, known)
        quell = self.quell("notify.group_wait=0s", files={"quell.toml": hook})
        quell.events(failure("one"))
        self.assertTrue(wait_for(lambda: "attempt 1 failed: SSL certificate problem" in quell.said()))
        self.assertEqual(listener.requests, [])
        shutil.copy(authority.cert, known)  # it is read anew
        self.assertEqual(len(self.wait_for_requests(listener, 1)), 1)
        for text, words in (("no certificate", "holds no certificate"), (None, "No such file")):
            os.remove(known) if text is None else write_whole(known, text)
            run = subprocess.run([BINARY, "check"], cwd=quell.directory, capture_output=True,
                                 text=True)
            self.assertEqual(run.returncode, 1)
            self.assertRegex(run.stderr, f'quell.toml:6:1: sink "hook": ca_file.*{words}')

    def test_an_own_header_is_said_once_and_none_breaks_the_message(self):
        listener = self.listener()
        hook = (f'[sink.hook]\ntype = "webhook"\nurl = "{listener.url}"\n'
                'headers = { content-type = "text/plain", User-Agent = "mine" }\n')
        quell = self.quell("notify.group_wait=0s", files={"quell.toml": hook})
        quell.events(failure("one"))
        _, _, headers, _ = self.wait_for_requests(listener, 1)[0]
        self.assertEqual((headers.get_all("Content-Type"), headers.get_all("User-Agent")),
                         (["text/plain"], ["mine"]))
        for name in ("X Y", "", "Content-Length", "transfer-encoding", "Webhook-Id", "Host:"):
            told = f'quell.toml:4:13: sink "hook": headers.{name}: '
            with self.assertRaisesRegex(AssertionError, told):
                self.quell(files={"quell.toml": hook.replace("content-type", f'"{name}"')}).close()
        with self.assertRaises(AssertionError) as told:  # of both
            self.quell(files={"quell.toml": hook.replace("content-type", '"a b"').replace(
                "User-Agent", "webhook-id")}).close()
        self.assertEqual(str(told.exception).count('sink "hook": headers.'), 2)

    def test_the_longest_url_and_header_that_a_check_takes_are_sent(self):
        listener = self.listener()
        url, value = (listener.url + "/").ljust(4095, "x"), "y" * (8191 - len("X-Team: "))
        quell = self.quell("notify.group_wait=0s", files={"quell.toml": (
            f'[sink.hook]\ntype = "webhook"\nurl = "{url}"\nheaders = {{ X-Team = "{value}" }}\n')})
        quell.events(failure("one"))
        _, path, headers, _ = self.wait_for_requests(listener, 1)[0]
        self.assertEqual((listener.url + path, headers["X-Team"]), (url, value))

    def test_a_redirect_leads_nowhere(self):
        inside = self.listener()
        for status in (301, 302, 303, 307, 308):
            listener = self.listener(*[(status, {"Location": inside.url + "/secret"})] * 2)
            quell = self.hook(listener.url, "sink.hook.max_attempts=2")
            quell.events(failure("one"))
            self.assertTrue(wait_for(lambda: quell.get("/api/v1/dlq")[1]["dead_letters"]))
            quell.close()
        self.assertEqual(inside.requests, [])

    def assert_all_refused(self, quell, count):
        quell.events(failure("one"))
        self.assertTrue(wait_for(lambda: len(quell.get("/api/v1/dlq")[1]["dead_letters"]) == count),
                        quell.get("/api/v1/dlq"))
        for letter in quell.get("/api/v1/dlq")[1]["dead_letters"]:
            self.assertIn("link-local", letter["error"], letter["sink"])
            self.assertEqual(letter["attempts"], 1)

    def test_link_local_addresses_are_refused_whatever_they_look_like(self):
        hosts = ("169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "2852039166",
                 "0xA9.254.169.254", "[64:ff9b::a9fe:a9fe]", "0251.0376.0251.0376", "169.254.43518",
                 "169.16689662", "0xa9fea9fe", "[::ffff:a9fe:a9fe]", "[0:0:0:0:0:ffff:a9fe:a9fe]",
                 "[2002:a9fe:a9fe::1]", "[fd00:ec2::254]", "100.100.100.200", "user@169.254.169.254",
                 "%31%369.254.169.254")
        sinks = "".join(f'[sink.s{number}]\ntype = "webhook"\nurl = "http://{host}/latest"\n'
                        for number, host in enumerate(hosts))
        quell = self.quell(files={"quell.toml": '[notify]\ngroup_wait = "0s"\n' + sinks})
        self.assert_all_refused(quell, len(hosts))

    @fakes_names
    def test_a_name_that_leads_to_a_link_local_address_is_refused(self):
        config = """[notify]
group_wait = "0s"
[sink.hook]
type = "webhook"
url = "http://meta.test/latest"
[sink.chat]
type = "slack"
url = "http://meta.test/hook"
[sink.db]
type = "postgres"
dsn = "postgresql://u@meta.test/x"
"""
        self.assert_all_refused(self.quell_with_fake_names(files={"quell.toml": config}), 3)

    @fakes_names
    def test_a_name_that_is_none_is_not_told_where_the_address_is_a_secret(self):
        hosts = ["no.test", "%70lain.no.test", "longer.than.a.run.no.test"]
        config = '[notify]\ngroup_wait = "0s"\n'
        for number, host in enumerate(hosts):
            os.environ[f"QUELL_TEST_URL{number}"] = f"http://{host}/"
            config += (f'[sink.s{number}]\ntype = "webhook"\nurl = "${{env:QUELL_TEST_URL{number}}}"\n'
                       'max_attempts = 2\nbackoff = "10ms"\n')
        quell = self.quell_with_fake_names(files={"quell.toml": config})
        quell.events(failure("one"))
        self.assertTrue(wait_for(lambda: len(quell.get("/api/v1/dlq")[1]["dead_letters"]) == 3))
        letters = quell.get("/api/v1/dlq")[1]["dead_letters"]
        self.assertEqual({one["error"] for one in letters}, {"the host's name cannot be resolved"})
        self.assertIn("the host's name cannot be resolved", quell.read_log())
        self.assertNotIn("no.test", quell.read_log())

    def assert_told_soon(self, quell, receiver, job):
        count = len(receiver.messages)
        quell.events(failure(job))
        self.assertTrue(wait_for(lambda: len(receiver.messages) > count, 45), job)

    def assert_delays_no_other_sink(self, slow):
        receiver = self.receiver()
        config = ('[notify]\ngroup_wait = "0s"\n'
                  f'[sink.good]\ntype = "webhook"\nurl = "{receiver.url}"\n')
        slow = f'[sink.slow]\n{slow}\ntimeout = "1s"\nbackoff = "20ms"\n'
        quell = self.quell_with_fake_names(files={"quell.toml": config + slow})
        for job in ("one", "two", "three"):
            self.assert_told_soon(quell, receiver, job)
            time.sleep(1.3)  # until an attempt has timed out
        write_whole(os.path.join(quell.directory, "quell.toml"), config)
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "reloaded: " in quell.read_log()))
        self.assert_told_soon(quell, receiver, "four")
        begun = time.monotonic()
        self.assertEqual(quell.stop(), 0)
        self.assertLess(time.monotonic() - begun, 45)  # nor does its name hold up a stop

    @fakes_names
    def test_a_slow_name_server_delays_no_other_sink(self):
        self.assert_delays_no_other_sink('type = "webhook"\nurl = "http://slow.test/"')

    @fakes_names
    def test_brokers_of_a_slow_name_server_delay_no_other_sink(self):
        self.assert_delays_no_other_sink('type = "kafka"\nbrokers = "slow.test:9092"\n'
                                         'topic = "incidents"')

    def test_an_operator_can_keep_sinks_out_of_private_networks(self):
        listener = self.listener()
        local = listener.url.replace("127.0.0.1", "localhost")
        bus = ["sink.bus.type=kafka", f"sink.bus.brokers=127.0.0.1:{listener.port}",
               "sink.bus.topic=x", "sink.bus.timeout=4s", "sink.bus.max_attempts=1"]
        if os.environ.get("QUELL_SANITIZE") == "thread":  # it does not know librdkafka's threads
            bus = []
        quell = self.hook(local, "sinks.addresses=public", "sink.db.type=postgres",
                          f"sink.db.dsn=postgresql://u@127.0.0.1:{listener.port}/x", *bus)
        quell.events(failure("one"))
        count = 3 if bus else 2
        self.assertTrue(wait_for(lambda: len(quell.get("/api/v1/dlq")[1]["dead_letters"]) == count))
        for letter in quell.get("/api/v1/dlq")[1]["dead_letters"]:
            self.assertIn("private", letter["error"])
        self.assertEqual(listener.requests, [])

    def test_only_http_is_an_address(self):
        for url in ("file:///etc/passwd", "gopher://127.0.0.1/", "ftp://x/", "//x", "http",
                    "dict://127.0.0.1:6379/", "http://x/\\r\\nEvil: 1"):
            with self.assertRaisesRegex(AssertionError, 'sink "hook": .*url|unknown|invalid'):
                self.quell(files={"quell.toml": '[sink.hook]\ntype = "webhook"\n'
                                  f'url = "{url}"\n'}).close()
        with self.assertRaisesRegex(AssertionError, "line break"):
            self.quell(files={"quell.toml": '[sink.hook]\ntype = "webhook"\nurl = "http://x"\n'
                              'headers = { X = "a\\r\\nEvil: 1" }\n'}).close()

    def test_the_rate_is_kept_after_a_small_burst(self):
        listener = self.listener()
        quell = self.hook(listener.url, "sink.hook.rate=10/s")
        for turn in range(10):
            quell.events(*[failure(f"job{turn}-{number}") for number in range(18)])
            requests = self.wait_for_requests(listener, 18 * (turn + 1))[18 * turn:]
            spent = requests[17][0] - requests[0][0]
            self.assertGreaterEqual(spent, 0.8)  # 1.5 but for what this process is late
            if spent < 6:  # else the machine stood still
                break
        self.assertLess(spent, 6)
        self.assertEqual(quell.settle()["deliveries_failed"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
