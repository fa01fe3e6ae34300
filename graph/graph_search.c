/*
 * graph_search.c - breadth-first search over a snapshot and the newer edges, bounded in hops and
 * visits; never waits, never retries, never allocates.
 */
#include "core/base/assert.h"
#include "graph/graph_walk.h"

/* How far memory is asked for in advance: visits. */
enum { ROWS_AHEAD = 4, EDGES_AHEAD = 2 };
/* Marks and rows of so few numbers lie in the near caches: asking for them costs more than it
 * brings. Fewer of one tenant of many, whose turn others' searches came before. */
enum { NUMBERS_NEAR_MAX = 32768, NUMBERS_NEAR_OF_TENANT_MAX = 8192 };

struct graph_search {
    struct graph_visit *visits;
    uint32_t visits_max;
    uint32_t *marks; /* generation in which a node was seen last */
    uint32_t numbers_max;
    uint32_t generation;
    uint64_t visited; /* in all searches */
};

struct status graph_search_init(struct graph_search **search_out,
                                const struct graph_options *options, uint32_t visits_max,
                                struct arena *arena) {
    struct graph_search *search = ARENA_NEW(arena, struct graph_search);
    if (search == NULL) {
        return status_of(STATUS_FULL);
    }
    *search =
        (struct graph_search){.visits_max = visits_max, .numbers_max = graph_numbers_max(options)};
    search->visits = ARENA_ARRAY(arena, struct graph_visit, (size_t)visits_max + 1);
    search->marks = ARENA_ARRAY(arena, uint32_t, search->numbers_max);
    if (search->visits == NULL || search->marks == NULL) {
        return status_of(STATUS_FULL);
    }
    arena_advise_dense(search->marks, search->numbers_max * sizeof(uint32_t));
    arena_advise_dense(search->visits, ((size_t)visits_max + 1) * sizeof(struct graph_visit));
    *search_out = search;
    return status_ok();
}

static void next_generation(struct graph_search *search) {
    search->generation++;
    if (search->generation == 0) {
        memset(search->marks, 0, search->numbers_max * sizeof(uint32_t));
        search->generation = 1;
    }
}

/* Whose nodes a search sees. Where no edge crosses between tenants, only a dependant of a platform
 * node can be another tenant's: then the others are not asked whose they are. */
struct sight {
    uint32_t viewer;
    uint32_t platform;
    bool asks_all;
    bool asks_below_platform;
};

static bool may_see(const struct graph *graph, uint32_t node, struct sight sight) {
    uint32_t owner = graph_owner_of(graph, node);
    return sight.viewer == OWNER_ANY || owner == sight.viewer || owner == sight.platform;
}

/* One search on its way. */
struct searching {
    struct graph_search *search;
    const struct graph *graph;
    const struct graph_snapshot *snapshot;
    const struct graph_rows *rows;
    struct sight sight;
    uint32_t hops_max;
    bool has_newer; /* edges than the rows */
    bool is_near;
    uint32_t count;
};

/* Whether the owners of a node's neighbours must be looked at. */
static inline bool asks_of(const struct searching *searching, uint32_t from) {
    const struct sight *sight = &searching->sight;
    return sight->asks_all || (sight->asks_below_platform &&
                               graph_owner_of(searching->graph, from) == sight->platform);
}

/* Notes the node when it is new; false: the visits are full. The count is a caller's local. */
static inline bool visit(const struct searching *searching, uint32_t node, uint32_t from,
                         uint32_t hops, bool asks, uint32_t *count) {
    struct graph_search *search = searching->search;
    if (search->marks[node] == search->generation ||
        (asks && !may_see(searching->graph, node, searching->sight))) {
        return true;
    }
    if (*count == search->visits_max) {
        return false;
    }
    search->marks[node] = search->generation;
    search->visits[(*count)++] = (struct graph_visit){node, hops, from};
    return true;
}

/* The other end of an item. What is dead reads as `from`, which has been seen: without a branch, as
 * no one can foresee which are. */
static inline uint32_t item_node(uint32_t item, uint32_t from) {
    uint32_t dead = UINT32_C(0) - (item >> 31);
    return (item & ~dead) | (from & dead);
}

