/*
 * rank.c - how sure we are of the root cause, why, and what else it could be.
 *
 * The root itself follows from the graph (correlate.c). Its confidence is
 *
 *   (0.45 * reached + 0.30 * later + 0.15 * explicit + 0.10 / (1 + rivals)) * doubt
 *
 * reached: share of the affected that lie downstream of it (or may: beyond what one search looks
 * at); later: share of them that failed no earlier than it; explicit: 1 when it failed, 0.5 when it
 * is only late or degraded; rivals: affected members that it does not reach. With nothing affected
 * the shares are 1. A suspected root has (0.5 + 0.5 * share) * (1 - 0.5 / count) instead, of its
 * failing direct dependants; so has one that failed, but told it after some of its affected, when
 * that is more: who is suspected is no less likely the cause for saying so at last.
 * doubt: doubt.c. What is left over is divided by weight among earlier
 * storms' roots (STORM_WEIGHT), who else is bad upstream of the affected (rivals.c; 2 times the
 * share of them that depend on it) and the affected: 2 for failing before the root, 2 for not being
 * reached, 1 / (1 + hops) for standing near it; the heaviest are the alternatives.
 */
#include "incident/causes.h"
#include "incident/doubt.h"

#define STORM_WEIGHT 6.0

static double weight_of(const struct member *root, const struct member *member) {
    double weight = 1.0 / (1.0 + (double)member->hops);
    weight += member_first_ns(member) < member_first_ns(root) ? 2.0 : 0.0;
    weight += member->reached_generation != root->reached_generation ? 2.0 : 0.0;
    return weight;
}

/* Keeps the heaviest, in order; ties by node number, which rows keep. */
static void keep_alternative(struct rank *rank, uint32_t node, double weight) {
    uint32_t at = rank->alternatives_count;
    while (at > 0 && (rank->alternatives[at - 1].confidence < weight ||
                      (rank->alternatives[at - 1].confidence == weight &&
                       rank->alternatives[at - 1].node > node))) {
        at--;
    }
    if (at >= INCIDENT_ALTERNATIVES_MAX) {
        return;
    }
    uint32_t count = rank->alternatives_count;
    uint32_t kept = count < INCIDENT_ALTERNATIVES_MAX ? count : INCIDENT_ALTERNATIVES_MAX - 1;
    memmove(&rank->alternatives[at + 1], &rank->alternatives[at],
            (kept - at) * sizeof(rank->alternatives[0]));
    rank->alternatives[at] = (struct rank_alternative){.node = node, .confidence = weight};
    rank->alternatives_count = kept + 1;
}

/* Of so many of its direct dependants that fail, and so many in all. */
static double suspect_confidence(uint32_t failing, uint32_t total) {
    ASSERT(failing > 0 && total > 0);
    double count = (double)failing;
    return (0.5 + 0.5 * count / (double)total) * (1.0 - 0.5 / count);
}

/* 0 when it would not be suspected if it were silent. Of a platform's node others know more than
 * the tenant may. */
static double late_confidence(const struct incident_context *context,
                              const struct incident *incident, const struct member *root,
                              const struct rank *rank, uint32_t failing) {
    struct graph_neighbour below[SUSPECT_DEPENDANTS_MAX];
    uint32_t failing_min = incident_policy(context, incident)->correlate_suspect_min;
    if (rank->earlier_count == 0 || !rank->is_explicit || root->is_foreign || failing_min == 0 ||
        failing < failing_min) {
        return 0;
    }
    uint32_t total = graph_neighbours(context->graph, root->node, GRAPH_DOWNSTREAM, below,
                                      SUSPECT_DEPENDANTS_MAX);
    total = total > failing ? total : failing; /* an edge may be gone since */
    return 2 * failing < total ? 0 : suspect_confidence(failing, total);
}

static double root_confidence(const struct rank *rank) {
    double affected = rank->affected_count == 0 ? 1 : (double)rank->affected_count;
    double reached = rank->affected_count == 0 ? 1 : (double)rank->reached_count / affected;
    double later = 1.0 - (double)rank->earlier_count / affected;
    double rivals = (double)(rank->affected_count - rank->reached_count);
    return 0.45 * reached + 0.30 * later + (rank->is_explicit ? 0.15 : 0.075) +
           0.10 / (1.0 + rivals);
}

