/* stale_test.c - a failure that is older than a success already known: counted, not told; it may
 * still be the cause of what failed while it lasted. */
#include "tests/incident/world.h"

#define MINUTES(count) ((count)*NS_PER_MINUTE)

static void expect_quiet(struct world *world, size_t told_count) {
    assert_int_equal(incidents_open_count(world->incidents), 0);
    world_restart(world);
    world_run(world, world->now_ns + MINUTES(10));
    assert_int_equal(incidents_open_count(world->incidents), 0);
    assert_int_equal(world->told_count, told_count);
}

static void a_failure_older_than_the_success_that_is_known_opens_nothing(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_good(&world, "acme", "job:a", START_NS - MINUTES(1));
    world_fail(&world, "job:a", START_NS - MINUTES(11));
    assert_int_equal(world.opened, 0);
    expect_quiet(&world, 0);
    world_deinit(&world);
}

static void a_failure_older_than_the_recovery_reopens_nothing(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS - MINUTES(20));
    world_run(&world, START_NS + MINUTES(1));
    world_good(&world, "acme", "job:a", START_NS - MINUTES(1));
    assert_int_equal(world.told_count, 2);
    world_fail(&world, "job:a", START_NS - MINUTES(11));
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"status\":\"resolved\""));
    assert_non_null(strstr(json, "\"signals\":{\"total\":2,\"unique\":2,"));
    free(json);
    expect_quiet(&world, 2);
    world_deinit(&world);
}

static void a_member_that_is_well_stays_so_while_its_incident_lives(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", START_NS - MINUTES(12));
    world_fail(&world, "job:b", START_NS - MINUTES(10));
    world_good(&world, "acme", "job:b", START_NS - MINUTES(5));
    world_fail(&world, "job:b", START_NS - MINUTES(9));
    world_good(&world, "acme", "job:a", START_NS - MINUTES(1));
    expect_quiet(&world, 0);
    world_deinit(&world);
}

static void a_failure_of_about_the_same_time_or_later_counts(void **state) {
    (void)state;
    for (uint64_t second = 0; second < 8; second++) { /* the success came in the sixth */
        struct world world;
        world_init(&world);
        world_good(&world, "acme", "job:a", START_NS);
        world_fail(&world, "job:a", START_NS + second * NS_PER_S - 6 * NS_PER_S);
        assert_int_equal(incidents_open_count(world.incidents), second == 0 ? 0 : 1);
        world_deinit(&world);
    }
}

/* A success that is dated tomorrow was said when it came. */
static void a_success_whose_clock_is_ahead_hides_no_later_failure(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    struct signal good =
        world_signal("acme", "job:a", EVENT_STATUS_SUCCEEDED, START_NS + NS_PER_DAY);
    good.heard_ns = world.now_ns;
    world_good_signal(&world, "acme", "job:a", &good);
    world_run(&world, START_NS + MINUTES(1));
    world_fail(&world, "job:a", world.now_ns);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    world_deinit(&world);
}

/* A person's word is no success; what a service says of one request is none either. */
static void only_a_success_hides_an_older_failure(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:a", START_NS - MINUTES(1));
    struct incident_context context = world_context(&world);
    assert_true(
        status_is_ok(incidents_operate(world.incidents, &context, world_id(&world, "acme", 0),
                                       SLICE("acme"), true, SLICE("kim"), SLICE(""))));
    world_commit(&world);
    world_fail(&world, "job:a", START_NS - MINUTES(2));
    assert_int_equal(incidents_open_count(world.incidents), 1);
    struct signal good = world_signal("acme", "service:web", EVENT_STATUS_OK, START_NS);
    good.news = SIGNAL_NEUTRAL;
    context = world_context(&world);
    incidents_note_well(world.incidents, &context, world_node(&world, "acme", "service:web"),
                        &good);
    world_fail(&world, "service:web", START_NS - MINUTES(1));
    assert_int_equal(incidents_open_count(world.incidents), 2);
    world_deinit(&world);
}

static void a_stale_failure_is_the_cause_of_what_failed_while_it_lasted(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:b", START_NS - MINUTES(10));
    world_good(&world, "acme", "job:a", START_NS - MINUTES(1));
    world_fail(&world, "job:a", START_NS - MINUTES(11));
    world_restart(&world);
    world_run(&world, START_NS + MINUTES(1));
    assert_int_equal(world_incidents(&world, "acme"), 1);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"root_cause\":{\"entity\":\"job:a\""));
    assert_non_null(strstr(json, "\"failing\":1"));
    free(json);
    assert_int_equal(world.opened, 1);
    world_fail(&world, "job:a", START_NS - MINUTES(11)); /* it is well all the same */
    world_good(&world, "acme", "job:b", START_NS);
    expect_quiet(&world, 2);
    world_deinit(&world);
}

static void a_stale_failure_is_no_cause_of_what_failed_after_it_was_well(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:b", START_NS);
    world_good(&world, "acme", "job:a", START_NS - MINUTES(1));
    world_fail(&world, "job:a", START_NS - MINUTES(11));
    world_run(&world, START_NS + MINUTES(1));
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"root_cause\":{\"entity\":\"job:b\""));
    free(json);
    world_good(&world, "acme", "job:b", START_NS + MINUTES(1));
    expect_quiet(&world, 2);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_older_than_the_success_that_is_known_opens_nothing),
        cmocka_unit_test(a_failure_older_than_the_recovery_reopens_nothing),
        cmocka_unit_test(a_member_that_is_well_stays_so_while_its_incident_lives),
        cmocka_unit_test(a_failure_of_about_the_same_time_or_later_counts),
        cmocka_unit_test(a_success_whose_clock_is_ahead_hides_no_later_failure),
        cmocka_unit_test(only_a_success_hides_an_older_failure),
        cmocka_unit_test(a_stale_failure_is_the_cause_of_what_failed_while_it_lasted),
        cmocka_unit_test(a_stale_failure_is_no_cause_of_what_failed_after_it_was_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
