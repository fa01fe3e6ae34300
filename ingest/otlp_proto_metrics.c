/*
 * otlp_proto_metrics.c - ExportMetricsServiceRequest in protobuf. What a point means is
 * otlp_metric.h's. Repeated numbers come packed or one by one, as parsers must take both.
 */
#include "ingest/otlp_metric.h"
#include "ingest/otlp_proto.h"

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static int64_t unzigzag(uint64_t value) {
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* --- Tables of a point's fields --- */

enum point_value {
    TAKE_START,
    TAKE_TIME,
    TAKE_U64,
    TAKE_SINT,
    TAKE_SFIXED,
    TAKE_DOUBLE,
    TAKE_FLAGS,
    TAKE_ATTRIBUTE,
    TAKE_EXEMPLAR,
    TAKE_FIXED_LIST,
    TAKE_DOUBLE_LIST,
    TAKE_BUCKETS,
    TAKE_QUANTILE,
};

struct point_rule {
    uint32_t number;
    enum point_value take;
    enum otlp_point_field field;
};

static const struct point_rule number_rules[] = {
    {2, TAKE_START, 0},
    {3, TAKE_TIME, 0},
    {4, TAKE_DOUBLE, OTLP_POINT_VALUE},
    {5, TAKE_EXEMPLAR, 0},
    {6, TAKE_SFIXED, OTLP_POINT_VALUE},
    {7, TAKE_ATTRIBUTE, 0},
    {8, TAKE_FLAGS, 0},
    {0, 0, 0},
};

static const struct point_rule histogram_rules[] = {
    {2, TAKE_START, 0},
    {3, TAKE_TIME, 0},
    {4, TAKE_U64, OTLP_POINT_COUNT},
    {5, TAKE_DOUBLE, OTLP_POINT_SUM},
    {6, TAKE_FIXED_LIST, OTLP_POINT_BUCKET_COUNTS},
    {7, TAKE_DOUBLE_LIST, OTLP_POINT_BOUNDS},
    {8, TAKE_EXEMPLAR, 0},
    {9, TAKE_ATTRIBUTE, 0},
    {10, TAKE_FLAGS, 0},
    {11, TAKE_DOUBLE, OTLP_POINT_MIN},
    {12, TAKE_DOUBLE, OTLP_POINT_MAX},
    {0, 0, 0},
};

static const struct point_rule exponential_rules[] = {
    {1, TAKE_ATTRIBUTE, 0},
    {2, TAKE_START, 0},
    {3, TAKE_TIME, 0},
    {4, TAKE_U64, OTLP_POINT_COUNT},
    {5, TAKE_DOUBLE, OTLP_POINT_SUM},
    {6, TAKE_SINT, OTLP_POINT_SCALE},
    {7, TAKE_U64, OTLP_POINT_ZERO_COUNT},
    {8, TAKE_BUCKETS, OTLP_POINT_POSITIVE_OFFSET},
    {9, TAKE_BUCKETS, OTLP_POINT_NEGATIVE_OFFSET},
    {10, TAKE_FLAGS, 0},
    {11, TAKE_EXEMPLAR, 0},
    {12, TAKE_DOUBLE, OTLP_POINT_MIN},
    {13, TAKE_DOUBLE, OTLP_POINT_MAX},
    {14, TAKE_DOUBLE, OTLP_POINT_ZERO_THRESHOLD},
    {0, 0, 0},
};

static const struct point_rule summary_rules[] = {
    {2, TAKE_START, 0},
    {3, TAKE_TIME, 0},
    {4, TAKE_U64, OTLP_POINT_COUNT},
    {5, TAKE_DOUBLE, OTLP_POINT_SUM},
    {6, TAKE_QUANTILE, 0},
    {7, TAKE_ATTRIBUTE, 0},
    {8, TAKE_FLAGS, 0},
    {0, 0, 0},
};

/* Which field of a Metric holds its data. */
static const struct {
    uint32_t number;
    const struct point_rule *rules;
} types[OTLP_METRIC_TYPES] = {
    [OTLP_METRIC_GAUGE] = {5, number_rules},
    [OTLP_METRIC_SUM] = {7, number_rules},
    [OTLP_METRIC_HISTOGRAM] = {9, histogram_rules},
    [OTLP_METRIC_EXPONENTIAL_HISTOGRAM] = {10, exponential_rules},
    [OTLP_METRIC_SUMMARY] = {11, summary_rules},
};

/* --- Parts of a point --- */

static void take_exemplar(struct proto_root *root, struct slice message, struct otlp_point *point) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct otlp_exemplar exemplar = {0};
    struct proto_field field;
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 2, PROTO_FIXED64)) {
            exemplar.time_ns = field.value;
        } else if (proto_is(&field, 3, PROTO_FIXED64)) {
            exemplar.has_value = true;
            exemplar.is_int = false;
            exemplar.value = double_of(field.value);
        } else if (proto_is(&field, 6, PROTO_FIXED64)) {
            exemplar.has_value = true;
            exemplar.is_int = true;
            exemplar.integer = (int64_t)field.value;
        } else if (proto_is(&field, 4, PROTO_LENGTH)) {
            exemplar.span_id = field.bytes;
        } else if (proto_is(&field, 5, PROTO_LENGTH)) {
            exemplar.trace_id = field.bytes;
        }
    }
    if (root->error == NULL) {
        otlp_point_add_exemplar(point, &exemplar);
    }
}

