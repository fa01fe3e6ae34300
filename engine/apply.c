/*
 * apply.c - the road of an event behind the journal, on one screen:
 * admit (seen?) > signals (news?) > graph (who) > dedup (told already?) > incident (join, open,
 * merge, recover). Telling is the incident room's business, by timers.
 *
 * Nothing here can refuse an event: it was acknowledged. What finds no room goes to the quarantine
 * with the reason, where an operator sees it; but not for a dependency alone (entities.c).
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"
#include "engine/heads.h"
#include "schemas/derive.h"

static struct status apply_bad_news(struct engine *engine, struct tenant *tenant, uint32_t node,
                                    const struct signal *signal,
                                    const struct incident_context *context) {
    const struct policy *policy = tenant->policy;
    const struct dedup_rule rule = {policy->dedup_window_ns, policy->dedup_max_window_ns,
                                    tenants_number(&engine->tenants, tenant),
                                    policy->limit_dedup_keys};
    struct dedup_answer answer =
        dedup_admit(engine->dedup, signal->fingerprint, node, engine->now_ns, &rule);
    tenant_count(&engine->tenants, tenant, TENANT_COUNTER_SIGNALS_TOTAL, 1);
    if (!answer.passes) {
        tenant_count(&engine->tenants, tenant, TENANT_COUNTER_SIGNALS_SUPPRESSED, 1);
    }
    struct incident_change change = {0};
    TRY(incidents_apply_bad(engine->incidents, context, node, signal, !answer.passes, &change));
    if (change.is_stale && engine->stats != NULL) {
        stats_add(engine->stats, STAT_SIGNALS_STALE, 1);
    }
    if (change.opened) {
        tenant_count(&engine->tenants, tenant, TENANT_COUNTER_INCIDENTS_OPENED, 1);
    }
    return status_ok();
}

/* Neutral events of entities that nobody depends on need no node: a plain log of a healthy service
 * costs no graph memory until it says something. */
static bool event_concerns_graph(const struct envelope *envelope, const struct signal *signal) {
    return signal->news != SIGNAL_NEUTRAL || envelope->depends_on_count > 0;
}

/* When enough was learned, no nodes are made for more; what is known is still refreshed. */
static bool is_beyond_learning(const struct engine *engine, const struct envelope *envelope,
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
                            const struct signal *signal, uint32_t index) {
    if (signal->news != SIGNAL_NEUTRAL || slice_is_empty(signal->message) ||
        incidents_open_count(engine->incidents) == 0) {
        return;
    }
    struct incident_context context = engine_incident_context(engine, index);
    uint32_t node = GRAPH_NODE_NONE;
    if (incidents_is_complaint(engine->incidents, &context, signal) &&
        status_is_ok(engine_intern_node(engine, envelope->tenant, envelope->entity,
                                        envelope->entity_key, &node))) {
        incidents_apply_complaint(engine->incidents, &context, node, signal);
    }
}

static struct status apply_admitted(struct engine *engine, struct tenant *tenant,
                                    const struct envelope *envelope, struct slice bytes,
                                    uint32_t index) {
    struct signal signal = signal_classify(envelope);
    struct incident_context context = engine_incident_context(engine, index);
    if (!event_concerns_graph(envelope, &signal)) {
        uint32_t known = (envelope->flags & ENVELOPE_GOOD) == 0
                             ? GRAPH_NODE_NONE
                             : graph_find_node(engine->graph, envelope->entity_key);
        if (known != GRAPH_NODE_NONE) {
            incidents_note_well(engine->incidents, &context, known, &signal);
        }
        apply_complaint(engine, envelope, &signal, index);
        return status_ok();
    }
    uint32_t node = GRAPH_NODE_NONE;
    if (is_beyond_learning(engine, envelope, bytes)) {
        return status_ok();
    }
    TRY(engine_intern_node(engine, envelope->tenant, envelope->entity, envelope->entity_key,
                           &node));
    engine_learn_dependencies(engine, envelope, bytes, node, &context);
    if (signal.news == SIGNAL_BAD) {
        return apply_bad_news(engine, tenant, node, &signal, &context);
    }
    if (signal.news == SIGNAL_GOOD &&
        incidents_apply_good(engine->incidents, &context, node, &signal)) {
        dedup_forget_entity(engine->dedup, node);
    }
    incidents_note_well(engine->incidents, &context, node, &signal);
    apply_complaint(engine, envelope, &signal, index);
    return status_ok();
}

