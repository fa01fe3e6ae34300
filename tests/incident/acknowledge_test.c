/* acknowledge_test.c - what people are told of an incident that one of them has acknowledged. */
#include "tests/incident/world.h"

/* job:a, on which job:b depends, has failed, and people know. */
static void begin_told(struct world *world) {
    world_init(world);
    world_depend(world, "job:b", "job:a");
    world_fail(world, "job:a", START_NS);
    world_run(world, START_NS + NS_PER_MINUTE);
}

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
    begin_told(&world);
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

/* They know of it: it is no new affected, however often it is well in between. */
static void of_an_acknowledged_incident_a_known_member_that_flaps_is_not_told(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", START_NS);
    world_fail(&world, "job:b", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    acknowledge(&world);
    assert_int_equal(world.told_count, 2);
    for (unsigned i = 0; i < 10; i++) {
        world_good(&world, "acme", "job:b", world.now_ns);
        world_run(&world, world.now_ns + NS_PER_MINUTE);
        world_fail(&world, "job:b", world.now_ns);
        world_run(&world, world.now_ns + 4 * NS_PER_MINUTE);
    }
    assert_int_equal(world.told_count, 2);
    char *timeline = world_timeline(&world, world_id(&world, "acme", 0));
    assert_int_equal(count_text(timeline, "\"what\":\"failed again\""), 10);
    free(timeline);
    world_good(&world, "acme", "job:b", world.now_ns);
    world_good(&world, "acme", "job:a", world.now_ns);
    world_run(&world, world.now_ns + NS_PER_MINUTE);
    assert_int_equal(world.told_count, 3);
    world_fail(&world, "job:b", world.now_ns); /* open again, so it is told */
    world_run(&world, world.now_ns + NS_PER_MINUTE);
    assert_int_equal(world.told_count, 4);
    world_deinit(&world);
}

/* It hid who had failed before it was opened again: in this life of it they are newly affected. */
static void
of_an_acknowledged_incident_who_fails_first_since_it_was_reopened_is_told(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", START_NS);
    world_fail(&world, "job:b", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    world_good(&world, "acme", "job:b", world.now_ns);
    world_good(&world, "acme", "job:a", world.now_ns);
    world_run(&world, START_NS + 8 * NS_PER_MINUTE);
    world_fail(&world, "job:a", world.now_ns);
    world_run(&world, START_NS + 10 * NS_PER_MINUTE);
    assert_null(strstr(world.told[world.told_count - 1].json, "\"entity\":\"job:b\",\"status\""));
    acknowledge(&world);
    size_t told_count = world.told_count;
    world_fail(&world, "job:b", world.now_ns);
    world_run(&world, START_NS + 20 * NS_PER_MINUTE);
    assert_int_equal(world.told_count, told_count + 1);
    assert_non_null(strstr(world.told[told_count].json, "\"entity\":\"job:b\",\"status\""));
    world_deinit(&world);
}

/* Whoever joins, also after a restart, reads who has it; not of its end, nor when it is back. */
static void who_has_acknowledged_it_is_said_while_it_is_acknowledged(void **state) {
    (void)state;
    struct world world;
    begin_told(&world);
    assert_null(strstr(world.told[0].json, "acknowledged_by"));
    acknowledge(&world);
    assert_non_null(strstr(world.told[1].json, "\"acknowledged_by\":\"kim\""));
    world_fail(&world, "job:b", world.now_ns);
    world_restart(&world);
    world_run_for(&world, 10 * NS_PER_MINUTE);
    assert_int_equal(world.told_count, 3);
    assert_non_null(strstr(world.told[2].json, "\"acknowledged_by\":\"kim\""));
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"acknowledged_by\":\"kim\""));
    free(json);
    world_good(&world, "acme", "job:a", world.now_ns);
    world_good(&world, "acme", "job:b", world.now_ns);
    assert_int_equal(world.told_count, 4);
    assert_null(strstr(world.told[3].json, "acknowledged_by"));
    world_fail(&world, "job:a", world.now_ns);
    world_run_for(&world, 10 * NS_PER_MINUTE);
    assert_int_equal(world.told_count, 5);
    assert_null(strstr(world.told[4].json, "acknowledged_by"));
    world_deinit(&world);
}

static void resolve(struct world *world, struct slice by, struct slice note) {
    struct incident_context context = world_context(world);
    assert_true(status_is_ok(incidents_operate(
        world->incidents, &context, world->told[0].incident_id, SLICE("acme"), true, by, note)));
    world_commit(world);
}

/* Not when it is back, nor of the end that follows by itself; whoever had acknowledged it. */
static void who_has_resolved_it_is_said_with_the_end(void **state) {
    (void)state;
    struct world world;
    begin_told(&world);
    acknowledge(&world);
    resolve(&world, SLICE("anna"), SLICE("restarted: \"db\""));
    assert_int_equal(world.told_count, 3);
    const char *wanted = "\"labels\":{\"resolved_by\":\"anna\","
                         "\"resolved_note\":\"restarted: \\\"db\\\"\"}";
    assert_non_null(strstr(world.told[2].json, wanted));
    world_restart(&world);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, wanted));
    free(json);
    world_fail(&world, "job:a", world.now_ns);
    world_run_for(&world, 10 * NS_PER_MINUTE);
    assert_int_equal(world.told_count, 4);
    assert_null(strstr(world.told[3].json, "resolved_by"));
    world_good(&world, "acme", "job:a", world.now_ns);
    assert_int_equal(world.told_count, 5);
    assert_null(strstr(world.told[4].json, "resolved_by"));
    assert_null(strstr(world.told[4].json, "resolved_note"));
    world_deinit(&world);
}

