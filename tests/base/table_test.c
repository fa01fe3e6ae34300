/* table_test.c - against a plain array that remembers everything, with keys that crowd together. */
#include "tests/base/unit.h"

#include "core/base/table.h"

enum { KEYS = 64, ROOM = 28 };

/* Homes at the last slots, so that probing wraps round and clusters overlap. */
static struct hash128 key_of(uint32_t i) {
    return (struct hash128){.lo = 30 + i % 4, .hi = i + 1};
}

static uint32_t next_random(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*seed >> 33);
}

static void check_all(const struct table *table, const uint32_t *model) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t value = 0;
        assert_int_equal(table_find(table, key_of(i), &value), model[i] != 0);
        assert_int_equal(value, model[i]);
        count += model[i] != 0;
    }
    assert_int_equal(table->count, count);
}

static void it_agrees_with_a_plain_array_under_random_use(void **state) {
    struct arena arena;
    struct table table;
    uint32_t model[KEYS] = {0};
    uint64_t seed = 42;
    assert_status(arena_init(&arena, 4096), OK);
    assert_status(table_init(&table, ROOM, &arena), OK);
    assert_int_equal(table.slot_mask, 31);
    for (uint32_t step = 1; step < 20000; step++) {
        uint32_t i = next_random(&seed) % KEYS;
        if (next_random(&seed) % 5 < 3) {
            bool fits = model[i] != 0 || table.count < ROOM;
            struct status status = table_put(&table, key_of(i), step);
            assert_int_equal(status.code, fits ? STATUS_OK : STATUS_FULL);
            model[i] = fits ? step : model[i];
        } else {
            assert_int_equal(table_remove(&table, key_of(i)), model[i] != 0);
            model[i] = 0;
        }
        check_all(&table, model);
    }
    table_clear(&table);
    memset(model, 0, sizeof(model));
    check_all(&table, model);
    arena_deinit(&arena);
}

static void a_full_table_still_overwrites(void **state) {
    struct arena arena;
    struct table table;
    uint32_t value = 0;
    assert_status(arena_init(&arena, 4096), OK);
    assert_status(table_init(&table, 1, &arena), OK);
    assert_status(table_put(&table, key_of(0), 5), OK);
    assert_status(table_put(&table, key_of(1), 6), FULL);
    assert_status(table_put(&table, key_of(0), 7), OK);
    assert_true(table_find(&table, key_of(0), &value));
    assert_int_equal(value, 7);
    assert_status(table_init(&table, 1u << 20, &arena), FULL);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_agrees_with_a_plain_array_under_random_use),
        cmocka_unit_test(a_full_table_still_overwrites),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
