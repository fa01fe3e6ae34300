/*
 * incident_state.h - the room's own structures, shared by its files; nobody else includes it.
 *
 * Memory: two pools (incidents, members) with free lists, two tables, two timer heaps, scratch; all
 * from the arena at init. Slots are named by number; INDEX_NONE is "no slot".
 *
 * Invariants: 1. a member stands in the list of its incident and under its key (tenant, node) until
 * it is dropped. 2. a dropped slot stays on the dirty list until its row has followed it, then it
 * is free again. 3. no behaviour depends on the order of a list or of a slot number: where order
 * matters the items are sorted by what rows keep, so a restored room goes on the same way.
 */
#pragma once

#include "core/base/assert.h"
#include "core/base/table.h"
#include "incident/incident.h"
#include "incident/timers.h"
#include "incident/words.h"

#define INDEX_NONE UINT32_MAX
#define NEVER_NS UINT64_MAX

/* A telling may fill this much of the effects; what a call does besides needs the rest. */
#define TELLING_BYTES_MAX (UINT64_C(2) << 20)
/* Room below which no further incident is merged in one call, but at the next advance. */
#define MERGE_ROOM_BYTES_MIN (TELLING_BYTES_MAX + (UINT64_C(1) << 19))
/* Bound of an incident's and a member's encoded row (rows.c). */
#define ROW_BYTES_MAX 12288u
#define TIMERS_PER_ADVANCE_MAX 1024u
#define KINDS_MAX 16u
#define KIND_BYTES_MAX 24u
#define DETAIL_BYTES_MAX 700u
/* Lines of a timeline, and two a member, beyond which it is long: what flaps for ever would fill
 * the store with them (timeline.c). */
#define TIMELINE_GOINGS_MAX 4096u
/* Kinds of lines of which a long timeline has the latest. */
#define RECURRING_COUNT 7u
#define ACKNOWLEDGED_BYTES_MAX 200u /* kept of who did last, and what they said; cut */
#define PERSON_UNNAMED "nobody named"
/* From this many failing members on an error is critical. */
#define FAILING_CRITICAL_MIN 10u
/* How many roots one new edge may explain. */
#define EDGE_ROOTS_MAX 256u
#define RESOURCES_PER_MEMBER_MAX 4u
/* Dependants of a suspect that stand for all. */
#define SUSPECT_DEPENDANTS_MAX 256u
/* Alerts of a member that are known one by one. */
#define FIRING_MAX 64u
/* Repeats often say more than the first signal; a storm of them does not. */
#define RESOURCE_SIGNALS_MAX 64u

enum incident_status { INCIDENT_OPEN = 1, INCIDENT_ACKNOWLEDGED = 2, INCIDENT_RESOLVED = 3 };

/* What becomes of a slot when its row has been emitted. */
enum row_fate { FATE_KEEP = 0, FATE_FORGET = 1, FATE_DELETE = 2 };

/* What changed since the last message and is worth telling. */
enum change_flags {
    CHANGE_AFFECTED = 1,
    CHANGE_SEVERITY = 2,
    CHANGE_ROOT = 4,
    CHANGE_REOPENED = 8,
    CHANGE_ACKNOWLEDGED = 16,
    CHANGE_SILENCED = 32, /* a silence is why it is not told; stands in the timeline */
};

enum member_kind { MEMBER_OWN, MEMBER_FOREIGN, MEMBER_COMPLAINING };

struct dirty_link {
    uint32_t next;
    uint32_t previous;
    bool is_dirty;
};

/* Hashes of the hosts, addresses and folders that an entity's errors named (kin.c). */
struct resources {
    uint32_t count;
    uint64_t items[RESOURCES_PER_MEMBER_MAX];
};

/* An alert that fires about an entity (firing.c). */
struct firing {
    uint64_t key;      /* its labels: signal.source_key */
    uint64_t heard_ns; /* event time, never ahead of when it came */
    uint64_t until_ns; /* its endsAt; 0: it does not say */
};

