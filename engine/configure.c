/*
 * configure.c - a configuration version from the journal becomes the policies in force, and its
 * jobs become nodes and declared edges.
 *
 * Two arenas take turns, so the set before stays readable until the next version. Edges that a
 * tenant file declared before and does not now are removed; edges learned from events stay.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"
#include "schemas/derive.h"

static struct status intern_entity(struct engine *engine, struct slice tenant, struct slice entity,
                                   uint32_t *node_out) {
    struct hash128 key = derive_entity_key(tenant, entity, engine->hash_seed);
    if (slice_starts_with(entity, SLICE("platform/"))) {
        tenant = SLICE("platform");
        entity = slice_tail(entity, sizeof("platform/") - 1);
    }
    return graph_intern_node(engine->graph, tenant, entity, key, node_out);
}

static struct status declare_edge(struct engine *engine, uint32_t node, struct slice tenant,
                                  struct slice upstream, uint32_t *upstream_out) {
    TRY(intern_entity(engine, tenant, upstream, upstream_out));
    bool is_new = false;
    struct status status = graph_add_edge(engine->graph, node, *upstream_out, GRAPH_ORIGIN_CONFIG,
                                          engine->now_ns, &is_new);
    if (status.code == STATUS_INVALID) {
        return status_ok(); /* a job that depends on itself says nothing */
    }
    TRY(status);
    if (is_new) {
        struct incident_context context = engine_incident_context(engine, UINT32_MAX);
        incidents_apply_edge(engine->incidents, &context, node, *upstream_out);
    }
    return status_ok();
}

static struct status declare_job(struct engine *engine, struct slice tenant,
                                 const struct policy_job *job, struct fault *fault) {
    uint32_t node = GRAPH_NODE_NONE;
    uint32_t keep[DEPENDS_ON_PER_EVENT_MAX];
    uint32_t keep_count = 0;
    TRY(intern_entity(engine, tenant, job->entity, &node));
    for (uint32_t i = 0; i < job->depends_on_count && keep_count < DEPENDS_ON_PER_EVENT_MAX; i++) {
        TRY(engine_make_event_room(engine, fault));
        TRY(declare_edge(engine, node, tenant, job->depends_on[i], &keep[keep_count]));
        keep_count++;
    }
    graph_replace_edges(engine->graph, node, GRAPH_ORIGIN_CONFIG, keep, keep_count);
    return status_ok();
}

static const struct policy_job *find_job(const struct policy_set *set, struct slice tenant,
                                         struct slice entity) {
    const struct policy *policy = policy_set_find(set, tenant);
    return slice_equals(policy->tenant, tenant) ? policy_find_job(policy, entity) : NULL;
}

/* A job that is gone from its file declares nothing any more. One that the graph had no room for
 * is not in it. */
static void withdraw_jobs(struct engine *engine, const struct policy_set *old) {
    for (uint32_t t = 0; t < old->tenants_count; t++) {
        const struct policy *policy = &old->tenants[t];
        for (uint32_t j = 0; j < policy->jobs_count; j++) {
            if (find_job(&engine->policies, policy->tenant, policy->jobs[j].entity) != NULL) {
                continue;
            }
            struct hash128 key =
                derive_entity_key(policy->tenant, policy->jobs[j].entity, engine->hash_seed);
            uint32_t node = graph_find_node(engine->graph, key);
            if (node != GRAPH_NODE_NONE) {
                graph_replace_edges(engine->graph, node, GRAPH_ORIGIN_CONFIG, NULL, 0);
            }
        }
    }
}

struct status engine_set_policies(struct engine *engine, struct slice encoded,
                                  struct fault *fault) {
    struct arena *arena = &engine->policy_arenas[engine->policy_turn ^ 1];
    arena_reset(arena);
    struct slice kept;
    struct policy_set set;
    struct status status = arena_copy(arena, encoded, &kept);
    if (status_is_ok(status)) {
        status = policy_set_decode(kept, arena, &set);
    }
    if (!status_is_ok(status)) {
        return fault_set(fault, status.code, "a configuration version cannot be read: %s",
                         status_name(status));
    }
    engine->policy_turn ^= 1;
    engine->policies = set;
    engine->spans = policy_set_spans(&set);
    engine->policy_digest = hash64_of(encoded, 0);
    tenants_set_policies(&engine->tenants, &engine->policies);
    engine_kept_schedule(engine);
    return status_ok();
}

struct status engine_configure(struct engine *engine, struct slice encoded, struct fault *fault) {
    struct policy_set old = engine->policies;
    TRY(engine_set_policies(engine, encoded, fault));
    for (uint32_t t = 0; t < engine->policies.tenants_count; t++) {
        const struct policy *policy = &engine->policies.tenants[t];
        for (uint32_t j = 0; j < policy->jobs_count; j++) {
            struct status status = declare_job(engine, policy->tenant, &policy->jobs[j], fault);
            if (status.code == STATUS_FULL) {
                log_write(engine->logger, LOG_LEVEL_ERROR, "engine",
                          "the graph is full: job %.*s of tenant %.*s is not in it",
                          SLICE_PRINT(policy->jobs[j].entity), SLICE_PRINT(policy->tenant));
                continue;
            }
            TRY(status);
        }
    }
    withdraw_jobs(engine, &old);
    struct incident_context context = engine_incident_context(engine, UINT32_MAX);
    incidents_revisit_silenced(engine->incidents, &context);
    incidents_revisit_waits(engine->incidents, &context);
    TRY(engine_make_room(engine, POLICY_BYTES_MAX + 4096, fault));
    effect_put(&engine->effects, STORE_TABLE_META, SLICE("policy"), encoded);
    return status_ok();
}
