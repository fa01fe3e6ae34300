/*
 * rates.h - events a second and tenant: a bucket each, for `limits.events_per_second`.
 *
 * A tenant whose bucket is empty is asked to come back later (429, Retry-After; of Kafka, its
 * partition waits). A request that is let in is taken whole, into debt if need be: half a request
 * would be sent again whole.
 *
 * Memory: fixed, touched as tenants come. Of RATES_MAX tenants that have a bucket the one whose
 * bucket is full again, as a new one is, gives it to the next; who finds none is not limited.
 * Thread: its ingest thread's; each thread has its share of the rate.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/table.h"
#include "schemas/policy.h"

#define RATES_ARENA_BYTES (UINT64_C(4) << 20)
enum { RATES_MAX = 16384, RATE_BURST_S = 2, RATE_EVENT = 1000 };

struct rate_bucket {
    struct hash128 key; /* of the tenant's name */
    uint64_t stamp_ns;
    int64_t level; /* thousandths of an event; below zero: debt */
    uint32_t per_s;
};

struct rates {
    struct table numbers; /* of the tenant's name -> bucket */
    struct rate_bucket *buckets;
    uint32_t count;
    uint32_t hand; /* which bucket is asked next whether it is full again */
};

/* Room for RATES_MAX tenants from the arena. FULL. */
MUST_CHECK struct status rates_init(struct rates *rates, struct arena *arena);
/* The tenant's bucket, as full as it is now; the caller takes RATE_EVENT of it for each event. NULL
 * when too many tenants send at once. */
struct rate_bucket *rates_find(struct rates *rates, struct slice tenant, uint32_t per_s,
                               uint64_t now_ns);
/* 0 when it may send now, else the seconds until it may. */
uint32_t rate_wait_s(const struct rate_bucket *bucket, uint32_t per_s);

/* A request or message on its way in; zeroed at its start. */
struct rate_turn {
    struct hash128 rated; /* the tenant asked for last, by name; zero: none */
    uint32_t name_size;   /* of it; 0: none */
    uint8_t name[TENANT_BYTES_MAX];
    struct rate_bucket *bucket; /* of it; NULL: not limited */
    uint32_t wait_s;            /* it sends too much: when it may come back; 0: it does not */
    uint32_t events;            /* taken of the bucket so far */
};

/* Whether the tenant may send one more event: its bucket is asked once a turn. The limit is shared
 * by so many threads. */
bool rates_let_in(struct rates *rates, struct rate_turn *turn, const struct policy_set *policies,
                  uint32_t shares, struct slice tenant, uint64_t now_ns);
/* The turn came to nothing: what it took of its latest tenant's bucket goes back. */
void rates_give_back(struct rate_turn *turn);
