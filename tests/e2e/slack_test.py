"""Slack: one message an incident, edited and threaded, also over a restart; webhooks; throttling."""
import http.server
import json
import threading
import time
import unittest

from harness import Story, failure, wait_for


class Slack:
    """A fake of the calls that quell makes; keeps (call, body, token) and answers as Slack does."""

    def __init__(self):
        self.calls, self.answers, self.times = [], [], []
        slack = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                slack.times.append(time.monotonic())
                if slack.answers:
                    self.reply(*slack.answers.pop(0))
                    return
                call = self.path.rsplit("/", 1)[-1]
                slack.calls.append((call, body, self.headers.get("Authorization")))
                if call == "hook":
                    self.reply(200, b"ok", {})
                    return
                ts = body.get("ts") or f"1700000000.{len(slack.calls):06}"
                answer = {"ok": True, "channel": "C042", "ts": ts,
                          "message": {"text": body["text"], "ts": "9.9"}}
                self.reply(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

            def reply(self, status, body, headers):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def names(self):
        return [call for call, _, _ in self.calls]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class SlackStory(Story):
    def slack(self):
        slack = Slack()
        self.addCleanup(slack.close)
        return slack

    def bot(self, slack, *overrides):
        return self.quell("notify.group_wait=0s", "notify.group_interval=0s",
                          "sink.chat.type=slack", "sink.chat.token=xoxb-secret",
                          "sink.chat.channel=#oncall", "sink.chat.api_url=" + slack.url + "/api",
                          "sink.chat.backoff=50ms", "sink.chat.rate=100/s", *overrides)

    def test_updates_edit_the_first_message_and_thread_under_it_also_after_a_restart(self):
        slack = self.slack()
        quell = self.bot(slack)
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: slack.names() == ["chat.postMessage"]))
        first = slack.calls[0]
        self.assertEqual((first[1]["channel"], first[2]), ("#oncall", "Bearer xoxb-secret"))
        self.assertNotIn("thread_ts", first[1])
        quell.settle()
        quell.stop()
        quell.start()
        quell.events({"job_id": "extract", "status": "succeeded"})
        self.assertTrue(wait_for(lambda: len(slack.calls) == 3))
        self.assertEqual(slack.names()[1:], ["chat.update", "chat.postMessage"])
        _, edit, _ = slack.calls[1]
        _, reply, _ = slack.calls[2]
        self.assertEqual((edit["channel"], edit["ts"]), ("C042", "1700000000.000001"))
        self.assertIn("RESOLVED", edit["blocks"][0]["text"]["text"])
        self.assertEqual((reply["channel"], reply["thread_ts"]), ("C042", "1700000000.000001"))
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/stats")[1]["deliveries_ok"] == 2))

    def test_the_thread_is_found_also_when_the_next_message_follows_at_once(self):
        slack = self.slack()
        quell = self.bot(slack, "sink.chat.updates=thread")
        for number in range(30):
            quell.events(failure(f"job{number}"))
            quell.events({"job_id": f"job{number}", "status": "succeeded"})
        self.assertTrue(wait_for(lambda: len(slack.calls) == 60))
        self.assertEqual(set(slack.names()), {"chat.postMessage"})
        threads = [body["thread_ts"] for _, body, _ in slack.calls if "thread_ts" in body]
        self.assertEqual(len(threads), 30)
        self.assertEqual(len(set(threads)), 30)

    def test_retry_after_is_honoured(self):
        slack = self.slack()
        slack.answers = [(429, b"", {"Retry-After": "2"})]
        quell = self.bot(slack)
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: slack.calls))
        self.assertGreaterEqual(slack.times[1] - slack.times[0], 1.9)

    def test_errors_that_slack_calls_its_own_are_retried_others_are_dead_at_once(self):
        slack = self.slack()
        refusal = {"Content-Type": "application/json"}
        slack.answers = [(200, b'{"ok":false,"error":"internal_error"}', refusal)]
        quell = self.bot(slack)
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: slack.calls))
        slack.answers = [(200, b'{"ok":false,"error":"channel_not_found"}', refusal)]
        quell.events(failure("other"))
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/stats")[1]["deliveries_dead"] == 1))
        self.assertEqual(len(slack.times), 3)
        self.assertIn("channel_not_found", quell.read_log())
        self.assertNotIn("xoxb-secret", quell.read_log())

    def test_a_message_that_cannot_be_edited_is_still_followed_in_its_thread(self):
        slack = self.slack()
        quell = self.bot(slack)
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: slack.calls))
        slack.answers = [(200, b'{"ok":false,"error":"message_not_found"}', {})]
        quell.events({"job_id": "extract", "status": "succeeded"})
        self.assertTrue(wait_for(lambda: len(slack.calls) == 2))
        self.assertEqual(slack.calls[1][1]["thread_ts"], "1700000000.000001")

    def test_a_late_redelivery_never_shows_an_old_state_as_the_present_one(self):
        slack = self.slack()
        quell = self.bot(slack)
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: slack.calls))
        slack.answers = [(200, b'{"ok":false,"error":"is_archived"}', {})]
        quell.events(failure("load", "extract"))
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/dlq")[1]["dead_letters"]))
        quell.events(*[{"job_id": job, "status": "succeeded"} for job in ("extract", "load")])
        self.assertTrue(wait_for(lambda: len(slack.calls) == 3))
        letter, = quell.get("/api/v1/dlq")[1]["dead_letters"]
        status, _, _ = quell.request("POST", f"/api/v1/dlq/{letter['number']}/retry", "{}",
                                     port=quell.console)
        self.assertEqual(status, 200)
        self.assertTrue(wait_for(lambda: len(slack.calls) == 4))
        self.assertEqual(slack.names(), ["chat.postMessage", "chat.update", "chat.postMessage",
                                         "chat.postMessage"])
        self.assertIn("thread_ts", slack.calls[3][1])
        self.assertIn("RESOLVED", slack.calls[1][1]["blocks"][0]["text"]["text"])

    def test_an_incoming_webhook_gets_a_message_each_and_nothing_mentions_anybody(self):
        slack = self.slack()
        quell = self.quell("notify.group_wait=0s", "sink.chat.type=slack",
                           "sink.chat.url=" + slack.url + "/hook")
        quell.events(failure("extract", message="<!channel> <@U1> \x1b[31m & so on",
                             error_type="<!here>"))
        self.assertTrue(wait_for(lambda: slack.names() == ["hook"]))
        quell.events({"job_id": "extract", "status": "succeeded"})
        self.assertTrue(wait_for(lambda: slack.names() == ["hook", "hook"]))
        text = json.dumps(slack.calls[0][1])
        self.assertIn("&lt;!channel&gt; &lt;@U1&gt;", text)
        for mention in ("<!channel", "<!here", "<@U1", "\\u001b"):
            self.assertNotIn(mention, text)
        self.assertFalse(slack.calls[0][1]["link_names"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
