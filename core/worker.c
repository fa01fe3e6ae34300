/* worker.c - see worker.h. */
#include "core/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/clock.h"

struct worker {
    struct worker_options options;
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows; is_busy is also read without it */
    pthread_cond_t changed;
    atomic_bool is_busy;
    bool is_ending;
};

static void lock(struct worker *worker) {
    ASSERT(pthread_mutex_lock(&worker->mutex) == 0);
}

static void unlock(struct worker *worker) {
    ASSERT(pthread_mutex_unlock(&worker->mutex) == 0);
}

static void set_busy(struct worker *worker, bool is_busy) {
    lock(worker);
    atomic_store(&worker->is_busy, is_busy);
    ASSERT(pthread_cond_broadcast(&worker->changed) == 0);
    unlock(worker);
}

/* What was submitted before the end is done. */
static bool wait_for_work(struct worker *worker) {
    lock(worker);
    while (!atomic_load(&worker->is_busy) && !worker->is_ending) {
        ASSERT(pthread_cond_wait(&worker->changed, &worker->mutex) == 0);
    }
    bool has_work = atomic_load(&worker->is_busy);
    unlock(worker);
    return has_work;
}

static void call(void (*function)(void *context), void *context) {
    if (function != NULL) {
        function(context);
    }
}

static void *run(void *context) {
    struct worker *worker = context;
    const struct worker_options *options = &worker->options;
    while (wait_for_work(worker)) {
        options->work(options->context);
        set_busy(worker, false);
        call(options->on_done, options->context);
    }
    call(options->on_end, options->context);
    return NULL;
}

static void destroy(struct worker *worker) {
    ASSERT(pthread_cond_destroy(&worker->changed) == 0);
    ASSERT(pthread_mutex_destroy(&worker->mutex) == 0);
    free(worker);
}

struct status worker_open(const struct worker_options *options, struct worker **worker_out) {
    struct worker *worker = calloc(1, sizeof(*worker));
    if (worker == NULL) {
        return status_of(STATUS_FULL);
    }
    worker->options = *options;
    ASSERT(pthread_mutex_init(&worker->mutex, NULL) == 0);
    ASSERT(pthread_cond_init(&worker->changed, NULL) == 0);
    if (pthread_create(&worker->thread, NULL, run, worker) != 0) {
        destroy(worker);
        return status_of(STATUS_FULL);
    }
    *worker_out = worker;
    return status_ok();
}

void worker_close(struct worker *worker) {
    if (worker == NULL) {
        return;
    }
    lock(worker);
    worker->is_ending = true;
    ASSERT(pthread_cond_broadcast(&worker->changed) == 0);
    unlock(worker);
    ASSERT(pthread_join(worker->thread, NULL) == 0);
    destroy(worker);
}

void worker_submit(struct worker *worker) {
    ASSERT(!worker_is_busy(worker));
    set_busy(worker, true);
}

bool worker_is_busy(const struct worker *worker) {
    return atomic_load(&worker->is_busy);
}

void worker_wait(struct worker *worker) {
    lock(worker);
    while (worker_is_busy(worker)) {
        ASSERT(pthread_cond_wait(&worker->changed, &worker->mutex) == 0);
    }
    unlock(worker);
}

bool worker_rest(struct worker *worker, uint64_t rest_ns) {
    uint64_t until_ns = clock_monotonic_ns() + rest_ns;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                   .tv_nsec = (long)(until_ns % NS_PER_S)};
    int result = 0;
    lock(worker);
    while (!worker->is_ending && result == 0) {
        result = pthread_cond_clockwait(&worker->changed, &worker->mutex, CLOCK_MONOTONIC, &until);
    }
    bool goes_on = !worker->is_ending;
    unlock(worker);
    return goes_on;
}
