"""Slack: one message an incident, edited and threaded, also over a restart; webhooks; throttling."""
import hmac
import http.server
import json
import os
import time
import unittest
import urllib.parse

from harness import Server, Story, failure, wait_for


class Slack(Server):
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
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        self.serve(Handler)

    def names(self):
        return [call for call, _, _ in self.calls]


class SlackStory(Story):
    def slack(self):
        slack = Slack()
        self.addCleanup(slack.close)
        return slack

    def bot(self, slack, *overrides, **more):
        return self.quell("notify.group_wait=0s", "notify.group_interval=0s",
                          "sink.chat.type=slack", "sink.chat.token=xoxb-secret",
                          "sink.chat.channel=#oncall", "sink.chat.api_url=" + slack.url + "/api",
                          "sink.chat.backoff=50ms", "sink.chat.rate=100/s", *overrides, **more)

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

    def test_a_repeat_reads_as_a_reminder_and_no_change(self):
        slack = self.slack()
        quell = self.bot(slack, "notify.repeat_interval=2s", "sink.lines.type=stdout")
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: len(slack.calls) >= 3))
        _, edit, _ = slack.calls[1]
        _, reply, _ = slack.calls[2]
        self.assertNotIn("still open", edit["blocks"][0]["text"]["text"])
        self.assertRegex(reply["blocks"][0]["text"]["text"], r"\(still open\) job:extract failed")
        self.assertRegex(reply["blocks"][1]["text"]["text"], r"^Still open after \d+s\. Now 1 failing")
        incident = quell.incidents()[0]["id"]

        def lines():
            with open(os.path.join(quell.directory, "out")) as file:
                return [line for line in file if " updated " in line]
        self.assertTrue(wait_for(lines))
        self.assertTrue(lines()[0].endswith(f"  {incident} still open\n"), lines())
        calls = len(slack.calls)
        quell.events(failure("load", "extract"))
        self.assertTrue(wait_for(lambda: any(
            call[1]["blocks"][1].get("text", {}).get("text", "").startswith("Now 2 failing")
            for call in slack.calls[calls:])))

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

    # --- Clicks ---

    def click(self, quell, value, secret=b"5l4ck", action="quell_acknowledge", age=0, body=None,
              user="ann"):
        payload = {"type": "block_actions", "user": {"id": "U1", "username": user},
                   "actions": [{"action_id": action, "value": value, "type": "button"}],
                   "message": {"text": "a + b & c=d"}}
        body = body or urllib.parse.urlencode({"payload": json.dumps(payload)}).encode()
        stamp = str(int(time.time()) - age)
        signature = hmac.new(secret, b"v0:" + stamp.encode() + b":" + body, "sha256").hexdigest()
        return quell.request("POST", "/api/v1/slack/interactions", body, {
            "Content-Type": "application/x-www-form-urlencoded", "X-Slack-Signature":
            "v0=" + signature, "X-Slack-Request-Timestamp": stamp}, quell.console)[:2]

    def test_a_click_acknowledges_and_the_message_says_who(self):
        slack = self.slack()
        quell = self.bot(slack, "sink.chat.signing_secret=5l4ck", "sink.chat.open_url=http://x/{id}")
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: slack.calls))
        button, opens = slack.calls[0][1]["blocks"][-1]["elements"]
        self.assertEqual(opens["url"], "http://x/" + quell.incidents()[0]["id"])
        self.assertEqual(self.click(quell, "", action="Open")[0], 401)
        self.assertEqual(self.click(quell, button["value"], action="Open")[0], 200)
        self.assertEqual(quell.incidents()[0]["status"], "open")
        self.assertEqual(self.click(quell, button["value"]), (200, b""))
        self.assertEqual(quell.incidents()[0]["status"], "acknowledged")
        self.assertTrue(wait_for(lambda: len(slack.calls) == 3))
        edit, reply = slack.calls[1][1], slack.calls[2][1]
        self.assertIn("(acknowledged)", edit["blocks"][0]["text"]["text"])
        self.assertNotIn("quell_acknowledge", json.dumps(edit))
        self.assertIn("Acknowledged by `slack: ann (U1)`", json.dumps(reply))
        self.assertEqual(self.click(quell, button["value"], user="bob")[0], 200)  # once is enough
        lines = [(line["by"], line["what"]) for line in quell.get("/api/v1/audit")[1]["audit"]]
        self.assertIn(("slack: ann (U1)", "acknowledge incident"), lines)
        quell.events({"job_id": "extract", "status": "succeeded"})
        quell.settle()
        self.assertEqual(self.click(quell, button["value"])[0], 200)  # too late: nothing to do
        self.assertEqual(quell.incidents()[0]["status"], "resolved")

    def test_what_slack_did_not_sign_now_does_nothing(self):
        slack = self.slack()
        quell = self.bot(slack, "sink.chat.signing_secret=5l4ck", "sink.mute.type=slack",
                         "sink.mute.url=" + slack.url + "/hook")
        quell.events(failure("extract"))
        quell.settle()
        incident = quell.incidents()[0]["id"]
        good = f"{incident} default chat"
        for more in ({"secret": b"other"}, {"secret": b""}, {"age": 301}, {"age": -330},
                     {"body": b"payload=%7B%7D"}, {"body": b"payload"}, {"body": b"x" * 900000},
                     {"body": b"payload=" + b"%7B" * 20000}):
            self.assertEqual(self.click(quell, good, **more)[0], 401, more)
        for value in (f"{incident} default mute", f"{incident} default nobody", incident,
                      f"{incident}  chat", "x" * 5000):
            for secret in (b"5l4ck", b""):
                self.assertEqual(self.click(quell, value, secret=secret)[0], 401, value)
        for headers in ({}, {"X-Slack-Signature": "v0="}, {"X-Slack-Signature": "v1=" + "0" * 64},
                        {"X-Slack-Signature": "v0=" + "0" * 64, "X-Slack-Request-Timestamp": "x"}):
            status, _, _ = quell.request("POST", "/api/v1/slack/interactions", "payload=%7B%7D",
                                         headers, quell.console)
            self.assertEqual(status, 401)
        self.assertEqual(quell.request("GET", "/api/v1/slack/interactions",
                                       port=quell.console)[0], 405)
        self.assertEqual(quell.incidents()[0]["status"], "open")

    def test_a_tenants_secret_acts_for_that_tenant_alone(self):
        slack = self.slack()

        def tenant(name, secret):
            return (f'[tenant]\nid = "{name}"\n[notify]\ngroup_wait = "0s"\n[sink.chat]\n'
                    f'type = "slack"\nurl = "{slack.url}/hook"\nsigning_secret = "{secret}"\n')
        quell = self.bot(slack, "sink.chat.signing_secret=5l4ck", "tenants_dir=tenants",
                         files={"tenants/acme.toml": tenant("acme", "of-acme"),
                                "tenants/umbrella.toml": tenant("umbrella", "of-umbrella")})
        for name in ("acme", "umbrella", "other"):
            quell.events({**failure("load"), "tenant_id": name})
        quell.settle()
        ids = {name: quell.incidents("&tenant=" + name)[0]["id"]
               for name in ("acme", "umbrella", "other")}
        for secret, value, wanted in (
                (b"of-acme", f"{ids['umbrella']} acme chat", 200),  # found for nobody of acme
                (b"of-acme", f"{ids['umbrella']} umbrella chat", 401),
                (b"5l4ck", f"{ids['umbrella']} umbrella chat", 401),  # it has its own
                (b"of-acme", f"{ids['other']} other chat", 401)):
            self.assertEqual(self.click(quell, value, secret=secret)[0], wanted, value)
        self.assertEqual({item["status"] for item in quell.incidents()}, {"open"})
        self.assertEqual(self.click(quell, f"{ids['other']} other chat")[0], 200)
        self.assertEqual(self.click(quell, f"{ids['umbrella']} umbrella chat",
                                    secret=b"of-umbrella")[0], 200)
        self.assertEqual({item["id"]: item["status"] for item in quell.incidents()},
                         {ids["acme"]: "open", ids["umbrella"]: "acknowledged",
                          ids["other"]: "acknowledged"})

    def test_an_answer_that_breaks_off_is_asked_for_again_where_it_says_something(self):
        broken = (200, b'{"ok":true,', {"Content-Length": "1000"})
        slack = self.slack()
        slack.answers = [broken]
        quell = self.bot(slack)
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: slack.names() == ["chat.postMessage"]))
        self.assertIn('HTTP 200: {\\"ok\\":true,; ', quell.read_log())
        hook = self.slack()
        hook.answers = [broken]
        quell = self.quell("notify.group_wait=0s", "sink.chat.type=slack",
                           "sink.chat.url=" + hook.url + "/hook", "sink.chat.backoff=50ms")
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: quell.metric("quell_sink_delivered_total") == 1))
        self.assertEqual(len(hook.times), 1)

    def test_retry_after_is_honoured(self):
        slack = self.slack()
        slack.answers = [(429, b"", {"Retry-After": "2"})]
        quell = self.bot(slack)
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: slack.calls))
        self.assertGreaterEqual(slack.times[1] - slack.times[0], 1.9)

    def test_a_retry_after_beyond_a_day_is_not_taken_for_none(self):
        slack = self.slack()
        slack.answers = [(429, b"", {"Retry-After": "100000"})]
        quell = self.bot(slack)
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: slack.times))
        time.sleep(1)  # the backoff is 50ms
        self.assertEqual(len(slack.times), 1)

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

    def test_an_answer_that_names_no_channel_is_of_the_one_that_was_asked(self):
        slack = self.slack()
        slack.answers += [(200, b'{"ok":true,"ts":"1700000000.000001"}', {})]
        quell = self.bot(slack)
        quell.events(failure("one"))
        quell.events({"job_id": "one", "status": "succeeded"})
        self.assertTrue(wait_for(lambda: len(slack.calls) == 2), slack.calls)
        (edit, edited, _), (post, posted, _) = slack.calls
        self.assertEqual((edit, edited["channel"], edited["ts"]),
                         ("chat.update", "#oncall", "1700000000.000001"))
        self.assertEqual((post, posted["channel"], posted["thread_ts"]),
                         ("chat.postMessage", "#oncall", "1700000000.000001"))

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
        path = f"/api/v1/incidents/{letter['incident']}/timeline"
        self.assertTrue(wait_for(lambda: "updated to chat: a newer message"
                                 in quell.get(path)[1]["timeline"][-1]["detail"]))
        self.assertEqual(slack.names(), ["chat.postMessage", "chat.update", "chat.postMessage"])
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
