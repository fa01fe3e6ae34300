/* otlp_metric.c - see otlp_metric.h. */
#include "ingest/otlp_metric.h"

#include <math.h>

#include "core/base/assert.h"
#include "core/base/text.h"
#include "ingest/otlp_number.h"

enum { SCALAR_BYTES = 32, EXEMPLAR_BYTES = 192, FLAG_NO_RECORDED_VALUE = 1 };
enum { TEMPORALITY_DELTA = 1, TEMPORALITY_CUMULATIVE = 2 };

/* Which types of metric have the field, and with which value when it is missing. */
static const struct {
    const char *key;
    enum attribute_type type;
    uint32_t zero_for; /* bits of enum otlp_metric_type: "0" when missing */
} fields[OTLP_POINT_FIELDS] = {
    [OTLP_POINT_VALUE] = {"metric.value", ATTRIBUTE_DOUBLE, 0},
    [OTLP_POINT_COUNT] = {"metric.count", ATTRIBUTE_INT,
                          1u << OTLP_METRIC_HISTOGRAM | 1u << OTLP_METRIC_EXPONENTIAL_HISTOGRAM |
                              1u << OTLP_METRIC_SUMMARY},
    [OTLP_POINT_SUM] = {"metric.sum", ATTRIBUTE_DOUBLE, 1u << OTLP_METRIC_SUMMARY},
    [OTLP_POINT_MIN] = {"metric.min", ATTRIBUTE_DOUBLE, 0},
    [OTLP_POINT_MAX] = {"metric.max", ATTRIBUTE_DOUBLE, 0},
    [OTLP_POINT_BOUNDS] = {"metric.bounds", ATTRIBUTE_JSON, 0},
    [OTLP_POINT_BUCKET_COUNTS] = {"metric.bucket_counts", ATTRIBUTE_JSON, 0},
    [OTLP_POINT_SCALE] = {"metric.scale", ATTRIBUTE_INT, 1u << OTLP_METRIC_EXPONENTIAL_HISTOGRAM},
    [OTLP_POINT_ZERO_COUNT] = {"metric.zero_count", ATTRIBUTE_INT,
                               1u << OTLP_METRIC_EXPONENTIAL_HISTOGRAM},
    [OTLP_POINT_ZERO_THRESHOLD] = {"metric.zero_threshold", ATTRIBUTE_DOUBLE,
                                   1u << OTLP_METRIC_EXPONENTIAL_HISTOGRAM},
    [OTLP_POINT_POSITIVE_OFFSET] = {"metric.positive_offset", ATTRIBUTE_INT, 0},
    [OTLP_POINT_POSITIVE_COUNTS] = {"metric.positive_counts", ATTRIBUTE_JSON, 0},
    [OTLP_POINT_NEGATIVE_OFFSET] = {"metric.negative_offset", ATTRIBUTE_INT, 0},
    [OTLP_POINT_NEGATIVE_COUNTS] = {"metric.negative_counts", ATTRIBUTE_JSON, 0},
    [OTLP_POINT_QUANTILES] = {"metric.quantiles", ATTRIBUTE_JSON, 0},
    [OTLP_POINT_EXEMPLARS] = {"metric.exemplars", ATTRIBUTE_JSON, 0},
};

static const char *const type_words[OTLP_METRIC_TYPES] = {
    [OTLP_METRIC_GAUGE] = "gauge",
    [OTLP_METRIC_SUM] = "sum",
    [OTLP_METRIC_HISTOGRAM] = "histogram",
    [OTLP_METRIC_EXPONENTIAL_HISTOGRAM] = "exponential_histogram",
    [OTLP_METRIC_SUMMARY] = "summary",
};

void otlp_point_init(struct otlp_point *point, const struct otlp_metric *metric,
                     struct arena *arena) {
    otlp_record_init(&point->record, EVENT_KIND_METRIC);
    point->metric = metric;
    point->arena = arena;
    point->start_ns = 0;
    point->flags = 0;
    memset(point->fields, 0, sizeof(point->fields));
    point->value_is_int = false;
    point->is_out_of_room = false;
    point->exemplars_count = 0;
}

/* --- Scalars --- */

/* The field's text, empty; a field that comes again replaces what it was. */
static struct text *start_scalar(struct otlp_point *point, enum otlp_point_field field) {
    struct text *text = &point->fields[field];
    if (text->data == NULL) {
        void *memory = arena_allocate(point->arena, SCALAR_BYTES, 1);
        point->is_out_of_room = point->is_out_of_room || memory == NULL;
        *text = text_over(memory, memory == NULL ? 0 : SCALAR_BYTES);
    }
    text->size = 0;
    return text;
}

