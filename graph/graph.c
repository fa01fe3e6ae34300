/* graph.c - the graph's life, and its edges by the one writer. See graph.h, graph_internal.h. */
#include "core/base/assert.h"
#include "graph/graph_walk.h"

/* The oldest last-seen that is worth a write: fresher ones change nothing anybody asks. */
#define LAST_SEEN_STEP_NS (10 * NS_PER_MINUTE)

/* --- Life --- */

/* Searches touch these in no order, but only as far as there are nodes and edges. */
static void *allocate_dense(struct arena *arena, size_t count, size_t size) {
    void *memory = arena_allocate_array(arena, count, size, 64);
    if (memory != NULL) {
        arena_advise_dense(memory, count * size);
    }
    return memory;
}

static bool init_half(struct graph_snapshot *half, const struct graph_options *options,
                      struct arena *arena) {
    size_t rows = (size_t)graph_numbers_max(options) + 1;
    half->out.offsets = allocate_dense(arena, rows, sizeof(uint32_t));
    half->in.offsets = allocate_dense(arena, rows, sizeof(uint32_t));
    size_t items = options->edges_max + options->edges_max / ROW_ROOM_PARTS + rows + ITEMS_AHEAD;
    half->out.items = allocate_dense(arena, items, sizeof(_Atomic uint32_t));
    half->in.items = allocate_dense(arena, items, sizeof(_Atomic uint32_t));
    half->out.spills = ARENA_ARRAY(arena, _Atomic uint64_t, rows / 64 + 1);
    half->in.spills = ARENA_ARRAY(arena, _Atomic uint64_t, rows / 64 + 1);
    return half->out.offsets != NULL && half->in.offsets != NULL && half->out.items != NULL &&
           half->in.items != NULL && half->out.spills != NULL && half->in.spills != NULL;
}

/* A power of two with a quarter and more of the slots empty. */
static uint32_t slots_for(uint64_t count) {
    uint32_t slots = 64;
    while (slots * UINT64_C(3) / 4 < count) {
        slots *= 2;
    }
    return slots;
}

static struct status init_tables(struct graph *graph, struct arena *arena) {
    uint32_t key_slots = slots_for(graph->options.nodes_max);
    uint32_t edge_slots = slots_for(graph->options.edges_max);
    graph->key_slots_mask = key_slots - 1;
    /* Keys lie all over it, however few: every lookup would want a page of its own. */
    graph->key_slots = allocate_dense(arena, key_slots, sizeof(_Atomic uint32_t));
    graph->edge_slots_mask = edge_slots - 1;
    graph->edge_slots = ARENA_ARRAY(arena, _Atomic uint32_t, edge_slots);
    graph->owners = ARENA_ARRAY(arena, struct graph_owner, TENANTS_MAX);
    if (graph->key_slots == NULL || graph->edge_slots == NULL || graph->owners == NULL) {
        return status_of(STATUS_FULL);
    }
    return table_init(&graph->owner_numbers, TENANTS_MAX, arena);
}

/* However long they are, nodes_max is the bound that is met: what is not touched costs nothing. */
static struct status init_names(struct graph *graph, struct arena *arena) {
    size_t bytes = (size_t)graph->options.nodes_max * (ENTITY_BYTES_MAX + 1) +
                   (size_t)TENANTS_MAX * (TENANT_BYTES_MAX + 1);
    void *names = arena_allocate(arena, bytes, 64);
    if (names == NULL) {
        return status_of(STATUS_FULL);
    }
    graph->names = (struct arena){.base = names, .capacity_bytes = bytes};
    return status_ok();
}

