/*
 * kafka_mock_test.c - a Kafka source on its thread against librdkafka's mock cluster; the shard is
 * the test: it answers when it likes.
 */
#include <pthread.h>
#include <time.h>

/* The mock behind the library. */
#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>

#include "core/clock.h"
#include "tests/ingest/kafka_world.h"

struct cluster {
    rd_kafka_t *native; /* also the producer */
    rd_kafka_mock_cluster_t *mock;
    struct world *world;
    pthread_t thread;
};

static void sleep_ns(uint64_t ns) {
    struct timespec span = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
    (void)nanosleep(&span, NULL);
}

static void *run(void *context) {
    struct cluster *cluster = context;
    (void)!status_is_ok(kafka_source_run(cluster->world->source));
    return NULL;
}

static void start(struct cluster *cluster, const char *more) {
    char toml[640];
    (void)snprintf(toml, sizeof(toml),
                   "brokers = \"%s\"\ntopics = [\"t\"]\n[kafka.properties]\n"
                   "\"session.timeout.ms\" = 6000\n\"max.poll.interval.ms\" = 6000\n%s",
                   rd_kafka_mock_cluster_bootstraps(cluster->mock), more);
    cluster->world = world_open(toml);
    cluster->world->source->free->next->next = NULL; /* two batches: soon full */
    assert_int_equal(pthread_create(&cluster->thread, NULL, run, cluster), 0);
}

static int set_up_with(void **state, const char *more) {
    struct cluster *cluster = calloc(1, sizeof(*cluster));
    char words[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "test.mock.num.brokers", "3", words, 512), 0);
    assert_int_equal(rd_kafka_conf_set(conf, "log_level", "0", words, 512), 0);
    cluster->native = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof(words));
    assert_non_null(cluster->native);
    cluster->mock = rd_kafka_handle_mock_cluster(cluster->native);
    assert_int_equal(rd_kafka_mock_topic_create(cluster->mock, "t", 2, 3), 0);
    start(cluster, more);
    *state = cluster;
    return 0;
}

static int set_up(void **state) {
    return set_up_with(state, "");
}

static int set_up_limited(void **state) {
    return set_up_with(state, "[defaults.limits]\nevents_per_second = 20\n");
}

static bool answer(struct cluster *cluster) {
    return world_answer(cluster->world, STATUS_OK);
}

static int tear_down(void **state) {
    struct cluster *cluster = *state;
    kafka_source_stop(cluster->world->source);
    while (pthread_tryjoin_np(cluster->thread, NULL) != 0) {
        (void)answer(cluster);
        sleep_ns(10 * NS_PER_MS);
    }
    world_close(cluster->world);
    rd_kafka_destroy(cluster->native);
    free(cluster);
    return 0;
}

static void produce(struct cluster *cluster, int32_t partition, uint32_t first, uint32_t count,
                    uint32_t padding) {
    char value[2048];
    for (uint32_t i = first; i < first + count; i++) {
        int size = snprintf(value, sizeof(value),
                            "{\"tenant_id\":\"p%d\",\"job_id\":\"j%u\",\"status\":\"failed\","
                            "\"message\":\"%0*u\"}",
                            partition, i, (int)padding, i);
        while (rd_kafka_producev(
                   cluster->native, RD_KAFKA_V_TOPIC("t"), RD_KAFKA_V_PARTITION(partition),
                   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE(value, (size_t)size),
                   RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            (void)rd_kafka_poll(cluster->native, 10);
        }
    }
    assert_int_equal(rd_kafka_flush(cluster->native, 20000), 0);
}

/* What the group has committed of a partition; -1: nothing. */
static int64_t committed(struct cluster *cluster, int32_t partition) {
    char words[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    assert_int_equal(rd_kafka_conf_set(conf, "bootstrap.servers",
                                       rd_kafka_mock_cluster_bootstraps(cluster->mock), words, 512),
                     0);
    assert_int_equal(rd_kafka_conf_set(conf, "group.id", "quell", words, 512), 0);
    rd_kafka_t *asker = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof(words));
    assert_non_null(asker);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "t", partition);
    assert_int_equal(rd_kafka_committed(asker, list, 30000), 0);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(asker);
    return offset < 0 ? -1 : offset;
}

