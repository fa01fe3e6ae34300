/*
 * config_change.h - what a reload may not change, and what it changes only at the next start.
 *
 * Thread: main.
 */
#pragma once

#include "core/config.h"
#include "core/log.h"
#include "core/stats.h"

enum { CONFIG_KEYS_MAX = 64 };

/* What the process was started with: sums alone, so that no configuration is kept for it. */
struct config_started {
    uint64_t sums[CONFIG_KEYS_MAX];
};

void config_started_init(struct config_started *started, const struct config *config);
/* Warns of the keys that are not what they were at the start, and count from the next one on. */
void config_started_tell(const struct config_started *started, const struct config *config,
                         const struct logger *logger);
/* Adds the names, such as "auth.mode, sinks.addresses", of the keys that change with a reload and
 * are no list: who may ask, where sinks may go, certificates. */
void config_change_add_names(const struct config *old, const struct config *new,
                             struct text *words);
/* INVALID, which it tells: `new` cannot take the place of `old` while quell runs. */
MUST_CHECK struct status config_change_check(const struct config *old, const struct config *new,
                                             struct stats *stats, const struct logger *logger);
