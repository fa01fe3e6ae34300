/* kafka_client.c - see kafka_client.h. */
#include "core/kafka_client.h"

#include <librdkafka/rdkafka.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "core/kafka_conf.h"
#include "core/kafka_destroy.h"
#include "core/kafka_joining.h"

static_assert((int)KAFKA_START_FIRST == (int)RD_KAFKA_OFFSET_BEGINNING, "passed on as it is");
static_assert((int)KAFKA_START_END == (int)RD_KAFKA_OFFSET_END, "passed on as it is");
static_assert((int)KAFKA_START_COMMITTED == (int)RD_KAFKA_OFFSET_STORED, "passed on as it is");

enum {
    ERROR_BYTES_MAX = 512,
    POLL_MAX = 1024,
    ASK_MS = 5000, /* what is asked of a broker now and then, and waited for */
    PROBE_MS = 100,
    COMMIT_MS = 3000,
    COMMIT_TRIES = 10, /* of one that is waited for, while the group changes: */
    COMMIT_AGAIN_MS = 100,
    CLOSE_MS_MAX = 10000, /* to leave a group; with no broker at hand: */
    CLOSE_ALONE_MS_MAX = 3000,
    DRAIN_MS_MAX = 1000,
};

struct kafka_consumer {
    struct kafka_consumer_options options;
    rd_kafka_t *native;
    rd_kafka_queue_t *queue;
    struct kafka_joining joining;
    char *cluster;
    rd_kafka_resp_err_t commit_code; /* of the latest answer */
    bool is_cluster_asked;
    bool is_connected;
    bool is_closing;
    atomic_bool is_left; /* librdkafka's threads go on without it: nobody is told any more */
};

/* --- Callbacks --- */

static void on_log(const rd_kafka_t *native, int level, const char *area, const char *words) {
    const struct kafka_consumer *consumer = rd_kafka_opaque(native);
    if (atomic_load(&consumer->is_left)) {
        return;
    }
    /* Its warnings repeat with every attempt; what matters comes as an error, too. */
    log_write(consumer->options.logger, LOG_LEVEL_DEBUG, "kafka", "%d %s %s", level, area, words);
}

static void on_error(rd_kafka_t *native, int error, const char *reason, void *opaque) {
    struct kafka_consumer *consumer = opaque;
    char fatal[ERROR_BYTES_MAX];
    if (error == RD_KAFKA_RESP_ERR__FATAL) {
        (void)rd_kafka_fatal_error(native, fatal, sizeof(fatal));
        reason = fatal;
    }
    /* That all are down is not said when the last of them goes while a connection begins: one that
     * fails is reason enough to ask (kafka_consumer_is_connected). */
    bool is_in_doubt =
        error == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || error == RD_KAFKA_RESP_ERR__TRANSPORT ||
        error == RD_KAFKA_RESP_ERR__AUTHENTICATION || error == RD_KAFKA_RESP_ERR__SSL;
    consumer->is_connected = consumer->is_connected && !is_in_doubt;
    consumer->options.handler->on_trouble(consumer->options.context, reason,
                                          kafka_error_is_refusal(error));
}

static struct kafka_partition *list_partitions(const rd_kafka_topic_partition_list_t *list) {
    struct kafka_partition *partitions = calloc((size_t)list->cnt + 1, sizeof(*partitions));
    ASSERT(partitions != NULL); /* some KiB, at a rebalance */
    for (int i = 0; i < list->cnt; i++) {
        partitions[i].topic = slice_of_text(list->elems[i].topic);
        partitions[i].partition = (uint32_t)list->elems[i].partition;
    }
    return partitions;
}

static void tell_failure(struct kafka_consumer *consumer, const char *what, rd_kafka_error_t *error,
                         rd_kafka_resp_err_t code) {
    if (error == NULL && code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        return;
    }
    char words[ERROR_BYTES_MAX];
    (void)snprintf(words, sizeof(words), "%s: %s", what,
                   error != NULL ? rd_kafka_error_string(error) : rd_kafka_err2str(code));
    consumer->options.handler->on_trouble(consumer->options.context, words,
                                          kafka_error_is_refusal(code));
    if (error != NULL) {
        rd_kafka_error_destroy(error);
    }
}

