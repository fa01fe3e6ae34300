/*
 * delivery.c - one sink's messages: attempt, wait, attempt again, settle.
 *
 * A message is read from the outbox for each attempt, so a sink that hangs holds no payloads.
 * Between attempts: exponential backoff with jitter, or what Retry-After asks. After attempts_max,
 * or when the sink says that it will never work, the message becomes a dead letter.
 */
#include "sinks/sinks_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "sinks/stdout.h"

#define ATTEMPT_ARENA_BYTES (8 * MIB)

static uint64_t front_number(const struct sink_host *host) {
    ASSERT(host->count > 0);
    return host->numbers[host->first];
}

static void on_timer(void *context) {
    struct sink_host *host = context;
    host->delivery = host->delivery == DELIVERY_WAITING ? DELIVERY_IDLE : host->delivery;
    sink_host_step(host);
}

void sink_host_init(struct sink_host *host) {
    host->timer.on_due = on_timer;
    host->timer.context = host;
}

void sink_host_deinit(struct sink_host *host) {
    loop_timer_stop(host->sinks->loop, &host->timer);
    if (host->attempt != NULL) {
        http_client_cancel(host->sinks->client, host->attempt);
        host->attempt = NULL;
    }
    if (host->type->close != NULL) {
        host->type->close(host->state);
    }
    arena_deinit(&host->attempt_arena);
}

static void settle(struct sink_host *host, enum outbox_result result) {
    host->result = result;
    host->delivery = DELIVERY_SETTLED;
}

/* Full jitter around the doubled backoff: between half of it and all of it. */
static uint64_t backoff_ns(const struct sink_host *host) {
    uint64_t span = host->limits.backoff_ns;
    for (uint64_t i = 1; i < host->attempts && span < host->limits.backoff_ns_max; i++) {
        span *= 2;
    }
    span = span < host->limits.backoff_ns_max ? span : host->limits.backoff_ns_max;
    uint64_t words[2] = {front_number(host), host->attempts};
    return span / 2 + hash64_of(slice_of(words, sizeof(words)), 0) % (span / 2 + 1);
}

static void wait_and_retry(struct sink_host *host, uint64_t retry_after_ns) {
    host->attempts++;
    log_write(host->sinks->options.logger, LOG_LEVEL_WARNING, "sinks",
              "sink %.*s of tenant %.*s: attempt %llu failed: %s", SLICE_PRINT(host->config->name),
              SLICE_PRINT(host->config->tenant), (unsigned long long)host->attempts, host->error);
    if (host->attempts >= host->limits.attempts_max) {
        settle(host, OUTBOX_DEAD);
        return;
    }
    uint64_t wait = backoff_ns(host);
    wait = retry_after_ns > wait ? retry_after_ns : wait;
    host->delivery = DELIVERY_WAITING;
    loop_timer_start(host->sinks->loop, &host->timer, loop_now_ns(host->sinks->loop) + wait);
}

static void take_verdict(struct sink_host *host, enum sink_verdict verdict,
                         uint64_t retry_after_ns) {
    switch (verdict) {
    case SINK_DELIVERED:
        settle(host, OUTBOX_DELIVERED);
        return;
    case SINK_RETRY:
        wait_and_retry(host, retry_after_ns);
        return;
    case SINK_GIVE_UP:
        host->attempts++;
        settle(host, OUTBOX_DEAD);
        return;
    }
}

static void describe_response(struct sink_host *host, const struct sink_response *response) {
    struct text text = text_over(host->error, sizeof(host->error));
    if (response->http_status == 0) {
        text_add_printable(&text, response->error);
        return;
    }
    text_add_format(&text, "HTTP %ld: ", response->http_status);
    text_add_printable(&text, slice_head(response->body, 200));
}

static void on_response(void *context, const struct sink_response *response) {
    struct sink_host *host = context;
    host->attempt = NULL;
    describe_response(host, response);
    take_verdict(host, host->type->read_response(host->state, response), response->retry_after_ns);
    sink_host_step(host);
}

/* --- One attempt --- */

