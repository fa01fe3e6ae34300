/* What a search that is bounded in visits gives, whatever lies in rows, in their room, in chains.
 */
#include "graph/graph.h"

#include "tests/base/unit.h"

enum { NODES = 60, CHANGES = 400 };

struct world {
    struct arena arena;
    struct graph_options options;
    struct graph *graph;
    struct graph_search *search;
    uint32_t numbers[NODES];
    uint64_t random;
};

static uint32_t next_random(struct world *world, uint32_t below) {
    world->random = world->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(world->random >> 33) % below;
}

static void world_init(struct world *world) {
    *world = (struct world){.options = {.nodes_max = NODES, .edges_max = 4000}, .random = 7};
    assert_status(arena_init(&world->arena, 64 * MIB), OK);
    assert_status(graph_init(&world->graph, &world->options, &world->arena), OK);
    assert_status(graph_search_init(&world->search, &world->options, NODES, &world->arena), OK);
    for (uint32_t i = 0; i < NODES; i++) {
        struct hash128 key = hash128_of(slice_of(&i, sizeof(i)), 7);
        assert_status(
            graph_intern_node(world->graph, SLICE("acme"), SLICE("job:x"), key, &world->numbers[i]),
            OK);
    }
}

static void change_edges(struct world *world) {
    for (uint32_t i = 0; i < CHANGES; i++) {
        uint32_t from = world->numbers[next_random(world, NODES)];
        uint32_t to = world->numbers[next_random(world, NODES)];
        if (next_random(world, 4) == 0) {
            graph_remove_edge(world->graph, from, to, GRAPH_ORIGIN_CONFIG);
        } else if (from != to) {
            assert_status(graph_add_edge(world->graph, from, to, GRAPH_ORIGIN_EVENT, 5, NULL), OK);
        }
    }
}

static void check_bounded(struct world *world, uint32_t bound) {
    struct graph_search *bounded = NULL;
    uint32_t start = world->numbers[next_random(world, NODES)];
    uint32_t whole_count = 0;
    uint32_t count = 0;
    bool is_truncated = false;
    assert_status(graph_search_init(&bounded, &world->options, bound, &world->arena), OK);
    const struct graph_visit *whole = graph_search_run(
        world->search, world->graph, start, GRAPH_DOWNSTREAM, 8, SLICE("acme"), &whole_count, NULL);
    const struct graph_visit *visits = graph_search_run(
        bounded, world->graph, start, GRAPH_DOWNSTREAM, 8, SLICE("acme"), &count, &is_truncated);
    assert_int_equal(count, whole_count < bound ? whole_count : bound);
    assert_int_equal(is_truncated, whole_count > bound);
    assert_memory_equal(visits, whole, count * sizeof(*visits));
}

static void a_bounded_search_is_the_beginning_of_the_whole_one(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (uint32_t round = 0; round < 4; round++) {
        change_edges(&world);
        if (round % 2 == 1) {
            graph_fold_now(world.graph);
        }
        for (uint32_t bound = 1; bound < NODES; bound++) {
            check_bounded(&world, bound);
        }
    }
    arena_deinit(&world.arena);
}

static struct graph_neighbour only_neighbour(const struct world *world) {
    struct graph_neighbour neighbour = {.node = GRAPH_NODE_NONE};
    assert_int_equal(
        graph_neighbours(world->graph, world->numbers[0], GRAPH_UPSTREAM, &neighbour, 1), 1);
    return neighbour;
}

static void see_edge(struct world *world, uint32_t to, enum graph_origin origin, uint64_t now_ns) {
    assert_status(
        graph_add_edge(world->graph, world->numbers[0], world->numbers[to], origin, now_ns, NULL),
        OK);
}

static void an_edge_says_when_it_was_seen_last(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    see_edge(&world, 1, GRAPH_ORIGIN_LEARNED, 5 * NS_PER_S);
    assert_int_equal(only_neighbour(&world).last_seen_ns, 5 * NS_PER_S);
    see_edge(&world, 1, GRAPH_ORIGIN_LEARNED, 7 * NS_PER_S);
    assert_int_equal(only_neighbour(&world).last_seen_ns, 7 * NS_PER_S);
    see_edge(&world, 1, GRAPH_ORIGIN_EVENT, 8 * NS_PER_S); /* stronger: at once */
    assert_int_equal(only_neighbour(&world).last_seen_ns, 8 * NS_PER_S);
    see_edge(&world, 1, GRAPH_ORIGIN_EVENT, 8 * NS_PER_S + 9 * NS_PER_MINUTE);
    assert_int_equal(only_neighbour(&world).last_seen_ns, 8 * NS_PER_S);
    see_edge(&world, 1, GRAPH_ORIGIN_EVENT, 8 * NS_PER_S + 10 * NS_PER_MINUTE);
    graph_fold_now(world.graph);
    struct graph_neighbour neighbour = only_neighbour(&world);
    assert_int_equal(neighbour.node, world.numbers[1]);
    assert_int_equal(neighbour.origin, GRAPH_ORIGIN_EVENT);
    assert_int_equal(neighbour.last_seen_ns, 8 * NS_PER_S + 10 * NS_PER_MINUTE);
    arena_deinit(&world.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bounded_search_is_the_beginning_of_the_whole_one),
        cmocka_unit_test(an_edge_says_when_it_was_seen_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
