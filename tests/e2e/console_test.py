"""The console port: what it lists, what it refuses, and how it says so."""
import json
import socket
import time
import unittest
import urllib.parse

from harness import Story, failure


class Console(Story):
    def setUp(self):
        self.q = self.quell("notify.group_wait=1h")

    def ask(self, method, path, body=None):
        status, text, headers = self.q.request(method, path, body, port=self.q.console)
        return status, text, headers

    def expect_error(self, status, code, method, path, body=None):
        answer, text, headers = self.ask(method, path, body)
        self.assertEqual(answer, status, (path, text))
        self.assertEqual(headers["Content-Type"], "application/json")
        error = json.loads(text)["error"]
        self.assertEqual(sorted(error), ["code", "message"])
        self.assertEqual(error["code"], code)
        self.assertTrue(error["message"])
        return headers

    def open_incidents(self, count):
        self.q.events(*[failure(f"job_{number:03}") for number in range(count)])
        self.q.settle()

    def test_pages_hold_every_incident_once(self):
        self.open_incidents(25)
        seen, cursor, pages = [], "", 0
        while cursor is not None and pages < 10:
            _, page = self.q.get("/api/v1/incidents?limit=10&cursor=" + urllib.parse.quote(cursor))
            seen += [incident["id"] for incident in page["incidents"]]
            cursor, pages = page["next_cursor"], pages + 1
        self.assertEqual((len(seen), len(set(seen))), (25, 25))
        self.assertEqual(sorted(seen), sorted(i["id"] for i in self.q.incidents()))

    def fail_of(self, tenant, job):
        self.q.events({**failure(job), "tenant_id": tenant})
        return f"{tenant} job:{job}"

    def pages_of(self, query, between=lambda: None):
        """Tenant and root of what is listed, page by page."""
        seen, cursor = [], ""
        while cursor is not None and len(seen) < 100:
            page = self.q.get(f"/api/v1/incidents?{query}&cursor={cursor}")[1]
            seen += [f"{one['tenant']} {one['root_cause']['entity']}" for one in page["incidents"]]
            cursor = page["next_cursor"]
            between()
        return seen

    def test_the_newest_of_all_tenants_come_first(self):
        tenants = ["m", "a", "m-b", "z", "ab", "a"]  # one name begins another
        sent = [self.fail_of(tenant, f"job{number}") for number, tenant in enumerate(tenants * 3)]
        self.q.settle()
        for limit in (1, 3, 7, 18, 100):
            self.assertEqual(self.pages_of(f"limit={limit}"), sent[::-1], limit)
        self.assertEqual(self.pages_of("limit=2&tenant=m"),
                         [one for one in sent[::-1] if one.startswith("m ")])
        self.assertEqual(self.pages_of("limit=2&status=resolved"), [])

    def test_what_comes_between_two_pages_moves_nothing(self):
        sent = [self.fail_of(tenant, f"job{number}") for number, tenant in enumerate("dbcadb")]
        names = iter(range(100))

        def come():
            for tenant in "aez":
                self.fail_of(tenant, f"more{next(names)}")
            self.q.settle()
        self.q.settle()
        self.assertEqual(self.pages_of("limit=2", come), sent[::-1])

    def test_filters_keep_what_they_say(self):
        self.open_incidents(2)
        self.q.events({**failure("theirs"), "tenant_id": "other"})
        self.q.settle()
        self.assertEqual(len(self.q.incidents()), 3)
        self.assertEqual(len(self.q.incidents("&tenant=default")), 2)
        self.assertEqual(len(self.q.incidents("&tenant=other")), 1)
        self.assertEqual(self.q.incidents("&tenant=nobody"), [])
        self.assertEqual(len(self.q.incidents("&status=open")), 3)
        self.assertEqual(self.q.incidents("&status=resolved"), [])
        self.assertEqual(len(self.q.incidents("&since=2020-01-01T00:00:00Z")), 3)
        self.assertEqual(self.q.incidents("&since=2250-01-01T00:00:00Z"), [])
        self.assertEqual(self.q.incidents("&since=2999-01-01T00:00:00Z"), [])
        self.assertEqual(len(self.q.incidents("&since=1969-01-01T00:00:00Z")), 3)
        for since, found in (("2020-01-01T00:00:00+01:00", 3), ("1600000000", 3), ("8000000000", 0),
                             ("1600000000123", 3), ("8000000000000", 0),
                             ("1600000000123456789", 3), ("8000000000000000000", 0)):
            self.assertEqual(len(self.q.incidents("&since=" + since)), found, since)
        one, = self.q.incidents("&tenant=other")
        path = f"/api/v1/incidents/{one['id']}"
        self.assertEqual(self.q.get(path + "?tenant=other")[1]["id"], one["id"])
        self.expect_error(404, "not_found", "GET", path + "?tenant=default")

    def test_bad_parameters_are_400_and_say_which(self):
        for query in ("limit=0", "limit=x", "limit=-1", "status=broken",
                      "since=yesterday", "cursor=nonsense", "tenant=%zz", "tenant=" + "t" * 600,
                      "status=open&status=acknowledged", "limit=2&tenant=a&limit=2"):
            with self.subTest(query[:30]):
                self.expect_error(400, "invalid", "GET", "/api/v1/incidents?" + query)
                name = query.split("=")[0]
                self.assertIn(name.encode(), self.ask("GET", "/api/v1/incidents?" + query)[1])
        self.open_incidents(1)
        entity = "/api/v1/graph?tenant=default&entity=job:job_000&"
        self.expect_error(400, "invalid", "GET", entity + "hops=0")
        self.expect_error(400, "invalid", "GET", entity + "hops=33")
        self.assertEqual(self.q.get(entity + "hops=32")[0], 200)
        self.expect_error(400, "invalid", "GET", entity + "direction=sideways")
        self.expect_error(404, "not_found", "GET", "/api/v1/graph?tenant=default&entity=job:none")

    def test_who_asks_for_more_than_a_page_gets_a_page(self):
        self.open_incidents(3)
        for query, count in (("limit=1001", 3), ("limit=1000000", 3), ("limit=2", 2)):
            page = self.q.get("/api/v1/incidents?" + query)[1]
            self.assertEqual(len(page["incidents"]), count, query)

    def test_unknown_paths_and_methods(self):
        for path in ("/nothing", "/api/v1/incidents/x/y", "/api/v1/incidents/inc_none",
                     "/api/v1/incidents/inc_none/timeline", "/api/v2/incidents"):
            self.expect_error(404, "not_found", "GET", path)
        self.expect_error(404, "not_found", "POST", "/api/v1/incidents/inc_none/ack", "{}")
        for method, path, allowed in (("POST", "/api/v1/incidents", "GET, HEAD"),
                                      ("DELETE", "/api/v1/stats", "GET, HEAD"),
                                      ("PUT", "/healthz", "GET, HEAD"),
                                      ("GET", "/api/v1/incidents/inc_none/ack", "POST")):
            headers = self.expect_error(405, "method_not_allowed", method, path)
            self.assertEqual(headers["Allow"], allowed)

    def test_a_bad_action_changes_nothing(self):
        self.open_incidents(1)
        incident, = self.q.incidents()
        path = f"/api/v1/incidents/{incident['id']}"
        for body in ("[]", "{", '{"by":1}', '"ann"', b"\xff"):
            self.expect_error(400, "invalid", "POST", path + "/ack", body)
        self.assertEqual(self.q.incidents(), [incident])
        status, text, _ = self.ask("POST", path + "/ack",
                                   json.dumps({"by": "Zoé 😀", "note": "n", "more": [1, {}]}))
        self.assertEqual((status, json.loads(text)["status"]), (200, "acknowledged"))
        timeline = self.q.get(path + "/timeline")[1]["timeline"]
        entry, = [entry for entry in timeline if entry["what"] == "acknowledged"]
        self.assertIn("Zoé 😀", json.dumps(entry, ensure_ascii=False))
        self.ask("POST", path + "/ack", json.dumps({"by": "bob", "note": "taking over"}))
        timeline = self.q.get(path + "/timeline")[1]["timeline"]
        self.assertEqual([entry["detail"] for entry in timeline
                          if entry["what"] == "acknowledged"], ["by Zoé 😀: n", "by bob: taking over"])

    def test_a_page_of_another_site_changes_nothing(self):
        """On loopback whoever asks is the operator: also a browser that somebody else's page asks."""
        self.open_incidents(1)
        incident, = self.q.incidents()
        path = f"/api/v1/incidents/{incident['id']}/ack"
        own = f"127.0.0.1:{self.q.console}"
        for headers, status in (({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403),
                                ({"Sec-Fetch-Site": "cross-site", "Origin": f"http://{own}"}, 403),
                                ({"Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"}, 200),
                                ({}, 200)):
            answer, text, _ = self.q.request("POST", path, '{"by":"ann"}', headers,
                                             port=self.q.console)
            self.assertEqual(answer, status, (headers, text))

    def test_health_and_metrics(self):
        for path in ("/healthz", "/livez", "/readyz"):
            self.assertEqual(self.ask("GET", path)[0], 200)
        self.assertEqual(self.ask("HEAD", "/healthz")[:2], (200, b""))
        status, text, _ = self.ask("GET", "/readyz?verbose")
        self.assertEqual(status, 200)
        self.assertIn(b"[+] journal ok", text)
        self.open_incidents(1)
        status, text, headers = self.ask("GET", "/metrics")
        self.assertEqual(status, 200)
        self.assertIn("version=0.0.4", headers["Content-Type"])
        lines = text.decode().splitlines()
        self.assertIn('quell_events_received_total{tenant="default"} 1', lines)
        version = self.ask("GET", "/")[1].split()[1].decode()  # what a dashboard names a change by
        self.assertIn(f'quell_build_info{{version="{version}"}} 1', lines)
        for line in lines:
            self.assertRegex(line, r'^(# (HELP|TYPE) .+|[a-z_]+(\{.+\})? [0-9.e+]+)$')
            self.assertNotRegex(line, r"_(ns|ms|us|nanoseconds|milliseconds)(_total)?[ {]")
        helps = [line.split(" ", 3)[3] for line in lines if line.startswith("# HELP ")]
        self.assertEqual(sorted(set(helps)), sorted(helps))  # each says what it counts
        for words in helps:  # it is shown by itself: nothing stands before it
            self.assertNotRegex(words, r"\b([Tt]hem|[Tt]hose|As many as|it last did)\b|^Bytes of their")
        reloaded = self.q.metric("quell_config_last_reload_success_timestamp_seconds")
        self.assertAlmostEqual(reloaded, time.time(), delta=600)

    def test_an_incident_that_was_merged_can_still_be_read(self):
        def steps(ident):
            answer = self.q.get(f"/api/v1/incidents/{ident}/timeline")[1]["timeline"]
            self.assertEqual(answer, sorted(answer, key=lambda one: one["at"]))
            return [(one["what"], one["detail"]) for one in answer]
        for name in "cd":
            self.q.events(failure(name, "a"))
            self.q.settle()
        first, second = [next(one["id"] for one in self.q.incidents()
                              if one["root_cause"]["entity"] == f"job:{name}") for name in "cd"]
        self.ask("POST", f"/api/v1/incidents/{first}/ack", '{"by":"bob"}')
        self.ask("POST", f"/api/v1/incidents/{second}/ack", '{"by":"ann","note":"mine"}')
        alone = steps(second)
        self.q.events(failure("a"))
        self.q.settle()
        self.assertEqual([one["id"] for one in self.q.incidents()], [first])
        absorbed, whole = steps(second), steps(first)
        self.assertEqual(absorbed[:len(alone)], alone)
        self.assertIn(("acknowledged", "by ann: mine"), absorbed)
        self.assertIn(("merged", f"into {first}"), absorbed)
        self.assertEqual(absorbed[-1], whole[-1])
        self.assertIn(("merged", f"{second}: job:d failed: Timeout; acknowledged by ann: mine"),
                      whole)
        self.q.stop()
        self.q.start()
        self.assertEqual((steps(second)[:len(absorbed)], steps(first)[:len(whole)]),
                         (absorbed, whole))

    def test_repeats_stand_in_the_timeline_before_anybody_is_told_of_them(self):
        for number in range(8):
            self.q.events(failure("again", event_id=f"e{number}"))
        self.q.settle()
        incident, = self.q.incidents()
        path = f"/api/v1/incidents/{incident['id']}"
        entries = self.q.get(path + "/timeline")[1]["timeline"]
        self.assertEqual([(one["what"], one["detail"]) for one in entries],
                         [("opened", "job:again failed"), ("deduplicated", "x7")])
        self.ask("POST", path + "/ack", "{}")  # tells it, and so what was counted
        self.q.events(failure("again", event_id="e8"))
        self.q.settle()
        entries = self.q.get(path + "/timeline")[1]["timeline"]
        self.assertEqual([one["detail"] for one in entries if one["what"] == "deduplicated"],
                         ["x7", "x1"])
        self.assertIn(("acknowledged", "by nobody named"),
                      [(one["what"], one["detail"]) for one in entries])
        self.ask("POST", path + "/ack", '{"by":"bob"}')  # nothing new to tell of
        entries = self.q.get(path + "/timeline")[1]["timeline"]
        self.assertEqual([(one["what"], one["detail"]) for one in entries[-2:]],
                         [("deduplicated", "x1"), ("acknowledged", "by bob")])
        self.assertEqual(entries, sorted(entries, key=lambda one: one["at"]))

    def test_a_title_is_one_line(self):
        trace = "\n ValueError: no rows\n  File load.py, line 3\n    in main"
        self.q.events({"job_id": "trace", "status": "failed", "message": trace})
        self.q.settle()
        incident, = self.q.incidents()
        self.assertEqual(incident["title"], "job:trace failed: ValueError: no rows")
        self.assertEqual(incident["root_cause"]["message"], trace)

    def test_a_title_says_the_message_with_its_numbers(self):
        self.q.events({"job_id": "a", "status": "failed", "message": "timeout after 30s on 'é'"},
                      {"job_id": "b", "status": "failed", "message": "12 rows", "error_type": "#"},
                      {"job_id": "c", "status": "failed", "message": "7 " + "é" * 200})
        self.q.settle()
        titles = {one["root_cause"]["entity"]: one["title"] for one in self.q.incidents()}
        self.assertEqual(titles, {"job:a": "job:a failed: timeout after 30s on 'é'",
                                  "job:b": "job:b failed: #",
                                  "job:c": "job:c failed: 7 " + "é" * 47 + "…"})

    def test_what_is_no_http_is_refused_in_the_same_form(self):
        with socket.create_connection(("127.0.0.1", self.q.console), timeout=60) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\n\r\n")
            answer = b""
            part = connection.recv(65536)
            while part:
                answer += part
                part = connection.recv(65536)
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 400 "))
        self.assertEqual(json.loads(body)["error"]["code"], "bad_request")
        self.expect_error(413, "too_large", "POST", "/api/v1/incidents/inc_none/ack", "x" * 1100000)


class Scopes(Story):
    """X-Scope-OrgID on the console, as on the ports that take events."""

    def setUp(self):
        self.server = self.quell("notify.group_wait=1h")
        for tenant in ("acme", "rival"):
            self.server.events(failure("job_" + tenant), **{"X-Scope-OrgID": tenant})
        self.server.settle()
        self.ids = {one["tenant"]: one["id"] for one in self.server.incidents()}

    def ask(self, path, scope, body=None):
        status, text, _ = self.server.request("GET" if body is None else "POST", "/api/v1/" + path,
                                              body, {"X-Scope-OrgID": scope}, self.server.console)
        return status, json.loads(text)

    def test_a_header_shows_its_tenant_and_no_other(self):
        self.assertEqual(set(self.ids), {"acme", "rival"})
        for path in ("incidents", "incidents?tenant=acme", "stats", "graph",
                     f"incidents/{self.ids['acme']}", f"incidents/{self.ids['acme']}/timeline"):
            status, answer = self.ask(path, "acme")
            self.assertEqual(status, 200, path)
            self.assertIn("job_acme" if "stats" not in path else "events_received", str(answer))
            self.assertNotIn("rival", str(answer))
        for path in ("", "/timeline", "/explain"):
            self.assertEqual(self.ask(f"incidents/{self.ids['rival']}{path}", "acme")[0], 404)
        for what in ("ack", "resolve"):
            path = f"incidents/{self.ids['rival']}/{what}"
            self.assertEqual(self.ask(path, "acme", "{}")[0], 404)
        self.assertEqual({one["status"] for one in self.server.incidents()}, {"open"})
        self.assertEqual(self.ask(f"incidents/{self.ids['acme']}/ack", "acme", "{}")[0], 200)

    def test_a_header_that_says_otherwise_than_the_question_is_refused(self):
        for path in ("incidents?tenant=rival", "stats?tenant=rival"):
            status, answer = self.ask(path, "acme")
            self.assertEqual((status, answer["error"]["code"]), (403, "forbidden"))
        status, answer = self.ask("incidents", "no name")
        self.assertEqual((status, answer["error"]["code"]), (400, "invalid"))


class Tokens(Story):
    TOKENS = {"acme": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",  # test
              "rival": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"}  # foo

    def setUp(self):
        files = {f"tenants/{name}.toml": f'[tenant]\nid = "{name}"\ntokens_sha256 = ["{digest}"]\n'
                 for name, digest in self.TOKENS.items()}
        self.server = self.quell("auth.mode=token", "defaults.notify.group_wait=0s", files=files)
        for token, job in (("test", "a"), ("foo", "b")):
            self.server.events({"job_id": job, "status": "failed"},
                               Authorization="Bearer " + token)
        self.server.settle()

    def ask(self, method, path, token=None, body=None, scope=None):
        headers = {"Authorization": "Bearer " + token} if token else {}
        headers.update({"X-Scope-OrgID": scope} if scope else {})
        status, text, _ = self.server.request(method, path, body, headers, self.server.console)
        return status, text.decode()

    def test_a_token_shows_its_tenant_and_no_other(self):
        ids = {i["tenant"]: i["id"] for i in self.server.incidents()}
        for path in ("/api/v1/incidents", "/api/v1/incidents?tenant=acme", "/api/v1/stats",
                     "/api/v1/graph", "/api/v1/incidents/" + ids["acme"],
                     f"/api/v1/incidents/{ids['acme']}/timeline"):
            status, text = self.ask("GET", path, "test")
            self.assertEqual(status, 200, path)
            self.assertNotIn("rival", text)
            self.assertNotIn("job:b", text)
        for path in ("", "/timeline"):
            self.assertEqual(self.ask("GET", f"/api/v1/incidents/{ids['rival']}{path}",
                                      "test")[0], 404)
        for path in ("incidents", "stats", "graph"):
            self.assertEqual(self.ask("GET", f"/api/v1/{path}?tenant=rival", "test")[0], 403)
            self.assertEqual(self.ask("GET", "/api/v1/" + path, "wrong")[0], 401)
            self.assertEqual(self.ask("GET", "/api/v1/" + path, "test", scope="rival")[0], 403)
            self.assertEqual(self.ask("GET", "/api/v1/" + path, "test", scope="acme")[0], 200)
            self.assertNotIn("rival", self.ask("GET", "/api/v1/" + path, scope="acme")[1])
        self.assertEqual(self.ask("GET", "/metrics", "test")[0], 403)
        for what in ("ack", "resolve"):
            self.assertEqual(self.ask("POST", f"/api/v1/incidents/{ids['rival']}/{what}",
                                      "test", "{}")[0], 404)
            self.assertEqual(self.ask("POST", f"/api/v1/incidents/{ids['acme']}/{what}?tenant="
                                      "rival", None, "{}")[0], 404)
        self.assertEqual(self.ask("POST", f"/api/v1/incidents/{ids['acme']}/ack", "test",
                                  '{"by":"ann"}')[0], 200)


if __name__ == "__main__":
    unittest.main()