/* Answers until so many events came, or for a minute. */
static void answer_events(struct cluster *cluster, uint32_t count) {
    uint64_t until = clock_monotonic_ns() + NS_PER_MINUTE;
    while (cluster->world->events_count < count && clock_monotonic_ns() < until) {
        if (!answer(cluster)) {
            sleep_ns(NS_PER_MS);
        }
    }
    assert_int_equal(cluster->world->events_count, count);
}

static uint64_t lag(struct cluster *cluster) {
    uint64_t sum = 0;
    source_board_lock(&cluster->world->board);
    const struct source_entry *entry = cluster->world->board.first;
    for (uint32_t i = 0; i < entry->partitions_count; i++) {
        sum += entry->partitions[i].lag;
    }
    source_board_unlock(&cluster->world->board);
    return sum;
}

/* Ranges that start a partition over. */
static uint32_t count_reset(const struct world *world) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < world->said_count; i++) {
        count += strstr(world->said[i], " reset") != NULL;
    }
    return count;
}

static void wait_for_commit(struct cluster *cluster, int32_t partition, int64_t offset) {
    for (int i = 0; i < 1200 && committed(cluster, partition) != offset; i++) {
        sleep_ns(50 * NS_PER_MS);
    }
    assert_int_equal(committed(cluster, partition), offset);
}

static void offsets_are_committed_behind_the_journal(void **state) {
    struct cluster *cluster = *state;
    produce(cluster, 0, 0, 10, 1);
    for (int i = 0; i < 6000 && lag(cluster) != 10; i++) {
        sleep_ns(10 * NS_PER_MS);
    }
    assert_int_equal(lag(cluster), 10);
    sleep_ns(1500 * NS_PER_MS); /* longer than a round of commits */
    assert_int_equal(committed(cluster, 0), -1);
    answer_events(cluster, 10);
    wait_for_commit(cluster, 0, 10);
    assert_int_equal(committed(cluster, 1), -1);
    for (int i = 0; i < 6000 && lag(cluster) != 0; i++) {
        sleep_ns(10 * NS_PER_MS);
    }
    assert_int_equal(lag(cluster), 0);
}

static void a_moving_leader_neither_loses_nor_repeats(void **state) {
    struct cluster *cluster = *state;
    uint32_t count = 0;
    for (int32_t round = 0; round < 12; round++, count += 50) {
        assert_int_equal(rd_kafka_mock_partition_set_leader(cluster->mock, "t", 0, 1 + round % 3),
                         0);
        produce(cluster, 0, count, 50, 1);
        (void)answer(cluster);
    }
    answer_events(cluster, count);
    wait_for_commit(cluster, 0, count);
    assert_int_equal(cluster->world->events_count, count);
}

/* A broker that lags behind says "out of range" of an offset that it has: 2.0.2 would begin anew.
 */
