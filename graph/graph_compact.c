/*
 * graph_compact.c - the numbers of removed edges are given to others, when all have been given out.
 *
 * A graph that changes for months would run out of edges while few are there. Searches know edges
 * by their chains alone, once all are folded into rows: so everything is folded; when no
 * reader has older rows, every chain is emptied; and after another grace period nobody but the
 * writer, and whoever asks for an edge's origin, looks at an edge by its number. Then the live ones
 * move together. Rows keep the dead items that they have, which no search follows, until the next
 * fold.
 *
 * It costs the writer some 0.1 us an edge at once, and only when at least one of COMPACT_PARTS is
 * removed: a microsecond or two a removed edge. Readers never wait; who asks for an origin
 * meanwhile may miss the edge (graph_find_edge).
 */
#include "core/base/assert.h"
#include "graph/graph_internal.h"

enum { COMPACT_PARTS = 16 };

static void empty_chains(struct graph *graph) {
    uint32_t numbers = graph_numbers_end(graph);
    for (uint32_t i = 0; i < numbers; i++) {
        atomic_store_explicit(&graph->heads[i].out, NONE, memory_order_release);
        atomic_store_explicit(&graph->heads[i].in, NONE, memory_order_release);
    }
}

/* A removed edge whose row is still to be deleted is kept until it is. */
static bool is_kept(const struct graph_edge *edge) {
    return graph_peek(&edge->origin) != 0 || edge->dirty_next != GRAPH_NOT_DIRTY;
}

static void move_edge(struct graph *graph, uint32_t from, uint32_t to) {
    const struct graph_edge *edge = &graph->edges[from];
    struct graph_edge *place = &graph->edges[to];
    graph_poke(&place->from, graph_peek(&edge->from));
    graph_poke(&place->to, graph_peek(&edge->to));
    graph_poke(&place->next_out, NONE);
    graph_poke(&place->next_in, NONE);
    edge_see(place, edge_seen_ns(edge));
    place->dirty_next = edge->dirty_next;
    atomic_store_explicit(&place->origin, graph_peek(&edge->origin), memory_order_release);
    if (place->dirty_next != GRAPH_NOT_DIRTY) {
        place->dirty_next = graph->dirty_edge;
        graph->dirty_edge = to;
    }
}

static uint32_t move_together(struct graph *graph, uint32_t edges) {
    uint32_t kept = 0;
    graph->dirty_edge = NONE;
    for (uint32_t i = 0; i < edges; i++) {
        if (is_kept(&graph->edges[i])) {
            move_edge(graph, i, kept++);
        }
    }
    return kept;
}

static void publish_again(struct graph *graph, uint32_t edges) {
    for (uint32_t i = 0; i <= graph->edge_slots_mask; i++) {
        atomic_store_explicit(&graph->edge_slots[i], 0, memory_order_relaxed);
    }
    for (uint32_t i = 0; i < edges; i++) {
        graph_publish_edge(graph, i);
    }
}

bool graph_compact(struct graph *graph) {
    uint32_t edges = atomic_load_explicit(&graph->edges_count, memory_order_relaxed);
    if (edges - graph->edges_live < edges / COMPACT_PARTS + 1) {
        return false;
    }
    graph_fold_now(graph);
    graph_wait_for_readers(); /* who has older rows needs the chains */
    empty_chains(graph);
    graph_wait_for_readers(); /* searches that walk chains are done */
    uint32_t kept = move_together(graph, edges);
    publish_again(graph, kept);
    ASSERT(kept >= graph->edges_live && kept <= edges);
    atomic_store_explicit(&graph->snapshot->edges, kept, memory_order_release);
    atomic_store_explicit(&graph->edges_count, kept, memory_order_release);
    graph->fold.edges_seen = kept;
    return kept < edges;
}
