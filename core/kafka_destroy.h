/*
 * kafka_destroy.h - librdkafka's handle is destroyed without waiting for it for ever.
 *
 * rd_kafka_destroy waits for librdkafka's threads. They end late when a name server is slow, and
 * never (seen with 2.0.2) when a topic was deleted while its partitions were read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct rd_kafka_s;

/* false: not within so long; its threads stay, and so must what its callbacks are given. */
bool kafka_destroy(struct rd_kafka_s *native, uint64_t wait_ns_max);