struct member {
    uint32_t incident;
    uint32_t node;
    uint32_t next;
    uint32_t previous;
    uint32_t foreign_next; /* the same platform node in other tenants' incidents */
    uint32_t foreign_previous;
    uint32_t placed_next; /* own members of a tenant's incidents, in the order of placing */
    uint32_t placed_previous;
    uint32_t placed_index; /* of the cause */
    uint64_t placed_seq;
    struct dirty_link dirty;
    enum row_fate fate;
    bool is_used;
    bool is_foreign;     /* a platform node in another tenant's incident: shown, not counted */
    bool is_complaining; /* has not failed: complaint.c; always is_recovered as well */
    bool is_recovered;
    bool is_bygone; /* well since before the present life of its incident: shown no more */
    bool recovers_by_silence;
    bool rehomes_again;      /* it has not taken over all that failed by it: rehome.c */
    bool is_told_by_many;    /* so no one of them can say that it is over */
    enum event_kind told_by; /* kind of source, and which, that told of the trouble */
    uint64_t told_by_key;
    bool is_told_unlisted; /* by others than the alerts listed here */
    uint32_t firing_count;
    struct firing firing[FIRING_MAX];
    bool has_row;
    struct hash128 row_id;   /* incident under which the row stands, when has_row */
    struct hash128 final_id; /* incident under which it is to stand, when forgotten */
    enum event_status status;
    enum event_status recovered_status;
    enum event_severity severity;
    uint32_t hops;
    uint64_t reached_generation; /* of the last refresh that reached it from the root */
    uint64_t since_ns;           /* event time */
    uint64_t first_ns;           /* the same of its first failure here, when it came back; else 0 */
    uint64_t last_signal_ns;     /* event time */
    uint64_t heard_ns; /* the same, never ahead of when it came: good news must be later */
    uint64_t recovered_event_ns;
    uint64_t recovered_ns;   /* now */
    uint64_t silence_due_ns; /* now; NEVER_NS when it does not recover by silence */
    uint64_t signals_count;
    float strength; /* the largest score that its signals carried; 0: none did */
    struct resources resources;
    enum tone tone; /* of error_class and message */
    uint32_t error_class_size;
    uint32_t message_size;
    uint8_t error_class[ERROR_CLASS_BYTES_MAX];
    uint8_t message[MESSAGE_KEPT_BYTES_MAX];
};

/* When it failed first in this incident, however often it was well in between. */
static inline uint64_t member_first_ns(const struct member *member) {
    bool came_back = member->first_ns > 0 && member->first_ns < member->since_ns;
    return came_back ? member->first_ns : member->since_ns;
}

struct kind_count {
    uint32_t word_size;
    uint32_t count;
    uint8_t word[KIND_BYTES_MAX];
};

struct rank_alternative {
    uint32_t node;
    double confidence;
};

struct rank {
    double confidence;
    uint32_t affected_count;
    uint32_t reached_count;
    uint32_t earlier_count; /* affected that failed before the root */
    uint32_t suspect_count; /* 0: the root is no suspicion; else failing dependants of it */
    uint32_t suspect_total;
    bool is_explicit;      /* failed, aborted, down rather than late, missed, degraded */
    bool blames;           /* its error speaks of something else */
    bool is_storm_beside;  /* that storm began no earlier, but so little later that clocks may */
    bool is_storm_joined;  /* known edges lead to it */
    bool has_complaints;   /* others are affected, too, which have not failed */
    uint32_t storms_count; /* incidents of more than one entity that began before it */
    uint32_t storm_node;   /* root of the largest; GRAPH_NODE_NONE */
    uint32_t tenants_hit;  /* of a platform incident: reach.c */
    uint32_t tenants_at_risk;
    uint32_t rival_node; /* rivals.c: of those, upstream of the most affected, when that is > 0 */
    uint32_t rival_affected;
    uint32_t alternatives_count;
    struct rank_alternative alternatives[INCIDENT_ALTERNATIVES_MAX];
};

/* Lines of one kind that a long timeline has got. */
struct recurring {
    uint32_t line; /* number of the latest; 0: there is none, for no timeline begins with one */
    uint32_t left_out;
};

