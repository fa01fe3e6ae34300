/* suspect_heard_test.c - who has failed itself is no silent cause, whichever incident knows it. */
#include "tests/incident/world.h"

static void depend_three(struct world *world, const char *upstream) {
    world_depend(world, "job:load_0", upstream);
    world_depend(world, "job:load_1", upstream);
    world_depend(world, "job:load_2", upstream);
}

/* It is only degraded, and too long after the first of them, to be why that one fails. */
static void a_suspect_that_fails_apart_is_given_up(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_three(&world, "check:gate");
    world_fail(&world, "job:load_0", START_NS - MINUTES(14));
    world_fail(&world, "job:load_1", START_NS);
    world_fail(&world, "job:load_2", START_NS + NS_PER_S);
    world_run(&world, START_NS + NS_PER_MINUTE);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "check:gate suspected"));
    free(json);
    world_run(&world, START_NS + MINUTES(2));
    world_bad(&world, "acme", "check:gate", EVENT_STATUS_DEGRADED, START_NS + MINUTES(2));
    world_run(&world, START_NS + MINUTES(3));
    assert_int_equal(world_incidents(&world, "acme"), 2);
    for (size_t i = 0; i < 2; i++) {
        json = world_json(&world, "acme", i);
        assert_null(strstr(json, "suspected"));
        free(json);
    }
    world_deinit(&world);
}

/* It was the root, is well, and another root has taken its place. */
static void a_member_is_not_suspected_by_its_own_incident(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world.policies.defaults.resolve_after_ns = 30 * NS_PER_S;
    depend_three(&world, "service:warehouse");
    world_depend(&world, "job:report", "job:load_2");
    world_fail(&world, "service:warehouse", START_NS - 30 * NS_PER_S);
    world_run(&world, START_NS + 11 * NS_PER_S);
    world_fail(&world, "job:report", START_NS + 10 * NS_PER_S);
    world_run(&world, START_NS + 75 * NS_PER_S);
    world_fail_now(&world, "job:load_1");
    world_run_for(&world, 9 * NS_PER_S);
    world_fail_now(&world, "job:load_2");
    world_run_for(&world, 5 * NS_PER_S);
    world_fail_now(&world, "job:load_0");
    world_run_for(&world, NS_PER_MINUTE);
    for (size_t i = world_incidents(&world, "acme"); i > 0; i--) {
        char *json = world_json(&world, "acme", i - 1);
        bool is_member = strstr(json, "{\"entity\":\"service:warehouse\",\"status\"") != NULL;
        assert_false(is_member && strstr(json, "suspected") != NULL);
        free(json);
    }
    world_deinit(&world);
}

/* Its own incident goes on, since another that it brought down still fails. */
static void a_suspect_is_no_alternative_to_itself(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_three(&world, "service:warehouse");
    world_depend(&world, "job:report", "service:warehouse");
    world_fail_now(&world, "service:warehouse");
    world_fail_now(&world, "job:report");
    world_run_for(&world, MINUTES(6)); /* it is silent by now */
    world_fail_now(&world, "job:load_0");
    world_fail_now(&world, "job:load_1");
    world_fail_now(&world, "job:load_2");
    world_run_for(&world, NS_PER_MINUTE);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    size_t suspected = 0;
    for (size_t i = 0; i < 2; i++) {
        char *json = world_json(&world, "acme", i);
        if (strstr(json, "service:warehouse suspected; 3 downstream") != NULL) {
            suspected++;
            assert_null(strstr(json, "{\"entity\":\"service:warehouse\",\"confidence\""));
        }
        free(json);
    }
    assert_int_equal(suspected, 1);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_suspect_that_fails_apart_is_given_up),
        cmocka_unit_test(a_member_is_not_suspected_by_its_own_incident),
        cmocka_unit_test(a_suspect_is_no_alternative_to_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
