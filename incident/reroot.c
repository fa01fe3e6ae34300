/*
 * reroot.c - an incident whose root is well while it lives on: whether another is the root now.
 *
 * Who reads "A failed" while A is well looks in the wrong place. But as a rule the root is well
 * first and what it brought down follows, minutes or hours later: then it stays the root, for it is
 * why they fail. It does not in three cases:
 *
 *   reopened   by what failed after the root was well: that is the root. Not by what is told late
 *              of the time when the root was bad. A silent upstream is suspected no more: it was so
 *              for what failed together then.
 *   relapse    a member that fails for the first time since the incident was opened again, and is
 *              why the root fails: it is the root, as if it were told late.
 *   others     the root is well for resolve_after, and all that still fail depend on another that
 *              fails still, failed in the same window and does not depend on the root itself: that
 *              one is the root, and the two incidents are one (of several upstreams a failure has
 *              joined one: rivals.c). What else failed and is well is history then, and who has
 *              acknowledged the one has not acknowledged the other.
 *
 * No flapping: only what fails becomes the root, and only in place of one that is well; in the last
 * case the one before has been so for resolve_after.
 *
 * Bounded: one search down from the root; of upstreams of one member CANDIDATES_MAX, with a search
 * or two each.
 */
#include "incident/reroot.h"
#include "incident/lifecycle.h"

#define CANDIDATES_MAX 4u

bool reroot_is_anew(struct incidents *incidents, const struct incident_context *context,
                    const struct incident *incident, uint64_t event_ns) {
    const struct member *root = member_at(incidents, incident->root);
    uint64_t slack_ns =
        bond_clock_slack_ns(incident_policy(context, incident)->correlate_window_ns);
    return root->is_recovered && event_ns > slack_ns &&
           event_ns - slack_ns > cause_well_again_ns(context, incident, root);
}

/* One of the platform stands in a tenant's incident as its root only. */
static void leave(struct incidents *incidents, struct incident *incident, struct member *before) {
    if (before->is_foreign && incident->root != member_slot(incidents, before)) {
        member_drop(incidents, before, FATE_DELETE);
    }
}

void reroot_reopened(struct incidents *incidents, const struct incident_context *context,
                     struct member *member) {
    struct incident *incident = incident_at(incidents, member->incident);
    struct member *before = member_at(incidents, incident->root);
    if (before == member) {
        suspect_begin_life(incidents, context, incident);
        return;
    }
    incident_set_root(incidents, context, incident, member);
    leave(incidents, incident, before);
}

/* Of the member's own incident, after a search down from it: its root lies there and is bound to
 * it, or is well, and all else that fails does. */
static bool explains_its_own(struct incidents *incidents, const struct incident *incident) {
    bool is_seen = incident->mark_generation == incidents->generation && incident->mark_in_window;
    return is_seen &&
           (incident->mark_root_bound || (member_at(incidents, incident->root)->is_recovered &&
                                          incident->mark_bad_count + 1 == incident->failing_count));
}

void reroot_relapsed(struct incidents *incidents, const struct incident_context *context,
                     struct member *member) {
    struct incident *incident = incident_at(incidents, member->incident);
    struct member *before = member_at(incidents, incident->root);
    if (before == member) {
        return;
    }
    struct outlook outlook = outlook_of_member(incidents, context, member);
    cause_gather_explained(incidents, context, &outlook, member->node, NULL);
    if (!explains_its_own(incidents, incident)) {
        return;
    }
    before->hops = incident->mark_root_hops;
    member_touch(incidents, before);
    struct member *root = cycle_choose_root(incidents, context, member, member);
    incident_set_root(incidents, context, incident, root);
    leave(incidents, incident, before);
}

/* --- Another upstream that fails still --- */

static bool is_asked(struct incidents *incidents, const struct incident *incident) {
    return incident_is_live(incident) && incident->suspect_node == GRAPH_NODE_NONE &&
           incident->failing_count > 0 && member_at(incidents, incident->root)->is_recovered;
}

static uint64_t well_long_ns(struct incidents *incidents, const struct incident_context *context,
                             const struct incident *incident) {
    return member_at(incidents, incident->root)->recovered_ns +
           incident_policy(context, incident)->resolve_after_ns;
}

uint64_t reroot_due_ns(struct incidents *incidents, const struct incident_context *context,
                       const struct incident *incident) {
    if (!is_asked(incidents, incident)) {
        return NEVER_NS;
    }
    uint64_t due_ns = well_long_ns(incidents, context, incident);
    if (due_ns > context->now_ns) {
        return due_ns;
    }
    /* What has changed since it was asked has it asked again. */
    return incident->refresh_due_ns > context->now_ns ? incident->refresh_due_ns : NEVER_NS;
}

/* Marks what depends on the node, of whichever incident. */
static void mark_below(struct incidents *incidents, const struct incident_context *context,
                       const struct outlook *outlook, uint32_t node, uint64_t generation) {
    uint32_t count = 0;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, node, GRAPH_DOWNSTREAM, GRAPH_HOPS_MAX,
                         outlook->tenant, &count, NULL);
    for (uint32_t i = 0; i < count; i++) {
        struct member *member = member_find(incidents, outlook->tenant_hash, visits[i].node);
        if (member != NULL) {
            member->reached_generation = generation;
        }
    }
}

/* Whose upstreams are looked at: the nearest to the root of those below it that fail, if there are
 * any, since who stands beside it may be the one that is sought. */
