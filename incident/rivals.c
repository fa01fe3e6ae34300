/*
 * rivals.c - who else may have brought down an incident's affected: a bad entity of another
 * incident on which they depend directly.
 *
 * Of several bad upstreams an entity joins the incident of one (causes.c). The others are no part
 * of it, and are as likely the cause: they are named among the alternatives, and the first in the
 * evidence.
 *
 * Bounded: incidents of up to RIVALS_MEMBERS_MAX members, of each up to RIVALS_ABOVE_MAX direct
 * upstreams; who has more is not asked, so that no order of lists and edges counts.
 */
#include "incident/causes.h"
#include "incident/doubt.h"

#define RIVALS_ABOVE_MAX 8u

static void count_rival(struct rivals *rivals, uint32_t node) {
    for (uint32_t i = 0; i < rivals->count; i++) {
        if (rivals->items[i].node == node) {
            rivals->items[i].affected++;
            return;
        }
    }
    ASSERT(rivals->count < RIVALS_MAX);
    rivals->items[rivals->count++] = (struct rival){.node = node, .affected = 1};
}

static void look_above(struct incidents *incidents, const struct incident_context *context,
                       const struct member *affected, struct rivals *rivals) {
    struct graph_neighbour above[RIVALS_ABOVE_MAX];
    struct outlook outlook = outlook_of_member(incidents, context, affected);
    uint32_t count =
        graph_neighbours(context->graph, affected->node, GRAPH_UPSTREAM, above, RIVALS_ABOVE_MAX);
    for (uint32_t i = 0; i < count && count <= RIVALS_ABOVE_MAX; i++) {
        const struct member *member =
            incidents_have_member(incidents, above[i].node)
                ? member_find(incidents, outlook.tenant_hash, above[i].node)
                : NULL;
        if (member != NULL && member->incident != affected->incident &&
            cause_is_bad_above(incidents, context, &outlook, member, 1)) {
            count_rival(rivals, member->node);
        }
    }
}

void rivals_of(struct incidents *incidents, const struct incident_context *context,
               const struct incident *incident, struct rivals *rivals_out) {
    *rivals_out = (struct rivals){.count = 0};
    if (incident->members_count > RIVALS_MEMBERS_MAX) {
        return;
    }
    static_assert(RIVALS_MEMBERS_MAX * RIVALS_ABOVE_MAX == RIVALS_MAX, "all have room");
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        const struct member *member = member_at(incidents, at);
        bool is_affected = at != incident->root && !member->is_foreign && !member->is_recovered;
        at = member->next;
        if (is_affected) {
            look_above(incidents, context, member, rivals_out);
        }
    }
}
