/*
 * graph.h - who depends on whom: one writer (the shard), any number of readers without a lock.
 *
 * An edge goes from the dependant to what it depends on ("upstream"). Immutable CSR snapshots in
 * both directions behind an atomic pointer, an append-only overlay of newer edges that readers see
 * at once, folded into the next snapshot by the writer, old snapshots reclaimed after an RCU grace
 * period (liburcu, memb flavour). Nodes are never removed. Their numbers are kept in rows, so they
 * are stable over restarts; the nodes of a tenant lie in runs of numbers (graph_nodes.c), so that
 * there are numbers without a node.
 *
 * A node belongs to one tenant (`owner`); only nodes of the tenant "platform" are reachable from
 * others. Searches never cross into a third tenant: from tenant T only nodes of T and of platform
 * are visited (downstream from a platform node: all tenants, each result says whose it is).
 *
 * Rows: NODE: number -> owner tenant text, entity text, key, state word, and u32 length when it
 * begins a run of numbers. EDGE: from, to -> origin
 * u8, last_seen u64. Memory: fixed at init from the arena (both snapshot halves). Thread: as each
 * function says.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "schemas/effect.h"
#include "schemas/event.h"

struct graph;

#define GRAPH_NODE_NONE UINT32_MAX

/* Declared beats learned. */
enum graph_origin { GRAPH_ORIGIN_LEARNED = 1, GRAPH_ORIGIN_EVENT = 2, GRAPH_ORIGIN_CONFIG = 3 };

struct graph_options {
    uint32_t nodes_max;
    uint32_t edges_max;
    uint32_t learned_max; /* learned edges among them; 0: as many */
    uint32_t fold_step;   /* edges or nodes that one graph_fold handles; 0: as many as is good */
};

/* One atomic 64-bit word a node: readers see a whole state. */
struct graph_state {
    enum event_status status; /* BAD while the entity is bad; GOOD: it said so; else NONE */
    uint64_t since_ns;        /* when it turned bad, or said that it is well; 1 ms */
};

struct graph_node {
    struct slice owner;  /* tenant */
    struct slice entity; /* "job:load_orders", without "platform/" */
    struct hash128 key;
    struct graph_state state;
};

/* --- Writer --- */
MUST_CHECK struct status graph_init(struct graph **graph_out, const struct graph_options *options,
                                    struct arena *arena);
/* Ends RCU use; memory is the arena's. */
void graph_deinit(struct graph *graph);
/* The node of the key, made when new. FULL: there are nodes_max, or TENANTS_MAX owners. */
MUST_CHECK struct status graph_intern_node(struct graph *graph, struct slice owner,
                                           struct slice entity, struct hash128 key,
                                           uint32_t *node_out);
/* Adds or refreshes; a stronger origin replaces a weaker one. FULL at edges_max, or for a new
 * learned edge at learned_max. A self-edge is
 * INVALID. is_new_out (may be NULL) tells whether the edge was not there before. */
MUST_CHECK struct status graph_add_edge(struct graph *graph, uint32_t from, uint32_t to,
                                        enum graph_origin origin, uint64_t now_ns,
                                        bool *is_new_out);
/* Removes the edges of `origin` that leave `from` and are not in `keep` (a new configuration). */
void graph_replace_edges(struct graph *graph, uint32_t from, enum graph_origin origin,
                         const uint32_t *keep, uint32_t keep_count);
/* Removes the learned edges that were not seen for the time that the tenant of their dependant
 * gives them. */
void graph_expire_learned(struct graph *graph,
                          uint64_t (*ttl_ns_of)(void *context, struct slice owner), void *context,
                          uint64_t now_ns);
/* Removes the edge if it is there and its origin is no stronger. */
void graph_remove_edge(struct graph *graph, uint32_t from, uint32_t to, enum graph_origin origin);
/* How many nodes the tenant has. */
uint32_t graph_count_owned(const struct graph *graph, struct slice owner);
uint32_t graph_learned_count(const struct graph *graph);
bool graph_has_learned_room(const struct graph *graph);
void graph_set_state(struct graph *graph, uint32_t node, struct graph_state state);
/* Folds the overlay when it has grown enough, a bounded step a call; call between batches. */
void graph_fold(struct graph *graph);
/* The whole of it at once: after a restart. */
void graph_fold_now(struct graph *graph);
/* How many folds have been published. */
uint32_t graph_folds_count(const struct graph *graph);
/* Emits rows changed since the last call as far as effects has room; true when all are out. */
bool graph_emit(struct graph *graph, struct effects *effects);
MUST_CHECK struct status graph_restore_node(struct graph *graph, struct slice key,
                                            struct slice value);
