/* audit.c - see audit.h. */
#include "core/audit.h"

#include "core/base/limits.h"

struct slice audit_key(enum audit_ring ring, uint64_t number, uint8_t key[AUDIT_KEY_BYTES]) {
    uint32_t slot = (uint32_t)(number % AUDIT_ROWS_MAX);
    key[0] = (uint8_t)ring;
    for (int i = 0; i < 4; i++) {
        key[1 + i] = (uint8_t)(slot >> (24 - 8 * i));
    }
    return slice_of(key, AUDIT_KEY_BYTES);
}

void audit_encode(const struct audit_entry *entry, struct writer *writer) {
    writer_u64(writer, entry->number);
    writer_u64(writer, entry->at_ns);
    writer_text(writer, entry->tenant);
    writer_text(writer, entry->by);
    writer_text(writer, entry->what);
    writer_text(writer, slice_head(entry->detail, AUDIT_DETAIL_BYTES_MAX));
}

struct status audit_decode(struct slice bytes, struct audit_entry *entry_out) {
    struct reader reader = reader_over(bytes);
    struct audit_entry entry = {.number = reader_u64(&reader)};
    entry.at_ns = reader_u64(&reader);
    entry.tenant = reader_text(&reader);
    entry.by = reader_text(&reader);
    entry.what = reader_text(&reader);
    entry.detail = reader_text(&reader);
    if (reader.failed) {
        return status_of(STATUS_CORRUPT);
    }
    *entry_out = entry;
    return status_ok();
}

void audit_numbers_encode(const uint64_t numbers[AUDIT_RINGS], struct writer *writer) {
    for (int ring = 0; ring < AUDIT_RINGS; ring++) {
        writer_u64(writer, numbers[ring]);
    }
}

struct status audit_numbers_decode(struct slice bytes, uint64_t numbers_out[AUDIT_RINGS]) {
    struct reader reader = reader_over(bytes);
    for (int ring = 0; ring < AUDIT_RINGS; ring++) {
        numbers_out[ring] = reader_u64(&reader);
    }
    return status_of(reader.failed ? STATUS_CORRUPT : STATUS_OK);
}
