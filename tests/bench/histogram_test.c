/* histogram_test.c - quantiles against a sorted array. */
#include "bench/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/random.h"

enum { VALUES = 20000 };

static int compare(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void quantiles_are_within_one_part_in_64_of_the_sorted_values(void **state) {
    static struct histogram histogram;
    static uint64_t values[VALUES];
    struct random random = {42};
    static const double shares[] = {0.01, 0.5, 0.9, 0.99, 0.999};
    (void)state;
    for (int i = 0; i < VALUES; i++) {
        values[i] = random_next(&random) >> (4 + random_below(&random, 60));
        histogram_add(&histogram, values[i]);
    }
    qsort(values, VALUES, sizeof(values[0]), compare);
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        uint64_t found = histogram_at(&histogram, shares[i]);
        uint64_t exact = values[(size_t)(shares[i] * VALUES) - 1];
        assert_true(found >= exact);
        assert_true(found - exact <= exact / 64);
    }
    assert_int_equal(histogram_at(&histogram, 1), values[VALUES - 1]);
}

static void an_empty_histogram_and_the_largest_values_are_harmless(void **state) {
    static struct histogram histogram;
    (void)state;
    assert_int_equal(histogram_at(&histogram, 0.99), 0);
    assert_int_equal(histogram_mean(&histogram), 0);
    histogram_add(&histogram, UINT64_MAX);
    histogram_add(&histogram, 0);
    assert_int_equal(histogram_at(&histogram, 0.5), 0);
    assert_int_equal(histogram_at(&histogram, 1), (1ULL << HISTOGRAM_VALUE_BITS_MAX) - 1);
}

static void each_small_value_has_a_bucket_of_its_own(void **state) {
    (void)state;
    for (uint64_t value = 0; value < 256; value++) {
        struct histogram *histogram = calloc(1, sizeof(*histogram));
        assert_non_null(histogram);
        histogram_add(histogram, value);
        histogram_add(histogram, 1000);
        assert_int_equal(histogram_at(histogram, 0.5), value);
        free(histogram);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_within_one_part_in_64_of_the_sorted_values),
        cmocka_unit_test(an_empty_histogram_and_the_largest_values_are_harmless),
        cmocka_unit_test(each_small_value_has_a_bucket_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