MUST_CHECK struct status graph_restore_edge(struct graph *graph, struct slice key,
                                            struct slice value);
struct hash128 graph_digest(const struct graph *graph);

/* --- Any thread, between graph_reader_begin and _end (the writer may also call without) --- */
/* Once per thread that reads. */
void graph_reader_register(void);
void graph_reader_unregister(void);
void graph_reader_begin(void);
void graph_reader_end(void);

/* GRAPH_NODE_NONE when there is none. */
uint32_t graph_find_node(const struct graph *graph, struct hash128 key);
/* Ahead of graph_find_node, whose memory is rarely near: brings the key's slot; a little later,
 * when that has come, the node that it names. */
void graph_prefetch_slot(const struct graph *graph, struct hash128 key);
void graph_prefetch_node(const struct graph *graph, struct hash128 key);
/* Names live as long as the graph. */
struct graph_node graph_get_node(const struct graph *graph, uint32_t node);
struct graph_state graph_get_state(const struct graph *graph, uint32_t node);
uint32_t graph_nodes_count(const struct graph *graph);
/* One more than the highest number of a node; which of the numbers below are nodes. */
uint32_t graph_numbers_end(const struct graph *graph);
bool graph_has_node(const struct graph *graph, uint32_t number);
/* No number is as high. */
uint32_t graph_numbers_max(const struct graph_options *options);
uint32_t graph_edges_count(const struct graph *graph);
/* As many as there may be. */
uint32_t graph_nodes_max(const struct graph *graph);
uint32_t graph_edges_max(const struct graph *graph);

enum graph_direction { GRAPH_UPSTREAM, GRAPH_DOWNSTREAM };

struct graph_visit {
    uint32_t node;
    uint32_t hops; /* shortest, 1.. */
    uint32_t from; /* the neighbour by which it was reached: a shortest path back to the start */
};

/* Memory for one search: caller's, one a thread. Marks are cleared by generation, not by size. */
struct graph_search;
MUST_CHECK struct status graph_search_init(struct graph_search **search_out,
                                           const struct graph_options *options, uint32_t visits_max,
                                           struct arena *arena);
/* Breadth first from `start` (not part of the result), at most hops_max hops and visits_max nodes
 * (then truncated_out is set; may be NULL). The result is the search's until its next use, in order
 * of hops. `viewer` is the tenant whose nodes may be seen besides platform's; empty: all tenants.
 */
const struct graph_visit *graph_search_run(struct graph_search *search, const struct graph *graph,
                                           uint32_t start, enum graph_direction direction,
                                           uint32_t hops_max, struct slice viewer,
                                           uint32_t *count_out, bool *truncated_out);
/* How many nodes all searches together have visited, their starts too: what they cost. */
uint64_t graph_search_visited(const struct graph_search *search);
/* How many tenants, platform not counted, own one of the visited nodes. */
uint32_t graph_count_tenants(const struct graph *graph, const struct graph_visit *visits,
                             uint32_t count);
/* Direct neighbours with what an edge remembers, for showing edges: up to `max`, returns how many
 * there are, max + 1 when there are more. An edge that goes meanwhile may be given as learned, with
 * no time. */
struct graph_neighbour {
    uint32_t node;
    enum graph_origin origin;
    uint64_t last_seen_ns; /* to ten minutes, a learned one to a second; 0: not known */
};
uint32_t graph_neighbours(const struct graph *graph, uint32_t node, enum graph_direction direction,
                          struct graph_neighbour *neighbours_out, uint32_t max);
/* Which of the given nodes (no repeats) stand in a cycle among them: cycles_out[i] is the number of
 * the i-th one's cycle from 1, or 0. FULL: the arena, which it uses for scratch, is. Not between
 * graph_reader_begin and _end: it begins and ends by itself, so that the writer waits for no more
 * than a node's edges. */
MUST_CHECK struct status graph_find_cycles(const struct graph *graph, const uint32_t *nodes,
                                           uint32_t count, struct arena *arena,
                                           uint32_t *cycles_out, uint32_t *cycles_count_out);
