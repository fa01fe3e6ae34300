/*
 * graph_nodes.c - nodes, their numbers, names and states, by the one writer; readers find them.
 *
 * Numbers are given in runs: a tenant takes a run of them, fills it, takes the next, each half as
 * long as all it has, between RUN_MIN and RUN_MAX. So the nodes of a tenant lie side by side,
 * however those of all tenants come in turns, and with them all that has a place a node: rows and
 * their edges, heads, marks of searches, states, rows of the store. A search touches the memory of
 * one tenant.
 *
 * At most half as many numbers as there are nodes, and RUN_MIN a tenant, are in runs that are not
 * full: numbers_max has room for them, and nodes_max alone limits the nodes. The first node of a
 * run has the run's length in its row, so that after a restart whatever comes next gets the number
 * it would have got; rows of older stores have none and lie as they came.
 */
#include "core/base/assert.h"
#include "graph/graph_internal.h"

enum { RUN_MIN = 16, RUN_MAX = 4096 };

/* --- Owners --- */

struct status graph_intern_owner(struct graph *graph, struct slice owner, uint32_t *owner_out) {
    struct hash128 key = hash128_of(owner, 0);
    if (table_find(&graph->owner_numbers, key, owner_out)) {
        return status_ok();
    }
    uint32_t number = atomic_load(&graph->owners_count);
    if (number == TENANTS_MAX) {
        return status_of(STATUS_FULL);
    }
    TRY(arena_copy(&graph->names, owner, &graph->owners[number].name));
    TRY(table_put(&graph->owner_numbers, key, number));
    atomic_store_explicit(&graph->owners_count, number + 1, memory_order_release);
    *owner_out = number;
    return status_ok();
}

/* --- Numbers --- */

uint32_t graph_numbers_max(const struct graph_options *options) {
    uint32_t owners = options->nodes_max < TENANTS_MAX ? options->nodes_max : TENANTS_MAX;
    return options->nodes_max + options->nodes_max / 2 + owners * RUN_MIN;
}

static uint32_t run_length(uint32_t nodes) {
    uint32_t length = nodes / 2 / RUN_MIN * RUN_MIN;
    return length < RUN_MIN ? RUN_MIN : length > RUN_MAX ? RUN_MAX : length;
}

static void run_begin(struct graph *graph, struct graph_owner *owner, uint32_t number,
                      uint32_t run) {
    owner->next = number;
    owner->end = number + run;
    graph->nodes[number].run = run;
    graph->runs_end = owner->end;
    ASSERT(graph->runs_end <= graph->numbers_max);
}

static uint32_t number_give(struct graph *graph, struct graph_owner *owner) {
    if (owner->next == owner->end) {
        run_begin(graph, owner, graph->runs_end, run_length(graph_peek(&owner->nodes)));
    }
    return owner->next++;
}

/* As number_give gave it: where the number begins a run, that is `run` long, else 0. CORRUPT: it
 * never gave it. */
