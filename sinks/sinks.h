/*
 * sinks.h - the room that tells: committed outbox rows go out, outcomes come back as batches.
 *
 * One thread for all sinks of all tenants. It reads the OUTBOX table from its own cursor whenever
 * it is woken (a ring of rows would only repeat what the table has), delivers with retries, and
 * sends BATCH_OUTCOME batches through its gate. One sink's failure never delays another: each
 * (tenant, sink) has its own queue, breaker and limits.
 */
#pragma once

#include "core/config.h"
#include "core/gate.h"
#include "core/sink_board.h"
#include "core/stats.h"
#include "core/store.h"

struct sinks;

/* Where copies of events come from: the journal of the one shard. */
struct sinks_journal {
    const char *directory;           /* NULL: there are no copies */
    uint64_t seed;                   /* of the data directory: tells its journal from others */
    _Atomic uint64_t *committed_seq; /* nothing behind this record is read */
};

struct sinks_options {
    struct config *config;
    struct store **stores; /* one a shard */
    struct gate **gates;   /* one a shard */
    uint32_t shards_count;
    /* The sinks' thread puts its waker here: shards wake it after a commit. */
    _Atomic(struct loop_waker *) *outbox_waker;
    struct sinks_journal journal;
    struct stats *stats;
    struct sink_board *board; /* may be NULL */
    const struct logger *logger;
    uint32_t files_max; /* no attempt begins while the process has more open; 0: no bound */
    int stdout_fd;
    bool stdout_json; /* run --format json */
};

/* Checks every sink's settings: all errors as "file:line:column: words". INVALID when there are
 * any. Used by `quell check`, run and reload. */
MUST_CHECK struct status sinks_check_config(const struct config *config,
                                            struct config_errors *errors);
MUST_CHECK struct status sinks_open(const struct sinks_options *options, struct sinks **sinks_out,
                                    struct fault *fault);
/* Thread main; returns after sinks_stop (attempts in flight get up to 5 s; the rest stays in the
 * outbox for the next start). */
MUST_CHECK struct status sinks_run(struct sinks *sinks);
/* Any thread. */
void sinks_stop(struct sinks *sinks);
void sinks_reconfigure(struct sinks *sinks, struct config *config);
void sinks_close(struct sinks *sinks);
