"""A tenant's own limits: events a second, entities, incidents an hour; others feel nothing."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from unittest import mock

import harness
from harness import Story, failure, wait_for, write_whole


class LimitsStory(Story):
    def test_who_opens_connections_takes_no_file_from_the_journal(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        limited = os.path.join(folder.name, "quell")
        with open(limited, "w") as file:
            file.write(f'#!/bin/sh\nulimit -n 128\nexec "{harness.BINARY}" "$@"\n')
        os.chmod(limited, 0o700)
        with mock.patch.object(harness, "BINARY", limited):
            quell = self.quell("journal.segment_bytes=8MiB")
        idle = [socket.create_connection(("127.0.0.1", quell.http), 60) for _ in range(40)]
        sender = http.client.HTTPConnection("127.0.0.1", quell.http, timeout=60)
        self.addCleanup(sender.close)
        sender.connect()
        idle += [socket.create_connection(("127.0.0.1", quell.http), 60) for _ in range(200)]
        for one in idle:
            self.addCleanup(one.close)
        self.assertTrue(wait_for(lambda: quell.metric("quell_connections_refused_total") > 100))

        def send(number):
            events = [{"job_id": f"j{job}", "status": "succeeded", "run_id": f"r{number}",
                       "message": "x" * 1000} for job in range(1000)]
            sender.request("POST", "/v1/events", json.dumps(events))
            answer = sender.getresponse()
            answer.read()
            return answer.status
        for number in range(30):  # 30 MB: some files of the journal
            self.assertTrue(wait_for(lambda: send(number) == 200))
        self.assertNotIn("Too many open files", quell.read_log())
        self.assertIn("of the 128 files that the process may open, 64 are for connections",
                      quell.said())
        self.assertEqual(quell.request("GET", "/readyz", port=quell.console)[0], 200)

    def limited(self, limits, sink=""):
        tenant = f'[tenant]\nid = "acme"\n[notify]\ngroup_wait = "0s"\n[limits]\n{limits}\n{sink}'
        return self.quell("tenants_dir=tenants", files={"tenants/acme.toml": tenant})

    def send(self, quell, tenant, *events):
        status, text, headers = quell.request("POST", "/v1/events", json.dumps(
            [{**event, "tenant_id": tenant} for event in events]))
        return status, headers.get("Retry-After"), json.loads(text)

    def test_the_largest_request_fits_into_the_room_for_all(self):
        size = 3 << 20
        quell = self.quell(f"server.max_request_bytes={size}", f"server.max_buffered_bytes={size}")
        for number, bytes_count in enumerate((size // 2, size - (1 << 18), size)):
            body = json.dumps([failure(f"job{number}")]).ljust(bytes_count)
            status, text, _ = quell.request("POST", "/v1/events", body)
            self.assertEqual(status, 200, (bytes_count, text))

    def test_too_many_events_a_second_are_put_off_with_the_time_to_come_back(self):
        many = [failure(f"job{number}") for number in range(200)]
        for _ in range(20):  # until the machine does not stand still, which pays the debt off
            quell, begun = self.limited("events_per_second = 50"), time.monotonic()
            self.assertEqual(self.send(quell, "acme", *many)[0], 200)  # whole, into debt
            status, wait, answer = self.send(quell, "acme", failure("one"))
            spent = time.monotonic() - begun
            otlp, text, headers = quell.request("POST", "/v1/logs", json.dumps({"resourceLogs": [
                {"resource": {"attributes": [
                    {"key": "tenant.id", "value": {"stringValue": "acme"}}]},
                 "scopeLogs": [{"logRecords": [{"severityNumber": 17}]}]}]}),
                {"Content-Type": "application/json"})
            if spent < 0.9 and time.monotonic() - begun < 1.9:
                break
            quell.stop()
        self.assertEqual(status, 429, answer)
        self.assertIn(wait, ("2", "3"))
        self.assertEqual(self.send(quell, "other", *many)[0], 200)
        self.assertEqual(otlp, 429, text)
        self.assertIn(headers["Retry-After"], ("1", "2", "3"))
        time.sleep(int(wait))
        self.assertEqual(self.send(quell, "acme", failure("one"))[0], 200)
        quell.settle()
        stats = quell.get("/api/v1/stats")[1]["tenants"]
        self.assertEqual(stats["acme"]["events_received"], 201)
        self.assertEqual(stats["other"]["events_received"], 200)
        _, metrics, _ = quell.request("GET", "/metrics", port=quell.console)
        self.assertIn(b"quell_rate_limited_total 2", metrics)

    def test_who_takes_more_than_his_share_of_the_time_waits_while_others_are_there(self):
        quell = self.quell("server.tenant_share=1")  # ten milliseconds of work, and as many a second
        many = [{**failure(f"job{number}"), "status": "started"} for number in range(20000)]
        for _ in range(3):  # alone, it has the whole thread
            self.assertEqual(self.send(quell, "loud", *many)[0], 200)
        for _ in range(20):  # until the machine does not stand still: who was here is then gone
            calm = [self.send(quell, "calm", failure("one"))[0]]
            self.assertEqual(self.send(quell, "loud", *many)[0], 200)
            calm.append(self.send(quell, "calm", failure("two"))[0])
            status, wait, answer = self.send(quell, "loud", failure("one"))
            self.assertEqual(calm, [200, 200])
            if status == 429:
                break
            wait_for(lambda: self.send(quell, "loud", failure("one"))[0] == 200)
        self.assertEqual(status, 429, answer)
        self.assertIn("share of the time", json.dumps(answer))
        self.assertTrue(1 <= int(wait) <= 60, wait)
        _, metrics, _ = quell.request("GET", "/metrics", port=quell.console)
        self.assertRegex(metrics, rb"quell_share_limited_total [1-9]")
        # Until it has waited, or is alone again.
        self.assertTrue(wait_for(lambda: self.send(quell, "loud", failure("one"))[0] == 200))

    def test_a_request_of_several_tenants_is_paid_for_by_each_for_its_records(self):
        quell = self.quell("server.tenant_share=1")
        many = [{**failure(f"job{number}"), "status": "started", "tenant_id": "loud"}
                for number in range(20000)]
        mixed = json.dumps([*many, {**failure("last"), "tenant_id": "calm"}])
        for _ in range(20):  # until the machine does not stand still
            seen = [self.send(quell, tenant, failure("one"))[0] for tenant in ("loud", "calm")]
            self.assertEqual(seen, [200, 200])
            self.assertEqual(quell.request("POST", "/v1/events", mixed)[0], 200)
            self.assertEqual(self.send(quell, "calm", failure("two"))[0], 200)
            status, _, answer = self.send(quell, "loud", failure("one"))
            if status == 429:
                break
            wait_for(lambda: self.send(quell, "loud", failure("one"))[0] == 200)
        self.assertEqual(status, 429, answer)

    def test_grpc_is_held_to_the_limit_too(self):
        quell = self.limited("events_per_second = 1")  # nineteen in debt
        tenant = b"\x0a\x09tenant.id\x12\x06\x0a\x04acme"
        resource = b"\x0a" + bytes([len(tenant) + 2]) + b"\x0a" + bytes([len(tenant)]) + tenant
        records = b"\x12\x04\x12\x02\x10\x11" * 20  # ERROR logs
        message = b"\x0a" + bytes([len(resource + records) | 128 & 255, len(resource + records) >> 7]
                                 ) + resource + records
        answers = []
        for _ in range(2):
            done = subprocess.run(
                ["curl", "-s", "--http2-prior-knowledge", "-D", "-", "-o", "/dev/null", "-H",
                 "content-type: application/grpc", "--data-binary", "@-", f"http://127.0.0.1:"
                 f"{quell.grpc}/opentelemetry.proto.collector.logs.v1.LogsService/Export"],
                input=b"\0" + len(message).to_bytes(4, "big") + message, capture_output=True)
            answers.append(re.search(rb"grpc-status: (\d+)", done.stdout)[1])
        self.assertEqual(answers, [b"0", b"14"])  # UNAVAILABLE: to be sent again
        quell.settle()
        self.assertEqual(quell.get("/api/v1/stats")[1]["tenants"]["acme"]["events_received"], 20)

    def test_entities_beyond_the_limit_stand_in_the_quarantine(self):
        quell = self.limited("entities = 5")
        for tenant in ("acme", "other"):
            self.send(quell, tenant, *[failure(f"job{number}") for number in range(8)])

        def entities(tenant):
            return sorted(item["root_cause"]["entity"][-1]
                          for item in quell.incidents("&tenant=" + tenant))
        quell.settle()
        self.assertEqual("".join(entities("acme")), "01234")
        self.assertEqual("".join(entities("other")), "01234567")
        quell.stop(signal.SIGKILL)
        quell.start()
        self.send(quell, "acme", failure("job8"), {"job_id": "job4", "status": "succeeded"})
        quell.settle()
        self.assertEqual("".join(entities("acme")), "01234")
        statuses = {item["root_cause"]["entity"]: item["status"]
                    for item in quell.incidents("&tenant=acme")}
        self.assertEqual(statuses["job:job4"], "resolved")
        path = os.path.join(quell.directory, "tenants", "acme.toml")
        with open(path) as file:
            text = file.read()
        write_whole(path, text.replace("entities = 5", "entities = 6"))
        self.assertTrue(wait_for(lambda: "reloaded" in quell.read_log()))
        self.send(quell, "acme", failure("job9"), failure("jobx"))
        quell.settle()
        self.assertEqual("".join(entities("acme")), "012349")

    def test_a_tenant_cannot_pass_its_limit_by_the_platforms_name(self):
        declared = '[[job]]\nid = "load"\ndepends_on = ["platform/service:declared"]'
        quell = self.limited("entities = 5", declared)
        names = [f"platform/service:made{number}" for number in range(8)]

        def platforms(tenant):
            quell.settle()
            nodes = quell.get("/api/v1/graph?tenant=" + tenant)[1]["nodes"]
            return sorted(node["entity"] for node in nodes if "platform/" in node["entity"])
        self.send(quell, "platform", failure("x", depends_on=["service:known"]))
        self.send(quell, "acme", failure("load", depends_on=[
            *names, "platform/service:known", "platform/service:declared"]))
        self.assertEqual(platforms("acme"), ["platform/service:declared", "platform/service:known"])
        self.assertEqual(len(quell.incidents("&tenant=acme")), 1)
        self.assertIn(b"quell_edges_left_out_total 8",
                      quell.request("GET", "/metrics", port=quell.console)[1])
        self.send(quell, "other", failure("load", depends_on=names))  # has no limit
        self.assertEqual(platforms("other"), sorted(names))
        self.send(quell, "acme", failure("load", depends_on=names[:1]))
        self.assertIn(names[0], platforms("acme"))

    def test_a_full_graph_has_room_again_when_a_sixteenth_of_its_edges_is_removed(self):
        quell = self.quell("limits.edges=64")
        quell.events(failure("b", *[f"a{number}" for number in range(40)]),
                     failure("c", *[f"a{number}" for number in range(24)]))

        def gets_an_edge(name):
            quell.events(failure("d", name))
            quell.settle()
            edges = quell.get("/api/v1/graph")[1]["edges"]
            return any(edge["to"] == "job:" + name for edge in edges)

        def remove(numbers):
            for number in numbers:
                path = f"/api/v1/graph/remove?from=job:b&to=job:a{number}"
                status, answer, _ = quell.request("POST", path, '{"by":"kim"}', port=quell.console)
                self.assertEqual(status, 200, answer)
        self.assertFalse(gets_an_edge("x"))
        remove([0])
        self.assertFalse(gets_an_edge("y"))
        self.assertIn("removed edges give room once they are a sixteenth", quell.said())
        remove([1, 2, 3, 4])
        self.assertTrue(gets_an_edge("z"))

    def test_dedup_keys_beyond_the_limit_are_news_each_time_and_leave_others_theirs(self):
        quell = self.limited("dedup_keys = 2")
        for turn in range(3):
            for tenant in ("acme", "other"):
                self.send(quell, tenant, *[failure(f"job{number}", run_id=f"r{turn}")
                                           for number in range(4)])
        quell.settle()
        stats = quell.get("/api/v1/stats")[1]["tenants"]
        self.assertEqual(stats["acme"]["signals_suppressed"], 4)  # of two jobs, twice each
        self.assertEqual(stats["other"]["signals_suppressed"], 8)
        self.assertEqual(len(quell.incidents("&tenant=acme")), 4)
        self.assertIn(b"quell_dedup_unremembered_total 6",
                      quell.request("GET", "/metrics", port=quell.console)[1])
        quell.stop(signal.SIGKILL)
        quell.start()  # the count comes back with the rows
        self.send(quell, "acme", failure("job0"), failure("job2"))
        quell.settle()
        stats = quell.get("/api/v1/stats")[1]["tenants"]
        self.assertEqual(stats["acme"]["signals_suppressed"], 5)

    def test_incidents_hold_their_places_until_nothing_opens_them_again(self):
        quell = self.quell("limits.incidents=3", "reopen_window=2s", "notify.group_wait=0s")

        def held():
            quell.settle()
            return [quell.metric("quell_incidents_" + name) for name in ("open", "held")]
        quell.events(*[failure(f"job{number}") for number in range(5)])
        self.assertEqual(held(), [3, 3])
        self.assertEqual(quell.metric("quell_incidents_held_limit"), 3)
        self.assertEqual(quell.metric("quell_events_set_aside_total"), 2)
        quell.events(*[{"job_id": f"job{number}", "status": "succeeded"} for number in range(3)])
        self.assertTrue(wait_for(lambda: held() == [0, 0]))
        quell.events(failure("late"))
        self.assertEqual(held(), [1, 1])

    def test_incidents_beyond_the_limit_are_recorded_and_told_later(self):
        hook = self.receiver()
        quell = self.limited("incidents_per_hour = 3",
                             f'[sink.hook]\ntype = "webhook"\nurl = "{hook.url}"\n')
        for number in range(6):
            self.send(quell, "acme", failure(f"job{number}"))
        self.send(quell, "acme", {"job_id": "job0", "status": "succeeded"})
        self.assertTrue(wait_for(lambda: len(hook.messages) == 4))
        quell.settle()
        self.assertEqual(len(quell.incidents("&tenant=acme")), 6)
        told = [(message["type"], message["data"]["root_cause"]["entity"])
                for message in hook.messages]
        self.assertEqual(sorted(told), [("incident.opened", "job:job0"),
                                        ("incident.opened", "job:job1"),
                                        ("incident.opened", "job:job2"),
                                        ("incident.resolved", "job:job0")])
        last = next(item for item in quell.incidents("&tenant=acme")
                    if item["root_cause"]["entity"] == "job:job5")
        _, answer = quell.get(f"/api/v1/incidents/{last['id']}/timeline")
        self.assertIn("limits.incidents_per_hour", json.dumps(answer))


if __name__ == "__main__":
    unittest.main(verbosity=2)
