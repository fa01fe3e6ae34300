/*
 * shelf.c - failures that were over when they were told, kept aside: what they brought down may be
 * told next.
 *
 * A stale failure (stale.c) opens nothing. When its dependants were told before it, it is placed
 * above them; told first, it would be forgotten, and the dependant be the root. So it is kept as a
 * resolved incident that is on no list, in no message and on no timeline, and that goes without a
 * trace after reopen_window. A dependant that failed meanwhile finds it as it finds any resolved
 * cause (causes.c), and then it is opened, as of now.
 *
 * Not kept: what has a cause that is known, since its dependants find that one beyond it. Of
 * several failures of an entity the latest is kept, from when it was told. One that fails in
 * earnest is no longer kept aside.
 *
 * Bounded: SHELVED_MAX, and an eighth of all incidents; none while the pools are half full, nor of
 * a tenant of whose CROWD_LOOKED_AT_MAX members placed last CROWD_SHELVED_MAX are kept aside.
 */
#include "incident/shelf.h"
#include "incident/lifecycle.h"
#include "incident/stale.h"

#define SHELVED_MAX 1024u
#define SHELVED_SHARE 8u
#define CROWD_LOOKED_AT_MAX 128u /* as few as anyone does (complaint.c) */
#define CROWD_SHELVED_MAX 64u

/* By what the records made, not by what is free: the slot of what is gone waits for its row, which
 * a replay writes at other moments. That none is free as well would take half a pool gone at once.
 */
static bool has_room(const struct incidents *incidents) {
    uint32_t shelved_max = incidents->incidents_max / SHELVED_SHARE;
    shelved_max = shelved_max < SHELVED_MAX ? shelved_max : SHELVED_MAX;
    return incidents->shelved_count < shelved_max &&
           incidents->incidents_kept_count < incidents->incidents_max / 2 &&
           incidents->members_kept_count < incidents->members_max / 2 &&
           incidents->incidents_free_count > 0 && incidents->members_free_count > 0;
}

/* Who looks at the members that were placed last (complaint.c, kin.c, mention.c) is to find others
 * among them, and other tenants are to have room. */
static bool is_crowded(struct incidents *incidents, uint64_t tenant_hash) {
    uint32_t shelved_count = 0;
    uint32_t at = placed_last(incidents, tenant_hash);
    for (uint32_t i = 0; i < CROWD_LOOKED_AT_MAX && at != INDEX_NONE; i++) {
        const struct member *member = member_at(incidents, at);
        shelved_count += member_is_shelved(incidents, member) ? 1 : 0;
        at = member->placed_previous;
    }
    return shelved_count >= CROWD_SHELVED_MAX;
}

bool member_is_shelved(struct incidents *incidents, const struct member *member) {
    return member != NULL && incident_at(incidents, member->incident)->is_shelved;
}

/* The node is well all the same, as its state says. */
static void fill(struct incidents *incidents, const struct incident_context *context,
                 struct member *member, const struct signal *signal) {
    struct graph_state well = graph_get_state(context->graph, member->node);
    uint64_t window_ns =
        incident_policy(context, incident_at(incidents, member->incident))->correlate_window_ns;
    uint64_t end_ns = stale_end_ns(context, member->node, signal, window_ns);
    member_fill(incidents, context, member, signal);
    graph_set_state(context->graph, member->node, well);
    member->is_recovered = true;
    member->recovered_status = well.status;
    member->recovered_event_ns = end_ns;
    member->recovered_ns = context->now_ns;
}

static void keep_from_now(struct incidents *incidents, const struct incident_context *context,
                          struct incident *incident) {
    incident->resolved_ns = context->now_ns;
    incident->forget_due_ns =
        context->now_ns + incident_policy(context, incident)->reopen_window_ns;
    incident_schedule(incidents, incident);
}

