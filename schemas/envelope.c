/*
 * envelope.c - encoding: a FlatBuffer of constant shape, written in one pass.
 *
 * Every envelope has the same vtable and table layout, so both are a template; an absent string or
 * vector points at one shared empty one (FlatBuffers allows sharing). Order of the bytes:
 *   root offset, identifier, attribute vtable, envelope vtable, padding, table, shared empty,
 *   strings and vectors of what the record says, then source, reason and raw bytes.
 * Offsets in FlatBuffers point forward, except a table's to its vtable, which may point anywhere.
 */
#include "schemas/envelope.h"

#include "core/base/assert.h"
#include "schemas/envelope_template.h"

#define VT(entry) [(entry) / 2]
/* The offset of a text that is not there. NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define NO(place) [((place)-AT_TENANT) / 4] = EMPTY_AT - TABLE_AT - (place)
const struct envelope_template envelope_template = {
    .root = TABLE_AT,
    .identifier = ENVELOPE_FILE_IDENTIFIER,
    .attribute_vtable =
        {
            [0] = ATTRIBUTE_VTABLE_BYTES,
            [1] = ATTRIBUTE_TABLE_BYTES,
            VT(ATTRIBUTE_VT_KEY) = 4,
            VT(ATTRIBUTE_VT_VALUE) = 8,
            VT(ATTRIBUTE_VT_TYPE) = 12,
        },
    .vtable =
        {
            [0] = ENVELOPE_VTABLE_BYTES,
            [1] = TABLE_BYTES,
            VT(ENVELOPE_VT_EVENT_KEY) = AT_EVENT_KEY,
            VT(ENVELOPE_VT_FINGERPRINT) = AT_FINGERPRINT,
            VT(ENVELOPE_VT_ENTITY_KEY) = AT_ENTITY_KEY,
            VT(ENVELOPE_VT_TRACE_ID) = AT_TRACE_ID,
            VT(ENVELOPE_VT_SPAN_ID) = AT_SPAN_ID,
            VT(ENVELOPE_VT_PARENT_SPAN_ID) = AT_PARENT_SPAN_ID,
            VT(ENVELOPE_VT_EVENT_TIME_NS) = AT_EVENT_TIME,
            VT(ENVELOPE_VT_INGEST_TIME_NS) = AT_INGEST_TIME,
            VT(ENVELOPE_VT_SCORE) = AT_SCORE,
            VT(ENVELOPE_VT_FLAGS) = AT_FLAGS,
            VT(ENVELOPE_VT_KIND) = AT_KIND,
            VT(ENVELOPE_VT_STATUS) = AT_STATUS,
            VT(ENVELOPE_VT_SEVERITY) = AT_SEVERITY,
            VT(ENVELOPE_VT_TENANT) = AT_TENANT,
            VT(ENVELOPE_VT_ENTITY) = AT_ENTITY,
            VT(ENVELOPE_VT_EVENT_ID) = AT_EVENT_ID,
            VT(ENVELOPE_VT_RUN_ID) = AT_RUN_ID,
            VT(ENVELOPE_VT_ERROR_CLASS) = AT_ERROR_CLASS,
            VT(ENVELOPE_VT_MESSAGE) = AT_MESSAGE,
            VT(ENVELOPE_VT_SOURCE) = AT_SOURCE,
            VT(ENVELOPE_VT_REASON) = AT_REASON,
            VT(ENVELOPE_VT_RAW) = AT_RAW,
            VT(ENVELOPE_VT_ATTRIBUTES) = AT_ATTRIBUTES,
            VT(ENVELOPE_VT_DEPENDS_ON) = AT_DEPENDS_ON,
        },
    .table_vtable = TABLE_AT - VTABLE_AT,
    .texts =
        {
            NO(AT_TENANT),
            NO(AT_ENTITY),
            NO(AT_EVENT_ID),
            NO(AT_RUN_ID),
            NO(AT_ERROR_CLASS),
            NO(AT_MESSAGE),
            NO(AT_SOURCE),
            NO(AT_REASON),
            NO(AT_RAW),
            NO(AT_ATTRIBUTES),
            NO(AT_DEPENDS_ON),
        },
};
#undef NO
#undef VT

/* The envelope being written: `base` is its first byte, `at` the next free one. */
struct encoder {
    uint8_t *base;
    uint32_t at;
};

static void put_u32(struct encoder *encoder, uint32_t at, uint32_t value) {
    memcpy(encoder->base + at, &value, sizeof(value));
}

/* Makes the offset field at `field` point to `target`. */
static void put_offset(struct encoder *encoder, uint32_t field, uint32_t target) {
    ASSERT(target > field);
    put_u32(encoder, field, target - field);
}

