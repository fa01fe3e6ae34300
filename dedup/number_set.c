/* number_set.c - see number_set.h. */
#include "dedup/number_set.h"

#include "core/base/assert.h"

enum { WORD_BITS = 64 };

struct status number_set_init(struct number_set *set, uint32_t numbers_max, struct arena *arena) {
    ASSERT(numbers_max > 0 && numbers_max <= (1u << 31));
    *set = (struct number_set){.numbers_max = numbers_max};
    uint32_t count = numbers_max;
    do {
        ASSERT(set->levels_count < NUMBER_SET_LEVELS);
        count = (count + WORD_BITS - 1) / WORD_BITS;
        uint64_t *level = ARENA_ARRAY(arena, uint64_t, count);
        if (level == NULL) {
            return status_of(STATUS_FULL);
        }
        set->levels[set->levels_count++] = level;
    } while (count > 1);
    return status_ok();
}

void number_set_add(struct number_set *set, uint32_t number) {
    ASSERT(number < set->numbers_max);
    for (uint32_t level = 0; level < set->levels_count; level++) {
        uint64_t *word = &set->levels[level][number / WORD_BITS];
        bool was_empty = *word == 0;
        *word |= UINT64_C(1) << (number % WORD_BITS);
        if (!was_empty) {
            return; /* its summary says so already */
        }
        number /= WORD_BITS;
    }
}

void number_set_remove(struct number_set *set, uint32_t number) {
    ASSERT(number < set->numbers_max);
    for (uint32_t level = 0; level < set->levels_count; level++) {
        uint64_t *word = &set->levels[level][number / WORD_BITS];
        *word &= ~(UINT64_C(1) << (number % WORD_BITS));
        if (*word != 0) {
            return;
        }
        number /= WORD_BITS;
    }
}

bool number_set_has(const struct number_set *set, uint32_t number) {
    ASSERT(number < set->numbers_max);
    return (set->levels[0][number / WORD_BITS] >> (number % WORD_BITS) & 1) != 0;
}

uint32_t number_set_smallest(const struct number_set *set) {
    uint32_t number = 0;
    for (uint32_t level = set->levels_count; level-- > 0;) {
        uint64_t word = set->levels[level][number];
        if (word == 0) {
            ASSERT(level + 1 == set->levels_count);
            return NUMBER_SET_NONE;
        }
        number = number * WORD_BITS + (uint32_t)__builtin_ctzll(word);
    }
    return number;
}
