/*
 * gate.c - see gate.h. The rings have equal capacity and a batch is in one of them or with the
 * shard, so an answer always finds room: asserted.
 */
#include "core/gate.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

static void waker_wake(_Atomic(struct loop_waker *) *slot) {
    struct loop_waker *waker = atomic_load_explicit(slot, memory_order_acquire);
    if (waker != NULL) {
        loop_waker_wake(waker);
    }
}

struct status gate_init(struct gate *gate, struct arena *arena) {
    ASSERT(gate != NULL && arena != NULL);
    TRY(ring_init(&gate->to_shard, RING_BATCHES_MAX, arena));
    /* Twice as large: the shard may hold some while the source fills the first ring again. */
    return ring_init(&gate->to_source, 4 * RING_BATCHES_MAX, arena);
}

struct status gate_send(struct gate *gate, struct batch *batch) {
    ASSERT(batch->count > 0 || batch->kind == BATCH_TICK);
    if (!ring_push(&gate->to_shard, batch)) {
        return status_of(STATUS_FULL);
    }
    waker_wake(&gate->shard_waker);
    return status_ok();
}

struct batch *gate_take_back(struct gate *gate) {
    return ring_pop(&gate->to_source);
}

struct batch *gate_receive(struct gate *gate) {
    return ring_pop(&gate->to_shard);
}

void gate_answer(struct gate *gate, struct batch *batch, enum status_code outcome) {
    ASSERT(outcome < STATUS_CODE_COUNT);
    batch->outcome = outcome;
    ASSERT(ring_push(&gate->to_source, batch));
}

void gate_wake_source(struct gate *gate) {
    waker_wake(&gate->source_waker);
}
