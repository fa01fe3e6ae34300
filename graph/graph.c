/* graph.c - nodes, edges and states, by the one writer. See graph.h and graph_internal.h. */
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
    size_t nodes = (size_t)options->nodes_max + 1;
    half->out.offsets = allocate_dense(arena, nodes, sizeof(uint32_t));
    half->in.offsets = allocate_dense(arena, nodes, sizeof(uint32_t));
    half->out.items = allocate_dense(arena, options->edges_max, sizeof(_Atomic uint32_t));
    half->in.items = allocate_dense(arena, options->edges_max, sizeof(_Atomic uint32_t));
    return half->out.offsets != NULL && half->in.offsets != NULL && half->out.items != NULL &&
           half->in.items != NULL;
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
    graph->key_slots = ARENA_ARRAY(arena, _Atomic uint32_t, key_slots);
    graph->edge_slots_mask = edge_slots - 1;
    graph->edge_slots = ARENA_ARRAY(arena, _Atomic uint32_t, edge_slots);
    graph->owners = ARENA_ARRAY(arena, struct slice, TENANTS_MAX);
    if (graph->key_slots == NULL || graph->edge_slots == NULL || graph->owners == NULL) {
        return status_of(STATUS_FULL);
    }
    return table_init(&graph->owner_numbers, TENANTS_MAX, arena);
}

static struct status intern_owner(struct graph *graph, struct slice owner, uint32_t *owner_out) {
    struct hash128 key = hash128_of(owner, 0);
    if (table_find(&graph->owner_numbers, key, owner_out)) {
        return status_ok();
    }
    uint32_t number = atomic_load(&graph->owners_count);
    if (number == TENANTS_MAX) {
        return status_of(STATUS_FULL);
    }
    TRY(arena_copy(&graph->names, owner, &graph->owners[number]));
    TRY(table_put(&graph->owner_numbers, key, number));
    atomic_store_explicit(&graph->owners_count, number + 1, memory_order_release);
    *owner_out = number;
    return status_ok();
}

struct status graph_init(struct graph **graph_out, const struct graph_options *options,
                         struct arena *arena) {
    ASSERT(options->nodes_max > 0 && options->nodes_max < (1u << 30) && options->edges_max > 0);
    ASSERT(options->edges_max <= (1u << 30));
    static_assert(TENANTS_MAX <= UINT16_MAX, "an owner's number fits");
    struct graph *graph = ARENA_NEW(arena, struct graph);
    if (graph == NULL) {
        return status_of(STATUS_FULL);
    }
    graph->options = *options;
    graph->dirty_node = NONE;
    graph->dirty_edge = NONE;
    graph->nodes = allocate_dense(arena, options->nodes_max, sizeof(struct graph_record));
    graph->heads = allocate_dense(arena, options->nodes_max, sizeof(struct graph_heads));
    graph->node_owners = allocate_dense(arena, options->nodes_max, sizeof(uint16_t));
    graph->edges = allocate_dense(arena, options->edges_max, sizeof(struct graph_edge));
    if (graph->nodes == NULL || graph->heads == NULL || graph->node_owners == NULL ||
        graph->edges == NULL || !init_half(&graph->halves[0], options, arena) ||
        !init_half(&graph->halves[1], options, arena)) {
        return status_of(STATUS_FULL);
    }
    atomic_init(&graph->snapshot, &graph->halves[0]);
    TRY(init_tables(graph, arena));
    size_t names_bytes = (size_t)options->nodes_max * 64 + 16 * MIB;
    void *names = arena_allocate(arena, names_bytes, 64);
    if (names == NULL) {
        return status_of(STATUS_FULL);
    }
    graph->names = (struct arena){.base = names, .capacity_bytes = names_bytes};
    TRY(intern_owner(graph, SLICE("platform"), &graph->platform));
    *graph_out = graph;
    return status_ok();
}

void graph_deinit(struct graph *graph) {
    /* Memory is the arena's; names are a part of it. */
    (void)graph;
}

/* --- Nodes --- */

uint32_t graph_find_node(const struct graph *graph, struct hash128 key) {
    uint32_t slot = (uint32_t)key.lo & graph->key_slots_mask;
    for (;;) {
        uint32_t held = atomic_load_explicit(&graph->key_slots[slot], memory_order_acquire);
        if (held == 0) {
            return GRAPH_NODE_NONE;
        }
        if (hash128_equals(graph->nodes[held - 1].key, key)) {
            return held - 1;
        }
        slot = (slot + 1) & graph->key_slots_mask;
    }
}

static void publish_key(struct graph *graph, struct hash128 key, uint32_t node) {
    uint32_t slot = (uint32_t)key.lo & graph->key_slots_mask;
    while (atomic_load_explicit(&graph->key_slots[slot], memory_order_relaxed) != 0) {
        slot = (slot + 1) & graph->key_slots_mask;
    }
    atomic_store_explicit(&graph->key_slots[slot], node + 1, memory_order_release);
}

static void mark_node(struct graph *graph, uint32_t node) {
    struct graph_record *record = &graph->nodes[node];
    if (record->dirty_next == GRAPH_NOT_DIRTY) {
        record->dirty_next = graph->dirty_node;
        graph->dirty_node = node;
    }
}

static void mark_edge(struct graph *graph, uint32_t number) {
    struct graph_edge *edge = &graph->edges[number];
    if (edge->dirty_next == GRAPH_NOT_DIRTY) {
        edge->dirty_next = graph->dirty_edge;
        graph->dirty_edge = number;
    }
}

