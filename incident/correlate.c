/*
 * correlate.c - which bad news belong together.
 *
 * A node that turned bad looks upstream for nodes that are bad within the window and joins the
 * incident of the one for which most speaks, as a rule the nearest; with none that is likelier than
 * chance (bond.c) it is a root. Then it looks downstream: an incident whose root it reaches and is
 * bound to has found its cause, whatever order the news arrived in. An incident of which it reaches
 * only some members but not the root has a cause of its own and stays apart.
 *
 * Why every cascade ends as one incident: a root other than the first cause has a bad neighbour
 * upstream (through healthy nodes, within hops_max) to which it is bound. Whichever of the two
 * arrived later saw the other: the root would have joined it, or it would have merged the root's
 * incident.
 *
 * What is told after the incident of its cause was resolved opens that one again, while it may be
 * opened, if it happened while the cause was bad (causes.c): people know of the cause already.
 *
 * In a cycle each node is upstream of each: the earliest event time is the root, then explicit
 * failure before lateness, then the smaller name; what explains any of them from outside explains
 * all (cycle.c).
 */
#include "incident/lifecycle.h"
#include "incident/shelf.h"
#include "incident/stale.h"

#define SUSPECT_ROOTS_MAX 64u

void correlate_shift_hops(struct incidents *incidents, struct incident *incident, uint32_t hops) {
    for (uint32_t at = incident->members_first; at != INDEX_NONE && hops > 0;) {
        struct member *member = member_at(incidents, at);
        at = member->next;
        member->hops += hops;
        member_touch(incidents, member);
    }
}

struct incident *correlate_merge(struct incidents *incidents,
                                 const struct incident_context *context, struct incident *a,
                                 struct incident *b) {
    if (a == b) {
        return a;
    }
    bool a_survives =
        incident_precedes(incidents, incident_slot(incidents, a), incident_slot(incidents, b));
    struct incident *survivor = a_survives ? a : b;
    incident_merge(incidents, context, survivor, a_survives ? b : a);
    return survivor;
}

/* Merges all of `gathered` with `incident`. What has no room in the effects waits for the next
 * advance. */
static struct incident *merge_gathered(struct incidents *incidents,
                                       const struct incident_context *context,
                                       struct incident *incident, uint32_t hops) {
    struct incident *survivor = incident;
    for (uint32_t i = 0; i < incidents->gathered_count; i++) {
        struct incident *next = incident_at(incidents, incidents->gathered[i]);
        size_t wanted = MERGE_ROOM_BYTES_MIN + telling_closing_bytes(context, next) +
                        telling_closing_bytes(context, survivor);
        if (effects_room(context->effects) < wanted) {
            incident_look_again(incidents, survivor);
            break;
        }
        if (next == incident) {
            continue;
        }
        correlate_shift_hops(incidents, next, hops + next->mark_root_hops);
        survivor = correlate_merge(incidents, context, survivor, next);
    }
    return survivor;
}

struct incident *correlate_create_incident(struct incidents *incidents,
                                           const struct incident_context *context,
                                           struct slice tenant, uint32_t node) {
    uint8_t cause[16];
    struct writer writer = writer_over(cause, sizeof(cause));
    writer_u64(&writer, context->cause_seq);
    writer_u32(&writer, context->cause_index);
    struct slice parts[3] = {tenant, graph_get_node(context->graph, node).entity,
                             writer_slice(&writer)};
    struct hash128 id = hash128_of_parts(parts, 3, incidents->hash_seed);
    while (incident_find(incidents, id) != NULL) {
        id = hash128_combine(id, id); /* the same cause twice: a replayed test, not an engine */
    }
    struct incident *incident = incident_create(incidents, id, tenant);
    ASSERT(incident != NULL);
    incident->opened_ns = context->now_ns;
    incident->updated_ns = context->now_ns;
    incident->opened_seq = context->cause_seq;
    incident->opened_index = context->cause_index;
    return incident;
}

static struct incident *open_incident(struct incidents *incidents,
                                      const struct incident_context *context, struct slice tenant,
                                      uint32_t node, const struct policy *policy) {
    struct incident *incident = correlate_create_incident(incidents, context, tenant, node);
    incident->tell_due_ns = context->now_ns + policy->group_wait_ns;
    incidents->open_count++;
    return incident;
}

/* What is told now is put down to an incident that is over: whether nobody had heard of that. */
static bool open_again(struct incidents *incidents, const struct incident_context *context,
                       struct incident *incident, const struct member *member) {
    if (incident->is_shelved) {
        shelf_open(incidents, context, incident);
        return true;
    }
    bool is_old = stale_is_old_news(incident, member->heard_ns, incident->told_ns);
    incident_reopen(incidents, context, member, member->status);
    if (is_old) {
        telling_put_off(incidents, context, incident);
    }
    return false;
}

