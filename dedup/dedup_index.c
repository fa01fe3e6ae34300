/*
 * dedup_index.c - fingerprint -> entry, by linear hashing: when keys are added a bucket is split
 * now and then, each time one, so that growing costs no key more than another, never needs two
 * tables at once, and half as many buckets as keys suffice at any size.
 */
#include "dedup/dedup_state.h"

#include "core/base/assert.h"

enum { KEYS_PER_BUCKET = 2, BUCKETS_MIN = 16 };

struct status entry_index_init(struct entry_index *index, uint32_t keys_max, struct arena *arena) {
    *index = (struct entry_index){
        .buckets_count = BUCKETS_MIN,
        .buckets_max = BUCKETS_MIN + keys_max / KEYS_PER_BUCKET,
        .mask = BUCKETS_MIN - 1,
    };
    index->buckets = ARENA_ARRAY(arena, uint32_t, index->buckets_max);
    return index->buckets == NULL ? status_of(STATUS_FULL) : status_ok();
}

static uint32_t *bucket_of(const struct entry_index *index, struct hash128 fingerprint) {
    uint32_t bucket = (uint32_t)fingerprint.lo & index->mask;
    bucket = bucket < index->buckets_count ? bucket : bucket & (index->mask >> 1);
    return &index->buckets[bucket];
}

uint32_t entry_index_find(const struct dedup *dedup, struct hash128 fingerprint) {
    uint32_t link = *bucket_of(&dedup->index, fingerprint);
    while (link != 0 && !hash128_equals(dedup->entries[link - 1].fingerprint, fingerprint)) {
        link = dedup->entries[link - 1].index_next;
    }
    return link - 1;
}

/* The next bucket takes its part of the keys of the one that held them with its own. */
static void split_bucket(struct dedup *dedup) {
    struct entry_index *index = &dedup->index;
    uint32_t bucket = index->buckets_count++;
    index->mask = bucket > index->mask ? 2 * index->mask + 1 : index->mask;
    uint32_t *link = &index->buckets[bucket & (index->mask >> 1)];
    while (*link != 0) {
        struct entry *entry = &dedup->entries[*link - 1];
        if (((uint32_t)entry->fingerprint.lo & index->mask) != bucket) {
            link = &entry->index_next;
            continue;
        }
        uint32_t moved = *link;
        *link = entry->index_next;
        entry->index_next = index->buckets[bucket];
        index->buckets[bucket] = moved;
    }
}

void entry_index_add(struct dedup *dedup, uint32_t number) {
    struct entry_index *index = &dedup->index;
    if (dedup->count / KEYS_PER_BUCKET > index->buckets_count) {
        ASSERT(index->buckets_count < index->buckets_max);
        split_bucket(dedup);
    }
    uint32_t *bucket = bucket_of(index, dedup->entries[number].fingerprint);
    dedup->entries[number].index_next = *bucket;
    *bucket = number + 1;
}

void entry_index_remove(struct dedup *dedup, uint32_t number) {
    uint32_t *link = bucket_of(&dedup->index, dedup->entries[number].fingerprint);
    while (*link != number + 1) {
        ASSERT(*link != 0);
        link = &dedup->entries[*link - 1].index_next;
    }
    *link = dedup->entries[number].index_next;
}

void dedup_prefetch(const struct dedup *dedup, struct hash128 fingerprint) {
    __builtin_prefetch(bucket_of(&dedup->index, fingerprint), 1);
}

void dedup_prefetch_entry(const struct dedup *dedup, struct hash128 fingerprint) {
    uint32_t link = *bucket_of(&dedup->index, fingerprint);
    if (link != 0) {
        __builtin_prefetch(&dedup->entries[link - 1], 1);
    }
}
