"""Dead letters: kept whole, listed, retried, dropped; the journal alone knows what became of them."""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import unittest

from harness import BINARY, Console, Story, failure, listed, wait_for


class DeadLetters(Story):
    def setUp(self):
        self.hook = self.receiver()
        self.hook.status = 400

    def run_quell(self, *overrides, **more):
        return self.quell("notify.group_wait=0s", "notify.group_interval=0s",
                          "sink.hook.type=webhook", "sink.hook.url=" + self.hook.url,
                          *overrides, **more)

    def dlq(self, quell, *words, code=0, token=None):
        environment = {**os.environ, "USER": "sam"}
        if token:
            environment["QUELL_TOKEN"] = token
        result = subprocess.run([BINARY, "dlq", *words, "--console", f"127.0.0.1:{quell.console}"],
                                capture_output=True, text=True, env=environment)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout if code == 0 else result.stderr

    def letters(self, quell, query=""):
        status, answer = quell.get("/api/v1/dlq?limit=1000" + query)
        self.assertEqual(status, 200, answer)
        return answer["dead_letters"]

    def wait_for_letters(self, quell, count):
        self.assertTrue(wait_for(lambda: len(self.letters(quell)) == count))
        return self.letters(quell)

    def test_a_number_with_zeros_before_it_is_answered_as_the_number_it_is(self):
        quell = self.run_quell()
        quell.events(failure("extract"))
        number = self.wait_for_letters(quell, 1)[0]["number"]
        for zeros in 3, 90:
            status, text, _ = quell.request("POST", f"/api/v1/dlq/{number:0{zeros}}/drop", "{}",
                                            port=quell.console)
            self.assertEqual((status, json.loads(text)),
                             (200, {"number": number, "result": "dropped"}) if zeros == 3 else
                             (404, {"error": {"code": "not_found",
                                              "message": "no dead letter has this number"}}))

    def test_a_letter_keeps_payload_and_error_and_goes_out_again_as_the_same_message(self):
        quell = self.run_quell()
        quell.events(failure("extract"))
        letter, = self.wait_for_letters(quell, 1)
        self.assertEqual((letter["sink"], letter["type"], letter["attempts"]),
                         ("hook", "opened", 1))
        self.assertIn("HTTP 400", letter["error"])
        for words in ("show", "x"), ("retry", "x"), ("drop", str(letter["number"]), "x"):
            self.assertEqual(self.dlq(quell, *words, code=2),
                             'quell: "x" is no number of a dead letter\n')
        shown = json.loads(self.dlq(quell, "show", str(letter["number"])))
        self.assertEqual(shown["payload"]["root_cause"]["entity"], "job:extract")
        self.assertIn(" 1 attempt  HTTP 400", self.dlq(quell, "list"))
        self.hook.status = 200
        self.dlq(quell, "retry", str(letter["number"]))
        self.assertTrue(wait_for(lambda: self.hook.messages))
        self.assertEqual(self.hook.messages[0]["data"], shown["payload"])
        self.assertEqual(self.hook.headers[0]["webhook-id"], self.hook.headers[-1]["webhook-id"])
        self.assertEqual(letter["message_id"], self.hook.headers[0]["webhook-id"])
        self.wait_for_letters(quell, 0)
        self.assertIn('by \\"sam\\"', quell.read_log())
        self.assertIn("no dead letter", self.dlq(quell, "retry", str(letter["number"]), code=1))

    def test_the_log_says_whose_message_became_a_letter(self):
        quell = self.run_quell()  # a sink of the defaults: of any tenant
        quell.events(failure("extract"), **{"X-Scope-OrgID": "acme"})
        letter, = self.wait_for_letters(quell, 1)
        self.assertTrue(wait_for(lambda: f"message {letter['number']} of tenant acme is a dead "
                                         "letter: HTTP 400" in quell.read_log()), quell.read_log())

    def test_a_letter_retried_while_the_sink_is_down_does_not_replace_what_is_newer(self):
        self.hook.status = 500
        quell = self.run_quell("sink.hook.max_attempts=3", "sink.hook.backoff=50ms",
                               "sink.hook.breaker_failures=4", "sink.hook.breaker_wait=3s")
        quell.events(failure("extract"))
        letter, = self.wait_for_letters(quell, 1)
        quell.events({"job_id": "extract", "status": "succeeded"})
        self.assertTrue(wait_for(lambda: "circuit breaker opened" in quell.read_log()))
        self.dlq(quell, "retry", str(letter["number"]))
        quell.settle()
        self.hook.status = 200
        self.assertTrue(wait_for(lambda: self.hook.messages))
        self.assertEqual(self.hook.types()[-1], "resolved")
        self.wait_for_letters(quell, 0)

    def test_all_are_retried_or_dropped_those_that_fail_again_are_letters_again(self):
        quell = self.run_quell()
        quell.events(*[failure(f"job{number}") for number in range(30)])
        before = self.wait_for_letters(quell, 30)
        self.dlq(quell, "retry", "--all")
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/stats")[1]["deliveries_dead"] == 60))
        after = self.wait_for_letters(quell, 30)
        self.assertEqual({letter["message_id"] for letter in before},
                         {letter["message_id"] for letter in after})
        self.assertGreater(after[0]["number"], before[-1]["number"])
        self.assertEqual(len(self.letters(quell, "&sink=other")), 0)
        self.dlq(quell, "drop", "--all", "--sink", "other")
        self.wait_for_letters(quell, 30)
        self.dlq(quell, "drop", "--all", "--sink", "hook")
        self.wait_for_letters(quell, 0)
        self.assertEqual(self.hook.messages, [])

    def test_a_program_reads_what_was_done_a_line_each(self):
        quell = self.run_quell()
        quell.events(*[failure(f"job{number}") for number in range(3)])
        numbers = [letter["number"] for letter in self.wait_for_letters(quell, 3)]
        printed = self.dlq(quell, "drop", str(numbers[0]), "--json")
        self.assertEqual(json.loads(printed), {"number": numbers[0], "result": "dropped"})
        printed = self.dlq(quell, "retry", "--all", "--json")
        self.assertEqual([json.loads(line) for line in printed.splitlines()],
                         [{"number": number, "result": "retried"} for number in numbers[1:]])
        self.assertEqual(self.dlq(quell, "drop", "--all", "--sink", "other", "--json"), "")

    def test_no_line_of_a_list_ends_with_a_blank(self):
        quell = self.run_quell()
        quell.events(failure("extract"))
        self.wait_for_letters(quell, 1)
        line, = self.dlq(quell, "list").splitlines()
        self.assertEqual(line, line.rstrip())

    def test_pages_follow_one_another(self):
        quell = self.run_quell()
        quell.events(*[failure(f"job{number}") for number in range(7)])
        letters = self.wait_for_letters(quell, 7)
        pages, cursor = [], ""
        while cursor is not None:
            _, page = quell.get("/api/v1/dlq?limit=3" + (f"&cursor={cursor}" if cursor else ""))
            pages.append(page["dead_letters"])
            cursor = page["next_cursor"]
        self.assertEqual([len(page) for page in pages], [3, 3, 1])
        self.assertEqual(sum(pages, []), letters)

    def test_a_list_says_that_there_is_more_and_is_followed_to_its_end(self):
        quell = self.run_quell()
        quell.events(*[failure(f"job{number}") for number in range(150)])
        letters = self.wait_for_letters(quell, 150)
        found, pages = listed(quell, "dlq", "list")
        self.assertEqual((found, pages), ([str(letter["number"]) for letter in letters], 2))

    def test_the_journal_alone_rebuilds_what_became_of_them(self):
        quell = self.run_quell()
        quell.events(*[failure(f"job{number}") for number in range(6)])
        letters = self.wait_for_letters(quell, 6)
        self.hook.status = 200
        self.dlq(quell, "retry", str(letters[0]["number"]), str(letters[1]["number"]))
        self.dlq(quell, "drop", str(letters[2]["number"]))
        self.assertTrue(wait_for(lambda: len(self.hook.messages) == 2))
        left = self.wait_for_letters(quell, 3)
        quell.settle()
        quell.stop(signal.SIGKILL)
        shutil.rmtree(os.path.join(quell.directory, "quell-data", "shard-0", "state"))
        quell.start()
        self.assertEqual(self.letters(quell), left)
        quell.settle()
        self.assertEqual(len(self.hook.messages), 2)

    def timeline(self, quell, incident):
        steps = quell.get(f"/api/v1/incidents/{incident}/timeline")[1]["timeline"]
        return [(step["what"], step["detail"]) for step in steps]

    def test_the_timeline_says_what_was_not_delivered_and_what_was_late(self):
        quell = self.run_quell()
        quell.events(failure("extract"))
        letter, = self.wait_for_letters(quell, 1)
        incident = quell.incidents()[0]["id"]
        told, undelivered = self.timeline(quell, incident)[-2:]
        self.assertEqual(told, ("told", "opened to hook"))
        self.assertEqual(undelivered[0], "undelivered")
        self.assertRegex(undelivered[1], "^opened to hook: HTTP 400")
        self.dlq(quell, "retry", str(letter["number"]))
        self.assertTrue(wait_for(lambda: self.timeline(quell, incident)[-2:] == [undelivered] * 2))
        letter, = self.wait_for_letters(quell, 1)
        self.hook.status = 200
        self.dlq(quell, "retry", str(letter["number"]))
        late = ("delivered late", "opened to hook")
        self.assertTrue(wait_for(lambda: self.timeline(quell, incident)[-1] == late))
        self.wait_for_letters(quell, 0)
        quell.events({**failure("extract"), "status": "succeeded"})
        self.assertTrue(wait_for(lambda: self.hook.types() == ["opened", "resolved"]))
        quell.settle()
        before = self.timeline(quell, incident)
        self.assertEqual([what for what, _ in before].count("delivered late"), 1)
        quell.stop(signal.SIGKILL)
        shutil.rmtree(os.path.join(quell.directory, "quell-data", "shard-0", "state"))
        quell.start()
        self.assertTrue(wait_for(lambda: quell.incidents()))
        self.assertEqual(self.timeline(quell, incident), before)

    def test_a_letter_that_newer_news_has_overtaken_is_not_told_again(self):
        quell = self.run_quell()
        quell.events(failure("extract"))
        self.wait_for_letters(quell, 1)
        incident = quell.incidents()[0]["id"]
        self.hook.status = 200
        quell.events({**failure("extract"), "status": "succeeded"})
        self.assertTrue(wait_for(lambda: self.hook.types() == ["resolved"]))
        self.dlq(quell, "retry", "--all")
        overtaken = ("undelivered",
                     "opened to hook: a newer message of the incident took its place")
        self.assertTrue(wait_for(lambda: self.timeline(quell, incident)[-1] == overtaken),
                        self.timeline(quell, incident))
        self.wait_for_letters(quell, 0)
        self.assertEqual(self.hook.types(), ["resolved"])

    def test_what_nobody_heard_of_is_opened_by_the_message_behind_its_letter(self):
        for then, heard in ((lambda quell: None, ["opened", "updated", "resolved"]),
                            (lambda quell: (quell.settle(), quell.stop(signal.SIGKILL),
                                            quell.start()), ["opened", "updated", "resolved"]),
                            (lambda quell: self.retry_all(quell),
                             ["opened", "updated", "updated", "resolved"])):
            self.hook = self.receiver()
            self.hook.status = 400
            quell = self.run_quell()
            quell.events(failure("extract"))
            self.wait_for_letters(quell, 1)
            self.hook.status = 200
            then(quell)
            for number, event in enumerate((failure("load", "extract"), failure("mart", "load"))):
                quell.events(event)
                self.assertTrue(wait_for(lambda: any(
                    len(message["data"]["affected"]) == number + 1
                    for message in self.hook.messages)))
            quell.events(*[{"job_id": job, "status": "succeeded"}
                           for job in ("extract", "load", "mart")])
            self.assertTrue(wait_for(lambda: "resolved" in self.hook.types()))
            self.assertEqual(self.hook.types(), heard)

    def retry_all(self, quell):
        self.dlq(quell, "retry", "--all")
        self.assertTrue(wait_for(lambda: self.hook.types() == ["opened"]))

    def test_that_it_was_overtaken_is_known_after_a_restart_too(self):
        quell = self.run_quell()
        quell.events(failure("extract"))
        self.wait_for_letters(quell, 1)
        self.hook.status = 200
        quell.events({**failure("extract"), "status": "succeeded"})
        self.assertTrue(wait_for(lambda: self.hook.types() == ["resolved"]))
        quell.settle()
        quell.stop(signal.SIGKILL)
        quell.start()
        self.dlq(quell, "retry", "--all")
        self.wait_for_letters(quell, 0)
        quell.settle()
        self.assertEqual(self.hook.types(), ["resolved"])

    def test_all_are_retried_oldest_first_also_those_that_died_again_in_between(self):
        quell = self.run_quell()
        quell.events(failure("extract"))
        letter, = self.wait_for_letters(quell, 1)
        quell.events({**failure("extract"), "status": "succeeded"})
        self.wait_for_letters(quell, 2)
        self.dlq(quell, "retry", str(letter["number"]))
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/stats")[1]["deliveries_dead"] == 3))
        self.assertEqual([letter["type"] for letter in self.wait_for_letters(quell, 2)],
                         ["resolved", "opened"])
        self.hook.status = 200
        self.dlq(quell, "retry", "--all")
        self.assertTrue(wait_for(lambda: self.hook.types() == ["opened", "resolved"]),
                        self.hook.types())
        self.wait_for_letters(quell, 0)

    def test_a_token_sees_and_moves_its_own_letters_alone(self):
        files = {f"tenants/{name}.toml": f'[tenant]\nid = "{name}"\ntokens_sha256 = '
                 f'["{hashlib.sha256(name.encode()).hexdigest()}"]\n[notify]\ngroup_wait = "0s"\n'
                 f'[sink.hook]\ntype = "webhook"\nurl = "{self.hook.url}"\n'
                 for name in ("acme", "umbrella")}
        quell = self.quell("auth.mode=token", "tenants_dir=tenants", files=files)
        for name in ("acme", "umbrella"):
            quell.events(failure("secret-of-" + name), Authorization="Bearer " + name)
        foreign = next(letter for letter in self.wait_for_letters(quell, 2)
                       if letter["tenant"] == "umbrella")["number"]
        own = self.dlq(quell, "list", token="acme")
        self.assertIn("acme", own)
        self.assertNotIn("umbrella", own)
        for words in (("show",), ("retry",), ("drop",)):
            answer = self.dlq(quell, *words, str(foreign), token="acme", code=1)
            self.assertIn("404", answer)
            self.assertNotIn("umbrella", answer)
        self.assertIn("403", self.dlq(quell, "list", "--tenant", "umbrella", token="acme", code=1))
        self.wait_for_letters(quell, 2)

    def test_a_named_tenant_bounds_what_is_shown_and_moved(self):
        quell = self.run_quell()
        for name in ("acme", "globex"):
            quell.events({**failure("load"), "tenant_id": name})
        numbers = {letter["tenant"]: str(letter["number"])
                   for letter in self.wait_for_letters(quell, 2)}
        for what in ("show", "retry", "drop"):
            answer = self.dlq(quell, what, "--tenant", "acme", numbers["globex"], code=1)
            self.assertIn("(404): no dead letter has this number", answer)
        self.wait_for_letters(quell, 2)
        shown = json.loads(self.dlq(quell, "show", "--tenant", "globex", numbers["globex"]))
        self.assertEqual(shown["tenant"], "globex")
        self.dlq(quell, "drop", "--tenant", "acme", numbers["acme"])
        left, = self.wait_for_letters(quell, 1)
        self.assertEqual(left["tenant"], "globex")
        for words in (("show", numbers["globex"]), ("drop", numbers["globex"])):
            self.assertIn("usage", self.dlq(quell, *words, "--sink", "hook", code=2))
        self.wait_for_letters(quell, 1)

    def test_what_is_refused_of_all_leaves_the_others_to_be_done(self):
        def answer(method, path):
            if method == "GET":
                return 200, {"dead_letters": [{"number": 7}, {"number": 8}], "next_cursor": None}
            return (404, {"error": {"message": "gone"}}) if "/7/" in path else (200, {"id": 8})
        console = Console(answer)
        self.addCleanup(console.close)
        self.assertIn("gone", self.dlq(console, "drop", "--all", code=1))
        self.assertEqual([line for line in console.asked if line.startswith("POST")],
                         ["POST /api/v1/dlq/7/drop?", "POST /api/v1/dlq/8/drop?"])

    def test_of_several_that_are_named_the_one_that_is_refused_is_said(self):
        quell = self.run_quell()
        for what in ("retry", "drop"):
            self.assertEqual(self.dlq(quell, what, "7", "8", code=1),
                             "quell: 7: refused (404): no dead letter has this number\n"
                             "quell: 8: refused (404): no dead letter has this number\n")

    def test_a_console_that_is_no_address_is_a_wrong_command_line(self):
        for address in ("8418", "127.0.0.1", ":8418", "127.0.0.1:", "127.0.0.1:http", "[::1]:70000",
                        "http://127.0.0.1:8418"):
            result = subprocess.run([BINARY, "dlq", "list", "--console", address],
                                    capture_output=True, text=True, timeout=60)
            self.assertEqual((result.returncode, result.stdout), (2, ""), address)
            self.assertIn(f'--console wants host:port, such as 127.0.0.1:8418, not "{address}"',
                          result.stderr)
        result = subprocess.run([BINARY, "dlq", "list", "--console", "no-such-host.invalid:8418"],
                                capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn('"no-such-host.invalid:8418" has no address: ', result.stderr)

    def test_bad_questions_are_refused(self):
        quell = self.run_quell()
        for path, status in (("?limit=0", 400), ("?limit=5000", 200), ("?cursor=x", 400),
                             ("?sink=%zz", 400), ("/7", 404), ("/x", 404), ("/7/retry", 405),
                             ("/7/eat", 404), ("x", 404)):
            self.assertEqual(quell.get("/api/v1/dlq" + path)[0], status, path)
        status, _, _ = quell.request("POST", "/api/v1/dlq/7/drop", "{}", port=quell.console)
        self.assertEqual(status, 404)
        self.dlq(quell, "retry", code=2)
        self.dlq(quell, "retry", "1", "--all", code=2)
        self.dlq(quell, "retry", "1/drop", code=2)

    def test_more_letters_than_one_command_takes_are_told(self):
        def answer(method, path):
            if method == "POST":
                raise ConnectionError("it ends here")
            first = int(path.split("cursor=")[1].replace("%3", ""))
            return 200, {"dead_letters": [{"number": first + i} for i in range(1, 501)],
                         "next_cursor": str(first + 500)}
        console = Console(answer)
        self.addCleanup(console.close)
        console.server.handle_error = lambda *_: None
        told = self.dlq(console, "drop", "--all", code=1)
        self.assertIn("more than 100000 letters: say it again for the others", told)


if __name__ == "__main__":
    unittest.main(verbosity=2)
