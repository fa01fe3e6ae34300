/* otlp_metrics_test.c - data points become envelopes that say all that an aggregation will need. */
#include <stdio.h>
#include <stdlib.h>

#include "ingest/decode.h"
#include "tests/base/unit.h"

static uint8_t memory[1u << 20];

struct world {
    struct batch batch;
    struct arena arena;
    struct decode decode;
    struct slice entry;
};

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    (void)tenant;
    return is_full ? NULL : &((struct world *)context)->batch;
}

static enum status_code decode_metrics(struct world *world, struct slice body) {
    *world = (struct world){0};
    batch_init(&world->batch, memory, sizeof(memory));
    assert_status(arena_init(&world->arena, 1u << 20), OK);
    world->decode = (struct decode){.now_ns = UINT64_C(1800000000000000000),
                                    .source = SLICE("otlp-http"),
                                    .batch_for = batch_for,
                                    .arena = &world->arena,
                                    .context = world};
    return otlp_json_decode_metrics(&world->decode, body).code;
}

static struct envelope envelope_at(struct world *world, uint32_t index) {
    struct batch_view view;
    struct envelope envelope;
    assert_status(batch_open(batch_finish(&world->batch), &view), OK);
    for (uint32_t i = 0; i <= index; i++) {
        assert_true(batch_next(&view, &world->entry));
    }
    assert_status(envelope_verify(world->entry), OK);
    envelope_read(world->entry, &envelope);
    return envelope;
}

/* All attributes as "key=value type" lines. */
static const char *attributes_of(struct world *world, uint32_t index) {
    static char lines[8192];
    static const char types[] = "sbidjB";
    struct envelope envelope = envelope_at(world, index);
    struct text text = text_over(lines, sizeof(lines) - 1);
    for (uint32_t i = 0; i < envelope.attributes_count; i++) {
        struct attribute attribute = envelope_attribute_at(world->entry, i);
        text_add(&text, attribute.key);
        text_add_char(&text, '=');
        text_add(&text, attribute.value);
        text_add_char(&text, ' ');
        text_add_char(&text, types[attribute.type]);
        text_add_char(&text, '\n');
    }
    assert_false(text.truncated);
    lines[text.size] = 0;
    return lines;
}

#define START "metric.start_time_ns=1544712660300000000 i\n"
#define OUTER "my.scope.attribute=some scope attribute s\nservice.name=my.service s\n"

static void the_official_example_says_what_its_text_says(void **state) {
    static uint8_t body[1u << 16];
    char path[1024];
    struct world world;
    (void)snprintf(path, sizeof(path), "%s/otlp/metrics.json", (const char *)*state);
    FILE *file = *state == NULL ? NULL : fopen(path, "rb");
    if (file == NULL) {
        assert_null(getenv("CI"));
        skip();
    }
    size_t size = fread(body, 1, sizeof(body), file);
    (void)fclose(file);
    assert_int_equal(decode_metrics(&world, slice_of(body, size)), STATUS_OK);
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

#define METRIC(data) "{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{" data "}]}]}]}"

static void what_stands_behind_the_points_counts_too(void **state) {
    (void)state;
    struct world world;
    assert_int_equal(
        decode_metrics(&world, SLICE(METRIC("\"sum\":{\"dataPoints\":[{\"asInt\":\"-3\"}],"
                                            "\"isMonotonic\":false,\"aggregationTemporality\":2},"
                                            "\"unit\":\"s\",\"name\":\"late\""))),
        STATUS_OK);
    assert_string_equal(attributes_of(&world, 0),
                        "metric.name=late s\nmetric.unit=s s\nmetric.type=sum s\n"
                        "metric.temporality=cumulative s\nmetric.monotonic=false b\n"
                        "metric.value=-3 i\n");
    arena_deinit(&world.arena);
}

static void an_exemplar_gives_its_trace(void **state) {
    (void)state;
    struct world world;
    assert_int_equal(
        decode_metrics(
            &world,
            SLICE(METRIC("\"name\":\"m\",\"summary\":{\"dataPoints\":[{\"count\":2,\"sum\":0.5,"
                         "\"quantileValues\":[{\"quantile\":0.5,\"value\":\"NaN\"},{}],"
                         "\"exemplars\":[{\"asDouble\":1},{\"timeUnixNano\":\"7\",\"asInt\":4,"
                         "\"traceId\":\"5B8EFFF798038103D269B633813FC60C\",\"spanId\":"
                         "\"EEE19B7EC3C1B174\"}],\"flags\":1}]}"))),
        STATUS_OK);
    struct envelope envelope = envelope_at(&world, 0);
    assert_true(envelope.trace_id.lo == UINT64_C(0x5B8EFFF798038103));
    assert_true(envelope.span_id == UINT64_C(0xEEE19B7EC3C1B174));
    assert_string_equal(
        attributes_of(&world, 0),
        "metric.name=m s\nmetric.type=summary s\nmetric.count=2 i\nmetric.sum=0.5 d\n"
        "metric.quantiles=[[0.5,\"NaN\"],[0,0]] j\n"
        "metric.exemplars=[{\"time_ns\":0,\"value\":1},{\"trace_id\":"
        "\"5b8efff798038103d269b633813fc60c\",\"span_id\":\"eee19b7ec3c1b174\",\"time_ns\":7,"
        "\"value\":4}] j\nmetric.no_value=true b\n");
    arena_deinit(&world.arena);
}

/* "job.status" on a counter says which runs it counts; it is no run that failed. */
static void a_label_is_no_status(void **state) {
    (void)state;
    struct world world;
    assert_int_equal(
        decode_metrics(&world, SLICE(METRIC("\"name\":\"runs\",\"sum\":{\"dataPoints\":[{\"asInt\":"
                                            "9,\"attributes\":[{\"key\":\"job.status\",\"value\":{"
                                            "\"stringValue\":\"failed\"}}]}]}"))),
        STATUS_OK);
    assert_int_equal(envelope_at(&world, 0).kind, EVENT_KIND_METRIC);
    assert_int_equal(envelope_at(&world, 0).flags & ENVELOPE_SIGNAL, 0);
    arena_deinit(&world.arena);
}

static void bad_points_are_refused_alone(void **state) {
    (void)state;
    struct world world;
    assert_int_equal(
        decode_metrics(&world, SLICE(METRIC("\"name\":\"m\",\"gauge\":{\"dataPoints\":[{\"asInt\":"
                                            "1},{\"asInt\":2,\"exemplars\":[{\"traceId\":\"ab\"}]}]"
                                            "}"))),
        STATUS_OK);
    assert_int_equal(world.decode.accepted, 1);
    assert_int_equal(world.decode.refused, 1);
    assert_int_equal(world.decode.points, 2);
    arena_deinit(&world.arena);
    assert_int_equal(
        decode_metrics(&world, SLICE(METRIC("\"name\":\"m\",\"gauge\":{\"dataPoints\":[{\"asInt\":"
                                            "\"9223372036854775808\"}]}"))),
        STATUS_INVALID);
    arena_deinit(&world.arena);
}

int main(int count, char **arguments) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(the_official_example_says_what_its_text_says,
                                  count > 1 ? arguments[1] : NULL),
        cmocka_unit_test(what_stands_behind_the_points_counts_too),
        cmocka_unit_test(an_exemplar_gives_its_trace),
        cmocka_unit_test(a_label_is_no_status),
        cmocka_unit_test(bad_points_are_refused_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
