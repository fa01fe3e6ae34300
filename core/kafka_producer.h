/*
 * kafka_producer.h - an idempotent producer of librdkafka behind a small interface: what was handed
 * over is told about exactly once, delivered or not.
 *
 * Memory: librdkafka's own, bounded by queue.buffering.max.*. Thread: the owner's, which also gets
 * every callback, from inside kafka_producer_poll.
 */
#pragma once

#include "core/config.h"
#include "core/log.h"

struct kafka_producer;

struct kafka_header {
    struct slice name;
    struct slice value;
};

/* What is produced; copied by kafka_producer_send. */
struct kafka_record {
    struct slice topic;
    struct slice key;   /* data NULL: none, any partition */
    struct slice value; /* data NULL: a tombstone */
    const struct kafka_header *headers;
    uint32_t headers_count;
    void *opaque; /* comes back with the outcome */
};

enum kafka_outcome {
    KAFKA_OUTCOME_DELIVERED,
    KAFKA_OUTCOME_FAILED,  /* not now: no broker, no leader, too slow */
    KAFKA_OUTCOME_REFUSED, /* never: no such topic, too large, not allowed */
};

struct kafka_producer_options {
    struct slice brokers;
    const struct config_setting *properties;
    uint32_t properties_count;
    uint64_t timeout_ns; /* after which a record has failed */
    void (*on_outcome)(void *context, void *opaque, enum kafka_outcome outcome, const char *words);
    void *context;
    const struct logger *logger; /* may be NULL */
    int wake_fd;                 /* an eventfd written to when there is something to poll */
};

/* Connects in the background. INVALID: settings that do not go together. */
MUST_CHECK struct status kafka_producer_open(const struct kafka_producer_options *options,
                                             struct kafka_producer **producer_out,
                                             struct fault *fault);
/* What is still on its way is let go of, without an outcome. NULL is allowed. */
void kafka_producer_close(struct kafka_producer *producer);
/* FULL: try later. INVALID with words: never. Otherwise on_outcome comes, later. */
MUST_CHECK struct status kafka_producer_send(struct kafka_producer *producer,
                                             const struct kafka_record *record,
                                             struct fault *fault);
/* Runs due callbacks without waiting. */
void kafka_producer_poll(struct kafka_producer *producer);
/* Lets go of what is on its way; on_outcome FAILED comes for it at the next poll. */
void kafka_producer_purge(struct kafka_producer *producer);
