/*
 * event_ids.c - which event ids were applied, by journal batch, forgotten oldest batch first.
 *
 * Two rings: the keys in the order of arrival, and the batches that own runs of them. A batch that
 * expired or was evicted stays in its ring until its row's delete is emitted, a bounded number a
 * call, so one call never needs more effects than event_ids_effect_bytes says.
 *
 * Positions in the rings only grow; `position % max` is the place.
 *
 * The index from key to place is made for one cache miss an event: eight slots of 8 bytes share a
 * line, the load stays at or below 1/2, the key itself is read only when 32 bits of it agree, and
 * the caller may prefetch. Open addressing with linear probing and backward-shift deletion. It
 * begins small and doubles, so that a quiet installation keeps it in the cache and small in memory.
 */
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "dedup/dedup.h"

enum {
    DELETES_MAX = 1024,
    DELETE_BYTES = 24,
    BATCHES_SPARE = 4096,
    PREFETCH_AHEAD = 8, /* keys; about the time that a line takes to come */
    SLOTS_START = 1 << 14,
};

struct ids_batch {
    uint64_t seq;
    uint64_t expires_ns;
    uint64_t first; /* position of its first key */
};

struct ids_slot {
    uint32_t tag;   /* the key's low bits, which also say where its search begins */
    uint32_t place; /* in the ring of keys, plus 1; 0: empty */
};

struct event_ids {
    struct ids_slot *slots; /* slots_max of them */
    uint32_t slots_max;
    uint32_t slot_mask; /* of those in use */
    struct hash128 *keys;
    struct ids_batch *batches;
    uint32_t keys_max;
    uint32_t batches_max;
    uint64_t keys_first; /* positions: oldest key, one past the newest */
    uint64_t keys_end;
    uint64_t deletes_first; /* batches [deletes_first, batches_first) wait for their delete */
    uint64_t batches_first; /* [batches_first, batches_end) are remembered */
    uint64_t batches_end;
    bool is_open; /* the last batch is still being filled */
    uint64_t evicted_count;
};

struct status event_ids_init(struct event_ids **ids_out, const struct event_ids_options *options,
                             struct arena *arena) {
    ASSERT(options->count_max > 0 && options->count_max < (1u << 30));
    struct event_ids *ids = ARENA_NEW(arena, struct event_ids);
    if (ids == NULL) {
        return status_of(STATUS_FULL);
    }
    ids->keys_max = options->count_max;
    ids->batches_max = options->count_max + BATCHES_SPARE;
    ids->keys = ARENA_ARRAY(arena, struct hash128, ids->keys_max);
    ids->batches = ARENA_ARRAY(arena, struct ids_batch, ids->batches_max);
    uint32_t slots = 16;
    while (slots / 2 < ids->keys_max) {
        slots *= 2;
    }
    ids->slots_max = slots;
    ids->slot_mask = (slots < SLOTS_START ? slots : SLOTS_START) - 1;
    ids->slots = ARENA_ARRAY(arena, struct ids_slot, slots);
    if (ids->keys == NULL || ids->batches == NULL || ids->slots == NULL) {
        return status_of(STATUS_FULL);
    }
    /* Touched all over once it is large: a small page would cost each key a miss more. */
    arena_advise_dense(ids->slots, (size_t)slots * sizeof(*ids->slots));
    *ids_out = ids;
    return status_ok();
}

static uint32_t tag_of(struct hash128 key) {
    return (uint32_t)key.lo;
}

static uint32_t keys_count(const struct event_ids *ids) {
    return (uint32_t)(ids->keys_end - ids->keys_first);
}

/* The key's slot, or the empty one where it would go. */
static uint32_t locate_key(const struct event_ids *ids, struct hash128 key) {
    uint32_t tag = tag_of(key);
    uint32_t slot = tag & ids->slot_mask;
    while (ids->slots[slot].place != 0 &&
           (ids->slots[slot].tag != tag ||
            !hash128_equals(ids->keys[ids->slots[slot].place - 1], key))) {
        slot = (slot + 1) & ids->slot_mask;
    }
    return slot;
}

