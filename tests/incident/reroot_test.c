/* reroot_test.c - the cause, or the edge to it, arrives after what it broke. */
#include "tests/incident/world.h"

static void late_cause_reroots_an_untold_incident_and_keeps_its_id(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:b", START_NS + 5);
    struct hash128 id = world_id(&world, "acme", 0);
    world_fail(&world, "job:a", START_NS);
    assert_true(hash128_equals(world_id(&world, "acme", 0), id));
    assert_int_equal(world.opened, 1);
    world_run(&world, START_NS + NS_PER_HOUR);
    assert_int_equal(world.told_count, 1);
    assert_non_null(strstr(world.told[0].json, "\"entity\":\"job:a\",\"error_class\""));
    world_deinit(&world);
}

static void late_cause_reroots_told_incidents_into_the_first_seen(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_depend(&world, "job:c", "job:a");
    world_fail(&world, "job:b", START_NS);
    struct hash128 first = world_id(&world, "acme", 0);
    world_run(&world, START_NS + NS_PER_S);
    world_fail(&world, "job:c", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_int_equal(world.told_count, 2);
    world_fail(&world, "job:a", START_NS);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_int_equal(world_rows(&world, STORE_TABLE_RECENT), 1);
    assert_true(hash128_equals(world_id(&world, "acme", 0), first));
    /* The second one is closed under its own id, and leads to the first. */
    assert_int_equal(world.told_count, 3);
    assert_int_equal(world.told[2].type, 3);
    assert_false(hash128_equals(world.told[2].incident_id, first));
    assert_non_null(strstr(world.told[2].json, "\"status\":\"resolved\""));
    assert_non_null(strstr(world.told[2].json, "\"labels\":{\"merged_into\":\"inc_"));
    assert_int_equal(world_rows(&world, STORE_TABLE_ALIAS), 1);
    char *timeline = world_timeline(&world, first);
    assert_int_equal(count_text(timeline, "\"what\":\"merged\""), 1);
    assert_int_equal(count_text(timeline, "\"what\":\"re-rooted\",\"detail\":\"job:b to job:a\""),
                     1);
    free(timeline);
    world_run(&world, START_NS + 10 * NS_PER_MINUTE); /* the new root is told as an update */
    assert_int_equal(world.told_count, 4);
    assert_int_equal(world.told[3].type, 2);
    assert_true(hash128_equals(world.told[3].incident_id, first));
    world_deinit(&world);
}

static void many_told_incidents_merge_in_steps_as_room_allows(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    assert_true(status_is_ok(
        effects_init(&world.effects, INCIDENTS_EFFECT_BYTES_MIN + 64 * KIB, &world.arena)));
    world.policies.defaults.correlate_suspect_min = 0;
    world.sinks[1] = SLICE("audit-db");
    world.sinks[2] = SLICE("hook");
    world.sinks[3] = SLICE("mail");
    world.policies.defaults.sinks_count = 4;
    for (unsigned i = 0; i < 240; i++) {
        char name[32];
        snprintf(name, sizeof(name), "job:leaf_%03u", i);
        world_depend(&world, name, "job:root");
        struct signal signal = world_signal("acme", name, EVENT_STATUS_FAILED, START_NS);
        uint8_t message[MESSAGE_KEPT_BYTES_MAX];
        memset(message, 1, sizeof(message)); /* six bytes each in JSON */
        signal.message = slice_of(message, sizeof(message));
        world_bad_signal(&world, "acme", name, &signal, false);
    }
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_int_equal(world_incidents(&world, "acme"), 240);
    assert_int_equal(world.told_count, 960);
    world_fail(&world, "job:root", START_NS);
    assert_true(world_incidents(&world, "acme") > 1); /* not all fit in one call */
    world_run(&world, START_NS + 2 * NS_PER_MINUTE);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    assert_int_equal(world_rows(&world, STORE_TABLE_ALIAS), 239);
    assert_int_equal(world_rows(&world, STORE_TABLE_MEMBER), 241);
    assert_int_equal(world.told_count, 960 + 239 * 4);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"title\":\"job:root failed: Timeout; 240 downstream"));
    free(json);
    world_deinit(&world);
}

static void the_first_to_fail_of_a_cycle_is_its_root(void **state) {
    (void)state;
    const char *ring[3] = {"job:a", "job:b", "job:c"};
    for (unsigned shift = 0; shift < 6; shift++) {
        struct world world;
        world_init(&world);
        for (unsigned i = 0; i < 3; i++) {
            world_depend(&world, ring[i], ring[(i + 1) % 3]);
        }
        for (unsigned i = 0; i < 3; i++) {
            unsigned at = shift < 3 ? (i + shift) % 3 : (shift - i) % 3;
            world_fail(&world, ring[at], START_NS + (at == 1 ? 0 : NS_PER_S));
        }
        assert_int_equal(world_incidents(&world, "acme"), 1);
        char *json = world_json(&world, "acme", 0);
        assert_non_null(strstr(json, "\"title\":\"job:b failed"));
        free(json);
        world_deinit(&world);
    }
}

static void an_explicit_failure_is_the_root_of_a_cycle_before_lateness(void **state) {
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:a", "job:b");
        world_depend(&world, "job:b", "job:a");
        for (unsigned i = 0; i < 2; i++) {
            if ((i ^ first) == 0) {
                world_bad(&world, "acme", "job:a", EVENT_STATUS_LATE, START_NS);
            } else {
                world_bad(&world, "acme", "job:b", EVENT_STATUS_FAILED, START_NS);
            }
        }
        char *json = world_json(&world, "acme", 0);
        assert_int_equal(world_incidents(&world, "acme"), 1);
        assert_non_null(strstr(json, "\"title\":\"job:b failed"));
        free(json);
        world_deinit(&world);
    }
}

static void an_edge_that_arrives_later_connects_incidents(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:b", START_NS);
    world_fail(&world, "job:a", START_NS);
    world_fail(&world, "job:z", START_NS);
    world_depend(&world, "job:middle", "job:a");
    assert_int_equal(world_incidents(&world, "acme"), 3);
    world_depend(&world, "job:b", "job:middle");
    struct incident_context context = world_context(&world);
    incidents_apply_edge(world.incidents, &context, world_node(&world, "acme", "job:b"),
                         world_node(&world, "acme", "job:middle"));
    world_commit(&world);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    /* And an edge between healthy nodes, far from both ends. */
    world_depend(&world, "job:a", "job:high");
    world_depend(&world, "job:higher", "job:z");
    world_depend(&world, "job:high", "job:higher");
    incidents_apply_edge(world.incidents, &context, world_node(&world, "acme", "job:high"),
                         world_node(&world, "acme", "job:higher"));
    world_commit(&world);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_non_null(strstr(world.told[0].json, "\"title\":\"job:z failed: Timeout; 2 downstream"));
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_cause_reroots_an_untold_incident_and_keeps_its_id),
        cmocka_unit_test(late_cause_reroots_told_incidents_into_the_first_seen),
        cmocka_unit_test(many_told_incidents_merge_in_steps_as_room_allows),
        cmocka_unit_test(the_first_to_fail_of_a_cycle_is_its_root),
        cmocka_unit_test(an_explicit_failure_is_the_root_of_a_cycle_before_lateness),
        cmocka_unit_test(an_edge_that_arrives_later_connects_incidents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