static_assert(LABEL_BYTES_MAX <= UINT8_MAX, "a row has a byte for acknowledged_by_size");
struct incident {
    struct hash128 id;
    struct dirty_link dirty;
    enum row_fate fate;
    enum incident_status status;
    enum event_severity severity;
    bool is_used;
    bool is_told;      /* a message went out */
    bool is_announced; /* the first telling is past, whether or not a sink took it */
    bool is_end_told;
    bool looks_again;
    bool asks_kin;     /* then: whose errors name what its root's have named meanwhile */
    bool rehomes;      /* at the next refresh a member with rehomes_again takes over more */
    bool flaps;        /* a reopening was told lately: the next waits for group_interval */
    bool lacks_member; /* a node of the platform is its root, but the pool had no place for it */
    bool is_shelved;   /* kept aside, nobody hears of it: shelf.c */
    bool is_listed;    /* has its RECENT row */
    bool is_older;     /* its row was, as it was restored: it knew nothing of what came since */
    bool has_row;
    uint32_t root; /* member */
    uint32_t root_node;
    uint32_t suspect_node;  /* a silent upstream named instead of the root; GRAPH_NODE_NONE */
    uint32_t suspect_count; /* of its dependants, failing */
    uint32_t suspect_total;
    uint32_t members_first;
    uint32_t members_count; /* own, without foreign and complaining */
    uint32_t complaining_count;
    uint32_t bygone_count;  /* of members_count */
    uint32_t failing_count; /* own and not recovered */
    uint32_t at_risk_count;
    uint32_t version;
    uint32_t changes; /* enum change_flags */
    uint32_t timeline_next;
    uint32_t timeline_deleted;
    struct recurring recurring[RECURRING_COUNT];
    uint64_t tenant_hash;
    uint64_t opened_ns;
    uint64_t updated_ns;
    uint64_t resolved_ns;
    uint64_t reopened_ns; /* after its end had been told, the last time; 0: never */
    uint64_t opened_seq;
    uint32_t opened_index;
    uint64_t signals_total;
    uint64_t signals_unique;
    uint64_t suppressed_shown; /* already in the timeline */
    uint64_t told_ns;
    bool told_sinks_unknown;   /* an older quell told it, and the next message is still to come */
    uint32_t told_sinks_count; /* marks of the sinks that know of it: telling.c */
    uint32_t told_sinks[SINKS_PER_TENANT_MAX];
    uint64_t tell_due_ns;
    uint64_t refresh_due_ns;
    uint64_t forget_due_ns;
    struct rank rank;
    uint32_t kinds_count;
    struct kind_count kinds[KINDS_MAX];
    uint32_t traces_count;
    struct hash128 traces[INCIDENT_TRACE_IDS_MAX];
    uint32_t tenant_size;
    uint8_t tenant[TENANT_BYTES_MAX];
    uint32_t acknowledged_size;    /* 0: nobody has */
    uint32_t acknowledged_by_size; /* of the name, behind "by "; 0: nobody named; rows: a byte */
    bool is_ended_by_person;       /* then it is who resolved it, until it is opened again */
    uint8_t acknowledged[ACKNOWLEDGED_BYTES_MAX];
    /* Scratch of one call, found valid by its generation. */
    uint64_t mark_generation;
    bool mark_in_window;
    bool mark_root_seen;
    bool mark_root_bound; /* and likelier because of it than by chance */
    uint32_t mark_bad_count;
    uint32_t mark_root_hops;
};

