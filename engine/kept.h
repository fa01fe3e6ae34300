/*
 * kept.h - what is kept for people, the quarantine, the dead letters and resolved incidents, and
 * how long: per tenant so many bytes and so many days; beyond them its oldest go. No tenant's rows
 * push out another's, with one end: when all together have more than KEPT_BYTES_MAX, those that
 * have most are cut to a level, the same for all, that leaves an eighth of it free. Who has less
 * loses nothing.
 *
 * Beside each row of QUARANTINE and DEAD, and each of INCIDENT that the room of that name has
 * forgotten, stands one of table KEPT, in the order of a tenant's oldest first, so that what must
 * go is found without reading what stays. Integers in keys are big-endian.
 *
 *   key: u8 kind, u32 tenant's number (UINT32_MAX: all of those beyond TENANTS_MAX together)
 *     -> u64 rows, u64 bytes, u64 oldest_ns: the sum of those below; while an incident is begun,
 *        then u64 when it was resolved, its id, u64 its bytes (of a version before: not there)
 *   key: the same, then of a refused record u64 journal record, u32 place in it; of a dead letter
 *        u64 when it died, u64 outbox number; of an incident u64 when it was resolved, its id
 *        -> u64 at_ns, u32 bytes, text tenant
 *   META "kept" -> u32 3: table KEPT is whole. Without it (a directory of before) it is made anew.
 *
 * Invariants:
 * 1. The sums are those of the rows; both change in one transaction.
 * 2. What goes, and when, is a function of the journal: it is decided as a record begins, by sums
 *    and the record's time, and what is read for it was committed before. Nothing goes with a
 *    record of an operator or a configuration, which say what may stay, nor of an outcome, which
 *    reads whether its incident is there.
 * 3. The newest row of a tenant goes by age alone, however small the bound.
 * 4. What is more than a record may drop of an incident is left to the next: of a tenant one is
 *    begun at most, and goes before all others and whatever the bounds say by then.
 *
 * Memory: fixed at init. Thread: the shard.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/hash.h"
#include "core/base/limits.h"
#include "engine/tally.h"

enum kept_kind { KEPT_QUARANTINE, KEPT_DEAD, KEPT_INCIDENT, KEPT_KINDS };

enum { KEPT_BEYOND = TENANTS_MAX, KEPT_PLACES }; /* the place of the tenants too many */

struct kept_sum {
    uint64_t rows;
    uint64_t bytes;
    uint64_t oldest_ns;   /* or before; 0 without rows */
    uint64_t begun_ns;    /* when it was resolved, of an incident of which some rows are gone */
    struct hash128 begun; /* its id; zero: of none */
    uint64_t begun_bytes; /* what its row says; then nothing else does, were that damaged */
};

struct kept {
    struct kept_sum *sums[KEPT_KINDS]; /* KEPT_PLACES each: by tenant's number */
    uint64_t bytes[KEPT_KINDS];        /* of all of them */
    uint64_t bytes_max;                /* of each kind, all places; KEPT_BYTES_MAX but in tests */
    uint32_t rows_max;                 /* of incidents, that a record drops; lower in tests */
    uint64_t level[KEPT_KINDS];        /* the most of any while all have too much */
    uint64_t next_ns;                  /* nothing is to go before; UINT64_MAX: nothing at all */
    uint64_t forgets_seq;              /* the latest record that dropped rows of incidents */
    struct tally dropped[KEPT_KINDS];
    bool is_whole; /* META says so */
};

enum {
    KEPT_SUM_KEY_BYTES = 5,
    /* An incident may have a million: each record takes some milliseconds of them. */
    KEPT_ROWS_MAX = 8192,
};

/* One row. */
struct kept_row {
    uint64_t number; /* journal record or outbox number */
    uint32_t index;  /* in the record; 0 */
    uint64_t at_ns;
    size_t bytes;      /* of its value in QUARANTINE or DEAD; of all that hangs on an incident */
    struct hash128 id; /* of an incident */
};

/* bytes_max 0: KEPT_BYTES_MAX; rows_max 0: KEPT_ROWS_MAX. FULL. */
MUST_CHECK struct status kept_init(struct kept *kept, uint64_t bytes_max, uint32_t rows_max,
                                   struct arena *arena);
/* The key of a sum, with which those of its rows begin. */
struct slice kept_sum_key(enum kept_kind kind, uint32_t place, uint8_t memory[KEPT_SUM_KEY_BYTES]);
