/* stale_test.c - a failure that is older than a success already known: counted, not told; it may
 * still be the cause of what failed while it lasted. */
#include "tests/incident/world.h"

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
    for (uint64_t second = 0; second < 63; second++) {
        /* the success came in the sixty-first */
        struct world world;
        world_init(&world);
        world_good(&world, "acme", "job:a", START_NS);
        world_fail(&world, "job:a", START_NS + second * NS_PER_S - 61 * NS_PER_S);
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

/* job:b and job:c depend on job:a; c failed after it was well again, and keeps nobody's place. */
static void a_stale_failure_explains_what_failed_in_time_beside_what_did_not(void **state) {
    (void)state;
    for (unsigned is_below = 0; is_below < 2; is_below++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:b", "job:a");
        world_depend(&world, "job:c", "job:a");
        world_fail(&world, "job:b", START_NS - MINUTES(10));
        if (is_below == 1) { /* a member that may be moved to a cause told late */
            world_depend(&world, "job:d", "job:a");
            world_depend(&world, "job:d", "job:m");
            world_depend(&world, "job:m", "job:n");
            world_depend(&world, "job:n", "job:c");
        }
        world_good(&world, "acme", "job:a", START_NS - MINUTES(5));
        world_fail(&world, "job:c", START_NS - MINUTES(2));
        if (is_below == 1) {
            world_fail(&world, "job:d", START_NS - MINUTES(1));
        }
        world_fail(&world, "job:a", START_NS - MINUTES(11));
        world_run(&world, START_NS + MINUTES(1));
        assert_int_equal(incidents_open_count(world.incidents), 2);
        unsigned roots = 0;
        for (size_t i = 0; i < 2; i++) {
            char *json = world_json(&world, "acme", i);
            bool is_a = strstr(json, "\"root_cause\":{\"entity\":\"job:a\"") != NULL;
            roots |= is_a ? 1u : 0u;
            roots |= strstr(json, "\"root_cause\":{\"entity\":\"job:c\"") != NULL ? 2u : 0u;
            assert_int_equal(count_text(json, "\"hops\":"), is_a ? 1 : is_below);
            free(json);
        }
        assert_int_equal(roots, 3);
        world_deinit(&world);
    }
}

static void expect_live_root(struct world *world, const char *entity) {
    assert_int_equal(world->opened, 1);
    assert_int_equal(world_incidents(world, "acme"), 1);
    assert_int_equal(incidents_open_count(world->incidents), 1);
    world_run(world, world->now_ns + MINUTES(1));
    char words[96];
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", entity);
    char *json = world_json(world, "acme", 0);
    assert_non_null(strstr(json, words));
    assert_non_null(strstr(json, "\"failing\":1,"));
    free(json);
}

/* job:c depends on job:b, and that on job:a; a and b are known to be well since. */
static void init_chain(struct world *world) {
    world_init(world);
    world_depend(world, "job:c", "job:b");
    world_depend(world, "job:b", "job:a");
    world_good(world, "acme", "job:a", START_NS - MINUTES(1));
    world_good(world, "acme", "job:b", START_NS - MINUTES(1));
}

static void a_stale_failure_that_is_told_first_is_the_cause_too(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        init_chain(&world);
        world_fail(&world, "job:b", START_NS - MINUTES(11));
        assert_int_equal(world_incidents(&world, "acme"), 0);
        if (restarts == 1) {
            struct hash128 digest = incidents_digest(world.incidents);
            world_restart(&world);
            assert_true(hash128_equals(digest, incidents_digest(world.incidents)));
        }
        world_run(&world, START_NS + MINUTES(2));
        world_fail(&world, "job:c", START_NS - MINUTES(10));
        expect_live_root(&world, "job:b");
        assert_int_equal(world.told_count, 1);
        assert_non_null(strstr(world.told[0].json, "job:b failed: Timeout; 1 downstream"));
        assert_non_null(strstr(world.told[0].json, "\"opened_at\":\"2025-11-20T03:02:00"));
        world_good(&world, "acme", "job:c", world.now_ns);
        expect_quiet(&world, 2);
        world_deinit(&world);
    }
}

