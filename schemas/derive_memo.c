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

/* Whether the entity is still what the keys, whose places and sizes are the same, say. Its kind
 * depends on the sizes alone. */
static bool is_still_said(struct slice entity, const struct derive_entity_keys *keys) {
    bool is_service = keys->job_id.size + keys->dataset_name.size + keys->check_id.size == 0;
    struct slice name = keys->job_id.size > 0         ? keys->job_id
                        : keys->dataset_name.size > 0 ? keys->dataset_name
                        : keys->check_id.size > 0     ? keys->check_id
                                                      : keys->service_name;
    if (is_service && keys->service_name.size == 0) {
        return true; /* nothing is said */
    }
    if (is_service && !slice_equals(keys->service_namespace,
                                    slice_head(slice_tail(entity, sizeof("service:") - 1),
                                               keys->service_namespace.size))) {
        return false;
    }
    return slice_equals(slice_tail(entity, entity.size - name.size), name);
}

struct status derive_memo_entity(struct derive_memo *memo, const struct derive_entity_keys *keys,
                                 struct arena *arena, struct slice *entity_out,
                                 struct fault *reason) {
    if (memo->has_entity && has_same_keys(&memo->keys, keys) && is_still_said(memo->entity, keys)) {
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
           slice_equals(memo->tenant, envelope->tenant);
}

void derive_memo_keep(struct derive_memo *memo, const struct envelope *envelope) {
    if (!memo->has_entity || !is_same_place(memo->entity, envelope->entity)) {
        return;
    }
    ASSERT(envelope->tenant.size <= sizeof(memo->tenant_memory));
    memcpy(memo->tenant_memory, envelope->tenant.data, envelope->tenant.size);
    memo->tenant = slice_of(memo->tenant_memory, envelope->tenant.size);
    memo->kind = envelope->kind;
    memo->entity_key = envelope->entity_key;
    memo->fingerprint = envelope->fingerprint;
    memo->has_identity = true;
}
