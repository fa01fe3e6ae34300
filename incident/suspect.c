/*
 * suspect.c - a silent upstream that all who fail have in common.
 *
 * The true cause often reports nothing: a warehouse without a probe, a shared network. When at
 * least correlate.suspect_min direct dependants of one silent node fail in the window, that is
 * half or more of all it has, and nothing else explains them, they are one incident and the node is
 * named as its suspected root. Two are enough, of however many, when an error of theirs names the
 * node. The members' own first failure stays the root in all other respects, so that the suspicion
 * goes the moment that somebody upstream reports.
 *
 * Failures that joined by other paths count as well, once they are in one incident: when its root
 * does not reach all of its members, a silent neighbour of the root that the others share may. Two
 * of at most four dependants, in incidents of their own, are too few to be merged: the neighbour is
 * named among the alternatives only.
 *
 * Bounded: SUSPECTS_MAX neighbours upstream; of the dependants of each SUSPECT_DEPENDANTS_MAX, and
 * the node that asks, stand for all. Whose incidents the suspicion joins is asked of all of them,
 * when it is new and again as its incident grows.
 */
#include "incident/causes.h"
#include "incident/rows.h"

#define SUSPECTS_MAX 32u
/* Incidents that one suspicion joins at once. */
#define SUSPECT_GATHERED_MAX 4096u
/* Enough when something else speaks for it. */
#define SUSPECT_PAIR 2u

static bool is_silent(struct incidents *incidents, const struct incident_context *context,
                      const struct outlook *outlook, uint32_t node) {
    struct graph_node seen = graph_get_node(context->graph, node);
    struct member *member = member_find(incidents, outlook->tenant_hash, node);
    return event_status_news(seen.state.status) != SIGNAL_BAD &&
           !well_is_said(outlook, &seen.state) && (member == NULL || member->is_recovered) &&
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

/* The bad member of that incident at the node which its root does not reach. */
static struct member *find_unreached(struct incidents *incidents, const struct outlook *outlook,
                                     uint32_t node, const struct incident *home) {
    struct member *member = member_find(incidents, outlook->tenant_hash, node);
    const struct member *root = member_at(incidents, home->root);
    return member != NULL && member->incident == incident_slot(incidents, home) &&
                   !member->is_foreign && !member->is_recovered &&
                   member->reached_generation != root->reached_generation
               ? member
               : NULL;
}

/* It has said itself that it failed, in the incident that would suspect it: no silent one, though
 * it is well meanwhile. */
static bool is_held(struct incidents *incidents, const struct incident *incident,
                    uint32_t suspect) {
    const struct member *member = member_find(incidents, incident->tenant_hash, suspect);
    return member != NULL && !member->is_foreign && !member->is_complaining && !member->is_bygone &&
           member->incident == incident_slot(incidents, incident);
}

/* What `node`, whose errors say `message`, shares with others: those of `home`, or, when that is
 * NULL, of any incident. */
struct asked {
    uint32_t node;
    struct slice message;
    const struct incident *home;
};

/* A word that forbids the suspicion in the eyes of the last to fail: suspect_review would take it
 * back at once, and what it had joined would stay so. */
static bool is_well_for_all(const struct incident_context *context, const struct outlook *latest,
                            uint32_t suspect) {
    struct graph_state state = graph_get_state(context->graph, suspect);
    return well_is_said(latest, &state);
}

static void widen(struct outlook *latest, const struct member *member) {
    latest->from_ns = member->since_ns > latest->from_ns ? member->since_ns : latest->from_ns;
    latest->to_ns = member->last_signal_ns > latest->to_ns ? member->last_signal_ns : latest->to_ns;
}

static struct suspicion weigh(struct incidents *incidents, const struct incident_context *context,
                              const struct outlook *outlook, const struct asked *asked,
                              uint32_t suspect) {
    struct graph_neighbour below[SUSPECT_DEPENDANTS_MAX];
    struct slice name = graph_get_node(context->graph, suspect).entity;
    struct suspicion suspicion = {.node = suspect, .count = 1};
    uint32_t count =
        graph_neighbours(context->graph, suspect, GRAPH_DOWNSTREAM, below, SUSPECT_DEPENDANTS_MAX);
    count = count < SUSPECT_DEPENDANTS_MAX ? count : SUSPECT_DEPENDANTS_MAX;
    struct outlook latest = *outlook;
    bool is_listed = false;
    bool is_known = false;
    suspicion.named = mention_names(asked->message, name) ? 1 : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct slice owner = graph_get_node(context->graph, below[i].node).owner;
        if (!slice_equals(owner, outlook->tenant)) {
            continue;
        }
        suspicion.total++;
        is_listed = is_listed || below[i].node == asked->node;
        struct member *member =
            asked->home == NULL ? find_symptom(incidents, outlook, below[i].node, suspect)
                                : find_unreached(incidents, outlook, below[i].node, asked->home);
        if (below[i].node != asked->node && member != NULL) {
            suspicion.count++;
            is_known =
                is_known || is_held(incidents, incident_at(incidents, member->incident), suspect);
            widen(&latest, member);
            suspicion.named +=
                mention_names(slice_of(member->message, member->message_size), name) ? 1 : 0;
        }
    }
    suspicion.total += is_listed ? 0 : 1;
    is_known = is_known || is_well_for_all(context, &latest, suspect);
    suspicion.count = is_known ? 0 : suspicion.count;
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

/* Two that share a neighbour of few dependants: worth a word, not a merge. */
static bool is_hint(const struct outlook *outlook, const struct suspicion *suspicion) {
    (void)outlook;
    return suspicion->count >= SUSPECT_PAIR && suspicion->count * 2 >= suspicion->total;
}

static struct suspicion
find_strongest(struct incidents *incidents, const struct incident_context *context,
               const struct outlook *outlook, const struct asked *asked,
               bool (*is_enough)(const struct outlook *, const struct suspicion *)) {
    struct graph_neighbour above[SUSPECTS_MAX];
    struct suspicion best = {.node = GRAPH_NODE_NONE};
    if (outlook->suspect_min == 0) {
        return best;
    }
    uint32_t count =
        graph_neighbours(context->graph, asked->node, GRAPH_UPSTREAM, above, SUSPECTS_MAX);
    count = count < SUSPECTS_MAX ? count : SUSPECTS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_silent(incidents, context, outlook, above[i].node)) {
            continue;
        }
        struct suspicion suspicion = weigh(incidents, context, outlook, asked, above[i].node);
        if (is_enough(outlook, &suspicion) &&
            (best.node == GRAPH_NODE_NONE || is_stronger(&suspicion, &best))) {
            best = suspicion;
        }
    }
    return best;
}

