/*
 * incident.h - from signals to a few incidents: join, open, merge, re-root, resolve, and when to
 * tell.
 *
 * A pure state machine over (signal, graph, policy, now_ns): no clock, no I/O, no allocation after
 * init; ids are functions of what caused them (tenant, root, journal seq, index). Its output is
 * effects: incident, member, timeline, alias and recent rows, and outbox rows with the incident as
 * JSON.
 *
 * Invariants: 1. a bad entity of a tenant is a member of exactly one live incident of that tenant.
 * 2. an incident has exactly one root. 3. a merge keeps the id that people saw first. 4. entities
 * that nothing connects in the window (a path of the graph within max_hops, or a resource that
 * their errors name, see kin.c) never share an incident. 5. after `told` an incident's end is told
 * too, once.
 *
 * The room sets the graph's state words: a node is bad exactly while its own tenant's member is; a
 * platform node is bad for all tenants by that word. Good news older than the last bad news of the
 * entity is ignored.
 *
 * Rows (formats: rows.c). Keys: tenant text, 0, id (INCIDENT); tenant, 0, ~opened_ns, id (RECENT);
 * id, node (MEMBER); id, number (TIMELINE); id (ALIAS, value: surviving id). Ids by writer_hash128,
 * numbers big-endian; an id is written "inc_" + base32. A merged incident leaves an ALIAS row and
 * its TIMELINE; a resolved one keeps its rows, flagged, when its memory is forgotten after
 * reopen_window: the engine, which hears of it, drops them when they are old (engine/kept.h).
 *
 * Time: correlation compares event times; dedup, waiting and resolving use now_ns (ingest stamps).
 * Thread: the shard; the functions over rows at the end: any.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/text.h"
#include "graph/graph.h"
#include "schemas/effect.h"
#include "schemas/policy.h"
#include "signals/signals.h"

struct incidents;

struct incidents_options {
    uint32_t incidents_max;
    uint32_t members_max;
    uint32_t nodes_max; /* their numbers are below */
    uint64_t hash_seed;
};

/* A resolved incident that nothing opens again any more: its rows stay, for the API alone. */
struct incident_remains {
    struct hash128 id;
    struct slice tenant;
    uint64_t resolved_ns;
    uint64_t bytes; /* of its rows, about; from a row alone: without those of its members */
};

/* What the engine hands to every call. */
struct incident_context {
    /* Hears of each that is forgotten, in the call in which it is; may be NULL. */
    void (*on_forgotten)(void *listener, const struct incident_remains *remains);
    void *listener;
    struct graph *graph;
    struct graph_search *search;
    const struct policy_set *policies;
    const struct policy_silence *silences; /* of operators; may be NULL when there are none */
    uint32_t silences_count;
    struct effects *effects;
    uint64_t now_ns;
    uint64_t cause_seq;   /* journal record */
    uint32_t cause_index; /* entry within it */
};

/* All memory from the arena, now: nothing is allocated later. FULL. */
MUST_CHECK struct status incidents_init(struct incidents **incidents_out,
                                        const struct incidents_options *options,
                                        struct arena *arena);

struct incident_change {
    bool opened;   /* a new incident: counts as incidents_opened; written on OK only */
    bool is_stale; /* older than a success that is known */
    bool counts;   /* a repeat, which did nothing else: counts as signals_suppressed */
};
/* Bad news about a node; `is_repeat` when dedup says that it is already being told (counts only,
 * unless the entity is not bad any more). Older than a success that is known: only counted, but for
 * what it explains. FULL: no room for incidents, members or effects. */
MUST_CHECK struct status incidents_apply_bad(struct incidents *incidents,
                                             const struct incident_context *context, uint32_t node,
                                             const struct signal *signal, bool is_repeat,
                                             struct incident_change *change_out);
/* Good news about a node: its member recovers. False: it is not this source's to say. */
bool incidents_apply_good(struct incidents *incidents, const struct incident_context *context,
                          uint32_t node, const struct signal *signal);
/* The source says that the node is well: until the window has passed it is no silent suspect. What
 * suspects it already looks again. Alerts say nothing for others. */
