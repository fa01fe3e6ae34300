/* breaker_test.c - when a sink may be tried. */
#include "tests/base/unit.h"

#include "core/base/limits.h"
#include "sinks/breaker.h"

static void it_opens_after_failures_in_a_row_only(void **state) {
    struct breaker breaker = {.failures_max = 3, .wait_ns = 10 * NS_PER_S};
    assert_false(breaker_fail(&breaker, 0, 0));
    assert_false(breaker_fail(&breaker, 0, 0));
    breaker_succeed(&breaker);
    assert_false(breaker_fail(&breaker, 0, 0));
    assert_false(breaker_fail(&breaker, 0, 0));
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker_due_ns(&breaker), 0);
    assert_true(breaker_fail(&breaker, NS_PER_S, 0));
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker_due_ns(&breaker), 6 * NS_PER_S);
}

static void one_probe_decides(void **state) {
    struct breaker breaker = {.failures_max = 1, .wait_ns = 10 * NS_PER_S};
    assert_true(breaker_fail(&breaker, 0, 0));
    breaker_attempt(&breaker);
    assert_int_equal(breaker.state, BREAKER_HALF_OPEN);
    assert_false(breaker_fail(&breaker, 20 * NS_PER_S, 0)); /* open again, no news */
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker_due_ns(&breaker), 25 * NS_PER_S);
    breaker_attempt(&breaker);
    breaker_succeed(&breaker);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker.opened, 1);
}

static void the_wait_is_spread_and_bounded(void **state) {
    for (uint64_t jitter = 0; jitter < 1000; jitter++) {
        struct breaker breaker = {.failures_max = 1, .wait_ns = 10};
        (void)breaker_fail(&breaker, 100, jitter * 7919);
        assert_in_range(breaker_due_ns(&breaker), 105, 110);
    }
}

static void retry_after_is_peace_also_for_a_closed_breaker(void **state) {
    struct breaker breaker = {.failures_max = 5, .wait_ns = 10};
    breaker_pause(&breaker, 500);
    breaker_pause(&breaker, 400);
    assert_int_equal(breaker_due_ns(&breaker), 500);
}

static void a_pace_allows_a_burst_then_its_interval(void **state) {
    struct pace pace = {.interval_ns = 100, .burst = 3};
    uint64_t now = 1000;
    for (int i = 0; i < 3; i++) {
        assert_true(pace_due_ns(&pace) <= now);
        pace_take(&pace, now);
    }
    assert_int_equal(pace_due_ns(&pace), 1100);
    pace_take(&pace, 1100);
    assert_int_equal(pace_due_ns(&pace), 1200);
    assert_true(pace_due_ns(&pace) <= 5000);
    struct pace none = {0};
    pace_take(&none, 7);
    assert_true(pace_due_ns(&none) <= 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_opens_after_failures_in_a_row_only),
        cmocka_unit_test(one_probe_decides),
        cmocka_unit_test(the_wait_is_spread_and_bounded),
        cmocka_unit_test(retry_after_is_peace_also_for_a_closed_breaker),
        cmocka_unit_test(a_pace_allows_a_burst_then_its_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
