/*
 * edge.c - a new edge may connect incidents that stood apart: which bad nodes look again.
 *
 * Only when there is trouble at its upper end or above it, and only the roots at its lower end and
 * below it: whoever is no root has a cause already. Bounded: EDGE_ROOTS_MAX roots; those beyond, as
 * those for which the effects have no room, look again at the next advance.
 */
#include "incident/causes.h"

/* Beyond max_hops a blast radius is looked for above a new edge by so many hops at once, while at
 * most so many nodes were met: a long chain costs some microseconds, a wide graph nothing. */
#define FAR_STEP_HOPS 2u
#define FAR_NODES_MAX 256u

static void reach_farther(struct incidents *incidents, const struct incident_context *context,
                          const struct outlook *outlook, uint32_t node) {
    struct member *members[2] = {member_find(incidents, outlook->tenant_hash, node),
                                 platform_member(incidents, node)};
    for (uint32_t i = 0; i < 2; i++) {
        if (members[i] != NULL && incident_is_live(incident_at(incidents, members[i]->incident))) {
            incident_refresh_later(incidents, context,
                                   incident_at(incidents, members[i]->incident));
        }
    }
}

/* All above the node, as far as a blast radius reaches down, which is farther than causes are
 * looked for; but step by step, and only while few stand there, as each edge of an import asks. */
static const struct graph_visit *search_far_above(const struct incident_context *context,
                                                  const struct outlook *outlook, uint32_t node,
                                                  uint32_t *count) {
    const struct graph_visit *visits = NULL;
    uint32_t hops = outlook->hops_max;
    for (bool is_done = false; !is_done; hops += FAR_STEP_HOPS) {
        visits = graph_search_run(context->search, context->graph, node, GRAPH_UPSTREAM,
                                  hops < GRAPH_HOPS_MAX ? hops : GRAPH_HOPS_MAX, outlook->tenant,
                                  count, NULL);
        is_done = *count == 0 || *count > FAR_NODES_MAX || hops >= GRAPH_HOPS_MAX ||
                  visits[*count - 1].hops < hops;
    }
    return visits;
}

/* What hangs on the node now is at risk of all that is bad there and above it, whatever else
 * becomes of the edge. */
static void reach_farther_above(struct incidents *incidents, const struct incident_context *context,
                                const struct outlook *outlook, uint32_t node) {
    uint32_t count = 0;
    const struct graph_visit *visits = search_far_above(context, outlook, node, &count);
    reach_farther(incidents, context, outlook, node);
    for (uint32_t i = 0; i < count; i++) {
        reach_farther(incidents, context, outlook, visits[i].node);
    }
}

/* Anything bad at `node` or above it, as the tenant sees it. */
static bool is_trouble_upstream(struct incidents *incidents, const struct incident_context *context,
                                const struct outlook *outlook, uint32_t node) {
    struct member *member = member_find(incidents, outlook->tenant_hash, node);
    uint64_t since_ns = 0;
    if (member != NULL && !member->is_recovered) {
        return true;
    }
    return cause_is_foreign(incidents, context, outlook, node, &since_ns) ||
           cause_find(incidents, context, outlook, node, NULL).is_found;
}

/* The roots that a new edge from `from` may explain, as members, into `sorted`: it may be one, and
 * what lies below may be bound to what the edge leads to, whether it is to `from` or not. */
static uint32_t gather_roots(struct incidents *incidents, const struct incident_context *context,
                             const struct outlook *outlook, uint32_t from) {
    const struct member *member = member_find(incidents, outlook->tenant_hash, from);
    uint32_t own = INDEX_NONE;
    uint32_t count = 0;
    cause_gather_explained(incidents, context, outlook, from, NULL);
    if (member != NULL && !member->is_foreign && !member->is_recovered) {
        const struct incident *incident = incident_at(incidents, member->incident);
        own = member_slot(incidents, member);
        if (incident_is_live(incident) && incident->root == own) {
            incidents->sorted[count++] = own;
        }
    }
    for (uint32_t i = 0; i < incidents->gathered_count; i++) {
        struct incident *incident = incident_at(incidents, incidents->gathered[i]);
        if (incident->root == own) {
            continue;
        }
        if (count == EDGE_ROOTS_MAX) {
            incident_look_again(incidents, incident);
            continue;
        }
        incidents->sorted[count++] = incident->root;
    }
    return count;
}

