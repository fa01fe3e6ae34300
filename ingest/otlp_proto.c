/* otlp_proto.c - see otlp_proto.h: values, attributes, ids, and the levels above records. */
#include <math.h>

#include "ingest/otlp_proto.h"

#include "core/base/assert.h"
#include "ingest/otlp_number.h"

/* Deeper values are refused, as in JSON; each level is at least two messages. */
enum { NUMBER_TEXT_BYTES = 64 };

/* --- AnyValue --- */

enum any_field {
    ANY_STRING = 1,
    ANY_BOOL = 2,
    ANY_INT = 3,
    ANY_DOUBLE = 4,
    ANY_ARRAY = 5,
    ANY_KVLIST = 6,
    ANY_BYTES = 7,
};

static double double_of(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void add_any(struct proto_root *root, struct slice message, struct text *text,
                    uint32_t depth);

static void add_pair(struct proto_root *root, struct slice message, struct text *text,
                     uint32_t depth) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct proto_field field;
    struct slice key = {0};
    struct slice value = {0};
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 1, PROTO_LENGTH)) {
            (void)proto_text(root, &field, &key);
        } else if (proto_is(&field, 2, PROTO_LENGTH)) {
            value = field.bytes;
        }
    }
    text_add_json_string(text, key);
    text_add_char(text, ':');
    add_any(root, value, text, depth);
}

/* ArrayValue and KeyValueList: `values` is field 1 of both. */
static void add_list(struct proto_root *root, struct slice message, struct text *text, bool is_map,
                     uint32_t depth) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct proto_field field;
    bool is_first = true;
    if (depth == OTLP_ANY_DEPTH_MAX) {
        proto_fail(root, message.data, "nested too deeply");
        return;
    }
    text_add_char(text, is_map ? '{' : '[');
    while (proto_next(&walk, &field)) {
        if (!proto_is(&field, 1, PROTO_LENGTH)) {
            continue;
        }
        text_add_text(text, is_first ? "" : ",");
        is_first = false;
        if (is_map) {
            add_pair(root, field.bytes, text, depth + 1);
        } else {
            add_any(root, field.bytes, text, depth + 1);
        }
    }
    text_add_char(text, is_map ? '}' : ']');
}

/* The last member of the oneof that stands there, as protobuf has it. */
static bool find_any(struct proto_root *root, struct slice message, struct proto_field *found_out) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct proto_field field;
    bool is_found = false;
    while (proto_next(&walk, &field)) {
        enum proto_wire wire = field.number == ANY_BOOL || field.number == ANY_INT ? PROTO_VARINT
                               : field.number == ANY_DOUBLE                        ? PROTO_FIXED64
                                                                                   : PROTO_LENGTH;
        if (field.number <= ANY_BYTES && field.wire == wire) {
            *found_out = field;
            is_found = true;
        }
    }
    return is_found;
}

static void add_number(const struct proto_field *any, struct text *text) {
    if (any->number == ANY_BOOL) {
        text_add_text(text, any->value != 0 ? "true" : "false");
    } else if (any->number == ANY_INT) {
        text_add_i64(text, (int64_t)any->value);
    } else {
        otlp_add_double(text, double_of(any->value));
    }
}

/* An AnyValue inside another, as JSON. */
static void add_any(struct proto_root *root, struct slice message, struct text *text,
                    uint32_t depth) {
    struct proto_field any;
    struct slice words;
    if (!find_any(root, message, &any)) {
        text_add_text(text, "null");
        return;
    }
    switch (any.number) {
    case ANY_STRING:
        if (proto_text(root, &any, &words)) {
            text_add_json_string(text, words);
        }
        return;
    case ANY_ARRAY:
    case ANY_KVLIST:
        add_list(root, any.bytes, text, any.number == ANY_KVLIST, depth);
        return;
    case ANY_BYTES:
        text_add_char(text, '"');
        otlp_add_base64(text, any.bytes);
        text_add_char(text, '"');
        return;
    case ANY_DOUBLE:
        if (!isfinite(double_of(any.value))) { /* no JSON number */
            text_add_char(text, '"');
            add_number(&any, text);
            text_add_char(text, '"');
            return;
        }
        add_number(&any, text);
        return;
    default:
        add_number(&any, text);
    }
}

static enum attribute_type type_of(uint32_t number) {
    static const enum attribute_type types[] = {
        [ANY_STRING] = ATTRIBUTE_STRING, [ANY_BOOL] = ATTRIBUTE_BOOL,
        [ANY_INT] = ATTRIBUTE_INT,       [ANY_DOUBLE] = ATTRIBUTE_DOUBLE,
        [ANY_ARRAY] = ATTRIBUTE_JSON,    [ANY_KVLIST] = ATTRIBUTE_JSON,
        [ANY_BYTES] = ATTRIBUTE_BYTES,
    };
    return types[number];
}

