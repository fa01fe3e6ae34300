/* acknowledge_test.c - what people are told of an incident that one of them has acknowledged. */
#include "tests/incident/world.h"

static void acknowledge(struct world *world) {
    struct incident_context context = world_context(world);
    assert_true(
        status_is_ok(incidents_operate(world->incidents, &context, world->told[0].incident_id,
                                       SLICE("acme"), false, SLICE("kim"), SLICE("looking"))));
    world_commit(world);
}

static void an_open_incident_is_repeated_until_it_is_acknowledged(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    uint64_t first_ns = START_NS + 10 * NS_PER_S;
    world_run(&world, first_ns + 8 * NS_PER_HOUR);
    assert_int_equal(world.told_count, 3);
    assert_int_equal(world.told[2].type, 2);
    acknowledge(&world);
    assert_int_equal(world.told_count, 4); /* at once */
    assert_non_null(strstr(world.told[3].json, "\"status\":\"acknowledged\""));
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:b", START_NS);
    world_run(&world, first_ns + 48 * NS_PER_HOUR);
    assert_int_equal(world.told_count, 5); /* of the new affected, and no repeats */
    world_bad_signal(&world, "acme", "job:b",
                     &(struct signal){.news = SIGNAL_BAD,
                                      .status = EVENT_STATUS_FAILED,
                                      .severity = EVENT_SEVERITY_CRITICAL,
                                      .event_time_ns = START_NS},
                     false);
    world_run(&world, first_ns + 49 * NS_PER_HOUR);
    assert_int_equal(world.told_count, 6);
    assert_non_null(strstr(world.told[5].json, "\"severity\":\"critical\""));
    world_deinit(&world);
}

static void of_an_acknowledged_incident_new_affected_are_told_after_group_interval(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    struct incident_context context = world_context(&world);
    assert_true(status_is_ok(incidents_operate(world.incidents, &context, world.told[0].incident_id,
                                               SLICE("acme"), false, SLICE("kim"), SLICE(""))));
    world_commit(&world);
    assert_int_equal(world.told_count, 2);
    world_fail(&world, "job:b", world.now_ns);
    world_restart(&world);
    world_run(&world, START_NS + 6 * NS_PER_MINUTE - 1);
    assert_int_equal(world.told_count, 2);
    world_run(&world, START_NS + 6 * NS_PER_MINUTE);
    assert_int_equal(world.told_count, 3);
    assert_int_equal(world.told[2].type, 2);
    assert_non_null(strstr(world.told[2].json, "\"entity\":\"job:b\""));
    assert_non_null(strstr(world.told[2].json, "\"status\":\"acknowledged\""));
    world_run(&world, START_NS + NS_PER_DAY);
    assert_int_equal(world.told_count, 3); /* repeats stay off */
    world_deinit(&world);
}

static void an_acknowledge_of_another_tenant_misses(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS);
    struct incident_context context = world_context(&world);
    struct status status = incidents_operate(world.incidents, &context, world_id(&world, "acme", 0),
                                             SLICE("globex"), true, SLICE("eve"), SLICE(""));
    assert_int_equal(status.code, STATUS_MISSING);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_incident_is_repeated_until_it_is_acknowledged),
        cmocka_unit_test(of_an_acknowledged_incident_new_affected_are_told_after_group_interval),
        cmocka_unit_test(an_acknowledge_of_another_tenant_misses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
