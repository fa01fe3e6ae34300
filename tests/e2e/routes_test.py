"""Routes and silences: who is told of what, when; checked, explained, and as the engine does it."""
import datetime
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from harness import BINARY, Story, failure, wait_for, write_whole

SINKS = "".join(f'[sink.{name}]\ntype = "stdout"\n' for name in ("oncall", "audit", "night", "boss"))


def incident(entity="job:load_orders", severity="error", owner="data", **labels):
    return {"tenant": "acme", "severity": severity, "owner": owner, "labels": labels,
            "root_cause": {"entity": entity}}


def after(**span):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**span)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RoutesStory(Story):
    def check(self, tenant, *words):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "tenants"))
            with open(os.path.join(folder, "tenants", "acme.toml"), "w") as file:
                file.write(SINKS + tenant)
            for name, value in (("incident.json", self.shown),):
                with open(os.path.join(folder, name), "w") as file:
                    json.dump(value, file)
            return subprocess.run([BINARY, "check", *words], cwd=folder, capture_output=True,
                                  text=True)

    def told(self, tenant, value, at="2026-11-20T12:00:00Z"):
        self.shown = value
        result = self.check(tenant, "--explain", "incident.json", "--at", at)
        self.assertIn(result.returncode, (0, 1), result.stderr)
        line = next(line for line in result.stdout.splitlines() if line.startswith("told to:"))
        return line[9:].split(", ")

    def test_the_first_route_that_matches_takes_it_unless_it_goes_on(self):
        routes = """
[[route]]
match = { severity = "critical" }
sinks = ["boss"]
continue = true
[[route]]
match = { severity = ">=error", entity = "job:load_*" }
sinks = ["oncall"]
[[route]]
match = { owner = "data*", severity = "<=warning" }
sinks = ["audit"]
[[route]]
match = { labels = { team = "pay*", env = "prod" } }
sinks = ["night", "boss"]
"""
        self.assertEqual(self.told(routes, incident()), ["oncall"])
        self.assertEqual(self.told(routes, incident(severity="critical")), ["boss", "oncall"])
        self.assertEqual(self.told(routes, incident(severity="warning")), ["audit"])
        self.assertEqual(self.told(routes, incident("job:x")), ["nobody"])
        self.assertEqual(self.told(routes, incident("job:x", team="payments", env="prod")),
                         ["night", "boss"])
        self.assertEqual(self.told(routes, incident("job:x", team="payments")), ["nobody"])
        self.assertEqual(self.told(routes, incident("job:x", "critical", team="pay", env="prod")),
                         ["boss", "night"])
        self.shown = incident("job:x")
        result = self.check(routes, "--explain", "incident.json")
        self.assertEqual(result.returncode, 1)
        for words in ("route 1: no: its severity", "route 2: no: the root cause",
                      "route 4: no: a label"):
            self.assertIn(words, result.stdout)

    def test_time_of_day_in_the_tenants_own_zone(self):
        routes = """
[[route]]
match = { hours = "22:00-06:00", days = ["fri", "sat"], timezone = "Europe/Berlin" }
sinks = ["night"]
[[route]]
match = { hours = "09:00-17:00", timezone = "America/New_York" }
sinks = ["oncall"]
[[route]]
sinks = ["audit"]
"""
        cases = {"2026-11-20T20:59:59Z": "oncall",  # Friday 21:59 in Berlin, 15:59 in New York
                 "2026-11-20T21:00:00Z": "night", "2026-11-21T04:59:59Z": "night",
                 "2026-11-21T05:00:00Z": "audit", "2026-11-22T04:59:59Z": "night",  # of Saturday
                 "2026-11-22T21:30:00Z": "oncall", "2026-11-23T04:00:00Z": "audit",
                 "2026-07-03T19:59:59Z": "oncall",  # summer: 21:59 in Berlin
                 "2026-07-03T20:00:00Z": "night", "2026-11-24T13:59:59Z": "audit",
                 "2026-11-24T14:00:00Z": "oncall", "2026-11-24T22:00:00Z": "audit"}
        for at, sink in cases.items():
            self.assertEqual(self.told(routes, incident(), at), [sink], at)

    def test_what_cannot_be_meant_is_an_error_with_its_place(self):
        self.shown = {}
        cases = {
            '[[route]]\nmatch = { severity = "error" }\n': "goes to nobody",
            '[[route]]\nsinks = []\n': "goes to nobody",
            '[[route]]\nsinks = ["oncal"]\n': 'no sink is named "oncal"',
            '[[route]]\nsinks = ["audit"]\nmatch = { hours = "25:00-26:00" }\n': "hours are",
            '[[route]]\nsinks = ["audit"]\nmatch = { hours = "10:00-10:00" }\n': "hours are",
            '[[route]]\nsinks = ["audit"]\nmatch = { days = ["monday"] }\n': "days are",
            '[[route]]\nsinks = ["audit"]\nmatch = { timezone = "Europe/Berlim" }\n': "no time zone",
            '[[route]]\nsinks = ["audit"]\nmatch = { timezone = "../passwd" }\n': "no time zone",
            '[[route]]\nsinks = ["audit"]\nmatch = { sevrity = "error" }\n': 'did you mean "severity"',
            '[[route]]\nsinks = ["audit"]\nmatch = { labels = "x" }\n': "labels are wanted",
            '[labels]\nteam = "a\\nb"\n': "plain text",
            '[[silence]]\nstart = "2026-11-20T22:00:00Z"\nend = "2026-11-20T21:00:00Z"\n'
            'reason = "x"\nwho = "y"\n': "ends before",
            '[[silence]]\nstart = "2026-11-20T22:00:00Z"\nend = "tomorrow"\n': "its reason",
        }
        for text, words in cases.items():
            result = self.check(text)
            self.assertEqual(result.returncode, 1, text)
            self.assertIn(words, result.stderr)
            self.assertRegex(result.stderr, r"acme\.toml:\d+:\d+: ")

    def test_sinks_that_are_no_list_are_not_said_to_be_missing_too(self):
        self.shown = {}
        for text, words in (('[[route]]\nsinks = "audit"\n', "an array of strings is wanted"),
                            ('[[route]]\nsinks = [5]\n', "a string in quotes is wanted here")):
            told = self.check(text).stderr
            self.assertIn(words, told)
            self.assertEqual(told.count("\n"), 1, told)

    def test_labels_of_job_and_tenant_stand_in_the_incident_and_route_it(self):
        loud, quiet = self.receiver(), self.receiver()
        config = f"""[notify]
group_wait = "0s"
[labels]
env = "prod"
team = "platform"
[[job]]
id = "pay"
labels = {{ team = "payments" }}
[sink.loud]
type = "webhook"
url = "{loud.url}"
[sink.quiet]
type = "webhook"
url = "{quiet.url}"
[[route]]
match = {{ labels = {{ team = "payments" }} }}
sinks = ["loud"]
[[route]]
sinks = ["quiet"]
"""
        quell = self.quell("tenants_dir=tenants", files={"tenants/acme.toml": config})
        for job in ("pay", "other"):
            quell.events({**failure(job), "tenant_id": "acme"})
        self.assertTrue(wait_for(lambda: loud.messages and quiet.messages))
        self.assertEqual(loud.messages[0]["data"]["labels"], {"team": "payments", "env": "prod"})
        self.assertEqual(quiet.messages[0]["data"]["labels"], {"team": "platform", "env": "prod"})
        self.assertEqual({item["root_cause"]["entity"]: item["labels"]["team"]
                          for item in quell.incidents("&tenant=acme")},
                         {"job:pay": "payments", "job:other": "platform"})
        self.assertEqual((len(loud.messages), len(quiet.messages)), (1, 1))
        self.assertEqual(loud.errors + quiet.errors, [])

    def test_who_was_told_hears_the_end_whatever_routes_say_by_then(self):
        chat, pager = self.receiver(), self.receiver()
        config = '[notify]\ngroup_wait = "0s"\ngroup_interval = "0s"\n'
        for name, hook, severity in (("chat", chat, "error"), ("pager", pager, "critical")):
            config += f'''[sink.{name}]
type = "webhook"
url = "{hook.url}"
[[route]]
match = {{ severity = "{severity}" }}
sinks = ["{name}"]
'''
        quell = self.quell("tenants_dir=tenants", files={"tenants/acme.toml": config})

        def tell(**news):
            quell.events({**failure("load"), "tenant_id": "acme", **news})
        tell()
        self.assertTrue(wait_for(lambda: chat.types() == ["opened"]))
        tell(severity="critical")
        self.assertTrue(wait_for(lambda: pager.types() == ["opened"]))
        quell.stop()
        quell.start()  # who was told is kept
        tell(status="succeeded")
        for hook in (chat, pager):
            self.assertTrue(wait_for(lambda: hook.types() == ["opened", "resolved"]), hook.types())
            blast = hook.messages[1]["data"]["blast_radius"]
            self.assertEqual(blast, {"total": 0, "failing": 0, "at_risk": 0, "by_kind": {}})
        tell(message="again", severity="critical")
        self.assertTrue(wait_for(lambda: len(pager.messages) == 3))
        tell(status="succeeded", message="again")
        self.assertTrue(wait_for(lambda: len(pager.messages) == 4))
        quell.settle()
        self.assertEqual(pager.types(), ["opened", "resolved", "updated", "resolved"])
        self.assertEqual(chat.types(), ["opened", "resolved"])
        self.assertEqual(chat.errors + pager.errors, [])

    def test_the_end_that_a_person_made_says_whose_it_is(self):
        hook = self.receiver()
        quell = self.quell("notify.group_wait=0s", "sink.lines.type=stdout",
                           "sink.hook.type=webhook", "sink.hook.url=" + hook.url)
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: hook.types() == ["opened"]))
        incident = hook.messages[0]["data"]["id"]
        body = json.dumps({"by": "anna", "note": "restarted\nit"})
        quell.request("POST", f"/api/v1/incidents/{incident}/resolve", body, port=quell.console)
        self.assertTrue(wait_for(lambda: hook.types() == ["opened", "resolved"]))
        said = {"resolved_by": "anna", "resolved_note": "restarted\nit"}
        self.assertEqual(hook.messages[1]["data"]["labels"], said)
        self.assertEqual(hook.errors, [])

        def ends():
            with open(os.path.join(quell.directory, "out")) as file:
                return [line for line in file if " resolved " in line]
        self.assertTrue(wait_for(ends))
        self.assertRegex(ends()[0], rf"  {incident} resolved by anna: restarted.it\n$")
        quell.settle()
        quell.stop(signal.SIGKILL)
        quell.start()
        self.assertEqual(quell.get(f"/api/v1/incidents/{incident}")[1]["labels"], said)

    def test_who_heard_of_what_is_merged_away_hears_its_end_under_its_id(self):
        hooks = {name: self.receiver() for name in ("one", "two", "cause")}
        config = '[notify]\ngroup_wait = "0s"\ngroup_interval = "0s"\n'
        for name, hook in hooks.items():
            config += f'''[sink.{name}]
type = "webhook"
url = "{hook.url}"
[[route]]
match = {{ entity = "job:{name}" }}
sinks = ["{name}"]
'''
        quell = self.quell("tenants_dir=tenants", files={"tenants/acme.toml": config})

        def tell(job, status="failed"):
            upstream = ["cause"] if job != "cause" else []
            quell.events({**failure(job, *upstream), "tenant_id": "acme", "status": status})

        def types():
            return {name: hook.types() for name, hook in hooks.items()}
        for job in ("one", "two"):
            tell(job)
            self.assertTrue(wait_for(lambda: hooks[job].types() == ["opened"]), types())
        tell("cause")
        self.assertTrue(wait_for(lambda: hooks["two"].types() == ["opened", "resolved"]), types())
        self.assertTrue(wait_for(lambda: hooks["cause"].types() == ["opened"]), types())
        opened, closed = (message["data"] for message in hooks["two"].messages)
        lasting = hooks["one"].messages[0]["data"]["id"]
        self.assertEqual((closed["id"], closed["status"]), (opened["id"], "resolved"))
        self.assertEqual(closed["labels"], {"merged_into": lasting})
        self.assertEqual(hooks["cause"].messages[0]["data"]["id"], lasting)
        for job in hooks:
            tell(job, "succeeded")
        self.assertTrue(wait_for(lambda: hooks["one"].types() == ["opened", "resolved"]), types())
        self.assertTrue(wait_for(lambda: hooks["cause"].types() == ["opened", "resolved"]), types())
        quell.settle()
        self.assertEqual(hooks["two"].types(), ["opened", "resolved"])
        for hook in hooks.values():
            self.assertEqual(len({message["data"]["id"] for message in hook.messages}), 1)
            self.assertEqual(hook.errors, [])

    def silenced(self, *silences):
        hook = self.receiver()
        config = f'[notify]\ngroup_wait = "0s"\n[sink.hook]\ntype = "webhook"\nurl = "{hook.url}"\n'
        for start, end, match in silences:
            config += (f'[[silence]]\nmatch = {match}\nstart = "{start}"\nend = "{end}"\n'
                       'reason = "new warehouse"\nwho = "sam"\n')
        return hook, config, self.quell("tenants_dir=tenants", files={"tenants/acme.toml": config})

    def fail_job(self, quell, job, status="failed"):
        quell.events({**failure(job), "tenant_id": "acme", "status": status})

    def timeline(self, quell, job):
        incident = next(item for item in quell.incidents("&tenant=acme")
                        if item["root_cause"]["entity"] == "job:" + job)
        _, answer = quell.get(f"/api/v1/incidents/{incident['id']}/timeline")
        return [entry["what"] for entry in answer["timeline"]], answer["timeline"]

    def test_a_silence_mutes_telling_never_recording(self):
        hook, _, quell = self.silenced((after(hours=-1), after(seconds=15), '{ entity = "job:m*" }'),
                                       (after(hours=-2), after(hours=-1), '{}'),
                                       (after(hours=1), after(hours=2), '{}'))
        for job in ("muted", "merely", "loud"):
            self.fail_job(quell, job)
        self.fail_job(quell, "merely", "succeeded")
        self.assertTrue(wait_for(lambda: len(quell.incidents("&tenant=acme")) == 3))
        quell.settle()
        self.assertTrue(wait_for(lambda: hook.messages))
        self.assertEqual([message["data"]["root_cause"]["entity"] for message in hook.messages],
                         ["job:loud"])
        whats, entries = self.timeline(quell, "muted")
        self.assertEqual(whats.count("silenced"), 1)
        self.assertIn("by sam: new warehouse", json.dumps(entries))
        self.assertTrue(wait_for(lambda: len(hook.messages) == 2))
        quell.settle()
        self.assertEqual([(message["type"], message["data"]["root_cause"]["entity"])
                          for message in hook.messages[1:]], [("incident.opened", "job:muted")])
        whats, _ = self.timeline(quell, "merely")
        self.assertIn("resolved", whats)
        self.assertNotIn("told", whats)

    def test_taking_a_silence_out_of_the_file_tells_what_it_had_put_off(self):
        hook, config, quell = self.silenced((after(hours=-1), after(hours=5), '{}'))
        self.fail_job(quell, "muted")
        self.assertTrue(wait_for(lambda: quell.incidents("&tenant=acme")))
        quell.settle()
        self.assertEqual(hook.messages, [])
        write_whole(os.path.join(quell.directory, "tenants", "acme.toml"),
                    config[:config.index("[[silence]]")])
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: hook.messages))
        self.assertEqual(hook.messages[0]["type"], "incident.opened")

    def silence(self, quell, *words, code=0):
        result = subprocess.run([BINARY, "silence", *words, "--console",
                                 f"127.0.0.1:{quell.console}", "--tenant", "acme", "--by", "kim"],
                                capture_output=True, text=True)
        self.assertEqual(result.returncode, code, result.stderr)
        return result.stdout.strip() if code == 0 else result.stderr

    def test_an_operators_silence_lives_in_the_journal_and_can_be_ended(self):
        hook, _, quell = self.silenced()
        made = self.silence(quell, "add", "--entity", "job:m*", "--severity", ">=warning",
                            "--for", "2h", "--reason", "a \"big\" move")
        self.fail_job(quell, "muted")
        self.fail_job(quell, "loud")
        self.assertTrue(wait_for(lambda: hook.messages))
        quell.settle()
        listed, = json.loads(self.silence(quell, "list", "--json"))["silences"]
        self.assertEqual((listed["id"], listed["entity"], listed["severity"], listed["reason"],
                          listed["by"]), (made, "job:m*", ">=warning", 'a "big" move', "kim"))
        quell.stop(signal.SIGKILL)
        shutil.rmtree(os.path.join(quell.directory, "quell-data", "shard-0", "state"))
        quell.start()
        self.assertEqual(json.loads(self.silence(quell, "list", "--json"))["silences"], [listed])
        self.assertEqual(json.loads(self.silence(quell, "list", "--format", "json"))["silences"],
                         [listed])
        self.assertEqual(
            self.silence(quell, "list").split(),
            [made, "acme", "from", listed["start"], "to", listed["end"], "severity", ">=warning",
             "entity", "job:m*", "by", "kim", "a", '"big"', "move"])
        other = json.loads(self.silence(quell, "add", "--json", "--entity", "job:other", "--for", "1h",
                                        "--reason", "x"))["id"]
        json.loads(self.silence(quell, "expire", other, "--json"))
        of_label = self.silence(quell, "add", "--label", "team=a*\x1b", "--for", "1h", "--reason", "x")
        self.assertRegex(self.silence(quell, "list"), f'{of_label} .* labels {{"team":"a\\*.*"}} ')
        self.assertNotIn("\x1b", self.silence(quell, "list"))
        self.silence(quell, "expire", of_label)
        self.fail_job(quell, "mutedtoo")
        quell.settle()
        self.assertEqual(len(hook.messages), 1)
        self.silence(quell, "expire", made)
        self.assertTrue(wait_for(lambda: len(hook.messages) == 3))
        self.assertEqual(json.loads(self.silence(quell, "list", "--json"))["silences"], [])
        self.assertIn("404", self.silence(quell, "expire", made, code=1))
        self.assertIn("ended by", quell.read_log())

    def test_a_silence_of_another_tenant_mutes_nobody_here(self):
        hook, _, quell = self.silenced()
        status, _, _ = quell.request("POST", "/api/v1/silences?tenant=other", json.dumps(
            {"entity": "*", "duration": "1h", "reason": "x", "by": "y"}), port=quell.console)
        self.assertEqual(status, 200)
        self.fail_job(quell, "loud")
        self.assertTrue(wait_for(lambda: hook.messages))

    def test_a_silence_is_ended_by_its_id_whose_ever_it_is(self):
        _, _, quell = self.silenced()

        def ask(method, path, body=None):
            status, text, _ = quell.request(method, "/api/v1/silences" + path, body,
                                            port=quell.console)
            return status, json.loads(text)
        made = ask("POST", "?tenant=other", json.dumps(
            {"entity": "*", "duration": "1h", "reason": "x", "by": "y"}))[1]["id"]
        listed, = ask("GET", "")[1]["silences"]
        self.assertEqual((listed["id"], listed["tenant"]), (made, "other"))
        self.assertEqual(ask("POST", f"/{made}/expire?tenant=acme", "{}")[0], 404)
        self.assertEqual(ask("POST", f"/{made}/expire", "{}")[0], 200)
        self.assertEqual(ask("GET", "")[1]["silences"], [])

    def test_a_silence_is_of_the_tenant_that_its_body_names_as_a_list_does(self):
        _, _, quell = self.silenced()
        good = {"entity": "*", "duration": "1h", "reason": "x", "by": "y"}

        def make(query="", **more):
            return quell.request("POST", "/api/v1/silences" + query, json.dumps({**good, **more}),
                                 port=quell.console)[0]
        self.assertEqual([make(tenant="other"), make("?tenant=same", tenant="same"), make()],
                         [200, 200, 200])
        listed = json.loads(quell.request("GET", "/api/v1/silences", port=quell.console)[1])
        self.assertEqual(sorted(silence["tenant"] for silence in listed["silences"]),
                         ["default", "other", "same"])
        # Of two that say something else none is meant.
        self.assertEqual([make("?tenant=acme", tenant="other"), make(tenant=7), make(tenant="x" * 99),
                          make(end="2100-01-01T00:00:00Z")], [400, 400, 400, 400])

    def test_one_tenants_silences_leave_room_for_the_others(self):
        _, _, quell = self.silenced()
        silence = json.dumps({"entity": "job:a*", "duration": "1h", "reason": "x", "by": "y"})
        make = lambda tenant: quell.request(  # noqa: E731
            "POST", f"/api/v1/silences?tenant={tenant}", silence, port=quell.console)[0]
        answers = [make("loud") for _ in range(130)]
        self.assertEqual((answers[0], answers[127], answers[129]), (200, 200, 409))
        self.assertEqual(make("calm"), 200)

    def test_silences_that_are_over_leave_room_for_others(self):
        _, _, quell = self.silenced()

        def make(tenant, duration):
            return quell.request("POST", f"/api/v1/silences?tenant={tenant}", json.dumps(
                {"entity": "job:a*", "duration": duration, "reason": "x", "by": "y"}),
                                 port=quell.console)[0]

        def listed():
            return json.loads(quell.request("GET", "/api/v1/silences", port=quell.console)[1])

        made = [make("acme", "8s") for _ in range(129)]
        self.assertEqual((made[0], made[127], made[128]), (200, 200, 409))
        self.assertTrue(wait_for(lambda: listed()["silences"] == [], 20))
        self.assertEqual([make("acme", "1h"), make("acme", "1h")], [200, 200])
        self.assertEqual(len(listed()["silences"]), 2)

    def test_a_silence_that_cannot_be_meant_is_refused(self):
        _, _, quell = self.silenced()
        good = {"entity": "job:a*", "duration": "1h", "reason": "x", "by": "y"}
        for change in ({"duration": "x"}, {"duration": "2y"}, {"by": ""}, {"reason": ""},
                       {"severity": "dire"}, {"labels": [1]}, {"labels": {"a": 1}},
                       {"entity": 7}, {"entity": "x" * 5000}, {"start": "yesterday"},
                       {"duration": None, "end": "2020-01-01T00:00:00Z"},
                       {"entity": "", "entitty": "job:a*"},  # of nothing in particular
                       {"labels": {str(n): "x" for n in range(20)}}):
            body = {**good, **change}
            status, answer, _ = quell.request("POST", "/api/v1/silences", json.dumps(body),
                                              port=quell.console)
            self.assertEqual(status, 400, (change, answer))
            told = json.dumps(answer) if not isinstance(answer, (str, bytes)) else str(answer)
            if "duration" in change and change["duration"]:
                self.assertIn("duration is such as", told)  # it was given: not "missing"
            for name in ("by", "reason"):
                if name in change:
                    self.assertIn(name + " is missing: somebody will ask", told)
        for body in ("", "[]", "{", "null", "{" * 500, json.dumps(good)[:-1]):
            status, _, _ = quell.request("POST", "/api/v1/silences", body, port=quell.console)
            self.assertEqual(status, 400, body)


if __name__ == "__main__":
    unittest.main(verbosity=2)
