/* graph_rows.c - nodes and edges as LMDB rows, out and back in. Formats: graph.h. */
#include "core/base/assert.h"
#include "graph/graph_internal.h"

enum {
    NODE_ROW_BYTES_MAX = 4 + TENANT_BYTES_MAX + 4 + ENTITY_BYTES_MAX + 16 + 8 + 4,
    NODE_EFFECT_BYTES_MAX = NODE_ROW_BYTES_MAX + 64,
    EDGE_EFFECT_BYTES_MAX = 64,
};

static void write_number(struct writer *writer, uint32_t number) {
    writer_u8(writer, (uint8_t)(number >> 24));
    writer_u8(writer, (uint8_t)(number >> 16));
    writer_u8(writer, (uint8_t)(number >> 8));
    writer_u8(writer, (uint8_t)number);
}

static uint32_t read_number(struct reader *reader) {
    uint32_t number = 0;
    for (int i = 0; i < 4; i++) {
        number = (number << 8) | reader_u8(reader);
    }
    return number;
}

static void emit_node(const struct graph *graph, uint32_t node, struct effects *effects) {
    const struct graph_record *record = &graph->nodes[node];
    uint8_t key[4];
    uint8_t row[NODE_ROW_BYTES_MAX];
    struct writer key_writer = writer_over(key, sizeof(key));
    struct writer writer = writer_over(row, sizeof(row));
    write_number(&key_writer, node);
    writer_text(&writer, graph_owner_name(graph, graph_owner_of(graph, node)));
    writer_text(&writer, record->entity);
    writer_hash128(&writer, record->key);
    writer_u64(&writer, atomic_load_explicit(&record->state, memory_order_relaxed));
    if (record->run > 0) {
        writer_u32(&writer, record->run);
    }
    ASSERT(!writer.failed);
    effect_put(effects, STORE_TABLE_NODE, writer_slice(&key_writer), writer_slice(&writer));
}

static void emit_edge(const struct graph_edge *edge, struct effects *effects) {
    uint8_t key[8];
    uint8_t row[9];
    struct writer key_writer = writer_over(key, sizeof(key));
    write_number(&key_writer, graph_peek(&edge->from));
    write_number(&key_writer, graph_peek(&edge->to));
    uint32_t origin = atomic_load_explicit(&edge->origin, memory_order_relaxed);
    if (origin == 0) {
        effect_delete(effects, STORE_TABLE_EDGE, writer_slice(&key_writer));
        return;
    }
    struct writer writer = writer_over(row, sizeof(row));
    writer_u8(&writer, (uint8_t)origin);
    writer_u64(&writer, edge_seen_ns(edge));
    effect_put(effects, STORE_TABLE_EDGE, writer_slice(&key_writer), writer_slice(&writer));
}

bool graph_emit(struct graph *graph, struct effects *effects) {
    while (graph->dirty_node != NONE) {
        if (effects_room(effects) < NODE_EFFECT_BYTES_MAX) {
            return false;
        }
        struct graph_record *record = &graph->nodes[graph->dirty_node];
        emit_node(graph, graph->dirty_node, effects);
        graph->dirty_node = record->dirty_next;
        record->dirty_next = GRAPH_NOT_DIRTY;
    }
    while (graph->dirty_edge != NONE) {
        if (effects_room(effects) < EDGE_EFFECT_BYTES_MAX) {
            return false;
        }
        struct graph_edge *edge = &graph->edges[graph->dirty_edge];
        emit_edge(edge, effects);
        graph->dirty_edge = edge->dirty_next;
        edge->dirty_next = GRAPH_NOT_DIRTY;
    }
    return true;
}

/* Rows come in the order of their keys, so numbers come out as they were. */
struct status graph_restore_node(struct graph *graph, struct slice key, struct slice value) {
    struct reader key_reader = reader_over(key);
    struct reader reader = reader_over(value);
    uint32_t number = read_number(&key_reader);
    struct slice owner = reader_text(&reader);
    struct slice entity = reader_text(&reader);
    struct hash128 node_key = reader_hash128(&reader);
    uint64_t state = reader_u64(&reader);
    uint32_t run = reader_left(&reader) > 0 ? reader_u32(&reader) : 0;
    if (key_reader.failed || reader_left(&key_reader) > 0 || reader.failed ||
        reader_left(&reader) > 0 || entity.size == 0 || entity.size > ENTITY_BYTES_MAX ||
        owner.size > TENANT_BYTES_MAX || (state >> 56) >= EVENT_STATUS_COUNT) {
        return status_of(STATUS_CORRUPT);
    }
    TRY(graph_put_node(graph, number, run, owner, entity, node_key));
    atomic_store_explicit(&graph->nodes[number].state, state, memory_order_release);
    return status_ok();
}

struct status graph_restore_edge(struct graph *graph, struct slice key, struct slice value) {
    struct reader key_reader = reader_over(key);
    struct reader reader = reader_over(value);
    uint32_t from = read_number(&key_reader);
    uint32_t to = read_number(&key_reader);
    uint8_t origin = reader_u8(&reader);
    uint64_t last_seen_ns = reader_u64(&reader);
    if (key_reader.failed || reader_left(&key_reader) > 0 || reader.failed ||
        reader_left(&reader) > 0 || from == to || !graph_has_node(graph, from) ||
        !graph_has_node(graph, to) || origin < GRAPH_ORIGIN_LEARNED ||
        origin > GRAPH_ORIGIN_CONFIG) {
        return status_of(STATUS_CORRUPT);
    }
    bool is_new = false;
    TRY(graph_put_edge(graph, from, to, (enum graph_origin)origin, last_seen_ns, &is_new));
    if (!is_new) {
        return status_of(STATUS_CORRUPT); /* a second row of the same edge */
    }
    /* What was read needs no writing. */
    ASSERT(graph->dirty_edge != NONE);
    graph->edges[graph->dirty_edge].dirty_next = GRAPH_NOT_DIRTY;
    graph->dirty_edge = NONE;
    return status_ok();
}

/* A sum over nodes and live edges, so that the order in which edges came does not matter. */
struct hash128 graph_digest(const struct graph *graph) {
    struct hash128 sum = {0};
    uint32_t numbers = graph_numbers_end(graph);
    for (uint32_t i = 0; i < numbers; i++) {
        if (!graph_has_node(graph, i)) {
            continue;
        }
        uint64_t words[4] = {i, graph->nodes[i].key.lo, graph->nodes[i].key.hi,
                             atomic_load_explicit(&graph->nodes[i].state, memory_order_relaxed)};
        struct hash128 hash = hash128_of(slice_of(words, sizeof(words)), 1);
        sum.lo += hash.lo;
        sum.hi += hash.hi;
    }
    uint32_t edges = atomic_load_explicit(&graph->edges_count, memory_order_relaxed);
    for (uint32_t i = 0; i < edges; i++) {
        uint32_t origin = atomic_load_explicit(&graph->edges[i].origin, memory_order_relaxed);
        uint64_t words[3] = {graph_peek(&graph->edges[i].from), graph_peek(&graph->edges[i].to),
                             origin};
        struct hash128 hash = hash128_of(slice_of(words, sizeof(words)), 2);
        sum.lo += origin == 0 ? 0 : hash.lo;
        sum.hi += origin == 0 ? 0 : hash.hi;
    }
    return sum;
}