struct status graph_init(struct graph **graph_out, const struct graph_options *options,
                         struct arena *arena) {
    ASSERT(options->nodes_max > 0 && options->nodes_max < (1u << 29) && options->edges_max > 0);
    ASSERT(options->edges_max <= (1u << 30));
    uint32_t numbers = graph_numbers_max(options);
    struct graph *graph = ARENA_NEW(arena, struct graph);
    if (graph == NULL) {
        return status_of(STATUS_FULL);
    }
    graph->options = *options;
    graph->numbers_max = numbers;
    graph->dirty_node = NONE;
    graph->dirty_edge = NONE;
    graph->nodes = allocate_dense(arena, numbers, sizeof(struct graph_record));
    graph->heads = allocate_dense(arena, numbers, sizeof(struct graph_heads));
    graph->node_owners = allocate_dense(arena, numbers, sizeof(_Atomic uint16_t));
    graph->edges = allocate_dense(arena, options->edges_max, sizeof(struct graph_edge));
    if (graph->nodes == NULL || graph->heads == NULL || graph->node_owners == NULL ||
        graph->edges == NULL || !init_half(&graph->halves[0], options, arena) ||
        !init_half(&graph->halves[1], options, arena)) {
        return status_of(STATUS_FULL);
    }
    atomic_init(&graph->snapshot, &graph->halves[0]);
    TRY(init_tables(graph, arena));
    TRY(init_names(graph, arena));
    TRY(graph_intern_owner(graph, SLICE("platform"), &graph->platform));
    *graph_out = graph;
    return status_ok();
}

void graph_deinit(struct graph *graph) {
    /* Memory is the arena's; names are a part of it. */
    (void)graph;
}

/* --- Edges --- */

static void mark_edge(struct graph *graph, uint32_t number) {
    struct graph_edge *edge = &graph->edges[number];
    if (edge->dirty_next == GRAPH_NOT_DIRTY) {
        edge->dirty_next = graph->dirty_edge;
        graph->dirty_edge = number;
    }
}

static uint32_t edge_slot(const struct graph *graph, uint32_t from, uint32_t to) {
    uint64_t mixed = (((uint64_t)from << 32) | to) * 0x9E3779B97F4A7C15u;
    mixed ^= mixed >> 32;
    mixed *= 0xD6E8FEB86659FD93u;
    return (uint32_t)(mixed >> 32) & graph->edge_slots_mask;
}

uint32_t graph_find_edge(const struct graph *graph, uint32_t from, uint32_t to) {
    uint32_t slot = edge_slot(graph, from, to);
    for (;;) {
        uint32_t held = atomic_load_explicit(&graph->edge_slots[slot], memory_order_acquire);
        if (held == 0) {
            return NONE;
        }
        const struct graph_edge *edge = &graph->edges[held - 1];
        if (graph_peek(&edge->from) == from && graph_peek(&edge->to) == to) {
            return held - 1;
        }
        slot = (slot + 1) & graph->edge_slots_mask;
    }
}

void graph_publish_edge(struct graph *graph, uint32_t number) {
    const struct graph_edge *edge = &graph->edges[number];
    uint32_t slot = edge_slot(graph, graph_peek(&edge->from), graph_peek(&edge->to));
    while (atomic_load_explicit(&graph->edge_slots[slot], memory_order_relaxed) != 0) {
        slot = (slot + 1) & graph->edge_slots_mask;
    }
    atomic_store_explicit(&graph->edge_slots[slot], number + 1, memory_order_release);
}

static void append_edge(struct graph *graph, uint32_t number, uint32_t from, uint32_t to,
                        enum graph_origin origin, uint64_t now_ns) {
    struct graph_edge *edge = &graph->edges[number];
    graph_poke(&edge->from, from);
    graph_poke(&edge->to, to);
    edge_see(edge, now_ns);
    edge->dirty_next = GRAPH_NOT_DIRTY;
    graph_poke(&edge->next_out, graph_peek(&graph->heads[from].out));
    graph_poke(&edge->next_in, graph_peek(&graph->heads[to].in));
    atomic_init(&edge->origin, (uint32_t)origin);
    uint32_t owner = graph_owner_of(graph, to);
    if (owner != graph_owner_of(graph, from) && owner != graph->platform) {
        atomic_store_explicit(&graph->crosses, true, memory_order_release);
    }
    graph_publish_edge(graph, number);
    atomic_store_explicit(&graph->edges_count, number + 1, memory_order_release);
    atomic_store_explicit(&graph->heads[from].out, number, memory_order_release);
    atomic_store_explicit(&graph->heads[to].in, number, memory_order_release);
    graph_show_edge(graph, graph->snapshot, number); /* a fold comes to it at its end */
}

