/* native_usual_test.c - an event in its usual spelling, or of a learned shape, is what the walk
 * takes, byte for byte. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/random.h"
#include "ingest/native_shape.h"
#include "ingest/native_usual.h"
#include "tests/ingest/decode_pair.h"

static void decode_body(struct decoding *decoding, struct slice body, bool is_lines,
                        bool walks_only, struct shapes *shapes) {
    struct decode *decode = decoding_begin(decoding);
    decode->walks_only = walks_only;
    decode->native_shapes = shapes;
    decoding_end(decoding, native_decode(decode, body, is_lines));
}

/* The body decoded by the walk alone, as usual, and by the shapes of all bodies before and of its
 * own: the same envelopes, counts and words. Whether it could be read. */
static bool expect_same(struct decoding *pair, struct slice body, bool is_lines) {
    static struct shapes shapes;
    struct shapes *const ways[] = {NULL, &shapes, &shapes};
    bool is_good = false;
    if (shapes.nodes_count == 0) {
        shapes_init(&shapes);
    }
    decode_body(&pair[0], body, is_lines, true, NULL);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        decode_body(&pair[1], body, is_lines, false, ways[i]);
        if (body.size > 0 && body.data[0] != '[') { /* of two errors in an array either is told */
            assert_string_equal(pair[0].decode.fault.words, pair[1].decode.fault.words);
        }
        is_good = expect_same_envelopes(pair);
    }
    return is_good;
}

static const char *const events[] = {
    "{\"tenant_id\":\"acme\",\"job_id\":\"load\",\"status\":\"failed\",\"event_id\":\"e1\","
    "\"run_id\":\"r\",\"occurred_at\":\"2026-11-20T03:00:00Z\",\"message\":\"timeout\"}",
    "{\"job_id\": \"a\", \"status\": \"succeeded\", \"severity\": \"critical\", \"attempt\": 3}",
    "{ \"entity\" :\t\"service:x\"\r\n,\"status\":\"failed\" , \"details\" : { \"rows\" : 12 , "
    "\"score\": -0.25, \"ok\":true,\"no\":false,\"none\":null, \"text\":\"t\" } }",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"depends_on\":[\"job:b\", \"job:c\"]}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"depends_on\":[],\"details\":{}}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"depends_on\":null,\"details\":null,\"run_id\":null}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"depends_on\":[\"job:b\", 7, null]}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"depends_on\":\"job:b\"}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"details\":\"words\"}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"details\":7,\"error_type\":\"Timeout\"}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"details\":[1]}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"details\":{\"deep\":{\"er\":[1]}}}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"message\":\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac\"}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"message\":\"not \xc3\x28 UTF-8\"}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"message\":\"esc\\u0061ped \\\"words\\\"\"}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"mess\\u0061ge\":\"an escaped key\"}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"occurred_at\":1732150000}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"event_time\":1732150000123456789}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"occurred_at\":1.7321e9}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"occurred_at\":\"yesterday\"}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"trace_id\":\"5b8efff798038103d269b633813fc60c\","
    "\"span_id\":\"eee19b7ec3c1b174\",\"parent_span_id\":\"none\"}",
    "{\"job_id\":\"a\",\"status\":\"exploded\"}",
    "{\"job_id\":\"a\",\"status\":true}",
    "{\"job_id\":12,\"status\":\"failed\",\"severity\":\"loud\"}",
    "{\"job_id\":\"a\",\"job_id\":\"b\",\"status\":\"failed\",\"status\":\"succeeded\"}",
    "{\"status\":\"failed\"}",
    "{\"job_id\":\"a\"}",
    "{}",
    "{\"job_id\":\"a\",\"status\":\"failed\",}",
    "{\"job_id\":\"a\" \"status\":\"failed\"}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"n\":01}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"n\":-}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"n\":1.}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"n\":nulll}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"depends_on\":[\"b\",]}",
    "{\"job_id\":\"a\",\"status\":\"failed\",\"message\":\"a\x01control\"}",
    "[\"no\",\"object\"]",
    "7",
};
enum { EVENTS = sizeof(events) / sizeof(events[0]) };

