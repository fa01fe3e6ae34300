/*
 * load_kafka.h - requests as messages of a Kafka topic, for the load generator: a request's body is
 * the message, its media type and tenant are headers; it is answered when all replicas that must
 * have it acknowledge it.
 *
 * Memory: librdkafka's, at most LOAD_KAFKA_BYTES_MAX of messages under way. One thread, and
 * librdkafka's own.
 */
#pragma once

#include "bench/load_way.h"
#include "core/base/fault.h"
#include "core/config.h"

enum { LOAD_KAFKA_MESSAGES_MAX = 50000, LOAD_KAFKA_BYTES_MAX = 32 << 20 };

struct load_kafka_options {
    struct slice brokers;
    struct slice topic;
    const struct config_setting *properties; /* librdkafka's */
    uint32_t properties_count;
    uint64_t timeout_ns;
    load_outcome_fn *on_outcome;
    void *owner;
};

extern const struct load_way load_kafka_way;

/* IO with words when no broker answers within the time limit, or the topic is not there. */
MUST_CHECK struct status load_kafka_open(const struct load_kafka_options *options, void **way_out,
                                         struct fault *fault);
