#include "graph/graph.h"

#include <pthread.h>
#include <stdatomic.h>

#include "tests/base/unit.h"

enum { NODES = 60, NUMBERS_MAX = NODES * 20, EDGES_MAX = 9000, EDGES_FEW = 900, VISITS = 200 };

struct world {
    struct arena arena;
    struct graph_options options;
    struct graph *graph;
    struct graph_search *search;
    struct effects effects;
    uint64_t random;
    uint32_t numbers[NODES];      /* of the nodes in the order in which they came */
    uint32_t places[NUMBERS_MAX]; /* and back */
    uint8_t origin[NODES][NODES]; /* the naive reference: from, to */
};

static struct hash128 key_of(uint64_t number) {
    return hash128_of(slice_of(&number, sizeof(number)), 7);
}

static void world_init_folding(struct world *world, uint32_t edges_max, uint32_t nodes,
                               uint32_t fold_step) {
    *world = (struct world){
        .options = {.nodes_max = NODES, .edges_max = edges_max, .fold_step = fold_step},
        .random = 99,
    };
    assert_status(arena_init(&world->arena, 64 * MIB), OK);
    assert_status(graph_init(&world->graph, &world->options, &world->arena), OK);
    assert_status(graph_search_init(&world->search, &world->options, VISITS, &world->arena), OK);
    assert_status(effects_init(&world->effects, 16 * MIB, &world->arena), OK);
    static const char *const owners[3] = {"acme", "other", "platform"};
    for (uint32_t i = 0; i < nodes; i++) {
        assert_status(graph_intern_node(world->graph, slice_of_text(owners[i % 3]), SLICE("job:x"),
                                        key_of(i), &world->numbers[i]),
                      OK);
        assert_true(world->numbers[i] < NUMBERS_MAX);
        world->places[world->numbers[i]] = i;
    }
}

static void world_init(struct world *world, uint32_t edges_max, uint32_t nodes) {
    world_init_folding(world, edges_max, nodes, 0);
}

static void world_deinit(struct world *world) {
    graph_deinit(world->graph);
    arena_deinit(&world->arena);
}

static uint32_t next_random(struct world *world, uint32_t below) {
    world->random = world->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(world->random >> 33) % below;
}

static struct status add_edge(struct world *world, uint32_t from, uint32_t to,
                              enum graph_origin origin, bool *is_new) {
    return graph_add_edge(world->graph, world->numbers[from], world->numbers[to], origin, 5,
                          is_new);
}

static void change_edges(struct world *world) {
    uint32_t from = next_random(world, NODES);
    enum graph_origin origin = (enum graph_origin)(1 + next_random(world, 3));
    if (next_random(world, 3) == 0) {
        uint32_t keep = next_random(world, NODES);
        graph_replace_edges(world->graph, world->numbers[from], origin, &world->numbers[keep], 1);
        for (uint32_t to = 0; to < NODES; to++) {
            if (world->origin[from][to] == origin && to != keep) {
                world->origin[from][to] = 0;
            }
        }
        return;
    }
    uint32_t to = next_random(world, NODES);
    bool is_new = false;
    struct status status = add_edge(world, from, to, origin, &is_new);
    assert_string_equal(status_name(status), from == to ? "invalid" : "ok");
    if (from != to) {
        assert_int_equal(is_new, world->origin[from][to] == 0);
        uint8_t old = world->origin[from][to];
        world->origin[from][to] = old < (uint8_t)origin ? (uint8_t)origin : old;
    }
}

static bool has_edge(const struct world *world, uint32_t a, uint32_t b, bool is_up) {
    return is_up ? world->origin[a][b] != 0 : world->origin[b][a] != 0;
}

/* Distances by relaxation; viewer "acme" sees i % 3 == 0 and 2. */
static void reference(const struct world *world, uint32_t start, bool is_up, uint32_t hops_max,
                      bool sees_all, uint32_t distance[NODES]) {
    memset(distance, 0xff, NODES * sizeof(distance[0]));
    distance[start] = 0;
    for (uint32_t hops = 1; hops <= hops_max; hops++) {
        for (uint32_t a = 0; a < NODES; a++) {
            for (uint32_t b = 0; distance[a] == hops - 1 && b < NODES; b++) {
                bool is_visible = sees_all || b % 3 != 1;
                if (has_edge(world, a, b, is_up) && is_visible && distance[b] == UINT32_MAX) {
                    distance[b] = hops;
                }
            }
        }
    }
}