/* Empties a slot: what stands behind moves up, as long as its search still finds it. */
static void empty_slot(struct event_ids *ids, uint32_t hole) {
    uint32_t slot = hole;
    for (;;) {
        slot = (slot + 1) & ids->slot_mask;
        if (ids->slots[slot].place == 0) {
            break;
        }
        uint32_t home = ids->slots[slot].tag & ids->slot_mask;
        if (((slot - home) & ids->slot_mask) >= ((slot - hole) & ids->slot_mask)) {
            ids->slots[hole] = ids->slots[slot];
            hole = slot;
        }
    }
    ids->slots[hole] = (struct ids_slot){0};
}

static void forget_key(struct event_ids *ids, uint64_t position) {
    uint32_t place = (uint32_t)(position % ids->keys_max);
    uint32_t slot = tag_of(ids->keys[place]) & ids->slot_mask;
    while (ids->slots[slot].place != place + 1) {
        ASSERT(ids->slots[slot].place != 0);
        slot = (slot + 1) & ids->slot_mask;
    }
    empty_slot(ids, slot);
}

void event_ids_prefetch(const struct event_ids *ids, struct hash128 event_key) {
    __builtin_prefetch(&ids->slots[tag_of(event_key) & ids->slot_mask], 1);
}

static struct ids_batch *batch_at(const struct event_ids *ids, uint64_t position) {
    return &ids->batches[position % ids->batches_max];
}

static uint64_t batch_keys_end(const struct event_ids *ids, uint64_t position) {
    return position + 1 < ids->batches_end ? batch_at(ids, position + 1)->first : ids->keys_end;
}

static uint64_t forget_keys_below(struct event_ids *ids, uint64_t end) {
    uint64_t count = end - ids->keys_first;
    for (; ids->keys_first < end; ids->keys_first++) {
        event_ids_prefetch(ids, ids->keys[(ids->keys_first + PREFETCH_AHEAD) % ids->keys_max]);
        forget_key(ids, ids->keys_first);
    }
    return count;
}

static uint64_t forget_oldest_batch(struct event_ids *ids) {
    ASSERT(ids->batches_first < ids->batches_end);
    uint64_t count = forget_keys_below(ids, batch_keys_end(ids, ids->batches_first));
    if (ids->is_open && ids->batches_first + 1 == ids->batches_end) {
        batch_at(ids, ids->batches_first)->first = ids->keys_end; /* goes on, emptied */
    } else {
        ids->batches_first++;
    }
    return count;
}

static void push_batch(struct event_ids *ids, uint64_t seq, uint64_t expires_ns) {
    if (ids->batches_end - ids->deletes_first == ids->batches_max) {
        if (ids->deletes_first == ids->batches_first) {
            ids->evicted_count += forget_oldest_batch(ids);
        }
        ids->deletes_first++; /* its row, expired, is dropped at the next start */
    }
    *batch_at(ids, ids->batches_end) =
        (struct ids_batch){.seq = seq, .expires_ns = expires_ns, .first = ids->keys_end};
    ids->batches_end++;
}

void event_ids_begin_batch(struct event_ids *ids, uint64_t seq, uint64_t now_ns,
                           uint64_t horizon_ns) {
    ASSERT(!ids->is_open);
    while (ids->batches_first < ids->batches_end &&
           batch_at(ids, ids->batches_first)->expires_ns <= now_ns) {
        (void)forget_oldest_batch(ids);
    }
    bool is_overflow = horizon_ns > UINT64_MAX - now_ns;
    push_batch(ids, seq, is_overflow ? UINT64_MAX : now_ns + horizon_ns);
    ids->is_open = true;
}

static void put_slot(struct event_ids *ids, struct hash128 key, uint64_t position) {
    uint32_t slot = locate_key(ids, key);
    ASSERT(ids->slots[slot].place == 0);
    ids->slots[slot] =
        (struct ids_slot){.tag = tag_of(key), .place = (uint32_t)(position % ids->keys_max) + 1};
}

/* Doubles the index; costs one pass over the keys, which is as much as they have cost so far. */
static void grow_index(struct event_ids *ids) {
    memset(ids->slots, 0, ((size_t)ids->slot_mask + 1) * sizeof(*ids->slots));
    ids->slot_mask = ids->slot_mask * 2 + 1;
    for (uint64_t position = ids->keys_first; position < ids->keys_end; position++) {
        event_ids_prefetch(ids, ids->keys[(position + PREFETCH_AHEAD) % ids->keys_max]);
        put_slot(ids, ids->keys[position % ids->keys_max], position);
    }
}