/* Notes those of a row's folded items that are new, for which there is room: with a branch an item,
 * so that what comes next is worked on while a mark is waited for; near marks are not waited for,
 * and there a wrong guess costs more than a note that the next one takes the place of. */
static inline __attribute__((always_inline)) uint32_t
visit_folded(const struct graph_search *search, const _Atomic uint32_t *items, uint32_t folded,
             uint32_t from, uint32_t hops, uint32_t count, bool is_near) {
    struct graph_visit *visits = search->visits;
    uint32_t *marks = search->marks;
    uint32_t generation = search->generation;
    for (const _Atomic uint32_t *end = items + folded; items < end; items++) {
        uint32_t node = item_node(atomic_load_explicit(items, memory_order_acquire), from);
        if (is_near) {
            bool is_new = marks[node] != generation;
            marks[node] = generation;
            visits[count] = (struct graph_visit){node, hops, from};
            count += is_new;
        } else if (marks[node] != generation) {
            marks[node] = generation;
            visits[count++] = (struct graph_visit){node, hops, from};
        }
    }
    return count;
}

/* Adds the unseen neighbours of one visited node; false when the visits are full. */
static bool expand(struct searching *searching, struct edge_walk *walk, uint32_t from,
                   uint32_t hops) {
    bool asks = asks_of(searching, from);
    uint32_t count = searching->count;
    uint32_t folded = walk_folded(walk);
    bool is_whole = true;
    if (!asks && folded <= searching->search->visits_max - count) {
        count = visit_folded(searching->search, walk->at, folded, from, hops, count, false);
        walk->at = searching->has_newer ? walk->at + folded : walk->end;
    }
    for (uint32_t item = walk_row(walk); item != NONE && is_whole; item = walk_row(walk)) {
        is_whole = visit(searching, item_node(item, from), from, hops, asks, &count);
    }
    uint32_t node = is_whole ? walk_chain(walk) : NONE;
    for (; node != NONE && is_whole; node = walk_chain(walk)) {
        is_whole = visit(searching, node, from, hops, asks, &count);
    }
    searching->count = count;
    return is_whole;
}

/* Asks for what spilled over from the rows of the visits after the next, the nearer the more. */
static void look_ahead_spilled(const struct searching *searching, bool is_up, uint32_t next) {
    const struct graph_visit *visits = searching->search->visits;
    const struct graph_rows *rows = searching->rows;
    const struct graph *graph = searching->graph;
    if (next + ROWS_AHEAD < searching->count) {
        uint32_t node = visits[next + ROWS_AHEAD].node;
        if (row_spills(rows, node)) {
            __builtin_prefetch((const void *)&graph->heads[node]);
        }
    }
    if (next + EDGES_AHEAD < searching->count) {
        uint32_t node = visits[next + EDGES_AHEAD].node;
        if (row_spills(rows, node)) {
            const struct graph_heads *heads = &graph->heads[node];
            uint32_t newest = graph_peek(is_up ? &heads->out : &heads->in);
            __builtin_prefetch(newest == NONE ? NULL : &graph->edges[newest]);
        }
    }
}

/* Asks for the rows of the next visits, and for the marks of what is in the very next. */
static inline void look_ahead(const struct searching *searching, uint32_t next, uint32_t count) {
    const struct graph_search *search = searching->search;
    const struct graph_rows *rows = searching->rows;
    uint32_t nodes = searching->snapshot->nodes;
    if (next + 2 * ROWS_AHEAD < count) {
        __builtin_prefetch(&rows->offsets[search->visits[next + 2 * ROWS_AHEAD].node]);
    }
    if (next + ROWS_AHEAD < count) {
        uint32_t node = search->visits[next + ROWS_AHEAD].node;
        if (node < nodes) {
            __builtin_prefetch((const void *)&rows->items[rows->offsets[node]]);
        }
    }
    uint32_t soon = next < count ? search->visits[next].node : NONE;
    if (soon >= nodes) {
        return;
    }
    /* As many of each row, wherever it ends: nobody could foresee that. */
    const _Atomic uint32_t *items = rows->items + rows->offsets[soon];
    for (uint32_t i = 0; i < ITEMS_AHEAD; i++) {
        __builtin_prefetch(&search->marks[graph_peek(&items[i]) & ROW_NODE]);
    }
}