struct incidents {
    uint64_t hash_seed;
    uint32_t incidents_max;
    uint32_t members_max;
    struct incident *incidents;
    struct member *members;
    uint32_t *incidents_free;
    uint32_t incidents_free_count;
    uint32_t *members_free;
    uint32_t members_free_count;
    /* Of fate FATE_KEEP: what the records made, whenever rows follow; decisions go by these. */
    uint32_t incidents_kept_count;
    uint32_t members_kept_count;
    struct table by_id;     /* incident id -> slot */
    struct table by_member; /* member_key -> slot */
    uint32_t *node_members; /* of each node: how many members it is */
    uint32_t nodes_max;
    struct table by_foreign; /* platform node -> first foreign member */
    struct timers incident_timers;
    struct timers member_timers;
    uint32_t incidents_dirty;
    uint32_t members_dirty; /* oldest first: a dropped one's row goes before its successor's */
    uint32_t members_dirty_last;
    struct table placed; /* tenant -> own member placed last */
    uint32_t open_count;
    uint32_t shelved_count;
    uint64_t complaints_seq; /* the record in which that many complaints were looked at */
    uint32_t complaints_count;
    uint32_t messages_count; /* read for complaints in that record */
    uint64_t merged_seq;     /* the latest record that merged one of which messages tell */
    uint64_t next_outbox_number;
    uint64_t generation;
    uint32_t *gathered; /* scratch: incidents found by a search */
    uint32_t gathered_count;
    uint32_t *sorted; /* scratch: members in the order of telling */
    uint8_t *row;     /* scratch: one row, or one outbox row */
    size_t row_capacity;
    uint8_t *member_row; /* scratch */
    char *json;          /* scratch */
};

/* --- incidents.c: pools, lookup, the calls --- */
struct incident *incident_at(struct incidents *incidents, uint32_t slot);
struct member *member_at(struct incidents *incidents, uint32_t slot);
uint32_t incident_slot(const struct incidents *incidents, const struct incident *incident);
uint32_t member_slot(const struct incidents *incidents, const struct member *member);
struct slice incident_tenant(const struct incident *incident);
bool incident_is_live(const struct incident *incident);
uint64_t tenant_hash_of(const struct incidents *incidents, struct slice tenant);
struct member *member_find(struct incidents *incidents, uint64_t tenant_hash, uint32_t node);
struct incident *incident_find(struct incidents *incidents, struct hash128 id);
struct incident *incident_create(struct incidents *incidents, struct hash128 id,
                                 struct slice tenant);
struct member *member_create(struct incidents *incidents, struct incident *incident, uint32_t node,
                             enum member_kind kind);
void member_move(struct incidents *incidents, struct member *member, struct incident *incident);
void member_drop(struct incidents *incidents, struct member *member, enum row_fate fate);
void incident_drop(struct incidents *incidents, struct incident *incident, enum row_fate fate);
void incident_touch(struct incidents *incidents, struct incident *incident);
void member_touch(struct incidents *incidents, struct member *member);
void incident_unlink_dirty(struct incidents *incidents, struct incident *incident);
void member_unlink_dirty(struct incidents *incidents, struct member *member);
void incident_release(struct incidents *incidents, struct incident *incident);
void member_release(struct incidents *incidents, struct member *member);
/* Sets the incident's one timer to the earliest of its dues. */
void incident_schedule(struct incidents *incidents, struct incident *incident);
/* The next advance asks who its cause is, and whose cause it is. */
void incident_look_again(struct incidents *incidents, struct incident *incident);
void member_schedule(struct incidents *incidents, struct member *member);
const struct policy *incident_policy(const struct incident_context *context,
                                     const struct incident *incident);
/* The next foreign member of the platform node: first with previous = NULL; NULL at the end. */
struct member *foreign_next(struct incidents *incidents, uint32_t node, struct member *previous);

/* Puts the incident's row (and its RECENT row the first time); gives it, in scratch. */
struct slice incident_emit_row(struct incidents *incidents, const struct incident_context *context,
                               struct incident *incident, bool is_forgotten);

/* --- correlate.c --- */
/* Finds the new bad node its incident: joined, opened, merged or re-rooted. */
struct member *correlate_place(struct incidents *incidents, const struct incident_context *context,
                               uint32_t node, const struct signal *signal,
                               const struct policy *policy, bool *opened_out);
/* Whether something upstream explains the root of this incident by now; merges when it does.
 * Without room in the effects the next advance asks. */
void correlate_explain(struct incidents *incidents, const struct incident_context *context,
                       struct incident *incident);
