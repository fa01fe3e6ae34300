/*
 * shares.h - how much of its thread's time each tenant has taken: a bucket each that fills by
 * server.tenant_share percent of the time that passes, and holds what a second gives. Who has
 * emptied his is asked to come back (429, Retry-After), but only while another tenant is there:
 * alone he has the whole thread. A request that is let in is worked for whole, into debt if need
 * be.
 *
 * Time is that of the processor, so that what a host or another process takes is nobody's debt. A
 * request of several tenants is paid for by each of them, for his part of its records.
 *
 * Memory: fixed; of tenants whose names fall together the one that took least is forgotten, and of
 * more than PAYERS_MAX in one request the one that has least of it, which only errs in his favour.
 * Thread: its ingest thread's.
 */
#pragma once

#include <stdbool.h>

#include "core/base/hash.h"
#include "core/base/limits.h"

enum {
    SHARES_SETS = 256,
    SHARES_WAYS = 4,
    SHARES_LATEST = 2,
    SHARES_WAIT_S_MAX = 60,
    PAYERS_MAX = 16
};
#define SHARES_HOLD_NS NS_PER_S  /* what a full bucket of 100 percent holds */
#define SHARES_THERE_NS NS_PER_S /* since its latest request a tenant is there for so long */

struct shares {
    struct share {
        struct hash128 tenant;
        uint64_t taken_ns; /* of what the bucket holds; 0: it is full */
        uint64_t stamp_ns; /* of `taken_ns` */
    } sets[SHARES_SETS][SHARES_WAYS];
    struct {
        struct hash128 tenant;
        uint64_t at_ns;
    } latest[SHARES_LATEST]; /* to ask for something, newest first */
};

/* Whose records a request has. */
struct payers {
    uint64_t records; /* of all, also of those who are forgotten */
    uint32_t count;
    uint32_t latest;
    struct payer {
        struct hash128 tenant;
        uint64_t records;
    } items[PAYERS_MAX];
};

/* A request of the tenant has come. Times are monotonic. */
void shares_see(struct shares *shares, struct hash128 tenant, uint64_t now_ns);
/* Whether any other tenant is there. */
bool shares_has_others(const struct shares *shares, struct hash128 tenant, uint64_t now_ns);
/* 0 when the tenant's bucket has something, or no other is there; else the seconds until it has. */
uint32_t shares_wait_s(const struct shares *shares, struct hash128 tenant, uint32_t percent,
                       uint64_t now_ns);
/* The tenant was worked for so long. */
void shares_spend(struct shares *shares, struct hash128 tenant, uint32_t percent, uint64_t spent_ns,
                  uint64_t now_ns);
/* A request begins. */
void payers_clear(struct payers *payers);
/* Its next record is of that tenant, who is another than the record before was of. */
void payers_turn(struct payers *payers, struct hash128 tenant);
/* One more record of the latest tenant. */
static inline void payers_count(struct payers *payers) {
    payers->records++;
    payers->items[payers->latest].records++;
}
/* Each was worked for by his part of it, when another is there or was so at `began_ns`. */
void payers_spend(const struct payers *payers, struct shares *shares, uint32_t percent,
                  uint64_t spent_ns, uint64_t began_ns, uint64_t now_ns);
