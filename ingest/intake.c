/*
 * intake.c - batches: taken from the pool while a request is decoded, sent through the gate, and
 * answered for when the shard gives them back.
 *
 * Bounds: the pool of batches and of pending requests; beyond them, 429. Two sizes of batch, so
 * that many small requests in flight do not hold the memory of large ones.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "ingest/ingest_internal.h"

static struct batch *take_batch(struct ingest *ingest, bool is_large) {
    struct batch **list = is_large ? &ingest->free_large : &ingest->free_small;
    struct batch *batch = *list;
    if (batch != NULL) {
        *list = batch->next;
        batch_clear(batch, BATCH_EVENTS);
    }
    return batch;
}

static void give_batch(struct ingest *ingest, struct batch *batch) {
    bool is_large = batch->writer.capacity > BATCH_SMALL_BYTES;
    struct batch **list = is_large ? &ingest->free_large : &ingest->free_small;
    batch->request = NULL;
    batch->next = *list;
    *list = batch;
}

void intake_init(struct intake *intake, struct ingest *ingest, struct http_exchange exchange,
                 enum answer_style style) {
    intake->ingest = ingest;
    intake->exchange = exchange;
    intake->style = style;
    intake->request = NULL;
    intake->batches = NULL;
    intake->open = NULL;
    intake->wants_large = false;
    intake->errors = text_over(intake->error_memory, sizeof(intake->error_memory));
    intake->errors_count = 0;
    intake->now_ns = clock_wall_ns();
    intake->rate = (struct rate_turn){0};
    intake->refusal = (struct put_off){0};
}

static struct put_off ask_queue(const struct ingest *ingest) {
    return ingest->pressure.count >= ingest->config->waiting_requests_max
               ? (struct put_off){1, STAT_QUEUE_FULL, "too many requests wait, try again"}
               : (struct put_off){0};
}

/* Its share of the thread's time, and of the requests that wait. */
static struct put_off ask_share(struct ingest *ingest, struct hash128 tenant) {
    const struct config *config = ingest->config;
    uint64_t now_ns = clock_monotonic_ns(); /* the loop's is of before it slept */
    ingest->asked = tenant;
    shares_see(&ingest->shares, tenant, now_ns);
    uint32_t wait_s = shares_wait_s(&ingest->shares, tenant, config->tenant_share_percent, now_ns);
    if (wait_s > 0) {
        return (struct put_off){wait_s, STAT_SHARE_LIMITED,
                                "the tenant takes more than its share of the time while others "
                                "are there (server.tenant_share)"};
    }
    return pressure_is_shared_out(&ingest->pressure, tenant, config->waiting_requests_max,
                                  config->tenant_share_percent)
               ? (struct put_off){1, STAT_SHARE_LIMITED,
                                  "too many requests of the tenant wait (server.tenant_share)"}
               : (struct put_off){0};
}

/* One event more of the tenant's, by its rate and its share. */
static struct put_off ask_tenant(struct ingest *ingest, struct rate_turn *turn, struct slice tenant,
                                 uint64_t now_ns) {
    const struct config *config = ingest->config;
    struct hash128 before = turn->rated;
    if (!rates_let_in(&ingest->rates, turn, &config->policies, config->ingest_threads, tenant,
                      now_ns)) {
        return (struct put_off){turn->wait_s, STAT_RATE_LIMITED,
                                "the tenant sends more than limits.events_per_second"};
    }
    return hash128_equals(before, turn->rated) ? (struct put_off){0}
                                               : ask_share(ingest, turn->rated);
}

struct put_off intake_ask(struct ingest *ingest, struct slice tenant, uint64_t now_ns) {
    struct rate_turn turn = {0};
    struct put_off refusal = ask_queue(ingest);
    if (refusal.wait_s == 0 && tenant.size > 0) {
        refusal = ask_tenant(ingest, &turn, tenant, now_ns);
        rates_give_back(&turn);
    }
    return refusal;
}

struct work intake_begin_work(struct ingest *ingest, struct slice tenant) {
    struct work work = {.tenant = hash128_of(tenant, 0), .began_ns = clock_monotonic_ns()};
    /* Not known yet: most likely the one before. */
    struct hash128 likely = tenant.size == 0 ? ingest->asked : work.tenant;
    bool is_alone = !shares_has_others(&ingest->shares, likely, work.began_ns);
    work.thread_ns = is_alone ? 0 : clock_thread_ns();
    ingest->asked = work.tenant;
    payers_clear(&ingest->payers);
    return work;
}

void intake_end_work(struct ingest *ingest, const struct work *work) {
    uint64_t now_ns = clock_monotonic_ns();
    turns_spend(&ingest->turns, work->tenant, now_ns - work->began_ns);
    if (work->thread_ns == 0) {
        return;
    }
    if (ingest->payers.records == 0) { /* who sends what cannot be read */
        payers_turn(&ingest->payers, ingest->asked);
        payers_count(&ingest->payers);
    }
    /* Who was there when it began: during its work nobody is seen. */
    payers_spend(&ingest->payers, &ingest->shares, ingest->config->tenant_share_percent,
                 clock_thread_ns() - work->thread_ns, work->began_ns, now_ns);
}

