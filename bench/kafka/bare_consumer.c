/*
 * bare_consumer.c - the ceiling: librdkafka's own loop, which looks at no message. Reads so many
 * messages of a topic and prints them as JSON with the CPU-seconds of the whole process.
 *
 * usage: bare_consumer poll|batch|shipped BROKERS TOPIC COUNT
 * poll: rd_kafka_consumer_poll, with quell's settings; batch: rd_kafka_consume_batch_queue, too;
 * shipped: rd_kafka_consumer_poll with librdkafka's own settings, as rdkafka_performance has it
 * (offsets are stored and committed).
 */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"

enum { WORDS_BYTES = 512, BATCH_MAX = 1024 };

static double cpu_seconds(void) {
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static rd_kafka_t *open_consumer(const char *brokers, const char *group, bool is_shipped) {
    enum { NEEDED = 3 }; /* the others are as quell sets them */
    const char *const properties[][2] = {
        {"bootstrap.servers", brokers},        {"group.id", group},
        {"auto.offset.reset", "earliest"},     {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"}, {"queued.max.messages.kbytes", "16384"}};
    char words[WORDS_BYTES];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    size_t count = is_shipped ? NEEDED : sizeof(properties) / sizeof(properties[0]);
    for (size_t i = 0; i < count; i++) {
        if (rd_kafka_conf_set(conf, properties[i][0], properties[i][1], words, sizeof(words)) !=
            RD_KAFKA_CONF_OK) {
            (void)fprintf(stderr, "%s\n", words);
            exit(2);
        }
    }
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof(words));
    if (consumer == NULL) {
        (void)fprintf(stderr, "%s\n", words);
        exit(2);
    }
    (void)rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

int main(int argc, char **argv) {
    if (argc != 5) {
        (void)fprintf(stderr, "usage: bare_consumer poll|batch|shipped BROKERS TOPIC COUNT\n");
        return 2;
    }
    bool is_batch = strcmp(argv[1], "batch") == 0;
    unsigned long long wanted = strtoull(argv[4], NULL, 10);
    unsigned long long messages = 0;
    unsigned long long bytes = 0;
    uint64_t start = clock_monotonic_ns();
    char group[64]; /* one that is committed for does not begin anew */
    (void)snprintf(group, sizeof(group), "bare-%s-%ld", argv[1], (long)getpid());
    rd_kafka_t *consumer = open_consumer(argv[2], group, strcmp(argv[1], "shipped") == 0);
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(topics, argv[3], RD_KAFKA_PARTITION_UA);
    if (rd_kafka_subscribe(consumer, topics) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return 2;
    }
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    rd_kafka_message_t *batch[BATCH_MAX];
    while (messages < wanted) {
        ssize_t got = 0;
        if (is_batch) {
            got = rd_kafka_consume_batch_queue(queue, 1000, batch, BATCH_MAX);
        } else {
            batch[0] = rd_kafka_consumer_poll(consumer, 1000);
            got = batch[0] != NULL;
        }
        for (ssize_t i = 0; i < got; i++) {
            messages += batch[i]->err == 0;
            bytes += batch[i]->err == 0 ? batch[i]->len : 0;
            rd_kafka_message_destroy(batch[i]);
        }
    }
    (void)printf("{\"messages\":%llu,\"bytes\":%llu,\"seconds\":%.3f,\"cpu_seconds\":%.3f}\n",
                 messages, bytes, (double)(clock_monotonic_ns() - start) / 1e9, cpu_seconds());
    rd_kafka_topic_partition_list_destroy(topics);
    rd_kafka_queue_destroy(queue);
    (void)rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return 0;
}
