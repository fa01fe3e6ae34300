/*
 * blast.c - how far an incident reaches: what lies downstream of its root, failing or at risk.
 *
 * One bounded search from the root gives the shortest hops of each member, what is at risk, the
 * counts by kind, and what the ranking needs. It runs when an incident opens, before each telling,
 * and a delay after members changed: a storm of a thousand joins costs a few searches.
 * Members beyond the search keep the hops they were last known to have.
 */
#include "incident/reroot.h"

/* How long blast radius and ranking may lag behind the members between two tellings: a person who
 * looks at a small incident sees numbers that agree, a large one costs one search a second. */
#define REFRESH_DELAY_NS NS_PER_S
#define REFRESH_DELAY_SMALL_NS (50 * NS_PER_MS)
enum { REFRESH_SMALL_MAX = 256 }; /* failing and at risk */
/* How often one asks for which the pool had no place. */
#define REFRESH_LACKING_NS NS_PER_MINUTE

/* What the kinds beyond those that are kept count as. */
#define KIND_OTHER SLICE("other")

static void count_kind_word(struct incident *incident, struct slice word) {
    for (uint32_t i = 0; i < incident->kinds_count; i++) {
        struct kind_count *kind = &incident->kinds[i];
        if (slice_equals(word, slice_of(kind->word, kind->word_size))) {
            kind->count++;
            return;
        }
    }
    if (incident->kinds_count >= KINDS_MAX - 1 && !slice_equals(word, KIND_OTHER)) {
        count_kind_word(incident, KIND_OTHER); /* so that the counts add up */
        return;
    }
    struct kind_count *kind = &incident->kinds[incident->kinds_count++];
    *kind = (struct kind_count){.word_size = (uint32_t)word.size, .count = 1};
    memcpy(kind->word, word.data, word.size);
}

static void count_kind(struct incident *incident, struct slice entity) {
    struct slice word = slice_head(entity, slice_find_byte(entity, ':'));
    count_kind_word(incident, slice_head(word, KIND_BYTES_MAX));
}

/* By word, so that the order of a search leaves no trace. */
static void sort_kinds(struct incident *incident) {
    for (uint32_t i = 1; i < incident->kinds_count; i++) {
        struct kind_count kind = incident->kinds[i];
        uint32_t at = i;
        while (at > 0 && slice_compare(slice_of(kind.word, kind.word_size),
                                       slice_of(incident->kinds[at - 1].word,
                                                incident->kinds[at - 1].word_size)) < 0) {
            incident->kinds[at] = incident->kinds[at - 1];
            at--;
        }
        incident->kinds[at] = kind;
    }
}

static bool is_bad_member(const struct incidents *incidents, const struct incident *incident,
                          const struct member *member) {
    return member != NULL && !member->is_recovered &&
           member->incident == incident_slot(incidents, incident);
}

static void look_at_visit(struct incidents *incidents, const struct incident_context *context,
                          struct incident *incident, const struct graph_visit *visit) {
    struct graph_node node = graph_get_node(context->graph, visit->node);
    if (!slice_equals(node.owner, incident_tenant(incident))) {
        return;
    }
    struct member *member = member_find(incidents, incident->tenant_hash, visit->node);
    if (member != NULL && member->incident == incident_slot(incidents, incident)) {
        member->reached_generation = incidents->generation;
        if (member->hops != visit->hops) {
            member->hops = visit->hops;
            member_touch(incidents, member);
        }
    }
    if (!is_bad_member(incidents, incident, member)) {
        incident->at_risk_count++;
        count_kind(incident, node.entity);
    }
}