struct status graph_make_node(struct graph *graph, struct slice owner, struct slice entity,
                              struct hash128 key, uint32_t *node_out) {
    uint32_t node = atomic_load_explicit(&graph->nodes_count, memory_order_relaxed);
    if (node == graph->options.nodes_max) {
        return status_of(STATUS_FULL);
    }
    struct graph_record *record = &graph->nodes[node];
    uint32_t owner_number = 0;
    struct slice name;
    TRY(intern_owner(graph, owner, &owner_number));
    TRY(arena_copy(&graph->names, entity, &name));
    record->entity = name;
    record->key = key;
    graph->node_owners[node] = (uint16_t)owner_number;
    record->dirty_next = GRAPH_NOT_DIRTY;
    atomic_init(&record->state, 0);
    atomic_init(&graph->heads[node].out, NONE);
    atomic_init(&graph->heads[node].in, NONE);
    atomic_store_explicit(&graph->nodes_count, node + 1, memory_order_release);
    publish_key(graph, key, node);
    *node_out = node;
    return status_ok();
}

void graph_prefetch_slot(const struct graph *graph, struct hash128 key) {
    __builtin_prefetch((const void *)&graph->key_slots[(uint32_t)key.lo & graph->key_slots_mask]);
}

void graph_prefetch_node(const struct graph *graph, struct hash128 key) {
    uint32_t slot = (uint32_t)key.lo & graph->key_slots_mask;
    uint32_t held = atomic_load_explicit(&graph->key_slots[slot], memory_order_acquire);
    if (held != 0) {
        __builtin_prefetch(&graph->nodes[held - 1]);
    }
}

struct status graph_intern_node(struct graph *graph, struct slice owner, struct slice entity,
                                struct hash128 key, uint32_t *node_out) {
    ASSERT(entity.size > 0 && entity.size <= ENTITY_BYTES_MAX);
    uint32_t node = graph_find_node(graph, key);
    if (node == GRAPH_NODE_NONE) {
        TRY(graph_make_node(graph, owner, entity, key, &node));
        mark_node(graph, node);
    }
    *node_out = node;
    return status_ok();
}

struct graph_node graph_get_node(const struct graph *graph, uint32_t node) {
    ASSERT(node < graph_nodes_count(graph));
    const struct graph_record *record = &graph->nodes[node];
    uint64_t word = atomic_load_explicit(&record->state, memory_order_acquire);
    return (struct graph_node){
        .owner = graph_owner_name(graph, graph->node_owners[node]),
        .entity = record->entity,
        .key = record->key,
        .state = graph_state_unpack(word),
    };
}

void graph_set_state(struct graph *graph, uint32_t node, struct graph_state state) {
    ASSERT(node < graph_nodes_count(graph) && state.status < EVENT_STATUS_COUNT);
    uint64_t word = graph_state_pack(state);
    uint64_t before =
        atomic_exchange_explicit(&graph->nodes[node].state, word, memory_order_acq_rel);
    if (before != word) {
        mark_node(graph, node);
    }
}

uint32_t graph_nodes_count(const struct graph *graph) {
    return atomic_load_explicit(&graph->nodes_count, memory_order_acquire);
}

uint32_t graph_edges_count(const struct graph *graph) {
    return graph->edges_live;
}

uint32_t graph_find_owner(const struct graph *graph, struct slice owner) {
    uint32_t count = atomic_load_explicit(&graph->owners_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        if (slice_equals(graph->owners[i], owner)) {
            return i;
        }
    }
    return NONE;
}

/* --- Edges --- */

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
    edge->last_seen_ns = now_ns;
    edge->dirty_next = GRAPH_NOT_DIRTY;
    graph_poke(&edge->next_out, graph_peek(&graph->heads[from].out));
    graph_poke(&edge->next_in, graph_peek(&graph->heads[to].in));
    atomic_init(&edge->origin, (uint32_t)origin);
    uint32_t owner = graph->node_owners[to];
    if (owner != graph->node_owners[from] && owner != graph->platform) {
        atomic_store_explicit(&graph->crosses, true, memory_order_release);
    }
    graph_publish_edge(graph, number);
    atomic_store_explicit(&graph->edges_count, number + 1, memory_order_release);
    atomic_store_explicit(&graph->heads[from].out, number, memory_order_release);
    atomic_store_explicit(&graph->heads[to].in, number, memory_order_release);
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
    if (before < (uint32_t)origin || now_ns >= edge->last_seen_ns + step_ns) {
        edge->last_seen_ns = now_ns > edge->last_seen_ns ? now_ns : edge->last_seen_ns;
        mark_edge(graph, number);
    }
}

struct status graph_put_edge(struct graph *graph, uint32_t from, uint32_t to,
                             enum graph_origin origin, uint64_t now_ns, bool *is_new_out) {
    uint32_t nodes = graph_nodes_count(graph);
    ASSERT(from < nodes && to < nodes && origin >= GRAPH_ORIGIN_LEARNED);
    if (from == to) {
        return status_of(STATUS_INVALID);
    }
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
        if (graph->node_owners[from] != owner) {
            owner = graph->node_owners[from];
            ttl_ns = ttl_ns_of(context, graph_owner_name(graph, owner));
        }
        if (now_ns >= edge->last_seen_ns && now_ns - edge->last_seen_ns > ttl_ns) {
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
    ASSERT(from < graph_nodes_count(graph));
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
