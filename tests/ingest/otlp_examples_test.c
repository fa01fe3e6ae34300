/*
 * otlp_examples_test.c - the examples of the OTLP specification say what their text says.
 * Argument: the folder with otlp/logs.json, events.json, trace.json, metrics.json.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/ingest/otlp_world.h"

static void decode_example(void **state, const char *name,
                           struct status (*decoder)(struct decode *, struct slice),
                           struct world *world) {
    static uint8_t body[1u << 16];
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/otlp/%s", (const char *)*state, name);
    FILE *file = *state == NULL ? NULL : fopen(path, "rb");
    if (file == NULL) {
        assert_null(getenv("CI"));
        skip();
    }
    size_t size = fread(body, 1, sizeof(body), file);
    (void)fclose(file);
    assert_int_equal(decode_with(decoder, world, slice_of(body, size)), STATUS_OK);
    assert_int_equal(world->decode.refused, 0);
}

#define TIME_NS UINT64_C(1544712660300000000)
#define START "metric.start_time_ns=1544712660300000000 i\n"
#define OUTER "my.scope.attribute=some scope attribute s\nservice.name=my.service s\n"

static void assert_ids(const struct envelope *envelope, uint64_t parent_span_id) {
    assert_true(envelope->trace_id.lo == UINT64_C(0x5B8EFFF798038103));
    assert_true(envelope->trace_id.hi == UINT64_C(0xD269B633813FC60C));
    assert_true(envelope->span_id == UINT64_C(0xEEE19B7EC3C1B174));
    assert_true(envelope->parent_span_id == parent_span_id);
}

static void logs_json(void **state) {
    struct world world;
    decode_example(state, "logs.json", otlp_json_decode_logs, &world);
    assert_int_equal(world.decode.accepted, 1);
    struct envelope envelope = envelope_at(&world, 0);
    assert_int_equal(envelope.kind, EVENT_KIND_LOG);
    assert_int_equal(envelope.status, EVENT_STATUS_NONE);
    assert_int_equal(envelope.severity, EVENT_SEVERITY_INFO);
    assert_slice(envelope.entity, "service:my.service");
    assert_slice(envelope.message, "Example log record");
    assert_true(envelope.event_time_ns == TIME_NS);
    assert_ids(&envelope, 0);
    assert_string_equal(attributes_of(&world, 0),
                        "string.attribute=some string s\nboolean.attribute=true b\n"
                        "int.attribute=10 i\ndouble.attribute=637.704 d\n"
                        "array.attribute=[\"many\",\"values\"] j\n"
                        "map.attribute={\"some.map.key\":\"some value\"} j\n" OUTER);
    arena_deinit(&world.arena);
}

static void events_json(void **state) {
    struct world world;
    decode_example(state, "events.json", otlp_json_decode_logs, &world);
    assert_int_equal(world.decode.accepted, 1);
    struct envelope envelope = envelope_at(&world, 0);
    assert_int_equal(envelope.kind, EVENT_KIND_LOG);
    assert_int_equal(envelope.severity, EVENT_SEVERITY_INFO);
    assert_slice(envelope.entity, "service:my.service");
    assert_true(envelope.event_time_ns == TIME_NS);
    assert_slice(envelope.message,
                 "{\"type\":0,"
                 "\"url\":\"https://www.guidgenerator.com/online-guid-generator.aspx\","
                 "\"referrer\":\"https://wwww.google.com\","
                 "\"title\":\"Free Online GUID Generator\"}");
    assert_string_equal(attributes_of(&world, 0), "event.attribute=some event attribute s\n"
                                                  "event.name=browser.page_view s\n" OUTER);
    arena_deinit(&world.arena);
}

static void trace_json(void **state) {
    struct world world;
    decode_example(state, "trace.json", otlp_json_decode_traces, &world);
    assert_int_equal(world.decode.accepted, 1);
    struct envelope envelope = envelope_at(&world, 0);
    assert_int_equal(envelope.kind, EVENT_KIND_SPAN);
    assert_int_equal(envelope.status, EVENT_STATUS_NONE);
    assert_slice(envelope.entity, "service:my.service");
    assert_slice(envelope.message, "I'm a server span");
    assert_true(envelope.event_time_ns == UINT64_C(1544712661000000000)); /* its end */
    assert_ids(&envelope, UINT64_C(0xEEE19B7EC3C1B173));
    assert_string_equal(attributes_of(&world, 0), "my.span.attr=some value s\n" OUTER);
    arena_deinit(&world.arena);
}

static void metrics_json(void **state) {
    struct world world;
    decode_example(state, "metrics.json", otlp_json_decode_metrics, &world);
    assert_int_equal(world.decode.accepted, 4);
    assert_int_equal(world.decode.points, 4);
    assert_slice(envelope_at(&world, 0).entity, "service:my.service");
    assert_int_equal(envelope_at(&world, 0).kind, EVENT_KIND_METRIC);
    assert_int_equal(envelope_at(&world, 0).status, EVENT_STATUS_NONE);
    assert_true(envelope_at(&world, 0).event_time_ns == UINT64_C(1544712660300000000));
    assert_string_equal(attributes_of(&world, 0),
                        "metric.name=my.counter s\nmetric.unit=1 s\nmetric.type=sum s\n"
                        "metric.temporality=delta s\nmetric.monotonic=true b\n" START
                        "metric.value=5 d\nmy.counter.attr=some value s\n" OUTER);
    assert_string_equal(attributes_of(&world, 1),
                        "metric.name=my.gauge s\nmetric.unit=1 s\nmetric.type=gauge s\n"
                        "metric.value=10 d\nmy.gauge.attr=some value s\n" OUTER);
    assert_string_equal(attributes_of(&world, 2),
                        "metric.name=my.histogram s\nmetric.unit=1 s\nmetric.type=histogram s\n"
                        "metric.temporality=delta s\n" START
                        "metric.count=2 i\nmetric.sum=2 d\nmetric.min=0 d\nmetric.max=2 d\n"
                        "metric.bounds=[1] j\nmetric.bucket_counts=[1,1] j\n"
                        "my.histogram.attr=some value s\n" OUTER);
    assert_string_equal(
        attributes_of(&world, 3),
        "metric.name=my.exponential.histogram s\nmetric.unit=1 s\n"
        "metric.type=exponential_histogram s\nmetric.temporality=delta s\n" START
        "metric.count=3 i\nmetric.sum=10 d\nmetric.min=0 d\nmetric.max=5 d\nmetric.scale=0 i\n"
        "metric.zero_count=1 i\nmetric.zero_threshold=0 d\nmetric.positive_offset=1 i\n"
        "metric.positive_counts=[0,2] j\nmy.exponential.histogram.attr=some value s\n" OUTER);
    arena_deinit(&world.arena);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(logs_json, argc > 1 ? argv[1] : NULL),
        cmocka_unit_test_prestate(events_json, argc > 1 ? argv[1] : NULL),
        cmocka_unit_test_prestate(trace_json, argc > 1 ? argv[1] : NULL),
        cmocka_unit_test_prestate(metrics_json, argc > 1 ? argv[1] : NULL),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
