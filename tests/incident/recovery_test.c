/* recovery_test.c - what ends a trouble, and what does not: silence, alerts, clocks that are ahead.
 */
#include "tests/incident/world.h"

#define RESOLVE_AFTER_NS (5 * NS_PER_MINUTE)

/* An alert as ingest/alerts.c and signals.c give it; 0: it does not say until when. */
static struct signal alert_of(const struct world *world, uint64_t labels, uint64_t until_ns) {
    struct signal signal = world_signal("acme", "service:web", EVENT_STATUS_FAILED, world->now_ns);
    signal.kind = EVENT_KIND_ALERT;
    signal.recovers_by_silence = true;
    signal.source_key = labels;
    signal.fires_until_ns = until_ns;
    return signal;
}

static void fire(struct world *world, const char *entity, uint64_t labels, uint64_t until_ns) {
    struct signal signal = alert_of(world, labels, until_ns);
    world_bad_signal(world, "acme", entity, &signal, false);
}

static void end(struct world *world, const char *entity, uint64_t labels) {
    struct signal signal = alert_of(world, labels, 0);
    signal.news = SIGNAL_GOOD;
    signal.status = EVENT_STATUS_OK;
    signal.is_own_word_only = true;
    world_good_signal(world, "acme", entity, &signal);
}

static void expect_open(struct world *world, uint32_t count) {
    assert_int_equal(incidents_open_count(world->incidents), count);
}

static void expect_alerts(struct world *world, const char *words) {
    char *json = world_json(world, "acme", 0);
    if (strstr(json, words) == NULL) {
        fail_msg("no %s in %s", words, json);
    }
    free(json);
}

static void how_many_alerts_fire_about_the_root_is_said(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (uint64_t labels = 1; labels <= 40; labels++) {
        fire(&world, "service:web", labels, world.now_ns + NS_PER_HOUR);
    }
    world_run_for(&world, NS_PER_MINUTE);
    assert_non_null(strstr(world.told[0].json, "\"reported a failure itself: 40 alerts fire\""));
    for (uint64_t labels = 1; labels <= 10; labels++) {
        end(&world, "service:web", labels);
    }
    fire(&world, "service:web", 11, world.now_ns + NS_PER_MINUTE);
    world_run_for(&world, 2 * NS_PER_MINUTE); /* that one has not said more */
    world_restart(&world);
    fire(&world, "service:web", 99, world.now_ns + NS_PER_HOUR);
    world_commit(&world);
    expect_alerts(&world, "\"reported a failure itself: 30 alerts fire\"");
    for (uint64_t labels = 100; labels <= 150; labels++) {
        fire(&world, "service:web", labels, world.now_ns + NS_PER_HOUR);
    }
    world_run_for(&world, 2 * NS_PER_MINUTE);
    expect_alerts(&world, "\"reported a failure itself: at least 64 alerts fire\"");
    world_deinit(&world);
}

static void a_job_that_failed_stays_failed_when_an_alert_about_it_falls_silent(void **state) {
    (void)state;
    for (unsigned alert_first = 0; alert_first < 2; alert_first++) {
        struct world world;
        world_init(&world);
        if (alert_first == 1) {
            fire(&world, "job:a", 7, 0);
        }
        world_fail(&world, "job:a", world.now_ns);
        fire(&world, "job:a", 7, world.now_ns + NS_PER_HOUR);
        world_run_for(&world, 3 * NS_PER_HOUR);
        world_restart(&world);
        end(&world, "job:a", 7); /* nor when it says that it is over */
        world_run_for(&world, NS_PER_HOUR);
        expect_open(&world, 1);
        world_good(&world, "acme", "job:a", world.now_ns);
        expect_open(&world, 0);
        world_deinit(&world);
    }
}

static void a_job_of_which_only_an_alert_told_recovers_by_silence(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fire(&world, "job:a", 7, 0);
    world_run_for(&world, RESOLVE_AFTER_NS);
    expect_open(&world, 0);
    world_deinit(&world);
}

static void an_alert_fires_until_the_end_that_it_names(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        fire(&world, "service:web", 7, START_NS + NS_PER_HOUR);
        world_run_for(&world, RESOLVE_AFTER_NS);
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run(&world, START_NS + NS_PER_HOUR - 1);
        expect_open(&world, 1);
        world_run_for(&world, 1);
        expect_open(&world, 0);
        world_deinit(&world);
    }
}

static void an_alert_that_says_that_it_is_over_is_over_before(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fire(&world, "service:web", 7, START_NS + NS_PER_DAY);
    world_run_for(&world, NS_PER_HOUR);
    end(&world, "service:web", 7);
    expect_open(&world, 0);
    world_deinit(&world);
}

