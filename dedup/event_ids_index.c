/* event_ids_index.c - where an event id's key stands in its ring; see event_ids_internal.h. */
#include "core/base/assert.h"
#include "dedup/event_ids_internal.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    KEYS_PER_BUCKET_MAX = 4, /* of a whole table */
    /* Of one whose successor's memory is being made: one key in ten passes then. */
    KEYS_PER_BUCKET_LATE_MAX = 5,
    BUCKETS_START = 1 << 11,
    PREFETCH_AHEAD = 32, /* keys; about the time that a line takes to come */
    RING_AHEAD = 96,     /* keys; read for the first time since they were written */
    MOVES_PER_KEY = 4,   /* done long before the next doubling */
};

struct status ids_index_init(struct event_ids *ids, struct arena *arena) {
    struct ids_index *index = &ids->index;
    uint32_t buckets = 2;
    while (buckets * (uint64_t)KEYS_PER_BUCKET_MAX < ids->keys_max) {
        buckets *= 2;
    }
    uint32_t buckets_start = buckets < BUCKETS_START ? buckets : BUCKETS_START;
    size_t buckets_all = 2 * (size_t)buckets;
    index->buckets_max = buckets;
    index->mask = buckets_start - 1;
    index->tables = ARENA_ARRAY(arena, struct ids_bucket, buckets_all);
    if (index->tables == NULL) {
        return status_of(STATUS_FULL);
    }
    index->buckets = index->tables + buckets_start;
    /* Touched all over once it is large: a small page would cost each key a miss more. */
    arena_advise_dense(index->tables, buckets_all * sizeof(*index->tables));
    return status_ok();
}

static uint32_t tag_of(struct hash128 key) {
    return (uint32_t)key.lo;
}

/* A bit for each of a bucket's seven numbers that is this one; eight are read. */
static inline unsigned match_numbers(const uint32_t *numbers, uint32_t number) {
    const unsigned all = (1u << IDS_BUCKET_KEYS) - 1;
#if defined(__SSE2__)
    const __m128i wanted = _mm_set1_epi32((int)number);
    __m128i low = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)numbers), wanted);
    __m128i high = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)(numbers + 4)), wanted);
    __m128i both = _mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128());
    return (unsigned)_mm_movemask_epi8(both) & all;
#else
    unsigned found = 0;
    for (unsigned i = 0; i < IDS_BUCKET_KEYS; i++) {
        found |= (unsigned)(numbers[i] == number) << i;
    }
    return found & all;
#endif
}

/* --- Moving to a larger table --- */

/* Positions from moving_first on have their places in the old table. */
static bool is_moving(const struct event_ids *ids) {
    return ids->index.old_buckets != NULL;
}

/* Of the latest key that was written to the place. */
static uint64_t position_of(const struct event_ids *ids, uint32_t place) {
    uint32_t first = (uint32_t)(ids->keys_first % ids->keys_max);
    return ids->keys_first + (place >= first ? place - first : place + ids->keys_max - first);
}

static bool is_to_move(const struct event_ids *ids, uint32_t place) {
    uint64_t position = position_of(ids, place);
    return position >= ids->index.moving_first && position < ids->index.moving_end;
}

/* --- Searching --- */

/* Where the key's place stands, plus 1; NULL: the table does not know it. */
static inline uint32_t *find_place(const struct event_ids *ids, struct ids_bucket *buckets,
                                   uint32_t mask, bool is_old, struct hash128 key) {
    uint32_t tag = tag_of(key);
    for (uint32_t step = 0; step <= mask; step++) {
        struct ids_bucket *bucket = &buckets[(tag + step) & mask];
        for (unsigned same = match_numbers(bucket->tags, tag); same != 0; same &= same - 1) {
            uint32_t *place = &bucket->places[__builtin_ctz(same)];
            if (*place != 0 && (!is_old || is_to_move(ids, *place - 1)) &&
                hash128_equals(ids->keys[*place - 1], key)) {
                return place;
            }
        }
        if (bucket->passed == 0) {
            break;
        }
    }
    return NULL;
}

static uint32_t *find_new_place(const struct event_ids *ids, struct hash128 key) {
    return find_place(ids, ids->index.buckets, ids->index.mask, false, key);
}

static const uint32_t *find_old_place(const struct event_ids *ids, struct hash128 key) {
    return is_moving(ids) ? find_place(ids, ids->index.old_buckets, ids->index.old_mask, true, key)
                          : NULL;
}

bool ids_index_knows(const struct event_ids *ids, struct hash128 key) {
    return find_new_place(ids, key) != NULL || find_old_place(ids, key) != NULL;
}

/* One that was superseded may move to the new table before the latest. */
uint64_t ids_index_position(const struct event_ids *ids, struct hash128 key) {
    const uint32_t *place = find_new_place(ids, key);
    const uint32_t *old_place = find_old_place(ids, key);
    uint64_t position = place == NULL ? 0 : position_of(ids, *place - 1);
    uint64_t old_position = old_place == NULL ? 0 : position_of(ids, *old_place - 1);
    ASSERT(place != NULL || old_place != NULL);
    return position > old_position ? position : old_position;
}

static void prefetch_new(const struct event_ids *ids, struct hash128 key) {
    __builtin_prefetch(&ids->index.buckets[tag_of(key) & ids->index.mask], 1);
}

void event_ids_prefetch(const struct event_ids *ids, struct hash128 event_key) {
    prefetch_new(ids, event_key);
    if (is_moving(ids)) {
        __builtin_prefetch(&ids->index.old_buckets[tag_of(event_key) & ids->index.old_mask], 0);
    }
}

/* --- Changing --- */

