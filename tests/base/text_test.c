/* text_test.c - bounded building, numbers, escaping, base32. */
#include "tests/base/unit.h"

#include <float.h>

#include "core/base/text.h"

static void text_ends_at_a_whole_character(void **state) {
    char memory[6];
    struct text text = text_over(memory, sizeof(memory));
    text_add_text(&text, "abc\xE2\x82\xAC");
    assert_string_equal(memory, "abc");
    assert_true(text.truncated);
    text_add_text(&text, "d");
    assert_string_equal(memory, "abc");
    text = text_over(memory, sizeof(memory));
    text_add_format(&text, "ab%s", "\xE2\x82\xAC!");
    assert_string_equal(memory, "ab\xE2\x82\xAC");
    text = text_over(NULL, 0);
    text_add_char(&text, 'x');
    assert_true(text.truncated);
}

static void numbers_are_written_in_full(void **state) {
    char memory[200];
    struct text text = text_over(memory, sizeof(memory));
    text_add_u64(&text, UINT64_MAX);
    text_add_char(&text, ' ');
    text_add_i64(&text, INT64_MIN);
    text_add_char(&text, ' ');
    text_add_f64(&text, 0.1);
    text_add_char(&text, ' ');
    text_add_f64(&text, DBL_MAX * 10);
    text_add_char(&text, ' ');
    text_add_hex(&text, SLICE("\x0f\xa0"));
    assert_string_equal(memory, "18446744073709551615 -9223372036854775808 0.1 null 0fa0");
}

static void json_strings_survive_hostile_bytes(void **state) {
    char memory[200];
    struct text text = text_over(memory, sizeof(memory));
    text_add_json_string(&text, SLICE("a\"\\\n\x1b\xff\xe2\x80\xa8\xc3\xa9\xe2\x82"));
    assert_string_equal(memory, "\"a\\\"\\\\\\n\\u001b\xEF\xBF\xBD\\u2028\xC3\xA9"
                                "\xEF\xBF\xBD\xEF\xBF\xBD\"");
}

static void members_of_an_object_are_joined_by_their_keys(void **state) {
    char memory[128];
    struct text text = text_over(memory, sizeof(memory));
    text_add_json_member(&text, "by", SLICE("a \"b\""));
    text_add_char(&text, ',');
    text_add_json_time(&text, "at", 1500000000123456789u);
    assert_string_equal(memory, "\"by\":\"a \\\"b\\\"\",\"at\":\"2017-07-14T02:40:00.123Z\"");
}

static void a_label_cannot_end_its_line_or_its_value(void **state) {
    char memory[64];
    struct text text = text_over(memory, sizeof(memory));
    text_add_label(&text, "sink", SLICE("a\nb\"} 1\\"));
    assert_string_equal(memory, "sink=\"a\\nb\\\"} 1\\\\\"");
}

static void terminals_get_no_escapes(void **state) {
    char memory[64];
    struct text text = text_over(memory, sizeof(memory));
    text_add_printable(&text, SLICE("a\x1b[31m\n\xc2\x9b"
                                    "b\xc3\xa9\xff"));
    assert_string_equal(memory, "a?[31m??b\xC3\xA9?");
    text = text_over(memory, sizeof(memory));
    text_add_printable(&text, SLICE("1\xE2\x80\xA8"
                                    "2\xE2\x80\xAE"
                                    "3\xE2\x81\xA9"
                                    "4\xE2\x80\xAF\xE2\x81\xA5"));
    assert_string_equal(memory, "1?2?3?4\xE2\x80\xAF\xE2\x81\xA5");
}

static void bytes_that_are_no_utf8_are_replaced_up_to_a_whole_character(void **state) {
    char memory[12];
    struct text text = text_over(memory, sizeof(memory));
    text_add_utf8(&text, SLICE("a\xff\xC3\xA9\xE2\x82"));
    assert_string_equal(memory, "a\xEF\xBF\xBD\xC3\xA9\xEF\xBF\xBD");
    assert_true(text.truncated);
}

static void utf8_is_checked_as_the_rfc_says(void **state) {
    assert_true(text_is_utf8(SLICE("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")));
    assert_false(text_is_utf8(SLICE("\xC0\x80")));         /* overlong */
    assert_false(text_is_utf8(SLICE("\xE0\x80\x80")));     /* overlong */
    assert_false(text_is_utf8(SLICE("\xED\xA0\x80")));     /* surrogate */
    assert_false(text_is_utf8(SLICE("\xF4\x90\x80\x80"))); /* above U+10FFFF */
    assert_false(text_is_utf8(SLICE("\xE2\x82")));         /* cut */
}

static void base32_reads_back_and_refuses_what_it_never_writes(void **state) {
    char memory[TEXT_BASE32_SIZE + 1];
    struct text text = text_over(memory, sizeof(memory));
    struct hash128 value = {UINT64_MAX, UINT64_MAX};
    struct hash128 back = {0};
    text_add_base32(&text, value);
    assert_string_equal(memory, "7zzzzzzzzzzzzzzzzzzzzzzzzz");
    assert_status(text_parse_base32(text_slice(&text), &back), OK);
    assert_true(hash128_equals(back, value));
    assert_status(text_parse_base32(SLICE("8zzzzzzzzzzzzzzzzzzzzzzzzz"), &back), INVALID);
    assert_status(text_parse_base32(SLICE("0uzzzzzzzzzzzzzzzzzzzzzzzz"), &back), INVALID);
    assert_status(text_parse_base32(SLICE("0"), &back), INVALID);
}

static void the_last_line_is_what_a_trace_says(void **state) {
    (void)state;
    struct slice trace = SLICE("Traceback (most recent call last):\n  one\n KeyError: 7 \r\n\n");
    assert_true(text_begins_trace(trace));
    assert_false(text_begins_trace(SLICE("KeyError: 7")));
    assert_true(slice_equals(text_last_line(trace), SLICE("KeyError: 7")));
    assert_true(slice_equals(text_last_line(SLICE("alone")), SLICE("alone")));
    assert_true(slice_equals(text_last_line(SLICE(" \n")), SLICE("")));
    assert_true(slice_equals(text_without_blank_end(SLICE(" a\n\t ")), SLICE(" a")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_line_is_what_a_trace_says),
        cmocka_unit_test(text_ends_at_a_whole_character),
        cmocka_unit_test(numbers_are_written_in_full),
        cmocka_unit_test(json_strings_survive_hostile_bytes),
        cmocka_unit_test(members_of_an_object_are_joined_by_their_keys),
        cmocka_unit_test(a_label_cannot_end_its_line_or_its_value),
        cmocka_unit_test(terminals_get_no_escapes),
        cmocka_unit_test(bytes_that_are_no_utf8_are_replaced_up_to_a_whole_character),
        cmocka_unit_test(utf8_is_checked_as_the_rfc_says),
        cmocka_unit_test(base32_reads_back_and_refuses_what_it_never_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
