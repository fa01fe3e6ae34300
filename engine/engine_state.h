/*
 * engine_state.h - what a shard remembers, and the calls between the files of this room.
 *
 * Invariants:
 * 1. Everything in `struct engine` is a function of the journal records applied so far, in order.
 * 2. `effects` holds what the records since the last drain changed; draining hands it to the writer
 * of the open LMDB transaction; only a commit ends that transaction, with the cursor.
 * 3. No call below reads a clock: `now_ns` is the stamp of the record being applied.
 *
 * Thread: the shard.
 */
#pragma once

#include "core/audit.h"
#include "core/batch.h"
#include "core/operator.h"
#include "core/progress.h"
#include "core/store.h"
#include "core/store_writer.h"
#include "dedup/dedup.h"
#include "engine/engine.h"
#include "engine/heads.h"
#include "engine/kept.h"
#include "engine/poison.h"
#include "engine/silences.h"
#include "engine/streams.h"
#include "engine/tally.h"
#include "engine/tenants.h"
#include "graph/graph.h"
#include "incident/incident.h"

/* One batch's event ids, a policy, and what one event may cause, all fit. */
#define EFFECTS_BYTES (UINT64_C(24) << 20)
#define EVENT_EFFECT_BYTES_MIN (INCIDENTS_EFFECT_BYTES_MIN + 2 * ENVELOPE_BYTES_MAX)
static_assert(EVENT_EFFECT_BYTES_MIN + 16 * (uint64_t)BATCH_EVENTS_MAX + POLICY_BYTES_MAX <
                  EFFECTS_BYTES,
              "a drained effects buffer has room for whatever comes next");

/* Two numbers that share one cost a commit, when both are settled within some milliseconds. */
enum { SETTLED_SLOTS = 1024 };
enum { ALIAS_STEPS_MAX = 64 }; /* a merge of merges is at most a few steps long */

struct engine {
    struct arena arena; /* life of the engine */
    struct effects effects;
    struct effects drained; /* with the writer, or free */
    struct event_ids *event_ids;
    struct event_head *heads; /* BATCH_EVENTS_MAX: of the record being applied, when it has none */
    struct dedup *dedup;
    struct graph *graph;
    struct graph_search *search;
    struct incidents *incidents;
    struct tenants tenants;
    struct streams streams;
    struct silences silences;
    struct kept kept;
    struct arena policy_arenas[2]; /* the set in force and the one before */
    uint32_t policy_turn;
    struct policy_set policies;
    struct policy_spans spans; /* of the policies */
    uint64_t policy_digest;    /* of the encoded set in force; 0: none yet */
    uint64_t hash_seed;
    uint64_t now_ns;      /* stamp of the latest record */
    uint64_t applied_seq; /* latest record applied */
    uint64_t
        journal_seq; /* a dry run's: its number in the journal, of which ids are made; else 0 */

    struct store *store;
    const struct files *files; /* of the journal */
    struct poison poison;
    const struct logger *logger;
    struct stats *stats;
    const struct progress *progress; /* of the recovery */
    struct tally edges_left_out;
    struct tally events_set_aside;
    struct store_writer *writer;
    bool keeps_incidents;
    bool is_committing;      /* begun, and engine_commit_end was not called */
    bool has_old_dedup_rows; /* found in the state, not replaced yet */
    uint64_t committed_seq;
    uint64_t committed_outbox_number;
    uint64_t submitted_seq; /* of the latest commit begun */
    uint64_t submitted_outbox_number;
    uint64_t settled_seq[SETTLED_SLOTS]; /* by outbox number: the latest record that settled one */
    uint64_t audit_numbers[AUDIT_RINGS]; /* of the next lines */
};

/* --- apply_record.c --- */
/* Applies one record. CORRUPT when it is not a batch; IO or FULL when the store failed. */
MUST_CHECK struct status engine_apply(struct engine *engine, struct slice record,
                                      struct fault *fault);
/* The same with the heads that were made when the record was appended to its block. */
MUST_CHECK struct status engine_apply_from(struct engine *engine, struct slice record,
                                           struct block_heads *block, struct fault *fault);
/* When a tick record must be applied next; UINT64_MAX when none. */
uint64_t engine_next_due_ns(const struct engine *engine);
/* Puts a record that must not be applied (it crashed the process twice) into the quarantine. */
MUST_CHECK struct status engine_quarantine_record(struct engine *engine, struct slice record,
                                                  struct fault *fault);
/* A hash of the logical state: equal after a replay. */
struct hash128 engine_digest(const struct engine *engine);

/* --- passage.c --- */
/* The events of a record, with the heads that were made of it; NULL: they are made here. */
MUST_CHECK struct status engine_apply_events(struct engine *engine, struct slice record,
                                             struct batch_view *batch,
                                             const struct event_heads *heads, struct fault *fault);