static void check_search(struct world *world) {
    uint32_t start = next_random(world, NODES);
    bool is_up = next_random(world, 2) == 0;
    bool sees_all = next_random(world, 2) == 0;
    uint32_t hops_max = next_random(world, 6);
    uint32_t distance[NODES];
    reference(world, start, is_up, hops_max, sees_all, distance);
    uint32_t count = 0;
    bool is_truncated = true;
    const struct graph_visit *visits =
        graph_search_run(world->search, world->graph, world->numbers[start],
                         is_up ? GRAPH_UPSTREAM : GRAPH_DOWNSTREAM, hops_max,
                         sees_all ? slice_of(NULL, 0) : SLICE("acme"), &count, &is_truncated);
    assert_false(is_truncated);
    uint32_t expected = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        expected += i != start && distance[i] != UINT32_MAX;
    }
    assert_int_equal(count, expected);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t node = world->places[visits[i].node];
        uint32_t from = world->places[visits[i].from];
        assert_int_equal(visits[i].hops, distance[node]);
        assert_int_equal(distance[from], visits[i].hops - 1);
        assert_true(has_edge(world, from, node, is_up));
        assert_true(i == 0 || visits[i].hops >= visits[i - 1].hops);
    }
}

/* Each once, whether it is in a row, in its room or only in the chain. */
static void check_neighbours(struct world *world) {
    uint32_t node = next_random(world, NODES);
    bool is_up = next_random(world, 2) == 0;
    struct graph_neighbour neighbours[NODES];
    uint32_t count = graph_neighbours(world->graph, world->numbers[node],
                                      is_up ? GRAPH_UPSTREAM : GRAPH_DOWNSTREAM, neighbours, NODES);
    bool is_seen[NODES] = {false};
    uint32_t expected = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        expected += has_edge(world, node, i, is_up) ? 1 : 0;
    }
    assert_int_equal(count, expected);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t other = world->places[neighbours[i].node];
        assert_false(is_seen[other]);
        is_seen[other] = true;
        assert_int_equal(neighbours[i].origin,
                         is_up ? world->origin[node][other] : world->origin[other][node]);
    }
}

static void run_random(struct world *world, uint32_t steps) {
    for (uint32_t step = 0; step < steps; step++) {
        change_edges(world);
        if (step % 7 == 0) {
            check_search(world);
            check_neighbours(world);
        }
        if (step % 64 == 0) {
            assert_true(graph_emit(world->graph, &world->effects));
            effects_clear(&world->effects);
            graph_fold(world->graph);
        }
    }
    uint32_t edges = 0;
    for (uint32_t i = 0; i < NODES * NODES; i++) {
        edges += world->origin[i / NODES][i % NODES] != 0;
    }
    assert_int_equal(graph_edges_count(world->graph), edges);
}

static void searches_agree_with_a_naive_one(void **state) {
    struct world world;
    world_init(&world, EDGES_MAX, NODES);
    run_random(&world, 40000);
    world_deinit(&world);
}

/* Every change falls into another moment of a fold, which never ends at once. */
static void searches_agree_while_a_fold_is_on_its_way(void **state) {
    struct world world;
    world_init_folding(&world, EDGES_MAX, NODES, 1);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t step = 0; step < 20000; step++) {
            change_edges(&world);
            graph_fold(world.graph);
            if (step % 5 == 0) {
                check_search(&world);
                check_neighbours(&world);
            }
        }
        graph_fold_now(world.graph);
        check_search(&world);
        assert_true(graph_emit(world.graph, &world.effects));
        effects_clear(&world.effects);
    }
    assert_true(graph_folds_count(world.graph) >= 3);
    world_deinit(&world);
}

