/* native_shape_test.c - which events are taken by a learned shape, and that they are what the walk
 * takes, byte for byte. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/random.h"
#include "ingest/native.h"
#include "ingest/native_shape.h"
#include "ingest/shape_scan.h"
#include "tests/ingest/decode_pair.h"

static void learn(struct shapes *shapes, const char *text) {
    struct arena arena;
    assert_status(arena_init(&arena, ROOM), OK);
    native_shape_learn(shapes, slice_of_text(text), &arena);
    assert_int_equal(arena.used_bytes, 0);
    arena_deinit(&arena);
}

static size_t take(struct shapes *shapes, const char *text, struct draft *draft) {
    draft_init(draft);
    return native_shape_take(shapes, slice_of_text(text), draft);
}

/* Whether a text like `example` is taken when `example` was learned. */
static bool takes_like(const char *example, const char *text) {
    static struct shapes shapes;
    struct draft draft;
    shapes_init(&shapes);
    learn(&shapes, example);
    size_t size = take(&shapes, text, &draft);
    assert_true(size == 0 || size == strlen(text));
    return size > 0;
}

static void an_event_seen_once_is_taken_from_then_on(void **state) {
    static struct shapes shapes;
    struct draft draft;
    const char *next = "{\"job_id\":\"b\",\"status\":\"failed\",\"message\":\"gr\xc3\xbc\xc3\x9f\","
                       "\"depends_on\":[\"job:x\",7],\"details\":{\"score\":-0.5,\"ok\":false,"
                       "\"none\":null},\"trace_id\":\"5b8efff798038103d269b633813fc60c\"},{}";
    shapes_init(&shapes);
    assert_int_equal(take(&shapes, next, &draft), 0);
    learn(&shapes, "{\"job_id\":\"a\",\"status\":\"ok\",\"message\":\"\","
                   "\"depends_on\":[\"job:y\",12],\"details\":{\"score\":3,\"ok\":true,"
                   "\"none\":null},\"trace_id\":\"\"}");
    assert_int_equal(take(&shapes, next, &draft), strlen(next) - 3);
    assert_slice(draft.job_id, "b");
    assert_int_equal(draft.envelope.status, EVENT_STATUS_FAILED);
    assert_slice(draft.envelope.message, "gr\xc3\xbc\xc3\x9f");
    assert_int_equal(draft.envelope.depends_on_count, 2);
    assert_slice(draft.depends_on[1], "7");
    assert_true(draft.envelope.score == -0.5);
    assert_int_equal(draft.envelope.attributes_count, 2);
    assert_slice(draft.attributes[0].key, "score");
    assert_slice(draft.attributes[1].value, "false");
    assert_int_equal(draft.envelope.trace_id.lo, UINT64_C(0x5b8efff798038103));
    (void)state;
}

/* Of texts of any size a byte that differs is seen, wherever it stands. */
static void bytes_are_compared_to_the_last(void **state) {
    uint8_t a[40];
    uint8_t b[40];
    (void)state;
    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    for (size_t size = 0; size <= sizeof(a); size++) {
        assert_true(scan_begins_with(slice_of(a, sizeof(a)), b, size));
        assert_true(size == 0 || !scan_begins_with(slice_of(a, size - 1), b, size));
        for (size_t at = 0; at < sizeof(a); at++) {
            b[at] = 'y';
            assert_int_equal(scan_begins_with(slice_of(a, sizeof(a)), b, size), at >= size);
            b[at] = 'x';
        }
    }
}

static void what_is_spelled_otherwise_is_not_taken(void **state) {
    (void)state;
    const char *example = "{\"job_id\":\"a\",\"n\":1,\"t\":true}";
    assert_true(takes_like(example, "{\"job_id\":\"b\",\"n\":-2.5,\"t\":false}"));
    assert_false(takes_like(example, "{\"job_id\":\"b\",\"n\":01,\"t\":true}"));
    assert_false(takes_like(example, "{\"job_id\":\"b\",\"n\":1e3,\"t\":true}"));
    assert_false(takes_like(example, "{\"job_id\":\"b\",\"n\":1.,\"t\":true}"));
    assert_false(takes_like(example, "{\"job_id\":\"b\",\"n\":\"1\",\"t\":true}"));
    assert_false(takes_like(example, "{\"job_id\":\"b\",\"n\":1,\"t\":null}"));
    assert_false(takes_like(example, "{\"job_id\":\"b\\n\",\"n\":1,\"t\":true}"));
    assert_false(takes_like(example, "{\"job_id\":\"b\x01\",\"n\":1,\"t\":true}"));
    assert_false(takes_like(example, "{\"job_id\":\"b\xc3\",\"n\":1,\"t\":true}"));
    assert_false(takes_like(example, "{\"job_id\": \"b\",\"n\":1,\"t\":true}"));
    assert_false(takes_like(example, "{\"job_id\":\"b\",\"n\":1,\"t\":true,}"));
}

/* One field may be said twice, and the later word counts: what a null takes back must not be lost.
 */
static void what_cannot_be_learned_is_not(void **state) {
    static const char *const texts[] = {
        "{\"job_id\":\"a\",\"job_id\":\"b\"}",
        "{\"job_id\":\"a\",\"job_id\":null}",
        "{\"job_id\":null,\"job_id\":\"a\"}",
        "{\"occurred_at\":1,\"event_time\":2}",
        "{\"depends_on\":[\"a\"],\"depends_on\":[]}",
        "{\"details\":{\"a\":1},\"details\":{\"b\":1}}",
        "{\"depends_on\":[null]}",
        "{\"depends_on\":\"a\"}",
        "{\"status\":true}",
        "{\"x\":[1]}",
        "{\"details\":{\"x\":{}}}",
        "{\"mess\\u0061ge\":\"an escaped key\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_false(takes_like(texts[i], texts[i]));
    }
    assert_true(takes_like("{\"job_id\":null,\"x\":null,\"details\":{},\"depends_on\":[]}",
                           "{\"job_id\":null,\"x\":null,\"details\":{},\"depends_on\":[]}"));
    assert_true(takes_like("{\"x\":1,\"x\":\"2\"}", "{\"x\":3,\"x\":\"4\"}"));
    assert_true(takes_like("{\"details\":\"words\"}", "{\"details\":\"others\"}"));
    assert_true(takes_like("{ }", "{ }"));
}

