/* warmer.c - see warmer.h. */
#include "core/warmer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/arena.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/clock.h"

/* A large page; made of cold memory it takes a processor for some 10 ms. */
#define STEP_BYTES ((size_t)2 * MIB)
#define STEP_REST_NS (20 * NS_PER_MS)

struct warmer {
    pthread_t thread;
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    bool is_ending;
    bool is_busy;
    void *memory;
    size_t size;
};

static void lock(struct warmer *warmer) {
    ASSERT(pthread_mutex_lock(&warmer->mutex) == 0);
}

static void unlock(struct warmer *warmer) {
    ASSERT(pthread_mutex_unlock(&warmer->mutex) == 0);
}

/* Locked before and after. */
static bool wait_for_work(struct warmer *warmer) {
    while (!warmer->is_busy && !warmer->is_ending) {
        ASSERT(pthread_cond_wait(&warmer->changed, &warmer->mutex) == 0);
    }
    return warmer->is_busy && !warmer->is_ending;
}

/* Locked before and after. Others have a processor to themselves between two steps. */
static void rest(struct warmer *warmer) {
    uint64_t until_ns = clock_monotonic_ns() + STEP_REST_NS;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                   .tv_nsec = (long)(until_ns % NS_PER_S)};
    int result = 0;
    while (!warmer->is_ending && result == 0) {
        result = pthread_cond_clockwait(&warmer->changed, &warmer->mutex, CLOCK_MONOTONIC, &until);
    }
}

/* Locked before and after. */
static void warm(struct warmer *warmer) {
    while (warmer->size > 0 && !warmer->is_ending) {
        uint8_t *memory = warmer->memory;
        size_t size = warmer->size < STEP_BYTES ? warmer->size : STEP_BYTES;
        unlock(warmer);
        arena_populate(memory, size);
        lock(warmer);
        warmer->memory = memory + size;
        warmer->size -= size;
        rest(warmer);
    }
    warmer->is_busy = false;
}

static void *run(void *context) {
    struct warmer *warmer = context;
    lock(warmer);
    while (wait_for_work(warmer)) {
        warm(warmer);
    }
    unlock(warmer);
    return NULL;
}

struct status warmer_open(struct warmer **warmer_out) {
    struct warmer *warmer = calloc(1, sizeof(*warmer));
    if (warmer == NULL) {
        return status_of(STATUS_FULL);
    }
    ASSERT(pthread_mutex_init(&warmer->mutex, NULL) == 0);
    ASSERT(pthread_cond_init(&warmer->changed, NULL) == 0);
    if (pthread_create(&warmer->thread, NULL, run, warmer) != 0) {
        free(warmer);
        return status_of(STATUS_FULL);
    }
    *warmer_out = warmer;
    return status_ok();
}

void warmer_close(struct warmer *warmer) {
    if (warmer == NULL) {
        return;
    }
    lock(warmer);
    warmer->is_ending = true;
    ASSERT(pthread_cond_broadcast(&warmer->changed) == 0);
    unlock(warmer);
    ASSERT(pthread_join(warmer->thread, NULL) == 0);
    ASSERT(pthread_cond_destroy(&warmer->changed) == 0);
    ASSERT(pthread_mutex_destroy(&warmer->mutex) == 0);
    free(warmer);
}

bool warmer_is_busy(struct warmer *warmer) {
    lock(warmer);
    bool is_busy = warmer->is_busy;
    unlock(warmer);
    return is_busy;
}

void warmer_submit(struct warmer *warmer, void *memory, size_t size) {
    lock(warmer);
    ASSERT(!warmer->is_busy);
    warmer->memory = memory;
    warmer->size = size;
    warmer->is_busy = true;
    ASSERT(pthread_cond_broadcast(&warmer->changed) == 0);
    unlock(warmer);
}
