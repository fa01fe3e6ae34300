/*
 * envelope.c - encoding: a FlatBuffer of constant shape, written in one pass.
 *
 * Envelopes are of one of two shapes, each with its vtable and table layout, so both are templates;
 * an absent string or vector points at one shared empty one (FlatBuffers allows sharing). Order of
 * the bytes:
 *   root offset, identifier, vtable, padding, table, shared empty,
 *   strings and vectors of what the record says, then source, reason and raw bytes.
 * Offsets in FlatBuffers point forward, except a table's to its vtable, which may point anywhere.
 */
#include "schemas/envelope.h"

#include "core/base/assert.h"
#include "schemas/attributes_packed.h"
#include "schemas/envelope_template.h"

#define VT(entry) [(entry) / 2]
/* The offset of a text that is not there. NOLINTNEXTLINE(bugprone-macro-parentheses) */
#define NO(bytes, place) (bytes) - (place)
#define NO_TEXTS(bytes)                                                                            \
    {                                                                                              \
        NO(bytes, AT_TENANT), NO(bytes, AT_ENTITY), NO(bytes, AT_RUN_ID), NO(bytes, AT_MESSAGE),   \
            NO(bytes, AT_SOURCE), NO(bytes, AT_PACKED),                                            \
    }
#define PLAIN_FIELDS                                                                               \
    [0] = ENVELOPE_VTABLE_BYTES, VT(ENVELOPE_VT_EVENT_KEY) = AT_EVENT_KEY,                         \
    VT(ENVELOPE_VT_FINGERPRINT) = AT_FINGERPRINT, VT(ENVELOPE_VT_ENTITY_KEY) = AT_ENTITY_KEY,      \
    VT(ENVELOPE_VT_TRACE_ID) = AT_TRACE_ID, VT(ENVELOPE_VT_SPAN_ID) = AT_SPAN_ID,                  \
    VT(ENVELOPE_VT_EVENT_TIME_NS) = AT_EVENT_TIME,                                                 \
    VT(ENVELOPE_VT_INGEST_TIME_NS) = AT_INGEST_TIME, VT(ENVELOPE_VT_FLAGS) = AT_FLAGS,             \
    VT(ENVELOPE_VT_KIND) = AT_KIND, VT(ENVELOPE_VT_STATUS) = AT_STATUS,                            \
    VT(ENVELOPE_VT_SEVERITY) = AT_SEVERITY, VT(ENVELOPE_VT_TENANT) = AT_TENANT,                    \
    VT(ENVELOPE_VT_ENTITY) = AT_ENTITY, VT(ENVELOPE_VT_RUN_ID) = AT_RUN_ID,                        \
    VT(ENVELOPE_VT_MESSAGE) = AT_MESSAGE, VT(ENVELOPE_VT_SOURCE) = AT_SOURCE,                      \
    VT(ENVELOPE_VT_PACKED) = AT_PACKED

const struct envelope_template envelope_plain = {
    .front =
        {
            .root = TABLE_AT,
            .identifier = ENVELOPE_FILE_IDENTIFIER,
            .vtable = {PLAIN_FIELDS, [1] = PLAIN_TABLE_BYTES},
            .table_vtable = TABLE_AT - VTABLE_AT,
        },
    .texts = NO_TEXTS(PLAIN_TABLE_BYTES),
};

const struct envelope_template envelope_rich = {
    .front =
        {
            .root = TABLE_AT,
            .identifier = ENVELOPE_FILE_IDENTIFIER,
            .vtable =
                {
                    PLAIN_FIELDS,
                    [1] = RICH_TABLE_BYTES,
                    VT(ENVELOPE_VT_PARENT_SPAN_ID) = AT_PARENT_SPAN_ID,
                    VT(ENVELOPE_VT_SCORE) = AT_SCORE,
                    VT(ENVELOPE_VT_EVENT_ID) = AT_EVENT_ID,
                    VT(ENVELOPE_VT_ERROR_CLASS) = AT_ERROR_CLASS,
                    VT(ENVELOPE_VT_REASON) = AT_REASON,
                    VT(ENVELOPE_VT_RAW) = AT_RAW,
                    VT(ENVELOPE_VT_DEPENDS_ON) = AT_DEPENDS_ON,
                },
            .table_vtable = TABLE_AT - VTABLE_AT,
        },
    .texts = NO_TEXTS(RICH_TABLE_BYTES),
    .rare_texts =
        {
            NO(RICH_TABLE_BYTES, AT_EVENT_ID),
            NO(RICH_TABLE_BYTES, AT_ERROR_CLASS),
            NO(RICH_TABLE_BYTES, AT_REASON),
            NO(RICH_TABLE_BYTES, AT_RAW),
            NO(RICH_TABLE_BYTES, AT_DEPENDS_ON),
        },
};
#undef PLAIN_FIELDS
#undef NO_TEXTS
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

static void put_attributes(struct encoder *encoder, const struct envelope *envelope) {
    uint32_t start = encoder->at;
    uint32_t count = envelope->attributes_count;
    const struct attribute_block *tail = envelope->tail;
    uint32_t own = tail == NULL ? count : count - tail->count;
    if (count == 0) {
        return;
    }
    put_offset(encoder, TABLE_AT + AT_PACKED, start);
    uint8_t *first = encoder->base + start + 4;
    uint8_t *at = first;
    *at++ = (uint8_t)count;
    *at++ = (uint8_t)(count >> 8);
    for (uint32_t i = 0; i < own; i++) {
        at = packed_put(at, &envelope->attributes[i]);
    }
    if (tail != NULL) {
        memcpy(at, tail->bytes.data, tail->bytes.size);
        at += tail->bytes.size;
    }
    put_u32(encoder, start, (uint32_t)(at - first));
    memset(at, 0, 3);
    encoder->at = (uint32_t)(at + 3 - encoder->base) & ~3u;
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
        size += PACKED_ATTRIBUTE_BYTES_MAX + attributes[i].key.size + attributes[i].value.size;
    }
    return size;
}

