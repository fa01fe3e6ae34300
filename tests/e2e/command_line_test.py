"""The command line as a person meets it: versions, typing errors, every fault of a configuration."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import BINARY, Console, Quell

QUELL_TOML = """data_dri = "x"
[listen]
http = "nonsense"
[sink.page]
type = "slak"
"""
ACME_TOML = """[tenant]
id = "acme"
tokens_sha256 = ["{token}"]
[dedup]
windw = "1m"
[sink.hook]
type = "webhook"
url = "nowhere"
[sink.chat]
type = "slack"
url = "${{env:QUELL_NO_SUCH_THING}}"
"""
BETA_TOML = """[tenant]
id = "beta"
tokens_sha256 = ["{token}"]
[sink.rows]
type = "postgres"
"""


SINKS_TOML = """[tenant]
id = "acme"
tokens = ["secret"]
[sink.hook]
type = "webhook"
url = "ftp://x"
secret = "whsec_!!!"
ulr = "x"
timeout = "soon"
max_attempts = 0
[sink.lines]
typ = "stdout"
[sink.mail]
type = "smtp"
[sink.rows]
type = "postgres"
dsn = "${env:QUELL_NO_SUCH_THING}"
schema = "No Name"
[[job]]
id = "load"
[[job]]
depends_on = ["job:a", 5]
id = "load"
"""

UNLIVEABLE_TOML = """[limits]
entities = 1073741824
[server]
max_connections = 1073741824
body_timeout = "0s"
[sink.hook]
type = "webhook"
url = "http://127.0.0.1:1/"
backoff = "1ns"
"""

HOOK_TOML = """[sink.hook]
type = "webhook"
url = "http://127.0.0.1:1/"
secret = "whsec_"
secret_previous = "{secret}"
"""
BUS_TOML = """[sink.bus]
type = "kafka"
brokers = "127.0.0.1:9092"
topic = "incidents"
[sink.bus.properties]
compression.codec = "zstd"
plugin.library.paths = "/tmp/evil"
"plugin.library.paths\\u0000" = "/tmp/evil"
ssl.providers = "/tmp/evil"
sasl.kerberos.kinit.cmd = "touch evil"
sasl.kerberos.principal = "$(touch evil)"
sasl.kerberos.service.name = "kafka"
sasl.oauthbearer.token.endpoint.url = "http://169.254.169.254/"
"""


class CommandLine(unittest.TestCase):
    def run_quell(self, *words, files=None):
        with tempfile.TemporaryDirectory(prefix="quell-test-") as folder:
            for name, text in (files or {}).items():
                path = os.path.join(folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as file:
                    file.write(text)
            return subprocess.run([BINARY, *words], cwd=folder, capture_output=True, text=True,
                                  timeout=60)

    def test_the_version_is_told_by_word_and_by_flag(self):
        by_word = self.run_quell("version")
        self.assertRegex(by_word.stdout, r"^quell \d+\.\d+\.\d+\n$")
        for flag in "--version", "-V":
            self.assertEqual(self.run_quell(flag).stdout, by_word.stdout)
        self.assertEqual(self.run_quell("run", "-V").returncode, 2)

    def test_a_command_that_was_stopped_for_a_while_gets_its_answer(self):
        started, running = threading.Event(), []

        def answer(*_):
            started.wait(60)
            for what in (signal.SIGSTOP, signal.SIGCONT):
                running[0].send_signal(what)
                time.sleep(0.3)
            return 200, {"dead_letters": [], "next_cursor": None}
        server = Console(answer)
        self.addCleanup(server.close)
        running.append(subprocess.Popen(
            [BINARY, "dlq", "list", "--console", f"127.0.0.1:{server.console}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        started.set()
        told, errors = running[0].communicate(timeout=60)
        self.assertEqual((running[0].returncode, errors), (0, ""), told)

    def test_help_goes_to_stdout_and_names_every_command(self):
        for words in ("--help",), ("-h",), ("help",):
            result = self.run_quell(*words)
            self.assertEqual(result.returncode, 0, words)
            for command in ("run", "check", "load", "demo", "replay", "dlq", "quarantine",
                            "version"):
                self.assertRegex(result.stdout, rf"(?m)^  {command} ", words)

    def test_help_of_a_command_is_of_that_command_and_names_all_its_flags(self):
        for command, flag in (("run", "--format"), ("check", "--data VALUE"),
                              ("dlq", "--sink VALUE"), ("quarantine", "--console VALUE"),
                              ("explain", "--tenant VALUE"), ("version", "")):
            result = self.run_quell(command, "--help")
            self.assertEqual((result.returncode, result.stderr), (0, ""), command)
            self.assertRegex(result.stdout, rf"(?m)\Ausage: quell {command} .*\n\n  {command} ")
            self.assertIn(flag, result.stdout)
            self.assertEqual(len(re.findall(r"(?m)^  \w", result.stdout)), 1, result.stdout)
        told = self.run_quell("load", "--help").stdout
        self.assertIn("\n  --errors ", told)
        self.assertEqual(self.run_quell("help", "load").stdout, told)

    def test_format_json_of_a_report_is_json(self):
        console = Console(lambda *_: (200, {"quarantine": [], "next_cursor": None}))
        self.addCleanup(console.close)
        result = self.run_quell("quarantine", "list", "--format", "json", "--console",
                                f"127.0.0.1:{console.console}")
        self.assertEqual(json.loads(result.stdout)["quarantine"], [], result.stderr)

    def test_what_is_mistyped_ends_with_2_and_one_line(self):
        for words, told in ((("chekc",), 'did you mean "check"?'),
                            (("rnu",), 'unknown command "rnu": did you mean "run"? quell --help'),
                            (("run", "--confg", "x"), '"--confg": did you mean "--config"?'),
                            (("dlq", "list", "--tennant=a"), 'did you mean "--tenant"?'),
                            (("run", "--zzz"), 'unknown argument "--zzz"; quell --help'),
                            (("run", "--log-format", "xml"), "--log-format is json or text"),
                            (("run", "--format", "xml"), "--format is text or json"),
                            (("silence", "add", "--label", "foo"), "--label wants key=glob"),
                            (("silence", "add", "--label==foo"), "--label wants key=glob"),
                            (("silence", "add", "--entity", "job:a"), "--for 2h or --end TIME"),
                            (("silence", "add", "--for", "1h", "--reason", "x" * 9000),
                             "quell: this is too long for a silence"),
                            (("load", "--url", "http://127.0.0.1:99999"), "a port of 1 to 65535"),
                            (("--set", "a=b", "load"), "its own flags alone"),
                            (("graph", "import"), "which file?"),
                            (("check", "--json"), "--json goes with --data"),
                            (("check", "--json", "--explain", "x"), "--json goes with --data"),
                            (("dlq", "show", "7", "8"), "show NUMBER |"),
                            (("quarantine", "show", "1-0", "2-0"), "show ID |"),
                            (("audit", "--limit", "x"), "--limit wants a number"),
                            (("graph", "--hops", "x"), "--hops wants a number"),
                            (("check", "--set"), "--set wants a value")):
            result = self.run_quell(*words)
            self.assertEqual(result.returncode, 2, words)
            self.assertIn(told, result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)

    def test_a_report_that_cannot_be_written_is_told_and_ends_with_1(self):
        quell = Quell()
        self.addCleanup(quell.close)
        quell.stop()
        record = {"id": "1-0", "tenant": "a" * 100, "reason": "odd"}
        console = Console(lambda *_: (200, {"quarantine": [record] * 100, "next_cursor": None}))
        self.addCleanup(console.close)
        data = os.path.join(quell.directory, "quell-data")
        for words in (("version",), ("--version",), ("--help",), ("load", "--help"), ("check",),
                      ("check", "--data", data), ("replay", "--data", data),
                      ("quarantine", "list", "--console", f"127.0.0.1:{console.console}")):
            with open("/dev/full", "w") as full:
                result = subprocess.run([BINARY, *words], cwd=quell.directory, stdout=full,
                                        stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(result.returncode, 1, words)
            self.assertIn("quell: cannot write to stdout: ", result.stderr, words)

    def test_a_limit_of_the_size_of_files_is_told_and_kills_nobody(self):
        folder = tempfile.mkdtemp(prefix="quell-test-")
        self.addCleanup(shutil.rmtree, folder)
        ports = [word for one in Quell.ALWAYS for word in ("--set", one)]
        result = subprocess.run(["bash", "-c", 'ulimit -f 20000; exec "$@"', "-", BINARY, "run",
                                 *ports], cwd=folder, capture_output=True, text=True, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn("File too large", result.stderr)

    def test_check_tells_every_error_of_every_file_with_its_place(self):
        result = self.run_quell("check", files={
            "quell.toml": QUELL_TOML, "tenants/acme.toml": ACME_TOML.format(token="9f" * 32),
            "tenants/beta.toml": BETA_TOML.format(token="9f" * 32)})
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        for told in ('quell.toml:1:1: unknown key "data_dri": did you mean "data_dir"?',
                     'quell.toml:3:1: listen.http: "nonsense" is no address',
                     'quell.toml:5:1: sink "page": type is none of',
                     'acme.toml:5:1: unknown key "windw": did you mean "window"?',
                     'acme.toml:8:1: sink "hook": url is no http:// or https:// address',
                     'acme.toml:11:1: environment variable QUELL_NO_SUCH_THING is not set',
                     'beta.toml:3:18: tenants acme and beta have the same token',
                     'beta.toml:4:7: sink "rows": dsn = '):
            self.assertIn(told, result.stderr)
        self.assertNotIn(":1:1: sink", result.stderr)

    def test_check_tells_one_mistake_in_a_thousand_files_a_thousand_times(self):
        files = {f"tenants/t{number:04}.toml": "[dedup]\nwindow = 5\n[notify]\ngroup_wiat = 1\n"
                 for number in range(1000)}
        result = self.run_quell("check", files=files)
        self.assertEqual(result.returncode, 1)
        told = result.stderr.splitlines()
        self.assertEqual([line.split(": ")[0] for line in told],
                         [f"./{name}:{row}:1" for name in sorted(files) for row in (2, 4)])

    def test_check_tells_all_that_is_wrong_with_a_sink_each_where_it_stands(self):
        result = self.run_quell("check", files={"tenants/acme.toml": SINKS_TOML})
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        told = [line.partition("acme.toml:")[2] for line in result.stderr.splitlines()]
        self.assertEqual(told, [
            '3:1: unknown key "tokens": did you mean "tokens_sha256"?',
            '6:1: sink "hook": url is no http:// or https:// address',
            '7:1: sink "hook": secret: what follows whsec_ is no base64',
            '8:1: sink "hook": unknown key "ulr": did you mean "url"?',
            '9:1: sink "hook": timeout is a duration from 10ms to 1d, such as "10s"',
            '10:1: sink "hook": max_attempts is a number from 1 to 1000',
            '12:1: unknown key "typ": did you mean "type"?',
            '14:1: sink "mail": type is none of stdout, webhook, slack, postgres, kafka, nor '
            'the absolute path of a shared object',
            '17:1: environment variable QUELL_NO_SUCH_THING is not set',
            '18:1: sink "rows": schema is a name of a-z, 0-9 and _',
            '21:1: job:load is declared twice',
            '22:24: a string in quotes is wanted here'])

    def test_why_it_did_not_start_is_a_log_record_like_any_other(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            words = ["run", *[word for name in ("grpc", "console") for word in
                              ("--set", f"listen.{name}=127.0.0.1:0")],
                     "--set", f"listen.http=127.0.0.1:{port}"]
            for more, files, said in (
                    ([], {}, f"cannot listen on 127.0.0.1:{port}"),
                    (["--set", "data_dir=a/b/c"], {}, "cannot make the directory a/b/c"),
                    ([], {"quell.toml": "data_dri = 1\nx = 2\n"}, 'did you mean "data_dir"?')):
                result = self.run_quell(*words, *more, files=files)
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                records = [json.loads(line) for line in result.stderr.splitlines()]
                found = [record["level"] for record in records if said in record["message"]]
                self.assertEqual(found, ["error"], result.stderr)
                result = self.run_quell(*words, *more, "--log-format", "text", files=files)
                self.assertRegex(result.stderr, r"(?m)^[-0-9]+T[0-9:.]+Z error +\w+: .*"
                                 + re.escape(said))

    def test_check_refuses_a_setting_of_a_sink_that_has_not_its_shape(self):
        def told(setting):
            result = self.run_quell("check", files={"quell.toml": (
                f'[sink.a]\ntype = "webhook"\nurl = "http://127.0.0.1/"\n{setting}\n'
                '[sink.b]\ntype = "kafka"\nbrokers = ["127.0.0.1:9092"]\ntopic = "t"\n')})
            self.assertEqual(result.returncode, 1 if result.stderr else 0)
            return result.stderr.replace('quell.toml:4:', "", 1).strip()
        self.assertEqual(told('headers = { X-Team = "data" }'), "")
        table = '1: sink "a": headers: a table is wanted here: headers = { name = "value" }'
        self.assertEqual(told('headers = ["Authorization: Bearer x"]'), table)
        self.assertEqual(told('headers = "Authorization: Bearer x"'), table)
        self.assertEqual(told('secret = ["one", "two"]'),
                         '1: sink "a": secret: one value is wanted here, no list and no table')
        self.assertEqual(told('secret = { old = "one" }'),
                         '12: sink "a": secret: one value is wanted here, no list and no table')
        self.assertEqual(told('timeout = ["1s"]'),
                         '1: sink "a": timeout: one value is wanted here, no list and no table')
        self.assertEqual(
            told('headers = { X-Team = ["a", "b"] }'),
            '13: sink "a": headers.X-Team: one value is wanted here, no list and no table')

    def test_check_refuses_a_sink_whose_type_is_empty(self):
        # Taken, it had ended the thread that delivers to all the others.
        result = self.run_quell("check", files={"quell.toml": '[sink.a]\ntype = ""\n'})
        self.assertEqual((result.returncode, result.stderr), (
            1, 'quell.toml:2:1: this sink has no type, such as type = "webhook"\n'))

    def test_check_tells_of_an_unknown_key_also_when_nothing_stands_in_it(self):
        def told(setting):
            result = self.run_quell("check", files={"quell.toml": (
                f'[sink.a]\ntype = "webhook"\nurl = "http://127.0.0.1/"\n{setting}\n')})
            return result.stderr.replace("quell.toml:", "").strip()
        self.assertEqual(told("header = {}"),
                         '4:1: sink "a": unknown key "header": did you mean "headers"?')
        self.assertEqual(told("[sink.a.header]"),
                         '4:9: sink "a": unknown key "header": did you mean "headers"?')
        self.assertEqual(told("timeout = {}"),
                         '4:1: sink "a": timeout: one value is wanted here, no list and no table')
        self.assertEqual(told("headers = { X-Team = {} }"), '4:13: sink "a": headers.X-Team: '
                         'one value is wanted here, no list and no table')
        self.assertEqual(told("headers = {}"), "")

    def test_check_refuses_an_address_that_nobody_can_call(self):
        def told(url):
            files = {"quell.toml": f'[sink.a]\ntype = "webhook"\nurl = "{url}"\n[sink.b]\ntype = '
                                   f'"slack"\ntoken = "x"\nchannel = "c"\napi_url = "{url}"\n'}
            return self.run_quell("check", files=files).stderr
        for bad in ("http://", "http:///x", "http://a:99999/", "http://a:x/", "http://[::1/",
                    "http://s3cret host/", "http://a/s3cret word", "http://u@/"):
            words = told(bad)
            self.assertIn('quell.toml:3:1: sink "a": url ', words, bad)
            self.assertIn('quell.toml:8:1: sink "b": api_url ', words, bad)
            self.assertNotIn("s3cret", words)
        for good in ("http://a", "https://a:8443/x?y=1#z", "http://u:p%20w@127.0.0.1:1/{id}",
                     "http://[::1]:80/", "https://hooks.slack.com/services/T/B/x"):
            self.assertEqual(told(good), "", good)

    def test_check_tells_a_secret_that_is_missing_and_nothing_that_follows_of_it(self):
        result = self.run_quell("check", files={"quell.toml": '[sink.oncall]\ntype = "slack"\n'
                                                'url = "${env:QUELL_NO_SUCH_THING}"\n'})
        self.assertEqual((result.returncode, result.stderr), (
            1, "quell.toml:3:1: environment variable QUELL_NO_SUCH_THING is not set\n"))

    def test_check_refuses_a_secret_of_which_nothing_is_there(self):
        # Taken, a webhook was not signed any more, or said "Bearer " and no token.
        os.environ["QUELL_TEST_EMPTY"] = ""
        self.addCleanup(os.environ.pop, "QUELL_TEST_EMPTY")
        result = self.run_quell("check", files={"half_written": "\n", "quell.toml": (
            '[sink.a]\ntype = "webhook"\nurl = "http://127.0.0.1/"\n'
            'secret = "${env:QUELL_TEST_EMPTY}"\n'
            'headers = { Authorization = "Bearer ${file:half_written}" }\n')})
        self.assertEqual((result.returncode, result.stderr), (
            1, "quell.toml:4:1: environment variable QUELL_TEST_EMPTY is empty\n"
            "quell.toml:5:13: half_written is empty\n"))

    def test_a_secret_comes_of_a_pipe_or_is_told_not_to(self):
        with tempfile.TemporaryDirectory() as folder:
            pipe = os.path.join(folder, "secret")
            os.mkfifo(pipe)
            files = {"quell.toml": f'[sink.a]\ntype = "webhook"\nurl = "${{file:{pipe}}}"\n'}
            writer = subprocess.Popen(["sh", "-c", f"sleep 0.5; echo http://127.0.0.1/ > {pipe}"])
            self.assertEqual(self.run_quell("check", files=files).stderr, "")
            self.assertEqual(writer.wait(60), 0)
            result = self.run_quell("check", files=files)  # a reload had waited for ever
        self.assertEqual((result.returncode, result.stderr), (
            1, f"quell.toml:3:1: cannot read {pipe}: nobody wrote into it for 5 s\n"))

    def test_check_refuses_bounds_and_spans_that_no_process_could_live_with(self):
        result = self.run_quell("check", files={"quell.toml": UNLIVEABLE_TOML})
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        told = [line.partition("quell.toml:")[2] for line in result.stderr.splitlines()]
        self.assertEqual(told, [
            "2:1: limits.entities is at most 134217728",
            "4:1: server.max_connections is at most 262144",
            "5:1: server.body_timeout is at least 10ms: it would cut off everybody",
            '9:1: sink "hook": backoff is a duration from 10ms to 1d, such as "10s"'])

    def test_check_refuses_two_listeners_of_one_port(self):
        def check(**addresses):
            lines = [f'{key} = "{value}"' for key, value in addresses.items()]
            return self.run_quell("check", files={"quell.toml": "\n".join(
                ['auth.mode = "token"', "[listen]", *lines, ""])})
        result = check(http="127.0.0.1:4000", grpc="127.0.0.1:4000", console="127.0.0.1:4000")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        told = [line.partition("quell.toml:")[2] for line in result.stderr.splitlines()]
        self.assertEqual(told, ["4:1: listen.grpc: listen.http listens on port 4000 there already",
                                "5:1: listen.console: listen.http listens on port 4000 there already"])
        for taken in ("localhost:4317", "0.0.0.0:4317", "[::]:4317"):  # where listen.grpc is
            result = check(http=taken)
            self.assertEqual((result.returncode, result.stderr.count("\n")), (1, 1), taken)
            self.assertIn("quell.toml:3:1: listen.grpc: listen.http listens on", result.stderr)
        for free in ({"http": "127.0.0.1:0", "grpc": "127.0.0.1:0", "console": "127.0.0.1:0"},
                     {"http": "127.0.0.2:4317"}, {"http": "[::1]:4317"},
                     {"grpc": "", "http": "127.0.0.1:4317"}):
            self.assertEqual(check(**free).returncode, 0, free)

    def test_check_notes_that_nobody_has_a_token(self):
        files = {"quell.toml": 'auth.mode = "token"\n', "tenants/acme.toml": '[tenant]\nid = "acme"\n'}
        result = self.run_quell("check", files=files)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r'note: .*no tenant has a token.*\nok: 1 tenant, ')
        files["tenants/acme.toml"] += f'tokens_sha256 = ["{"9f" * 32}"]\n'
        self.assertNotIn("note", self.run_quell("check", files=files).stdout)
        files = {**files, "quell.toml": "", "tenants/acme.toml": '[tenant]\nid = "acme"\n'}
        self.assertNotIn("note", self.run_quell("check", files=files).stdout)

    def test_check_says_the_bound_that_holds_for_shards(self):
        for shards in ("0", "-1", "2", "99999999999"):
            result = self.run_quell("check", "--set", "server.shards=" + shards)
            self.assertEqual(result.returncode, 1)
            self.assertIn("server.shards: only 1 is supported", result.stderr)
        self.assertEqual(self.run_quell("check", "--set", "server.shards=1").returncode, 0)

    def test_check_refuses_a_secret_that_is_empty(self):
        for secret in ("whsec_", "whsec_===="):
            result = self.run_quell("check",
                                    files={"quell.toml": HOOK_TOML.format(secret=secret)})
            self.assertEqual((result.returncode, result.stdout), (1, ""))
            self.assertIn('quell.toml:4:1: sink "hook": secret: nothing follows', result.stderr)
            self.assertIn('quell.toml:5:1: sink "hook": secret_previous: ', result.stderr)

    def test_check_refuses_what_is_too_long_to_be_sent(self):
        def check(url, value):
            url, value = "http://x/".ljust(url, "x"), "x" * (value - len("X-Team: "))
            return self.run_quell("check", files={"quell.toml": (
                f'[sink.hook]\ntype = "webhook"\nurl = "{url}"\nheaders = {{ X-Team = "{value}" }}\n'
                f'[sink.chat]\ntype = "slack"\nurl = "{url}"\n')})
        self.assertEqual(check(4000, 8191).returncode, 0)
        result = check(4096, 8192)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        for told in ('3:1: sink "hook": url has at most 4095 bytes',
                     ':13: sink "hook": headers.X-Team: a header has at most 8191 bytes',
                     '7:1: sink "chat": url is no https:// address of up to 4063 bytes'):
            self.assertIn(told, result.stderr)

    def test_check_refuses_what_a_library_would_load_or_run(self):
        result = self.run_quell("check", files={"quell.toml": BUS_TOML})
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        told = [line.partition("quell.toml:")[2] for line in result.stderr.splitlines()]
        for line, words in (("7:16", "plugin.library.paths: not allowed: it would load"),
                            ("7:16", "a NUL in a name"),
                            ("9:5", "ssl.providers: not allowed: it would load"),
                            ("10:21", "kinit.cmd: not allowed: it would run a command"),
                            ("11:15", "principal: a shell reads it"),
                            ("13:33", "token.endpoint.url: not allowed in a sink")):
            self.assertTrue([one for one in told if one.startswith(line + ': sink "bus": prop') and
                             words in one], (line, words, told))
        self.assertEqual(len(told), 6)
        self.assertNotIn("evil", result.stderr)

    def test_what_stands_in_the_wrong_file_is_told_so(self):
        result = self.run_quell("check", files={
            "tenants/acme.toml": '[journal]\nsync = "always"\n[sinks.x]\ntype = "stdout"\n'})
        self.assertIn('1:2: unknown key "journal": it stands in quell.toml', result.stderr)
        self.assertIn('3:2: unknown key "sinks": did you mean "sink"?', result.stderr)
        self.assertEqual(result.stderr.count("\n"), 2)

    def test_a_link_that_leads_nowhere_is_no_missing_quell_toml(self):
        with tempfile.TemporaryDirectory() as directory:
            os.symlink("nowhere.toml", os.path.join(directory, "quell.toml"))
            result = subprocess.run([BINARY, "check"], cwd=directory, text=True, capture_output=True)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("cannot read quell.toml: No such file", result.stderr)

    def test_tenants_may_stand_beside_the_configuration(self):
        files = {"etc/quell.toml": 'data_dir = "x"\n',
                 "etc/tenants/acme.toml": '[tenant]\nid = "acme"\n'}
        words = ("check", "--config", "etc/quell.toml")
        self.assertIn("ok: 1 tenant, ", self.run_quell(*words, files=files).stdout)
        here = {**files, "tenants/a.toml": '[tenant]\nid = "a"\n',
                "tenants/b.toml": '[tenant]\nid = "b"\n'}
        self.assertIn("ok: 2 tenants", self.run_quell(*words, files=here).stdout)

    def test_a_single_file_is_enough_where_one_may_not_look_around(self):
        def close():  # as `sudo -u quell` in somebody's home
            os.chmod(".", 0)
            if os.getuid() == 0:
                os.setuid(65534)
        for line, code in (("", 0), ('tenants_dir = "./tenants"\n', 1)):
            with tempfile.TemporaryDirectory() as directory:
                os.chmod(directory, 0o755)
                path, home = os.path.join(directory, "quell.toml"), os.path.join(directory, "home")
                with open(path, "w") as file:
                    file.write(line)
                os.mkdir(home)
                binary = shutil.copy(BINARY, directory)
                result = subprocess.run([binary, "check", "--config", path], cwd=home, text=True,
                                        preexec_fn=close, capture_output=True)
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn("cannot be read" if code else "ok: 0 tenants",
                          result.stdout + result.stderr)

    def test_check_says_when_no_tenant_has_a_file(self):
        result = self.run_quell("check", "--set", "tenants_dir=nowhere")
        self.assertEqual(result.returncode, 0)
        self.assertIn("there is no directory nowhere", result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
