/*
 * derive_memo.h - what the records of one request have in common, derived once.
 *
 * The hundred log lines of a request mostly name one service: its entity, that entity's key and the
 * fingerprint of what is no error are the same for all. A memo recalls those of the record before
 * when the same bytes say so; it never changes a result. Memory: the struct; zeroed is empty.
 * Thread: one at a time.
 *
 * The same place is a quick sign of the same bytes, never a proof: a string with an escape stands
 * in the arena, where the next record's stands too. So what is recalled is compared byte by byte.
 */
#pragma once

#include "schemas/derive.h"

struct derive_memo {
    bool has_entity;
    bool has_identity;
    struct derive_entity_keys keys; /* their places */
    struct slice entity;            /* over `memory` */
    struct slice tenant;            /* over `tenant_memory`; of entity_key and fingerprint */
    enum event_kind kind;
    struct hash128 entity_key;
    struct hash128 fingerprint; /* without an error class */
    uint8_t memory[ENTITY_BYTES_MAX + 1];
    uint8_t tenant_memory[TENANT_BYTES_MAX];
};

/* derive_entity, or what it gave for the same keys before. The entity lives until the next call. */
MUST_CHECK struct status derive_memo_entity(struct derive_memo *memo,
                                            const struct derive_entity_keys *keys,
                                            struct arena *arena, struct slice *entity_out,
                                            struct fault *reason);
/* Whether entity_key and fingerprint are those of this envelope, as far as it has no error class:
 * its tenant and entity are the memo's. */
bool derive_memo_knows(const struct derive_memo *memo, const struct envelope *envelope);
/* Keeps the identity of an envelope without an error class whose entity is the memo's. */
void derive_memo_keep(struct derive_memo *memo, const struct envelope *envelope);
