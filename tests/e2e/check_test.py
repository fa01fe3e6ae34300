"""quell check: what it refuses, and what it notes, of a configuration that is hardly meant so."""
import os
import subprocess
import tempfile
import unittest

from harness import BINARY

HOOK = '[sink.hook]\ntype = "webhook"\nurl = "http://127.0.0.1:1/"\n'


class CheckStory(unittest.TestCase):
    def check(self, files, *words, cwd="."):
        """Returns code, stdout and stderr, with {folder} for where the files are."""
        with tempfile.TemporaryDirectory(prefix="quell-test-") as folder:
            for name, text in files.items():
                path = os.path.join(folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "w") as file:
                    file.write(text)
            words = [word.format(folder=folder) for word in words]
            result = subprocess.run([BINARY, "check", *words], cwd=os.path.join(folder, cwd),
                                    capture_output=True, text=True, timeout=60)
            return (result.returncode, result.stdout.replace(folder, "{folder}"),
                    result.stderr.replace(folder, "{folder}"))

    def test_a_job_that_depends_on_itself_is_told_where_it_does(self):
        self.assertEqual(self.check({"tenants/acme.toml": (
            '[[job]]\nid = "a"\ndepends_on = ["job:b",\n    "job:a"]\n'
            '[[job]]\ndepends_on = ["job:b", "job:a"]\nid = "job:b"\n'
            '[[job]]\nid = "service:c"\ndepends_on = ["job:service:d", "job:a"]\n')}),
            (1, "", "./tenants/acme.toml:4:5: job:a cannot depend on itself\n"
                    "./tenants/acme.toml:6:15: job:b cannot depend on itself\n"))

    def test_a_backoff_beyond_the_longest_is_told(self):
        self.assertEqual(self.check({"quell.toml": (
            HOOK + 'backoff = "10m"\nbackoff_max = "1m"\n')}),
            (1, "", 'quell.toml:4:1: sink "hook": backoff is longer than backoff_max\n'))
        for one in ('backoff = "10m"\n', 'backoff_max = "10ms"\n',
                    'backoff = "1m"\nbackoff_max = "60s"\n'):
            self.assertEqual(self.check({"quell.toml": HOOK + one})[::2], (0, ""), one)

    def test_quotes_that_are_missing_are_guessed(self):
        for value, words in (("/var/lib/quell", "in quotes"), ("./data", "in quotes"),
                             ("trueish", "in quotes"), ("2020-data", "in quotes"),
                             ("10s", "in quotes"), ("0x", "in quotes"), ("-x", "in quotes"),
                             ('"data', "closing quote missing"), ("'data", "closing quote missing"),
                             ('"""data', "closing quote missing")):
            code, _, told = self.check({"quell.toml": f"data_dir = {value}\n"})
            self.assertEqual(code, 1)
            self.assertRegex(told, f"^quell.toml:1:[0-9]+: .*{words}", value)
        self.assertNotRegex(self.check({"quell.toml": "a = 1\na = 2\n"})[2], "quote")

    def test_a_key_under_two_of_its_names_is_told(self):
        self.assertEqual(self.check({
            "quell.toml": 'max_request_bytes = "1MiB"\n[server]\nmax_request_bytes = "2MiB"\n'
                          '[dedup]\nwindow = "1m"\nby = ["entity"]\n'
                          '[defaults.dedup]\nwindow = "2m"\nby = ["tenant"]\n',
            "tenants/acme.toml": 'resolve_after = "1m"\n[notify]\nresolve_after = "2m"\n'
                                 'reopen_window = "3m"\n',
            "tenants/beta.toml": '[incident]\nresolve_after = "2m"\n'}),
            (1, "", "quell.toml:3:1: server.max_request_bytes is set already, by max_request_bytes in"
                    " line 1\nquell.toml:8:1: defaults.dedup.window is set already, by dedup.window in line"
                    " 5\nquell.toml:9:1: defaults.dedup.by is set already, by dedup.by in line 6\n"
                    "./tenants/acme.toml:3:1: notify.resolve_after is set already, by resolve_after in"
                    " line 1\n"))

    def test_two_names_of_one_key_on_the_command_line_are_both_named(self):
        names = ["max_request_bytes", "server.max_request_bytes", "dedup.window",
                 "defaults.dedup.window", "notify.resolve_after", "defaults.resolve_after"]
        for first, second in zip(names[::2], names[1::2]):
            for given in ((first, second), (second, first)):
                value = "64MiB" if "bytes" in first else "5m"
                code, _, words = self.check({"quell.toml": ""},
                                            *(part for name in given for part in ("--set", f"{name}={value}")))
                self.assertEqual(code, 1)
                self.assertRegex(words, f"^--set:1:[0-9]+: ({first} is set already, by --set {second}"
                                        f"|{second} is set already, by --set {first})\n$")

    def test_what_the_command_line_sets_overrides_a_key_under_any_of_its_names(self):
        files = {"quell.toml": '[server]\nmax_request_bytes = "64MiB"\nmax_buffered_bytes = "64MiB"\n'}
        for name in ("server.max_request_bytes", "max_request_bytes"):
            code, _, words = self.check(files, "--set", name + "=65MiB")
            self.assertEqual((code, "less than one request" in words), (1, True), name)
        files = {"quell.toml": 'max_request_bytes = "65MiB"\nserver.max_buffered_bytes = "64MiB"\n'}
        for name in ("server.max_request_bytes", "max_request_bytes"):
            self.assertEqual(self.check(files, "--set", name + "=64MiB")[::2], (0, ""), name)

    def test_a_silence_that_does_not_say_of_what_is_told(self):
        rest = ('start = "2026-12-24T00:00:00Z"\nend = "2026-12-26T00:00:00Z"\nreason = "r"\n'
                'who = "w"\n')
        self.assertEqual(self.check({"quell.toml": "[[silence]]\n" + rest}), (
            1, "", 'quell.toml:1:1: match = { entity = "job:load_*" } says what is silenced,'
            ' match = {} all\n'))
        self.assertEqual(self.check({"quell.toml": "[[silence]]\nmatch = {}\n" + rest})[::2], (0, ""))

    def test_what_incidents_show_is_no_place_for_a_secret(self):
        words = ": ${env:} and ${file:} are for secrets: here they are not read\n"
        files = {"tenants/acme.toml": 'owner = "${env:HOME}"\n[labels]\nteam = "a ${file:/b}"\n'
                                      '[[job]]\nid = "a"\nowner = "${env:HOME}"\n',
                 "tenants/beta.toml": '[tenant]\nowner = "${env:HOME}"\n[labels]\ncost = "$5{x}"\n'}
        self.assertEqual(self.check(files), (1, "", "".join(
            f"./tenants/{place}{words}" for place in (
                "acme.toml:1:1: owner", "acme.toml:3:1: team", "acme.toml:6:1: owner",
                "beta.toml:2:1: owner"))))

    def test_a_size_is_told_where_it_was_set(self):
        for text, told in (("#\nmax_request_bytes = 0\n", "2:1: server.max_request_bytes is more"),
                           ("#\nmax_request_bytes = '2GiB'\n", "2:1: server.max_buffered_bytes"),
                           ("[server]\nmax_request_bytes = '2GiB'\n",
                            "2:1: server.max_buffered_bytes"),
                           ("max_request_bytes = '2GiB'\n[server]\nmax_buffered_bytes = '1GiB'\n",
                            "3:1: server.max_buffered_bytes")):
            code, _, errors = self.check({"quell.toml": text})
            self.assertEqual(code, 1, text)
            self.assertIn("quell.toml:" + told, errors)

    def test_no_directory_of_tenants_is_said_in_words(self):
        words = 'note: tenants_dir = "", so no tenant has a file\nok: 0 tenants, 1 sink\n'
        files = {"etc/quell.toml": 'tenants_dir = ""\n' + HOOK, "run/empty": ""}
        self.assertEqual(self.check(files, cwd="etc"), (0, words, ""))
        # Nor is quell.toml a tenant's file for standing where none of them does.
        self.assertEqual(self.check(files, "--config", "{folder}/etc/quell.toml", cwd="run"),
                         (0, words, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
