/* rates.c - see rates.h. */
#include "ingest/rates.h"

#include "core/base/assert.h"
#include "core/base/limits.h"

struct status rates_init(struct rates *rates, struct arena *arena) {
    *rates = (struct rates){0};
    rates->buckets = ARENA_ARRAY(arena, struct rate_bucket, RATES_MAX);
    TRY(table_init(&rates->numbers, RATES_MAX, arena));
    return rates->buckets != NULL ? status_ok() : status_of(STATUS_FULL);
}

/* How many are asked whether their bucket is full again, for each that finds no room. */
enum { ASKED_MAX = 64 };

static int64_t most_of(uint32_t per_s) {
    return (int64_t)per_s * RATE_BURST_S * RATE_EVENT;
}

static void fill(struct rate_bucket *bucket, uint32_t per_s, uint64_t now_ns) {
    int64_t most = most_of(per_s);
    uint64_t passed_ns = now_ns > bucket->stamp_ns ? now_ns - bucket->stamp_ns : 0;
    uint64_t passed_ms = passed_ns / NS_PER_MS;
    passed_ms = passed_ms < NS_PER_HOUR / NS_PER_MS ? passed_ms : NS_PER_HOUR / NS_PER_MS;
    bucket->level += (int64_t)(passed_ms * per_s); /* a thousandth a millisecond and unit */
    bucket->level = bucket->level < most ? bucket->level : most;
    bucket->stamp_ns += passed_ms * NS_PER_MS;
    bucket->stamp_ns = passed_ns > NS_PER_HOUR ? now_ns : bucket->stamp_ns;
}

/* A bucket that nobody has, or one that is full again, which nobody misses. NULL: none was found.
 */
static struct rate_bucket *take_bucket(struct rates *rates, uint64_t now_ns) {
    if (rates->count < RATES_MAX) {
        return &rates->buckets[rates->count++];
    }
    for (uint32_t asked = 0; asked < ASKED_MAX; asked++) {
        struct rate_bucket *bucket = &rates->buckets[rates->hand];
        rates->hand = (rates->hand + 1) % RATES_MAX;
        fill(bucket, bucket->per_s, now_ns);
        if (bucket->level == most_of(bucket->per_s)) {
            ASSERT(table_remove(&rates->numbers, bucket->key));
            return bucket;
        }
    }
    return NULL;
}

struct rate_bucket *rates_find(struct rates *rates, struct slice tenant, uint32_t per_s,
                               uint64_t now_ns) {
    ASSERT(per_s > 0);
    uint32_t number = 0;
    struct hash128 key = hash128_of(tenant, 0);
    struct rate_bucket *bucket = NULL;
    if (table_find(&rates->numbers, key, &number)) {
        bucket = &rates->buckets[number];
        bucket->per_s = per_s;
        fill(bucket, per_s, now_ns);
        return bucket;
    }
    bucket = take_bucket(rates, now_ns);
    if (bucket != NULL) {
        *bucket = (struct rate_bucket){
            .key = key, .stamp_ns = now_ns, .level = most_of(per_s), .per_s = per_s};
        /* It has as many keys at most as there are buckets. */
        ASSERT(status_is_ok(table_put(&rates->numbers, key, (uint32_t)(bucket - rates->buckets))));
    }
    return bucket;
}

uint32_t rate_wait_s(const struct rate_bucket *bucket, uint32_t per_s) {
    if (bucket->level >= RATE_EVENT) {
        return 0;
    }
    uint64_t missing = (uint64_t)(RATE_EVENT - bucket->level);
    uint64_t wait_s = (missing + (uint64_t)per_s * RATE_EVENT - 1) / ((uint64_t)per_s * RATE_EVENT);
    return wait_s < 3600 ? (uint32_t)wait_s : 3600;
}

static void begin_turn(struct rates *rates, struct rate_turn *turn,
                       const struct policy_set *policies, uint32_t shares, struct slice tenant,
                       uint64_t now_ns) {
    uint32_t per_s = policy_set_find(policies, tenant)->limit_events_per_s;
    uint32_t share = per_s > 0 && per_s < shares ? 1 : per_s / shares;
    ASSERT(tenant.size <= sizeof(turn->name));
    *turn = (struct rate_turn){.rated = hash128_of(tenant, 0), .name_size = (uint32_t)tenant.size};
    memcpy(turn->name, tenant.data, tenant.size);
    turn->bucket = share == 0 ? NULL : rates_find(rates, tenant, share, now_ns);
    turn->wait_s = turn->bucket == NULL ? 0 : rate_wait_s(turn->bucket, share);
}

bool rates_let_in(struct rates *rates, struct rate_turn *turn, const struct policy_set *policies,
                  uint32_t shares, struct slice tenant, uint64_t now_ns) {
    ASSERT(shares > 0);
    if (!slice_equals(tenant, slice_of(turn->name, turn->name_size))) {
        begin_turn(rates, turn, policies, shares, tenant, now_ns);
    }
    if (turn->bucket != NULL && turn->wait_s == 0) {
        turn->bucket->level -= RATE_EVENT;
        turn->events++;
    }
    return turn->wait_s == 0;
}

void rates_give_back(struct rate_turn *turn) {
    if (turn->bucket != NULL) {
        turn->bucket->level += (int64_t)turn->events * RATE_EVENT;
    }
    turn->events = 0;
}
