/*
 * stamp.h - journal time: what the shard stamps its records with. Wall time, but never backwards:
 * while the clock stands behind (it was stepped back, or the journal was written under another
 * clock), journal time goes on at 7/8 of the steady clock's pace until the wall has caught up. So a
 * step neither turns time round nor makes what is due wait for as long as the step was.
 *
 * Thread: the shard.
 */
#pragma once

#include "core/clock.h"

struct stamp {
    uint64_t time_ns;   /* the latest given */
    uint64_t steady_ns; /* monotonic, when it was */
};

/* Goes on from the latest stamp of the journal. */
static inline struct stamp stamp_from(uint64_t latest_ns) {
    return (struct stamp){latest_ns, clock_monotonic_ns()};
}

static inline uint64_t stamp_next(struct stamp *stamp) {
    uint64_t wall_ns = clock_wall_ns();
    uint64_t steady_ns = clock_monotonic_ns();
    uint64_t slow_ns = stamp->time_ns + (steady_ns - stamp->steady_ns) / 8 * 7;
    stamp->steady_ns = steady_ns;
    stamp->time_ns = wall_ns > slow_ns ? wall_ns : slow_ns;
    return stamp->time_ns;
}
