/*
 * complaint.c - who is hit although it has not failed.
 *
 * A caller that retries, or a queue that fills, often reports no failure, but says in a plain log
 * that something is slow, refused or unavailable. Such news are no signal: they open nothing, join
 * nothing together, count for nothing and leave the entity's state alone. Yet an entity whose
 * message tells of trouble is shown among the affected of an incident, as degraded and at risk,
 * when the message names a failing member of it, or when a failing member in the window is its
 * direct neighbour in the graph, whichever way the edge goes: a caller's trouble is often seen by
 * what it calls. It stays until the incident ends. When it fails itself, it is placed as if it had
 * never complained.
 *
 * Such a member is a recovered one with a flag. Bounded, by journal record, so that a replay reads
 * the same: all of the first MESSAGES_READ messages that come here (the engine leaves out those
 * that tell of no trouble) and every MESSAGES_STRIDEth behind them, since who is hit says so more
 * than once; COMPLAINTS_PER_RECORD_MAX looks at who may be meant; each at COMPLAINT_NEIGHBOURS_MAX
 * neighbours a direction and the COMPLAINT_LOOKED_AT_MAX members placed last.
 */
#include "incident/lifecycle.h"
#include "incident/shelf.h"
#include "incident/words.h"

#define MESSAGES_READ 512u
#define MESSAGES_STRIDE 16u
#define COMPLAINTS_PER_RECORD_MAX 32u
#define COMPLAINT_NEIGHBOURS_MAX 32u
#define COMPLAINT_LOOKED_AT_MAX 128u

/* Bad in the window, in a live incident of the tenant. */
static bool is_hurting(struct incidents *incidents, const struct outlook *outlook,
                       const struct member *member) {
    if (member == NULL || member->is_foreign || member->is_recovered) {
        return false;
    }
    const struct incident *incident = incident_at(incidents, member->incident);
    return incident_is_live(incident) && incident->tenant_hash == outlook->tenant_hash &&
           cause_is_in_window(outlook, member->since_ns, member->last_signal_ns);
}

static struct member *find_neighbour(struct incidents *incidents,
                                     const struct incident_context *context,
                                     const struct outlook *outlook, uint32_t node) {
    static const enum graph_direction directions[] = {GRAPH_UPSTREAM, GRAPH_DOWNSTREAM};
    struct graph_neighbour near[COMPLAINT_NEIGHBOURS_MAX];
    struct member *best = NULL;
    for (uint32_t d = 0; d < 2; d++) {
        uint32_t count =
            graph_neighbours(context->graph, node, directions[d], near, COMPLAINT_NEIGHBOURS_MAX);
        count = count < COMPLAINT_NEIGHBOURS_MAX ? count : COMPLAINT_NEIGHBOURS_MAX;
        for (uint32_t i = 0; i < count; i++) {
            struct member *member = member_find(incidents, outlook->tenant_hash, near[i].node);
            if (is_hurting(incidents, outlook, member) &&
                (best == NULL || member->since_ns < best->since_ns ||
                 (member->since_ns == best->since_ns && member->node < best->node))) {
                best = member;
            }
        }
    }
    return best;
}

static struct member *find_named(struct incidents *incidents,
                                 const struct incident_context *context,
                                 const struct outlook *outlook, struct slice message) {
    uint32_t at = placed_last(incidents, outlook->tenant_hash);
    for (uint32_t i = 0; i < COMPLAINT_LOOKED_AT_MAX && at != INDEX_NONE; i++) {
        struct member *member = member_at(incidents, at);
        at = member->placed_previous;
        if (is_hurting(incidents, outlook, member) &&
            mention_names(message, graph_get_node(context->graph, member->node).entity)) {
            return member;
        }
    }
    return NULL;
}

static struct member *find_complained(struct incidents *incidents,
                                      const struct incident_context *context, uint32_t node,
                                      const struct signal *signal) {
    const struct policy *policy = policy_set_find(context->policies, signal->tenant);
    struct outlook outlook =
        outlook_of(incidents, policy, signal->tenant, signal->event_time_ns, signal->event_time_ns);
    struct member *known =
        node == GRAPH_NODE_NONE ? NULL : member_find(incidents, outlook.tenant_hash, node);
    if (known != NULL && !member_is_shelved(incidents, known)) {
        return NULL; /* it fails, has failed, or has complained before */
    }
    struct member *found = find_named(incidents, context, &outlook, signal->message);
    if (node == GRAPH_NODE_NONE) {
        return found;
    }
    found = found != NULL ? found : find_neighbour(incidents, context, &outlook, node);
    bool is_suspect =
        found != NULL && incident_at(incidents, found->incident)->suspect_node == node;
    return is_suspect ? NULL : found; /* it is why they fail, not hit by it */
}

/* Whether this message of the record is read. */
static bool is_in_turn(struct incidents *incidents, const struct incident_context *context) {
    if (incidents->complaints_seq != context->cause_seq) {
        incidents->complaints_seq = context->cause_seq;
        incidents->complaints_count = 0;
        incidents->messages_count = 0;
    }
    if (incidents->complaints_count == COMPLAINTS_PER_RECORD_MAX) {
        return false;
    }
    return incidents->messages_count++ < MESSAGES_READ ||
           (context->cause_seq + context->cause_index) % MESSAGES_STRIDE == 0;
}

bool incident_message_complains(struct slice message) {
    return words_tell_trouble(message);
}

bool incidents_is_complaint(struct incidents *incidents, const struct incident_context *context,
                            const struct signal *signal) {
    if (!is_in_turn(incidents, context) || !words_tell_trouble(signal->message)) {
        return false;
    }
    incidents->complaints_count++;
    uint32_t node = graph_find_node(context->graph, signal->entity_key);
    return incidents->members_free_count >= 2 &&
           effects_room(context->effects) >= INCIDENTS_EFFECT_BYTES_MIN &&
           find_complained(incidents, context, node, signal) != NULL;
}

void incidents_apply_complaint(struct incidents *incidents, const struct incident_context *context,
                               uint32_t node, const struct signal *signal) {
    struct member *about = find_complained(incidents, context, node, signal);
    ASSERT(about != NULL && incidents->members_free_count >= 2);
    struct incident *incident = incident_at(incidents, about->incident);
    struct member *known = member_find(incidents, incident->tenant_hash, node);
    if (known != NULL) { /* kept aside: it is hit now */
        shelf_drop(incidents, incident_at(incidents, known->incident));
    }
    struct member *member = member_create(incidents, incident, node, MEMBER_COMPLAINING);
    ASSERT(member != NULL);
    member_fill_complaint(incidents, context, member, signal);
    member->hops = about->hops + 1;
    incident_touch(incidents, incident);
    incident_refresh_later(incidents, context, incident);
}