void ids_index_add(struct event_ids *ids, struct hash128 key, uint32_t place) {
    uint32_t tag = tag_of(key);
    for (uint32_t step = 0;; step++) {
        struct ids_bucket *bucket = &ids->index.buckets[(tag + step) & ids->index.mask];
        unsigned empty = match_numbers(bucket->places, 0);
        ASSERT(step <= ids->index.mask); /* there is room: buckets are half full */
        if (empty != 0) {
            unsigned slot = (unsigned)__builtin_ctz(empty);
            bucket->tags[slot] = tag;
            bucket->places[slot] = place + 1;
            return;
        }
        bucket->passed++;
    }
}

void ids_index_put(struct event_ids *ids, struct hash128 key, uint32_t place) {
    uint32_t *before = find_new_place(ids, key);
    if (before == NULL) {
        ids_index_add(ids, key, place);
        return;
    }
    ASSERT(ids->superseded_count > 0);
    if (position_of(ids, *before - 1) < position_of(ids, place)) {
        *before = place + 1;
    }
}

/* It passed the buckets between the one of its tag and the one that it is in. */
static void empty_place(struct event_ids *ids, uint32_t tag, uint32_t steps, unsigned slot) {
    for (uint32_t step = 0; step < steps; step++) {
        struct ids_bucket *passed = &ids->index.buckets[(tag + step) & ids->index.mask];
        ASSERT(passed->passed > 0);
        passed->passed--;
    }
    ids->index.buckets[(tag + steps) & ids->index.mask].places[slot] = 0;
}

static bool take_out(struct event_ids *ids, uint32_t tag, uint32_t place) {
    for (uint32_t step = 0; step <= ids->index.mask; step++) {
        const struct ids_bucket *bucket = &ids->index.buckets[(tag + step) & ids->index.mask];
        unsigned found = match_numbers(bucket->places, place + 1);
        if (found != 0) {
            empty_place(ids, tag, step, (unsigned)__builtin_ctz(found));
            return true;
        }
        if (bucket->passed == 0) {
            break;
        }
    }
    return false;
}

static void end_moving_when_done(struct event_ids *ids) {
    struct ids_index *index = &ids->index;
    if (is_moving(ids) && index->moving_first == index->moving_end) {
        size_t buckets = (size_t)index->old_mask + 1;
        arena_give_back(index->tables + buckets, buckets * sizeof(*index->tables));
        index->old_buckets = NULL;
    }
}

/* At the end of the ring the place itself. */
static uint32_t place_ahead(const struct event_ids *ids, uint32_t place, uint32_t count) {
    return count < ids->keys_max - place ? place + count : place;
}

void ids_index_forget(struct event_ids *ids, uint32_t place) {
    if (is_moving(ids) && ids->keys_first >= ids->index.moving_first) {
        ASSERT(ids->keys_first == ids->index.moving_first);
        ids->index.moving_first++; /* its place counts no more */
        end_moving_when_done(ids);
        return;
    }
    __builtin_prefetch(&ids->keys[place_ahead(ids, place, RING_AHEAD)]);
    prefetch_new(ids, ids->keys[place_ahead(ids, place, PREFETCH_AHEAD)]);
    if (!take_out(ids, tag_of(ids->keys[place]), place)) {
        ASSERT(ids->superseded_count > 0);
        ids->superseded_count--;
    }
}

static void move_keys(struct event_ids *ids) {
    struct ids_index *index = &ids->index;
    for (int i = 0; i < MOVES_PER_KEY && is_moving(ids); i++) {
        uint32_t place = (uint32_t)(index->moving_first % ids->keys_max);
        prefetch_new(ids, ids->keys[(index->moving_first + PREFETCH_AHEAD) % ids->keys_max]);
        ids_index_put(ids, ids->keys[place], place);
        index->moving_first++;
        end_moving_when_done(ids);
    }
}

/* The first keys of a table touch all of its pages at once: where they are not there yet, somebody
 * waits for them, which for hundreds of thousands of keys is tens of milliseconds. */
static bool is_being_made(const struct ids_index *index) {
    uint32_t buckets = 2 * (index->mask + 1);
    return index->told == buckets && index->made != buckets;
}

static bool is_to_grow(const struct event_ids *ids) {
    const struct ids_index *index = &ids->index;
    uint32_t most = is_being_made(index) ? KEYS_PER_BUCKET_LATE_MAX : KEYS_PER_BUCKET_MAX;
    return index->mask + 1 < index->buckets_max && ids_count(ids) > index->mask * (uint64_t)most;
}

bool ids_index_is_settled(const struct event_ids *ids) {
    return !is_moving(ids) && !is_to_grow(ids);
}

void ids_index_make_room(struct event_ids *ids) {
    struct ids_index *index = &ids->index;
    if (is_to_grow(ids)) {
        /* The larger table has never been used: it is empty. */
        ASSERT(!is_moving(ids) && ids_count(ids) > 0);
        index->old_buckets = index->buckets;
        index->old_mask = index->mask;
        index->mask = index->mask * 2 + 1;
        index->buckets = index->tables + index->mask + 1;
        index->moving_first = ids->keys_first;
        index->moving_end = ids->keys_end;
    }
    move_keys(ids);
}

/* The table that comes after this one, when three quarters of what it takes are there. */
bool ids_index_next_memory(struct event_ids *ids, void **memory_out, size_t *size_out) {
    struct ids_index *index = &ids->index;
    uint32_t buckets = 2 * (index->mask + 1);
    index->made = index->told;
    bool is_due = buckets <= index->buckets_max && index->told < buckets &&
                  ids_count(ids) > index->mask * (uint64_t)KEYS_PER_BUCKET_MAX / 4 * 3;
    if (is_due) {
        index->told = buckets;
        *memory_out = index->tables + buckets;
        *size_out = buckets * sizeof(*index->tables);
    }
    return is_due;
}
