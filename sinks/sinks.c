/*
 * sinks.c - the thread: takes committed outbox rows in order of their numbers into the queues of
 * their sinks, and carries outcomes back. See sinks.h.
 *
 * The outbox table itself is the queue on disk; memory holds numbers only, SINK_QUEUE_MAX a sink.
 * When a sink's queue is full, its later rows of other incidents are left where they are and read
 * again when there is room (behind_from); the rows of other sinks are taken as ever. After a new
 * configuration the rows that were taken before are looked at once more (rewalk_from): for sinks
 * that were made anew, and for those whose sink is gone.
 */
#include "sinks/sinks_internal.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/clock.h"

#define DRAIN_NS (5 * NS_PER_S)
/* How long a new configuration waits for attempts of sinks that it changes. */
#define RETIRE_NS NS_PER_S
/* How long outcomes wait that the journal found no room for. */
#define FULL_REST_NS (200 * NS_PER_MS)

/* --- Intake --- */

/* Of a row that says neither whose it is nor for which sink: that it is one. */
static bool settle_without_host(struct sinks *sinks, uint64_t number, struct slice tenant,
                                struct slice sink) {
    const struct tried tried = tried_find(&sinks->tried, number);
    const struct outbox_outcome outcome = {.number = number,
                                           .result = OUTBOX_DEAD,
                                           .attempts = tried.attempts,
                                           .attempts_told = tried.attempts_told,
                                           .error = SLICE("no sink of that name is configured")};
    if (!sinks_send_outcome(sinks, 0, &outcome)) {
        return false;
    }
    log_write(sinks->options.logger, LOG_LEVEL_ERROR, "sinks",
              "sink %.*s: message %llu of tenant %.*s is a dead letter: %.*s", SLICE_PRINT(sink),
              (unsigned long long)number, SLICE_PRINT(tenant), SLICE_PRINT(outcome.error));
    return true;
}

/* false: no room now. */
static bool queue_row(struct sinks *sinks, uint64_t number, struct slice row) {
    struct outbox_message message = {0};
    struct sink_host *host = NULL;
    if (status_is_ok(outbox_message_decode(row, &message))) {
        host = sink_hosts_find(sinks, message.tenant, message.sink);
    }
    if (host == NULL && sinks->waiting_config != NULL) {
        return true; /* maybe it has the sink: all rows are looked at again behind it */
    }
    if (host == NULL) {
        return settle_without_host(sinks, number, message.tenant, message.sink);
    }
    ASSERT(message.number == number);
    sinks_queue_row(host, &message);
    return true;
}

static void walk_outbox(struct sinks *sinks, struct store_snapshot *snapshot) {
    struct store_cursor *cursor = NULL;
    if (!status_is_ok(sinks_open_rows(snapshot, sinks->next_number, &cursor))) {
        return;
    }
    uint64_t number = 0;
    struct slice row;
    struct status status = sinks_next_row(sinks, cursor, &number, &row);
    while (status_is_ok(status) && (row.size == 0 || queue_row(sinks, number, row))) {
        sinks->next_number = number + 1;
        status = sinks_next_row(sinks, cursor, &number, &row);
    }
    store_cursor_close(cursor);
}

/* false: no room now, to be gone on with. */
static bool look_again_at(struct sinks *sinks, uint64_t number, struct slice row) {
    struct outbox_message message;
    struct sink_host *host = NULL;
    if (sinks->settled[number % SETTLED_PLACES] == number) {
        return true; /* its outcome is on its way to the store */
    }
    if (status_is_ok(outbox_message_decode(row, &message))) {
        host = sink_hosts_find(sinks, message.tenant, message.sink);
    }
    return host != NULL && !host->is_fresh ? true : queue_row(sinks, number, row);
}

/* A page that cannot be read hides the rest. New rows do not wait for it: a sink made anew reads
 * its own behind the page as if its queue had been full, and those whose sink is gone are looked at
 * with the next rows. */
static void leave_rest(struct sinks *sinks) {
    for (uint32_t i = 0; i < sinks->hosts_count; i++) {
        struct sink_host *host = sinks->hosts[i];
        if (host->is_fresh && host->behind_from == 0) {
            host->behind_from = sinks->rewalk_from;
        }
    }
}

