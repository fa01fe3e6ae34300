/*
 * random.h - seeded pseudo-random numbers (SplitMix64: Steele, Lea, Flood 2014) and Zipf ranks.
 *
 * The same seed gives the same load on every machine. Not for secrets. One thread.
 */
#pragma once

#include "core/base/slice.h"
#include "core/base/status.h"

struct random {
    uint64_t state;
};

/* splitmix64: any state will do, the same state gives the same numbers. */
static inline uint64_t random_next(struct random *random) {
    uint64_t mixed = random->state += 0x9E3779B97F4A7C15ULL;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9ULL;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBULL;
    return mixed ^ (mixed >> 31);
}

/* 0 .. limit - 1; limit > 0. The bias of the modulus is below limit / 2^64. */
static inline uint64_t random_below(struct random *random, uint64_t limit) {
    return random_next(random) % limit;
}

/* True with the given probability. */
static inline bool random_chance(struct random *random, double probability) {
    return (double)(random_next(random) >> 11) * 0x1.0p-53 < probability;
}

enum { ZIPF_RANKS_MAX = 65536 };

/* How popular rank 0, 1, 2 … are: 1/(rank+1), normalised and summed up. */
struct zipf {
    double *sums; /* owned */
    uint32_t ranks;
};

/* 1 <= ranks <= ZIPF_RANKS_MAX; FULL without memory. */
MUST_CHECK struct status zipf_init(struct zipf *zipf, uint32_t ranks);
void zipf_deinit(struct zipf *zipf);
uint32_t zipf_pick(const struct zipf *zipf, struct random *random);
