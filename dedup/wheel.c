/* wheel.c - see wheel.h. */
#include "dedup/wheel.h"

#include "core/base/assert.h"

struct status wheel_init(struct wheel *wheel, uint32_t entries_max, struct arena *arena) {
    *wheel = (struct wheel){.entries_max = entries_max};
    wheel->links = ARENA_ARRAY(arena, struct wheel_link, entries_max);
    if (wheel->links == NULL) {
        return status_of(STATUS_FULL);
    }
    for (uint32_t i = 0; i < WHEEL_LEVELS * WHEEL_SLOTS; i++) {
        wheel->heads[i] = WHEEL_NONE;
    }
    for (uint32_t i = 0; i < entries_max; i++) {
        wheel->links[i].slot = WHEEL_NONE;
    }
    return status_ok();
}

static uint32_t digit_of(uint64_t tick, uint32_t level) {
    return (uint32_t)(tick >> (8 * level)) & (WHEEL_SLOTS - 1);
}

static uint32_t slot_of(const struct wheel *wheel, uint64_t due_ns) {
    uint64_t horizon = wheel->tick | UINT32_MAX;
    uint64_t tick = due_ns / WHEEL_TICK_NS;
    tick = tick < wheel->tick ? wheel->tick : tick;
    tick = tick > horizon ? horizon : tick; /* years ahead: placed again when it comes near */
    uint64_t difference = tick ^ wheel->tick;
    uint32_t level = difference == 0 ? 0 : (63 - (uint32_t)__builtin_clzll(difference)) / 8;
    ASSERT(level < WHEEL_LEVELS);
    return level * WHEEL_SLOTS + digit_of(tick, level);
}

static void link_entry(struct wheel *wheel, uint32_t entry) {
    struct wheel_link *link = &wheel->links[entry];
    link->slot = slot_of(wheel, link->due_ns);
    link->next = wheel->heads[link->slot];
    link->previous = WHEEL_NONE;
    if (link->next != WHEEL_NONE) {
        wheel->links[link->next].previous = entry;
    }
    wheel->heads[link->slot] = entry;
}

void wheel_remove(struct wheel *wheel, uint32_t entry) {
    ASSERT(entry < wheel->entries_max);
    struct wheel_link *link = &wheel->links[entry];
    if (link->slot == WHEEL_NONE) {
        return;
    }
    if (link->previous == WHEEL_NONE) {
        ASSERT(wheel->heads[link->slot] == entry);
        wheel->heads[link->slot] = link->next;
    } else {
        wheel->links[link->previous].next = link->next;
    }
    if (link->next != WHEEL_NONE) {
        wheel->links[link->next].previous = link->previous;
    }
    link->slot = WHEEL_NONE;
    wheel->count--;
}

void wheel_set(struct wheel *wheel, uint32_t entry, uint64_t due_ns) {
    wheel_remove(wheel, entry);
    wheel->links[entry].due_ns = due_ns;
    link_entry(wheel, entry);
    wheel->count++;
}

/* Moves to a later tick, past empty slots only, and brings the slots that hold it one level down.
 */
static void enter_tick(struct wheel *wheel, uint64_t tick) {
    ASSERT(tick >= wheel->tick);
    uint32_t late = wheel->heads[digit_of(wheel->tick, 0)];
    wheel->heads[digit_of(wheel->tick, 0)] = WHEEL_NONE;
    wheel->tick = tick;
    for (uint32_t level = WHEEL_LEVELS; level-- > 0;) {
        uint32_t slot = level * WHEEL_SLOTS + digit_of(tick, level);
        uint32_t entry = level == 0 ? late : wheel->heads[slot];
        if (level > 0) {
            wheel->heads[slot] = WHEEL_NONE;
        }
        while (entry != WHEEL_NONE) {
            uint32_t next = wheel->links[entry].next;
            link_entry(wheel, entry);
            entry = next;
        }
    }
}

/* The start of the next occupied slot from the current one on; UINT64_MAX when all are empty. */
static uint64_t next_occupied_tick(const struct wheel *wheel, uint32_t *slot_out) {
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        uint32_t first = digit_of(wheel->tick, level) + (level == 0 ? 0 : 1);
        for (uint32_t digit = first; digit < WHEEL_SLOTS; digit++) {
            if (wheel->heads[level * WHEEL_SLOTS + digit] != WHEEL_NONE) {
                uint64_t base = wheel->tick >> (8 * (level + 1)) << (8 * (level + 1));
                *slot_out = level * WHEEL_SLOTS + digit;
                return base + ((uint64_t)digit << (8 * level));
            }
        }
    }
    return UINT64_MAX;
}

static uint32_t pop_from_current(struct wheel *wheel, uint64_t now_ns) {
    uint32_t entry = wheel->heads[digit_of(wheel->tick, 0)];
    while (entry != WHEEL_NONE && wheel->links[entry].due_ns > now_ns) {
        entry = wheel->links[entry].next;
    }
    if (entry != WHEEL_NONE) {
        wheel_remove(wheel, entry);
    }
    return entry;
}

uint32_t wheel_pop_due(struct wheel *wheel, uint64_t now_ns) {
    uint64_t target = now_ns / WHEEL_TICK_NS;
    for (;;) {
        uint32_t entry = pop_from_current(wheel, now_ns);
        if (entry != WHEEL_NONE || wheel->tick >= target) {
            return entry;
        }
        uint32_t slot = 0;
        uint64_t tick = next_occupied_tick(wheel, &slot);
        if (tick == wheel->tick) {
            tick = wheel->tick + 1; /* what is left here is years ahead */
        }
        enter_tick(wheel, tick < target ? tick : target);
    }
}

uint32_t wheel_first_slot(struct wheel *wheel) {
    uint32_t slot = 0;
    uint64_t tick = next_occupied_tick(wheel, &slot);
    while (tick != UINT64_MAX && slot >= WHEEL_SLOTS) {
        enter_tick(wheel, tick);
        tick = next_occupied_tick(wheel, &slot);
    }
    return tick == UINT64_MAX ? WHEEL_NONE : wheel->heads[slot];
}

uint64_t wheel_next_due_ns(const struct wheel *wheel) {
    uint32_t slot = 0;
    if (next_occupied_tick(wheel, &slot) == UINT64_MAX) {
        return UINT64_MAX;
    }
    uint64_t due_ns = UINT64_MAX;
    for (uint32_t entry = wheel->heads[slot]; entry != WHEEL_NONE;
         entry = wheel->links[entry].next) {
        due_ns = wheel->links[entry].due_ns < due_ns ? wheel->links[entry].due_ns : due_ns;
    }
    return due_ns;
}
