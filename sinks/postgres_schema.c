/*
 * postgres_schema.c - see postgres_schema.h.
 *
 * Each version of the schema is a step that runs once, under an advisory lock, and is noted in
 * quell_schema; steps are only ever added. When somebody has dropped a table, all run again, and
 * leave alone what is there. The tenant comes first in every key. A newer quell's schema is left as
 * it is. Tables:
 *
 *   quell_incidents        (tenant, id): the present state; never set back by a late redelivery
 *   quell_incident_events  (tenant, incident_id, message_id): every message once, append-only
 *   quell_events           (tenant, event_id): copies of events (postgres_events.h)
 *   quell_event_copies     (tenant, journal, sink): the place up to which they are there
 *
 * The incident's JSON is stored whole beside the columns, so a view can always ask for more.
 */
#include "sinks/postgres_schema.h"

#include "core/base/limits.h"

static const char *const step_1 =
    "CREATE TABLE IF NOT EXISTS quell_incidents ("
    "tenant text NOT NULL, id text NOT NULL, status text NOT NULL, severity text NOT NULL,"
    "title text NOT NULL, root_entity text, root_error_class text, root_message text,"
    "confidence double precision, failing bigint, at_risk bigint, signals_total bigint,"
    "signals_unique bigint, signals_suppressed bigint, owner text,"
    "opened_at timestamptz NOT NULL, updated_at timestamptz NOT NULL, resolved_at timestamptz,"
    "version bigint NOT NULL, incident jsonb NOT NULL, PRIMARY KEY (tenant, id));"
    "CREATE INDEX IF NOT EXISTS quell_incidents_opened ON quell_incidents (tenant, opened_at DESC);"
    "CREATE INDEX IF NOT EXISTS quell_incidents_open ON quell_incidents (tenant, severity)"
    " WHERE status <> 'resolved';"
    "CREATE TABLE IF NOT EXISTS quell_incident_events ("
    "tenant text NOT NULL, incident_id text NOT NULL, message_id text NOT NULL,"
    "type text NOT NULL, version bigint NOT NULL, told_at timestamptz NOT NULL,"
    "written_at timestamptz NOT NULL DEFAULT now(), incident jsonb NOT NULL,"
    "PRIMARY KEY (tenant, incident_id, message_id));"
    "CREATE INDEX IF NOT EXISTS quell_incident_events_told ON quell_incident_events (tenant, "
    "told_at DESC);";

/* What an on-call asks: what is open, how much noise was kept away, what failed lately. */
static const char *const step_2 =
    "IF to_regclass('quell_v_open_incidents') IS NULL THEN "
    "CREATE VIEW quell_v_open_incidents AS SELECT tenant, id, severity, status, title,"
    " root_entity AS broke_first, root_error_class AS error_class, failing, at_risk, owner,"
    " opened_at, now() - opened_at AS open_for, signals_suppressed FROM quell_incidents"
    " WHERE status <> 'resolved' ORDER BY tenant,"
    " array_position(ARRAY['critical','error','warning','info'], severity), opened_at; END IF;"
    "IF to_regclass('quell_v_noise_by_day') IS NULL THEN "
    "CREATE VIEW quell_v_noise_by_day AS SELECT tenant,"
    " (opened_at AT TIME ZONE 'UTC')::date AS day, count(*) AS incidents,"
    " sum(signals_total) AS signals, sum(signals_suppressed) AS suppressed,"
    " round(sum(signals_suppressed) / nullif(sum(signals_total), 0), 4) AS suppressed_share"
    " FROM quell_incidents GROUP BY tenant, day ORDER BY tenant, day DESC; END IF;"
    "IF to_regclass('quell_v_recent_failures') IS NULL THEN "
    "CREATE VIEW quell_v_recent_failures AS SELECT tenant, entity, role, status, error_class,"
    " since, severity, incident_id, incident_status FROM ("
    "SELECT tenant, root_entity AS entity, 'broke first' AS role, NULL AS status,"
    " root_error_class AS error_class, (incident #>> '{root_cause,first_seen}')::timestamptz AS"
    " since, severity, id AS incident_id, status AS incident_status FROM quell_incidents"
    " UNION ALL SELECT tenant, a ->> 'entity', 'affected', a ->> 'status', NULL,"
    " (a ->> 'since')::timestamptz, severity, id, status FROM quell_incidents,"
    " jsonb_array_elements(incident -> 'affected') AS a) AS failures"
    " WHERE since > now() - interval '7 days' ORDER BY tenant, since DESC; END IF;";

/* Copies of events, and how far into which journal they go. */
static const char *const step_3 =
    "CREATE TABLE IF NOT EXISTS quell_events ("
    "tenant text NOT NULL, event_id text NOT NULL, kind text, entity text, status text,"
    "severity text, event_time timestamptz NOT NULL, ingest_time timestamptz NOT NULL,"
    "run_id text, trace_id text, span_id text, parent_span_id text, error_class text,"
    "message text, source text, fingerprint text, depends_on jsonb NOT NULL,"
    "attributes jsonb NOT NULL, PRIMARY KEY (tenant, event_id));"
    "CREATE INDEX IF NOT EXISTS quell_events_time ON quell_events (tenant, event_time DESC);"
    "CREATE TABLE IF NOT EXISTS quell_event_copies ("
    "tenant text NOT NULL, journal text NOT NULL, sink text NOT NULL,"
    "next_record bigint NOT NULL DEFAULT 0, next_index bigint NOT NULL DEFAULT 0,"
    "events bigint NOT NULL DEFAULT 0, records_lost bigint NOT NULL DEFAULT 0,"
    "copied_at timestamptz, PRIMARY KEY (tenant, journal, sink));";

