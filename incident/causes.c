/*
 * causes.c - what may explain a bad node, upstream, and which incidents it explains, downstream.
 *
 * Looks only: marks on incidents and the list `gathered` are scratch of one call, valid for one
 * generation. What is found does not depend on the order in which a search visits nodes.
 */
#include "incident/causes.h"
#include "incident/lifecycle.h"
#include "incident/stale.h"

#define PLATFORM_TENANT SLICE("platform")

struct outlook outlook_of(const struct incidents *incidents, const struct policy *policy,
                          struct slice tenant, uint64_t from_ns, uint64_t to_ns) {
    ASSERT(from_ns <= to_ns);
    return (struct outlook){
        .tenant = tenant,
        .tenant_hash = tenant_hash_of(incidents, tenant),
        .from_ns = from_ns,
        .to_ns = to_ns,
        .window_ns = policy->correlate_window_ns,
        .suspect_min = policy->correlate_suspect_min,
        .hops_max = policy->correlate_hops_max < GRAPH_HOPS_MAX ? policy->correlate_hops_max
                                                                : GRAPH_HOPS_MAX,
    };
}

static struct trouble trouble_of(const struct incident_context *context,
                                 const struct member *member) {
    return (struct trouble){
        .entity = graph_get_node(context->graph, member->node).entity,
        .message = slice_of(member->message, member->message_size),
        .tone = member->tone,
        .status = member->status,
        .strength = member->strength,
        .since_ns = member->since_ns,
    };
}

struct outlook outlook_of_member(struct incidents *incidents,
                                 const struct incident_context *context,
                                 const struct member *member) {
    struct incident *incident = incident_at(incidents, member->incident);
    struct outlook outlook =
        outlook_of(incidents, incident_policy(context, incident), incident_tenant(incident),
                   member->since_ns, member->last_signal_ns);
    outlook.is_of_trouble = true;
    outlook.trouble = trouble_of(context, member);
    return outlook;
}

struct outlook outlook_of_signal(const struct incidents *incidents,
                                 const struct incident_context *context,
                                 const struct policy *policy, uint32_t node,
                                 const struct signal *signal) {
    struct graph_node seen = graph_get_node(context->graph, node);
    struct outlook outlook =
        outlook_of(incidents, policy, seen.owner, signal->event_time_ns, signal->event_time_ns);
    struct slice kept = words_kept(signal->message, MESSAGE_KEPT_BYTES_MAX);
    outlook.is_of_trouble = true;
    outlook.sees_resolved = true;
    outlook.until_ns = stale_is(context, node, signal)
                           ? stale_end_ns(context, node, signal, outlook.window_ns)
                           : 0;
    outlook.trouble = (struct trouble){
        .entity = seen.entity,
        .message = kept,
        .tone = words_tone(slice_head(signal->error_class, ERROR_CLASS_BYTES_MAX), kept),
        .status = signal->status,
        .strength = signal_strength(signal),
        .since_ns = signal->event_time_ns,
    };
    return outlook;
}

bool cause_is_in_time(const struct outlook *outlook, uint64_t since_ns) {
    return outlook->until_ns == 0 || since_ns <= outlook->until_ns;
}

bool cause_is_in_window(const struct outlook *outlook, uint64_t since_ns, uint64_t last_ns) {
    if (since_ns > outlook->to_ns) {
        return since_ns - outlook->to_ns <= outlook->window_ns;
    }
    return last_ns >= outlook->from_ns || outlook->from_ns - last_ns <= outlook->window_ns;
}

bool tenant_is_platform(struct slice tenant) {
    return slice_equals(tenant, PLATFORM_TENANT);
}

struct member *platform_member(struct incidents *incidents, uint32_t node) {
    struct member *member =
        member_find(incidents, tenant_hash_of(incidents, PLATFORM_TENANT), node);
    if (member == NULL || member->is_recovered ||
        !incident_is_live(incident_at(incidents, member->incident))) {
        return NULL;
    }
    return member;
}

uint32_t platform_root(struct incidents *incidents, uint32_t node) {
    struct member *member = platform_member(incidents, node);
    if (member == NULL) {
        return node;
    }
    struct incident *incident = incident_at(incidents, member->incident);
    return member_at(incidents, incident->root)->is_recovered ? node : incident->root_node;
}

/* Silence and a person say no time: then it was bad until that was taken for true, but what ends by
 * silence for no longer than that takes, however late it was told, unless an alert fires that says
 * its own end. */
