/*
 * delivery.c - one sink's messages: attempt, wait, attempt again, settle.
 *
 * A message is read from the outbox for each attempt, so a sink that hangs holds no payloads.
 * Between attempts: exponential backoff with jitter, or what Retry-After asks. After attempts_max,
 * or when the sink says that it will never work, the message becomes a dead letter.
 *
 * While the breaker is open, one message is tried now and then. When the sink does not even answer
 * such a probe, that says nothing about the message: unless the configuration sets max_attempts,
 * it does not count, so a sink that was away for hours finds all its messages when it is back.
 */
#include "sinks/sinks_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "sinks/heard.h"
#include "sinks/redact.h"

#define ATTEMPT_ARENA_BYTES (8 * MIB)

struct slice sink_tenant_words(const struct sink_host *host) {
    return host->config.tenant.size > 0 ? host->config.tenant : SLICE("(any)");
}

static uint64_t now_ns(const struct sink_host *host) {
    return loop_now_ns(host->sinks->loop);
}

static uint64_t jitter_of(uint64_t number, uint64_t attempts) {
    uint64_t words[2] = {number, attempts};
    return hash64_of(slice_of(words, sizeof(words)), 0);
}

bool sink_host_lags(const struct sink_host *host) {
    bool is_behind = host->breaker.state != BREAKER_CLOSED || host->queue.count > SINK_QUEUE_LAG;
    return is_behind && !host->type->keeps_history;
}

static void say_words(struct sink_host *host, struct slice words) {
    struct text text = text_over(host->error, sizeof(host->error));
    redact_add(&text, words, &host->config);
}

static void set_delivery(struct sink_host *host, enum delivery_state delivery) {
    struct sinks *sinks = host->sinks;
    ASSERT(host->delivery != DELIVERY_IN_FLIGHT || sinks->attempts_out > 0);
    sinks->attempts_out -= host->delivery == DELIVERY_IN_FLIGHT ? 1 : 0;
    sinks->attempts_out += delivery == DELIVERY_IN_FLIGHT ? 1 : 0;
    sinks->begun[0] += delivery == DELIVERY_IN_FLIGHT ? 1 : 0;
    host->delivery = delivery;
}

/* --- The end of an attempt --- */

static void settle(struct sink_host *host, enum outbox_result result) {
    host->result = result;
    set_delivery(host, DELIVERY_SETTLED);
}

/* Full jitter around the doubled backoff: between half of it and all of it. */
uint64_t sink_backoff_ns(const struct sink_limits *limits, uint64_t number, uint64_t attempts) {
    uint64_t span = limits->backoff_ns;
    for (uint64_t i = 1; i < attempts && span < limits->backoff_ns_max; i++) {
        span *= 2;
    }
    span = span < limits->backoff_ns_max ? span : limits->backoff_ns_max;
    return span / 2 + jitter_of(number, attempts) % (span / 2 + 1);
}

static void note_failure(struct sink_host *host, uint64_t attempts) {
    sink_row_add(host->row, SINK_NUMBER_FAILED);
    log_write(host->sinks->options.logger, LOG_LEVEL_WARNING, "sinks",
              "sink %.*s of tenant %.*s: attempt %llu failed: %s", SLICE_PRINT(host->config.name),
              SLICE_PRINT(sink_tenant_words(host)), (unsigned long long)attempts, host->error);
    uint64_t jitter = jitter_of(host->breaker.opened, attempts);
    if (breaker_fail(&host->breaker, now_ns(host), jitter)) {
        sink_row_add(host->row, SINK_NUMBER_OPENED);
        if (sink_host_lags(host)) {
            sink_queue_coalesce(&host->queue);
        }
        log_write(host->sinks->options.logger, LOG_LEVEL_ERROR, "sinks",
                  "sink %.*s of tenant %.*s: circuit breaker opened after %u failure%s",
                  SLICE_PRINT(host->config.name), SLICE_PRINT(sink_tenant_words(host)),
                  host->breaker.failures, host->breaker.failures == 1 ? "" : "s in a row");
    }
}

/* Counted while it goes on, and not only at its end, which may be hours away. What does not get
 * through is told with the next one. */
