/*
 * entities.c - nodes for entities and edges to what they depend on, as many as the graph and the
 * tenant's limits.entities have room for.
 *
 * An event is news of its own entity first: a dependency that finds no room is left out, counted
 * and logged, and everything else of the event goes on.
 */
#include "engine/engine_state.h"

#include "schemas/derive.h"

static uint32_t limit_of(struct engine *engine, struct slice tenant_name) {
    const struct tenant *tenant = tenants_find(&engine->tenants, tenant_name);
    return tenant == NULL ? 0 : tenant->policy->limit_entities;
}

struct status engine_intern_node(struct engine *engine, struct slice owner, struct slice entity,
                                 struct hash128 key, uint32_t *node_out) {
    uint32_t limit = limit_of(engine, owner);
    if (limit > 0 && graph_count_owned(engine->graph, owner) >= limit &&
        graph_find_node(engine->graph, key) == GRAPH_NODE_NONE) {
        return status_of(STATUS_FULL);
    }
    return graph_intern_node(engine->graph, owner, entity, key, node_out);
}

/* A node of the platform counts for nobody's limit: a tenant that has one makes none, and names
 * those that are there. */
static struct status intern_platforms(struct engine *engine, struct slice tenant,
                                      struct slice entity, struct hash128 key, uint32_t *node_out) {
    struct slice platform = SLICE("platform");
    bool is_known = graph_find_node(engine->graph, key) != GRAPH_NODE_NONE;
    if (!is_known && !slice_equals(tenant, platform) && limit_of(engine, tenant) > 0) {
        return status_of(STATUS_FULL);
    }
    return engine_intern_node(engine, platform, entity, key, node_out);
}

static struct status intern_dependency(struct engine *engine, struct slice tenant,
                                       struct slice entity, uint32_t *node_out) {
    struct hash128 key = derive_entity_key(tenant, entity, engine->hash_seed);
    struct slice prefix = SLICE("platform/");
    return slice_starts_with(entity, prefix)
               ? intern_platforms(engine, tenant, slice_tail(entity, prefix.size), key, node_out)
               : engine_intern_node(engine, tenant, entity, key, node_out);
}

static void leave_out(struct engine *engine, const struct envelope *envelope,
                      struct slice dependency) {
    uint64_t count = 0;
    if (engine->stats != NULL) {
        stats_add(engine->stats, STAT_EDGES_LEFT_OUT, 1);
    }
    if (tally_add(&engine->edges_left_out, engine->now_ns, &count)) {
        log_write(engine->logger, LOG_LEVEL_ERROR, "engine",
                  "no room left for entities or edges: %llu dependencies that events name are left "
                  "out, the latest that of %.*s on %.*s, tenant %.*s; removed edges give room once "
                  "they are a sixteenth of limits.edges",
                  (unsigned long long)count, SLICE_PRINT(dependency), SLICE_PRINT(envelope->entity),
                  SLICE_PRINT(envelope->tenant));
    }
}

/* FULL: it found no room. */
static struct status learn_dependency(struct engine *engine, const struct envelope *envelope,
                                      struct slice entity, uint32_t node,
                                      const struct incident_context *context) {
    bool is_learned = (envelope->flags & ENVELOPE_LEARNED) != 0;
    enum graph_origin origin = is_learned ? GRAPH_ORIGIN_LEARNED : GRAPH_ORIGIN_EVENT;
    uint32_t upstream = GRAPH_NODE_NONE;
    bool is_new = false;
    TRY(intern_dependency(engine, envelope->tenant, entity, &upstream));
    struct status status =
        graph_add_edge(engine->graph, node, upstream, origin, engine->now_ns, &is_new);
    if (status.code == STATUS_INVALID || (is_learned && status.code == STATUS_FULL)) {
        return status_ok(); /* an entity that says it depends on itself; or enough was learned */
    }
    TRY(status);
    if (is_new) {
        incidents_apply_edge(engine->incidents, context, node, upstream);
    }
    return status_ok();
}

void engine_learn_dependencies(struct engine *engine, const struct envelope *envelope,
                               struct slice bytes, uint32_t node,
                               const struct incident_context *context) {
    for (uint32_t i = 0; i < envelope->depends_on_count; i++) {
        struct slice entity = envelope_depends_on_at(bytes, i);
        struct status status = learn_dependency(engine, envelope, entity, node, context);
        if (status.code == STATUS_FULL) {
            leave_out(engine, envelope, entity);
        }
    }
}
