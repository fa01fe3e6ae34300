/*
 * tally.h - what may happen with every event and is logged all the same: the first time at once,
 * then at most once a minute, with how often it was since.
 *
 * No part of the state: nothing that is decided asks it. Time is that of the records. Thread: the
 * shard.
 */
#pragma once

#include <stdbool.h>

#include "core/base/limits.h"

struct tally {
    uint64_t next_ns; /* the next line not before */
    uint64_t untold;
};

/* Counts one more; true when a line is due, of so many as were not told yet. */
static inline bool tally_add(struct tally *tally, uint64_t now_ns, uint64_t *untold_out) {
    tally->untold++;
    if (now_ns < tally->next_ns) {
        return false;
    }
    *untold_out = tally->untold;
    *tally = (struct tally){.next_ns = now_ns + NS_PER_MINUTE};
    return true;
}
