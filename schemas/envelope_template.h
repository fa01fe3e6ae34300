/*
 * envelope_template.h - the constant shape of the envelopes that we write (envelope.c), so that
 * they are read without looking things up (envelope_read.c). The template's front stands at the
 * front of each; an envelope that begins otherwise is of another writer or version and read by its
 * own vtable.
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
    AT_PARENT_SPAN_ID = 76,
    AT_EVENT_TIME = 84,
    AT_INGEST_TIME = 92,
    AT_SCORE = 100,
    AT_FLAGS = 108,
    AT_TENANT = 112,
    AT_ENTITY = 116,
    AT_EVENT_ID = 120,
    AT_RUN_ID = 124,
    AT_ERROR_CLASS = 128,
    AT_MESSAGE = 132,
    AT_SOURCE = 136,
    AT_REASON = 140,
    AT_RAW = 144,
    AT_ATTRIBUTES = 148,
    AT_DEPENDS_ON = 152,
    AT_KIND = 156,
    AT_STATUS = 157,
    AT_SEVERITY = 158,
    TABLE_BYTES = 160,
    ATTRIBUTE_TABLE_BYTES = 16,
};

enum {
    ATTRIBUTE_VTABLE_AT = 8,
    VTABLE_AT = ATTRIBUTE_VTABLE_AT + ((ATTRIBUTE_VTABLE_BYTES + 3) & ~3),
    TABLE_AT = ((VTABLE_AT + ENVELOPE_VTABLE_BYTES + 7) & ~7) + 4,
    EMPTY_AT = TABLE_AT + TABLE_BYTES, /* u32 0 and a 0 byte: an empty string, an empty vector */
    STRINGS_AT = EMPTY_AT + 8,
};

static_assert(HASH128_STRUCT_BYTES == sizeof(struct hash128), "hashes are copied as they are");
static_assert(ENVELOPE_VTABLE_BYTES == 4 + 2 * 24, "a new field needs its place above");
static_assert(TABLE_AT % 8 == 4 && STRINGS_AT % 4 == 0, "aligned");

/* An envelope that says nothing: the front up to the table's offset to its vtable never differs,
 * all texts and vectors are the shared empty one. */
struct envelope_template {
    uint32_t root;
    char identifier[4];
    uint16_t attribute_vtable[ATTRIBUTE_VTABLE_BYTES / 2];
    uint8_t attribute_padding[VTABLE_AT - ATTRIBUTE_VTABLE_AT - ATTRIBUTE_VTABLE_BYTES];
    uint16_t vtable[ENVELOPE_VTABLE_BYTES / 2];
    uint8_t padding[TABLE_AT - VTABLE_AT - ENVELOPE_VTABLE_BYTES];
    uint32_t table_vtable;
    uint8_t scalars[AT_TENANT - AT_EVENT_KEY];
    uint32_t texts[(AT_KIND - AT_TENANT) / 4];
    uint8_t kinds[TABLE_BYTES - AT_KIND];
    uint8_t empty[STRINGS_AT - EMPTY_AT];
};
enum { ENVELOPE_FRONT_BYTES = offsetof(struct envelope_template, scalars) };
static_assert(offsetof(struct envelope_template, vtable) == VTABLE_AT &&
                  offsetof(struct envelope_template, table_vtable) == TABLE_AT &&
                  ENVELOPE_FRONT_BYTES == TABLE_AT + AT_EVENT_KEY &&
                  sizeof(struct envelope_template) == STRINGS_AT,
              "the template is an envelope without its texts");

extern const struct envelope_template envelope_template;