static void every_event_is_what_the_walk_makes_of_it(void **state) {
    struct decoding pair[2];
    uint32_t good = 0;
    (void)state;
    pair_init(pair);
    for (size_t i = 0; i < EVENTS; i++) {
        good += expect_same(pair, slice_of_text(events[i]), false);
        (void)expect_same(pair, slice_of_text(events[i]), true);
    }
    assert_in_range(good, 20, EVENTS - 5);
    pair_deinit(pair);
}

/* Else all of this would compare the walk with itself. */
static void the_usual_spelling_is_taken_without_the_walk(void **state) {
    struct decoding pair[2];
    struct draft draft;
    (void)state;
    pair_init(pair);
    for (size_t i = 0; i < 6; i++) {
        draft_init(&draft);
        struct slice text = slice_of_text(events[i]);
        assert_int_equal(native_usual_take(text, &draft), text.size);
        decode_body(&pair[0], text, false, false, NULL);
        assert_int_equal(pair[0].decode.accepted, 1);
    }
    struct status unused;
    assert_false(native_decode_usual(&pair[0].decode, SLICE("{\"job_id\":\"a\\n\"}"), &unused));
    assert_false(native_decode_usual(&pair[0].decode, SLICE("{\"job_id\":\"a\"} x"), &unused));
    pair_deinit(pair);
}

static void what_is_blank_behind_an_event_is_no_line(void **state) {
    static const char *const ends[] = {"", "\n", "\r\n", "\n\r\t\t", "\n \r\n\r \n", "\r\r\n\r"};
    struct decoding pair[2];
    (void)state;
    pair_init(pair);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char text[64];
        for (int is_lines = 0; is_lines < 2; is_lines++) {
            (void)snprintf(text, sizeof(text), "{\"job_id\":\"a\",\"status\":\"failed\"}%s",
                           ends[i]);
            assert_true(expect_same(pair, slice_of_text(text), is_lines != 0));
            assert_int_equal(pair[1].decode.accepted, 1);
            assert_int_equal(pair[1].decode.refused, 0);
            (void)snprintf(text, sizeof(text), "{}%s", ends[i]);
            assert_true(expect_same(pair, slice_of_text(text), is_lines != 0));
            assert_int_equal(pair[1].decode.refused, 1);
        }
    }
    pair_deinit(pair);
}

static void an_event_cut_anywhere_is_judged_as_the_walk_judges_it(void **state) {
    struct decoding pair[2];
    (void)state;
    pair_init(pair);
    for (size_t i = 0; i < EVENTS; i++) {
        for (size_t size = 0; size < strlen(events[i]); size++) {
            /* Of its own, so that a sanitizer sees a byte read behind it. */
            uint8_t *copy = malloc(size + 1);
            assert_non_null(copy);
            memcpy(copy + 1, events[i], size);
            (void)expect_same(pair, slice_of(copy + 1, size), false);
            free(copy);
        }
    }
    pair_deinit(pair);
}

/* Lines, or an array, of some events; a few bytes of them changed. */
static struct slice write_body(char *out, struct random *random, bool is_array) {
    static const char bytes[] = "\"\\{}[],:0919 \n\r\x01\xc3\xff tfe.-n";
    size_t size = 0;
    size_t count = random_below(random, 6);
    out[size++] = is_array ? '[' : ' ';
    for (size_t i = 0; i < count; i++) {
        const char *event = events[random_below(random, random_below(random, 2) == 0 ? 6 : EVENTS)];
        size += (size_t)snprintf(out + size, TEXT_ROOM - size, "%s%s", i == 0 ? "" : ",", event);
        if (!is_array && i > 0) {
            out[size - strlen(event) - 1] = '\n';
        }
    }
    out[size++] = is_array ? ']' : '\n';
    for (size_t i = random_below(random, 4); i-- > 1;) {
        out[random_below(random, size)] = bytes[random_below(random, sizeof(bytes) - 1)];
    }
    return slice_of(out, size);
}

static void bodies_of_many_events_good_and_damaged_give_the_same(void **state) {
    static char text[TEXT_ROOM];
    struct decoding pair[2];
    struct random random = {3};
    uint32_t good = 0;
    (void)state;
    pair_init(pair);
    for (unsigned round = 0; round < 20000; round++) {
        struct slice body = write_body(text, &random, round % 2 == 0);
        good += expect_same(pair, body, round % 3 == 0);
    }
    assert_in_range(good, 4000, 19000); /* some of either sort */
    pair_deinit(pair);
}

