/*
 * stats.h - process-wide counters and gauges, each an atomic word. main owns one and hands it down.
 * Any thread; relaxed order: numbers for people, never for decisions.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "core/base/text.h"

enum stat_number {
#define STAT(name, text, type, help) STAT_##name,
#include "core/stats_list.h"
#undef STAT
    STAT_COUNT
};

struct stats {
    _Atomic uint64_t values[STAT_COUNT];
};

static inline void stats_add(struct stats *stats, enum stat_number stat, uint64_t amount) {
    atomic_fetch_add_explicit(&stats->values[stat], amount, memory_order_relaxed);
}
static inline void stats_set(struct stats *stats, enum stat_number stat, uint64_t value) {
    atomic_store_explicit(&stats->values[stat], value, memory_order_relaxed);
}
static inline uint64_t stats_get(const struct stats *stats, enum stat_number stat) {
    return atomic_load_explicit(&stats->values[stat], memory_order_relaxed);
}
/* All of them in the Prometheus text format 0.0.4, with HELP and TYPE. */
void stats_add_prometheus(const struct stats *stats, struct text *text);
