/* text_parse_test.c - numbers, sizes, hex, globs, near words. */
#include "tests/base/unit.h"

#include <stdlib.h>

#include "core/base/text.h"

static void numbers_that_overflow_are_refused(void **state) {
    uint64_t value = 7;
    assert_status(text_parse_u64(SLICE("18446744073709551616"), &value), INVALID);
    assert_status(text_parse_u64(SLICE(""), &value), INVALID);
    assert_status(text_parse_u64(SLICE("-1"), &value), INVALID);
    assert_int_equal(value, 7);
    assert_status(text_parse_u64(SLICE("18446744073709551615"), &value), OK);
    assert_true(value == UINT64_MAX);
}

static void sizes_know_binary_and_decimal_units(void **state) {
    uint64_t bytes = 0;
    assert_status(text_parse_size(SLICE("64KiB"), &bytes), OK);
    assert_int_equal(bytes, 65536);
    assert_status(text_parse_size(SLICE("10MB"), &bytes), OK);
    assert_int_equal(bytes, 10000000);
    assert_status(text_parse_size(SLICE("512"), &bytes), OK);
    assert_int_equal(bytes, 512);
    assert_status(text_parse_size(SLICE("99999999TiB"), &bytes), INVALID);
    assert_status(text_parse_size(SLICE("1 parsec"), &bytes), INVALID);
    assert_status(text_parse_size(SLICE("KiB"), &bytes), INVALID);
}

static void hex_needs_its_exact_size(void **state) {
    uint8_t bytes[2] = {1, 1};
    assert_status(text_parse_hex(SLICE("0Fa0"), bytes, 2), OK);
    assert_int_equal(bytes[0], 0x0F);
    assert_int_equal(bytes[1], 0xA0);
    assert_status(text_parse_hex(SLICE("0f"), bytes, 2), INVALID);
    assert_status(text_parse_hex(SLICE("0g00"), bytes, 2), INVALID);
}

/* Every byte at every place, against the C library. */
static void hex_and_numbers_agree_with_the_library_byte_by_byte(void **state) {
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t place = 0; place < 19; place++) {
            char digits[] = "1234567890123456789";
            uint8_t bytes[9] = {0};
            uint64_t value = 0;
            digits[place] = (char)byte;
            struct slice text = slice_of(digits, 19);
            bool is_digit = byte >= '0' && byte <= '9';
            assert_int_equal(status_is_ok(text_parse_u64(text, &value)), is_digit);
            assert_true(!is_digit || value == strtoull(digits, NULL, 10));
            bool is_hex = is_digit || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
            bool is_taken = status_is_ok(text_parse_hex(slice_head(text, 18), bytes, 9));
            assert_int_equal(is_taken, is_hex || place == 18);
            char pair[3] = {digits[place & ~1U], digits[place | 1], 0};
            assert_true(place == 18 || !is_hex || bytes[place / 2] == strtoul(pair, NULL, 16));
        }
    }
}

static void globs_match_the_whole_text(void **state) {
    assert_true(text_matches_glob(SLICE("svc:pay-eu"), SLICE("svc:*-eu")));
    assert_true(text_matches_glob(SLICE("aXbXc"), SLICE("a*X?")));
    assert_true(text_matches_glob(SLICE(""), SLICE("**")));
    assert_false(text_matches_glob(SLICE(""), SLICE("?")));
    assert_false(text_matches_glob(SLICE("abc"), SLICE("ab")));
    assert_false(text_matches_glob(SLICE("aaaaaaaaaaaaaaaaaaaaaaaa"), SLICE("*a*a*a*a*b")));
}

static void near_words_are_counted_up_to_the_limit(void **state) {
    assert_int_equal(text_distance(SLICE("kitten"), SLICE("sitting"), 5), 3);
    assert_int_equal(text_distance(SLICE("kitten"), SLICE("sitting"), 2), 3);
    assert_int_equal(text_distance(SLICE("abcdef"), SLICE("uvwxyz"), 2), 3);
    assert_int_equal(text_distance(SLICE("same"), SLICE("same"), 2), 0);
    assert_int_equal(text_distance(SLICE(""), SLICE("abc"), 5), 3);
    assert_int_equal(text_distance(SLICE("ulr"), SLICE("url"), 5), 1); /* changed places */
    assert_int_equal(text_distance(SLICE("chekc"), SLICE("check"), 5), 1);
    assert_int_equal(text_distance(SLICE("ca"), SLICE("abc"), 5), 3);
}

static const char *guess(const char *word) {
    static const char *const known[] = {"url", "tokens_sha256", "window", "max_window"};
    struct text_guess guess = text_guess_of(slice_of_text(word));
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        text_guess_try(&guess, known[i]);
    }
    return guess.nearest == NULL ? "" : guess.nearest;
}

static void what_was_meant_is_guessed_when_it_is_near(void **state) {
    assert_string_equal(guess("ulr"), "url");
    assert_string_equal(guess("windw"), "window");
    assert_string_equal(guess("max_windwo"), "max_window");
    assert_string_equal(guess("tokens"), "tokens_sha256"); /* its beginning */
    assert_string_equal(guess("tok"), "");
    assert_string_equal(guess("foo"), "");
    assert_string_equal(guess(""), "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_that_overflow_are_refused),
        cmocka_unit_test(sizes_know_binary_and_decimal_units),
        cmocka_unit_test(hex_needs_its_exact_size),
        cmocka_unit_test(hex_and_numbers_agree_with_the_library_byte_by_byte),
        cmocka_unit_test(globs_match_the_whole_text),
        cmocka_unit_test(near_words_are_counted_up_to_the_limit),
        cmocka_unit_test(what_was_meant_is_guessed_when_it_is_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
