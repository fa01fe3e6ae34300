/*
 * passage.c - a record's events on their way to apply.c, in order.
 *
 * Each is opened some events before its turn, so that what it needs of the id index and the graph
 * has come when it is applied. Nearly all are quiet: what they would do is known by their head
 * (heads.h), and done here without reading them.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"

/* Of a quiet one the head is all that is read. */
struct opened_event {
    const struct event_head *head;
    struct slice bytes;
    struct envelope envelope;
    struct status status; /* CORRUPT: not an envelope */
};

enum { OPENED_AHEAD = 32, NODE_AHEAD = 8 };

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

/* All that engine_apply_event would do with it. */
static void apply_quiet(struct engine *engine, struct tenant *tenant,
                        const struct event_head *head) {
    tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_RECEIVED, 1);
    tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_ACCEPTED, 1);
    if ((head->traits & EVENT_REMEMBERED) != 0 &&
        !engine_admit_id(engine, tenant, head->event_key)) {
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
    struct status status = event->status;
    if (status_is_ok(status)) {
        status = engine_apply_event(engine, &event->envelope, event->bytes, batch->seq, index,
                                    &passage->tenant);
    }
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

struct status engine_apply_events(struct engine *engine, struct slice record,
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
