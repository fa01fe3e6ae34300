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

/* --- A ring with a cause outside: any order of arrival --- */

enum { RING_COUNT = 5, ORDERS_COUNT = 120 };

struct failing {
    const char *entity;
    const char *upstreams[2];
    uint64_t before_s;
};

/* job:j7 of the ring depends on job:j0 too, which failed long after two of them: too long, and too
 * far from the first of the ring, to be why that one failed. */
static const struct failing late_cause[RING_COUNT] = {
    {"job:j0", {NULL, NULL}, 176},         {"job:j1", {"job:j6", NULL}, 214},
    {"job:j2", {"job:j7", NULL}, 207},     {"job:j6", {"job:j2", NULL}, 269},
    {"job:j7", {"job:j1", "job:j0"}, 268},
};

/* Only by job:j4 and job:j3 may job:j0 be why the first, job:j2, failed. */
static const struct failing far_cause[RING_COUNT] = {
    {"job:j0", {NULL, NULL}, 159},     {"job:j1", {"job:j2", "job:j0"}, 378},
    {"job:j2", {"job:j3", NULL}, 618}, {"job:j3", {"job:j4", NULL}, 231},
    {"job:j4", {"job:j1", NULL}, 252},
};

static void learn_edges(struct world *world, const struct failing *one) {
    for (unsigned i = 0; i < 2 && one->upstreams[i] != NULL; i++) {
        world_depend(world, one->entity, one->upstreams[i]);
        world->seq++;
        struct incident_context context = world_context(world);
        incidents_apply_edge(world->incidents, &context, world_node(world, "acme", one->entity),
                             world_node(world, "acme", one->upstreams[i]));
        world_commit(world);
    }
}

static void fail_one(struct world *world, const struct failing *one, const char *message) {
    struct signal signal =
        world_signal("acme", one->entity, EVENT_STATUS_FAILED, START_NS - one->before_s * NS_PER_S);
    signal.error_class = SLICE("");
    signal.message = slice_of_text(message);
    world_bad_signal(world, "acme", one->entity, &signal, false);
}

/* The n-th of all orders. */
static void take_order(unsigned n, unsigned *order) {
    for (unsigned i = 0; i < RING_COUNT; i++) {
        order[i] = i;
    }
    for (unsigned i = 0; i < RING_COUNT; i++) {
        unsigned pick = i + n % (RING_COUNT - i);
        unsigned kept = order[i];
        n /= RING_COUNT - i;
        order[i] = order[pick];
        order[pick] = kept;
    }
}

/* All fail in the n-th order; their edges are known before, or told with each of them. */
static void fail_in_order(struct world *world, const struct failing *ring, unsigned n,
                          bool edges_are_known, const char *message) {
    unsigned order[RING_COUNT];
    take_order(n, order);
    world_init(world);
    for (unsigned i = 0; i < RING_COUNT && edges_are_known; i++) {
        learn_edges(world, &ring[i]);
    }
    for (unsigned i = 0; i < RING_COUNT; i++) {
        if (!edges_are_known) {
            learn_edges(world, &ring[order[i]]);
        }
        fail_one(world, &ring[order[i]], message);
    }
    world_run(world, START_NS + NS_PER_MINUTE);
}

static void a_ring_with_a_late_cause_is_one_incident_in_any_order(void **state) {
    (void)state;
    for (unsigned n = 0; n < 4 * ORDERS_COUNT; n++) {
        struct world world;
        fail_in_order(&world, n % 4 < 2 ? late_cause : far_cause, n / 4, n % 2 == 0, "");
        expect_root(&world, "job:j0", 4);
        assert_int_equal(incidents_open_count(world.incidents), 1);
        assert_int_equal(world.told_count, 1);
        world_deinit(&world);
    }
}

/* Each speaks of a fault of its own, so what failed that long after is not why. */
static void a_ring_that_nothing_outside_explains_stays_apart_in_any_order(void **state) {
    (void)state;
    for (unsigned n = 0; n < 2 * ORDERS_COUNT; n++) {
        struct world world;
        fail_in_order(&world, late_cause, n / 2, n % 2 == 0, "out of memory");
        assert_int_equal(world_incidents(&world, "acme"), 2);
        for (size_t i = 0; i < 2; i++) {
            char *json = world_json(&world, "acme", i);
            bool is_ring = strstr(json, "\"root_cause\":{\"entity\":\"job:j6\"") != NULL;
            assert_int_equal(count_text(json, "\"hops\":"), is_ring ? 3 : 0);
            assert_true(is_ring || strstr(json, "\"root_cause\":{\"entity\":\"job:j0\"") != NULL);
            free(json);
        }
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_below_a_ring_is_not_its_root),
        cmocka_unit_test(a_suspect_that_fails_is_silent_no_more),
        cmocka_unit_test(a_ring_with_a_late_cause_is_one_incident_in_any_order),
        cmocka_unit_test(a_ring_that_nothing_outside_explains_stays_apart_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
