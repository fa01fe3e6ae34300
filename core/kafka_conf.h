/*
 * kafka_conf.h - librdkafka's properties: checked one by one, and set in the order that decides who
 * wins: our defaults, what a person wrote, what must be ours.
 *
 * Words about a value never hold it: it may be a secret. Thread: any.
 */
#pragma once

#include "core/config.h"

struct rd_kafka_conf_s; /* librdkafka's */

struct kafka_property {
    const char *key;
    const char *value;
};

/* What is set of a consumer's or a producer's properties; the lists end with a NULL key. */
struct kafka_properties {
    const struct kafka_property *defaults;
    const struct config_setting *own;
    uint32_t own_count;
    const struct kafka_property *fixed;
    struct slice brokers;
};

/* Whether librdkafka has such a property and takes the value, and would neither load nor run what
 * it names. */
MUST_CHECK struct status kafka_property_check(struct slice key, struct slice value,
                                              struct fault *fault);
MUST_CHECK struct status kafka_conf_set(struct rd_kafka_conf_s *conf,
                                        const struct kafka_properties *properties,
                                        struct fault *fault);
/* All properties of the consumer of a [[kafka]] table; `member`: its name in its group. */
MUST_CHECK struct status kafka_conf_set_consumer(struct rd_kafka_conf_s *conf,
                                                 const struct config_kafka *settings,
                                                 const char *member, struct fault *fault);
/* Whether librdkafka's error says that somebody does not let us: nothing gets better by itself. */
bool kafka_error_is_refusal(int error);
/* malloc'd, ended by a 0; NULL without memory. */
char *kafka_copy_text(struct slice text);