/* The nearest bad one above a node of the platform, whatever is well again between them; of two
 * that are as near, the one that broke first. */
static struct member *find_bad_above(struct incidents *incidents,
                                     const struct incident_context *context,
                                     const struct outlook *outlook, uint32_t node) {
    uint32_t count = 0;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, node, GRAPH_UPSTREAM, outlook->hops_max,
                         outlook->tenant, &count, NULL);
    struct member *best = NULL;
    uint32_t hops = UINT32_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct member *member = platform_member(incidents, visits[i].node);
        if (member == NULL || visits[i].hops > hops) {
            continue;
        }
        bool is_nearer = visits[i].hops < hops;
        bool is_earlier =
            best != NULL && (member->since_ns != best->since_ns ? member->since_ns < best->since_ns
                                                                : member->node < best->node);
        if (is_nearer || is_earlier) {
            best = member;
            hops = visits[i].hops;
        }
    }
    return best;
}

/* Tenants may hang on the lower end by nodes of the platform that are well. What explains them is
 * bad at the upper end, or else the nearest above it. */
static void ask_tenants(struct incidents *incidents, const struct incident_context *context,
                        const struct outlook *outlook, uint32_t to) {
    struct member *platform = platform_member(incidents, to);
    if (platform == NULL) {
        platform = find_bad_above(incidents, context, outlook, to);
    }
    if (platform != NULL) {
        platform_explain_tenants(incidents, context, platform, 0);
    }
}

/* The lower end is no root, but it may stand above its own: then it is one of a ring, by the new
 * edge or before it, and what the edge leads to may be the cause of all. */
static void ask_ring(struct incidents *incidents, const struct incident_context *context,
                     struct incident *incident) {
    cycle_review(incidents, context, incident);
    if (incident_is_live(incident) && !member_at(incidents, incident->root)->is_foreign) {
        correlate_explain(incidents, context, incident);
    }
}

/* Each of the first `count` in `sorted` looks for its cause. */
static void ask_roots(struct incidents *incidents, const struct incident_context *context,
                      uint32_t count, bool is_platform) {
    for (uint32_t i = 0; i < count; i++) {
        struct member *root = member_at(incidents, incidents->sorted[i]);
        struct incident *incident = incident_at(incidents, root->incident);
        if (incident->root != incidents->sorted[i] || root->is_foreign) {
            continue; /* a foreign one follows by itself (reach_ask_again), and may be gone then */
        }
        correlate_explain(incidents, context, incident);
        cycle_review(incidents, context, incident_at(incidents, root->incident));
        if (is_platform && platform_root(incidents, root->node) != root->node) {
            platform_explain_tenants(incidents, context, root, 0);
        }
    }
}

void correlate_edge(struct incidents *incidents, const struct incident_context *context,
                    uint32_t from, uint32_t to) {
    struct slice tenant = graph_get_node(context->graph, from).owner;
    const struct policy *policy = policy_set_find(context->policies, tenant);
    struct outlook outlook = outlook_of(incidents, policy, tenant, 0, UINT64_MAX);
    if (incidents->open_count > 0) {
        reach_farther_above(incidents, context, &outlook, to);
    }
    if (!is_trouble_upstream(incidents, context, &outlook, to)) {
        return;
    }
    bool is_platform = tenant_is_platform(tenant);
    const struct member *lower = member_find(incidents, outlook.tenant_hash, from);
    bool asks_ring = lower != NULL && incident_at(incidents, lower->incident)->root_node != from;
    ask_roots(incidents, context, gather_roots(incidents, context, &outlook, from), is_platform);
    lower = asks_ring ? member_find(incidents, outlook.tenant_hash, from) : NULL;
    if (lower != NULL) {
        ask_ring(incidents, context, incident_at(incidents, lower->incident));
    }
    if (is_platform) {
        ask_tenants(incidents, context, &outlook, to);
    }
}

void correlate_ask_below(struct incidents *incidents, const struct incident_context *context,
                         uint32_t node) {
    struct slice tenant = graph_get_node(context->graph, node).owner;
    const struct policy *policy = policy_set_find(context->policies, tenant);
    struct outlook outlook = outlook_of(incidents, policy, tenant, 0, UINT64_MAX);
    ask_roots(incidents, context, gather_roots(incidents, context, &outlook, node), false);
}
