/*
 * envelope_template.h - the constant shapes of the envelopes that we write (envelope.c), so that
 * they are read without looking things up (envelope_read.c). A template's front stands at the
 * front of each; an envelope that begins otherwise is of another writer or version and read by its
 * own vtable.
 *
 * Most events have nothing in the rare fields: theirs is the plain shape, the same table without
 * its end.
 */
#pragma once

#include <assert.h>
#include <stddef.h>

#include "core/base/hash.h"
#include "schemas/envelope_layout.h"

/* Where each field stands in the table; the table starts at 4 modulo 8, so that 8-byte fields are
 * aligned. */
enum {
    AT_EVENT_KEY = 4,
    AT_FINGERPRINT = 20,
    AT_ENTITY_KEY = 36,
    AT_TRACE_ID = 52,
    AT_SPAN_ID = 68,
    AT_EVENT_TIME = 76,
    AT_INGEST_TIME = 84,
    AT_FLAGS = 92,
    AT_KIND = 96,
    AT_STATUS = 97,
    AT_SEVERITY = 98,
    AT_TENANT = 100,
    AT_ENTITY = 104,
    AT_RUN_ID = 108,
    AT_MESSAGE = 112,
    AT_SOURCE = 116,
    AT_PACKED = 120,
    PLAIN_TABLE_BYTES = 124,
    AT_PARENT_SPAN_ID = PLAIN_TABLE_BYTES, /* from here on the rare ones */
    AT_SCORE = 132,
    AT_EVENT_ID = 140,
    AT_ERROR_CLASS = 144,
    AT_REASON = 148,
    AT_RAW = 152,
    AT_DEPENDS_ON = 156,
    RICH_TABLE_BYTES = 160,
    EMPTY_BYTES = 8, /* behind the table, u32 0 and a 0 byte: an empty string, an empty vector */
};

enum {
    VTABLE_AT = 8,
    TABLE_AT = ((VTABLE_AT + ENVELOPE_VTABLE_BYTES + 7) & ~7) + 4,
};

static_assert(HASH128_STRUCT_BYTES == sizeof(struct hash128), "hashes are copied as they are");
static_assert(ENVELOPE_VTABLE_BYTES == 4 + 2 * 25, "a new field needs its place above");
static_assert(TABLE_AT % 8 == 4 && PLAIN_TABLE_BYTES % 8 == 4, "8-byte fields are aligned");

/* What is the same in all envelopes of a shape. */
struct envelope_front {
    uint32_t root;
    char identifier[4];
    uint16_t vtable[ENVELOPE_VTABLE_BYTES / 2];
    uint8_t padding[TABLE_AT - VTABLE_AT - ENVELOPE_VTABLE_BYTES];
    uint32_t table_vtable;
};
enum { TABLE_SIZE_AT = VTABLE_AT + 2 }; /* tells the two shapes apart */

/* The front, and of an envelope that says nothing the rest of its table: all texts and vectors are
 * the shared empty one. */
struct envelope_template {
    struct envelope_front front;
    uint8_t scalars[AT_TENANT - AT_EVENT_KEY];
    uint32_t texts[(PLAIN_TABLE_BYTES - AT_TENANT) / 4];
    uint8_t rare_scalars[AT_EVENT_ID - AT_PARENT_SPAN_ID];
    uint32_t rare_texts[(RICH_TABLE_BYTES - AT_EVENT_ID) / 4];
    uint8_t empty[EMPTY_BYTES];
};
static_assert(offsetof(struct envelope_template, front.vtable) == VTABLE_AT &&
                  offsetof(struct envelope_template, front.table_vtable) == TABLE_AT &&
                  offsetof(struct envelope_template, texts) == TABLE_AT + AT_TENANT &&
                  offsetof(struct envelope_template, rare_texts) == TABLE_AT + AT_EVENT_ID &&
                  sizeof(struct envelope_template) == TABLE_AT + RICH_TABLE_BYTES + EMPTY_BYTES,
              "the template is an envelope without its texts");

/* A plain one ends its table, and the shared empty text begins, where the rare fields would. */
extern const struct envelope_template envelope_plain;
extern const struct envelope_template envelope_rich;

/* Where the texts begin in an envelope of the shape. */
static inline uint32_t envelope_texts_at(bool is_rich) {
    return TABLE_AT + (is_rich ? RICH_TABLE_BYTES : PLAIN_TABLE_BYTES) + EMPTY_BYTES;
}
