#include "signals/signals.h"

#include "tests/base/unit.h"

static struct signal classify(struct slice entity, enum event_status status, uint32_t flags) {
    struct envelope envelope = {.entity = entity, .status = status, .flags = flags};
    return signal_classify(&envelope);
}

static void a_failed_job_is_bad_and_recovers_by_good_news(void **state) {
    struct signal signal = classify(SLICE("job:a"), EVENT_STATUS_FAILED, 0);
    assert_int_equal(signal.news, SIGNAL_BAD);
    assert_false(signal.recovers_by_silence);
    assert_int_equal(classify(SLICE("job:a"), EVENT_STATUS_SUCCEEDED, 0).news, SIGNAL_GOOD);
    assert_int_equal(classify(SLICE("job:a"), EVENT_STATUS_RUNNING, 0).news, SIGNAL_NEUTRAL);
}

static struct signal classify_kind(enum event_kind kind, enum event_status status,
                                   const char *event_id) {
    struct envelope envelope = {.entity = SLICE("service:a"),
                                .kind = kind,
                                .status = status,
                                .event_id = slice_of_text(event_id)};
    return signal_classify(&envelope);
}

static void what_a_service_says_is_neutral_unless_an_alert_says_it(void **state) {
    struct signal log = classify_kind(EVENT_KIND_LOG, EVENT_STATUS_OK, "");
    assert_int_equal(log.news, SIGNAL_NEUTRAL);
    assert_true(log.recovers_by_silence);
    assert_int_equal(classify_kind(EVENT_KIND_SPAN, EVENT_STATUS_OK, "").news, SIGNAL_NEUTRAL);
    assert_int_equal(classify_kind(EVENT_KIND_CHECK, EVENT_STATUS_OK, "").news, SIGNAL_NEUTRAL);
    assert_false(classify(SLICE("check:a"), EVENT_STATUS_OK, 0).is_own_word_only);
    assert_int_equal(classify(SLICE("check:a"), EVENT_STATUS_OK, 0).news, SIGNAL_GOOD);
    assert_true(classify(SLICE("unknown:unidentified"), EVENT_STATUS_DOWN, 0).recovers_by_silence);
}

static void an_alert_is_known_by_its_labels(void **state) {
    const char *firing = "alert:0123456789abcdef:7:9";
    struct signal bad = classify_kind(EVENT_KIND_ALERT, EVENT_STATUS_FAILED, firing);
    struct signal good =
        classify_kind(EVENT_KIND_ALERT, EVENT_STATUS_OK, "alert:0123456789abcdef:7:0");
    struct signal other =
        classify_kind(EVENT_KIND_ALERT, EVENT_STATUS_OK, "alert:1123456789abcdef:7:0");
    assert_true(bad.recovers_by_silence && good.is_own_word_only && !bad.is_own_word_only);
    assert_true(bad.source_key == good.source_key && bad.source_key != other.source_key);
}

static void an_alert_says_until_when_it_fires(void **state) {
    (void)state;
    const struct {
        const char *event_id;
        uint64_t until_ns;
    } cases[] = {
        {"alert:0123456789abcdef:7:99:3", 99},
        {"alert:0123456789abcdef:7:0:3", 0},
        {"alert:0123456789abcdef:7:99", 99},
        {"alert:0123456789abcdef:7", 0},
        {"alert:0123456789abcdef:7::3", 0},
        {"alert:0123456789abcdef:7:9x:3", 0},
        {"alert", 0},
        {"", 0},
        {":::", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct signal signal =
            classify_kind(EVENT_KIND_ALERT, EVENT_STATUS_FAILED, cases[i].event_id);
        assert_int_equal(signal.fires_until_ns, cases[i].until_ns);
        signal = classify_kind(EVENT_KIND_JOB, EVENT_STATUS_FAILED, cases[i].event_id);
        assert_int_equal(signal.fires_until_ns, 0);
    }
}

static void news_are_heard_when_they_come_even_if_dated_later(void **state) {
    (void)state;
    const uint64_t times[][3] = {{100, 200, 100}, {200, 200, 200}, {300, 200, 200}};
    for (size_t i = 0; i < 3; i++) {
        struct envelope envelope = {.kind = EVENT_KIND_JOB,
                                    .entity = SLICE("job:a"),
                                    .status = EVENT_STATUS_FAILED,
                                    .event_time_ns = times[i][0],
                                    .ingest_time_ns = times[i][1]};
        assert_int_equal(signal_classify(&envelope).heard_ns, times[i][2]);
        assert_int_equal(signal_classify(&envelope).event_time_ns, times[i][0]);
    }
}

static void what_is_merely_late_missed_or_degraded_warns(void **state) {
    (void)state;
    const enum event_status warnings[] = {EVENT_STATUS_LATE, EVENT_STATUS_MISSED,
                                          EVENT_STATUS_DEGRADED};
    for (size_t i = 0; i < 3; i++) {
        struct envelope envelope = {.entity = SLICE("service:a"), .status = warnings[i]};
        assert_int_equal(signal_classify(&envelope).severity, EVENT_SEVERITY_WARNING);
        envelope.severity = EVENT_SEVERITY_CRITICAL;
        assert_int_equal(signal_classify(&envelope).severity, EVENT_SEVERITY_CRITICAL);
    }
    assert_int_equal(classify(SLICE("job:a"), EVENT_STATUS_FAILED, 0).severity,
                     EVENT_SEVERITY_ERROR);
    assert_int_equal(classify(SLICE("job:a"), EVENT_STATUS_SUCCEEDED, 0).severity,
                     EVENT_SEVERITY_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_job_is_bad_and_recovers_by_good_news),
        cmocka_unit_test(what_a_service_says_is_neutral_unless_an_alert_says_it),
        cmocka_unit_test(an_alert_is_known_by_its_labels),
        cmocka_unit_test(an_alert_says_until_when_it_fires),
        cmocka_unit_test(news_are_heard_when_they_come_even_if_dated_later),
        cmocka_unit_test(what_is_merely_late_missed_or_degraded_warns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
