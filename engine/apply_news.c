/*
 * apply_news.c - what an event's news do to the graph, dedup and incidents: steps of apply.c.
 */
#include "engine/engine_state.h"

#include "schemas/derive.h"

struct status engine_apply_bad(struct engine *engine, struct tenant *tenant, uint32_t node,
                               const struct signal *signal,
                               const struct incident_context *context) {
    const struct policy *policy = tenant->policy;
    const struct dedup_rule rule = {policy->dedup_window_ns, policy->dedup_max_window_ns,
                                    tenants_number(&engine->tenants, tenant),
                                    policy->limit_dedup_keys};
    struct dedup_answer answer =
        dedup_admit(engine->dedup, signal->fingerprint, node, engine->now_ns, &rule);
    tenant_count(&engine->tenants, tenant, TENANT_COUNTER_SIGNALS_TOTAL, 1);
    struct incident_change change = {0};
    TRY(incidents_apply_bad(engine->incidents, context, node, signal, !answer.passes, &change));
    if (change.counts) {
        tenant_count(&engine->tenants, tenant, TENANT_COUNTER_SIGNALS_SUPPRESSED, 1);
    }
    if (change.is_stale && engine->stats != NULL) {
        stats_add(engine->stats, STAT_SIGNALS_STALE, 1);
    }
    if (change.opened) {
        tenant_count(&engine->tenants, tenant, TENANT_COUNTER_INCIDENTS_OPENED, 1);
    }
    return status_ok();
}

bool engine_is_beyond_learning(const struct engine *engine, const struct envelope *envelope,
                               struct slice bytes) {
    if ((envelope->flags & ENVELOPE_LEARNED) == 0 || graph_has_learned_room(engine->graph)) {
        return false;
    }
    bool is_known = graph_find_node(engine->graph, envelope->entity_key) != GRAPH_NODE_NONE;
    for (uint32_t i = 0; is_known && i < envelope->depends_on_count; i++) {
        struct slice entity = envelope_depends_on_at(bytes, i);
        struct hash128 key = derive_entity_key(envelope->tenant, entity, engine->hash_seed);
        is_known = graph_find_node(engine->graph, key) != GRAPH_NODE_NONE;
    }
    return !is_known;
}

/* News that are neither good nor bad may say that their entity is hit by an open incident. What
 * finds no room is not shown, and that is all. */
static void apply_complaint(struct engine *engine, const struct envelope *envelope,
                            const struct signal *signal, const struct incident_context *context) {
    if (signal->news != SIGNAL_NEUTRAL || slice_is_empty(signal->message) ||
        incidents_open_count(engine->incidents) == 0) {
        return;
    }
    uint32_t node = GRAPH_NODE_NONE;
    if (incidents_is_complaint(engine->incidents, context, signal) &&
        status_is_ok(engine_intern_node(engine, envelope->tenant, envelope->entity,
                                        envelope->entity_key, &node))) {
        incidents_apply_complaint(engine->incidents, context, node, signal);
    }
}

void engine_apply_neutral(struct engine *engine, const struct envelope *envelope,
                          const struct signal *signal, const struct incident_context *context) {
    uint32_t known = (envelope->flags & ENVELOPE_GOOD) == 0
                         ? GRAPH_NODE_NONE
                         : graph_find_node(engine->graph, envelope->entity_key);
    if (known != GRAPH_NODE_NONE) {
        incidents_note_well(engine->incidents, context, known, signal);
    }
    apply_complaint(engine, envelope, signal, context);
}

void engine_apply_good(struct engine *engine, const struct envelope *envelope, uint32_t node,
                       const struct signal *signal, const struct incident_context *context) {
    if (signal->news == SIGNAL_GOOD &&
        incidents_apply_good(engine->incidents, context, node, signal)) {
        dedup_forget_entity(engine->dedup, node);
    }
    incidents_note_well(engine->incidents, context, node, signal);
    apply_complaint(engine, envelope, signal, context);
}