uint64_t cause_well_again_ns(const struct incident_context *context,
                             const struct incident *incident, const struct member *member) {
    bool is_dated = member->recovered_event_ns > member->last_signal_ns ||
                    member->recovered_status != EVENT_STATUS_OK;
    uint64_t end_ns = NEVER_NS;
    if (is_dated) {
        end_ns = member->recovered_event_ns;
    } else if (member->recovers_by_silence && member->firing_count == 0) {
        end_ns = member->last_signal_ns + incident_policy(context, incident)->resolve_after_ns;
    }
    return end_ns < member->recovered_ns ? end_ns : member->recovered_ns; /* its clock is ahead */
}

/* A resolved incident that may still be opened again explains what is told late, but only what
 * happened while its member was bad: nobody looks at it any more for what fails now. */
static bool is_late_for(const struct incident_context *context, const struct outlook *outlook,
                        const struct incident *incident, const struct member *member) {
    return outlook->sees_resolved && member->is_recovered &&
           outlook->from_ns + bond_clock_slack_ns(outlook->window_ns) >= member->since_ns &&
           !incident_is_past(context, incident);
}

/* A member is a cause while it is bad; once recovered only for what turned bad before that. */
static bool is_cause(struct incidents *incidents, const struct incident_context *context,
                     const struct outlook *outlook, const struct member *member) {
    const struct incident *incident = incident_at(incidents, member->incident);
    if (member->is_complaining ||
        (!incident_is_live(incident) && !is_late_for(context, outlook, incident, member))) {
        return false;
    }
    if (member->is_recovered && outlook->from_ns > cause_well_again_ns(context, incident, member)) {
        return false;
    }
    return cause_is_in_window(outlook, member->since_ns, member->last_signal_ns);
}

bool cause_is_foreign(struct incidents *incidents, const struct incident_context *context,
                      const struct outlook *outlook, uint32_t node, uint64_t *since_out) {
    if (tenant_is_platform(outlook->tenant)) {
        return false;
    }
    struct graph_node seen = graph_get_node(context->graph, node);
    if (event_status_news(seen.state.status) != SIGNAL_BAD || !tenant_is_platform(seen.owner)) {
        return false;
    }
    struct member *member = platform_member(incidents, node);
    uint64_t since_ns = member == NULL ? seen.state.since_ns : member->since_ns;
    uint64_t last_ns = member == NULL ? since_ns : member->last_signal_ns;
    *since_out = since_ns;
    return cause_is_in_window(outlook, since_ns, last_ns);
}

static bool precedes(const void *context, uint32_t a, uint32_t b) {
    return incident_precedes((const struct incidents *)context, a, b);
}

void cause_mark(struct incidents *incidents, struct incident *incident) {
    if (incident->mark_generation == incidents->generation) {
        return;
    }
    incident->mark_generation = incidents->generation;
    incident->mark_in_window = false;
    incident->mark_root_seen = false;
    incident->mark_root_bound = false;
    incident->mark_bad_count = 0;
    incident->mark_root_hops = 0;
    incidents->gathered[incidents->gathered_count++] = incident_slot(incidents, incident);
}

static bool is_bound(const struct incident_context *context, const struct outlook *outlook,
                     const struct member *below, uint32_t hops) {
    if (!outlook->is_of_trouble || below->is_foreign) {
        return true;
    }
    struct trouble trouble = trouble_of(context, below);
    return bond_holds(bond_weigh(&outlook->trouble, &trouble, hops, outlook->window_ns));
}

void cause_mark_visit(struct incidents *incidents, const struct incident_context *context,
                      const struct outlook *outlook, const struct graph_visit *visit) {
    struct member *member = member_find(incidents, outlook->tenant_hash, visit->node);
    if (member == NULL || member->is_foreign) {
        return;
    }
    struct incident *incident = incident_at(incidents, member->incident);
    if (!incident_is_live(incident)) {
        return;
    }
    cause_mark(incidents, incident);
    bool is_in_time = cause_is_in_time(outlook, member->since_ns);
    if (visit->node == incident->root_node) {
        incident->mark_root_seen = true;
        incident->mark_root_bound = is_in_time && is_bound(context, outlook, member, visit->hops);
        incident->mark_root_hops = visit->hops;
    }
    if (!member->is_recovered) {
        incident->mark_bad_count++;
        incident->mark_in_window =
            incident->mark_in_window ||
            (is_in_time && cause_is_in_window(outlook, member->since_ns, member->last_signal_ns));
    }
}

/* Its root lies downstream and is bound to it; or the root has recovered and all that still fail
 * lie there. */
