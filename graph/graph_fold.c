/*
 * graph_fold.c - compressed rows of all edges, written into the half that no reader uses, and
 * published. Before a half is written again, a grace period passes (liburcu): the only place where
 * the writer waits, for readers whose visits are bounded.
 */
#include <urcu/urcu-memb.h>

#include "core/base/assert.h"
#include "graph/graph_internal.h"

enum { OVERLAY_EDGES_MIN = 1024 };

static uint32_t row_node(const struct graph_edge *edge, bool is_out) {
    return is_out ? edge->from : edge->to;
}

/* Counting sort of edge numbers by node. */
static void fill_rows(const struct graph *graph, struct graph_rows *rows, uint32_t nodes,
                      uint32_t edges, bool is_out) {
    memset(rows->offsets, 0, ((size_t)nodes + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < edges; i++) {
        rows->offsets[row_node(&graph->edges[i], is_out) + 1]++;
    }
    for (uint32_t i = 0; i < nodes; i++) {
        rows->offsets[i + 1] += rows->offsets[i];
    }
    /* Placing moves each offset to its row's end; moving all down by one restores them. */
    for (uint32_t i = 0; i < edges; i++) {
        uint32_t node = row_node(&graph->edges[i], is_out);
        rows->items[rows->offsets[node]++] = i;
    }
    for (uint32_t i = nodes; i > 0; i--) {
        rows->offsets[i] = rows->offsets[i - 1];
    }
    rows->offsets[0] = 0;
    ASSERT(rows->offsets[nodes] == edges);
}

void graph_fold(struct graph *graph) {
    uint32_t edges = atomic_load_explicit(&graph->edges_count, memory_order_relaxed);
    uint32_t folded = graph->snapshot->edges;
    ASSERT(folded <= edges);
    if (edges - folded < OVERLAY_EDGES_MIN || edges - folded < folded / 4) {
        return;
    }
    uint32_t nodes = graph_nodes_count(graph);
    uint32_t half = graph->half ^ 1;
    struct graph_snapshot *next = &graph->halves[half];
    urcu_memb_synchronize_rcu(); /* readers of that half's last life are done */
    fill_rows(graph, &next->out, nodes, edges, true);
    fill_rows(graph, &next->in, nodes, edges, false);
    next->nodes = nodes;
    next->edges = edges;
    rcu_set_pointer(&graph->snapshot, next);
    graph->half = half;
}

void graph_reader_register(void) {
    urcu_memb_register_thread();
}

void graph_reader_unregister(void) {
    urcu_memb_unregister_thread();
}

void graph_reader_begin(void) {
    urcu_memb_read_lock();
}

void graph_reader_end(void) {
    urcu_memb_read_unlock();
}
