/*
 * outcome.c - what became of a message for a sink: its outbox row goes, or becomes a dead letter,
 * and the tenant's delivery counters move; an attempt that failed moves a counter only. What the
 * sink wants to know again about the incident (a chat's thread) is kept in table MEMORY, in the
 * same transaction.
 *
 * The row is read back from the store, so it must be committed: in a replay that still has it in
 * the open transaction, the transaction is committed first, before the record begins. (A commit
 * in its middle would say that all of it is applied.) So it is when the row was perhaps settled
 * since the last commit: the store still shows it, and a sink that was restarted, or removed, may
 * tell of a message twice. And so must be what dropped incidents: of one that is gone nothing is
 * remembered, since nothing would ever drop that; and what merged them: what was given up, or
 * arrives after all, stands in the timeline of the incident that is left.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"
#include "core/outbox.h"

enum { MEMORY_KEY_BYTES_MAX = 500 };

static void bury(struct engine *engine, struct slice key, struct slice row, struct slice tenant,
                 const struct outbox_outcome *outcome) {
    const struct dead_letter letter = {row, outcome->attempts, outcome->error, engine->now_ns};
    size_t size = row.size + outcome->error.size + 32;
    size_t mark = engine->arena.used_bytes;
    uint8_t *memory = arena_allocate(&engine->arena, size, 8);
    ASSERT(memory != NULL);
    struct writer writer = writer_over(memory, size);
    dead_letter_encode(&letter, &writer);
    ASSERT(!writer.failed);
    effect_put(&engine->effects, STORE_TABLE_DEAD, key, writer_slice(&writer));
    engine_kept_add(engine, KEPT_DEAD, tenant,
                    &(struct kept_row){
                        .number = outcome->number, .at_ns = engine->now_ns, .bytes = writer.size});
    arena_rewind(&engine->arena, mark);
}

static void count_outcome(struct engine *engine, struct tenant *tenant,
                          const struct outbox_outcome *outcome) {
    struct tenants *tenants = &engine->tenants;
    tenant_count(tenants, tenant, TENANT_COUNTER_DELIVERIES_FAILED,
                 outcome->attempts - outcome->attempts_told);
    if (outcome->result == OUTBOX_DELIVERED) {
        tenant_count(tenants, tenant, TENANT_COUNTER_DELIVERIES_OK, 1);
    } else if (outcome->result == OUTBOX_DEAD) {
        tenant_count(tenants, tenant, TENANT_COUNTER_DELIVERIES_DEAD, 1);
    }
}

static void remember(struct engine *engine, struct store_snapshot *snapshot,
                     const struct outbox_message *message, struct slice memory) {
    uint8_t bytes[MEMORY_KEY_BYTES_MAX];
    struct writer key = writer_over(bytes, sizeof(bytes));
    outbox_memory_key(message->incident_id, message->sink, &key);
    /* A sink with a name beyond LMDB's keys remembers nothing. */
    if (!key.failed && engine_kept_has_incident(snapshot, message->tenant, message->incident_id)) {
        effect_put(&engine->effects, STORE_TABLE_MEMORY, writer_slice(&key), memory);
    }
}

/* The first version overtakes nothing, so it is only noted where a row says that none was heard.
 * That says the row of an "opened" that became a letter: version 0. */
static void note_heard(struct engine *engine, struct store_snapshot *snapshot,
                       const struct outbox_message *message, enum outbox_result result) {
    uint8_t bytes[MEMORY_KEY_BYTES_MAX];
    uint8_t value_bytes[5];
    struct writer key = writer_over(bytes, sizeof(bytes));
    struct writer value = writer_over(value_bytes, sizeof(value_bytes));
    struct slice known = slice_of(NULL, 0);
    outbox_heard_key(message->incident_id, message->sink, &key);
    if (key.failed || !engine_kept_has_incident(snapshot, message->tenant, message->incident_id)) {
        return;
    }
    bool is_known =
        status_is_ok(store_get(snapshot, STORE_TABLE_MEMORY, writer_slice(&key), &known));
    struct reader reader = reader_over(known);
    bool is_delivered = result == OUTBOX_DELIVERED;
    bool says_nothing = is_delivered ? message->incident_version <= 1 && !is_known
                                     : message->type != OUTBOX_OPENED || is_known;
    bool is_older =
        message->is_again && is_known && reader_u32(&reader) > message->incident_version;
    if (!says_nothing && !is_older) {
        writer_u32(&value, is_delivered ? message->incident_version : 0);
        writer_u8(&value, is_delivered && message->type == OUTBOX_RESOLVED ? 1 : 0);
        effect_put(&engine->effects, STORE_TABLE_MEMORY, writer_slice(&key), writer_slice(&value));
    }
}

/* Into the timeline of the incident, or of the one that it was merged into: its line of what was
 * told would else say that people know. */