/* Once, so that it stays the same; a cluster without one (before 0.10.1) is that with none. */
static void ask_cluster(struct kafka_consumer *consumer) {
    for (int i = 0; i < 3 && !consumer->is_cluster_asked && consumer->cluster == NULL; i++) {
        consumer->cluster = rd_kafka_clusterid(consumer->native, ASK_MS);
    }
    consumer->is_cluster_asked = true;
}

static void assign(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list) {
    rd_kafka_topic_partition_list_t *committed = rd_kafka_topic_partition_list_copy(list);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer->native, committed, ASK_MS);
    ask_cluster(consumer);
    struct kafka_partition *partitions = list_partitions(list);
    for (int i = 0; i < committed->cnt; i++) {
        const rd_kafka_topic_partition_t *one = &committed->elems[i];
        partitions[i].is_unknown = code != RD_KAFKA_RESP_ERR_NO_ERROR || one->err != 0;
        partitions[i].has_commit = !partitions[i].is_unknown && one->offset >= 0;
        partitions[i].committed = one->offset >= 0 ? (uint64_t)one->offset : 0;
        partitions[i].committed_by = slice_of(one->metadata, one->metadata_size);
    }
    consumer->options.handler->on_assign(consumer->options.context, partitions,
                                         (uint32_t)list->cnt);
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = partitions[i].offset;
    }
    free(partitions);
    rd_kafka_topic_partition_list_destroy(committed);
    tell_failure(consumer, "partitions cannot be taken",
                 rd_kafka_incremental_assign(consumer->native, list), 0);
}

static void revoke(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list) {
    struct kafka_partition *partitions = list_partitions(list);
    consumer->options.handler->on_revoke(consumer->options.context, partitions, (uint32_t)list->cnt,
                                         rd_kafka_assignment_lost(consumer->native) != 0);
    free(partitions);
    tell_failure(consumer, "partitions cannot be given back",
                 rd_kafka_incremental_unassign(consumer->native, list), 0);
}

static void on_rebalance(rd_kafka_t *native, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque) {
    struct kafka_consumer *consumer = opaque;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        consumer->is_connected = true;
        assign(consumer, list);
        return;
    }
    if (code != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        tell_failure(consumer, "the group cannot be joined", NULL, code);
    }
    revoke(consumer, list);
}

static void on_committed(rd_kafka_t *native, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque) {
    (void)native;
    (void)list;
    struct kafka_consumer *consumer = opaque;
    consumer->commit_code = code;
    if (code != RD_KAFKA_RESP_ERR__NO_OFFSET) {
        tell_failure(consumer, "offsets could not be committed", NULL, code);
    }
}

/* --- Life --- */

static struct status subscribe(struct kafka_consumer *consumer, struct fault *fault) {
    const struct config_kafka *settings = consumer->options.settings;
    rd_kafka_topic_partition_list_t *topics =
        rd_kafka_topic_partition_list_new((int)settings->topics_count);
    for (uint32_t i = 0; i < settings->topics_count; i++) {
        char *name = kafka_copy_text(settings->topics[i].name);
        ASSERT(name != NULL);
        rd_kafka_topic_partition_list_add(topics, name, RD_KAFKA_PARTITION_UA);
        free(name);
    }
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->native, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return fault_set(fault, STATUS_INVALID, "[[kafka]] %.*s: cannot subscribe: %s",
                         SLICE_PRINT(settings->name), rd_kafka_err2str(code));
    }
    return status_ok();
}

