/* suspect_test.c - a silent cause that all have in common, and signals that carry a strength. */
#include "tests/incident/world.h"

static void expect_root(struct world *world, const char *entity) {
    char wanted[96];
    snprintf(wanted, sizeof(wanted), "\"root_cause\":{\"entity\":\"%s\"", entity);
    char *json = world_json(world, "acme", 0);
    if (strstr(json, wanted) == NULL) {
        fail_msg("the root is not %s: %s", entity, json);
    }
    free(json);
}

static void expect_root_after_commit(struct world *world, const char *entity) {
    world_commit(world);
    expect_root(world, entity);
}

static void depend_all(struct world *world, unsigned count, const char *upstream) {
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "job:load_%u", i);
        world_depend(world, name, upstream);
    }
}

static void fail_some(struct world *world, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "job:load_%u", i);
        world_fail(world, name, START_NS + i * NS_PER_S);
    }
}

static void a_silent_upstream_of_all_that_fail_is_suspected(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 5, "service:warehouse");
    fail_some(&world, 2);
    assert_int_equal(incidents_open_count(world.incidents), 2); /* two may be chance */
    fail_some(&world, 4);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    world_run(&world, START_NS + NS_PER_MINUTE);
    expect_root(&world, "service:warehouse");
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "service:warehouse suspected; 4 downstream affected"));
    assert_non_null(strstr(json, "suspected: it reports no failure itself"));
    assert_non_null(strstr(json, "\"entity\":\"service:warehouse\",\"error_class\":\"\","
                                 "\"message\":\"reports nothing itself; one that it would explain "
                                 "says: timeout after \\\"30s\\\"\""));
    assert_non_null(strstr(json, "4 of the 5 that depend on it directly are failing"));
    assert_int_equal(count_text(json, "\"hops\":1"), 4);
    assert_non_null(strstr(json, "\"failing\":4,\"at_risk\":1"));
    free(json);
    assert_int_equal(world.told_count, 1);
    world_deinit(&world);
}

static void many_that_share_a_silent_upstream_are_one_incident_in_any_order(void **state) {
    enum { MANY = 300 }; /* more than are asked for what stands for all */
    (void)state;
    for (unsigned is_reversed = 0; is_reversed < 2; is_reversed++) {
        struct world world;
        world_init(&world);
        depend_all(&world, MANY, "service:warehouse");
        for (unsigned i = 0; i < MANY; i++) {
            char name[32];
            snprintf(name, sizeof(name), "job:load_%u", is_reversed == 1 ? MANY - 1 - i : i);
            world_fail(&world, name, START_NS + i * NS_PER_MS);
        }
        assert_int_equal(incidents_open_count(world.incidents), 1);
        world_run(&world, START_NS + NS_PER_MINUTE);
        expect_root(&world, "service:warehouse");
        char *json = world_json(&world, "acme", 0);
        assert_null(strstr(json, "257 of 256"));
        assert_non_null(strstr(json, " looked at, of all that depend on it directly, are failing"));
        free(json);
        world_deinit(&world);
    }
}

static void a_suspicion_survives_a_restart_and_takes_in_the_next(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 6, "platform|service:warehouse");
    fail_some(&world, 3);
    world_commit(&world);
    struct hash128 before = incidents_digest(world.incidents);
    world_restart(&world);
    assert_true(hash128_equals(before, incidents_digest(world.incidents)));
    fail_some(&world, 6);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    expect_root(&world, "platform/service:warehouse");
    world_deinit(&world);
}

static void the_suspect_that_reports_becomes_the_root(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 3, "service:warehouse");
    fail_some(&world, 3);
    expect_root(&world, "service:warehouse");
    world_fail(&world, "service:warehouse", START_NS + 9 * NS_PER_S);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "service:warehouse failed: Timeout; 3 downstream affected"));
    free(json);
    world_deinit(&world);
}

static void an_upstream_that_says_it_is_well_is_no_suspect(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 4, "job:feed");
    world_good(&world, "acme", "job:feed", START_NS - 10 * NS_PER_MINUTE);
    fail_some(&world, 4);
    assert_int_equal(world_incidents(&world, "acme"), 4);
    world_deinit(&world);
}

static void one_that_said_so_before_the_window_is_a_suspect(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 4, "job:feed");
    world_good(&world, "acme", "job:feed", START_NS - 20 * NS_PER_MINUTE);
    fail_some(&world, 4);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    expect_root(&world, "job:feed");
    world_deinit(&world);
}

static void an_upstream_that_failed_and_recovered_is_no_suspect(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 3, "job:feed");
    world_fail(&world, "job:feed", START_NS - 9 * NS_PER_S);
    world_good(&world, "acme", "job:feed", START_NS - NS_PER_S);
    fail_some(&world, 3);
    assert_int_equal(incidents_open_count(world.incidents), 3);
    world_deinit(&world);
}

