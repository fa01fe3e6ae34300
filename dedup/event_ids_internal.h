/*
 * event_ids_internal.h - what event_ids.c and its index share; private to these two.
 *
 * The index from key to place is made for one cache miss an event: a bucket is a line, seven keys
 * find room in it and are compared at once, the key itself is read only when 32 bits of it agree,
 * and the caller may prefetch. A key whose bucket is full goes to the next one; each bucket counts
 * those that passed it, so a search knows where to end, and a place is emptied where it stands.
 * With four keys a bucket at most, one in twenty passes.
 *
 * It begins small and doubles, so that a quiet installation keeps it in the cache and small in
 * memory. Nobody waits for that: keys move to the larger table a few with each new one, the oldest
 * first. Until all have, the smaller one is searched too; nothing is changed in it, and a place of
 * it counts only while its key's position is among those that have not moved.
 */
#pragma once

#include <stdalign.h>

#include "core/base/limits.h"
#include "dedup/dedup.h"

enum { IDS_BUCKET_KEYS = 7 };

struct ids_bucket {
    alignas(64) uint32_t tags[IDS_BUCKET_KEYS]; /* low bits of keys, which also say their bucket */
    uint32_t passed;                            /* keys of it, or of those before, behind it */
    uint32_t places[IDS_BUCKET_KEYS + 1];       /* in the ring of keys, plus 1; 0: empty */
};
static_assert(sizeof(struct ids_bucket) == 64, "a bucket is a line");

struct ids_batch {
    uint64_t seq;
    uint64_t began_ns;
    uint64_t expires_ns;
    uint64_t first; /* position of its first key */
};

struct ids_index {
    struct ids_bucket *tables;  /* room for each size: that of n buckets stands at n */
    struct ids_bucket *buckets; /* the table in use */
    uint32_t buckets_max;
    uint32_t mask;
    struct ids_bucket *old_buckets; /* the one before it; NULL when all keys have moved */
    uint32_t old_mask;
    uint32_t told;         /* the size of the latest table that ids_index_next_memory has told */
    uint32_t made;         /* and of the latest whose memory is there */
    uint64_t moving_first; /* positions that are still to move */
    uint64_t moving_end;
};

struct event_ids {
    struct ids_index index;
    struct hash128 *keys;
    struct ids_batch *batches;
    uint32_t keys_max;
    uint32_t batches_max;
    uint64_t keys_first; /* positions: oldest key, one past the newest */
    uint64_t keys_end;
    uint32_t keys_next;     /* the place of position keys_end: a division less for each key */
    uint32_t keys_told;     /* whose memory event_ids_next_memory has told */
    uint64_t deletes_first; /* batches [deletes_first, batches_first) wait for their delete */
    uint64_t batches_first; /* [batches_first, batches_end) are remembered */
    uint64_t batches_end;
    bool is_open;              /* the last batch is still being filled */
    uint64_t superseded_count; /* at most so many positions are not in the index */
    uint64_t evicted_count;
};

static inline uint32_t ids_count(const struct event_ids *ids) {
    return (uint32_t)(ids->keys_end - ids->keys_first);
}

static inline uint32_t ids_place_after(const struct event_ids *ids, uint32_t place) {
    return place + 1 == ids->keys_max ? 0 : place + 1;
}

/* For ids->keys_max keys. FULL: no memory. */
MUST_CHECK struct status ids_index_init(struct event_ids *ids, struct arena *arena);
bool ids_index_knows(const struct event_ids *ids, struct hash128 key);
/* The latest of a key that is known. */
uint64_t ids_index_position(const struct event_ids *ids, struct hash128 key);
/* Nothing is to be moved, and a key more finds room. */
bool ids_index_is_settled(const struct event_ids *ids);
/* Moves a few keys to a larger table, or begins with it, when that is due. */
void ids_index_make_room(struct event_ids *ids);
/* The place holds a key that is not known. */
void ids_index_add(struct event_ids *ids, struct hash128 key, uint32_t place);
/* The place holds the key, and is its latest. */
void ids_index_put(struct event_ids *ids, struct hash128 key, uint32_t place);
/* The place is that of the oldest position, ids->keys_first. */
void ids_index_forget(struct event_ids *ids, uint32_t place);
/* The table that will be written to soon for the first time, told once; false: none. What was told
 * before has been made. */
bool ids_index_next_memory(struct event_ids *ids, void **memory_out, size_t *size_out);
