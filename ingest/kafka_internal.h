/*
 * kafka_internal.h - inside a Kafka source: its state, and the calls between its files.
 */
#pragma once

#include <regex.h>

#include "core/base/table.h"
#include "core/kafka_client.h"
#include "core/kafka_producer.h"
#include "core/stream.h"
#include "ingest/decode.h"
#include "ingest/kafka.h"
#include "ingest/rates.h"
#include "ingest/shape.h"

#define KAFKA_COMMIT_NS (1 * NS_PER_S) /* between two commits */

enum {
    KAFKA_BATCHES = 24,         /* one message may fill all, as in HTTP; none waits for more */
    KAFKA_SPANS_MAX = 512,      /* runs of one partition in a batch */
    KAFKA_POLL_MAX = 1024,      /* messages of one poll */
    KAFKA_POLL_HELD_MAX = 64,   /* the same while a partition waits */
    KAFKA_TURN_MAX = 64,        /* messages decoded before the shard is looked at again */
    KAFKA_HELD_MAX = 2 * 1024,  /* taken from librdkafka, not yet decoded */
    KAFKA_KEPT_MAX = 16 * 1024, /* of partitions that wait, and so many bytes: */
    KAFKA_KEPT_BYTES_MAX = 64 << 20,
    KAFKA_HEADERS_KEPT_MAX = 32, /* in the quarantine, each cut to KAFKA_HEADER_BYTES_MAX */
    KAFKA_HEADER_BYTES_MAX = 4096,
    KAFKA_INSTANCE_BYTES = 32,
    KAFKA_NAME_BYTES_MAX = STREAM_TOPIC_BYTES_MAX + 64,
};
static_assert(KAFKA_HEADERS_KEPT_MAX + 4 <= (int)ATTRIBUTES_PER_EVENT_MAX, "they are attributes");

/* A partition that this thread has had; `read` and `durable` count until it is given back. */
struct kafka_place {
    struct slice topic;
    struct slice source; /* "kafka:orders/3@" */
    uint32_t partition;
    const struct config_kafka_topic *settings;
    struct stream_place read;    /* all below is in batches; counts when has_read */
    struct stream_place durable; /* all below is in the journal; counts when has_durable */
    uint64_t committed;          /* what the broker was told */
    uint64_t end;                /* below it is no message that was not polled; 0: not known */
    bool has_read;
    bool has_durable;
    bool is_owned;  /* the group has given it to us */
    bool is_reset;  /* the next range starts over */
    bool wants_pin; /* `read` was decided, not read: to be journaled though nothing came yet */
    bool is_paused; /* librdkafka was told so */
    bool is_held;   /* waits for its tenant's limit, until: */
    uint64_t held_until_ns;
    uint64_t held_told_ns;
    uint32_t kept; /* of its messages in kafka_source.kept */
};

struct kafka_span {
    uint32_t place; /* index */
    struct stream_place to;
};

struct kafka_batch {
    struct batch batch;
    struct kafka_span spans[KAFKA_SPANS_MAX];
    uint32_t spans_count;
    uint32_t letters_out; /* dead letters of its messages, on their way */
    struct kafka_batch *next;
};

/* The range at the end of the open batch; its entry is written again when it is closed. */
struct kafka_group {
    bool is_open;
    bool is_reset;
    uint32_t place;
    size_t at; /* of the range in the batch's bytes */
    size_t size;
    uint32_t count_before; /* entries of the batch up to the range */
    struct stream_place from;
    struct stream_place to;
};

/* The message being decoded. */
struct kafka_now {
    const struct kafka_message *message;
    uint32_t place;
    uint32_t part; /* so many of its records are durable already, and passed over */
};

struct kafka_source {
    struct kafka_source_options options;
    const struct config_kafka *settings; /* of the configuration at start */
    struct config *first_config;
    struct config *config;
    struct config *_Atomic next_config;
    struct loop *loop;
    struct loop_waker *waker;
    uint64_t renew_at_ns;   /* not before, when the consumer is dead */
    uint64_t renew_wait_ns; /* after the next renewal */
    int wake_fd;
    struct kafka_consumer *consumer;
    struct kafka_producer *letters;      /* NULL: no dead-letter topic */
    uint32_t letters_out;                /* of all batches */
    uint64_t reopen_at_ns;               /* when it may be made anew, should it be broken */
    struct arena arena;                  /* life of the source */
    struct arena decode_arena;           /* one message */
    char instance[KAFKA_INSTANCE_BYTES]; /* "quell:..." beside our commits */
    regex_t *patterns; /* one a topic of the settings, compiled for those that are patterns */

    struct kafka_place *places;
    uint32_t places_count;
    struct table numbers;

    struct kafka_batch *batches;
    struct kafka_batch *free;
    struct kafka_batch *first; /* filled, oldest first; the last one may be open */
    struct kafka_batch *last;
    struct kafka_batch *open;
    struct kafka_batch *in_flight;
    struct batch scratch; /* takes the envelopes that are skipped */
    struct kafka_group group;
    struct kafka_now now;
    struct shapes shapes;        /* how the log records of the topics are spelled */
    struct shapes native_shapes; /* and their native events */
    struct decode decode;        /* of the message being decoded; made once, set anew for each */
    char name[KAFKA_NAME_BYTES_MAX]; /* "kafka:orders/3@17", of that message */
    size_t name_prefix;              /* bytes of it that are the place's */
    uint32_t name_place;             /* whose they are */
    uint32_t place_latest;           /* of the message before */
    uint64_t messages_uncounted;     /* not in the counters yet: those are shared with the shard */
    uint64_t bytes_uncounted;

