/* doubt_test.c - causes that are reported late, causes that are only named, and what speaks against
 * a root: an earlier storm, an error that speaks of something else. */
#include "tests/incident/world.h"

static void fail_saying(struct world *world, const char *entity, const char *message,
                        uint64_t event_ns) {
    struct signal signal = world_signal("acme", entity, EVENT_STATUS_FAILED, event_ns);
    signal.error_class = SLICE("Own");
    signal.message = slice_of_text(message);
    world_bad_signal(world, "acme", entity, &signal, false);
}

/* The JSON of the incident whose root is the entity (caller frees). */
static char *json_of(struct world *world, const char *root) {
    char wanted[96];
    snprintf(wanted, sizeof(wanted), "\"root_cause\":{\"entity\":\"%s\"", root);
    for (size_t i = 0; i < world_incidents(world, "acme"); i++) {
        char *json = world_json(world, "acme", i);
        if (strstr(json, wanted) != NULL) {
            return json;
        }
        free(json);
    }
    fail_msg("no incident has the root %s", root);
    return NULL;
}

static double confidence_of(struct world *world, const char *root) {
    char *json = json_of(world, root);
    double confidence = strtod(strstr(json, "\"confidence\":") + 13, NULL);
    free(json);
    return confidence;
}

/* far -> quiet -> victim -> below, and near -> victim. */
static void fail_for_the_nearer(struct world *world) {
    world_depend(world, "job:quiet", "job:far");
    world_depend(world, "job:victim", "job:quiet");
    world_depend(world, "job:victim", "job:near");
    world_depend(world, "job:below", "job:victim");
    world_fail(world, "job:far", START_NS);
    world_fail(world, "job:victim", START_NS + 60 * NS_PER_S);
    world_fail(world, "job:below", START_NS + 70 * NS_PER_S);
    assert_int_equal(world_incidents(world, "acme"), 1);
    world_fail(world, "job:near", START_NS + 50 * NS_PER_S);
}

static void a_nearer_cause_reported_late_takes_over_what_it_brought_down(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_for_the_nearer(&world);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    world_run(&world, START_NS + 2 * NS_PER_MINUTE);
    char *near = json_of(&world, "job:near");
    char *far = json_of(&world, "job:far");
    assert_int_equal(count_text(near, "\"hops\":"), 2);
    assert_non_null(strstr(near, "\"entity\":\"job:below\""));
    assert_int_equal(count_text(far, "\"hops\":"), 0);
    assert_non_null(strstr(far, "\"failing\":1"));
    free(near);
    free(far);
    world_deinit(&world);
}

/* far -> quiet -> victim, near -> victim, and a chain below it; near is told last. */
static void expect_taken_along(struct world *world, unsigned chain, uint64_t step_ns) {
    char names[12][16];
    world_depend(world, "job:quiet", "job:far");
    world_depend(world, "job:step0", "job:quiet");
    world_depend(world, "job:step0", "job:near");
    world_fail(world, "job:far", START_NS);
    for (unsigned i = 0; i < chain; i++) {
        snprintf(names[i], sizeof(names[i]), "job:step%u", i);
        if (i > 0) {
            world_depend(world, names[i], names[i - 1]);
        }
        world_fail(world, names[i], START_NS + NS_PER_MINUTE + i * step_ns);
    }
    assert_int_equal(world_incidents(world, "acme"), 1);
    world_fail(world, "job:near", START_NS + 30 * NS_PER_S);
    world_run_for(world, NS_PER_MINUTE);
    char *near = json_of(world, "job:near");
    char *far = json_of(world, "job:far");
    assert_int_equal(count_text(near, "\"hops\":"), chain);
    assert_int_equal(count_text(far, "\"hops\":"), 0);
    free(near);
    free(far);
}

static void what_a_late_cause_takes_over_brings_along_who_is_far_below(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    expect_taken_along(&world, 12, NS_PER_S);
    world_deinit(&world);
}