/* Far more edges come than there are numbers. */
static void numbers_of_removed_edges_are_given_to_others(void **state) {
    struct world world;
    for (uint32_t fold_step = 0; fold_step < 2; fold_step++) {
        world_init_folding(&world, EDGES_FEW, NODES, fold_step);
        run_random(&world, 60000);
        struct world other;
        world_init(&other, EDGES_FEW, NODES);
        memcpy(other.origin, world.origin, sizeof(other.origin));
        for (uint32_t i = 0; i < NODES * NODES; i++) {
            uint8_t origin = world.origin[i / NODES][i % NODES];
            if (origin != 0) {
                assert_status(
                    add_edge(&other, i / NODES, i % NODES, (enum graph_origin)origin, NULL), OK);
            }
        }
        assert_true(hash128_equals(graph_digest(world.graph), graph_digest(other.graph)));
        world_deinit(&world);
        world_deinit(&other);
    }
}

static void edges_beyond_the_limit_are_refused_and_what_stands_stays(void **state) {
    struct world world;
    world_init(&world, 20, NODES);
    for (uint32_t i = 0; i < 20; i++) {
        assert_status(add_edge(&world, i, i + 1, GRAPH_ORIGIN_EVENT, NULL), OK);
    }
    assert_status(add_edge(&world, 40, 41, GRAPH_ORIGIN_EVENT, NULL), FULL);
    assert_status(add_edge(&world, 0, 1, GRAPH_ORIGIN_EVENT, NULL), OK);
    assert_true(graph_emit(world.graph, &world.effects));
    for (uint32_t i = 0; i < 4; i++) {
        graph_remove_edge(world.graph, world.numbers[i], world.numbers[i + 1], GRAPH_ORIGIN_CONFIG);
    }
    effects_clear(&world.effects);
    /* Their rows are not deleted yet: their numbers are not free either, and come when they are. */
    assert_status(add_edge(&world, 40, 41, GRAPH_ORIGIN_EVENT, NULL), FULL);
    assert_true(graph_emit(world.graph, &world.effects));
    assert_int_equal(world.effects.count, 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_status(add_edge(&world, 40, 41 + i, GRAPH_ORIGIN_EVENT, NULL), OK);
    }
    assert_status(add_edge(&world, 50, 51, GRAPH_ORIGIN_EVENT, NULL), FULL);
    assert_int_equal(graph_edges_count(world.graph), 20);
    world_deinit(&world);
}

/* a and b are in one cycle when each reaches the other. */
static void check_cycles(struct world *world, const uint32_t *nodes, uint32_t count) {
    uint32_t numbers[NODES];
    uint32_t cycles[NODES];
    uint32_t cycles_count = 0;
    uint32_t largest = 0;
    bool reaches[NODES][NODES] = {{false}};
    for (uint32_t i = 0; i < count; i++) {
        numbers[i] = world->numbers[nodes[i]];
    }
    assert_status(
        graph_find_cycles(world->graph, numbers, count, &world->arena, cycles, &cycles_count), OK);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < count; k++) {
            reaches[i][k] = world->origin[nodes[i]][nodes[k]] != 0;
        }
    }
    for (uint32_t via = 0; via < count; via++) {
        for (uint32_t i = 0; i < count * count; i++) {
            uint32_t a = i / count;
            uint32_t b = i % count;
            reaches[a][b] = reaches[a][b] || (reaches[a][via] && reaches[via][b]);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        largest = cycles[i] > largest ? cycles[i] : largest;
        assert_int_equal(cycles[i] != 0, reaches[i][i]);
        for (uint32_t k = 0; k < count; k++) {
            bool is_one = i == k || (reaches[i][k] && reaches[k][i]);
            assert_int_equal(cycles[i] != 0 && cycles[i] == cycles[k], is_one && cycles[i] != 0);
        }
    }
    assert_int_equal(largest, cycles_count);
}

static void cycles_are_found_among_the_given_nodes(void **state) {
    struct world world;
    world_init(&world, EDGES_MAX, NODES);
    uint32_t some[NODES];
    for (uint32_t round = 0; round < 60; round++) {
        uint32_t count = 0;
        change_edges(&world);
        for (uint32_t i = 0; i < NODES; i++) {
            if (next_random(&world, 3) > 0) {
                some[count++] = i;
            }
        }
        check_cycles(&world, some, count);
        check_cycles(&world, some, 0);
    }
    world_deinit(&world);
}

