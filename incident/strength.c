/*
 * strength.c - which member is the root when signals carry a strength (details.score).
 *
 * Structure alone makes the node furthest upstream the root. With strengths a weak anomaly upstream
 * of a strong one is more likely chance than cause, and with one coarse time stamp for all,
 * strength and structure are all there is. Each bad member is weighed as a root by
 *
 *   reach + strength
 *
 * reach: share of the incident's strength that lies at the member and downstream of it; strength:
 * its own against the strongest; strengths count by log2(1 + score), so that a z-score of 100 is
 * not ten times one of 10. Members without a score count as the mean of those with one. Who blames
 * the root by name does not take its place. The root changes when another is better by
 * CHOICE_MARGIN, or by more once people were told, and by much more when the root lies upstream of
 * that one and turned bad clearly before it: then order and structure agree, and a louder symptom
 * is no news.
 *
 * Whole numbers (millionths), so that no order of a sum shows. Bounded: CANDIDATES_MAX searches.
 */
#include "incident/incident_state.h"

#define CANDIDATES_MAX 64u
#define ONE UINT64_C(1000000)
#define CHOICE_MARGIN UINT64_C(20000)
#define CHOICE_MARGIN_TOLD UINT64_C(100000)
#define CHOICE_MARGIN_FIRST UINT64_C(300000) /* of one that is late or degraded; failed: twice */
/* Clearly: by more than such a part of the window, for clocks differ. */
#define FIRST_PARTS 90u
#define STRENGTH_MAX 1e6F

/* log2(1 + strength) in millionths; straight between powers of two. */
static uint64_t weight_of(float strength) {
    float clamped = strength < STRENGTH_MAX ? strength : STRENGTH_MAX;
    uint64_t fixed = (UINT64_C(1) << 20) + (uint64_t)(clamped * 1048576.0F);
    uint32_t top = 63u - (uint32_t)__builtin_clzll(fixed);
    uint64_t rest = fixed - (UINT64_C(1) << top);
    return (top - 20) * ONE + (rest * ONE >> top);
}

static bool is_candidate(const struct member *member) {
    return !member->is_foreign && !member->is_recovered;
}

/* Who blames the root by name is louder than it, not the cause of it. */
static bool may_be_root(const struct incident_context *context, const struct member *member,
                        const struct member *root) {
    return is_candidate(member) && member != root &&
           !mention_names(slice_of(member->message, member->message_size),
                          graph_get_node(context->graph, root->node).entity);
}

struct weights {
    uint64_t mean; /* of members without a strength */
    uint64_t most;
    uint64_t total;
};

static uint64_t member_weight(const struct member *member, const struct weights *weights) {
    return member->strength > 0 ? weight_of(member->strength) : weights->mean;
}

/* false: no member has a strength. */
static bool sum_weights(struct incidents *incidents, const struct incident *incident,
                        struct weights *weights_out) {
    struct weights weights = {.mean = 0};
    uint64_t scored_sum = 0;
    uint32_t scored = 0;
    uint32_t others = 0;
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        const struct member *member = member_at(incidents, at);
        at = member->next;
        if (!is_candidate(member)) {
            continue;
        }
        if (!(member->strength > 0)) {
            others++;
            continue;
        }
        uint64_t weight = weight_of(member->strength);
        scored_sum += weight;
        scored++;
        weights.most = weight > weights.most ? weight : weights.most;
    }
    if (scored == 0) {
        return false;
    }
    weights.mean = scored_sum / scored;
    weights.total = scored_sum + weights.mean * others;
    *weights_out = weights;
    return weights.most > 0;
}

/* marks: those that it reaches get its generation. */
static uint64_t value_of(struct incidents *incidents, const struct incident_context *context,
                         const struct incident *incident, struct member *member,
                         const struct weights *weights, bool marks) {
    uint64_t own = member_weight(member, weights);
    uint64_t reached = own;
    uint32_t count = 0;
    const struct graph_visit *visits =
        graph_search_run(context->search, context->graph, member->node, GRAPH_DOWNSTREAM,
                         GRAPH_HOPS_MAX, incident_tenant(incident), &count, NULL);
    for (uint32_t i = 0; i < count; i++) {
        struct member *other = member_find(incidents, incident->tenant_hash, visits[i].node);
        if (other != NULL && is_candidate(other) &&
            other->incident == incident_slot(incidents, incident)) {
            if (marks) {
                other->reached_generation = member->reached_generation;
            }
            reached += member_weight(other, weights);
        }
    }
    return reached * ONE / weights->total + own * ONE / weights->most;
}

struct choice {
    struct member *member;
    uint64_t value;
};

static bool is_better(const struct incident_context *context, const struct choice *a,
                      const struct choice *b) {
    if (a->value != b->value) {
        return a->value > b->value;
    }
    if (a->member->since_ns != b->member->since_ns) {
        return a->member->since_ns < b->member->since_ns;
    }
    return slice_compare(graph_get_node(context->graph, a->member->node).entity,
                         graph_get_node(context->graph, b->member->node).entity) < 0;
}

/* By how much the root must be surpassed by that one. */
static uint64_t margin_of(const struct incident_context *context, const struct incident *incident,
                          const struct member *root, const struct member *other) {
    uint64_t clear_ns = incident_policy(context, incident)->correlate_window_ns / FIRST_PARTS;
    bool is_first = other->reached_generation == root->reached_generation &&
                    member_first_ns(root) + clear_ns < member_first_ns(other);
    uint64_t margin = incident->is_told ? CHOICE_MARGIN_TOLD : CHOICE_MARGIN;
    return is_first ? CHOICE_MARGIN_FIRST * (status_is_explicit(root->status) ? 2 : 1) : margin;
}

void strength_choose_root(struct incidents *incidents, const struct incident_context *context,
                          struct incident *incident) {
    struct member *root = member_at(incidents, incident->root);
    struct weights weights;
    if (root->is_foreign || root->is_recovered || incident->members_count > CANDIDATES_MAX ||
        !sum_weights(incidents, incident, &weights)) {
        return;
    }
    root->reached_generation = ++incidents->generation;
    uint64_t value = value_of(incidents, context, incident, root, &weights, true);
    struct choice best = {.member = root, .value = value};
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        struct choice choice = {.member = member_at(incidents, at)};
        at = choice.member->next;
        if (!may_be_root(context, choice.member, root)) {
            continue;
        }
        choice.value = value_of(incidents, context, incident, choice.member, &weights, false);
        bool is_enough = choice.value > value + margin_of(context, incident, root, choice.member);
        best = is_enough && is_better(context, &choice, &best) ? choice : best;
    }
    if (best.member != root) {
        incident_set_root(incidents, context, incident, best.member);
    }
}
