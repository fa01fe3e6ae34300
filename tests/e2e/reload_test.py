"""Reloads and sinks of a stranger: what a new configuration does not change goes on undisturbed."""
import datetime
import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
import unittest

from harness import BINARY, Quell, Story, failure, wait_for

EXAMPLE = os.path.join(os.environ["QUELL_BUILD"], "tests", "sinks", "example_sink.so")


class FromFile(Quell):
    """Its listeners stand in quell.toml alone."""

    ALWAYS = ()


class ReloadStory(Story):
    def write(self, quell, tenant, text):
        """Whole or not at all, as editors and config management do it."""
        path = os.path.join(quell.directory, "tenants", tenant + ".toml")
        with open(path + ".new", "w") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def reload(self, quell):
        count = quell.read_log().count("reloaded: ")
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: quell.read_log().count("reloaded: ") > count))

    def config(self, hook, more=""):
        return (f'[notify]\ngroup_wait = "0s"\n[sink.hook]\ntype = "webhook"\n'
                f'url = "{hook.url}"\ntimeout = "10s"\n{more}')

    def fail_job(self, quell, job, tenant="acme"):
        quell.events({**failure(job), "tenant_id": tenant})

    def test_what_is_under_way_to_a_sink_that_did_not_change_is_not_cut(self):
        hook, other = self.receiver(), self.receiver()
        take = hook.take
        hook.take = lambda *arguments: (time.sleep(1), take(*arguments))
        quell = self.quell("tenants_dir=tenants", files={"tenants/acme.toml": self.config(hook)})
        self.fail_job(quell, "one")
        quell.settle()
        for turn in range(3):
            self.write(quell, "umbrella", self.config(other, f'[labels]\nturn = "{turn}"\n'))
            self.reload(quell)
        self.fail_job(quell, "two", "umbrella")
        self.assertTrue(wait_for(lambda: other.messages))
        self.assertTrue(wait_for(lambda: hook.messages))
        quell.settle()
        time.sleep(1.2)
        self.assertEqual((len(hook.headers), len(other.headers)), (1, 1))

    def test_a_sink_that_changed_takes_over_what_waits(self):
        broken, good = self.receiver(), self.receiver()
        broken.status = 503
        quell = self.quell("tenants_dir=tenants", files={"tenants/acme.toml": self.config(broken)})
        for number in range(5):
            self.fail_job(quell, f"job{number}")
        self.assertTrue(wait_for(lambda: broken.headers))
        self.write(quell, "acme", self.config(good))
        self.reload(quell)
        self.assertTrue(wait_for(lambda: len(good.messages) == 5))
        self.assertEqual({message["type"] for message in good.messages}, {"incident.opened"})

    def test_what_nobody_heard_of_is_opened_also_after_a_restart_or_a_changed_sink(self):
        changes = {"restart": lambda quell, good: (quell.stop(), quell.start()),
                   "reload": lambda quell, good: (self.write(quell, "acme", self.config(good)),
                                                  self.reload(quell))}
        for name, change in changes.items():
            hook, good = self.receiver(), self.receiver()
            hook.status = 503
            fast = 'backoff = "20ms"\nbreaker_failures = 2\nbreaker_wait = "2s"\n'
            quell = self.quell("tenants_dir=tenants", "notify.group_interval=0s",
                               files={"tenants/acme.toml": self.config(hook, fast)})
            self.fail_job(quell, "one")
            self.assertTrue(wait_for(lambda: "circuit breaker opened" in quell.read_log()))
            quell.events({**failure("two", "one"), "tenant_id": "acme"})
            quell.settle()
            hook.status = 200
            change(quell, good)
            heard = hook if name == "restart" else good
            self.assertTrue(wait_for(lambda: len(heard.messages) == 2), name)
            self.assertEqual(heard.types(), ["opened", "updated"], name)

    def test_a_shorter_wait_or_a_new_route_is_good_for_what_waits(self):
        hook = self.receiver()

        def rules(wait, interval, severity="error"):
            return (f'[notify]\ngroup_wait = "{wait}"\ngroup_interval = "{interval}"\n'
                    f'[sink.hook]\ntype = "webhook"\nurl = "{hook.url}"\n'
                    f'[[route]]\nmatch = {{ severity = ">={severity}" }}\nsinks = ["hook"]\n')

        def change(*values):
            self.write(quell, "acme", rules(*values))
            self.reload(quell)
        quell = self.quell("tenants_dir=tenants",
                           files={"tenants/acme.toml": rules("1h", "1h", "critical")})
        self.fail_job(quell, "one")
        quell.settle()
        change("0s", "1h", "critical")  # it is told to nobody, for want of a route
        quell.settle()
        self.assertEqual(hook.types(), [])
        change("0s", "1h")
        self.assertTrue(wait_for(lambda: hook.types() == ["opened"], 20))
        quell.events({**failure("two", "one"), "tenant_id": "acme"})
        quell.settle()
        self.assertEqual(hook.types(), ["opened"])
        change("0s", "0s")
        self.assertTrue(wait_for(lambda: hook.types() == ["opened", "updated"], 20))
        quell.settle()
        change("0s", "1h")
        quell.settle()
        self.assertEqual(hook.types(), ["opened", "updated"])  # there is nothing to tell

    def test_what_ended_and_came_back_unheard_is_opened_also_after_a_restart(self):
        hook = self.receiver()
        hook.status = 503
        fast = 'backoff = "20ms"\nbreaker_failures = 2\nbreaker_wait = "1s"\n'
        quell = self.quell("tenants_dir=tenants", "notify.group_interval=0s",
                           files={"tenants/acme.toml": self.config(hook, fast)})
        self.fail_job(quell, "one")
        self.assertTrue(wait_for(lambda: "circuit breaker opened" in quell.read_log()))
        quell.events({"job_id": "one", "status": "succeeded", "tenant_id": "acme"})
        quell.settle()
        quell.stop(signal.SIGKILL)
        quell.start()
        quell.events({**failure("one", run_id="2"), "tenant_id": "acme"})
        quell.settle()
        hook.status = 200
        self.assertTrue(wait_for(lambda: hook.messages and
                                 hook.messages[-1]["data"]["status"] == "open"))
        self.assertEqual(hook.types()[0], "opened")

    def test_messages_of_a_sink_that_is_gone_are_dead_letters(self):
        broken = self.receiver()
        broken.status = 503
        quell = self.quell("tenants_dir=tenants", files={"tenants/acme.toml": self.config(broken)})
        self.fail_job(quell, "one")
        self.assertTrue(wait_for(lambda: broken.headers))
        self.write(quell, "acme", self.config(broken).replace("sink.hook", "sink.other"))
        self.reload(quell)
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/dlq")[1]["dead_letters"]))
        letter, = quell.get("/api/v1/dlq")[1]["dead_letters"]
        self.assertIn("no sink of that name", letter["error"])
        self.assertEqual(letter["attempts"], len(broken.headers))
        self.assertEqual(quell.settle()["deliveries_failed"], len(broken.headers))
        words = (f"sink hook: message {letter['number']} of tenant acme is a dead letter: no sink of"
                 " that name is configured")
        self.assertTrue(wait_for(lambda: words in quell.said()), quell.said())

    def test_a_changed_file_is_read_whole_or_not_at_all_and_audited(self):
        hook = self.receiver()
        quell = self.quell("tenants_dir=tenants", files={"tenants/acme.toml": self.config(hook)})

        def audits():
            return [json.loads(line)["message"] for line in quell.read_log().splitlines()
                    if '"area":"audit"' in line]
        self.write(quell, "umbrella", self.config(hook))
        self.assertTrue(wait_for(lambda: len(audits()) == 1))
        self.assertIn("by a changed file: umbrella: added", audits()[0])
        self.write(quell, "acme", self.config(hook, 'secret = "hush-hush"\n[labels]\na = "b"\n'
                                              f'[tenant]\ntokens_sha256 = ["{"ab" * 32}"]\n'))
        self.assertTrue(wait_for(lambda: len(audits()) == 2))
        self.assertIn("acme: rules, sink hook changed, tokens", audits()[1])
        self.assertNotIn("umbrella", audits()[1])
        self.assertNotIn("hush", quell.read_log())
        self.write(quell, "acme", self.config(hook, "[labels]\na = 1\n[nonsense]\n"))
        self.write(quell, "umbrella", self.config(hook, "[dedup]\nwindow = '7m'\n"))
        self.assertTrue(wait_for(lambda: "is refused, the old one stays" in quell.read_log()))
        told = [json.loads(line)["message"] for line in quell.read_log().splitlines()]
        self.assertTrue(any('acme.toml:' in one and 'unknown key "nonsense"' in one
                            for one in told), told)  # the log is JSON, also where it tells errors
        self.assertIn("acme.toml:", quell.read_log())
        self.assertEqual(len(audits()), 2)
        os.remove(os.path.join(quell.directory, "tenants", "acme.toml"))
        self.assertTrue(wait_for(lambda: len(audits()) == 3))
        self.assertIn("acme: removed; umbrella: rules", audits()[2])
        self.reload(quell)
        self.assertTrue(wait_for(lambda: len(audits()) == 4))
        self.assertRegex(audits()[3], r"by a signal of user \d+, process \d+: nothing")
        self.fail_job(quell, "one", "umbrella")
        self.assertTrue(wait_for(lambda: hook.messages))

    def test_a_file_that_somebody_still_writes_is_waited_for(self):
        hook = self.receiver()
        quell = self.quell("tenants_dir=tenants", files={
            f"tenants/{name}.toml": self.config(hook) for name in ("acme", "umbrella")})

        def audits():
            return [json.loads(line)["message"] for line in quell.read_log().splitlines()
                    if '"area":"audit"' in line]
        with open(os.path.join(quell.directory, "tenants", "umbrella.toml"), "w") as file:
            file.write("[labels]\na = 'b'\n")  # what is there so far is a configuration as well
            file.flush()
            self.write(quell, "acme", self.config(hook, "[dedup]\nwindow = '7m'\n"))
            time.sleep(2)
            self.assertEqual(audits(), [])
            file.write(self.config(hook).replace("[notify]", "[dedup]\nwindow = '8m'\n[notify]"))
        self.assertTrue(wait_for(audits))
        self.assertIn("acme: rules; umbrella: rules", audits()[0])
        time.sleep(1)
        self.assertEqual(len(audits()), 1)
        with open(os.path.join(quell.directory, "tenants", "umbrella.toml"), "a") as file:
            file.write("# as long as it likes\n")
            file.flush()
            self.write(quell, "acme", self.config(hook))
            self.assertTrue(wait_for(lambda: len(audits()) == 2, 20))  # but not for ever

    def test_a_device_is_no_file_that_changes(self):
        path = os.path.join(tempfile.mkdtemp(prefix="quell-test-"), "null")
        self.addCleanup(shutil.rmtree, os.path.dirname(path))
        try:  # like /dev/null, which others write to all the time
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        except PermissionError:
            self.skipTest("making a device is refused here")
        quell = self.quell(config=path)
        with open(path, "w") as file:
            file.write("x")
        time.sleep(2)
        self.assertNotIn("changed file", quell.read_log())

    def test_a_file_that_is_gone_is_no_new_configuration(self):
        hook = self.receiver()
        path = "quell.toml"  # found where quell is started, not named
        quell = self.quell(files={path: '[auth]\nmode = "token"\n' + self.config(hook)})
        path = os.path.join(quell.directory, path)
        os.rename(path, path + ".old")
        self.assertTrue(wait_for(lambda: "changed file) is refused, the old one" in quell.read_log()))
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: quell.read_log().count("is refused, the old one") == 2))
        self.assertIn("cannot read quell.toml: No such file", quell.read_log())
        self.assertEqual(quell.request("POST", "/v1/events", "[]")[0], 401)
        self.assertEqual(quell.metric("quell_config_last_reload_successful"), 0)
        os.rename(path + ".old", path)
        self.assertTrue(wait_for(lambda: "reloaded: 0 tenants, 1 sink\"" in quell.read_log()))

    def test_a_file_that_a_reload_found_is_not_gone_either(self):
        quell = self.quell()
        path = os.path.join(quell.directory, "quell.toml")
        with open(path, "w") as file:
            file.write('[auth]\nmode = "token"\n')
        self.reload(quell)
        self.assertEqual(quell.request("POST", "/v1/events", "[]")[0], 401)
        os.remove(path)
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "is refused, the old one" in quell.read_log()))
        self.assertEqual(quell.request("POST", "/v1/events", "[]")[0], 401)

    def test_a_link_that_is_made_is_a_changed_file(self):
        quell = self.quell(files={"quell.toml": "", "tenants/acme.toml": ""})
        made = os.path.join(quell.directory, "made.toml")
        tenants = os.path.join(quell.directory, "tenants")
        with open(made, "w") as file:
            file.write("[dedup]\nwindow = '7m'\n")
        os.symlink("../made.toml", os.path.join(tenants, "beta.toml"))
        self.assertTrue(wait_for(lambda: "reloaded: 2 tenants" in quell.read_log(), 20))
        os.link(made, os.path.join(tenants, "gamma.toml"))
        self.assertTrue(wait_for(lambda: "reloaded: 3 tenants" in quell.read_log(), 20))
        os.remove(os.path.join(quell.directory, "quell.toml"))
        self.assertTrue(wait_for(lambda: "is refused, the old one" in quell.read_log()))
        os.symlink(os.devnull, os.path.join(quell.directory, "quell.toml"))
        self.assertTrue(wait_for(lambda: quell.read_log().count("reloaded: 3 tenants") == 2, 20))

    def test_a_changed_file_is_seen_where_a_reload_found_it(self):
        quell = self.quell()  # where there is neither
        reloads = lambda words: wait_for(lambda: words in quell.read_log(), 20)  # noqa: E731

        def put(name, text):
            with open(os.path.join(quell.directory, name), "w") as file:
                file.write(text)
        for name in ("tenants", "others"):
            os.mkdir(os.path.join(quell.directory, name))
        put("quell.toml", "")
        put("tenants/acme.toml", "")
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(reloads("reloaded: 1 tenant,"))
        put("tenants/beta.toml", "")
        self.assertTrue(reloads("reloaded: 2 tenants"))
        for name in "abc":
            put(f"others/{name}.toml", "")
        put("quell.toml", 'tenants_dir = "others"\n')
        self.assertTrue(reloads("reloaded: 3 tenants"))
        put("others/d.toml", "")
        self.assertTrue(reloads("reloaded: 4 tenants"))

    def test_a_pipe_among_the_tenants_is_refused_and_holds_nothing_up(self):
        quell = self.quell(files={"tenants/acme.toml": ""})
        os.mkfifo(os.path.join(quell.directory, "tenants", "beta.toml"))
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "is refused, the old one" in quell.read_log(), 20))
        self.assertIn("tenants/beta.toml is no file", quell.read_log())

    def test_a_signal_to_open_logs_anew_ends_nothing(self):
        quell = self.quell()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            quell.process.send_signal(number)
        quell.process.send_signal(signal.SIGHUP)  # the others are delivered by then
        self.assertTrue(wait_for(lambda: "reloaded: " in quell.read_log()))
        self.fail_job(quell, "one")
        self.assertEqual(quell.stop(), 0)

    def test_tenants_that_are_gone_with_their_directory_stay(self):
        token = {"Authorization": "Bearer a"}
        quell = self.quell("auth.mode=token", files={
            "quell.toml": "", "tenants/acme.toml":
            f'[tenant]\ntokens_sha256 = ["{hashlib.sha256(b"a").hexdigest()}"]\n'})
        tenants = os.path.join(quell.directory, "tenants")
        os.rename(tenants, tenants + ".old")  # as who puts another in its place does
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "is refused, the old one" in quell.read_log()))
        self.assertIn("tenants_dir: there is no directory ./tenants any more: who means to"
                      " have no tenants leaves it there, empty", quell.read_log())
        self.assertEqual(quell.post("/v1/events", failure("one"), token)[0], 200)
        os.mkdir(tenants)  # nobody is left, and that is meant
        self.reload(quell)
        self.assertEqual(quell.request("POST", "/v1/events", "[]", token)[0], 401)

    def test_several_tokens_a_tenant_each_with_an_end_of_its_own(self):
        digest = {name: hashlib.sha256(name.encode()).hexdigest() for name in "abc"}
        soon = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=20)
        tenant = (f'[tenant]\nid = "acme"\ntokens_sha256 = ["{digest["a"]}", {{ sha256 = '
                  f'"{digest["b"]}", expires = "{soon.isoformat()}" }}, {{ sha256 = '
                  f'"{digest["c"]}", expires = "2020-01-01T00:00:00Z" }}]\n')
        quell = self.quell("auth.mode=token", "tenants_dir=tenants",
                           files={"tenants/acme.toml": tenant})

        def status(token, port=None):
            path = "/api/v1/stats" if port else "/v1/events"
            return quell.request("GET" if port else "POST", path, None if port else json.dumps(
                failure("x")), {"Authorization": "Bearer " + token}, port)[0]
        for port, wanted in ((None, 200), (quell.console, 200)):
            self.assertEqual([status(token, port) for token in "abc"], [wanted, wanted, 401])
        self.assertTrue(wait_for(lambda: status("b") == 401, 90))
        self.assertEqual((status("b", quell.console), status("a")), (401, 200))
        self.write(quell, "other", tenant.replace("acme", "other"))
        self.assertTrue(wait_for(lambda: "acme and other have the same token" in quell.read_log()))

    def listeners(self, mode, **hosts):
        lines = [f'{key} = "{hosts.get(key, "127.0.0.1")}:0"' for key in ("http", "grpc", "console")]
        return "\n".join([f'[auth]\nmode = "{mode}"\n[listen]', *lines, ""])

    def refuse_reload(self, quell, text):
        """Returns the log's words about it."""
        path = os.path.join(quell.directory, "quell.toml")
        with open(path + ".new", "w") as file:
            file.write(text)
        os.rename(path + ".new", path)
        quell.process.send_signal(signal.SIGHUP)
        self.assertTrue(wait_for(lambda: "is refused, the old one stays" in quell.read_log()),
                        quell.read_log())
        self.assertNotIn("reloaded: ", quell.read_log())
        return quell.read_log()

    def test_a_reload_does_not_open_a_console_that_the_world_reaches(self):
        token = hashlib.sha256(b"secret").hexdigest()
        tenant = f'[tenant]\nid = "acme"\ntokens_sha256 = ["{token}"]\n'
        quell = FromFile(files={"quell.toml": self.listeners("token", console="0.0.0.0"),
                                "tenants/acme.toml": tenant})
        self.addCleanup(quell.close)
        self.assertEqual(quell.get("/api/v1/incidents")[0], 401)
        log = self.refuse_reload(quell, self.listeners("token"))
        self.assertIn("listen.console: listen.* cannot change while quell runs", log)
        self.assertEqual(quell.get("/api/v1/incidents")[0], 401)

    def test_a_reload_does_not_open_ingest_that_the_world_reaches(self):
        quell = FromFile(files={"quell.toml": self.listeners("token", http="0.0.0.0")})
        self.addCleanup(quell.close)
        log = self.refuse_reload(quell, self.listeners("none"))
        self.assertIn("listen.http: listen.* cannot change while quell runs", log)
        self.assertEqual(quell.post("/v1/events", [failure("one")])[0], 401)
        self.assertEqual(quell.metric("quell_config_last_reload_successful"), 0)
        lines = quell.get("/api/v1/audit")[1]["audit"]
        self.assertTrue(any("configuration refused" in str(line) for line in lines), lines)

    def test_a_reload_says_which_changed_keys_take_effect_at_the_next_start(self):
        def change(quell, text):
            """Returns what the log warns of then."""
            before, path = len(quell.read_log()), os.path.join(quell.directory, "quell.toml")
            with open(path + ".new", "w") as file:
                file.write(text)
            os.rename(path + ".new", path)  # a signal would make it two reloads
            self.assertTrue(wait_for(lambda: "reloaded: " in quell.read_log(before)))
            return [line["message"] for line in map(json.loads, quell.read_log(before).splitlines())
                    if line["level"] == "warning" and "next start" in line["message"]]
        started = '[journal]\nsync = "interval"\n'
        now = "[server]\ntenant_share = 50\nmax_waiting_requests = 99\n"
        quell = self.quell(files={"quell.toml": started})
        self.assertEqual(change(quell, started + now), [])
        told = ["these keys changed and take effect at the next start: "]
        changed = ('data_dir = "elsewhere"\nmax_request_bytes = "1MiB"\n' + now +
                   'max_connections = 7\n[journal]\nsync = "never"\n[log]\nlevel = "warning"\n')
        told[0] += "data_dir, server.max_request_bytes, server.max_connections, journal.sync, log.level"
        self.assertEqual(change(quell, changed), told)
        self.assertEqual(change(quell, changed + "[dedup]\nwindow = '7m'\n"), told)  # still so
        self.assertEqual(change(quell, started), [])  # as it was started

    def test_who_reads_that_a_reload_failed_finds_it_in_the_metrics(self):
        good = self.listeners("none")
        quell = FromFile(files={"quell.toml": good})
        self.addCleanup(quell.close)
        path, name = os.path.join(quell.directory, "quell.toml"), "quell_config_last_reload_successful"
        for bad, told in ((self.listeners("none", http="127.0.0.2"), "listen.* cannot change"),
                          (good + "[nonsense]\n", 'unknown key \\"nonsense')) * 8:
            for text, words, gauge in ((bad, told, 0), (good, "reloaded: ", 1)):
                before, deadline = len(quell.read_log()), time.time() + 20
                with open(path + ".new", "w") as file:
                    file.write(text)
                os.rename(path + ".new", path)
                quell.process.send_signal(signal.SIGHUP)
                while words not in quell.read_log(before) and time.time() < deadline:
                    pass  # whoever acts at once finds it there already
                self.assertEqual(quell.metric(name), gauge, quell.read_log(before))

    def test_a_shared_object_is_a_sink_like_any_other(self):
        quell = self.quell("notify.group_wait=0s", "sink.mine.type=" + EXAMPLE,
                           "sink.mine.path=told")
        self.fail_job(quell, "one", "default")
        path = os.path.join(quell.directory, "told")
        self.assertTrue(wait_for(lambda: os.path.exists(path) and os.path.getsize(path)))
        with open(path) as file:
            self.assertEqual(file.read(), f"opened {quell.incidents()[0]['id']} default\n")

    def test_a_shared_object_that_others_could_write_is_refused(self):
        quell = self.quell()
        folder = os.path.join(quell.directory, "objects")
        os.mkdir(folder, 0o755)
        path = os.path.join(folder, "sink.so")
        shutil.copy(EXAMPLE, path)

        def check(*more):
            return subprocess.run([BINARY, "check", "--set", "sink.mine.type=" + path, *more],
                                  cwd=folder, capture_output=True, text=True)
        self.assertIn("path = ", check().stderr)
        self.assertEqual(check("--set", "sink.mine.path=x").returncode, 0)
        self.assertIn('did you mean "path"', check("--set", "sink.mine.pth=x").stderr)
        os.chmod(path, 0o666)
        self.assertIn("others may write", check("--set", "sink.mine.path=x").stderr)
        os.chmod(path, 0o644)
        os.chmod(folder, 0o777)
        self.assertIn("others may write", check("--set", "sink.mine.path=x").stderr)
        os.chmod(folder, 0o755)
        with open(path, "w") as file:
            file.write("not an object")
        self.assertIn("cannot be loaded", check("--set", "sink.mine.path=x").stderr)
        for name in ("pagr", "objects/sink.so", "/no/such.so", "libc.so.6"):
            result = subprocess.run([BINARY, "check", "--set", "sink.mine.type=" + name],
                                    cwd=folder, capture_output=True, text=True)
            self.assertEqual(result.returncode, 1, name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