struct place {
    struct incident *joined; /* of the cause or of the kin; NULL when there is none */
    bool is_kin;
    uint32_t foreign_root; /* a platform node that has no incident of this tenant yet */
    struct cause cause;
    struct suspicion suspicion;
    uint32_t roots_count; /* of the incidents that the suspicion joins */
    uint32_t roots[SUSPECT_ROOTS_MAX];
};

/* Nothing explains the node: maybe a silent neighbour that others share explains it with them. */
static void suspect_place(struct incidents *incidents, const struct incident_context *context,
                          const struct outlook *outlook, uint32_t node, struct slice message,
                          struct place *place) {
    place->suspicion = suspect_find(incidents, context, outlook, node, message);
    if (place->suspicion.node != GRAPH_NODE_NONE) {
        place->roots_count = suspect_gather(incidents, context, outlook, place->suspicion.node,
                                            place->roots, SUSPECT_ROOTS_MAX);
        place->cause.hops = 1;
    }
}

static struct place find_place(struct incidents *incidents, const struct incident_context *context,
                               const struct outlook *outlook, uint32_t node,
                               const struct resources *resources, struct slice message) {
    struct place place = {
        .foreign_root = GRAPH_NODE_NONE,
        .suspicion = {.node = GRAPH_NODE_NONE},
    };
    cause_gather_explained(incidents, context, outlook, node, NULL);
    place.cause = cause_find(incidents, context, outlook, node, NULL);
    place.cause = shelf_first_cause(incidents, context, outlook, place.cause);
    if (!place.cause.is_found) {
        place.joined = kin_find(incidents, outlook, resources, NULL);
        place.is_kin = place.joined != NULL;
        place.cause.hops = place.is_kin ? 1 : 0;
    }
    if (place.cause.is_found && place.cause.is_foreign) {
        uint32_t root = platform_root(incidents, place.cause.node);
        place.joined = platform_find_incident(incidents, context, outlook->tenant_hash, root);
        place.foreign_root = place.joined == NULL ? root : GRAPH_NODE_NONE;
    } else if (place.cause.is_found) {
        struct member *cause = member_find(incidents, outlook->tenant_hash, place.cause.node);
        place.joined = incident_at(incidents, cause->incident);
        place.cause.hops += cause->hops;
    }
    cause_keep_explained(incidents, place.joined);
    if (place.joined == NULL && place.foreign_root == GRAPH_NODE_NONE) {
        suspect_place(incidents, context, outlook, node, message, &place);
    }
    return place;
}

/* The root of what the new member and its place make together. */
static struct member *choose_root(struct incidents *incidents,
                                  const struct incident_context *context, const struct place *place,
                                  struct incident *target, struct member *member) {
    if (place->foreign_root != GRAPH_NODE_NONE) {
        return platform_create_root(incidents, context, target, place->foreign_root);
    }
    for (uint32_t i = 0; i < place->roots_count; i++) {
        struct member *root = member_at(incidents, place->roots[i]);
        member = root_is_better(context, member, root) ? member : root;
    }
    if (place->joined == NULL) {
        return member;
    }
    struct member *root = member_at(incidents, place->joined->root);
    return (place->cause.is_cycle || place->is_kin) && root_is_better(context, member, root)
               ? member
               : root;
}

struct member *correlate_place(struct incidents *incidents, const struct incident_context *context,
                               uint32_t node, const struct signal *signal,
                               const struct policy *policy, bool *opened_out) {
    struct slice tenant = graph_get_node(context->graph, node).owner;
    struct outlook outlook = outlook_of_signal(incidents, context, policy, node, signal);
    struct resources resources = {.count = 0};
    (void)resources_note(&resources, signal->message, incidents->hash_seed);
    struct place place =
        find_place(incidents, context, &outlook, node, &resources, signal->message);
    bool opens = place.joined == NULL && incidents->gathered_count == 0;
    bool reopens = place.joined != NULL && !incident_is_live(place.joined); /* told late */
    struct incident *target = place.joined;
    if (opens) {
        target = open_incident(incidents, context, tenant, node, policy);
    } else if (target == NULL) {
        target = incident_at(incidents, incidents->gathered[0]);
        correlate_shift_hops(incidents, target, place.cause.hops + target->mark_root_hops);
    }
    struct member *member = member_create(incidents, target, node, MEMBER_OWN);
    ASSERT(member != NULL);
    member_fill(incidents, context, member, signal);
    member->resources = resources;
    member->placed_seq = context->cause_seq;
    member->placed_index = context->cause_index;
    member->hops = place.cause.hops;
    bool is_news = reopens && open_again(incidents, context, target, member);
    struct member *root = choose_root(incidents, context, &place, target, member);
    struct incident *survivor = merge_gathered(incidents, context, target, place.cause.hops);
    if (root->incident != incident_slot(incidents, survivor)) {
        root = member; /* there was no room to merge that one yet */
    }
    if (place.cause.is_cycle) {
        root = cycle_choose_root(incidents, context, member, root);
    }
    incident_set_root(incidents, context, survivor, root);
    suspect_heard(incidents, context, survivor, node);
    if (place.suspicion.node != GRAPH_NODE_NONE) {
        suspect_set(incidents, context, survivor, &place.suspicion);
    }
    if (opens) {
        timeline_add_news(incidents, context, survivor, root, "opened", root->status);
    }
    if (opens ? root != member : !reopens || is_news) { /* else the timeline has it */
        timeline_add_news(incidents, context, survivor, member, "joined", member->status);
    }
    if (opens) {
        incident_refresh(incidents, context, survivor);
    } else {
        survivor->at_risk_count -= survivor->at_risk_count > 0 ? 1 : 0;
        telling_note(incidents, context, survivor, CHANGE_AFFECTED);
        incident_refresh_later(incidents, context, survivor);
    }
    correlate_rehome(incidents, context, member, outlook.until_ns);
    if (place.cause.is_cycle) {
        correlate_explain_ring(incidents, context, incident_at(incidents, member->incident));
    }
    *opened_out = opens || is_news;
    return member;
}