/* false: no room now, to be gone on with. */
static bool rewalk(struct sinks *sinks, struct store_snapshot *snapshot) {
    struct store_cursor *cursor = NULL;
    if (sinks->rewalk_from == 0) {
        return true;
    }
    if (!status_is_ok(sinks_open_rows(snapshot, sinks->rewalk_from, &cursor))) {
        return false;
    }
    uint64_t number = 0;
    struct slice row;
    struct status status = sinks_next_row(sinks, cursor, &number, &row);
    bool has_room = true;
    while (status_is_ok(status) && has_room && number < sinks->next_number) {
        has_room = row.size == 0 || look_again_at(sinks, number, row);
        sinks->rewalk_from = has_room ? number + 1 : number;
        status = sinks_next_row(sinks, cursor, &number, &row);
    }
    store_cursor_close(cursor);
    bool is_cut = !status_is_ok(status) && status.code != STATUS_END;
    if (has_room && is_cut) {
        leave_rest(sinks);
    } else if (has_room) {
        sinks->rewalk_from = 0;
        tried_deinit(&sinks->tried);
    }
    return has_room;
}

void sinks_take_rows(struct sinks *sinks) {
    struct store_snapshot *snapshot = NULL;
    if (atomic_load(&sinks->is_stopping) ||
        !status_is_ok(store_snapshot_acquire(sinks->options.stores[0], &snapshot))) {
        return;
    }
    if (rewalk(sinks, snapshot)) {
        for (uint32_t i = 0; i < sinks->hosts_count; i++) {
            sinks->hosts[i]->is_fresh = false;
        }
        walk_outbox(sinks, snapshot);
    }
    store_snapshot_release(snapshot);
    for (uint32_t i = 0; i < sinks->hosts_count; i++) {
        sink_host_step(sinks->hosts[i]);
    }
}

/* --- Outcomes --- */

bool sinks_send_outcome(struct sinks *sinks, uint32_t shard, const struct outbox_outcome *outcome) {
    struct batch *batch = sinks->free_batches;
    if (batch == NULL) {
        return false;
    }
    struct batch *rest = batch->next;
    batch_clear(batch, BATCH_OUTCOME);
    struct writer writer = batch_entry_begin(batch);
    outbox_outcome_encode(outcome, &writer);
    ASSERT(!writer.failed);
    batch_entry_commit(batch, writer.size);
    (void)batch_finish(batch);
    if (!status_is_ok(gate_send(sinks->options.gates[shard], batch))) {
        batch->next = rest;
        return false;
    }
    sinks->free_batches = rest;
    sinks->batches_out++;
    if (outcome->result != OUTBOX_ATTEMPTED) {
        sinks->settled[outcome->number % SETTLED_PLACES] = outcome->number;
    }
    return true;
}

/* The disk has no room now: the outcome waits for it. */
static void keep_full(struct sinks *sinks, struct batch *batch) {
    batch->next = NULL;
    if (sinks->full_batches == NULL) {
        sinks->full_end = &sinks->full_batches;
        sinks->full_at_ns = clock_monotonic_ns();
    }
    *sinks->full_end = batch;
    sinks->full_end = &batch->next;
}

/* Not at once: it would come back at once, and both threads would do nothing else. */
static void send_full_again(struct sinks *sinks) {
    bool rests =
        sinks->full_batches == NULL || clock_monotonic_ns() - sinks->full_at_ns < FULL_REST_NS;
    while (!rests && sinks->full_batches != NULL) {
        struct batch *batch = sinks->full_batches;
        struct batch *next = batch->next;
        if (!status_is_ok(gate_send(sinks->options.gates[0], batch))) {
            return;
        }
        sinks->full_batches = next;
    }
}

static void take_back(struct sinks *sinks) {
    struct batch *batch = gate_take_back(sinks->options.gates[0]);
    while (batch != NULL) {
        if (batch->outcome == STATUS_FULL) {
            keep_full(sinks, batch);
        } else {
            sinks->batches_out--;
            batch->next = sinks->free_batches;
            sinks->free_batches = batch;
        }
        batch = gate_take_back(sinks->options.gates[0]);
    }
    send_full_again(sinks);
}