/* Notes those of a row's newer items that are new, up to the first empty one. */
static inline uint32_t visit_room(const struct graph_search *search, const _Atomic uint32_t *items,
                                  uint32_t room, uint32_t from, uint32_t hops, uint32_t count) {
    for (uint32_t i = 0; i < room; i++) {
        uint32_t item = atomic_load_explicit(&items[i], memory_order_acquire);
        if (item == ROW_EMPTY) {
            break;
        }
        count = visit_folded(search, &items[i], 1, from, hops, count, false);
    }
    return count;
}

/* Expands visits from `next` on as long as the row has all there is to see and the visits have room
 * for it: nearly all of a search, so it is built once for each kind, and looks at nothing twice.
 * Gives the first visit that is left to expand. */
static inline __attribute__((always_inline)) uint32_t
expand_rows(struct searching *searching, uint32_t next, bool has_newer, bool is_near) {
    const struct searching fixed = *searching;
    const struct graph_rows rows = *fixed.rows;
    const struct graph_visit *visits = fixed.search->visits;
    uint32_t visits_max = fixed.search->visits_max;
    uint32_t nodes = fixed.snapshot->nodes;
    uint32_t count = fixed.count;
    for (; next < count; next++) {
        uint32_t from = visits[next].node;
        uint32_t hops = visits[next].hops + 1;
        if (hops > fixed.hops_max || from >= nodes || asks_of(&fixed, from) ||
            (has_newer && row_spills(&rows, from))) {
            break;
        }
        if (!is_near) {
            look_ahead(&fixed, next + 1, count);
        }
        const _Atomic uint32_t *row = rows.items + rows.offsets[from];
        uint32_t length = rows.offsets[from + 1] - rows.offsets[from];
        if (length > visits_max - count) {
            break;
        }
        uint32_t folded = row_edges(length);
        count = visit_folded(fixed.search, row, folded, from, hops, count, is_near);
        if (has_newer) {
            count = visit_room(fixed.search, row + folded, length - folded, from, hops, count);
        }
    }
    searching->count = count;
    return next;
}

static uint32_t expand_whole_rows(struct searching *searching, uint32_t next) {
    if (searching->is_near) {
        return searching->has_newer ? expand_rows(searching, next, true, true)
                                    : expand_rows(searching, next, false, true);
    }
    return searching->has_newer ? next : expand_rows(searching, next, false, false);
}

static struct sight sight_of(const struct graph *graph, uint32_t start,
                             enum graph_direction direction, struct slice viewer) {
    struct sight sight = {.viewer = OWNER_ANY, .platform = graph->platform};
    if (viewer.size == 0) {
        return sight;
    }
    /* A tenant that has no node yet sees platform's only. Whose the start is needs no looking. */
    uint32_t first = graph_owner_of(graph, start);
    uint32_t owner = slice_equals(graph_owner_name(graph, first), viewer)
                         ? first
                         : graph_find_owner(graph, viewer);
    sight.viewer = owner == NONE ? graph->platform : owner;
    sight.asks_all = atomic_load_explicit(&graph->crosses, memory_order_acquire) ||
                     (first != sight.viewer && first != sight.platform);
    sight.asks_below_platform = direction == GRAPH_DOWNSTREAM;
    return sight;
}

/* Whether all that the search can reach has few numbers; those of a tenant lie side by side. */
static bool stays_near(const struct graph *graph, const struct graph_snapshot *snapshot,
                       struct sight sight) {
    if (snapshot->nodes <= NUMBERS_NEAR_MAX) {
        return true;
    }
    if (sight.viewer == OWNER_ANY || sight.asks_all) {
        return false;
    }
    return graph_peek(&graph->owners[sight.viewer].nodes) <= NUMBERS_NEAR_OF_TENANT_MAX &&
           graph_peek(&graph->owners[sight.platform].nodes) <= NUMBERS_NEAR_OF_TENANT_MAX;
}