    struct kafka_message *held;
    uint32_t held_at;
    uint32_t held_count;

    struct rates rates;    /* of tenants with a limit */
    struct rate_turn rate; /* of the message being decoded */
    bool has_limits;       /* any tenant has one */
    struct kafka_message *kept;
    uint32_t kept_count;
    uint64_t kept_bytes;
    uint32_t places_held;
    uint64_t held_due_ns;           /* when the first of them may go on */
    struct kafka_partition *listed; /* room for a list of them */

    struct source_entry entry;
    char label[LABEL_BYTES_MAX + 16]; /* its name: "main", of the second thread "main/1" */
    uint64_t now_ns;                  /* wall time of the latest poll: when its messages came in */
    uint64_t blocked_since_ns;        /* 0: not blocked */
    uint64_t retry_at_ns;             /* 0: at once */
    uint64_t tick_at_ns;
    uint64_t commit_at_ns;
    uint32_t assigns_due; /* until the member has joined again: no commits before */
    uint64_t told_hash;   /* of the trouble told last */
    uint64_t told_at_ns;
    bool is_paused;  /* all partitions are */
    bool is_refused; /* the broker does not let us */
    bool is_failing; /* the shard did not take the last batch */
    atomic_bool is_stopping;
};

/* --- kafka_places.c --- */
/* The partition's index, made when new; UINT32_MAX when there are too many. */
uint32_t kafka_places_find(struct kafka_source *source, struct slice topic, uint32_t partition);
void kafka_on_assign(void *context, struct kafka_partition *partitions, uint32_t count);
void kafka_on_revoke(void *context, const struct kafka_partition *partitions, uint32_t count,
                     bool is_lost);
void kafka_on_gone(void *context, struct slice topic, uint32_t partition);
void kafka_on_end(void *context, struct slice topic, uint32_t partition, uint64_t offset);
/* Tells the broker what is durable of the partitions that are ours. */
void kafka_commit(struct kafka_source *source, bool wait);
/* The consumer goes: none is ours until the next one is given it. */
void kafka_places_give_up(struct kafka_source *source);
/* Shows the partitions on the board. */
void kafka_places_show(struct kafka_source *source);

/* What is known when a partition comes. */
struct kafka_facts {
    bool has_own;
    struct stream_place own; /* of our state */
    bool is_unknown;         /* the group could not be asked */
    bool has_commit;
    uint64_t committed;
    bool is_committed_by_other; /* by another quell */
};
enum kafka_resume { KAFKA_AT_PLACE, KAFKA_AT_START, KAFKA_AS_COMMITTED };
/* Pure: where to begin; `place_out` for KAFKA_AT_PLACE. */
enum kafka_resume kafka_decide(const struct kafka_facts *facts, struct stream_place *place_out);

/* --- kafka_intake.c --- */
/* Sets what is the same for all messages; before the first. */
void kafka_intake_init(struct kafka_source *source);
/* The configuration is another one. */
void kafka_intake_use_config(struct kafka_source *source);
/* Decodes a message into the open batch. FULL: nothing was done, because no batch is free now or,
 * when source->rate says how long to wait, its tenant may not send more. */
MUST_CHECK struct status kafka_take(struct kafka_source *source,
                                    const struct kafka_message *message);
/* A range without envelopes, so that the place is durable. FULL as above. */
MUST_CHECK struct status kafka_take_pin(struct kafka_source *source, uint32_t place);
/* Ends the range that is being filled, under the cluster's name that it began with; before the
 * consumer goes, which is asked for that. */
void kafka_end_range(struct kafka_source *source);
/* Sends the oldest batch when none is out; takes back what was answered. */
void kafka_send(struct kafka_source *source);
void kafka_take_back(struct kafka_source *source);

/* The message's partition; UINT32_MAX when there are too many. */
uint32_t kafka_find_place(struct kafka_source *source, const struct kafka_message *message);

/* --- kafka_hold.c --- */
/* Takes the message or keeps it until its partition's time has come; it is not the caller's any
 * more. FULL: neither, it is. */
MUST_CHECK struct status kafka_hold_take(struct kafka_source *source,
                                         struct kafka_message *message);
/* Takes what was kept of partitions whose time has come, and resumes them. */
void kafka_hold_turn(struct kafka_source *source);
/* The partition is not ours any more: gives back what came of it. */
void kafka_hold_forget(struct kafka_source *source, uint32_t place);
/* Pauses all partitions, also those that came since; or resumes those that need not wait. */
void kafka_hold_all(struct kafka_source *source, bool is_paused);
/* The consumer goes: gives back all that was kept, no partition waits any more. */
void kafka_hold_release(struct kafka_source *source);

/* --- kafka_letters.c --- */
/* The producer of dead letters, when the settings name a topic for them. */
MUST_CHECK struct status kafka_letters_open(struct kafka_source *source, struct fault *fault);
/* The message, of which `refused` records were refused, to the dead-letter topic; the open batch
 * waits for it. FULL: later. */
MUST_CHECK struct status kafka_letters_send(struct kafka_source *source,
                                            const struct kafka_message *message, uint32_t refused,
                                            const char *reason);

/* What a refused envelope of the message being decoded keeps beside its bytes. */
const struct attribute *kafka_refused_attributes(void *context, uint32_t *count_out);

/* --- kafka.c --- */
/* Tells a person, not twice a minute the same. */
void kafka_tell_trouble(void *context, const char *words, bool is_refused);
/* Sends all that is filled and waits for it, at most so long; whether all is durable. */
bool kafka_flush(struct kafka_source *source, uint64_t wait_ns_max);
