/* text_time_test.c - RFC 3339 and durations, both ways. */
#include "tests/base/unit.h"

#include "core/base/limits.h"
#include "core/base/text.h"

static void times_read_back_as_they_were_written(void **state) {
    for (uint64_t day = 0; day < 106000; day += 13) {
        uint64_t time_ns = day * NS_PER_DAY + 86399123456789;
        char memory[40];
        uint64_t back = 0;
        struct text text = text_over(memory, sizeof(memory));
        text_add_time(&text, time_ns, 9);
        assert_status(text_parse_time(text_slice(&text), &back), OK);
        assert_true(back == time_ns);
    }
}

static void known_instants_have_known_words(void **state) {
    char memory[80];
    uint64_t time_ns = 0;
    struct text text = text_over(memory, sizeof(memory));
    text_add_time(&text, UINT64_C(951782400123000000), 3);
    text_add_char(&text, ' ');
    text_add_time(&text, 0, 0);
    assert_string_equal(memory, "2000-02-29T00:00:00.123Z 1970-01-01T00:00:00Z");
    assert_status(text_parse_time(SLICE("2000-02-29T05:30:00.1239999999+05:30"), &time_ns), OK);
    assert_true(time_ns == UINT64_C(951782400123999999));
}

static void times_that_do_not_exist_are_refused(void **state) {
    static const char *const wrong[] = {
        "",
        "2001-02-29T00:00:00Z",
        "2000-13-01T00:00:00Z",
        "2000-01-01T24:00:00Z",
        "2000-01-01T00:00:00",
        "2000-01-01T00:00:00.Z",
        "2000-01-01T00:00:00Zx",
        "2000-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:01",
        "1969-12-31T00:00:00Z",
        "2262-01-01T00:00:00Z",
        "2000-1-01T00:00:00Z",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t time_ns = 7;
        assert_status(text_parse_time(slice_of_text(wrong[i]), &time_ns), INVALID);
        assert_int_equal(time_ns, 7);
    }
}

static void times_out_of_range_are_clamped_where_that_is_asked_for(void **state) {
    static const struct {
        const char *words;
        uint64_t time_ns;
    } clamped[] = {
        {"0001-01-01T00:00:00Z", 0},
        {"1969-12-31T23:59:59Z", 0},
        {"1970-01-01T00:00:00+00:01", 0},
        {"1970-01-01T00:00:01Z", NS_PER_S},
        {"2261-12-31T23:59:59-23:59", UINT64_C(9214732739000000000)},
        {"2262-01-01T00:00:00Z", INT64_MAX},
        {"2999-01-01T00:00:00Z", INT64_MAX},
        {"9999-12-31T23:59:60-23:59", INT64_MAX},
    };
    uint64_t time_ns = 7;
    assert_status(text_parse_time_clamped(SLICE("2999-02-29T00:00:00Z"), &time_ns), INVALID);
    assert_int_equal(time_ns, 7);
    for (size_t i = 0; i < sizeof(clamped) / sizeof(clamped[0]); i++) {
        assert_status(text_parse_time_clamped(slice_of_text(clamped[i].words), &time_ns), OK);
        assert_true(time_ns == clamped[i].time_ns);
    }
}

static void durations_read_as_a_person_writes_them(void **state) {
    uint64_t span_ns = 0;
    assert_status(text_parse_duration(SLICE("1h30m"), &span_ns), OK);
    assert_true(span_ns == 90 * NS_PER_MINUTE);
    assert_status(text_parse_duration(SLICE("250ms"), &span_ns), OK);
    assert_true(span_ns == 250 * NS_PER_MS);
    assert_status(text_parse_duration(SLICE("0"), &span_ns), OK);
    assert_int_equal(span_ns, 0);
    assert_status(text_parse_duration(SLICE(""), &span_ns), INVALID);
    assert_status(text_parse_duration(SLICE("5"), &span_ns), INVALID);
    assert_status(text_parse_duration(SLICE("-5s"), &span_ns), INVALID);
    assert_status(text_parse_duration(SLICE("5 s"), &span_ns), INVALID);
    assert_status(text_parse_duration(SLICE("999999999d"), &span_ns), INVALID);
}

static void durations_are_written_in_whole_units(void **state) {
    char memory[80];
    struct text text = text_over(memory, sizeof(memory));
    text_add_duration(&text, 90 * NS_PER_MINUTE);
    text_add_char(&text, ' ');
    text_add_duration(&text, 250 * NS_PER_MS);
    text_add_char(&text, ' ');
    text_add_duration(&text, 0);
    assert_string_equal(memory, "1h30m 250ms 0s");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_read_back_as_they_were_written),
        cmocka_unit_test(known_instants_have_known_words),
        cmocka_unit_test(times_that_do_not_exist_are_refused),
        cmocka_unit_test(times_out_of_range_are_clamped_where_that_is_asked_for),
        cmocka_unit_test(durations_read_as_a_person_writes_them),
        cmocka_unit_test(durations_are_written_in_whole_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