static struct status number_take(struct graph *graph, struct graph_owner *owner, uint32_t number,
                                 uint32_t run) {
    bool goes_on = run == 0 && number == owner->next && number < owner->end;
    uint32_t left = number < graph->numbers_max ? graph->numbers_max - number : 0;
    if (!goes_on && (number < graph->runs_end || left == 0 || run > left)) {
        return status_of(STATUS_CORRUPT);
    }
    if (run > 0) {
        run_begin(graph, owner, number, run);
    }
    if (run > 0 || goes_on) {
        owner->next++;
    } else {
        graph->runs_end = number + 1; /* of an older store */
    }
    return status_ok();
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

/* Numbers below the end come to life later, so the owner is what says that a node is there. */
static void put_node(struct graph *graph, uint32_t node, uint32_t owner, struct slice name,
                     struct hash128 key) {
    struct graph_record *record = &graph->nodes[node];
    record->entity = name;
    record->key = key;
    record->dirty_next = GRAPH_NOT_DIRTY;
    atomic_init(&record->state, 0);
    atomic_init(&graph->heads[node].out, NONE);
    atomic_init(&graph->heads[node].in, NONE);
    atomic_fetch_add_explicit(&graph->owners[owner].nodes, 1, memory_order_relaxed);
    atomic_store_explicit(&graph->node_owners[node], (uint16_t)(owner + 1), memory_order_release);
    if (node >= graph_numbers_end(graph)) {
        atomic_store_explicit(&graph->numbers_end, node + 1, memory_order_release);
    }
    uint32_t nodes = atomic_load_explicit(&graph->nodes_count, memory_order_relaxed);
    atomic_store_explicit(&graph->nodes_count, nodes + 1, memory_order_release);
    publish_key(graph, key, node);
}

/* What a node needs before it has a number. FULL: no more nodes, or owners. */
static struct status keep_names(struct graph *graph, struct slice owner, struct slice entity,
                                uint32_t *owner_number_out, struct slice *name_out) {
    if (graph_nodes_count(graph) == graph->options.nodes_max) {
        return status_of(STATUS_FULL);
    }
    TRY(graph_intern_owner(graph, owner, owner_number_out));
    return arena_copy(&graph->names, entity, name_out);
}

struct status graph_make_node(struct graph *graph, struct slice owner, struct slice entity,
                              struct hash128 key, uint32_t *node_out) {
    uint32_t owner_number = 0;
    struct slice name;
    TRY(keep_names(graph, owner, entity, &owner_number, &name));
    uint32_t node = number_give(graph, &graph->owners[owner_number]);
    put_node(graph, node, owner_number, name, key);
    *node_out = node;
    return status_ok();
}

struct status graph_put_node(struct graph *graph, uint32_t node, uint32_t run, struct slice owner,
                             struct slice entity, struct hash128 key) {
    uint32_t owner_number = 0;
    struct slice name;
    TRY(keep_names(graph, owner, entity, &owner_number, &name));
    TRY(number_take(graph, &graph->owners[owner_number], node, run));
    put_node(graph, node, owner_number, name, key);
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
    ASSERT(graph_has_node(graph, node));
    const struct graph_record *record = &graph->nodes[node];
    uint64_t word = atomic_load_explicit(&record->state, memory_order_acquire);
    return (struct graph_node){
        .owner = graph_owner_name(graph, graph_owner_of(graph, node)),
        .entity = record->entity,
        .key = record->key,
        .state = graph_state_unpack(word),
    };
}

struct graph_state graph_get_state(const struct graph *graph, uint32_t node) {
    ASSERT(graph_has_node(graph, node));
    return graph_state_unpack(
        atomic_load_explicit(&graph->nodes[node].state, memory_order_acquire));
}

void graph_set_state(struct graph *graph, uint32_t node, struct graph_state state) {
    ASSERT(graph_has_node(graph, node) && state.status < EVENT_STATUS_COUNT);
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

uint32_t graph_numbers_end(const struct graph *graph) {
    return atomic_load_explicit(&graph->numbers_end, memory_order_acquire);
}

bool graph_has_node(const struct graph *graph, uint32_t number) {
    return number < graph->numbers_max &&
           atomic_load_explicit(&graph->node_owners[number], memory_order_acquire) != 0;
}

uint32_t graph_count_owned(const struct graph *graph, struct slice owner) {
    uint32_t number = 0;
    bool is_known = table_find(&graph->owner_numbers, hash128_of(owner, 0), &number);
    return is_known ? graph_peek(&graph->owners[number].nodes) : 0;
}

uint32_t graph_find_owner(const struct graph *graph, struct slice owner) {
    uint32_t count = atomic_load_explicit(&graph->owners_count, memory_order_acquire);
    for (uint32_t i = 0; i < count; i++) {
        if (slice_equals(graph->owners[i].name, owner)) {
            return i;
        }
    }
    return NONE;
}
