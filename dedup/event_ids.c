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
 * The index from key to place is made for one cache miss an event: eight slots of 8 bytes share a
 * line, the load stays at or below 1/2, the key itself is read only when 32 bits of it agree, and
 * the caller may prefetch. Open addressing with linear probing and backward-shift deletion.
 *
 * It begins small and doubles, so that a quiet installation keeps it in the cache and small in
 * memory. Nobody waits for that: keys move to the larger table a few with each new one, the oldest
 * first. Until all have, the smaller one is searched too; nothing is changed in it, and a slot of
 * it counts only while its key's position is among those that have not moved.
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
    KEYS_AHEAD = 1 << 17, /* whose memory is asked for, once there are half as many */
    MOVES_PER_KEY = 4,    /* done long before the next doubling */
};

struct ids_batch {
    uint64_t seq;
    uint64_t began_ns;
    uint64_t expires_ns;
    uint64_t first; /* position of its first key */
};

struct ids_slot {
    uint32_t tag;   /* the key's low bits, which also say where its search begins */
    uint32_t place; /* in the ring of keys, plus 1; 0: empty */
};

struct event_ids {
    struct ids_slot *tables; /* room for each size: that of n slots stands at n */
    struct ids_slot *slots;  /* the table in use */
    uint32_t slots_max;
    uint32_t slot_mask;
    const struct ids_slot *old_slots; /* the one before it; NULL when all keys have moved */
    uint32_t old_mask;
    uint64_t moving_first; /* positions that are still to move */
    uint64_t moving_end;
    struct hash128 *keys;
    struct ids_batch *batches;
    uint32_t keys_max;
    uint32_t batches_max;
    uint64_t keys_first; /* positions: oldest key, one past the newest */
    uint64_t keys_end;
    uint32_t keys_next;     /* the place of position keys_end: a division less for each key */
    uint64_t deletes_first; /* batches [deletes_first, batches_first) wait for their delete */
    uint64_t batches_first; /* [batches_first, batches_end) are remembered */
    uint64_t batches_end;
    bool is_open;              /* the last batch is still being filled */
    uint64_t superseded_count; /* at most so many positions are not in the index */
    uint64_t evicted_count;
    uint32_t keys_told;  /* whose memory event_ids_next_memory has told */
    uint32_t slots_told; /* the size of the latest table that it has told */
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
    uint32_t slots_start = slots < SLOTS_START ? slots : SLOTS_START;
    ids->slot_mask = slots_start - 1;
    size_t slots_all = 2 * (size_t)slots;
    ids->tables = ARENA_ARRAY(arena, struct ids_slot, slots_all);
    if (ids->keys == NULL || ids->batches == NULL || ids->tables == NULL) {
        return status_of(STATUS_FULL);
    }
    ids->slots = ids->tables + slots_start;
    /* Touched all over once it is large: a small page would cost each key a miss more. */
    arena_advise_dense(ids->tables, slots_all * sizeof(*ids->tables));
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

/* --- Moving to a larger table --- */

/* Positions from moving_first on have their slots in the old table. */
static bool is_moving(const struct event_ids *ids) {
    return ids->old_slots != NULL;
}

/* Of the latest key that was written to the place. */
static uint64_t position_of(const struct event_ids *ids, uint32_t place) {
    uint32_t first = (uint32_t)(ids->keys_first % ids->keys_max);
    return ids->keys_first + (place >= first ? place - first : place + ids->keys_max - first);
}

static bool is_to_move(const struct event_ids *ids, uint32_t place) {
    uint64_t position = position_of(ids, place);
    return position >= ids->moving_first && position < ids->moving_end;
}

/* As in a slot; 0: the old table does not know the key. */
static uint32_t find_old_place(const struct event_ids *ids, struct hash128 key) {
    uint32_t tag = tag_of(key);
    for (uint32_t slot = tag & ids->old_mask;; slot = (slot + 1) & ids->old_mask) {
        struct ids_slot found = ids->old_slots[slot];
        if (found.place == 0 || (found.tag == tag && is_to_move(ids, found.place - 1) &&
                                 hash128_equals(ids->keys[found.place - 1], key))) {
            return found.place;
        }
    }
}

static void end_moving_when_done(struct event_ids *ids) {
    if (is_moving(ids) && ids->moving_first == ids->moving_end) {
        arena_give_back(ids->tables + ids->old_mask + 1,
                        ((size_t)ids->old_mask + 1) * sizeof(*ids->tables));
        ids->old_slots = NULL;
    }
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
    if (is_moving(ids) && position >= ids->moving_first) {
        ASSERT(position == ids->moving_first);
        ids->moving_first++; /* its slot counts no more */
        end_moving_when_done(ids);
        return;
    }
    uint32_t place = (uint32_t)(position % ids->keys_max);
    uint32_t slot = tag_of(ids->keys[place]) & ids->slot_mask;
    while (ids->slots[slot].place != place + 1) {
        if (ids->slots[slot].place == 0) {
            ASSERT(ids->superseded_count > 0);
            ids->superseded_count--;
            return;
        }
        slot = (slot + 1) & ids->slot_mask;
    }
    empty_slot(ids, slot);
}

void event_ids_prefetch(const struct event_ids *ids, struct hash128 event_key) {
    __builtin_prefetch(&ids->slots[tag_of(event_key) & ids->slot_mask], 1);
    if (is_moving(ids)) {
        __builtin_prefetch(&ids->old_slots[tag_of(event_key) & ids->old_mask], 0);
    }
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

static void put_slot(struct event_ids *ids, struct hash128 key, uint64_t position) {
    uint32_t slot = locate_key(ids, key);
    uint32_t before = ids->slots[slot].place;
    ASSERT(before == 0 || ids->superseded_count > 0);
    if (before == 0 || position_of(ids, before - 1) < position) {
        ids->slots[slot] = (struct ids_slot){.tag = tag_of(key),
                                             .place = (uint32_t)(position % ids->keys_max) + 1};
    }
}

static void move_keys(struct event_ids *ids, uint32_t count) {
    for (uint32_t i = 0; i < count && is_moving(ids); i++) {
        uint64_t ahead = ids->moving_first + PREFETCH_AHEAD;
        __builtin_prefetch(&ids->slots[tag_of(ids->keys[ahead % ids->keys_max]) & ids->slot_mask],
                           1);
        put_slot(ids, ids->keys[ids->moving_first % ids->keys_max], ids->moving_first);
        ids->moving_first++;
        end_moving_when_done(ids);
    }
}

/* The larger table has never been used: it is empty. */
static void grow_index(struct event_ids *ids) {
    ASSERT(!is_moving(ids) && keys_count(ids) > 0);
    ids->old_slots = ids->slots;
    ids->old_mask = ids->slot_mask;
    ids->slot_mask = ids->slot_mask * 2 + 1;
    ids->slots = ids->tables + ids->slot_mask + 1;
    ids->moving_first = ids->keys_first;
    ids->moving_end = ids->keys_end;
}

/* The newest key, into the ring and its slot, which is empty or that of an earlier position. */
static void fill_slot(struct event_ids *ids, uint32_t slot, struct hash128 key) {
    uint32_t place = ids->keys_next;
    ids->slots[slot] = (struct ids_slot){.tag = tag_of(key), .place = place + 1};
    ids->keys[place] = key;
    ids->keys_end++;
    ids->keys_next = place + 1 == ids->keys_max ? 0 : place + 1;
}

static void push_key(struct event_ids *ids, struct hash128 key) {
    while (keys_count(ids) == ids->keys_max) {
        ids->evicted_count += forget_oldest_batch(ids);
    }
    if (keys_count(ids) > ids->slot_mask / 2 && ids->slot_mask + 1 < ids->slots_max) {
        grow_index(ids);
    }
    move_keys(ids, MOVES_PER_KEY);
    fill_slot(ids, locate_key(ids, key), key); /* only now: forgetting and growing move slots */
}

static bool knows_key(const struct event_ids *ids, struct hash128 key) {
    return ids->slots[locate_key(ids, key)].place != 0 ||
           (is_moving(ids) && find_old_place(ids, key) != 0);
}

/* Nothing is to be forgotten, moved or grown before the next key. */
static bool has_place(const struct event_ids *ids) {
    uint32_t count = keys_count(ids);
    return !is_moving(ids) && count < ids->keys_max && count <= ids->slot_mask / 2;
}

bool event_ids_admit(struct event_ids *ids, struct hash128 event_key) {
    ASSERT(ids->is_open);
    if (has_place(ids)) { /* the usual case: the key is looked for once */
        uint32_t slot = locate_key(ids, event_key);
        bool is_new = ids->slots[slot].place == 0;
        if (is_new) {
            fill_slot(ids, slot, event_key);
        }
        return is_new;
    }
    if (knows_key(ids, event_key)) {
        return false;
    }
    push_key(ids, event_key);
    return true;
}

/* --- Horizons that are shorter than the longest --- */

static bool is_too_old(const struct event_ids *ids, uint64_t batch, uint64_t horizon_ns) {
    uint64_t now_ns = batch_at(ids, ids->batches_end - 1)->began_ns;
    return now_ns >= horizon_ns && batch_at(ids, batch)->began_ns <= now_ns - horizon_ns;
}

/* The latest of a known key: one that was superseded may move to the new table before it. */
static uint64_t find_position(const struct event_ids *ids, struct hash128 key) {
    uint32_t place = ids->slots[locate_key(ids, key)].place;
    uint32_t old_place = is_moving(ids) ? find_old_place(ids, key) : 0;
    uint64_t position = place == 0 ? 0 : position_of(ids, place - 1);
    uint64_t old_position = old_place == 0 ? 0 : position_of(ids, old_place - 1);
    ASSERT(place != 0 || old_place != 0);
    return position > old_position ? position : old_position;
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
    uint64_t batch = batch_of(ids, find_position(ids, event_key));
    if (batch + 1 == ids->batches_end || !is_too_old(ids, batch, horizon_ns)) {
        return false;
    }
    ids->superseded_count++;
    push_key(ids, event_key);
    return true;
}

static bool tell_keys(struct event_ids *ids, void **memory_out, size_t *size_out) {
    bool is_due = ids->keys_end >= KEYS_AHEAD / 2 && ids->keys_told < ids->keys_max &&
                  ids->keys_end + KEYS_AHEAD > ids->keys_told;
    if (!is_due) {
        return false;
    }
    uint32_t left = ids->keys_max - ids->keys_told;
    uint32_t count = left < KEYS_AHEAD ? left : KEYS_AHEAD;
    *memory_out = ids->keys + ids->keys_told;
    *size_out = count * sizeof(*ids->keys);
    ids->keys_told += count;
    return true;
}

/* The table that comes after this one, when three quarters of what it takes are there. */
static bool tell_table(struct event_ids *ids, void **memory_out, size_t *size_out) {
    uint32_t slots = 2 * (ids->slot_mask + 1);
    bool is_due = slots <= ids->slots_max && ids->slots_told < slots &&
                  keys_count(ids) > (ids->slot_mask / 2) / 4 * 3;
    if (is_due) {
        ids->slots_told = slots;
        *memory_out = ids->tables + slots;
        *size_out = slots * sizeof(*ids->tables);
    }
    return is_due;
}

bool event_ids_next_memory(struct event_ids *ids, void **memory_out, size_t *size_out) {
    return tell_table(ids, memory_out, size_out) || tell_keys(ids, memory_out, size_out);
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
        place = place + 1 == ids->keys_max ? 0 : place + 1;
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
    /* Rows of a former format do not say when they began: all tenants had one horizon. */
    uint64_t began_ns = reader_left(&row) % 16 == 8 ? reader_u64(&row) : expires_ns;
    if (keys.failed || row.failed || key.size != 8 || reader_left(&row) % 16 != 0) {
        return status_of(STATUS_CORRUPT);
    }
    push_batch(ids, seq, began_ns, expires_ns);
    ids->is_open = true;
    while (reader_left(&row) > 0) {
        struct hash128 event_key = reader_hash128(&row);
        ids->superseded_count += knows_key(ids, event_key) ? 1 : 0;
        push_key(ids, event_key);
    }
    ids->is_open = false;
    return status_ok(); /* one that expired by now is forgotten when the next batch begins */
}