/* --- Files --- */

/* However many clients have theirs, some attempts may always be under way. */
enum { ATTEMPTS_SURE_PARTS = 8 };

/* The kernel gives the lowest number that is free. */
bool sinks_have_files(const struct sinks *sinks) {
    uint32_t files_max = sinks->options.files_max;
    if (files_max == 0 || sinks->attempts_out <= files_max / ATTEMPTS_SURE_PARTS) {
        return true;
    }
    int fd = sinks->attempts_out < files_max ? eventfd(0, EFD_CLOEXEC) : -1;
    if (fd < 0) {
        return false;
    }
    (void)close(fd);
    return (uint64_t)fd + sinks->begun[0] + sinks->begun[1] < files_max;
}

/* Those who wait for files, in turns, as far as there are some. */
static void give_turns(struct sinks *sinks) {
    sinks->begun[1] = sinks->begun[0];
    sinks->begun[0] = 0;
    uint32_t held = sinks->held_count;
    for (uint32_t i = 0; held > 0 && i < sinks->hosts_count && sinks_have_files(sinks); i++) {
        struct sink_host *host = sinks->hosts[sinks->turn++ % sinks->hosts_count];
        if (host->is_held) {
            held--;
            host->is_turn = true;
            sink_host_step(host);
            host->is_turn = false;
        }
    }
}

/* --- Thread --- */

/* The latest that is there, when those whom it changes are done, or have had their time; none at
 * the end, which has more time for them. */
static struct config *due_config(struct sinks *sinks) {
    struct config *config = atomic_exchange(&sinks->next_config, NULL);
    uint64_t now_ns = clock_monotonic_ns();
    if (config != NULL) {
        sinks->waits_until_ns =
            sinks->waiting_config == NULL ? now_ns + RETIRE_NS : sinks->waits_until_ns;
        config_release(sinks->waiting_config);
        sinks->waiting_config = config;
    }
    config = sinks->waiting_config;
    if (config == NULL || atomic_load(&sinks->is_stopping) ||
        (sink_hosts_retire(sinks, config) && now_ns < sinks->waits_until_ns)) {
        return NULL;
    }
    sinks->waiting_config = NULL;
    return config;
}

static void take_config(struct sinks *sinks) {
    struct config *config = due_config(sinks);
    if (config == NULL) {
        return;
    }
    struct fault fault = {{0}};
    struct status status = sink_hosts_replace(sinks, config, &fault);
    if (!status_is_ok(status)) {
        log_write(sinks->options.logger, LOG_LEVEL_ERROR, "sinks",
                  "the sinks stay as they were: %s", fault.words);
        config_release(config);
        (void)sink_hosts_retire(sinks, sinks->config); /* nobody */
        sinks->rewalk_from = 1;
        return;
    }
    config_release(sinks->config);
    sinks->config = config;
    sinks->rewalk_from = 1;
}

static void on_wake(void *context) {
    struct sinks *sinks = context;
    take_config(sinks);
    take_back(sinks);
    sinks_take_rows(sinks);
}

static struct status open_on_thread(struct sinks *sinks, struct fault *fault) {
    struct loop_options loop_options = {.backend = sinks->config->io};
    TRY(loop_open(&loop_options, &sinks->loop, fault));
    TRY(http_client_open(sinks->loop, sinks->options.files_max, &sinks->client, fault));
    TRY(loop_waker_open(sinks->loop, on_wake, sinks, &sinks->waker));
    TRY(sink_hosts_replace(sinks, sinks->config, fault));
    atomic_store(&sinks->options.gates[0]->source_waker, sinks->waker);
    atomic_store(sinks->options.outbox_waker, sinks->waker);
    return status_ok();
}

static bool is_quiet(const struct sinks *sinks) {
    for (uint32_t i = 0; i < sinks->hosts_count; i++) {
        if (sinks->hosts[i]->delivery == DELIVERY_IN_FLIGHT ||
            sinks->hosts[i]->delivery == DELIVERY_SETTLED) {
            return false;
        }
    }
    return sinks->batches_out == 0;
}

