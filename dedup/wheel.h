/*
 * wheel.h - what expires next: four levels of 256 slots over numbered entries of the caller, who
 * knows when each is due.
 *
 * A tick is a millisecond; a slot of level n spans 256^n ticks. An entry sits at the level of the
 * highest base-256 digit in which its tick differs from the wheel's current tick, so a cascade
 * moves an entry at most three times in its life and insert and remove cost O(1). An entry whose
 * due time moves away stays where it is: it is put where it belongs when its slot is reached.
 *
 * Invariants: 1. an entry is in one slot or none, never in a later one than its due time's. 2.
 * every entry due at or before the current tick is in the current slot of level 0. 3. which entries
 * are due depends on (due times, now) only, never on how the wheel got there.
 *
 * Memory: the arena at init, touched as far as entries are used. Thread: one at a time.
 */
#pragma once

#include "core/base/arena.h"

#define WHEEL_NONE UINT32_MAX
#define WHEEL_ENTRIES_MAX (1u << 30)
enum { WHEEL_LEVELS = 4, WHEEL_SLOTS = 256 };

typedef uint64_t wheel_due_ms(const void *context, uint32_t entry);

/* Millions of them, so an end of a list is 0 and a number is one more than it is. */
struct wheel_link {
    uint32_t next;
    uint32_t previous; /* of the first in its slot: the slot, marked; 0: not in the wheel */
};

struct wheel {
    struct wheel_link *links; /* one an entry */
    wheel_due_ms *due_ms;
    const void *context;
    uint32_t entries_max;
    uint32_t count;
    uint64_t tick;
    uint32_t heads[WHEEL_LEVELS * WHEEL_SLOTS]; /* as in links */
};

/* FULL when the arena is. */
MUST_CHECK struct status wheel_init(struct wheel *wheel, uint32_t entries_max, wheel_due_ms *due_ms,
                                    const void *context, struct arena *arena);
/* The entry is not in the wheel and its due time is known. An empty wheel begins at `now_ms`. */
void wheel_add(struct wheel *wheel, uint32_t entry, uint64_t now_ms);
/* Nothing when the entry is not in the wheel. Also before its due time comes nearer. */
void wheel_remove(struct wheel *wheel, uint32_t entry);
/* Takes one entry due at or before now out of the wheel; WHEEL_NONE when no more is due. */
uint32_t wheel_pop_due(struct wheel *wheel, uint64_t now_ms);
