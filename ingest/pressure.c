/* pressure.c - see pressure.h. */
#include "ingest/pressure.h"

#include "core/base/assert.h"

void pressure_add(struct pressure *pressure, struct hash128 tenant, uint32_t *place) {
    ASSERT(pressure->count < PRESSURE_REQUESTS_MAX);
    *place = pressure->count++;
    pressure->tenants[*place] = tenant;
    pressure->places[*place] = place;
}

void pressure_remove(struct pressure *pressure, uint32_t place) {
    ASSERT(place < pressure->count && *pressure->places[place] == place);
    uint32_t last = --pressure->count;
    pressure->tenants[place] = pressure->tenants[last];
    pressure->places[place] = pressure->places[last];
    *pressure->places[place] = place;
}

bool pressure_is_shared_out(const struct pressure *pressure, struct hash128 tenant,
                            uint32_t waiting_max, uint32_t share_percent) {
    uint32_t share = (uint32_t)((uint64_t)waiting_max * share_percent / 100);
    share = share == 0 ? 1 : share;
    if (pressure->count < share) {
        return false; /* the usual case costs nothing */
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < pressure->count; i++) {
        count += hash128_equals(pressure->tenants[i], tenant) ? 1 : 0;
    }
    return count >= share;
}