static void a_stronger_origin_replaces_a_weaker_one(void **state) {
    struct world world;
    world_init(&world, 10, NODES);
    bool is_new = false;
    assert_status(add_edge(&world, 0, 2, GRAPH_ORIGIN_EVENT, &is_new), OK);
    assert_true(is_new);
    assert_status(add_edge(&world, 0, 2, GRAPH_ORIGIN_CONFIG, &is_new), OK);
    assert_false(is_new);
    assert_status(add_edge(&world, 0, 2, GRAPH_ORIGIN_LEARNED, &is_new), OK);
    struct graph_neighbour neighbour;
    assert_int_equal(
        graph_neighbours(world.graph, world.numbers[2], GRAPH_DOWNSTREAM, &neighbour, 1), 1);
    assert_int_equal(neighbour.node, world.numbers[0]);
    assert_int_equal(neighbour.origin, GRAPH_ORIGIN_CONFIG);
    world_deinit(&world);
}

static void a_search_stops_at_its_bound_and_says_so(void **state) {
    struct world world;
    world_init(&world, 100, NODES);
    struct graph_search *small = NULL;
    assert_status(graph_search_init(&small, &world.options, 5, &world.arena), OK);
    for (uint32_t i = 1; i < 10; i++) {
        assert_status(add_edge(&world, i, 0, GRAPH_ORIGIN_EVENT, NULL), OK);
    }
    uint32_t count = 0;
    bool is_truncated = false;
    (void)graph_search_run(small, world.graph, world.numbers[0], GRAPH_DOWNSTREAM, 8,
                           slice_of(NULL, 0), &count, &is_truncated);
    assert_int_equal(count, 5);
    assert_true(is_truncated);
    world_deinit(&world);
}

static void nodes_beyond_the_limit_are_refused(void **state) {
    struct world world;
    world_init(&world, 10, NODES);
    uint32_t node = 7;
    assert_status(graph_intern_node(world.graph, SLICE("acme"), SLICE("job:y"), key_of(500), &node),
                  FULL);
    assert_int_equal(node, 7);
    assert_int_equal(graph_find_node(world.graph, key_of(500)), GRAPH_NODE_NONE);
    assert_status(graph_intern_node(world.graph, SLICE("acme"), SLICE("job:x"), key_of(3), &node),
                  OK);
    assert_int_equal(node, world.numbers[3]);
    world_deinit(&world);
}

static void restore_table(struct world *from, struct world *to, enum store_table table,
                          bool by_number) {
    for (uint32_t number = 0; number < (by_number ? NUMBERS_MAX : 1u); number++) {
        struct effects_cursor cursor = effects_begin(&from->effects);
        struct effect effect;
        while (effects_next(&cursor, &effect)) {
            if (effect.table != table || effect.kind != EFFECT_PUT) {
                continue;
            }
            if (!by_number) {
                assert_status(graph_restore_edge(to->graph, effect.key, effect.value), OK);
            } else if (effect.key.data[2] * 256u + effect.key.data[3] == number) {
                assert_status(graph_restore_node(to->graph, effect.key, effect.value), OK);
            }
        }
    }
}

static void rows_restore_the_same_graph(void **state) {
    struct world world;
    struct world other;
    world_init(&world, EDGES_MAX, NODES);
    world_init(&other, EDGES_MAX, 0);
    for (uint32_t i = 0; i < 3000; i++) {
        change_edges(&world);
    }
    graph_set_state(world.graph, world.numbers[5],
                    (struct graph_state){EVENT_STATUS_DOWN, 1234 * NS_PER_MS});
    assert_true(graph_emit(world.graph, &world.effects));
    restore_table(&world, &other, STORE_TABLE_NODE, true);
    restore_table(&world, &other, STORE_TABLE_EDGE, false);
    assert_true(hash128_equals(graph_digest(world.graph), graph_digest(other.graph)));
    struct graph_node node = graph_get_node(other.graph, world.numbers[5]);
    assert_int_equal(node.state.status, EVENT_STATUS_DOWN);
    assert_int_equal(node.state.since_ns, 1234 * NS_PER_MS);
    assert_slice(node.owner, "platform");
    assert_status(graph_restore_edge(other.graph, SLICE("12345678"), SLICE("123456789")), CORRUPT);
    assert_status(graph_restore_node(other.graph, SLICE("1234"), SLICE("x")), CORRUPT);
    effects_clear(&other.effects);
    assert_true(graph_emit(other.graph, &other.effects));
    assert_int_equal(other.effects.count, 0); /* restored rows are not written again */
    world_deinit(&world);
    world_deinit(&other);
}

