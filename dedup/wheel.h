/*
 * wheel.h - a hierarchical time wheel over entries of the caller: which are due by now?
 *
 * Four levels of 64 slots; a tick is 2^27 ns (134 ms), so the wheel spans 26 days; what lies beyond
 * stands in the last slot and is looked at again. Insert, remove and expire are O(1) an entry, plus
 * one move a level. Entries are numbers; their links stand in arrays of the wheel.
 *
 * Memory: fixed at init. Thread: one.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/limits.h"

enum { WHEEL_LEVELS = 4, WHEEL_SLOTS = 64, WHEEL_TICK_SHIFT = 27 };
#define WHEEL_NONE UINT32_MAX

struct wheel_links {
    uint32_t next;
    uint32_t previous;
    uint32_t slot; /* level * WHEEL_SLOTS + slot; WHEEL_NONE: not in the wheel */
    uint64_t due_ns;
};

struct wheel {
    struct wheel_links *links;
    uint32_t entries_max;
    uint64_t tick; /* all before it has expired */
    uint32_t heads[WHEEL_LEVELS * WHEEL_SLOTS];
    uint32_t count;
};

/* FULL when the arena is. */
MUST_CHECK struct status wheel_init(struct wheel *wheel, uint32_t entries_max,
                                    struct arena *arena);
/* The entry is not in the wheel. A due time that has passed is due with the next tick. */
void wheel_insert(struct wheel *wheel, uint32_t entry, uint64_t due_ns);
void wheel_remove(struct wheel *wheel, uint32_t entry);
/* Takes one entry out that is due at now; WHEEL_NONE when there is none (more). Call until none. */
uint32_t wheel_expire(struct wheel *wheel, uint64_t now_ns);
/* Some entry that is due soon: the first found from the present slot on; WHEEL_NONE when empty. */
uint32_t wheel_soonest(const struct wheel *wheel);
