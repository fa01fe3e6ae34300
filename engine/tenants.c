/* tenants.c - see tenants.h. */
#include "engine/tenants.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

/* Enough for a row: a name and the counters. */
enum { TENANT_ROW_BYTES_MAX = 4 + TENANT_BYTES_MAX + 8 * TENANT_COUNTER_COUNT };

static struct hash128 name_key(struct slice name) {
    return hash128_of(name, 0);
}

struct status tenants_init(struct tenants *tenants, const struct policy_set *policies,
                           struct arena *arena) {
    ASSERT(policies != NULL);
    *tenants = (struct tenants){.policies = policies};
    tenants->items = ARENA_ARRAY(arena, struct tenant, TENANTS_MAX);
    if (tenants->items == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(table_init(&tenants->numbers, TENANTS_MAX, arena));
    return arena_init(&tenants->names, (size_t)TENANTS_MAX * (TENANT_BYTES_MAX + 16));
}

void tenants_deinit(struct tenants *tenants) {
    arena_deinit(&tenants->names);
}

static struct status tenant_make(struct tenants *tenants, struct slice name,
                                 struct tenant **tenant_out) {
    if (tenants->count >= TENANTS_MAX) {
        return status_of(STATUS_FULL);
    }
    ASSERT(name.size > 0 && name.size <= TENANT_BYTES_MAX);
    struct tenant *tenant = &tenants->items[tenants->count];
    *tenant = (struct tenant){.policy = policy_set_find(tenants->policies, name)};
    TRY(arena_copy(&tenants->names, name, &tenant->name));
    TRY(table_put(&tenants->numbers, name_key(name), tenants->count));
    tenants->count++;
    *tenant_out = tenant;
    return status_ok();
}

struct status tenants_intern(struct tenants *tenants, struct slice name,
                             struct tenant **tenant_out) {
    if (tenants->latest < tenants->count &&
        slice_equals(tenants->items[tenants->latest].name, name)) {
        *tenant_out = &tenants->items[tenants->latest];
        return status_ok();
    }
    uint32_t number = 0;
    if (!table_find(&tenants->numbers, name_key(name), &number)) {
        TRY(tenant_make(tenants, name, tenant_out));
        tenants->latest = tenants->count - 1;
        return status_ok();
    }
    tenants->latest = number;
    *tenant_out = &tenants->items[number];
    return status_ok();
}

struct tenant *tenants_find(struct tenants *tenants, struct slice name) {
    uint32_t number = 0;
    bool is_latest = tenants->latest < tenants->count &&
                     slice_equals(tenants->items[tenants->latest].name, name);
    if (is_latest) {
        return &tenants->items[tenants->latest];
    }
    return table_find(&tenants->numbers, name_key(name), &number) ? &tenants->items[number] : NULL;
}

void tenants_set_policies(struct tenants *tenants, const struct policy_set *policies) {
    tenants->policies = policies;
    for (uint32_t i = 0; i < tenants->count; i++) {
        tenants->items[i].policy = policy_set_find(policies, tenants->items[i].name);
        ASSERT(tenants->items[i].policy != NULL);
    }
}

void tenant_count(struct tenants *tenants, struct tenant *tenant, enum tenant_counter counter,
                  uint64_t amount) {
    ASSERT(counter < TENANT_COUNTER_COUNT);
    tenant->counters[counter] += amount;
    if (!tenant->is_dirty) {
        tenant->is_dirty = true;
        tenant->next_dirty = tenants->dirty_first;
        tenants->dirty_first = (uint32_t)(tenant - tenants->items) + 1;
    }
}

static void tenant_emit(const struct tenants *tenants, const struct tenant *tenant,
                        struct effects *effects) {
    uint8_t row[TENANT_ROW_BYTES_MAX];
    uint32_t number = (uint32_t)(tenant - tenants->items);
    uint8_t key[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                      (uint8_t)number};
    struct writer writer = writer_over(row, sizeof(row));
    writer_text(&writer, tenant->name);
    for (uint32_t i = 0; i < TENANT_COUNTER_COUNT; i++) {
        writer_u64(&writer, tenant->counters[i]);
    }
    ASSERT(!writer.failed);
    effect_put(effects, STORE_TABLE_TENANT, slice_of(key, sizeof(key)), writer_slice(&writer));
}

bool tenants_emit(struct tenants *tenants, struct effects *effects) {
    while (tenants->dirty_first != 0) {
        if (effects_room(effects) < TENANT_ROW_BYTES_MAX + 64) {
            return false;
        }
        struct tenant *tenant = &tenants->items[tenants->dirty_first - 1];
        ASSERT(tenant->is_dirty);
        tenant_emit(tenants, tenant, effects);
        tenants->dirty_first = tenant->next_dirty;
        tenant->is_dirty = false;
    }
    return true;
}

struct status tenant_row_read(struct slice value, struct slice *name_out,
                              uint64_t counters_out[TENANT_COUNTER_COUNT]) {
    struct reader reader = reader_over(value);
    struct slice name = reader_text(&reader);
    if (reader.failed || name.size == 0 || name.size > TENANT_BYTES_MAX) {
        return status_of(STATUS_CORRUPT);
    }
    for (uint32_t i = 0; i < TENANT_COUNTER_COUNT; i++) {
        /* A row of an older version has fewer counters. */
        counters_out[i] = reader_left(&reader) >= 8 ? reader_u64(&reader) : 0;
    }
    *name_out = name;
    return status_ok();
}

struct status tenants_restore(struct tenants *tenants, struct slice value) {
    struct slice name;
    uint64_t counters[TENANT_COUNTER_COUNT];
    TRY(tenant_row_read(value, &name, counters));
    struct tenant *tenant = NULL;
    TRY(tenants_intern(tenants, name, &tenant));
    memcpy(tenant->counters, counters, sizeof(counters));
    return status_ok();
}