static void an_offset_that_is_said_to_be_gone_but_is_not_is_read_on(void **state) {
    struct cluster *cluster = *state;
    enum { FETCH = 1 };
    uint32_t count = 0;
    for (int32_t round = 0; round < 4; round++, count += 50) {
        produce(cluster, 0, count, 50, 1);
        answer_events(cluster, count + 50);
        rd_kafka_mock_push_request_errors(cluster->mock, FETCH, 2,
                                          RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
                                          RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
    }
    wait_for_commit(cluster, 0, count);
    assert_int_equal(cluster->world->events_count, count);
    assert_int_equal(count_reset(cluster->world), 0);
    assert_int_equal(stats_get(&cluster->world->stats, STAT_KAFKA_LOST), 0);
}

/* More than fits, for longer than a member may be silent. */
static void a_journal_that_takes_nothing_pauses_and_keeps_the_member(void **state) {
    struct cluster *cluster = *state;
    enum { COUNT = 6000, PADDING = 1600 };
    produce(cluster, 0, 0, COUNT / 2, PADDING);
    produce(cluster, 1, COUNT / 2, COUNT / 2, PADDING);
    for (int i = 0; i < 6000 && !cluster->world->source->is_paused; i++) {
        sleep_ns(10 * NS_PER_MS);
    }
    sleep_ns(7 * NS_PER_S);
    assert_true(cluster->world->source->is_paused);
    answer_events(cluster, COUNT);
    wait_for_commit(cluster, 0, COUNT / 2);
    wait_for_commit(cluster, 1, COUNT / 2);
    assert_int_equal(cluster->world->events_count, COUNT);
    assert_int_equal(stats_get(&cluster->world->stats, STAT_KAFKA_REPEATED), 0);
    assert_int_equal(stats_get(&cluster->world->stats, STAT_KAFKA_LOST), 0);
    assert_false(cluster->world->source->is_paused);
    assert_null(strstr(cluster->world->source->entry.words, "max.poll"));
}

/* The range that is being filled then is of the cluster whose name the next consumer does not know
 * yet. */
static void a_member_that_the_group_took_another_for_ends_its_range_first(void **state) {
    struct cluster *cluster = *state;
    const struct kafka_source *source = cluster->world->source;
    enum { HEARTBEAT = 12 };
    produce(cluster, 0, 0, 10, 1);
    for (int i = 0; i < 6000 && source->in_flight == NULL; i++) {
        sleep_ns(10 * NS_PER_MS);
    }
    produce(cluster, 0, 10, 10, 1);
    for (int i = 0; i < 6000 && source->places[0].read.offset != 20; i++) {
        sleep_ns(10 * NS_PER_MS);
    }
    const struct kafka_consumer *before = source->consumer;
    rd_kafka_mock_push_request_errors(cluster->mock, HEARTBEAT, 1,
                                      RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID);
    for (int i = 0; i < 6000 && source->consumer == before; i++) {
        sleep_ns(10 * NS_PER_MS);
    }
    assert_ptr_not_equal(source->consumer, before);
    answer_events(cluster, 20);
    produce(cluster, 0, 20, 10, 1);
    answer_events(cluster, 30);
    wait_for_commit(cluster, 0, 30);
}

/* One tenant's partition waits for longer than a member may be silent; the other tenant's does not
 * wait at all, and neither is taken from the member. */
static void a_tenants_limit_pauses_its_partition_alone_and_keeps_the_member(void **state) {
    struct cluster *cluster = *state;
    const struct kafka_source *source = cluster->world->source;
    enum { LOUD = 390, CALM = 30 }; /* 40 at once, then 20 a second */
    produce(cluster, 0, 0, LOUD, 1);
    answer_events(cluster, 40);
    uint64_t start = clock_monotonic_ns();
    produce(cluster, 1, LOUD, CALM, 1);
    while (source->places[1].durable.offset < CALM) {
        assert_true(clock_monotonic_ns() - start < 12 * NS_PER_S);
        (void)answer(cluster);
        sleep_ns(NS_PER_MS);
    }
    assert_true(source->places[0].is_held);
    assert_true(source->places[0].is_paused);
    assert_false(source->places[1].is_paused);
    answer_events(cluster, LOUD + CALM);
    assert_true(clock_monotonic_ns() - start > 6500 * NS_PER_MS);
    wait_for_commit(cluster, 0, LOUD);
    wait_for_commit(cluster, 1, CALM);
    assert_int_equal(cluster->world->events_count, LOUD + CALM);
    assert_null(strstr(source->entry.words, "max.poll"));
}

#define LIMITED(name) cmocka_unit_test_setup_teardown(name, set_up_limited, tear_down)
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(offsets_are_committed_behind_the_journal),
        CASE(a_moving_leader_neither_loses_nor_repeats),
        CASE(an_offset_that_is_said_to_be_gone_but_is_not_is_read_on),
        CASE(a_journal_that_takes_nothing_pauses_and_keeps_the_member),
        CASE(a_member_that_the_group_took_another_for_ends_its_range_first),
        LIMITED(a_tenants_limit_pauses_its_partition_alone_and_keeps_the_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