static void add_fixed(struct otlp_point *point, const struct point_rule *rule, uint64_t value) {
    if (rule->take == TAKE_DOUBLE_LIST) {
        otlp_point_add_double(point, rule->field, double_of(value));
    } else {
        otlp_point_add_u64(point, rule->field, value);
    }
}

static void take_fixed_list(struct proto_root *root, const struct proto_field *field,
                            const struct point_rule *rule, struct otlp_point *point) {
    struct reader reader = reader_over(field->bytes);
    if (field->wire == PROTO_FIXED64) {
        add_fixed(point, rule, field->value);
        return;
    }
    if (field->bytes.size % 8 != 0) {
        proto_fail(root, field->bytes.data, "a packed list is cut off");
        return;
    }
    while (reader_left(&reader) > 0) {
        add_fixed(point, rule, reader_u64(&reader));
    }
}

static void take_buckets(struct proto_root *root, struct slice message,
                         enum otlp_point_field offset, struct otlp_point *point) {
    enum otlp_point_field counts = offset + 1;
    struct proto_walk walk = proto_walk_over(root, message);
    struct proto_field field;
    otlp_point_set_i64(point, offset, 0);
    otlp_point_begin_list(point, counts);
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 1, PROTO_VARINT)) {
            otlp_point_set_i64(point, offset, unzigzag(field.value));
        } else if (proto_is(&field, 2, PROTO_VARINT)) {
            otlp_point_add_u64(point, counts, field.value);
        } else if (proto_is(&field, 2, PROTO_LENGTH)) {
            struct proto_walk packed = proto_walk_over(root, field.bytes);
            uint64_t value = 0;
            while (proto_next_packed(&packed, &value)) {
                otlp_point_add_u64(point, counts, value);
            }
        }
    }
}

static void take_quantile(struct proto_root *root, struct slice message, struct otlp_point *point) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct proto_field field;
    double values[2] = {0, 0};
    while (proto_next(&walk, &field)) {
        if (field.wire == PROTO_FIXED64 && (field.number == 1 || field.number == 2)) {
            values[field.number - 1] = double_of(field.value);
        }
    }
    otlp_point_add_quantile(point, values[0], values[1]);
}

static void take_fixed(const struct proto_field *field, const struct point_rule *rule,
                       struct otlp_point *point) {
    switch (rule->take) {
    case TAKE_START:
        point->start_ns = field->value;
        return;
    case TAKE_TIME:
        point->record.envelope.event_time_ns = field->value;
        return;
    case TAKE_U64:
        otlp_point_set_u64(point, rule->field, field->value);
        return;
    case TAKE_SFIXED:
        otlp_point_set_i64(point, rule->field, (int64_t)field->value);
        return;
    case TAKE_DOUBLE:
        otlp_point_set_double(point, rule->field, double_of(field->value));
        return;
    default:
        return;
    }
}

