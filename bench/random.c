/* random.c - see random.h. */
#include "bench/random.h"

#include <stdlib.h>

#include "core/base/assert.h"

struct status zipf_init(struct zipf *zipf, uint32_t ranks) {
    ASSERT(ranks > 0 && ranks <= ZIPF_RANKS_MAX);
    *zipf = (struct zipf){.sums = calloc(ranks, sizeof(double)), .ranks = ranks};
    if (zipf->sums == NULL) {
        return status_of(STATUS_FULL);
    }
    double sum = 0;
    for (uint32_t rank = 0; rank < ranks; rank++) {
        sum += 1.0 / (rank + 1);
        zipf->sums[rank] = sum;
    }
    for (uint32_t rank = 0; rank < ranks; rank++) {
        zipf->sums[rank] /= sum;
    }
    return status_ok();
}

void zipf_deinit(struct zipf *zipf) {
    free(zipf->sums);
    *zipf = (struct zipf){0};
}

uint32_t zipf_pick(const struct zipf *zipf, struct random *random) {
    double wanted = (double)(random_next(random) >> 11) * 0x1.0p-53;
    uint32_t low = 0;
    uint32_t high = zipf->ranks - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (zipf->sums[middle] < wanted) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}