static void an_end_by_who_gave_no_name_or_no_note_says_what_it_can(void **state) {
    (void)state;
    struct world world;
    begin_told(&world);
    resolve(&world, SLICE(""), SLICE("gone"));
    assert_non_null(strstr(world.told[1].json, "\"labels\":{\"resolved_note\":\"gone\"}"));
    world_fail(&world, "job:a", world.now_ns);
    world_run_for(&world, 10 * NS_PER_MINUTE);
    resolve(&world, SLICE("anna"), SLICE(""));
    assert_int_equal(world.told_count, 4);
    assert_non_null(strstr(world.told[3].json, "\"resolved_by\":\"anna\""));
    assert_null(strstr(world.told[3].json, "resolved_note"));
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

/* Both were told, and ann looks at the second, when the cause of both arrives. */
static void what_is_merged_away_stays_readable(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:c", "job:a");
        world_depend(&world, "job:d", "job:a");
        world_fail(&world, "job:c", START_NS);
        world_run(&world, START_NS + NS_PER_S);
        world_fail(&world, "job:d", START_NS);
        struct signal again =
            world_signal("acme", "job:d", EVENT_STATUS_FAILED, START_NS + NS_PER_S);
        world_bad_signal(&world, "acme", "job:d", &again, true);
        world_run(&world, START_NS + NS_PER_MINUTE);
        assert_int_equal(world.told_count, 2);
        struct hash128 first = world.told[0].incident_id;
        struct hash128 second = world.told[1].incident_id;
        struct incident_context context = world_context(&world);
        assert_true(status_is_ok(incidents_operate(world.incidents, &context, second, SLICE("acme"),
                                                   false, SLICE("ann"), SLICE("mine"))));
        world_commit(&world);
        if (restarts == 1) {
            world_restart(&world);
        }
        world_fail(&world, "job:a", START_NS);
        assert_int_equal(world_incidents(&world, "acme"), 1);
        assert_true(hash128_equals(world_id(&world, "acme", 0), first));
        char *json = world_json(&world, "acme", 0);
        assert_non_null(strstr(json, "\"status\":\"open\"")); /* its cause is another */
        free(json);
        char *timeline = world_timeline(&world, first);
        assert_int_equal(count_text(timeline, "\"what\":\"merged\",\"detail\":\"inc_"), 1);
        assert_int_equal(count_text(timeline, ": job:d failed: Timeout; acknowledged by ann: mine"),
                         1);
        free(timeline);
        timeline = world_timeline(&world, second);
        assert_int_equal(count_text(timeline, "\"what\":\"opened\""), 1);
        assert_int_equal(count_text(timeline, "\"detail\":\"x1\""), 1);
        assert_int_equal(
            count_text(timeline, "\"what\":\"acknowledged\",\"detail\":\"by ann: mine\""), 1);
        assert_int_equal(count_text(timeline, "\"what\":\"merged\",\"detail\":\"into inc_"), 1);
        free(timeline);
        world_deinit(&world);
    }
}

/* What was said of it before it was over is not said of it when it is back. */
static void an_acknowledgement_ends_with_what_it_was_about(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:c", "job:a");
    world_depend(&world, "job:d", "job:a");
    world_fail(&world, "job:c", START_NS);
    world_run(&world, START_NS + NS_PER_S);
    world_fail(&world, "job:d", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    struct incident_context context = world_context(&world);
    assert_true(status_is_ok(incidents_operate(world.incidents, &context, world.told[1].incident_id,
                                               SLICE("acme"), false, SLICE("ann"), SLICE(""))));
    world_commit(&world);
    world_good(&world, "acme", "job:d", world.now_ns);
    world_fail(&world, "job:d", world.now_ns);
    world_fail(&world, "job:a", world.now_ns);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    char *timeline = world_timeline(&world, world.told[0].incident_id);
    assert_int_equal(count_text(timeline, ": job:d failed: Timeout"), 1);
    assert_null(strstr(timeline, "acknowledged"));
    free(timeline);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_open_incident_is_repeated_until_it_is_acknowledged),
        cmocka_unit_test(of_an_acknowledged_incident_new_affected_are_told_after_group_interval),
        cmocka_unit_test(of_an_acknowledged_incident_a_known_member_that_flaps_is_not_told),
        cmocka_unit_test(of_an_acknowledged_incident_who_fails_first_since_it_was_reopened_is_told),
        cmocka_unit_test(who_has_acknowledged_it_is_said_while_it_is_acknowledged),
        cmocka_unit_test(who_has_resolved_it_is_said_with_the_end),
        cmocka_unit_test(an_end_by_who_gave_no_name_or_no_note_says_what_it_can),
        cmocka_unit_test(an_acknowledge_of_another_tenant_misses),
        cmocka_unit_test(what_is_merged_away_stays_readable),
        cmocka_unit_test(an_acknowledgement_ends_with_what_it_was_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
