/* dedup_rows.c - entries as rows and back; formats in dedup.h. */
#include "core/base/assert.h"
#include "dedup/dedup_state.h"

enum { EFFECT_BYTES = 16 + 8 + DEDUP_ROW_BYTES, EMIT_ROWS_MAX = 16384 };
enum { OLD_ROW_BYTES = 56, OLDEST_ROW_BYTES = 48 };

/* --- Out --- */

static struct slice write_key(uint8_t bytes[DEDUP_ROW_KEY_BYTES], uint32_t number) {
    for (uint32_t i = 0; i < DEDUP_ROW_KEY_BYTES; i++) {
        bytes[i] = (uint8_t)(number >> (24 - 8 * i));
    }
    return slice_of(bytes, DEDUP_ROW_KEY_BYTES);
}

static struct slice write_row(uint8_t bytes[DEDUP_ROW_BYTES], const struct entry *entry) {
    struct writer row = writer_over(bytes, DEDUP_ROW_BYTES);
    writer_hash128(&row, entry->fingerprint);
    writer_u64(&row, entry->first_seen_ms);
    writer_u32(&row, entry->expires_after_ms);
    writer_u32(&row, entry->count);
    writer_u32(&row, entry->entity);
    writer_u32(&row, (uint32_t)entry->tenant);
    ASSERT(!row.failed && row.size == DEDUP_ROW_BYTES);
    return writer_slice(&row);
}

static void emit_number(struct dedup *dedup, uint32_t number, struct effects *effects) {
    struct entry *entry = &dedup->entries[number];
    uint8_t key[DEDUP_ROW_KEY_BYTES];
    uint8_t row[DEDUP_ROW_BYTES];
    bool is_live = entry->count > 0;
    ASSERT(is_live || entry->has_row);
    if (is_live) {
        effect_put(effects, STORE_TABLE_DEDUP_KEY, write_key(key, number), write_row(row, entry));
    } else {
        effect_delete(effects, STORE_TABLE_DEDUP_KEY, write_key(key, number));
    }
    entry->has_row = is_live;
}

static bool has_changed_rows(const struct dedup *dedup) {
    return dedup->beyond_next < dedup->beyond_end ||
           number_set_smallest(&dedup->dirty) != NUMBER_SET_NONE;
}

bool dedup_emit(struct dedup *dedup, struct effects *effects) {
    for (uint32_t i = 0; i < EMIT_ROWS_MAX && effects_room(effects) >= EFFECT_BYTES; i++) {
        uint32_t number = number_set_smallest(&dedup->dirty);
        if (number != NUMBER_SET_NONE) {
            number_set_remove(&dedup->dirty, number);
            emit_number(dedup, number, effects);
        } else if (dedup->beyond_next < dedup->beyond_end) {
            uint8_t key[DEDUP_ROW_KEY_BYTES];
            effect_delete(effects, STORE_TABLE_DEDUP_KEY, write_key(key, dedup->beyond_next++));
        } else {
            return true;
        }
    }
    return !has_changed_rows(dedup);
}

/* --- Back --- */

static uint32_t read_key(struct slice key) {
    uint32_t number = 0;
    for (uint32_t i = 0; i < DEDUP_ROW_KEY_BYTES; i++) {
        number = number << 8 | key.data[i];
    }
    return number;
}

static bool read_row(const struct dedup *dedup, struct slice value, struct entry *entry_out) {
    struct reader row = reader_over(value);
    struct entry entry = {.fingerprint = reader_hash128(&row)};
    uint64_t first_seen_ms = reader_u64(&row);
    entry.first_seen_ms = first_seen_ms & ((UINT64_C(1) << 48) - 1);
    entry.expires_after_ms = reader_u32(&row);
    entry.count = reader_u32(&row);
    entry.entity = reader_u32(&row);
    uint32_t tenant = reader_u32(&row);
    entry.tenant = tenant & (2 * TENANTS_MAX - 1);
    *entry_out = entry;
    return !row.failed && value.size == DEDUP_ROW_BYTES && entry.first_seen_ms == first_seen_ms &&
           entry.count > 0 && tenant <= DEDUP_TENANT_NONE &&
           (entry.entity < dedup->entities_max || entry.entity == DEDUP_ENTITY_NONE);
}