struct suspicion suspect_find(struct incidents *incidents, const struct incident_context *context,
                              const struct outlook *outlook, uint32_t node, struct slice message) {
    struct asked asked = {.node = node, .message = message};
    return find_strongest(incidents, context, outlook, &asked, is_sound);
}

static bool may_be_shared(struct incidents *incidents, const struct incident *incident) {
    const struct member *root = member_at(incidents, incident->root);
    return !root->is_foreign && !root->is_recovered && incident->suspect_node == GRAPH_NODE_NONE;
}

/* As the last of them to fail saw it, in whose eyes the suspicion was raised: the words that were
 * old then stay old. To the last failure of any, since a word among failures is a recent one. Those
 * that are well again count: else an old word would count anew when they recover. */
static struct outlook outlook_of_latest(struct incidents *incidents,
                                        const struct incident_context *context,
                                        const struct incident *incident) {
    struct outlook outlook =
        outlook_of_member(incidents, context, member_at(incidents, incident->root));
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        const struct member *member = member_at(incidents, at);
        at = member->next;
        if (member->is_foreign || member->is_complaining) {
            continue;
        }
        widen(&outlook, member);
    }
    return outlook;
}

bool suspect_reconsider(struct incidents *incidents, const struct incident_context *context,
                        struct incident *incident) {
    const struct member *root = member_at(incidents, incident->root);
    bool is_whole = true;
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        const struct member *member = member_at(incidents, at);
        at = member->next;
        is_whole = is_whole && (member->is_foreign || member->is_recovered ||
                                member->reached_generation == root->reached_generation);
    }
    if (is_whole || !may_be_shared(incidents, incident)) {
        return false;
    }
    /* A word that takes a suspicion back (suspect_review) raises none. */
    struct outlook outlook = outlook_of_member(incidents, context, root);
    outlook.to_ns = outlook_of_latest(incidents, context, incident).to_ns;
    struct asked asked = {.node = root->node,
                          .message = slice_of(root->message, root->message_size),
                          .home = incident};
    struct suspicion found = find_strongest(incidents, context, &outlook, &asked, is_sound);
    if (found.node != GRAPH_NODE_NONE) {
        suspect_set(incidents, context, incident, &found);
    }
    return found.node != GRAPH_NODE_NONE;
}

static void give_up(struct incidents *incidents, const struct incident_context *context,
                    struct incident *incident, const char *why) {
    char words[DETAIL_BYTES_MAX];
    struct text detail = text_over(words, sizeof(words));
    suspect_add_entity(&detail, context, incident);
    text_add_text(&detail, why);
    entity_add(&detail, graph_get_node(context->graph, incident->root_node).entity, false);
    incident->suspect_node = GRAPH_NODE_NONE;
    incident_touch(incidents, incident);
    timeline_add(incidents, context, incident, "re-rooted", text_slice(&detail));
    telling_note(incidents, context, incident, CHANGE_ROOT);
}