void otlp_point_set_u64(struct otlp_point *point, enum otlp_point_field field, uint64_t value) {
    text_add_u64(start_scalar(point, field), value);
}

void otlp_point_set_i64(struct otlp_point *point, enum otlp_point_field field, int64_t value) {
    point->value_is_int = point->value_is_int || field == OTLP_POINT_VALUE;
    text_add_i64(start_scalar(point, field), value);
}

void otlp_point_set_double(struct otlp_point *point, enum otlp_point_field field, double value) {
    point->value_is_int = point->value_is_int && field != OTLP_POINT_VALUE;
    otlp_add_double(start_scalar(point, field), value);
}

/* --- Lists --- */

void otlp_point_begin_list(struct otlp_point *point, enum otlp_point_field field) {
    struct text *text = &point->fields[field];
    if (text->data != NULL) {
        return;
    }
    void *memory = arena_allocate(point->arena, ATTRIBUTE_BYTES_MAX, 1);
    point->is_out_of_room = point->is_out_of_room || memory == NULL;
    *text = text_over(memory, memory == NULL ? 0 : ATTRIBUTE_BYTES_MAX);
    text_add_char(text, '[');
}

static struct text *next_element(struct otlp_point *point, enum otlp_point_field field) {
    otlp_point_begin_list(point, field);
    struct text *text = &point->fields[field];
    text_add_text(text, text->size > 1 ? "," : "");
    return text;
}

/* JSON has no number that is none. */
static void add_json_double(struct text *text, double value) {
    const char *quote = isfinite(value) ? "" : "\"";
    text_add_text(text, quote);
    otlp_add_double(text, value);
    text_add_text(text, quote);
}

void otlp_point_add_u64(struct otlp_point *point, enum otlp_point_field field, uint64_t value) {
    text_add_u64(next_element(point, field), value);
}

void otlp_point_add_double(struct otlp_point *point, enum otlp_point_field field, double value) {
    add_json_double(next_element(point, field), value);
}

void otlp_point_add_quantile(struct otlp_point *point, double quantile, double value) {
    struct text *text = next_element(point, OTLP_POINT_QUANTILES);
    text_add_char(text, '[');
    add_json_double(text, quantile);
    text_add_char(text, ',');
    add_json_double(text, value);
    text_add_char(text, ']');
}

/* --- Exemplars --- */

static void note_trace(struct otlp_point *point, const struct otlp_exemplar *exemplar) {
    struct envelope *envelope = &point->record.envelope;
    struct reader reader = reader_over(exemplar->trace_id);
    if (!hash128_is_zero(envelope->trace_id) || exemplar->trace_id.size == 0) {
        return;
    }
    envelope->trace_id.lo = reader_u64_big_endian(&reader);
    envelope->trace_id.hi = reader_u64_big_endian(&reader);
    if (exemplar->span_id.size > 0) {
        reader = reader_over(exemplar->span_id);
        envelope->span_id = reader_u64_big_endian(&reader);
    }
}

static void write_exemplar(struct text *text, const struct otlp_exemplar *exemplar) {
    text_add_text(text, "{");
    if (exemplar->trace_id.size > 0) {
        text_add_text(text, "\"trace_id\":\"");
        text_add_hex(text, exemplar->trace_id);
        text_add_text(text, "\",");
    }
    if (exemplar->span_id.size > 0) {
        text_add_text(text, "\"span_id\":\"");
        text_add_hex(text, exemplar->span_id);
        text_add_text(text, "\",");
    }
    text_add_text(text, "\"time_ns\":");
    text_add_u64(text, exemplar->time_ns);
    if (exemplar->has_value) {
        text_add_text(text, ",\"value\":");
        if (exemplar->is_int) {
            text_add_i64(text, exemplar->integer);
        } else {
            add_json_double(text, exemplar->value);
        }
    }
    text_add_text(text, "}");
}

void otlp_point_add_exemplar(struct otlp_point *point, const struct otlp_exemplar *exemplar) {
    static_assert((uint64_t)EXEMPLARS_KEPT_MAX * EXEMPLAR_BYTES < ATTRIBUTE_BYTES_MAX,
                  "all that are kept fit");
    if ((exemplar->trace_id.size != 0 && exemplar->trace_id.size != 16) ||
        (exemplar->span_id.size != 0 && exemplar->span_id.size != 8)) {
        point->record.reason = "an exemplar's traceId or spanId has a wrong length";
        return;
    }
    if (point->exemplars_count++ >= EXEMPLARS_KEPT_MAX) {
        return;
    }
    note_trace(point, exemplar);
    write_exemplar(next_element(point, OTLP_POINT_EXEMPLARS), exemplar);
}

/* --- The envelope --- */

