/* fields_test.c - the body of an action: two strings out of any JSON object. */
#include "tests/base/unit.h"

#include <stdio.h>

#include "console/console_internal.h"

static void expect_fields(const char *body, const char *by_wanted, const char *note_wanted) {
    char by_memory[FIELD_BYTES_MAX];
    char note_memory[FIELD_BYTES_MAX];
    struct text by = text_over(by_memory, sizeof(by_memory));
    struct text note = text_over(note_memory, sizeof(note_memory));
    assert_status(fields_read(slice_of_text(body), &by, &note), OK);
    assert_string_equal(by.data, by_wanted);
    assert_string_equal(note.data, note_wanted);
}

static void expect_invalid(const char *body) {
    char by_memory[FIELD_BYTES_MAX];
    char note_memory[FIELD_BYTES_MAX];
    struct text by = text_over(by_memory, sizeof(by_memory));
    struct text note = text_over(note_memory, sizeof(note_memory));
    if (status_is_ok(fields_read(slice_of_text(body), &by, &note))) {
        print_error("taken: %s\n", body);
        fail();
    }
}

static void both_fields_are_optional(void **state) {
    (void)state;
    expect_fields("", "", "");
    expect_fields(" \r\n", "", "");
    expect_fields("{}", "", "");
    expect_fields("{\"by\":\"ann\"}", "ann", "");
    expect_fields(" { \"note\" : \"n\" , \"by\" : \"ann\" } ", "ann", "n");
    expect_fields("{\"by\":null,\"note\":\"n\"}", "", "n");
}

static void escapes_become_utf8(void **state) {
    (void)state;
    expect_fields("{\"by\":\"\\\"\\\\\\/\\n\\t\\u0041\"}", "\"\\/\n\tA", "");
    expect_fields("{\"by\":\"\\u00e9\\u20AC\\ud83d\\ude00\"}",
                  "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", "");
    expect_fields("{\"by\":\"\\ud83d!\\ude00\"}", "\xEF\xBF\xBD!\xEF\xBF\xBD", "");
    expect_fields("{\"by\":\"\xC3\xA9\"}", "\xC3\xA9", "");
}

static void other_keys_are_ignored_whatever_they_hold(void **state) {
    (void)state;
    expect_fields("{\"x\":1,\"by\":\"ann\",\"y\":{\"by\":[\"}\",{}],\"z\":-1.5e+3},\"w\":[]}",
                  "ann", "");
    expect_fields("{\"x\":true,\"y\":null,\"note\":\"n\"}", "", "n");
}

static void anything_else_is_invalid(void **state) {
    (void)state;
    static const char *const bodies[] = {
        "{",
        "}",
        "[]",
        "\"by\"",
        "null",
        "{\"by\"}",
        "{\"by\":}",
        "{\"by\":1}",
        "{\"by\":[\"a\"]}",
        "{\"by\":\"a}",
        "{\"by\":\"a\"",
        "{\"by\":\"a\",}",
        "{,}",
        "{\"by\":\"a\"}x",
        "{\"x\":}",
        "{\"x\":{}",
        "{\"x\":[}",
        "{\"x\":,\"by\":\"a\"}",
        "{by:\"a\"}",
        "{\"by\":\"\\x\"}",
        "{\"by\":\"\\u12\"}",
        "{\"by\":\"a\nb\"}",
        "{\"by\":\"\xC3\"}",
        "{\"by\":\"\\",
        "{\"x\":!}",
        "{} {}",
        "{\"by\":\"a\",\"by\":\"b\"}",
        "{\"x\":[1 2]}",
        "{\"x\":01}",
        "{\"x\":1.}",
        "{\"x\":truth}",
        "{\"x\":{\"a\"}}",
        "{\"x\":{1:2}}",
        "{\"x\":[1,]}",
    };
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        expect_invalid(bodies[i]);
    }
}

static void a_field_that_would_be_cut_is_refused(void **state) {
    (void)state;
    char body[FIELD_BYTES_MAX + 32];
    (void)snprintf(body, sizeof(body), "{\"by\":\"%0*d\"}", FIELD_BYTES_MAX, 7);
    expect_invalid(body);
}

static void nesting_without_end_is_refused(void **state) {
    (void)state;
    char body[4096] = "{\"x\":";
    memset(body + 5, '[', 4000);
    expect_invalid(body);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_fields_are_optional),
        cmocka_unit_test(escapes_become_utf8),
        cmocka_unit_test(other_keys_are_ignored_whatever_they_hold),
        cmocka_unit_test(anything_else_is_invalid),
        cmocka_unit_test(a_field_that_would_be_cut_is_refused),
        cmocka_unit_test(nesting_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