static struct status take_part(struct proto_root *root, const struct proto_field *field,
                               const struct point_rule *rule, struct otlp_point *point) {
    bool is_list = rule->take == TAKE_FIXED_LIST || rule->take == TAKE_DOUBLE_LIST;
    if (is_list && (field->wire == PROTO_LENGTH || field->wire == PROTO_FIXED64)) {
        take_fixed_list(root, field, rule, point);
    } else if (field->wire == PROTO_FIXED64) {
        take_fixed(field, rule, point);
    } else if (field->wire == PROTO_VARINT && rule->take == TAKE_SINT) {
        otlp_point_set_i64(point, rule->field, unzigzag(field->value));
    } else if (field->wire == PROTO_VARINT && rule->take == TAKE_FLAGS) {
        point->flags = field->value;
    } else if (field->wire == PROTO_LENGTH && rule->take == TAKE_ATTRIBUTE) {
        return otlp_proto_add_attribute(root, field->bytes, point->arena,
                                        &point->record.attributes);
    } else if (field->wire == PROTO_LENGTH && rule->take == TAKE_EXEMPLAR) {
        take_exemplar(root, field->bytes, point);
    } else if (field->wire == PROTO_LENGTH && rule->take == TAKE_BUCKETS) {
        take_buckets(root, field->bytes, rule->field, point);
    } else if (field->wire == PROTO_LENGTH && rule->take == TAKE_QUANTILE) {
        take_quantile(root, field->bytes, point);
    }
    return status_ok();
}

/* --- Points and metrics --- */

static struct status take_point(struct decode *decode, struct proto_root *root,
                                struct slice message, const struct otlp_metric *metric,
                                const struct otlp_attributes *outer) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct otlp_point point;
    struct proto_field field;
    otlp_point_init(&point, metric, decode->arena);
    while (proto_next(&walk, &field)) {
        const struct point_rule *rule = types[metric->type].rules;
        while (rule->number != 0 && rule->number != field.number) {
            rule++;
        }
        if (rule->number != 0) {
            TRY(take_part(root, &field, rule, &point));
        }
    }
    return root->error != NULL ? status_ok() : otlp_point_finish(&point, decode, message, outer);
}

static struct status take_data(struct decode *decode, struct proto_root *root, struct slice message,
                               struct otlp_metric *metric, const struct otlp_attributes *outer) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct proto_field field;
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 2, PROTO_VARINT) && metric->type != OTLP_METRIC_GAUGE) {
            metric->temporality = field.value;
        } else if (proto_is(&field, 3, PROTO_VARINT) && metric->type == OTLP_METRIC_SUM) {
            metric->is_monotonic = field.value != 0;
        }
    }
    walk = proto_walk_over(root, message);
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 1, PROTO_LENGTH)) {
            size_t mark = decode->arena->used_bytes;
            decode->points++;
            TRY(take_point(decode, root, field.bytes, metric, outer));
            arena_rewind(decode->arena, mark);
        }
    }
    return status_ok();
}

static struct status take_metric(struct decode *decode, struct proto_root *root,
                                 struct slice message, const struct otlp_attributes *outer) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct otlp_metric metric = {.type = OTLP_METRIC_NONE};
    struct slice data = {0};
    struct proto_field field;
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 1, PROTO_LENGTH)) {
            (void)proto_text(root, &field, &metric.name);
        } else if (proto_is(&field, 3, PROTO_LENGTH)) {
            (void)proto_text(root, &field, &metric.unit);
        }
        for (enum otlp_metric_type i = OTLP_METRIC_GAUGE; i < OTLP_METRIC_TYPES; i++) {
            if (proto_is(&field, types[i].number, PROTO_LENGTH)) {
                metric.type = i;
                data = field.bytes;
            }
        }
    }
    return metric.type == OTLP_METRIC_NONE || root->error != NULL
               ? status_ok()
               : take_data(decode, root, data, &metric, outer);
}

static struct status take_scope_metrics(struct decode *decode, struct proto_root *root,
                                        struct slice message, const struct otlp_attributes *outer) {
    static const struct otlp_proto_level level = {2, 3, take_metric};
    return otlp_proto_take_level(decode, root, &level, message, outer);
}

struct status otlp_proto_decode_metrics(struct decode *decode, struct slice body) {
    static const struct otlp_proto_level level = {2, 1, take_scope_metrics};
    return otlp_proto_take_request(decode, &level, body);
}
