/* warmer.c - see warmer.h. */
#include "core/warmer.h"

#include <pthread.h>
#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/assert.h"

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

static void *run(void *context) {
    struct warmer *warmer = context;
    lock(warmer);
    while (wait_for_work(warmer)) {
        unlock(warmer);
        arena_populate(warmer->memory, warmer->size);
        lock(warmer);
        warmer->is_busy = false;
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