static void tell_attempts(struct sink_host *host, struct queued_message *message) {
    const struct outbox_outcome outcome = {
        .number = message->number,
        .result = OUTBOX_ATTEMPTED,
        .attempts = message->attempts - message->attempts_told,
    };
    if (sinks_send_outcome(host->sinks, host->shard, &outcome)) {
        message->attempts_told = message->attempts;
    }
}

static void wait_and_retry(struct sink_host *host, bool is_answered, uint64_t retry_after_ns) {
    struct queued_message *message = sink_queue_in_flight(&host->queue);
    ASSERT(message != NULL);
    message->attempts++;
    message->charged += host->current_charges || is_answered ? 1 : 0;
    if (retry_after_ns > 0) {
        breaker_pause(&host->breaker, now_ns(host) + retry_after_ns);
    }
    if (message->charged >= host->limits.attempts_max) {
        note_failure(host, message->attempts);
        settle(host, OUTBOX_DEAD);
        return;
    }
    uint64_t wait = sink_backoff_ns(&host->limits, message->number, message->attempts);
    message->due_ns = now_ns(host) + (retry_after_ns > wait ? retry_after_ns : wait);
    message->is_in_flight = false;
    set_delivery(host, DELIVERY_IDLE);
    tell_attempts(host, message);
    note_failure(host, message->attempts); /* last: it may merge and move messages */
}

static void take_verdict(struct sink_host *host, enum sink_verdict verdict, bool is_answered,
                         uint64_t retry_after_ns) {
    struct queued_message *message = sink_queue_in_flight(&host->queue);
    ASSERT(message != NULL);
    if (verdict == SINK_RETRY) {
        wait_and_retry(host, is_answered, retry_after_ns);
        return;
    }
    if (host->breaker.state != BREAKER_CLOSED) {
        log_write(host->sinks->options.logger, LOG_LEVEL_INFO, "sinks",
                  "sink %.*s of tenant %.*s answers again", SLICE_PRINT(host->config.name),
                  SLICE_PRINT(sink_tenant_words(host)));
    }
    breaker_succeed(&host->breaker);
    if (verdict == SINK_CONTINUE && message->step + 1 < STEPS_MAX) {
        message->step++;
        message->is_in_flight = false;
        set_delivery(host, DELIVERY_IDLE);
        return;
    }
    message->attempts += verdict == SINK_GIVE_UP ? 1 : 0;
    settle(host, verdict == SINK_GIVE_UP ? OUTBOX_DEAD : OUTBOX_DELIVERED);
}

static void describe_response(struct sink_host *host, const struct sink_response *response) {
    char memory[ERROR_BYTES_MAX];
    struct text text = text_over(memory, sizeof(memory));
    if (response->http_status == 0) {
        say_words(host, response->error);
        return;
    }
    text_add_format(&text, "HTTP %ld%s", response->http_status,
                    response->body.size == 0 ? "" : ": ");
    text_add(&text, slice_head(response->body, 200));
    text_add_text(&text, response->error.size == 0 ? "" : "; ");
    text_add(&text, response->error);
    say_words(host, text_slice(&text));
}

static void on_response(void *context, const struct sink_response *response) {
    struct sink_host *host = context;
    char bytes[OUTBOX_MEMORY_BYTES_MAX + 1];
    struct text memory = text_over(bytes, sizeof(bytes));
    host->attempt = NULL;
    describe_response(host, response);
    enum sink_verdict verdict =
        host->type->read_response(host->state, &host->current, response, &memory);
    if (memory.size > 0 && !memory.truncated) {
        sink_memory_put(&host->memory, host->current.message.number,
                        host->current.message.incident_id, text_slice(&memory));
    }
    take_verdict(host, response->is_refused ? SINK_GIVE_UP : verdict, response->http_status != 0,
                 response->retry_after_ns);
    sink_host_step(host);
}

/* --- Watching sinks --- */

static void finish_watching(struct sink_watcher *watcher, enum sink_verdict verdict,
                            struct slice words) {
    struct sink_host *host =
        (struct sink_host *)((char *)watcher - offsetof(struct sink_host, watch));
    ASSERT(host->delivery == DELIVERY_IN_FLIGHT);
    loop_timer_stop(host->sinks->loop, &host->deadline);
    say_words(host, words);
    take_verdict(host, verdict == SINK_CONTINUE ? SINK_GIVE_UP : verdict, false, 0);
    if (!host->is_starting) {
        sink_host_step(host);
    }
}

