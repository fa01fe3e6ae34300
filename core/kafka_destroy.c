/* kafka_destroy.c - see kafka_destroy.h. */
#include "core/kafka_destroy.h"

#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/clock.h"

#define LOOK_NS (1 * NS_PER_MS)

enum ending_step { ENDING_UNDER_WAY, ENDING_DONE, ENDING_LEFT };

/* Whoever of the two comes last frees it: the thread that destroys, or who waits. */
struct ending {
    rd_kafka_t *native;
    _Atomic uint32_t step;
};

static void *destroy_main(void *context) {
    struct ending *ending = context;
    rd_kafka_destroy(ending->native);
    if (atomic_exchange(&ending->step, ENDING_DONE) == ENDING_LEFT) {
        free(ending);
    }
    return NULL;
}

static bool wait_for_end(struct ending *ending, uint64_t wait_ns_max) {
    const struct timespec look = {.tv_nsec = LOOK_NS};
    uint64_t end_ns = clock_monotonic_ns() + wait_ns_max;
    while (atomic_load(&ending->step) != ENDING_DONE && clock_monotonic_ns() < end_ns) {
        (void)nanosleep(&look, NULL);
    }
    bool is_done = atomic_exchange(&ending->step, ENDING_LEFT) == ENDING_DONE;
    if (is_done) {
        free(ending);
    }
    return is_done;
}

bool kafka_destroy(struct rd_kafka_s *native, uint64_t wait_ns_max) {
    pthread_t thread;
    struct ending *ending = calloc(1, sizeof(*ending));
    if (ending == NULL) {
        return false;
    }
    ending->native = native;
    if (pthread_create(&thread, NULL, destroy_main, ending) != 0) {
        free(ending);
        return false;
    }
    ASSERT(pthread_detach(thread) == 0);
    return wait_for_end(ending, wait_ns_max);
}