/* A number's literal begins a string's: whichever came last, both are found. */
static void a_value_may_be_a_number_now_and_a_string_then(void **state) {
    static struct shapes shapes;
    struct draft draft;
    const char *number = "{\"job_id\":\"a\",\"n\":17}";
    const char *string = "{\"job_id\":\"a\",\"n\":\"17\"}";
    (void)state;
    shapes_init(&shapes);
    learn(&shapes, number);
    learn(&shapes, string);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(take(&shapes, i % 2 == 0 ? number : string, &draft),
                         strlen(i % 2 == 0 ? number : string));
        assert_int_equal(draft.attributes[0].type,
                         i % 2 == 0 ? ATTRIBUTE_DOUBLE : ATTRIBUTE_STRING);
    }
}

static void an_event_cut_anywhere_is_left_to_the_walk(void **state) {
    static struct shapes shapes;
    const char *whole = "{\"job_id\":\"a\",\"status\":\"failed\",\"n\":12.5,\"ok\":true,"
                        "\"message\":\"a long enough message, beyond a vector\",\"x\":\"\"}";
    struct draft draft;
    (void)state;
    shapes_init(&shapes);
    learn(&shapes, whole);
    assert_int_equal(take(&shapes, whole, &draft), strlen(whole));
    for (size_t size = 0; size < strlen(whole); size++) {
        uint8_t *cut = malloc(size + 1); /* so that the sanitizer sees a byte too many */
        memcpy(cut, whole, size);
        draft_init(&draft);
        assert_int_equal(native_shape_take(&shapes, slice_of(cut, size), &draft), 0);
        free(cut);
    }
}

/* More dependencies and attributes than an event can have, and texts that are too long. */
static size_t write_large(char *out, struct random *random) {
    size_t at = (size_t)snprintf(out, TEXT_ROOM, "{\"job_id\":\"j%u\",\"status\":\"failed\"",
                                 (unsigned)random_below(random, 1000));
    size_t dependencies =
        random_below(random, 2) * (DEPENDS_ON_PER_EVENT_MAX - 1) + random_below(random, 4);
    at += (size_t)snprintf(out + at, TEXT_ROOM - at, ",\"depends_on\":[");
    for (size_t i = 0; i < dependencies; i++) {
        at += (size_t)snprintf(out + at, TEXT_ROOM - at, "%s\"job:d%u\"", i == 0 ? "" : ",",
                               (unsigned)random_below(random, 1000));
    }
    at += (size_t)snprintf(out + at, TEXT_ROOM - at, "],\"details\":{\"score\":0.%u",
                           (unsigned)random_below(random, 1000));
    size_t attributes =
        random_below(random, 2) * (ATTRIBUTES_PER_EVENT_MAX - 2) + random_below(random, 4);
    for (size_t i = 0; i < attributes; i++) {
        at += (size_t)snprintf(out + at, TEXT_ROOM - at, ",\"a%zu\":%s", i,
                               random_below(random, 2) == 0 ? "true" : "\"text\"");
    }
    at += (size_t)snprintf(out + at, TEXT_ROOM - at, "},\"long\":\"%0*u\"}",
                           random_below(random, 4) == 0 ? (int)ATTRIBUTE_BYTES_MAX + 1 : 3, 1u);
    assert_true(at < TEXT_ROOM);
    return at;
}

static void decode_body(struct decoding *decoding, struct slice body, struct shapes *shapes) {
    struct decode *decode = decoding_begin(decoding);
    decode->walks_only = shapes == NULL;
    decode->native_shapes = shapes;
    decoding_end(decoding, native_decode(decode, body, false));
}

static void events_beyond_the_bounds_are_cut_and_refused_as_by_the_walk(void **state) {
    static struct shapes shapes;
    static char text[TEXT_ROOM];
    struct decoding pair[2];
    struct random random = {5};
    uint32_t refused = 0;
    (void)state;
    pair_init(pair);
    shapes_init(&shapes);
    for (int round = 0; round < 2000; round++) {
        struct slice body = slice_of(text, write_large(text, &random));
        for (int again = 0; again < 2; again++) {
            decode_body(&pair[0], body, NULL);
            decode_body(&pair[1], body, &shapes);
            assert_true(expect_same_envelopes(pair));
        }
        refused += pair[1].decode.refused;
        if (round % 100 == 0) {
            shapes_init(&shapes); /* else it is full, and pauses */
        }
    }
    assert_in_range(refused, 100, 1900);
    pair_deinit(pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_seen_once_is_taken_from_then_on),
        cmocka_unit_test(bytes_are_compared_to_the_last),
        cmocka_unit_test(what_is_spelled_otherwise_is_not_taken),
        cmocka_unit_test(what_cannot_be_learned_is_not),
        cmocka_unit_test(a_value_may_be_a_number_now_and_a_string_then),
        cmocka_unit_test(an_event_cut_anywhere_is_left_to_the_walk),
        cmocka_unit_test(events_beyond_the_bounds_are_cut_and_refused_as_by_the_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
