"""What Slack is sent, against Block Kit's documented limits, for calm and for hostile incidents."""
import json
import os
import random
import re
import subprocess
import unittest

TOOL = os.environ["QUELL_SLACK_TOOL"]


def incident(text="load", affected=3, **more):
    """An incident in which every text from events is `text`."""
    value = {
        "version": 1, "id": "inc_" + "0" * 26, "tenant": "acme", "status": "open",
        "severity": "critical", "title": f"job:{text} failed: {text}",
        "root_cause": {"entity": f"job:{text}", "error_class": text, "message": text,
                       "first_seen": "2026-11-20T03:00:00.000Z", "confidence": 0.93,
                       "evidence": [text] * 6, "alternatives": []},
        "affected": [{"entity": f"job:{text}{i}", "status": "failed",
                      "since": "2026-11-20T03:00:00.000Z", "hops": 1} for i in range(affected)],
        "blast_radius": {"total": 31, "failing": 13, "at_risk": 18, "by_kind": {"job": 31}},
        "signals": {"total": 412, "unique": 14, "suppressed": 398},
        "opened_at": "2026-11-20T03:00:00.000Z", "updated_at": "2026-11-20T03:00:10.000Z",
        "resolved_at": None, "owner": text, "labels": {}, "trace_ids": []}
    value.update(more)
    return value


def render(value, kind="opened", shape="message"):
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    result = subprocess.run([TOOL, shape, kind], input=data, capture_output=True, check=True)
    return json.loads(result.stdout)


def texts(value):
    """Every text object of a message."""
    if isinstance(value, dict):
        if value.get("type") in ("mrkdwn", "plain_text"):
            yield value
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


