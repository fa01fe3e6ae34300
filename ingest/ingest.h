/*
 * ingest.h - the room of sources: bytes from outside become batches of envelopes, and a source is
 * acknowledged only when the shard says that they are durable.
 *
 * One `struct ingest` is one thread with its own loop and its own listener (SO_REUSEPORT). Paths:
 * product.md "Listening". Decoding allocates nothing per event: batches come from a fixed pool;
 * when it is empty or a gate is full the answer is 429 with Retry-After.
 */
#pragma once

#include "core/config.h"
#include "core/gate.h"
#include "core/stats.h"
#include "ingest/span_memory.h"

struct ingest;

struct ingest_options {
    struct config *config; /* the ingest acquires its own reference */
    uint64_t hash_seed;    /* of the data directory */
    struct gate **gates;   /* one a shard, of this thread alone */
    uint32_t gates_count;
    struct span_memory *spans; /* of all sources; NULL: nothing is learned of spans */
    struct stats *stats;
    const struct logger *logger;
    bool share_port;             /* more than one ingest thread */
    uint32_t connections_max;    /* of this thread */
    const atomic_bool *is_ready; /* false: 503 with Retry-After (journal failed, starting) */
};

/* Checks options, reserves memory. The loop itself is opened by ingest_run's thread. */
MUST_CHECK struct status ingest_open(const struct ingest_options *options,
                                     struct ingest **ingest_out, struct fault *fault);
/* Thread main. Returns when drained after ingest_stop: everything received was answered.
 * on_listening (may be NULL) is called once with the port, or with 0 and words on failure. */
MUST_CHECK struct status ingest_run(struct ingest *ingest,
                                    void (*on_listening)(void *context, uint16_t port,
                                                         const struct fault *fault),
                                    void *context);
/* Any thread: stop accepting, finish, return from ingest_run. */
void ingest_stop(struct ingest *ingest);
/* Any thread: use this configuration from now on (tokens, limits). */
void ingest_reconfigure(struct ingest *ingest, struct config *config);
void ingest_close(struct ingest *ingest);