static struct status make_native(struct kafka_consumer *consumer, struct fault *fault) {
    const struct config_kafka *settings = consumer->options.settings;
    char words[ERROR_BYTES_MAX];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct status status = kafka_conf_set_consumer(conf, settings, consumer->options.member, fault);
    if (!status_is_ok(status)) {
        rd_kafka_conf_destroy(conf);
        return status;
    }
    rd_kafka_conf_set_opaque(conf, consumer);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, on_committed);
    kafka_joining_watch(&consumer->joining, conf);
    consumer->native = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof(words));
    if (consumer->native == NULL) {
        rd_kafka_conf_destroy(conf);
        return fault_set(fault, STATUS_INVALID, "[[kafka]] %.*s: %s", SLICE_PRINT(settings->name),
                         words);
    }
    return status_ok();
}

/* librdkafka receives into buffers of some MiB and gives them back when their messages are gone.
 * glibc would take each of them from the kernel page by page, and give it back at once: more than
 * half of what receiving costs. Kept are at most 64 MiB a thread, of what was in use at once. */
static void keep_buffers(void) {
#if defined(__GLIBC__)
    (void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

struct status kafka_consumer_open(const struct kafka_consumer_options *options,
                                  struct kafka_consumer **consumer_out, struct fault *fault) {
    struct kafka_consumer *consumer = calloc(1, sizeof(*consumer));
    if (consumer == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a Kafka consumer");
    }
    keep_buffers();
    consumer->options = *options;
    struct status status = make_native(consumer, fault);
    if (!status_is_ok(status)) {
        free(consumer);
        return status;
    }
    (void)rd_kafka_poll_set_consumer(consumer->native);
    consumer->queue = rd_kafka_queue_get_consumer(consumer->native);
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(consumer->queue, options->wake_fd, &one, sizeof(one));
    status = subscribe(consumer, fault);
    if (!status_is_ok(status)) {
        kafka_consumer_close(consumer);
        return status;
    }
    *consumer_out = consumer;
    return status_ok();
}

/* A rebalance that nobody has been told of yet when a consumer is closed makes librdkafka (2.0.2)
 * wait for itself for ever, in the next call about partitions. */
static void drain_queue(struct kafka_consumer *consumer) {
    rd_kafka_message_t *natives[POLL_MAX];
    uint64_t end_ns = clock_monotonic_ns() + DRAIN_MS_MAX * NS_PER_MS;
    ssize_t got = POLL_MAX;
    while (got > 0 && clock_monotonic_ns() < end_ns) {
        got = rd_kafka_consume_batch_queue(consumer->queue, 0, natives, POLL_MAX);
        for (ssize_t i = 0; i < got; i++) {
            rd_kafka_message_destroy(natives[i]);
        }
    }
}

/* rd_kafka_consumer_close waits as long as it takes: a minute for a broker that stands still, for
 * ever (seen with 2.0.2) for one that died while a connection to it began. */
static bool leave_group(struct kafka_consumer *consumer) {
    drain_queue(consumer);
    uint64_t wait_ms = consumer->is_connected ? CLOSE_MS_MAX : CLOSE_ALONE_MS_MAX;
    uint64_t end_ns = clock_monotonic_ns() + wait_ms * NS_PER_MS;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->native);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(consumer->native, queue);
    bool is_left = error != NULL; /* after a fatal error there is nothing to leave */
    while (!is_left && clock_monotonic_ns() < end_ns) {
        rd_kafka_message_t *message = NULL;
        if (rd_kafka_consume_batch_queue(queue, PROBE_MS, &message, 1) == 1) {
            rd_kafka_message_destroy(message);
        }
        is_left = rd_kafka_consumer_closed(consumer->native) != 0;
    }
    rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(queue);
    return is_left;
}

/* librdkafka's threads go on and hold `consumer`, so neither is ever freed. */
static void leave_behind(struct kafka_consumer *consumer, const char *words) {
    consumer->options.handler->on_trouble(consumer->options.context, words, false);
    atomic_store(&consumer->is_left, true);
}

void kafka_consumer_close(struct kafka_consumer *consumer) {
    if (consumer == NULL) {
        return;
    }
    consumer->is_closing = true;
    bool is_left = leave_group(consumer);
    rd_kafka_queue_io_event_enable(consumer->queue, -1, NULL, 0);
    if (!is_left) { /* rd_kafka_destroy would wait for the same */
        leave_behind(consumer, "the group could not be left in time: its members learn it when "
                               "the session ends");
        return;
    }
    rd_kafka_queue_destroy(consumer->queue);
    if (consumer->cluster != NULL) {
        rd_kafka_mem_free(consumer->native, consumer->cluster);
    }
    if (!kafka_destroy(consumer->native, CLOSE_ALONE_MS_MAX * NS_PER_MS)) {
        leave_behind(consumer, "the group is left, but librdkafka does not end: left behind");
        return;
    }
    free(consumer);
}

/* --- Messages --- */

static void take_event(struct kafka_consumer *consumer, const rd_kafka_message_t *native) {
    struct slice topic = slice_of_text(native->rkt == NULL ? "" : rd_kafka_topic_name(native->rkt));
    bool is_gone = native->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                   native->err == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
    if (is_gone && topic.size > 0 && native->partition >= 0) {
        consumer->options.handler->on_gone(consumer->options.context, topic,
                                           (uint32_t)native->partition);
        return;
    }
    if (native->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        consumer->options.handler->on_end(consumer->options.context, topic,
                                          (uint32_t)native->partition, (uint64_t)native->offset);
        return;
    }
    char words[ERROR_BYTES_MAX];
    (void)snprintf(words, sizeof(words), "%s%s%.*s", rd_kafka_message_errstr(native),
                   topic.size > 0 ? ": topic " : "", SLICE_PRINT(topic));
    consumer->options.handler->on_trouble(consumer->options.context, words,
                                          kafka_error_is_refusal(native->err));
}

uint32_t kafka_consumer_poll(struct kafka_consumer *consumer, struct kafka_message *messages,
                             uint32_t count_max) {
    rd_kafka_message_t *natives[POLL_MAX];
    size_t wanted = count_max < POLL_MAX ? count_max : POLL_MAX;
    ssize_t got = rd_kafka_consume_batch_queue(consumer->queue, 0, natives, wanted);
    uint32_t count = 0;
    const rd_kafka_topic_t *topic = NULL; /* of the message before, and its name */
    struct slice name = {0};
    for (ssize_t i = 0; i < got; i++) {
        rd_kafka_message_t *native = natives[i];
        if (native->err != 0) {
            take_event(consumer, native);
            rd_kafka_message_destroy(native);
            continue;
        }
        name = native->rkt == topic ? name : slice_of_text(rd_kafka_topic_name(native->rkt));
        topic = native->rkt;
        messages[count++] = (struct kafka_message){
            .topic = name,
            .key = slice_of(native->key, native->key_len),
            .value = slice_of(native->payload, native->len),
            .offset = (uint64_t)native->offset,
            .partition = (uint32_t)native->partition,
            .is_tombstone = native->payload == NULL,
            .native = native,
        };
    }
    consumer->is_connected = consumer->is_connected || count > 0;
    return count;
}

/* --- The group and the brokers --- */

static rd_kafka_topic_partition_t *list_add(rd_kafka_topic_partition_list_t *list,
                                            struct slice topic, uint32_t partition) {
    char name[512];
    ASSERT(topic.size < sizeof(name));
    memcpy(name, topic.data, topic.size);
    name[topic.size] = 0;
    return rd_kafka_topic_partition_list_add(list, name, (int32_t)partition);
}

/* Brokers refuse a commit while the group's members learn what is theirs: a moment later not. */
static void commit_and_wait(struct kafka_consumer *consumer,
                            const rd_kafka_topic_partition_list_t *list) {
    const struct timespec pause = {.tv_nsec = COMMIT_AGAIN_MS * 1000000L};
    for (int i = 0; i < COMMIT_TRIES; i++) {
        /* rd_kafka_commit would wait for a coordinator for a minute. */
        rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->native);
        consumer->commit_code = RD_KAFKA_RESP_ERR_NO_ERROR;
        rd_kafka_resp_err_t code =
            rd_kafka_commit_queue(consumer->native, list, queue, on_committed, consumer);
        tell_failure(consumer, "offsets could not be committed", NULL, code);
        (void)rd_kafka_queue_poll_callback(queue, COMMIT_MS);
        rd_kafka_queue_destroy(queue);
        if (consumer->commit_code != RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS) {
            return;
        }
        (void)nanosleep(&pause, NULL);
    }
}

