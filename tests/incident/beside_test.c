/* beside_test.c - who stands in an incident though no known edge leads to it from the root: what
 * people are told of it. */
#include "tests/incident/world.h"

static void expect_told(struct world *world, const char *words, bool is_there) {
    assert_int_equal(world_incidents(world, "acme"), 1);
    char *json = world_json(world, "acme", 0);
    if ((strstr(json, words) != NULL) != is_there) {
        fail_msg("%s %s: %s", is_there ? "lacks" : "says", words, json);
    }
    free(json);
}

static void fail_three_that_share(struct world *world, const char *upstream) {
    static const char *const names[] = {"job:x", "job:y", "job:z"};
    for (unsigned i = 0; i < 3; i++) {
        world_depend(world, names[i], upstream);
        world_fail(world, names[i], START_NS + i * NS_PER_S);
    }
    world_run(world, START_NS + NS_PER_MINUTE);
    expect_told(world, "\"title\":\"job:s suspected; 3 downstream affected\"", true);
}

/* Also the first of them, which stands for the incident as long as the suspect is silent. */
static void a_message_names_all_that_fail_of_a_suspect(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_three_that_share(&world, "job:s");
    assert_int_equal(world.told_count, 1);
    const char *affected = strstr(world.told[0].json, "\"affected\":[");
    assert_non_null(affected);
    assert_non_null(strstr(affected, "{\"entity\":\"job:x\""));
    assert_int_equal(count_text(affected, "\"hops\":1"), 3);
    world_deinit(&world);
}

static void those_whose_suspect_is_well_are_not_downstream_of_one_of_them(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        fail_three_that_share(&world, "job:s");
        size_t told_count = world.told_count;
        world_good(&world, "acme", "job:s", START_NS + NS_PER_MINUTE);
        world_run_for(&world, MINUTES(1));
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run_for(&world, MINUTES(9));
        expect_told(&world, "\"title\":\"job:x failed: Timeout; 2 others with it\"", true);
        expect_told(&world, "\"no known edge leads from it to any of the 2 others\"", true);
        expect_told(&world, "0 of 2", false);
        assert_int_equal(world.told_count, told_count + 1); /* the one incident that people know */
        assert_int_equal(world.told[told_count].type, 2);
        assert_true(hash128_equals(world.told[told_count].incident_id, world.told[0].incident_id));
        assert_non_null(strstr(world.told[told_count].json, "failed: Timeout; 2 others with it"));
        world_deinit(&world);
    }
}

static void those_downstream_and_the_others_are_counted_apart(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_three_that_share(&world, "job:s");
    world_good(&world, "acme", "job:s", START_NS + NS_PER_MINUTE);
    world_depend(&world, "check:w", "job:x");
    world_fail(&world, "check:w", START_NS + 50 * NS_PER_S);
    world_run_for(&world, MINUTES(1));
    expect_told(&world,
                "\"title\":\"job:x failed: Timeout; 1 downstream affected, 2 others with it\"",
                true);
    expect_told(&world, "upstream of 1 of 3 affected", true);
    world_deinit(&world);
}

/* A path of more hops than one search goes. */
static void what_lies_farther_than_a_search_goes_is_downstream(void **state) {
    enum { LENGTH = 50 };
    (void)state;
    for (unsigned is_reversed = 0; is_reversed < 2; is_reversed++) {
        struct world world;
        world_init(&world);
        char names[LENGTH][16];
        for (unsigned i = 0; i < LENGTH; i++) {
            snprintf(names[i], sizeof(names[i]), "job:c%02u", i);
            if (i > 0) {
                world_depend(&world, names[i], names[i - 1]);
            }
        }
        for (unsigned i = 0; i < LENGTH; i++) {
            unsigned which = is_reversed == 1 ? LENGTH - 1 - i : i;
            world_fail(&world, names[which], START_NS + which * NS_PER_S);
        }
        world_run(&world, START_NS + NS_PER_MINUTE);
        expect_told(&world, "\"title\":\"job:c00 failed: Timeout; 49 downstream affected\"", true);
        expect_told(&world, "upstream of 49 of 49 affected", true);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_names_all_that_fail_of_a_suspect),
        cmocka_unit_test(those_whose_suspect_is_well_are_not_downstream_of_one_of_them),
        cmocka_unit_test(those_downstream_and_the_others_are_counted_apart),
        cmocka_unit_test(what_lies_farther_than_a_search_goes_is_downstream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
