#include "dedup/number_set.h"

#include "core/base/limits.h"
#include "tests/base/unit.h"

enum { STEPS = 20000 };

static uint32_t smallest(const bool *has, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (has[i]) {
            return i;
        }
    }
    return NUMBER_SET_NONE;
}

/* Bounds around the sizes at which a level is full. */
static void it_knows_its_smallest_number(void **state) {
    static const uint32_t bounds[] = {1, 2, 63, 64, 65, 4095, 4096, 4097};
    static bool has[4097];
    uint64_t random = 88172645463325252u;
    for (uint32_t b = 0; b < sizeof(bounds) / sizeof(bounds[0]); b++) {
        struct arena arena;
        struct number_set set;
        memset(has, 0, sizeof(has));
        assert_status(arena_init(&arena, MIB), OK);
        assert_status(number_set_init(&set, bounds[b], &arena), OK);
        assert_int_equal(number_set_smallest(&set), NUMBER_SET_NONE);
        for (uint32_t step = 0; step < STEPS; step++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint32_t number = (uint32_t)(random >> 33) % bounds[b];
            bool adds = random >> 60 < (step / 1000 % 2 == 0 ? 12 : 4);
            has[number] = adds;
            (adds ? number_set_add : number_set_remove)(&set, number);
            assert_int_equal(number_set_has(&set, number), adds);
            assert_int_equal(number_set_smallest(&set), smallest(has, bounds[b]));
        }
        arena_deinit(&arena);
    }
}

/* 2^30 numbers: five levels. */
static void a_large_set_is_touched_only_where_it_is_used(void **state) {
    struct arena arena;
    struct number_set set;
    assert_status(arena_init(&arena, 256 * MIB), OK);
    assert_status(number_set_init(&set, 1u << 30, &arena), OK);
    number_set_add(&set, (1u << 30) - 1);
    number_set_add(&set, 1u << 29);
    assert_int_equal(number_set_smallest(&set), 1u << 29);
    number_set_remove(&set, 1u << 29);
    assert_int_equal(number_set_smallest(&set), (1u << 30) - 1);
    number_set_remove(&set, (1u << 30) - 1);
    assert_int_equal(number_set_smallest(&set), NUMBER_SET_NONE);
    arena_deinit(&arena);
    assert_status(arena_init(&arena, 4096), OK);
    assert_status(number_set_init(&set, 1u << 30, &arena), FULL);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_knows_its_smallest_number),
        cmocka_unit_test(a_large_set_is_touched_only_where_it_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
