/*
 * dedup.h - two questions, asked of every event, in bounded memory:
 *  1. was this event id applied already (idempotency)?   dedup/event_ids.c
 *  2. is this news already being told (fingerprint)?     dedup/dedup.c over dedup/wheel.c
 *
 * Invariants: 1. an entry lives in exactly one wheel slot. 2. a window slides with each repeat and
 * never reaches beyond first_seen + max_window. 3. memory is fixed at init. 4. everything is a
 * function of (state, arguments): `now_ns` comes from the journal. 5. a tenant has at most as many
 * entries as its rule says: what comes beyond is news each time, and takes no other's place.
 *
 * Rows: DEDUP_KEY: number u32 big-endian -> fingerprint, first_seen_ms u64, expires_after_ms u32,
 * count u32, entity u32, tenant u32. DEDUP, written before these: fingerprint -> first_seen u64,
 * last_seen u64, expires u64, count u64, entity_key, tenant u32, zero u32 (the oldest end at the
 * tenant: they count for none). EVENT_ID: seq big-endian -> u64 expires, then 16-byte event keys.
 * Thread: the shard.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "schemas/effect.h"

/* --- Idempotency --- */
struct event_ids;
struct event_ids_options {
    uint32_t count_max;
};
MUST_CHECK struct status event_ids_init(struct event_ids **ids_out,
                                        const struct event_ids_options *options,
                                        struct arena *arena);
/* Starts a journal batch: keys admitted from now on belong to it and expire together, after the
 * longest horizon of all tenants. */
void event_ids_begin_batch(struct event_ids *ids, uint64_t seq, uint64_t now_ns,
                           uint64_t horizon_ns);
/* Says that event_ids_admit will be asked for this key soon: hides the cache miss. */
void event_ids_prefetch(const struct event_ids *ids, struct hash128 event_key);
/* true: new, remembered. false: a duplicate within the horizon. When full the oldest batch is
 * forgotten early and counted. */
bool event_ids_admit(struct event_ids *ids, struct hash128 event_key);
/* Of a key that event_ids_admit has just called a duplicate. true: it is older than its tenant's
 * own horizon, so it is new, and remembered from now on. */
bool event_ids_admit_again(struct event_ids *ids, struct hash128 event_key, uint64_t horizon_ns);
/* Memory that will be written to soon for the first time, told once; false: none. To be asked again
 * when what was told has been made: until then it is not used, as long as that may be. */
bool event_ids_next_memory(struct event_ids *ids, void **memory_out, size_t *size_out);
/* Emits the batch's row, and deletes of batches that expired. */
void event_ids_end_batch(struct event_ids *ids, struct effects *effects);
/* Bytes of effects the next end_batch may need for `events_count` admitted events. */
size_t event_ids_effect_bytes(const struct event_ids *ids, uint32_t events_count);
uint32_t event_ids_count(const struct event_ids *ids);
uint64_t event_ids_evicted_count(const struct event_ids *ids);
/* Recovery, in key order. CORRUPT for a damaged row. */
MUST_CHECK struct status event_ids_restore(struct event_ids *ids, struct slice key,
                                           struct slice value, uint64_t now_ns);

/* --- Fingerprints --- */
#define DEDUP_ENTITY_NONE UINT32_MAX
struct dedup;
struct dedup_options {
    uint32_t keys_max;     /* 1 .. 2^30 */
    uint32_t entities_max; /* their numbers are below */
};
/* Of the tenant that the signal is of. Spans count in whole milliseconds, DEDUP_WINDOW_NS_MAX at
 * most. */
struct dedup_rule {
    uint64_t window_ns;
    uint64_t max_window_ns;
    uint32_t tenant;   /* its number, below TENANTS_MAX */
    uint32_t keys_max; /* of this tenant; 0: no bound of its own */
};
struct dedup_answer {
    bool passes;    /* first of its window */
    uint64_t count; /* with this one */
    uint64_t first_seen_ns;
};
MUST_CHECK struct status dedup_init(struct dedup **dedup_out, const struct dedup_options *options,
                                    struct arena *arena);
/* Ahead of dedup_admit, whose memory is rarely near: brings where the key is looked up; a little
 * later, when that has come, what is found there. */
void dedup_prefetch(const struct dedup *dedup, struct hash128 fingerprint);
void dedup_prefetch_entry(const struct dedup *dedup, struct hash128 fingerprint);
/* Counts the signal of an entity, known by its number. When the keys are full one makes room: of
 * sixteen that the fingerprint chooses, the one next to expire. When only the tenant's are, the
 * signal passes and is not remembered. */
struct dedup_answer dedup_admit(struct dedup *dedup, struct hash128 fingerprint, uint32_t entity,
                                uint64_t now_ns, const struct dedup_rule *rule);
/* Whether any fingerprint of the entity is remembered. */
bool dedup_has_entity(const struct dedup *dedup, uint32_t entity);
/* Forgets the fingerprints of an entity that recovered: its next failure is news again. */
void dedup_forget_entity(struct dedup *dedup, uint32_t entity);
/* Expires what is due. */
void dedup_advance(struct dedup *dedup, uint64_t now_ns);
/* Emits a bounded number of the rows changed since they were last emitted, as far as effects has
 * room; true when all are out. */
bool dedup_emit(struct dedup *dedup, struct effects *effects);
uint32_t dedup_count(const struct dedup *dedup);
/* Keys that were forgotten since init, before they expired, to make room for others. */
uint64_t dedup_evicted_count(const struct dedup *dedup);
/* Signals that passed since init because their tenant's keys were full. */
uint64_t dedup_unremembered_count(const struct dedup *dedup);
/* Recovery, in key order. CORRUPT for a damaged row. */
MUST_CHECK struct status dedup_restore(struct dedup *dedup, struct slice key, struct slice value);
/* A row of the table DEDUP, behind those of DEDUP_KEY: an entry of which dedup_emit makes a new
 * row, unless there is one already. `entity_of` gives an entity's number, or DEDUP_ENTITY_NONE. */
MUST_CHECK struct status
dedup_restore_old(struct dedup *dedup, struct slice key, struct slice value,
                  uint32_t (*entity_of)(const void *context, struct hash128 entity_key),
                  const void *context);
/* A hash over the logical state, independent of memory layout: replay tests compare it. */
struct hash128 dedup_digest(const struct dedup *dedup);