/* --- apply.c --- */
/* One event, entry `index` of record `seq`. Sets its tenant when there is room for one. What finds
 * no room is set aside; an error says that a broken writer made the event. */
MUST_CHECK struct status engine_apply_event(struct engine *engine, const struct envelope *envelope,
                                            struct slice bytes, uint64_t seq, uint32_t index,
                                            struct tenant **tenant_out);
/* Whether the tenant's event is the first of its id; from now on it is known. */
bool engine_admit_id(struct engine *engine, const struct tenant *tenant, struct hash128 key);
/* Applies an envelope that was put aside, whether or not its id was seen. */
MUST_CHECK struct status engine_apply_again(struct engine *engine, struct slice bytes,
                                            uint32_t index, struct fault *fault);

/* --- apply_news.c --- */
/* FULL when there is no room for what it would open. */
MUST_CHECK struct status engine_apply_bad(struct engine *engine, struct tenant *tenant,
                                          uint32_t node, const struct signal *signal,
                                          const struct incident_context *context);
/* Good news, or neutral ones that concern the graph. */
void engine_apply_good(struct engine *engine, const struct envelope *envelope, uint32_t node,
                       const struct signal *signal, const struct incident_context *context);
/* Neutral news of what needs no node. */
void engine_apply_neutral(struct engine *engine, const struct envelope *envelope,
                          const struct signal *signal, const struct incident_context *context);
/* When enough was learned, no nodes are made for more; what is known is still refreshed. */
bool engine_is_beyond_learning(const struct engine *engine, const struct envelope *envelope,
                               struct slice bytes);

/* --- learned.c --- */
/* Time has come from before_ns to that of the record being applied. */
void engine_expire_learned(struct engine *engine, uint64_t before_ns);
/* When to look again; UINT64_MAX when never. */
uint64_t engine_next_expiry_ns(const struct engine *engine);

/* --- configure.c --- */
MUST_CHECK struct status engine_configure(struct engine *engine, struct slice encoded,
                                          struct fault *fault);
/* Sets the policies alone (recovery: nodes and edges come back from rows). */
MUST_CHECK struct status engine_set_policies(struct engine *engine, struct slice encoded,
                                             struct fault *fault);

/* --- outcome.c --- */
/* The outcomes of a BATCH_OUTCOME record. */
MUST_CHECK struct status engine_apply_outcomes(struct engine *engine, struct batch_view *batch,
                                               struct fault *fault);

/* Some records read rows that the records before them wrote: commits those first. */
MUST_CHECK struct status engine_commit_what_is_read(struct engine *engine,
                                                    const struct batch_view *batch,
                                                    struct fault *fault);

/* --- dead.c --- */
/* An operator sends a dead letter out again, or drops it; at most one action a record. */
MUST_CHECK struct status engine_operate_dead(struct engine *engine,
                                             const struct operator_request *request);

/* --- quarantine.c --- */
/* The key of a row: tenant, 0, seq, index: a tenant's records lie together, in order. */
void engine_quarantine_key(struct slice tenant, uint64_t seq, uint32_t index,
                           struct writer *writer);
/* Puts the bytes there, as entry `index` of record `seq`; the tenant is known from then on, if
 * there is room for one. */
void engine_quarantine(struct engine *engine, struct slice tenant, uint64_t seq, uint32_t index,
                       struct slice bytes);
/* The same for what was accepted but not applied for want of room: counted, and said in the log. */
void engine_set_aside(struct engine *engine, struct slice tenant, uint64_t seq, uint32_t index,
                      struct slice bytes);
MUST_CHECK struct status engine_operate_quarantine(struct engine *engine,
                                                   const struct operator_request *request,
                                                   uint32_t index, struct fault *fault);

/* --- kept.c, kept_trim.c --- */
/* A row came into QUARANTINE or DEAD, or an operator's action took it out. Its tenant was interned,
 * where there is room. */
void engine_kept_add(struct engine *engine, enum kept_kind kind, struct slice tenant,
                     const struct kept_row *row);
void engine_kept_remove(struct engine *engine, enum kept_kind kind, struct slice tenant,
                        const struct kept_row *row);
/* Bounds or rows are others than before. */
void engine_kept_schedule(struct engine *engine);
/* Whether a record of that time begins with engine_kept_trim; before it all is to be committed. */
bool engine_kept_is_due(struct engine *engine, uint64_t now_ns);
/* Drops the oldest of each tenant that is over its bound. */
MUST_CHECK struct status engine_kept_trim(struct engine *engine, struct fault *fault);
struct hash128 engine_kept_digest(const struct engine *engine);