static bool is_explained(struct incidents *incidents, const struct incident *incident) {
    if (!incident->mark_in_window) {
        return false;
    }
    return incident->mark_root_bound || (member_at(incidents, incident->root)->is_recovered &&
                                         incident->mark_bad_count == incident->failing_count);
}

void cause_keep_explained(struct incidents *incidents, const struct incident *exclude) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < incidents->gathered_count; i++) {
        struct incident *incident = incident_at(incidents, incidents->gathered[i]);
        if (incident != exclude && is_explained(incidents, incident)) {
            incidents->gathered[kept++] = incidents->gathered[i];
        }
    }
    incidents->gathered_count = kept;
    sort_indices(incidents->gathered, kept, precedes, incidents);
}

void cause_gather_explained(struct incidents *incidents, const struct incident_context *context,
                            const struct outlook *outlook, uint32_t node,
                            const struct incident *exclude) {
    incidents->generation++;
    incidents->gathered_count = 0;
    uint32_t count = 0;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, node, GRAPH_DOWNSTREAM, outlook->hops_max,
                         outlook->tenant, &count, NULL);
    for (uint32_t i = 0; i < count; i++) {
        cause_mark_visit(incidents, context, outlook, &visits[i]);
    }
    cause_keep_explained(incidents, exclude);
}

/* The roots of tenants' incidents at a platform node that the search has reached. Those whose node
 * the platform itself puts down to `root` are explained, whatever the tenants' windows: so would
 * they be, had they come after it. */
static void mark_foreign(struct incidents *incidents, uint32_t node, uint32_t hops, uint32_t root) {
    struct member *member = foreign_next(incidents, node, NULL);
    bool is_explained = member != NULL && platform_root(incidents, node) == root;
    for (; member != NULL; member = foreign_next(incidents, node, member)) {
        struct incident *incident = incident_at(incidents, member->incident);
        if (!incident_is_live(incident)) {
            continue;
        }
        cause_mark(incidents, incident);
        if (incident->root_node == node) {
            incident->mark_root_seen = true;
            incident->mark_root_hops = hops;
            incident->mark_root_bound = is_explained;
            incident->mark_in_window = incident->mark_in_window || is_explained;
        }
    }
}

void cause_gather_tenants(struct incidents *incidents, const struct incident_context *context,
                          uint32_t node, const struct outlook *outlook) {
    incidents->generation++;
    incidents->gathered_count = 0;
    uint32_t root = platform_root(incidents, node);
    uint32_t count = 0;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, node, GRAPH_DOWNSTREAM, outlook->hops_max,
                         slice_of(NULL, 0), &count, NULL);
    mark_foreign(incidents, node, 0, root);
    for (uint32_t i = 0; i < count; i++) {
        struct slice owner = graph_get_node(context->graph, visits[i].node).owner;
        if (tenant_is_platform(owner)) {
            mark_foreign(incidents, visits[i].node, visits[i].hops, root);
            continue;
        }
        const struct policy *policy = policy_set_find(context->policies, owner);
        struct outlook theirs =
            outlook_of(incidents, policy, owner, outlook->from_ns, outlook->to_ns);
        theirs.until_ns = outlook->until_ns;
        if (visits[i].hops <= theirs.hops_max) {
            cause_mark_visit(incidents, context, &theirs, &visits[i]);
        }
    }
    cause_keep_explained(incidents, NULL);
}

/* Whether the last cause_gather_explained has seen its root downstream: with a cause in it, a
 * cycle. */
static bool is_seen_below(const struct incidents *incidents, const struct incident *incident) {
    return incident->mark_generation == incidents->generation && incident->mark_root_seen;
}

/* How far apart in time, in units in which a cause that is said to have come later counts twice:
 * clocks differ, but effects follow soon. */
static uint64_t time_apart(const struct outlook *outlook, const struct cause *cause) {
    return cause->since_ns <= outlook->from_ns ? outlook->from_ns - cause->since_ns
                                               : 2 * (cause->since_ns - outlook->from_ns);
}

/* What lies below cannot be the cause while there is another; then the one for which the most
 * speaks, then what is not over, then the nearest in the graph, then in time: of two that stand as
 * near, the one that broke just before is the likelier. */
