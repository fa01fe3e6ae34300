/* kafka_producer.c - see kafka_producer.h. */
#include "core/kafka_producer.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/clock.h"
#include "core/kafka_conf.h"

enum {
    ERROR_BYTES_MAX = 512,
    CLOSE_MS_MAX = 100, /* an ordinary end takes some ms */
};

struct kafka_producer {
    struct kafka_producer_options options;
    rd_kafka_t *native;
    rd_kafka_queue_t *queue;
    char trouble[ERROR_BYTES_MAX]; /* the latest, until something is delivered */
    bool is_broken;
    pthread_mutex_t lock; /* of what follows, and held while librdkafka's threads call the owner */
    pthread_cond_t destroyed;
    bool is_destroyed;
    bool is_left; /* those threads go on without the owner: nobody is asked or told any more */
};

static void lock(struct kafka_producer *producer) {
    ASSERT(pthread_mutex_lock(&producer->lock) == 0);
}

static void unlock(struct kafka_producer *producer) {
    ASSERT(pthread_mutex_unlock(&producer->lock) == 0);
}

/* --- Callbacks --- */

static void on_log(const rd_kafka_t *native, int level, const char *area, const char *words) {
    struct kafka_producer *producer = rd_kafka_opaque(native);
    lock(producer);
    if (producer->options.logger != NULL && !producer->is_left) {
        log_write(producer->options.logger, LOG_LEVEL_DEBUG, "kafka", "%d %s %s", level, area,
                  words);
    }
    unlock(producer);
}

