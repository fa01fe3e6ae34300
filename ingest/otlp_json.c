/* otlp_json.c - see otlp_json.h; OTLP specification 1.x, "JSON Protobuf Encoding". */
#include "ingest/otlp_json.h"

#include "core/base/assert.h"
#include "core/base/text.h"
#include "ingest/otlp_json_usual.h"
#include "ingest/otlp_number.h"

enum { NUMBER_TEXT_BYTES = 64 };

bool otlp_take_text(struct json_walk *walk, struct slice *text_out) {
    return json_take_null(walk) || json_take_string(walk, text_out);
}

/* Nothing is written for null. */
static bool take_number_text(struct json_walk *walk, struct slice *text_out) {
    switch (json_peek(walk)) {
    case JSON_NULL:
        return json_take_null(walk);
    case JSON_STRING:
        return json_take_string(walk, text_out);
    default:
        return json_take_number(walk, text_out);
    }
}

bool otlp_take_u64(struct json_walk *walk, uint64_t *value_out) {
    struct slice text = {0};
    if (take_number_text(walk, &text) && text.data != NULL &&
        !status_is_ok(otlp_parse_u64(text, value_out))) {
        json_fail(walk, "not an unsigned 64-bit integer");
    }
    return walk->error == NULL;
}

bool otlp_take_enum(struct json_walk *walk, uint64_t *value_out) {
    struct slice text = {0};
    int64_t number = 0;
    if (take_number_text(walk, &text) && text.data != NULL) {
        if (status_is_ok(otlp_parse_i64(text, &number))) {
            *value_out = (uint64_t)number;
        } else {
            json_fail(walk, "an enum value is a number");
        }
    }
    return walk->error == NULL;
}

/* --- AnyValue --- */

static void add_any(struct json_walk *walk, struct text *text, uint32_t depth);
static bool take_any(struct json_walk *walk, uint32_t depth, struct slice *text_out,
                     enum attribute_type *type_out);

static void add_taken(struct text *text, struct slice value, enum attribute_type type) {
    if (type == ATTRIBUTE_STRING || type == ATTRIBUTE_BYTES ||
        (type == ATTRIBUTE_DOUBLE && otlp_is_beyond_json(value))) {
        text_add_json_string(text, value);
    } else {
        text_add(text, value.size == 0 ? SLICE("null") : value);
    }
}

/* One of a map: its key may stand behind its value, which is read once all the same. */
static void add_pair(struct json_walk *walk, struct text *text, uint32_t depth) {
    struct slice key;
    struct slice name = {0};
    struct slice value = {0};
    enum attribute_type type = ATTRIBUTE_JSON;
    size_t mark = walk->arena->used_bytes;
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "key")) {
            otlp_take_text(walk, &name);
        } else if (json_key_is(key, "value")) {
            take_any(walk, depth, &value, &type);
        } else {
            json_skip(walk, NULL);
        }
    }
    text_add_json_string(text, name);
    text_add_char(text, ':');
    add_taken(text, value, type);
    arena_rewind(walk->arena, mark);
}

static void add_list(struct json_walk *walk, struct text *text, bool is_map, uint32_t depth) {
    struct slice key;
    bool is_first = true;
    text_add_char(text, is_map ? '{' : '[');
    if (json_enter_object(walk)) {
        while (json_next_member(walk, &key)) {
            if (!json_key_is(key, "values") || json_peek(walk) != JSON_ARRAY) {
                json_skip(walk, NULL);
                continue;
            }
            json_enter_array(walk);
            while (json_next_element(walk)) {
                text_add_text(text, is_first ? "" : ",");
                is_first = false;
                if (is_map) {
                    add_pair(walk, text, depth + 1);
                } else {
                    add_any(walk, text, depth + 1);
                }
            }
        }
    }
    text_add_char(text, is_map ? '}' : ']');
}

/* An AnyValue inside another, as JSON. */
static void add_any(struct json_walk *walk, struct text *text, uint32_t depth) {
    struct slice value = {0};
    enum attribute_type type = ATTRIBUTE_JSON;
    size_t mark = walk->arena->used_bytes;
    if (!take_any(walk, depth, &value, &type)) {
        return;
    }
    add_taken(text, value, type);
    arena_rewind(walk->arena, mark);
}

static void fail_for_room(struct json_walk *walk) {
    walk->is_out_of_room = true;
    json_fail(walk, "no room");
}

static bool take_composite(struct json_walk *walk, bool is_map, uint32_t depth,
                           struct slice *text_out) {
    size_t start = json_next_at(walk);
    struct text text;
    if (depth == OTLP_ANY_DEPTH_MAX) {
        json_fail(walk, "nested too deeply");
        return false;
    }
    if (!otlp_begin_list(walk->arena, &text)) {
        fail_for_room(walk);
        return false;
    }
    add_list(walk, &text, is_map, depth);
    if (walk->error == NULL) {
        struct slice raw = slice_of(walk->bytes.data + start, walk->at - start);
        *text_out = otlp_end_list(walk->arena, &text, raw);
    }
    return walk->error == NULL;
}

