/* otlp_shape.c - see otlp_shape.h: taking records. */
#include "ingest/otlp_shape_internal.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/text.h"
#include "ingest/shape_scan.h"

/* After so many misses in a row the next ones are not looked at, but a few now and then. */
enum { MISSES_MAX = 64, MISSES_AFTER_PAUSE = 56, PAUSE_RECORDS = 2048, U64_DIGITS_MAX = 20 };

void otlp_shapes_init(struct otlp_shapes *shapes) {
    shapes->nodes_count = 1;
    shapes->text_bytes = 0;
    shapes->misses = 0;
    shapes->pause = 0;
    shapes->is_full = false;
    shapes->nodes[0] = (struct shape_node){0};
}

/* --- Values --- */

/* Digits, maybe behind a minus, as RFC 8259 has an integer; what follows is the next literal's. */
static size_t scan_integer(struct slice text) {
    size_t start = text.size > 0 && text.data[0] == '-';
    size_t at = start;
    while (at < text.size && at <= U64_DIGITS_MAX && (uint8_t)(text.data[at] - '0') < 10) {
        at++;
    }
    bool is_one = at > start && (text.data[start] != '0' || at == start + 1);
    return is_one ? at : text.size;
}

static size_t scan_bool(struct slice text) {
    return slice_starts_with(text, SLICE("true"))    ? 4
           : slice_starts_with(text, SLICE("false")) ? 5
                                                     : text.size;
}

/* The value that begins the text; false when it is of another kind. A literal follows every value,
 * so that none ends with the text. */
static bool take_value(struct slice text, enum shape_kind kind, struct slice *value_out) {
    bool has_high = false;
    size_t size = kind == SHAPE_STRING    ? scan_string(text, &has_high)
                  : kind == SHAPE_INTEGER ? scan_integer(text)
                                          : scan_bool(text);
    *value_out = slice_head(text, size);
    return size < text.size && (!has_high || text_is_utf8(*value_out));
}

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

static bool take_field(struct otlp_record *record, const struct shape_node *node,
                       const uint8_t *literal, struct slice value) {
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
        add_attribute(record, node, slice_of(literal + node->key_at, node->key_size), value);
        return true;
    case SHAPE_IGNORED:
        return true;
    }
    return false;
}

/* --- The path of a record --- */

/* The child whose bytes stand at the front of the text; it becomes the first one. 0: none. */
static uint16_t find_child(struct otlp_shapes *shapes, uint16_t parent, struct slice text) {
    uint16_t before = 0;
    uint16_t child = shapes->nodes[parent].first_child;
    while (child != 0) {
        struct shape_node *node = &shapes->nodes[child];
        if (scan_begins_with(text, shapes->text + node->text_at, node->text_size)) {
            if (before != 0) {
                shapes->nodes[before].next_sibling = node->next_sibling;
                node->next_sibling = shapes->nodes[parent].first_child;
                shapes->nodes[parent].first_child = child;
            }
            return child;
        }
        before = child;
        child = node->next_sibling;
    }
    return 0;
}

/* Without the first `size` bytes, which are there. */
static inline struct slice behind(struct slice text, size_t size) {
    return slice_of(text.data + size, text.size - size);
}

static size_t take_path(struct otlp_shapes *shapes, struct slice text, struct otlp_record *record) {
    struct slice rest = text;
    uint16_t place = 0;
    for (;;) {
        place = find_child(shapes, place, rest);
        if (place == 0) {
            return 0;
        }
        const struct shape_node *node = &shapes->nodes[place];
        const uint8_t *literal = rest.data;
        struct slice value;
        rest = behind(rest, node->text_size);
        if (node->kind == SHAPE_END) {
            return text.size - rest.size;
        }
        if (!take_value(rest, (enum shape_kind)node->kind, &value) ||
            !take_field(record, node, literal, value)) {
            return 0;
        }
        rest = behind(rest, value.size);
    }
}

size_t otlp_shape_take(struct otlp_shapes *shapes, struct slice text, struct otlp_record *record) {
    if (shapes->pause > 0) {
        shapes->pause--;
        return 0;
    }
    size_t size = take_path(shapes, text, record);
    ASSERT(size <= text.size);
    shapes->misses = size > 0 ? 0 : shapes->misses + 1;
    if (shapes->misses > MISSES_MAX) {
        shapes->misses = MISSES_AFTER_PAUSE;
        shapes->pause = PAUSE_RECORDS;
    }
    return size;
}