static void tell_timeline(struct engine *engine, struct store_snapshot *snapshot,
                          const struct outbox_message *message,
                          const struct outbox_outcome *outcome) {
    bool is_dead = outcome->result == OUTBOX_DEAD;
    bool is_overtaken = outcome->result == OUTBOX_SUPERSEDED;
    if (!is_dead && !message->is_again) {
        return;
    }
    const struct incident_delivery delivery = {
        .what = is_dead || is_overtaken ? INCIDENT_UNDELIVERED : INCIDENT_DELIVERED_LATE,
        .message_id = message->message_id,
        .version = message->incident_version,
        .type = outbox_type_word(message->type),
        .sink = message->sink,
        .reason = is_dead        ? outcome->error
                  : is_overtaken ? SLICE("a newer message of the incident took its place")
                                 : slice_of(NULL, 0),
    };
    struct incident_context context = engine_incident_context(engine, 0);
    struct hash128 id = message->incident_id;
    for (uint32_t step = 0; step < ALIAS_STEPS_MAX; step++) {
        if (incidents_note_delivery(engine->incidents, &context, id, &delivery)) {
            return;
        }
        if (!engine_follow_alias(snapshot, &id)) {
            break;
        }
    }
    if (engine_kept_has_incident(snapshot, message->tenant, id)) {
        incident_note_delivery_late(&context, id, &delivery);
    }
}

static struct status settle_row(struct engine *engine, struct store_snapshot *snapshot,
                                struct slice key, struct slice row,
                                const struct outbox_outcome *outcome) {
    struct outbox_message message;
    TRY(outbox_message_decode(row, &message));
    struct tenant *tenant = NULL;
    TRY(tenants_intern(&engine->tenants, message.tenant, &tenant));
    count_outcome(engine, tenant, outcome);
    if (outcome->result == OUTBOX_ATTEMPTED) {
        return status_ok();
    }
    if (outcome->result == OUTBOX_DEAD) {
        bury(engine, key, row, message.tenant, outcome);
    }
    tell_timeline(engine, snapshot, &message, outcome);
    if (outcome->memory.size > 0) {
        remember(engine, snapshot, &message, outcome->memory);
    }
    if (outcome->result == OUTBOX_DELIVERED || outcome->result == OUTBOX_DEAD) {
        note_heard(engine, snapshot, &message, outcome->result);
    }
    effect_delete(&engine->effects, STORE_TABLE_OUTBOX, key);
    engine->settled_seq[outcome->number % SETTLED_SLOTS] = engine->applied_seq;
    return status_ok();
}

/* Whether the store does not show yet what became of the row. */
static bool is_ahead_of_store(const struct engine *engine, uint64_t number) {
    return number >= engine->committed_outbox_number ||
           engine->settled_seq[number % SETTLED_SLOTS] > engine->committed_seq;
}

struct status engine_commit_what_is_read(struct engine *engine, const struct batch_view *batch,
                                         struct fault *fault) {
    struct batch_view rest = *batch;
    struct slice entry;
    struct outbox_outcome outcome;
    bool is_moved = engine->kept.forgets_seq > engine->committed_seq ||
                    incidents_merged_seq(engine->incidents) > engine->committed_seq;
    bool reads = batch->kind == BATCH_OPERATOR || /* maybe a dead letter: these are rare */
                 (batch->kind == BATCH_OUTCOME && is_moved);
    while (batch->kind == BATCH_OUTCOME && !reads && batch_next(&rest, &entry)) {
        reads = status_is_ok(outbox_outcome_decode(entry, &outcome)) &&
                is_ahead_of_store(engine, outcome.number);
    }
    return reads ? engine_commit(engine, fault) : status_ok();
}

/* An entry before `end` of the same record settled it: the store is read as it was before. */
static bool is_settled(struct batch_view before, const uint8_t *end, uint64_t number) {
    struct slice entry;
    struct outbox_outcome earlier;
    while (batch_next(&before, &entry) && entry.data < end) {
        if (status_is_ok(outbox_outcome_decode(entry, &earlier)) && earlier.number == number &&
            earlier.result != OUTBOX_ATTEMPTED) {
            return true;
        }
    }
    return false;
}

static struct status apply_outcome(struct engine *engine, const struct outbox_outcome *outcome) {
    uint8_t key_bytes[8];
    struct writer writer = writer_over(key_bytes, sizeof(key_bytes));
    writer_u64_big_endian(&writer, outcome->number);
    struct slice key = writer_slice(&writer);
    struct store_snapshot *snapshot = NULL;
    TRY(store_snapshot_acquire(engine->store, &snapshot));
    struct slice row;
    struct status status = store_get(snapshot, STORE_TABLE_OUTBOX, key, &row);
    if (status_is_ok(status)) {
        status = settle_row(engine, snapshot, key, row, outcome);
    } else if (status.code == STATUS_MISSING) {
        status = status_ok(); /* told twice by a sink that was restarted: settled already */
    }
    store_snapshot_release(snapshot);
    return status;
}

struct status engine_apply_outcomes(struct engine *engine, struct batch_view *batch,
                                    struct fault *fault) {
    struct slice entry;
    const struct batch_view begin = *batch;
    while (batch_next(batch, &entry)) {
        struct outbox_outcome outcome;
        TRY(outbox_outcome_decode(entry, &outcome));
        TRY(engine_make_event_room(engine, fault));
        if (!is_settled(begin, entry.data, outcome.number)) {
            TRY(apply_outcome(engine, &outcome));
        }
    }
    return status_ok();
}
