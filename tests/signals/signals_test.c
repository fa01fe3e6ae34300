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

static void the_ok_of_a_service_is_neutral(void **state) {
    struct signal signal = classify(SLICE("service:a"), EVENT_STATUS_OK, ENVELOPE_GOOD);
    assert_int_equal(signal.news, SIGNAL_NEUTRAL);
    assert_true(signal.recovers_by_silence);
    assert_int_equal(classify(SLICE("check:a"), EVENT_STATUS_OK, 0).news, SIGNAL_GOOD);
    assert_true(classify(SLICE("unknown:unidentified"), EVENT_STATUS_DOWN, 0).recovers_by_silence);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_job_is_bad_and_recovers_by_good_news),
        cmocka_unit_test(the_ok_of_a_service_is_neutral),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
