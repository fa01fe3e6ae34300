/*
 * table.h - a hash table of fixed capacity from 128-bit keys to 32-bit values.
 *
 * Open addressing with linear probing and backward-shift deletion; capacity is fixed at init and
 * the load stays at or below 7/8. Keys are hashes already, so key.lo picks the slot. Memory: from
 * the arena given at init. Thread: one at a time.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/hash.h"

struct table_slot {
    struct hash128 key;
    uint32_t value;
    uint32_t used;
};

struct table {
    struct table_slot *slots;
    uint32_t slot_mask;
    uint32_t count;
    uint32_t count_max;
};

/* Room for count_max keys (1 .. 2^30). FULL when the arena is. */
MUST_CHECK struct status table_init(struct table *table, uint32_t count_max, struct arena *arena);

/* Whether the key is there; *value_out is written only then. */
bool table_find(const struct table *table, struct hash128 key, uint32_t *value_out);

/* Sets the key's value, new or not. FULL when a new key has no room. */
MUST_CHECK struct status table_put(struct table *table, struct hash128 key, uint32_t value);

/* Whether the key was there. */
bool table_remove(struct table *table, struct hash128 key);

/* Forgets all keys. Costs the whole capacity. */
void table_clear(struct table *table);