/* Whether that was all there is; else what it has not met may lie downstream all the same. */
static bool look_downstream(struct incidents *incidents, const struct incident_context *context,
                            struct incident *incident) {
    struct member *root = member_at(incidents, incident->root);
    uint32_t start =
        incident->suspect_node == GRAPH_NODE_NONE ? root->node : incident->suspect_node;
    incidents->generation++;
    incident->at_risk_count = 0;
    incident->kinds_count = 0;
    root->reached_generation = incidents->generation;
    uint32_t count = 0;
    bool is_truncated = false;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, start, GRAPH_DOWNSTREAM, GRAPH_HOPS_MAX,
                         incident_tenant(incident), &count, &is_truncated);
    for (uint32_t i = 0; i < count; i++) {
        look_at_visit(incidents, context, incident, &visits[i]);
    }
    return !is_truncated && (count == 0 || visits[count - 1].hops < GRAPH_HOPS_MAX);
}

/* When it asks for what found no room. */
static uint64_t asks_again_ns(const struct incident_context *context,
                              const struct incident *incident) {
    if (!incident_is_live(incident)) {
        return NEVER_NS;
    }
    return incident->rehomes        ? context->now_ns + REFRESH_DELAY_NS
           : incident->lacks_member ? context->now_ns + REFRESH_LACKING_NS
                                    : NEVER_NS;
}

void incident_refresh(struct incidents *incidents, const struct incident_context *context,
                      struct incident *incident) {
    ASSERT(incident->root != INDEX_NONE);
    suspect_review(incidents, context, incident);
    if (incident->suspect_node == GRAPH_NODE_NONE) {
        strength_choose_root(incidents, context, incident);
    }
    bool is_whole = look_downstream(incidents, context, incident);
    if (suspect_reconsider(incidents, context, incident)) {
        is_whole = look_downstream(incidents, context, incident);
    }
    struct member *root = member_at(incidents, incident->root);
    if (root->is_recovered && !root->is_foreign) {
        incident->at_risk_count++;
        count_kind(incident, graph_get_node(context->graph, root->node).entity);
    }
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        struct member *member = member_at(incidents, at);
        at = member->next;
        bool is_aside =
            member->is_complaining && member->reached_generation != incidents->generation;
        incident->at_risk_count += is_aside ? 1 : 0;
        if (is_aside || (!member->is_foreign && !member->is_recovered)) {
            count_kind(incident, graph_get_node(context->graph, member->node).entity);
        }
    }
    sort_kinds(incident);
    if (!incident_is_live(incident)) { /* of what is well, nothing is at risk */
        incident->at_risk_count = 0;
        incident->kinds_count = 0;
    }
    rank_incident(incidents, context, incident, is_whole);
    uint64_t due_ns = reroot_due_ns(incidents, context, incident);
    uint64_t asks_ns = asks_again_ns(context, incident);
    incident->refresh_due_ns = asks_ns < due_ns ? asks_ns : due_ns;
    incident_schedule(incidents, incident);
}

void incident_agree_counts(struct incidents *incidents, const struct incident_context *context,
                           struct incident *incident) {
    uint32_t counted = 0;
    for (uint32_t i = 0; i < incident->kinds_count; i++) {
        counted += incident->kinds[i].count;
    }
    if (counted == incident->failing_count + incident->at_risk_count) {
        return;
    }
    incident->at_risk_count = 0;
    incident->kinds_count = 0;
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        const struct member *member = member_at(incidents, at);
        at = member->next;
        if (!member->is_foreign && !member->is_recovered) {
            count_kind(incident, graph_get_node(context->graph, member->node).entity);
        }
    }
    sort_kinds(incident);
}

void incident_refresh_later(struct incidents *incidents, const struct incident_context *context,
                            struct incident *incident) {
    bool is_small = incident->failing_count + incident->at_risk_count <= REFRESH_SMALL_MAX;
    uint64_t due_ns = context->now_ns + (is_small ? REFRESH_DELAY_SMALL_NS : REFRESH_DELAY_NS);
    if (due_ns < incident->refresh_due_ns && incident->root != INDEX_NONE) {
        incident->refresh_due_ns = due_ns;
        incident_schedule(incidents, incident);
    }
}
