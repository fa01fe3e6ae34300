/*
 * graph_cycles.c - which of some nodes stand in a cycle of dependencies: strongly connected
 * components by Tarjan's algorithm, without recursion.
 *
 * A cycle is legal: services call one another. It is reported because in it each is upstream of
 * each, so that only time tells cause from effect.
 *
 * The edges among the nodes are copied first, a node's at a time: the path that is followed may be
 * as long as there are nodes, and the writer's fold would wait for all of it.
 */
#include "core/base/assert.h"
#include "graph/graph_walk.h"

/* One node on the path that is being followed. */
struct step {
    uint32_t at;   /* place among the given nodes */
    uint32_t next; /* edge */
};

struct tarjan {
    const struct graph *graph;
    const uint32_t *nodes;
    uint32_t count;
    uint32_t *places; /* of a node among the given ones, + 1; 0: not given */
    uint32_t places_count;
    uint32_t *edges; /* places: those of place n are edges[begins[n] .. begins[n + 1]) */
    uint32_t edges_max;
    uint32_t *begins;
    uint32_t *order; /* + 1; 0: not reached yet */
    uint32_t *low;
    bool *is_open; /* on `open` */
    uint32_t *open;
    uint32_t open_count;
    struct step *path;
    uint32_t depth;
    uint32_t reached;
    uint32_t *cycles;
    uint32_t cycles_count;
};

static struct status tarjan_init(struct tarjan *tarjan, struct arena *arena) {
    size_t count = (size_t)tarjan->count + 1;
    tarjan->places = ARENA_ARRAY(arena, uint32_t, tarjan->places_count);
    tarjan->order = ARENA_ARRAY(arena, uint32_t, count);
    tarjan->low = ARENA_ARRAY(arena, uint32_t, count);
    tarjan->is_open = ARENA_ARRAY(arena, bool, count);
    tarjan->open = ARENA_ARRAY(arena, uint32_t, count);
    tarjan->path = ARENA_ARRAY(arena, struct step, count);
    tarjan->begins = ARENA_ARRAY(arena, uint32_t, count);
    tarjan->edges = arena_allocate_unset(arena, (size_t)tarjan->edges_max * sizeof(uint32_t),
                                         _Alignof(uint32_t));
    if (tarjan->places == NULL || tarjan->order == NULL || tarjan->low == NULL ||
        tarjan->is_open == NULL || tarjan->open == NULL || tarjan->path == NULL ||
        tarjan->begins == NULL || tarjan->edges == NULL) {
        return status_of(STATUS_FULL);
    }
    for (uint32_t i = 0; i < tarjan->count; i++) {
        ASSERT(tarjan->nodes[i] < tarjan->places_count);
        tarjan->places[tarjan->nodes[i]] = i + 1;
    }
    return status_ok();
}

/* Copies the node's edges to others that are given; gives how many there are by then. */
static uint32_t copy_edges(struct tarjan *tarjan, uint32_t at, uint32_t count) {
    graph_reader_begin();
    const struct graph_snapshot *snapshot = graph_snapshot_of(tarjan->graph);
    struct edge_walk walk = walk_edges(tarjan->graph, snapshot, tarjan->nodes[at], GRAPH_UPSTREAM,
                                       has_newer_edges(tarjan->graph, snapshot));
    for (uint32_t node = walk_next(&walk); node != NONE && count < tarjan->edges_max;
         node = walk_next(&walk)) {
        uint32_t place = node < tarjan->places_count ? tarjan->places[node] : 0;
        if (place > 0) {
            tarjan->edges[count++] = place - 1;
        }
    }
    graph_reader_end();
    return count;
}

static void enter(struct tarjan *tarjan, uint32_t at) {
    tarjan->order[at] = ++tarjan->reached;
    tarjan->low[at] = tarjan->reached;
    tarjan->open[tarjan->open_count++] = at;
    tarjan->is_open[at] = true;
    tarjan->path[tarjan->depth++] = (struct step){at, tarjan->begins[at]};
}

static uint32_t least(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* All that is open above `at` is one component; alone it is no cycle. */
static void close_component(struct tarjan *tarjan, uint32_t at) {
    bool is_alone = tarjan->open[tarjan->open_count - 1] == at;
    tarjan->cycles_count += is_alone ? 0 : 1;
    uint32_t member = 0;
    do {
        member = tarjan->open[--tarjan->open_count];
        tarjan->is_open[member] = false;
        tarjan->cycles[member] = is_alone ? 0 : tarjan->cycles_count;
    } while (member != at);
}

static void leave(struct tarjan *tarjan) {
    uint32_t at = tarjan->path[--tarjan->depth].at;
    if (tarjan->low[at] == tarjan->order[at]) {
        close_component(tarjan, at);
    }
    if (tarjan->depth > 0) {
        uint32_t above = tarjan->path[tarjan->depth - 1].at;
        tarjan->low[above] = least(tarjan->low[above], tarjan->low[at]);
    }
}

static void follow(struct tarjan *tarjan, uint32_t start) {
    enter(tarjan, start);
    while (tarjan->depth > 0) {
        struct step *step = &tarjan->path[tarjan->depth - 1];
        if (step->next == tarjan->begins[step->at + 1]) {
            leave(tarjan);
            continue;
        }
        uint32_t place = tarjan->edges[step->next++];
        if (tarjan->order[place] == 0) {
            enter(tarjan, place);
        } else if (tarjan->is_open[place]) {
            tarjan->low[step->at] = least(tarjan->low[step->at], tarjan->order[place]);
        }
    }
}

struct status graph_find_cycles(const struct graph *graph, const uint32_t *nodes, uint32_t count,
                                struct arena *arena, uint32_t *cycles_out,
                                uint32_t *cycles_count_out) {
    struct tarjan tarjan = {
        .graph = graph,
        .nodes = nodes,
        .count = count,
        .places_count = graph_numbers_end(graph),
        /* Those that come meanwhile may be missed. */
        .edges_max = atomic_load_explicit(&graph->edges_count, memory_order_acquire),
        .cycles = cycles_out,
    };
    TRY(tarjan_init(&tarjan, arena));
    for (uint32_t i = 0; i < count; i++) {
        tarjan.begins[i + 1] = copy_edges(&tarjan, i, tarjan.begins[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (tarjan.order[i] == 0) {
            follow(&tarjan, i);
        }
    }
    ASSERT(tarjan.reached == count && tarjan.open_count == 0);
    *cycles_count_out = tarjan.cycles_count;
    return status_ok();
}
