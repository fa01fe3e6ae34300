/*
 * cycle.c - the root where dependencies form a ring.
 *
 * Each of a ring is upstream of each, so the graph does not say which broke first. Of the members
 * that lie both above and below the one asked about it is the best of root_is_better, and not only
 * of those that news or edges happened to look at: then the order of arrival would tell. A root
 * that lies only below the ring was one while the ring was silent: it gives way, however early it
 * failed.
 *
 * What brings down a ring from outside need not be bound to the one that broke first, which may
 * stand far from where the trouble came in, or have a clock that is ahead: the cause of whoever is
 * why the root fails is the cause of all, whichever was told first.
 *
 * Bounded: RING_ASKED_MAX members above a root are asked for causes, and none where nobody fails
 * who could be one.
 */
#include "incident/causes.h"

#define RING_ASKED_MAX 16u
/* So many windows lie at most between the root of a ring and a cause of one of it. */
#define RING_WINDOWS_MAX 4u

bool root_is_better(const struct incident_context *context, const struct member *member,
                    const struct member *other) {
    if (other->is_foreign || other->is_recovered != member->is_recovered) {
        return !other->is_foreign && other->is_recovered;
    }
    if (member->since_ns != other->since_ns) {
        return member->since_ns < other->since_ns;
    }
    if (status_is_explicit(member->status) != status_is_explicit(other->status)) {
        return status_is_explicit(member->status);
    }
    return slice_compare(graph_get_node(context->graph, member->node).entity,
                         graph_get_node(context->graph, other->node).entity) < 0;
}

/* A member of the incident that may be its root. */
static struct member *find_candidate(struct incidents *incidents, const struct outlook *outlook,
                                     uint32_t node, uint32_t incident) {
    struct member *member = member_find(incidents, outlook->tenant_hash, node);
    bool may_be = member != NULL && member->incident == incident && !member->is_foreign &&
                  !member->is_complaining;
    return may_be ? member : NULL;
}

static const struct graph_visit *search(const struct incident_context *context,
                                        const struct outlook *outlook, uint32_t node,
                                        enum graph_direction direction, uint32_t *count_out) {
    return graph_search_run(context->search, context->graph, node, direction, outlook->hops_max,
                            outlook->tenant, count_out, NULL);
}

struct member *cycle_choose_root(struct incidents *incidents,
                                 const struct incident_context *context,
                                 const struct member *member, struct member *root) {
    struct outlook outlook = outlook_of_member(incidents, context, member);
    uint64_t generation = ++incidents->generation;
    uint32_t above = 0;
    uint32_t count = 0;
    const struct graph_visit *visits =
        search(context, &outlook, member->node, GRAPH_UPSTREAM, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct member *other =
            find_candidate(incidents, &outlook, visits[i].node, member->incident);
        if (other != NULL) {
            other->reached_generation = generation;
            above++;
        }
    }
    if (above == 0) {
        return root; /* as a rule: then the second search is spared */
    }
    struct member *asked = member_find(incidents, outlook.tenant_hash, member->node);
    bool is_above = root == asked || root->reached_generation == generation;
    if (!is_above && !root->is_foreign && !asked->is_recovered) {
        root = asked;
    }
    visits = search(context, &outlook, member->node, GRAPH_DOWNSTREAM, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct member *other =
            find_candidate(incidents, &outlook, visits[i].node, member->incident);
        if (other != NULL && other->reached_generation == generation &&
            root_is_better(context, other, root)) {
            root = other;
        }
    }
    return root;
}

void cycle_review(struct incidents *incidents, const struct incident_context *context,
                  struct incident *incident) {
    struct member *root = member_at(incidents, incident->root);
    if (incident_is_live(incident) && !root->is_foreign && !root->is_recovered) {
        incident_set_root(incidents, context, incident,
                          cycle_choose_root(incidents, context, root, root));
    }
}

/* Members of one incident, each once. */
struct ring {
    uint32_t count;
    uint32_t members[RING_ASKED_MAX];
};

