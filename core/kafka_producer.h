/*
 * kafka_producer.h - an idempotent producer of librdkafka behind a small interface: what was handed
 * over is told about exactly once, delivered or not.
 *
 * Memory: librdkafka's own, bounded by queue.buffering.max.*. Thread: the owner's, which also gets
 * every callback, from inside kafka_producer_poll.
 */
#pragma once

#include <sys/socket.h>

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
    KAFKA_OUTCOME_FAILED,  /* may pass: no broker, no topic, not allowed, too slow */
    KAFKA_OUTCOME_REFUSED, /* never: the record itself is too large or not valid */
};

struct kafka_producer_options {
    struct slice brokers;
    const struct config_setting *properties;
    uint32_t properties_count;
    uint64_t timeout_ns; /* after which a record has failed */
    void (*on_outcome)(void *context, void *opaque, enum kafka_outcome outcome, const char *words);
    /* Whether a broker's address may be connected to, NULL: any may. From librdkafka's threads. */
    bool (*may_connect)(void *context, const struct sockaddr *address);
    void *context;
    const struct logger *logger; /* may be NULL */
    int wake_fd;                 /* an eventfd written to when there is something to poll */
};

/* Connects in the background. INVALID: settings that do not go together. */
MUST_CHECK struct status kafka_producer_open(const struct kafka_producer_options *options,
                                             struct kafka_producer **producer_out,
                                             struct fault *fault);
/* What is still on its way is let go of, without an outcome. Takes 100 ms at most: what librdkafka
 * still does then, it does without the owner, whom nothing calls any more. NULL is allowed. */
void kafka_producer_close(struct kafka_producer *producer);
/* Asks the brokers for the topic, for at most so long. IO with words: no broker answers, the topic
 * is not there, or it is not ours to write to. */
MUST_CHECK struct status kafka_producer_find_topic(struct kafka_producer *producer,
                                                   struct slice topic, uint64_t wait_ns,
                                                   struct fault *fault);
/* FULL: too much is on its way. IO with words: may pass, such as a topic that is missing. INVALID:
 * never. Otherwise on_outcome comes, later. */
MUST_CHECK struct status kafka_producer_send(struct kafka_producer *producer,
                                             const struct kafka_record *record,
                                             struct fault *fault);
/* Runs due callbacks without waiting. */
void kafka_producer_poll(struct kafka_producer *producer);
/* Lets go of what is on its way; on_outcome FAILED comes for it at a later poll, at the next one
 * with `wait`, which takes as long as a name server does. */
void kafka_producer_purge(struct kafka_producer *producer, bool wait);
/* Of no use any more: close it and open another one. */
bool kafka_producer_is_broken(const struct kafka_producer *producer);
