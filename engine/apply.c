/*
 * apply.c - the road of an event behind the journal, on one screen:
 * admit (seen?) > signals (news?) > graph (who) > dedup (told already?) > incident (join, open,
 * merge, recover). Telling is the incident room's business, by timers.
 *
 * Nothing here can refuse an event: it was acknowledged. What finds no room goes to the quarantine
 * with the reason, where an operator sees it; but not for a dependency alone (entities.c).
 * A record's events come here one by one (passage.c); what news do, step by step, is apply_news.c.
 */
#include "engine/engine_state.h"

/* Neutral events of entities that nobody depends on need no node: a plain log of a healthy service
 * costs no graph memory until it says something. */
static bool event_concerns_graph(const struct envelope *envelope, const struct signal *signal) {
    return signal->news != SIGNAL_NEUTRAL || envelope->depends_on_count > 0;
}

static struct status apply_admitted(struct engine *engine, struct tenant *tenant,
                                    const struct envelope *envelope, struct slice bytes,
                                    uint32_t index) {
    struct signal signal = signal_classify(envelope);
    struct incident_context context = engine_incident_context(engine, index);
    if (!event_concerns_graph(envelope, &signal)) {
        engine_apply_neutral(engine, envelope, &signal, &context);
        return status_ok();
    }
    uint32_t node = GRAPH_NODE_NONE;
    if (engine_is_beyond_learning(engine, envelope, bytes)) {
        return status_ok();
    }
    TRY(engine_intern_node(engine, envelope->tenant, envelope->entity, envelope->entity_key,
                           &node));
    engine_learn_dependencies(engine, envelope, bytes, node, &context);
    if (signal.news == SIGNAL_BAD) {
        return engine_apply_bad(engine, tenant, node, &signal, &context);
    }
    engine_apply_good(engine, envelope, node, &signal, &context);
    return status_ok();
}

bool engine_admit_id(struct engine *engine, const struct tenant *tenant, struct hash128 key) {
    return event_ids_admit(engine->event_ids, key) ||
           event_ids_admit_again(engine->event_ids, key, tenant->policy->idempotency_horizon_ns);
}

struct status engine_apply_event(struct engine *engine, const struct envelope *envelope,
                                 struct slice bytes, uint64_t seq, uint32_t index,
                                 struct tenant **tenant_out) {
    struct tenant *tenant = NULL;
    struct status status = tenants_intern(&engine->tenants, envelope->tenant, &tenant);
    if (!status_is_ok(status)) { /* beyond TENANTS_MAX */
        engine_set_aside(engine, envelope->tenant, seq, index, bytes);
        return status_ok();
    }
    *tenant_out = tenant;
    /* What was found out, or stands, beside an event is none that anybody sent. */
    uint64_t count = (envelope->flags & (ENVELOPE_LEARNED | ENVELOPE_BESIDE)) != 0 ? 0 : 1;
    tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_RECEIVED, count);
    if ((envelope->flags & ENVELOPE_REFUSED) != 0) {
        tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_REJECTED, 1);
        engine_quarantine(engine, tenant->name, seq, index, bytes);
        return status_ok();
    }
    tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_ACCEPTED, count);
    if (event_is_remembered(envelope->kind, envelope->flags) &&
        !engine_admit_id(engine, tenant, envelope->event_key)) {
        tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_DUPLICATE, count);
        return status_ok();
    }
    status = apply_admitted(engine, tenant, envelope, bytes, index);
    if (status.code == STATUS_FULL) {
        engine_set_aside(engine, tenant->name, seq, index, bytes);
        return status_ok();
    }
    return status;
}

struct status engine_apply_again(struct engine *engine, struct slice bytes, uint32_t index,
                                 struct fault *fault) {
    struct envelope envelope;
    struct tenant *tenant = NULL;
    size_t ids_bytes = event_ids_effect_bytes(engine->event_ids, 1);
    envelope_read(bytes, &envelope);
    TRY(engine_make_event_room(engine, fault));
    TRY(engine_make_room(engine, EVENT_EFFECT_BYTES_MIN + ids_bytes, fault));
    if (!status_is_ok(tenants_intern(&engine->tenants, envelope.tenant, &tenant))) {
        engine_quarantine(engine, envelope.tenant, engine->applied_seq, index, bytes);
        return status_ok();
    }
    event_ids_begin_batch(engine->event_ids, engine->applied_seq, engine->now_ns,
                          engine->spans.idempotency_horizon_ns_max);
    (void)engine_admit_id(engine, tenant, envelope.event_key); /* known, or from now on */
    event_ids_end_batch(engine->event_ids, &engine->effects);
    struct status status = apply_admitted(engine, tenant, &envelope, bytes, index);
    if (status.code == STATUS_FULL) {
        engine_quarantine(engine, tenant->name, engine->applied_seq, index, bytes);
        return status_ok();
    }
    return status;
}
