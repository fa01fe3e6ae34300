/* otlp_values_test.c - values of OTLP/JSON become what protobuf would have made of them. */
#include <stdio.h>

#include "ingest/otlp_proto.h"
#include "tests/ingest/otlp_world.h"

static enum status_code decode_text(struct world *world, const char *text) {
    return decode_with(otlp_json_decode_logs, world, slice_of_text(text));
}

static enum status_code decode_value(struct world *world, const char *value) {
    char body[512];
    (void)snprintf(body, sizeof(body),
                   "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"attributes\":["
                   "{\"key\":\"n\",\"value\":%s}]}]}]}]}",
                   value);
    return decode_text(world, body);
}

static void a_number_is_one_in_every_spelling(void **state) {
    static const char *const good[][2] = {
        {"{\"intValue\":17}", "n=17 i\n"},
        {"{\"intValue\":\"17\"}", "n=17 i\n"},
        {"{\"intValue\":17.0}", "n=17 i\n"},
        {"{\"intValue\":\"1.7e1\"}", "n=17 i\n"},
        {"{\"intValue\":\"0017\"}", "n=17 i\n"},
        {"{\"intValue\":\"-0\"}", "n=0 i\n"},
        {"{\"intValue\":\"-9223372036854775808\"}", "n=-9223372036854775808 i\n"},
        {"{\"doubleValue\":\"1.50\"}", "n=1.5 d\n"},
        {"{\"doubleValue\":\"-Infinity\"}", "n=-Infinity d\n"},
        {"{\"arrayValue\":{\"values\":[{\"intValue\":\"1e1\"},{\"doubleValue\":\"NaN\"}]}}",
         "n=[10,\"NaN\"] j\n"},
        {"{\"kvlistValue\":{\"values\":[{\"value\":{\"intValue\":1},\"key\":\"a\"},"
         "{\"key\":\"b\",\"value\":{\"intValue\":2},\"x\":[]},{\"key\":\"c\"},{}]}}",
         "n={\"a\":1,\"b\":2,\"c\":null,\"\":null} j\n"},
    };
    static const char *const bad[] = {
        "{\"intValue\":17.5}",
        "{\"intValue\":\"\"}",
        "{\"intValue\":\"abc\"}",
        "{\"intValue\":\"9223372036854775808\"}",
        "{\"doubleValue\":\"0x1p3\"}",
        "{\"doubleValue\":\"inf\"}",
        "{\"doubleValue\":\"1.5 \"}",
        "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"intValue\":\"abc\"}}]}}",
        "{\"kvlistValue\":{\"values\":[{\"key\":\"k\",\"value\":{\"stringValue\":1}}]}}",
        "{\"kvlistValue\":{\"values\":[{\"value\":{\"stringValue\":1},\"key\":\"k\"}]}}",
        "{\"arrayValue\":{\"values\":[{\"intValue\":\"1],\\\"evil\\\":[2\"}]}}",
    };
    struct world world;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(decode_value(&world, good[i][0]), STATUS_OK);
        assert_string_equal(attributes_of(&world, 0), good[i][1]);
        arena_deinit(&world.arena);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(decode_value(&world, bad[i]), STATUS_INVALID);
        arena_deinit(&world.arena);
    }
}

/* "Either standard or URL-safe base64 encoding with/without paddings are accepted." */
static void bytes_are_one_value_in_every_spelling_of_base64(void **state) {
    static const char *const spelled[][2] = {
        {"+/8=", "+/8="},
        {"-_8=", "+/8="},
        {"-_8", "+/8="},
        {"_w==", "/w=="},
        {"AA", "AA=="},
        {"AAEC", "AAEC"},
        {"AAECAw", "AAECAw=="},
        {"", ""},
        {"A", "A"},
        {"A===", "A==="},
        {"AA=A", "AA=A"},
        {"=", "="},
        {"no base64!", "no base64!"}, /* is kept as it came: no batch is lost for it */
    };
    struct world world;
    char value[64];
    char wanted[64];
    (void)state;
    for (size_t i = 0; i < sizeof(spelled) / sizeof(spelled[0]); i++) {
        (void)snprintf(value, sizeof(value), "{\"bytesValue\":\"%s\"}", spelled[i][0]);
        (void)snprintf(wanted, sizeof(wanted), "n=%s B\n", spelled[i][1]);
        assert_int_equal(decode_value(&world, value), STATUS_OK);
        assert_string_equal(attributes_of(&world, 0), wanted);
        arena_deinit(&world.arena);
    }
}