static void put(struct incidents *incidents, const struct incident_context *context, uint32_t node,
                const struct signal *signal) {
    struct slice tenant = graph_get_node(context->graph, node).owner;
    struct incident *incident = correlate_create_incident(incidents, context, tenant, node);
    incident->is_shelved = true;
    incidents->shelved_count++;
    incident->status = INCIDENT_RESOLVED;
    incident->is_end_told = true;
    struct member *member = member_create(incidents, incident, node, MEMBER_OWN);
    ASSERT(member != NULL);
    fill(incidents, context, member, signal);
    incident->failing_count--;
    member->placed_seq = context->cause_seq;
    member->placed_index = context->cause_index;
    incident->root = member_slot(incidents, member);
    incident->root_node = node;
    member->signals_count = 1;
    incident->signals_total = 1;
    incident->signals_unique = 1;
    incident_note_trace(incident, signal->trace_id);
    keep_from_now(incidents, context, incident);
}

void shelf_keep(struct incidents *incidents, const struct incident_context *context, uint32_t node,
                const struct signal *signal) {
    struct slice owner = graph_get_node(context->graph, node).owner;
    struct member *member = member_find(incidents, tenant_hash_of(incidents, owner), node);
    if (member_is_shelved(incidents, member) && signal->event_time_ns > member->since_ns) {
        fill(incidents, context, member, signal);
        keep_from_now(incidents, context, incident_at(incidents, member->incident));
    }
    if (member != NULL) {
        return;
    }
    const struct policy *policy = policy_set_find(context->policies, owner);
    struct outlook outlook = outlook_of_signal(incidents, context, policy, node, signal);
    if (has_room(incidents) && !is_crowded(incidents, outlook.tenant_hash) &&
        !cause_find(incidents, context, &outlook, node, NULL).is_found) {
        put(incidents, context, node, signal);
    }
}

struct cause shelf_first_cause(struct incidents *incidents, const struct incident_context *context,
                               const struct outlook *outlook, struct cause cause) {
    for (uint32_t i = 0; i < outlook->hops_max && cause.is_found && !cause.is_foreign; i++) {
        struct member *member = member_find(incidents, outlook->tenant_hash, cause.node);
        if (!member_is_shelved(incidents, member)) {
            break;
        }
        struct outlook its = outlook_of_member(incidents, context, member);
        its.sees_resolved = true;
        struct cause above = cause_find(incidents, context, &its, member->node,
                                        incident_at(incidents, member->incident));
        if (!above.is_found || above.since_ns >= member->since_ns) {
            break; /* each one earlier, so that a ring ends */
        }
        above.hops += cause.hops;
        cause = above;
    }
    return cause;
}

void shelf_open(struct incidents *incidents, const struct incident_context *context,
                struct incident *incident) {
    ASSERT(incident->is_shelved && incidents->shelved_count > 0);
    const struct policy *policy = incident_policy(context, incident);
    const struct member *root = member_at(incidents, incident->root);
    struct slice entity = graph_get_node(context->graph, root->node).entity;
    incident->is_shelved = false;
    incidents->shelved_count--;
    incident->status = INCIDENT_OPEN;
    incidents->open_count++;
    incident->is_end_told = false;
    incident->resolved_ns = 0;
    incident->opened_ns = context->now_ns;
    incident->updated_ns = context->now_ns;
    incident->opened_seq = context->cause_seq;
    incident->opened_index = context->cause_index;
    incident->forget_due_ns = NEVER_NS;
    incident->tell_due_ns = context->now_ns + policy->group_wait_ns;
    timeline_add_news(incidents, context, incident, root, "opened", root->status);
    timeline_add_news(incidents, context, incident, root, "recovered", root->recovered_status);
    severity_raise(incidents, context, incident,
                   severity_of_member(policy, entity, root->status, root->severity));
    incident_schedule(incidents, incident);
}

void shelf_drop(struct incidents *incidents, struct incident *incident) {
    ASSERT(incident->is_shelved && incidents->shelved_count > 0);
    incidents->shelved_count--;
    member_drop(incidents, member_at(incidents, incident->root), FATE_DELETE);
    ASSERT(incident->members_first == INDEX_NONE);
    incident_drop(incidents, incident, FATE_DELETE);
}