/* A string or byte vector; its position. */
static inline uint32_t put_bytes(struct encoder *encoder, struct slice bytes) {
    uint32_t start = encoder->at;
    uint32_t size = (uint32_t)bytes.size;
    put_u32(encoder, start, size);
    /* The zero terminator and padding first: they never overlap the text. */
    uint32_t end = (start + 4 + size + 1 + 3) & ~3u;
    put_u32(encoder, end - 4, 0);
    slice_copy(bytes, encoder->base + start + 4);
    encoder->at = end;
    return start;
}

/* What is empty is so in the template. */
static inline void put_text_field(struct encoder *encoder, uint32_t place, struct slice text) {
    if (text.size > 0) {
        put_offset(encoder, TABLE_AT + place, put_bytes(encoder, text));
    }
}

/* Its table's position. */
static uint32_t put_attribute(struct encoder *encoder, const struct attribute *attribute) {
    uint32_t table = encoder->at;
    encoder->at += ATTRIBUTE_TABLE_BYTES;
    put_u32(encoder, table, table - ATTRIBUTE_VTABLE_AT);
    put_u32(encoder, table + 12, (uint32_t)attribute->type);
    put_offset(encoder, table + 4, put_bytes(encoder, attribute->key));
    put_offset(encoder, table + 8, put_bytes(encoder, attribute->value));
    return table;
}

/* Offsets inside the block stay true wherever it lies; only the way to the vtable is another. */
static void put_block(struct encoder *encoder, uint32_t vector_entry,
                      const struct attribute_block *block) {
    uint32_t start = encoder->at;
    memcpy(encoder->base + start, block->bytes.data, block->bytes.size);
    encoder->at += (uint32_t)block->bytes.size;
    for (uint32_t i = 0; i < block->count; i++) {
        uint32_t table = start + block->tables[i];
        put_offset(encoder, vector_entry + 4 * i, table);
        put_u32(encoder, table, table - ATTRIBUTE_VTABLE_AT);
    }
}

static void put_attributes(struct encoder *encoder, const struct envelope *envelope) {
    uint32_t field = TABLE_AT + AT_ATTRIBUTES;
    uint32_t count = envelope->attributes_count;
    if (count == 0) {
        return;
    }
    uint32_t vector = encoder->at;
    put_offset(encoder, field, vector);
    put_u32(encoder, vector, count);
    encoder->at += 4 + 4 * count;
    uint32_t own = envelope->tail == NULL ? count : count - envelope->tail->count;
    for (uint32_t i = 0; i < own; i++) {
        put_offset(encoder, vector + 4 + 4 * i, put_attribute(encoder, &envelope->attributes[i]));
    }
    if (envelope->tail != NULL) {
        put_block(encoder, vector + 4 + 4 * own, envelope->tail);
    }
}

static void put_depends_on(struct encoder *encoder, const struct envelope *envelope) {
    uint32_t field = TABLE_AT + AT_DEPENDS_ON;
    if (envelope->depends_on_count == 0) {
        return;
    }
    uint32_t vector = encoder->at;
    put_offset(encoder, field, vector);
    put_u32(encoder, vector, envelope->depends_on_count);
    encoder->at += 4 + 4 * envelope->depends_on_count;
    for (uint32_t i = 0; i < envelope->depends_on_count; i++) {
        put_offset(encoder, vector + 4 + 4 * i, put_bytes(encoder, envelope->depends_on[i]));
    }
}

static size_t bytes_size_max(struct slice bytes) {
    return bytes.size + 8;
}

static size_t attributes_size_max(const struct attribute *attributes, uint32_t count) {
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += ATTRIBUTE_TABLE_BYTES + bytes_size_max(attributes[i].key) +
                bytes_size_max(attributes[i].value);
    }
    return size;
}

/* At least what the encoding takes, so that nothing needs a check while writing. */
static size_t envelope_size_max(const struct envelope *envelope) {
    const struct attribute_block *tail = envelope->tail;
    size_t size = STRINGS_AT + 16;
    size += bytes_size_max(envelope->tenant) + bytes_size_max(envelope->entity) +
            bytes_size_max(envelope->event_id) + bytes_size_max(envelope->run_id) +
            bytes_size_max(envelope->error_class) + bytes_size_max(envelope->message) +
            bytes_size_max(envelope->source) + bytes_size_max(envelope->reason) +
            bytes_size_max(envelope->raw);
    uint32_t own = envelope->attributes_count - (tail == NULL ? 0 : tail->count);
    size += attributes_size_max(envelope->attributes, own) + (tail == NULL ? 0 : tail->bytes.size) +
            4 * (size_t)envelope->attributes_count;
    for (uint32_t i = 0; i < envelope->depends_on_count; i++) {
        size += 4 + bytes_size_max(envelope->depends_on[i]);
    }
    return size + 16;
}

