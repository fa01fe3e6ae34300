/* ring_test.c - dependencies that form a ring: who is its root when not all of it is told, or
 * known, at once. */
#include "tests/incident/world.h"

static void expect_root(struct world *world, const char *root, unsigned affected) {
    char words[96];
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", root);
    assert_int_equal(world_incidents(world, "acme"), 1);
    char *json = world_json(world, "acme", 0);
    if (strstr(json, words) == NULL || count_text(json, "\"hops\":") != affected) {
        fail_msg("not %s with %u affected: %s", root, affected, json);
    }
    free(json);
}

/* job:p1 and job:p3 depend on the ring of job:p0 and job:p2; while p2 is silent, p1, which was
 * first, is the root of all. */
static void what_lies_below_a_ring_is_not_its_root(void **state) {
    (void)state;
    static const struct {
        const char *entity;
        uint64_t after_s;
    } failures[] = {{"job:p1", 0}, {"job:p3", 8}, {"job:p0", 4}, {"job:p2", 5}};
    static const unsigned orders[][4] = {
        {0, 1, 2, 3}, {0, 2, 3, 1}, {1, 0, 3, 2}, {3, 2, 1, 0}, {2, 1, 0, 3}};
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:p1", "job:p2");
        world_depend(&world, "job:p3", "job:p2");
        world_depend(&world, "job:p0", "job:p2");
        world_depend(&world, "job:p2", "job:p0");
        for (size_t k = 0; k < 4; k++) {
            unsigned which = orders[i][k];
            world_fail(&world, failures[which].entity,
                       START_NS + failures[which].after_s * NS_PER_S);
        }
        world_run(&world, START_NS + NS_PER_MINUTE);
        expect_root(&world, "job:p0", 3);
        world_deinit(&world);
    }
}

static void add_suspected_ring(struct world *world) {
    world_depend(world, "job:r", "job:s");
    world_depend(world, "job:s", "job:r");
    world_depend(world, "job:x", "job:s");
    world_depend(world, "job:y", "job:s");
}

/* job:r broke first; job:s, which all share, is suspected until it says itself that it failed. */
static void a_suspect_that_fails_is_silent_no_more(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    add_suspected_ring(&world);
    static const char *const names[] = {"job:x", "job:y", "job:r"};
    for (unsigned i = 0; i < 3; i++) {
        world_fail(&world, names[i], START_NS - i * NS_PER_S);
    }
    world_run(&world, START_NS + NS_PER_MINUTE);
    expect_root(&world, "job:s", 3);
    world_fail(&world, "job:s", START_NS + NS_PER_S);
    expect_root(&world, "job:r", 3);
    world_restart(&world);
    world_run(&world, START_NS + 2 * NS_PER_MINUTE);
    expect_root(&world, "job:r", 3);
    char *json = world_json(&world, "acme", 0);
    assert_null(strstr(json, "suspected"));
    free(json);
    char *timeline = world_timeline(&world, world_id(&world, "acme", 0));
    assert_int_equal(count_text(timeline, "job:s (suspected) has failed itself, to job:r"), 1);
    free(timeline);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_below_a_ring_is_not_its_root),
        cmocka_unit_test(a_suspect_that_fails_is_silent_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