/* Of each chain only who reaches its end asks, all in their turn. */
static void many_chains_are_soon_taken_along(void **state) {
    (void)state;
    enum { CHAINS = 8, LENGTH = 12 };
    struct world world;
    world_init(&world);
    world_depend(&world, "job:quiet", "job:far");
    world_fail(&world, "job:far", START_NS);
    for (unsigned i = 0; i < CHAINS * LENGTH; i++) {
        char name[16];
        char above[16];
        snprintf(name, sizeof(name), "job:c%us%u", i % CHAINS, i / CHAINS);
        snprintf(above, sizeof(above), "job:c%us%u", i % CHAINS, i / CHAINS - 1);
        world_depend(&world, name, i < CHAINS ? "job:quiet" : above);
        if (i < CHAINS) {
            world_depend(&world, name, "job:near");
        }
        world_fail(&world, name, START_NS + NS_PER_MINUTE + i * NS_PER_MS);
    }
    world_fail(&world, "job:near", START_NS + 30 * NS_PER_S);
    world_run_for(&world, 25 * NS_PER_S);
    char *near = json_of(&world, "job:near");
    assert_int_equal(count_text(near, "\"hops\":"), CHAINS * LENGTH);
    free(near);
    world_deinit(&world);
}

static void what_a_late_cause_takes_over_brings_along_who_failed_much_later(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world.now_ns = START_NS + MINUTES(30);
    expect_taken_along(&world, 3, 10 * NS_PER_MINUTE);
    world_deinit(&world);
}

/* job:below was the first to fail, and is shown with job:far, which explains job:beside alone; then
 * it is well, and fails again because of job:near. */
static void who_fails_again_by_another_cause_joins_that_in_any_order(void **state) {
    (void)state;
    for (unsigned is_late = 0; is_late < 2; is_late++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:beside", "job:below");
        world_depend(&world, "job:beside", "job:far");
        world_depend(&world, "job:below", "job:near");
        world_fail(&world, "job:below", START_NS);
        world_fail(&world, "job:beside", START_NS + NS_PER_S);
        world_run(&world, START_NS + 30 * NS_PER_S);
        world_good(&world, "acme", "job:below", world.now_ns);
        world_fail(&world, "job:far", START_NS);
        free(json_of(&world, "job:far"));
        assert_int_equal(world_incidents(&world, "acme"), 1);
        uint64_t again_ns = world.now_ns + 20 * NS_PER_S;
        world_run(&world, START_NS + NS_PER_MINUTE);
        world_fail(&world, is_late == 1 ? "job:below" : "job:near",
                   again_ns - (is_late == 1 ? 0 : NS_PER_S));
        world_fail(&world, is_late == 1 ? "job:near" : "job:below",
                   again_ns - (is_late == 1 ? NS_PER_S : 0));
        world_run_for(&world, NS_PER_MINUTE);
        char *near = json_of(&world, "job:near");
        char *far = json_of(&world, "job:far");
        assert_non_null(strstr(near, "\"entity\":\"job:below\",\"status\":\"failed\""));
        assert_null(strstr(far, "\"entity\":\"job:below\",\"status\""));
        assert_non_null(strstr(far, "\"failing\":2,"));
        free(near);
        free(far);
        world_deinit(&world);
    }
}

static void what_moved_stays_where_it_is_after_a_restart(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_for_the_nearer(&world);
    world_commit(&world);
    struct hash128 before = incidents_digest(world.incidents);
    world_restart(&world);
    assert_true(hash128_equals(before, incidents_digest(world.incidents)));
    world_good(&world, "acme", "job:far", START_NS + 80 * NS_PER_S);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    world_deinit(&world);
}

/* So that who asks for what has changed since then hears of it. */
static void whom_a_member_leaves_is_updated(void **state) {
    (void)state;
    for (unsigned is_again = 0; is_again < 2; is_again++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:victim", "job:far");
        world_depend(&world, "job:victim", "job:near");
        world_fail(&world, "job:far", START_NS);
        world_fail(&world, "job:victim", START_NS + 60 * NS_PER_S);
        if (is_again == 1) {
            world_run(&world, START_NS + 70 * NS_PER_S);
            world_good(&world, "acme", "job:victim", world.now_ns);
        }
        world_run(&world, START_NS + MINUTES(3));
        world_fail(&world, "job:near", START_NS + 50 * NS_PER_S);
        if (is_again == 1) {
            world_fail(&world, "job:victim", world.now_ns);
        }
        world_run_for(&world, NS_PER_S);
        char *far = json_of(&world, "job:far");
        assert_non_null(strstr(far, "\"affected\":[],"));
        assert_non_null(strstr(far, "\"updated_at\":\"2025-11-20T03:03:00.000Z\""));
        free(far);
        world_deinit(&world);
    }
}

