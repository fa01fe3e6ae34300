/* root_well_test.c - who is the root of an incident whose root is well while it lives on. */
#include "tests/incident/world.h"

static void expect_root(struct world *world, size_t index, const char *root) {
    char words[128];
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", root);
    char *json = world_json(world, "acme", index);
    if (strstr(json, words) == NULL) {
        fail_msg("%s is not the root in %s", root, json);
    }
    free(json);
}

static void expect_timeline(struct world *world, const char *what, const char *detail,
                            size_t count) {
    char words[160];
    snprintf(words, sizeof(words), "\"what\":\"%s\",\"detail\":\"%s\"", what, detail);
    char *timeline = world_timeline(world, world_id(world, "acme", 0));
    if (count_text(timeline, words) != count) {
        fail_msg("not %zu times %s in\n%s", count, words, timeline);
    }
    free(timeline);
}

static void expect_last_told(struct world *world, const char *part) {
    const char *json = world->told[world->told_count - 1].json;
    if (strstr(json, part) == NULL) {
        fail_msg("%s is not in %s", part, json);
    }
}

/* job:b depends on job:a; both failed, were told and are well again. */
static struct hash128 init_over(struct world *world) {
    world_init(world);
    world_depend(world, "job:b", "job:a");
    world_fail_now(world, "job:a");
    world_fail_now(world, "job:b");
    world_run_for(world, MINUTES(1));
    world_recover_now(world, "job:a");
    world_recover_now(world, "job:b");
    assert_int_equal(incidents_open_count(world->incidents), 0);
    assert_int_equal(world->told_count, 2);
    world_run_for(world, MINUTES(1));
    return world_id(world, "acme", 0);
}

static void what_opens_an_incident_again_is_its_root_when_the_root_is_well(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        struct hash128 id = init_over(&world);
        if (restarts == 1) {
            world_restart(&world);
        }
        world_fail_now(&world, "job:b");
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run_for(&world, MINUTES(1));
        assert_int_equal(world_incidents(&world, "acme"), 1);
        assert_true(hash128_equals(world_id(&world, "acme", 0), id));
        expect_root(&world, 0, "job:b");
        expect_timeline(&world, "reopened", "job:b failed", 1);
        expect_timeline(&world, "re-rooted", "job:a to job:b", 1);
        assert_int_equal(world.told_count, 3);
        assert_int_equal(world.told[2].type, 2);
        expect_last_told(&world, "\"title\":\"job:b failed: Timeout\"");
        expect_last_told(&world, "\"evidence\":[\"first to fail\",\"nothing that fails upstream");
        expect_last_told(&world, "\"affected\":[]");
        world_recover_now(&world, "job:b");
        expect_root(&world, 0, "job:b");
        world_run_for(&world, MINUTES(1));
        world_fail_now(&world, "job:a"); /* and the other way round */
        world_run_for(&world, MINUTES(1));
        expect_root(&world, 0, "job:a");
        expect_last_told(&world, "\"title\":\"job:a failed: Timeout\"");
        world_deinit(&world);
    }
}

/* Half a minute of clocks that differ: it may have failed while job:a was bad. */
static void what_fails_as_the_root_is_well_leaves_it_the_root(void **state) {
    (void)state;
    for (unsigned s = 20; s <= 40; s += 20) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:b", "job:a");
        world_fail_now(&world, "job:a");
        world_fail_now(&world, "job:b");
        world_run_for(&world, MINUTES(1));
        world_recover_now(&world, "job:b");
        world_recover_now(&world, "job:a");
        world_run_for(&world, s * NS_PER_S);
        world_fail_now(&world, "job:b");
        world_run_for(&world, MINUTES(1));
        expect_root(&world, 0, s == 20 ? "job:a" : "job:b");
        world_deinit(&world);
    }
}

static void the_cause_that_fails_later_in_the_new_life_is_the_root(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        struct hash128 id = init_over(&world);
        world_fail_now(&world, "job:b");
        world_run_for(&world, MINUTES(1));
        if (restarts == 1) {
            world_restart(&world);
        }
        world_fail_now(&world, "job:a");
        char *json = world_json(&world, "acme", 0); /* at once */
        assert_non_null(strstr(json, "{\"entity\":\"job:b\",\"status\":\"failed\""));
        assert_non_null(strstr(json, "\"hops\":1}"));
        free(json);
        world_run_for(&world, MINUTES(6));
        assert_int_equal(world_incidents(&world, "acme"), 1);
        assert_true(hash128_equals(world_id(&world, "acme", 0), id));
        expect_root(&world, 0, "job:a");
        expect_timeline(&world, "re-rooted", "job:b to job:a", 1);
        assert_int_equal(world.told_count, 4);
        expect_last_told(&world, "\"title\":\"job:a failed: Timeout; 1 downstream affected\"");
        /* Not each time that it comes back: it was the root all along. */
        world_recover_now(&world, "job:a");
        world_fail_now(&world, "job:a");
        expect_timeline(&world, "re-rooted", "job:b to job:a", 1);
        world_deinit(&world);
    }
}

static void what_fails_beside_the_new_root_leaves_it_the_root(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world.policies.defaults.correlate_suspect_min = 0;
    world_depend(&world, "job:b", "job:a");
    world_depend(&world, "job:c", "job:a");
    world_fail_now(&world, "job:a");
    world_fail_now(&world, "job:b");
    world_fail_now(&world, "job:c");
    world_recover_now(&world, "job:a");
    world_recover_now(&world, "job:b");
    world_recover_now(&world, "job:c");
    world_run_for(&world, MINUTES(1));
    world_fail_now(&world, "job:b");
    world_fail_now(&world, "job:c");
    world_run_for(&world, MINUTES(1));
    expect_root(&world, 0, "job:b");
    world_deinit(&world);
}

