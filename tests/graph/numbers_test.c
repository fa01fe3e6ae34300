/* numbers_test.c - nodes of a tenant lie side by side, and get the same numbers after a restart;
 * rows that were never written are refused. */
#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/base/unit.h"

enum { NODES = 20000, TENANTS = 7, LINE_NODES = 16 };

struct world {
    struct arena arena;
    struct graph *graph;
    struct effects effects;
};

static void world_init(struct world *world, uint32_t nodes_max) {
    struct graph_options options = {.nodes_max = nodes_max, .edges_max = 100};
    *world = (struct world){0};
    assert_status(arena_init(&world->arena, 256 * MIB), OK);
    assert_status(graph_init(&world->graph, &options, &world->arena), OK);
    assert_status(effects_init(&world->effects, 16 * MIB, &world->arena), OK);
}

static void world_deinit(struct world *world) {
    graph_deinit(world->graph);
    arena_deinit(&world->arena);
}

static struct hash128 key_of(uint64_t number) {
    return hash128_of(slice_of(&number, sizeof(number)), 7);
}

static struct status intern(struct world *world, uint32_t tenant, uint64_t entity, uint32_t *out) {
    char owner[32];
    char name[32];
    snprintf(owner, sizeof(owner), "tenant-%u", tenant);
    snprintf(name, sizeof(name), "job:%llu", (unsigned long long)entity);
    return graph_intern_node(world->graph, slice_of_text(owner), slice_of_text(name),
                             key_of(entity), out);
}

/* Nodes of all tenants come in turns, some tenants more often. */
static uint32_t next_tenant(uint32_t at) {
    return at % 3 == 0 ? 0 : at % TENANTS;
}

static void nodes_of_a_tenant_lie_side_by_side(void **state) {
    struct world world;
    uint32_t last[TENANTS] = {0};
    uint32_t counts[TENANTS] = {0};
    uint32_t breaks[TENANTS] = {0};
    world_init(&world, NODES);
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t tenant = next_tenant(i);
        uint32_t number = 0;
        assert_status(intern(&world, tenant, i, &number), OK);
        breaks[tenant] += counts[tenant] == 0 || number != last[tenant] + 1 ? 1 : 0;
        last[tenant] = number;
        counts[tenant]++;
    }
    for (uint32_t tenant = 0; tenant < TENANTS; tenant++) {
        char owner[32];
        snprintf(owner, sizeof(owner), "tenant-%u", tenant);
        assert_int_equal(graph_count_owned(world.graph, slice_of_text(owner)), counts[tenant]);
        assert_true(counts[tenant] > 1000 && breaks[tenant] < 24);
    }
    assert_int_equal(graph_nodes_count(world.graph), NODES);
    assert_true(graph_numbers_end(world.graph) <= NODES + NODES / 2 + TENANTS * LINE_NODES);
    uint32_t nodes = 0;
    for (uint32_t i = 0; i < graph_numbers_end(world.graph); i++) {
        nodes += graph_has_node(world.graph, i) ? 1 : 0;
    }
    assert_int_equal(nodes, NODES);
    assert_false(graph_has_node(world.graph, graph_numbers_end(world.graph)));
    assert_false(graph_has_node(world.graph, GRAPH_NODE_NONE));
    world_deinit(&world);
}

static void only_the_nodes_are_limited_whoever_owns_them(void **state) {
    struct world world;
    enum { FEW = 500 };
    uint32_t node = 0;
    for (uint32_t per_tenant = 1; per_tenant <= 25; per_tenant += 8) {
        world_init(&world, FEW);
        for (uint32_t i = 0; i < FEW; i++) {
            assert_status(intern(&world, i / per_tenant, i, &node), OK);
        }
        assert_status(intern(&world, 0, FEW, &node), FULL);
        assert_int_equal(graph_nodes_count(world.graph), FEW);
        world_deinit(&world);
    }
}

