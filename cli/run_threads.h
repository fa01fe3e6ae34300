/*
 * run_threads.h - what a thread says to the one that started it: that it listens, and that it ended
 * by itself. Thread: both, as told.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/fault.h"
#include "core/log.h"
#include "core/stats.h"

/* The threads that ended by themselves; the others go on, so that it can be seen. */
struct ended_threads {
    atomic_int count;
    struct stats *stats;
    const struct logger *logger;
};

/* Of the thread that works for this area, when its work failed. */
void ended_threads_add(struct ended_threads *ended, const char *area, struct status status,
                       const char *words);

/* What a thread says when it listens, or that it could not. */
struct listening {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_settled;
    uint16_t port;
    struct fault fault;
};

void listening_init(struct listening *listening);
/* The thread itself: it listens on that port; 0: it could not, and why. */
void listening_settle(void *context, uint16_t port, const struct fault *fault);
/* Until it has said so. IO with its words when it could not. */
MUST_CHECK struct status listening_wait(struct listening *listening, struct fault *fault);
