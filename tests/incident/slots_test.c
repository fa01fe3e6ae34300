/* slots_test.c - what is gone counts for nothing, whether or not its rows have followed it: rows
 * are written when it suits, and a replay writes them at other moments. */
#include "tests/incident/world.h"

#define LEAVES 12u

/* Its effects wait. */
static void fail_uncommitted(struct world *world, const char *entity, uint64_t event_ns) {
    world->seq++;
    struct incident_context context = world_context(world);
    struct signal signal = world_signal("acme", entity, EVENT_STATUS_FAILED, event_ns);
    struct incident_change change = {0};
    assert_true(status_is_ok(incidents_apply_bad(
        world->incidents, &context, world_node(world, "acme", entity), &signal, false, &change)));
}

static void what_is_merged_takes_no_room_from_what_is_kept_aside(void **state) {
    (void)state;
    for (unsigned commits = 0; commits < 2; commits++) {
        struct world world;
        world_init_sized(&world, 16);
        world.policies.defaults.correlate_suspect_min = 0;
        world_depend(&world, "job:follower", "job:stale");
        world_good(&world, "acme", "job:stale", START_NS - MINUTES(1));
        for (unsigned i = 0; i < LEAVES; i++) {
            char name[32];
            snprintf(name, sizeof(name), "job:leaf_%u", i);
            world_depend(&world, name, "job:root");
            world_fail(&world, name, START_NS);
        }
        assert_int_equal(world_incidents(&world, "acme"), LEAVES);
        fail_uncommitted(&world, "job:root", START_NS);
        assert_int_equal(incidents_open_count(world.incidents), 1);
        if (commits == 1) {
            world_commit(&world);
        }
        fail_uncommitted(&world, "job:stale", START_NS - MINUTES(11));
        world_commit(&world);
        world_fail(&world, "job:follower", START_NS - MINUTES(10));
        char *json = world_json(&world, "acme", 0);
        char *other = world_json(&world, "acme", 1);
        assert_true(strstr(json, "\"root_cause\":{\"entity\":\"job:stale\"") != NULL ||
                    strstr(other, "\"root_cause\":{\"entity\":\"job:stale\"") != NULL);
        free(json);
        free(other);
        world_deinit(&world);
    }
}

static void what_is_merged_counts_for_no_limit(void **state) {
    (void)state;
    for (unsigned commits = 0; commits < 2; commits++) {
        struct world world;
        world_init(&world);
        world.policies.defaults.limit_incidents_per_h = 2;
        world_depend(&world, "job:a", "job:root");
        world_depend(&world, "job:b", "job:root");
        world_fail(&world, "job:a", START_NS);
        world_fail(&world, "job:b", START_NS);
        world_run(&world, START_NS + NS_PER_MINUTE);
        assert_int_equal(world.told_count, 2);
        world_fail(&world, "job:c", world.now_ns);
        world.now_ns += NS_PER_MINUTE; /* it is due to be told */
        fail_uncommitted(&world, "job:root", START_NS);
        if (commits == 1) {
            world_commit(&world);
        }
        struct incident_context context = world_context(&world);
        assert_true(incidents_advance(world.incidents, &context));
        world_commit(&world);
        assert_int_equal(world.told_count, 4); /* the end of one of the two, and the third */
        assert_int_equal(world.told[3].type, 1);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_merged_takes_no_room_from_what_is_kept_aside),
        cmocka_unit_test(what_is_merged_counts_for_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
