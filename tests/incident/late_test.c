/* late_test.c - a failure that is told when the incident of its cause is over: it joins that story
 * while it may be opened again, if it happened while the cause was bad; else it is another one. */
#include "tests/incident/world.h"

#define AT(minute) (START_NS + MINUTES(minute))

/* job:b needs job:a, which failed at minute 0, was well again at minute 5, and whose end was told.
 */
static void init_resolved(struct world *world) {
    world_init(world);
    world_depend(world, "job:b", "job:a");
    world_depend(world, "job:c", "job:b");
    world_fail(world, "job:a", AT(0));
    world_run(world, AT(5));
    world_good(world, "acme", "job:a", AT(5));
    world_run(world, AT(7));
    assert_int_equal(incidents_open_count(world->incidents), 0);
    assert_int_equal(world->told_count, 2);
}

static void expect_root(struct world *world, const char *entity, const char *failing) {
    char words[96];
    char *json = world_json(world, "acme", 0);
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", entity);
    assert_non_null(strstr(json, words));
    snprintf(words, sizeof(words), "\"failing\":%s,", failing);
    assert_non_null(strstr(json, words));
    free(json);
}

static void expect_joined(struct world *world) {
    assert_int_equal(world->opened, 1);
    assert_int_equal(world_incidents(world, "acme"), 1);
    assert_int_equal(incidents_open_count(world->incidents), 1);
    world_run(world, world->now_ns + MINUTES(1));
    expect_root(world, "job:a", "1");
}

static void expect_apart(struct world *world) {
    assert_int_equal(world->opened, 2);
    assert_int_equal(incidents_open_count(world->incidents), 1);
    assert_int_equal(world_incidents(world, "acme"), 2);
}

static void a_late_failure_joins_the_resolved_incident_of_its_cause(void **state) {
    (void)state;
    struct world world;
    init_resolved(&world);
    world_fail(&world, "job:b", AT(1));
    expect_joined(&world);
    assert_int_equal(world.told_count, 2); /* they were told at minute 5 */
    world_run(&world, AT(10));
    assert_int_equal(world.told_count, 3);
    assert_int_equal(world.told[2].type, 2); /* an update of what people know, no second page */
    char *timeline = world_timeline(&world, world_id(&world, "acme", 0));
    assert_int_equal(count_text(timeline, "\"what\":\"reopened\",\"detail\":\"job:b failed\""), 1);
    free(timeline);
    world_good(&world, "acme", "job:b", AT(20));
    assert_int_equal(incidents_open_count(world.incidents), 0);
    assert_int_equal(world.told_count, 4);
    assert_int_equal(world.told[3].type, 3);
    world_deinit(&world);
}

static void a_late_failure_joins_after_a_restart_too(void **state) {
    (void)state;
    struct world world;
    init_resolved(&world);
    world_restart(&world);
    world_fail(&world, "job:b", AT(1));
    world_restart(&world);
    expect_joined(&world);
    world_deinit(&world);
}

static void late_failures_of_a_chain_join_in_any_order(void **state) {
    (void)state;
    static const char *const orders[2][2] = {{"job:b", "job:c"}, {"job:c", "job:b"}};
    for (size_t i = 0; i < 2; i++) {
        struct world world;
        init_resolved(&world);
        for (size_t k = 0; k < 2; k++) {
            world_fail(&world, orders[i][k], AT(strcmp(orders[i][k], "job:b") == 0 ? 1 : 2));
        }
        world_run(&world, AT(9));
        assert_int_equal(world_incidents(&world, "acme"), 1);
        expect_root(&world, "job:a", "2");
        world_deinit(&world);
    }
}

/* It was told while nobody knew of the first: one page, and that with the right root. */
static void a_late_failure_joins_what_was_over_before_anybody_was_told(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_run(&world, AT(5));
    world_fail(&world, "job:a", AT(0));
    world_good(&world, "acme", "job:a", AT(5));
    world_run(&world, AT(6));
    assert_int_equal(world.told_count, 0);
    world_fail(&world, "job:b", AT(1));
    expect_joined(&world);
    assert_int_equal(world.told_count, 1);
    assert_int_equal(world.told[0].type, 1);
    world_deinit(&world);
}