void incidents_note_well(struct incidents *incidents, const struct incident_context *context,
                         uint32_t node, const struct signal *signal);
/* Whether such a word would change nothing now. */
bool incidents_is_well_noted(const struct graph *graph, uint32_t node, uint64_t now_ns);
/* Whether the node is a member of any incident, of whichever tenant: if not, good news about it are
 * nothing to the incidents. */
bool incidents_have_member(const struct incidents *incidents, uint32_t node);
/* Whether a message tells of trouble at all: one that does not is never a complaint. */
bool incident_message_complains(struct slice message);
/* Whether news that are not bad tell of trouble that an incident of the tenant explains: an entity
 * that says so is hit, even when it has no node yet. */
bool incidents_is_complaint(struct incidents *incidents, const struct incident_context *context,
                            const struct signal *signal);
/* Right after that, with its node: the entity is shown as affected, degraded and at risk. */
void incidents_apply_complaint(struct incidents *incidents, const struct incident_context *context,
                               uint32_t node, const struct signal *signal);
/* A new edge may connect incidents that stood apart: looks again at the bad nodes it joins. */
void incidents_apply_edge(struct incidents *incidents, const struct incident_context *context,
                          uint32_t from, uint32_t to);
/* A person acknowledges or resolves. MISSING: no live incident of that tenant has the id. */
MUST_CHECK struct status incidents_operate(struct incidents *incidents,
                                           const struct incident_context *context,
                                           struct hash128 incident_id, struct slice tenant,
                                           bool resolve, struct slice by, struct slice note);
/* Silences are others now: what they had put off is looked at again by the next advance. */
void incidents_revisit_silenced(struct incidents *incidents,
                                const struct incident_context *context);
/* The policy is another now: what waits by a longer wait, interval or repeat than it says, or was
 * told to nobody for want of a route, does so no longer. */
void incidents_revisit_waits(struct incidents *incidents, const struct incident_context *context);
/* What became of a message about an incident, for its timeline. */
enum incident_delivery_end {
    INCIDENT_UNDELIVERED,    /* given up: a dead letter */
    INCIDENT_DELIVERED_LATE, /* was one, and has arrived */
};
struct incident_delivery {
    enum incident_delivery_end what;
    struct hash128 message_id;
    uint32_t version; /* of the incident, as the message tells it */
    struct slice type;
    struct slice sink;
    struct slice reason; /* may be empty */
};
/* False: the incident is in memory no more, or was merged. */
bool incidents_note_delivery(struct incidents *incidents, const struct incident_context *context,
                             struct hash128 id, const struct incident_delivery *delivery);
/* The same of one that is in memory no more and has rows still. */
void incident_note_delivery_late(const struct incident_context *context, struct hash128 id,
                                 const struct incident_delivery *delivery);
/* The latest record in which an incident that had been told was merged: from then on the ALIAS row
 * says where it went. 0: none since the start. */
uint64_t incidents_merged_seq(const struct incidents *incidents);
/* Everything due at now: first messages, updates, repeats, recoveries by silence, resolves,
 * forgetting of resolved incidents past their reopen window. Handles a bounded number of timers a
 * call, as far as effects has room; true when none is due any more. */
bool incidents_advance(struct incidents *incidents, const struct incident_context *context);
/* When advance must be called next; UINT64_MAX when never. */
uint64_t incidents_next_due_ns(const struct incidents *incidents);
/* Room in effects that each call above wants before it starts: it may need that much. */
#define INCIDENTS_EFFECT_BYTES_MIN (UINT64_C(4) << 20)
/* Whether places that an event may need are held by what is gone but has rows to emit. Asked, and
 * then emitted, before each event and advance: who finds a place does not depend on when rows are
 * written. */
bool incidents_waits_for_rows(const struct incidents *incidents);
/* Emits incident and member rows changed since the last call as far as effects has room. */
bool incidents_emit(struct incidents *incidents, const struct incident_context *context);
uint32_t incidents_open_count(const struct incidents *incidents);
/* Those that have a place, of as many as there are: open, or over and not yet beyond what may open
 * them again. */