/* Merges the incidents that the root of this one explains. Gives the survivor. */
struct incident *correlate_absorb(struct incidents *incidents,
                                  const struct incident_context *context, struct member *member);
/* platform.c: a platform node turned bad: the incidents of tenants that it explains get it as their
 * root, but not what failed after `until_ns`; 0: it is bad still. */
void platform_explain_tenants(struct incidents *incidents, const struct incident_context *context,
                              struct member *platform_member, uint64_t until_ns);
/* The errors of a bad member named something new: an incident that names it too is merged. Without
 * room in the effects the next advance asks. */
void correlate_kin(struct incidents *incidents, const struct incident_context *context,
                   struct member *member);

/* An incident of that root and the cause at hand, not yet counted as open. */
struct incident *correlate_create_incident(struct incidents *incidents,
                                           const struct incident_context *context,
                                           struct slice tenant, uint32_t node);

/* --- edge.c --- */
void correlate_edge(struct incidents *incidents, const struct incident_context *context,
                    uint32_t from, uint32_t to);
/* Edges were learned at the bad node: what stands below it looks again, whom they lead to. */
void correlate_ask_below(struct incidents *incidents, const struct incident_context *context,
                         uint32_t node);

/* --- firing.c --- */
void firing_clear(struct member *member);
void firing_note(struct member *member, const struct signal *signal, uint64_t now_ns);
/* The latest end of all that fire; 0: none says one. */
uint64_t firing_until_ns(const struct member *member);
/* How many fire now, of the FIRING_MAX that are listed. */
uint32_t firing_count_now(const struct member *member, uint64_t now_ns);
bool firing_has(const struct member *member, uint64_t key);
/* An alert of several says that it is over; true when nobody else tells of the trouble. */
bool firing_end(struct member *member, const struct signal *signal, uint64_t now_ns);

/* --- blast.c --- */
/* Looks downstream from the root: hops, at risk, by kind, ranking. */
void incident_refresh(struct incidents *incidents, const struct incident_context *context,
                      struct incident *incident);
/* Where members changed since the last refresh and none is to come: what fails is counted anew, and
 * nothing is said to be at risk, so that the numbers of one message agree. */
void incident_agree_counts(struct incidents *incidents, const struct incident_context *context,
                           struct incident *incident);
void incident_refresh_later(struct incidents *incidents, const struct incident_context *context,
                            struct incident *incident);

/* --- kin.c --- */
/* Adds what the message names; whether anything was new. */
bool resources_note(struct resources *resources, struct slice message, uint64_t hash_seed);
bool resources_meet(const struct resources *a, const struct resources *b);

/* --- strength.c --- */
/* Gives the incident another root when the strengths of its signals speak for it. */
void strength_choose_root(struct incidents *incidents, const struct incident_context *context,
                          struct incident *incident);

/* --- suspect.c --- */
/* Suspects a silent neighbour of the root when others share it whom the root does not reach;
 * true when the incident has another root now. The last refresh has marked what is reached. */
bool suspect_reconsider(struct incidents *incidents, const struct incident_context *context,
                        struct incident *incident);
/* A silent neighbour that the root shares with another root; GRAPH_NODE_NONE when there is none. */
uint32_t suspect_hint(struct incidents *incidents, const struct incident_context *context,
                      const struct incident *incident);
/* Gives up the suspicion of a node that says meanwhile that it is well, or has failed. */
void suspect_review(struct incidents *incidents, const struct incident_context *context,
                    struct incident *incident);
/* The name of the suspected root as the incident's tenant sees it. */
void suspect_add_entity(struct text *text, const struct incident_context *context,
                        const struct incident *incident);

/* --- mention.c --- */
/* Learns edges between the node and bad entities whose messages name one another: whether any. */
bool mention_learn(struct incidents *incidents, const struct incident_context *context,
                   uint32_t node, const struct signal *signal, const struct policy *policy);