/* Nobody says when a service is well again: it is bad until its silence has been taken for that. */
static void a_late_failure_joins_a_cause_that_recovered_by_silence(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "service:a");
    world_fail(&world, "service:a", AT(0));
    world_run(&world, AT(6));
    assert_int_equal(incidents_open_count(world.incidents), 0);
    world_fail(&world, "job:b", AT(4));
    assert_int_equal(world_incidents(&world, "acme"), 1);
    world_run(&world, AT(7));
    expect_root(&world, "service:a", "1");
    world_deinit(&world);
}

static void a_late_failure_joins_what_a_person_has_resolved(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", AT(0));
    world_run(&world, AT(5));
    struct incident_context context = world_context(&world);
    assert_true(
        status_is_ok(incidents_operate(world.incidents, &context, world_id(&world, "acme", 0),
                                       SLICE("acme"), true, SLICE("kim"), SLICE(""))));
    world_commit(&world);
    world_run(&world, AT(7));
    world_fail(&world, "job:b", AT(4));
    expect_joined(&world);
    world_deinit(&world);
}

/* The tenant's incident shows a node of the platform as its root, which is well again. */
static void a_late_failure_joins_what_the_platform_had_broken(void **state) {
    (void)state;
    for (unsigned is_open = 0; is_open < 2; is_open++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "acme|job:b", "platform|service:a");
        world_depend(&world, "acme|job:c", "platform|service:a");
        world_bad(&world, "platform", "service:a", EVENT_STATUS_DOWN, AT(0));
        world_fail(&world, "job:b", AT(1));
        world_run(&world, AT(5));
        world_good(&world, "platform", "service:a", AT(5));
        if (is_open == 0) {
            world_good(&world, "acme", "job:b", AT(5));
        }
        world_run(&world, AT(7));
        assert_int_equal(incidents_open_count(world.incidents), is_open);
        world_restart(&world);
        world_fail(&world, "job:c", AT(2));
        world_run(&world, AT(8));
        assert_int_equal(world_incidents(&world, "acme"), 1);
        expect_root(&world, "platform/service:a", is_open == 0 ? "1" : "2");
        assert_int_equal(world.opened, 2);
        world_fail(&world, "job:d", AT(2));
        assert_int_equal(world_incidents(&world, "acme"), 2);
        world_deinit(&world);
    }
}

static void what_failed_when_the_cause_was_well_again_is_another_incident(void **state) {
    (void)state;
    struct world world;
    init_resolved(&world);
    world_fail(&world, "job:b", AT(6));
    expect_apart(&world);
    world_deinit(&world);
}

static void what_failed_before_the_cause_did_is_another_incident(void **state) {
    (void)state;
    struct world world;
    init_resolved(&world);
    world_fail(&world, "job:b", AT(0) - MINUTES(2));
    expect_apart(&world);
    world_deinit(&world);
}

static void a_late_failure_that_nothing_connects_is_another_incident(void **state) {
    (void)state;
    struct world world;
    init_resolved(&world);
    world_fail(&world, "job:z", AT(1));
    expect_apart(&world);
    world_deinit(&world);
}

static void what_is_told_after_the_reopen_window_is_another_incident(void **state) {
    (void)state;
    struct world world;
    init_resolved(&world);
    world_run(&world, AT(36));
    world_fail(&world, "job:b", AT(1));
    expect_apart(&world);
    world_deinit(&world);
}

static void a_failure_that_is_told_in_time_is_not_put_down_to_what_is_over(void **state) {
    (void)state;
    struct world world;
    init_resolved(&world);
    world_fail(&world, "job:b", AT(7));
    expect_apart(&world);
    world_run(&world, AT(8));
    assert_int_equal(world.told_count, 3);
    assert_int_equal(world.told[2].type, 1);
    world_deinit(&world);
}

static void a_success_dated_ahead_ends_the_trouble_when_it_came(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", AT(0));
    world_run(&world, AT(2));
    struct signal good = world_signal("acme", "job:a", EVENT_STATUS_SUCCEEDED, AT(4));
    good.heard_ns = AT(2);
    world_good_signal(&world, "acme", "job:a", &good);
    world_run(&world, AT(3));
    world_fail(&world, "job:b", AT(3));
    expect_apart(&world);
    world_deinit(&world);
}