static void update_stats(struct sinks *sinks) {
    uint64_t pending = 0;
    for (uint32_t i = 0; i < sinks->hosts_count; i++) {
        pending += sink_host_pending(sinks->hosts[i]);
    }
    if (sinks->options.stats != NULL) {
        stats_set(sinks->options.stats, STAT_OUTBOX_PENDING, pending);
    }
}

struct status sinks_run(struct sinks *sinks) {
    struct fault fault = {{0}};
    struct status status = open_on_thread(sinks, &fault);
    if (!status_is_ok(status)) {
        log_write(sinks->options.logger, LOG_LEVEL_ERROR, "sinks", "%s", fault.words);
        return status;
    }
    on_wake(sinks);
    uint64_t deadline_ns = UINT64_MAX;
    while (status_is_ok(status)) {
        status = loop_run_once(sinks->loop, 200 * NS_PER_MS);
        update_stats(sinks);
        send_full_again(sinks);
        give_turns(sinks);
        if (sinks->waiting_config != NULL) {
            on_wake(sinks);
        }
        uint64_t now = clock_monotonic_ns();
        if (atomic_load(&sinks->is_stopping)) {
            deadline_ns = deadline_ns == UINT64_MAX ? now + DRAIN_NS : deadline_ns;
            take_back(sinks);
            for (uint32_t i = 0; i < sinks->hosts_count; i++) {
                sink_host_step(sinks->hosts[i]);
            }
            if (is_quiet(sinks) || now >= deadline_ns) {
                break;
            }
        }
    }
    atomic_store(sinks->options.outbox_waker, NULL);
    atomic_store(&sinks->options.gates[0]->source_waker, NULL);
    return status;
}

struct status sinks_open(const struct sinks_options *options, struct sinks **sinks_out,
                         struct fault *fault) {
    ASSERT(options->shards_count == 1 && options->outbox_waker != NULL);
    struct sinks *sinks = calloc(1, sizeof(*sinks));
    if (sinks == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for sinks");
    }
    sinks->options = *options;
    sinks->config = options->config;
    config_acquire(sinks->config);
    stdout_line_init(&sinks->stdout_line, options->stdout_fd);
    struct status status =
        arena_init(&sinks->batch_arena, OUTCOME_BATCHES * OUTCOME_BATCH_BYTES + 4096);
    for (uint32_t i = 0; i < OUTCOME_BATCHES && status_is_ok(status); i++) {
        void *memory = arena_allocate(&sinks->batch_arena, OUTCOME_BATCH_BYTES, 64);
        ASSERT(memory != NULL);
        batch_init(&sinks->batches[i], memory, OUTCOME_BATCH_BYTES);
        sinks->batches[i].next = sinks->free_batches;
        sinks->free_batches = &sinks->batches[i];
    }
    if (!status_is_ok(status)) {
        sinks_close(sinks);
        return fault_set(fault, status.code, "no memory for sinks");
    }
    *sinks_out = sinks;
    return status_ok();
}

void sinks_stop(struct sinks *sinks) {
    atomic_store(&sinks->is_stopping, true);
    struct loop_waker *waker = atomic_load(sinks->options.outbox_waker);
    if (waker != NULL) {
        loop_waker_wake(waker);
    }
}

void sinks_reconfigure(struct sinks *sinks, struct config *config) {
    config_acquire(config);
    config_release(atomic_exchange(&sinks->next_config, config));
    struct loop_waker *waker = atomic_load(sinks->options.outbox_waker);
    if (waker != NULL) {
        loop_waker_wake(waker);
    }
}

void sinks_close(struct sinks *sinks) {
    if (sinks == NULL) {
        return;
    }
    if (sinks->loop != NULL) {
        sink_hosts_close(sinks);
        http_client_close(sinks->client);
        loop_close(sinks->loop);
    }
    config_release(atomic_exchange(&sinks->next_config, NULL));
    config_release(sinks->waiting_config);
    config_release(sinks->config);
    stdout_line_deinit(&sinks->stdout_line);
    tried_deinit(&sinks->tried);
    arena_deinit(&sinks->batch_arena);
    free(sinks);
}
