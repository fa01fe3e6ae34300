/* turns_test.c - who had his turn waits for the next; nobody else does. */
#include "ingest/turns.h"

#include <stdlib.h>

#include "tests/base/unit.h"

static struct hash128 tenant(const char *name) {
    return hash128_of(slice_of_text(name), 0);
}

static void a_tenant_that_took_its_turn_waits_for_the_next(void **state) {
    (void)state;
    struct turns *turns = calloc(1, sizeof(*turns));
    assert_non_null(turns);
    turns_begin_next(turns);
    assert_false(turns_is_over(turns, tenant("loud")));
    turns_spend(turns, tenant("loud"), TURN_NS - 1);
    assert_false(turns_is_over(turns, tenant("loud")));
    turns_spend(turns, tenant("loud"), 1);
    assert_true(turns_is_over(turns, tenant("loud")));
    assert_false(turns_is_over(turns, tenant("calm")));
    turns_begin_next(turns);
    assert_false(turns_is_over(turns, tenant("loud")));
    free(turns);
}

/* Of 2,000 tenants some fall together with the loud one in a turn; none does so again and again. */
static void nobody_shares_the_place_of_another_for_long(void **state) {
    (void)state;
    enum { TENANTS = 2000, TURNS = 64 };
    struct turns *turns = calloc(1, sizeof(*turns));
    uint32_t waited[TENANTS] = {0};
    uint32_t sum = 0;
    assert_non_null(turns);
    for (uint32_t turn = 0; turn < TURNS; turn++) {
        turns_begin_next(turns);
        turns_spend(turns, tenant("loud"), TURN_NS);
        for (uint32_t i = 0; i < TENANTS; i++) {
            struct hash128 other = hash128_of(slice_of(&i, sizeof(i)), 7);
            waited[i] += turns_is_over(turns, other) ? 1 : 0;
        }
    }
    for (uint32_t i = 0; i < TENANTS; i++) {
        assert_true(waited[i] <= TURNS / 8);
        sum += waited[i];
    }
    assert_true(sum > 0);
    free(turns);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tenant_that_took_its_turn_waits_for_the_next),
        cmocka_unit_test(nobody_shares_the_place_of_another_for_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
