/* rates_test.c - who is limited to so many events a second, however many tenants there were. */
#include "tests/base/unit.h"

#include "core/base/limits.h"
#include "ingest/rates.h"

enum { PER_S = 5 };

static uint64_t at(double seconds) {
    return NS_PER_HOUR + (uint64_t)(seconds * (double)NS_PER_S);
}

/* Asks for one bucket of each of so many tenants, and takes an event of it. */
static void send_as_many(struct rates *rates, uint32_t count, uint64_t now_ns) {
    for (uint32_t i = 0; i < count; i++) {
        struct rate_bucket *bucket = rates_find(rates, slice_of(&i, sizeof(i)), PER_S, now_ns);
        assert_non_null(bucket);
        bucket->level -= RATE_EVENT;
    }
}

static void a_tenant_is_limited_however_many_there_were(void **state) {
    struct arena arena;
    struct rates rates;
    (void)state;
    assert_status(arena_init(&arena, RATES_ARENA_BYTES), OK);
    assert_status(rates_init(&rates, &arena), OK);
    rates_find(&rates, SLICE("indebted"), PER_S, at(0))->level = -100 * RATE_EVENT;
    send_as_many(&rates, RATES_MAX - 1, at(0));
    assert_null(rates_find(&rates, SLICE("new"), PER_S, at(0)));
    struct rate_bucket *bucket = rates_find(&rates, SLICE("new"), PER_S, at(5));
    assert_non_null(bucket);
    assert_int_equal(rate_wait_s(bucket, PER_S), 0);
    bucket->level -= PER_S * RATE_BURST_S * RATE_EVENT;
    assert_int_equal(rate_wait_s(rates_find(&rates, SLICE("new"), PER_S, at(5)), PER_S), 1);
    send_as_many(&rates, RATES_MAX - 2, at(5));
    /* Who still owes keeps his bucket. */
    assert_int_equal(rate_wait_s(rates_find(&rates, SLICE("indebted"), PER_S, at(5)), PER_S), 16);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenant_is_limited_however_many_there_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