void correlate_put_down(struct incidents *incidents, const struct incident_context *context,
                        struct incident *incident, const struct cause *cause) {
    struct member *root = member_at(incidents, incident->root);
    if (cause->is_foreign) {
        platform_blame(incidents, context, incident, platform_root(incidents, cause->node),
                       cause->hops);
        return;
    }
    struct member *via = member_find(incidents, incident->tenant_hash, cause->node);
    struct incident *joined = incident_at(incidents, via->incident);
    struct member *joined_root = joined == incident ? via : member_at(incidents, joined->root);
    bool stays = cause->is_cycle && root_is_better(context, root, joined_root);
    correlate_shift_hops(incidents, incident,
                         stays || joined == incident ? 0 : via->hops + cause->hops);
    struct incident *survivor = correlate_merge(incidents, context, incident, joined);
    joined_root = stays ? root : joined_root;
    if (cause->is_cycle) {
        joined_root = cycle_choose_root(incidents, context, root, joined_root);
    }
    incident_set_root(incidents, context, survivor, joined_root);
    if (root->is_foreign && root != joined_root) {
        member_drop(incidents, root, FATE_DELETE);
    }
}

void correlate_explain(struct incidents *incidents, const struct incident_context *context,
                       struct incident *incident) {
    struct member *root = member_at(incidents, incident->root);
    if (root->is_recovered) {
        return;
    }
    if (effects_room(context->effects) < MERGE_ROOM_BYTES_MIN) {
        incident_look_again(incidents, incident);
        return;
    }
    if (root->is_foreign) {
        platform_follow(incidents, context, incident);
        return;
    }
    struct outlook outlook = outlook_of_member(incidents, context, root);
    cause_gather_explained(incidents, context, &outlook, root->node, incident);
    struct cause cause = cause_find(incidents, context, &outlook, root->node, incident);
    if (cause.is_found) {
        correlate_put_down(incidents, context, incident, &cause);
    } else {
        correlate_explain_ring(incidents, context, incident);
    }
}

void correlate_explain_ring(struct incidents *incidents, const struct incident_context *context,
                            struct incident *incident) {
    if (effects_room(context->effects) < MERGE_ROOM_BYTES_MIN) {
        incident_look_again(incidents, incident);
        return;
    }
    struct cause cause = cycle_find_cause(incidents, context, incident);
    if (cause.is_found) {
        correlate_put_down(incidents, context, incident, &cause);
    }
}

struct incident *correlate_absorb(struct incidents *incidents,
                                  const struct incident_context *context, struct member *member) {
    struct incident *incident = incident_at(incidents, member->incident);
    struct member *root = member_at(incidents, incident->root);
    if (member->is_foreign) {
        return incident;
    }
    struct outlook outlook = outlook_of_member(incidents, context, member);
    cause_gather_explained(incidents, context, &outlook, member->node, incident);
    struct incident *survivor = merge_gathered(incidents, context, incident, member->hops);
    incident_set_root(incidents, context, survivor, root);
    return survivor;
}

void correlate_kin(struct incidents *incidents, const struct incident_context *context,
                   struct member *member) {
    struct incident *incident = incident_at(incidents, member->incident);
    if (incident->root != member_slot(incidents, member)) {
        return;
    }
    if (effects_room(context->effects) < MERGE_ROOM_BYTES_MIN) {
        incident->asks_kin = true;
        incident_look_again(incidents, incident);
        return;
    }
    struct outlook outlook = outlook_of_member(incidents, context, member);
    struct incident *kin = kin_find(incidents, &outlook, &member->resources, incident);
    if (kin == NULL) {
        return;
    }
    struct member *other = member_at(incidents, kin->root);
    bool stays = root_is_better(context, member, other);
    correlate_shift_hops(incidents, stays ? kin : incident, 1);
    struct incident *survivor = correlate_merge(incidents, context, incident, kin);
    incident_set_root(incidents, context, survivor, stays ? member : other);
}
