/*
 * operate_edge.c - an operator takes an edge of a tenant's graph out: a journal record, so that a
 * replay has the same graph. What the configuration says stays: it would say so again. Whatever
 * tells of the edge later brings it back. Incidents that are there stay as they are.
 */
#include "engine/engine_state.h"

#include "schemas/derive.h"

struct status engine_operate_edge(struct engine *engine, const struct operator_request *request) {
    struct operator_edge edge;
    TRY(operator_edge_decode(request->detail, &edge));
    struct slice tenant = request->tenant;
    uint32_t from =
        graph_find_node(engine->graph, derive_entity_key(tenant, edge.from, engine->hash_seed));
    uint32_t to =
        graph_find_node(engine->graph, derive_entity_key(tenant, edge.to, engine->hash_seed));
    bool is_own = from != GRAPH_NODE_NONE && to != GRAPH_NODE_NONE &&
                  slice_equals(graph_get_node(engine->graph, from).owner, tenant);
    if (is_own) {
        graph_remove_edge(engine->graph, from, to, GRAPH_ORIGIN_EVENT);
    }
    log_write(engine->logger, LOG_LEVEL_INFO, "audit",
              "edge %.*s -> %.*s of tenant %.*s: removed by \"%.*s\"", SLICE_PRINT(edge.from),
              SLICE_PRINT(edge.to), SLICE_PRINT(tenant), SLICE_PRINT(request->by));
    return status_ok();
}