/* An event on its way: opened some events before its turn, so that what it needs of the id index
 * and the graph has come when it is applied. Of a quiet one the head is all that is read. */
struct opened_event {
    const struct event_head *head;
    struct slice bytes;
    struct envelope envelope;
    struct status status; /* CORRUPT: not an envelope */
};

enum { OPENED_AHEAD = 16, NODE_AHEAD = 8 };

/* A record's events, on their way. */
struct passage {
    const struct batch_view *batch;
    struct slice record;
    struct event_heads heads;
    struct opened_event events[OPENED_AHEAD];
    struct stream_group group;
    struct tenant *tenant; /* of the latest event; NULL when it had none */
};

/* Its envelope was not read, and mostly need not be. */
static bool has_head_only(const struct opened_event *event) {
    return (event->head->traits & (EVENT_QUIET | EVENT_WELL)) != 0;
}

/* Good or bad news: neutral events look for no node. */
static bool is_news(const struct opened_event *event) {
    return !has_head_only(event) && status_is_ok(event->status) &&
           (event->envelope.flags & (ENVELOPE_SIGNAL | ENVELOPE_GOOD)) != 0;
}

static bool is_bad_news(const struct opened_event *event) {
    return is_news(event) && (event->envelope.flags & ENVELOPE_SIGNAL) != 0;
}

static void read_event(struct opened_event *event) {
    event->status = envelope_verify(event->bytes);
    if (status_is_ok(event->status)) {
        envelope_read(event->bytes, &event->envelope);
    }
}

static void open_event(struct engine *engine, struct passage *passage, uint32_t index) {
    struct opened_event *event = &passage->events[index % OPENED_AHEAD];
    event->head = &passage->heads.items[index];
    event->bytes = slice_of(passage->record.data + event->head->at, event->head->size);
    if (has_head_only(event)) {
        event_ids_prefetch(engine->event_ids, event->head->event_key);
        if ((event->head->traits & EVENT_WELL) != 0) {
            graph_prefetch_slot(engine->graph, event->head->entity_key);
        }
        return;
    }
    read_event(event);
    if (status_is_ok(event->status)) {
        event_ids_prefetch(engine->event_ids, event->envelope.event_key);
    }
    if (is_news(event)) {
        graph_prefetch_slot(engine->graph, event->envelope.entity_key);
    }
    if (is_bad_news(event)) {
        dedup_prefetch(engine->dedup, event->envelope.fingerprint);
    }
}

/* The slot has come meanwhile. */
static void fetch_node(struct engine *engine, const struct opened_event *event) {
    if ((event->head->traits & EVENT_WELL) != 0) {
        graph_prefetch_node(engine->graph, event->head->entity_key);
    } else if (is_news(event)) {
        graph_prefetch_node(engine->graph, event->envelope.entity_key);
    }
    if (is_bad_news(event)) {
        dedup_prefetch_entry(engine->dedup, event->envelope.fingerprint);
    }
}

/* What was not applied for want of room stands in the quarantine. */
static void set_aside(struct engine *engine, struct slice tenant, uint64_t seq, uint32_t index,
                      struct slice bytes) {
    uint64_t count = 0;
    if (engine->stats != NULL) {
        stats_add(engine->stats, STAT_EVENTS_SET_ASIDE, 1);
    }
    if (tally_add(&engine->events_set_aside, engine->now_ns, &count)) {
        log_write(engine->logger, LOG_LEVEL_ERROR, "engine",
                  "no room left for tenants, entities or incidents: %llu events stand in the "
                  "quarantine, the latest is %llu/%u of tenant %.*s",
                  (unsigned long long)count, (unsigned long long)seq, index, SLICE_PRINT(tenant));
    }
    engine_quarantine(engine, tenant, seq, index, bytes);
}

