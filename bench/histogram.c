/* histogram.c - see histogram.h. */
#include "bench/histogram.h"

#include "core/base/assert.h"

static uint32_t bucket_of(uint64_t value) {
    if (value < HISTOGRAM_STEPS) {
        return (uint32_t)value;
    }
    uint32_t octave = 63U - (uint32_t)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    /* The leading one adds HISTOGRAM_STEPS, so octave 0 follows the single buckets. */
    return octave * HISTOGRAM_STEPS + (uint32_t)(value >> octave);
}

static uint64_t bucket_upper_value(uint32_t bucket) {
    if (bucket < 2 * HISTOGRAM_STEPS) {
        return bucket;
    }
    uint32_t octave = bucket / HISTOGRAM_STEPS - 1;
    uint64_t step = bucket - octave * HISTOGRAM_STEPS;
    return ((step + 1) << octave) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value) {
    uint64_t limit = (1ULL << HISTOGRAM_VALUE_BITS_MAX) - 1;
    value = value > limit ? limit : value;
    uint32_t bucket = bucket_of(value);
    ASSERT(bucket < HISTOGRAM_BUCKETS);
    histogram->counts[bucket]++;
    histogram->total++;
    histogram->sum += value;
    histogram->value_max = value > histogram->value_max ? value : histogram->value_max;
}

uint64_t histogram_at(const struct histogram *histogram, double share) {
    ASSERT(share >= 0 && share <= 1);
    double wanted = share * (double)histogram->total;
    uint64_t seen = 0;
    for (uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; bucket++) {
        seen += histogram->counts[bucket];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t value = bucket_upper_value(bucket);
            return value < histogram->value_max ? value : histogram->value_max;
        }
    }
    return histogram->value_max;
}

uint64_t histogram_mean(const struct histogram *histogram) {
    return histogram->total == 0 ? 0 : histogram->sum / histogram->total;
}