/* The word is too old in the eyes of a failure long before it, which is told last, and not of the
 * others: nothing is merged for a suspicion that the next look takes back. */
static void a_late_failure_raises_no_suspicion_that_a_word_forbids(void **state) {
    (void)state;
    static const char *const orders[] = {"abc", "cab", "acb"};
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct world world;
        world_init(&world);
        depend_all(&world, 3, "job:feed");
        world_good(&world, "acme", "job:feed", START_NS - NS_PER_MINUTE);
        for (const char *at = orders[i]; *at != 0; at++) {
            const uint64_t before_s[] = {130, 125, 1020};
            char name[32];
            snprintf(name, sizeof(name), "job:load_%d", *at - 'a');
            world_fail(&world, name, START_NS - before_s[*at - 'a'] * NS_PER_S);
        }
        assert_int_equal(incidents_open_count(world.incidents), 3);
        world_run(&world, START_NS + NS_PER_MINUTE);
        assert_int_equal(incidents_open_count(world.incidents), 3);
        world_deinit(&world);
    }
}

static void a_suspect_that_says_it_is_well_is_given_up(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 3, "service:warehouse");
    fail_some(&world, 3);
    expect_root(&world, "service:warehouse");
    struct signal signal =
        world_signal("acme", "service:warehouse", EVENT_STATUS_OK, START_NS + 5 * NS_PER_S);
    struct incident_context context = world_context(&world);
    incidents_note_well(world.incidents, &context, world_node(&world, "acme", "service:warehouse"),
                        &signal);
    world_run(&world, START_NS + NS_PER_MINUTE);
    expect_root(&world, "job:load_0");
    char *timeline = world_timeline(&world, world_id(&world, "acme", 0));
    assert_non_null(strstr(timeline, "(suspected) says that it is well, to job:load_0"));
    free(timeline);
    world_deinit(&world);
}

static void review_well(struct world *world, const char *entity, uint64_t at_ns) {
    struct signal signal = world_signal("acme", entity, EVENT_STATUS_SUCCEEDED, at_ns);
    struct incident_context context = world_context(world);
    incidents_note_well(world->incidents, &context, world_node(world, "acme", entity), &signal);
}

/* The word of a while ago counts in the eyes of load_0 alone: the others failed long after it. */
static void fail_long_after_a_word(struct world *world) {
    depend_all(world, 6, "job:feed");
    world_fail(world, "job:load_0", START_NS);
    review_well(world, "job:feed", START_NS + NS_PER_MINUTE);
    for (unsigned i = 1; i <= 6; i++) {
        world_fail(world, "job:load_0", START_NS + i * 5 * NS_PER_MINUTE);
    }
    world_fail(world, "job:load_1", START_NS + 31 * NS_PER_MINUTE);
    world_fail(world, "job:load_2", START_NS + 32 * NS_PER_MINUTE);
    world_run(world, START_NS + 33 * NS_PER_MINUTE);
}

static void expect_no_word(struct world *world) {
    char *timeline = world_timeline(world, world_id(world, "acme", 0));
    assert_null(strstr(timeline, "says that it is well"));
    free(timeline);
}

static void a_word_long_before_does_not_take_back_a_suspicion(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_long_after_a_word(&world);
    expect_root(&world, "job:feed");
    expect_no_word(&world);
    world_deinit(&world);
}

static void it_does_not_when_those_that_failed_last_are_well_again(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_long_after_a_word(&world);
    world_good(&world, "acme", "job:load_1", START_NS + 34 * NS_PER_MINUTE);
    world_good(&world, "acme", "job:load_2", START_NS + 34 * NS_PER_MINUTE);
    world_run(&world, START_NS + 35 * NS_PER_MINUTE);
    expect_root(&world, "job:feed");
    expect_no_word(&world);
    world_deinit(&world);
}

static void a_word_while_one_goes_on_failing_takes_back_a_suspicion(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 3, "job:feed");
    fail_some(&world, 3);
    for (unsigned i = 1; i <= 6; i++) {
        world_fail(&world, "job:load_0", START_NS + i * 5 * NS_PER_MINUTE);
    }
    expect_root(&world, "job:feed");
    review_well(&world, "job:feed", START_NS + 31 * NS_PER_MINUTE);
    world_run(&world, START_NS + 32 * NS_PER_MINUTE);
    expect_root(&world, "job:load_0");
    world_deinit(&world);
}

static void a_word_long_after_counts_in_no_order(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 4, "job:extract");
    review_well(&world, "job:extract", START_NS + 90 * NS_PER_MINUTE);
    fail_some(&world, 4);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    world_deinit(&world);
}