static bool is_new_id(struct engine *engine, const struct tenant *tenant, struct hash128 key) {
    return event_ids_admit(engine->event_ids, key) ||
           event_ids_admit_again(engine->event_ids, key, tenant->policy->idempotency_horizon_ns);
}

static struct status apply_event(struct engine *engine, const struct opened_event *event,
                                 uint64_t seq, uint32_t index, struct tenant **tenant_out) {
    const struct envelope *envelope = &event->envelope;
    TRY(event->status);
    struct tenant *tenant = NULL;
    struct status status = tenants_intern(&engine->tenants, envelope->tenant, &tenant);
    if (!status_is_ok(status)) { /* beyond TENANTS_MAX */
        set_aside(engine, envelope->tenant, seq, index, event->bytes);
        return status_ok();
    }
    *tenant_out = tenant;
    /* What was found out, or stands, beside an event is none that anybody sent. */
    uint64_t count = (envelope->flags & (ENVELOPE_LEARNED | ENVELOPE_BESIDE)) != 0 ? 0 : 1;
    tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_RECEIVED, count);
    if ((envelope->flags & ENVELOPE_REFUSED) != 0) {
        tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_REJECTED, 1);
        engine_quarantine(engine, tenant->name, seq, index, event->bytes);
        return status_ok();
    }
    tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_ACCEPTED, count);
    if (event_is_remembered(envelope->kind, envelope->flags) &&
        !is_new_id(engine, tenant, envelope->event_key)) {
        tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_DUPLICATE, count);
        return status_ok();
    }
    status = apply_admitted(engine, tenant, envelope, event->bytes, index);
    if (status.code == STATUS_FULL) {
        set_aside(engine, tenant->name, seq, index, event->bytes);
        return status_ok();
    }
    return status;
}

/* A quiet event is one by its head alone; a well one when its entity is known, is known to be well,
 * and neither an incident nor dedup has anything to forget for it. */
static bool is_quiet_now(const struct engine *engine, const struct event_head *head) {
    if ((head->traits & EVENT_WELL) == 0) {
        return (head->traits & EVENT_QUIET) != 0;
    }
    uint32_t node = graph_find_node(engine->graph, head->entity_key);
    return node != GRAPH_NODE_NONE && !incidents_have_member(engine->incidents, node) &&
           !dedup_has_entity(engine->dedup, node) &&
           incidents_is_well_noted(engine->graph, node, engine->now_ns);
}

/* All that apply_event would do with it. */
static void apply_quiet(struct engine *engine, struct tenant *tenant,
                        const struct event_head *head) {
    tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_RECEIVED, 1);
    tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_ACCEPTED, 1);
    if ((head->traits & EVENT_REMEMBERED) != 0 && !is_new_id(engine, tenant, head->event_key)) {
        tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_DUPLICATE, 1);
    }
}

static struct status apply_turn(struct engine *engine, struct passage *passage, uint32_t index,
                                struct fault *fault) {
    struct opened_event *event = &passage->events[index % OPENED_AHEAD];
    const struct batch_view *batch = passage->batch;
    if (passage->tenant != NULL && is_quiet_now(engine, event->head) &&
        (batch->kind != BATCH_STREAM || streams_pass_new(&passage->group))) {
        apply_quiet(engine, passage->tenant, event->head);
        return status_ok();
    }
    if (has_head_only(event)) {
        read_event(event); /* not quiet; or the one before it was none, and the tenant is unknown */
    }
    TRY(engine_make_event_room(engine, fault));
    if (batch->kind == BATCH_STREAM &&
        !streams_pass(&engine->streams, &passage->group, event->bytes, &engine->effects)) {
        passage->tenant = NULL;
        return status_ok();
    }
    passage->tenant = NULL;
    struct status status = apply_event(engine, event, batch->seq, index, &passage->tenant);
    if (!status_is_ok(status)) {
        /* The journal's checksum held, so this is a record of a broken writer: skip it loudly. */
        log_write(engine->logger, LOG_LEVEL_ERROR, "engine", "event %llu/%u skipped: %s",
                  (unsigned long long)batch->seq, index, status_name(status));
    }
    return status_ok();
}