/* Both explain it as well; the one that is over stands nearer in time. */
static void what_still_fails_explains_a_late_failure_rather_than_what_is_over(void **state) {
    (void)state;
    for (unsigned is_shelved = 0; is_shelved < 2; is_shelved++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:b", "job:a");
        world_depend(&world, "job:b", "job:x");
        world_fail(&world, "job:x", AT(0));
        world_run(&world, AT(6));
        if (is_shelved == 0) {
            world_fail(&world, "job:a", AT(0) + NS_PER_S);
        }
        world_good(&world, "acme", "job:a", AT(5));
        if (is_shelved == 1) {
            world_fail(&world, "job:a", AT(0) + NS_PER_S);
        }
        world_run(&world, AT(7));
        assert_int_equal(incidents_open_count(world.incidents), 1);
        world_fail(&world, "job:b", AT(0) + 2 * NS_PER_S);
        assert_int_equal(incidents_open_count(world.incidents), 1);
        world_deinit(&world);
    }
}

/* job:z keeps the incident open from the one to the other. */
static void what_failed_between_two_bad_periods_of_the_cause_is_another_incident(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_depend(&world, "job:z", "job:a");
    world_fail(&world, "job:a", AT(0));
    world_fail(&world, "job:z", AT(0));
    world_run(&world, AT(1));
    world_good(&world, "acme", "job:a", AT(1));
    world_run(&world, AT(4));
    world_fail(&world, "job:a", AT(4));
    world_run(&world, AT(6));
    world_good(&world, "acme", "job:a", AT(6));
    world_good(&world, "acme", "job:z", AT(6));
    world_run(&world, AT(7));
    world_fail(&world, "job:b", AT(3));
    expect_apart(&world);
    world_deinit(&world);
}

/* The last error of the service is the end of it, also where a tenant's incident shows it. */
static void what_the_platform_told_more_than_once_is_the_cause_to_its_end(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "acme|job:b", "platform|service:a");
    world_depend(&world, "acme|job:c", "platform|service:a");
    world_bad(&world, "platform", "service:a", EVENT_STATUS_DOWN, AT(0));
    world_run(&world, AT(1));
    world_bad(&world, "platform", "service:a", EVENT_STATUS_DOWN, AT(1));
    world_fail(&world, "job:b", AT(1));
    world_run(&world, AT(2));
    world_good(&world, "acme", "job:b", AT(2));
    world_run(&world, AT(7));
    assert_int_equal(incidents_open_count(world.incidents), 0);
    world_fail(&world, "job:c", AT(3));
    assert_int_equal(world_incidents(&world, "acme"), 1);
    world_deinit(&world);
}

/* It failed long ago, as was told much later, and was silent since. */
static void who_said_no_end_was_bad_for_no_longer_than_silence_takes(void **state) {
    (void)state;
    for (unsigned is_firing = 0; is_firing < 2; is_firing++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:b", "service:a");
        world_run(&world, AT(8));
        struct signal signal = world_signal("acme", "service:a", EVENT_STATUS_FAILED, AT(0));
        signal.kind = is_firing == 1 ? EVENT_KIND_ALERT : signal.kind;
        signal.fires_until_ns = is_firing == 1 ? AT(12) : 0;
        world_bad_signal(&world, "acme", "service:a", &signal, false);
        world_run(&world, AT(14));
        assert_int_equal(incidents_open_count(world.incidents), 0);
        world_fail(&world, "job:b", AT(10));
        assert_int_equal(world_incidents(&world, "acme"), is_firing == 1 ? 1 : 2);
        world_deinit(&world);
    }
}

static void who_said_no_end_to_the_platform_was_bad_as_long(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "acme|job:b", "platform|service:a");
    world_depend(&world, "acme|job:c", "platform|service:a");
    world_run(&world, AT(8));
    world_bad(&world, "platform", "service:a", EVENT_STATUS_FAILED, AT(0));
    world_fail(&world, "job:b", AT(1));
    world_good(&world, "acme", "job:b", AT(8));
    world_run(&world, AT(14));
    assert_int_equal(incidents_open_count(world.incidents), 0);
    world_restart(&world);
    world_fail(&world, "job:c", AT(10));
    assert_int_equal(world_incidents(&world, "acme"), 2);
    world_deinit(&world);
}

