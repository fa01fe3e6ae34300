/*
 * worker.h - a thread that does one kind of work, a piece at a time, while its owner goes on.
 *
 * The pieces' data belong to the worker while it is busy, and to the owner while it is not: whoever
 * sees "not busy" sees all that the work wrote.
 *
 * Thread: one, the owner's; what the options name comes in the worker's own.
 */
#pragma once

#include "core/base/status.h"

#include <stdint.h>

struct worker;

struct worker_options {
    void (*work)(void *context);    /* one piece */
    void (*on_done)(void *context); /* after each, when it is not busy any more; or NULL */
    void (*on_end)(void *context);  /* once, behind the last piece; or NULL */
    void *context;                  /* borrowed */
};

/* FULL: no thread, no memory. */
MUST_CHECK struct status worker_open(const struct worker_options *options,
                                     struct worker **worker_out);
/* Waits for what it does. NULL is allowed. */
void worker_close(struct worker *worker);
/* Begins a piece. It must not be busy. */
void worker_submit(struct worker *worker);
bool worker_is_busy(const struct worker *worker);
/* Until it is not busy. */
void worker_wait(struct worker *worker);
/* From within the work: sleeps so long, or until its owner closes; false: it does, so end soon. */
bool worker_rest(struct worker *worker, uint64_t rest_ns);