static void on_deadline(void *context) {
    struct sink_host *host = context;
    ASSERT(host->delivery == DELIVERY_IN_FLIGHT);
    host->type->cancel(host->state);
    say_words(host, SLICE("no answer in time"));
    take_verdict(host, SINK_RETRY, false, 0);
    sink_host_step(host);
}

static void start_watching(struct sink_host *host) {
    host->is_starting = true;
    loop_timer_start(host->sinks->loop, &host->deadline, now_ns(host) + host->limits.timeout_ns);
    host->type->start(host->state, &host->current, &host->attempt_arena, &host->watch.watcher);
    host->is_starting = false;
}

/* --- One attempt --- */

static void start_http(struct sink_host *host) {
    struct sink_request request = {0};
    struct fault fault = {{0}};
    struct status status = host->type->build_request(host->state, &host->current,
                                                     &host->attempt_arena, &request, &fault);
    if (status_is_ok(status)) {
        request.ca_file = sink_setting_find(&host->config, "ca_file");
        status = http_client_post(host->sinks->client, &request, host->limits.timeout_ns,
                                  host->sinks->config->sink_addresses, on_response, host,
                                  &host->attempt);
        (void)snprintf(fault.words, sizeof(fault.words), "no memory for a request");
    }
    if (!status_is_ok(status)) {
        say_words(host, slice_of_text(fault.words));
        take_verdict(host, SINK_RETRY, true, 0);
    }
}

static void deliver_direct(struct sink_host *host) {
    struct fault fault = {{0}};
    enum sink_verdict verdict = host->type->deliver(host->state, &host->current, &fault);
    say_words(host, slice_of_text(fault.words));
    take_verdict(host, verdict == SINK_CONTINUE ? SINK_GIVE_UP : verdict, true, 0);
}

/* What the sink remembers of the incident: its latest word, else what is committed. */
static struct status recall(struct sink_host *host, struct store_snapshot *snapshot) {
    struct sink_delivery *current = &host->current;
    const struct sink_memory_item *item =
        sink_memory_find(&host->memory, current->message.incident_id);
    if (item != NULL) {
        current->memory = slice_of(item->bytes, item->size);
        return arena_copy(&host->attempt_arena, current->memory, &current->memory);
    }
    uint8_t bytes[512];
    struct writer key = writer_over(bytes, sizeof(bytes));
    outbox_memory_key(current->message.incident_id, current->message.sink, &key);
    struct slice value;
    if (key.failed || key.size > 500 ||
        !status_is_ok(store_get(snapshot, STORE_TABLE_MEMORY, writer_slice(&key), &value))) {
        return status_ok();
    }
    return arena_copy(&host->attempt_arena, value, &current->memory);
}

static void attempt_row(struct sink_host *host, struct store_snapshot *snapshot, struct slice row,
                        const struct queued_message *message) {
    struct slice kept;
    host->current = (struct sink_delivery){.now_ns = clock_wall_ns(), .step = message->step};
    if (!status_is_ok(arena_copy(&host->attempt_arena, row, &kept)) ||
        !status_is_ok(outbox_message_decode(kept, &host->current.message)) ||
        !status_is_ok(recall(host, snapshot))) {
        say_words(host, SLICE("the outbox row cannot be read"));
        settle(host, OUTBOX_DEAD);
        return;
    }
    if (heard_is_newer(host, snapshot, &host->current.message) ||
        heard_is_end(host, snapshot, &host->current.message)) {
        settle(host, OUTBOX_SUPERSEDED);
        return;
    }
    host->current.message.type = message->type;
    if (heard_is_nothing(host, snapshot, &host->current.message)) {
        host->current.message.type = OUTBOX_OPENED;
    }
    if (host->type->deliver != NULL) {
        deliver_direct(host);
    } else if (host->type->start != NULL) {
        start_watching(host);
    } else {
        start_http(host);
    }
}

