/*
 * kafka_client.h - a consumer of librdkafka behind a small interface.
 *
 * A consumer reads partitions that its group gives it. Nothing is committed or reset by the library
 * itself: where reading begins, is committed, or goes on after an offset is gone, its owner says.
 *
 * Debian 12's 2.0.2 can deliver a message twice after a rebalance, a pause or a moved leader: the
 * owner passes over what is below the place it has reached.
 *
 * Memory: librdkafka's own, bounded by queued.max.messages.kbytes. Thread: the owner's, which also
 * gets every callback, from inside kafka_consumer_poll and kafka_consumer_close.
 */
#pragma once

#include "core/config.h"
#include "core/log.h"

struct kafka_consumer;

struct kafka_message {
    struct slice topic;
    struct slice key;
    struct slice value;
    uint64_t offset;
    uint32_t partition;
    bool is_tombstone; /* it has no value, which is not an empty one */
    bool is_forgotten; /* by the owner, who has given it back: there is nothing else in it */
    void *native;      /* NULL in tests: it has no headers */
};

/* Offsets that are decided elsewhere; COMMITTED: what the group has, else on_gone. */
enum { KAFKA_START_FIRST = -2, KAFKA_START_END = -1, KAFKA_START_COMMITTED = -1000 };

/* A partition in a callback or a call; `topic` lives during the call only. */
struct kafka_partition {
    struct slice topic;
    uint32_t partition;
    int64_t offset;  /* assign: out, where to begin, or KAFKA_START_*; commit: in */
    bool is_unknown; /* assign: the group could not be asked what it has committed */
    bool has_commit; /* assign: the group has committed ... */
    uint64_t committed;
    struct slice committed_by; /* ... with these words beside it */
};

struct kafka_handler {
    /* Partitions came: sets where each begins. */
    void (*on_assign)(void *context, struct kafka_partition *partitions, uint32_t count);
    /* Partitions go; lost ones belong to somebody else already, and cannot be committed. */
    void (*on_revoke)(void *context, const struct kafka_partition *partitions, uint32_t count,
                      bool is_lost);
    /* The offset to read next is not there: too old, or the partition was made anew. */
    void (*on_gone)(void *context, struct slice topic, uint32_t partition);
    /* There is no message between the last one that was polled and this offset, the end for now. */
    void (*on_end)(void *context, struct slice topic, uint32_t partition, uint64_t offset);
    /* Something is wrong, in words. is_refused: not allowed here, nothing is read until somebody
     * mends it; else reading goes on by itself. */
    void (*on_trouble)(void *context, const char *words, bool is_refused);
};

struct kafka_consumer_options {
    const struct config_kafka *settings;
    const struct kafka_handler *handler;
    void *context;
    const struct logger *logger;
    const char *member; /* the same after a restart, so that the group gives back at once what a
                           crashed process had; nobody else's */
    int wake_fd;        /* an eventfd written to when there is something to poll */
};

/* Connects in the background, subscribes. INVALID: settings that do not go together. */
MUST_CHECK struct status kafka_consumer_open(const struct kafka_consumer_options *options,
                                             struct kafka_consumer **consumer_out,
                                             struct fault *fault);
/* Leaves the group (on_revoke comes from in here) and frees everything. What the brokers do not let
 * go within 10 s (3 s when none is connected), or what does not end within 3 s more, stays behind
 * with its threads, which on_trouble says.
 * NULL is allowed. */
void kafka_consumer_close(struct kafka_consumer *consumer);

/* Runs due callbacks and takes up to count_max messages without waiting; each is given back by
 * kafka_message_release. */
uint32_t kafka_consumer_poll(struct kafka_consumer *consumer, struct kafka_message *messages,
                             uint32_t count_max);
void kafka_message_release(struct kafka_message *message);
/* Whether there are any; a message that has none is parsed for them each time. */
bool kafka_message_has_headers(const struct kafka_message *message);
/* The latest header of that name; false when there is none. */
bool kafka_message_header(const struct kafka_message *message, const char *name,
                          struct slice *value_out);
/* The header at `index`; false behind the last. */
bool kafka_message_header_at(const struct kafka_message *message, uint32_t index,
                             struct slice *name_out, struct slice *value_out);

/* Commits offsets for the group, with `words` beside each. wait: until the broker has answered, at
 * most 3 s. */
void kafka_consumer_commit(struct kafka_consumer *consumer,
                           const struct kafka_partition *partitions, uint32_t count,
                           const char *words, bool wait);
/* Stops or, not is_paused, restarts the fetching of partitions; the group keeps its member. */
void kafka_consumer_pause(struct kafka_consumer *consumer, const struct kafka_partition *partitions,
                          uint32_t count, bool is_paused);
/* Goes on at an offset, also after on_gone. */
void kafka_consumer_restart(struct kafka_consumer *consumer, struct slice topic, uint32_t partition,
                            uint64_t offset);
/* First offset and the one behind the last; `ask`: the broker (up to 5 s), else as last heard.
 * MISSING when unknown. */
MUST_CHECK struct status kafka_consumer_bounds(struct kafka_consumer *consumer, struct slice topic,
                                               uint32_t partition, bool ask, uint64_t *first_out,
                                               uint64_t *end_out);
/* The cluster's id, known from the first on_assign on; empty when it has none. Lives as long as the
 * consumer. */
struct slice kafka_consumer_cluster(const struct kafka_consumer *consumer);
/* Whether the group is joined just now: what is committed meanwhile costs us all partitions. */
bool kafka_consumer_is_joining(const struct kafka_consumer *consumer);
/* Whether the library has given this consumer up for good, as when the group took another for it:
 * only a new one reads on. */
bool kafka_consumer_is_dead(const struct kafka_consumer *consumer);
/* Whether a broker answers; after a failure asks again, for up to 100 ms. */
bool kafka_consumer_is_connected(struct kafka_consumer *consumer);
