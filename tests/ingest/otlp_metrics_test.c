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

#define TEXT(name, words) "{\"key\":\"" name "\",\"value\":{\"stringValue\":\"" words "\"}}"
#define LOAD TEXT("job.id", "load")
#define STATUS(word) TEXT("job.status", word)
#define POINT(attributes) "{\"attributes\":[" attributes "]}"
#define POINTS(type, points) METRIC("\"name\":\"m\",\"" type "\":{\"dataPoints\":[" points "]}")

static void a_status_is_news_of_its_entity_from_points_of_all_types(void **state) {
    (void)state;
#define FAILED POINT(LOAD "," STATUS("failed"))
    const struct slice bodies[] = {
        SLICE(POINTS("gauge", FAILED)),     SLICE(POINTS("sum", FAILED)),
        SLICE(POINTS("histogram", FAILED)), SLICE(POINTS("exponentialHistogram", FAILED)),
        SLICE(POINTS("summary", FAILED)),
    };
#undef FAILED
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct world world;
        assert_int_equal(decode_metrics(&world, bodies[i]), STATUS_OK);
        struct envelope envelope = envelope_at(&world, 0);
        assert_slice(envelope.entity, "job:load");
        assert_int_equal(envelope.kind, EVENT_KIND_JOB);
        assert_int_equal(envelope.status, EVENT_STATUS_FAILED);
        assert_true((envelope.flags & ENVELOPE_SIGNAL) != 0);
        assert_non_null(strstr(attributes_of(&world, 0), "metric.name=m s\nmetric.type="));
        arena_deinit(&world.arena);
    }
}

static void a_points_attributes_say_what_those_of_a_log_record_do(void **state) {
    (void)state;
#define CHECK TEXT("check.id", "rows") "," TEXT("check.status", "degraded")
#define ERROR TEXT("error.type", "TooFew") "," TEXT("exception.message", "9 rows")
#define NAMES TEXT("run.id", "r-7") "," TEXT("event.id", "e-1") "," TEXT("tenant.id", "acme")
    struct world world;
    struct slice body = SLICE(POINTS("gauge", POINT(CHECK "," ERROR "," NAMES)));
#undef CHECK
#undef ERROR
#undef NAMES
    assert_int_equal(decode_metrics(&world, body), STATUS_OK);
    struct envelope envelope = envelope_at(&world, 0);
    assert_int_equal(envelope.kind, EVENT_KIND_CHECK);
    assert_int_equal(envelope.status, EVENT_STATUS_DEGRADED);
    assert_slice(envelope.entity, "check:rows");
    assert_slice(envelope.error_class, "TooFew");
    assert_slice(envelope.message, "9 rows");
    assert_slice(envelope.run_id, "r-7");
    assert_slice(envelope.event_id, "e-1");
    assert_slice(envelope.tenant, "acme");
    arena_deinit(&world.arena);
}

static void a_status_of_the_resource_is_that_of_points_without_one(void **state) {
    (void)state;
    struct world world;
    struct slice body = SLICE("{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":"
                              "\"m\",\"gauge\":{\"dataPoints\":[{\"asInt\":1},"
                              /* the second has one */
                              POINT(STATUS("succeeded")) "]}}]}],\"resource\":"
                              /* behind its points */
                              POINT(LOAD "," STATUS("late")) "}]}");
    assert_int_equal(decode_metrics(&world, body), STATUS_OK);
    assert_slice(envelope_at(&world, 0).entity, "job:load");
    assert_int_equal(envelope_at(&world, 0).status, EVENT_STATUS_LATE);
    assert_int_equal(envelope_at(&world, 1).status, EVENT_STATUS_SUCCEEDED);
    assert_true((envelope_at(&world, 1).flags & ENVELOPE_GOOD) != 0);
    arena_deinit(&world.arena);
}