static void refresh_edge(struct graph *graph, uint32_t number, enum graph_origin origin,
                         uint64_t now_ns, bool *is_new) {
    struct graph_edge *edge = &graph->edges[number];
    uint32_t before = atomic_load_explicit(&edge->origin, memory_order_relaxed);
    *is_new = before == 0;
    if (before == 0) {
        graph->edges_live++;
        graph->learned_live += origin == GRAPH_ORIGIN_LEARNED ? 1 : 0;
    }
    if (before < (uint32_t)origin) {
        graph->learned_live -= before == GRAPH_ORIGIN_LEARNED ? 1 : 0;
        atomic_store_explicit(&edge->origin, (uint32_t)origin, memory_order_release);
    }
    if (before == 0) {
        graph_flag_edge(graph, number, false);
    }
    /* A learned edge lives by when it was seen last. */
    bool is_learned = before <= GRAPH_ORIGIN_LEARNED && origin == GRAPH_ORIGIN_LEARNED;
    uint64_t step_ns = is_learned ? NS_PER_S : LAST_SEEN_STEP_NS;
    uint64_t seen_ns = edge_seen_ns(edge);
    if (before < (uint32_t)origin || now_ns >= seen_ns + step_ns) {
        edge_see(edge, now_ns > seen_ns ? now_ns : seen_ns);
        mark_edge(graph, number);
    }
}

struct status graph_put_edge(struct graph *graph, uint32_t from, uint32_t to,
                             enum graph_origin origin, uint64_t now_ns, bool *is_new_out) {
    ASSERT(graph_has_node(graph, from) && graph_has_node(graph, to));
    ASSERT(origin >= GRAPH_ORIGIN_LEARNED);
    if (from == to) {
        return status_of(STATUS_INVALID);
    }
    graph_prefetch_places(graph, from, to);
    __builtin_prefetch((const void *)&graph->heads[from], 1);
    __builtin_prefetch((const void *)&graph->heads[to], 1);
    uint32_t number = graph_find_edge(graph, from, to);
    bool is_new = true;
    if (number != NONE) {
        refresh_edge(graph, number, origin, now_ns, &is_new);
    } else {
        number = atomic_load_explicit(&graph->edges_count, memory_order_relaxed);
        if (number == graph->options.edges_max && !graph_compact(graph)) {
            return status_of(STATUS_FULL);
        }
        number = atomic_load_explicit(&graph->edges_count, memory_order_relaxed);
        append_edge(graph, number, from, to, origin, now_ns);
        graph->edges_live++;
        graph->learned_live += origin == GRAPH_ORIGIN_LEARNED ? 1 : 0;
        mark_edge(graph, number);
    }
    if (is_new_out != NULL) {
        *is_new_out = is_new;
    }
    return status_ok();
}

static bool is_live_edge(const struct graph *graph, uint32_t from, uint32_t to) {
    uint32_t number = graph_find_edge(graph, from, to);
    return number != NONE &&
           atomic_load_explicit(&graph->edges[number].origin, memory_order_relaxed) != 0;
}

struct status graph_add_edge(struct graph *graph, uint32_t from, uint32_t to,
                             enum graph_origin origin, uint64_t now_ns, bool *is_new_out) {
    if (origin == GRAPH_ORIGIN_LEARNED && from != to && !graph_has_learned_room(graph) &&
        !is_live_edge(graph, from, to)) {
        return status_of(STATUS_FULL);
    }
    return graph_put_edge(graph, from, to, origin, now_ns, is_new_out);
}

