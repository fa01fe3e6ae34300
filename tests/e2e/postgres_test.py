"""The postgres sink against a real PostgreSQL 15: schema, views, and a server that misbehaves."""
import shutil
import signal
import tempfile
import unittest

from harness import Quell, failure, fakes_names, wait_for
from postgres_server import DatabaseStory


def recovery(job):
    return {"job_id": job, "status": "succeeded"}


class PostgresStory(DatabaseStory):
    def sink(self, *overrides, **more):
        return self.quell("notify.group_wait=0s", "notify.group_interval=0s",
                          "sink.db.type=postgres", "sink.db.dsn=" + self.postgres.dsn,
                          "sink.db.backoff=50ms", "sink.db.breaker_wait=200ms", *overrides, **more)

    def test_an_incident_is_one_row_its_messages_are_appended(self):
        quell = self.sink()
        quell.events(failure("extract", severity="error"))
        self.wait_for_rows("SELECT tenant, status, severity, root_entity, root_error_class, failing"
                           " FROM quell_incidents",
                           [["default", "open", "error", "job:extract", "Timeout", "1"]])
        quell.events(recovery("extract"))
        self.wait_for_rows("SELECT status, resolved_at IS NOT NULL FROM quell_incidents",
                           [["resolved", "t"]])
        self.wait_for_rows("SELECT type FROM quell_incident_events ORDER BY version",
                           [["opened"], ["resolved"]])
        incident = quell.incidents()[0]["id"]
        self.assertEqual(self.postgres.rows("SELECT id FROM quell_incidents"), [[incident]])
        keys = self.postgres.rows("SELECT a.attname FROM pg_index i JOIN pg_attribute a ON"
                                  " a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE"
                                  " i.indrelid::regclass::text LIKE 'quell_incident%'")
        self.assertEqual({key for key, in keys}, {"tenant"})

    def test_the_views_answer_what_an_on_call_asks(self):
        quell = self.sink()
        quell.events(failure("extract"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        quell.events(failure("load", "extract"), *[failure("extract")] * 8)
        quell.events(failure("gone"), recovery("gone"))
        self.wait_for_rows("SELECT broke_first, open_for < '10 minutes' FROM quell_v_open_incidents",
                           [["job:extract", "t"]])
        self.wait_for_rows("SELECT entity, role FROM quell_v_recent_failures"
                           " WHERE incident_status <> 'resolved' ORDER BY 2, 1",
                           [["job:load", "affected"], ["job:extract", "broke first"]])
        self.assertEqual(self.postgres.rows("SELECT incidents, suppressed <= signals FROM"
                                            " quell_v_noise_by_day WHERE day = (now() AT TIME ZONE"
                                            " 'UTC')::date"), [["2", "t"]])

    def test_a_stopped_server_delays_nobody_else_and_gets_the_latest_state_when_it_is_back(self):
        receiver = self.receiver()
        quell = self.sink("sink.hook.type=webhook", "sink.hook.url=" + receiver.url)
        self.postgres.stop()
        try:
            quell.events(*[failure(f"job{number}") for number in range(40)])
            quell.events(*[recovery(f"job{number}") for number in range(0, 40, 2)])
            self.assertTrue(wait_for(lambda: len(receiver.messages) == 60))
            self.assertTrue(wait_for(lambda: 'quell_sink_breaker_state{tenant="",sink="db"} 2'
                                     in quell.request("GET", "/metrics", port=quell.console)[1]
                                     .decode()))
        finally:
            self.postgres.start()
        self.wait_for_rows("SELECT status, count(*) FROM quell_incidents GROUP BY 1 ORDER BY 1",
                           [["open", "20"], ["resolved", "20"]])
        self.assertEqual(quell.settle()["deliveries_dead"], 0)

    def test_an_outage_leaves_no_hole_in_what_is_appended(self):
        """More than a queue that lags (256) would keep apart, over a kill, too."""
        quell = self.sink("sink.db.breaker_failures=1", "sink.db.backoff_max=200ms")
        jobs = [f"job{number}" for number in range(200)]
        self.postgres.stop()
        try:
            quell.events(*[failure(job, run_id="1") for job in jobs])
            self.assertTrue(wait_for(lambda: quell.metric("quell_sink_breaker_state") == 2))
            quell.events(*[recovery(job) for job in jobs])
            quell.settle()
            quell.stop(signal.SIGKILL)
            quell.start()
            quell.events(*[failure(job, run_id="2") for job in jobs])
            self.assertTrue(wait_for(lambda: quell.metric("quell_sink_breaker_state") == 2))
        finally:
            self.postgres.start()
        self.wait_for_rows("SELECT type, count(*) FROM quell_incident_events GROUP BY 1 ORDER BY 1",
                           [["opened", "200"], ["resolved", "200"], ["updated", "200"]])
        self.wait_for_rows("SELECT status, count(*) FROM quell_incidents GROUP BY 1",
                           [["open", "200"]])
        self.assertEqual(quell.metric("quell_sink_superseded_total"), 0)

    def test_a_restarted_server_is_found_again_by_the_next_message(self):
        quell = self.sink()
        quell.events(failure("one"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        self.postgres.stop()
        self.postgres.start()
        quell.events(failure("two"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["2"]])
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/stats")[1]["deliveries_ok"] == 2))
        self.assertEqual(quell.get("/api/v1/stats")[1]["deliveries_failed"], 0)

    def test_a_slow_server_gets_each_message_once(self):
        receiver = self.receiver()
        quell = self.sink("sink.db.timeout=1s", "sink.hook.type=webhook",
                          "sink.hook.url=" + receiver.url)
        quell.events(failure("one"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        session = self.postgres.hold("BEGIN; LOCK TABLE quell_incidents; SELECT pg_sleep(600)")
        self.wait_for_rows("SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND"
                           " granted AND relation = 'quell_incidents'::regclass", [["1"]])
        quell.events(failure("two"), recovery("one"))
        self.assertTrue(wait_for(lambda: len(receiver.messages) == 3))
        self.assertTrue(wait_for(lambda: "no answer in time" in quell.read_log()))
        self.assertIsNone(session.poll())
        self.postgres.psql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                           " query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()")
        session.wait()
        self.wait_for_rows("SELECT root_entity, status FROM quell_incidents ORDER BY 1",
                           [["job:one", "resolved"], ["job:two", "open"]])
        self.assertEqual(self.postgres.rows("SELECT count(*), count(DISTINCT message_id) FROM"
                                            " quell_incident_events"), [["3", "3"]])

    def test_a_frozen_server_holds_nobody_up(self):
        receiver = self.receiver()
        quell = self.sink("sink.db.timeout=1s", "sink.hook.type=webhook",
                          "sink.hook.url=" + receiver.url)
        quell.events(failure("one"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        self.postgres.freeze()
        try:
            quell.events(failure("two"))
            self.assertTrue(wait_for(lambda: len(receiver.messages) == 2))
            self.assertTrue(wait_for(lambda: "no answer in time" in quell.read_log()))
        finally:
            self.postgres.thaw()
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["2"]])

    def test_messages_of_a_restored_backup_change_nothing(self):
        self.postgres.stop()
        try:
            quell = self.sink()
            quell.events(failure("one"), failure("two"))
            quell.settle()
            quell.stop()
            backup = tempfile.mkdtemp(prefix="quell-test-")
            shutil.copytree(quell.directory, backup, dirs_exist_ok=True)
        finally:
            self.postgres.start()
        quell.start()
        everything = ("SELECT tenant, incident_id, message_id, type, version, written_at FROM"
                      " quell_incident_events ORDER BY 3")
        self.wait_for_rows("SELECT count(*) FROM quell_incident_events", [["2"]])
        before = self.postgres.rows(everything)
        quell.stop()
        again = Quell(*quell.overrides, directory=backup)
        self.addCleanup(again.close)
        self.assertTrue(wait_for(lambda: again.get("/api/v1/stats")[1]["deliveries_ok"] == 2))
        self.assertEqual(self.postgres.rows(everything), before)
        quell.start()

    def test_what_events_say_is_only_ever_data(self):
        quell = self.sink()
        hostile = "x'); DROP TABLE quell_incidents; -- \" \\ \\u0000 \0 \x1b[31m %s $1 é🔥 <b>"
        quell.events(failure("bad", message=hostile, error_type="'; --"))
        self.wait_for_rows("SELECT root_error_class FROM quell_incidents", [["'; --"]])
        shown = self.postgres.psql("SELECT root_message FROM quell_incidents")
        self.assertEqual(shown, hostile.replace("\0", "\ufffd"))

    def test_a_schema_of_its_own_is_made_once_and_by_many_at_once(self):
        tenants = {f"tenants/t{number}.toml": f'[tenant]\nid = "t{number}"\n[sink.db]\n'
                   f'type = "postgres"\nschema = "ops"\ndsn = "{self.postgres.dsn}"\n'
                   for number in range(8)}
        quell = self.quell("notify.group_wait=0s", "tenants_dir=tenants", files=tenants)
        for number in range(8):
            quell.events({**failure("job"), "tenant_id": f"t{number}"})
        self.wait_for_rows("SELECT count(*), count(DISTINCT tenant) FROM ops.quell_incidents",
                           [["8", "8"]])
        self.assertEqual(quell.settle()["deliveries_failed"], 0, quell.read_log())
        self.assertEqual(self.postgres.rows("SELECT version FROM ops.quell_schema ORDER BY 1"),
                         [["1"], ["2"], ["3"]])

    def test_a_schema_of_before_is_migrated_and_keeps_its_rows(self):
        quell = self.sink()
        quell.events(failure("one"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        quell.stop()
        self.postgres.psql("DROP TABLE quell_events, quell_event_copies;"
                           "DELETE FROM quell_schema WHERE version > 2")
        quell.start()
        quell.events(failure("two"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["2"]])
        self.assertEqual(self.postgres.rows("SELECT count(*) FROM quell_events"), [["0"]])

    def test_dropped_tables_come_back(self):
        quell = self.sink()
        quell.events(failure("one"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        self.postgres.psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        quell.events(failure("two"))
        self.wait_for_rows("SELECT root_entity FROM quell_incidents", [["job:two"]])

    def test_a_dropped_table_comes_back_and_the_others_keep_their_rows(self):
        quell = self.sink("sink.db.max_attempts=4")
        quell.events(failure("one"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        self.postgres.psql("DROP TABLE quell_incidents CASCADE")
        quell.events(failure("two"))
        self.wait_for_rows("SELECT root_entity FROM quell_incidents", [["job:two"]], 10)
        self.wait_for_rows("SELECT count(*) FROM quell_incident_events", [["2"]])
        self.assertEqual(self.postgres.rows("SELECT broke_first FROM quell_v_open_incidents"),
                         [["job:two"]])
        self.postgres.psql("DROP TABLE quell_incidents, quell_incident_events CASCADE;"
                           "UPDATE quell_schema SET version = 99 WHERE version = 3")
        quell.events(failure("three"))  # what a newer quell has made is left as it is
        self.assertTrue(wait_for(lambda: quell.settle()["deliveries_dead"] == 1))
        self.assertEqual(self.postgres.rows("SELECT to_regclass('quell_incidents') IS NULL"),
                         [["t"]])

    def test_a_retried_letter_is_kept_and_shows_no_old_state(self):
        quell = self.sink("sink.db.max_attempts=2")
        quell.events(failure("first"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        self.postgres.psql("ALTER TABLE quell_incident_events ADD CONSTRAINT refused"
                           " CHECK (type <> 'opened') NOT VALID")
        quell.events(failure("extract"))
        self.assertTrue(wait_for(lambda: quell.get("/api/v1/dlq")[1]["dead_letters"]))
        quell.events(recovery("extract"))
        of_it = " WHERE root_entity = 'job:extract'"
        self.wait_for_rows("SELECT status FROM quell_incidents" + of_it, [["resolved"]])
        self.postgres.psql("ALTER TABLE quell_incident_events DROP CONSTRAINT refused")
        letter, = quell.get("/api/v1/dlq")[1]["dead_letters"]
        quell.request("POST", f"/api/v1/dlq/{letter['number']}/retry", "{}", port=quell.console)
        self.wait_for_rows("SELECT type FROM quell_incident_events WHERE incident_id ="
                           f" '{letter['incident']}' ORDER BY version", [["opened"], ["resolved"]])
        self.assertEqual(self.postgres.rows("SELECT status FROM quell_incidents" + of_it),
                         [["resolved"]])

    def test_who_may_only_write_does_without_the_tables_he_does_not_use(self):
        quell = self.sink()
        quell.events(failure("one"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        quell.stop()
        self.postgres.psql(
            "DROP TABLE quell_events, quell_event_copies; CREATE ROLE writer LOGIN;"
            "GRANT USAGE ON SCHEMA public TO writer; GRANT SELECT, INSERT, UPDATE ON"
            " quell_incidents, quell_incident_events, quell_schema TO writer")
        self.addCleanup(self.postgres.psql, "DROP OWNED BY writer CASCADE; DROP ROLE writer")
        quell = self.sink("sink.db.dsn=" + self.postgres.dsn.replace("quell:s3cret-pg", "writer"))
        quell.events(failure("two"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["2"]], 10)
        quell.stop()
        # A table that is made again is the role's own; the others are still somebody else's.
        self.postgres.psql("GRANT CREATE ON SCHEMA public TO writer")
        quell.start()
        quell.events(failure("three"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["3"]], 10)
        self.postgres.psql("REVOKE CREATE ON SCHEMA public FROM writer;"
                           "DROP TABLE quell_incident_events")
        quell.events(failure("four"))
        self.assertTrue(wait_for(lambda: "permission denied for schema" in quell.read_log()),
                        quell.read_log())

    def test_a_view_that_somebody_made_his_own_stays(self):
        quell = self.sink()
        quell.events(failure("one"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        self.postgres.psql("DROP TABLE quell_events; DROP VIEW quell_v_open_incidents;"
                           "CREATE VIEW quell_v_open_incidents AS SELECT id, 7 AS mine"
                           " FROM quell_incidents")
        quell.stop()
        quell.start()
        quell.events(failure("two"))
        self.wait_for_rows("SELECT mine FROM quell_v_open_incidents", [["7"], ["7"]], 10)
        self.wait_for_rows("SELECT count(*) FROM quell_events", [["0"]])

    @fakes_names
    def test_the_second_address_of_a_host_is_tried_when_nobody_listens_at_the_first(self):
        quell = self.quell_with_fake_names(
            "notify.group_wait=0s", "sink.db.type=postgres", "sink.db.backoff=50ms",
            "sink.db.dsn=" + self.postgres.dsn.replace("127.0.0.1", "two.test"))
        quell.events(failure("extract"))
        self.wait_for_rows("SELECT root_entity FROM quell_incidents", [["job:extract"]], 10)

    def test_a_host_name_is_looked_up_and_no_secret_is_logged(self):
        quell = self.sink("sink.db.dsn=" + self.postgres.dsn.replace("127.0.0.1", "localhost"),
                          "sink.lost.type=postgres",
                          "sink.lost.dsn=postgresql://u:s3cret-pg@no-such-host.invalid/x")
        quell.events(failure("one"))
        self.wait_for_rows("SELECT count(*) FROM quell_incidents", [["1"]])
        self.assertTrue(wait_for(lambda: "sink lost of tenant (any): attempt 1 failed"
                                 in quell.read_log()))
        self.assertNotIn("s3cret-pg", quell.read_log())


if __name__ == "__main__":
    unittest.main(verbosity=2)