/* Each of them reopens the incident of job:a, and is well again before the interval has passed. */
static void a_trickle_of_late_failures_is_not_told_one_by_one(void **state) {
    (void)state;
    struct world world;
    init_resolved(&world);
    for (unsigned i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof(name), "job:b%u", i);
        world_depend(&world, name, "job:a");
        world_fail(&world, name, AT(1));
        assert_int_equal(incidents_open_count(world.incidents), 1);
        world_run(&world, world.now_ns + 30 * NS_PER_S);
        world_restart(&world);
        world_good(&world, "acme", name, world.now_ns);
        assert_int_equal(incidents_open_count(world.incidents), 0);
    }
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_int_equal(world.told_count, 2);
    world_deinit(&world);
}

static void a_service_that_comes_back_with_old_errors_is_told_with_the_interval(void **state) {
    (void)state;
    for (unsigned is_fresh = 0; is_fresh < 2; is_fresh++) {
        struct world world;
        world_init(&world);
        world_fail(&world, "service:a", AT(0));
        world_run(&world, AT(6));
        assert_int_equal(world.told_count, 2); /* the end at minute 5 */
        world_fail(&world, "service:a", is_fresh == 1 ? AT(6) : AT(0) + NS_PER_S);
        assert_int_equal(incidents_open_count(world.incidents), 1);
        world_run(&world, AT(9));
        assert_int_equal(world.told_count, is_fresh == 1 ? 3 : 2);
        world_run(&world, AT(10) + MINUTES(1) / 2);
        assert_int_equal(world.told_count, 3);
        world_deinit(&world);
    }
}

/* People take it for over: what fails since is news to them. */
static void a_failure_of_now_is_told_at_once_though_a_late_one_waits(void **state) {
    (void)state;
    for (unsigned is_new = 0; is_new < 2; is_new++) {
        struct world world;
        init_resolved(&world);
        world_fail(&world, "job:b", AT(1));
        world_run(&world, AT(8));
        assert_int_equal(world.told_count, 2);
        world_fail(&world, is_new == 1 ? "job:c" : "job:a", AT(8));
        world_run(&world, AT(9));
        assert_int_equal(world.told_count, 3);
        assert_int_equal(world.told[2].type, 2);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_failure_joins_the_resolved_incident_of_its_cause),
        cmocka_unit_test(a_late_failure_joins_after_a_restart_too),
        cmocka_unit_test(late_failures_of_a_chain_join_in_any_order),
        cmocka_unit_test(a_late_failure_joins_what_was_over_before_anybody_was_told),
        cmocka_unit_test(a_late_failure_joins_a_cause_that_recovered_by_silence),
        cmocka_unit_test(a_late_failure_joins_what_a_person_has_resolved),
        cmocka_unit_test(a_late_failure_joins_what_the_platform_had_broken),
        cmocka_unit_test(what_failed_when_the_cause_was_well_again_is_another_incident),
        cmocka_unit_test(what_failed_before_the_cause_did_is_another_incident),
        cmocka_unit_test(a_late_failure_that_nothing_connects_is_another_incident),
        cmocka_unit_test(what_is_told_after_the_reopen_window_is_another_incident),
        cmocka_unit_test(a_failure_that_is_told_in_time_is_not_put_down_to_what_is_over),
        cmocka_unit_test(a_success_dated_ahead_ends_the_trouble_when_it_came),
        cmocka_unit_test(what_still_fails_explains_a_late_failure_rather_than_what_is_over),
        cmocka_unit_test(what_failed_between_two_bad_periods_of_the_cause_is_another_incident),
        cmocka_unit_test(what_the_platform_told_more_than_once_is_the_cause_to_its_end),
        cmocka_unit_test(who_said_no_end_was_bad_for_no_longer_than_silence_takes),
        cmocka_unit_test(who_said_no_end_to_the_platform_was_bad_as_long),
        cmocka_unit_test(a_trickle_of_late_failures_is_not_told_one_by_one),
        cmocka_unit_test(a_service_that_comes_back_with_old_errors_is_told_with_the_interval),
        cmocka_unit_test(a_failure_of_now_is_told_at_once_though_a_late_one_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
