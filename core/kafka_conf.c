/* kafka_conf.c - see kafka_conf.h. */
#include "core/kafka_conf.h"

#include <librdkafka/rdkafka.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_BYTES_MAX = 512 };

char *kafka_copy_text(struct slice text) {
    char *copy = malloc(text.size + 1);
    if (copy != NULL) {
        memcpy(copy, text.size > 0 ? (const void *)text.data : "", text.size);
        copy[text.size] = 0;
    }
    return copy;
}

static void wipe_text(char *text) {
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

static struct status set_property(rd_kafka_conf_t *conf, struct slice key, struct slice value,
                                  struct fault *fault) {
    char *key_text = kafka_copy_text(key);
    char *value_text = kafka_copy_text(value);
    char ignored[ERROR_BYTES_MAX]; /* librdkafka's words may hold the value */
    rd_kafka_conf_res_t result = RD_KAFKA_CONF_INVALID;
    if (key_text != NULL && value_text != NULL) {
        result = rd_kafka_conf_set(conf, key_text, value_text, ignored, sizeof(ignored));
    }
    free(key_text);
    wipe_text(value_text);
    if (result == RD_KAFKA_CONF_OK) {
        return status_ok();
    }
    return fault_set(fault, STATUS_INVALID, "librdkafka %s \"%.*s\"",
                     result == RD_KAFKA_CONF_UNKNOWN ? "has no property"
                                                     : "does not take this value for",
                     SLICE_PRINT(key));
}

/* A configuration may come from somebody who may not run a program as us: a sink that is a shared
 * object is loaded from its owner or root only, and librdkafka would load any. */
static const char *find_refusal(struct slice key) {
    static const struct {
        const char *key;
        const char *words;
    } refused[] = {
        {"plugin.library.paths", "would load a shared object"},
        {"ssl.engine.location", "would load a shared object"},
        {"ssl.engine.id", "would load a shared object"},
        {"ssl.providers", "would load a shared object"},
        {"sasl.kerberos.kinit.cmd", "would run a command"},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        if (slice_equals(key, slice_of_text(refused[i].key))) {
            return refused[i].words;
        }
    }
    return NULL;
}

/* librdkafka puts them into kinit's command as they are, and a shell reads that. */
static bool is_of_command(struct slice key) {
    return slice_equals(key, SLICE("sasl.kerberos.principal")) ||
           slice_equals(key, SLICE("sasl.kerberos.keytab"));
}

static bool has_only_plain_bytes(struct slice value) {
    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = value.data[i];
        bool is_plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                        (byte >= '0' && byte <= '9') || (byte != 0 && strchr("@._/:+-", byte));
        if (!is_plain) {
            return false;
        }
    }
    return value.size == 0 || value.data[0] != '-';
}

struct status kafka_property_check(struct slice key, struct slice value, struct fault *fault) {
    const char *refusal = find_refusal(key);
    if (refusal != NULL) {
        return fault_set(fault, STATUS_INVALID, "not allowed: it %s", refusal);
    }
    if (slice_find_byte(key, 0) != key.size) { /* librdkafka would read less than was checked */
        return fault_set(fault, STATUS_INVALID, "a NUL in a name");
    }
    if (is_of_command(key) && !has_only_plain_bytes(value)) {
        return fault_set(fault, STATUS_INVALID,
                         "a shell reads it: only a-z A-Z 0-9 @ . _ / : + - are allowed");
    }
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct status status = set_property(conf, key, value, fault);
    rd_kafka_conf_destroy(conf);
    return status;
}

static struct status set_list(rd_kafka_conf_t *conf, const struct kafka_property *list,
                              struct fault *fault) {
    for (; list->key != NULL; list++) {
        TRY(set_property(conf, slice_of_text(list->key), slice_of_text(list->value), fault));
    }
    return status_ok();
}

struct status kafka_conf_set(rd_kafka_conf_t *conf, const struct kafka_properties *properties,
                             struct fault *fault) {
    TRY(set_list(conf, properties->defaults, fault));
    for (uint32_t i = 0; i < properties->own_count; i++) {
        TRY(set_property(conf, properties->own[i].key, properties->own[i].value, fault));
    }
    TRY(set_list(conf, properties->fixed, fault));
    return set_property(conf, SLICE("bootstrap.servers"), properties->brokers, fault);
}

struct status kafka_conf_set_consumer(struct rd_kafka_conf_s *conf,
                                      const struct config_kafka *settings, const char *member,
                                      struct fault *fault) {
    char group[STREAM_GROUP_BYTES_MAX + 1];
    const struct kafka_property defaults[] = {
        {"client.id", "quell"},
        {"group.instance.id", member},
        {"session.timeout.ms", "15000"},
        {"queued.max.messages.kbytes", "16384"},
        {"reconnect.backoff.max.ms", "2000"},
        {"topic.metadata.refresh.interval.ms", "10000"},
        {NULL, NULL},
    };
    const struct kafka_property fixed[] = {
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", "true"},
        {"partition.assignment.strategy", "cooperative-sticky"},
        {"group.id", group},
        {NULL, NULL},
    };
    (void)snprintf(group, sizeof(group), "%.*s", SLICE_PRINT(settings->group));
    struct kafka_properties properties = {
        .defaults = defaults,
        .own = settings->properties,
        .own_count = settings->properties_count,
        .fixed = fixed,
        .brokers = settings->brokers,
    };
    return kafka_conf_set(conf, &properties, fault);
}

bool kafka_error_is_refusal(int error) {
    return error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
           error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__FATAL;
}
