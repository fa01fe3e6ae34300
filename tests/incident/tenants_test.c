/* tenants_test.c - tenants follow what the platform says broke, however late it says so. */
#include "tests/incident/world.h"

#define MINUTES(count) ((count)*NS_PER_MINUTE)

static void expect_root(struct world *world, const char *tenant, const char *root,
                        unsigned affected) {
    char words[96];
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", root);
    assert_int_equal(world_incidents(world, tenant), 1);
    char *json = world_json(world, tenant, 0);
    if (strstr(json, words) == NULL || count_text(json, "\"hops\":") != affected) {
        fail_msg("%s: not %s with %u affected: %s", tenant, root, affected, json);
    }
    free(json);
}

static void fail_platform(struct world *world, const char *entity, uint64_t event_ns) {
    world_bad(world, "platform", entity, EVENT_STATUS_FAILED, event_ns);
}

/* It failed, and was well again before anybody told of the failure. */
static void a_stale_platform_failure_is_the_cause_of_tenants_failures(void **state) {
    (void)state;
    for (unsigned is_well_first = 0; is_well_first < 2; is_well_first++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:load", "platform|job:wj");
        world_depend(&world, "globex|job:load", "platform|job:wj");
        if (is_well_first == 1) {
            world_good(&world, "platform", "job:wj", START_NS - MINUTES(2));
        }
        world_fail(&world, "job:load", START_NS - MINUTES(5));
        world_bad(&world, "globex", "job:load", EVENT_STATUS_FAILED, START_NS - MINUTES(1));
        if (is_well_first == 0) {
            world_good(&world, "platform", "job:wj", START_NS - MINUTES(2));
        }
        fail_platform(&world, "job:wj", START_NS - MINUTES(6));
        world_run(&world, START_NS + MINUTES(1));
        expect_root(&world, "acme", "platform/job:wj", 1);
        expect_root(&world, "globex", "job:load", 0); /* it failed when that was well */
        expect_root(&world, "platform", "job:wj", 0);
        assert_int_equal(incidents_open_count(world.incidents), 2);
        world_good(&world, "acme", "job:load", world.now_ns);
        world_good(&world, "globex", "job:load", world.now_ns);
        assert_int_equal(incidents_open_count(world.incidents), 0);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stale_platform_failure_is_the_cause_of_tenants_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
