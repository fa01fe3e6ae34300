/* otlp_shape_test.c - what is taken by a learned spelling is what the walk takes, byte for byte. */
#include <stdio.h>
#include <stdlib.h>

#include "ingest/otlp_shape.h"

#include "bench/random.h"
#include "tests/ingest/decode_pair.h"

static void decode_body(struct decoding *decoding, struct slice body, struct shapes *shapes) {
    struct decode *decode = decoding_begin(decoding);
    decode->shapes = shapes;
    decoding_end(decoding, otlp_json_decode_logs(decode, body));
}

/* The body decoded by the walk alone and with the shapes: the same. Whether it could be read. */
static bool expect_same(struct decoding *pair, struct shapes *shapes, struct slice body) {
    decode_body(&pair[0], body, NULL);
    decode_body(&pair[1], body, shapes);
    return expect_same_envelopes(pair);
}

/* Records as different senders write them; %u is a number that differs. */
static const char *const spellings[] = {
    "{\"timeUnixNano\":\"17999999990000%05u\",\"severityNumber\":9,\"severityText\":\"INFO\","
    "\"body\":{\"stringValue\":\"served %u\"},\"attributes\":[{\"key\":\"thread.id\",\"value\":{"
    "\"intValue\":\"%u\"}},{\"key\":\"code.function\",\"value\":{\"stringValue\":\"f%u\"}}],"
    "\"traceId\":\"5b8efff798038103d269b633813%05x\",\"spanId\":\"eee19b7ec3c%05x\"}",
    "{ \"timeUnixNano\" : 17999999990000%05u ,\n\t\"severityNumber\": %u, \"body\": {"
    "\"stringValue\": \"blanks\"} , \"traceId\": \"\", \"spanId\": \"\", \"flags\": %u }",
    "{\"attributes\":[{\"key\":\"ok\",\"value\":{\"boolValue\":true}},{\"key\":\"job.id\",\"value\""
    ":{\"stringValue\":\"job-%u\"}},{\"key\":\"n\",\"value\":{\"intValue\":-%u}},{\"key\":"
    "\"tenant.id\",\"value\":{\"stringValue\":\"acme\"}}],\"eventName\":\"e%u\"}",
    "{\"severityNumber\":17,\"body\":{\"stringValue\":\"gr\xc3\xbc\xc3\x9f "
    "%u\"},\"droppedAttributes"
    "Count\":0,\"unknown\":[{\"a\":[1,2,{}]}],\"attributes\":[]}",
    "{\"body\":{\"stringValue\":\"with \\\"escape\\\" %u\"},\"attributes\":[{\"key\":\"d\",\"value"
    "\":{\"doubleValue\":1.5}},{\"value\":{\"intValue\":\"3\"},\"key\":\"x\"}]}",
    "{\"attributes\":[{\"key\":\"job.status\",\"value\":{\"stringValue\":\"s%u\"}}]}",
    "{\"timeUnixNano\":null,\"attributes\":[{\"key\":\"e\",\"value\":{}}],\"body\":{\"intValue\":%"
    "u}}",
    "{}",
};
enum { SPELLINGS = sizeof(spellings) / sizeof(spellings[0]) };

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static struct slice write_body(char *out, struct random *random, const uint8_t *order,
                               size_t count) {
    size_t at = (size_t)snprintf(
        out, TEXT_ROOM,
        "{\"resourceLogs\":[{\"resource\":{\"attributes\":[{\"key\":\"service.name\""
        ",\"value\":{\"stringValue\":\"shop\"}}]},\"scopeLogs\":[{\"scope\":{},"
        "\"logRecords\":[");
    for (size_t i = 0; i < count; i++) {
        unsigned n = (unsigned)random_below(random, 90000) + 10000;
        at += (size_t)snprintf(out + at, TEXT_ROOM - at, "%s",
                               i == 0       ? ""
                               : i % 3 == 0 ? " , "
                                            : ",");
        at += (size_t)snprintf(out + at, TEXT_ROOM - at, spellings[order[i]], n, n % 20, n % 7, n,
                               n, n);
    }
    at += (size_t)snprintf(out + at, TEXT_ROOM - at, "]}]}]}");
    assert_true(at < TEXT_ROOM);
    return slice_of(out, at);
}
#pragma GCC diagnostic pop

static void every_spelling_gives_what_the_walk_gives(void **state) {
    static struct shapes shapes;
    static char text[TEXT_ROOM];
    struct decoding pair[2];
    struct random random = {7};
    uint8_t order[40];
    pair_init(pair);
    shapes_init(&shapes);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof(order); i++) {
            order[i] = (uint8_t)random_below(&random, SPELLINGS);
        }
        assert_true(expect_same(pair, &shapes, write_body(text, &random, order, sizeof(order))));
    }
    pair_deinit(pair);
}

static size_t take(struct shapes *shapes, const char *text) {
    struct otlp_record record;
    otlp_record_init(&record, EVENT_KIND_LOG);
    return otlp_shape_take(shapes, slice_of_text(text), &record);
}