static void a_cause_as_near_but_long_before_does_not_take_over(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:victim", "job:left");
    world_depend(&world, "job:victim", "job:right");
    world_fail(&world, "job:left", START_NS + 50 * NS_PER_S);
    world_fail(&world, "job:victim", START_NS + 60 * NS_PER_S);
    world_fail(&world, "job:right", START_NS - 5 * NS_PER_MINUTE);
    char *left = json_of(&world, "job:left");
    assert_non_null(strstr(left, "\"entity\":\"job:victim\""));
    free(left);
    world_deinit(&world);
}

static void two_whose_errors_name_a_silent_upstream_are_enough(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (unsigned i = 0; i < 9; i++) {
        char name[32];
        snprintf(name, sizeof(name), "job:load_%u", i);
        world_depend(&world, name, "service:warehouse");
    }
    fail_saying(&world, "job:load_1", "exit code 1", START_NS);
    fail_saying(&world, "job:load_2", "upstream warehouse does not answer", START_NS + NS_PER_S);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    free(json_of(&world, "service:warehouse"));
    world_deinit(&world);
}

static void an_earlier_storm_lowers_the_confidence_and_is_an_alternative(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:load", "job:extract");
    fail_saying(&world, "job:alone", "disk full", START_NS);
    world_run(&world, START_NS + 5 * NS_PER_S);
    assert_true(confidence_of(&world, "job:alone") > 0.9);
    fail_saying(&world, "job:extract", "disk full", START_NS + 10 * NS_PER_S);
    fail_saying(&world, "job:load", "no rows", START_NS + 20 * NS_PER_S);
    fail_saying(&world, "job:apart", "no rows", START_NS + 30 * NS_PER_S);
    fail_saying(&world, "job:blames", "HTTP 503", START_NS + 30 * NS_PER_S);
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_true(confidence_of(&world, "job:extract") > 0.9);
    assert_true(confidence_of(&world, "job:apart") < 0.8);
    assert_true(confidence_of(&world, "job:blames") < 0.5);
    char *json = json_of(&world, "job:apart");
    assert_non_null(strstr(json, "\"alternatives\":[{\"entity\":\"job:extract\""));
    assert_non_null(
        strstr(json, "against it: a storm that no known edge joins to it began before"));
    free(json);
    world_deinit(&world);
}

static void a_storm_that_was_over_before_says_nothing(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:load", "job:extract");
    fail_saying(&world, "job:extract", "disk full", START_NS);
    fail_saying(&world, "job:load", "no rows", START_NS + 10 * NS_PER_S);
    world_run(&world, START_NS + 20 * NS_PER_S);
    world_recover_now(&world, "job:extract");
    world_recover_now(&world, "job:load");
    fail_saying(&world, "job:late", "no rows", START_NS + 15 * NS_PER_S);
    world_run(&world, START_NS + NS_PER_MINUTE);
    fail_saying(&world, "job:apart", "no rows", START_NS + NS_PER_MINUTE);
    world_run(&world, START_NS + 2 * NS_PER_MINUTE);
    assert_true(confidence_of(&world, "job:late") < 0.8); /* it failed while the storm went on */
    assert_true(confidence_of(&world, "job:apart") > 0.9);
    char *json = json_of(&world, "job:apart");
    assert_non_null(strstr(json, "\"alternatives\":[]"));
    free(json);
    world_deinit(&world);
}

static void expect_evidence(struct world *world, const char *root, const char *words) {
    char *json = json_of(world, root);
    assert_int_equal(count_text(json, "against it: "), 1);
    assert_non_null(strstr(json, words));
    free(json);
}

