/*
 * sinks_internal.h - inside the room: one queue a (tenant, sink), and what the thread shares.
 */
#pragma once

#include "sinks/breaker.h"
#include "sinks/event_copy.h"
#include "sinks/http_client.h"
#include "sinks/sink.h"
#include "sinks/sink_memory.h"
#include "sinks/sink_queue.h"
#include "sinks/sinks.h"
#include "sinks/stdout.h"
#include "sinks/tried.h"
#include "sinks/watching.h"

enum { OUTCOME_BATCHES = 64, OUTCOME_BATCH_BYTES = 4096 };
/* Numbers that share a place are too far apart for a commit not to come between them. */
enum { SETTLED_PLACES = 4096 };
enum { ERROR_BYTES_MAX = 400, STEPS_MAX = 8, PACE_BURST = 3 };

struct sink_limits {
    uint64_t timeout_ns;
    uint64_t backoff_ns;
    uint64_t backoff_ns_max;
    uint64_t attempts_max;
    bool attempts_are_set; /* max_attempts stands in the config: every attempt counts */
    uint64_t pace_ns;      /* between messages; 0: no limit */
    bool pace_is_set;      /* rate stands in the config */
    uint64_t breaker_failures;
    uint64_t breaker_wait_ns;
};

enum delivery_state {
    DELIVERY_IDLE,
    DELIVERY_IN_FLIGHT,
    DELIVERY_SETTLED, /* for a batch to carry its outcome */
};

struct sinks;

/* One sink of one tenant: one attempt at a time. */
struct sink_host {
    struct sinks *sinks;
    struct arena arena;        /* of the host: configuration and state */
    struct config_sink config; /* a copy of its own */
    const struct sink_type *type;
    void *state;
    bool is_kept;  /* scratch of a new configuration */
    bool is_fresh; /* rows from before it was made are still to be looked at */
    bool is_held;  /* has a message to attempt, and waits for its turn */
    bool is_turn;
    bool is_retiring; /* the next configuration has another in its place: begins nothing more */
    struct sink_limits limits;
    struct sink_queue queue;
    uint64_t behind_from;  /* this row and later ones are read again when there is room; 0: none */
    uint64_t behind_count; /* how many of those are left there */
    struct breaker breaker;
    struct pace pace;
    struct sink_memory memory;
    struct sink_board_row *row; /* may be NULL */
    struct loop_timer timer;    /* when the next attempt is due */
    uint32_t shard;
    struct event_copy *copy; /* NULL: no events are copied */

    /* The attempt in flight. */
    enum delivery_state delivery;
    struct arena attempt_arena;
    struct sink_delivery current;
    bool current_charges; /* a failure counts towards max_attempts, answered or not */
    enum outbox_result result;
    char error[ERROR_BYTES_MAX];
    struct http_attempt *attempt;
    struct sink_watch watch;
    bool is_starting;           /* inside type->start */
    struct loop_timer deadline; /* of a watching sink */
};

struct sinks {
    struct sinks_options options;
    struct config *config;
    struct config *_Atomic next_config; /* handed over by another thread */
    struct config *waiting_config;      /* for attempts of those that it changes; NULL: none */
    uint64_t waits_until_ns;
    struct loop *loop;
    struct http_client *client;
    struct stdout_line stdout_line;
    struct loop_waker *waker;
    struct sink_host **hosts; /* sorted by tenant and name */
    uint32_t hosts_count;
    uint32_t attempts_out; /* of all of them, in flight */
    uint32_t begun[2];     /* in this turn of the loop and the one before: may have no file yet */
    uint32_t held_count;   /* hosts that wait for others to give files back */
    uint32_t turn;         /* the host that is looked at next, of those */
    uint64_t next_number;  /* of the outbox: below it all is queued */
    uint64_t rewalk_from;  /* those from here to next_number are to be looked at again; 0: none */
    uint64_t settled[SETTLED_PLACES]; /* by number: its row may still be there, and is not told */
    struct tried_list tried;          /* while rewalk_from is not 0 */
    struct arena batch_arena;
    struct batch batches[OUTCOME_BATCHES];
    struct batch *free_batches;
    uint32_t batches_out;
    struct batch *full_batches; /* of those that are out: the disk had no room; oldest first */
    struct batch **full_end;
    uint64_t full_at_ns;
    atomic_bool is_stopping;
};

/* settings.c */
/* INVALID with words. */
MUST_CHECK struct status sink_type_find(const struct config_sink *sink,
                                        const struct sink_type **type_out, struct fault *fault);
MUST_CHECK struct status sink_limits_read(const struct config_sink *sink,
                                          struct sink_limits *limits_out, struct fault *fault);
/* sink_hosts.c: the hosts that a configuration asks for; those that it does not change stay. On
 * failure all is as it was. */
MUST_CHECK struct status sink_hosts_replace(struct sinks *sinks, const struct config *config,
                                            struct fault *fault);
/* Those that the configuration changes, or has no more, begin nothing; true while one of them has
 * an attempt under way: to be cut off, its message would be told twice. */
bool sink_hosts_retire(struct sinks *sinks, const struct config *config);
void sink_hosts_close(struct sinks *sinks);
/* The tenant's own sink of that name, else the defaults'; NULL. */
struct sink_host *sink_hosts_find(const struct sinks *sinks, struct slice tenant,
                                  struct slice name);
/* delivery.c: moves a host on as far as it goes now. */
void sink_host_step(struct sink_host *host);
void sink_host_init(struct sink_host *host);
void sink_host_deinit(struct sink_host *host);
/* delivery.c: how long to wait after so many attempts that failed; `number` spreads it. */
uint64_t sink_backoff_ns(const struct sink_limits *limits, uint64_t number, uint64_t attempts);
/* Whether only the latest state of each incident should wait. */
bool sink_host_lags(const struct sink_host *host);
/* delivery.c, for the log: a sink of the defaults is that of any tenant without own ones. */
struct slice sink_tenant_words(const struct sink_host *host);
/* sinks.c: whether the process has so few files open that another attempt may begin. */
bool sinks_have_files(const struct sinks *sinks);
/* sinks.c: carries an outcome to the shard; false when no batch is free (ask again later). */
bool sinks_send_outcome(struct sinks *sinks, uint32_t shard, const struct outbox_outcome *outcome);
/* sinks.c: what the shard has committed, into the queues; each host goes a step on. */
void sinks_take_rows(struct sinks *sinks);
/* left_behind.c: the outbox from that number on; closed by store_cursor_close. */
MUST_CHECK struct status sinks_open_rows(struct store_snapshot *snapshot, uint64_t from,
                                         struct store_cursor **cursor_out);
/* The next row, which lives as long as the snapshot; END behind the last. One that is damaged comes
 * without bytes, and is told: the shard's state is made anew at the next start, until when nobody
 * knows what it said. */
MUST_CHECK struct status sinks_next_row(const struct sinks *sinks, struct store_cursor *cursor,
                                        uint64_t *number_out, struct slice *row_out);
/* Into the host's queue, or left behind when that is full. */
void sinks_queue_row(struct sink_host *host, const struct outbox_message *message);
/* How many messages wait for it, in the queue or left behind. */
uint64_t sink_host_pending(const struct sink_host *host);
/* Rows of a host that were left in the outbox for want of room. */
void sinks_read_again(struct sinks *sinks, struct sink_host *host);
