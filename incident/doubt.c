/*
 * doubt.c - what speaks against the root that the graph gives: another storm, and its own words.
 *
 * A graph is never whole. Where an edge is missing, what it would have joined opens an incident of
 * its own, whose first failure looks like a root. Two things betray it: another incident of the
 * tenant, of more than one entity, that began before it within the window; and an error that speaks
 * of something else (a timeout, a refused connection, a 503, "upstream") rather than of itself.
 * Neither proves anything, so neither changes the root or merges incidents: they lower the
 * confidence, and the earlier storms' roots are named as alternatives.
 *
 * As odds that the root is right: ODDS_ALONE, times 1/10, 1/27, 1/80 for one, two, more earlier
 * storms, times 1/6 for such words. Measured on labelled storms: docs/root-cause.md.
 *
 * Bounded: the DOUBT_LOOKED_AT_MAX members placed last.
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
        &incidents->members[storm->root] != other || storm->members_count < 2) {
        return false;
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

struct doubt doubt_of(const struct incidents *incidents, const struct incident_context *context,
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
    doubt.blames = words_blame_another(slice_of(root->error_class, root->error_class_size)) ||
                   words_blame_another(slice_of(root->message, root->message_size));
    return doubt;
}

double doubt_share(const struct doubt *doubt, bool is_suspected) {
    static const double storms[DOUBT_STORMS_MAX + 1] = {1.0, 1.0 / 10, 1.0 / 27, 1.0 / 80};
    double odds = ODDS_ALONE * storms[doubt->storms_count];
    odds *= doubt->blames && !is_suspected ? 1.0 / 6 : 1.0;
    return odds / (1.0 + odds);
}
