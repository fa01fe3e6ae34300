/*
 * gate.h - the way into a shard for one other thread: finished batches in, the same batches back.
 *
 * Each source thread (ingest loop, console, sinks, the main thread for configuration) has its own
 * gate to each shard: two single-producer rings and two wakers. A batch that went in comes back
 * exactly once, with `outcome` set (core/batch.h).
 *
 * Bounds: RING_BATCHES_MAX in flight a gate; beyond it gate_send is FULL and the source throttles.
 */
#pragma once

#include "core/batch.h"
#include "core/loop.h"
#include "core/ring.h"

struct gate {
    struct ring to_shard;
    struct ring to_source;
    _Atomic(struct loop_waker *) shard_waker;  /* set by the shard when it runs; NULL before */
    _Atomic(struct loop_waker *) source_waker; /* set by the source when it runs */
};

/* Both rings from the arena, before either thread runs. FULL. */
MUST_CHECK struct status gate_init(struct gate *gate, struct arena *arena);

/* Source: hands a finished batch over and wakes the shard. FULL: the batch stays the caller's. */
MUST_CHECK struct status gate_send(struct gate *gate, struct batch *batch);
/* Source: takes back a batch that was answered; NULL when there is none. */
struct batch *gate_take_back(struct gate *gate);

/* Shard: the next batch, NULL when there is none. */
struct batch *gate_receive(struct gate *gate);
/* Shard: gives a batch back with its outcome. The source is woken by gate_wake_source. */
void gate_answer(struct gate *gate, struct batch *batch, enum status_code outcome);
/* Shard: once behind all answers of a turn. */
void gate_wake_source(struct gate *gate);