static const struct member *find_failing(struct incidents *incidents,
                                         const struct incident *incident, uint64_t generation) {
    const struct member *best = NULL;
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        const struct member *member = member_at(incidents, at);
        at = member->next;
        if (member->is_foreign || member->is_recovered) {
            continue;
        }
        bool is_below = member->reached_generation == generation;
        bool best_is_below = best != NULL && best->reached_generation == generation;
        bool is_nearer = best == NULL || member->hops < best->hops ||
                         (member->hops == best->hops && member->node < best->node);
        best = is_below != best_is_below ? (is_below ? member : best) : is_nearer ? member : best;
    }
    return best;
}

/* Whether all that fail in the incident depend on the cause; its own failing ones but itself. */
static bool explains_rest(struct incidents *incidents, const struct incident_context *context,
                          const struct incident *incident, const struct cause *cause) {
    struct outlook outlook =
        outlook_of(incidents, incident_policy(context, incident), incident_tenant(incident),
                   cause->since_ns, cause->since_ns);
    uint32_t itself = 0;
    if (!cause->is_foreign) {
        const struct member *member = member_find(incidents, outlook.tenant_hash, cause->node);
        itself = member->incident == incident_slot(incidents, incident) ? 1 : 0;
        outlook = outlook_of_member(incidents, context, member);
    }
    cause_gather_explained(incidents, context, &outlook, cause->node, NULL);
    return incident->mark_generation == incidents->generation && incident->mark_in_window &&
           incident->mark_bad_count > 0 &&
           incident->mark_bad_count + itself == incident->failing_count;
}

/* Whether the trouble of the platform's node is another than that of the root. */
static bool is_other_platform(struct incidents *incidents, const struct incident_context *context,
                              const struct outlook *outlook, uint32_t root, uint32_t node) {
    if (platform_root(incidents, node) == root) {
        return false;
    }
    uint32_t count = 0;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, node, GRAPH_UPSTREAM, GRAPH_HOPS_MAX,
                         outlook->tenant, &count, NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (visits[i].node == root) {
            return false;
        }
    }
    return true;
}

/* Whether what would be the root then fails, and does not depend on the one before. */
static bool is_other(struct incidents *incidents, const struct incident_context *context,
                     const struct outlook *outlook, const struct incident *incident,
                     const struct cause *cause) {
    if (cause->is_foreign) {
        return is_other_platform(incidents, context, outlook, incident->root_node, cause->node);
    }
    const struct member *member = member_find(incidents, outlook->tenant_hash, cause->node);
    if (member->incident == incident_slot(incidents, incident)) {
        return true;
    }
    const struct incident *joined = incident_at(incidents, member->incident);
    const struct member *root = member_at(incidents, joined->root);
    return !root->is_recovered && root->reached_generation != outlook->rest_generation;
}

static struct cause find_other(struct incidents *incidents, const struct incident_context *context,
                               const struct incident *incident) {
    const struct member *root = member_at(incidents, incident->root);
    uint64_t generation = ++incidents->generation;
    struct outlook outlook = outlook_of_member(incidents, context, root);
    mark_below(incidents, context, &outlook, root->node, generation);
    const struct member *member = find_failing(incidents, incident, generation);
    ASSERT(member != NULL);
    outlook = outlook_of_member(incidents, context, member);
    outlook.to_ns = outlook.from_ns; /* what fails days after it is not why, however often it did */
    outlook.rest_generation = generation;
    for (uint32_t i = 0; i < CANDIDATES_MAX; i++) {
        incidents->generation++; /* nothing is known of cycles: what lies below is marked */
        struct cause cause = cause_find(incidents, context, &outlook, member->node, NULL);
        bool is_sound = cause.is_found &&
                        is_other(incidents, context, &outlook, incident, &cause) &&
                        explains_rest(incidents, context, incident, &cause);
        if (is_sound) {
            return cause;
        }
        if (!cause.is_found || cause.is_foreign) {
            break;
        }
        member_find(incidents, outlook.tenant_hash, cause.node)->reached_generation = generation;
    }
    return (struct cause){0};
}

/* Whether the incident is acknowledged, and that of the cause, too. */
static bool is_known(struct incidents *incidents, const struct incident *incident,
                     const struct cause *cause) {
    if (incident->status != INCIDENT_ACKNOWLEDGED || cause->is_foreign) {
        return false;
    }
    const struct member *member = member_find(incidents, incident->tenant_hash, cause->node);
    return incident_at(incidents, member->incident)->status == INCIDENT_ACKNOWLEDGED;
}

bool reroot_review(struct incidents *incidents, const struct incident_context *context,
                   struct incident *incident) {
    if (!is_asked(incidents, incident) ||
        well_long_ns(incidents, context, incident) > context->now_ns) {
        return false;
    }
    struct cause cause = find_other(incidents, context, incident);
    bool has_room = !cause.is_foreign || incidents->members_kept_count + 1 < incidents->members_max;
    incident->lacks_member = cause.is_found && !has_room;
    if (!cause.is_found || !has_room) {
        return false;
    }
    if (!is_known(incidents, incident, &cause)) {
        incident->status = INCIDENT_OPEN; /* whoever knew of it knew of another root */
        incident_begin_life(incidents, incident);
    }
    correlate_put_down(incidents, context, incident, &cause);
    /* The pool may have had no room for a node of the platform. */
    return incident->fate != FATE_KEEP || !member_at(incidents, incident->root)->is_recovered;
}
