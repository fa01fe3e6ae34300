/*
 * tenants.h - the tenants a shard has seen: a dense number, counters, and the policy in force.
 *
 * Counters are engine state: they change only by applying journal records, are written as TENANT
 * rows (number u32 big-endian -> name text, TENANT_COUNTER_COUNT x u64) and survive a restart.
 * Memory: fixed at init. Thread: the shard.
 */
#pragma once

#include "core/base/table.h"
#include "schemas/effect.h"
#include "schemas/policy.h"

enum tenant_counter {
#define TENANT_COUNTER(name, text, help) TENANT_COUNTER_##name,
#include "schemas/tenant_counter_list.h"
#undef TENANT_COUNTER
    TENANT_COUNTER_COUNT
};

struct tenant {
    struct slice name;
    const struct policy *policy; /* of the set in force */
    uint64_t counters[TENANT_COUNTER_COUNT];
    bool is_dirty;
    uint32_t next_dirty;
};

struct tenants {
    struct tenant *items;
    uint32_t count;
    uint32_t dirty_first; /* number + 1; 0: none */
    struct table numbers;
    struct arena names;
    const struct policy_set *policies;
    uint32_t latest; /* events of one tenant come in runs */
};

/* Room for TENANTS_MAX from the arena; the set of policies outlives it. FULL, IO. */
MUST_CHECK struct status tenants_init(struct tenants *tenants, const struct policy_set *policies,
                                      struct arena *arena);
void tenants_deinit(struct tenants *tenants);
/* The tenant of the name, made when new. FULL at TENANTS_MAX. The pointer stays valid. */
MUST_CHECK struct status tenants_intern(struct tenants *tenants, struct slice name,
                                        struct tenant **tenant_out);
/* Below TENANTS_MAX; the same after a restart. */
static inline uint32_t tenants_number(const struct tenants *tenants, const struct tenant *tenant) {
    return (uint32_t)(tenant - tenants->items);
}
/* NULL when nothing of it was seen yet. */
struct tenant *tenants_find(struct tenants *tenants, struct slice name);
/* Points every tenant at its policy of the new set. */
void tenants_set_policies(struct tenants *tenants, const struct policy_set *policies);
/* Adds to a counter and marks its row as changed. */
void tenant_count(struct tenants *tenants, struct tenant *tenant, enum tenant_counter counter,
                  uint64_t amount);
/* Emits rows changed since the last call as far as there is room; true when all are out. */
bool tenants_emit(struct tenants *tenants, struct effects *effects);
/* From a row. CORRUPT, FULL. */
MUST_CHECK struct status tenants_restore(struct tenants *tenants, struct slice value);
/* Reads a TENANT row, for views. CORRUPT. */
MUST_CHECK struct status tenant_row_read(struct slice value, struct slice *name_out,
                                         uint64_t counters_out[TENANT_COUNTER_COUNT]);
