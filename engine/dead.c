/*
 * dead.c - a dead letter goes out again or is dropped, because an operator said so. The action is a
 * journal record, so the journal alone rebuilds what became of every message.
 *
 * A retried letter gets a new outbox number: the sinks read the outbox in order of numbers and are
 * past the old one. Its message id stays, so that a receiver can tell that it is the same message.
 * One that newer news of its incident has overtaken is not told again: sinks/delivery.c.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"
#include "core/outbox.h"

static void write_key(uint8_t bytes[8], uint64_t number) {
    struct writer writer = writer_over(bytes, 8);
    writer_u64_big_endian(&writer, number);
}

static struct status queue_again(struct engine *engine, struct outbox_message message,
                                 size_t row_bytes) {
    size_t mark = engine->arena.used_bytes;
    uint8_t *memory = arena_allocate(&engine->arena, row_bytes, 8);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    uint8_t key[8];
    struct writer writer = writer_over(memory, row_bytes);
    message.number = incidents_next_outbox_number(engine->incidents);
    message.is_again = true;
    outbox_message_encode(&message, &writer);
    ASSERT(!writer.failed);
    write_key(key, message.number);
    effect_put(&engine->effects, STORE_TABLE_OUTBOX, slice_of(key, 8), writer_slice(&writer));
    incidents_set_next_outbox_number(engine->incidents, message.number + 1);
    arena_rewind(&engine->arena, mark);
    return status_ok();
}

static struct status operate(struct engine *engine, const struct operator_request *request,
                             struct slice key, struct slice value) {
    struct dead_letter letter;
    struct outbox_message message;
    TRY(dead_letter_decode(value, &letter));
    TRY(outbox_message_decode(letter.row, &message));
    if (!slice_equals(message.tenant, request->tenant)) {
        return status_of(STATUS_MISSING);
    }
    if (request->action == OPERATOR_RETRY_DEAD) {
        TRY(queue_again(engine, message, letter.row.size));
    }
    effect_delete(&engine->effects, STORE_TABLE_DEAD, key);
    engine_kept_remove(engine, KEPT_DEAD, request->tenant,
                       &(struct kept_row){.number = request->incident_id.lo,
                                          .at_ns = dead_letter_when(&letter, &message),
                                          .bytes = value.size});
    log_write(
        engine->logger, LOG_LEVEL_INFO, "audit",
        "dead letter %llu of tenant %.*s, sink %.*s: %s by \"%.*s\"",
        (unsigned long long)message.number, SLICE_PRINT(message.tenant), SLICE_PRINT(message.sink),
        request->action == OPERATOR_RETRY_DEAD ? "retried" : "dropped", SLICE_PRINT(request->by));
    return status_ok();
}

struct status engine_operate_dead(struct engine *engine, const struct operator_request *request) {
    uint8_t key[8];
    struct slice value;
    struct store_snapshot *snapshot = NULL;
    write_key(key, request->incident_id.lo);
    TRY(store_snapshot_acquire(engine->store, &snapshot));
    struct status status = store_get(snapshot, STORE_TABLE_DEAD, slice_of(key, 8), &value);
    if (status_is_ok(status)) {
        status = operate(engine, request, slice_of(key, 8), value);
    }
    store_snapshot_release(snapshot);
    if (!status_is_ok(status)) {
        log_write(engine->logger, LOG_LEVEL_INFO, "engine",
                  "an operator's action came too late: the dead letter is not there any more");
    }
    return status_ok();
}
