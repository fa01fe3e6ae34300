/* shares.c - see shares.h. */
#include "ingest/shares.h"

#include "core/base/assert.h"

void shares_see(struct shares *shares, struct hash128 tenant, uint64_t now_ns) {
    if (!hash128_equals(shares->latest[0].tenant, tenant)) {
        shares->latest[1] = shares->latest[0];
        shares->latest[0].tenant = tenant;
    }
    shares->latest[0].at_ns = now_ns;
}

bool shares_has_others(const struct shares *shares, struct hash128 tenant, uint64_t now_ns) {
    for (int i = 0; i < SHARES_LATEST; i++) {
        if (shares->latest[i].at_ns != 0 && shares->latest[i].at_ns + SHARES_THERE_NS > now_ns &&
            !hash128_equals(shares->latest[i].tenant, tenant)) {
            return true;
        }
    }
    return false;
}

/* What it has taken and time has not given back. */
static uint64_t taken_of(const struct share *share, uint32_t percent, uint64_t now_ns) {
    ASSERT(percent >= 1 && percent <= 100);
    uint64_t passed_ns = now_ns > share->stamp_ns ? now_ns - share->stamp_ns : 0;
    passed_ns = passed_ns < NS_PER_HOUR ? passed_ns : NS_PER_HOUR;
    uint64_t given_ns = passed_ns * percent / 100;
    return share->taken_ns > given_ns ? share->taken_ns - given_ns : 0;
}

static const struct share *find(const struct shares *shares, struct hash128 tenant) {
    const struct share *set = shares->sets[tenant.lo % SHARES_SETS];
    for (int i = 0; i < SHARES_WAYS; i++) {
        if (set[i].taken_ns > 0 && hash128_equals(set[i].tenant, tenant)) {
            return &set[i];
        }
    }
    return NULL;
}

uint32_t shares_wait_s(const struct shares *shares, struct hash128 tenant, uint32_t percent,
                       uint64_t now_ns) {
    const struct share *share = find(shares, tenant);
    uint64_t hold_ns = SHARES_HOLD_NS * percent / 100;
    uint64_t taken_ns = share == NULL ? 0 : taken_of(share, percent, now_ns);
    if (taken_ns < hold_ns || !shares_has_others(shares, tenant, now_ns)) {
        return 0;
    }
    uint64_t wait_s = (taken_ns - hold_ns) * 100 / percent / NS_PER_S + 1;
    return wait_s < SHARES_WAIT_S_MAX ? (uint32_t)wait_s : SHARES_WAIT_S_MAX;
}

/* The tenant's own place, else that of who has taken least. */
static struct share *place_for(struct shares *shares, struct hash128 tenant, uint32_t percent,
                               uint64_t now_ns) {
    struct share *set = shares->sets[tenant.lo % SHARES_SETS];
    struct share *least = &set[0];
    for (int i = 0; i < SHARES_WAYS; i++) {
        if (hash128_equals(set[i].tenant, tenant)) {
            return &set[i];
        }
        least =
            taken_of(&set[i], percent, now_ns) < taken_of(least, percent, now_ns) ? &set[i] : least;
    }
    *least = (struct share){.tenant = tenant};
    return least;
}

void shares_spend(struct shares *shares, struct hash128 tenant, uint32_t percent, uint64_t spent_ns,
                  uint64_t now_ns) {
    struct share *share = place_for(shares, tenant, percent, now_ns);
    uint64_t spent = spent_ns < NS_PER_HOUR ? spent_ns : NS_PER_HOUR;
    share->taken_ns = taken_of(share, percent, now_ns) + spent;
    share->stamp_ns = now_ns;
}

void payers_clear(struct payers *payers) {
    payers->records = 0;
    payers->count = 0;
    payers->latest = 0;
}

void payers_turn(struct payers *payers, struct hash128 tenant) {
    uint32_t at = 0;
    uint32_t least = 0;
    while (at < payers->count && !hash128_equals(payers->items[at].tenant, tenant)) {
        least = payers->items[at].records < payers->items[least].records ? at : least;
        at++;
    }
    payers->latest = at < PAYERS_MAX ? at : least;
    if (at == payers->count) {
        payers->count += at < PAYERS_MAX ? 1 : 0;
        payers->items[payers->latest] = (struct payer){.tenant = tenant};
    }
}

void payers_spend(const struct payers *payers, struct shares *shares, uint32_t percent,
                  uint64_t spent_ns, uint64_t began_ns, uint64_t now_ns) {
    for (uint32_t i = 0; i < payers->count && payers->records > 0; i++) {
        const struct payer *payer = &payers->items[i];
        uint64_t part_ns = spent_ns / payers->records * payer->records +
                           spent_ns % payers->records * payer->records / payers->records;
        if (shares_has_others(shares, payer->tenant, began_ns)) {
            shares_spend(shares, payer->tenant, percent, part_ns, now_ns);
        }
    }
}
