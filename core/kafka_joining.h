/*
 * kafka_joining.h - whether a consumer is joining its group now, which librdkafka does not say.
 *
 * A member of a group joins anew whenever another comes or goes, and its request to join waits at
 * the broker until every other has done so, too: for as long as their heartbeats are apart. A
 * broker answers the requests of a connection one by one. So an offset that is committed meanwhile
 * comes in a generation that is over, and librdkafka takes all partitions for lost.
 *
 * The requests that leave librdkafka and the answers that come in are listened to for that.
 *
 * Thread: set by librdkafka's threads, asked by any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

struct rd_kafka_conf_s;

struct kafka_joining {
    /* From the request to join on until it is answered what is whose, or the connection ends. */
    atomic_bool is_under_way;
};

/* Listens to the consumer that is made with the configuration; `joining` outlives it. */
void kafka_joining_watch(struct kafka_joining *joining, struct rd_kafka_conf_s *conf);
