/*
 * causes.h - searching the graph for what explains a bad node, and what it explains. Private to the
 * room: correlate.c decides, this only looks.
 */
#pragma once

#include "incident/bond.h"
#include "incident/incident_state.h"

/* Whose eyes a search looks through, and from when. */
struct outlook {
    struct slice tenant;
    uint64_t tenant_hash;
    uint64_t from_ns;
    uint64_t to_ns;
    uint64_t until_ns; /* what turned bad later is not explained: the node was well; 0: it is bad */
    uint64_t window_ns;
    uint32_t hops_max;
    uint32_t suspect_min;
    bool is_of_trouble; /* else from no node in particular, and nothing is weighed */
    bool sees_resolved; /* what is over may be the cause as well */
    /* Not 0: only what fails still is a cause, unless a search has marked it so (reroot.c). */
    uint64_t rest_generation;
    struct trouble trouble; /* of the node that looks */
};

struct cause {
    bool is_found;
    bool is_foreign;
    bool is_cycle; /* its incident's root lies downstream as well */
    bool is_over;  /* its incident is resolved */
    uint32_t node;
    uint32_t hops;
    int32_t points; /* bond.c */
    uint64_t since_ns;
};

struct outlook outlook_of(const struct incidents *incidents, const struct policy *policy,
                          struct slice tenant, uint64_t from_ns, uint64_t to_ns);
/* With the member's own interval. */
struct outlook outlook_of_member(struct incidents *incidents,
                                 const struct incident_context *context,
                                 const struct member *member);
/* Of a node that a signal has just turned bad. It may be told late, so it sees resolved ones, and
 * the node may be well again since. */
struct outlook outlook_of_signal(const struct incidents *incidents,
                                 const struct incident_context *context,
                                 const struct policy *policy, uint32_t node,
                                 const struct signal *signal);
bool tenant_is_platform(struct slice tenant);
/* The platform's own live, bad member of the node; NULL when this shard has none. */
struct member *platform_member(struct incidents *incidents, uint32_t node);
/* The platform node to blame: what the platform's own incident says is the root of this one. */
uint32_t platform_root(struct incidents *incidents, uint32_t node);
/* Whether a platform node is bad in the window, in the eyes of another tenant. */
bool cause_is_foreign(struct incidents *incidents, const struct incident_context *context,
                      const struct outlook *outlook, uint32_t node, uint64_t *since_out);
/* Notes the incident in `gathered`, once a generation. */
void cause_mark(struct incidents *incidents, struct incident *incident);
void cause_mark_visit(struct incidents *incidents, const struct incident_context *context,
                      const struct outlook *outlook, const struct graph_visit *visit);
/* Leaves in `gathered` what is explained, first seen first, without `exclude`. */
void cause_keep_explained(struct incidents *incidents, const struct incident *exclude);
/* Fills `gathered` with the incidents that a bad `node` explains, first seen first, without
 * `exclude`. Its marks stay for cause_find. */
void cause_gather_explained(struct incidents *incidents, const struct incident_context *context,
                            const struct outlook *outlook, uint32_t node,
                            const struct incident *exclude);
/* Fills `gathered` with the tenants' incidents that trouble at a node of the platform explains. */
void cause_gather_tenants(struct incidents *incidents, const struct incident_context *context,
                          uint32_t node, const struct outlook *outlook);
/* When a recovered member was well again, as events tell the time. */
uint64_t cause_well_again_ns(const struct incident_context *context,
                             const struct incident *incident, const struct member *member);
/* Whether what turned bad then did so before the node was well. */
bool cause_is_in_time(const struct outlook *outlook, uint64_t since_ns);
/* Whether an interval of trouble touches the outlook's window. */
bool cause_is_in_window(const struct outlook *outlook, uint64_t since_ns, uint64_t last_ns);

/* cycle.c: which of two members of a cycle is the root. */
bool root_is_better(const struct incident_context *context, const struct member *member,
                    const struct member *other);
/* The best root of `root` and all of the member's incident that form a cycle with the member;
 * `root` lies above the member, or below it. */
struct member *cycle_choose_root(struct incidents *incidents,
                                 const struct incident_context *context,
                                 const struct member *member, struct member *root);
/* A new edge may have put the incident's root into a cycle: the best of it is the root then. */
void cycle_review(struct incidents *incidents, const struct incident_context *context,
                  struct incident *incident);

/* The best cause outside the incident of anyone in it who may be why its root fails, by others too:
 * of a ring, whose root has no cause but in the ring. */
struct cause cycle_find_cause(struct incidents *incidents, const struct incident_context *context,
                              const struct incident *incident);

/* rehome.c: members of other incidents whose nearest cause is now this member, or stands in its
 * incident, move there; `until_ns` as in the outlook of its signal. Those beyond what one call does
 * are asked with the next refresh. */
void correlate_rehome(struct incidents *incidents, const struct incident_context *context,
                      struct member *cause, uint64_t until_ns);
/* The same of those of the incident's members that have not asked all: of as many as are within the
 * bounds of one call, of one in any case. */
void rehome_again(struct incidents *incidents, const struct incident_context *context,
                  struct incident *incident);

/* A member that was well fails again, in an incident that lives on and has another root: whether
 * its cause now stands in another incident. Then the timeline says so, and it is to be placed there
 * as if it had been no member. */
