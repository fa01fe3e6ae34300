/* bond_test.c - a bad node upstream is the cause unless more speaks for chance than for the path.
 */
#include "tests/incident/world.h"

struct news {
    const char *entity;
    const char *message;
    enum event_status status;
    double score; /* 0: none */
    int64_t after_s;
};

static void tell(struct world *world, const struct news *news) {
    uint64_t event_ns = START_NS + NS_PER_HOUR + (uint64_t)(news->after_s * (int64_t)NS_PER_S);
    struct signal signal = world_signal("acme", news->entity, news->status, event_ns);
    signal.error_class = SLICE("Error");
    signal.message = slice_of_text(news->message);
    signal.has_score = news->score > 0;
    signal.score = news->score;
    world_bad_signal(world, "acme", news->entity, &signal, false);
}

/* job:below depends on job:above, through so many jobs that report nothing. */
static void add_path(struct world *world, unsigned between) {
    char from[32] = "job:below";
    for (unsigned i = 0; i < between; i++) {
        char to[32];
        snprintf(to, sizeof(to), "job:between_%u", i);
        world_depend(world, from, to);
        memcpy(from, to, sizeof(from));
    }
    world_depend(world, from, "job:above");
}

/* How many incidents the two make, the same in whichever order they are told. */
static size_t count_incidents(unsigned between, struct news above, struct news below) {
    size_t counts[2];
    for (unsigned late = 0; late < 2; late++) {
        struct world world;
        world_init(&world);
        add_path(&world, between);
        tell(&world, late == 0 ? &above : &below);
        tell(&world, late == 0 ? &below : &above);
        counts[late] = world_incidents(&world, "acme");
        world_deinit(&world);
    }
    assert_int_equal(counts[0], counts[1]);
    return counts[0];
}

static const struct news cause = {
    .entity = "job:above", .message = "exit code 1", .status = EVENT_STATUS_FAILED};
static const struct news effect = {
    .entity = "job:below", .message = "exit code 1", .status = EVENT_STATUS_FAILED, .after_s = 20};

static void no_single_piece_of_evidence_outweighs_a_path(void **state) {
    (void)state;
    assert_int_equal(count_incidents(0, cause, effect), 1);
    assert_int_equal(count_incidents(7, cause, effect), 1);
    struct news below = effect;
    below.message = "disk full";
    assert_int_equal(count_incidents(0, cause, below), 1);
    below = effect;
    below.after_s = 890;
    assert_int_equal(count_incidents(0, cause, below), 1);
    below.after_s = -890;
    assert_int_equal(count_incidents(0, cause, below), 1);
    struct news above = cause;
    above.status = EVENT_STATUS_LATE;
    assert_int_equal(count_incidents(0, above, effect), 1);
    above = cause;
    below = effect;
    above.score = 2;
    below.score = 20;
    assert_int_equal(count_incidents(0, above, below), 1);
}

static void a_fault_of_its_own_long_after_a_late_job_is_another_incident(void **state) {
    (void)state;
    struct news above = cause;
    struct news below = effect;
    above.status = EVENT_STATUS_LATE;
    below.message = "disk full";
    below.after_s = 250;
    assert_int_equal(count_incidents(0, above, below), 2);
    below.message = "connection refused"; /* which it may have because of the late one */
    assert_int_equal(count_incidents(0, above, below), 1);
}

static void what_fails_long_before_is_no_effect_unless_its_error_says_so(void **state) {
    (void)state;
    struct news above = cause;
    struct news below = effect;
    above.status = EVENT_STATUS_DEGRADED;
    below.after_s = -400;
    assert_int_equal(count_incidents(0, above, below), 2);
    below.message = "upstream above does not answer";
    assert_int_equal(count_incidents(0, above, below), 1);
    below = effect;
    below.after_s = -130; /* slow detection makes causes look later */
    assert_int_equal(count_incidents(0, above, below), 1);
}

static void what_follows_joins_through_silent_jobs_however_far_and_late(void **state) {
    (void)state;
    static const char *const messages[] = {"exit code 1", "timeout after 30s", "no rows in batch 7",
                                           "connection refused", "No such file or directory"};
    static const int64_t after_s[] = {-25, 0, 20, 130, 250, 400, 890};
    for (unsigned between = 0; between < 8; between++) {
        for (size_t i = 0; i < sizeof(after_s) / sizeof(after_s[0]); i++) {
            struct news below = effect;
            below.message = messages[(between + i) % (sizeof(messages) / sizeof(messages[0]))];
            below.after_s = after_s[i];
            assert_int_equal(count_incidents(between, cause, below), 1);
        }
    }
}

static void a_direct_dependant_joins_whatever_fault_it_speaks_of(void **state) {
    (void)state;
    struct news below = effect;
    below.message = "null value in column id";
    below.after_s = 890;
    assert_int_equal(count_incidents(0, cause, below), 1);
    below.after_s = 60;
    assert_int_equal(count_incidents(1, cause, below), 1);
    assert_int_equal(count_incidents(2, cause, below), 1);
}

