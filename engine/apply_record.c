/*
 * apply_record.c - a record of the journal is applied: time comes to its stamp, then its kind says
 * what is in it.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"

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
        return engine_apply_events(engine, record, batch, heads, fault);
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