static void put_scalars(uint8_t *table, const struct envelope *envelope) {
    memcpy(table + AT_EVENT_KEY, &envelope->event_key, 16);
    memcpy(table + AT_FINGERPRINT, &envelope->fingerprint, 16);
    memcpy(table + AT_ENTITY_KEY, &envelope->entity_key, 16);
    memcpy(table + AT_TRACE_ID, &envelope->trace_id, 16);
    memcpy(table + AT_SPAN_ID, &envelope->span_id, 8);
    memcpy(table + AT_PARENT_SPAN_ID, &envelope->parent_span_id, 8);
    memcpy(table + AT_EVENT_TIME, &envelope->event_time_ns, 8);
    memcpy(table + AT_INGEST_TIME, &envelope->ingest_time_ns, 8);
    memcpy(table + AT_SCORE, &envelope->score, 8);
    memcpy(table + AT_FLAGS, &envelope->flags, 4);
    table[AT_KIND] = (uint8_t)envelope->kind;
    table[AT_STATUS] = (uint8_t)envelope->status;
    table[AT_SEVERITY] = (uint8_t)envelope->severity;
}

/* The texts so far in one piece, with their lengths and borders, make the key of the content. */
static void put_key_of_texts(struct encoder *encoder, struct hash128 key) {
    struct slice texts = slice_of(encoder->base + STRINGS_AT, encoder->at - STRINGS_AT);
    key = hash128_combine(hash128_of(texts, 0), key);
    memcpy(encoder->base + TABLE_AT + AT_EVENT_KEY, &key, sizeof(key));
}

struct status attribute_block_encode(const struct attribute *attributes, uint32_t count,
                                     struct arena *arena, struct attribute_block *block_out) {
    size_t size_max = attributes_size_max(attributes, count);
    uint32_t *tables = arena_allocate_unset(arena, (size_t)count * sizeof(*tables), 4);
    uint8_t *bytes = arena_allocate_unset(arena, size_max, 4);
    if (tables == NULL || bytes == NULL || size_max > ENVELOPE_BYTES_MAX) {
        return status_of(STATUS_FULL);
    }
    struct encoder encoder = {.base = bytes};
    for (uint32_t i = 0; i < count; i++) {
        tables[i] = put_attribute(&encoder, &attributes[i]);
    }
    ASSERT(encoder.at <= size_max);
    *block_out = (struct attribute_block){attributes, slice_of(bytes, encoder.at), tables, count};
    return status_ok();
}

struct status envelope_encode(const struct envelope *envelope, struct writer *writer) {
    ASSERT(envelope->tail == NULL || envelope->tail->count <= envelope->attributes_count);
    size_t size_max = envelope_size_max(envelope);
    if (writer->failed || size_max > ENVELOPE_BYTES_MAX ||
        size_max > writer->capacity - writer->size) {
        return status_of(STATUS_FULL);
    }
    struct encoder encoder = {.base = writer->data + writer->size, .at = STRINGS_AT};
    memcpy(encoder.base, &envelope_template, sizeof(envelope_template));
    put_scalars(encoder.base + TABLE_AT, envelope);
    put_text_field(&encoder, AT_TENANT, envelope->tenant);
    put_text_field(&encoder, AT_ENTITY, envelope->entity);
    put_text_field(&encoder, AT_EVENT_ID, envelope->event_id);
    put_text_field(&encoder, AT_RUN_ID, envelope->run_id);
    put_text_field(&encoder, AT_ERROR_CLASS, envelope->error_class);
    put_text_field(&encoder, AT_MESSAGE, envelope->message);
    put_attributes(&encoder, envelope);
    put_depends_on(&encoder, envelope);
    if (envelope->is_known_by_texts) {
        put_key_of_texts(&encoder, envelope->event_key);
    }
    put_text_field(&encoder, AT_SOURCE, envelope->source);
    put_text_field(&encoder, AT_REASON, envelope->reason);
    put_text_field(&encoder, AT_RAW, envelope->raw);
    if (encoder.at % 8 != 0) {
        put_u32(&encoder, encoder.at, 0);
        encoder.at += 4;
    }
    ASSERT(encoder.at <= size_max && encoder.at % 8 == 0);
    writer->size += encoder.at;
    return status_ok();
}
