"""Alerts as Prometheus and Alertmanager's webhook tell them: what opens, what ends, how bad it is."""
import datetime
import json
import time
import unittest

from harness import Story, wait_for

QUICK = ("defaults.notify.group_wait=0s",)


def undisturbed(story, seconds):
    """Tells a story in which little time may pass until it is one: its last word says how much did.
    (Machines stand still now and then.)"""
    for _ in range(20):
        quell, found, spent = story()
        if spent < seconds:
            break
        quell.stop()
    return quell, found, spent


def stamp(seconds=0):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return now.isoformat().replace("+00:00", "Z")


def alert(name, ends=None, starts=-60, **labels):
    return {"labels": {"alertname": name, **labels}, "startsAt": stamp(starts),
            "annotations": {"summary": name + " fires"},
            "endsAt": stamp(ends) if ends is not None else "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus/graph"}


class Alerts(Story):
    def test_a_firing_alert_opens_and_its_end_resolves(self):
        quell = self.quell(*QUICK)
        status, text, _ = quell.request("POST", "/api/v2/alerts", json.dumps(
            [alert("DiskFull", ends=240, severity="critical", instance="db1")]),
            {"Content-Type": "application/json"})
        self.assertEqual((status, text), (200, b""))
        quell.settle()
        incident = quell.incidents()[0]
        self.assertEqual(incident["root_cause"]["entity"], "check:DiskFull")
        self.assertEqual(incident["root_cause"]["error_class"], "DiskFull")
        self.assertEqual(incident["root_cause"]["message"], "DiskFull fires")
        self.assertEqual(incident["severity"], "critical")
        quell.request("POST", "/api/v2/alerts", json.dumps([alert("DiskFull", ends=-1)]),
                      {"Content-Type": "application/json"})
        self.assertTrue(wait_for(lambda: quell.incidents()[0]["status"] == "resolved"))

    def test_an_alert_is_as_bad_as_its_rule_says(self):
        quell = self.quell(*QUICK)
        wanted = {"Page": "critical", "Error": "error", "Warning": "warning", "Info": "info"}
        quell.request("POST", "/api/v2/alerts", json.dumps(
            [alert(name, ends=240, severity=name.lower()) for name in wanted] +
            [alert("Unsaid", ends=240), alert("Own", ends=240, severity="sev-3")]),
            {"Content-Type": "application/json"})
        quell.settle()
        found = {one["root_cause"]["entity"]: one["severity"] for one in quell.incidents()}
        self.assertEqual(found, {"check:Unsaid": "error", "check:Own": "error",
                                 **{"check:" + name: word for name, word in wanted.items()}})

    def test_an_alert_stays_open_while_it_is_repeated(self):
        """As Prometheus does it: startsAt stays, endsAt moves on; or as others do, without."""
        def repeated():
            quell, starts, begun, longest = self.quell(*QUICK, "resolve_after=2s"), stamp(-60), None, 0
            for _ in range(8):
                before, begun = begun, time.monotonic()
                quell.request("POST", "/api/v2/alerts", json.dumps(
                    [{**alert("Moving", ends=2.5), "startsAt": starts},
                     {**alert("Still"), "startsAt": starts}]), {"Content-Type": "application/json"})
                longest = max(longest, time.monotonic() - (before or begun))
                time.sleep(0.5)
            return quell, quell.incidents(), max(longest, time.monotonic() - begun)
        quell, incidents, longest = undisturbed(repeated, 1.9)
        self.assertEqual({(one["root_cause"]["entity"], one["status"]) for one in incidents},
                         {("check:Moving", "open"), ("check:Still", "open")})
        self.assertTrue(wait_for(lambda: not quell.incidents("&status=open")))

    def test_labels_name_the_entity_and_a_storm_is_one_incident(self):
        quell = self.quell(*QUICK)
        storm = [alert("HighLatency", ends=240, service="shop", pod=f"shop-{i}")
                 for i in range(40)]
        quell.post_raw = quell.request("POST", "/api/v2/alerts", json.dumps(storm),
                                       {"Content-Type": "application/json"})
        self.assertEqual(quell.post_raw[0], 200)
        quell.settle()
        self.assertEqual([i["root_cause"]["entity"] for i in quell.incidents()],
                         ["service:shop"])
        stats = quell.get("/api/v1/stats")[1]
        self.assertEqual(stats["signals_total"], 40)
        self.assertEqual(stats["signals_suppressed"], 39)

    def told(self, quell, path, *events):
        """Sends and settles; entity and status of every incident."""
        status, _, _ = quell.request("POST", path, json.dumps(events),
                                     {"Content-Type": "application/json"})
        self.assertEqual(status, 200)
        quell.settle()
        return {i["root_cause"]["entity"]: i["status"] for i in quell.incidents()}

    def test_the_only_alert_of_a_service_ends_its_incident_and_one_of_many_does_not(self):
        quell = self.quell(*QUICK, "resolve_after=1h")
        down, slow = (dict(service="shop", pod=pod) for pod in ("shop-1", "shop-2"))

        def tell(name, ends, labels):
            return self.told(quell, "/api/v2/alerts", alert(name, ends=ends, **labels))
        self.assertEqual(tell("Down", 240, down), {"service:shop": "open"})
        self.assertEqual(tell("Other", -1, down), {"service:shop": "open"})
        self.assertEqual(tell("Down", -1, down), {"service:shop": "resolved"})
        self.assertEqual(tell("Slow", 240, slow), {"service:shop": "open"})
        quell.stop()
        quell.start()  # who told of it is kept
        self.assertEqual(tell("Down", 250, down), {"service:shop": "open"})
        self.assertEqual(tell("Slow", -1, slow), {"service:shop": "open"})

    def test_an_ok_about_a_service_does_not_end_its_trouble(self):
        """Events of a service come by the request: one that was served says little (product.md)."""
        quell = self.quell(*QUICK, "resolve_after=1h")
        for status in ("down", "ok"):
            told = self.told(quell, "/v1/events", {"entity": "service:shop", "status": status})
            self.assertEqual(told, {"service:shop": "open"})

    def test_what_an_alertmanager_sends_to_its_webhooks_is_taken(self):
        quell = self.quell(*QUICK)
        firing = {**alert("DiskFull", instance="db1"), "status": "firing", "fingerprint": "c0ffee"}
        message = {"version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing",
                   "receiver": "quell", "groupLabels": {"alertname": "DiskFull"},
                   "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am",
                   "alerts": [firing, {**alert("Swapping"), "status": "firing"}]}
        self.assertEqual(quell.request("POST", "/api/v2/alerts", json.dumps(message), {
            "Content-Type": "application/json"})[0], 200)
        quell.settle()
        self.assertEqual({one["root_cause"]["entity"] for one in quell.incidents("&status=open")},
                         {"check:DiskFull", "check:Swapping"})
        message["alerts"] = [{**one, "status": "resolved", "endsAt": stamp(3)}
                             for one in message["alerts"]]  # by a clock that goes ahead
        self.assertEqual(quell.request("POST", "/api/v2/alerts", json.dumps(message), {
            "Content-Type": "application/json"})[0], 200)
        self.assertTrue(wait_for(lambda: not quell.incidents("&status=open")))

    def tell_webhook(self, quell, status, *alerts):
        """As an Alertmanager does: what fires has no end, what is over has."""
        message = {"version": "4", "groupKey": "{}", "status": status, "receiver": "quell",
                   "alerts": [{**one, "status": status} for one in alerts]}
        self.assertEqual(quell.request("POST", "/api/v2/alerts", json.dumps(message), {
            "Content-Type": "application/json"})[0], 200)
        quell.settle()
        return {i["root_cause"]["entity"]: i["status"] for i in quell.incidents()}

    def open_roots(self, quell):
        return {one["root_cause"]["entity"] for one in quell.incidents("&status=open")}

    def test_who_says_when_it_ends_or_that_it_will_is_believed_and_others_end_by_silence(self):
        told = alert("Told", instance="db1")

        def two_of_three():
            quell, begun = self.quell(*QUICK, "resolve_after=1s"), time.monotonic()
            self.tell_webhook(quell, "firing", told)
            opened = self.told(quell, "/api/v2/alerts", alert("Ahead", ends=3), alert("Plain"))
            spent = time.monotonic() - begun
            self.assertTrue(wait_for(lambda: len(self.open_roots(quell)) < 3))
            left = self.open_roots(quell)
            return quell, (opened, left), max(spent, time.monotonic() - begun - 2)
        quell, (opened, left), _ = undisturbed(two_of_three, 0.9)
        self.assertEqual(opened, dict.fromkeys(
            ("check:Told", "check:Ahead", "check:Plain"), "open"))
        self.assertEqual(left, {"check:Told", "check:Ahead"})
        self.assertTrue(wait_for(lambda: len(self.open_roots(quell)) < 2))
        self.assertEqual(self.open_roots(quell), {"check:Told"})
        self.assertEqual(self.tell_webhook(quell, "resolved", {**told, "endsAt": stamp(-0.1)}),
                         dict.fromkeys(opened, "resolved"))

    def test_of_two_alerts_of_a_service_both_must_be_over(self):
        quell = self.quell(*QUICK, "resolve_after=1s")
        pods = [alert("Slow", service="shop", pod=pod) for pod in ("shop-1", "shop-2")]
        self.tell_webhook(quell, "firing", *pods)
        self.tell_webhook(quell, "resolved", {**pods[1], "endsAt": stamp(-0.1)})
        quell.stop()
        quell.start()  # which of them fires is kept
        time.sleep(1.5)
        self.assertEqual(self.open_roots(quell), {"service:shop"})
        self.assertEqual(self.tell_webhook(quell, "resolved", {**pods[0], "endsAt": stamp(-0.1)}),
                         {"service:shop": "resolved"})

    def test_what_fires_again_since_the_same_start_ends_again(self):
        """An Alertmanager that lost its Prometheus for a while says so."""
        quell = self.quell(*QUICK)
        slow = alert("Slow", service="shop")
        for _ in range(2):
            self.assertEqual(self.tell_webhook(quell, "firing", slow), {"service:shop": "open"})
            ended = {**slow, "endsAt": stamp(-0.1)}
            for _ in range(2):
                self.assertEqual(self.tell_webhook(quell, "resolved", ended),
                                 {"service:shop": "resolved"})
            time.sleep(1.05)  # what comes twice within a second is a retry

    def test_an_alert_that_says_no_start_ends_by_an_end_before_it_came(self):
        quell = self.quell(*QUICK)
        for ends, status in ((60, "open"), (-1, "resolved")):
            told = {"labels": {"alertname": "A", "service": "s"}, "endsAt": stamp(ends)}
            self.assertEqual(self.told(quell, "/api/v2/alerts", told), {"service:s": status})

    def test_what_clients_of_alertmanager_ask_is_answered(self):
        quell = self.quell(*QUICK)
        for path in ("/-/healthy", "/-/ready"):
            self.assertEqual(quell.request("GET", path)[:2], (200, b"OK"))
            self.assertEqual(quell.request("HEAD", path)[:2], (200, b""))
            self.assertEqual(quell.request("POST", path)[0], 404)
        status, text, _ = quell.request("GET", "/api/v2/status")
        self.assertEqual((status, sorted(json.loads(text))),
                         (200, ["cluster", "config", "uptime", "versionInfo"]))
        self.assertEqual(json.loads(text)["cluster"]["status"], "disabled")

    def test_an_alert_that_fires_for_ever_is_taken(self):
        quell = self.quell(*QUICK, "resolve_after=1s")
        status, text, _ = quell.request("POST", "/api/v2/alerts", json.dumps(
            [{**alert("Ever"), "endsAt": "9999-12-31T23:59:59Z"},
             {**alert("Old", ends=240), "startsAt": "1900-01-01T00:00:00Z"}]),
            {"Content-Type": "application/json"})
        self.assertEqual((status, text), (200, b""))
        quell.settle()
        time.sleep(2.5)
        self.assertEqual({(one["root_cause"]["entity"], one["status"]) for one in quell.incidents()},
                         {("check:Ever", "open"), ("check:Old", "open")})

    def test_a_label_entity_that_is_no_entity_of_ours_is_any_label(self):
        quell = self.quell(*QUICK)
        status, text, _ = quell.request("POST", "/api/v2/alerts", json.dumps(
            [alert("Hot", ends=240, entity="sensor-5"), alert("Slow", ends=240, entity="Host: a",
                                                              service="shop"),
             alert("Named", ends=240, entity="host:a")]), {"Content-Type": "application/json"})
        self.assertEqual((status, text), (200, b""))
        quell.settle()
        self.assertEqual({one["root_cause"]["entity"] for one in quell.incidents()},
                         {"check:Hot", "service:shop", "host:a"})

    def test_a_label_tenant_loses_no_alert(self):
        """Rules call their own customers so; `tenant_id` is ours, and must be the token's."""
        tenant = ('[tenant]\nid = "acme"\ntokens_sha256 = '
                  '["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]\n')
        told = [alert("Ours", tenant="acme"), alert("Theirs", tenant="umbrella"),
                alert("Words", tenant="Umbrella Corp"), alert("Claim", tenant_id="umbrella")]
        for mode, tenants in (("token", {"Ours": "acme", "Theirs": "acme", "Words": "acme"}),
                              ("none", {"Ours": "acme", "Theirs": "umbrella", "Words": "default",
                                        "Claim": "umbrella"})):
            quell = self.quell(*QUICK, "auth.mode=" + mode, files={"tenants/acme.toml": tenant})
            self.assertEqual(quell.request("POST", "/api/v2/alerts", json.dumps(told), {
                "Content-Type": "application/json", "Authorization": "Bearer test"})[0],
                200 if len(tenants) == 4 else 400)
            self.assertEqual(quell.settle()["events_rejected"], 4 - len(tenants))
            self.assertEqual({one["root_cause"]["error_class"]: one["tenant"]
                              for one in quell.incidents()}, tenants)

    def test_who_sends_one_bad_alert_among_good_ones_hears_of_it(self):
        """As an Alertmanager does it: those that are good are taken, the answer is 400."""
        quell = self.quell(*QUICK)
        status, answer = quell.post("/api/v2/alerts", [alert("Good", ends=240), {"labels": {}},
                                                       alert("Fine", ends=240)])
        self.assertEqual(status, 400)
        self.assertRegex(answer["error"]["message"], "^1 of 3 alerts refused: ")
        self.assertEqual(quell.settle()["events_rejected"], 1)
        self.assertEqual(len(quell.incidents()), 2)

    def test_an_alert_without_labels_is_refused(self):
        quell = self.quell(*QUICK)
        for body in ('{"alerts":3}', '{"alerts":[{}]}', '{"alerts":[],}', "[{}]", "[{\"labels\":{}}]", "{}", "[{\"labels\":{\"a\":{}}}]", "[3]"):
            status, answer = quell.post("/api/v2/alerts", body)
            self.assertEqual((status, list(answer)), (400, ["error"]), body)
        self.assertEqual(quell.incidents(), [])


if __name__ == "__main__":
    unittest.main()
