/*
 * entities.c - nodes for entities, as many as the tenant's limits.entities lets it have.
 *
 * How many a tenant has is a function of the graph: counted when it is first asked for, kept up
 * from then on, and counted anew after a new configuration, which makes nodes of its own.
 */
#include "engine/engine_state.h"

static void count_entities(const struct engine *engine, struct tenant *tenant) {
    uint32_t count = graph_nodes_count(engine->graph);
    tenant->entities = 0;
    for (uint32_t node = 0; node < count; node++) {
        bool is_own = slice_equals(graph_get_node(engine->graph, node).owner, tenant->name);
        tenant->entities += is_own ? 1 : 0;
    }
    tenant->entities_are_known = true;
}

struct status engine_intern_node(struct engine *engine, struct slice owner, struct slice entity,
                                 struct hash128 key, uint32_t *node_out) {
    struct tenant *tenant = tenants_find(&engine->tenants, owner);
    bool is_limited = tenant != NULL && tenant->policy->limit_entities > 0 &&
                      graph_find_node(engine->graph, key) == GRAPH_NODE_NONE;
    if (!is_limited) {
        uint32_t before = graph_nodes_count(engine->graph);
        TRY(graph_intern_node(engine->graph, owner, entity, key, node_out));
        if (tenant != NULL && graph_nodes_count(engine->graph) != before) {
            tenant->entities_are_known = false;
        }
        return status_ok();
    }
    if (!tenant->entities_are_known) {
        count_entities(engine, tenant);
    }
    if (tenant->entities >= tenant->policy->limit_entities) {
        return status_of(STATUS_FULL);
    }
    TRY(graph_intern_node(engine->graph, owner, entity, key, node_out));
    tenant->entities++;
    return status_ok();
}