static void a_fault_of_its_own_far_away_and_late_is_another_incident(void **state) {
    (void)state;
    struct news below = effect;
    below.after_s = 400;
    below.message = "disk full";
    assert_int_equal(count_incidents(3, cause, below), 2);
    below.message = "no rows from above: disk full";
    assert_int_equal(count_incidents(3, cause, below), 1);
}

static void a_far_weaker_anomaly_long_before_is_no_cause(void **state) {
    (void)state;
    struct news above = cause;
    struct news below = effect;
    above.status = EVENT_STATUS_DEGRADED;
    above.score = 3;
    below.score = 11;
    below.after_s = 320;
    assert_int_equal(count_incidents(0, above, below), 1);
    below.score = 12;
    assert_int_equal(count_incidents(0, above, below), 2);
}

static void expect_affected(struct world *world, const char *root, const char *affected) {
    for (size_t i = 0; i < world_incidents(world, "acme"); i++) {
        char *json = world_json(world, "acme", i);
        const char *entity = strstr(json, "\"root_cause\":{\"entity\":\"") + 24;
        if (strncmp(entity, root, strlen(root)) == 0) {
            assert_non_null(strstr(strstr(json, "\"affected\":"), affected));
        } else {
            assert_null(strstr(strstr(json, "\"affected\":"), affected));
        }
        free(json);
    }
}

/* Two causes, one entity between them, told in both orders. */
static void expect_chosen(struct news left, struct news right, const char *message) {
    for (unsigned late = 0; late < 2; late++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:below", "job:left");
        world_depend(&world, "job:below", "job:right");
        struct news below = effect;
        below.message = message;
        below.after_s = 60;
        tell(&world, &left);
        if (late == 0) {
            tell(&world, &right);
        }
        tell(&world, &below);
        if (late == 1) {
            tell(&world, &right);
        }
        assert_int_equal(world_incidents(&world, "acme"), 2);
        expect_affected(&world, right.entity, "job:below");
        world_deinit(&world);
    }
}

static void of_two_causes_the_one_that_the_error_names_is_chosen(void **state) {
    (void)state;
    struct news left = cause;
    struct news right = cause;
    left.entity = "job:left";
    left.after_s = 55;
    right.entity = "job:right";
    right.after_s = -300;
    expect_chosen(left, right, "upstream right failed");
}

static void of_two_causes_the_one_that_failed_before_is_chosen(void **state) {
    (void)state;
    struct news left = cause;
    struct news right = cause;
    left.entity = "job:left";
    left.after_s = 65;
    right.entity = "job:right";
    right.after_s = 30;
    expect_chosen(left, right, "exit code 1");
}

static void when_a_late_job_fails_after_all_its_dependants_are_asked_again(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    add_path(&world, 0);
    struct news above = cause;
    struct news below = effect;
    above.status = EVENT_STATUS_LATE;
    below.message = "disk full";
    below.after_s = 250;
    tell(&world, &above);
    tell(&world, &below);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    above.status = EVENT_STATUS_FAILED;
    tell(&world, &above);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    expect_affected(&world, "job:above", "job:below");
    world_deinit(&world);
}

static void what_an_error_says_is_known_after_a_restart(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    add_path(&world, 0);
    struct news above = cause;
    struct news below = effect;
    above.status = EVENT_STATUS_LATE;
    below.message = "disk full";
    below.after_s = 250;
    tell(&world, &below);
    world_commit(&world);
    world_restart(&world);
    tell(&world, &above);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    for (size_t i = 0; i < 2; i++) {
        char *json = world_json(&world, "acme", i);
        assert_non_null(strstr(json, "nothing that fails upstream of it explains it"));
        free(json);
    }
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_single_piece_of_evidence_outweighs_a_path),
        cmocka_unit_test(a_fault_of_its_own_long_after_a_late_job_is_another_incident),
        cmocka_unit_test(what_fails_long_before_is_no_effect_unless_its_error_says_so),
        cmocka_unit_test(what_follows_joins_through_silent_jobs_however_far_and_late),
        cmocka_unit_test(a_direct_dependant_joins_whatever_fault_it_speaks_of),
        cmocka_unit_test(a_fault_of_its_own_far_away_and_late_is_another_incident),
        cmocka_unit_test(a_far_weaker_anomaly_long_before_is_no_cause),
        cmocka_unit_test(of_two_causes_the_one_that_the_error_names_is_chosen),
        cmocka_unit_test(of_two_causes_the_one_that_failed_before_is_chosen),
        cmocka_unit_test(when_a_late_job_fails_after_all_its_dependants_are_asked_again),
        cmocka_unit_test(what_an_error_says_is_known_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