/* At least what the encoding takes, so that nothing needs a check while writing. */
static size_t envelope_size_max(const struct envelope *envelope) {
    const struct attribute_block *tail = envelope->tail;
    size_t size = sizeof(struct envelope_template) + 16;
    size += bytes_size_max(envelope->tenant) + bytes_size_max(envelope->entity) +
            bytes_size_max(envelope->event_id) + bytes_size_max(envelope->run_id) +
            bytes_size_max(envelope->error_class) + bytes_size_max(envelope->message) +
            bytes_size_max(envelope->source) + bytes_size_max(envelope->reason) +
            bytes_size_max(envelope->raw);
    uint32_t own = envelope->attributes_count - (tail == NULL ? 0 : tail->count);
    size += attributes_size_max(envelope->attributes, own) + (tail == NULL ? 0 : tail->bytes.size);
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
    memcpy(table + AT_EVENT_TIME, &envelope->event_time_ns, 8);
    memcpy(table + AT_INGEST_TIME, &envelope->ingest_time_ns, 8);
    memcpy(table + AT_FLAGS, &envelope->flags, 4);
    table[AT_KIND] = (uint8_t)envelope->kind;
    table[AT_STATUS] = (uint8_t)envelope->status;
    table[AT_SEVERITY] = (uint8_t)envelope->severity;
}

static void put_rare_scalars(uint8_t *table, const struct envelope *envelope) {
    memcpy(table + AT_PARENT_SPAN_ID, &envelope->parent_span_id, 8);
    memcpy(table + AT_SCORE, &envelope->score, 8);
}

/* Whether it says anything in a rare field. */
static bool is_rich(const struct envelope *envelope) {
    uint64_t score;
    memcpy(&score, &envelope->score, sizeof(score));
    return (envelope->parent_span_id | score | envelope->event_id.size |
            envelope->error_class.size | envelope->reason.size | envelope->raw.size |
            envelope->depends_on_count) != 0;
}

/* The shape's template and the scalars; where the texts begin. */
static uint32_t put_front(uint8_t *base, const struct envelope *envelope) {
    bool rich = is_rich(envelope);
    if (rich) {
        memcpy(base, &envelope_rich, sizeof(envelope_rich));
        put_rare_scalars(base + TABLE_AT, envelope);
    } else {
        memcpy(base, &envelope_plain, TABLE_AT + PLAIN_TABLE_BYTES);
        memset(base + TABLE_AT + PLAIN_TABLE_BYTES, 0, EMPTY_BYTES);
    }
    put_scalars(base + TABLE_AT, envelope);
    return envelope_texts_at(rich);
}

/* The texts so far in one piece, with their lengths and borders, make the key of the content. */
static void put_key_of_texts(struct encoder *encoder, uint32_t texts_at, struct hash128 key) {
    struct slice texts = slice_of(encoder->base + texts_at, encoder->at - texts_at);
    key = hash128_combine(hash128_of(texts, 0), key);
    memcpy(encoder->base + TABLE_AT + AT_EVENT_KEY, &key, sizeof(key));
}

struct status attribute_block_encode(const struct attribute *attributes, uint32_t count,
                                     struct arena *arena, struct attribute_block *block_out) {
    size_t size_max = attributes_size_max(attributes, count);
    uint8_t *bytes = arena_allocate_unset(arena, size_max, 1);
    if (bytes == NULL || size_max > ENVELOPE_BYTES_MAX) {
        return status_of(STATUS_FULL);
    }
    uint8_t *at = bytes;
    for (uint32_t i = 0; i < count; i++) {
        at = packed_put(at, &attributes[i]);
    }
    ASSERT(at <= bytes + size_max);
    *block_out = (struct attribute_block){attributes, slice_of(bytes, (size_t)(at - bytes)), count};
    return status_ok();
}

struct status envelope_encode(const struct envelope *envelope, struct writer *writer) {
    ASSERT(envelope->tail == NULL || envelope->tail->count <= envelope->attributes_count);
    ASSERT(envelope->attributes_count <= UINT16_MAX);
    size_t size_max = envelope_size_max(envelope);
    if (writer->failed || size_max > ENVELOPE_BYTES_MAX ||
        size_max > writer->capacity - writer->size) {
        return status_of(STATUS_FULL);
    }
    struct encoder encoder = {.base = writer->data + writer->size};
    uint32_t texts_at = put_front(encoder.base, envelope);
    encoder.at = texts_at;
    put_text_field(&encoder, AT_TENANT, envelope->tenant);
    put_text_field(&encoder, AT_ENTITY, envelope->entity);
    put_text_field(&encoder, AT_EVENT_ID, envelope->event_id);
    put_text_field(&encoder, AT_RUN_ID, envelope->run_id);
    put_text_field(&encoder, AT_ERROR_CLASS, envelope->error_class);
    put_text_field(&encoder, AT_MESSAGE, envelope->message);
    put_attributes(&encoder, envelope);
    put_depends_on(&encoder, envelope);
    if (envelope->is_known_by_texts) {
        put_key_of_texts(&encoder, texts_at, envelope->event_key);
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