/* The roots of earlier storms may be the cause of this one too. Gives the sum of weights. */
static uint64_t keep_storms(const struct incidents *incidents, const struct doubt *doubt,
                            struct rank *rank) {
    for (uint32_t i = 0; i < doubt->storms_count; i++) {
        keep_alternative(rank, incidents->members[doubt->storms[i]].node, STORM_WEIGHT);
    }
    rank->blames = doubt->blames;
    rank->is_storm_beside = doubt->is_beside;
    rank->is_storm_joined = doubt->is_joined;
    rank->storms_count = doubt->storms_count;
    rank->storm_node =
        doubt->storms_count == 0 ? GRAPH_NODE_NONE : incidents->members[doubt->storms[0]].node;
    return doubt->storms_count * (uint64_t)(STORM_WEIGHT * 1e6);
}

static bool is_storm(const struct incidents *incidents, const struct doubt *doubt, uint32_t node) {
    for (uint32_t i = 0; i < doubt->storms_count; i++) {
        if (incidents->members[doubt->storms[i]].node == node) {
            return true;
        }
    }
    return false;
}

/* Gives the sum of weights. */
static uint64_t keep_rivals(struct incidents *incidents, const struct incident_context *context,
                            const struct incident *incident, const struct doubt *doubt,
                            struct rank *rank) {
    struct rivals rivals;
    uint64_t weight_micros = 0;
    rivals_of(incidents, context, incident, &rivals);
    for (uint32_t i = 0; i < rivals.count; i++) {
        const struct rival *rival = &rivals.items[i];
        if (is_storm(incidents, doubt, rival->node)) {
            continue;
        }
        double weight = 2.0 * (double)rival->affected / (double)rank->affected_count;
        keep_alternative(rank, rival->node, weight);
        weight_micros += (uint64_t)(weight * 1e6);
        if (rival->affected > rank->rival_affected ||
            (rival->affected == rank->rival_affected && rival->node < rank->rival_node)) {
            rank->rival_node = rival->node;
            rank->rival_affected = rival->affected;
        }
    }
    return weight_micros;
}

void rank_incident(struct incidents *incidents, const struct incident_context *context,
                   struct incident *incident, bool is_whole) {
    struct member *root = member_at(incidents, incident->root);
    bool is_suspected = incident->suspect_node != GRAPH_NODE_NONE;
    struct rank rank = {
        .is_explicit = status_is_explicit(root->status),
        .has_complaints = incident->complaining_count > 0,
        .suspect_count = is_suspected ? incident->suspect_count : 0,
        .suspect_total = is_suspected ? incident->suspect_total : 0,
    };
    struct doubt doubt = doubt_of(incidents, context, incident);
    /* Whole numbers: the sum must not depend on the order. */
    uint64_t weight_micros = keep_storms(incidents, &doubt, &rank);
    uint32_t direct_count = 0;
    for (uint32_t at = incident->members_first; at != INDEX_NONE;) {
        struct member *member = member_at(incidents, at);
        at = member->next;
        if ((member == root && !is_suspected) || member->is_foreign || member->is_complaining ||
            member->is_bygone) {
            continue;
        }
        double weight = weight_of(root, member);
        weight_micros += (uint64_t)(weight * 1e6);
        rank.affected_count++;
        bool is_reached = member->reached_generation == root->reached_generation;
        rank.reached_count += is_reached || !is_whole ? 1 : 0;
        direct_count += is_reached && member->hops == 1 ? 1 : 0;
        rank.earlier_count += member_first_ns(member) < member_first_ns(root) ? 1 : 0;
        keep_alternative(&rank, member->node, weight);
    }
    weight_micros += keep_rivals(incidents, context, incident, &doubt, &rank);
    uint32_t hint = suspect_hint(incidents, context, incident);
    if (hint != GRAPH_NODE_NONE) {
        keep_alternative(&rank, hint, STORM_WEIGHT);
        weight_micros += (uint64_t)(STORM_WEIGHT * 1e6);
    }
    if (is_suspected) {
        rank.confidence = suspect_confidence(rank.suspect_count, rank.suspect_total);
    } else {
        double late = late_confidence(context, incident, root, &rank, direct_count);
        rank.confidence = root_confidence(&rank);
        rank.confidence = late > rank.confidence ? late : rank.confidence;
    }
    rank.confidence *= doubt_share(&doubt, is_suspected);
    for (uint32_t i = 0; i < rank.alternatives_count; i++) {
        rank.alternatives[i].confidence *= (1.0 - rank.confidence) * 1e6 / (double)weight_micros;
    }
    reach_count_tenants(incidents, context, incident, &rank);
    incident->rank = rank;
}