void kafka_consumer_commit(struct kafka_consumer *consumer,
                           const struct kafka_partition *partitions, uint32_t count,
                           const char *words, bool wait) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *one =
            list_add(list, partitions[i].topic, partitions[i].partition);
        one->offset = partitions[i].offset;
        one->metadata = strdup(words); /* freed with the list */
        one->metadata_size = one->metadata == NULL ? 0 : strlen(words);
    }
    if (wait) {
        commit_and_wait(consumer, list);
    } else {
        (void)rd_kafka_commit(consumer->native, list, 1); /* on_committed tells */
    }
    rd_kafka_topic_partition_list_destroy(list);
}

void kafka_consumer_pause(struct kafka_consumer *consumer, const struct kafka_partition *partitions,
                          uint32_t count, bool is_paused) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (uint32_t i = 0; i < count; i++) {
        (void)list_add(list, partitions[i].topic, partitions[i].partition);
    }
    (void)(is_paused ? rd_kafka_pause_partitions(consumer->native, list)
                     : rd_kafka_resume_partitions(consumer->native, list));
    rd_kafka_topic_partition_list_destroy(list);
}

/* A seek would not do: after an offset that is gone librdkafka has stopped the partition. */
void kafka_consumer_restart(struct kafka_consumer *consumer, struct slice topic, uint32_t partition,
                            uint64_t offset) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    list_add(list, topic, partition)->offset = (int64_t)offset;
    tell_failure(consumer, "cannot stop a partition",
                 rd_kafka_incremental_unassign(consumer->native, list), 0);
    tell_failure(consumer, "cannot go on at an offset",
                 rd_kafka_incremental_assign(consumer->native, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
}

struct status kafka_consumer_bounds(struct kafka_consumer *consumer, struct slice topic,
                                    uint32_t partition, bool ask, uint64_t *first_out,
                                    uint64_t *end_out) {
    int64_t first = -1;
    int64_t end = -1;
    char *name = kafka_copy_text(topic);
    ASSERT(name != NULL);
    rd_kafka_resp_err_t code =
        ask ? rd_kafka_query_watermark_offsets(consumer->native, name, (int32_t)partition, &first,
                                               &end, ASK_MS)
            : rd_kafka_get_watermark_offsets(consumer->native, name, (int32_t)partition, &first,
                                             &end);
    free(name);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR || end < 0) {
        return status_of(STATUS_MISSING);
    }
    *first_out = first < 0 ? 0 : (uint64_t)first;
    *end_out = (uint64_t)end;
    return status_ok();
}

struct slice kafka_consumer_cluster(const struct kafka_consumer *consumer) {
    return slice_of_text(consumer->cluster == NULL ? "" : consumer->cluster);
}

bool kafka_consumer_is_joining(const struct kafka_consumer *consumer) {
    return atomic_load(&consumer->joining.is_under_way);
}

bool kafka_consumer_is_dead(const struct kafka_consumer *consumer) {
    char words[ERROR_BYTES_MAX];
    return rd_kafka_fatal_error(consumer->native, words, sizeof(words)) != 0;
}

bool kafka_consumer_is_connected(struct kafka_consumer *consumer) {
    if (!consumer->is_connected && !consumer->is_closing) {
        const struct rd_kafka_metadata *metadata = NULL;
        consumer->is_connected = rd_kafka_metadata(consumer->native, 0, NULL, &metadata,
                                                   PROBE_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (metadata != NULL) {
            rd_kafka_metadata_destroy(metadata);
        }
    }
    return consumer->is_connected;
}
