#include "dedup/wheel.h"

#include "core/base/limits.h"
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

static uint64_t due_of(const void *context, uint32_t entry) {
    return ((const uint64_t *)context)[entry];
}

static void pop_all(struct wheel *wheel, uint64_t *due, uint64_t now) {
    for (uint32_t i = wheel_pop_due(wheel, now); i != WHEEL_NONE; i = wheel_pop_due(wheel, now)) {
        assert_true(due[i] <= now);
        due[i] = UINT64_MAX;
    }
    assert_true(earliest(due) > now);
}

static void set_due(struct wheel *wheel, uint64_t *due, uint32_t entry, uint64_t at, uint64_t now) {
    if (due[entry] != UINT64_MAX && at >= due[entry]) {
        due[entry] = at; /* later: the wheel finds out */
        return;
    }
    wheel_remove(wheel, entry);
    due[entry] = at;
    wheel_add(wheel, entry, now);
}

/* Spans from nothing to months, clocks that stand still or go back. */
static void run_against_reference(uint64_t start_ms) {
    struct arena arena;
    uint64_t due[ENTRIES];
    struct wheel wheel;
    assert_status(arena_init(&arena, 1 * MIB), OK);
    assert_status(wheel_init(&wheel, ENTRIES, due_of, due, &arena), OK);
    memset(due, 0xff, sizeof(due));
    uint64_t random = 88172645463325252u;
    uint64_t now = start_ms;
    for (uint32_t step = 0; step < STEPS; step++) {
        uint64_t dice = next_random(&random);
        uint32_t entry = (uint32_t)(next_random(&random) % ENTRIES);
        uint64_t span = next_random(&random) >> (30 + dice / 16 % 34);
        if (dice % 16 < 8) {
            set_due(&wheel, due, entry, now + span, now);
        } else if (dice % 16 < 10) {
            wheel_remove(&wheel, entry);
            due[entry] = UINT64_MAX;
        } else if (dice % 16 < 15) {
            now += span >> 8;
            pop_all(&wheel, due, now);
        } else {
            pop_all(&wheel, due, now - 1);
        }
    }
    pop_all(&wheel, due, now + UINT32_MAX * UINT64_C(9));
    assert_int_equal(wheel.count, 0);
    arena_deinit(&arena);
}

static void expires_exactly_what_is_due_from_zero(void **state) {
    run_against_reference(1000);
}

static void expires_exactly_what_is_due_from_today(void **state) {
    run_against_reference(UINT64_C(1795000000) * 1000);
}

/* Around the boundary of 2^32 ticks, beyond which slots do not reach. */
static void expires_exactly_what_is_due_behind_the_horizon(void **state) {
    run_against_reference((UINT64_C(418) << 32) - 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expires_exactly_what_is_due_from_zero),
        cmocka_unit_test(expires_exactly_what_is_due_from_today),
        cmocka_unit_test(expires_exactly_what_is_due_behind_the_horizon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
