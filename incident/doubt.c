/*
 * doubt.c - what speaks against the root that the graph gives: another storm, and its own words.
 *
 * A graph is never whole. Where an edge is missing, what it would have joined opens an incident of
 * its own, whose first failure looks like a root. Two things betray it: another incident of the
 * tenant, of more than one entity, that began before it within the window; and an error that speaks
 * of something else (a timeout, a refused connection, a 503, "upstream") rather than of itself.
 * A storm that was over before the root turned bad says nothing.
 * Neither proves anything, so neither changes the root or merges incidents: they lower the
 * confidence, and the earlier storms' roots are named as alternatives.
 *
 * As odds that the root is right: ODDS_ALONE, times 1/10 for one earlier storm, 1/27 for more,
 * times 1/6 for such words. Measured on labelled storms: docs/root-cause.md.
 *
 * A storm that known edges join to it, which correlate.c has kept apart all the same, counts as
 * much: measured without it the confidence is further off.
 *
 * Bounded: the DOUBT_LOOKED_AT_MAX members placed last, two searches.
 */
#include "incident/doubt.h"
#include "incident/words.h"

#define DOUBT_LOOKED_AT_MAX 512u
/* Clocks differ: a storm that began this little later may have begun before. */
#define DOUBT_SLACK_NS (5 * NS_PER_S)
#define ODDS_ALONE 30.0

static bool is_earlier_storm(const struct incidents *incidents, const struct incident *incident,
                             const struct member *other, uint64_t since_ns, uint64_t window_ns) {
    const struct incident *storm = &incidents->incidents[other->incident];
    if (storm == incident || storm->tenant_hash != incident->tenant_hash || other->is_foreign ||
        &incidents->members[storm->root] != other || storm->members_count < 2 ||
        other->node == incident->suspect_node) {
        return false;
    }
    if (!incident_is_live(storm) && storm->resolved_ns < since_ns) {
        return false; /* was over before */
    }
    return other->since_ns <= since_ns + DOUBT_SLACK_NS && since_ns <= other->since_ns + window_ns;
}

/* The larger storm first, then the earlier, then the node made first. */
static bool is_before(const struct incidents *incidents, uint32_t a, uint32_t b) {
    const struct member *left = &incidents->members[a];
    const struct member *right = &incidents->members[b];
    uint32_t left_count = incidents->incidents[left->incident].members_count;
    uint32_t right_count = incidents->incidents[right->incident].members_count;
    if (left_count != right_count) {
        return left_count > right_count;
    }
    return left->since_ns != right->since_ns ? left->since_ns < right->since_ns
                                             : left->node < right->node;
}

static void keep_storm(const struct incidents *incidents, struct doubt *doubt, uint32_t slot) {
    uint32_t at = doubt->storms_count < DOUBT_STORMS_MAX ? doubt->storms_count++ : DOUBT_STORMS_MAX;
    while (at > 0 && is_before(incidents, slot, doubt->storms[at - 1])) {
        if (at < DOUBT_STORMS_MAX) {
            doubt->storms[at] = doubt->storms[at - 1];
        }
        at--;
    }
    if (at < DOUBT_STORMS_MAX) {
        doubt->storms[at] = slot;
    }
}

/* Whether a known path leads from the root to any of the storm, or the other way. */
static bool is_joined(struct incidents *incidents, const struct incident_context *context,
                      const struct incident *incident, uint32_t storm) {
    static const enum graph_direction ways[] = {GRAPH_UPSTREAM, GRAPH_DOWNSTREAM};
    uint32_t hops_max = incident_policy(context, incident)->correlate_hops_max;
    hops_max = hops_max < GRAPH_HOPS_MAX ? hops_max : GRAPH_HOPS_MAX;
    for (size_t way = 0; way < sizeof(ways) / sizeof(ways[0]); way++) {
        uint32_t count = 0;
        const struct graph_visit *visits =
            graph_search_run(context->search, context->graph, incident->root_node, ways[way],
                             hops_max, incident_tenant(incident), &count, NULL);
        for (uint32_t i = 0; i < count; i++) {
            const struct member *member =
                incidents_have_member(incidents, visits[i].node)
                    ? member_find(incidents, incident->tenant_hash, visits[i].node)
                    : NULL;
            if (member != NULL && member->incident == storm) {
                return true;
            }
        }
    }
    return false;
}

struct doubt doubt_of(struct incidents *incidents, const struct incident_context *context,
                      const struct incident *incident) {
    const struct member *root = &incidents->members[incident->root];
    uint64_t window_ns = incident_policy(context, incident)->correlate_window_ns;
    struct doubt doubt = {.storms_count = 0};
    uint32_t at = placed_last(incidents, incident->tenant_hash);
    for (uint32_t i = 0; i < DOUBT_LOOKED_AT_MAX && at != INDEX_NONE; i++) {
        const struct member *other = &incidents->members[at];
        if (is_earlier_storm(incidents, incident, other, root->since_ns, window_ns)) {
            keep_storm(incidents, &doubt, at);
        }
        at = other->placed_previous;
    }
    if (doubt.storms_count > 0) {
        const struct member *storm = &incidents->members[doubt.storms[0]];
        doubt.is_beside = storm->since_ns >= root->since_ns;
        doubt.is_joined = is_joined(incidents, context, incident, storm->incident);
    }
    doubt.blames = words_blame_another(slice_of(root->error_class, root->error_class_size)) ||
                   words_blame_another(slice_of(root->message, root->message_size));
    return doubt;
}

double doubt_share(const struct doubt *doubt, bool is_suspected) {
    static const double storms[DOUBT_STORMS_MAX + 1] = {1.0, 1.0 / 10, 1.0 / 27, 1.0 / 27};
    double odds = ODDS_ALONE * storms[doubt->storms_count];
    odds *= doubt->blames && !is_suspected ? 1.0 / 6 : 1.0;
    return odds / (1.0 + odds);
}
