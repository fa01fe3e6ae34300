/*
 * kafka_decode.c - see kafka_decode.h.
 *
 * A topic's messages say less than an HTTP path: which of the three OTLP signals a body holds is
 * read off the body. JSON names it (resourceLogs, resourceSpans, resourceMetrics). In protobuf the
 * three requests look alike down to the record, whose field types differ (see sniff_record).
 */
#include "ingest/kafka_decode.h"

#include "ingest/native.h"
#include "ingest/otlp_proto.h"

enum signal_kind { SIGNAL_KIND_NONE, SIGNAL_KIND_LOGS, SIGNAL_KIND_TRACES, SIGNAL_KIND_METRICS };

enum encoding {
    ENCODING_UNKNOWN,
    ENCODING_NATIVE,
    ENCODING_NATIVE_LINES,
    ENCODING_OTLP_JSON,
    ENCODING_OTLP_PROTO,
};

/* --- JSON: by the names at its top --- */

static enum signal_kind signal_of_key(struct slice key) {
    if (json_key_is(key, "resourceLogs")) {
        return SIGNAL_KIND_LOGS;
    }
    if (json_key_is(key, "resourceSpans")) {
        return SIGNAL_KIND_TRACES;
    }
    return json_key_is(key, "resourceMetrics") ? SIGNAL_KIND_METRICS : SIGNAL_KIND_NONE;
}

static enum signal_kind sniff_json(struct slice value, struct arena *arena) {
    /* Most native events do not hold the word anywhere: they are walked once only. */
    if (memmem(value.data, value.size, "\"resource", 9) == NULL) {
        return SIGNAL_KIND_NONE;
    }
    size_t mark = arena->used_bytes;
    struct json_walk walk = json_walk_over(value, arena);
    enum signal_kind kind = SIGNAL_KIND_NONE;
    struct slice key;
    if (json_peek(&walk) == JSON_OBJECT) {
        json_enter_object(&walk);
        while (kind == SIGNAL_KIND_NONE && json_next_member(&walk, &key)) {
            kind = signal_of_key(key);
            json_skip(&walk, NULL);
        }
    }
    arena_rewind(arena, mark);
    return kind;
}

/* --- Protobuf: by the types of a record's fields --- */

/* A name, not the bytes of an id: all but one id of millions holds a byte that no name does. */
static bool is_name(struct slice text) {
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] == 0x7F) {
            return false;
        }
    }
    return text_is_utf8(text);
}

/* Only logs have 1 fixed64 (time), 2 varint (severity), 8 fixed32 (flags), 11 fixed64 (observed);
 * only spans 6 varint (kind), 7 and 8 fixed64 (start, end), or ids of 16 and 8 bytes in 1 and 2;
 * metrics have a name in 1, a description in 2, and no numbers at all. */
static enum signal_kind sniff_record(struct proto_root *root, struct slice record) {
    struct proto_walk walk = proto_walk_over(root, record);
    struct proto_field field;
    size_t first_size = 0;
    size_t second_size = 0;
    bool has_first = false;
    bool has_name = true;
    while (proto_next(&walk, &field)) {
        bool is_fixed = field.wire == PROTO_FIXED64;
        if ((is_fixed && (field.number == 1 || field.number == 11)) ||
            proto_is(&field, 2, PROTO_VARINT) || proto_is(&field, 8, PROTO_FIXED32)) {
            return SIGNAL_KIND_LOGS;
        }
        if ((is_fixed && (field.number == 7 || field.number == 8)) ||
            proto_is(&field, 6, PROTO_VARINT)) {
            return SIGNAL_KIND_TRACES;
        }
        has_first = has_first || proto_is(&field, 1, PROTO_LENGTH);
        has_name = proto_is(&field, 1, PROTO_LENGTH) ? is_name(field.bytes) : has_name;
        first_size = proto_is(&field, 1, PROTO_LENGTH) ? field.bytes.size : first_size;
        second_size = proto_is(&field, 2, PROTO_LENGTH) ? field.bytes.size : second_size;
    }
    if (first_size == 16 && second_size == 8 && !has_name) {
        return SIGNAL_KIND_TRACES;
    }
    return has_first ? SIGNAL_KIND_METRICS : SIGNAL_KIND_LOGS;
}

/* The first record below: request > 1 resource > 2 scope > 2 record, in all three. */
static enum signal_kind sniff_proto(struct proto_root *root, struct slice message, int depth) {
    if (depth == 3) {
        return sniff_record(root, message);
    }
    struct proto_walk walk = proto_walk_over(root, message);
    struct proto_field field;
    enum signal_kind kind = SIGNAL_KIND_NONE;
    while (kind == SIGNAL_KIND_NONE && proto_next(&walk, &field)) {
        if (proto_is(&field, depth == 0 ? 1 : 2, PROTO_LENGTH)) {
            kind = sniff_proto(root, field.bytes, depth + 1);
        }
    }
    return kind;
}

