/* clock.c - see clock.h. */
#include "core/clock.h"

#include <time.h>

#include "core/base/assert.h"
#include "core/base/limits.h"

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    ASSERT(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_wall_ns(void) {
    return read_clock(CLOCK_REALTIME);
}

uint64_t clock_monotonic_ns(void) {
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_thread_ns(void) {
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