/* A complaint of the suspect itself does not show it among those that it hits. */
static void drop_complaint(struct incidents *incidents, struct incident *incident) {
    struct member *member = member_find(incidents, incident->tenant_hash, incident->suspect_node);
    if (member != NULL && member->is_complaining &&
        member->incident == incident_slot(incidents, incident)) {
        member_drop(incidents, member, FATE_DELETE);
        incident_touch(incidents, incident);
    }
}

void suspect_review(struct incidents *incidents, const struct incident_context *context,
                    struct incident *incident) {
    if (incident->suspect_node == GRAPH_NODE_NONE || !incident_is_live(incident)) {
        return;
    }
    drop_complaint(incidents, incident);
    struct graph_state state = graph_get_state(context->graph, incident->suspect_node);
    struct outlook outlook = outlook_of_latest(incidents, context, incident);
    if (well_is_said(&outlook, &state)) {
        give_up(incidents, context, incident, " (suspected) says that it is well, to ");
    } else if (event_status_news(state.status) == SIGNAL_BAD ||
               is_held(incidents, incident, incident->suspect_node)) {
        give_up(incidents, context, incident, " (suspected) has failed itself, to ");
    }
}

void suspect_heard(struct incidents *incidents, const struct incident_context *context,
                   struct incident *incident, uint32_t node) {
    if (incident->suspect_node == node) {
        give_up(incidents, context, incident, " (suspected) has failed itself, to ");
    }
}

void suspect_begin_life(struct incidents *incidents, const struct incident_context *context,
                        struct incident *incident) {
    if (incident->suspect_node != GRAPH_NODE_NONE) {
        give_up(incidents, context, incident, " (suspected) is so no more, to ");
    }
}

uint32_t suspect_hint(struct incidents *incidents, const struct incident_context *context,
                      const struct incident *incident) {
    if (!may_be_shared(incidents, incident)) {
        return GRAPH_NODE_NONE;
    }
    const struct member *root = member_at(incidents, incident->root);
    struct outlook outlook = outlook_of_member(incidents, context, root);
    struct asked asked = {.node = root->node,
                          .message = slice_of(root->message, root->message_size)};
    return find_strongest(incidents, context, &outlook, &asked, is_hint).node;
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

/* Whether all dependants are to be asked: the suspicion is new, or its incident has grown. */
static bool is_time_for_all(const struct incidents *incidents, uint32_t suspect) {
    for (uint32_t i = 0; i < incidents->gathered_count; i++) {
        const struct incident *incident = &incidents->incidents[incidents->gathered[i]];
        if (incident->suspect_node == suspect) {
            return incident->members_count % 64 == 0;
        }
    }
    return true;
}

/* Those that do not stand for all: without them each that failed early would stay alone. */
static void gather_all(struct incidents *incidents, const struct incident_context *context,
                       const struct outlook *outlook, uint32_t suspect) {
    uint32_t count = 0;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, suspect, GRAPH_DOWNSTREAM, 1,
                         outlook->tenant, &count, NULL);
    for (uint32_t i = 0; i < count && incidents->gathered_count < SUSPECT_GATHERED_MAX &&
                         incidents->gathered_count < incidents->incidents_max;
         i++) {
        struct member *member = find_symptom(incidents, outlook, visits[i].node, suspect);
        if (member != NULL) {
            gather_once(incidents, incident_at(incidents, member->incident));
        }
    }
}

uint32_t suspect_gather(struct incidents *incidents, const struct incident_context *context,
                        const struct outlook *outlook, uint32_t suspect, uint32_t *roots_out,
                        uint32_t roots_max) {
    struct graph_neighbour below[SUSPECT_DEPENDANTS_MAX];
    uint32_t roots_count = 0;
    uint32_t count =
        graph_neighbours(context->graph, suspect, GRAPH_DOWNSTREAM, below, SUSPECT_DEPENDANTS_MAX);
    bool has_more = count > SUSPECT_DEPENDANTS_MAX;
    count = has_more ? SUSPECT_DEPENDANTS_MAX : count;
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
    if (has_more && is_time_for_all(incidents, suspect)) {
        gather_all(incidents, context, outlook, suspect);
    }
    return roots_count;
}

void suspect_set(struct incidents *incidents, const struct incident_context *context,
                 struct incident *incident, const struct suspicion *suspicion) {
    bool is_news = incident->suspect_node != suspicion->node;
    incident->suspect_node = suspicion->node;
    incident->suspect_count = suspicion->count;
    incident->suspect_total = suspicion->total;
    drop_complaint(incidents, incident);
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
