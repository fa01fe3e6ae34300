/*
 * lag.h - how many events are on their way and not applied yet: in the open block, in the one that
 * is being flushed, in the durable one. Beyond `events_max` sources are asked to try again.
 *
 * Thread: the shard.
 */
#pragma once

#include "core/stats.h"

struct lag {
    uint64_t open;
    uint64_t flushing;
    uint64_t durable;
    uint64_t applied;   /* not yet committed: nobody sees them; the bound leaves them out */
    uint64_t in_commit; /* so are these */
    uint64_t events_max;
    struct stats *stats; /* may be NULL */
};

static inline uint64_t lag_events(const struct lag *lag) {
    return lag->open + lag->flushing + lag->durable;
}

/* Whether a batch may be taken; one alone may be larger than the bound. Counts what may not. */
static inline bool lag_takes(const struct lag *lag, uint64_t events) {
    bool is_taken = lag_events(lag) == 0 || lag_events(lag) + events <= lag->events_max;
    if (!is_taken && lag->stats != NULL) {
        stats_add(lag->stats, STAT_JOURNAL_LAG_FULL, 1);
    }
    return is_taken;
}

static inline void lag_add(struct lag *lag, uint64_t events) {
    lag->open += events;
}

/* The open block is on its way to the disk. */
static inline void lag_flush(struct lag *lag) {
    lag->flushing = lag->open;
    lag->open = 0;
}

/* It is durable; or it is not, and will never be applied. */
static inline void lag_flushed(struct lag *lag, bool is_durable) {
    lag->durable += is_durable ? lag->flushing : 0;
    lag->flushing = 0;
}

static inline void lag_applied(struct lag *lag, uint64_t events) {
    lag->durable -= events;
    lag->applied += events;
}

static inline void lag_commit(struct lag *lag) {
    lag->in_commit += lag->applied;
    lag->applied = 0;
}

static inline void lag_committed(struct lag *lag) {
    lag->in_commit = 0;
}

static inline void lag_publish(const struct lag *lag) {
    if (lag->stats != NULL) {
        stats_set(lag->stats, STAT_JOURNAL_LAG_EVENTS,
                  lag_events(lag) + lag->applied + lag->in_commit);
    }
}