static void who_is_done_long_after_the_failures_stays_suspected(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 4, "job:extract");
    fail_some(&world, 4);
    world_run(&world, START_NS + 90 * NS_PER_MINUTE);
    review_well(&world, "job:extract", START_NS + 90 * NS_PER_MINUTE);
    world_run(&world, START_NS + 92 * NS_PER_MINUTE);
    expect_root(&world, "job:extract");
    world_deinit(&world);
}

static void a_few_of_many_dependants_raise_no_suspicion(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 40, "service:warehouse");
    fail_some(&world, 19);
    assert_int_equal(incidents_open_count(world.incidents), 19);
    fail_some(&world, 20);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    world_deinit(&world);
}

static void those_with_a_cause_of_their_own_raise_no_suspicion(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 3, "service:warehouse");
    depend_all(&world, 3, "job:extract");
    world_fail(&world, "job:extract", START_NS);
    fail_some(&world, 3);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    expect_root(&world, "job:extract");
    world_deinit(&world);
}

static void fail_saying(struct world *world, const char *entity, const char *message,
                        uint64_t event_ns) {
    struct signal signal = world_signal("acme", entity, EVENT_STATUS_FAILED, event_ns);
    signal.message = slice_of_text(message);
    world_bad_signal(world, "acme", entity, &signal, false);
}

static void an_entity_that_two_errors_blame_is_suspected_without_a_known_edge(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    (void)world_node(&world, "acme", "service:ledger");
    fail_saying(&world, "job:load_0", "upstream ledger: connection refused", START_NS);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    expect_root_after_commit(&world, "job:load_0"); /* one may be wrong */
    fail_saying(&world, "job:load_1", "ledger: deadline exceeded", START_NS + NS_PER_S);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    expect_root_after_commit(&world, "service:ledger");
    world_deinit(&world);
}

static void words_that_blame_nobody_teach_no_edge(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    (void)world_node(&world, "acme", "service:ledger");
    fail_saying(&world, "job:load_0", "row 17 of ledger is not valid", START_NS);
    fail_saying(&world, "job:load_1", "no column a in ledger", START_NS);
    assert_int_equal(graph_edges_count(world.graph), 0);
    assert_int_equal(incidents_open_count(world.incidents), 2);
    world_deinit(&world);
}

/* load_2 is the root by time and place, yet it does not reach load_3 and load_4: they came to the
 * incident by check, which depends on all three. */
static void fail_beside_the_root(struct world *world) {
    depend_all(world, 5, "service:warehouse");
    world_depend(world, "check:all", "job:load_2");
    world_depend(world, "check:all", "job:load_3");
    world_depend(world, "check:all", "job:load_4");
    world_fail(world, "check:all", START_NS + 9 * NS_PER_S);
    world_fail(world, "job:load_2", START_NS);
    world_fail(world, "job:load_3", START_NS + NS_PER_S);
    world_fail(world, "job:load_4", START_NS + NS_PER_S);
}

static void a_silent_upstream_of_those_the_root_does_not_reach_is_suspected(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_beside_the_root(&world);
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    expect_root_after_commit(&world, "service:warehouse");
    world_deinit(&world);
}

static void a_suspicion_that_was_taken_back_does_not_come_and_go(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_beside_the_root(&world);
    world_run(&world, START_NS + NS_PER_MINUTE);
    world_fail(&world, "job:load_3", START_NS + 10 * NS_PER_MINUTE);
    review_well(&world, "service:warehouse", START_NS + 20 * NS_PER_MINUTE);
    world_run(&world, START_NS + 21 * NS_PER_MINUTE);
    expect_root(&world, "job:load_2"); /* though in its own eyes the word came long after */
    world_good(&world, "acme", "check:all", START_NS + 22 * NS_PER_MINUTE);
    world_run(&world, START_NS + 23 * NS_PER_MINUTE);
    expect_root(&world, "job:load_2");
    char *timeline = world_timeline(&world, world_id(&world, "acme", 0));
    assert_int_equal(count_text(timeline, "(suspected)"), 2); /* there, and back */
    free(timeline);
    world_deinit(&world);
}

static void a_silent_neighbour_that_two_share_is_an_alternative(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_all(&world, 3, "service:warehouse");
    fail_some(&world, 2);
    world_run(&world, START_NS + NS_PER_MINUTE);
    world_commit(&world);
    assert_int_equal(incidents_open_count(world.incidents), 2);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"alternatives\":[{\"entity\":\"service:warehouse\""));
    free(json);
    world_deinit(&world);
}

static void degrade(struct world *world, const char *entity, double score, uint64_t event_ns) {
    struct signal signal = world_signal("acme", entity, EVENT_STATUS_DEGRADED, event_ns);
    signal.has_score = true;
    signal.score = score;
    world_bad_signal(world, "acme", entity, &signal, false);
}

