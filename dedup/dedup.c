/*
 * dedup.c - see dedup.h. Fingerprints in a fixed pool; a table finds them, the wheel says which
 * expire, a list per entity lets a recovery forget them all.
 *
 * A row in the store outlives its entry until a delete is emitted: a removed entry that has a row
 * stays in the pool as `is_dead`, in its place on the dirty list, so delete and later put keep
 * their order. The pool holds keys_max living entries and as many dead ones; when even those run
 * out the oldest dead one is reused, and its row, expired, is dropped after the next restart
 * instead.
 */
#include "dedup/dedup.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/table.h"
#include "dedup/wheel.h"

#define NONE UINT32_MAX
enum { ROW_BYTES = 56, ROW_BYTES_OLD = 48, EFFECT_BYTES = 16 + 16 + ROW_BYTES, DEAD_SPARE = 1024 };
enum { TENANT_NONE = UINT16_MAX };
static_assert(TENANTS_MAX < TENANT_NONE, "a tenant's number fits");

struct entry {
    struct hash128 fingerprint;
    struct hash128 entity_key;
    uint64_t first_seen_ns;
    uint64_t last_seen_ns;
    uint64_t expires_ns;
    uint64_t count;
    uint32_t entity_next; /* also the free list */
    uint32_t entity_previous;
    uint32_t dirty_next;
    uint16_t tenant; /* TENANT_NONE in rows of before this field */
    bool is_dirty : 1;
    bool is_dead : 1;
    bool has_row : 1;
};
static_assert(sizeof(struct entry) == 80, "millions of them: each byte counts");

struct dedup {
    struct entry *entries;
    struct table by_fingerprint;
    struct table by_entity; /* -> first entry */
    struct wheel wheel;
    uint32_t keys_max;
    uint32_t entries_max;
    uint32_t entries_used;
    uint32_t free_first;
    uint32_t dirty_first;
    uint32_t dirty_last;
    uint32_t *tenant_counts; /* of living entries, by the tenant's number */
    uint64_t unremembered;
};

