/* warmer.c - see warmer.h. */
#include "core/warmer.h"

#include <stdlib.h>

#include "core/base/arena.h"
#include "core/base/limits.h"
#include "core/worker.h"

/* A large page; made of cold memory it takes a processor for some 10 ms. */
#define STEP_BYTES ((size_t)2 * MIB)
#define STEP_REST_NS (20 * NS_PER_MS)

struct warmer {
    struct worker *worker;
    uint8_t *memory;
    size_t size;
};

/* Others have a processor to themselves between two steps. */
static void work(void *context) {
    struct warmer *warmer = context;
    bool goes_on = true;
    while (warmer->size > 0 && goes_on) {
        size_t size = warmer->size < STEP_BYTES ? warmer->size : STEP_BYTES;
        arena_populate(warmer->memory, size);
        warmer->memory += size;
        warmer->size -= size;
        goes_on = worker_rest(warmer->worker, STEP_REST_NS);
    }
}

struct status warmer_open(struct warmer **warmer_out) {
    struct warmer *warmer = calloc(1, sizeof(*warmer));
    if (warmer == NULL) {
        return status_of(STATUS_FULL);
    }
    const struct worker_options options = {.work = work, .context = warmer};
    if (!status_is_ok(worker_open(&options, &warmer->worker))) {
        free(warmer);
        return status_of(STATUS_FULL);
    }
    *warmer_out = warmer;
    return status_ok();
}

void warmer_close(struct warmer *warmer) {
    if (warmer != NULL) {
        worker_close(warmer->worker);
    }
    free(warmer);
}

bool warmer_is_busy(const struct warmer *warmer) {
    return worker_is_busy(warmer->worker);
}

void warmer_submit(struct warmer *warmer, void *memory, size_t size) {
    warmer->memory = memory;
    warmer->size = size;
    worker_submit(warmer->worker);
}