bool graph_has_learned_room(const struct graph *graph) {
    uint32_t max = graph->options.learned_max;
    return graph->learned_live < (max == 0 ? graph->options.edges_max : max);
}

uint32_t graph_learned_count(const struct graph *graph) {
    return graph->learned_live;
}

static void remove_edge(struct graph *graph, uint32_t number) {
    struct graph_edge *edge = &graph->edges[number];
    uint32_t before = atomic_load_explicit(&edge->origin, memory_order_relaxed);
    ASSERT(before != 0 && graph->edges_live > 0);
    graph->edges_live--;
    graph->learned_live -= before == GRAPH_ORIGIN_LEARNED ? 1 : 0;
    atomic_store_explicit(&edge->origin, 0, memory_order_release);
    graph_flag_edge(graph, number, true);
    mark_edge(graph, number);
}

void graph_remove_edge(struct graph *graph, uint32_t from, uint32_t to, enum graph_origin origin) {
    graph_prefetch_places(graph, from, to);
    uint32_t number = graph_find_edge(graph, from, to);
    if (number == NONE) {
        return;
    }
    uint32_t held = atomic_load_explicit(&graph->edges[number].origin, memory_order_relaxed);
    if (held != 0 && held <= (uint32_t)origin) {
        remove_edge(graph, number);
    }
}

void graph_expire_learned(struct graph *graph,
                          uint64_t (*ttl_ns_of)(void *context, struct slice owner), void *context,
                          uint64_t now_ns) {
    uint32_t edges = atomic_load_explicit(&graph->edges_count, memory_order_relaxed);
    uint32_t owner = NONE;
    uint64_t ttl_ns = 0;
    for (uint32_t number = 0; number < edges && graph->learned_live > 0; number++) {
        const struct graph_edge *edge = &graph->edges[number];
        if (atomic_load_explicit(&edge->origin, memory_order_relaxed) != GRAPH_ORIGIN_LEARNED) {
            continue;
        }
        uint32_t from = graph_peek(&edge->from);
        if (graph_owner_of(graph, from) != owner) {
            owner = graph_owner_of(graph, from);
            ttl_ns = ttl_ns_of(context, graph_owner_name(graph, owner));
        }
        uint64_t seen_ns = edge_seen_ns(edge);
        if (now_ns >= seen_ns && now_ns - seen_ns > ttl_ns) {
            remove_edge(graph, number);
        }
    }
}

static bool is_kept(uint32_t to, const uint32_t *keep, uint32_t keep_count) {
    for (uint32_t i = 0; i < keep_count; i++) {
        if (keep[i] == to) {
            return true;
        }
    }
    return false;
}

void graph_replace_edges(struct graph *graph, uint32_t from, enum graph_origin origin,
                         const uint32_t *keep, uint32_t keep_count) {
    ASSERT(graph_has_node(graph, from));
    const struct graph_snapshot *snapshot = graph_snapshot_of(graph);
    struct edge_walk walk =
        walk_edges(graph, snapshot, from, GRAPH_UPSTREAM, has_newer_edges(graph, snapshot));
    for (uint32_t to = walk_next(&walk); to != NONE; to = walk_next(&walk)) {
        uint32_t number = graph_find_edge(graph, from, to);
        ASSERT(number != NONE);
        if (atomic_load_explicit(&graph->edges[number].origin, memory_order_relaxed) ==
                (uint32_t)origin &&
            !is_kept(to, keep, keep_count)) {
            remove_edge(graph, number);
        }
    }
}

uint32_t graph_edges_count(const struct graph *graph) {
    return graph->edges_live;
}

uint32_t graph_nodes_max(const struct graph *graph) {
    return graph->options.nodes_max;
}

uint32_t graph_edges_max(const struct graph *graph) {
    return graph->options.edges_max;
}
