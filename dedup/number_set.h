/*
 * number_set.h - a set of numbers below a bound, that knows its smallest: a bit each, with a tree
 * of summaries above it (a bit says that a word below has one set).
 *
 * Adding, taking out and finding the smallest cost a word a level. Memory: the arena at init,
 * touched as far as numbers are added. Thread: one at a time.
 */
#pragma once

#include "core/base/arena.h"

#define NUMBER_SET_NONE UINT32_MAX
enum { NUMBER_SET_LEVELS = 6 };

struct number_set {
    uint64_t *levels[NUMBER_SET_LEVELS]; /* the bits, then their summaries; the last is a word */
    uint32_t levels_count;
    uint32_t numbers_max;
};

/* Of numbers below numbers_max (1 .. 2^31). FULL when the arena is. */
MUST_CHECK struct status number_set_init(struct number_set *set, uint32_t numbers_max,
                                         struct arena *arena);
void number_set_add(struct number_set *set, uint32_t number);
/* Nothing when it is not there. */
void number_set_remove(struct number_set *set, uint32_t number);
bool number_set_has(const struct number_set *set, uint32_t number);
/* NUMBER_SET_NONE when empty. */
uint32_t number_set_smallest(const struct number_set *set);