/* --- Which encoding --- */

static bool type_is(struct slice type, const char *name) {
    return slice_equals_ignoring_case(type, slice_of_text(name));
}

static enum encoding encoding_of_type(struct slice type) {
    if (type_is(type, "application/x-protobuf") || type_is(type, "application/protobuf")) {
        return ENCODING_OTLP_PROTO;
    }
    if (type_is(type, "application/x-ndjson") || type_is(type, "application/ndjson") ||
        type_is(type, "application/jsonl")) {
        return ENCODING_NATIVE_LINES;
    }
    return type_is(type, "application/json") ? ENCODING_NATIVE : ENCODING_UNKNOWN;
}

/* Messages in field 1 and nothing else: what each of OTLP's requests is. */
static bool is_request(struct slice value) {
    struct proto_root root = {.bytes = value};
    struct proto_walk walk = proto_walk_over(&root, value);
    struct proto_field field;
    struct proto_field part;
    while (proto_next(&walk, &field)) {
        struct proto_walk message = proto_walk_over(&root, field.bytes);
        if (!proto_is(&field, 1, PROTO_LENGTH)) {
            return false;
        }
        while (proto_next(&message, &part)) {
        }
    }
    return root.error == NULL;
}

/* A request in protobuf begins with the tag of field 1, 0x0A, then a length. That is a line's end,
 * too, with which JSON may begin, and the lengths 91 and 123 are its '[' and '{'. */
static enum encoding encoding_of_bytes(struct slice value) {
    uint8_t first = json_first_byte(value);
    bool is_like_json = first == '{' || first == '[';
    if (value.data[0] == 0x0A && (!is_like_json || is_request(value))) {
        return ENCODING_OTLP_PROTO;
    }
    return is_like_json ? ENCODING_NATIVE : ENCODING_UNKNOWN;
}

static enum encoding find_encoding(enum kafka_format format, struct slice content_type,
                                   struct slice value) {
    struct slice type = slice_trim(slice_head(content_type, slice_find_byte(content_type, ';')));
    enum encoding encoding = encoding_of_type(type);
    switch (format) {
    case KAFKA_NATIVE:
        return encoding == ENCODING_NATIVE_LINES ? encoding : ENCODING_NATIVE;
    case KAFKA_OTLP_JSON:
        return ENCODING_OTLP_JSON;
    case KAFKA_OTLP_PROTO:
        return ENCODING_OTLP_PROTO;
    case KAFKA_AUTO:
        break;
    }
    return encoding == ENCODING_UNKNOWN ? encoding_of_bytes(value) : encoding;
}

/* --- Decoding --- */

static struct status decode_json(struct decode *decode, enum signal_kind kind, struct slice value) {
    switch (kind) {
    case SIGNAL_KIND_TRACES:
        return otlp_json_decode_traces(decode, value);
    case SIGNAL_KIND_METRICS:
        return otlp_json_decode_metrics(decode, value);
    default:
        return otlp_json_decode_logs(decode, value);
    }
}

static struct status decode_proto(struct decode *decode, struct slice value) {
    struct proto_root root = {.bytes = value};
    switch (sniff_proto(&root, value, 0)) {
    case SIGNAL_KIND_TRACES:
        return otlp_proto_decode_traces(decode, value);
    case SIGNAL_KIND_METRICS:
        return otlp_proto_decode_metrics(decode, value);
    default:
        return otlp_proto_decode_logs(decode, value);
    }
}

struct status kafka_decode(struct decode *decode, enum kafka_format format,
                           struct slice content_type, struct slice value) {
    value = text_behind_mark(value);
    if (value.size == 0) {
        return fault_set(&decode->fault, STATUS_INVALID, "the message is empty");
    }
    enum encoding encoding = find_encoding(format, content_type, value);
    if (encoding == ENCODING_OTLP_PROTO) {
        return decode_proto(decode, value);
    }
    if (encoding == ENCODING_OTLP_JSON || (encoding == ENCODING_NATIVE && format == KAFKA_AUTO)) {
        enum signal_kind kind = sniff_json(value, decode->arena);
        if (kind != SIGNAL_KIND_NONE || encoding == ENCODING_OTLP_JSON) {
            return decode_json(decode, kind, value);
        }
    }
    if (encoding == ENCODING_UNKNOWN) {
        return fault_set(
            &decode->fault, STATUS_INVALID,
            "the message is neither JSON nor OTLP in protobuf, and has no content-type "
            "header that says what it is");
    }
    return native_decode(decode, value, encoding == ENCODING_NATIVE_LINES);
}