static void the_first_of_a_chain_is_the_root_in_any_order(void **state) {
    (void)state;
    static const char *const names[] = {"job:a", "job:b", "job:c"};
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                          {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (size_t i = 0; i < 6; i++) {
        struct world world;
        init_chain(&world);
        for (size_t k = 0; k < 3; k++) {
            unsigned which = orders[i][k];
            world_fail(&world, names[which], START_NS - MINUTES(12 - which));
        }
        expect_live_root(&world, "job:a");
        world_deinit(&world);
    }
}

static void a_stale_failure_that_nothing_follows_leaves_nothing(void **state) {
    (void)state;
    struct world world;
    init_chain(&world);
    world_fail(&world, "job:b", START_NS - MINUTES(11));
    world_fail(&world, "job:b", START_NS - MINUTES(10));
    world_run(&world, START_NS + MINUTES(31));
    assert_int_equal(world_rows(&world, STORE_TABLE_INCIDENT), 0);
    assert_int_equal(world_rows(&world, STORE_TABLE_MEMBER), 0);
    assert_int_equal(world_rows(&world, STORE_TABLE_TIMELINE), 0);
    expect_quiet(&world, 0);
    world_deinit(&world);
}

static void what_fails_after_the_success_is_no_symptom_of_a_stale_failure(void **state) {
    (void)state;
    struct world world;
    init_chain(&world);
    world_fail(&world, "job:b", START_NS - MINUTES(11));
    world_fail(&world, "job:c", START_NS);
    expect_live_root(&world, "job:c");
    world_deinit(&world);
}

static void a_failure_of_now_after_a_stale_one_is_told_as_any(void **state) {
    (void)state;
    struct world world;
    init_chain(&world);
    world_fail(&world, "job:b", START_NS - MINUTES(11));
    world_run(&world, START_NS + MINUTES(2));
    world_fail(&world, "job:b", START_NS + MINUTES(2));
    expect_live_root(&world, "job:b");
    assert_int_equal(world_rows(&world, STORE_TABLE_INCIDENT), 1);
    assert_int_equal(world.told_count, 1);
    world_deinit(&world);
}

/* The room of what is kept aside is its own: live incidents find theirs. */
static void very_many_stale_failures_take_no_room_from_others(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (unsigned i = 0; i < 400; i++) {
        char name[32];
        snprintf(name, sizeof(name), "job:stale-%u", i);
        world_good(&world, "acme", name, START_NS - MINUTES(1));
        world_fail(&world, name, START_NS - MINUTES(11));
    }
    assert_true(world_rows(&world, STORE_TABLE_INCIDENT) <= 32);
    world_restart(&world);
    world_good(&world, "acme", "job:more", START_NS - MINUTES(1));
    world_fail(&world, "job:more", START_NS - MINUTES(11));
    assert_true(world_rows(&world, STORE_TABLE_INCIDENT) <= 32);
    expect_quiet(&world, 0);
    world_deinit(&world);
}

/* Success is said each minute: when it was well first, the state of the node does not say. */
static void a_stale_failure_is_no_cause_long_after_however_late_its_latest_success(void **state) {
    (void)state;
    for (unsigned is_first = 0; is_first < 2; is_first++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:d", "job:c");
        for (unsigned minute = 13; minute > 0; minute--) {
            world_good(&world, "acme", "job:c", START_NS - MINUTES(minute));
        }
        if (is_first == 1) {
            world_fail(&world, "job:c", START_NS - MINUTES(14));
        }
        world_fail(&world, "job:d", START_NS - MINUTES(3));
        if (is_first == 0) {
            world_fail(&world, "job:c", START_NS - MINUTES(14));
        }
        expect_live_root(&world, "job:d");
        world_deinit(&world);
    }
}

static void fail_stale(struct world *world, unsigned first, unsigned count) {
    for (unsigned i = first; i < first + count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "job:stale-%u", i);
        world_good(world, "acme", name, START_NS - MINUTES(1));
        world_fail(world, name, START_NS - MINUTES(11));
    }
}

