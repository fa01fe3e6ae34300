/*
 * dedup.c - see dedup.h, and dedup_state.h for what stands where. The index finds an entry, the
 * wheel says which expire, a list per entity lets a recovery forget them all.
 *
 * A row outlives its entry until its delete, or the row of the next entry with that number, is
 * emitted: then `has_row` stays set and the number dirty.
 */
#include "dedup/dedup.h"

#include "core/base/assert.h"
#include "dedup/dedup_state.h"

#define NONE UINT32_MAX
enum { CANDIDATES_MAX = 16 };

static uint64_t due_ms(const void *context, uint32_t number) {
    const struct dedup *dedup = context;
    return entry_expires_ms(&dedup->entries[number]);
}

static struct status reserve(struct dedup *dedup, struct arena *arena) {
    dedup->entries = ARENA_ARRAY(arena, struct entry, dedup->keys_max);
    dedup->entity_first = ARENA_ARRAY(arena, uint32_t, dedup->entities_max);
    dedup->tenant_counts = ARENA_ARRAY(arena, uint32_t, TENANTS_MAX);
    if (dedup->entries == NULL || dedup->entity_first == NULL || dedup->tenant_counts == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(entry_index_init(&dedup->index, dedup->keys_max, arena));
    TRY(number_set_init(&dedup->free, dedup->keys_max, arena));
    TRY(number_set_init(&dedup->dirty, dedup->keys_max, arena));
    return wheel_init(&dedup->wheel, dedup->keys_max, due_ms, dedup, arena);
}

struct status dedup_init(struct dedup **dedup_out, const struct dedup_options *options,
                         struct arena *arena) {
    ASSERT(options->keys_max > 0 && options->keys_max <= WHEEL_ENTRIES_MAX);
    ASSERT(options->entities_max > 0);
    struct dedup *dedup = ARENA_NEW(arena, struct dedup);
    if (dedup == NULL) {
        return status_of(STATUS_FULL);
    }
    dedup->keys_max = dedup->beyond_next = dedup->beyond_end = options->keys_max;
    dedup->entities_max = options->entities_max;
    TRY(reserve(dedup, arena));
    *dedup_out = dedup;
    return status_ok();
}

/* --- Lists and counts --- */

static void link_entity(struct dedup *dedup, uint32_t number) {
    struct entry *entry = &dedup->entries[number];
    entry->entity_next = entry->entity_previous = 0;
    if (entry->entity == DEDUP_ENTITY_NONE) {
        return;
    }
    uint32_t *first = &dedup->entity_first[entry->entity];
    entry->entity_next = *first;
    if (*first != 0) {
        dedup->entries[*first - 1].entity_previous = number + 1;
    }
    *first = number + 1;
}

static void unlink_entity(struct dedup *dedup, uint32_t number) {
    struct entry *entry = &dedup->entries[number];
    if (entry->entity == DEDUP_ENTITY_NONE) {
        return;
    }
    if (entry->entity_next != 0) {
        dedup->entries[entry->entity_next - 1].entity_previous = entry->entity_previous;
    }
    if (entry->entity_previous != 0) {
        dedup->entries[entry->entity_previous - 1].entity_next = entry->entity_next;
    } else {
        ASSERT(dedup->entity_first[entry->entity] == number + 1);
        dedup->entity_first[entry->entity] = entry->entity_next;
    }
}

static void count_entry(struct dedup *dedup, const struct entry *entry, int32_t change) {
    ASSERT(change > 0 || dedup->count > 0);
    dedup->count += (uint32_t)change;
    if (entry->tenant != DEDUP_TENANT_NONE) {
        uint32_t *count = &dedup->tenant_counts[entry->tenant];
        ASSERT(change > 0 || *count > 0);
        *count += (uint32_t)change;
    }
}

/* --- Entries come and go --- */

/* The entry is out of the wheel, or goes out here. */
static void remove_entry(struct dedup *dedup, uint32_t number) {
    struct entry *entry = &dedup->entries[number];
    ASSERT(entry->count > 0);
    entry_index_remove(dedup, number);
    unlink_entity(dedup, number);
    wheel_remove(&dedup->wheel, number);
    count_entry(dedup, entry, -1);
    bool has_row = entry->has_row;
    *entry = (struct entry){.has_row = has_row};
    number_set_add(&dedup->free, number);
    if (has_row) {
        number_set_add(&dedup->dirty, number);
    } else {
        number_set_remove(&dedup->dirty, number);
    }
}

static uint64_t mix(uint64_t value) {
    value = (value ^ value >> 32) * UINT64_C(0x9E3779B97F4A7C15);
    return value ^ value >> 29;
}

/* When all numbers are in use: of some, the next to expire; of equals the smaller number. */
static uint32_t choose_victim(const struct dedup *dedup, struct hash128 fingerprint) {
    ASSERT(dedup->count == dedup->keys_max);
    uint32_t best = NONE;
    uint32_t count = dedup->keys_max < CANDIDATES_MAX ? dedup->keys_max : CANDIDATES_MAX;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number =
            count < CANDIDATES_MAX ? i : (uint32_t)(mix(fingerprint.hi + i) % dedup->keys_max);
        uint64_t expires_ms = entry_expires_ms(&dedup->entries[number]);
        uint64_t best_ms = best == NONE ? UINT64_MAX : entry_expires_ms(&dedup->entries[best]);
        if (expires_ms < best_ms || (expires_ms == best_ms && number < best)) {
            best = number;
        }
    }
    return best;
}

