/*
 * event_ids.c - event ids applied within the horizon. See dedup.h.
 *
 * Keys stand in a ring in order of admission, so expiry takes them off the front, batch by batch; a
 * hash index of ring positions finds them. A batch's keys are one row, written when the batch ends:
 * appending to LMDB in key order is what it does best.
 */
#include "core/base/assert.h"
#include "dedup/dedup.h"

enum { BATCHES_MAX = 1 << 20, DELETES_PER_BATCH_MAX = 64, DELETE_EFFECT_BYTES = 32 };

struct id_batch {
    uint64_t seq;
    uint64_t expires_ns;
    uint32_t count;
};

struct event_ids {
    struct hash128 *keys; /* ring; position = number & keys_mask */
    uint32_t keys_mask;
    uint32_t count_max;
    uint64_t first; /* number of the oldest key */
    uint64_t next;  /* number of the next key */
    uint32_t *slots; /* ring position + 1; 0: empty */
    uint32_t slots_mask;
    struct id_batch *batches; /* ring */
    uint64_t batch_first;
    uint64_t batch_next; /* the open batch is batch_next - 1 while is_open */
    bool is_open;
    uint64_t evicted;
    uint64_t deletes[DELETES_PER_BATCH_MAX]; /* seqs whose rows are to go */
    uint32_t deletes_count;
};

static uint32_t power_of_two(uint32_t value) {
    uint32_t power = 16;
    while (power < value) {
        power *= 2;
    }
    return power;
}

struct status event_ids_init(struct event_ids **ids_out, const struct event_ids_options *options,
                             struct arena *arena) {
    ASSERT(options->count_max > 0 && options->count_max <= (1u << 28));
    struct event_ids *ids = ARENA_NEW(arena, struct event_ids);
    if (ids == NULL) {
        return status_of(STATUS_FULL);
    }
    uint32_t capacity = power_of_two(options->count_max);
    *ids = (struct event_ids){
        .keys_mask = capacity - 1, .count_max = options->count_max, .slots_mask = 2 * capacity - 1};
    ids->keys = ARENA_ARRAY(arena, struct hash128, capacity);
    ids->slots = ARENA_ARRAY(arena, uint32_t, 2 * (size_t)capacity);
    ids->batches = ARENA_ARRAY(arena, struct id_batch, BATCHES_MAX);
    if (ids->keys == NULL || ids->slots == NULL || ids->batches == NULL) {
        return status_of(STATUS_FULL);
    }
    *ids_out = ids;
    return status_ok();
}

/* --- Index --- */

static uint32_t home_of(const struct event_ids *ids, struct hash128 key) {
    return (uint32_t)key.lo & ids->slots_mask;
}

static uint32_t locate(const struct event_ids *ids, struct hash128 key) {
    uint32_t slot = home_of(ids, key);
    while (ids->slots[slot] != 0 && !hash128_equals(ids->keys[ids->slots[slot] - 1], key)) {
        slot = (slot + 1) & ids->slots_mask;
    }
    return slot;
}

static void unindex(struct event_ids *ids, struct hash128 key) {
    uint32_t hole = locate(ids, key);
    ASSERT(ids->slots[hole] != 0);
    uint32_t slot = hole;
    for (;;) {
        slot = (slot + 1) & ids->slots_mask;
        if (ids->slots[slot] == 0) {
            break;
        }
        uint32_t home = home_of(ids, ids->keys[ids->slots[slot] - 1]);
        if (((slot - home) & ids->slots_mask) >= ((slot - hole) & ids->slots_mask)) {
            ids->slots[hole] = ids->slots[slot];
            hole = slot;
        }
    }
    ids->slots[hole] = 0;
}

/* --- Batches --- */

static struct id_batch *batch_at(struct event_ids *ids, uint64_t number) {
    return &ids->batches[number & (BATCHES_MAX - 1)];
}

static void forget_oldest(struct event_ids *ids) {
    struct id_batch *batch = batch_at(ids, ids->batch_first);
    for (uint32_t i = 0; i < batch->count; i++) {
        unindex(ids, ids->keys[ids->first & ids->keys_mask]);
        ids->first++;
    }
    ASSERT(ids->first <= ids->next && ids->deletes_count < DELETES_PER_BATCH_MAX);
    ids->deletes[ids->deletes_count++] = batch->seq;
    ids->batch_first++;
}

static uint64_t batches_count(const struct event_ids *ids) {
    return ids->batch_next - ids->batch_first;
}