static bool is_better_cause(const struct outlook *outlook, const struct cause *a,
                            const struct cause *b) {
    if (a->is_cycle != b->is_cycle) {
        return b->is_cycle;
    }
    if (a->points != b->points) {
        return a->points > b->points;
    }
    if (a->is_over != b->is_over) {
        return b->is_over;
    }
    if (a->hops != b->hops) {
        return a->hops < b->hops;
    }
    uint64_t left = time_apart(outlook, a);
    uint64_t right = time_apart(outlook, b);
    if (left != right) {
        return left < right;
    }
    return a->since_ns != b->since_ns ? a->since_ns < b->since_ns : a->node < b->node;
}

static int32_t weigh_cause(const struct outlook *outlook, const struct trouble *above,
                           uint32_t hops) {
    return outlook->is_of_trouble ? bond_weigh(above, &outlook->trouble, hops, outlook->window_ns)
                                  : 0;
}

/* A node of the platform that is well again is known to what is told late by the tenant's incident
 * that shows it. */
static bool is_past_foreign(struct incidents *incidents, const struct incident_context *context,
                            const struct outlook *outlook, const struct member *member) {
    return outlook->sees_resolved && member != NULL && member->is_recovered &&
           is_cause(incidents, context, outlook, member);
}

static bool is_left_out(const struct outlook *outlook, const struct member *member) {
    return outlook->rest_generation != 0 &&
           (member->is_recovered || member->reached_generation == outlook->rest_generation);
}

static struct cause look_at_cause(struct incidents *incidents,
                                  const struct incident_context *context,
                                  const struct outlook *outlook, const struct graph_visit *visit) {
    struct cause cause = {.node = visit->node, .hops = visit->hops};
    struct member *member = member_find(incidents, outlook->tenant_hash, visit->node);
    if (member == NULL || member->is_foreign) {
        cause.is_foreign = true;
        cause.is_found =
            cause_is_foreign(incidents, context, outlook, visit->node, &cause.since_ns);
        struct graph_node seen = graph_get_node(context->graph, visit->node);
        struct trouble trouble = {
            .entity = seen.entity, .status = seen.state.status, .since_ns = cause.since_ns};
        if (!cause.is_found && is_past_foreign(incidents, context, outlook, member)) {
            trouble = trouble_of(context, member);
            cause.is_found = true;
            cause.is_foreign = false; /* joined as any member's incident */
            cause.since_ns = member->since_ns;
            cause.is_over = !incident_is_live(incident_at(incidents, member->incident));
        }
        cause.points = cause.is_found ? weigh_cause(outlook, &trouble, visit->hops) : 0;
        return cause; /* the platform's word is not weighed against, only among others */
    }
    struct trouble trouble = trouble_of(context, member);
    cause.points = weigh_cause(outlook, &trouble, visit->hops);
    cause.is_found = is_cause(incidents, context, outlook, member) &&
                     !is_left_out(outlook, member) && bond_holds(cause.points);
    const struct incident *incident = incident_at(incidents, member->incident);
    cause.is_cycle = is_seen_below(incidents, incident);
    cause.is_over = !incident_is_live(incident);
    cause.since_ns = member->since_ns;
    return cause;
}

bool cause_is_bad_above(struct incidents *incidents, const struct incident_context *context,
                        const struct outlook *outlook, const struct member *member, uint32_t hops) {
    struct trouble trouble = trouble_of(context, member);
    return !member->is_foreign && !member->is_recovered &&
           is_cause(incidents, context, outlook, member) &&
           bond_holds(weigh_cause(outlook, &trouble, hops));
}

static int32_t cause_points_max(const struct outlook *outlook, uint32_t hops) {
    return outlook->is_of_trouble ? bond_points_max(&outlook->trouble, hops) : 0;
}

struct cause cause_find(struct incidents *incidents, const struct incident_context *context,
                        const struct outlook *outlook, uint32_t node,
                        const struct incident *exclude) {
    struct cause best = {0};
    uint32_t count = 0;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, node, GRAPH_UPSTREAM, outlook->hops_max,
                         outlook->tenant, &count, NULL);
    for (uint32_t i = 0; i < count; i++) {
        if (best.is_found && !best.is_cycle && !best.is_over && visits[i].hops > best.hops &&
            best.points >= cause_points_max(outlook, visits[i].hops)) {
            break;
        }
        struct member *member = member_find(incidents, outlook->tenant_hash, visits[i].node);
        if (exclude != NULL && member != NULL &&
            member->incident == incident_slot(incidents, exclude)) {
            continue;
        }
        struct cause cause = look_at_cause(incidents, context, outlook, &visits[i]);
        if (cause.is_found && (!best.is_found || is_better_cause(outlook, &cause, &best))) {
            best = cause;
        }
    }
    return best;
}