struct status dedup_init(struct dedup **dedup_out, const struct dedup_options *options,
                         struct arena *arena) {
    ASSERT(options->keys_max > 0 && options->keys_max < (1u << 30));
    struct dedup *dedup = ARENA_NEW(arena, struct dedup);
    if (dedup == NULL) {
        return status_of(STATUS_FULL);
    }
    dedup->keys_max = options->keys_max;
    dedup->entries_max = 2 * options->keys_max + DEAD_SPARE;
    dedup->free_first = dedup->dirty_first = dedup->dirty_last = NONE;
    dedup->entries = ARENA_ARRAY(arena, struct entry, dedup->entries_max);
    dedup->tenant_counts = ARENA_ARRAY(arena, uint32_t, TENANTS_MAX);
    if (dedup->entries == NULL || dedup->tenant_counts == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(table_init(&dedup->by_fingerprint, options->keys_max, arena));
    TRY(table_init(&dedup->by_entity, options->keys_max, arena));
    TRY(wheel_init(&dedup->wheel, dedup->entries_max, arena));
    *dedup_out = dedup;
    return status_ok();
}

static void mark_dirty(struct dedup *dedup, uint32_t number) {
    struct entry *entry = &dedup->entries[number];
    if (entry->is_dirty) {
        return;
    }
    entry->is_dirty = true;
    entry->dirty_next = NONE;
    if (dedup->dirty_last == NONE) {
        dedup->dirty_first = number;
    } else {
        dedup->entries[dedup->dirty_last].dirty_next = number;
    }
    dedup->dirty_last = number;
}

static void free_entry(struct dedup *dedup, uint32_t number) {
    dedup->entries[number] = (struct entry){.entity_next = dedup->free_first};
    dedup->free_first = number;
}

static uint32_t pop_dirty(struct dedup *dedup) {
    uint32_t number = dedup->dirty_first;
    dedup->dirty_first = dedup->entries[number].dirty_next;
    if (dedup->dirty_first == NONE) {
        dedup->dirty_last = NONE;
    }
    dedup->entries[number].is_dirty = false;
    return number;
}

/* Turns the dirty list once over: what lives goes back to its end, the first dead entry is freed.
 */
static void reuse_oldest_dead(struct dedup *dedup) {
    for (uint32_t turns = 0; turns < dedup->entries_max; turns++) {
        ASSERT(dedup->dirty_first != NONE);
        uint32_t number = pop_dirty(dedup);
        if (dedup->entries[number].is_dead) {
            free_entry(dedup, number);
            return;
        }
        mark_dirty(dedup, number);
    }
    ASSERT(false);
}

static uint32_t take_entry(struct dedup *dedup) {
    if (dedup->free_first == NONE && dedup->entries_used < dedup->entries_max) {
        return dedup->entries_used++;
    }
    if (dedup->free_first == NONE) {
        reuse_oldest_dead(dedup);
    }
    uint32_t number = dedup->free_first;
    dedup->free_first = dedup->entries[number].entity_next;
    return number;
}

static void put(struct table *table, struct hash128 key, uint32_t value) {
    struct status status = table_put(table, key, value);
    ASSERT(status_is_ok(status)); /* never more keys than living entries */
}

static void link_entity(struct dedup *dedup, uint32_t number) {
    struct entry *entry = &dedup->entries[number];
    entry->entity_previous = NONE;
    if (!table_find(&dedup->by_entity, entry->entity_key, &entry->entity_next)) {
        entry->entity_next = NONE;
    } else {
        dedup->entries[entry->entity_next].entity_previous = number;
    }
    put(&dedup->by_entity, entry->entity_key, number);
}

static void unlink_entity(struct dedup *dedup, uint32_t number) {
    struct entry *entry = &dedup->entries[number];
    if (entry->entity_next != NONE) {
        dedup->entries[entry->entity_next].entity_previous = entry->entity_previous;
    }
    if (entry->entity_previous != NONE) {
        dedup->entries[entry->entity_previous].entity_next = entry->entity_next;
    } else if (entry->entity_next != NONE) {
        put(&dedup->by_entity, entry->entity_key, entry->entity_next);
    } else {
        bool was_there = table_remove(&dedup->by_entity, entry->entity_key);
        ASSERT(was_there);
    }
}

static void count_tenant(struct dedup *dedup, const struct entry *entry, int32_t change) {
    if (entry->tenant == TENANT_NONE) {
        return;
    }
    uint32_t *count = &dedup->tenant_counts[entry->tenant];
    ASSERT(change > 0 || *count > 0);
    *count += (uint32_t)change;
}

static void remove_entry(struct dedup *dedup, uint32_t number) {
    struct entry *entry = &dedup->entries[number];
    ASSERT(!entry->is_dead);
    bool was_there = table_remove(&dedup->by_fingerprint, entry->fingerprint);
    ASSERT(was_there);
    unlink_entity(dedup, number);
    wheel_remove(&dedup->wheel, number);
    count_tenant(dedup, entry, -1);
    entry->is_dead = true;
    if (entry->has_row) {
        mark_dirty(dedup, number);
    } else if (!entry->is_dirty) {
        free_entry(dedup, number);
    }
}

/* The earliest to expire; of equals the smaller fingerprint, so that a replay chooses the same. */
static uint32_t earliest_entry(struct dedup *dedup) {
    uint32_t best = wheel_first_slot(&dedup->wheel);
    ASSERT(best != WHEEL_NONE);
    for (uint32_t i = dedup->wheel.links[best].next; i != WHEEL_NONE;
         i = dedup->wheel.links[i].next) {
        const struct entry *a = &dedup->entries[i];
        const struct entry *b = &dedup->entries[best];
        bool is_smaller = a->fingerprint.hi != b->fingerprint.hi
                              ? a->fingerprint.hi < b->fingerprint.hi
                              : a->fingerprint.lo < b->fingerprint.lo;
        if (a->expires_ns < b->expires_ns || (a->expires_ns == b->expires_ns && is_smaller)) {
            best = i;
        }
    }
    return best;
}

static void insert_entry(struct dedup *dedup, const struct entry *entry) {
    if (dedup->by_fingerprint.count == dedup->keys_max) {
        remove_entry(dedup, earliest_entry(dedup));
    }
    uint32_t number = take_entry(dedup);
    dedup->entries[number] = *entry;
    put(&dedup->by_fingerprint, entry->fingerprint, number);
    link_entity(dedup, number);
    count_tenant(dedup, entry, 1);
    wheel_set(&dedup->wheel, number, entry->expires_ns);
    if (!entry->has_row) {
        mark_dirty(dedup, number);
    }
}

static uint64_t add_saturating(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t expiry_of(uint64_t first_ns, uint64_t last_ns, const struct dedup_rule *rule) {
    uint64_t slid = add_saturating(last_ns, rule->window_ns);
    uint64_t bound = add_saturating(first_ns, rule->max_window_ns);
    return slid < bound ? slid : bound;
}

static struct dedup_answer count_repeat(struct dedup *dedup, uint32_t number, uint64_t now_ns,
                                        const struct dedup_rule *rule) {
    struct entry *entry = &dedup->entries[number];
    entry->last_seen_ns = now_ns > entry->last_seen_ns ? now_ns : entry->last_seen_ns;
    entry->expires_ns = expiry_of(entry->first_seen_ns, entry->last_seen_ns, rule);
    entry->count++;
    wheel_set(&dedup->wheel, number, entry->expires_ns);
    mark_dirty(dedup, number);
    return (struct dedup_answer){
        .passes = false, .count = entry->count, .first_seen_ns = entry->first_seen_ns};
}

struct dedup_answer dedup_admit(struct dedup *dedup, struct hash128 fingerprint,
                                struct hash128 entity_key, uint64_t now_ns,
                                const struct dedup_rule *rule) {
    uint32_t number = NONE;
    ASSERT(rule->tenant < TENANTS_MAX);
    if (table_find(&dedup->by_fingerprint, fingerprint, &number)) {
        if (now_ns < dedup->entries[number].expires_ns) {
            return count_repeat(dedup, number, now_ns, rule);
        }
        remove_entry(dedup, number);
    }
    const struct dedup_answer news = {.passes = true, .count = 1, .first_seen_ns = now_ns};
    if (rule->keys_max > 0 && dedup->tenant_counts[rule->tenant] >= rule->keys_max) {
        dedup->unremembered++;
        return news;
    }
    struct entry entry = {
        .fingerprint = fingerprint,
        .entity_key = entity_key,
        .first_seen_ns = now_ns,
        .last_seen_ns = now_ns,
        .expires_ns = expiry_of(now_ns, now_ns, rule),
        .count = 1,
        .tenant = (uint16_t)rule->tenant,
    };
    insert_entry(dedup, &entry);
    return news;
}

void dedup_forget_entity(struct dedup *dedup, struct hash128 entity_key) {
    uint32_t number = NONE;
    while (table_find(&dedup->by_entity, entity_key, &number)) {
        remove_entry(dedup, number);
    }
}

void dedup_advance(struct dedup *dedup, uint64_t now_ns) {
    uint32_t number = wheel_pop_due(&dedup->wheel, now_ns);
    while (number != WHEEL_NONE) {
        remove_entry(dedup, number);
        number = wheel_pop_due(&dedup->wheel, now_ns);
    }
}

uint64_t dedup_next_due_ns(const struct dedup *dedup) {
    return wheel_next_due_ns(&dedup->wheel);
}

uint32_t dedup_count(const struct dedup *dedup) {
    return dedup->by_fingerprint.count;
}

uint64_t dedup_unremembered_count(const struct dedup *dedup) {
    return dedup->unremembered;
}

static void write_row(struct writer *writer, const struct entry *entry) {
    writer_u64(writer, entry->first_seen_ns);
    writer_u64(writer, entry->last_seen_ns);
    writer_u64(writer, entry->expires_ns);
    writer_u64(writer, entry->count);
    writer_hash128(writer, entry->entity_key);
    writer_u32(writer, entry->tenant);
    writer_u32(writer, 0);
    ASSERT(!writer->failed && writer->size == ROW_BYTES);
}

static void emit_entry(struct entry *entry, struct effects *effects) {
    uint8_t key_bytes[16];
    struct writer key = writer_over(key_bytes, sizeof(key_bytes));
    writer_hash128(&key, entry->fingerprint);
    if (entry->is_dead) {
        if (entry->has_row) {
            effect_delete(effects, STORE_TABLE_DEDUP, writer_slice(&key));
        }
        return;
    }
    uint8_t row_bytes[ROW_BYTES];
    struct writer row = writer_over(row_bytes, sizeof(row_bytes));
    write_row(&row, entry);
    effect_put(effects, STORE_TABLE_DEDUP, writer_slice(&key), writer_slice(&row));
    entry->has_row = true;
}

bool dedup_emit(struct dedup *dedup, struct effects *effects) {
    while (dedup->dirty_first != NONE && effects_room(effects) >= EFFECT_BYTES) {
        uint32_t number = pop_dirty(dedup);
        emit_entry(&dedup->entries[number], effects);
        if (dedup->entries[number].is_dead) {
            free_entry(dedup, number);
        }
    }
    return dedup->dirty_first == NONE;
}

struct status dedup_restore(struct dedup *dedup, struct slice key, struct slice value) {
    struct reader keys = reader_over(key);
    struct reader row = reader_over(value);
    struct entry entry = {.has_row = true};
    entry.fingerprint = reader_hash128(&keys);
    entry.first_seen_ns = reader_u64(&row);
    entry.last_seen_ns = reader_u64(&row);
    entry.expires_ns = reader_u64(&row);
    entry.count = reader_u64(&row);
    entry.entity_key = reader_hash128(&row);
    uint32_t tenant = value.size == ROW_BYTES_OLD ? (uint32_t)TENANT_NONE : reader_u32(&row);
    entry.tenant = (uint16_t)tenant;
    uint32_t number = NONE;
    if (keys.failed || row.failed || key.size != 16 ||
        (value.size != ROW_BYTES && value.size != ROW_BYTES_OLD) ||
        (tenant >= TENANTS_MAX && tenant != TENANT_NONE) || entry.count == 0 ||
        table_find(&dedup->by_fingerprint, entry.fingerprint, &number)) {
        return status_of(STATUS_CORRUPT);
    }
    insert_entry(dedup, &entry);
    return status_ok();
}

struct hash128 dedup_digest(const struct dedup *dedup) {
    struct hash128 sum = {.lo = dedup->by_fingerprint.count};
    for (uint32_t i = 0; i < dedup->entries_used; i++) {
        const struct entry *entry = &dedup->entries[i];
        if (entry->count == 0 || entry->is_dead) {
            continue;
        }
        uint8_t bytes[ROW_BYTES];
        struct writer row = writer_over(bytes, sizeof(bytes));
        write_row(&row, entry);
        struct hash128 hash =
            hash128_combine(entry->fingerprint, hash128_of(writer_slice(&row), 0));
        sum.lo += hash.lo; /* a sum: the order in memory must not count */
        sum.hi += hash.hi;
    }
    return sum;
}
