/* otlp_metrics_test.c - data points become envelopes that say all that an aggregation will need. */
#include "tests/ingest/otlp_world.h"

static enum status_code decode_metrics(struct world *world, struct slice body) {
    return decode_with(otlp_json_decode_metrics, world, body);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stands_behind_the_points_counts_too),
        cmocka_unit_test(an_exemplar_gives_its_trace),
        cmocka_unit_test(a_label_is_no_status),
        cmocka_unit_test(bad_points_are_refused_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