static void a_storm_that_began_no_earlier_is_not_said_to_have_begun_before(void **state) {
    (void)state;
    for (uint64_t later = 0; later < 4; later += 3) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:load", "job:extract");
        fail_saying(&world, "job:apart", "no rows", START_NS);
        fail_saying(&world, "job:extract", "disk full", START_NS + later * NS_PER_S);
        fail_saying(&world, "job:load", "no rows", START_NS + 10 * NS_PER_S);
        world_run(&world, START_NS + NS_PER_MINUTE);
        world_restart(&world);
        expect_evidence(&world, "job:apart",
                        "against it: a storm that no known edge joins to it began about the same "
                        "time, at job:extract");
        world_deinit(&world);
    }
}

/* Both are upstream of what failed: it is in one's storm, and an edge leads from it to the other.
 */
static void of_a_storm_that_an_edge_joins_to_it_that_is_said(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:load", "job:left");
    world_depend(&world, "job:load", "job:right");
    fail_saying(&world, "job:left", "disk full", START_NS);
    fail_saying(&world, "job:right", "disk full", START_NS + 7 * NS_PER_S);
    fail_saying(&world, "job:load", "no rows", START_NS + 6 * NS_PER_S);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    world_run(&world, START_NS + NS_PER_MINUTE);
    world_restart(&world);
    expect_evidence(&world, "job:right",
                    "against it: a storm that known edges join to it began before, at job:left");
    assert_true(confidence_of(&world, "job:right") < 0.8);
    world_deinit(&world);
}

/* The later of two is as near and likelier; the other is no stranger to what fails below. */
static void another_bad_upstream_is_an_alternative(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:z3", "job:z1");
        world_depend(&world, "job:z3", "job:z2");
        world_depend(&world, "job:z4", "job:z2");
        world_fail(&world, "job:z1", START_NS);
        world_fail(&world, "job:other", START_NS);
        world_fail(&world, "job:z2", START_NS + NS_PER_S);
        world_fail(&world, "job:z3", START_NS + 2 * NS_PER_S);
        world_fail(&world, "job:z4", START_NS + 2 * NS_PER_S);
        world_run(&world, START_NS + NS_PER_MINUTE);
        if (restarts == 1) {
            world_restart(&world);
        }
        world_fail(&world, "job:z4", START_NS + 3 * NS_PER_S); /* so that its row is written */
        char *json = json_of(&world, "job:z2");
        assert_non_null(strstr(json, "\"alternatives\":[{\"entity\":\"job:z1\","));
        assert_non_null(strstr(json, "against it: 1 of 2 affected depend directly on another that "
                                     "fails, job:z1\""));
        assert_null(strstr(json, "job:other"));
        free(json);
        world_good(&world, "acme", "job:z1", START_NS + 2 * NS_PER_MINUTE);
        world_run(&world, START_NS + 10 * NS_PER_MINUTE);
        world_fail(&world, "job:z3", START_NS + 10 * NS_PER_MINUTE);
        world_depend(&world, "job:z5", "job:z3");
        world_fail(&world, "job:z5", START_NS + 10 * NS_PER_MINUTE);
        world_run(&world, START_NS + 20 * NS_PER_MINUTE);
        json = json_of(&world, "job:z2");
        assert_null(strstr(json, "job:z1")); /* it is well */
        free(json);
        world_deinit(&world);
    }
}

static void a_suspect_that_reports_at_last_is_no_less_sure(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (unsigned i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof(name), "job:load_%u", i);
        world_depend(&world, name, "service:warehouse");
        world_fail(&world, name, START_NS + i * NS_PER_S);
    }
    world_run_for(&world, NS_PER_MINUTE);
    double suspected = confidence_of(&world, "service:warehouse");
    fail_saying(&world, "service:warehouse", "disk full", START_NS + 9 * NS_PER_S);
    world_run_for(&world, NS_PER_MINUTE);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    char *json = json_of(&world, "service:warehouse");
    assert_non_null(strstr(json, "reported a failure itself"));
    assert_true(confidence_of(&world, "service:warehouse") >= suspected);
    free(json);
    world_deinit(&world);
}

/* Half of its dependants is the least that a suspicion asks for. */
static void what_told_last_and_hit_few_of_its_dependants_stays_in_doubt(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (unsigned i = 0; i < 8; i++) {
        char name[16];
        snprintf(name, sizeof(name), "job:load_%u", i);
        world_depend(&world, name, "service:warehouse");
    }
    for (unsigned i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof(name), "job:load_%u", i);
        world_fail(&world, name, START_NS + i * NS_PER_S);
    }
    fail_saying(&world, "service:warehouse", "disk full", START_NS + 9 * NS_PER_S);
    world_run_for(&world, NS_PER_MINUTE);
    assert_true(confidence_of(&world, "service:warehouse") < 0.7);
    world_deinit(&world);
}

