/*
 * run_kafka.h - the threads of the Kafka sources: opened last, stopped with the other sources.
 * Memory: fixed. Thread: main's.
 */
#pragma once

#include <pthread.h>

#include "cli/run_threads.h"
#include "ingest/kafka.h"

struct kafka_thread {
    struct kafka_source *source;
    struct ended_threads *ended;
    pthread_t thread;
    bool is_running;
};

struct kafka_threads {
    struct kafka_thread items[KAFKA_THREADS_MAX];
    uint32_t count;
    struct ended_threads *ended; /* the owner's */
};

/* How many the configuration wants. */
uint32_t kafka_threads_wanted(const struct config *config);
/* One more source, and its thread. Also after a failure what was opened is to be closed. */
MUST_CHECK struct status kafka_threads_open(struct kafka_threads *threads,
                                            const struct kafka_source_options *options,
                                            struct fault *fault);
/* The tenants' rules at once; what [[kafka]] says only at the next start, which is told. */
void kafka_threads_reconfigure(struct kafka_threads *threads, struct config *config,
                               const struct config *before, const struct logger *logger);
/* Returns when what was read is durable. Before the shard is stopped. */
void kafka_threads_stop(struct kafka_threads *threads);
/* When the shard has let go of every batch. */
void kafka_threads_close(struct kafka_threads *threads);
