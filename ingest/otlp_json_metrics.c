/*
 * otlp_json_metrics.c - ExportMetricsServiceRequest: resourceMetrics > scopeMetrics > metrics >
 * gauge, sum, histogram, exponentialHistogram or summary > dataPoints.
 *
 * What a point means is otlp_metric.h's. What its points share may stand behind them, so the walk
 * comes back to the points.
 */
#include <stdlib.h>

#include "core/base/text.h"
#include "ingest/otlp_json_record.h"
#include "ingest/otlp_metric.h"
#include "ingest/otlp_number.h"

/* --- Numbers --- */

static void take_i64(struct json_walk *walk, int64_t *value_out) {
    struct slice text = {0};
    if (json_take_null(walk)) {
        return;
    }
    bool is_taken = json_peek(walk) == JSON_STRING ? json_take_string(walk, &text)
                                                   : json_take_number(walk, &text);
    if (is_taken && !status_is_ok(otlp_parse_i64(text, value_out))) {
        json_fail(walk, "not a 64-bit integer");
    }
}

/* A number, or "NaN", "Infinity", "-Infinity", or a number in quotes. */
static bool take_double(struct json_walk *walk, double *value_out) {
    char copy[64];
    struct slice text = {0};
    if (json_take_null(walk)) {
        return false;
    }
    bool is_taken = json_peek(walk) == JSON_STRING ? json_take_string(walk, &text)
                                                   : json_take_number(walk, &text);
    if (!is_taken) {
        return false;
    }
    /* strtod alone would take "0x10", " 5" and "inf", too. */
    if (!otlp_is_double(text) || text.size >= sizeof(copy)) {
        json_fail(walk, "not a number");
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    *value_out = strtod(copy, NULL);
    return true;
}

/* --- Lists --- */

static void take_u64_list(struct json_walk *walk, struct otlp_point *point,
                          enum otlp_point_field field) {
    if (json_take_null(walk) || !json_enter_array(walk)) {
        return;
    }
    while (json_next_element(walk)) {
        uint64_t value = 0;
        if (otlp_take_u64(walk, &value)) {
            otlp_point_add_u64(point, field, value);
        }
    }
}

static void take_double_list(struct json_walk *walk, struct otlp_point *point,
                             enum otlp_point_field field) {
    if (json_take_null(walk) || !json_enter_array(walk)) {
        return;
    }
    while (json_next_element(walk)) {
        double value = 0;
        if (take_double(walk, &value)) {
            otlp_point_add_double(point, field, value);
        }
    }
}

static void take_buckets(struct json_walk *walk, struct otlp_point *point,
                         enum otlp_point_field offset) {
    enum otlp_point_field counts = offset + 1;
    struct slice key;
    int64_t value = 0;
    if (json_take_null(walk) || !json_enter_object(walk)) {
        return;
    }
    otlp_point_begin_list(point, counts);
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "offset")) {
            take_i64(walk, &value);
        } else if (json_key_is(key, "bucketCounts")) {
            take_u64_list(walk, point, counts);
        } else {
            json_skip(walk, NULL);
        }
    }
    otlp_point_set_i64(point, offset, value);
}

static void take_quantile(struct json_walk *walk, struct otlp_point *point) {
    struct slice key;
    double quantile = 0;
    double value = 0;
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "quantile")) {
            take_double(walk, &quantile);
        } else if (json_key_is(key, "value")) {
            take_double(walk, &value);
        } else {
            json_skip(walk, NULL);
        }
    }
    otlp_point_add_quantile(point, quantile, value);
}

/* --- Exemplars --- */

static void take_hex(struct json_walk *walk, uint8_t *bytes, size_t size, struct slice *id_out,
                     struct otlp_point *point) {
    struct slice text = {0};
    if (!otlp_take_text(walk, &text) || text.size == 0) {
        return;
    }
    if (status_is_ok(text_parse_hex(text, bytes, size))) {
        *id_out = slice_of(bytes, size);
    } else {
        point->record.reason = "an exemplar's traceId or spanId has a wrong length";
    }
}