static void in_a_ring_the_first_of_the_new_life_is_the_root(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:a", "job:b");
    world_depend(&world, "job:b", "job:a");
    world_fail_now(&world, "job:a");
    world_run_for(&world, NS_PER_S);
    world_fail_now(&world, "job:b");
    world_recover_now(&world, "job:a");
    world_recover_now(&world, "job:b");
    world_run_for(&world, MINUTES(1));
    world_fail_now(&world, "job:b");
    world_run_for(&world, NS_PER_S);
    world_fail_now(&world, "job:a");
    world_run_for(&world, MINUTES(1));
    expect_root(&world, 0, "job:b");
    expect_timeline(&world, "re-rooted", "job:b to job:a", 0);
    world_deinit(&world);
}

/* It failed because of the root, whenever that is heard. */
static void what_is_told_late_of_the_time_when_the_root_was_bad_leaves_it_the_root(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "service:b", "service:a");
    world_fail_now(&world, "service:a");
    world_fail_now(&world, "service:b");
    world_run_for(&world, MINUTES(6));
    assert_int_equal(incidents_open_count(world.incidents), 0);
    world_bad(&world, "acme", "service:b", EVENT_STATUS_FAILED, START_NS + MINUTES(2));
    assert_int_equal(incidents_open_count(world.incidents), 1);
    expect_root(&world, 0, "service:a");
    world_deinit(&world);
}

static void what_fails_again_belongs_to_the_cause_of_today(void **state) {
    (void)state;
    struct world world;
    struct hash128 id = init_over(&world);
    world_depend(&world, "job:b", "job:c");
    world_fail_now(&world, "job:c");
    world_run_for(&world, MINUTES(1));
    world_fail_now(&world, "job:b");
    world_run_for(&world, MINUTES(1));
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_true(hash128_equals(world_id(&world, "acme", 0), id));
    expect_root(&world, 0, "job:c");
    world_deinit(&world);
}

static void a_platform_root_that_is_well_is_not_the_root_of_what_fails_again(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:b", "platform|service:net");
        struct signal net = world_signal("platform", "service:net", EVENT_STATUS_DOWN, START_NS);
        net.recovers_by_silence = false;
        world_bad_signal(&world, "platform", "service:net", &net, false);
        world_fail_now(&world, "job:b");
        world_run_for(&world, MINUTES(1));
        expect_root(&world, 0, "platform/service:net");
        world_good(&world, "platform", "service:net", world.now_ns);
        world_recover_now(&world, "job:b");
        world_run_for(&world, MINUTES(1));
        world_fail_now(&world, "job:b");
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run_for(&world, MINUTES(1));
        expect_root(&world, 0, "job:b");
        expect_timeline(&world, "re-rooted", "platform/service:net to job:b", 1);
        net.event_time_ns = world.now_ns;
        net.heard_ns = world.now_ns;
        world_bad_signal(&world, "platform", "service:net", &net, false);
        assert_int_equal(world_incidents(&world, "acme"), 1);
        expect_root(&world, 0, "platform/service:net");
        world_deinit(&world);
    }
}

/* Three shared it; one alone fails today. */
static void a_suspicion_ends_with_the_life_of_its_incident(void **state) {
    (void)state;
    static const char *const jobs[] = {"job:a", "job:b", "job:c"};
    for (unsigned again = 0; again < 3; again++) {
        struct world world;
        world_init(&world);
        for (unsigned i = 0; i < 3; i++) {
            world_depend(&world, jobs[i], "service:warehouse");
        }
        for (unsigned i = 0; i < 3; i++) {
            world_fail_now(&world, jobs[i]);
        }
        world_run_for(&world, MINUTES(1));
        expect_root(&world, 0, "service:warehouse");
        for (unsigned i = 0; i < 3; i++) {
            world_recover_now(&world, jobs[i]);
        }
        world_run_for(&world, MINUTES(1));
        world_fail_now(&world, jobs[again]);
        world_run_for(&world, MINUTES(1));
        expect_root(&world, 0, jobs[again]);
        for (unsigned i = 0; i < 3; i++) {
            world_fail_now(&world, jobs[i]);
        }
        world_run_for(&world, MINUTES(1));
        expect_root(&world, 0, "service:warehouse"); /* and begins anew */
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_opens_an_incident_again_is_its_root_when_the_root_is_well),
        cmocka_unit_test(what_fails_as_the_root_is_well_leaves_it_the_root),
        cmocka_unit_test(the_cause_that_fails_later_in_the_new_life_is_the_root),
        cmocka_unit_test(what_fails_beside_the_new_root_leaves_it_the_root),
        cmocka_unit_test(in_a_ring_the_first_of_the_new_life_is_the_root),
        cmocka_unit_test(what_is_told_late_of_the_time_when_the_root_was_bad_leaves_it_the_root),
        cmocka_unit_test(what_fails_again_belongs_to_the_cause_of_today),
        cmocka_unit_test(a_platform_root_that_is_well_is_not_the_root_of_what_fails_again),
        cmocka_unit_test(a_suspicion_ends_with_the_life_of_its_incident),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