static void attempt_from(struct sink_host *host, struct store_snapshot *snapshot,
                         const struct queued_message *message) {
    uint8_t key[8];
    struct writer writer = writer_over(key, sizeof(key));
    struct slice row;
    writer_u64_big_endian(&writer, message->number);
    struct status status = store_get(snapshot, STORE_TABLE_OUTBOX, writer_slice(&writer), &row);
    if (status_is_ok(status)) {
        attempt_row(host, snapshot, row, message);
    } else {
        /* Settled before a restart, or damaged: either way it is not to be told. */
        say_words(host, SLICE("the outbox row is gone"));
        settle(host, status.code == STATUS_MISSING ? OUTBOX_SUPERSEDED : OUTBOX_DEAD);
    }
}

static void attempt(struct sink_host *host, struct queued_message *message) {
    struct store_snapshot *snapshot = NULL;
    message->is_in_flight = true;
    set_delivery(host, DELIVERY_IN_FLIGHT);
    host->current_charges = host->limits.attempts_are_set || host->breaker.state == BREAKER_CLOSED;
    breaker_attempt(&host->breaker);
    pace_take(&host->pace, now_ns(host));
    if (host->attempt_arena.base == NULL &&
        !status_is_ok(arena_init(&host->attempt_arena, ATTEMPT_ARENA_BYTES))) {
        say_words(host, SLICE("no memory for a message"));
        take_verdict(host, SINK_RETRY, false, 0);
        return;
    }
    host->current = (struct sink_delivery){0};
    arena_reset(&host->attempt_arena);
    if (!status_is_ok(
            store_snapshot_acquire(host->sinks->options.stores[host->shard], &snapshot))) {
        say_words(host, SLICE("the outbox cannot be read"));
        take_verdict(host, SINK_RETRY, false, 0);
        return;
    }
    attempt_from(host, snapshot, message);
    store_snapshot_release(snapshot);
}

/* --- Outcomes --- */

static bool send_superseded(struct sink_host *host, uint64_t number) {
    const struct outbox_outcome outcome = {.number = number, .result = OUTBOX_SUPERSEDED};
    if (!sinks_send_outcome(host->sinks, host->shard, &outcome)) {
        return false;
    }
    sink_row_add(host->row, SINK_NUMBER_SUPERSEDED);
    return true;
}

static bool report_superseded(struct sink_host *host) {
    struct sink_queue *queue = &host->queue;
    while (queue->superseded_count > 0) {
        if (!send_superseded(host, queue->superseded[queue->superseded_count - 1])) {
            return false;
        }
        queue->superseded_count--;
    }
    return true;
}

/* A sink of the defaults has messages of many tenants: the message says whose. */
static void log_dead(const struct sink_host *host, uint64_t number) {
    struct slice tenant = host->current.message.tenant;
    tenant = tenant.size > 0 ? tenant : sink_tenant_words(host);
    log_write(host->sinks->options.logger, LOG_LEVEL_ERROR, "sinks",
              "sink %.*s: message %llu of tenant %.*s is a dead letter: %s",
              SLICE_PRINT(host->config.name), (unsigned long long)number, SLICE_PRINT(tenant),
              host->error);
}

static bool report_outcome(struct sink_host *host) {
    struct queued_message *message = sink_queue_in_flight(&host->queue);
    ASSERT(message != NULL);
    if (message->opened_number != 0) {
        if (!send_superseded(host, message->opened_number)) {
            return false;
        }
        message->opened_number = 0;
    }
    struct outbox_outcome outcome = {
        .number = message->number,
        .result = host->result,
        .attempts = message->attempts,
        .attempts_told = message->attempts_told,
        .error = host->result == OUTBOX_DELIVERED ? slice_of(NULL, 0) : slice_of_text(host->error),
    };
    const struct sink_memory_item *item = sink_memory_find(&host->memory, message->incident);
    if (item != NULL && item->number == message->number) {
        outcome.memory = slice_of(item->bytes, item->size);
    }
    if (!sinks_send_outcome(host->sinks, host->shard, &outcome)) {
        return false;
    }
    heard_note(host, message);
    if (host->result == OUTBOX_DEAD) {
        log_dead(host, message->number);
    }
    sink_row_add(host->row, host->result == OUTBOX_DELIVERED ? SINK_NUMBER_DELIVERED
                            : host->result == OUTBOX_DEAD    ? SINK_NUMBER_DEAD
                                                             : SINK_NUMBER_SUPERSEDED);
    sink_queue_remove(&host->queue, message);
    host->error[0] = 0;
    set_delivery(host, DELIVERY_IDLE);
    return true;
}

