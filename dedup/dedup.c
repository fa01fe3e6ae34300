/*
 * dedup.c - fingerprints: which news is being told already. See dedup.h.
 *
 * An entry's window slides without moving it in the wheel: when its old due time comes and the window
 * has slid on, it is put in again. An entry that ended stays allocated as `is_dead` until its row's
 * delete is emitted; the queue of dirty entries is first in, first out, so a fingerprint that comes
 * back is written after it was deleted.
 */
#include "dedup/dedup.h"

#include "core/base/assert.h"
#include "core/base/table.h"
#include "dedup/wheel.h"

#define NONE UINT32_MAX
enum { ROW_BYTES = 4 * 8 + 16, ROW_EFFECT_BYTES = 128 };

struct dedup_entry {
    struct hash128 fingerprint;
    struct hash128 entity_key;
    uint64_t first_seen_ns;
    uint64_t last_seen_ns;
    uint64_t expires_ns;
    uint64_t count;
    uint32_t entity_next;
    uint32_t entity_previous;
    uint32_t queue_next; /* dirty queue, or free list */
    bool is_dirty;
    bool is_dead;
};

struct dedup {
    struct dedup_entry *entries;
    uint32_t entries_max;
    uint32_t used; /* entries ever taken; below it free ones are in the list */
    uint32_t free_first;
    uint32_t dirty_first;
    uint32_t dirty_last;
    struct table by_fingerprint;
    struct table by_entity; /* first entry of the entity's list */
    struct wheel wheel;
    uint64_t evicted;
};

