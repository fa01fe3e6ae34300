/*
 * store_writer.h - effects become rows of the store: at once, or by a thread of its own, so that
 * whoever has them does not wait for the disk.
 *
 * Invariants: 1. Work is done in the order of submitting, one piece at a time. 2. All rows between
 * two pieces with `commits` are one transaction: it is there as a whole or not at all. 3. Nobody
 * else writes to the store while a transaction of the writer is open. 4. After a failure the
 * transaction is gone and every further piece fails.
 *
 * Thread: one, the owner's; on_done comes in the writer's own.
 */
#pragma once

#include "core/store.h"
#include "schemas/effect.h"

struct store_writer;

/* Works in the caller's thread until store_writer_start. FULL. */
MUST_CHECK struct status store_writer_open(struct store *store, struct store_writer **writer_out);
/* Works in a thread of its own from now on, and calls on_done after each piece. FULL: no thread. */
MUST_CHECK struct status store_writer_start(struct store_writer *writer,
                                            void (*on_done)(void *context), void *context);
/* NULL is allowed. Ends what is at work; what was not committed is gone. */
void store_writer_close(struct store_writer *writer);

/* Begins to write the effects, and with `commits` to make them durable. They must stay as they are
 * until the work is done; nothing may be at work. */
void store_writer_submit(struct store_writer *writer, const struct effects *effects, bool commits);
bool store_writer_is_busy(const struct store_writer *writer);
/* Waits until nothing is at work; how the last piece went. */
MUST_CHECK struct status store_writer_wait(struct store_writer *writer, struct fault *fault);
