/*
 * view_recent.h - the incidents of all tenants, newest first: the tenants' own lists (table RECENT,
 * tenant 0 ~opened id) merged by the end of their keys.
 *
 * Begins anywhere: a place in the order is (~opened, id), which no incident that comes later moves.
 * Costs two seeks for each tenant that has incidents, and one for each incident given. Memory: a
 * slice for each of these tenants. The keys point into the snapshot, which outlives it.
 */
#pragma once

#include "core/store.h"

enum { VIEW_PLACE_BYTES = 8 + 16 /* ~opened, id: how a RECENT key ends */ };

struct view_recent {
    struct store_snapshot *snapshot;
    struct slice *heads; /* a heap, the newest first: of each tenant the next key to be given */
    uint32_t heads_count;
    uint32_t heads_capacity;
};

/* The tenant of a RECENT key; CORRUPT when it is none. */
MUST_CHECK struct status view_recent_tenant(struct slice key, struct slice *tenant_out);
/* Behind `place` of VIEW_PLACE_BYTES, or from the newest when it is empty. FULL, CORRUPT, IO; to be
 * deinited also then. */
MUST_CHECK struct status view_recent_init(struct view_recent *recent,
                                          struct store_snapshot *snapshot, struct slice place);
void view_recent_deinit(struct view_recent *recent);
/* The next RECENT key. END after the last. */
MUST_CHECK struct status view_recent_next(struct view_recent *recent, struct slice *key_out);