/* Names as long as they may be are no bound of their own: an alarm on the nodes rings in time. */
static void long_names_find_room_for_every_node(void **state) {
    struct world world;
    enum { MANY = 150000 };
    uint32_t node = 0;
    world_init(&world, MANY);
    for (uint32_t i = 0; i <= MANY; i++) {
        char name[ENTITY_BYTES_MAX + 1];
        snprintf(name, sizeof(name), "job:%0*u", (int)sizeof(name) - 5, i);
        struct status status =
            graph_intern_node(world.graph, SLICE("acme"), slice_of_text(name), key_of(i), &node);
        assert_int_equal(status.code, i < MANY ? STATUS_OK : STATUS_FULL);
    }
    assert_int_equal(graph_nodes_count(world.graph), MANY);
    world_deinit(&world);
}

/* The node rows among the effects, in the order of their keys. */
static void restore_nodes(struct world *from, struct world *to, bool is_older) {
    uint32_t end = graph_numbers_end(from->graph);
    struct effect *rows = calloc(end, sizeof(*rows));
    assert_non_null(rows);
    assert_true(graph_emit(from->graph, &from->effects));
    struct effects_cursor cursor = effects_begin(&from->effects);
    struct effect effect;
    while (effects_next(&cursor, &effect)) {
        if (effect.table == STORE_TABLE_NODE) {
            const uint8_t *key = effect.key.data;
            rows[(uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3]] = effect;
        }
    }
    uint32_t number = 0;
    for (uint32_t i = 0; i < end; i++) {
        if (rows[i].key.size == 0) {
            continue;
        }
        uint8_t key[4] = {0, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number};
        struct reader reader = reader_over(rows[i].value);
        (void)reader_text(&reader);
        (void)reader_text(&reader);
        size_t plain = rows[i].value.size - reader_left(&reader) + 24;
        assert_true(plain == rows[i].value.size || plain + 4 == rows[i].value.size);
        assert_status(
            graph_restore_node(to->graph, is_older ? slice_of(key, 4) : rows[i].key,
                               is_older ? slice_head(rows[i].value, plain) : rows[i].value),
            OK);
        number++;
    }
    free(rows);
}

static void a_restart_gives_the_numbers_that_would_have_been_given(void **state) {
    for (uint32_t at = 1; at < 3000; at += at < 100 ? 1 : 371) {
        struct world world;
        struct world other;
        world_init(&world, 6000);
        world_init(&other, 6000);
        uint32_t node = 0;
        uint32_t again = 0;
        for (uint32_t i = 0; i < at; i++) {
            assert_status(intern(&world, next_tenant(i), i, &node), OK);
        }
        restore_nodes(&world, &other, false);
        assert_true(hash128_equals(graph_digest(world.graph), graph_digest(other.graph)));
        for (uint32_t i = at; i < at + 500; i++) {
            assert_status(intern(&world, next_tenant(i + i / 50), i, &node), OK);
            assert_status(intern(&other, next_tenant(i + i / 50), i, &again), OK);
            assert_int_equal(node, again);
        }
        assert_true(hash128_equals(graph_digest(world.graph), graph_digest(other.graph)));
        world_deinit(&world);
        world_deinit(&other);
    }
}

/* Numbers without gaps and no word of runs: the nodes stay where they are, new ones come in runs.
 */
static void rows_of_an_older_store_keep_their_numbers(void **state) {
    struct world world;
    struct world other;
    world_init(&world, 6000);
    world_init(&other, 6000);
    uint32_t node = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_status(intern(&world, next_tenant(i), i, &node), OK);
    }
    restore_nodes(&world, &other, true);
    assert_int_equal(graph_nodes_count(other.graph), 1000);
    assert_int_equal(graph_numbers_end(other.graph), 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_true(graph_find_node(other.graph, key_of(i)) < 1000);
    }
    for (uint32_t i = 1000; i < 6000; i++) {
        uint32_t before = graph_numbers_end(other.graph);
        assert_status(intern(&other, next_tenant(i), i, &node), OK);
        assert_true(node >= 1000);
        assert_true(graph_numbers_end(other.graph) >= before);
    }
    assert_status(intern(&other, 0, 6000, &node), FULL);
    world_deinit(&world);
    world_deinit(&other);
}