/* All lines that there are at once: the last one is as good as the first. */
static void all_that_speaks_against_the_root_of_a_platform_incident_is_said(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "platform|job:z3", "platform|job:z1");
        world_depend(&world, "platform|job:z3", "platform|job:z2");
        world_depend(&world, "platform|job:z4", "platform|job:z2");
        world_depend(&world, "platform|job:load", "platform|job:extract");
        world_depend(&world, "acme|job:a", "platform|job:z4");
        world_bad(&world, "platform", "job:extract", EVENT_STATUS_FAILED, START_NS);
        world_bad(&world, "platform", "job:load", EVENT_STATUS_FAILED, START_NS);
        world_bad(&world, "platform", "job:z1", EVENT_STATUS_FAILED, START_NS + NS_PER_S);
        struct signal blames =
            world_signal("platform", "job:z2", EVENT_STATUS_FAILED, START_NS + 2 * NS_PER_S);
        blames.message = SLICE("HTTP 503");
        world_bad_signal(&world, "platform", "job:z2", &blames, false);
        world_bad(&world, "platform", "job:z3", EVENT_STATUS_FAILED, START_NS + 3 * NS_PER_S);
        world_bad(&world, "platform", "job:z4", EVENT_STATUS_FAILED, START_NS + 3 * NS_PER_S);
        world_bad(&world, "acme", "job:a", EVENT_STATUS_FAILED, START_NS + 3 * NS_PER_S);
        world_run(&world, START_NS + NS_PER_MINUTE);
        if (restarts == 1) {
            world_restart(&world);
            world_bad(&world, "platform", "job:z4", EVENT_STATUS_FAILED, START_NS + NS_PER_MINUTE);
        }
        char *json = NULL;
        for (size_t i = 0; json == NULL; i++) {
            json = world_json(&world, "platform", i);
            if (strstr(json, "\"root_cause\":{\"entity\":\"job:z2\"") == NULL) {
                free(json);
                json = NULL;
            }
        }
        assert_non_null(strstr(json, "\"tenants hit: 1, at risk: 0\""));
        assert_int_equal(count_text(json, "against it: "), 3);
        assert_non_null(strstr(json, "began before, at job:extract\""));
        assert_non_null(strstr(json, "on another that fails, job:z1\""));
        assert_non_null(
            strstr(json, "against it: its error may be of something that it depends on"));
        free(json);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_nearer_cause_reported_late_takes_over_what_it_brought_down),
        cmocka_unit_test(what_a_late_cause_takes_over_brings_along_who_is_far_below),
        cmocka_unit_test(what_a_late_cause_takes_over_brings_along_who_failed_much_later),
        cmocka_unit_test(many_chains_are_soon_taken_along),
        cmocka_unit_test(who_fails_again_by_another_cause_joins_that_in_any_order),
        cmocka_unit_test(what_moved_stays_where_it_is_after_a_restart),
        cmocka_unit_test(whom_a_member_leaves_is_updated),
        cmocka_unit_test(a_cause_as_near_but_long_before_does_not_take_over),
        cmocka_unit_test(two_whose_errors_name_a_silent_upstream_are_enough),
        cmocka_unit_test(an_earlier_storm_lowers_the_confidence_and_is_an_alternative),
        cmocka_unit_test(a_storm_that_was_over_before_says_nothing),
        cmocka_unit_test(a_storm_that_began_no_earlier_is_not_said_to_have_begun_before),
        cmocka_unit_test(of_a_storm_that_an_edge_joins_to_it_that_is_said),
        cmocka_unit_test(another_bad_upstream_is_an_alternative),
        cmocka_unit_test(a_suspect_that_reports_at_last_is_no_less_sure),
        cmocka_unit_test(what_told_last_and_hit_few_of_its_dependants_stays_in_doubt),
        cmocka_unit_test(all_that_speaks_against_the_root_of_a_platform_incident_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
