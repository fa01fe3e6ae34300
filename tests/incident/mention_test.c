/* mention_test.c - a message that names another entity is an edge to it. */
#include "tests/incident/world.h"

static void fail_saying(struct world *world, const char *entity, const char *message) {
    struct signal signal = world_signal("acme", entity, EVENT_STATUS_FAILED, START_NS);
    signal.message = slice_of_text(message);
    world_bad_signal(world, "acme", entity, &signal, false);
}

static void a_message_that_names_a_bad_entity_is_an_edge(void **state) {
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct world world;
        world_init(&world);
        if (late == 0) {
            fail_saying(&world, "service:billing-db", "disk full");
        }
        fail_saying(&world, "job:invoice", "cannot reach billing-db: refused");
        if (late == 1) {
            fail_saying(&world, "service:billing-db", "disk full");
        }
        char *json = world_json(&world, "acme", 0);
        assert_int_equal(world_incidents(&world, "acme"), 1);
        assert_non_null(strstr(json, "\"title\":\"service:billing-db failed: Timeout; 1 down"));
        free(json);
        world_deinit(&world);
    }
}

static void a_part_of_a_word_or_a_short_name_is_no_mention(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_saying(&world, "service:billing", "disk full");
    fail_saying(&world, "job:api", "disk full");
    fail_saying(&world, "job:invoice", "cannot reach billing-db of prebilling or the api");
    assert_int_equal(world_incidents(&world, "acme"), 3);
    struct signal signal = world_signal("globex", "job:other", EVENT_STATUS_FAILED, START_NS);
    signal.message = SLICE("billing is down");
    world_bad_signal(&world, "globex", "job:other", &signal, false);
    assert_int_equal(world_incidents(&world, "globex"), 1); /* another tenant's name */
    char *json = world_json(&world, "globex", 0);
    assert_null(strstr(json, "service:billing"));
    free(json);
    world_deinit(&world);
}

static void a_mention_against_a_known_edge_makes_no_cycle(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:report", "job:extract");
    fail_saying(&world, "job:report", "no rows");
    fail_saying(&world, "job:extract", "could not notify report"); /* it is downstream already */
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"title\":\"job:extract failed: Timeout; 1 down"));
    free(json);
    uint32_t count = 0;
    (void)graph_search_run(world.search, world.graph, world_node(&world, "acme", "job:extract"),
                           GRAPH_UPSTREAM, 8, SLICE("acme"), &count, NULL);
    assert_int_equal(count, 0);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_that_names_a_bad_entity_is_an_edge),
        cmocka_unit_test(a_part_of_a_word_or_a_short_name_is_no_mention),
        cmocka_unit_test(a_mention_against_a_known_edge_makes_no_cycle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