/* proto3: "unrecognized enum values" are kept, not refused, and an enum is an int32. */
static void an_enum_is_any_number(void **state) {
    static const struct {
        struct status (*decode)(struct decode *, struct slice);
        const char *body;
    } good[] = {
        {otlp_json_decode_logs, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":["
                                "{\"severityNumber\":-1,\"droppedAttributesCount\":0}]}]}]}"},
        {otlp_json_decode_traces, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":["
                                  "{\"kind\":-1,\"status\":{\"code\":\"-2147483648\"}}]}]}]}"},
        {otlp_json_decode_metrics, "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":["
                                   "{\"name\":\"m\",\"sum\":{\"aggregationTemporality\":-1,"
                                   "\"dataPoints\":[{}]}}]}]}]}"},
    };
    struct world world;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(decode_with(good[i].decode, &world, slice_of_text(good[i].body)),
                         STATUS_OK);
        assert_int_equal(world.decode.accepted, 1);
        arena_deinit(&world.arena);
    }
    assert_int_equal(decode_text(&world, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":["
                                         "{\"severityNumber\":\"SEVERITY_NUMBER_ERROR\"}]}]}]}"),
                     STATUS_INVALID);
    arena_deinit(&world.arena);
}

/* Beyond those that have a name, too; one below zero is none. */
static void every_severity_from_seventeen_on_is_a_failure(void **state) {
    static const struct {
        const char *number;
        enum event_status status;
        enum event_severity severity;
    } told[] = {
        {"16", EVENT_STATUS_NONE, EVENT_SEVERITY_WARNING},
        {"17", EVENT_STATUS_FAILED, EVENT_SEVERITY_ERROR},
        {"24", EVENT_STATUS_FAILED, EVENT_SEVERITY_CRITICAL},
        {"25", EVENT_STATUS_FAILED, EVENT_SEVERITY_CRITICAL},
        {"2147483647", EVENT_STATUS_FAILED, EVENT_SEVERITY_CRITICAL},
        {"-1", EVENT_STATUS_NONE, EVENT_SEVERITY_NONE},
        {"-2147483648", EVENT_STATUS_NONE, EVENT_SEVERITY_NONE},
    };
    struct world world;
    char body[128];
    for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
        (void)snprintf(
            body, sizeof(body),
            "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"severityNumber\":%s}]}]}]}",
            told[i].number);
        assert_int_equal(decode_text(&world, body), STATUS_OK);
        struct envelope envelope = envelope_at(&world, 0);
        assert_int_equal(envelope.status, told[i].status);
        assert_int_equal(envelope.severity, told[i].severity);
        arena_deinit(&world.arena);
    }
}

static void a_list_too_long_to_be_whole_is_text(void **state) {
    static char value[ATTRIBUTE_BYTES_MAX + 256];
    static char body[sizeof(value) + 256];
    struct world world;
    struct attribute_cursor cursor;
    struct attribute attribute;
    memset(value, 'x', sizeof(value) - 1);
    (void)snprintf(
        body, sizeof(body),
        "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"attributes\":[{\"key\":\"n\","
        "\"value\":{\"arrayValue\":{\"values\":[{\"stringValue\":\"%s\"}]}}}]}]}]}]}",
        value);
    assert_int_equal(decode_text(&world, body), STATUS_OK);
    (void)envelope_at(&world, 0);
    cursor = envelope_attributes(world.entry);
    assert_true(attribute_cursor_next(&cursor, &attribute));
    assert_int_equal(attribute.type, ATTRIBUTE_STRING);
    arena_deinit(&world.arena);
}

/* A log record with so many attributes, of six bytes each. */
static enum status_code decode_many(struct world *world, struct slice attribute, uint32_t count) {
    enum { ONE_BYTES = 6, AROUND_BYTES = 4, COUNT_MAX = 20000 };
    static const uint8_t fields[] = {0x0A, 0x12, 0x12}; /* resource_logs, scope_logs, log_records */
    static uint8_t bytes[COUNT_MAX * ONE_BYTES + 64];
    struct writer writer = writer_over(bytes, sizeof(bytes));
    assert_int_equal(attribute.size, ONE_BYTES);
    for (size_t i = 0; i < sizeof(fields); i++) {
        size_t left = count * ONE_BYTES + AROUND_BYTES * (sizeof(fields) - 1 - i);
        writer_u8(&writer, fields[i]);
        writer_u8(&writer, (uint8_t)(left | 0x80));
        writer_u8(&writer, (uint8_t)(left >> 7 | 0x80));
        writer_u8(&writer, (uint8_t)(left >> 14));
    }
    for (uint32_t i = 0; i < count; i++) {
        writer_bytes(&writer, attribute);
    }
    assert_false(writer.failed);
    return decode_with(otlp_proto_decode_logs, world, writer_slice(&writer));
}

/* Room for the longest value for each would be more than there is: who sends it was told to try
 * again, for ever. */
