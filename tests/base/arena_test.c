/* arena_test.c - memory is zeroed, aligned, bounded and comes back. */
#include "tests/base/unit.h"

#include "core/base/arena.h"

static void memory_is_zeroed_again_after_a_reset(void **state) {
    struct arena arena;
    assert_status(arena_init(&arena, 10000), OK);
    uint8_t *first = arena_allocate(&arena, 5000, 8);
    memset(first, 0xAA, 5000);
    arena_reset(&arena);
    uint8_t *second = arena_allocate(&arena, 8000, 8);
    assert_ptr_equal(first, second);
    for (size_t i = 0; i < 8000; i++) {
        assert_int_equal(second[i], 0);
    }
    arena_deinit(&arena);
}

static void a_full_arena_answers_null_and_goes_on(void **state) {
    struct arena arena;
    assert_status(arena_init(&arena, 4096), OK);
    assert_null(arena_allocate(&arena, 4097, 1));
    assert_null(arena_allocate(&arena, SIZE_MAX, 1));
    assert_null(arena_allocate_array(&arena, SIZE_MAX / 2, 3, 1));
    assert_non_null(arena_allocate(&arena, 4096, 1));
    assert_null(arena_allocate(&arena, 1, 1));
    struct slice copy = {0};
    assert_status(arena_copy(&arena, SLICE("x"), &copy), FULL);
    assert_null(copy.data);
    arena_deinit(&arena);
    arena_deinit(&arena);
}

static void allocations_are_aligned_and_rewind_gives_them_back(void **state) {
    struct arena arena;
    assert_status(arena_init(&arena, 4096), OK);
    (void)arena_allocate(&arena, 3, 1);
    size_t mark = arena.used_bytes;
    uint8_t *aligned = arena_allocate(&arena, 64, 64);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    memset(aligned, 7, 64);
    arena_rewind(&arena, mark);
    assert_ptr_equal(arena_allocate(&arena, 64, 64), aligned);
    assert_int_equal(aligned[63], 0);
    arena_deinit(&arena);
}

static void a_copy_ends_with_a_byte_that_does_not_count(void **state) {
    struct arena arena;
    struct slice copy;
    assert_status(arena_init(&arena, 4096), OK);
    assert_status(arena_copy(&arena, SLICE("node"), &copy), OK);
    assert_slice(copy, "node");
    assert_int_equal(copy.data[4], 0);
    assert_status(arena_copy(&arena, slice_of(NULL, 0), &copy), OK);
    assert_int_equal(copy.size, 0);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_again_after_a_reset),
        cmocka_unit_test(a_full_arena_answers_null_and_goes_on),
        cmocka_unit_test(allocations_are_aligned_and_rewind_gives_them_back),
        cmocka_unit_test(a_copy_ends_with_a_byte_that_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