static void take_exemplar(struct json_walk *walk, struct otlp_point *point) {
    struct otlp_exemplar exemplar = {0};
    uint8_t trace_id[16];
    uint8_t span_id[8];
    struct slice key;
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "timeUnixNano")) {
            otlp_take_u64(walk, &exemplar.time_ns);
        } else if (json_key_is(key, "asDouble")) {
            exemplar.is_int = exemplar.is_int && json_peek(walk) == JSON_NULL;
            exemplar.has_value = take_double(walk, &exemplar.value) || exemplar.has_value;
        } else if (json_key_is(key, "asInt")) {
            exemplar.is_int = exemplar.is_int || json_peek(walk) != JSON_NULL;
            exemplar.has_value = exemplar.is_int || exemplar.has_value;
            take_i64(walk, &exemplar.integer);
        } else if (json_key_is(key, "traceId")) {
            take_hex(walk, trace_id, sizeof(trace_id), &exemplar.trace_id, point);
        } else if (json_key_is(key, "spanId")) {
            take_hex(walk, span_id, sizeof(span_id), &exemplar.span_id, point);
        } else {
            json_skip(walk, NULL);
        }
    }
    if (walk->error == NULL) {
        otlp_point_add_exemplar(point, &exemplar);
    }
}

static void take_each(struct json_walk *walk, struct otlp_point *point,
                      void (*take)(struct json_walk *walk, struct otlp_point *point)) {
    if (json_take_null(walk) || !json_enter_array(walk)) {
        return;
    }
    while (json_next_element(walk)) {
        take(walk, point);
    }
}

/* --- Points --- */

enum point_kind { NAME_DOUBLE, NAME_U64, NAME_I64, NAME_U64_LIST, NAME_DOUBLE_LIST, NAME_BUCKETS };

/* All types of points together: no name has two meanings. */
static const struct {
    struct slice name;
    enum point_kind kind;
    enum otlp_point_field field;
} names[] = {
#define NAME(text, kind, field)                                                                    \
    { {(const uint8_t *)(text), sizeof(text) - 1}, kind, field }
    NAME("asDouble", NAME_DOUBLE, OTLP_POINT_VALUE),
    NAME("asInt", NAME_I64, OTLP_POINT_VALUE),
    NAME("count", NAME_U64, OTLP_POINT_COUNT),
    NAME("sum", NAME_DOUBLE, OTLP_POINT_SUM),
    NAME("min", NAME_DOUBLE, OTLP_POINT_MIN),
    NAME("max", NAME_DOUBLE, OTLP_POINT_MAX),
    NAME("bucketCounts", NAME_U64_LIST, OTLP_POINT_BUCKET_COUNTS),
    NAME("explicitBounds", NAME_DOUBLE_LIST, OTLP_POINT_BOUNDS),
    NAME("scale", NAME_I64, OTLP_POINT_SCALE),
    NAME("zeroCount", NAME_U64, OTLP_POINT_ZERO_COUNT),
    NAME("zeroThreshold", NAME_DOUBLE, OTLP_POINT_ZERO_THRESHOLD),
    NAME("positive", NAME_BUCKETS, OTLP_POINT_POSITIVE_OFFSET),
    NAME("negative", NAME_BUCKETS, OTLP_POINT_NEGATIVE_OFFSET),
#undef NAME
};

static void take_value(struct json_walk *walk, struct otlp_point *point, enum point_kind kind,
                       enum otlp_point_field field) {
    double real = 0;
    uint64_t natural = 0;
    int64_t integer = 0;
    if (json_take_null(walk)) {
        return;
    }
    switch (kind) {
    case NAME_DOUBLE:
        if (take_double(walk, &real)) {
            otlp_point_set_double(point, field, real);
        }
        return;
    case NAME_U64:
        otlp_take_u64(walk, &natural);
        otlp_point_set_u64(point, field, natural);
        return;
    case NAME_I64:
        take_i64(walk, &integer);
        otlp_point_set_i64(point, field, integer);
        return;
    case NAME_U64_LIST:
        take_u64_list(walk, point, field);
        return;
    case NAME_DOUBLE_LIST:
        take_double_list(walk, point, field);
        return;
    case NAME_BUCKETS:
        take_buckets(walk, point, field);
        return;
    }
}

