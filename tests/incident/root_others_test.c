/* root_others_test.c - the root is well, what it brought down is not: it stays the root, unless all
 * that still fails depends on another that fails still. */
#include "tests/incident/world.h"

/* Of the incident told first. */
static char *timeline_of(struct world *world) {
    return world_timeline(world, world->told[0].incident_id);
}

static size_t count_incidents_of(struct world *world, const char *root) {
    char words[128];
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", root);
    size_t found = 0;
    for (size_t i = 0; i < world_incidents(world, "acme"); i++) {
        char *json = world_json(world, "acme", i);
        found += count_text(json, words);
        free(json);
    }
    return found;
}

static void expect_roots(struct world *world, size_t count, const char *root) {
    assert_int_equal(world_incidents(world, "acme"), count);
    if (count_incidents_of(world, root) != 1) {
        char *json = world_json(world, "acme", 0);
        fail_msg("%s is no root, but %s", root, json);
    }
}

/* The incident whose root it is. */
static void acknowledge(struct world *world, const char *root) {
    char words[128];
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", root);
    struct incident_context context = world_context(world);
    for (size_t i = 0; i < world_incidents(world, "acme"); i++) {
        char *json = world_json(world, "acme", i);
        if (count_text(json, words) > 0) {
            assert_true(status_is_ok(incidents_operate(world->incidents, &context,
                                                       world_id(world, "acme", i), SLICE("acme"),
                                                       false, SLICE("kim"), SLICE("looking"))));
        }
        free(json);
    }
    world_commit(world);
}

/* job:x depends on both; job:u1 has failed first and just before it, so it has joined that. */
static void init_two(struct world *world) {
    world_init(world);
    world_depend(world, "job:x", "job:u1");
    world_depend(world, "job:x", "job:middle");
    world_depend(world, "job:middle", "job:u2");
    world_fail_now(world, "job:u1");
    world_run_for(world, MINUTES(1));
    world_fail_now(world, "job:u2");
    world_fail_now(world, "job:x");
    world_run_for(world, MINUTES(2));
    assert_int_equal(world_incidents(world, "acme"), 2);
    char *timeline = timeline_of(world);
    assert_int_equal(count_text(timeline, "\"what\":\"joined\",\"detail\":\"job:x failed\""), 1);
    free(timeline);
}

static void
the_upstream_that_fails_still_is_the_root_when_the_first_is_well_for_long(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        init_two(&world);
        world_recover_now(&world, "job:u1");
        world_run_for(&world, MINUTES(4)); /* that may be noise */
        expect_roots(&world, 2, "job:u1");
        if (restarts == 1) {
            world_restart(&world);
        }
        size_t told_count = world.told_count;
        world_run_for(&world, MINUTES(10));
        expect_roots(&world, 1, "job:u2");
        assert_true(hash128_equals(world_id(&world, "acme", 0), world.told[0].incident_id));
        char *timeline = timeline_of(&world);
        assert_int_equal(count_text(timeline, "\"what\":\"re-rooted\""), 1);
        assert_int_equal(count_text(timeline, "\"detail\":\"job:u1 to job:u2\""), 1);
        free(timeline);
        /* The other's end, and the new root, once. */
        assert_int_equal(world.told_count, told_count + 2);
        assert_int_equal(world.told[told_count].type, 3);
        assert_int_equal(world.told[told_count + 1].type, 2);
        const char *json = world.told[told_count + 1].json;
        assert_non_null(
            strstr(json, "\"title\":\"job:u2 failed: Timeout; 1 downstream affected\""));
        assert_null(strstr(json, "\"affected\":[{\"entity\":\"job:u1\""));
        assert_non_null(strstr(json, "\"hops\":2}]"));
        world_recover_now(&world, "job:u2");
        world_recover_now(&world, "job:x");
        assert_int_equal(incidents_open_count(world.incidents), 0);
        world_deinit(&world);
    }
}

/* A message that goes out just before the question would be asked. */
static void a_telling_meanwhile_does_not_keep_the_other_from_taking_over(void **state) {
    (void)state;
    struct world world;
    init_two(&world);
    world_depend(&world, "job:z", "job:u1");
    world_fail_now(&world, "job:z");
    world_recover_now(&world, "job:u1");
    world_run_for(&world, MINUTES(12));
    expect_roots(&world, 2, "job:u1"); /* it does not explain job:z */
    world_recover_now(&world, "job:z");
    world_run_for(&world, 10 * NS_PER_MS);
    acknowledge(&world, "job:u1");
    world_run_for(&world, MINUTES(1));
    expect_roots(&world, 1, "job:u2");
    world_deinit(&world);
}

static void who_knew_of_the_one_does_not_know_of_the_other(void **state) {
    (void)state;
    for (unsigned knows_both = 0; knows_both < 2; knows_both++) {
        struct world world;
        init_two(&world);
        acknowledge(&world, "job:u1");
        if (knows_both == 1) {
            acknowledge(&world, "job:u2");
        }
        world_recover_now(&world, "job:u1");
        world_run_for(&world, MINUTES(15));
        expect_roots(&world, 1, "job:u2");
        char *json = world_json(&world, "acme", 0);
        assert_int_equal(count_text(json, "\"status\":\"open\""), 1 - knows_both);
        assert_int_equal(count_text(json, "\"status\":\"acknowledged\""), knows_both);
        free(json);
        world_deinit(&world);
    }
}