/* --- kept_incident.c --- */
/* The incidents have forgotten it: it is kept, from its end on. `engine` is a struct engine. */
void engine_kept_forgotten(void *engine, const struct incident_remains *remains);
/* Whether anything stands under the id of an incident, or of one that was merged. */
bool engine_kept_has_incident(struct store_snapshot *snapshot, struct slice tenant,
                              struct hash128 id);
/* Whether it was merged; then into which. */
bool engine_follow_alias(struct store_snapshot *snapshot, struct hash128 *id);

/* --- kept_recover.c --- */
/* The sums; behind policies and tenants. */
MUST_CHECK struct status engine_kept_restore(struct engine *engine,
                                             struct store_snapshot *snapshot);
/* Makes table KEPT of the rows there are, in transactions of a bounded size. */
MUST_CHECK struct status engine_kept_index(struct engine *engine, struct fault *fault);

/* --- entities.c --- */
/* graph_intern_node within the tenant's limit: FULL beyond it. */
MUST_CHECK struct status engine_intern_node(struct engine *engine, struct slice owner,
                                            struct slice entity, struct hash128 key,
                                            uint32_t *node_out);
/* Edges to what the event says its node depends on. What finds no room is left out. */
void engine_learn_dependencies(struct engine *engine, const struct envelope *envelope,
                               struct slice bytes, uint32_t node,
                               const struct incident_context *context);

/* --- audit_log.c --- */
/* What the request is, for the audit. */
void engine_audit(struct engine *engine, const struct operator_request *request);

/* --- operate.c --- */
/* The actions of a BATCH_OPERATOR record. */
MUST_CHECK struct status engine_apply_operator(struct engine *engine, struct batch_view *batch,
                                               struct fault *fault);

/* --- operate_silence.c --- */
/* CORRUPT for a damaged request. */
MUST_CHECK struct status engine_operate_edge(struct engine *engine,
                                             const struct operator_request *request);
void engine_operate_silence(struct engine *engine, const struct operator_request *request);

/* --- commit.c --- */
/* Drains when less than `bytes` are free. */
MUST_CHECK struct status engine_make_room(struct engine *engine, size_t bytes, struct fault *fault);
/* What an event, an action or the time may need: room, and the places of what is gone. */
MUST_CHECK struct status engine_make_event_room(struct engine *engine, struct fault *fault);
/* Whether there are outbox rows that no sink can see before a commit that is yet to begin. */
bool engine_has_news(const struct engine *engine);
/* A commit in two steps, with records applied between them: all dirty rows and the cursor are
 * handed to the writer; and, when engine_is_committing no longer (or to wait for it), the end. */
MUST_CHECK struct status engine_commit_begin(struct engine *engine, struct fault *fault);
bool engine_is_committing(const struct engine *engine);
MUST_CHECK struct status engine_commit_end(struct engine *engine, struct fault *fault);
/* Ends a commit that was begun; commits what was applied since. */
MUST_CHECK struct status engine_commit(struct engine *engine, struct fault *fault);
/* Recovery, before any record is applied: what was restored from rows of a former format, or from
 * beyond a bound that was lowered, is written as rows of this one, and those go. */
MUST_CHECK struct status engine_replace_old_rows(struct engine *engine, struct fault *fault);
/* Recovery, before any record is applied: what has gathered becomes a transaction when less than
 * `bytes` are free. */
MUST_CHECK struct status engine_commit_rows(struct engine *engine, size_t bytes,
                                            struct fault *fault);
struct incident_context engine_incident_context(struct engine *engine, uint32_t index);

/* --- recover.c --- */
struct engine_options {
    uint32_t nodes_max;
    uint32_t edges_max;
    uint32_t learned_edges_max; /* 0: no limit of their own */
    uint32_t dedup_keys_max;
    uint32_t event_ids_max;
    uint32_t incidents_max;
    uint64_t kept_bytes_max; /* 0: KEPT_BYTES_MAX */
    uint32_t kept_rows_max;  /* 0: KEPT_ROWS_MAX */
    bool keeps_incidents;    /* resolved ones have no end: a dry run shows them all */
    uint64_t hash_seed;
    struct store *store; /* the caller's, outlives the engine */
    const char *poison_path;
    const struct files *files; /* of the journal */
    const struct logger *logger;
    struct stats *stats;
    const struct progress *progress; /* of the recovery; may be NULL */
};
MUST_CHECK struct status engine_init(struct engine *engine, const struct engine_options *options,
                                     struct fault *fault);
void engine_deinit(struct engine *engine);
/* Rows back into memory, then the journal from the cursor. */
MUST_CHECK struct status engine_recover(struct engine *engine, const char *journal_directory,
                                        struct fault *fault);
