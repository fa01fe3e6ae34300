/*
 * timers.h - which item is due when, and sorting of numbers: in fixed memory. Private to the room.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/status.h"

struct timer {
    uint64_t due_ns;
    uint64_t tie[2]; /* orders timers due together; kept in rows, so the same after a restart */
    uint32_t item;
};

struct timers {
    struct timer *heap;
    uint32_t *positions; /* of each item; INDEX_NONE when it has no timer */
    uint32_t count;
    uint32_t items_max;
};

MUST_CHECK struct status timers_init(struct timers *timers, uint32_t items_max,
                                     struct arena *arena);
void timers_set(struct timers *timers, uint32_t item, uint64_t due_ns, uint64_t tie_a,
                uint64_t tie_b);
void timers_remove(struct timers *timers, uint32_t item);
/* Heap sort; `precedes` must be a total order. */
void sort_indices(uint32_t *indices, uint32_t count,
                  bool (*precedes)(const void *context, uint32_t a, uint32_t b),
                  const void *context);
