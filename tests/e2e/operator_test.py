"""Tokens of the operator and of who only reads metrics, on a console that the world reaches."""
import hashlib
import json
import os
import re
import signal
import subprocess
import unittest

from harness import BINARY, Quell, SOURCE, Story, failure, wait_for, write_whole


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


class Reachable(Quell):
    ALWAYS = ("listen.http=127.0.0.1:0", "listen.grpc=127.0.0.1:0", "listen.console=0.0.0.0:0")


TENANTS = {f"tenants/{name}.toml": f'[tenant]\nid = "{name}"\ntokens_sha256 = ["{digest(name)}"]\n'
           for name in ("acme", "rival")}


class Operator(Story):
    def start(self, *overrides, auth="", files=None):
        text = f'[notify]\ngroup_wait = "1h"\n[auth]\nmode = "token"\n{auth}'
        quell = Reachable(*overrides, files={"quell.toml": text, **TENANTS, **(files or {})})
        self.addCleanup(quell.close)
        return quell

    def ask(self, quell, path, token=None, method="GET", body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers.update({"Authorization": "Bearer " + token} if token else {})
        status, text, _ = quell.request(method, path, body, headers, quell.console)
        return status, text.decode()

    def statuses(self, quell, path, *tokens):
        return [self.ask(quell, path, token)[0] for token in tokens]

    def fail_jobs(self, quell):
        for tenant in ("acme", "rival"):
            quell.events(failure("load"), Authorization="Bearer " + tenant)
        self.assertTrue(wait_for(lambda: len(json.loads(
            self.ask(quell, "/api/v1/incidents", "boss")[1])["incidents"]) == 2))

    def test_an_operator_sees_all_tenants_acts_and_reads_metrics(self):
        quell = self.start(auth=f'operator_tokens_sha256 = ["{digest("boss")}"]\n')
        self.fail_jobs(quell)
        seen = json.loads(self.ask(quell, "/api/v1/incidents", "boss")[1])["incidents"]
        self.assertEqual(sorted(one["tenant"] for one in seen), ["acme", "rival"])
        for path, more in (("/api/v1/incidents?tenant=acme", {}),
                           ("/api/v1/incidents", {"X_Scope_OrgID": "acme"})):
            page = json.loads(self.ask(quell, path, "boss", **more)[1])["incidents"]
            self.assertEqual([one["tenant"] for one in page], ["acme"])
        status, text = self.ask(quell, "/metrics", "boss")
        self.assertEqual(status, 200)
        self.assertIn("quell_", text)
        for one in seen:
            status, text = self.ask(quell, f"/api/v1/incidents/{one['id']}/ack", "boss", "POST",
                                    '{"by":"ann"}')
            self.assertEqual(status, 200, text)
        self.assertEqual(self.ask(quell, "/api/v1/silences", "boss", "POST", json.dumps(
            {"entity": "job:*", "duration": "1h", "reason": "r", "by": "ann", "tenant": "acme"}))[0],
            200)
        result = subprocess.run([BINARY, "dlq", "list", "--console", f"127.0.0.1:{quell.console}",
                                 "--token", "boss"], capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_who_reads_metrics_reads_nothing_else(self):
        quell = self.start(auth=f'operator_tokens_sha256 = ["{digest("boss")}"]\n'
                                f'metrics_tokens_sha256 = ["{digest("prom")}"]\n')
        self.fail_jobs(quell)
        incident = json.loads(self.ask(quell, "/api/v1/incidents", "boss")[1])["incidents"][0]
        self.assertEqual(self.statuses(quell, "/metrics", "prom", "acme", "wrong", None),
                         [200, 403, 401, 401])
        self.assertEqual(self.ask(quell, "/metrics", "prom", "HEAD")[0], 200)
        for path in ("incidents", "stats", "graph", "audit", "dlq", "quarantine", "silences",
                     "incidents/" + incident["id"], "incidents?tenant=acme"):
            status, text = self.ask(quell, "/api/v1/" + path, "prom")
            self.assertEqual((status, json.loads(text)["error"]["message"]),
                             (403, "this token reads metrics, and nothing else"), path)
        for path, body in ((f"incidents/{incident['id']}/ack", "{}"), ("silences", json.dumps(
                {"entity": "job:*", "duration": "1h", "reason": "r", "by": "b", "tenant": "acme"}))):
            self.assertEqual(self.ask(quell, "/api/v1/" + path, "prom", "POST", body)[0], 403)
        for path in ("/healthz", "/readyz", "/livez", "/-/healthy", "/-/ready", "/readyz?verbose"):
            self.assertEqual(self.statuses(quell, path, None, "wrong", "prom", "acme", "boss"),
                             [200] * 5, path)

    def test_an_end_of_its_own_and_by_set(self):
        times = {"old": "2020-01-01T00:00:00Z", "new": "2100-01-01T00:00:00Z"}
        old, new = (f'{{sha256="{digest(name)}",expires="{end}"}}' for name, end in times.items())
        for key in ("operator", "metrics"):
            quell = self.start(f"auth.{key}_tokens_sha256=[{old}, {new}]")
            self.assertEqual(self.statuses(quell, "/metrics", "old", "new", "acme"), [401, 200, 403])

    def test_events_are_a_tenants(self):
        quell = self.start(auth=f'operator_tokens_sha256 = ["{digest("boss")}"]\n'
                                f'metrics_tokens_sha256 = ["{digest("prom")}"]\n')
        for token in ("boss", "prom"):
            for more in ({}, {"X-Scope-OrgID": "acme"}):
                for path in ("/v1/events", "/v1/logs"):
                    status, answer = quell.post(path, json.dumps([failure("x")]),
                                                {"Authorization": "Bearer " + token, **more})
                    self.assertEqual(status, 403, answer)
                    self.assertIn("names no tenant", json.dumps(answer))
            self.assertEqual(quell.request("POST", f"/ping/{token}/load", "")[0], 404)
        self.assertEqual(quell.post("/v1/events", [failure("x")],
                                    {"Authorization": "Bearer acme"})[0], 200)

    def check(self, quell):
        result = subprocess.run([BINARY, "check"], cwd=quell.directory, capture_output=True,
                                text=True)
        return result.returncode, result.stdout + result.stderr

    def test_a_digest_is_of_one_alone_and_what_changed_is_audited(self):
        quell = self.start()
        path = os.path.join(quell.directory, "quell.toml")
        with open(path) as file:
            plain = file.read() + '[listen]\nconsole = "0.0.0.0:0"\n'
        with_keys = lambda keys: plain.replace("[listen]", keys + "[listen]")
        for keys, told in (
                (f'operator_tokens_sha256 = ["{digest("acme")}"]\n', "tenant acme's token already"),
                (f'metrics_tokens_sha256 = ["{digest("rival")}"]\n', "tenant rival's token already"),
                (f'metrics_tokens_sha256 = ["{digest("a")}"]\noperator_tokens_sha256 = '
                 f'["{digest("a")}"]\n', "in auth.operator_tokens_sha256 already"),
                ('metrics_tokens_sha256 = ["zz"]\n', "64 hex digits"),
                ('operator_tokens_sha256 = "zz"\n', "an array of strings"),
                (f'operator_token_sha256 = ["{digest("a")}"]\n', "operator_tokens_sha256"),
                (f'operator_tokens_sha256 = [{{ sha256 = "{digest("a")}", expires = "x" }}]\n',
                 "expires =")):
            write_whole(path, with_keys(keys))
            code, words = self.check(quell)
            self.assertEqual(code, 1, words)
            self.assertRegex(words, r"quell\.toml:5:\d+: ")
            self.assertIn(told, words)
        write_whole(path, plain)
        self.assertIn("note: nobody can read /metrics", self.check(quell)[1])
        quell.process.send_signal(signal.SIGHUP)

        def hup(text):
            write_whole(path, text)
            count = quell.read_log().count("configuration changed by")
            quell.process.send_signal(signal.SIGHUP)
            self.assertTrue(wait_for(
                lambda: quell.read_log().count("configuration changed by") > count))
        plain = plain.split("[listen]")[0]  # as it was when quell began
        hup(plain + f'operator_tokens_sha256 = ["{digest("boss")}"]\n')
        self.assertTrue(wait_for(lambda: self.statuses(quell, "/metrics", "boss") == [200]))
        self.assertIn("defaults: operator tokens", quell.read_log())
        hup(plain + f'metrics_tokens_sha256 = ["{digest("prom")}"]\n')
        self.assertTrue(wait_for(lambda: self.statuses(quell, "/metrics", "prom", "boss")
                                 == [200, 401]))
        self.assertIn("defaults: operator tokens, metrics tokens", quell.read_log())


class Loopback(Story):
    def test_an_operators_token_is_good_there_too_and_none_is_needed(self):
        quell = self.quell("auth.mode=token", f'auth.operator_tokens_sha256=["{digest("boss")}"]',
                           files=TENANTS)
        for token, wanted in ((None, 200), ("boss", 200), ("wrong", 401), ("acme", 403)):
            headers = {"Authorization": "Bearer " + token} if token else {}
            self.assertEqual(quell.request("GET", "/metrics", None, headers, quell.console)[0],
                             wanted, token)



if __name__ == "__main__":
    unittest.main()