/* A sender repeats it, and moves its end on: what came last counts. */
static void each_repeat_moves_the_end(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (unsigned i = 0; i < 60; i++) {
        fire(&world, "service:web", 7, world.now_ns + 4 * NS_PER_MINUTE);
        world_run_for(&world, NS_PER_MINUTE);
    }
    expect_open(&world, 1);
    world_run_for(&world, RESOLVE_AFTER_NS - NS_PER_MINUTE);
    expect_open(&world, 0);
    world_deinit(&world);
}

static void of_two_alerts_both_must_be_over(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        fire(&world, "service:web", 7, START_NS + NS_PER_DAY);
        fire(&world, "service:web", 8, START_NS + NS_PER_DAY);
        world_run_for(&world, NS_PER_HOUR);
        end(&world, "service:web", 8);
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run_for(&world, NS_PER_HOUR);
        expect_open(&world, 1);
        end(&world, "service:web", 9); /* which nobody knows */
        expect_open(&world, 1);
        end(&world, "service:web", 7);
        expect_open(&world, 0);
        world_deinit(&world);
    }
}

static void the_longer_of_two_alerts_holds_whichever_came_last(void **state) {
    (void)state;
    for (uint64_t first = 1; first <= 2; first++) {
        struct world world;
        world_init(&world);
        fire(&world, "service:web", 7, START_NS + first * NS_PER_HOUR);
        fire(&world, "service:web", 8, START_NS + (3 - first) * NS_PER_HOUR);
        world_run(&world, START_NS + 2 * NS_PER_HOUR - 1);
        expect_open(&world, 1);
        world_run_for(&world, 1);
        expect_open(&world, 0);
        world_deinit(&world);
    }
}

static void an_alert_whose_sender_is_gone_holds_no_other(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fire(&world, "service:web", 7, START_NS + NS_PER_HOUR);
    fire(&world, "service:web", 8, START_NS + NS_PER_DAY);
    world_run_for(&world, 2 * NS_PER_HOUR);
    expect_open(&world, 1);
    end(&world, "service:web", 8);
    expect_open(&world, 0);
    world_deinit(&world);
}

static void what_no_alert_told_ends_by_silence_behind_the_last_alert(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fire(&world, "service:web", 7, START_NS + NS_PER_HOUR);
    world_bad(&world, "acme", "service:web", EVENT_STATUS_FAILED, START_NS);
    world_run_for(&world, NS_PER_MINUTE);
    end(&world, "service:web", 7);
    expect_open(&world, 1);
    world_run_for(&world, RESOLVE_AFTER_NS);
    expect_open(&world, 0);
    world_deinit(&world);
}

/* More than are known one by one: those that are hold it, the others' end is silence. */
static void a_storm_of_alerts_ends(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (uint64_t labels = 1; labels <= 80; labels++) {
        fire(&world, "service:web", labels, START_NS + NS_PER_DAY);
    }
    world_run_for(&world, NS_PER_HOUR);
    for (uint64_t labels = 1; labels <= 80; labels++) {
        expect_open(&world, 1);
        end(&world, "service:web", labels);
    }
    world_run_for(&world, RESOLVE_AFTER_NS);
    expect_open(&world, 0);
    world_deinit(&world);
}

static void of_fifty_alerts_about_one_entity_each_must_be_over(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (uint64_t labels = 1; labels <= 50; labels++) {
        fire(&world, "service:node", labels, START_NS + NS_PER_DAY);
    }
    for (uint64_t labels = 1; labels <= 48; labels++) {
        end(&world, "service:node", labels);
    }
    world_restart(&world);
    world_run_for(&world, NS_PER_HOUR);
    expect_open(&world, 1);
    end(&world, "service:node", 49);
    end(&world, "service:node", 50);
    expect_open(&world, 0);
    world_deinit(&world);
}

static void an_end_from_before_it_fired_again_ends_nothing(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    struct signal late = alert_of(&world, 7, 0);
    late.news = SIGNAL_GOOD;
    late.status = EVENT_STATUS_OK;
    late.is_own_word_only = true;
    world_run_for(&world, NS_PER_MINUTE);
    fire(&world, "service:web", 7, world.now_ns + NS_PER_HOUR);
    world_good_signal(&world, "acme", "service:web", &late);
    expect_open(&world, 1);
    fire(&world, "service:web", 8, world.now_ns + NS_PER_HOUR);
    world_good_signal(&world, "acme", "service:web", &late);
    end(&world, "service:web", 8);
    expect_open(&world, 1);
    end(&world, "service:web", 7);
    expect_open(&world, 0);
    world_deinit(&world);
}

/* Dated an hour ahead of when it came, as signal_classify gives it. */
static void fail_ahead(struct world *world, const char *entity) {
    struct signal signal =
        world_signal("acme", entity, EVENT_STATUS_FAILED, world->now_ns + NS_PER_HOUR);
    signal.heard_ns = world->now_ns;
    world_bad_signal(world, "acme", entity, &signal, false);
}