static uint32_t take_number(struct dedup *dedup) {
    uint32_t number = number_set_smallest(&dedup->free);
    if (number == NUMBER_SET_NONE) {
        ASSERT(dedup->entries_end < dedup->keys_max);
        return dedup->entries_end++;
    }
    number_set_remove(&dedup->free, number);
    return number;
}

void entry_place(struct dedup *dedup, uint32_t number, const struct entry *entry) {
    bool has_row = dedup->entries[number].has_row; /* of the one that had this number */
    dedup->entries[number] = *entry;
    dedup->entries[number].has_row = has_row;
    count_entry(dedup, entry, 1);
    entry_index_add(dedup, number);
    link_entity(dedup, number);
    wheel_add(&dedup->wheel, number, entry->first_seen_ms);
}

void entry_insert(struct dedup *dedup, const struct entry *entry) {
    if (dedup->count == dedup->keys_max) {
        remove_entry(dedup, choose_victim(dedup, entry->fingerprint));
        dedup->evicted++;
    }
    uint32_t number = take_number(dedup);
    entry_place(dedup, number, entry);
    number_set_add(&dedup->dirty, number);
}

/* --- Windows --- */

static uint64_t add_saturating(uint64_t a, uint64_t b) {
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t whole_ms(uint64_t span_ns) {
    return add_saturating(span_ns, NS_PER_MS - 1) / NS_PER_MS;
}

/* From the first signal on, when the last one is of now. */
static uint32_t expires_after_ms(uint64_t first_ms, uint64_t now_ms,
                                 const struct dedup_rule *rule) {
    uint64_t last_ms = now_ms > first_ms ? now_ms : first_ms; /* a stamp that goes back */
    uint64_t slid_ms = last_ms - first_ms + whole_ms(rule->window_ns);
    uint64_t bound_ms = whole_ms(rule->max_window_ns);
    uint64_t span_ms = slid_ms < bound_ms ? slid_ms : bound_ms;
    return span_ms < UINT32_MAX ? (uint32_t)span_ms : UINT32_MAX;
}

/* The wheel finds out by itself that an entry lives longer, not that it lives shorter. */
static void set_expiry(struct dedup *dedup, uint32_t number, uint32_t after_ms, uint64_t now_ms) {
    struct entry *entry = &dedup->entries[number];
    if (after_ms >= entry->expires_after_ms) {
        entry->expires_after_ms = after_ms;
        return;
    }
    wheel_remove(&dedup->wheel, number);
    entry->expires_after_ms = after_ms;
    wheel_add(&dedup->wheel, number, now_ms);
}

static struct dedup_answer count_repeat(struct dedup *dedup, uint32_t number, uint64_t now_ms,
                                        const struct dedup_rule *rule) {
    struct entry *entry = &dedup->entries[number];
    set_expiry(dedup, number, expires_after_ms(entry->first_seen_ms, now_ms, rule), now_ms);
    entry->count += entry->count < UINT32_MAX ? 1 : 0;
    number_set_add(&dedup->dirty, number);
    return (struct dedup_answer){
        .passes = false, .count = entry->count, .first_seen_ns = entry->first_seen_ms * NS_PER_MS};
}

struct dedup_answer dedup_admit(struct dedup *dedup, struct hash128 fingerprint, uint32_t entity,
                                uint64_t now_ns, const struct dedup_rule *rule) {
    ASSERT(rule->tenant < TENANTS_MAX && entity < dedup->entities_max);
    uint64_t now_ms = now_ns / NS_PER_MS;
    uint32_t number = entry_index_find(dedup, fingerprint);
    if (number != NONE && now_ms < entry_expires_ms(&dedup->entries[number])) {
        return count_repeat(dedup, number, now_ms, rule);
    }
    if (number != NONE) {
        remove_entry(dedup, number);
    }
    const struct dedup_answer news = {.passes = true, .count = 1, .first_seen_ns = now_ns};
    if (rule->keys_max > 0 && dedup->tenant_counts[rule->tenant] >= rule->keys_max) {
        dedup->unremembered++;
        return news;
    }
    struct entry entry = {
        .fingerprint = fingerprint,
        .first_seen_ms = now_ms & ((UINT64_C(1) << 48) - 1),
        .tenant = rule->tenant & (2 * TENANTS_MAX - 1),
        .expires_after_ms = expires_after_ms(now_ms, now_ms, rule),
        .count = 1,
        .entity = entity,
    };
    entry_insert(dedup, &entry);
    return news;
}

bool dedup_has_entity(const struct dedup *dedup, uint32_t entity) {
    ASSERT(entity < dedup->entities_max);
    return dedup->entity_first[entity] != 0;
}

void dedup_forget_entity(struct dedup *dedup, uint32_t entity) {
    ASSERT(entity < dedup->entities_max);
    while (dedup->entity_first[entity] != 0) {
        remove_entry(dedup, dedup->entity_first[entity] - 1);
    }
}

void dedup_advance(struct dedup *dedup, uint64_t now_ns) {
    uint64_t now_ms = now_ns / NS_PER_MS;
    uint32_t number = wheel_pop_due(&dedup->wheel, now_ms);
    while (number != WHEEL_NONE) {
        remove_entry(dedup, number);
        number = wheel_pop_due(&dedup->wheel, now_ms);
    }
}

uint32_t dedup_count(const struct dedup *dedup) {
    return dedup->count;
}

uint64_t dedup_evicted_count(const struct dedup *dedup) {
    return dedup->evicted;
}

uint64_t dedup_unremembered_count(const struct dedup *dedup) {
    return dedup->unremembered;
}
