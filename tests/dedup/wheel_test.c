#include "dedup/wheel.h"

#include "tests/base/unit.h"

enum { ENTRIES = 300, STEPS = 60000 };

static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint64_t earliest(const uint64_t *due) {
    uint64_t best = UINT64_MAX;
    for (uint32_t i = 0; i < ENTRIES; i++) {
        best = due[i] < best ? due[i] : best;
    }
    return best;
}

static void pop_all(struct wheel *wheel, uint64_t *due, uint64_t now) {
    for (uint32_t i = wheel_pop_due(wheel, now); i != WHEEL_NONE; i = wheel_pop_due(wheel, now)) {
        assert_true(due[i] <= now);
        due[i] = UINT64_MAX;
    }
    assert_true(earliest(due) > now);
}

static void check_first_slot(struct wheel *wheel, const uint64_t *due) {
    uint64_t best = UINT64_MAX;
    for (uint32_t i = wheel_first_slot(wheel); i != WHEEL_NONE; i = wheel->links[i].next) {
        best = due[i] < best ? due[i] : best;
    }
    assert_true(best == earliest(due));
}

/* Spans from nanoseconds to years, clocks that stand still or go back, early looks ahead. */
static void run_against_reference(uint64_t start_ns) {
    struct arena arena;
    assert_status(arena_init(&arena, 1 * MIB), OK);
    struct wheel wheel;
    assert_status(wheel_init(&wheel, ENTRIES, &arena), OK);
    uint64_t due[ENTRIES];
    memset(due, 0xff, sizeof(due));
    uint64_t random = 88172645463325252u;
    uint64_t now = start_ns;
    for (uint32_t step = 0; step < STEPS; step++) {
        uint64_t dice = next_random(&random);
        uint32_t entry = (uint32_t)(next_random(&random) % ENTRIES);
        uint64_t span = next_random(&random) >> (8 + dice / 16 % 50);
        if (dice % 16 < 8) {
            due[entry] = now + span;
            wheel_set(&wheel, entry, due[entry]);
        } else if (dice % 16 < 10) {
            due[entry] = UINT64_MAX;
            wheel_remove(&wheel, entry);
        } else if (dice % 16 < 14) {
            now += span >> 8;
            pop_all(&wheel, due, now);
        } else if (dice % 16 == 14) {
            pop_all(&wheel, due, now - 1);
        } else if (dice % 64 == 15) {
            check_first_slot(&wheel, due);
        }
        assert_true(wheel_next_due_ns(&wheel) == earliest(due));
    }
    arena_deinit(&arena);
}

static void expires_exactly_what_is_due_from_zero(void **state) {
    run_against_reference(1000);
}

static void expires_exactly_what_is_due_from_today(void **state) {
    run_against_reference(UINT64_C(1795000000) * NS_PER_S);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expires_exactly_what_is_due_from_zero),
        cmocka_unit_test(expires_exactly_what_is_due_from_today),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