static void an_unknown_status_word_refuses_its_point_alone_with_its_bytes(void **state) {
    (void)state;
    struct world world;
    struct slice body = SLICE(POINTS("summary", POINT(STATUS("zz")) ",{}"));
    assert_int_equal(decode_metrics(&world, body), STATUS_OK);
    assert_int_equal(world.decode.accepted, 1);
    assert_int_equal(world.decode.refused, 1);
    assert_int_equal(world.decode.points, 2);
    struct envelope refused = envelope_at(&world, 0);
    assert_true((refused.flags & ENVELOPE_REFUSED) != 0);
    assert_slice(refused.reason, "unknown status \"zz\": it is none of started running succeeded "
                                 "failed aborted skipped late missed ok degraded down");
    assert_slice(refused.raw, POINT(STATUS("zz")));
    arena_deinit(&world.arena);
}

static void a_point_without_a_status_leaves_its_entity_alone(void **state) {
    (void)state;
    struct world world;
    struct slice body = SLICE(POINTS("sum", POINT(LOAD "," TEXT("error.type", "Oops"))));
    assert_int_equal(decode_metrics(&world, body), STATUS_OK);
    struct envelope envelope = envelope_at(&world, 0);
    assert_slice(envelope.entity, "job:load");
    assert_int_equal(envelope.kind, EVENT_KIND_METRIC);
    assert_int_equal(envelope.status, EVENT_STATUS_NONE);
    assert_int_equal(envelope.flags & (ENVELOPE_SIGNAL | ENVELOPE_GOOD), 0);
    arena_deinit(&world.arena);
}

/* An SDK tells its counters again and again, grown or not, each outcome beside the other. */
static void what_a_cumulative_point_counts_states_nothing(void **state) {
    (void)state;
#define CUMULATIVE ",\"aggregationTemporality\":2}"
    const struct slice bodies[] = {
        SLICE(METRIC("\"name\":\"m\",\"sum\":{\"dataPoints\":[" POINT(
            LOAD "," STATUS("failed")) "]" CUMULATIVE)),
        SLICE(METRIC(
            "\"name\":\"m\",\"histogram\":{\"dataPoints\":[" POINT(STATUS("zz")) "]" CUMULATIVE)),
    };
#undef CUMULATIVE
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct world world;
        assert_int_equal(decode_metrics(&world, bodies[i]), STATUS_OK);
        assert_int_equal(world.decode.accepted, 1);
        assert_int_equal(envelope_at(&world, 0).kind, EVENT_KIND_METRIC);
        assert_int_equal(envelope_at(&world, 0).status, EVENT_STATUS_NONE);
        assert_int_equal(envelope_at(&world, 0).flags & ENVELOPE_SIGNAL, 0);
        arena_deinit(&world.arena);
    }
}

/* It ends a series: the job of that status is not seen any more, which is no run that failed. */
static void a_point_with_no_recorded_value_states_nothing(void **state) {
    (void)state;
    struct world world;
    struct slice body =
        SLICE(POINTS("gauge", "{\"flags\":1,\"attributes\":[" LOAD "," STATUS("failed") "]}"));
    assert_int_equal(decode_metrics(&world, body), STATUS_OK);
    assert_int_equal(envelope_at(&world, 0).kind, EVENT_KIND_METRIC);
    assert_int_equal(envelope_at(&world, 0).status, EVENT_STATUS_NONE);
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
        cmocka_unit_test(a_status_is_news_of_its_entity_from_points_of_all_types),
        cmocka_unit_test(a_points_attributes_say_what_those_of_a_log_record_do),
        cmocka_unit_test(a_status_of_the_resource_is_that_of_points_without_one),
        cmocka_unit_test(an_unknown_status_word_refuses_its_point_alone_with_its_bytes),
        cmocka_unit_test(a_point_without_a_status_leaves_its_entity_alone),
        cmocka_unit_test(what_a_cumulative_point_counts_states_nothing),
        cmocka_unit_test(a_point_with_no_recorded_value_states_nothing),
        cmocka_unit_test(bad_points_are_refused_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