/* --- The host --- */

static void on_timer(void *context) {
    sink_host_step(context);
}

/* The next message that may be tried now; else the timer is set for when one may. */
static struct queued_message *next_message(struct sink_host *host) {
    uint64_t now = now_ns(host);
    uint64_t breaker_due = breaker_due_ns(&host->breaker);
    uint64_t pace_due = pace_due_ns(&host->pace);
    uint64_t due_ns = breaker_due > pace_due ? breaker_due : pace_due;
    struct queued_message *message = NULL;
    if (due_ns <= now) {
        message = sink_queue_next(&host->queue, now, &due_ns);
    }
    if (message == NULL && due_ns != UINT64_MAX) {
        loop_timer_start(host->sinks->loop, &host->timer, due_ns);
    }
    return message;
}

static void hold(struct sink_host *host, bool is_held) {
    host->sinks->held_count -= host->is_held ? 1 : 0;
    host->sinks->held_count += is_held ? 1 : 0;
    host->is_held = is_held;
}

/* Many sinks that hang have a file each. Who finds too few left waits, behind those who do. */
static bool may_attempt(struct sink_host *host) {
    bool is_next = host->sinks->held_count == 0 || host->is_turn;
    bool may = is_next && sinks_have_files(host->sinks);
    hold(host, !may);
    return may;
}

static void show_numbers(const struct sink_host *host) {
    sink_row_set(host->row, SINK_NUMBER_BREAKER, (uint64_t)host->breaker.state);
    sink_row_set(host->row, SINK_NUMBER_PENDING, sink_host_pending(host));
}

void sink_host_step(struct sink_host *host) {
    bool may_go_on = report_superseded(host);
    hold(host, host->is_held && !host->is_turn);
    while (may_go_on) {
        if (host->delivery == DELIVERY_SETTLED && !report_outcome(host)) {
            break; /* asked again when a batch comes back */
        }
        if (host->behind_from != 0 && host->queue.count < SINK_QUEUE_LAG) {
            sinks_read_again(host->sinks, host);
        }
        if (host->delivery != DELIVERY_IDLE || host->queue.count == 0 || host->is_retiring ||
            atomic_load(&host->sinks->is_stopping)) {
            break;
        }
        struct queued_message *message = next_message(host);
        if (message == NULL || !may_attempt(host)) {
            break;
        }
        attempt(host, message);
        may_go_on = report_superseded(host);
    }
    show_numbers(host);
}

void sink_host_init(struct sink_host *host) {
    host->timer.on_due = on_timer;
    host->timer.context = host;
    host->deadline.on_due = on_deadline;
    host->deadline.context = host;
    sink_watch_init(&host->watch, host->sinks->loop, host->sinks->config->sink_addresses,
                    finish_watching);
    host->breaker.failures_max = (uint32_t)host->limits.breaker_failures;
    host->breaker.wait_ns = host->limits.breaker_wait_ns;
    host->pace.interval_ns = host->limits.pace_ns;
    host->pace.burst = PACE_BURST;
}

void sink_host_deinit(struct sink_host *host) {
    loop_timer_stop(host->sinks->loop, &host->timer);
    loop_timer_stop(host->sinks->loop, &host->deadline);
    if (host->attempt != NULL) {
        http_client_cancel(host->sinks->client, host->attempt);
        host->attempt = NULL;
    }
    if (host->type->cancel != NULL && host->delivery == DELIVERY_IN_FLIGHT) {
        host->type->cancel(host->state);
    }
    if (host->type->close != NULL) {
        host->type->close(host->state);
    }
    hold(host, false);
    set_delivery(host, DELIVERY_IDLE);
    arena_deinit(&host->attempt_arena);
    sink_queue_deinit(&host->queue);
    sink_memory_deinit(&host->memory);
}
