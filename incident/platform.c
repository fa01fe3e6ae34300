/*
 * platform.c - the incidents of tenants that a node of the platform explains.
 *
 * Platform nodes are bad for other tenants by the state word of the graph. A tenant's incident may
 * have one as its root: a foreign member, one incident a (tenant, foreign root). It follows what
 * the platform's own incident of that node says is the root, which may be learned later.
 */
#include "incident/causes.h"
#include "incident/lifecycle.h"

struct member *platform_create_root(struct incidents *incidents,
                                    const struct incident_context *context,
                                    struct incident *incident, uint32_t node) {
    struct graph_node seen = graph_get_node(context->graph, node);
    struct member *member = member_create(incidents, incident, node, MEMBER_FOREIGN);
    ASSERT(member != NULL);
    member->status = seen.state.status;
    member->since_ns = seen.state.since_ns;
    member->last_signal_ns = seen.state.since_ns;
    reach_changed(incidents, context, node);
    return member;
}

struct incident *platform_find_incident(struct incidents *incidents,
                                        const struct incident_context *context,
                                        uint64_t tenant_hash, uint32_t node) {
    struct member *member = member_find(incidents, tenant_hash, node);
    if (member == NULL) {
        return NULL;
    }
    ASSERT(member->is_foreign);
    struct incident *incident = incident_at(incidents, member->incident);
    if (incident_is_past(context, incident)) {
        incident_forget(incidents, context, incident);
        return NULL;
    }
    if (member->is_recovered) {
        member->is_recovered = false;
        member->first_ns = member_first_ns(member);
        member->status = graph_get_node(context->graph, node).state.status;
        member->since_ns = graph_get_node(context->graph, node).state.since_ns;
        member->last_signal_ns = member->since_ns;
        member_touch(incidents, member);
    }
    if (!incident_is_live(incident)) {
        incident_reopen(incidents, context, member, member->status);
        incident_begin_life(incidents, incident);
        severity_begin_life(incident);
        member->first_ns = 0;
        member_touch(incidents, member);
    }
    return incident;
}

void platform_blame(struct incidents *incidents, const struct incident_context *context,
                    struct incident *incident, uint32_t node, uint32_t hops) {
    struct incident *other =
        platform_find_incident(incidents, context, incident->tenant_hash, node);
    incident->lacks_member = other == NULL && incidents->members_free_count == 0;
    if (incident->lacks_member) {
        incident_touch(incidents, incident); /* it may be due sooner already */
        incident_refresh_later(incidents, context, incident);
        return;
    }
    correlate_shift_hops(incidents, incident, hops);
    struct member *before = member_at(incidents, incident->root);
    struct member *root = other == NULL ? platform_create_root(incidents, context, incident, node)
                                        : member_find(incidents, incident->tenant_hash, node);
    if (other != NULL) {
        incident = correlate_merge(incidents, context, incident, other);
    }
    incident_set_root(incidents, context, incident, root);
    if (before->is_foreign && before != root) {
        member_drop(incidents, before, FATE_DELETE);
    }
}

/* The failing member of a tenant's incident that stands nearest to its platform root; NULL: none.
 */
static const struct member *find_nearest(struct incidents *incidents,
                                         const struct incident *incident) {
    const struct member *nearest = NULL;
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        const struct member *member = member_at(incidents, at);
        at = member->next;
        if (member->is_foreign || member->is_recovered) {
            continue;
        }
        bool is_nearer = nearest == NULL || member->hops < nearest->hops ||
                         (member->hops == nearest->hops && member->node < nearest->node);
        nearest = is_nearer ? member : nearest;
    }
    return nearest;
}

void platform_follow(struct incidents *incidents, const struct incident_context *context,
                     struct incident *incident) {
    struct member *root = member_at(incidents, incident->root);
    uint32_t node = platform_root(incidents, root->node);
    if (node != root->node) {
        platform_blame(incidents, context, incident, node,
                       platform_member(incidents, root->node)->hops);
        return;
    }
    const struct member *nearest = find_nearest(incidents, incident);
    if (nearest == NULL) {
        return;
    }
    struct outlook outlook = outlook_of_member(incidents, context, nearest);
    cause_gather_explained(incidents, context, &outlook, nearest->node, NULL);
    struct cause cause = cause_find(incidents, context, &outlook, nearest->node, NULL);
    node = cause.is_found && cause.is_foreign ? platform_root(incidents, cause.node) : node;
    if (node != root->node) {
        platform_blame(incidents, context, incident, node, 0);
    }
}

/* Of those gathered: one of a tenant that has another root, and was not merged meanwhile. */
static bool is_to_follow(const struct incident *incident, uint32_t root) {
    return incident->is_used && incident_is_live(incident) && incident->root_node != root &&
           !tenant_is_platform(incident_tenant(incident));
}

bool platform_reaches_tenants(struct incidents *incidents, const struct incident_context *context,
                              uint32_t node, const struct outlook *outlook) {
    cause_gather_tenants(incidents, context, node, outlook);
    for (uint32_t i = 0; i < incidents->gathered_count; i++) {
        if (is_to_follow(incident_at(incidents, incidents->gathered[i]), node)) {
            return true;
        }
    }
    return false;
}

void platform_explain_tenants(struct incidents *incidents, const struct incident_context *context,
                              struct member *platform, uint64_t until_ns) {
    struct outlook outlook = outlook_of_member(incidents, context, platform);
    outlook.until_ns = until_ns;
    cause_gather_tenants(incidents, context, platform->node, &outlook);
    uint32_t root = platform_root(incidents, platform->node);
    for (uint32_t i = 0; i < incidents->gathered_count; i++) {
        struct incident *incident = &incidents->incidents[incidents->gathered[i]];
        if (!is_to_follow(incident, root)) {
            continue;
        }
        if (effects_room(context->effects) < MERGE_ROOM_BYTES_MIN) {
            incident_look_again(incidents, incident);
            continue;
        }
        platform_blame(incidents, context, incident, root, incident->mark_root_hops);
    }
}