static void take_point_member(struct json_walk *walk, struct slice key, struct otlp_point *point) {
    if (json_key_is(key, "timeUnixNano")) {
        otlp_take_u64(walk, &point->record.envelope.event_time_ns);
    } else if (json_key_is(key, "startTimeUnixNano")) {
        otlp_take_u64(walk, &point->start_ns);
    } else if (json_key_is(key, "attributes")) {
        otlp_take_attributes(walk, &point->record.attributes);
    } else if (json_key_is(key, "flags")) {
        otlp_take_u64(walk, &point->flags);
    } else if (json_key_is(key, "exemplars")) {
        take_each(walk, point, take_exemplar);
    } else if (json_key_is(key, "quantileValues")) {
        take_each(walk, point, take_quantile);
    } else {
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (slice_equals(key, names[i].name)) {
                take_value(walk, point, names[i].kind, names[i].field);
                return;
            }
        }
        json_skip(walk, NULL);
    }
}

static struct status take_point(struct decode *decode, struct json_walk *walk,
                                const struct otlp_metric *metric,
                                const struct otlp_attributes *outer) {
    struct otlp_point point;
    struct slice key;
    otlp_point_init(&point, metric, decode->arena);
    size_t start = json_next_at(walk);
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        take_point_member(walk, key, &point);
    }
    if (walk->error != NULL) {
        return decode_fail(decode, walk);
    }
    return otlp_point_finish(&point, decode, slice_of(walk->bytes.data + start, walk->at - start),
                             outer);
}

/* --- Metrics --- */

/* What stands beside the points; `points` is a bookmark of their array. */
static void take_data(struct json_walk *walk, struct otlp_metric *metric,
                      struct json_walk *points) {
    struct slice key;
    if (json_take_null(walk) || !json_enter_object(walk)) {
        return;
    }
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "aggregationTemporality") && metric->type != OTLP_METRIC_GAUGE) {
            otlp_take_enum(walk, &metric->temporality);
        } else if (json_key_is(key, "isMonotonic")) {
            if (!json_take_null(walk)) {
                json_take_bool(walk, &metric->is_monotonic);
            }
        } else {
            *points = json_key_is(key, "dataPoints") ? *walk : *points;
            json_skip(walk, NULL);
        }
    }
}

static enum otlp_metric_type type_of(struct slice key) {
    return json_key_is(key, "gauge")                  ? OTLP_METRIC_GAUGE
           : json_key_is(key, "sum")                  ? OTLP_METRIC_SUM
           : json_key_is(key, "histogram")            ? OTLP_METRIC_HISTOGRAM
           : json_key_is(key, "exponentialHistogram") ? OTLP_METRIC_EXPONENTIAL_HISTOGRAM
           : json_key_is(key, "summary")              ? OTLP_METRIC_SUMMARY
                                                      : OTLP_METRIC_NONE;
}

static struct status take_points(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_metric *metric,
                                 const struct otlp_attributes *outer) {
    if (json_take_null(walk)) {
        return status_ok();
    }
    json_enter_array(walk);
    while (json_next_element(walk)) {
        size_t mark = decode->arena->used_bytes;
        decode->points++;
        TRY(take_point(decode, walk, metric, outer));
        arena_rewind(decode->arena, mark);
    }
    return walk->error == NULL ? status_ok() : decode_fail(decode, walk);
}

static struct status take_metric(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_attributes *outer) {
    struct otlp_metric metric = {.type = OTLP_METRIC_NONE};
    struct json_walk points = {.error = "none"};
    struct slice key;
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        enum otlp_metric_type type = type_of(key);
        if (json_key_is(key, "name")) {
            otlp_take_text(walk, &metric.name);
        } else if (json_key_is(key, "unit")) {
            otlp_take_text(walk, &metric.unit);
        } else if (type != OTLP_METRIC_NONE && json_peek(walk) != JSON_NULL) {
            metric.type = type;
            take_data(walk, &metric, &points);
        } else {
            json_skip(walk, NULL);
        }
    }
    if (walk->error != NULL) {
        return decode_fail(decode, walk);
    }
    return points.error != NULL ? status_ok() : take_points(decode, &points, &metric, outer);
}

static struct status take_metrics(struct decode *decode, struct json_walk *walk,
                                  const struct otlp_attributes *outer) {
    return otlp_take_records(decode, walk, outer, take_metric);
}

struct status otlp_json_decode_metrics(struct decode *decode, struct slice body) {
    const struct otlp_json_request request = {SLICE("resourceMetrics"), SLICE("scopeMetrics"),
                                              SLICE("metrics"), take_metrics};
    return otlp_json_decode_request(decode, body, &request);
}