const struct graph_visit *graph_search_run(struct graph_search *search, const struct graph *graph,
                                           uint32_t start, enum graph_direction direction,
                                           uint32_t hops_max, struct slice viewer,
                                           uint32_t *count_out, bool *truncated_out) {
    ASSERT(graph_has_node(graph, start));
    const struct graph_snapshot *snapshot = graph_snapshot_of(graph);
    struct searching searching = {
        .search = search,
        .graph = graph,
        .snapshot = snapshot,
        .rows = rows_of(snapshot, direction),
        .sight = sight_of(graph, start, direction, viewer),
        .hops_max = hops_max,
        .has_newer = has_newer_edges(graph, snapshot),
    };
    searching.is_near = stays_near(graph, snapshot, searching.sight);
    next_generation(search);
    search->marks[start] = search->generation;
    bool is_whole = true;
    struct graph_visit current = {.node = start};
    for (uint32_t next = 0; is_whole; next++) {
        if (current.hops < hops_max) {
            if (!searching.is_near) {
                look_ahead(&searching, next, searching.count);
            }
            if (searching.has_newer) {
                look_ahead_spilled(&searching, direction == GRAPH_UPSTREAM, next);
            }
            struct edge_walk walk =
                walk_edges(graph, snapshot, current.node, direction, searching.has_newer);
            is_whole = expand(&searching, &walk, current.node, current.hops + 1);
        }
        if (is_whole) {
            next = expand_whole_rows(&searching, next);
        }
        if (next == searching.count) {
            break;
        }
        current = search->visits[next];
    }
    search->visited += 1 + (uint64_t)searching.count;
    *count_out = searching.count;
    if (truncated_out != NULL) {
        *truncated_out = !is_whole;
    }
    return search->visits;
}

uint64_t graph_search_visited(const struct graph_search *search) {
    return search->visited;
}

uint32_t graph_count_tenants(const struct graph *graph, const struct graph_visit *visits,
                             uint32_t count) {
    uint64_t seen[TENANTS_MAX / 64 + 1] = {0};
    uint32_t tenants = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t owner = graph_owner_of(graph, visits[i].node);
        uint64_t bit = UINT64_C(1) << owner % 64;
        tenants += owner != graph->platform && (seen[owner / 64] & bit) == 0 ? 1 : 0;
        seen[owner / 64] |= bit;
    }
    return tenants;
}

/* What the edge remembers. Removed since the row was read, or about to get another number: it had
 * some origin then. */
static struct graph_neighbour neighbour_of(const struct graph *graph, uint32_t from, uint32_t to) {
    struct graph_neighbour neighbour = {.origin = GRAPH_ORIGIN_LEARNED};
    uint32_t number = graph_find_edge(graph, from, to);
    if (number == NONE) {
        return neighbour;
    }
    const struct graph_edge *edge = &graph->edges[number];
    uint32_t origin = atomic_load_explicit(&edge->origin, memory_order_acquire);
    uint64_t seen_ns = edge_seen_ns(edge);
    if (origin != 0 && graph_peek(&edge->from) == from && graph_peek(&edge->to) == to) {
        neighbour.origin = (enum graph_origin)origin;
        neighbour.last_seen_ns = seen_ns;
    }
    return neighbour;
}

uint32_t graph_neighbours(const struct graph *graph, uint32_t node, enum graph_direction direction,
                          struct graph_neighbour *neighbours_out, uint32_t max) {
    ASSERT(graph_has_node(graph, node));
    const struct graph_snapshot *snapshot = graph_snapshot_of(graph);
    struct edge_walk walk =
        walk_edges(graph, snapshot, node, direction, has_newer_edges(graph, snapshot));
    bool is_up = direction == GRAPH_UPSTREAM;
    uint32_t count = 0;
    for (uint32_t other = walk_next(&walk); other != NONE && count <= max;
         other = walk_next(&walk)) {
        if (count < max) {
            neighbours_out[count] = neighbour_of(graph, is_up ? node : other, is_up ? other : node);
            neighbours_out[count].node = other;
        }
        count++;
    }
    return count;
}