/* 1763600000250 ms are not 249: no digit is lost on the way to nanoseconds. */
static void epoch_times_are_exact_at_every_magnitude(void **state) {
    static const struct {
        const char *text;
        uint64_t time_ns;
    } cases[] = {
        {"1763600000", UINT64_C(1763600000000000000)},
        {"1763600000.25", UINT64_C(1763600000250000000)},
        {"1763600000.123456789", UINT64_C(1763600000123456789)},
        {"1763600000.1234567891", UINT64_C(1763600000123456789)},
        {"1763600000250", UINT64_C(1763600000250000000)},
        {"1763600000250.5", UINT64_C(1763600000250500000)},
        {"1763600000250125", UINT64_C(1763600000250125000)},
        {"1763600000250125125", UINT64_C(1763600000250125125)},
        {"1763600000250125125.9", UINT64_C(1763600000250125125)},
        {"1.7636e9", UINT64_C(1763600000000000000)},
        {"99999999999", 0}, /* seconds beyond what a clock holds */
        {"0", 0},
        {"0.5", 500000000},
    };
    static struct draft draft;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        draft_init(&draft);
        draft_set_time(&draft, slice_of_text(cases[i].text));
        assert_false(draft.is_refused);
        assert_int_equal(draft.envelope.event_time_ns, cases[i].time_ns);
    }
    static const char *const none[] = {"-1", "1.x", "1 2", "1763600000..5", "nan"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        draft_init(&draft);
        draft_set_time(&draft, slice_of_text(none[i]));
        assert_true(draft.is_refused);
    }
}

static size_t read_file(const char *folder, const char *name, char *data, size_t capacity) {
    char path[1400];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t size = fread(data, 1, capacity, file);
    fclose(file);
    return size < capacity ? size : 0;
}

/* Each text as a body, and as a value of an attribute, of details and of depends_on. */
static void every_case_of_the_public_suite_gives_the_same(void **state) {
    static const char *const frames[] = {
        "%.*s",
        "{\"job_id\":\"a\",\"status\":\"failed\",\"x\":%.*s}",
        "{\"job_id\":\"a\",\"status\":\"failed\",\"details\":{\"x\":%.*s}}",
        "{\"job_id\":\"a\",\"status\":\"failed\",\"depends_on\":%.*s}",
        "[{\"job_id\":\"a\",\"status\":\"failed\"},%.*s]",
    };
    static char data[TEXT_ROOM];
    static char text[2 * TEXT_ROOM];
    struct decoding pair[2];
    char folder[1024];
    unsigned count = 0;
    snprintf(folder, sizeof(folder), "%s/json/test_parsing", (const char *)*state);
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        print_message("missing: %s\n", folder);
        assert_null(getenv("CI"));
        skip();
    }
    pair_init(pair);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        size_t size = entry->d_name[0] == '.' ? 0 : read_file(folder, entry->d_name, data, 4096);
        for (size_t i = 0; size > 0 && i < sizeof(frames) / sizeof(frames[0]); i++) {
            size_t before = strcspn(frames[i], "%");
            size_t behind = strlen(frames[i]) - before - 4;
            memcpy(text, frames[i], before);
            memcpy(text + before, data, size);
            memcpy(text + before + size, frames[i] + before + 4, behind);
            struct slice body = slice_of(text, before + size + behind);
            (void)expect_same(pair, body, false);
            (void)expect_same(pair, body, true);
        }
        count += size > 0;
    }
    closedir(directory);
    assert_true(count > 200);
    pair_deinit(pair);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_is_what_the_walk_makes_of_it),
        cmocka_unit_test(the_usual_spelling_is_taken_without_the_walk),
        cmocka_unit_test(epoch_times_are_exact_at_every_magnitude),
        cmocka_unit_test(what_is_blank_behind_an_event_is_no_line),
        cmocka_unit_test(an_event_cut_anywhere_is_judged_as_the_walk_judges_it),
        cmocka_unit_test(bodies_of_many_events_good_and_damaged_give_the_same),
        cmocka_unit_test_prestate(every_case_of_the_public_suite_gives_the_same,
                                  argc > 1 ? argv[1] : "../shared/data"),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