static void add_suspect_evidence(const struct rank *rank, uint32_t index, struct text *text) {
    if (index == 0) {
        text_add_text(text, "suspected: it reports no failure itself");
    } else if (index == 1 && rank->suspect_total >= SUSPECT_DEPENDANTS_MAX) {
        text_add_format(text, "%u of %u looked at, of all that depend on it directly, are failing",
                        rank->suspect_count, rank->suspect_total);
    } else if (index == 1) {
        text_add_format(text, "%u of the %u that depend on it directly are failing",
                        rank->suspect_count, rank->suspect_total);
    } else {
        text_add_text(text, "nothing else upstream explains them");
    }
}

static void add_root_evidence(const struct rank *rank, uint32_t index, struct text *text) {
    if (index == 0 && rank->earlier_count == 0) {
        text_add_text(text, "first to fail");
    } else if (index == 0) {
        text_add_format(text, "against it: failed after %u of %u affected", rank->earlier_count,
                        rank->affected_count);
    } else if (index == 1 && rank->affected_count == 0) {
        text_add_text(text, "nothing that fails upstream of it explains it");
    } else if (index == 1 && rank->reached_count == 0) {
        text_add_text(text, "no known edge leads from it to ");
        if (rank->affected_count == 1) {
            text_add_text(text, "the other");
        } else {
            text_add_format(text, "any of the %u others", rank->affected_count);
        }
    } else if (index == 1) {
        text_add_format(text, "upstream of %u of %u affected%s", rank->reached_count,
                        rank->affected_count, rank->has_complaints ? " that failed" : "");
    } else {
        text_add_text(text, rank->is_explicit ? "reported a failure itself"
                                              : "is late or degraded, did not report a failure");
    }
}

/* Three of the root or the suspicion; tenants, a storm, a rival, words: INCIDENT_EVIDENCE_MAX. */
bool rank_evidence(const struct rank *rank, const struct graph *graph, uint32_t index,
                   struct text *text) {
    if (index < 3) {
        (rank->suspect_count > 0 ? add_suspect_evidence : add_root_evidence)(rank, index, text);
        return true;
    }
    index -= 3;
    if (rank->tenants_hit + rank->tenants_at_risk > 0 && index-- == 0) {
        text_add_format(text, "tenants hit: %u, at risk: %u", rank->tenants_hit,
                        rank->tenants_at_risk);
        return true;
    }
    if (rank->storms_count > 0 && index-- == 0) {
        text_add_format(text, "against it: a storm that %s to it began %s, at ",
                        rank->is_storm_joined ? "known edges join" : "no known edge joins",
                        rank->is_storm_beside ? "about the same time" : "before");
        text_add(text, graph_get_node(graph, rank->storm_node).entity);
        return true;
    }
    if (rank->rival_affected > 0 && index-- == 0) {
        text_add_format(text,
                        "against it: %u of %u affected depend directly on another that fails, ",
                        rank->rival_affected, rank->affected_count);
        text_add(text, graph_get_node(graph, rank->rival_node).entity);
        return true;
    }
    if (rank->blames && rank->suspect_count == 0 && index == 0) {
        text_add_text(text, "against it: its error may be of something that it depends on");
        return true;
    }
    return false;
}
