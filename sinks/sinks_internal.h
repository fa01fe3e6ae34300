/*
 * sinks_internal.h - inside the room: one queue a (tenant, sink), and what the thread shares.
 */
#pragma once

#include "sinks/http_client.h"
#include "sinks/sink.h"
#include "sinks/sinks.h"

enum { QUEUE_NUMBERS_MAX = 4096, OUTCOME_BATCHES = 64, OUTCOME_BATCH_BYTES = 4096 };
enum { ERROR_BYTES_MAX = 400 };

struct sink_limits {
    uint64_t timeout_ns;
    uint64_t backoff_ns;
    uint64_t backoff_ns_max;
    uint64_t attempts_max;
};

enum delivery_state {
    DELIVERY_IDLE,
    DELIVERY_IN_FLIGHT,
    DELIVERY_WAITING, /* for its next attempt */
    DELIVERY_SETTLED, /* for a batch to carry its outcome */
};

struct sinks;

/* One sink of one tenant: its messages go out one after the other, so an incident's stay in order.
 */
struct sink_host {
    struct sinks *sinks;
    const struct config_sink *config;
    const struct sink_type *type;
    void *state;
    struct sink_limits limits;
    struct arena attempt_arena;
    uint64_t *numbers; /* ring of outbox numbers */
    uint32_t first;
    uint32_t count;
    enum delivery_state delivery;
    uint32_t shard;
    uint64_t attempts; /* failed ones of the message at the front */
    enum outbox_result result;
    char error[ERROR_BYTES_MAX];
    struct http_attempt *attempt;
    struct loop_timer timer;
};

struct sinks {
    struct sinks_options options;
    struct config *config;
    struct config *_Atomic next_config; /* handed over by another thread */
    struct loop *loop;
    struct http_client *client;
    struct loop_waker *waker;
    struct arena arena; /* of the present configuration's hosts */
    struct sink_host *hosts;
    uint32_t hosts_count;
    uint64_t next_number; /* of the outbox: below it all is queued */
    struct arena batch_arena;
    struct batch batches[OUTCOME_BATCHES];
    struct batch *free_batches;
    uint32_t batches_out;
    atomic_bool is_stopping;
};

/* settings.c */
const struct sink_type *sink_type_find(struct slice name);
MUST_CHECK struct status sink_limits_read(const struct config_sink *sink,
                                          struct sink_limits *limits_out, struct fault *fault);
/* delivery.c: moves a host on as far as it goes now. */
void sink_host_step(struct sink_host *host);
void sink_host_init(struct sink_host *host);
void sink_host_deinit(struct sink_host *host);
/* sinks.c: carries an outcome to the shard; false when no batch is free (ask again later). */
bool sinks_send_outcome(struct sinks *sinks, uint32_t shard, const struct outbox_outcome *outcome);
