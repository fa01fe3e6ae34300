/* wheel.c - see wheel.h. */
#include "dedup/wheel.h"

#include "core/base/assert.h"

enum { SLOT_BITS = 6, SLOT_MASK = WHEEL_SLOTS - 1 };

struct status wheel_init(struct wheel *wheel, uint32_t entries_max, struct arena *arena) {
    *wheel = (struct wheel){.entries_max = entries_max};
    wheel->links = ARENA_ARRAY(arena, struct wheel_links, entries_max);
    if (wheel->links == NULL) {
        return status_of(STATUS_FULL);
    }
    for (uint32_t i = 0; i < WHEEL_LEVELS * WHEEL_SLOTS; i++) {
        wheel->heads[i] = WHEEL_NONE;
    }
    return status_ok();
}

/* The tick at which an instant has surely passed. */
static uint64_t tick_after(uint64_t time_ns) {
    return (time_ns >> WHEEL_TICK_SHIFT) + 1;
}

static uint32_t slot_for(const struct wheel *wheel, uint64_t due_tick) {
    uint64_t delta = due_tick - wheel->tick;
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        if (delta < (UINT64_C(1) << (SLOT_BITS * (level + 1)))) {
            return level * WHEEL_SLOTS + (uint32_t)((due_tick >> (SLOT_BITS * level)) & SLOT_MASK);
        }
    }
    /* Beyond the span: the slot of the last level that comes round last. */
    uint64_t top = wheel->tick >> (SLOT_BITS * (WHEEL_LEVELS - 1));
    return (WHEEL_LEVELS - 1) * WHEEL_SLOTS + (uint32_t)((top + SLOT_MASK) & SLOT_MASK);
}

static void link_entry(struct wheel *wheel, uint32_t entry) {
    struct wheel_links *links = &wheel->links[entry];
    uint64_t due_tick = tick_after(links->due_ns);
    due_tick = due_tick < wheel->tick ? wheel->tick : due_tick;
    links->slot = slot_for(wheel, due_tick);
    links->previous = WHEEL_NONE;
    links->next = wheel->heads[links->slot];
    if (links->next != WHEEL_NONE) {
        wheel->links[links->next].previous = entry;
    }
    wheel->heads[links->slot] = entry;
}

static void unlink_entry(struct wheel *wheel, uint32_t entry) {
    struct wheel_links *links = &wheel->links[entry];
    if (links->previous == WHEEL_NONE) {
        ASSERT(wheel->heads[links->slot] == entry);
        wheel->heads[links->slot] = links->next;
    } else {
        wheel->links[links->previous].next = links->next;
    }
    if (links->next != WHEEL_NONE) {
        wheel->links[links->next].previous = links->previous;
    }
    links->slot = WHEEL_NONE;
}

void wheel_insert(struct wheel *wheel, uint32_t entry, uint64_t due_ns) {
    ASSERT(entry < wheel->entries_max);
    wheel->links[entry].due_ns = due_ns;
    link_entry(wheel, entry);
    wheel->count++;
}

void wheel_remove(struct wheel *wheel, uint32_t entry) {
    ASSERT(entry < wheel->entries_max && wheel->links[entry].slot != WHEEL_NONE);
    ASSERT(wheel->count > 0);
    unlink_entry(wheel, entry);
    wheel->count--;
}

/* A higher level's slot has come round: its entries move down. */
static void cascade(struct wheel *wheel, uint32_t level) {
    uint32_t slot = level * WHEEL_SLOTS +
                    (uint32_t)((wheel->tick >> (SLOT_BITS * level)) & SLOT_MASK);
    uint32_t entry = wheel->heads[slot];
    wheel->heads[slot] = WHEEL_NONE;
    while (entry != WHEEL_NONE) {
        uint32_t next = wheel->links[entry].next;
        link_entry(wheel, entry);
        entry = next;
    }
}

static void advance_tick(struct wheel *wheel) {
    wheel->tick++;
    for (uint32_t level = 1; level < WHEEL_LEVELS; level++) {
        if ((wheel->tick & ((UINT64_C(1) << (SLOT_BITS * level)) - 1)) != 0) {
            return;
        }
        cascade(wheel, level);
    }
}

uint32_t wheel_expire(struct wheel *wheel, uint64_t now_ns) {
    uint64_t now_tick = now_ns >> WHEEL_TICK_SHIFT;
    if (wheel->count == 0) {
        wheel->tick = now_tick > wheel->tick ? now_tick : wheel->tick;
        return WHEEL_NONE;
    }
    while (wheel->tick <= now_tick) {
        uint32_t entry = wheel->heads[wheel->tick & SLOT_MASK];
        if (entry != WHEEL_NONE) {
            wheel_remove(wheel, entry);
            return entry;
        }
        if (wheel->tick == now_tick) {
            return WHEEL_NONE;
        }
        advance_tick(wheel);
    }
    return WHEEL_NONE;
}

uint32_t wheel_soonest(const struct wheel *wheel) {
    for (uint32_t level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t start = wheel->tick >> (SLOT_BITS * level);
        for (uint32_t i = 0; i < WHEEL_SLOTS; i++) {
            uint32_t entry =
                wheel->heads[level * WHEEL_SLOTS + (uint32_t)((start + i) & SLOT_MASK)];
            if (entry != WHEEL_NONE) {
                return entry;
            }
        }
    }
    return WHEEL_NONE;
}
