/*
 * graph_search.c - breadth-first search over a snapshot and the newer edges, bounded in hops and
 * visits; never waits, never retries, never allocates.
 */
#include <urcu/urcu-memb.h>

#include "core/base/assert.h"
#include "graph/graph_walk.h"

struct graph_search {
    struct graph_visit *visits;
    uint32_t visits_max;
    uint32_t *marks; /* generation in which a node was seen last */
    uint32_t nodes_max;
    uint32_t generation;
};

struct status graph_search_init(struct graph_search **search_out,
                                const struct graph_options *options, uint32_t visits_max,
                                struct arena *arena) {
    struct graph_search *search = ARENA_NEW(arena, struct graph_search);
    if (search == NULL) {
        return status_of(STATUS_FULL);
    }
    *search = (struct graph_search){.visits_max = visits_max, .nodes_max = options->nodes_max};
    search->visits = ARENA_ARRAY(arena, struct graph_visit, (size_t)visits_max + 1);
    search->marks = ARENA_ARRAY(arena, uint32_t, options->nodes_max);
    if (search->visits == NULL || search->marks == NULL) {
        return status_of(STATUS_FULL);
    }
    *search_out = search;
    return status_ok();
}

static void next_generation(struct graph_search *search) {
    search->generation++;
    if (search->generation == 0) {
        memset(search->marks, 0, search->nodes_max * sizeof(uint32_t));
        search->generation = 1;
    }
}

static bool may_see(const struct graph *graph, uint32_t node, uint32_t viewer) {
    uint32_t owner = graph->nodes[node].owner;
    return viewer == OWNER_ANY || owner == viewer || owner == graph->platform;
}

/* Adds the unseen neighbours of one visited node; false when the visits are full. */
static bool expand(struct graph_search *search, struct edge_walk *walk, uint32_t from,
                   uint32_t hops, uint32_t viewer, uint32_t *count) {
    enum graph_origin origin;
    for (uint32_t node = walk_next(walk, &origin); node != NONE; node = walk_next(walk, &origin)) {
        if (search->marks[node] == search->generation || !may_see(walk->graph, node, viewer)) {
            continue;
        }
        if (*count == search->visits_max) {
            return false;
        }
        search->marks[node] = search->generation;
        search->visits[(*count)++] = (struct graph_visit){node, hops, from};
    }
    return true;
}

const struct graph_visit *graph_search_run(struct graph_search *search, const struct graph *graph,
                                           uint32_t start, enum graph_direction direction,
                                           uint32_t hops_max, struct slice viewer,
                                           uint32_t *count_out, bool *truncated_out) {
    ASSERT(start < graph_nodes_count(graph));
    uint32_t owner = viewer.size == 0 ? OWNER_ANY : graph_find_owner(graph, viewer);
    /* A tenant that has no node yet sees platform's only. */
    owner = viewer.size > 0 && owner == NONE ? graph->platform : owner;
    const struct graph_snapshot *snapshot = rcu_dereference(graph->snapshot);
    next_generation(search);
    search->marks[start] = search->generation;
    uint32_t count = 0;
    bool is_whole = true;
    struct graph_visit current = {.node = start};
    for (uint32_t next = 0; is_whole; next++) {
        if (current.hops < hops_max) {
            struct edge_walk walk = walk_edges(graph, snapshot, current.node, direction);
            is_whole = expand(search, &walk, current.node, current.hops + 1, owner, &count);
        }
        if (next == count) {
            break;
        }
        current = search->visits[next];
    }
    *count_out = count;
    if (truncated_out != NULL) {
        *truncated_out = !is_whole;
    }
    return search->visits;
}

uint32_t graph_neighbours(const struct graph *graph, uint32_t node, enum graph_direction direction,
                          struct graph_neighbour *neighbours_out, uint32_t max) {
    ASSERT(node < graph_nodes_count(graph));
    const struct graph_snapshot *snapshot = rcu_dereference(graph->snapshot);
    struct edge_walk walk = walk_edges(graph, snapshot, node, direction);
    uint32_t count = 0;
    enum graph_origin origin;
    for (uint32_t other = walk_next(&walk, &origin); other != NONE;
         other = walk_next(&walk, &origin)) {
        if (count < max) {
            neighbours_out[count] = (struct graph_neighbour){other, origin};
        }
        count++;
    }
    return count;
}
