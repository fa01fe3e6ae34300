/*
 * graph_internal.h - the graph's memory. Only graph*.c include it.
 *
 * Edges are records in one append-only array; an edge's number changes only when all numbers have
 * been given out and the removed ones are taken back (graph_compact.c). Each node heads two
 * chains through the edges (out: what it depends on; in: what depends on it), newest first. A fold
 * writes all edges into compressed rows (CSR) of neighbours' numbers, each row in their order and
 * with some room behind it. A newer edge goes into the room of its two rows, where readers pass
 * anyway: a chain of their own for each costs them more than all else that changes. When a row is
 * full, a bit of its node sends readers into the chain, down to the first edge that the fold
 * already has. So readers see an edge as soon as it is in the row or the bit is set, and nothing is
 * ever unlinked: a removed edge has origin 0 and its place in both rows (graph_places.c) carries
 * ROW_DEAD.
 *
 * A fold goes on in steps between the writer's batches (graph_fold.c), so that no batch waits for a
 * graph of ten million edges. What a search touches stands apart from what it does not: rows,
 * heads, owners and its own marks; names, keys and states are for those who ask for a node.
 */
#pragma once

#include <stdatomic.h>

#include "core/base/table.h"
#include "graph/graph.h"

#define NONE UINT32_MAX
#define OWNER_ANY UINT32_MAX
/* Of an item in a row: the edge is removed. Numbers of nodes are below 2^30. */
#define ROW_DEAD (UINT32_C(1) << 31)
#define ROW_NODE ((UINT32_C(1) << 30) - 1)
#define ROW_EMPTY (ROW_DEAD | UINT32_C(1) << 30)
/* A search looks at so many items from the beginning of a row on, though it ends before. */
#define ITEMS_AHEAD 12u
/* A row has room for one newer edge, and for one more in so many that it has. */
#define ROW_ROOM_PARTS 8u

struct graph_edge {
    /* Written again only when no chain leads here; atomic for who asks for an origin. */
    _Atomic uint32_t from;
    _Atomic uint32_t to;
    _Atomic uint32_t next_out; /* older edge from the same node */
    _Atomic uint32_t next_in;  /* older edge to the same node */
    _Atomic uint32_t origin;   /* enum graph_origin; 0: removed */
    uint32_t dirty_next;       /* NONE - 1: not in the list */
    _Atomic uint64_t last_seen_ns;
};

struct graph_record {
    struct slice entity;
    struct hash128 key;
    _Atomic uint64_t state;
    uint32_t dirty_next;
    uint32_t run; /* of the first node of a run of numbers: how long it is; else 0 */
};

/* A tenant. */
struct graph_owner {
    struct slice name;
    _Atomic uint32_t nodes;
    uint32_t next; /* number that its next node gets, unless that is: */
    uint32_t end;
};

/* The newest edges of a node. */
struct graph_heads {
    _Atomic uint32_t out;
    _Atomic uint32_t in;
};

/* One direction of a snapshot: row of node n is items[offsets[n] .. offsets[n + 1]). */
struct graph_rows {
    uint32_t *offsets;
    _Atomic uint32_t *items;  /* neighbours in order, then newer ones; ROW_DEAD where removed */
    _Atomic uint64_t *spills; /* a bit a node: its chain has edges that are not in the row */
};

struct graph_snapshot {
    uint32_t nodes;         /* rows there are, empty ones among them */
    _Atomic uint32_t edges; /* edges with a smaller number are in the rows */
    struct graph_rows out;
    struct graph_rows in;
};

/* What a fold does next; each phase goes through all edges, or all nodes. */
enum fold_phase {
    FOLD_IDLE,
    FOLD_CLEAR,       /* nodes: lengths of the fold before last */
    FOLD_COUNT,       /* edges: how long each row is */
    FOLD_SUM,         /* nodes: where each row begins */
    FOLD_PLACE_IN,    /* edges: into the in-rows, in any order */
    FOLD_RESET_IN,    /* nodes: placing has moved each row's beginning to its end */
    FOLD_PLACE_OUT,   /* nodes: in-rows in order of nodes give out-rows in order */
    FOLD_RESET_OUT,   /* nodes */
    FOLD_SORT_IN,     /* nodes: and those give in-rows in order */
    FOLD_RESET_AGAIN, /* nodes */
    FOLD_FLAG,        /* edges: which are removed */
    FOLD_NEWER,       /* edges that came meanwhile */
};

struct graph_fold {
    enum fold_phase phase;
    uint32_t at;         /* the next edge or node of the phase */
    uint32_t edges_seen; /* edges there were at the last step */
    uint32_t row;        /* where the next row begins, while beginnings are found again */
    uint32_t published;  /* folds */
};