static void good_news_end_a_failure_whose_clock_is_ahead(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        fail_ahead(&world, "job:a");
        fail_ahead(&world, "job:a"); /* and again, as one that is bad already */
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run_for(&world, NS_PER_MINUTE);
        world_good(&world, "acme", "job:a", START_NS - NS_PER_S); /* a late report */
        expect_open(&world, 1);
        world_good(&world, "acme", "job:a", world.now_ns);
        expect_open(&world, 0);
        world_deinit(&world);
    }
}

/* Each time stands in the timeline, as each recovery does; what reopens is no second entry. */
static void a_member_that_fails_again_stands_in_the_timeline(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", START_NS);
    world_fail(&world, "job:b", START_NS);
    for (unsigned i = 0; i < 3; i++) {
        world_run_for(&world, NS_PER_S);
        world_good(&world, "acme", "job:b", world.now_ns);
        world_bad(&world, "acme", "job:b", EVENT_STATUS_ABORTED, world.now_ns);
        world_bad(&world, "acme", "job:b", EVENT_STATUS_ABORTED, world.now_ns);
    }
    world_good(&world, "acme", "job:a", world.now_ns);
    world_good(&world, "acme", "job:b", world.now_ns);
    expect_open(&world, 0);
    world_fail(&world, "job:a", world.now_ns);
    char *timeline = world_timeline(&world, world_id(&world, "acme", 0));
    const char *again = "\"what\":\"failed again\",\"detail\":\"job:b aborted\"";
    assert_int_equal(count_text(timeline, again), 3);
    assert_int_equal(count_text(timeline, "\"what\":\"failed again\""), 3);
    assert_int_equal(count_text(timeline, "\"what\":\"reopened\""), 1);
    free(timeline);
    world_deinit(&world);
}

static void expect_incident(struct world *world, const char *part) {
    char *json = world_json(world, "acme", 0);
    if (strstr(json, part) == NULL) {
        fail_msg("%s is not in %s", part, json);
    }
    free(json);
}

static void fail_with(struct world *world, const char *entity, const char *error_class) {
    struct signal signal = world_signal("acme", entity, EVENT_STATUS_FAILED, world->now_ns);
    signal.error_class = slice_of_text(error_class);
    signal.message = slice_of_text(error_class);
    world_bad_signal(world, "acme", entity, &signal, false);
}

/* Its history stands in the timeline; who is well since is not hit by what failed today. */
/* Each turn is shorter than group_wait: people hear of it all the same, once, and of its end. */
static void what_fails_by_turns_faster_than_it_is_told_is_told(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    for (unsigned turn = 0; turn < 12; turn++) {
        world_fail_now(&world, "job:a");
        world_run_for(&world, 2 * NS_PER_S);
        assert_int_equal(world.told_count, turn < 4 ? 0 : 1);
        if (turn < 4) {
            world_recover_now(&world, "job:a");
            world_run_for(&world, NS_PER_S / 2);
        }
    }
    assert_int_equal(world.told[0].created_ns, START_NS + 10 * NS_PER_S);
    world_recover_now(&world, "job:a");
    world_run_for(&world, MINUTES(1));
    assert_int_equal(world.told_count, 2);
    world_fail_now(&world, "job:b"); /* and one that was well for longer waits anew */
    world_recover_now(&world, "job:b");
    world_run_for(&world, MINUTES(1));
    world_fail_now(&world, "job:b");
    assert_int_equal(world.told_count, 2);
    world_run_for(&world, 10 * NS_PER_S);
    assert_int_equal(world.told_count, 3);
    world_deinit(&world);
}

/* The first reopening is told soon, those after it once a group_interval. */
static void what_fails_by_turns_for_ever_is_not_told_by_turns(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        for (unsigned turn = 0; turn < 60; turn++) { /* an hour */
            world_fail_now(&world, "job:a");
            world_run_for(&world, NS_PER_MINUTE / 2);
            world_recover_now(&world, "job:a");
            world_run_for(&world, NS_PER_MINUTE / 2);
            assert_true(turn != 1 || world.told_count == 4);
            if (restarts == 1 && turn % 8 == 3) {
                world_restart(&world);
            }
        }
        assert_in_range(world.told_count, 2 * 8, 2 * 13);
        world_run_for(&world, 10 * NS_PER_MINUTE);
        assert_int_equal(world.told[world.told_count - 1].type, 3);
        size_t before = world.told_count;
        world_fail_now(&world, "job:a"); /* calm for longer than that: told soon again */
        world_run_for(&world, 10 * NS_PER_S);
        assert_int_equal(world.told_count, before + 1);
        world_deinit(&world);
    }
}

