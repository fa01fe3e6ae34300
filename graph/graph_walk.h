/*
 * graph_walk.h - a node's live edges, one after another: its row in the snapshot, then its chain of
 * newer edges. Inline, because searches live in it. Only graph*.c include it.
 */
#pragma once

#include "graph/graph_internal.h"

/* Walks a node's live edges: its row, then the chain of newer ones. */
struct edge_walk {
    const struct graph *graph;
    const struct graph_snapshot *snapshot;
    bool is_up;
    uint32_t at;
    uint32_t end;
    uint32_t chain;
};

static inline struct edge_walk walk_edges(const struct graph *graph,
                                          const struct graph_snapshot *snapshot, uint32_t node,
                                          enum graph_direction direction) {
    bool is_up = direction == GRAPH_UPSTREAM;
    const struct graph_record *record = &graph->nodes[node];
    struct edge_walk walk = {.graph = graph, .snapshot = snapshot, .is_up = is_up};
    walk.chain =
        atomic_load_explicit(is_up ? &record->head_out : &record->head_in, memory_order_acquire);
    if (node < snapshot->nodes) {
        const struct graph_rows *rows = is_up ? &snapshot->out : &snapshot->in;
        walk.at = rows->offsets[node];
        walk.end = rows->offsets[node + 1];
    }
    return walk;
}

/* The next edge's other end; NONE at the end. Removed edges are passed over. */
static inline uint32_t walk_next(struct edge_walk *walk, enum graph_origin *origin_out) {
    for (;;) {
        uint32_t number = NONE;
        if (walk->chain != NONE && walk->chain >= walk->snapshot->edges) {
            number = walk->chain;
            const struct graph_edge *link = &walk->graph->edges[number];
            walk->chain = walk->is_up ? link->next_out : link->next_in;
        } else if (walk->at < walk->end) {
            const struct graph_rows *rows =
                walk->is_up ? &walk->snapshot->out : &walk->snapshot->in;
            number = rows->items[walk->at++];
        } else {
            return NONE;
        }
        const struct graph_edge *edge = &walk->graph->edges[number];
        uint32_t origin = atomic_load_explicit(&edge->origin, memory_order_acquire);
        if (origin != 0) {
            *origin_out = (enum graph_origin)origin;
            return walk->is_up ? edge->to : edge->from;
        }
    }
}
