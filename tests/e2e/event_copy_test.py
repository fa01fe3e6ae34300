"""Events copied to a real PostgreSQL 15: each once, whatever happens to the server or to us."""
import json
import os
import re
import signal
import subprocess
import unittest

from harness import BINARY, IS_SANITIZED, failure, wait_for
from postgres_server import PROGRAMS, DatabaseStory


class EventCopy(DatabaseStory):
    def copying(self, *overrides, **more):
        return self.quell("notify.group_wait=1h", "sink.db.type=postgres", "sink.db.events=true",
                          "sink.db.dsn=" + self.postgres.dsn, "sink.db.backoff=50ms",
                          "sink.db.backoff_max=200ms", *overrides, **more)

    def send(self, quell, first, count, size=500, **more):
        """`count` events of healthy jobs with ids from `first` on, as NDJSON."""
        for start in range(first, first + count, size):
            lines = [json.dumps({"job_id": f"j{number % 7}", "status": "succeeded",
                                 "event_id": f"e{number}", **more})
                     for number in range(start, min(start + size, first + count))]
            status, text, _ = quell.request("POST", "/v1/events", "\n".join(lines),
                                            {"Content-Type": "application/x-ndjson"})
            self.assertEqual(status, 200, text)

    def wait_for_ids(self, count, seconds=60):
        self.wait_for_rows("SELECT count(*), count(DISTINCT event_id) FROM quell_events",
                      [[str(count)] * 2], seconds)

    def test_an_event_is_a_row_with_what_it_said(self):
        quell = self.copying()
        quell.events({"job_id": "load", "status": "failed", "event_id": "one", "run_id": "r-7",
                      "occurred_at": "2026-11-20T03:00:00.25Z", "severity": "critical",
                      "message": "it's \"late\"\u0000; DROP TABLE quell_events; \U0001f525",
                      "error_type": "Timeout", "depends_on": ["job:extract"],
                      "details": {"rows": 0, "ratio": 0.5, "ok": False, "nested": {"a": [1]},
                                  "nul": "\u0000", "lone": "a\\ud800"}})
        quell.events({"job_id": "load", "status": "succeeded"})
        quell.request("POST", "/v1/events", json.dumps([{"job_id": "x", "status": "nonsense"}]))
        self.wait_for_rows("SELECT count(*) FROM quell_events", [["2"]])
        columns = ("tenant, event_id, kind, entity, status, severity, event_time AT TIME ZONE 'UTC',"
                   " run_id, error_class, message, source, depends_on->>0")
        self.assertEqual(self.postgres.rows(
            f"SELECT {columns} FROM quell_events WHERE event_id = 'one'"),
            [["default", "one", "job", "job:load", "failed", "critical", "2026-11-20 03:00:00.25",
              "r-7", "Timeout", "it's \"late\"?; DROP TABLE quell_events; \U0001f525", "native",
              "job:extract"]])
        details = json.loads(self.postgres.psql(
            "SELECT attributes FROM quell_events WHERE event_id = 'one'"))
        found = {key.split(".")[-1]: value for key, value in details.items()}
        self.assertEqual((found["rows"], found["ratio"], found["ok"]), (0, 0.5, False), details)
        self.assertEqual(self.postgres.rows(
            "SELECT length(event_id), length(fingerprint), run_id IS NULL FROM quell_events"
            " WHERE event_id <> 'one'"), [["32", "32", "t"]])
        keys = self.postgres.rows("SELECT a.attname FROM pg_index i JOIN pg_attribute a ON"
                                  " a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE"
                                  " i.indrelid::regclass::text LIKE 'quell_event%'")
        self.assertEqual({key for key, in keys}, {"tenant"})

    def test_numbers_that_no_column_holds_stay_text(self):
        huge = ["1e400000", '[{"x":[1e999999]}]', "[-1E+131073]", "[1e-99999]",
                "[0." + "1" * 16200 + "e-999]", "[1e0001]"]
        plain = ['["1e999999",2]', "[1e999]", "[1e-300,-2.5E+3,true,false,1234567]",
                 '[{"1e99999":0.5}]', "[" + "1" * 1000 + "]"]
        quell = self.copying()
        for number, value in enumerate(huge + plain):
            status, text, _ = quell.request(
                "POST", "/v1/events", '{"job_id":"j","status":"succeeded","event_id":"e%d",'
                '"details":{"v":%s}}' % (number, value))
            self.assertEqual(status, 200, text)
        self.wait_for_ids(len(huge + plain))
        found = {row[0]: row[1] for row in self.postgres.rows(
            "SELECT event_id, jsonb_typeof(a.value) FROM quell_events,"
            " jsonb_each(attributes) a WHERE a.key LIKE '%v'")}
        self.assertEqual([found[f"e{number}"] for number in range(len(huge + plain))],
                         ["string"] * len(huge) + ["array"] * len(plain))

    def test_a_number_keeps_each_of_its_digits(self):
        values = ["9007199254740993", "-9223372036854775808", "18446744073709551615", "0",
                  "123456789012345.678901234567", "0.1", "12.50", "-0.5", "1e5", "2.5E-3"]
        quell = self.copying()
        for number, value in enumerate(values):
            quell.request("POST", "/v1/events", '{"job_id":"j","status":"succeeded",'
                          '"event_id":"e%d","details":{"v":%s}}' % (number, value))
        self.wait_for_ids(len(values))
        found = {row[0]: row[1:] for row in self.postgres.rows(
            "SELECT event_id, jsonb_typeof(a.value), a.value FROM quell_events,"
            " jsonb_each(attributes) a WHERE a.key LIKE '%v'")}
        self.assertEqual([found[f"e{number}"] for number in range(len(values))],
                         [["number", value] for value in values[:-2]]
                         + [["number", "100000"], ["number", "0.0025"]])

    def test_spans_metrics_and_an_event_sent_twice_are_there_once(self):
        quell = self.copying()
        trace = {"traceId": "0123456789abcdef0123456789abcdef", "spanId": "0011223344556677",
                 "parentSpanId": "8899aabbccddeeff", "name": "GET /", "status": {"code": 2},
                 "startTimeUnixNano": "1763600000000000000", "endTimeUnixNano":
                 "1763600001000000000"}
        for _ in range(2):
            quell.post("/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [trace]}]}]})
            self.send(quell, 0, 10)
            quell.post("/v1/metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [
                {"name": "m", "gauge": {"dataPoints": [{"timeUnixNano": "1763600000000000000",
                                                        "asDouble": 1.5}]}}]}]}]})
        self.wait_for_rows("SELECT kind, count(*) FROM quell_events GROUP BY 1 ORDER BY 1",
                      [["job", "10"], ["metric", "1"], ["span", "1"]])
        self.assertEqual(self.postgres.rows("SELECT trace_id, span_id, parent_span_id FROM"
                                            " quell_events WHERE kind = 'span'"),
                         [[trace["traceId"], trace["spanId"], trace["parentSpanId"]]])

    def test_a_tenants_copy_holds_its_own_events_only(self):
        files = {f"tenants/{name}.toml": f'[tenant]\nid = "{name}"\n[sink.{sink}]\n'
                 f'type = "postgres"\nevents = true\nschema = "{name}"\n'
                 f'dsn = "{self.postgres.dsn}"\n'
                 for name, sink in (("acme", "mine"), ("globex", "db"))}
        for name in ("acme", "globex", "ops"):
            self.postgres.psql(f"DROP SCHEMA IF EXISTS {name} CASCADE")
        quell = self.copying("tenants_dir=tenants", "sink.db.schema=ops", files=files)
        for number, tenant in enumerate(("acme", "globex", "other")):
            self.send(quell, number * 10, 10, tenant_id=tenant)

        def tenants(schema):
            return ",".join(row[0] for row in self.postgres.rows(
                f"SELECT DISTINCT tenant FROM {schema}.quell_events ORDER BY 1"))
        self.assertTrue(wait_for(lambda: tenants("acme") == "acme" and tenants("globex") == "globex"
                                 and tenants("ops") == "acme,other"),
                        [tenants(name) for name in ("acme", "globex", "ops")])

    def test_what_happened_while_the_server_was_away_is_made_good_once(self):
        """Stopped, restarted under way, killed on our side: nothing twice, nothing left out."""
        quell = self.copying()
        self.send(quell, 0, 1000)
        self.wait_for_ids(1000)
        self.postgres.stop()
        self.send(quell, 1000, 3000)
        quell.settle()  # nobody waits for the copy
        quell.stop(signal.SIGKILL)
        quell.start()
        self.send(quell, 4000, 1000)
        self.postgres.start()
        self.send(quell, 5000, 1000)
        self.postgres.run("pg_ctl", "-D", self.postgres.data, "-w", "-m", "immediate", "stop")
        self.postgres.start()
        self.send(quell, 6000, 1000)
        self.wait_for_ids(7000)
        self.wait_for_rows("SELECT events, records_lost FROM quell_event_copies", [["7000", "0"]])
        self.assertTrue(wait_for(lambda: quell.metric("quell_sink_events_behind") <= 1))

    def test_a_frozen_server_holds_nobody_up_and_costs_no_memory(self):
        hook = self.receiver()
        quell = self.copying("notify.group_wait=0s", "sink.hook.type=webhook",
                             "sink.hook.url=" + hook.url, "sink.db.timeout=2s")

        def memory():
            with open(f"/proc/{quell.process.pid}/status") as file:
                return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1])
        self.send(quell, 0, 5000)
        self.wait_for_ids(5000)
        self.postgres.freeze()
        try:
            self.send(quell, 5000, 5000)
            before = memory()
            self.send(quell, 10000, 40000, size=2000)
            quell.events(failure("told"))
            self.assertTrue(wait_for(lambda: hook.messages))
            quell.settle()
            after = memory()
        finally:
            self.postgres.thaw()
        if not IS_SANITIZED:
            self.assertLess(after - before, 16 * 1024)  # KiB
        self.wait_for_ids(50001, 60)

    def test_a_server_that_was_set_back_gets_again_what_it_lost(self):
        quell = self.copying()
        self.send(quell, 0, 2000)
        self.wait_for_ids(2000)
        dump = subprocess.run([os.path.join(PROGRAMS, "pg_dump"), self.postgres.dsn, "--clean",
                               "--if-exists"], capture_output=True, text=True, check=True).stdout
        self.send(quell, 2000, 2000)
        self.wait_for_ids(4000)
        subprocess.run(["psql", "-X", "-q", self.postgres.dsn], input=dump, text=True, check=True,
                       capture_output=True)
        self.send(quell, 4000, 100)
        self.wait_for_ids(4100)
        self.postgres.psql("DROP TABLE quell_events, quell_event_copies, quell_schema,"
                           " quell_incidents, quell_incident_events CASCADE")
        self.send(quell, 4100, 100)
        self.wait_for_ids(4200)

    def test_what_the_journal_let_go_is_counted(self):
        quell = self.copying("journal.segment_bytes=16MiB", "journal.retention_bytes=1")
        self.send(quell, 0, 10)
        self.wait_for_ids(10)
        self.postgres.stop()
        quell.stop()
        quell.overrides = [word for word in quell.overrides if "events" not in word]
        quell.start()  # without the copy the journal goes on
        for number in range(12):
            self.send(quell, 10 + number * 500, 500, message="x" * 6000)
        journal = os.path.join(quell.directory, "quell-data", "shard-0", "journal")
        self.assertTrue(wait_for(lambda: len(os.listdir(journal)) < 3))
        quell.stop()
        self.postgres.start()
        quell.overrides += ["sink.db.events=true"]
        quell.start()
        self.send(quell, 10000, 10)
        self.wait_for_rows("SELECT count(*) FROM quell_events WHERE event_id LIKE 'e1000_'",
                           [["10"]])
        lost = int(self.postgres.psql("SELECT records_lost FROM quell_event_copies"))
        self.assertGreater(lost, 0)
        self.assertIn("records were gone from the journal", quell.read_log())
        self.assertGreater(quell.metric("quell_sink_events_lost_total"), 0)

    def test_a_word_that_is_neither_true_nor_false_is_a_config_error(self):
        for words in ("sink.db.events=yes", "sink.db.evnts=true"):
            result = subprocess.run([BINARY, "check", "--set", "sink.db.type=postgres", "--set",
                                     "sink.db.dsn=" + self.postgres.dsn, "--set", words],
                                    capture_output=True, text=True)
            self.assertEqual(result.returncode, 1)
            self.assertIn("events", result.stdout + result.stderr)

    def test_more_than_sixteen_copies_in_a_process_are_a_config_error(self):
        def check(count):
            words = [word for number in range(count) for setting in (
                "type=postgres", "dsn=" + self.postgres.dsn, "events=true")
                for word in ("--set", f"sink.s{number}.{setting}")]
            return subprocess.run([BINARY, "check", *words], capture_output=True, text=True)
        self.assertEqual(check(16).returncode, 0, check(16).stderr)
        refused = check(17)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("more than 16 sinks with events = true", refused.stdout + refused.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
