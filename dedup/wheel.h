/*
 * wheel.h - what expires next: four levels of 256 slots over numbered entries of the caller.
 *
 * A tick is 100 ms; a slot of level n spans 256^n ticks. An entry sits at the level of the highest
 * base-256 digit in which its tick differs from the wheel's current tick, so a cascade moves an
 * entry at most three times in its life and insert, move and remove cost O(1).
 *
 * Invariants: 1. an entry is in one slot or none. 2. every entry due at or before the current tick
 * is in the current slot of level 0. 3. expiry is exact to the nanosecond: which entries are due
 * depends on (entries, now) only, never on how the wheel got there.
 *
 * Memory: the arena at init. Thread: one at a time.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/limits.h"

#define WHEEL_TICK_NS (100 * NS_PER_MS)
#define WHEEL_NONE UINT32_MAX
enum { WHEEL_LEVELS = 4, WHEEL_SLOTS = 256 };

struct wheel_link {
    uint64_t due_ns;
    uint32_t next;
    uint32_t previous;
    uint32_t slot; /* level * 256 + digit; WHEEL_NONE: not in the wheel */
};

struct wheel {
    struct wheel_link *links; /* one an entry */
    uint32_t entries_max;
    uint32_t count;
    uint64_t tick;
    uint32_t heads[WHEEL_LEVELS * WHEEL_SLOTS];
};

/* FULL when the arena is. */
MUST_CHECK struct status wheel_init(struct wheel *wheel, uint32_t entries_max, struct arena *arena);
/* Inserts the entry or moves it to another due time. */
void wheel_set(struct wheel *wheel, uint32_t entry, uint64_t due_ns);
/* Nothing when the entry is not in the wheel. */
void wheel_remove(struct wheel *wheel, uint32_t entry);
/* Takes one entry due at or before now out of the wheel; WHEEL_NONE when no more is due. */
uint32_t wheel_pop_due(struct wheel *wheel, uint64_t now_ns);
/* The first entry of the level-0 slot that is next to expire; follow links[].next for the others
 * of its slot, among which is the earliest of all. WHEEL_NONE when empty. Moves entries nearer. */
uint32_t wheel_first_slot(struct wheel *wheel);
/* The earliest due time of all; UINT64_MAX when empty. */
uint64_t wheel_next_due_ns(const struct wheel *wheel);