void intake_refuse(struct ingest *ingest, struct http_exchange exchange, enum answer_style style,
                   const struct put_off *refusal) {
    stats_add(ingest->options.stats, refusal->stat, 1);
    ingest_refuse_for(ingest, exchange, style, 429, refusal->words, refusal->wait_s);
}

static bool is_let_in(struct intake *intake, struct slice tenant) {
    struct payers *payers = &intake->ingest->payers;
    struct hash128 before = intake->rate.rated;
    intake->refusal = ask_tenant(intake->ingest, &intake->rate, tenant, intake->now_ns);
    if (!hash128_equals(before, intake->rate.rated)) {
        payers_turn(payers, intake->rate.rated);
    }
    payers_count(payers);
    return intake->refusal.wait_s == 0;
}

/* The shard is decided by tenant; with one shard every tenant's is the same. */
struct batch *intake_batch_for(void *context, struct slice tenant, bool is_full) {
    struct intake *intake = context;
    if (!is_full && !is_let_in(intake, tenant)) {
        return NULL;
    }
    if (intake->open != NULL && !is_full) {
        return intake->open;
    }
    intake->wants_large = intake->wants_large || is_full;
    if (intake->open != NULL && intake->open->count == 0) {
        /* Too small for even one envelope: it makes room for a large one. */
        struct batch *empty = intake->open;
        intake->batches = empty->next;
        intake->open = intake->batches;
        give_batch(intake->ingest, empty);
    }
    struct batch *batch = take_batch(intake->ingest, intake->wants_large);
    if (batch == NULL) {
        return NULL;
    }
    batch->next = intake->batches;
    intake->batches = batch;
    intake->open = batch;
    return batch;
}

struct slice intake_dedup_by_for(void *context, struct slice tenant) {
    struct intake *intake = context;
    return policy_set_find(&intake->ingest->config->policies, tenant)->dedup_by;
}

void intake_on_refused(void *context, uint32_t index, const char *reason) {
    struct intake *intake = context;
    size_t room = intake->errors.capacity - intake->errors.size;
    if (!answer_lists_errors(intake->style) || room < 8 * (size_t)REASON_BYTES_MAX) {
        return; /* the count says how many; the quarantine has them all */
    }
    text_add_format(&intake->errors,
                    "%s{\"index\":%u,\"reason\":", intake->errors_count == 0 ? "" : ",", index);
    text_add_json_string(&intake->errors, slice_of_text(reason));
    text_add_char(&intake->errors, '}');
    intake->errors_count++;
}

bool intake_has_all_room(const struct intake *intake) {
    uint32_t count = 0;
    for (const struct batch *batch = intake->batches; batch != NULL; batch = batch->next) {
        count += batch->writer.capacity > BATCH_SMALL_BYTES ? 1 : 0;
    }
    return count == BATCHES_LARGE;
}

void intake_abort(struct intake *intake) {
    while (intake->batches != NULL) {
        struct batch *batch = intake->batches;
        intake->batches = batch->next;
        give_batch(intake->ingest, batch);
    }
    intake->open = NULL;
}

void ingest_answer(struct http_exchange exchange, enum answer_style style, unsigned status,
                   const char *headers, struct slice body) {
    if (style == ANSWER_GRPC) {
        grpc_respond(exchange, status, body);
    } else {
        http_respond(exchange, status, answer_content_type(style), headers, body);
    }
}

static void refuse_now(struct ingest *ingest, struct http_exchange exchange,
                       enum answer_style style, unsigned status, const char *words,
                       unsigned wait_s) {
    char memory[2048];
    struct text body = text_over(memory, sizeof(memory));
    answer_error(&body, style, status, words);
    if (style == ANSWER_GRPC) { /* answered by HTTP 200, so the server does not count it */
        stats_add(ingest->options.stats, STAT_HTTP_ERRORS, 1);
    }
    bool is_throttle = status == 429 || status == 503;
    if (is_throttle) {
        stats_add(ingest->options.stats, STAT_HTTP_THROTTLED, 1);
    }
    if (style == ANSWER_GRPC) {
        grpc_refuse(exchange, status, text_slice(&body), wait_s);
        return;
    }
    char wait[64];
    (void)snprintf(wait, sizeof(wait), "Retry-After: %u\r\n", wait_s);
    const char *headers = is_throttle     ? wait
                          : status == 401 ? "WWW-Authenticate: Bearer\r\n"
                                          : NULL;
    ingest_answer(exchange, style, status, headers, text_slice(&body));
}

void ingest_answer_late(void *context) {
    struct late_answer *answer = context;
    struct ingest *ingest = answer->ingest;
    refuse_now(ingest, answer->exchange, answer->style, 429, answer->words, answer->wait_s);
    late_give(&ingest->late, answer);
}

