/* otlp_identity_test.c - which records of OTLP are one event, sent again, and which are two. */
#include "core/base/text.h"
#include "ingest/otlp_proto.h"
#include "ingest/otlp_shape.h"
#include "tests/ingest/otlp_world.h"

/* The event key of each of two records. */
struct pair {
    struct hash128 keys[2];
};

static struct pair keys_of(struct status (*decoder)(struct decode *, struct slice),
                           const char *body) {
    struct world world;
    struct pair pair;
    assert_int_equal(decode_with(decoder, &world, slice_of_text(body)), STATUS_OK);
    assert_int_equal(world.decode.accepted, 2);
    for (uint32_t i = 0; i < 2; i++) {
        pair.keys[i] = envelope_at(&world, i).event_key;
    }
    arena_deinit(&world.arena);
    return pair;
}

static bool is_one_event(struct pair pair) {
    return hash128_equals(pair.keys[0], pair.keys[1]);
}

#define SPANS(a, b) "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[" a "," b "]}]}]}"
#define SPAN(id, attributes)                                                                       \
    "{\"traceId\":\"5B8EFFF798038103D269B633813FC60C\",\"spanId\":\"" id "\",\"name\":\"run\","    \
    "\"endTimeUnixNano\":\"1799999999000000000\",\"attributes\":[" attributes "]}"
#define TEXT(key, value) "{\"key\":\"" key "\",\"value\":{\"stringValue\":\"" value "\"}}"
#define A "EEE19B7EC3C1B174"
#define B "EEE19B7EC3C1B175"

/* A collector on the way may have added to one of them. */
static void a_span_that_tells_how_a_job_went_is_known_by_its_ids(void **state) {
    static const char *const one[] = {
        SPANS(SPAN(A, TEXT("n", "1")), SPAN(A, TEXT("n", "2"))),
        SPANS(SPAN(A, TEXT("job.status", "failed")),
              SPAN(A, TEXT("job.status", "failed") "," TEXT("n", "2"))),
        SPANS(SPAN(A, TEXT("check.status", "ok")), SPAN(A, TEXT("check.status", "degraded"))),
    };
    (void)state;
    for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++) {
        assert_true(is_one_event(keys_of(otlp_json_decode_traces, one[i])));
    }
    assert_false(
        is_one_event(keys_of(otlp_json_decode_traces, SPANS(SPAN(A, TEXT("job.status", "ok")),
                                                            SPAN(B, TEXT("job.status", "ok"))))));
}

/* The second record is taken by the shape of the first, where it is one that can be learned. */
static struct status decode_logs(struct decode *decode, struct slice body) {
    static struct shapes shapes;
    shapes_init(&shapes);
    decode->shapes = &shapes;
    return otlp_json_decode_logs(decode, body);
}

