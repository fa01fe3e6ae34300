/* derive_memo.c - see derive_memo.h. */
#include "schemas/derive_memo.h"

#include "core/base/assert.h"

static bool is_same_place(struct slice a, struct slice b) {
    return a.data == b.data && a.size == b.size;
}

static bool has_same_keys(const struct derive_entity_keys *a, const struct derive_entity_keys *b) {
    return is_same_place(a->service_name, b->service_name) &&
           is_same_place(a->service_namespace, b->service_namespace) &&
           is_same_place(a->job_id, b->job_id) && is_same_place(a->dataset_name, b->dataset_name) &&
           is_same_place(a->check_id, b->check_id);
}

struct status derive_memo_entity(struct derive_memo *memo, const struct derive_entity_keys *keys,
                                 struct arena *arena, struct slice *entity_out,
                                 struct fault *reason) {
    if (memo->has_entity && has_same_keys(&memo->keys, keys)) {
        *entity_out = memo->entity;
        return status_ok();
    }
    struct slice entity;
    memo->has_entity = false;
    memo->has_identity = false;
    TRY(derive_entity(keys, arena, &entity, reason));
    ASSERT(entity.size > 0 && entity.size < sizeof(memo->memory));
    memcpy(memo->memory, entity.data, entity.size);
    memo->entity = slice_of(memo->memory, entity.size);
    memo->keys = *keys;
    memo->has_entity = true;
    *entity_out = memo->entity;
    return status_ok();
}

bool derive_memo_knows(const struct derive_memo *memo, const struct envelope *envelope) {
    return memo->has_identity && memo->kind == envelope->kind &&
           is_same_place(memo->entity, envelope->entity) &&
           is_same_place(memo->tenant, envelope->tenant);
}

void derive_memo_keep(struct derive_memo *memo, const struct envelope *envelope) {
    if (!memo->has_entity || !is_same_place(memo->entity, envelope->entity)) {
        return;
    }
    memo->tenant = envelope->tenant;
    memo->kind = envelope->kind;
    memo->entity_key = envelope->entity_key;
    memo->fingerprint = envelope->fingerprint;
    memo->has_identity = true;
}