uint32_t incidents_held_count(const struct incidents *incidents);
uint32_t incidents_held_max(const struct incidents *incidents);
/* The next outbox number; saved by the engine under META and given back at recovery. */
uint64_t incidents_next_outbox_number(const struct incidents *incidents);
void incidents_set_next_outbox_number(struct incidents *incidents, uint64_t number);

/* Recovery: all INCIDENT rows, then all MEMBER rows, then restore_end. */
MUST_CHECK struct status incidents_restore_incident(struct incidents *incidents, struct slice key,
                                                    struct slice value);
MUST_CHECK struct status incidents_restore_member(struct incidents *incidents, struct slice key,
                                                  struct slice value);
MUST_CHECK struct status incidents_restore_end(struct incidents *incidents,
                                               const struct graph *graph);
struct hash128 incidents_digest(const struct incidents *incidents);

/* --- Rows to JSON, for the API: any thread, from committed rows only; rows carry names as text ---
 */
struct incident_members_source {
    /* The next member row of the incident; false at the end. */
    bool (*next)(void *context, struct slice *key_out, struct slice *value_out);
    void *context;
};
/* product.md's incident JSON into text, all affected; CORRUPT for a damaged row. */
MUST_CHECK struct status incident_row_render(struct slice incident_row,
                                             const struct incident_members_source *members,
                                             struct text *json);
/* What lists filter by. */
struct incident_row_facts {
    struct hash128 id;
    bool is_open; /* open or acknowledged */
    struct slice status_word;
    uint64_t opened_ns;
    uint64_t updated_ns;
    struct slice tenant;
};
MUST_CHECK struct status incident_row_read(struct slice incident_row,
                                           struct incident_row_facts *facts_out);
/* Why this root, and one member, as rows keep them; the slices point into the row. */
struct incident_root_facts {
    struct slice tenant;
    struct slice entity; /* of a platform node with "platform/" */
    uint32_t node;       /* of a suspected root: the first symptom's */
    bool is_suspected;
    double confidence;
    uint64_t since_ns;
    uint32_t evidence_count;
    struct slice evidence[INCIDENT_EVIDENCE_MAX];
    uint32_t alternatives_count;
    struct {
        struct slice entity;
        uint32_t node;
        double confidence;
    } alternatives[INCIDENT_ALTERNATIVES_MAX];
};
MUST_CHECK struct status incident_root_read(struct slice incident_row,
                                            struct incident_root_facts *facts_out);
struct incident_member_facts {
    struct slice entity;
    uint32_t node;
    bool is_foreign;     /* a platform node in another tenant's incident */
    bool is_complaining; /* has not failed, but says that something is wrong */
    bool is_recovered;
    /* Not among the affected: well since before the incident was opened again, or got another root
     * because its own was well. */
    bool is_bygone;
    enum event_status status;        /* now */
    enum event_status failed_status; /* by which it became a member, or since */
    uint64_t since_ns;
    uint32_t hops;
};
MUST_CHECK struct status incident_member_read(struct slice key, struct slice value,
                                              struct incident_member_facts *facts_out);
/* {"at":"…Z","what":"opened","detail":"…"} of a timeline row. */
MUST_CHECK struct status incident_timeline_render(struct slice value, struct text *json);
/* When it was; 0: no such row. */
uint64_t incident_timeline_at_ns(struct slice value);
/* Whether it says that another incident was merged into this one; then which. */
bool incident_timeline_is_merge(struct slice value, struct hash128 *id_out);
/* MISSING when it is not forgotten yet; CORRUPT. The slice points into the row. */
MUST_CHECK struct status incident_remains_read(struct slice incident_row,
                                               struct incident_remains *remains_out);
/* What a member's row adds to them. */
uint64_t incident_remains_member_bytes(size_t row_bytes);
/* The repeats that were counted since the timeline last told of some, as one more entry of the same
 * form; nothing when there are none. */
MUST_CHECK struct status incident_repeats_render(struct slice incident_row, struct text *json);