/* Who looks for a failing entity looks at those placed last. */
static void a_backlog_of_stale_failures_hides_no_real_one(void **state) {
    (void)state;
    struct world world;
    world_init_sized(&world, 4096);
    world_fail(&world, "job:loader", START_NS - NS_PER_S);
    fail_stale(&world, 0, 200);
    assert_int_equal(world_rows(&world, STORE_TABLE_INCIDENT), 1 + 64);
    struct signal signal = world_signal("acme", "service:caller", EVENT_STATUS_OK, START_NS);
    signal.news = SIGNAL_NEUTRAL;
    signal.message = SLICE("upstream loader unavailable, connection refused, retrying");
    uint32_t node = world_node(&world, "acme", "service:caller");
    signal.entity_key = graph_get_node(world.graph, node).key;
    struct incident_context context = world_context(&world);
    assert_true(incidents_is_complaint(world.incidents, &context, &signal));
    world_restart(&world);
    fail_stale(&world, 200, 1);
    assert_int_equal(world_rows(&world, STORE_TABLE_INCIDENT), 1 + 64);
    world_deinit(&world);
}

static void a_backlog_of_one_tenant_takes_no_room_from_another(void **state) {
    (void)state;
    struct world world;
    world_init_sized(&world, 1024); /* room for 128 */
    fail_stale(&world, 0, 200);
    world_depend(&world, "globex|job:d", "globex|job:c");
    world_good(&world, "globex", "job:c", START_NS - MINUTES(1));
    world_bad(&world, "globex", "job:c", EVENT_STATUS_FAILED, START_NS - MINUTES(11));
    world_bad(&world, "globex", "job:d", EVENT_STATUS_FAILED, START_NS - MINUTES(10));
    char *json = world_json(&world, "globex", 0);
    assert_non_null(strstr(json, "\"root_cause\":{\"entity\":\"job:c\""));
    free(json);
    world_deinit(&world);
}

static void what_is_kept_aside_is_kept_from_its_latest_failure_on(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        init_chain(&world);
        world_fail(&world, "job:b", START_NS - MINUTES(11));
        world_run(&world, START_NS + MINUTES(20));
        world_fail(&world, "job:b", START_NS - MINUTES(10));
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run(&world, START_NS + MINUTES(40));
        world_fail(&world, "job:c", START_NS - MINUTES(9));
        expect_live_root(&world, "job:b");
        world_deinit(&world);
    }
}

static void failures_of_what_is_kept_aside_are_all_counted_when_it_is_told(void **state) {
    (void)state;
    struct world world;
    init_chain(&world);
    world_fail(&world, "job:b", START_NS - MINUTES(11));
    world_fail(&world, "job:b", START_NS - MINUTES(10));
    world_fail(&world, "job:b", START_NS - MINUTES(12)); /* of which nothing else is kept */
    struct signal repeat =
        world_signal("acme", "job:b", EVENT_STATUS_FAILED, START_NS - MINUTES(10) + NS_PER_S);
    world_bad_signal(&world, "acme", "job:b", &repeat, true);
    world_restart(&world);
    world_fail(&world, "job:c", START_NS - MINUTES(9));
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"signals\":{\"total\":5,\"unique\":4,"));
    free(json);
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
        cmocka_unit_test(a_stale_failure_explains_what_failed_in_time_beside_what_did_not),
        cmocka_unit_test(a_stale_failure_that_is_told_first_is_the_cause_too),
        cmocka_unit_test(the_first_of_a_chain_is_the_root_in_any_order),
        cmocka_unit_test(a_stale_failure_that_nothing_follows_leaves_nothing),
        cmocka_unit_test(what_fails_after_the_success_is_no_symptom_of_a_stale_failure),
        cmocka_unit_test(a_failure_of_now_after_a_stale_one_is_told_as_any),
        cmocka_unit_test(very_many_stale_failures_take_no_room_from_others),
        cmocka_unit_test(a_stale_failure_is_no_cause_long_after_however_late_its_latest_success),
        cmocka_unit_test(a_backlog_of_stale_failures_hides_no_real_one),
        cmocka_unit_test(a_backlog_of_one_tenant_takes_no_room_from_another),
        cmocka_unit_test(what_is_kept_aside_is_kept_from_its_latest_failure_on),
        cmocka_unit_test(failures_of_what_is_kept_aside_are_all_counted_when_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