struct status dedup_init(struct dedup **dedup_out, const struct dedup_options *options,
                         struct arena *arena) {
    ASSERT(options->keys_max > 0);
    struct dedup *dedup = ARENA_NEW(arena, struct dedup);
    if (dedup == NULL) {
        return status_of(STATUS_FULL);
    }
    *dedup = (struct dedup){.entries_max = options->keys_max,
                            .free_first = NONE,
                            .dirty_first = NONE,
                            .dirty_last = NONE};
    dedup->entries = ARENA_ARRAY(arena, struct dedup_entry, options->keys_max);
    if (dedup->entries == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(table_init(&dedup->by_fingerprint, options->keys_max, arena));
    TRY(table_init(&dedup->by_entity, options->keys_max, arena));
    TRY(wheel_init(&dedup->wheel, options->keys_max, arena));
    *dedup_out = dedup;
    return status_ok();
}

/* --- Lists --- */

static void mark_dirty(struct dedup *dedup, uint32_t number) {
    struct dedup_entry *entry = &dedup->entries[number];
    if (entry->is_dirty) {
        return;
    }
    entry->is_dirty = true;
    entry->queue_next = NONE;
    if (dedup->dirty_last == NONE) {
        dedup->dirty_first = number;
    } else {
        dedup->entries[dedup->dirty_last].queue_next = number;
    }
    dedup->dirty_last = number;
}

static void join_entity(struct dedup *dedup, uint32_t number) {
    struct dedup_entry *entry = &dedup->entries[number];
    uint32_t first = NONE;
    (void)table_find(&dedup->by_entity, entry->entity_key, &first);
    entry->entity_previous = NONE;
    entry->entity_next = first;
    if (first != NONE) {
        dedup->entries[first].entity_previous = number;
    }
    ASSERT(status_is_ok(table_put(&dedup->by_entity, entry->entity_key, number)));
}

static void leave_entity(struct dedup *dedup, uint32_t number) {
    struct dedup_entry *entry = &dedup->entries[number];
    if (entry->entity_next != NONE) {
        dedup->entries[entry->entity_next].entity_previous = entry->entity_previous;
    }
    if (entry->entity_previous != NONE) {
        dedup->entries[entry->entity_previous].entity_next = entry->entity_next;
    } else if (entry->entity_next != NONE) {
        ASSERT(status_is_ok(table_put(&dedup->by_entity, entry->entity_key, entry->entity_next)));
    } else {
        ASSERT(table_remove(&dedup->by_entity, entry->entity_key));
    }
}

/* Ends an entry that is not in the wheel. */
static void kill_entry(struct dedup *dedup, uint32_t number) {
    struct dedup_entry *entry = &dedup->entries[number];
    ASSERT(!entry->is_dead);
    ASSERT(table_remove(&dedup->by_fingerprint, entry->fingerprint));
    leave_entity(dedup, number);
    entry->is_dead = true;
    mark_dirty(dedup, number);
}

static uint32_t take_free(struct dedup *dedup) {
    if (dedup->free_first != NONE) {
        uint32_t number = dedup->free_first;
        dedup->free_first = dedup->entries[number].queue_next;
        return number;
    }
    return dedup->used < dedup->entries_max ? dedup->used++ : NONE;
}

/* Full: the entry that ends soonest gives its place now. Its stale row ends at its expiry. */
static uint32_t evict(struct dedup *dedup) {
    uint32_t number = wheel_soonest(&dedup->wheel);
    if (number == NONE) {
        return NONE;
    }
    wheel_remove(&dedup->wheel, number);
    ASSERT(table_remove(&dedup->by_fingerprint, dedup->entries[number].fingerprint));
    leave_entity(dedup, number);
    dedup->evicted++;
    return number;
}

/* --- Admission --- */

static uint64_t window_end(uint64_t first_seen_ns, uint64_t now_ns, uint64_t window_ns,
                           uint64_t max_window_ns) {
    uint64_t sliding = now_ns + window_ns;
    uint64_t limit = first_seen_ns + max_window_ns;
    return sliding < limit ? sliding : limit;
}

static void start_entry(struct dedup *dedup, struct hash128 fingerprint,
                        struct hash128 entity_key, uint64_t now_ns, uint64_t expires_ns) {
    uint32_t number = take_free(dedup);
    if (number == NONE) {
        number = evict(dedup);
    }
    if (number == NONE) {
        return; /* every place waits for its delete to be emitted: this one is not remembered */
    }
    struct dedup_entry *entry = &dedup->entries[number];
    bool is_queued = entry->is_dirty;
    uint32_t queue_next = entry->queue_next;
    *entry = (struct dedup_entry){.fingerprint = fingerprint,
                                  .entity_key = entity_key,
                                  .first_seen_ns = now_ns,
                                  .last_seen_ns = now_ns,
                                  .expires_ns = expires_ns,
                                  .count = 1,
                                  .is_dirty = is_queued,
                                  .queue_next = queue_next};
    ASSERT(status_is_ok(table_put(&dedup->by_fingerprint, fingerprint, number)));
    join_entity(dedup, number);
    wheel_insert(&dedup->wheel, number, expires_ns);
    mark_dirty(dedup, number);
}

struct dedup_answer dedup_admit(struct dedup *dedup, struct hash128 fingerprint,
                                struct hash128 entity_key, uint64_t now_ns, uint64_t window_ns,
                                uint64_t max_window_ns) {
    uint32_t number = NONE;
    if (table_find(&dedup->by_fingerprint, fingerprint, &number)) {
        struct dedup_entry *entry = &dedup->entries[number];
        if (entry->expires_ns > now_ns) {
            entry->count++;
            entry->last_seen_ns = now_ns;
            entry->expires_ns =
                window_end(entry->first_seen_ns, now_ns, window_ns, max_window_ns);
            mark_dirty(dedup, number);
            return (struct dedup_answer){false, entry->count, entry->first_seen_ns};
        }
        wheel_remove(&dedup->wheel, number);
        kill_entry(dedup, number);
    }
    uint64_t expires_ns = window_end(now_ns, now_ns, window_ns, max_window_ns);
    if (expires_ns > now_ns) {
        start_entry(dedup, fingerprint, entity_key, now_ns, expires_ns);
    }
    return (struct dedup_answer){true, 1, now_ns};
}

void dedup_forget_entity(struct dedup *dedup, struct hash128 entity_key) {
    uint32_t number = NONE;
    while (table_find(&dedup->by_entity, entity_key, &number)) {
        wheel_remove(&dedup->wheel, number);
        kill_entry(dedup, number);
    }
}

void dedup_advance(struct dedup *dedup, uint64_t now_ns) {
    uint32_t number = wheel_expire(&dedup->wheel, now_ns);
    while (number != WHEEL_NONE) {
        if (dedup->entries[number].expires_ns > now_ns) {
            wheel_insert(&dedup->wheel, number, dedup->entries[number].expires_ns);
        } else {
            kill_entry(dedup, number);
        }
        number = wheel_expire(&dedup->wheel, now_ns);
    }
}

uint64_t dedup_next_due_ns(const struct dedup *dedup) {
    uint32_t number = wheel_soonest(&dedup->wheel);
    return number == WHEEL_NONE ? UINT64_MAX : dedup->entries[number].expires_ns;
}

uint32_t dedup_count(const struct dedup *dedup) {
    return dedup->by_fingerprint.count;
}

/* --- Rows --- */

static void emit_entry(const struct dedup_entry *entry, struct effects *effects) {
    struct slice key = slice_of(&entry->fingerprint, sizeof(entry->fingerprint));
    if (entry->is_dead) {
        effect_delete(effects, STORE_TABLE_DEDUP, key);
        return;
    }
    uint8_t row[ROW_BYTES];
    struct writer writer = writer_over(row, sizeof(row));
    writer_u64(&writer, entry->first_seen_ns);
    writer_u64(&writer, entry->last_seen_ns);
    writer_u64(&writer, entry->expires_ns);
    writer_u64(&writer, entry->count);
    writer_hash128(&writer, entry->entity_key);
    ASSERT(!writer.failed);
    effect_put(effects, STORE_TABLE_DEDUP, key, writer_slice(&writer));
}

bool dedup_emit(struct dedup *dedup, struct effects *effects) {
    while (dedup->dirty_first != NONE) {
        if (effects_room(effects) < ROW_EFFECT_BYTES) {
            return false;
        }
        uint32_t number = dedup->dirty_first;
        struct dedup_entry *entry = &dedup->entries[number];
        emit_entry(entry, effects);
        dedup->dirty_first = entry->queue_next;
        entry->is_dirty = false;
        if (entry->is_dead) {
            entry->queue_next = dedup->free_first;
            dedup->free_first = number;
        }
    }
    dedup->dirty_last = NONE;
    return true;
}

struct status dedup_restore(struct dedup *dedup, struct slice key, struct slice value) {
    struct reader key_reader = reader_over(key);
    struct hash128 fingerprint = reader_hash128(&key_reader);
    struct reader reader = reader_over(value);
    uint64_t first_seen_ns = reader_u64(&reader);
    uint64_t last_seen_ns = reader_u64(&reader);
    uint64_t expires_ns = reader_u64(&reader);
    uint64_t count = reader_u64(&reader);
    struct hash128 entity_key = reader_hash128(&reader);
    if (key_reader.failed || reader.failed) {
        return status_of(STATUS_CORRUPT);
    }
    start_entry(dedup, fingerprint, entity_key, first_seen_ns, expires_ns);
    uint32_t number = NONE;
    if (table_find(&dedup->by_fingerprint, fingerprint, &number)) {
        dedup->entries[number].last_seen_ns = last_seen_ns;
        dedup->entries[number].count = count;
    }
    return status_ok();
}

/* A sum, so that the order of entries in memory does not matter. */
struct hash128 dedup_digest(const struct dedup *dedup) {
    struct hash128 sum = {0};
    for (uint32_t i = 0; i < dedup->used; i++) {
        const struct dedup_entry *entry = &dedup->entries[i];
        uint32_t number = NONE;
        if (!table_find(&dedup->by_fingerprint, entry->fingerprint, &number) || number != i) {
            continue;
        }
        uint64_t words[6] = {entry->fingerprint.lo, entry->fingerprint.hi, entry->first_seen_ns,
                             entry->last_seen_ns,   entry->expires_ns,     entry->count};
        struct hash128 hash = hash128_of(slice_of(words, sizeof(words)), 0);
        sum.lo += hash.lo;
        sum.hi += hash.hi;
    }
    return sum;
}
