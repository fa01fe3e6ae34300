/*
 * load_write_proto.c - bodies of OTLP/protobuf logs: the same records as in JSON.
 *
 * Field numbers are those of opentelemetry/proto/logs/v1/logs.proto and common/v1/common.proto. A
 * message's size stands before it, so that inner ones are written first, into memory of their own.
 */
#include "bench/load_bodies_internal.h"
#include "core/base/assert.h"

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2 };

static void add_varint(struct text *text, uint64_t value) {
    while (value >= 0x80) {
        text_add_char(text, (char)(value | 0x80));
        value >>= 7;
    }
    text_add_char(text, (char)value);
}

static void add_tag(struct text *text, unsigned field, enum wire wire) {
    add_varint(text, (uint64_t)field << 3 | (uint64_t)wire);
}

static void add_bytes(struct text *text, unsigned field, struct slice bytes) {
    add_tag(text, field, BYTES);
    add_varint(text, bytes.size);
    text_add(text, bytes);
}

static void add_key_value(struct text *text, unsigned field, const char *key, struct slice any) {
    char memory[256];
    struct text pair = text_over(memory, sizeof(memory));
    add_bytes(&pair, 1, slice_of_text(key));
    add_bytes(&pair, 2, any);
    add_bytes(text, field, text_slice(&pair));
}

static struct slice string_value(struct text *any, struct slice value) {
    add_bytes(any, 1, value);
    return text_slice(any);
}

static void add_attribute(struct text *text, const struct load_attribute *attribute,
                          unsigned number) {
    char memory[128];
    char words[64];
    struct text any = text_over(memory, sizeof(memory));
    struct text value = text_over(words, sizeof(words));
    if (attribute->words == NULL) {
        add_tag(&any, 3, VARINT);
        add_varint(&any, number);
    } else {
        text_add_format(&value, "%s%u", attribute->words, number);
        add_bytes(&any, 1, text_slice(&value));
    }
    add_key_value(text, 6, attribute->key, text_slice(&any));
}

static void add_record_fields(struct text *text, const struct load_record *record) {
    char words[256];
    char memory[300];
    uint64_t ids[3] = {record->noise, ~record->noise, record->noise * 31 | 1};
    struct text message = text_over(words, sizeof(words));
    struct text any = text_over(memory, sizeof(memory));
    load_add_message(&message, record);
    add_tag(text, 2, VARINT);
    add_varint(text, record->is_error ? 17 : 9);
    add_bytes(text, 3, slice_of_text(record->is_error ? "ERROR" : "INFO"));
    add_bytes(text, 5, string_value(&any, text_slice(&message)));
    for (uint32_t i = 0; i < record->attributes; i++) {
        add_attribute(text, &load_attributes[i],
                      load_attribute_number(&load_attributes[i], record));
    }
    add_bytes(text, 9, slice_of(ids, 16));
    add_bytes(text, 10, slice_of(ids + 2, 8));
}

/* LogRecord in ScopeLogs; its time comes first, so that its place is known. */
static void add_record(struct load_body *body, const struct load_record *record) {
    char memory[LOAD_RECORD_BYTES_MAX];
    struct text inner = text_over(memory, sizeof(memory));
    uint64_t empty_stamp = 0;
    add_tag(&inner, 1, FIXED64);
    text_add(&inner, slice_of(&empty_stamp, sizeof(empty_stamp)));
    add_record_fields(&inner, record);
    add_tag(&body->text, 2, BYTES);
    add_varint(&body->text, inner.size);
    body->stamps_at[body->stamps_count++] = (uint32_t)body->text.size + 1;
    text_add(&body->text, text_slice(&inner));
}

static void write_resource(struct text *text, uint32_t service) {
    char words[64];
    char memory[128];
    char pairs[512];
    struct text name = text_over(words, sizeof(words));
    struct text any = text_over(memory, sizeof(memory));
    struct text resource = text_over(pairs, sizeof(pairs));
    load_add_service(&name, service);
    add_key_value(&resource, 1, "service.name", string_value(&any, text_slice(&name)));
    any.size = 0;
    add_key_value(&resource, 1, "host.name", string_value(&any, SLICE("node-7")));
    add_bytes(text, 1, text_slice(&resource));
}

/* Puts `prefix` before what stands in the body from `at` on, and moves the stamps with it. */
static void insert_prefix(struct load_body *body, struct slice prefix) {
    struct text *text = &body->text;
    ASSERT(text->size + prefix.size < text->capacity);
    memmove(text->data + prefix.size, text->data, text->size);
    memcpy(text->data, prefix.data, prefix.size);
    text->size += prefix.size;
    for (uint32_t i = 0; i < body->stamps_count; i++) {
        body->stamps_at[i] += (uint32_t)prefix.size;
    }
}

void load_write_proto(struct load_body *body, const struct load_record *records, uint32_t count) {
    char memory[LOAD_ENVELOPE_BYTES_MAX / 2];
    struct text prefix = text_over(memory, sizeof(memory));
    for (uint32_t i = 0; i < count; i++) {
        add_record(body, &records[i]);
    }
    add_bytes(&prefix, 1, SLICE("\x0a\x0aquell.load")); /* InstrumentationScope.name */
    insert_prefix(body, text_slice(&prefix));
    prefix.size = 0;
    write_resource(&prefix, records[0].service);
    add_tag(&prefix, 2, BYTES); /* ResourceLogs.scope_logs */
    add_varint(&prefix, body->text.size);
    insert_prefix(body, text_slice(&prefix));
    prefix.size = 0;
    add_tag(&prefix, 1, BYTES); /* ExportLogsServiceRequest.resource_logs */
    add_varint(&prefix, body->text.size);
    insert_prefix(body, text_slice(&prefix));
}
