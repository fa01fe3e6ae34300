/* table.c - see table.h. */
#include "core/base/table.h"

#include "core/base/assert.h"

struct status table_init(struct table *table, uint32_t count_max, struct arena *arena) {
    ASSERT(count_max > 0 && count_max <= (1u << 30));
    uint32_t slots = 16;
    while (slots - slots / 8 < count_max) {
        slots *= 2;
    }
    *table = (struct table){.slot_mask = slots - 1, .count_max = count_max};
    table->slots = ARENA_ARRAY(arena, struct table_slot, slots);
    return table->slots == NULL ? status_of(STATUS_FULL) : status_ok();
}

static uint32_t home_of(const struct table *table, struct hash128 key) {
    return (uint32_t)key.lo & table->slot_mask;
}

/* The key's slot, or the empty one where it would go. */
static uint32_t locate(const struct table *table, struct hash128 key) {
    uint32_t slot = home_of(table, key);
    while (table->slots[slot].used != 0 && !hash128_equals(table->slots[slot].key, key)) {
        slot = (slot + 1) & table->slot_mask;
    }
    return slot;
}

bool table_find(const struct table *table, struct hash128 key, uint32_t *value_out) {
    uint32_t slot = locate(table, key);
    if (table->slots[slot].used == 0) {
        return false;
    }
    *value_out = table->slots[slot].value;
    return true;
}

struct status table_put(struct table *table, struct hash128 key, uint32_t value) {
    uint32_t slot = locate(table, key);
    if (table->slots[slot].used == 0) {
        if (table->count == table->count_max) {
            return status_of(STATUS_FULL);
        }
        table->count++;
    }
    table->slots[slot] = (struct table_slot){.key = key, .value = value, .used = 1};
    return status_ok();
}

bool table_remove(struct table *table, struct hash128 key) {
    uint32_t hole = locate(table, key);
    if (table->slots[hole].used == 0) {
        return false;
    }
    ASSERT(table->count > 0);
    table->count--;
    /* Shift back what stands behind, as long as it may stand in the hole. */
    uint32_t slot = hole;
    for (;;) {
        slot = (slot + 1) & table->slot_mask;
        if (table->slots[slot].used == 0) {
            break;
        }
        uint32_t home = home_of(table, table->slots[slot].key);
        bool may_move = ((slot - home) & table->slot_mask) >= ((slot - hole) & table->slot_mask);
        if (may_move) {
            table->slots[hole] = table->slots[slot];
            hole = slot;
        }
    }
    table->slots[hole] = (struct table_slot){0};
    return true;
}

void table_clear(struct table *table) {
    memset(table->slots, 0, ((size_t)table->slot_mask + 1) * sizeof(*table->slots));
    table->count = 0;
}