static void add_once(struct ring *ring, uint32_t member) {
    for (uint32_t i = 0; i < ring->count; i++) {
        if (ring->members[i] == member) {
            return;
        }
    }
    if (ring->count < RING_ASKED_MAX) {
        ring->members[ring->count++] = member;
    }
}

/* Adds those of its incident that may be why the member fails. */
static void add_above(struct incidents *incidents, const struct incident_context *context,
                      const struct member *below, struct ring *ring) {
    struct outlook outlook = outlook_of_member(incidents, context, below);
    uint32_t count = 0;
    if (ring->count == RING_ASKED_MAX) {
        return;
    }
    const struct graph_visit *visits =
        search(context, &outlook, below->node, GRAPH_UPSTREAM, &count);
    for (uint32_t i = 0; i < count; i++) {
        struct member *member =
            find_candidate(incidents, &outlook, visits[i].node, below->incident);
        if (member != NULL &&
            cause_is_bad_above(incidents, context, &outlook, member, visits[i].hops)) {
            add_once(ring, member_slot(incidents, member));
        }
    }
}

static bool is_likelier(const struct cause *a, const struct cause *b) {
    if (a->points != b->points) {
        return a->points > b->points;
    }
    if (a->since_ns != b->since_ns) {
        return a->since_ns < b->since_ns;
    }
    return a->node != b->node ? a->node < b->node : a->hops < b->hops;
}

/* Whether it may be why one of the ring fails; their times lie apart. */
static bool may_be_above(struct incidents *incidents, const struct incident_context *context,
                         const struct outlook *outlook, uint32_t node, uint32_t own_incident) {
    const struct member *member = member_find(incidents, outlook->tenant_hash, node);
    if (member == NULL || member->is_foreign) {
        return event_status_news(graph_get_node(context->graph, node).state.status) == SIGNAL_BAD;
    }
    return member->incident != own_incident && !member->is_complaining &&
           incident_is_live(incident_at(incidents, member->incident)) &&
           cause_is_in_window(outlook, member->since_ns, member->last_signal_ns);
}

/* Whether anyone who may be a cause stands above the root and outside its incident, as far as one
 * search sees: in a storm mostly nobody does, and that is known a hundred times sooner than who. */
static bool has_others_above(struct incidents *incidents, const struct incident_context *context,
                             const struct member *root) {
    struct outlook outlook = outlook_of_member(incidents, context, root);
    uint32_t count = 0;
    bool is_truncated = false;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, root->node, GRAPH_UPSTREAM,
                         GRAPH_HOPS_MAX, outlook.tenant, &count, &is_truncated);
    bool is_window_small = outlook.window_ns < UINT64_MAX / RING_WINDOWS_MAX;
    outlook.window_ns = is_window_small ? RING_WINDOWS_MAX * outlook.window_ns : UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (may_be_above(incidents, context, &outlook, visits[i].node, root->incident)) {
            return true;
        }
    }
    return is_truncated || (count > 0 && visits[count - 1].hops == GRAPH_HOPS_MAX);
}

struct cause cycle_find_cause(struct incidents *incidents, const struct incident_context *context,
                              const struct incident *incident) {
    struct cause best = {0};
    const struct member *root = member_at(incidents, incident->root);
    if (incident->members_count < 2 || root->is_foreign || root->is_recovered ||
        !has_others_above(incidents, context, root)) {
        return best;
    }
    struct ring ring = {.count = 0};
    add_above(incidents, context, root, &ring);
    for (uint32_t i = 0; i < ring.count; i++) {
        const struct member *member = member_at(incidents, ring.members[i]);
        add_above(incidents, context, member, &ring); /* why that one fails, and so on */
        struct outlook outlook = outlook_of_member(incidents, context, member);
        cause_gather_explained(incidents, context, &outlook, member->node, incident);
        struct cause cause = cause_find(incidents, context, &outlook, member->node, incident);
        bool is_outside = cause.is_found && !cause.is_cycle;
        if (is_outside && (!best.is_found || is_likelier(&cause, &best))) {
            best = cause;
        }
    }
    return best;
}
