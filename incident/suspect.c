/*
 * suspect.c - a silent upstream that all who fail have in common.
 *
 * The true cause often reports nothing: a warehouse without a probe, a shared network. When at
 * least correlate.suspect_min direct dependants of one silent node fail in the window, that is
 * half or more of all it has, and nothing else explains them, they are one incident and the node is
 * named as its suspected root. Two are enough, of however many, when an error of theirs names the
 * node. The members' own
 * first failure stays the root in all other respects, so that the suspicion goes the moment that
 * somebody upstream reports.
 *
 * Bounded: SUSPECTS_MAX neighbours upstream, SUSPECT_DEPENDANTS_MAX dependants of each.
 */
#include "incident/causes.h"

#define SUSPECTS_MAX 32u
#define SUSPECT_DEPENDANTS_MAX 256u
/* Enough when something else speaks for it. */
#define SUSPECT_PAIR 2u

static bool is_silent(struct incidents *incidents, const struct incident_context *context,
                      const struct outlook *outlook, uint32_t node) {
    struct graph_node seen = graph_get_node(context->graph, node);
    struct member *member = member_find(incidents, outlook->tenant_hash, node);
    return seen.state.status == EVENT_STATUS_NONE && (member == NULL || member->is_recovered) &&
           (slice_equals(seen.owner, outlook->tenant) || tenant_is_platform(seen.owner));
}

/* The unexplained bad member at the node in the window: the root of its incident, or one that is
 * under the same suspicion already. */
static struct member *find_symptom(struct incidents *incidents, const struct outlook *outlook,
                                   uint32_t node, uint32_t suspect) {
    struct member *member = member_find(incidents, outlook->tenant_hash, node);
    if (member == NULL || member->is_foreign || member->is_recovered ||
        !cause_is_in_window(outlook, member->since_ns, member->last_signal_ns)) {
        return NULL;
    }
    struct incident *incident = incident_at(incidents, member->incident);
    bool is_root = incident->root == member_slot(incidents, member);
    return incident_is_live(incident) && (is_root || incident->suspect_node == suspect) ? member
                                                                                        : NULL;
}

static struct suspicion weigh(struct incidents *incidents, const struct incident_context *context,
                              const struct outlook *outlook, uint32_t node, struct slice message,
                              uint32_t suspect) {
    struct graph_neighbour below[SUSPECT_DEPENDANTS_MAX];
    struct slice name = graph_get_node(context->graph, suspect).entity;
    struct suspicion suspicion = {.node = suspect, .count = 1};
    uint32_t count =
        graph_neighbours(context->graph, suspect, GRAPH_DOWNSTREAM, below, SUSPECT_DEPENDANTS_MAX);
    count = count < SUSPECT_DEPENDANTS_MAX ? count : SUSPECT_DEPENDANTS_MAX;
    suspicion.named = mention_names(message, name) ? 1 : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct slice owner = graph_get_node(context->graph, below[i].node).owner;
        if (!slice_equals(owner, outlook->tenant)) {
            continue;
        }
        suspicion.total++;
        struct member *member = find_symptom(incidents, outlook, below[i].node, suspect);
        if (below[i].node != node && member != NULL) {
            suspicion.count++;
            suspicion.named +=
                mention_names(slice_of(member->message, member->message_size), name) ? 1 : 0;
        }
    }
    return suspicion;
}

static bool is_sound(const struct outlook *outlook, const struct suspicion *suspicion) {
    uint32_t count = suspicion->count;
    if (count >= SUSPECT_PAIR && suspicion->named > 0) {
        return true;
    }
    return count >= outlook->suspect_min && count * 2 >= suspicion->total;
}

/* The one that is named more, then the larger share of its dependants, then the more of them, then
 * the node made first. */
static bool is_stronger(const struct suspicion *a, const struct suspicion *b) {
    if (a->named != b->named) {
        return a->named > b->named;
    }
    uint64_t left = (uint64_t)a->count * b->total;
    uint64_t right = (uint64_t)b->count * a->total;
    if (left != right) {
        return left > right;
    }
    return a->count != b->count ? a->count > b->count : a->node < b->node;
}

struct suspicion suspect_find(struct incidents *incidents, const struct incident_context *context,
                              const struct outlook *outlook, uint32_t node, struct slice message) {
    struct graph_neighbour above[SUSPECTS_MAX];
    struct suspicion best = {.node = GRAPH_NODE_NONE};
    if (outlook->suspect_min == 0) {
        return best;
    }
    uint32_t count = graph_neighbours(context->graph, node, GRAPH_UPSTREAM, above, SUSPECTS_MAX);
    count = count < SUSPECTS_MAX ? count : SUSPECTS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_silent(incidents, context, outlook, above[i].node)) {
            continue;
        }
        struct suspicion suspicion =
            weigh(incidents, context, outlook, node, message, above[i].node);
        if (is_sound(outlook, &suspicion) &&
            (best.node == GRAPH_NODE_NONE || is_stronger(&suspicion, &best))) {
            best = suspicion;
        }
    }
    return best;
}

static void gather_once(struct incidents *incidents, struct incident *incident) {
    uint32_t slot = incident_slot(incidents, incident);
    for (uint32_t i = 0; i < incidents->gathered_count; i++) {
        if (incidents->gathered[i] == slot) {
            return;
        }
    }
    incident->mark_root_hops = 0;
    incidents->gathered[incidents->gathered_count++] = slot;
}

uint32_t suspect_gather(struct incidents *incidents, const struct incident_context *context,
                        const struct outlook *outlook, uint32_t suspect, uint32_t *roots_out,
                        uint32_t roots_max) {
    struct graph_neighbour below[SUSPECT_DEPENDANTS_MAX];
    uint32_t roots_count = 0;
    uint32_t count =
        graph_neighbours(context->graph, suspect, GRAPH_DOWNSTREAM, below, SUSPECT_DEPENDANTS_MAX);
    count = count < SUSPECT_DEPENDANTS_MAX ? count : SUSPECT_DEPENDANTS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        struct member *member = find_symptom(incidents, outlook, below[i].node, suspect);
        if (member == NULL) {
            continue;
        }
        struct incident *incident = incident_at(incidents, member->incident);
        gather_once(incidents, incident);
        if (roots_count < roots_max) {
            roots_out[roots_count++] = incident->root;
        }
    }
    return roots_count;
}

void suspect_set(struct incidents *incidents, const struct incident_context *context,
                 struct incident *incident, const struct suspicion *suspicion) {
    bool is_news = incident->suspect_node != suspicion->node;
    incident->suspect_node = suspicion->node;
    incident->suspect_count = suspicion->count;
    incident->suspect_total = suspicion->total;
    incident_touch(incidents, incident);
    incident_refresh_later(incidents, context, incident);
    if (!is_news) {
        return;
    }
    char words[DETAIL_BYTES_MAX];
    struct text detail = text_over(words, sizeof(words));
    entity_add(&detail, graph_get_node(context->graph, incident->root_node).entity, false);
    text_add_text(&detail, " to ");
    suspect_add_entity(&detail, context, incident);
    text_add_text(&detail, " (suspected)");
    timeline_add(incidents, context, incident, "re-rooted", text_slice(&detail));
    telling_note(incidents, context, incident, CHANGE_ROOT);
}

void suspect_add_entity(struct text *text, const struct incident_context *context,
                        const struct incident *incident) {
    struct graph_node seen = graph_get_node(context->graph, incident->suspect_node);
    entity_add(text, seen.entity,
               tenant_is_platform(seen.owner) && !tenant_is_platform(incident_tenant(incident)));
}
