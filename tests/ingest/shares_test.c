/* shares_test.c - who takes more than his share waits while others are there, and nobody else. */
#include "ingest/shares.h"

#include <stdlib.h>

#include "tests/base/unit.h"

enum { PERCENT = 10 };
#define START_NS (1000 * NS_PER_S)
#define HOLD_NS (SHARES_HOLD_NS * PERCENT / 100)

static struct hash128 tenant(const char *name) {
    return hash128_of(slice_of_text(name), 0);
}

static struct shares *make(void) {
    struct shares *shares = calloc(1, sizeof(*shares));
    assert_non_null(shares);
    return shares;
}

static void spend(struct shares *shares, const char *name, uint64_t spent_ns, uint64_t now_ns) {
    shares_see(shares, tenant(name), now_ns);
    shares_spend(shares, tenant(name), PERCENT, spent_ns, now_ns);
}

static uint32_t wait_s(const struct shares *shares, const char *name, uint64_t now_ns) {
    return shares_wait_s(shares, tenant(name), PERCENT, now_ns);
}

static void who_emptied_the_bucket_waits_until_time_has_filled_it(void **state) {
    (void)state;
    struct shares *shares = make();
    spend(shares, "loud", HOLD_NS - 1, START_NS);
    spend(shares, "calm", NS_PER_MS, START_NS);
    assert_int_equal(wait_s(shares, "loud", START_NS), 0);
    spend(shares, "loud", 1, START_NS);
    assert_int_equal(wait_s(shares, "loud", START_NS), 1);
    assert_int_equal(wait_s(shares, "calm", START_NS), 0);
    assert_int_equal(wait_s(shares, "loud", START_NS + 100), 0);
    free(shares);
}

static void who_is_alone_has_the_whole_thread(void **state) {
    (void)state;
    struct shares *shares = make();
    spend(shares, "calm", NS_PER_MS, START_NS);
    spend(shares, "loud", 5 * HOLD_NS, START_NS);
    assert_true(wait_s(shares, "loud", START_NS + SHARES_THERE_NS - 1) > 0);
    assert_int_equal(wait_s(shares, "loud", START_NS + SHARES_THERE_NS), 0);
    shares_see(shares, tenant("calm"), START_NS + SHARES_THERE_NS);
    assert_true(wait_s(shares, "loud", START_NS + SHARES_THERE_NS) > 0);
    free(shares);
}

static void the_loud_one_asking_again_and_again_is_no_other(void **state) {
    (void)state;
    struct shares *shares = make();
    shares_see(shares, tenant("calm"), START_NS);
    for (uint64_t i = 0; i < 100; i++) {
        shares_see(shares, tenant("loud"), START_NS + i);
    }
    assert_true(shares_has_others(shares, tenant("loud"), START_NS + 100));
    assert_true(shares_has_others(shares, tenant("calm"), START_NS + 100));
    assert_false(shares_has_others(shares, tenant("loud"), START_NS + SHARES_THERE_NS));
    assert_true(
        shares_has_others(shares, tenant("loud"), START_NS - NS_PER_S)); /* seen meanwhile */
    free(shares);
}

static void a_debt_is_waited_for_in_whole_seconds_and_a_minute_at_most(void **state) {
    (void)state;
    struct shares *shares = make();
    shares_see(shares, tenant("calm"), START_NS);
    spend(shares, "loud", HOLD_NS + HOLD_NS * 5 / 2, START_NS);
    assert_int_equal(wait_s(shares, "loud", START_NS), 3);
    spend(shares, "loud", 3 * NS_PER_HOUR, START_NS);
    assert_int_equal(wait_s(shares, "loud", START_NS), SHARES_WAIT_S_MAX);
    free(shares);
}

/* Ten thousand others pass by: the one in debt stays known, and none of them is taken for it. */
static void nobody_pays_for_another_and_the_loudest_is_not_forgotten(void **state) {
    (void)state;
    struct shares *shares = make();
    spend(shares, "loud", 2 * HOLD_NS, START_NS);
    for (uint32_t i = 0; i < 10000; i++) {
        struct hash128 other = hash128_of(slice_of(&i, sizeof(i)), 7);
        shares_see(shares, other, START_NS);
        assert_int_equal(shares_wait_s(shares, other, PERCENT, START_NS), 0);
        shares_spend(shares, other, PERCENT, NS_PER_US, START_NS);
    }
    assert_true(wait_s(shares, "loud", START_NS) > 0);
    free(shares);
}

static void several_tenants_of_a_request_pay_for_their_records(void **state) {
    (void)state;
    struct shares *shares = make();
    struct payers payers;
    payers_clear(&payers);
    shares_see(shares, tenant("loud"), START_NS);
    shares_see(shares, tenant("calm"), START_NS);
    for (uint32_t i = 0; i < 100; i++) { /* by turns, and the calm one last */
        payers_turn(&payers, tenant("loud"));
        for (uint32_t k = 0; k < 9; k++) {
            payers_count(&payers);
        }
        payers_turn(&payers, tenant("calm"));
        payers_count(&payers);
    }
    payers_spend(&payers, shares, PERCENT, 10 * HOLD_NS - 10, START_NS, START_NS);
    assert_int_equal(wait_s(shares, "calm", START_NS), 0);
    assert_int_equal(wait_s(shares, "loud", START_NS), 8);
    spend(shares, "calm", 1, START_NS);
    assert_int_equal(wait_s(shares, "calm", START_NS), 1);
    free(shares);
}

/* However many there are, and whoever is last: who has most of a request pays for that much. */
static void of_very_many_tenants_of_a_request_the_largest_pays(void **state) {
    (void)state;
    struct shares *shares = make();
    struct payers payers;
    payers_clear(&payers);
    shares_see(shares, tenant("calm"), START_NS);
    payers_turn(&payers, tenant("loud"));
    for (uint32_t i = 0; i < 1000; i++) {
        payers_count(&payers);
    }
    for (uint32_t i = 0; i < 1000; i++) {
        payers_turn(&payers, hash128_of(slice_of(&i, sizeof(i)), 7));
        payers_count(&payers);
    }
    assert_int_equal(payers.records, 2000);
    payers_spend(&payers, shares, PERCENT, 2 * HOLD_NS - 2, START_NS, START_NS);
    assert_int_equal(wait_s(shares, "loud", START_NS), 0);
    spend(shares, "loud", 1, START_NS);
    shares_see(shares, tenant("calm"), START_NS);
    assert_int_equal(wait_s(shares, "loud", START_NS), 1);
    free(shares);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_emptied_the_bucket_waits_until_time_has_filled_it),
        cmocka_unit_test(who_is_alone_has_the_whole_thread),
        cmocka_unit_test(the_loud_one_asking_again_and_again_is_no_other),
        cmocka_unit_test(a_debt_is_waited_for_in_whole_seconds_and_a_minute_at_most),
        cmocka_unit_test(nobody_pays_for_another_and_the_loudest_is_not_forgotten),
        cmocka_unit_test(several_tenants_of_a_request_pay_for_their_records),
        cmocka_unit_test(of_very_many_tenants_of_a_request_the_largest_pays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
