/* limit_test.c - limits.incidents_per_hour: what counts for it, and that it reopens nothing. */
#include "tests/incident/world.h"

static void limited_init(struct world *world, uint32_t limit) {
    world_init(world);
    world->policies.defaults.limit_incidents_per_h = limit;
}

/* Fails, is told, and is well again. */
static void pass_by(struct world *world, const char *entity) {
    world_fail(world, entity, world->now_ns);
    world_run_for(world, NS_PER_MINUTE);
    world_good(world, "acme", entity, world->now_ns);
}

static void what_is_over_and_forgotten_counts_for_its_hour(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        limited_init(&world, 1);
        pass_by(&world, "job:a");
        assert_int_equal(world.told_count, 2);
        world_run_for(&world, 40 * NS_PER_MINUTE); /* past its reopen window */
        if (restarts == 1) {
            world_restart(&world);
        }
        world_fail(&world, "job:b", world.now_ns);
        world_run(&world, START_NS + NS_PER_HOUR - 1);
        assert_int_equal(world.told_count, 2);
        world_run(&world, START_NS + NS_PER_HOUR);
        assert_int_equal(world.told_count, 3);
        assert_int_equal(world.told[2].type, 1);
        world_deinit(&world);
    }
}

static void what_was_never_told_does_not_count(void **state) {
    (void)state;
    struct world world;
    limited_init(&world, 1);
    world_fail(&world, "job:a", START_NS);
    world_good(&world, "acme", "job:a", START_NS);
    world_fail(&world, "job:b", START_NS);
    world_run_for(&world, NS_PER_MINUTE);
    assert_int_equal(world.told_count, 1);
    world_deinit(&world);
}

static void the_same_job_past_its_reopen_window_is_a_new_incident(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        limited_init(&world, 3);
        pass_by(&world, "job:a");
        world_run_for(&world, 31 * NS_PER_MINUTE);
        if (restarts == 1) {
            world_restart(&world);
        }
        world_fail(&world, "job:a", world.now_ns);
        assert_int_equal(world_incidents(&world, "acme"), 2);
        assert_int_equal(world.opened, 2);
        world_run_for(&world, NS_PER_MINUTE);
        assert_int_equal(world.told_count, 3);
        assert_int_equal(world.told[2].type, 1);
        world_good(&world, "acme", "job:a", world.now_ns);
        assert_int_equal(world.told_count, 4);
        world_fail(&world, "job:a", world.now_ns); /* within it, it is the same one */
        assert_int_equal(world_incidents(&world, "acme"), 2);
        world_run_for(&world, NS_PER_DAY); /* what is remembered is forgotten at last */
        world_good(&world, "acme", "job:a", world.now_ns);
        world_run_for(&world, NS_PER_DAY);
        assert_int_equal(incidents_next_due_ns(world.incidents), UINT64_MAX);
        world_deinit(&world);
    }
}

static void platform_down(struct world *world) {
    world_bad(world, "platform", "service:db", EVENT_STATUS_DOWN, world->now_ns);
}

/* Of a platform root that was bad before; `order`: which news come first. */
static void fail_by_platform(struct world *world, const char *entity, unsigned order) {
    if (order == 0) {
        platform_down(world);
        world_fail(world, entity, world->now_ns);
    } else {
        world_fail(world, entity, world->now_ns);
        platform_down(world);
    }
}

static void a_platform_root_past_the_reopen_window_is_that_of_a_new_incident(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 8; kind++) {
        struct world world;
        limited_init(&world, 3);
        world_depend(&world, "job:load", "platform|service:db");
        world_depend(&world, "job:more", "platform|service:db");
        fail_by_platform(&world, "job:load", kind & 1);
        world_run_for(&world, NS_PER_MINUTE);
        world_good(&world, "acme", "job:load", world.now_ns);
        world_run_for(&world, 45 * NS_PER_MINUTE);
        if ((kind & 4) != 0) {
            world_restart(&world);
        }
        fail_by_platform(&world, (kind & 2) != 0 ? "job:load" : "job:more", kind & 1);
        assert_int_equal(world_incidents(&world, "acme"), 2);
        unsigned platform_roots = 0;
        unsigned open = 0;
        for (size_t i = 0; i < 2; i++) {
            char *json = world_json(&world, "acme", i);
            platform_roots +=
                count_text(json, "\"root_cause\":{\"entity\":\"platform/service:db\"") > 0 ? 1 : 0;
            open += count_text(json, "\"status\":\"open\"") > 0 ? 1 : 0;
            free(json);
        }
        assert_int_equal(platform_roots, 2);
        assert_int_equal(open, 1);
        world_restart(&world);
        world_run_for(&world, NS_PER_MINUTE);
        world_good(&world, "acme", "job:load", world.now_ns);
        world_good(&world, "acme", "job:more", world.now_ns);
        world_run_for(&world, NS_PER_DAY);
        assert_int_equal(incidents_open_count(world.incidents), 0);
        assert_int_equal(incidents_next_due_ns(world.incidents), UINT64_MAX);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_over_and_forgotten_counts_for_its_hour),
        cmocka_unit_test(what_was_never_told_does_not_count),
        cmocka_unit_test(the_same_job_past_its_reopen_window_is_a_new_incident),
        cmocka_unit_test(a_platform_root_past_the_reopen_window_is_that_of_a_new_incident),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
