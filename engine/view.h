/*
 * view.h - reading the engine's committed state from other threads, as JSON for the API.
 *
 * Everything but the graph is read from one LMDB snapshot a call, so an answer is consistent and is
 * exactly what would be there after a crash; the graph is read live under RCU. A tenant's rows are
 * found by the tenant's key prefix: there is no query that could cross tenants.
 *
 * Thread: any; each reading thread acquires its own `struct view_reader`.
 */
#pragma once

#include "core/base/fault.h"
#include "core/base/text.h"
#include "core/stats.h"

struct view; /* owned by the shard (engine/engine.h), handed to readers */
struct view_reader;

/* Registers the calling thread as a reader; release on the same thread. FULL without memory. */
MUST_CHECK struct status view_reader_acquire(struct view *view, struct view_reader **reader_out);
void view_reader_release(struct view_reader *reader);

struct view_query {
    struct slice tenant; /* empty: all tenants (the operator) */
    struct slice status; /* exact word; empty: any */
    struct slice sink;   /* of dead letters; empty: any */
    uint64_t since_ns;   /* updated at or after; 0: any */
    uint32_t limit;      /* 1 .. 1000 */
    struct slice cursor; /* next_cursor of the page before; empty: the first */
};

/* {"incidents":[...],"next_cursor":null|"..."}, newest first, also over all tenants. INVALID for a
 * cursor that is not ours or is another tenant's. FULL when text is too small. */
MUST_CHECK struct status view_incidents_json(struct view_reader *reader,
                                             const struct view_query *query, struct text *json);
/* One incident; a merged id gives its survivor. `tenant` empty: any. MISSING. */
MUST_CHECK struct status view_incident_json(struct view_reader *reader, struct slice tenant,
                                            struct slice incident_id, struct text *json);
/* {"timeline":[{"at","what","detail"}]}, oldest first; of a merged id its own steps, then those of
 * its survivor since. MISSING. */
MUST_CHECK struct status view_timeline_json(struct view_reader *reader, struct slice tenant,
                                            struct slice incident_id, struct text *json);
/* Tenant and 128-bit id behind "inc_...", after following merges; for operator actions. MISSING.
 * The tenant is copied to tenant_out[TENANT_BYTES_MAX]. */
MUST_CHECK struct status view_find_incident(struct view_reader *reader, struct slice incident_id,
                                            struct hash128 *id_out, char *tenant_out,
                                            size_t *tenant_size_out);
/* Why this root: {"incident","tenant","root":{...,"evidence"},"order":[members in the order in
 * which they failed, each with a shortest path from the root],"slice":{"nodes","edges","cycles"},
 * "ruled_out":[{"entity","reason"}],"truncated"}. MISSING. */
MUST_CHECK struct status view_explain_json(struct view_reader *reader, struct slice tenant,
                                           struct slice incident_id, struct text *json);
/* {"nodes":[{"entity","status","since","incident"?,"hops"}],"edges":[{"from","to","tenant_id"?,
 * "origin","last_seen"}],"cycles":[["job:a","job:b"]],"truncated":false}: all of the tenant's
 * graph, or what lies up/down from `entity` within hops. Without a tenant each node says whose it
 * is
 * ("tenant"), and each edge ("tenant_id"). MISSING for an unknown entity, INVALID for a bad
 * direction. */
MUST_CHECK struct status view_graph_json(struct view_reader *reader, struct slice tenant,
                                         struct slice entity, struct slice direction, uint32_t hops,
                                         struct text *json);
/* Of an edge of the tenant's own nodes, whether the configuration says so. MISSING. */
MUST_CHECK struct status view_find_edge(struct view_reader *reader, struct slice tenant,
                                        struct slice from, struct slice to, bool *is_config_out);
/* {"quarantine":[{"id","tenant","at","source","entity","reason","retryable","bytes",
 * "cut"?}],"next_cursor"}, "cut":true when less is kept than was sent; INVALID for a cursor that is
 * not ours. */
MUST_CHECK struct status view_quarantine_json(struct view_reader *reader,
                                              const struct view_query *query, struct text *json);
/* One of them with its raw bytes. `tenant` empty: any. MISSING. */
MUST_CHECK struct status view_quarantined_json(struct view_reader *reader, struct slice tenant,
                                               uint64_t seq, uint32_t index, struct text *json);
/* {"audit":[{"at","tenant","by","what","detail"}],"next_cursor":null|"..."}, newest first: what of
 * the two rings is still there. INVALID for a cursor that is none. */
MUST_CHECK struct status view_audit_json(struct view_reader *reader, const struct view_query *query,
                                         struct text *json);
/* {"dead_letters":[{"number","tenant","sink","incident","type","message_id","created_at","died_at",
 * "attempts","error"}],"next_cursor":null|"..."}, oldest first. INVALID for a cursor that is none.
 */
MUST_CHECK struct status view_dead_letters_json(struct view_reader *reader,
                                                const struct view_query *query, struct text *json);
/* One of them, with "payload": what would be sent. MISSING, also for another tenant's. */
MUST_CHECK struct status view_dead_letter_json(struct view_reader *reader, struct slice tenant,
                                               uint64_t number, struct text *json);
/* {"silences":[...]} that operators made and that are not over at `now_ns`, by the wall clock, and
 * how many; `tenant` empty: all. */
MUST_CHECK struct status view_silences_json(struct view_reader *reader, struct slice tenant,
                                            uint64_t now_ns, struct text *json,
                                            uint32_t *count_out);
/* Counters of product.md, all tenants summed, and "tenants":{"acme":{...}}; or one tenant's only.
 */
MUST_CHECK struct status view_stats_json(struct view_reader *reader, struct slice tenant,
                                         struct text *json);
/* Per-tenant counters as Prometheus text: quell_events_received_total{tenant="acme"} ... */
MUST_CHECK struct status view_stats_prometheus(struct view_reader *reader, struct text *text);