static void learn(struct shapes *shapes, const char *text) {
    struct arena arena;
    assert_status(arena_init(&arena, ROOM), OK);
    struct json_walk walk = json_walk_over(slice_of_text(text), &arena);
    otlp_shape_learn(shapes, &walk);
    arena_deinit(&arena);
}

static void a_spelling_seen_once_is_taken_from_then_on(void **state) {
    static struct shapes shapes;
    struct otlp_record record;
    const char *next = "{\"severityNumber\":17,\"body\":{\"stringValue\":\"b\"},\"attributes\":[{"
                       "\"key\":\"job.id\",\"value\":{\"stringValue\":\"j\"}}]},{}";
    shapes_init(&shapes);
    assert_int_equal(take(&shapes, next), 0);
    learn(&shapes, "{\"severityNumber\":9,\"body\":{\"stringValue\":\"a\"},\"attributes\":[{"
                   "\"key\":\"job.id\",\"value\":{\"stringValue\":\"i\"}}]}");
    otlp_record_init(&record, EVENT_KIND_LOG);
    assert_int_equal(otlp_shape_take(&shapes, slice_of_text(next), &record), strlen(next) - 3);
    assert_int_equal(record.envelope.severity, EVENT_SEVERITY_ERROR);
    assert_slice(record.envelope.message, "b");
    assert_int_equal(record.attributes.count, 1);
    assert_slice(otlp_known_value(&record.attributes, OTLP_JOB_ID), "j");
    assert_int_equal(take(&shapes, "{\"severityNumber\":1.5,\"body\":{\"stringValue\":\"b\"}}"), 0);
    assert_int_equal(take(&shapes, "{\"severityNumber\":09,\"body\":{\"stringValue\":\"b\"}}"), 0);
}

static void a_record_cut_anywhere_is_left_to_the_walk(void **state) {
    static struct shapes shapes;
    const char *whole = "{\"timeUnixNano\":\"17\",\"severityNumber\":9,\"body\":{\"stringValue\":"
                        "\"a long enough message, beyond a vector\"},\"flags\":1,\"spanId\":\"\"}";
    shapes_init(&shapes);
    learn(&shapes, whole);
    assert_int_equal(take(&shapes, whole), strlen(whole));
    for (size_t size = 0; size < strlen(whole); size++) {
        struct otlp_record record;
        uint8_t *cut = malloc(size + 1); /* so that the sanitizer sees a byte too many */
        memcpy(cut, whole, size);
        otlp_record_init(&record, EVENT_KIND_LOG);
        assert_int_equal(otlp_shape_take(&shapes, slice_of(cut, size), &record), 0);
        free(cut);
    }
}

/* Bytes are changed, left out, doubled: whatever comes of it, both ways say the same. */
static void damaged_bodies_are_judged_as_the_walk_judges_them(void **state) {
    static struct shapes shapes;
    static char text[TEXT_ROOM];
    static const char bytes[] = "\"\\{}[],:0919 \n\x01\xc3\xff tfe.-";
    struct decoding pair[2];
    struct random random = {11};
    uint32_t good = 0;
    pair_init(pair);
    shapes_init(&shapes);
    for (int round = 0; round < 6000; round++) {
        uint8_t order[4];
        for (size_t i = 0; i < sizeof(order); i++) {
            order[i] = (uint8_t)random_below(&random, round % 2 == 0 ? 2 : SPELLINGS);
        }
        struct slice body = write_body(text, &random, order, sizeof(order));
        size_t changes = random_below(&random, 3);
        for (size_t i = 0; i < changes; i++) {
            text[random_below(&random, body.size)] =
                bytes[random_below(&random, sizeof(bytes) - 1)];
        }
        good += expect_same(pair, &shapes, body);
    }
    assert_in_range(good, 2500, 5900); /* some of either sort */
    pair_deinit(pair);
}

static void ever_new_spellings_stay_within_bounds_and_give_way_to_usual_ones(void **state) {
    static struct shapes shapes;
    char text[128];
    uint32_t taken = 0;
    shapes_init(&shapes);
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof(text), "{\"body\":{\"stringValue\":\"x\"},\"k%u\":\"v\"}", i);
        if (take(&shapes, text) == 0) {
            learn(&shapes, text);
        }
        assert_true(shapes.nodes_count <= SHAPE_NODES_MAX);
        assert_true(shapes.text_bytes <= SHAPE_TEXT_BYTES_MAX);
    }
    for (unsigned i = 0; i < 5000; i++) {
        const char *usual = "{\"body\":{\"stringValue\":\"y\"},\"flags\":1}";
        size_t size = take(&shapes, usual);
        taken += size == strlen(usual);
        if (size == 0) {
            learn(&shapes, usual);
        }
    }
    assert_in_range(taken, 1000, 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_gives_what_the_walk_gives),
        cmocka_unit_test(a_spelling_seen_once_is_taken_from_then_on),
        cmocka_unit_test(a_record_cut_anywhere_is_left_to_the_walk),
        cmocka_unit_test(damaged_bodies_are_judged_as_the_walk_judges_them),
        cmocka_unit_test(ever_new_spellings_stay_within_bounds_and_give_way_to_usual_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
