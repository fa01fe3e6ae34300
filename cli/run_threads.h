/*
 * run_threads.h - what a thread says to the one that started it. Thread: both, as told.
 */
#pragma once

#include <pthread.h>

#include "core/base/fault.h"

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
