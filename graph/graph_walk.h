/*
 * graph_walk.h - a node's live edges, one after another: its row in the snapshot, then its chain of
 * newer edges. Inline, because searches live in it. Only graph*.c include it.
 */
#pragma once

#include "graph/graph_internal.h"

struct edge_walk {
    const struct graph *graph;
    bool is_up;
    uint32_t folded; /* edges with a smaller number are in the rows */
    const _Atomic uint32_t *at;
    const _Atomic uint32_t *end;
    const _Atomic uint32_t *begin;
    uint32_t chain;
};

/* Whether there are edges that the snapshot has not. */
static inline bool has_newer_edges(const struct graph *graph,
                                   const struct graph_snapshot *snapshot) {
    return atomic_load_explicit(&graph->edges_count, memory_order_acquire) > snapshot->edges;
}

static inline const struct graph_rows *rows_of(const struct graph_snapshot *snapshot,
                                               enum graph_direction direction) {
    return direction == GRAPH_UPSTREAM ? &snapshot->out : &snapshot->in;
}

static inline bool row_spills(const struct graph_rows *rows, uint32_t node) {
    uint64_t word = atomic_load_explicit(&rows->spills[node / 64], memory_order_acquire);
    return (word >> node % 64 & 1) != 0;
}

static inline struct edge_walk walk_edges(const struct graph *graph,
                                          const struct graph_snapshot *snapshot, uint32_t node,
                                          enum graph_direction direction, bool has_newer) {
    bool is_up = direction == GRAPH_UPSTREAM;
    struct edge_walk walk = {
        .graph = graph, .is_up = is_up, .folded = snapshot->edges, .chain = NONE};
    const struct graph_rows *rows = rows_of(snapshot, direction);
    if (has_newer && row_spills(rows, node)) {
        const struct graph_heads *heads = &graph->heads[node];
        walk.chain = atomic_load_explicit(is_up ? &heads->out : &heads->in, memory_order_acquire);
    }
    if (node < snapshot->nodes) {
        walk.at = rows->items + rows->offsets[node];
        walk.end = rows->items + rows->offsets[node + 1];
        walk.begin = walk.at;
    }
    return walk;
}

/* How many of the row's items are edges that were folded: none of them is empty. */
static inline uint32_t walk_folded(const struct edge_walk *walk) {
    return walk->at == walk->end ? 0 : row_edges((uint32_t)(walk->end - walk->at));
}

/* The next item of the row, dead or not; NONE at the end of it. */
static inline uint32_t walk_row(struct edge_walk *walk) {
    if (walk->at == walk->end) {
        return NONE;
    }
    uint32_t item = atomic_load_explicit(walk->at++, memory_order_acquire);
    return item == ROW_EMPTY ? NONE : item;
}

/* The next live edge of the chain; NONE at its end. */
static inline uint32_t walk_chain(struct edge_walk *walk) {
    while (walk->chain != NONE && walk->chain >= walk->folded) {
        const struct graph_edge *edge = &walk->graph->edges[walk->chain];
        walk->chain = graph_peek(walk->is_up ? &edge->next_out : &edge->next_in);
        if (atomic_load_explicit(&edge->origin, memory_order_acquire) != 0) {
            return graph_peek(walk->is_up ? &edge->to : &edge->from);
        }
    }
    return NONE;
}

/* The chain has all that is newer than the fold: some of it is in the row as well. */
static inline bool walk_has_passed(const struct edge_walk *walk, uint32_t node) {
    if (walk->begin == NULL) {
        return false;
    }
    uint32_t edges = row_edges((uint32_t)(walk->end - walk->begin));
    for (const _Atomic uint32_t *at = walk->begin + edges; at < walk->end; at++) {
        if (atomic_load_explicit(at, memory_order_relaxed) == node) {
            return true;
        }
    }
    return false;
}

/* The other end of the next live edge, each once; NONE at the end. */
static inline uint32_t walk_next(struct edge_walk *walk) {
    for (uint32_t item = walk_row(walk); item != NONE; item = walk_row(walk)) {
        if ((item & ROW_DEAD) == 0) {
            return item;
        }
    }
    uint32_t node = walk_chain(walk);
    while (node != NONE && walk_has_passed(walk, node)) {
        node = walk_chain(walk);
    }
    return node;
}
