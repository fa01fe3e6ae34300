/*
 * stale.c - failures that are reported late: older than a success that is known already.
 *
 * The state of an entity that recovers by news is what was said last by event time, in whatever
 * order it arrives: such a failure opens nothing and reopens nothing, it is only counted. But what
 * failed while it lasted has found its cause all the same, whatever else failed when it was well:
 * then the entity is placed above that as any other, and is well again in the same call. Until such
 * a one is told it is kept aside (shelf.c).
 *
 * How long it lasted nobody may know: a job may have succeeded since each minute. So it explains
 * what turned bad before that success, and within a third of the window.
 *
 * The success is the one that stands in the state of the node (well.c): up to SIGNAL_WELL_NOTED_NS
 * older than the latest, and never ahead of when it came. Clocks of hosts differ, some by half a
 * minute: a failure of about the same time counts, as one too many is heard sooner than one too
 * few. Of the others the engine keeps count, so that a clock that is further off can be seen. A
 * person's "resolved" leaves no such word, alerts and services neither.
 */
#include "incident/stale.h"
#include "incident/shelf.h"

#define STALE_SLACK_NS NS_PER_MINUTE
#define STALE_WINDOW_SHARE 3u

bool stale_is(const struct incident_context *context, uint32_t node, const struct signal *signal) {
    ASSERT(signal->news == SIGNAL_BAD);
    struct graph_state state = graph_get_state(context->graph, node);
    return !signal->recovers_by_silence && event_status_news(state.status) == SIGNAL_GOOD &&
           signal->heard_ns + STALE_SLACK_NS < state.since_ns;
}

/* The state knows the latest success only: since when the entity was well before that, nobody. */
uint64_t stale_end_ns(const struct incident_context *context, uint32_t node,
                      const struct signal *signal, uint64_t window_ns) {
    uint64_t well_ns = graph_get_state(context->graph, node).since_ns;
    uint64_t end_ns = signal->event_time_ns + window_ns / STALE_WINDOW_SHARE;
    return well_ns < end_ns ? well_ns : end_ns;
}

bool stale_explains(struct incidents *incidents, const struct incident_context *context,
                    uint32_t node, const struct signal *signal) {
    if (incidents->open_count == 0) {
        return false; /* it explains what is live */
    }
    struct slice owner = graph_get_node(context->graph, node).owner;
    struct member *member = member_find(incidents, tenant_hash_of(incidents, owner), node);
    if (member != NULL && !member_is_shelved(incidents, member)) {
        return false; /* it has its place */
    }
    const struct policy *policy = policy_set_find(context->policies, owner);
    struct outlook outlook = outlook_of_signal(incidents, context, policy, node, signal);
    cause_gather_explained(incidents, context, &outlook, node, NULL);
    return incidents->gathered_count > 0 ||
           (tenant_is_platform(owner) &&
            platform_reaches_tenants(incidents, context, node, &outlook));
}

bool stale_is_old_news(const struct incident *incident, uint64_t heard_ns, uint64_t well_ns) {
    uint64_t known_ns = well_ns < incident->told_ns ? well_ns : incident->told_ns;
    return incident->is_told && heard_ns + STALE_SLACK_NS < known_ns;
}

void stale_count(struct incidents *incidents, const struct incident_context *context, uint32_t node,
                 bool is_repeat) {
    struct slice owner = graph_get_node(context->graph, node).owner;
    struct member *member = member_find(incidents, tenant_hash_of(incidents, owner), node);
    if (member == NULL || member->is_complaining) {
        return;
    }
    struct incident *incident = incident_at(incidents, member->incident);
    member->signals_count++;
    incident->signals_total++;
    incident->signals_unique += is_repeat ? 0 : 1;
    incident->updated_ns = context->now_ns;
    member_touch(incidents, member);
    incident_touch(incidents, incident);
}