void ingest_refuse_for(struct ingest *ingest, struct http_exchange exchange,
                       enum answer_style style, unsigned status, const char *words,
                       unsigned wait_s) {
    struct late_answer *late = status == 429 ? late_take(&ingest->late) : NULL;
    if (late == NULL) {
        refuse_now(ingest, exchange, style, status, words, wait_s);
        return;
    }
    late->ingest = ingest;
    late->exchange = exchange;
    late->words = words;
    late->style = style;
    late->wait_s = wait_s;
    loop_timer_start(ingest->loop, &late->timer,
                     loop_now_ns(ingest->loop) + late_delay_ns(&ingest->late));
}

void ingest_refuse(struct ingest *ingest, struct http_exchange exchange, enum answer_style style,
                   unsigned status, const char *words) {
    ingest_refuse_for(ingest, exchange, style, status, words, 1);
}

/* --- Answers that wait --- */

static void free_pending(struct ingest *ingest, struct pending *pending) {
    free(pending->body);
    pending->body = NULL;
    pending->next = ingest->free_pending;
    ingest->free_pending = pending;
    ingest->pending_count--;
    pressure_remove(&ingest->pressure, pending->place);
    stats_add(ingest->options.stats, STAT_REQUESTS_WAITING, UINT64_MAX); /* one less */
}

static void answer_pending(struct ingest *ingest, struct pending *pending) {
    const char *body = pending->body == NULL ? pending->inline_body : pending->body;
    if (pending->outcome == STATUS_OK) {
        ingest_answer(pending->exchange, pending->style, pending->status,
                      answer_headers(pending->style), slice_of(body, pending->body_size));
    } else if (pending->outcome == STATUS_FULL) {
        ingest_refuse(ingest, pending->exchange, pending->style, 429,
                      "no room for more events now, try again");
    } else {
        ingest_refuse(ingest, pending->exchange, pending->style, 503,
                      "events cannot be stored now, try again later");
    }
    free_pending(ingest, pending);
}

static struct pending *make_pending(struct intake *intake, unsigned status, struct slice body) {
    struct ingest *ingest = intake->ingest;
    struct pending *pending = ingest->free_pending;
    if (pending == NULL) {
        return NULL;
    }
    char *memory = NULL;
    if (body.size > sizeof(pending->inline_body)) {
        memory = malloc(body.size); /* a native answer with many errors, never the usual one */
        if (memory == NULL) {
            return NULL;
        }
    }
    ingest->free_pending = pending->next;
    ingest->pending_count++;
    *pending = (struct pending){.exchange = intake->exchange,
                                .outcome = STATUS_OK,
                                .status = status,
                                .style = intake->style,
                                .body = memory,
                                .body_size = body.size};
    memcpy(memory == NULL ? pending->inline_body : memory, body.data, body.size);
    pressure_add(&ingest->pressure, intake->rate.rated, &pending->place);
    stats_add(ingest->options.stats, STAT_REQUESTS_WAITING, 1);
    return pending;
}

static void settle_batch(struct ingest *ingest, struct batch *batch, enum status_code outcome) {
    struct pending *pending = batch->request;
    ASSERT(pending != NULL && pending->batches_out > 0);
    pending->batches_out--;
    bool is_worse =
        outcome != STATUS_OK && (pending->outcome == STATUS_OK || outcome != STATUS_FULL);
    pending->outcome = is_worse ? outcome : pending->outcome;
    give_batch(ingest, batch);
    if (pending->batches_out == 0) {
        answer_pending(ingest, pending);
    }
}

/* The shard applies a request's events in the order in which they stand in it. */
static struct batch *oldest_first(struct batch *newest) {
    struct batch *first = NULL;
    while (newest != NULL) {
        struct batch *next = newest->next;
        newest->next = first;
        first = newest;
        newest = next;
    }
    return first;
}

void intake_commit(struct intake *intake, unsigned status, struct slice body) {
    struct ingest *ingest = intake->ingest;
    if (intake->batches == NULL) {
        ingest_answer(intake->exchange, intake->style, status, NULL, body);
        return;
    }
    struct pending *pending = make_pending(intake, status, body);
    if (pending == NULL) {
        intake_abort(intake);
        ingest_refuse(ingest, intake->exchange, intake->style, 429, "too many requests wait");
        return;
    }
    struct batch *batch = oldest_first(intake->batches);
    pending->batches_out = 1; /* held until all are sent */
    while (batch != NULL) {
        struct batch *next = batch->next;
        batch->request = pending;
        pending->batches_out++;
        (void)batch_finish(batch);
        if (!status_is_ok(gate_send(ingest->options.gates[0], batch))) {
            settle_batch(ingest, batch, STATUS_FULL);
        }
        batch = next;
    }
    pending->batches_out--;
    if (pending->batches_out == 0) {
        answer_pending(ingest, pending);
    }
}

void ingest_take_back(struct ingest *ingest) {
    struct batch *batch = gate_take_back(ingest->options.gates[0]);
    while (batch != NULL) {
        if (!refusals_take_back(&ingest->refusals, batch)) {
            settle_batch(ingest, batch, batch->outcome);
        }
        batch = gate_take_back(ingest->options.gates[0]);
    }
}
