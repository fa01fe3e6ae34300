/*
 * histogram.h - counts of times, exact to 1 part in 128, from a nanosecond to hours.
 *
 * Log-linear buckets in the manner of HdrHistogram: values below 128 have a bucket each, every
 * further power of two is cut in 128. Adding costs a shift and an increment, so that measuring
 * does not disturb what is measured. Memory: the struct, 54 KiB. One thread.
 */
#pragma once

#include "core/base/slice.h"

enum {
    HISTOGRAM_STEP_BITS = 7,
    HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS,
    HISTOGRAM_VALUE_BITS_MAX = 60,
    HISTOGRAM_BUCKETS = (HISTOGRAM_VALUE_BITS_MAX - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS,
};

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t sum;
    uint64_t value_max;
};

/* Values of 2^60 and more count as 2^60 - 1. */
void histogram_add(struct histogram *histogram, uint64_t value);
/* The value below or at which `share` (0..1) of all values lie, never above the largest one; 0 of
 * an empty histogram. */
uint64_t histogram_at(const struct histogram *histogram, double share);
uint64_t histogram_mean(const struct histogram *histogram);