/* Whether the message names the entity, without its kind, as a whole word. */
bool mention_names(struct slice message, struct slice entity);
/* INDEX_NONE: the tenant has none. */
uint32_t placed_last(const struct incidents *incidents, uint64_t tenant_hash);
void placed_add(struct incidents *incidents, struct member *member);
void placed_remove(struct incidents *incidents, struct member *member);
/* After recovery, which gives members in another order. */
void placed_sort(struct incidents *incidents);

/* --- merge.c --- */
/* Which id people saw first; a total order. */
bool incident_precedes(const struct incidents *incidents, uint32_t a, uint32_t b);
/* Merges `loser` into `survivor`; the root stays the survivor's until incident_set_root. */
void incident_merge(struct incidents *incidents, const struct incident_context *context,
                    struct incident *survivor, struct incident *loser);
void incident_set_root(struct incidents *incidents, const struct incident_context *context,
                       struct incident *incident, struct member *root);

/* --- telling.c --- */
/* It was reopened by old news: told as any other change. */
void telling_put_off(struct incidents *incidents, const struct incident_context *context,
                     struct incident *incident);
/* What failed then is news: a reopening that was put off is told with it. */
void telling_note_news(struct incidents *incidents, const struct incident_context *context,
                       struct incident *incident, uint64_t heard_ns);
/* Notes a change worth telling and when it is due. */
void telling_note(struct incidents *incidents, const struct incident_context *context,
                  struct incident *incident, uint32_t changes);
/* Tells when it is due and there is room; false when it is due but there is none. */
bool telling_run(struct incidents *incidents, const struct incident_context *context,
                 struct incident *incident);
/* The closing message of an incident that was told and is merged into another one. */
void telling_close_merged(struct incidents *incidents, const struct incident_context *context,
                          struct incident *loser, struct hash128 survivor_id);
size_t telling_closing_bytes(const struct incident_context *context,
                             const struct incident *incident);

/* --- timeline.c --- */
/* In a timeline that is long, of what recurs the latest replaces the one before. */
void timeline_add(struct incidents *incidents, const struct incident_context *context,
                  struct incident *incident, const char *what, struct slice detail);
/* "job:load failed", of a member of the incident; of NONE "service:web silent". */
void timeline_add_news(struct incidents *incidents, const struct incident_context *context,
                       struct incident *incident, const struct member *member, const char *what,
                       enum event_status status);
bool timeline_is_long(const struct incident *incident);
/* How many lines it has. */
uint32_t timeline_lines(const struct incident *incident);
/* News of a member that is well, or fails again: in a timeline that is long already, no more. */
void timeline_add_going(struct incidents *incidents, const struct incident_context *context,
                        struct incident *incident, const struct member *member, const char *what,
                        enum event_status status);
/* "x412": what dedup has held back since the last such entry; not in a timeline that is long. */
void timeline_add_suppressed(struct incidents *incidents, const struct incident_context *context,
                             struct incident *incident);

/* --- severity.c --- */
/* `source` as signal_classify gives it. */
enum event_severity severity_of_member(const struct policy *policy, struct slice entity,
                                       enum event_status status, enum event_severity source);
bool status_is_explicit(enum event_status status);
/* The root job's owner, else the policy's. */
struct slice severity_owner(const struct policy *policy, struct slice entity);
/* Raises the incident's severity to what its members say; never lowers it. */
void severity_raise(struct incidents *incidents, const struct incident_context *context,
                    struct incident *incident, enum event_severity severity);
/* Of what was just opened again by something that failed after its end: of no severity, until the
 * caller raises it within the same call. Nothing when people were not told of that end yet. */
void severity_begin_life(struct incident *incident);

/* --- rank.c --- */
/* After a refresh has looked downstream; `is_whole`: at all that lies there. */
void rank_incident(struct incidents *incidents, const struct incident_context *context,
                   struct incident *incident, bool is_whole);
/* Which line says whether the root has told of a failure itself; not of a suspected one. */
enum { RANK_EVIDENCE_REPORTED = 2 };
/* One line of evidence into text; false when there is no index-th. */
bool rank_evidence(const struct rank *rank, const struct graph *graph, uint32_t index,
                   struct text *text);
