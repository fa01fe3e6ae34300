/* otlp_shape.c - see otlp_shape.h: taking records. */
#include "ingest/otlp_number.h"
#include "ingest/otlp_shape_internal.h"
#include "ingest/shape_path.h"

/* Hex digits as big-endian words; an id may be empty and is none then. */
static bool take_id(struct slice digits, uint64_t *words_out, size_t words) {
    uint8_t bytes[16];
    if (digits.size == 0) {
        return true;
    }
    if (!status_is_ok(text_parse_hex(digits, bytes, 8 * words))) {
        return false;
    }
    for (size_t i = 0; i < words; i++) {
        memcpy(&words_out[i], bytes + 8 * i, 8);
        words_out[i] = __builtin_bswap64(words_out[i]);
    }
    return true;
}

static bool take_trace(struct slice digits, struct envelope *envelope) {
    uint64_t words[2] = {0};
    bool is_good = take_id(digits, words, 2);
    envelope->trace_id = (struct hash128){words[0], words[1]};
    return is_good;
}

static void add_attribute(struct otlp_record *record, const struct shape_node *node,
                          struct slice key, struct slice value) {
    struct attribute attribute = {key, value, (enum attribute_type)node->type};
    otlp_attributes_add_known(&record->attributes, &attribute, (enum otlp_known)node->known);
}

static inline bool take_field(void *object, const struct shape_node *node, const uint8_t *literal,
                              struct slice value) {
    struct otlp_record *record = object;
    struct envelope *envelope = &record->envelope;
    uint64_t number = 0;
    switch ((enum shape_field)node->field) {
    case SHAPE_TIME:
        return status_is_ok(text_parse_u64(value, &envelope->event_time_ns));
    case SHAPE_OBSERVED:
        return status_is_ok(text_parse_u64(value, &record->observed_ns));
    case SHAPE_SEVERITY:
        if (!status_is_ok(text_parse_u64(value, &number))) {
            return false;
        }
        otlp_record_set_severity(record, number);
        return true;
    case SHAPE_BODY:
        envelope->message = value;
        return true;
    case SHAPE_TRACE:
        return take_trace(value, envelope);
    case SHAPE_SPAN:
        return take_id(value, &envelope->span_id, 1);
    case SHAPE_EVENT_NAME:
        record->event_name = value;
        return true;
    case SHAPE_ATTRIBUTE:
        if (node->type == ATTRIBUTE_INT && !otlp_is_plain_i64(value)) {
            return false;
        }
        add_attribute(record, node, slice_of(literal + node->key_at, node->key_size), value);
        return true;
    case SHAPE_IGNORED:
        return true;
    }
    return false;
}

size_t otlp_shape_take(struct shapes *shapes, struct slice text, struct otlp_record *record) {
    return shape_take(shapes, text, take_field, record);
}
