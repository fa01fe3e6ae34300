/*
 * event_ids.c - which event ids were applied, by journal batch, forgotten oldest batch first.
 *
 * Two rings: the keys in the order of arrival, and the batches that own runs of them. A batch that
 * expired or was evicted stays in its ring until its row's delete is emitted, a bounded number a
 * call, so one call never needs more effects than event_ids_effect_bytes says.
 *
 * Positions in the rings only grow; `position % max` is the place.
 *
 * A batch is remembered for the longest horizon of all tenants. A tenant's own may be shorter: a
 * key that is older than that is admitted again, at a second position. The index knows the later
 * one only; the earlier is superseded, and goes with its batch as it would have gone.
 *
 * event_ids_index.c finds a key's place.
 */
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "dedup/event_ids_internal.h"

enum {
    DELETES_MAX = 1024,
    DELETE_BYTES = 24,
    BATCHES_SPARE = 4096,
    KEYS_TOLD = 1 << 17,      /* whose memory is asked for at once, when there are half as many */
    KEYS_AHEAD_MAX = 1 << 20, /* while a large table is made, none is made for keys */
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
    if (ids->keys == NULL || ids->batches == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(ids_index_init(ids, arena));
    *ids_out = ids;
    return status_ok();
}

static struct ids_batch *batch_at(const struct event_ids *ids, uint64_t position) {
    return &ids->batches[position % ids->batches_max];
}

static uint64_t batch_keys_end(const struct event_ids *ids, uint64_t position) {
    return position + 1 < ids->batches_end ? batch_at(ids, position + 1)->first : ids->keys_end;
}

static uint64_t forget_keys_below(struct event_ids *ids, uint64_t end) {
    uint64_t count = end - ids->keys_first;
    uint32_t place = (uint32_t)(ids->keys_first % ids->keys_max);
    for (; ids->keys_first < end; ids->keys_first++) {
        ids_index_forget(ids, place);
        place = ids_place_after(ids, place);
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

static void push_batch(struct event_ids *ids, uint64_t seq, uint64_t began_ns,
                       uint64_t expires_ns) {
    if (ids->batches_end - ids->deletes_first == ids->batches_max) {
        if (ids->deletes_first == ids->batches_first) {
            ids->evicted_count += forget_oldest_batch(ids);
        }
        ids->deletes_first++; /* its row, expired, is dropped at the next start */
    }
    *batch_at(ids, ids->batches_end) = (struct ids_batch){
        .seq = seq, .began_ns = began_ns, .expires_ns = expires_ns, .first = ids->keys_end};
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
    push_batch(ids, seq, now_ns, is_overflow ? UINT64_MAX : now_ns + horizon_ns);
    ids->is_open = true;
}

/* Into the ring; its place. */
static uint32_t add_key(struct event_ids *ids, struct hash128 key) {
    uint32_t place = ids->keys_next;
    ids->keys[place] = key;
    ids->keys_end++;
    ids->keys_next = ids_place_after(ids, place);
    return place;
}

static void make_room(struct event_ids *ids) {
    while (ids_count(ids) == ids->keys_max) {
        ids->evicted_count += forget_oldest_batch(ids);
    }
    ids_index_make_room(ids);
}

static void push_key(struct event_ids *ids, struct hash128 key) {
    make_room(ids);
    ids_index_put(ids, key, add_key(ids, key));
}

bool event_ids_admit(struct event_ids *ids, struct hash128 event_key) {
    ASSERT(ids->is_open);
    if (ids_index_knows(ids, event_key)) {
        return false;
    }
    if (ids_count(ids) == ids->keys_max || !ids_index_is_settled(ids)) {
        make_room(ids);
    }
    ids_index_add(ids, event_key, add_key(ids, event_key)); /* nobody has it: no second search */
    return true;
}

/* --- Horizons that are shorter than the longest --- */

static bool is_too_old(const struct event_ids *ids, uint64_t batch, uint64_t horizon_ns) {
    uint64_t now_ns = batch_at(ids, ids->batches_end - 1)->began_ns;
    return now_ns >= horizon_ns && batch_at(ids, batch)->began_ns <= now_ns - horizon_ns;
}

/* Which remembered batch owns the position. */
static uint64_t batch_of(const struct event_ids *ids, uint64_t position) {
    uint64_t low = ids->batches_first;
    uint64_t high = ids->batches_end;
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        low = batch_at(ids, middle)->first <= position ? middle : low;
        high = low == middle ? high : middle;
    }
    return low;
}

bool event_ids_admit_again(struct event_ids *ids, struct hash128 event_key, uint64_t horizon_ns) {
    ASSERT(ids->is_open);
    if (!is_too_old(ids, ids->batches_first, horizon_ns)) {
        return false; /* then none is: the usual case */
    }
    uint64_t batch = batch_of(ids, ids_index_position(ids, event_key));
    if (batch + 1 == ids->batches_end || !is_too_old(ids, batch, horizon_ns)) {
        return false;
    }
    ids->superseded_count++;
    push_key(ids, event_key);
    return true;
}

/* Half of what is there ahead, which is a second's at most. */
static bool is_telling_due(const struct event_ids *ids) {
    uint64_t ahead = ids->keys_end / 2 < KEYS_TOLD        ? KEYS_TOLD
                     : ids->keys_end / 2 < KEYS_AHEAD_MAX ? ids->keys_end / 2
                                                          : KEYS_AHEAD_MAX;
    return ids->keys_end >= KEYS_TOLD / 2 && ids->keys_told < ids->keys_max &&
           ids->keys_end + ahead > ids->keys_told;
}

static bool tell_keys(struct event_ids *ids, void **memory_out, size_t *size_out) {
    if (!is_telling_due(ids)) {
        return false;
    }
    uint32_t left = ids->keys_max - ids->keys_told;
    uint32_t count = left < KEYS_TOLD ? left : KEYS_TOLD;
    *memory_out = ids->keys + ids->keys_told;
    *size_out = count * sizeof(*ids->keys);
    ids->keys_told += count;
    return true;
}

bool event_ids_next_memory(struct event_ids *ids, void **memory_out, size_t *size_out) {
    return ids_index_next_memory(ids, memory_out, size_out) || tell_keys(ids, memory_out, size_out);
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
    writer_u64(&row, batch->began_ns);
    uint32_t place = (uint32_t)(batch->first % ids->keys_max);
    for (uint64_t left = ids->keys_end - batch->first; left > 0; left--) {
        writer_hash128(&row, ids->keys[place]);
        place = ids_place_after(ids, place);
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
    size_t bytes = 16 + 16 * (size_t)count;
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
    return DELETE_BYTES + 2 * (16 + 16 * (size_t)events_count) + (size_t)DELETES_MAX * DELETE_BYTES;
}

uint32_t event_ids_count(const struct event_ids *ids) {
    return ids_count(ids);
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
    /* Rows of a former format do not say when they began: all tenants had one horizon. */
    uint64_t began_ns = reader_left(&row) % 16 == 8 ? reader_u64(&row) : expires_ns;
    if (keys.failed || row.failed || key.size != 8 || reader_left(&row) % 16 != 0) {
        return status_of(STATUS_CORRUPT);
    }
    push_batch(ids, seq, began_ns, expires_ns);
    ids->is_open = true;
    while (reader_left(&row) > 0) {
        struct hash128 event_key = reader_hash128(&row);
        ids->superseded_count += ids_index_knows(ids, event_key) ? 1 : 0;
        push_key(ids, event_key);
    }
    ids->is_open = false;
    return status_ok(); /* one that expired by now is forgotten when the next batch begins */
}