static void many_values_take_the_room_that_they_fill(void **state) {
    enum { LISTS = 200, NUMBERS = 20000 };
    static char body[LISTS * 64 + 256];
    struct text text = text_over(body, sizeof(body));
    struct world world;
    (void)state;
    text_add_text(&text, "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"attributes\":[");
    for (uint32_t i = 0; i < LISTS; i++) {
        text_add_format(&text, "%s{\"key\":\"n\",\"value\":{\"arrayValue\":{}}}",
                        i == 0 ? "" : ",");
    }
    text_add_text(&text, "]}]}]}]}");
    assert_int_equal(decode_text(&world, body), STATUS_OK);
    assert_int_equal(world.decode.accepted, 1);
    arena_deinit(&world.arena);
    assert_int_equal(decode_many(&world, SLICE("\x32\x04\x12\x02\x2a\x00"), LISTS), STATUS_OK);
    assert_int_equal(world.decode.accepted, 1);
    arena_deinit(&world.arena);
    assert_int_equal(decode_many(&world, SLICE("\x32\x04\x12\x02\x18\x07"), NUMBERS), STATUS_OK);
    assert_int_equal(world.decode.accepted, 1);
    arena_deinit(&world.arena);
}

/* The status of a span or a log record with the result of a pipeline, and its kind. */
static struct envelope envelope_of_result(const char *list, const char *more, const char *result) {
    char body[768];
    struct world world;
    bool is_span = strcmp(list, "spans") == 0;
    (void)snprintf(
        body, sizeof(body),
        "{\"resource%s\":[{\"resource\":{\"attributes\":[{\"key\":\"cicd.pipeline.name\","
        "\"value\":{\"stringValue\":\"deploy\"}},{\"key\":\"cicd.pipeline.run.id\",\"value\":"
        "{\"stringValue\":\"r-7\"}}]},\"scope%s\":[{\"%s\":[{\"traceId\":\"%032d\",\"spanId\":\"%"
        "016d\","
        "\"status\":{\"code\":2},\"severityNumber\":9,\"attributes\":[%s{\"key\":"
        "\"cicd.pipeline.result\",\"value\":{\"stringValue\":\"%s\"}}]}]}]}]}",
        is_span ? "Spans" : "Logs", is_span ? "Spans" : "Logs", list, 7, 7, more, result);
    assert_int_equal(decode_with(is_span ? otlp_json_decode_traces : otlp_json_decode_logs, &world,
                                 slice_of_text(body)),
                     STATUS_OK);
    struct envelope envelope = envelope_at(&world, 0);
    assert_int_equal(envelope.flags & ENVELOPE_REFUSED, 0);
    assert_slice(envelope.run_id, "r-7");
    arena_deinit(&world.arena);
    return envelope;
}

static void the_result_of_a_pipeline_is_how_its_job_went(void **state) {
    static const struct {
        const char *word;
        enum event_status status;
    } cases[] = {
        {"success", EVENT_STATUS_SUCCEEDED},    {"failure", EVENT_STATUS_FAILED},
        {"error", EVENT_STATUS_FAILED},         {"timeout", EVENT_STATUS_FAILED},
        {"cancellation", EVENT_STATUS_ABORTED}, {"skip", EVENT_STATUS_SKIPPED},
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        const char *list = i % 2 == 0 ? "spans" : "logRecords";
        struct envelope envelope = envelope_of_result(list, "", cases[i / 2].word);
        assert_int_equal(envelope.status, cases[i / 2].status);
        assert_int_equal(envelope.kind, EVENT_KIND_JOB);
    }
}

static void what_else_is_said_goes_before_the_result_of_a_pipeline(void **state) {
    (void)state;
    struct envelope unknown = envelope_of_result("spans", "", "meh");
    assert_int_equal(unknown.status, EVENT_STATUS_FAILED); /* by the span's own */
    assert_int_equal(unknown.kind, EVENT_KIND_SPAN);
    struct envelope of_task = envelope_of_result(
        "logRecords", "{\"key\":\"job.id\",\"value\":{\"stringValue\":\"build\"}},", "success");
    assert_int_equal(of_task.status, EVENT_STATUS_NONE);
    struct envelope said = envelope_of_result(
        "spans", "{\"key\":\"job.status\",\"value\":{\"stringValue\":\"late\"}},", "success");
    assert_int_equal(said.status, EVENT_STATUS_LATE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_one_in_every_spelling),
        cmocka_unit_test(bytes_are_one_value_in_every_spelling_of_base64),
        cmocka_unit_test(an_enum_is_any_number),
        cmocka_unit_test(every_severity_from_seventeen_on_is_a_failure),
        cmocka_unit_test(a_list_too_long_to_be_whole_is_text),
        cmocka_unit_test(many_values_take_the_room_that_they_fill),
        cmocka_unit_test(the_result_of_a_pipeline_is_how_its_job_went),
        cmocka_unit_test(what_else_is_said_goes_before_the_result_of_a_pipeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
