/* slice_test.c - order, case, cutting; also of nothing. */
#include "tests/base/unit.h"

#include "core/base/fault.h"

static void a_prefix_sorts_first(void **state) {
    assert_true(slice_compare(SLICE("ab"), SLICE("abc")) < 0);
    assert_true(slice_compare(SLICE("b"), SLICE("abc")) > 0);
    assert_true(slice_compare(SLICE("\xff"), SLICE("a")) > 0);
    assert_int_equal(slice_compare(slice_of(NULL, 0), SLICE("")), 0);
}

static void only_ascii_letters_lose_their_case(void **state) {
    assert_true(slice_equals_ignoring_case(SLICE("Content-Type"), SLICE("cONTENT-tYPE")));
    assert_false(slice_equals_ignoring_case(SLICE("@"), SLICE("`")));
    assert_false(slice_equals_ignoring_case(SLICE("a"), SLICE("ab")));
}

static void cutting_stays_inside(void **state) {
    assert_slice(slice_head(SLICE("abc"), 9), "abc");
    assert_slice(slice_tail(SLICE("abc"), 2), "c");
    assert_slice(slice_tail(SLICE("abc"), 9), "");
    assert_slice(slice_trim(SLICE(" \t a b\t ")), "a b");
    assert_slice(slice_trim(SLICE("  ")), "");
    assert_int_equal(slice_find_byte(SLICE("abc"), 'c'), 2);
    assert_int_equal(slice_find_byte(SLICE("abc"), 'x'), 3);
    assert_int_equal(slice_find_byte(slice_of(NULL, 0), 'x'), 0);
    assert_true(slice_starts_with(SLICE("abc"), slice_of(NULL, 0)));
    assert_false(slice_starts_with(SLICE("a"), SLICE("ab")));
}

static void a_fault_carries_words_and_its_code(void **state) {
    struct fault fault;
    assert_status(fault_set(&fault, STATUS_IO, "cannot open %s", "x"), IO);
    assert_string_equal(fault.words, "cannot open x");
    assert_status(fault_set(NULL, STATUS_FULL, "nobody reads"), FULL);
    assert_status(fault_set(&fault, STATUS_IO, "%0999d", 1), IO);
    assert_int_equal(strlen(fault.words), FAULT_WORDS_BYTES_MAX - 1);
}

static void a_copy_is_the_bytes_and_no_more(void **state) {
    uint8_t from[200];
    uint8_t to[sizeof(from) + 2];
    (void)state;
    for (size_t i = 0; i < sizeof(from); i++) {
        from[i] = (uint8_t)(i + 1);
    }
    for (size_t size = 0; size <= sizeof(from); size++) {
        memset(to, 0, sizeof(to));
        slice_copy(slice_of(from, size), to + 1);
        assert_memory_equal(to + 1, from, size);
        assert_int_equal(to[0], 0);
        assert_int_equal(to[size + 1], 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_is_the_bytes_and_no_more),
        cmocka_unit_test(a_prefix_sorts_first),
        cmocka_unit_test(only_ascii_letters_lose_their_case),
        cmocka_unit_test(cutting_stays_inside),
        cmocka_unit_test(a_fault_carries_words_and_its_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