void event_ids_begin_batch(struct event_ids *ids, uint64_t seq, uint64_t now_ns,
                           uint64_t horizon_ns) {
    ASSERT(!ids->is_open);
    while (batches_count(ids) > 0 && batch_at(ids, ids->batch_first)->expires_ns <= now_ns &&
           ids->deletes_count + 1 < DELETES_PER_BATCH_MAX) {
        forget_oldest(ids);
    }
    if (batches_count(ids) == BATCHES_MAX) {
        ids->evicted += batch_at(ids, ids->batch_first)->count;
        forget_oldest(ids);
    }
    *batch_at(ids, ids->batch_next) =
        (struct id_batch){.seq = seq, .expires_ns = now_ns + horizon_ns};
    ids->batch_next++;
    ids->is_open = true;
}

/* Makes room for one key; false when only the open batch is left or no delete can be noted. */
static bool make_room(struct event_ids *ids) {
    while (ids->next - ids->first >= ids->count_max) {
        if (batches_count(ids) <= 1 || ids->deletes_count == DELETES_PER_BATCH_MAX) {
            return false;
        }
        ids->evicted += batch_at(ids, ids->batch_first)->count;
        forget_oldest(ids);
    }
    return true;
}

bool event_ids_admit(struct event_ids *ids, struct hash128 event_key) {
    ASSERT(ids->is_open);
    uint32_t slot = locate(ids, event_key);
    if (ids->slots[slot] != 0) {
        return false;
    }
    if (!make_room(ids)) {
        ids->evicted++;
        return true;
    }
    uint32_t position = (uint32_t)ids->next & ids->keys_mask;
    ids->keys[position] = event_key;
    ids->slots[locate(ids, event_key)] = position + 1;
    ids->next++;
    batch_at(ids, ids->batch_next - 1)->count++;
    return true;
}

static struct slice seq_key(uint64_t seq, uint8_t bytes[8]) {
    struct writer writer = writer_over(bytes, 8);
    writer_u64_big_endian(&writer, seq);
    return writer_slice(&writer);
}

/* The keys of the open batch lie in one or two pieces of the ring. */
static void emit_open(struct event_ids *ids, struct effects *effects) {
    const struct id_batch *batch = batch_at(ids, ids->batch_next - 1);
    uint8_t key[8];
    /* The far end of the effects' memory is scratch: there is room for the row twice. */
    size_t size = 8 + 16 * (size_t)batch->count;
    ASSERT(effects_room(effects) >= 2 * size);
    uint8_t *row = effects->writer.data + effects->writer.capacity - ((size + 7) & ~(size_t)7);
    struct writer writer = writer_over(row, size);
    writer_u64(&writer, batch->expires_ns);
    for (uint64_t number = ids->next - batch->count; number < ids->next; number++) {
        writer_hash128(&writer, ids->keys[number & ids->keys_mask]);
    }
    ASSERT(!writer.failed);
    effect_put(effects, STORE_TABLE_EVENT_ID, seq_key(batch->seq, key), writer_slice(&writer));
}

void event_ids_end_batch(struct event_ids *ids, struct effects *effects) {
    ASSERT(ids->is_open && batches_count(ids) > 0);
    uint8_t key[8];
    for (uint32_t i = 0; i < ids->deletes_count; i++) {
        effect_delete(effects, STORE_TABLE_EVENT_ID, seq_key(ids->deletes[i], key));
    }
    ids->deletes_count = 0;
    ids->is_open = false;
    if (batch_at(ids, ids->batch_next - 1)->count == 0) {
        ids->batch_next--;
        return;
    }
    emit_open(ids, effects);
}

size_t event_ids_effect_bytes(const struct event_ids *ids, uint32_t events_count) {
    (void)ids;
    return 2 * (64 + 16 * (size_t)events_count) + DELETES_PER_BATCH_MAX * DELETE_EFFECT_BYTES;
}

uint32_t event_ids_count(const struct event_ids *ids) {
    return (uint32_t)(ids->next - ids->first);
}

uint64_t event_ids_evicted_count(const struct event_ids *ids) {
    return ids->evicted;
}

struct status event_ids_restore(struct event_ids *ids, struct slice key, struct slice value,
                                uint64_t now_ns) {
    struct reader key_reader = reader_over(key);
    struct reader reader = reader_over(value);
    uint64_t seq = reader_u64_big_endian(&key_reader);
    uint64_t expires_ns = reader_u64(&reader);
    if (key_reader.failed || reader.failed || reader_left(&reader) % 16 != 0) {
        return status_of(STATUS_CORRUPT);
    }
    (void)now_ns; /* an expired batch leaves with the next begin, and its row with it */
    *batch_at(ids, ids->batch_next) = (struct id_batch){.seq = seq, .expires_ns = expires_ns};
    ids->batch_next++;
    ids->is_open = true;
    while (reader_left(&reader) > 0) {
        (void)event_ids_admit(ids, reader_hash128(&reader));
    }
    ids->is_open = false;
    return status_ok();
}
