"""What events say reaches no terminal, header, log line, metric or file name unescaped."""
import json
import os
import re
import subprocess
import unittest

from harness import BINARY, Story, failure, wait_for

HOSTILE = ["\r\nX-Evil: 1\r\n\r\n", "\x1b[2J\x1b]0;owned\x07", "nul\0nul", "<script>alert(1)</script>",
           "'; DROP TABLE x; --", "<!channel> <@U1>", "\x9b31m\x85", "../../etc/passwd", "%s%n%n",
           "\u202eevil", "\ud83d\udd25", "}{\"a\":\"", "${env:HOME}", "{{secret}}", "\"\n# HELP x\nx 1\n"]
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f\u2028-\u202e\u2066-\u2069]")


class HostileText(Story):
    def run_hostile(self, *overrides):
        self.hook = self.receiver()
        quell = self.quell("notify.group_wait=0s", "sink.out.type=stdout",
                           "sink.hook.type=webhook", "sink.hook.url=" + self.hook.url, *overrides)
        for number, words in enumerate(HOSTILE):
            quell.post("/v1/events", {"job_id": f"job{number}{words}", "status": "failed",
                                      "message": words, "error_type": words, "run_id": words,
                                      "severity": "error", "details": {words: words},
                                      "depends_on": [f"job:up{words}"]})
            quell.post("/v1/events", {**failure(f"plain{number}"), "message": words,
                                      "error_type": words})
        self.assertTrue(wait_for(lambda: len(self.hook.messages) >= len(HOSTILE)))
        quell.settle()
        return quell

    def test_a_terminal_sees_lines_of_text_and_nothing_else(self):
        quell = self.run_hostile()

        def printed():
            with open(os.path.join(quell.directory, "out"), encoding="utf-8") as file:
                return file.read()
        # Two sinks tell the same messages, each at its own speed.
        self.assertTrue(wait_for(lambda: printed().count("\n") == len(self.hook.messages)))
        text = printed()
        self.assertIsNone(CONTROL.search(text), text[:2000])
        for line in text.splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT.* \[default\] .*inc_[0-9a-z]{26}$")

    def test_logs_are_one_object_a_line_and_metrics_are_metrics(self):
        quell = self.run_hostile("log.level=debug")
        for line in quell.read_log().splitlines():
            value = json.loads(line)
            self.assertEqual(sorted(value), ["area", "level", "message", "time"])
            self.assertIsNone(CONTROL.search(value["message"]))
        _, text, headers = quell.request("GET", "/metrics", port=quell.console)
        for line in text.decode().splitlines():
            self.assertRegex(line, r'^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[^{}\n]*\})? [0-9.e+-]+)$')

    def test_headers_of_messages_hold_nothing_of_events(self):
        self.run_hostile('sink.hook.secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
        self.assertEqual(self.hook.errors, [])
        for headers in self.hook.headers:
            self.assertEqual({name.lower() for name in headers},
                             {"host", "accept", "content-type", "user-agent", "content-length",
                              "webhook-id", "webhook-timestamp", "webhook-signature"})
            self.assertIsNone(CONTROL.search("".join(headers.values())))

    def test_file_names_are_ours_alone(self):
        quell = self.run_hostile()
        names = [name for _, folders, files in os.walk(os.path.join(quell.directory, "quell-data"))
                 for name in folders + files]
        for name in names:
            self.assertRegex(name, r"^[A-Za-z0-9._-]+$")

    def test_a_receivers_answer_is_as_harmless_as_an_event(self):
        """Dead letters show it on the operator's terminal."""
        hook = self.receiver()

        def answer(handler):
            handler.rfile.read(int(handler.headers["Content-Length"]))
            body = "".join(HOSTILE).encode("utf-8", "surrogatepass")
            handler.send_response(400)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        hook.server.RequestHandlerClass.do_POST = answer
        quell = self.quell("notify.group_wait=0s", "sink.hook.type=webhook",
                           "sink.hook.url=" + hook.url)
        quell.events(failure("one"))
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/dlq")[1]["dead_letters"]))
        result = subprocess.run([BINARY, "dlq", "list", "--console",
                                 f"127.0.0.1:{quell.console}"], capture_output=True)
        self.assertIn(b"HTTP 400", result.stdout)
        self.assertIsNone(CONTROL.search(result.stdout.decode()), result.stdout)
        for line in quell.read_log().splitlines():
            self.assertIsNone(CONTROL.search(json.loads(line)["message"]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