/* job:x fails for days, and job:u2 for the first time then. */
static void what_fails_days_later_takes_no_place(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:x", "job:u1");
    world_depend(&world, "job:x", "job:u2");
    world_depend(&world, "job:z", "job:u1");
    world_fail_now(&world, "job:u1");
    world_fail_now(&world, "job:x");
    world_fail_now(&world, "job:z");
    world_recover_now(&world, "job:u1");
    for (unsigned day = 0; day < 3; day++) {
        world_run_for(&world, NS_PER_DAY);
        world_fail_now(&world, "job:x");
    }
    world_fail_now(&world, "job:u2");
    world_fail_now(&world, "job:x");
    world_run_for(&world, MINUTES(20));
    expect_roots(&world, 2, "job:u1");
    world_recover_now(&world, "job:z");
    world_run_for(&world, MINUTES(20));
    expect_roots(&world, 2, "job:u1");
    world_deinit(&world);
}

static void a_root_that_is_first_to_be_well_stays_the_root(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_depend(&world, "job:c", "job:b");
    world_fail_now(&world, "job:a");
    world_fail_now(&world, "job:b");
    world_fail_now(&world, "job:c");
    world_fail_now(&world, "job:elsewhere");
    world_recover_now(&world, "job:a");
    for (unsigned i = 0; i < 3; i++) {
        world_run_for(&world, MINUTES(20));
        world_fail_now(&world, "job:c");
        expect_roots(&world, 2, "job:a");
    }
    world_recover_now(&world, "job:b");
    world_run_for(&world, MINUTES(20));
    expect_roots(&world, 2, "job:a");
    world_deinit(&world);
}

/* job:u2 fails of its own, after the root and below it: the root may be why it is not well yet. */
static void what_depends_on_the_root_does_not_take_its_place(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:u2", "job:far");
    world_depend(&world, "job:far", "job:u1");
    world_depend(&world, "job:x", "job:u1");
    world_depend(&world, "job:x", "job:u2");
    struct signal own = world_signal("acme", "job:u2", EVENT_STATUS_FAILED, START_NS);
    own.error_class = SLICE("disk full");
    own.message = SLICE("disk full");
    world_bad_signal(&world, "acme", "job:u2", &own, false);
    world_run_for(&world, MINUTES(4));
    world_fail_now(&world, "job:u1");
    world_fail_now(&world, "job:x");
    world_run_for(&world, MINUTES(1));
    expect_roots(&world, 2, "job:u1");
    world_recover_now(&world, "job:u1");
    world_run_for(&world, MINUTES(20));
    expect_roots(&world, 2, "job:u1");
    world_deinit(&world);
}

/* job:c is farther from the root than job:x, which depends on both. */
static void a_victim_of_the_root_does_not_take_its_place(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:x", "job:a");
    world_depend(&world, "job:x", "job:c");
    world_depend(&world, "job:c", "job:middle");
    world_depend(&world, "job:middle", "job:a");
    world_fail_now(&world, "job:a");
    world_fail_now(&world, "job:c");
    world_fail_now(&world, "job:x");
    world_run_for(&world, MINUTES(1));
    world_recover_now(&world, "job:a");
    world_run_for(&world, MINUTES(20));
    expect_roots(&world, 1, "job:a");
    world_deinit(&world);
}

static void the_other_takes_over_when_it_explains_all_that_is_left(void **state) {
    (void)state;
    struct world world;
    init_two(&world);
    world_depend(&world, "job:y", "job:u1");
    world_fail_now(&world, "job:y");
    world_recover_now(&world, "job:u1");
    world_run_for(&world, MINUTES(10));
    expect_roots(&world, 2, "job:u1");
    world_recover_now(&world, "job:y");
    world_run_for(&world, MINUTES(1));
    expect_roots(&world, 1, "job:u2");
    world_deinit(&world);
}

static void a_root_that_comes_back_soon_stays_the_root(void **state) {
    (void)state;
    struct world world;
    init_two(&world);
    for (unsigned i = 0; i < 5; i++) {
        world_recover_now(&world, "job:u1");
        world_run_for(&world, MINUTES(4));
        world_fail_now(&world, "job:u1");
        world_run_for(&world, MINUTES(4));
        expect_roots(&world, 2, "job:u1");
    }
    world_deinit(&world);
}

static void another_that_is_well_too_takes_over_nothing(void **state) {
    (void)state;
    struct world world;
    init_two(&world);
    world_recover_now(&world, "job:u2");
    world_recover_now(&world, "job:u1");
    world_run_for(&world, MINUTES(20));
    expect_roots(&world, 2, "job:u1");
    world_deinit(&world);
}