const char *const postgres_write_statement =
    "WITH said AS (SELECT $1::text AS tenant, $2::text AS message_id, $3::text AS type,"
    " $4::bigint AS version, $5::timestamptz AS told_at, $6::jsonb AS i),"
    " kept AS (INSERT INTO quell_incident_events"
    " (tenant, incident_id, message_id, type, version, told_at, incident)"
    " SELECT tenant, i ->> 'id', message_id, type, version, told_at, i FROM said"
    " ON CONFLICT (tenant, incident_id, message_id) DO NOTHING)"
    " INSERT INTO quell_incidents AS known (tenant, id, status, severity, title, root_entity,"
    " root_error_class, root_message, confidence, failing, at_risk, signals_total,"
    " signals_unique, signals_suppressed, owner, opened_at, updated_at, resolved_at, version,"
    " incident)"
    " SELECT tenant, i ->> 'id', i ->> 'status', i ->> 'severity', i ->> 'title',"
    " i #>> '{root_cause,entity}', i #>> '{root_cause,error_class}',"
    " i #>> '{root_cause,message}', (i #>> '{root_cause,confidence}')::double precision,"
    " (i #>> '{blast_radius,failing}')::bigint, (i #>> '{blast_radius,at_risk}')::bigint,"
    " (i #>> '{signals,total}')::bigint, (i #>> '{signals,unique}')::bigint,"
    " (i #>> '{signals,suppressed}')::bigint, i ->> 'owner',"
    " (i ->> 'opened_at')::timestamptz, (i ->> 'updated_at')::timestamptz,"
    " (i ->> 'resolved_at')::timestamptz, version, i FROM said"
    " ON CONFLICT (tenant, id) DO UPDATE SET status = EXCLUDED.status,"
    " severity = EXCLUDED.severity, title = EXCLUDED.title,"
    " root_entity = EXCLUDED.root_entity, root_error_class = EXCLUDED.root_error_class,"
    " root_message = EXCLUDED.root_message, confidence = EXCLUDED.confidence,"
    " failing = EXCLUDED.failing, at_risk = EXCLUDED.at_risk,"
    " signals_total = EXCLUDED.signals_total, signals_unique = EXCLUDED.signals_unique,"
    " signals_suppressed = EXCLUDED.signals_suppressed, owner = EXCLUDED.owner,"
    " opened_at = EXCLUDED.opened_at, updated_at = EXCLUDED.updated_at,"
    " resolved_at = EXCLUDED.resolved_at, version = EXCLUDED.version,"
    " incident = EXCLUDED.incident WHERE known.version <= EXCLUDED.version";

static const char *const is_incomplete =
    "(to_regclass('quell_incidents') IS NULL OR to_regclass('quell_incident_events') IS NULL"
    " OR to_regclass('quell_events') IS NULL OR to_regclass('quell_event_copies') IS NULL)";

/* Whose role may only write, or whose tables are another's, may have dropped what he does not use:
 * incidents go on. */
static const char *const can_do_without =
    "EXCEPTION WHEN insufficient_privilege THEN IF to_regclass('quell_incidents') IS NULL"
    " OR to_regclass('quell_incident_events') IS NULL THEN RAISE; END IF; END; ";

static void add_step(struct text *script, unsigned version, const char *words) {
    text_add_format(script, "IF NOT EXISTS (SELECT FROM quell_schema WHERE version >= %u) THEN ",
                    version);
    text_add_text(script, words);
    text_add_format(script, " INSERT INTO quell_schema (version) VALUES (%u); END IF; ", version);
}

void postgres_add_session_script(struct text *script, struct slice schema, uint64_t timeout_ns) {
    text_add_format(script, "SET statement_timeout = %llu; SET standard_conforming_strings = on;",
                    (unsigned long long)(timeout_ns / NS_PER_MS));
    if (schema.size > 0) {
        text_add_format(script, "SET search_path TO \"%.*s\";", SLICE_PRINT(schema));
    }
    text_add_text(script, "DO $quell$ BEGIN ");
    if (schema.size > 0) {
        text_add_format(script,
                        "IF to_regnamespace('%.*s') IS NULL THEN PERFORM "
                        "pg_advisory_xact_lock(8417430551); CREATE SCHEMA IF NOT EXISTS \"%.*s\"; "
                        "END IF; ",
                        SLICE_PRINT(schema), SLICE_PRINT(schema));
    }
    text_add_text(script, "IF to_regclass('quell_schema') IS NOT NULL THEN IF EXISTS (SELECT FROM "
                          "quell_schema WHERE version > 3 OR version = 3 AND NOT ");
    text_add_text(script, is_incomplete);
    text_add_text(script, ") THEN RETURN; END IF; END IF; BEGIN "
                          "PERFORM pg_advisory_xact_lock(8417430551);"
                          "CREATE TABLE IF NOT EXISTS quell_schema (version integer PRIMARY KEY,"
                          " applied_at timestamptz NOT NULL DEFAULT now());"
                          "IF ");
    text_add_text(script, is_incomplete);
    text_add_text(script, " THEN DELETE FROM quell_schema WHERE version <= 3; END IF; ");
    add_step(script, 1, step_1);
    add_step(script, 2, step_2);
    add_step(script, 3, step_3);
    text_add_text(script, can_do_without);
    text_add_text(script, "END $quell$");
}