struct graph {
    struct graph_options options;
    struct graph_record *nodes;
    struct graph_heads *heads; /* of each node */
    /* An edge leads from one tenant into another that is not platform: never in an engine. */
    atomic_bool crosses;
    _Atomic uint16_t *node_owners; /* of each number: the owner's + 1; 0: there is no node */
    _Atomic uint32_t nodes_count;
    _Atomic uint32_t numbers_end; /* of nodes that are there */
    uint32_t numbers_max;
    uint32_t runs_end; /* of numbers that a tenant has */
    struct graph_edge *edges;
    _Atomic uint32_t edges_count;
    uint32_t edges_live;
    uint32_t learned_live; /* among them */
    struct graph_owner *owners;
    _Atomic uint32_t owners_count;
    uint32_t platform; /* owner number of "platform" */
    struct arena names;
    _Atomic uint32_t *edge_slots; /* number + 1, by (from, to), never removed */
    uint32_t edge_slots_mask;
    struct table owner_numbers;
    _Atomic uint32_t *key_slots; /* readers find nodes here: node + 1, by key, never removed */
    uint32_t key_slots_mask;
    struct graph_snapshot halves[2];
    struct graph_snapshot *_Atomic snapshot; /* RCU: graph_snapshot_of */
    uint32_t half;
    struct graph_fold fold;
    uint32_t dirty_node;
    uint32_t dirty_edge;
};

static inline struct slice graph_owner_name(const struct graph *graph, uint32_t owner) {
    return graph->owners[owner].name;
}

/* Of a node that is there. */
static inline uint32_t graph_owner_of(const struct graph *graph, uint32_t node) {
    return atomic_load_explicit(&graph->node_owners[node], memory_order_relaxed) - 1u;
}

static inline uint64_t graph_state_pack(struct graph_state state) {
    return ((uint64_t)state.status << 56) | ((state.since_ns / NS_PER_MS) & 0xFFFFFFFFFFFFFF);
}

static inline struct graph_state graph_state_unpack(uint64_t word) {
    return (struct graph_state){.status = (enum event_status)(word >> 56),
                                .since_ns = (word & 0xFFFFFFFFFFFFFF) * NS_PER_MS};
}

/* graph_nodes.c */
static_assert(TENANTS_MAX < UINT16_MAX, "an owner's number fits");
MUST_CHECK struct status graph_intern_owner(struct graph *graph, struct slice owner,
                                            uint32_t *owner_out);
uint32_t graph_find_owner(const struct graph *graph, struct slice owner);
struct status graph_make_node(struct graph *graph, struct slice owner, struct slice entity,
                              struct hash128 key, uint32_t *node_out);
/* The node of a row; numbers go up from one to the next. */
struct status graph_put_node(struct graph *graph, uint32_t node, uint32_t run, struct slice owner,
                             struct slice entity, struct hash128 key);

/* graph.c */
/* As graph_add_edge, also beyond learned_max: what was stored under a larger limit comes back. */
struct status graph_put_edge(struct graph *graph, uint32_t from, uint32_t to,
                             enum graph_origin origin, uint64_t now_ns, bool *is_new_out);

/* graph_fold.c: the rows in force, for a reader or the writer. */
const struct graph_snapshot *graph_snapshot_of(const struct graph *graph);

#define GRAPH_NOT_DIRTY (UINT32_MAX - 1)
/* The edge's number; NONE when it was never there. Any thread; a reader may miss an edge while the
 * numbers of removed ones are taken back. */
uint32_t graph_find_edge(const struct graph *graph, uint32_t from, uint32_t to);
/* The writer's plain access, and whoever comes by a chain. */
static inline uint32_t graph_peek(const _Atomic uint32_t *word) {
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* When the edge was seen last. Released after its ends, so that who then finds the ends that it
 * asked for has that edge's time (graph_compact.c gives its place to another). */
static inline uint64_t edge_seen_ns(const struct graph_edge *edge) {
    return atomic_load_explicit(&edge->last_seen_ns, memory_order_acquire);
}

static inline void edge_see(struct graph_edge *edge, uint64_t now_ns) {
    atomic_store_explicit(&edge->last_seen_ns, now_ns, memory_order_release);
}

static inline void graph_poke(_Atomic uint32_t *word, uint32_t value) {
    atomic_store_explicit(word, value, memory_order_relaxed);
}

/* How long the row of so many edges is, and back. */
static inline uint32_t row_length(uint32_t edges) {
    return edges + 1 + edges / ROW_ROOM_PARTS;
}

static inline uint32_t row_edges(uint32_t length) {
    return length - 1 - (length - 1) / (ROW_ROOM_PARTS + 1);
}

static inline uint32_t row_count(const struct graph_rows *rows, uint32_t node) {
    return row_edges(rows->offsets[node + 1] - rows->offsets[node]);
}

/* Puts the edge under its ends, for graph_find_edge. */
void graph_publish_edge(struct graph *graph, uint32_t number);
/* graph_fold.c: until those who read now have ended. */
void graph_wait_for_readers(void);
/* graph_compact.c: whether numbers of removed edges are free again. */
bool graph_compact(struct graph *graph);
/* graph_fold.c: the rows that are being written; what is in them already. */
struct graph_snapshot *graph_folding(struct graph *graph);
bool graph_fold_has(const struct graph *graph, uint32_t number);

/* --- graph_places.c: where readers find an edge --- */
/* Puts an edge that is newer than the rows into their room, or leaves it to the chains. */
void graph_show_edge(struct graph *graph, const struct graph_snapshot *rows, uint32_t number);
/* Says in the edge's places whether it is removed. */
void graph_flag_edge_in(struct graph *graph, const struct graph_snapshot *rows, uint32_t number,
                        bool is_dead);
/* Ahead of the others, whose memory is rarely near: brings where the rows of both ends begin. */
void graph_prefetch_places(const struct graph *graph, uint32_t from, uint32_t to);
/* The edge was removed or has come back. */
void graph_flag_edge(struct graph *graph, uint32_t number, bool is_dead);
