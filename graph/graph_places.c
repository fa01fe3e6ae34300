/*
 * graph_places.c - where readers find an edge: its places in the rows of both its ends.
 *
 * What was folded lies in the order of neighbours and is found by bisection; what is newer lies
 * behind it, in the room of the row, in the order in which it came. A row that is full spills over:
 * readers are sent into the chain, which has all newer edges, and there an edge's origin says
 * whether it is removed.
 */
#include "core/base/assert.h"
#include "graph/graph_internal.h"

/* An edge as it stands in the row of one end. */
struct place {
    const struct graph_rows *rows;
    uint32_t node;
    uint32_t neighbour;
    bool is_row; /* the node is not newer than the rows */
};

static void places_of(const struct graph *graph, const struct graph_snapshot *rows, uint32_t number,
                      struct place places[2]) {
    const struct graph_edge *edge = &graph->edges[number];
    uint32_t from = graph_peek(&edge->from);
    uint32_t to = graph_peek(&edge->to);
    places[0] = (struct place){&rows->out, from, to, from < rows->nodes};
    places[1] = (struct place){&rows->in, to, from, to < rows->nodes};
}

void graph_prefetch_places(const struct graph *graph, uint32_t from, uint32_t to) {
    const struct graph_snapshot *rows = graph->snapshot;
    __builtin_prefetch(&rows->out.offsets[from]);
    __builtin_prefetch(&rows->in.offsets[to]);
}

static void prefetch_rows(const struct place places[2]) {
    for (uint32_t i = 0; i < 2; i++) {
        const struct graph_rows *rows = places[i].rows;
        if (places[i].is_row) {
            __builtin_prefetch((const void *)&rows->items[rows->offsets[places[i].node]]);
        }
    }
}

static void write_item(const struct place *place, uint32_t at, bool is_dead) {
    atomic_store_explicit(&place->rows->items[at], place->neighbour | (is_dead ? ROW_DEAD : 0),
                          memory_order_release);
}

/* The first item of the room that is `wanted`, its ROW_DEAD aside; NONE: there is none. */
static uint32_t find_in_room(const struct place *place, uint32_t wanted) {
    if (!place->is_row) {
        return NONE;
    }
    const struct graph_rows *rows = place->rows;
    uint32_t end = rows->offsets[place->node + 1];
    for (uint32_t at = rows->offsets[place->node] + row_count(rows, place->node); at < end; at++) {
        if ((graph_peek(&rows->items[at]) & ~ROW_DEAD) == (wanted & ~ROW_DEAD)) {
            return at;
        }
    }
    return NONE;
}

static void show_in(const struct place *place, bool is_dead) {
    uint32_t at = find_in_room(place, ROW_EMPTY);
    if (at != NONE) {
        write_item(place, at, is_dead);
        return;
    }
    _Atomic uint64_t *word = &place->rows->spills[place->node / 64];
    uint64_t bits = atomic_load_explicit(word, memory_order_relaxed);
    atomic_store_explicit(word, bits | UINT64_C(1) << place->node % 64, memory_order_release);
}

void graph_show_edge(struct graph *graph, const struct graph_snapshot *rows, uint32_t number) {
    struct place places[2];
    bool is_dead = graph_peek(&graph->edges[number].origin) == 0;
    ASSERT(number >= graph_peek(&rows->edges));
    places_of(graph, rows, number, places);
    prefetch_rows(places);
    show_in(&places[0], is_dead);
    show_in(&places[1], is_dead);
}

static uint32_t find_folded(const struct place *place) {
    const struct graph_rows *rows = place->rows;
    uint32_t low = rows->offsets[place->node];
    uint32_t end = low + row_count(rows, place->node);
    uint32_t high = end;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((graph_peek(&rows->items[middle]) & ~ROW_DEAD) < place->neighbour) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    ASSERT(low < end && (graph_peek(&rows->items[low]) & ~ROW_DEAD) == place->neighbour);
    return low;
}

void graph_flag_edge_in(struct graph *graph, const struct graph_snapshot *rows, uint32_t number,
                        bool is_dead) {
    struct place places[2];
    bool is_folded = number < graph_peek(&rows->edges);
    places_of(graph, rows, number, places);
    prefetch_rows(places);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t at =
            is_folded ? find_folded(&places[i]) : find_in_room(&places[i], places[i].neighbour);
        if (at != NONE) {
            write_item(&places[i], at, is_dead);
        }
    }
}

void graph_flag_edge(struct graph *graph, uint32_t number, bool is_dead) {
    graph_flag_edge_in(graph, graph->snapshot, number, is_dead);
    if (graph_fold_has(graph, number)) {
        graph_flag_edge_in(graph, graph_folding(graph), number, is_dead);
    }
}
