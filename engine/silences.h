/*
 * silences.h - silences that operators made, beside those of the configuration: state of the
 * engine, written as SILENCE rows (key: tenant, 0, id; value: schemas/policy.h).
 *
 * Kept in order of their keys, so that a restored shard judges as it did. Memory: fixed at init,
 * touched as used. Thread: the shard.
 */
#pragma once

#include "core/base/arena.h"
#include "schemas/effect.h"
#include "schemas/policy.h"

enum { SILENCE_KEY_BYTES_MAX = TENANT_BYTES_MAX + 1 + 16 };

struct silence_slot {
    uint8_t key[SILENCE_KEY_BYTES_MAX];
    uint8_t value[SILENCE_BYTES_MAX];
    size_t key_size;
    bool is_used;
};

struct silences {
    struct policy_silence *items; /* dense, in order; slices point into slots */
    uint32_t *slots_of;           /* of the item at the same index */
    uint32_t count;
    struct silence_slot *slots;
};

/* Room for SILENCES_MAX from the arena. FULL. */
MUST_CHECK struct status silences_init(struct silences *silences, struct arena *arena);
/* Key of the row; its size. */
size_t silence_key(struct slice tenant, struct hash128 id, uint8_t key[SILENCE_KEY_BYTES_MAX]);
/* From a row, or new: FULL beyond SILENCES_MAX, CORRUPT for bytes that are none. */
MUST_CHECK struct status silences_put(struct silences *silences, struct slice key,
                                      struct slice value);
/* MISSING. */
MUST_CHECK struct status silences_remove(struct silences *silences, struct slice key);
/* Equal after a replay. */
struct hash128 silences_digest(const struct silences *silences);
/* Forgets those that have ended, also their rows. */
void silences_expire(struct silences *silences, uint64_t now_ns, struct effects *effects);