static struct status apply_in_turn(struct engine *engine, struct passage *passage,
                                   struct fault *fault) {
    uint32_t count = passage->heads.count;
    uint32_t opened = 0;
    for (uint32_t index = 0; index < count; index++) {
        while (opened < count && opened < index + OPENED_AHEAD) {
            open_event(engine, passage, opened++);
        }
        if (index + NODE_AHEAD < opened) {
            fetch_node(engine, &passage->events[(index + NODE_AHEAD) % OPENED_AHEAD]);
        }
        TRY(apply_turn(engine, passage, index, fault));
    }
    return status_ok();
}

static struct status apply_events(struct engine *engine, struct slice record,
                                  struct batch_view *batch, const struct event_heads *heads,
                                  struct fault *fault) {
    struct passage passage; /* its events are written before they are read */
    passage.batch = batch;
    passage.record = record;
    passage.heads =
        heads != NULL ? *heads : heads_make(record, batch, engine->heads, BATCH_EVENTS_MAX);
    passage.group = (struct stream_group){0};
    passage.tenant = NULL;
    size_t ids_bytes = event_ids_effect_bytes(engine->event_ids, batch->count);
    TRY(engine_make_room(engine, EVENT_EFFECT_BYTES_MIN + ids_bytes, fault));
    event_ids_begin_batch(engine->event_ids, batch->seq, engine->now_ns,
                          engine->spans.idempotency_horizon_ns_max);
    TRY(apply_in_turn(engine, &passage, fault));
    TRY(engine_make_room(engine, ids_bytes, fault));
    event_ids_end_batch(engine->event_ids, &engine->effects);
    return status_ok();
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
    (void)is_new_id(engine, tenant, envelope.event_key); /* known, or from now on */
    event_ids_end_batch(engine->event_ids, &engine->effects);
    struct status status = apply_admitted(engine, tenant, &envelope, bytes, index);
    if (status.code == STATUS_FULL) {
        engine_quarantine(engine, tenant->name, engine->applied_seq, index, bytes);
        return status_ok();
    }
    return status;
}

static struct status apply_each(struct engine *engine, struct batch_view *batch,
                                struct status (*apply)(struct engine *, struct slice,
                                                       struct fault *),
                                struct fault *fault) {
    struct slice entry;
    while (batch_next(batch, &entry)) {
        TRY(apply(engine, entry, fault));
    }
    return status_ok();
}

static struct status apply_kind(struct engine *engine, struct slice record,
                                struct batch_view *batch, const struct event_heads *heads,
                                struct fault *fault) {
    switch (batch->kind) {
    case BATCH_EVENTS:
    case BATCH_STREAM:
        return apply_events(engine, record, batch, heads, fault);
    case BATCH_TICK:
        return status_ok(); /* time itself is the news: see advance below */
    case BATCH_CONFIG:
        return apply_each(engine, batch, engine_configure, fault);
    case BATCH_OPERATOR:
        return engine_apply_operator(engine, batch, fault);
    case BATCH_OUTCOME:
        return engine_apply_outcomes(engine, batch, fault);
    }
    return status_of(STATUS_CORRUPT);
}

static struct status advance_time(struct engine *engine, struct fault *fault) {
    dedup_advance(engine->dedup, engine->now_ns);
    bool is_done = false;
    while (!is_done) {
        TRY(engine_make_event_room(engine, fault));
        struct incident_context context = engine_incident_context(engine, UINT32_MAX);
        is_done = incidents_advance(engine->incidents, &context);
    }
    return status_ok();
}

