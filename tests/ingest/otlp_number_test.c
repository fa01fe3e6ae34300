/* otlp_number_test.c - whole numbers in every spelling that protobuf's JSON mapping allows. */
#include "ingest/otlp_number.h"

#include "tests/base/unit.h"

static void a_whole_number_is_read_in_every_spelling(void **state) {
    static const struct {
        const char *text;
        uint64_t value;
    } cases[] = {
        {"17", 17},
        {"17.0", 17},
        {"17.000", 17},
        {"1.7e1", 17},
        {"1.7E+1", 17},
        {"170e-1", 17},
        {"0.17e2", 17},
        {"0", 0},
        {"0.0", 0},
        {"0e999", 0},
        {"0.000e-5", 0},
        {"1e19", UINT64_C(10000000000000000000)},
        {"1.8446744073709551615e19", UINT64_MAX},
        {"18446744073709551615.0", UINT64_MAX},
        {"1732150000123456789e0", UINT64_C(1732150000123456789)},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t value = 99;
        assert_status(otlp_parse_u64(slice_of_text(cases[i].text), &value), OK);
        assert_int_equal(value, cases[i].value);
    }
}

static void what_is_no_whole_number_of_64_bits_is_refused(void **state) {
    static const char *const texts[] = {
        "",
        ".",
        "1.",
        ".5",
        "1.5",
        "17e-1",
        "1e",
        "1e+",
        "1e1.0",
        "1e20",
        "1e999",
        "1e99999",
        "18446744073709551616.0",
        "0x11",
        "1.0.0",
        "NaN",
        "-1",
        "-",
        "+1",
        " 1",
        "1 ",
        "e5",
        "1000000000000000000000000000000000000000000000000000000000000000000.0"};
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        uint64_t value;
        assert_status(otlp_parse_u64(slice_of_text(texts[i]), &value), INVALID);
    }
}

static void a_sign_reaches_to_the_ends_of_64_bits(void **state) {
    int64_t value = 0;
    (void)state;
    assert_status(otlp_parse_i64(SLICE("-9223372036854775808.0"), &value), OK);
    assert_int_equal(value, INT64_MIN);
    assert_status(otlp_parse_i64(SLICE("9223372036854775807"), &value), OK);
    assert_int_equal(value, INT64_MAX);
    assert_status(otlp_parse_i64(SLICE("-2.5e1"), &value), OK);
    assert_int_equal(value, -25);
    assert_status(otlp_parse_i64(SLICE("-0"), &value), OK);
    assert_int_equal(value, 0);
    assert_status(otlp_parse_i64(SLICE("9223372036854775808"), &value), INVALID);
    assert_status(otlp_parse_i64(SLICE("-9223372036854775809"), &value), INVALID);
    assert_status(otlp_parse_i64(SLICE("--1"), &value), INVALID);
    assert_status(otlp_parse_i64(SLICE("-"), &value), INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_number_is_read_in_every_spelling),
        cmocka_unit_test(what_is_no_whole_number_of_64_bits_is_refused),
        cmocka_unit_test(a_sign_reaches_to_the_ends_of_64_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