class SlackBlocks(unittest.TestCase):
    def assert_within_limits(self, message):
        blocks = message["blocks"]
        self.assertLessEqual(len(blocks), 50)
        self.assertLess(sum(len(text["text"]) for text in texts(blocks)), 12000)
        self.assertTrue(1 <= len(message["text"]) <= 4000)
        for text in texts(blocks):
            self.assertTrue(1 <= len(text["text"]) <= 3000, text)
        for block in blocks:
            kind = block["type"]
            if kind == "header":
                self.assertEqual(block["text"]["type"], "plain_text")
                self.assertLessEqual(len(block["text"]["text"]), 150)
            elif kind == "section":
                self.assertTrue(("text" in block) != ("fields" in block))
                self.assertTrue(1 <= len(block.get("fields", [0])) <= 10)
                for field in block.get("fields", []):
                    self.assertLessEqual(len(field["text"]), 2000)
            elif kind == "context":
                self.assertTrue(1 <= len(block["elements"]) <= 10)
            else:
                self.assertEqual(kind, "actions")
                self.assertTrue(1 <= len(block["elements"]) <= 25)
                names = [button["action_id"] for button in block["elements"]]
                self.assertEqual(len(names), len(set(names)))
                for button in block["elements"]:
                    self.assertLessEqual(len(button["text"]["text"]), 75)
                    self.assertLessEqual(len(button.get("url", "")), 3000)
                    self.assertLessEqual(len(button.get("value", "")), 2000)
                    self.assertLessEqual(len(button["action_id"]), 255)

    def test_five_seconds_are_enough(self):
        message = render(incident("extract_orders", affected=12))
        self.assert_within_limits(message)
        shown = json.dumps(message["blocks"], ensure_ascii=False)
        for wanted in ("CRITICAL", "Broke first", "`job:extract_orders`", "<!date^1795143600^", "Affected: 12", "and 7 more",
                       "398 of 412 signals", "*At risk downstream*\\n18", "Acknowledge",
                       "*Failing now*\\n13", "93 % sure",
                       "https://quell.example/i/inc_" + "0" * 26):
            self.assertIn(wanted, shown)
        self.assertIn("CRITICAL", message["text"])
        self.assertEqual([block["type"] for block in message["blocks"]],
                         ["header", "section", "section", "section", "context", "actions"])

    def test_what_says_nothing_is_left_out(self):
        calm = incident("extract", affected=0, owner="", blast_radius={
            "total": 1, "failing": 1, "at_risk": 0, "by_kind": {"job": 1}})
        shown = json.dumps(render(calm)["blocks"])
        for absent in ("At risk", "Affected", "Owner", "Or:", "probably"):
            self.assertNotIn(absent, shown)

    def test_a_doubtful_root_says_so_and_names_the_next(self):
        value = incident("extract")
        value["root_cause"].update(confidence=0.41, alternatives=[
            {"entity": "job:other", "confidence": 0.305}, {"entity": "job:third", "confidence": 0.04}])
        shown = json.dumps(render(value)["blocks"])
        for wanted in ("Broke first, probably", "41 % sure", "Or: `job:other` (31 %)"):
            self.assertIn(wanted, shown)
        self.assertNotIn("job:third", shown)

    def test_a_suspected_root_is_not_said_to_have_failed_or_spoken(self):
        value = incident("x", title="job:extract suspected; 3 downstream affected")
        value["root_cause"].update(entity="job:extract", error_class="", evidence=[
            "suspected: it reports no failure itself", "3 of the 3 that depend on it directly are failing"],
            message="reports nothing itself; one that it would explain says: no rows")
        message = render(value)
        shown = json.dumps(message["blocks"])
        self.assertIn("*Suspected, says nothing itself*\\n`job:extract` (93 % sure)", shown)
        self.assertIn("```reports nothing itself; one that it would explain says: no rows```", shown)
        self.assertNotIn("Broke first", shown)
        self.assertIn("reports nothing itself; one that it would explain says: no rows", message["text"])
        reply = render(value, "updated", "reply")
        self.assertIn("Suspected: `job:extract`", reply["blocks"][1]["text"]["text"])

    def test_since_is_when_the_first_of_them_failed(self):
        value = incident("x", status="resolved", resolved_at="2026-11-20T03:10:00.000Z")
        value["affected"][1]["since"] = "2026-11-20T02:58:20.000Z"
        shown = json.dumps(render(value, "resolved"))
        self.assertIn("<!date^1795143500^", shown)
        self.assertIn("*Lasted*\\n11m40s", shown)
        value["root_cause"]["first_seen"] = ""
        self.assertIn("<!date^1795143500^", json.dumps(render(value)))

    def test_of_a_python_trace_a_phone_shows_the_line_that_says_what_happened(self):
        value = incident("x", title="job:x failed: ValueError")
        frame = '  File "/app/a.py", line 1, in f\n    return g()\n'
        for begin in ("Traceback (most recent call last):\n", ""):
            value["root_cause"]["message"] = begin + frame * 5 + "ValueError: no such month: 13\n"
            text = render(value)["text"]
            self.assertTrue(text.endswith("ValueError \u2014 ValueError: no such month: 13"), text)
        value["title"] = "job:x failed: ValueError: no such month: 13"
        self.assertEqual(render(value)["text"].count("ValueError"), 1)

    def test_what_speaks_against_the_root_is_no_reason_for_it(self):
        value = incident("x")
        value["root_cause"]["evidence"] = ["against it: failed after 2 of 3 affected", "upstream of 3 of 3 affected",
                                           "reported a failure itself", "against it: another storm"]
        shown = render(value)["blocks"][-2]["elements"][0]["text"]
        self.assertTrue(shown.startswith("Why: `upstream of 3 of 3 affected`, `reported a failure itself`. Against it: "
                                         "`failed after 2 of 3 affected`, `another storm`. "), shown)
        value["root_cause"]["evidence"] = ["against it: " + "&" * 400] * 7
        self.assert_within_limits(render(value))

    def test_a_phone_does_not_say_the_same_twice(self):
        value = incident("x", title="job:x failed: no such table: orders; 2 downstream affected")
        value["root_cause"]["message"] = "no such table: orders"
        self.assertEqual(render(value)["text"].count("no such table"), 1)
        value["root_cause"]["message"] = "no such table: orders, said the warehouse"
        self.assertEqual(render(value)["text"].count("no such table"), 2)

    def test_of_a_class_of_many_lines_the_first_is_enough(self):
        value = incident("x")
        value["root_cause"].update(error_class="Database Error in model m\n  column does not exist")
        self.assertIn("`job:x` `Database Error in model m` (93 % sure)", json.dumps(render(value)))

    def test_an_error_without_a_class_leaves_no_gap(self):
        value = incident("x")
        value["root_cause"].update(error_class="", message="")
        self.assertIn("`job:x` (93 % sure)", json.dumps(render(value)))

    def test_a_phone_shows_what_the_error_says(self):
        value = incident("extract")
        value["root_cause"]["message"] = "statement timeout: 3000ms & <more>" + "x" * 400
        text = render(value)["text"]
        self.assertIn("statement timeout: 3000ms &amp; &lt;more&gt;xxx", text)
        self.assertLess(len(text), 500)

    def test_the_lines_of_a_message_stay_lines_where_there_is_room(self):
        value = incident("extract", title="job:extract\nfailed")
        value["root_cause"]["message"] = "Traceback:\r\n\tline 1\n\tline 2\r\x1b[31m"
        value["root_cause"]["error_class"] = "a\tb"
        message = render(value)
        shown = [text["text"] for text in texts(message["blocks"])]
        self.assertIn("```Traceback:\n\tline 1\n\tline 2??[31m```", shown)
        self.assertTrue(shown[0].endswith("job:extract failed"), shown[0])
        self.assertTrue(any("`a b`" in text for text in shown), shown)
        self.assertIn("Traceback:  line 1  line 2??[31m", message["text"])
        value["root_cause"]["message"] = "\n\t" * 2000
        self.assert_within_limits(render(value))

    def test_an_acknowledged_incident_says_by_whom_and_asks_for_nothing_more(self):
        value = incident("extract", status="acknowledged", labels={"acknowledged_by": "ann <!here>"})
        message = render(value, "updated")
        self.assertIn("CRITICAL (acknowledged) job:extract", message["blocks"][0]["text"]["text"])
        self.assertNotIn('"Acknowledge"', json.dumps(message))
        self.assertIn("*Acknowledged by*\n`ann &lt;!here&gt;`",
                      [field["text"] for field in message["blocks"][1]["fields"]])
        reply = render(value, "updated", "reply")
        self.assertIn("Acknowledged by `ann &lt;!here&gt;`. Now 13 failing, 18 at risk",
                      reply["blocks"][1]["text"]["text"])

    def test_an_end_that_a_person_made_says_whose_it_is(self):
        by, note = {"resolved_by": "ann <!here>"}, {"resolved_note": "it's <@U1> \nagain"}
        at = {"status": "resolved", "resolved_at": "2026-11-20T03:10:00.000Z"}
        for labels, wanted in (({**by, **note}, " by `ann &lt;!here&gt;`: `it's &lt;@U1&gt;  again`."),
                               (by, " by `ann &lt;!here&gt;`."), (note, " by somebody: `it's &lt;@U1&gt;  again`."), ({}, ">.")):
            value = incident("extract", labels=labels, **at)
            reply = render(value, "resolved", "reply")["blocks"][1]["text"]["text"]
            self.assertRegex(reply, r"^Resolved <!date\^[^>]*>")
            self.assertTrue(reply.split("Z>")[1].startswith(wanted.removeprefix(">")), reply)
            fields = [field["text"] for field in render(value, "resolved")["blocks"][1]["fields"]
                      if "Resolved by" in field["text"]]
            self.assertEqual(len(fields), 1 if labels else 0)
            self.assert_within_limits(render(value, "resolved"))
        value["labels"] = {"resolved_by": "&" * 128, "resolved_note": "&" * 200}
        self.assert_within_limits(render(value, "resolved"))
        self.assert_within_limits(render(value, "resolved", "reply"))

    def test_a_repeat_says_that_it_is_still_open_and_since_when(self):
        value = incident("extract", updated_at="2026-11-20T07:00:10.000Z")
        said = lambda kind="repeated": render(value, kind, "reply")["blocks"][1]["text"]["text"]  # noqa: E731
        self.assertTrue(said().startswith("Still open after 4h. Now 13 failing"), said())
        for message in (render(value, "repeated"), render(value, "repeated", "reply")):
            self.assertIn("CRITICAL (still open) job:extract", message["blocks"][0]["text"]["text"])
            self.assertIn("CRITICAL (still open) job:extract", message["text"])
            self.assert_within_limits(message)
        self.assertTrue(said("updated").startswith("Now 13 failing"))
        value["labels"] = {"reopened_at": "2026-11-20T06:59:00.000Z"}
        self.assertTrue(said().startswith("Still open after 1m. Now 13 failing"), said())

    def test_what_is_open_again_after_its_end_says_so(self):
        value = incident("extract", labels={"reopened_at": "2026-11-20T03:10:00.000Z"})
        message = render(value, "updated")
        self.assertIn("CRITICAL (reopened) job:extract", message["blocks"][0]["text"]["text"])
        self.assertIn("CRITICAL (reopened) job:extract", message["text"])
        reply = render(value, "updated", "reply")
        self.assertRegex(reply["blocks"][1]["text"]["text"], "^Reopened <!date.1795144200.*>[.] Now 13 failing")
        value.update(status="resolved", resolved_at="2026-11-20T03:20:00.000Z")
        self.assertNotIn("eopened", json.dumps(render(value, "resolved")))

    def test_a_merged_incident_is_not_called_resolved(self):
        value = incident("extract", status="resolved", labels={"merged_into": "inc_" + "1" * 26},
                         resolved_at="2026-11-20T03:05:00.000Z")
        for shape in ("message", "reply"):
            message = render(value, "resolved", shape)
            self.assertIn("MERGED", message["blocks"][0]["text"]["text"])
            self.assertNotIn("RESOLVED", json.dumps(message))
            self.assertIn("Goes on as `inc_" + "1" * 26, json.dumps(message))

    def test_a_signed_button_carries_what_is_needed_to_act(self):
        message = render(incident("extract"), "opened", "interactive")
        button = message["blocks"][-1]["elements"][0]
        self.assertEqual((button["action_id"], button["value"]),
                         ("quell_acknowledge", "inc_" + "0" * 26 + " acme on call"))
        self.assertNotIn("url", button)

    def test_resolved_says_so_and_asks_for_nothing(self):
        message = render(incident(status="resolved", resolved_at="2026-11-20T04:00:00.000Z"),
                         "resolved")
        self.assertIn("RESOLVED", message["blocks"][0]["text"]["text"])
        self.assertIn("*Lasted*\\n1h", json.dumps(message))
        self.assertNotIn("Acknowledge", json.dumps(message))
        self.assert_within_limits(render(incident(resolved_at="2026-11-20T04:00:00.000Z"),
                                         "resolved", "reply"))

    def test_nothing_in_an_event_mentions_anybody_or_changes_the_look(self):
        for hostile in ("<!channel>", "<!here|x>", "<@U123>", "<#C1>", "<https://evil.example|ok>",
                        "```<!channel>```", "`*bold*`", "a\n*Broke first*\n`job:other`",
                        "\x1b[31mred\x07", "\0", "&lt;!channel&gt;", "‮txt"):
            for kind, shape in (("opened", "message"), ("updated", "reply")):
                message = render(incident(hostile), kind, shape)
                self.assert_within_limits(message)
                for text in texts(message["blocks"]):
                    own = re.sub(r"<!date\^\d+\^\{date_short_pretty\} \{time_secs\}\|[-0-9T:Z]+>",
                                 "", text["text"])
                    self.assertNotRegex(own, r"[<>\x00-\x09\x0b-\x1f\x7f]")
                    if text["type"] == "mrkdwn":
                        self.assertTrue(text["verbatim"])
                        outside = re.sub(r"```[^`]*```|`[^`\n]*`", "", own)
                        self.assertNotIn("`", outside)
                        self.assertNotIn("bold", outside)
                self.assertNotRegex(message["text"], r"[<>\x00-\x1f]")

    def test_the_largest_incident_still_fits(self):
        for letter in ("x", "<", "&", "\"", "\\", "é", "🔥", "`", "\x01", "\n", "\t"):
            value = incident(letter * 4000, affected=200,
                             labels={"affected_total": "5000"})
            message = render(value)
            self.assert_within_limits(message)
            self.assertIn("Affected: 5000", json.dumps(message))
            self.assert_within_limits(render(value, "updated", "reply"))

    def test_any_text_gives_a_whole_message(self):
        source = random.Random(7)
        letters = "ab<>&`*_~\"\\\n\t\x00\x1b|!@#é漢🔥 {}[]:,"
        for _ in range(150):
            text = "".join(source.choice(letters) for _ in range(source.randrange(1, 3000)))
            self.assert_within_limits(render(incident(text, affected=source.randrange(8))))

    def test_a_cut_never_splits_an_escape(self):
        for length in range(120, 260):
            message = render(incident("a" * (length % 7) + "&" * length))
            for text in texts(message["blocks"]):
                self.assertEqual(re.findall(r"&(?!amp;|lt;|gt;)", text["text"]), [], text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
