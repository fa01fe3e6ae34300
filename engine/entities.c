/* entities.c - nodes for entities, as many as the tenant's limits.entities lets it have. */
#include "engine/engine_state.h"

struct status engine_intern_node(struct engine *engine, struct slice owner, struct slice entity,
                                 struct hash128 key, uint32_t *node_out) {
    const struct tenant *tenant = tenants_find(&engine->tenants, owner);
    uint32_t limit = tenant == NULL ? 0 : tenant->policy->limit_entities;
    if (limit > 0 && graph_count_owned(engine->graph, owner) >= limit &&
        graph_find_node(engine->graph, key) == GRAPH_NODE_NONE) {
        return status_of(STATUS_FULL);
    }
    return graph_intern_node(engine->graph, owner, entity, key, node_out);
}