bool rehome_leads_away(struct incidents *incidents, const struct incident_context *context,
                       const struct member *member, const struct signal *signal,
                       const struct policy *policy);

/* correlate.c: puts the incident down to that cause of its root, or of what else fails in it:
 * merged with the incident of the cause, whose root is the root then. */
void correlate_put_down(struct incidents *incidents, const struct incident_context *context,
                        struct incident *incident, const struct cause *cause);

/* correlate.c: puts the incident down to what explains a ring that its root stands in. */
void correlate_explain_ring(struct incidents *incidents, const struct incident_context *context,
                            struct incident *incident);

/* correlate.c: everyone in the incident stands so much further from its root. */
void correlate_shift_hops(struct incidents *incidents, struct incident *incident, uint32_t hops);
/* correlate.c: the one that people saw first swallows the other, and is returned. */
struct incident *correlate_merge(struct incidents *incidents,
                                 const struct incident_context *context, struct incident *a,
                                 struct incident *b);

/* --- platform.c --- */
/* The node as a foreign member of a tenant's incident, which has a place for one. */
struct member *platform_create_root(struct incidents *incidents,
                                    const struct incident_context *context,
                                    struct incident *incident, uint32_t node);
/* The tenant's incident with that foreign root, open again when it was resolved; NULL: none yet. */
struct incident *platform_find_incident(struct incidents *incidents,
                                        const struct incident_context *context,
                                        uint64_t tenant_hash, uint32_t node);
/* A platform node explains the incident, that many hops above its root. Another one that stood as
 * its root leaves: it would not be there had the news come in another order. Without a place for
 * the node the incident asks again later, when some may be free. */
void platform_blame(struct incidents *incidents, const struct incident_context *context,
                    struct incident *incident, uint32_t node, uint32_t hops);
/* A tenant's incident has a platform node as its root: what does the platform say by now? The one
 * between that root and the tenant may stand in another incident since (rehome.c); who joined by it
 * goes with it. */
void platform_follow(struct incidents *incidents, const struct incident_context *context,
                     struct incident *incident);
/* Whether trouble at a platform node that is no member would explain a tenant's. */
bool platform_reaches_tenants(struct incidents *incidents, const struct incident_context *context,
                              uint32_t node, const struct outlook *outlook);

/* reach.c: of an incident of the platform, how many tenants it reaches; else nothing. */
void reach_count_tenants(struct incidents *incidents, const struct incident_context *context,
                         const struct incident *incident, struct rank *rank);
/* A tenant's incident has that platform node as its root from now on: counted again soon. */
void reach_changed(struct incidents *incidents, const struct incident_context *context,
                   uint32_t node);
/* That node is no longer the root of this incident of the platform, whyever: tenants' incidents
 * that have it as theirs look again at the next advance. */
void reach_ask_again(struct incidents *incidents, const struct incident *incident, uint32_t node);

/* well.c: whether a node in that state has said that it is well, so lately that it is no suspect.
 */
bool well_is_said(const struct outlook *outlook, const struct graph_state *state);
/* The node has said how it is: incidents that suspect it look again. Of very many dependants the
 * first stand for all. */
void suspicions_ask_again(struct incidents *incidents, const struct incident_context *context,
                          uint32_t node);

/* suspect.c: a silent upstream neighbour; node is GRAPH_NODE_NONE when there is none. */
struct suspicion {
    uint32_t node;
    uint32_t count; /* of its dependants, failing and not explained, with the one asked for */
    uint32_t total;
    uint32_t named; /* of count: their errors name the suspect */
};
/* `message` is what the node's own errors say. */
struct suspicion suspect_find(struct incidents *incidents, const struct incident_context *context,
                              const struct outlook *outlook, uint32_t node, struct slice message);
/* Adds to `gathered` the incidents of those dependants and gives their roots, as members. */
uint32_t suspect_gather(struct incidents *incidents, const struct incident_context *context,
                        const struct outlook *outlook, uint32_t suspect, uint32_t *roots_out,
                        uint32_t roots_max);
/* Names the suspect as the incident's root, with a line in the timeline when that is news. */
void suspect_set(struct incidents *incidents, const struct incident_context *context,
                 struct incident *incident, const struct suspicion *suspicion);
/* The node is a member of the incident that has just turned bad: it is silent no more. */
void suspect_heard(struct incidents *incidents, const struct incident_context *context,
                   struct incident *incident, uint32_t node);
/* Opened again by one that fails alone so far: the suspicion was of what failed together before. */
void suspect_begin_life(struct incidents *incidents, const struct incident_context *context,
                        struct incident *incident);
/* kin.c: the live incident, first seen first, with a bad member in the window that names one of the
 * resources; NULL when there is none. */
struct incident *kin_find(struct incidents *incidents, const struct outlook *outlook,
                          const struct resources *resources, const struct incident *exclude);
/* Whether a bad member may be why that which looks, so many hops below it, fails. */
bool cause_is_bad_above(struct incidents *incidents, const struct incident_context *context,
                        const struct outlook *outlook, const struct member *member, uint32_t hops);
/* The best cause upstream of `node` outside `exclude`; cause_gather_explained has run before, so
 * that a cause below is known as a cycle. */
struct cause cause_find(struct incidents *incidents, const struct incident_context *context,
                        const struct outlook *outlook, uint32_t node,
                        const struct incident *exclude);
