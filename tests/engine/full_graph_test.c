/* full_graph_test.c - a graph, or a tenant's share of it, that has no room: what is known is heard
 * all the same. */
#include "tests/engine/shard_world.h"

#include "core/base/limits.h"

/* acme may have so many entities; 0: as many as there is room for. */
static void limit_acme(struct world *world, uint32_t entities) {
    struct policy acme = policy_default();
    struct policy_set set = {.defaults = policy_default(), .tenants = &acme, .tenants_count = 1};
    acme.tenant = SLICE("acme");
    acme.limit_entities = entities;
    batch_clear(&world->batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(&world->batch);
    assert_status(policy_set_encode(&set, &writer), OK);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
}

/* The same when it is replayed, and when it is found in the state. */
static void assert_the_same_again(struct world *world) {
    struct hash128 digest = engine_digest(&world->engine);
    for (int round = 0; round < 2; round++) {
        restart(world);
        assert_same(engine_digest(&world->engine), digest);
        commit(world);
    }
}

static void a_known_entity_is_heard_though_its_new_dependency_finds_no_room(void **state) {
    struct world *world = *state;
    add_event(world, "job:a", EVENT_STATUS_SUCCEEDED, "e-1", "job:b");
    add_event(world, "job:c", EVENT_STATUS_SUCCEEDED, "e-2", NULL); /* three nodes, an edge */
    apply_record(world);
    uint32_t edges = graph_edges_count(world->engine.graph);
    add_event(world, "job:b", EVENT_STATUS_FAILED, "e-3", "dataset:new job:c");
    apply_record(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), 1);
    bool has_room_for_edges = world->edges_max > edges;
    assert_int_equal(graph_edges_count(world->engine.graph), edges + (has_room_for_edges ? 1 : 0));
    add_event(world, "job:b", EVENT_STATUS_SUCCEEDED, "e-4", "dataset:newer");
    apply_record(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), 0);
    assert_int_equal(stats_get(&world->stats, STAT_EDGES_LEFT_OUT), has_room_for_edges ? 2 : 3);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_QUARANTINE), 0);
    assert_the_same_again(world);
}

static int set_up_few_nodes(void **state) {
    assert_int_equal(set_up(state), 0);
    struct world *world = *state;
    world->nodes_max = 3;
    restart(world);
    return 0;
}

static int set_up_few_edges(void **state) {
    assert_int_equal(set_up(state), 0);
    struct world *world = *state;
    world->edges_max = 1;
    restart(world);
    return 0;
}

static int set_up_bounded_tenant(void **state) {
    assert_int_equal(set_up(state), 0);
    limit_acme(*state, 3);
    return 0;
}

int main(void) {
#define HEARD(set_up)                                                                              \
    {                                                                                              \
        "a_known_entity_is_heard_though_its_new_dependency_finds_no_room: " #set_up,               \
            a_known_entity_is_heard_though_its_new_dependency_finds_no_room, set_up, tear_down,    \
            NULL                                                                                   \
    }
    const struct CMUnitTest tests[] = {
        HEARD(set_up_few_nodes),
        HEARD(set_up_few_edges),
        HEARD(set_up_bounded_tenant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