/* Two records that differ in `ends`, behind more than an envelope holds of one text. */
static struct pair keys_of_long(const char *before, const char *behind, const char *ends) {
    static char body[4 * ATTRIBUTE_BYTES_MAX];
    struct text text = text_over(body, sizeof(body));
    text_add_text(&text, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[");
    for (int i = 0; i < 2; i++) {
        text_add_format(&text, "%s{%s", i == 0 ? "" : ",", before);
        for (uint32_t size = 0; size < ATTRIBUTE_BYTES_MAX; size++) {
            text_add_char(&text, 'x');
        }
        text_add_format(&text, "%c%s}", ends[i], behind);
    }
    text_add_text(&text, "]}]}]}");
    assert_false(text.truncated);
    return keys_of(decode_logs, body);
}

static struct pair keys_of_many(uint32_t count, const char *ends) {
    static char body[4 * ATTRIBUTE_BYTES_MAX];
    struct text text = text_over(body, sizeof(body));
    text_add_text(&text, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[");
    for (int i = 0; i < 2; i++) {
        text_add_format(&text, "%s{\"attributes\":[", i == 0 ? "" : ",");
        for (uint32_t at = 0; at < count; at++) {
            text_add_format(&text, "%s{\"key\":\"k%u\",\"value\":{\"stringValue\":\"%c\"}}",
                            at == 0 ? "" : ",", at, at + 1 < count ? 'x' : ends[i]);
        }
        text_add_text(&text, "]}");
    }
    text_add_text(&text, "]}]}]}");
    assert_false(text.truncated);
    return keys_of(decode_logs, body);
}

#define LIST "{\"arrayValue\":{\"values\":[{\"stringValue\":\""
#define LIST_END "\"}]}}"
#define MAP "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"stringValue\":\""
#define MAP_END "\"}}]}}"
#define LIST_IN_LIST "{\"arrayValue\":{\"values\":[" LIST
#define LIST_IN_LIST_END LIST_END "]}}"

static void what_does_not_fit_still_tells_records_apart(void **state) {
    static const char *const places[][2] = {
        {"\"body\":{\"stringValue\":\"", "\"}"},
        {"\"attributes\":[{\"key\":\"n\",\"value\":{\"stringValue\":\"", "\"}}]"},
        {"\"body\":" LIST, LIST_END},
        {"\"body\":" MAP, MAP_END},
        {"\"body\":" LIST_IN_LIST, LIST_IN_LIST_END},
        {"\"attributes\":[{\"key\":\"n\",\"value\":" LIST, LIST_END "}]"},
        {"\"attributes\":[{\"key\":\"n\",\"value\":" MAP, MAP_END "}]"},
        {"\"attributes\":[{\"key\":\"n\",\"value\":" LIST_IN_LIST, LIST_IN_LIST_END "}]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        assert_false(is_one_event(keys_of_long(places[i][0], places[i][1], "ab")));
        assert_true(is_one_event(keys_of_long(places[i][0], places[i][1], "aa")));
    }
    assert_false(is_one_event(keys_of_many(ATTRIBUTES_PER_EVENT_MAX + 2, "ab")));
    assert_true(is_one_event(keys_of_many(ATTRIBUTES_PER_EVENT_MAX + 2, "aa")));
}

enum { WRAP_BYTES = 4, NESTED_MAX = 8 };

/* Makes `size` bytes a field of that number; the size then. */
static size_t wrap(uint8_t *bytes, size_t size, uint32_t number) {
    memmove(bytes + WRAP_BYTES, bytes, size);
    bytes[0] = (uint8_t)(number << 3 | 2);
    bytes[1] = (uint8_t)(size | 0x80);
    bytes[2] = (uint8_t)(size >> 7 | 0x80);
    bytes[3] = (uint8_t)(size >> 14);
    return size + WRAP_BYTES;
}

/* A log record whose innermost string of 16 KiB and one more ends in `end`; `fields` are the
 * numbers around it from the inside, up to a 0. */
static size_t add_nested(uint8_t *bytes, const uint32_t *fields, char end) {
    size_t size = ATTRIBUTE_BYTES_MAX + 1;
    memset(bytes, 'x', size - 1);
    bytes[size - 1] = (uint8_t)end;
    for (; *fields != 0; fields++) {
        size = wrap(bytes, size, *fields);
    }
    return wrap(bytes, size, 2); /* ScopeLogs.log_records */
}

static struct pair keys_of_nested(const uint32_t *fields, const char *ends) {
    static uint8_t body[4 * ATTRIBUTE_BYTES_MAX];
    struct world world;
    struct pair pair;
    size_t size = add_nested(body, fields, ends[0]);
    size += add_nested(body + size, fields, ends[1]);
    size = wrap(body, wrap(body, size, 2), 1); /* ResourceLogs.scope_logs, resource_logs */
    assert_int_equal(decode_with(otlp_proto_decode_logs, &world, slice_of(body, size)), STATUS_OK);
    assert_int_equal(world.decode.accepted, 2);
    for (uint32_t i = 0; i < 2; i++) {
        struct envelope envelope = envelope_at(&world, i);
        pair.keys[i] = envelope.event_key;
        assert_true((envelope.flags & ENVELOPE_MESSAGE_CUT) != 0);
    }
    arena_deinit(&world.arena);
    return pair;
}

static void what_does_not_fit_of_protobuf_still_tells_records_apart(void **state) {
    enum { ANY_STRING = 1, ANY_LIST = 5, ANY_MAP = 6, VALUES = 1, VALUE = 2 };
    enum { BODY = 5, ATTRIBUTES = 6 };
    static const uint32_t places[][NESTED_MAX] = {
        {ANY_STRING, BODY},
        {ANY_STRING, VALUE, ATTRIBUTES},
        {ANY_STRING, VALUES, ANY_LIST, BODY},
        {ANY_STRING, VALUE, VALUES, ANY_MAP, BODY},
        {ANY_STRING, VALUES, ANY_LIST, VALUE, ATTRIBUTES},
        {ANY_STRING, VALUE, VALUES, ANY_MAP, VALUE, ATTRIBUTES},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        assert_false(is_one_event(keys_of_nested(places[i], "ab")));
        assert_true(is_one_event(keys_of_nested(places[i], "aa")));
    }
}

#define LOGS(resource, scope, a, b)                                                                \
    "{\"resourceLogs\":[{\"resource\":{\"attributes\":[" resource "]},\"scopeLogs\":[{\"scope\":{" \
    "\"attributes\":[" scope "]},\"logRecords\":[" a "," b "]}]}]}"
#define LOG(words, attributes)                                                                     \
    "{\"severityNumber\":17,\"body\":{\"stringValue\":\"" words "\"},\"attributes\":[" attributes  \
    "]}"

/* As an enricher at a node or an SDK's resource detector may set it. */
static void an_event_id_of_a_resource_or_scope_is_no_records_own(void **state) {
    static const char *const two[] = {
        LOGS(TEXT("event.id", "e"), "", LOG("a", ""), LOG("b", "")),
        LOGS("", TEXT("event.id", "e"), LOG("a", ""), LOG("b", "")),
        LOGS(TEXT("event.id", "e"), TEXT("n", "1"), LOG("a", TEXT("n", "2")), LOG("b", "")),
    };
    struct world world;
    (void)state;
    for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++) {
        assert_false(is_one_event(keys_of(otlp_json_decode_logs, two[i])));
    }
    assert_true(is_one_event(keys_of(
        otlp_json_decode_logs, LOGS(TEXT("event.id", "e"), "", LOG("a", TEXT("event.id", "f")),
                                    LOG("b", TEXT("event.id", "f"))))));
    assert_int_equal(decode_with(otlp_json_decode_logs, &world, slice_of_text(two[0])), STATUS_OK);
    assert_int_equal(envelope_at(&world, 0).event_id.size, 0);
    assert_string_equal(attributes_of(&world, 0), "event.id=e s\n"); /* it is kept as it was sent */
    arena_deinit(&world.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_that_tells_how_a_job_went_is_known_by_its_ids),
        cmocka_unit_test(an_event_id_of_a_resource_or_scope_is_no_records_own),
        cmocka_unit_test(what_does_not_fit_still_tells_records_apart),
        cmocka_unit_test(what_does_not_fit_of_protobuf_still_tells_records_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