static void a_weak_anomaly_upstream_is_not_the_root_of_a_strong_one(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "service:web", "service:api");
    world_depend(&world, "service:api", "service:pets");
    world_depend(&world, "service:pets", "service:table");
    degrade(&world, "service:table", 3.1, START_NS); /* one bucket, one time stamp */
    degrade(&world, "service:web", 40, START_NS);
    degrade(&world, "service:pets", 120, START_NS);
    degrade(&world, "service:api", 60, START_NS);
    world_run(&world, START_NS + 2 * NS_PER_S);
    world_commit(&world);
    expect_root(&world, "service:pets");
    world_deinit(&world);
}

static void an_upstream_that_failed_first_stays_the_root_of_a_stronger_symptom(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "check:daily", "job:load");
    world_depend(&world, "check:weekly", "check:daily");
    struct signal signal = world_signal("acme", "job:load", EVENT_STATUS_FAILED, START_NS);
    signal.has_score = true;
    signal.score = 10;
    world_bad_signal(&world, "acme", "job:load", &signal, false);
    degrade(&world, "check:daily", 40, START_NS + 17 * NS_PER_S);
    degrade(&world, "check:weekly", 11, START_NS + 40 * NS_PER_S);
    world_run(&world, START_NS + NS_PER_MINUTE);
    expect_root_after_commit(&world, "job:load");
    world_deinit(&world);
}

static void a_strong_anomaly_upstream_is_the_root(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "service:web", "service:api");
    world_depend(&world, "service:api", "service:pets");
    degrade(&world, "service:web", 90, START_NS);
    degrade(&world, "service:api", 70, START_NS);
    degrade(&world, "service:pets", -60, START_NS); /* a drop is as strong as a rise */
    world_run(&world, START_NS + 2 * NS_PER_S);
    world_commit(&world);
    expect_root(&world, "service:pets");
    world_deinit(&world);
}

static void a_louder_victim_that_blames_the_root_is_not_the_root(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "service:web", "service:api");
    world_depend(&world, "service:api", "service:ledger");
    struct signal signal =
        world_signal("acme", "service:api", EVENT_STATUS_DEGRADED, START_NS + NS_PER_S);
    signal.has_score = true;
    signal.score = 400;
    signal.message = SLICE("upstream ledger failed");
    degrade(&world, "service:ledger", 4, START_NS);
    world_bad_signal(&world, "acme", "service:api", &signal, false);
    degrade(&world, "service:web", 30, START_NS + NS_PER_S);
    world_run(&world, START_NS + 2 * NS_PER_S);
    expect_root_after_commit(&world, "service:ledger");
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_upstream_of_all_that_fail_is_suspected),
        cmocka_unit_test(many_that_share_a_silent_upstream_are_one_incident_in_any_order),
        cmocka_unit_test(a_suspicion_survives_a_restart_and_takes_in_the_next),
        cmocka_unit_test(the_suspect_that_reports_becomes_the_root),
        cmocka_unit_test(an_upstream_that_says_it_is_well_is_no_suspect),
        cmocka_unit_test(one_that_said_so_before_the_window_is_a_suspect),
        cmocka_unit_test(an_upstream_that_failed_and_recovered_is_no_suspect),
        cmocka_unit_test(a_late_failure_raises_no_suspicion_that_a_word_forbids),
        cmocka_unit_test(a_suspect_that_says_it_is_well_is_given_up),
        cmocka_unit_test(a_word_long_before_does_not_take_back_a_suspicion),
        cmocka_unit_test(it_does_not_when_those_that_failed_last_are_well_again),
        cmocka_unit_test(a_word_while_one_goes_on_failing_takes_back_a_suspicion),
        cmocka_unit_test(a_word_long_after_counts_in_no_order),
        cmocka_unit_test(who_is_done_long_after_the_failures_stays_suspected),
        cmocka_unit_test(a_few_of_many_dependants_raise_no_suspicion),
        cmocka_unit_test(those_with_a_cause_of_their_own_raise_no_suspicion),
        cmocka_unit_test(a_weak_anomaly_upstream_is_not_the_root_of_a_strong_one),
        cmocka_unit_test(an_upstream_that_failed_first_stays_the_root_of_a_stronger_symptom),
        cmocka_unit_test(a_strong_anomaly_upstream_is_the_root),
        cmocka_unit_test(an_entity_that_two_errors_blame_is_suspected_without_a_known_edge),
        cmocka_unit_test(words_that_blame_nobody_teach_no_edge),
        cmocka_unit_test(a_silent_upstream_of_those_the_root_does_not_reach_is_suspected),
        cmocka_unit_test(a_suspicion_that_was_taken_back_does_not_come_and_go),
        cmocka_unit_test(a_silent_neighbour_that_two_share_is_an_alternative),
        cmocka_unit_test(a_louder_victim_that_blames_the_root_is_not_the_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