static void push_key(struct event_ids *ids, struct hash128 key) {
    while (keys_count(ids) == ids->keys_max) {
        ids->evicted_count += forget_oldest_batch(ids);
    }
    if (keys_count(ids) > ids->slot_mask / 2 && ids->slot_mask + 1 < ids->slots_max) {
        grow_index(ids);
    }
    put_slot(ids, key, ids->keys_end); /* only now: forgetting and growing move slots */
    ids->keys[ids->keys_end % ids->keys_max] = key;
    ids->keys_end++;
}

static bool knows_key(const struct event_ids *ids, struct hash128 key) {
    return ids->slots[locate_key(ids, key)].place != 0;
}

bool event_ids_admit(struct event_ids *ids, struct hash128 event_key) {
    ASSERT(ids->is_open);
    if (knows_key(ids, event_key)) {
        return false;
    }
    push_key(ids, event_key);
    return true;
}

static void write_key(uint8_t key[8], uint64_t seq) {
    struct writer writer = writer_over(key, 8);
    writer_u64_big_endian(&writer, seq);
}

static void emit_batch(const struct event_ids *ids, struct effects *effects, uint8_t *value,
                       size_t value_bytes) {
    const struct ids_batch *batch = batch_at(ids, ids->batches_end - 1);
    struct writer row = writer_over(value, value_bytes);
    writer_u64(&row, batch->expires_ns);
    for (uint64_t i = batch->first; i < ids->keys_end; i++) {
        writer_hash128(&row, ids->keys[i % ids->keys_max]);
    }
    ASSERT(!row.failed);
    uint8_t key[8];
    write_key(key, batch->seq);
    effect_put(effects, STORE_TABLE_EVENT_ID, slice_of(key, sizeof(key)), writer_slice(&row));
}

static void emit_deletes(struct event_ids *ids, struct effects *effects) {
    for (uint32_t i = 0; i < DELETES_MAX && ids->deletes_first < ids->batches_first; i++) {
        uint8_t key[8];
        write_key(key, batch_at(ids, ids->deletes_first)->seq);
        effect_delete(effects, STORE_TABLE_EVENT_ID, slice_of(key, sizeof(key)));
        ids->deletes_first++;
    }
}

void event_ids_end_batch(struct event_ids *ids, struct effects *effects) {
    ASSERT(ids->is_open);
    uint64_t count = ids->keys_end - batch_at(ids, ids->batches_end - 1)->first;
    size_t bytes = 8 + 16 * (size_t)count;
    if (count > 0) {
        /* The row is built at the far end of the effects' free room, twice its size by contract. */
        ASSERT(effects_room(effects) >= DELETE_BYTES + 2 * bytes);
        uint8_t *scratch = effects->writer.data + effects->writer.capacity - bytes;
        emit_batch(ids, effects, scratch, bytes);
    } else {
        ids->batches_end--;
    }
    ids->is_open = false;
    emit_deletes(ids, effects);
}

size_t event_ids_effect_bytes(const struct event_ids *ids, uint32_t events_count) {
    return DELETE_BYTES + 2 * (8 + 16 * (size_t)events_count) + (size_t)DELETES_MAX * DELETE_BYTES;
}

uint32_t event_ids_count(const struct event_ids *ids) {
    return keys_count(ids);
}

uint64_t event_ids_evicted_count(const struct event_ids *ids) {
    return ids->evicted_count;
}

struct status event_ids_restore(struct event_ids *ids, struct slice key, struct slice value,
                                uint64_t now_ns) {
    ASSERT(!ids->is_open);
    struct reader keys = reader_over(key);
    struct reader row = reader_over(value);
    uint64_t seq = reader_u64_big_endian(&keys);
    uint64_t expires_ns = reader_u64(&row);
    if (keys.failed || row.failed || key.size != 8 || reader_left(&row) % 16 != 0) {
        return status_of(STATUS_CORRUPT);
    }
    push_batch(ids, seq, expires_ns);
    ids->is_open = true;
    while (reader_left(&row) > 0) {
        struct hash128 event_key = reader_hash128(&row);
        if (!knows_key(ids, event_key)) {
            push_key(ids, event_key);
        }
    }
    ids->is_open = false;
    return status_ok(); /* one that expired by now is forgotten when the next batch begins */
}
