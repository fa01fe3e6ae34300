/* wheel.c - see wheel.h. */
#include "dedup/wheel.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

/* Marks `previous` as a slot. */
#define FIRST (1u << 31)
static_assert(WHEEL_ENTRIES_MAX < FIRST, "an entry's number is no slot");

struct status wheel_init(struct wheel *wheel, uint32_t entries_max, wheel_due_ms *due_ms,
                         const void *context, struct arena *arena) {
    ASSERT(entries_max > 0 && entries_max <= WHEEL_ENTRIES_MAX);
    *wheel = (struct wheel){.due_ms = due_ms, .context = context, .entries_max = entries_max};
    wheel->links = ARENA_ARRAY(arena, struct wheel_link, entries_max);
    return wheel->links == NULL ? status_of(STATUS_FULL) : status_ok();
}

static uint32_t digit_of(uint64_t tick, uint32_t level) {
    return (uint32_t)(tick >> (8 * level)) & (WHEEL_SLOTS - 1);
}

static uint32_t slot_of(const struct wheel *wheel, uint64_t tick) {
    uint64_t horizon = wheel->tick | UINT32_MAX;
    tick = tick < wheel->tick ? wheel->tick : tick;
    tick = tick > horizon ? horizon : tick; /* weeks ahead: placed again when it comes near */
    uint64_t difference = tick ^ wheel->tick;
    uint32_t level = difference == 0 ? 0 : (63 - (uint32_t)__builtin_clzll(difference)) / 8;
    ASSERT(level < WHEEL_LEVELS);
    return level * WHEEL_SLOTS + digit_of(tick, level);
}

static void link_entry(struct wheel *wheel, uint32_t entry) {
    struct wheel_link *link = &wheel->links[entry];
    uint32_t slot = slot_of(wheel, wheel->due_ms(wheel->context, entry));
    link->next = wheel->heads[slot];
    link->previous = FIRST | slot;
    if (link->next != 0) {
        wheel->links[link->next - 1].previous = entry + 1;
    }
    wheel->heads[slot] = entry + 1;
}

static void unlink_entry(struct wheel *wheel, uint32_t entry) {
    struct wheel_link *link = &wheel->links[entry];
    if ((link->previous & FIRST) == 0) {
        wheel->links[link->previous - 1].next = link->next;
    } else {
        uint32_t slot = link->previous & ~FIRST;
        ASSERT(slot < WHEEL_LEVELS * WHEEL_SLOTS && wheel->heads[slot] == entry + 1);
        wheel->heads[slot] = link->next;
    }
    if (link->next != 0) {
        wheel->links[link->next - 1].previous = link->previous;
    }
    *link = (struct wheel_link){0};
}

void wheel_add(struct wheel *wheel, uint32_t entry, uint64_t now_ms) {
    ASSERT(entry < wheel->entries_max && wheel->links[entry].previous == 0);
    if (wheel->count == 0) {
        wheel->tick = now_ms;
    }
    link_entry(wheel, entry);
    wheel->count++;
}

void wheel_remove(struct wheel *wheel, uint32_t entry) {
    ASSERT(entry < wheel->entries_max);
    if (wheel->links[entry].previous != 0) {
        unlink_entry(wheel, entry);
        wheel->count--;
    }
}

/* Moves to a later tick, past empty slots only, and brings the slots that hold it one level down.
 */
static void enter_tick(struct wheel *wheel, uint64_t tick) {
    ASSERT(tick >= wheel->tick);
    uint32_t late = wheel->heads[digit_of(wheel->tick, 0)];
    wheel->heads[digit_of(wheel->tick, 0)] = 0;
    wheel->tick = tick;
    for (uint32_t level = WHEEL_LEVELS; level-- > 0;) {
        uint32_t slot = level * WHEEL_SLOTS + digit_of(tick, level);
        uint32_t number = level == 0 ? late : wheel->heads[slot];
        if (level > 0) {
            wheel->heads[slot] = 0;
        }
        while (number != 0) {
            uint32_t next = wheel->links[number - 1].next;
            link_entry(wheel, number - 1);
            number = next;
        }
    }
}

/* The start of the next occupied slot from the current one on; UINT64_MAX when all are empty. */
static uint64_t next_occupied_tick(const struct wheel *wheel) {
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        uint32_t first = digit_of(wheel->tick, level) + (level == 0 ? 0 : 1);
        for (uint32_t digit = first; digit < WHEEL_SLOTS; digit++) {
            if (wheel->heads[level * WHEEL_SLOTS + digit] != 0) {
                uint64_t base = wheel->tick >> (8 * (level + 1)) << (8 * (level + 1));
                return base + ((uint64_t)digit << (8 * level));
            }
        }
    }
    return UINT64_MAX;
}

/* What is not due any more goes where it belongs. */
static uint32_t pop_from_current(struct wheel *wheel, uint64_t now_ms) {
    uint32_t number = wheel->heads[digit_of(wheel->tick, 0)];
    while (number != 0) {
        uint32_t entry = number - 1;
        number = wheel->links[entry].next;
        unlink_entry(wheel, entry);
        if (wheel->due_ms(wheel->context, entry) <= now_ms) {
            wheel->count--;
            return entry;
        }
        link_entry(wheel, entry);
    }
    return WHEEL_NONE;
}

uint32_t wheel_pop_due(struct wheel *wheel, uint64_t now_ms) {
    for (;;) {
        uint32_t entry = pop_from_current(wheel, now_ms);
        if (entry != WHEEL_NONE || wheel->tick >= now_ms) {
            return entry;
        }
        uint64_t tick = next_occupied_tick(wheel);
        if (tick == wheel->tick) {
            tick = wheel->tick + 1; /* what is left here is weeks ahead */
        }
        enter_tick(wheel, tick < now_ms ? tick : now_ms);
    }
}