struct status dedup_restore(struct dedup *dedup, struct slice key, struct slice value) {
    struct entry entry;
    if (key.size != DEDUP_ROW_KEY_BYTES || !read_row(dedup, value, &entry)) {
        return status_of(STATUS_CORRUPT);
    }
    uint32_t number = read_key(key);
    bool is_beyond = number >= dedup->keys_max;
    bool is_known = entry_index_find(dedup, entry.fingerprint) != UINT32_MAX;
    if (number >= WHEEL_ENTRIES_MAX || number < dedup->entries_end || (is_known && !is_beyond)) {
        return status_of(STATUS_CORRUPT);
    }
    if (is_beyond) {
        dedup->beyond_end = number + 1;
        if (!is_known) { /* else it was moved before the process died */
            entry_insert(dedup, &entry);
        }
        return status_ok();
    }
    while (dedup->entries_end < number) {
        number_set_add(&dedup->free, dedup->entries_end++);
    }
    dedup->entries_end = number + 1;
    entry_place(dedup, number, &entry);
    dedup->entries[number].has_row = true;
    return status_ok();
}

struct status dedup_restore_old(struct dedup *dedup, struct slice key, struct slice value,
                                uint32_t (*entity_of)(const void *context,
                                                      struct hash128 entity_key),
                                const void *context) {
    struct reader keys = reader_over(key);
    struct reader row = reader_over(value);
    struct entry entry = {.fingerprint = reader_hash128(&keys)};
    uint64_t first_ms = reader_u64(&row) / NS_PER_MS;
    (void)reader_u64(&row); /* last seen */
    uint64_t expires_ms = reader_u64(&row) / NS_PER_MS;
    uint64_t count = reader_u64(&row);
    entry.entity = entity_of(context, reader_hash128(&row));
    uint32_t tenant = value.size == OLDEST_ROW_BYTES ? DEDUP_TENANT_NONE : reader_u32(&row);
    if (keys.failed || row.failed || key.size != 16 || count == 0 || expires_ms < first_ms ||
        (value.size != OLD_ROW_BYTES && value.size != OLDEST_ROW_BYTES) ||
        tenant > DEDUP_TENANT_NONE) {
        return status_of(STATUS_CORRUPT);
    }
    if (entry_index_find(dedup, entry.fingerprint) != UINT32_MAX) {
        return status_ok(); /* it was made a new one before the process died */
    }
    uint64_t span_ms = expires_ms - first_ms;
    entry.first_seen_ms = first_ms & ((UINT64_C(1) << 48) - 1);
    entry.tenant = tenant & (2 * TENANTS_MAX - 1);
    entry.expires_after_ms = span_ms < UINT32_MAX ? (uint32_t)span_ms : UINT32_MAX;
    entry.count = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
    entry_insert(dedup, &entry);
    return status_ok();
}

struct hash128 dedup_digest(const struct dedup *dedup) {
    struct hash128 sum = {.lo = dedup->count};
    for (uint32_t number = 0; number < dedup->entries_end; number++) {
        if (dedup->entries[number].count == 0) {
            continue;
        }
        uint8_t key[DEDUP_ROW_KEY_BYTES];
        uint8_t row[DEDUP_ROW_BYTES];
        struct slice parts[2] = {write_key(key, number), write_row(row, &dedup->entries[number])};
        struct hash128 hash = hash128_of_parts(parts, 2, 0);
        sum.lo += hash.lo; /* a sum: the order in memory must not count */
        sum.hi += hash.hi;
    }
    return sum;
}