/* As otlp_number.h writes it, whatever the sender's taste. */
static void rewrite_double(struct json_walk *walk, struct slice *text) {
    char *memory = walk->error == NULL ? arena_allocate(walk->arena, NUMBER_TEXT_BYTES, 1) : NULL;
    if (memory != NULL && text->size < NUMBER_TEXT_BYTES) {
        struct text written = text_over(memory, NUMBER_TEXT_BYTES);
        otlp_add_written_double(&written, *text);
        *text = text_slice(&written);
    }
}

/* The same of an int64, which protobuf's JSON mapping lets senders spell in several ways. */
static void rewrite_int(struct json_walk *walk, struct slice *text) {
    int64_t value;
    if (walk->error != NULL || otlp_is_plain_i64(*text)) {
        return;
    }
    if (!status_is_ok(otlp_parse_i64(*text, &value))) {
        json_fail(walk, "not a 64-bit integer");
        return;
    }
    char *memory = arena_allocate(walk->arena, NUMBER_TEXT_BYTES, 1);
    if (memory == NULL) {
        fail_for_room(walk);
        return;
    }
    struct text written = text_over(memory, NUMBER_TEXT_BYTES);
    text_add_i64(&written, value);
    *text = text_slice(&written);
}

static void rewrite_bytes(struct json_walk *walk, struct slice *text) {
    bool is_usual = text->size % 4 == 0 && slice_find_byte(*text, '-') == text->size &&
                    slice_find_byte(*text, '_') == text->size;
    if (walk->error != NULL || is_usual) { /* it may be long: not copied for nothing */
        return;
    }
    size_t capacity = text->size + 3; /* of padding, and the terminator */
    char *memory = arena_allocate_unset(walk->arena, capacity, 1);
    if (memory == NULL) {
        fail_for_room(walk);
        return;
    }
    struct text written = text_over(memory, capacity);
    otlp_add_written_base64(&written, *text);
    *text = text_slice(&written);
}

static void take_any_member(struct json_walk *walk, struct slice key, uint32_t depth,
                            struct slice *text_out, enum attribute_type *type_out) {
    bool flag;
    if (json_take_null(walk)) {
        return;
    }
    if (json_key_is(key, "stringValue")) {
        *type_out = ATTRIBUTE_STRING;
        json_take_string(walk, text_out);
    } else if (json_key_is(key, "boolValue")) {
        *type_out = ATTRIBUTE_BOOL;
        if (json_take_bool(walk, &flag)) {
            *text_out = flag ? SLICE("true") : SLICE("false");
        }
    } else if (json_key_is(key, "intValue") || json_key_is(key, "doubleValue")) {
        *type_out = key.data[0] == 'i' ? ATTRIBUTE_INT : ATTRIBUTE_DOUBLE;
        if (json_peek(walk) == JSON_STRING) {
            if (json_take_string(walk, text_out) && *type_out == ATTRIBUTE_DOUBLE &&
                !otlp_is_double(*text_out)) {
                json_fail(walk, "not a number");
            }
        } else {
            json_take_number(walk, text_out);
        }
        if (*type_out == ATTRIBUTE_DOUBLE) {
            rewrite_double(walk, text_out);
        } else {
            rewrite_int(walk, text_out);
        }
    } else if (json_key_is(key, "bytesValue")) {
        *type_out = ATTRIBUTE_BYTES;
        json_take_string(walk, text_out);
        rewrite_bytes(walk, text_out);
    } else if (json_key_is(key, "arrayValue") || json_key_is(key, "kvlistValue")) {
        *type_out = ATTRIBUTE_JSON;
        take_composite(walk, key.data[0] == 'k', depth, text_out);
    } else {
        json_skip(walk, NULL);
    }
}

static bool take_any(struct json_walk *walk, uint32_t depth, struct slice *text_out,
                     enum attribute_type *type_out) {
    struct slice key;
    if (json_take_null(walk)) {
        return true;
    }
    if (json_enter_object(walk)) {
        while (json_next_member(walk, &key)) {
            take_any_member(walk, key, depth, text_out, type_out);
        }
    }
    return walk->error == NULL;
}

bool otlp_take_any(struct json_walk *walk, struct slice *text_out, enum attribute_type *type_out) {
    return take_any(walk, 0, text_out, type_out);
}

/* --- Attributes --- */

static void take_attribute(struct json_walk *walk, struct otlp_attributes *attributes) {
    struct attribute attribute = {0};
    struct slice key;
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "key")) {
            otlp_take_text(walk, &attribute.key);
        } else if (json_key_is(key, "value")) {
            otlp_take_any(walk, &attribute.value, &attribute.type);
        } else {
            json_skip(walk, NULL);
        }
    }
    otlp_attributes_add(attributes, &attribute);
}

void otlp_take_attribute_elements(struct json_walk *walk, struct otlp_attributes *attributes) {
    while (json_next_element(walk)) {
        if (!otlp_take_usual_attribute(walk, attributes)) {
            take_attribute(walk, attributes);
        }
    }
}

bool otlp_take_attributes(struct json_walk *walk, struct otlp_attributes *attributes) {
    if (json_take_null(walk)) {
        return true;
    }
    if (json_enter_array(walk)) {
        otlp_take_attribute_elements(walk, attributes);
    }
    return walk->error == NULL;
}