static struct status restore_keyed(struct world *world, uint32_t number, uint32_t run,
                                   size_t key_bytes) {
    uint8_t key[5] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                      (uint8_t)number, 0};
    uint8_t row[128];
    struct writer writer = writer_over(row, sizeof(row));
    writer_text(&writer, SLICE("acme"));
    writer_text(&writer, SLICE("job:x"));
    writer_hash128(&writer, key_of(number));
    writer_u64(&writer, 0);
    writer_u32(&writer, run);
    return graph_restore_node(world->graph, slice_of(key, key_bytes), writer_slice(&writer));
}

static struct status restore_row(struct world *world, uint32_t number, uint32_t run) {
    return restore_keyed(world, number, run, 4);
}

static void damaged_rows_are_refused(void **state) {
    struct world world;
    world_init(&world, 100);
    struct graph_options options = {.nodes_max = 100};
    uint32_t max = graph_numbers_max(&options);
    assert_status(restore_row(&world, max, 0), CORRUPT);
    assert_status(restore_row(&world, 3, max), CORRUPT);
    assert_status(restore_row(&world, 3, UINT32_MAX), CORRUPT);
    assert_status(restore_row(&world, UINT32_MAX, 1), CORRUPT);
    assert_status(restore_keyed(&world, 5, 16, 3), CORRUPT);
    assert_status(restore_keyed(&world, 5, 16, 5), CORRUPT);
    assert_status(restore_row(&world, 5, 16), OK);
    assert_status(restore_row(&world, 5, 16), CORRUPT);
    assert_status(restore_row(&world, 4, 0), CORRUPT);
    assert_status(restore_row(&world, 7, 0), CORRUPT);  /* 6 comes first */
    assert_status(restore_row(&world, 6, 16), CORRUPT); /* a run within a run */
    assert_status(restore_row(&world, 6, 0), OK);
    assert_int_equal(graph_nodes_count(world.graph), 2);
    world_deinit(&world);
}

static struct status restore_edge(struct world *world, uint32_t from, uint32_t to,
                                  size_t more_bytes) {
    const uint8_t key[9] = {0, 0, 0, (uint8_t)from, 0, 0, 0, (uint8_t)to, 0};
    const uint8_t row[10] = {GRAPH_ORIGIN_EVENT};
    return graph_restore_edge(world->graph, slice_of(key, 8 + more_bytes),
                              slice_of(row, sizeof(row) - 1));
}

/* None of them is a row that was ever written: said, and nothing is made of it. */
static void damaged_edge_rows_are_refused(void **state) {
    struct world world;
    const uint8_t row[10] = {GRAPH_ORIGIN_EVENT};
    const uint8_t key[8] = {0, 0, 0, 4, 0, 0, 0, 5};
    uint32_t node = 0;
    world_init(&world, 100);
    for (uint32_t i = 0; i < 6; i++) {
        assert_status(intern(&world, 0, i, &node), OK);
    }
    assert_int_equal(node, 5);
    assert_status(restore_edge(&world, 4, 5, 1), CORRUPT);
    assert_status(restore_edge(&world, 4, 5, 0), OK);
    assert_status(restore_edge(&world, 4, 5, 1), CORRUPT);
    assert_status(restore_edge(&world, 4, 5, 0), CORRUPT);
    assert_status(restore_edge(&world, 4, 4, 0), CORRUPT);
    assert_status(graph_restore_edge(world.graph, slice_of(key, 8), slice_of(row, 10)), CORRUPT);
    assert_int_equal(graph_edges_count(world.graph), 1);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_of_a_tenant_lie_side_by_side),
        cmocka_unit_test(only_the_nodes_are_limited_whoever_owns_them),
        cmocka_unit_test(long_names_find_room_for_every_node),
        cmocka_unit_test(a_restart_gives_the_numbers_that_would_have_been_given),
        cmocka_unit_test(rows_of_an_older_store_keep_their_numbers),
        cmocka_unit_test(damaged_rows_are_refused),
        cmocka_unit_test(damaged_edge_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
