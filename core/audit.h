/*
 * audit.h - the audit: who did or asked for what, and when, kept beside the state it changed.
 *
 * Two rings of AUDIT_ROWS_MAX rows each, so that refusals, which anybody can cause, never push out
 * what people changed. A row's key is u8 ring, u32 slot (number % AUDIT_ROWS_MAX) big-endian; a new
 * row takes the place of the one AUDIT_ROWS_MAX before it. The next numbers stand in META "audit".
 *
 *   row: u64 number, u64 at_ns, texts tenant (empty: of the whole process), by, what, detail
 *
 * Pure. Any thread.
 */
#pragma once

#include "core/base/reader.h"
#include "core/base/status.h"

enum audit_ring { AUDIT_CHANGES, AUDIT_REFUSALS, AUDIT_RINGS };
enum { AUDIT_KEY_BYTES = 5 };

struct audit_entry {
    uint64_t number; /* from 0, in its ring */
    uint64_t at_ns;
    struct slice tenant;
    struct slice by;
    struct slice what;
    struct slice detail; /* cut to AUDIT_DETAIL_BYTES_MAX */
};

struct slice audit_key(enum audit_ring ring, uint64_t number, uint8_t key[AUDIT_KEY_BYTES]);
void audit_encode(const struct audit_entry *entry, struct writer *writer);
/* CORRUPT; the slices point into the bytes. */
MUST_CHECK struct status audit_decode(struct slice bytes, struct audit_entry *entry_out);
/* The META row. */
void audit_numbers_encode(const uint64_t numbers[AUDIT_RINGS], struct writer *writer);
MUST_CHECK struct status audit_numbers_decode(struct slice bytes,
                                              uint64_t numbers_out[AUDIT_RINGS]);