static bool is_permanent(rd_kafka_resp_err_t error) {
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           error == RD_KAFKA_RESP_ERR_INVALID_MSG || error == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

/* "Fatal error" alone says nothing. */
static void note_fatal(struct kafka_producer *producer, int error) {
    if (error == RD_KAFKA_RESP_ERR__FATAL) {
        producer->is_broken = true;
        (void)rd_kafka_fatal_error(producer->native, producer->trouble, sizeof(producer->trouble));
    }
}

/* "Message timed out" alone says little: what went wrong last says why. */
static void on_error(rd_kafka_t *native, int error, const char *reason, void *opaque) {
    (void)native;
    struct kafka_producer *producer = opaque;
    note_fatal(producer, error);
    if (!producer->is_broken && error != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        (void)snprintf(producer->trouble, sizeof(producer->trouble), "%s", reason);
    }
}

static void on_report(rd_kafka_t *native, const rd_kafka_message_t *message, void *opaque) {
    (void)native;
    struct kafka_producer *producer = opaque;
    char words[2 * ERROR_BYTES_MAX];
    bool is_delivered = message->err == RD_KAFKA_RESP_ERR_NO_ERROR;
    note_fatal(producer, message->err);
    enum kafka_outcome outcome = is_delivered                 ? KAFKA_OUTCOME_DELIVERED
                                 : is_permanent(message->err) ? KAFKA_OUTCOME_REFUSED
                                                              : KAFKA_OUTCOME_FAILED;
    (void)snprintf(words, sizeof(words), "%s%s%s", rd_kafka_err2str(message->err),
                   producer->trouble[0] == 0 ? "" : "; ", producer->trouble);
    if (is_delivered) {
        producer->trouble[0] = 0;
    }
    producer->options.on_outcome(producer->options.context, message->_private, outcome, words);
}

static int on_connect(int fd, const struct sockaddr *address, int size, const char *name,
                      void *opaque) {
    (void)name;
    struct kafka_producer *producer = opaque;
    lock(producer);
    bool may_connect =
        !producer->is_left && producer->options.may_connect(producer->options.context, address);
    unlock(producer);
    if (!may_connect) {
        return EACCES;
    }
    return connect(fd, address, (socklen_t)size) == 0 || errno == EINPROGRESS ? 0 : errno;
}

/* --- Life --- */

static struct status set_properties(rd_kafka_conf_t *conf,
                                    const struct kafka_producer_options *options,
                                    struct fault *fault) {
    char timeout_ms[24];
    const struct kafka_property defaults[] = {
        {"client.id", "quell"},
        {"linger.ms", "0"},
        {"compression.codec", "lz4"},
        {"message.max.bytes", "16777216"}, /* as large as what may come in; the broker decides */
        {"queue.buffering.max.kbytes", "65536"},
        {"reconnect.backoff.max.ms", "2000"},
        {"topic.metadata.propagation.max.ms", "5000"},  /* then a missing topic is said to be so */
        {"topic.metadata.refresh.interval.ms", "5000"}, /* and found when it is made */
        {NULL, NULL},
    };
    const struct kafka_property fixed[] = {
        {"enable.idempotence", "true"},
        {"message.timeout.ms", timeout_ms},
        {NULL, NULL},
    };
    (void)snprintf(timeout_ms, sizeof(timeout_ms), "%llu",
                   (unsigned long long)(options->timeout_ns / NS_PER_MS));
    struct kafka_properties properties = {
        .defaults = defaults,
        .own = options->properties,
        .own_count = options->properties_count,
        .fixed = fixed,
        .brokers = options->brokers,
    };
    return kafka_conf_set(conf, &properties, fault);
}

static struct status make_native(struct kafka_producer *producer, struct fault *fault) {
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct status status = set_properties(conf, &producer->options, fault);
    if (status_is_ok(status)) {
        char words[ERROR_BYTES_MAX];
        rd_kafka_conf_set_opaque(conf, producer);
        rd_kafka_conf_set_log_cb(conf, on_log);
        rd_kafka_conf_set_dr_msg_cb(conf, on_report);
        rd_kafka_conf_set_error_cb(conf, on_error);
        if (producer->options.may_connect != NULL) {
            rd_kafka_conf_set_connect_cb(conf, on_connect);
        }
        producer->native = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
        status =
            producer->native != NULL ? status_ok() : fault_set(fault, STATUS_INVALID, "%s", words);
    }
    if (!status_is_ok(status)) {
        rd_kafka_conf_destroy(conf);
    }
    return status;
}

static void free_producer(struct kafka_producer *producer) {
    ASSERT(pthread_cond_destroy(&producer->destroyed) == 0);
    ASSERT(pthread_mutex_destroy(&producer->lock) == 0);
    free(producer);
}

struct status kafka_producer_open(const struct kafka_producer_options *options,
                                  struct kafka_producer **producer_out, struct fault *fault) {
    struct kafka_producer *producer = calloc(1, sizeof(*producer));
    if (producer == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a Kafka producer");
    }
    producer->options = *options;
    ASSERT(pthread_mutex_init(&producer->lock, NULL) == 0);
    ASSERT(pthread_cond_init(&producer->destroyed, NULL) == 0);
    struct status status = make_native(producer, fault);
    if (!status_is_ok(status)) {
        free_producer(producer);
        return status;
    }
    static const uint64_t one = 1;
    producer->queue = rd_kafka_queue_get_main(producer->native);
    rd_kafka_queue_io_event_enable(producer->queue, options->wake_fd, &one, sizeof(one));
    *producer_out = producer;
    return status_ok();
}

static void destroy_native(struct kafka_producer *producer) {
    rd_kafka_destroy_flags(producer->native, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void *destroy_main(void *context) {
    struct kafka_producer *producer = context;
    destroy_native(producer);
    lock(producer);
    producer->is_destroyed = true;
    bool is_left = producer->is_left;
    ASSERT(pthread_cond_signal(&producer->destroyed) == 0);
    unlock(producer);
    if (is_left) {
        free_producer(producer);
    }
    return NULL;
}

/* false: left behind, to be freed by the thread that destroys it. */
static bool wait_until_destroyed(struct kafka_producer *producer) {
    uint64_t until_ns = clock_monotonic_ns() + CLOSE_MS_MAX * NS_PER_MS;
    const struct timespec until = {.tv_sec = (time_t)(until_ns / NS_PER_S),
                                   .tv_nsec = (long)(until_ns % NS_PER_S)};
    int result = 0;
    lock(producer);
    while (!producer->is_destroyed && result == 0) {
        result =
            pthread_cond_clockwait(&producer->destroyed, &producer->lock, CLOCK_MONOTONIC, &until);
    }
    bool is_destroyed = producer->is_destroyed;
    producer->is_left = !is_destroyed;
    unlock(producer);
    return is_destroyed;
}

/* rd_kafka_destroy waits for librdkafka's threads, and they for a name server, which may take half
 * a minute: a thread of its own does it then. */
void kafka_producer_close(struct kafka_producer *producer) {
    pthread_t thread;
    if (producer == NULL) {
        return;
    }
    rd_kafka_queue_io_event_enable(producer->queue, -1, NULL, 0);
    rd_kafka_queue_destroy(producer->queue);
    kafka_producer_purge(producer, false);
    if (pthread_create(&thread, NULL, destroy_main, producer) != 0) {
        destroy_native(producer);
        free_producer(producer);
        return;
    }
    ASSERT(pthread_detach(thread) == 0);
    if (wait_until_destroyed(producer)) {
        free_producer(producer);
    }
}

/* --- Topics --- */

struct status kafka_producer_find_topic(struct kafka_producer *producer, struct slice topic,
                                        uint64_t wait_ns, struct fault *fault) {
    char name[STREAM_TOPIC_BYTES_MAX + 1];
    const struct rd_kafka_metadata *metadata = NULL;
    ASSERT(topic.size <= STREAM_TOPIC_BYTES_MAX);
    (void)snprintf(name, sizeof(name), "%.*s", SLICE_PRINT(topic));
    rd_kafka_topic_t *handle = rd_kafka_topic_new(producer->native, name, NULL);
    if (handle == NULL) {
        return fault_set(fault, STATUS_IO, "topic %s: not a name of a topic", name);
    }
    rd_kafka_resp_err_t error =
        rd_kafka_metadata(producer->native, 0, handle, &metadata, (int)(wait_ns / NS_PER_MS));
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        error = metadata->topic_cnt == 1 ? metadata->topics[0].err
                                         : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_topic_destroy(handle);
    (void)rd_kafka_poll(producer->native, 0); /* what went wrong underneath, if anything did */
    return error == RD_KAFKA_RESP_ERR_NO_ERROR
               ? status_ok()
               : fault_set(fault, STATUS_IO, "topic %s: %s%s%s", name, rd_kafka_err2str(error),
                           producer->trouble[0] == 0 ? "" : "; ", producer->trouble);
}

/* --- Sending --- */

static rd_kafka_headers_t *make_headers(const struct kafka_record *record) {
    rd_kafka_headers_t *headers = rd_kafka_headers_new(record->headers_count);
    for (uint32_t i = 0; i < record->headers_count; i++) {
        const struct kafka_header *header = &record->headers[i];
        (void)rd_kafka_header_add(headers, (const char *)header->name.data,
                                  (ssize_t)header->name.size, header->value.data,
                                  (ssize_t)header->value.size);
    }
    return headers;
}

struct status kafka_producer_send(struct kafka_producer *producer,
                                  const struct kafka_record *record, struct fault *fault) {
    char topic[STREAM_TOPIC_BYTES_MAX + 1];
    ASSERT(record->topic.size <= STREAM_TOPIC_BYTES_MAX);
    (void)snprintf(topic, sizeof(topic), "%.*s", SLICE_PRINT(record->topic));
    rd_kafka_headers_t *headers = make_headers(record);
    rd_kafka_resp_err_t error = rd_kafka_producev(
        producer->native, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_KEY((const void *)record->key.data, record->key.size),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)record->value.data, record->value.size),
        RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(record->opaque), RD_KAFKA_V_END);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return status_ok(); /* which has taken the headers, too */
    }
    rd_kafka_headers_destroy(headers);
    if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        return status_of(STATUS_FULL);
    }
    bool is_never = is_permanent(error) || error == RD_KAFKA_RESP_ERR__INVALID_ARG;
    note_fatal(producer, error);
    if (producer->is_broken) {
        return fault_set(fault, STATUS_IO, "%s; %s", rd_kafka_err2str(error), producer->trouble);
    }
    return fault_set(fault, is_never ? STATUS_INVALID : STATUS_IO, "%s", rd_kafka_err2str(error));
}

void kafka_producer_poll(struct kafka_producer *producer) {
    (void)rd_kafka_poll(producer->native, 0);
}

void kafka_producer_purge(struct kafka_producer *producer, bool wait) {
    int flags = RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT;
    (void)rd_kafka_purge(producer->native, wait ? flags : flags | RD_KAFKA_PURGE_F_NON_BLOCKING);
}

bool kafka_producer_is_broken(const struct kafka_producer *producer) {
    return producer->is_broken;
}
