/*
 * otlp_metric.h - what a data point of a metric means, whatever its encoding: one envelope. Its
 * attributes, and those of its scope and resource, mean what a log record's do: with job.status or
 * check.status it is news of that job or check, whatever its value is. Without one it is of kind
 * metric and leaves every entity's state alone; so does a cumulative point, whose status is a label
 * of what it counts, and one whose flags say that nothing was recorded, since it only ends a
 * series. What the point says stands in attributes of its own, in front of the point's:
 *
 *   metric.name, metric.unit, metric.type (gauge sum histogram exponential_histogram summary),
 *   metric.temporality (delta cumulative), metric.monotonic, metric.start_time_ns, metric.value,
 *   metric.count, metric.sum, metric.min, metric.max, metric.bounds and metric.bucket_counts,
 *   metric.scale, metric.zero_count, metric.zero_threshold, metric.positive_offset, _counts,
 *   metric.negative_offset, _counts, metric.quantiles ([[quantile, value], ...]), metric.exemplars
 *   ([{"trace_id", "span_id", "time_ns", "value"}, ...]), metric.no_value (nothing was recorded).
 *
 * Times are in nanoseconds, doubles as otlp_number.h writes them. What is zero by protobuf's rules
 * when it is missing reads the same as a zero that was sent. The trace of the first exemplar that
 * has one is the envelope's. Lists longer than ATTRIBUTE_BYTES_MAX are left out and flagged.
 *
 * Memory: the request's arena. Thread: one at a time.
 */
#pragma once

#include "ingest/otlp_record.h"

enum otlp_metric_type {
    OTLP_METRIC_NONE,
    OTLP_METRIC_GAUGE,
    OTLP_METRIC_SUM,
    OTLP_METRIC_HISTOGRAM,
    OTLP_METRIC_EXPONENTIAL_HISTOGRAM,
    OTLP_METRIC_SUMMARY,
    OTLP_METRIC_TYPES,
};

/* What all points of a metric share. */
struct otlp_metric {
    struct slice name;
    struct slice unit;
    enum otlp_metric_type type;
    uint64_t temporality; /* 1 delta, 2 cumulative */
    bool is_monotonic;
};

enum otlp_point_field {
    OTLP_POINT_VALUE,
    OTLP_POINT_COUNT,
    OTLP_POINT_SUM,
    OTLP_POINT_MIN,
    OTLP_POINT_MAX,
    OTLP_POINT_BOUNDS, /* a list */
    OTLP_POINT_BUCKET_COUNTS,
    OTLP_POINT_SCALE,
    OTLP_POINT_ZERO_COUNT,
    OTLP_POINT_ZERO_THRESHOLD,
    OTLP_POINT_POSITIVE_OFFSET,
    OTLP_POINT_POSITIVE_COUNTS,
    OTLP_POINT_NEGATIVE_OFFSET,
    OTLP_POINT_NEGATIVE_COUNTS,
    OTLP_POINT_QUANTILES,
    OTLP_POINT_EXEMPLARS,
    OTLP_POINT_FIELDS,
};

struct otlp_exemplar {
    struct slice trace_id; /* 16 bytes, or empty */
    struct slice span_id;  /* 8 bytes, or empty */
    uint64_t time_ns;
    bool has_value;
    bool is_int;
    int64_t integer;
    double value;
};

struct otlp_point {
    struct otlp_record record;
    const struct otlp_metric *metric;
    struct arena *arena;
    uint64_t start_ns;
    uint64_t flags;
    struct text fields[OTLP_POINT_FIELDS]; /* no data: absent */
    bool value_is_int;
    bool is_out_of_room;
    uint32_t exemplars_count;
};

void otlp_point_init(struct otlp_point *point, const struct otlp_metric *metric,
                     struct arena *arena);
void otlp_point_set_u64(struct otlp_point *point, enum otlp_point_field field, uint64_t value);
void otlp_point_set_i64(struct otlp_point *point, enum otlp_point_field field, int64_t value);
void otlp_point_set_double(struct otlp_point *point, enum otlp_point_field field, double value);
/* Lists; begun by the first element, or by begin when there may be none. */
void otlp_point_begin_list(struct otlp_point *point, enum otlp_point_field field);
void otlp_point_add_u64(struct otlp_point *point, enum otlp_point_field field, uint64_t value);
void otlp_point_add_double(struct otlp_point *point, enum otlp_point_field field, double value);
void otlp_point_add_quantile(struct otlp_point *point, double quantile, double value);
/* Beyond EXEMPLARS_KEPT_MAX they are passed over. An id of a wrong length refuses the point. */
void otlp_point_add_exemplar(struct otlp_point *point, const struct otlp_exemplar *exemplar);
/* All of it is read: adds the envelope, or refuses it. FULL: throttle the request. */
MUST_CHECK struct status otlp_point_finish(struct otlp_point *point, struct decode *decode,
                                           struct slice raw, const struct otlp_attributes *outer);