enum { OWN_MAX = OTLP_POINT_FIELDS + 8 };

struct own_attributes {
    struct attribute items[OWN_MAX];
    uint32_t count;
};

static void add_own(struct own_attributes *own, const char *key, struct slice value,
                    enum attribute_type type) {
    ASSERT(own->count < OWN_MAX);
    own->items[own->count++] =
        (struct attribute){.key = slice_of_text(key), .value = value, .type = type};
}

static void add_shared(struct own_attributes *own, const struct otlp_metric *metric) {
    add_own(own, "metric.name", slice_head(metric->name, ATTRIBUTE_BYTES_MAX), ATTRIBUTE_STRING);
    if (metric->unit.size > 0) {
        add_own(own, "metric.unit", slice_head(metric->unit, LABEL_BYTES_MAX), ATTRIBUTE_STRING);
    }
    add_own(own, "metric.type", slice_of_text(type_words[metric->type]), ATTRIBUTE_STRING);
    bool is_delta = metric->temporality == TEMPORALITY_DELTA;
    if (is_delta || metric->temporality == TEMPORALITY_CUMULATIVE) {
        add_own(own, "metric.temporality", is_delta ? SLICE("delta") : SLICE("cumulative"),
                ATTRIBUTE_STRING);
    }
    if (metric->type == OTLP_METRIC_SUM) {
        add_own(own, "metric.monotonic", metric->is_monotonic ? SLICE("true") : SLICE("false"),
                ATTRIBUTE_BOOL);
    }
}

static void add_start(struct own_attributes *own, struct otlp_point *point) {
    char *memory = point->start_ns == 0 ? NULL : arena_allocate(point->arena, SCALAR_BYTES, 1);
    if (memory != NULL) {
        struct text text = text_over(memory, SCALAR_BYTES);
        text_add_u64(&text, point->start_ns);
        add_own(own, "metric.start_time_ns", text_slice(&text), ATTRIBUTE_INT);
    }
}

static void add_fields(struct own_attributes *own, struct otlp_point *point) {
    for (size_t i = 0; i < OTLP_POINT_FIELDS; i++) {
        struct text *text = &point->fields[i];
        bool is_list = fields[i].type == ATTRIBUTE_JSON;
        if (text->data == NULL) {
            if ((fields[i].zero_for >> point->metric->type & 1) != 0) {
                add_own(own, fields[i].key, SLICE("0"), fields[i].type);
            }
            continue;
        }
        if (is_list) {
            text_add_char(text, ']');
        }
        if (text->truncated) {
            struct attribute cut = {slice_of_text(fields[i].key), text_slice(text), fields[i].type};
            otlp_attributes_note_cut(&point->record.attributes, &cut);
            continue;
        }
        bool is_int = i == OTLP_POINT_VALUE && point->value_is_int;
        add_own(own, fields[i].key, text_slice(text), is_int ? ATTRIBUTE_INT : fields[i].type);
    }
}

/* Before the point's own, so that none of them is cut for being the last. */
static void put_in_front(struct otlp_attributes *attributes, const struct own_attributes *own) {
    uint32_t kept = attributes->count;
    if (kept > ATTRIBUTES_PER_EVENT_MAX - own->count) {
        kept = ATTRIBUTES_PER_EVENT_MAX - own->count;
    }
    for (uint32_t i = kept; i < attributes->count; i++) {
        otlp_attributes_note_cut(attributes, &attributes->items[i]);
    }
    memmove(attributes->items + own->count, attributes->items, kept * sizeof(attributes->items[0]));
    memcpy(attributes->items, own->items, own->count * sizeof(own->items[0]));
    attributes->count = kept + own->count;
    attributes->key_sizes = UINT64_MAX; /* not noted one by one */
}

struct status otlp_point_finish(struct otlp_point *point, struct decode *decode, struct slice raw,
                                const struct otlp_attributes *outer) {
    struct own_attributes own = {.count = 0};
    add_shared(&own, point->metric);
    add_start(&own, point);
    add_fields(&own, point);
    if ((point->flags & FLAG_NO_RECORDED_VALUE) != 0) {
        add_own(&own, "metric.no_value", SLICE("true"), ATTRIBUTE_BOOL);
        point->record.has_no_status = true;
    }
    /* A count since some start is told again and again: how many failed, not that one did. */
    if (point->metric->temporality == TEMPORALITY_CUMULATIVE) {
        point->record.has_no_status = true;
    }
    if (point->is_out_of_room) {
        return status_of(STATUS_FULL);
    }
    if (point->metric->name.size == 0) {
        point->record.reason = "a metric has no name";
    }
    put_in_front(&point->record.attributes, &own);
    return otlp_record_finish(&point->record, decode, raw, outer);
}
