/*
 * reach.c - how many tenants an incident of the platform reaches, for its operator: those that have
 * an incident of their own because of it, and those that only depend on what broke. Numbers alone:
 * no tenant learns of another, and the platform's incident names none. And which of them have to
 * look again when the platform's incident gets another root.
 *
 * Bounded: one search downstream, through all tenants. With several shards only this one's tenants
 * are counted: no shard reads another's state.
 */
#include "incident/causes.h"

static uint32_t count_hit(struct incidents *incidents, const struct incident *incident) {
    uint32_t count = 0;
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        const struct member *member = member_at(incidents, at);
        at = member->next;
        for (struct member *theirs = foreign_next(incidents, member->node, NULL); theirs != NULL;
             theirs = foreign_next(incidents, member->node, theirs)) {
            const struct incident *other = incident_at(incidents, theirs->incident);
            /* A tenant's incident may show several nodes of the platform, and has one root. */
            count += incident_is_live(other) && other->root_node == member->node ? 1 : 0;
        }
    }
    return count;
}

void reach_count_tenants(struct incidents *incidents, const struct incident_context *context,
                         const struct incident *incident, struct rank *rank) {
    if (!tenant_is_platform(incident_tenant(incident))) {
        return;
    }
    uint32_t start =
        incident->suspect_node == GRAPH_NODE_NONE ? incident->root_node : incident->suspect_node;
    uint32_t count = 0;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, start, GRAPH_DOWNSTREAM, GRAPH_HOPS_MAX,
                         slice_of(NULL, 0), &count, NULL);
    uint32_t below = graph_count_tenants(context->graph, visits, count);
    rank->tenants_hit = count_hit(incidents, incident);
    rank->tenants_at_risk = below > rank->tenants_hit ? below - rank->tenants_hit : 0;
}

void reach_changed(struct incidents *incidents, const struct incident_context *context,
                   uint32_t node) {
    struct member *member = platform_member(incidents, node);
    if (member != NULL) {
        incident_refresh_later(incidents, context, incident_at(incidents, member->incident));
    }
}

void reach_ask_again(struct incidents *incidents, const struct incident *incident, uint32_t node) {
    if (node == GRAPH_NODE_NONE || !tenant_is_platform(incident_tenant(incident))) {
        return;
    }
    for (struct member *theirs = foreign_next(incidents, node, NULL); theirs != NULL;
         theirs = foreign_next(incidents, node, theirs)) {
        struct incident *other = incident_at(incidents, theirs->incident);
        if (incident_is_live(other) && other->root_node == node) {
            incident_look_again(incidents, other);
        }
    }
}