static void start_http(struct sink_host *host, const struct outbox_message *message) {
    struct sink_request request;
    struct fault fault;
    struct status status = host->type->build_request(host->state, message, clock_wall_ns(),
                                                     &host->attempt_arena, &request, &fault);
    if (status_is_ok(status)) {
        host->delivery = DELIVERY_IN_FLIGHT;
        status = http_client_post(host->sinks->client, &request, host->limits.timeout_ns,
                                  on_response, host, &host->attempt);
        (void)snprintf(fault.words, sizeof(fault.words), "no memory for a request");
    }
    if (!status_is_ok(status)) {
        (void)snprintf(host->error, sizeof(host->error), "%.300s", fault.words);
        take_verdict(host, SINK_RETRY, 0);
    }
}

static void deliver_direct(struct sink_host *host, const struct outbox_message *message) {
    const struct sinks_options *options = &host->sinks->options;
    struct fault fault = {{0}};
    bool is_default_stdout =
        host->type == &sink_stdout_type && sink_setting_find(host->config, "format").size == 0;
    enum sink_verdict verdict =
        is_default_stdout
            ? stdout_write_message(options->stdout_fd, options->stdout_json, message, &fault)
            : host->type->deliver(host->state, message, &fault);
    (void)snprintf(host->error, sizeof(host->error), "%.300s", fault.words);
    take_verdict(host, verdict, 0);
}

static void attempt_row(struct sink_host *host, struct slice row) {
    struct slice kept;
    struct outbox_message message;
    arena_reset(&host->attempt_arena);
    if (!status_is_ok(arena_copy(&host->attempt_arena, row, &kept)) ||
        !status_is_ok(outbox_message_decode(kept, &message))) {
        (void)snprintf(host->error, sizeof(host->error), "the outbox row cannot be read");
        settle(host, OUTBOX_DEAD);
        return;
    }
    if (host->type->deliver != NULL) {
        deliver_direct(host, &message);
    } else {
        start_http(host, &message);
    }
}

static void attempt_front(struct sink_host *host) {
    if (host->attempt_arena.base == NULL &&
        !status_is_ok(arena_init(&host->attempt_arena, ATTEMPT_ARENA_BYTES))) {
        (void)snprintf(host->error, sizeof(host->error), "no memory for a message");
        wait_and_retry(host, 0);
        return;
    }
    uint8_t key[8];
    struct writer writer = writer_over(key, sizeof(key));
    writer_u64_big_endian(&writer, front_number(host));
    struct store_snapshot *snapshot = NULL;
    struct slice row;
    struct status status =
        store_snapshot_acquire(host->sinks->options.stores[host->shard], &snapshot);
    if (!status_is_ok(status)) {
        (void)snprintf(host->error, sizeof(host->error), "the outbox cannot be read");
        wait_and_retry(host, 0);
        return;
    }
    status = store_get(snapshot, STORE_TABLE_OUTBOX, writer_slice(&writer), &row);
    if (status_is_ok(status)) {
        attempt_row(host, row);
    } else {
        /* Settled before a restart, or damaged: either way it is not to be told. */
        (void)snprintf(host->error, sizeof(host->error), "the outbox row is gone");
        settle(host, status.code == STATUS_MISSING ? OUTBOX_SUPERSEDED : OUTBOX_DEAD);
    }
    store_snapshot_release(snapshot);
}

static bool report_outcome(struct sink_host *host) {
    struct outbox_outcome outcome = {
        .number = front_number(host),
        .result = host->result,
        .attempts = (uint32_t)host->attempts,
        .error = host->result == OUTBOX_DELIVERED ? slice_of(NULL, 0) : slice_of_text(host->error),
    };
    if (!sinks_send_outcome(host->sinks, host->shard, &outcome)) {
        return false;
    }
    if (host->result == OUTBOX_DEAD) {
        log_write(host->sinks->options.logger, LOG_LEVEL_ERROR, "sinks",
                  "sink %.*s: message %llu is a dead letter: %s", SLICE_PRINT(host->config->name),
                  (unsigned long long)front_number(host), host->error);
    }
    host->first = (host->first + 1) % QUEUE_NUMBERS_MAX;
    host->count--;
    host->attempts = 0;
    host->error[0] = 0;
    host->delivery = DELIVERY_IDLE;
    return true;
}

void sink_host_step(struct sink_host *host) {
    for (;;) {
        if (host->delivery == DELIVERY_SETTLED && !report_outcome(host)) {
            return; /* asked again when a batch comes back */
        }
        bool may_start = host->delivery == DELIVERY_IDLE && host->count > 0 &&
                         !atomic_load(&host->sinks->is_stopping);
        if (!may_start) {
            return;
        }
        attempt_front(host);
    }
}
