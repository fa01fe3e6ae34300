/*
 * dedup_state.h - what is remembered of live fingerprints; private to the files of this room.
 *
 * Entries stand in an array; an entry's number is its row's key. A new entry takes the smallest
 * free number, so rows lie together in few pages of the store, and which number it takes is a
 * function of the journal alone. Fixed, a key costs 48 bytes of entry, 8 of its place in the wheel,
 * 2 of index, 1/4 of sets: 58.3, touched only as far as numbers are used.
 *
 * Links: 0 is the end, else a number plus one. Instants are milliseconds: an entry ends up to one
 * before its rule says.
 */
#pragma once

#include "core/base/limits.h"
#include "dedup/dedup.h"
#include "dedup/number_set.h"
#include "dedup/wheel.h"

/* Of rows that were written before they named one. */
#define DEDUP_TENANT_NONE TENANTS_MAX
enum { DEDUP_ROW_BYTES = 40, DEDUP_ROW_KEY_BYTES = 4 };

struct entry {
    struct hash128 fingerprint;
    uint64_t first_seen_ms : 48;
    uint64_t tenant : 15;
    uint64_t has_row : 1; /* of a free one: its row is still to be deleted */
    uint32_t expires_after_ms;
    uint32_t count; /* 0: free */
    uint32_t entity;
    uint32_t entity_next;
    uint32_t entity_previous;
    uint32_t index_next;
};
static_assert(sizeof(struct entry) == 48, "millions of them: each byte counts");
static_assert(DEDUP_TENANT_NONE < 1u << 15, "a tenant's number fits");
static_assert(DEDUP_WINDOW_NS_MAX / NS_PER_MS < UINT32_MAX, "expires_after_ms fits");

/* Entries by fingerprint: linear hashing, chains through the entries. */
struct entry_index {
    uint32_t *buckets;
    uint32_t buckets_count;
    uint32_t buckets_max;
    uint32_t mask; /* the smallest 2^n - 1 that reaches all buckets */
};

struct dedup {
    struct entry *entries;
    uint32_t *entity_first; /* by the entity's number: its entries, a list */
    struct entry_index index;
    struct wheel wheel;
    struct number_set free;  /* below entries_end */
    struct number_set dirty; /* the row is not as the entry */
    uint32_t keys_max;
    uint32_t entities_max;
    uint32_t entries_end; /* numbers from here on were never used */
    uint32_t count;
    uint32_t beyond_next; /* rows at keys_max and above, of before it was lowered: to be deleted */
    uint32_t beyond_end;
    uint32_t *tenant_counts; /* of live entries, by the tenant's number */
    uint64_t evicted;
    uint64_t unremembered;
};

static inline uint64_t entry_expires_ms(const struct entry *entry) {
    return (uint64_t)entry->first_seen_ms + entry->expires_after_ms;
}

/* --- dedup_index.c --- */
MUST_CHECK struct status entry_index_init(struct entry_index *index, uint32_t keys_max,
                                          struct arena *arena);
/* The entry's number; UINT32_MAX when there is none. */
uint32_t entry_index_find(const struct dedup *dedup, struct hash128 fingerprint);
/* The entry is not in the index; dedup->count counts it already. */
void entry_index_add(struct dedup *dedup, uint32_t number);
/* The entry is in the index. */
void entry_index_remove(struct dedup *dedup, uint32_t number);

/* --- dedup.c --- */
/* Lets all that finds entries find this one, under a number that is not in use. */
void entry_place(struct dedup *dedup, uint32_t number, const struct entry *entry);
/* The same under the smallest number, for which room is made when there is none; its row is to be
 * emitted. */
void entry_insert(struct dedup *dedup, const struct entry *entry);