struct watch {
    struct world *world;
    _Atomic bool is_over;
    _Atomic uint32_t wrong;
    _Atomic uint32_t runs;
};

/* 0 -> 3 -> 6 always stand; the other edges come and go around them. */
static void *watch_graph(void *argument) {
    struct watch *watch = argument;
    const uint32_t *numbers = watch->world->numbers;
    struct arena arena;
    struct graph_search *search = NULL;
    if (!status_is_ok(arena_init(&arena, 1 * MIB)) ||
        !status_is_ok(graph_search_init(&search, &watch->world->options, VISITS, &arena))) {
        atomic_fetch_add(&watch->wrong, 1);
        return NULL;
    }
    graph_reader_register();
    while (!atomic_load(&watch->is_over)) {
        uint32_t count = 0;
        bool has_3 = false;
        bool has_6 = false;
        graph_reader_begin();
        const struct graph_visit *visits =
            graph_search_run(search, watch->world->graph, numbers[0], GRAPH_UPSTREAM, 8,
                             slice_of(NULL, 0), &count, NULL);
        for (uint32_t i = 0; i < count; i++) {
            has_3 |= visits[i].node == numbers[3];
            has_6 |= visits[i].node == numbers[6];
        }
        struct graph_neighbour near[4];
        bool has_near =
            graph_neighbours(watch->world->graph, numbers[0], GRAPH_UPSTREAM, near, 4) > 0;
        graph_reader_end();
        bool is_found = graph_find_node(watch->world->graph, key_of(3)) == numbers[3];
        atomic_fetch_add(&watch->wrong, !has_3 || !has_6 || !has_near || !is_found);
        atomic_fetch_add(&watch->runs, 1);
    }
    graph_reader_unregister();
    arena_deinit(&arena);
    return NULL;
}

static void readers_see_standing_edges_while_others_come_and_go(void **state) {
    struct world world;
    world_init_folding(&world, EDGES_FEW, NODES, 64);
    assert_status(add_edge(&world, 0, 3, GRAPH_ORIGIN_CONFIG, NULL), OK);
    assert_status(add_edge(&world, 3, 6, GRAPH_ORIGIN_CONFIG, NULL), OK);
    struct watch watch = {.world = &world};
    pthread_t threads[2];
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, watch_graph, &watch), 0);
    }
    for (uint32_t i = 0; i < 30000 || (atomic_load(&watch.runs) < 200 && i < 200000); i++) {
        uint32_t from = next_random(&world, NODES);
        (void)add_edge(&world, from, next_random(&world, NODES) | 1, GRAPH_ORIGIN_EVENT, NULL).code;
        graph_set_state(world.graph, world.numbers[from],
                        (struct graph_state){EVENT_STATUS_FAILED, i});
        if (i % 8 == 7) {
            graph_replace_edges(world.graph, world.numbers[next_random(&world, NODES)],
                                GRAPH_ORIGIN_EVENT, NULL, 0);
            (void)graph_emit(world.graph, &world.effects);
            effects_clear(&world.effects);
            graph_fold(world.graph);
        }
    }
    atomic_store(&watch.is_over, true);
    for (uint32_t i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&watch.wrong), 0);
    assert_true(atomic_load(&watch.runs) > 0);
    assert_true(graph_folds_count(world.graph) >= 1); /* under the readers' eyes */
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_agree_with_a_naive_one),
        cmocka_unit_test(searches_agree_while_a_fold_is_on_its_way),
        cmocka_unit_test(numbers_of_removed_edges_are_given_to_others),
        cmocka_unit_test(edges_beyond_the_limit_are_refused_and_what_stands_stays),
        cmocka_unit_test(cycles_are_found_among_the_given_nodes),
        cmocka_unit_test(a_stronger_origin_replaces_a_weaker_one),
        cmocka_unit_test(a_search_stops_at_its_bound_and_says_so),
        cmocka_unit_test(nodes_beyond_the_limit_are_refused),
        cmocka_unit_test(rows_restore_the_same_graph),
        cmocka_unit_test(readers_see_standing_edges_while_others_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
