/* redact_test.c - what is shown of a server's words: one line, and nothing that is secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "sinks/redact.h"

static struct config_setting settings[] = {{.key = {(const uint8_t *)"dsn", 3},
                                            .value = {(const uint8_t *)"s3cret\npassword", 15},
                                            .is_secret = true}};
static const struct config_sink config = {.settings = settings, .settings_count = 1};

static void assert_shown(const char *said, const char *shown) {
    char memory[256];
    struct text text = text_over(memory, sizeof(memory));
    redact_add(&text, slice_of_text(said), &config);
    assert_string_equal(memory, shown);
}

static void several_lines_are_one_and_end_without_a_mark(void **state) {
    (void)state;
    assert_shown("FATAL:  no such database\n", "FATAL: no such database");
    assert_shown("refused\n\tIs it running?\n\tAnd here?\n", "refused Is it running? And here?");
    assert_shown("{\r\n  \"error\": \"x\"\r\n}\r\n", "{ \"error\": \"x\" }");
    assert_shown("\n\n", "");
    assert_shown("bell\a \xC2\x85", "bell? ?");
}

static void secrets_are_left_out_also_where_lines_break(void **state) {
    (void)state;
    assert_shown("for\n s3cret\npassword\nit is\n", "for *** it is");
    assert_shown("s3cret\npassword", "***");
    assert_shown("at s3cret\npasswordx\n", "at ***x");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_lines_are_one_and_end_without_a_mark),
        cmocka_unit_test(secrets_are_left_out_also_where_lines_break),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
