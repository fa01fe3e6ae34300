#include "cli/options.h"

#include "tests/base/unit.h"

/* Parses the words after "quell"; the last must be NULL. */
static struct status parse(struct cli_options *options, struct fault *fault, const char *first,
                           ...) {
    static char *words[32];
    int count = 0;
    va_list rest;
    words[count++] = (char *)(uintptr_t) "quell";
    va_start(rest, first);
    for (const char *word = first; word != NULL; word = va_arg(rest, const char *)) {
        words[count++] = (char *)(uintptr_t)word;
    }
    va_end(rest);
    return cli_options_parse(count, words, options, fault);
}

static void a_command_takes_its_own_flags_and_words(void **state) {
    struct cli_options options;
    struct fault fault;
    assert_status(parse(&options, &fault, "quarantine", "show", "--tenant", "/d", "--json", "7-3",
                        "--set", "a=b", "--limit=12", NULL),
                  OK);
    assert_string_equal(options.command, "quarantine");
    assert_string_equal(cli_word(&options, 0), "show");
    assert_string_equal(cli_word(&options, 1), "7-3");
    assert_null(cli_word(&options, 2));
    assert_string_equal(cli_option(&options, "--tenant"), "/d");
    assert_string_equal(cli_option(&options, "--json"), "");
    assert_null(cli_option(&options, "--token"));
    assert_string_equal(options.overrides[0], "a=b");
    uint64_t number = 0;
    assert_status(cli_option_number(&options, "--limit", 5, &number, &fault), OK);
    assert_int_equal(number, 12);
    assert_status(cli_option_number(&options, "--token", 5, &number, &fault), OK);
    assert_int_equal(number, 5);
    assert_status(cli_option_number(&options, "--tenant", 5, &number, &fault), INVALID);
}

static void many_dead_letters_may_be_named_at_once(void **state) {
    static char *words[80] = {(char *)(uintptr_t) "quell", (char *)(uintptr_t) "dlq",
                              (char *)(uintptr_t) "retry"};
    struct cli_options options;
    struct fault fault;
    for (int count = 3; count < 80; count++) {
        words[count] = (char *)(uintptr_t) "7";
    }
    assert_status(cli_options_parse(2 + WORDS_MAX, words, &options, &fault), OK);
    assert_int_equal(options.words_count, 64);
    assert_status(cli_options_parse(2 + WORDS_MAX + 1, words, &options, &fault), INVALID);
}

static void the_last_of_a_repeated_flag_counts(void **state) {
    struct cli_options options;
    struct fault fault;
    assert_status(parse(&options, &fault, "check", "--data", "/a", "--data=/b", NULL), OK);
    assert_string_equal(cli_option(&options, "--data"), "/b");
}

static void what_a_command_does_not_take_is_refused(void **state) {
    struct cli_options options;
    struct fault fault;
    assert_status(parse(&options, &fault, "run", "extra", NULL), INVALID);
    assert_status(parse(&options, &fault, "run", "--data", "/d", NULL), INVALID);
    assert_status(parse(&options, &fault, "--data", "/d", "check", NULL), INVALID);
    assert_status(parse(&options, &fault, "check", "a.toml", "b.toml", NULL), INVALID);
    assert_status(parse(&options, &fault, "check", "--dat", NULL), INVALID);
    assert_status(parse(&options, &fault, "replay", "--json=yes", NULL), INVALID);
    assert_status(parse(&options, &fault, "check", "--data", NULL), INVALID);
    assert_non_null(strstr(fault.words, "--data wants a value"));
    assert_status(parse(&options, &fault, "run", "--config", NULL), INVALID);
    assert_status(parse(&options, &fault, "run", "--format", "xml", NULL), INVALID);
}

static void an_unknown_command_is_left_to_the_caller(void **state) {
    struct cli_options options;
    struct fault fault;
    assert_status(parse(&options, &fault, "fly", "--high", "away", NULL), OK);
    assert_string_equal(options.command, "fly");
    assert_int_equal(options.words_count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_takes_its_own_flags_and_words),
        cmocka_unit_test(the_last_of_a_repeated_flag_counts),
        cmocka_unit_test(many_dead_letters_may_be_named_at_once),
        cmocka_unit_test(what_a_command_does_not_take_is_refused),
        cmocka_unit_test(an_unknown_command_is_left_to_the_caller),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