static struct status take_list(struct proto_root *root, const struct proto_field *any,
                               struct arena *arena, struct slice *text_out) {
    struct text text;
    if (!otlp_begin_list(arena, &text)) {
        return status_of(STATUS_FULL);
    }
    add_list(root, any->bytes, &text, any->number == ANY_KVLIST, 0);
    *text_out = otlp_end_list(arena, &text, any->bytes);
    return status_ok();
}

struct status otlp_proto_take_any(struct proto_root *root, struct slice message,
                                  struct arena *arena, struct slice *text_out,
                                  enum attribute_type *type_out) {
    struct proto_field any;
    if (!find_any(root, message, &any)) {
        return status_ok();
    }
    *type_out = type_of(any.number);
    if (any.number == ANY_STRING) {
        (void)proto_text(root, &any, text_out);
        return status_ok();
    }
    if (*type_out == ATTRIBUTE_JSON) {
        return take_list(root, &any, arena, text_out);
    }
    bool is_scalar = any.wire != PROTO_LENGTH;
    size_t capacity = is_scalar ? NUMBER_TEXT_BYTES : any.bytes.size / 3 * 4 + 5;
    size_t mark = arena->used_bytes;
    char *memory = arena_allocate_unset(arena, capacity, 1);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    struct text text = text_over(memory, capacity);
    if (is_scalar) {
        add_number(&any, &text);
    } else {
        otlp_add_base64(&text, any.bytes);
    }
    arena_rewind(arena, mark + text.size);
    *text_out = text_slice(&text);
    return status_ok();
}

struct status otlp_proto_add_attribute(struct proto_root *root, struct slice message,
                                       struct arena *arena, struct otlp_attributes *attributes) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct attribute attribute = {0};
    struct proto_field field;
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 1, PROTO_LENGTH)) {
            (void)proto_text(root, &field, &attribute.key);
        } else if (proto_is(&field, 2, PROTO_LENGTH)) {
            TRY(otlp_proto_take_any(root, field.bytes, arena, &attribute.value, &attribute.type));
        }
    }
    otlp_attributes_add(attributes, &attribute);
    return status_ok();
}

/* --- Ids --- */

static uint64_t big_endian_u64(const uint8_t *bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

void otlp_proto_take_id(struct otlp_record *record, uint32_t which, struct slice bytes) {
    size_t wanted = which == OTLP_PROTO_TRACE_ID ? 16 : 8;
    if (bytes.size == 0) {
        return;
    }
    if (bytes.size != wanted) {
        otlp_record_miss_id(record, which == OTLP_PROTO_TRACE_ID  ? "traceId is not 16 bytes"
                                    : which == OTLP_PROTO_SPAN_ID ? "spanId is not 8 bytes"
                                                                  : "parentSpanId is not 8 bytes");
        return;
    }
    uint64_t first = big_endian_u64(bytes.data);
    if (which == OTLP_PROTO_TRACE_ID) {
        record->envelope.trace_id.lo = first;
        record->envelope.trace_id.hi = big_endian_u64(bytes.data + 8);
    } else if (which == OTLP_PROTO_SPAN_ID) {
        record->envelope.span_id = first;
    } else {
        record->envelope.parent_span_id = first;
    }
}

/* --- Levels --- */

static struct status take_owner(struct proto_root *root, struct slice message, uint32_t number,
                                struct arena *arena, struct otlp_attributes *attributes) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct proto_field field;
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, number, PROTO_LENGTH)) {
            TRY(otlp_proto_add_attribute(root, field.bytes, arena, attributes));
        }
    }
    return status_ok();
}

struct status otlp_proto_take_level(struct decode *decode, struct proto_root *root,
                                    const struct otlp_proto_level *level, struct slice message,
                                    const struct otlp_attributes *outer) {
    struct otlp_attributes attributes;
    struct proto_walk walk = proto_walk_over(root, message);
    struct proto_field field;
    otlp_attributes_reset(&attributes);
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 1, PROTO_LENGTH)) {
            TRY(take_owner(root, field.bytes, level->owner_attributes, decode->arena, &attributes));
        }
    }
    otlp_attributes_settle(&attributes, outer, decode->arena);
    walk = proto_walk_over(root, message);
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, level->children, PROTO_LENGTH)) {
            size_t mark = decode->arena->used_bytes;
            TRY(level->take_child(decode, root, field.bytes, &attributes));
            arena_rewind(decode->arena, mark);
        }
    }
    return status_ok();
}

struct status otlp_proto_take_request(struct decode *decode, const struct otlp_proto_level *level,
                                      struct slice body) {
    struct proto_root root = {.bytes = body};
    struct proto_walk walk = proto_walk_over(&root, body);
    struct proto_field field;
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 1, PROTO_LENGTH)) {
            size_t mark = decode->arena->used_bytes;
            TRY(otlp_proto_take_level(decode, &root, level, field.bytes, NULL));
            arena_rewind(decode->arena, mark);
        }
    }
    return root.error == NULL ? status_ok()
                              : fault_set(&decode->fault, STATUS_INVALID, "%s at byte %zu",
                                          root.error, root.error_at);
}
