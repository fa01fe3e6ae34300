/* words_test.c - each beginning is found where a word begins, in any case, and nowhere else. */
#include "tests/base/unit.h"

#include <ctype.h>
#include <stdio.h>

#include "incident/words.h"

static const char *const blame[] = {
    "bad gateway", "broken pipe", "connection refused", "connection reset", "could not co",
    "deadline",    "http 502",    "http 503",           "http 504",         "no response",
    "timeout",     "timed out",   "unreachable",        "unavailable",      "upstream"};
static const char *const own[] = {
    "access denied",  "assert",         "bad config",  "bad deploy", "build fail", "certificate",
    "concurrent map", "config",         "constraint",  "corrupt",    "crash",      "disk",
    "division by",    "killed",         "memory leak", "migration",  "module not", "nil ",
    "no space",       "null",           "oom",         "out of mem", "outofmem",   "overflow",
    "panic",          "permission",     "quota",       "read-only",  "schema",     "segfault",
    "segment",        "stack overflow", "syntax",      "traceback",  "type error", "typeerror"};
static const char *const trouble[] = {
    "aborted", "broken",  "crash",     "deadline", "degrad",  "error",  "exceed", "exhaust",
    "fail",    "no resp", "overloa",   "panic",    "refus",   "reject", "reset",  "slow",
    "stall",   "timeout", "timed out", "throttl",  "unavail", "unreac"};

static struct slice said(char *memory, size_t size, const char *before, const char *words) {
    int length = snprintf(memory, size, "%s%s", before, words);
    assert_true(length > 0 && (size_t)length < size);
    return slice_of(memory, (size_t)length);
}

/* In front, behind sixteen bytes and more, in capitals; but not inside a word. */
static void expect_found(bool (*find)(struct slice words), const char *words) {
    char memory[128];
    char capitals[64] = {0};
    for (size_t i = 0; words[i] != 0; i++) {
        capitals[i] = (char)toupper(words[i]);
    }
    assert_true(find(said(memory, sizeof(memory), "", words)));
    assert_true(find(said(memory, sizeof(memory), "the job 4711 of nine had ", words)));
    assert_true(find(said(memory, sizeof(memory), "12 ", capitals)));
    assert_true(strchr(words, ' ') != NULL || !find(said(memory, sizeof(memory), "x", words)));
    struct slice cut = said(memory, sizeof(memory), "", words);
    for (size_t size = 0; size + 3 < cut.size; size++) {
        (void)find(slice_head(cut, size)); /* nothing behind the end is read */
    }
}

/* However far in, also across where one window ends and the next begins. */
static void expect_found_anywhere(bool (*find)(struct slice words), const char *words) {
    for (size_t before = 0; before < 100; before++) {
        char memory[160];
        memset(memory, before % 2 == 0 ? '7' : ' ', sizeof(memory));
        memcpy(memory + before, words, strlen(words));
        for (size_t behind = 0; behind < 40; behind += 13) {
            struct slice text = slice_of(memory, before + strlen(words) + behind);
            assert_true(find(text));
            memory[before]++; /* another letter */
            assert_false(find(text));
            memory[before]--;
        }
        if (before > 0) {
            memory[before - 1] = 'x'; /* inside a word */
            struct slice text = slice_of(memory, before + strlen(words));
            assert_true(strchr(words, ' ') != NULL || !find(text));
        }
    }
}

static bool tells_own(struct slice words) {
    return words_tone(slice_of(NULL, 0), words) == TONE_OWN;
}

static void every_beginning_is_found(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(blame) / sizeof(blame[0]); i++) {
        expect_found(words_blame_another, blame[i]);
    }
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        expect_found(tells_own, own[i]);
    }
    for (size_t i = 0; i < sizeof(trouble) / sizeof(trouble[0]); i++) {
        expect_found(words_tell_trouble, trouble[i]);
        expect_found_anywhere(words_tell_trouble, trouble[i]);
    }
}

static void usual_words_tell_nothing(void **state) {
    (void)state;
    assert_false(words_tell_trouble(SLICE("request 90076 handled, status 200, 3220 ms")));
    assert_false(words_tell_trouble(SLICE("staging refills: terrible excuse, no reply")));
    assert_false(
        words_tell_trouble(SLICE("unavowed times refunded; a time slot in the deal; over")));
    assert_false(words_blame_another(SLICE("")));
}

static void of_a_long_message_the_part_that_says_most_is_kept(void **state) {
    (void)state;
    assert_true(slice_equals(words_kept(SLICE("short"), 5), SLICE("short")));
    assert_true(slice_equals(words_kept(SLICE("ab\xC3\xA4"), 3), SLICE("ab")));
    struct slice trace =
        SLICE("Traceback (most recent call last):\n  one\n  two\nKeyError: 7\n \n");
    assert_true(slice_equals(words_kept(trace, 20), SLICE("  two\nKeyError: 7")));
    assert_true(slice_equals(words_kept(trace, 14), SLICE("KeyError: 7")));
    assert_true(slice_equals(words_kept(trace, 5), SLICE("or: 7")));
    trace = SLICE("Traceback (most recent call last): \xC3\xA4\xC3\xA4");
    assert_true(slice_equals(words_kept(trace, 3), SLICE("\xC3\xA4")));
    for (size_t max = 0; max < 60; max++) { /* also of blanks alone behind it */
        trace = SLICE("Traceback (most recent call last)                        \n\n");
        assert_true(words_kept(trace, max).size <= max);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_beginning_is_found),
        cmocka_unit_test(of_a_long_message_the_part_that_says_most_is_kept),
        cmocka_unit_test(usual_words_tell_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