static struct status apply_record(struct engine *engine, struct slice record,
                                  struct batch_view opened, const struct event_heads *heads,
                                  struct fault *fault) {
    struct batch_view batch = opened;
    ASSERT(batch.seq == engine->applied_seq + 1 || engine->applied_seq == 0);
    ASSERT(batch.stamp_ns >= engine->now_ns);
    TRY(engine_commit_what_is_read(engine, &batch, fault));
    /* Not ahead of who is about to say what may stay, or what becomes of a row, nor of who reads
     * whether an incident is there. */
    bool trims = batch.kind != BATCH_OPERATOR && batch.kind != BATCH_CONFIG &&
                 batch.kind != BATCH_OUTCOME && engine_kept_is_due(engine, batch.stamp_ns);
    TRY(trims ? engine_commit(engine, fault) : status_ok());
    poison_enter(&engine->poison, batch.seq);
    uint64_t before_ns = engine->now_ns;
    engine->now_ns = batch.stamp_ns;
    engine->applied_seq = batch.seq;
    engine_expire_learned(engine, before_ns);
    TRY(trims ? engine_kept_trim(engine, fault) : status_ok());
    TRY(advance_time(engine, fault));
    TRY(apply_kind(engine, record, &batch, heads, fault));
    if (batch.is_broken) {
        log_write(engine->logger, LOG_LEVEL_ERROR, "engine",
                  "record %llu is broken: its events behind the break are skipped",
                  (unsigned long long)batch.seq);
    }
    TRY(advance_time(engine, fault)); /* what the record itself made due: group_wait = 0 */
    graph_fold(engine->graph);
    poison_leave(&engine->poison);
    return status_ok();
}

struct status engine_apply(struct engine *engine, struct slice record, struct fault *fault) {
    struct batch_view batch;
    TRY(batch_open(record, &batch));
    return apply_record(engine, record, batch, NULL, fault);
}

struct status engine_apply_from(struct engine *engine, struct slice record,
                                struct block_heads *block, struct fault *fault) {
    struct batch_view batch;
    struct event_heads heads;
    TRY(batch_open(record, &batch));
    bool has_heads = block_heads_take(block, &batch, &heads);
    return apply_record(engine, record, batch, has_heads ? &heads : NULL, fault);
}

uint64_t engine_next_due_ns(const struct engine *engine) {
    uint64_t incidents_ns = incidents_next_due_ns(engine->incidents);
    uint64_t expiry_ns = engine_next_expiry_ns(engine);
    uint64_t next_ns = incidents_ns < expiry_ns ? incidents_ns : expiry_ns;
    return engine->kept.next_ns < next_ns ? engine->kept.next_ns : next_ns;
}

struct status engine_quarantine_record(struct engine *engine, struct slice record,
                                       struct fault *fault) {
    struct batch_view batch;
    TRY(batch_open(record, &batch));
    engine->now_ns = batch.stamp_ns > engine->now_ns ? batch.stamp_ns : engine->now_ns;
    engine->applied_seq = batch.seq;
    struct slice entry;
    struct stream_group group = {0};
    for (uint32_t index = 0; batch_next(&batch, &entry); index++) {
        TRY(engine_make_room(engine, EVENT_EFFECT_BYTES_MIN, fault));
        struct envelope envelope = {.tenant = SLICE("default")};
        if (batch.kind == BATCH_STREAM &&
            !streams_pass(&engine->streams, &group, entry, &engine->effects)) {
            continue; /* the place moves on, or the source would send the record again */
        }
        if ((batch.kind == BATCH_EVENTS || batch.kind == BATCH_STREAM) &&
            status_is_ok(envelope_verify(entry))) {
            envelope_read(entry, &envelope);
        }
        engine_quarantine(engine, envelope.tenant, batch.seq, index, entry);
    }
    return status_ok();
}

struct hash128 engine_digest(const struct engine *engine) {
    struct hash128 digest = dedup_digest(engine->dedup);
    digest = hash128_combine(digest, graph_digest(engine->graph));
    digest = hash128_combine(digest, incidents_digest(engine->incidents));
    digest = hash128_combine(digest, engine_kept_digest(engine));
    return hash128_combine(digest, silences_digest(&engine->silences));
}
