/*
 * pressure.h - the requests that wait for the journal, and whose they are. When they are too many,
 * or too many of them one tenant's, the next is refused before its body is opened: to say no must
 * cost little, or an overload would eat what is left for the others.
 *
 * A tenant holds at most server.tenant_share percent of server.max_waiting_requests, so there is
 * always a place for another's. A request of several tenants counts for the last of them.
 *
 * Memory: fixed. Thread: its ingest thread's.
 */
#pragma once

#include <stdbool.h>

#include "core/base/hash.h"

enum { PRESSURE_REQUESTS_MAX = 1024 };

struct pressure {
    uint32_t count;
    struct hash128 tenants[PRESSURE_REQUESTS_MAX]; /* the first `count`; by name */
    uint32_t *places[PRESSURE_REQUESTS_MAX];       /* where each request keeps its number here */
};

/* A request of this tenant waits from now on; *place is the caller's until it is taken out. */
void pressure_add(struct pressure *pressure, struct hash128 tenant, uint32_t *place);
void pressure_remove(struct pressure *pressure, uint32_t place);
/* Whether the tenant has its share of `waiting_max` already. */
bool pressure_is_shared_out(const struct pressure *pressure, struct hash128 tenant,
                            uint32_t waiting_max, uint32_t share_percent);
