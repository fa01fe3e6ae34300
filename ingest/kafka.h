/*
 * kafka.h - one [[kafka]] as a source: a thread that reads its topics, makes batches of envelopes,
 * and goes on where the journal says.
 *
 * Exactly once, into the journal and out of it:
 * 1. A BATCH_STREAM record holds envelopes and the ranges of offsets they came from
 * (core/stream.h): both are durable or neither is.
 * 2. One batch of a source is in the shard at a time, and one that was not taken is sent again
 *    before any other: so ranges of a partition arrive in order, without a gap.
 * 3. A partition begins where the state says, whatever the group has committed; only where another
 *    quell of the group has read on since (it says so beside its commit), there.
 * 4. A partition that is given back is forgotten when the state has caught up, so that whoever gets
 *    it next, another thread of ours too, begins where the state says. A thread that has lost one
 *    without knowing may journal again: the engine takes what is new of it (engine/streams.h).
 * 5. What is delivered again, from below the place reached, is passed over.
 * 6. Offsets are committed to the broker only when they are durable here.
 */
#pragma once

#include "core/config.h"
#include "core/gate.h"
#include "core/source_board.h"
#include "core/stats.h"
#include "core/store.h"
#include "ingest/span_memory.h"

struct kafka_source;

struct kafka_source_options {
    struct config *config; /* the source acquires its own reference */
    uint32_t number;       /* which of config->kafkas */
    uint32_t thread;       /* which of its threads: each is a member of the group of its own */
    uint64_t hash_seed;    /* of the data directory */
    struct gate *gate;     /* of this thread alone */
    struct store *store;   /* of the shard, recovered: where reading goes on */
    struct source_board *board;
    struct span_memory *spans;
    struct stats *stats;
    const struct logger *logger;
    const atomic_bool *is_ready; /* false: nothing is sent */
};

/* Checks what only librdkafka can check; the brokers need not be there. INVALID with words. */
MUST_CHECK struct status kafka_source_open(const struct kafka_source_options *options,
                                           struct kafka_source **source_out, struct fault *fault);
/* Thread main. Returns after kafka_source_stop: what was read is durable, its offsets committed. */
MUST_CHECK struct status kafka_source_run(struct kafka_source *source);
/* Any thread. */
void kafka_source_stop(struct kafka_source *source);
/* Any thread: use the tenants' rules of this configuration. [[kafka]] itself needs a restart. */
void kafka_source_reconfigure(struct kafka_source *source, struct config *config);
void kafka_source_close(struct kafka_source *source);