/* job:u2 follows job:top, as job:x does job:u1: neither root says more than the other. */
static void another_whose_own_root_is_well_takes_over_nothing(void **state) {
    (void)state;
    struct world world;
    init_two(&world);
    world_depend(&world, "job:u2", "job:top");
    world_fail_now(&world, "job:top");
    expect_roots(&world, 2, "job:top");
    world_recover_now(&world, "job:top");
    world_recover_now(&world, "job:u1");
    world_run_for(&world, MINUTES(20));
    expect_roots(&world, 2, "job:u1");
    expect_roots(&world, 2, "job:top");
    world_deinit(&world);
}

/* Both come and go: the root is one that fails, and changes no more often than that. */
static void a_root_that_took_over_stays_while_it_fails(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        init_two(&world);
        world_recover_now(&world, "job:u1");
        world_run_for(&world, MINUTES(6));
        world_fail_now(&world, "job:u1");
        world_run_for(&world, MINUTES(20));
        expect_roots(&world, 1, "job:u2");
        world_recover_now(&world, "job:u2");
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run_for(&world, MINUTES(4));
        expect_roots(&world, 1, "job:u2");
        world_run_for(&world, MINUTES(2));
        expect_roots(&world, 1, "job:u1");
        char *timeline = timeline_of(&world);
        assert_int_equal(count_text(timeline, "\"what\":\"re-rooted\""), 2);
        free(timeline);
        world_deinit(&world);
    }
}

static void bad_platform(struct world *world, const char *entity) {
    struct signal signal = world_signal("platform", entity, EVENT_STATUS_DOWN, world->now_ns);
    signal.recovers_by_silence = false;
    world_bad_signal(world, "platform", entity, &signal, false);
}

static void a_platform_node_takes_over_and_is_taken_over(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 4; restarts++) {
        bool is_platform_first = restarts % 2 == 0;
        struct world world;
        world_init(&world);
        world_depend(&world, "job:x", "platform|service:net");
        world_depend(&world, "job:x", "job:u");
        if (is_platform_first) {
            world_fail_now(&world, "job:u");
            world_run_for(&world, MINUTES(1));
            bad_platform(&world, "service:net");
        } else {
            bad_platform(&world, "service:net");
            world_run_for(&world, MINUTES(1));
            world_fail_now(&world, "job:u");
        }
        struct signal named = world_signal("acme", "job:x", EVENT_STATUS_FAILED, world.now_ns);
        named.message = is_platform_first ? SLICE("net refused") : SLICE("u refused");
        world_bad_signal(&world, "acme", "job:x", &named, false);
        world_run_for(&world, MINUTES(2));
        if (is_platform_first) {
            expect_roots(&world, 2, "platform/service:net");
            world_good(&world, "platform", "service:net", world.now_ns);
        } else {
            expect_roots(&world, 1, "job:u");
            world_recover_now(&world, "job:u");
        }
        if (restarts / 2 == 1) {
            world_restart(&world);
        }
        world_run_for(&world, MINUTES(10));
        expect_roots(&world, 1, is_platform_first ? "job:u" : "platform/service:net");
        assert_int_equal(world_rows(&world, STORE_TABLE_MEMBER), is_platform_first ? 3 : 4);
        world_deinit(&world);
    }
}

/* Of the platform's own the first is well, what it brought down is not: the tenant goes by that. */
static void what_follows_a_platform_root_takes_no_place_of_it(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "platform|service:w", "platform|service:net");
    world_depend(&world, "job:x", "platform|service:w");
    bad_platform(&world, "service:net");
    bad_platform(&world, "service:w");
    world_fail_now(&world, "job:x");
    world_run_for(&world, MINUTES(1));
    world_good(&world, "platform", "service:net", world.now_ns);
    world_run_for(&world, MINUTES(20));
    expect_roots(&world, 1, "platform/service:net");
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_upstream_that_fails_still_is_the_root_when_the_first_is_well_for_long),
        cmocka_unit_test(a_telling_meanwhile_does_not_keep_the_other_from_taking_over),
        cmocka_unit_test(who_knew_of_the_one_does_not_know_of_the_other),
        cmocka_unit_test(what_fails_days_later_takes_no_place),
        cmocka_unit_test(a_root_that_is_first_to_be_well_stays_the_root),
        cmocka_unit_test(what_depends_on_the_root_does_not_take_its_place),
        cmocka_unit_test(a_victim_of_the_root_does_not_take_its_place),
        cmocka_unit_test(the_other_takes_over_when_it_explains_all_that_is_left),
        cmocka_unit_test(a_root_that_comes_back_soon_stays_the_root),
        cmocka_unit_test(another_that_is_well_too_takes_over_nothing),
        cmocka_unit_test(another_whose_own_root_is_well_takes_over_nothing),
        cmocka_unit_test(a_root_that_took_over_stays_while_it_fails),
        cmocka_unit_test(a_platform_node_takes_over_and_is_taken_over),
        cmocka_unit_test(what_follows_a_platform_root_takes_no_place_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
