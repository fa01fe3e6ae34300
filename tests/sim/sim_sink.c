/* sim_sink.c - the sink: takes committed outbox rows in order, delivers each at least once with its
 * message id, sends the outcome back; is down now and then. */
#include "core/base/assert.h"
#include "tests/sim/sim_world.h"

enum { ROW_BYTES_MAX = 1 << 20 };

static void deliver(struct sim *sim, const struct outbox_message *message) {
    ASSERT(sim->told_count < TOLD_MAX && message->tenant.size < sizeof(sim->told[0].tenant));
    struct told *told = &sim->told[sim->told_count++];
    *told = (struct told){message->incident_id, message->message_id, message->type, {0}};
    memcpy(told->tenant, message->tenant.data, message->tenant.size);
}

static void send_outcome(struct sim *sim) {
    struct batch *batch = &sim->outcome_batch;
    batch_clear(batch, BATCH_OUTCOME);
    struct writer writer = batch_entry_begin(batch);
    outbox_outcome_encode(&sim->outcome, &writer);
    batch_entry_commit(batch, writer.size);
    (void)batch_finish(batch);
    sim->is_outcome_out = status_is_ok(gate_send(&sim->gates[SIM_GATE_SINK], batch));
}

/* The next row at or behind outbox_next; false when there is none. */
static bool take_row(struct sim *sim, struct outbox_message *message_out, uint8_t *memory) {
    uint8_t start[8];
    struct writer writer = writer_over(start, sizeof(start));
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice key;
    struct slice row;
    writer_u64_big_endian(&writer, sim->outbox_next);
    SIM_CHECK(sim, status_is_ok(store_snapshot_acquire(shard_get_store(sim->shard), &snapshot)));
    SIM_CHECK(sim, status_is_ok(store_cursor_open(snapshot, STORE_TABLE_OUTBOX, slice_of(NULL, 0),
                                                  writer_slice(&writer), &cursor)));
    bool is_there = status_is_ok(store_cursor_next(cursor, &key, &row));
    if (is_there) {
        SIM_CHECK(sim, row.size < ROW_BYTES_MAX);
        memcpy(memory, row.data, row.size);
        SIM_CHECK(sim,
                  status_is_ok(outbox_message_decode(slice_of(memory, row.size), message_out)));
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    return is_there;
}

void sink_step(struct sim *sim) {
    static uint8_t memory[ROW_BYTES_MAX];
    struct outbox_message message;
    struct batch *back = gate_take_back(&sim->gates[SIM_GATE_SINK]);
    if (back != NULL) {
        sim->is_outcome_out = false;
        if (back->outcome == STATUS_FULL) {
            send_outcome(sim);
        }
    }
    sim->sink_is_down = sim_random(sim) % 16 == 0 ? !sim->sink_is_down : sim->sink_is_down;
    if (sim->is_outcome_out || sim->sink_is_down) {
        return;
    }
    sim->outbox_is_empty = !take_row(sim, &message, memory);
    if (sim->outbox_is_empty) {
        return;
    }
    deliver(sim, &message);
    if (sim_random(sim) % 8 == 0) {
        return; /* delivered, but the answer was lost: told again with the same id */
    }
    sim->outcome = (struct outbox_outcome){.number = message.number, .result = OUTBOX_DELIVERED};
    sim->outbox_next = message.number + 1;
    send_outcome(sim);
}

void sink_forget(struct sim *sim) {
    sim->is_outcome_out = false;
    sim->outbox_next = 0;
    sim->outbox_is_empty = false;
}