static void a_reopened_incident_tells_of_what_fails_since(void **state) {
    (void)state;
    static const char *const entities[] = {"job:a", "job:b", "job:c", "job:d"};
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        for (unsigned i = 1; i < 4; i++) {
            world_depend(&world, entities[i], entities[0]);
        }
        for (unsigned i = 0; i < 4; i++) {
            fail_with(&world, entities[i], "Old");
        }
        world_run_for(&world, NS_PER_MINUTE);
        expect_incident(&world, "\"title\":\"job:a failed: Old; 3 downstream affected\"");
        for (unsigned i = 0; i < 4; i++) {
            world_good(&world, "acme", entities[i], world.now_ns);
        }
        expect_open(&world, 0);
        expect_incident(&world, "\"title\":\"job:a failed: Old; 3 downstream affected\"");
        expect_incident(&world, "\"labels\":{}");
        world_run_for(&world, NS_PER_MINUTE);
        fail_with(&world, "job:a", "New");
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run_for(&world, NS_PER_MINUTE);
        assert_int_equal(world_incidents(&world, "acme"), 1);
        expect_incident(&world, "\"title\":\"job:a failed: New\"");
        expect_incident(&world, "\"error_class\":\"New\",\"message\":\"New\"");
        expect_incident(&world, "\"first_seen\":\"2025-11-20T03:02:00.000Z\"");
        expect_incident(&world, "\"affected\":[]");
        expect_incident(&world, "\"failing\":1,\"at_risk\":3");
        expect_incident(&world, "\"labels\":{\"reopened_at\":\"2025-11-20T03:02:00.000Z\"}");
        assert_non_null(strstr(world.told[2].json, "\"reopened_at\":\"2025-11-20T03:02:00.000Z\""));
        fail_with(&world, "job:c", "New");
        world_run_for(&world, NS_PER_MINUTE);
        expect_incident(&world, "\"title\":\"job:a failed: New; 1 downstream affected\"");
        expect_incident(&world, "\"affected\":[{\"entity\":\"job:c\",\"status\":\"failed\"");
        expect_incident(&world, "upstream of 1 of 1 affected");
        world_good(&world, "acme", "job:c", world.now_ns); /* hit in this life, well again */
        fail_with(&world, "job:a", "Other");
        world_good(&world, "acme", "job:a", world.now_ns);
        expect_open(&world, 0);
        expect_incident(&world, "\"title\":\"job:a failed: New; 1 downstream affected\"");
        world_deinit(&world);
    }
}

static void
who_fails_again_after_the_reopen_window_is_no_evidence_in_the_old_incident(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_depend(&world, "job:c", "job:a");
    world_fail_now(&world, "job:a");
    world_fail_now(&world, "job:b");
    world_fail_now(&world, "job:c");
    world_run_for(&world, NS_PER_MINUTE);
    world_recover_now(&world, "job:c");
    world_run_for(&world, MINUTES(31));
    world_fail_now(&world, "job:c");
    world_run_for(&world, NS_PER_MINUTE);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    char *json = world_json(&world, "acme", 1); /* the older one */
    assert_non_null(strstr(json, "\"root_cause\":{\"entity\":\"job:a\""));
    assert_non_null(strstr(json, "; 1 downstream affected"));
    assert_non_null(strstr(json, "upstream of 1 of 1 affected"));
    free(json);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_many_alerts_fire_about_the_root_is_said),
        cmocka_unit_test(a_job_that_failed_stays_failed_when_an_alert_about_it_falls_silent),
        cmocka_unit_test(a_job_of_which_only_an_alert_told_recovers_by_silence),
        cmocka_unit_test(an_alert_fires_until_the_end_that_it_names),
        cmocka_unit_test(an_alert_that_says_that_it_is_over_is_over_before),
        cmocka_unit_test(each_repeat_moves_the_end),
        cmocka_unit_test(of_two_alerts_both_must_be_over),
        cmocka_unit_test(the_longer_of_two_alerts_holds_whichever_came_last),
        cmocka_unit_test(an_alert_whose_sender_is_gone_holds_no_other),
        cmocka_unit_test(what_no_alert_told_ends_by_silence_behind_the_last_alert),
        cmocka_unit_test(a_storm_of_alerts_ends),
        cmocka_unit_test(of_fifty_alerts_about_one_entity_each_must_be_over),
        cmocka_unit_test(an_end_from_before_it_fired_again_ends_nothing),
        cmocka_unit_test(good_news_end_a_failure_whose_clock_is_ahead),
        cmocka_unit_test(a_member_that_fails_again_stands_in_the_timeline),
        cmocka_unit_test(what_fails_by_turns_faster_than_it_is_told_is_told),
        cmocka_unit_test(what_fails_by_turns_for_ever_is_not_told_by_turns),
        cmocka_unit_test(a_reopened_incident_tells_of_what_fails_since),
        cmocka_unit_test(
            who_fails_again_after_the_reopen_window_is_no_evidence_in_the_old_incident),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
