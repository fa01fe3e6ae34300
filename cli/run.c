/*
 * run.c - the wiring, the only file that knows every room. Start: data directory, console, shard,
 * shard thread, sinks, ingest. Stop: the other way round, so that what was received is committed.
 */
#include "cli/run.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/certificate.h"
#include "cli/commands.h"
#include "cli/config_audit.h"
#include "cli/config_change.h"
#include "cli/config_send.h"
#include "cli/crash.h"
#include "cli/descriptors.h"
#include "cli/notify.h"
#include "cli/run_kafka.h"
#include "cli/run_threads.h"
#include "console/console.h"
#include "core/base/assert.h"
#include "core/clock.h"
#include "core/datadir.h"
#include "core/terminal.h"
#include "engine/engine.h"
#include "ingest/ingest.h"
#include "sinks/sinks.h"

enum { INGEST_MAX = 64, GATES_MAX = INGEST_MAX + KAFKA_THREADS_MAX + 3 };
#define START_TOLD_NS (2 * NS_PER_S)
enum { GATE_MAIN, GATE_SINKS, GATE_CONSOLE, GATE_INGEST };

struct ingest_thread {
    struct ingest *ingest;
    struct ended_threads *ended;
    struct gate *gate;
    pthread_t thread;
    struct listening listening;
    bool is_running;
};

struct runtime {
    struct cli_options cli;
    struct config *config;
    struct config_started started;
    struct logger logger;
    struct log_losses log_losses;
    struct stats stats;
    struct sink_board board;
    struct datadir datadir;
    struct arena arena;
    struct gate gates[GATES_MAX];
    struct gate *gate_list[GATES_MAX];
    uint32_t gates_count;
    atomic_bool is_ready;
    _Atomic(struct loop_waker *) outbox_waker;
    _Atomic uint64_t committed_seq;
    char journal_path[DATADIR_PATH_BYTES_MAX];
    struct shard *shard;
    struct sinks *sinks;
    struct console *console;
    struct ingest_thread ingests[INGEST_MAX];
    uint32_t connections_max; /* of each */
    uint32_t ingests_count;
    struct span_memory *spans;
    struct source_board sources;
    struct kafka_threads kafkas;
    pthread_t shard_thread;
    pthread_t sinks_thread;
    pthread_t console_thread;
    bool has_shard_thread;
    bool has_sinks_thread;
    bool has_console_thread;
    struct listening console_listening;
    struct batch config_batch;
    struct ended_threads ended;
    struct notify_start start;
    struct progress progress; /* into `start` */
};

/* --- Threads --- */

static void *shard_main(void *context) {
    struct runtime *runtime = context;
    struct fault fault = {{0}};
    struct status status = shard_run(runtime->shard, &fault);
    if (!status_is_ok(status)) {
        ended_threads_add(&runtime->ended, "shard", status, fault.words);
    }
    return NULL;
}

static void *sinks_main(void *context) {
    struct runtime *runtime = context;
    struct status status = sinks_run(runtime->sinks);
    if (!status_is_ok(status)) {
        ended_threads_add(&runtime->ended, "sinks", status, "");
    }
    return NULL;
}

/* A failure to listen is told through listening_settle, to who starts it. */
static void *console_main(void *context) {
    struct runtime *runtime = context;
    struct listening *listening = &runtime->console_listening;
    struct status status = console_run(runtime->console, listening_settle, listening);
    if (!status_is_ok(status) && listening->port != 0) {
        ended_threads_add(&runtime->ended, "console", status, "");
    }
    return NULL;
}

static void *ingest_main(void *context) {
    struct ingest_thread *thread = context;
    struct status status = ingest_run(thread->ingest, listening_settle, &thread->listening);
    if (!status_is_ok(status) && thread->listening.port != 0) {
        ended_threads_add(thread->ended, "ingest", status, "");
    }
    return NULL;
}

static struct status start_thread(pthread_t *thread, void *(*run)(void *), void *context,
                                  struct fault *fault) {
    int error = pthread_create(thread, NULL, run, context);
    return error == 0 ? status_ok()
                      : fault_set(fault, STATUS_IO, "cannot start a thread: %s", strerror(error));
}

/* --- Configuration --- */

/* The first one, at a start, waits for room: there is no old one to go on with. */
static struct status journal_batch(struct runtime *runtime, bool is_first) {
    struct gate *gate = &runtime->gates[GATE_MAIN];
    struct batch *batch = &runtime->config_batch;
    return is_first ? config_send_first(gate, batch, &runtime->logger) : config_send(gate, batch);
}

static struct status journal_config(struct runtime *runtime, const struct config *config,
                                    bool is_first) {
    struct batch *batch = &runtime->config_batch;
    batch_clear(batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(batch);
    TRY(policy_set_encode(&config->policies, &writer));
    batch_entry_commit(batch, writer.size);
    (void)batch_finish(batch);
    return journal_batch(runtime, is_first);
}

/* Before it is in force: what is changed has a line in the audit, whatever happens then. */
static struct status audit_config(struct runtime *runtime, const struct config *old,
                                  const struct config *config, const char *who) {
    config_audit_fill(&runtime->config_batch, old, config, who, &runtime->logger);
    return journal_batch(runtime, old == NULL);
}

/* Every thread goes on with it. */
static void put_in_force(struct runtime *runtime, struct config *config) {
    config_keep_tickets(config, runtime->config);
    sinks_reconfigure(runtime->sinks, config);
    for (uint32_t i = 0; i < runtime->ingests_count; i++) {
        ingest_reconfigure(runtime->ingests[i].ingest, config);
    }
    console_reconfigure(runtime->console, config);
    kafka_threads_reconfigure(&runtime->kafkas, config, runtime->config, &runtime->logger);
    config_started_tell(&runtime->started, config, &runtime->logger);
    log_write(&runtime->logger, LOG_LEVEL_INFO, "config", "reloaded: %u tenant%s, %u sink%s",
              config->policies.tenants_count, config->policies.tenants_count == 1 ? "" : "s",
              config->sinks_count, config->sinks_count == 1 ? "" : "s");
    config_release(runtime->config);
    runtime->config = config;
}

bool runtime_reload(struct runtime *runtime, const char *who) {
    struct config *config = NULL;
    notify_reloading();
    struct cli_options settled = runtime->cli;
    cli_settle_config_path(&settled); /* it may have come since */
    struct status status = cli_load_config(&settled, &config);
    if (status_is_ok(status)) {
        status = config_change_check(runtime->config, config, &runtime->stats, &runtime->logger);
    }
    struct status audited =
        audit_config(runtime, runtime->config, status_is_ok(status) ? config : NULL, who);
    if (status_is_ok(status)) {
        status = status_is_ok(audited) ? journal_config(runtime, config, false) : audited;
    }
    stats_set(&runtime->stats, STAT_CONFIG_RELOAD_OK, status_is_ok(status) ? 1 : 0);
    if (!status_is_ok(status)) {
        log_write(&runtime->logger, LOG_LEVEL_ERROR, "config",
                  "the new configuration (by %s) is refused, the old one stays (%s)", who,
                  status_name(status));
        config_release(config);
        notify_send("READY=1");
        return false;
    }
    stats_set(&runtime->stats, STAT_CONFIG_RELOAD_NS, clock_wall_ns());
    put_in_force(runtime, config);
    runtime->cli = settled;
    certificate_tell(config, &runtime->stats, &runtime->logger);
    notify_send("READY=1");
    return true;
}

const struct config *runtime_config(const struct runtime *runtime, const char **path_out) {
    *path_out = cli_config_path(&runtime->cli);
    return runtime->config;
}

/* --- Opening, part by part --- */

static struct status open_gates(struct runtime *runtime, struct fault *fault) {
    runtime->gates_count =
        GATE_INGEST + runtime->config->ingest_threads + kafka_threads_wanted(runtime->config);
    ASSERT(runtime->gates_count <= GATES_MAX);
    TRY(arena_init(&runtime->arena, 64 * MIB));
    void *memory = arena_allocate(&runtime->arena, BATCH_BYTES_MAX, 64);
    ASSERT(memory != NULL);
    batch_init(&runtime->config_batch, memory, BATCH_BYTES_MAX);
    for (uint32_t i = 0; i < runtime->gates_count; i++) {
        runtime->gate_list[i] = &runtime->gates[i];
        if (!status_is_ok(gate_init(&runtime->gates[i], &runtime->arena))) {
            return fault_set(fault, STATUS_FULL, "no memory for rings");
        }
    }
    return status_ok();
}

static struct status wait_for_shard(const struct runtime *runtime, struct fault *fault) {
    while (!atomic_load(&runtime->is_ready)) {
        /* It may have been ready for a moment, and fail in its first turn. */
        if (!runtime_is_alive(runtime) || stats_get(&runtime->stats, STAT_JOURNAL_FAILED) != 0) {
            return fault_set(fault, STATUS_IO, "the shard did not start");
        }
        usleep(1000);
    }
    return status_ok();
}

static struct status open_shard(struct runtime *runtime, struct fault *fault) {
    char state[DATADIR_PATH_BYTES_MAX];
    char poison[DATADIR_PATH_BYTES_MAX];
    TRY(datadir_shard_path(&runtime->datadir, 0, "journal", runtime->journal_path));
    TRY(datadir_shard_path(&runtime->datadir, 0, "state", state));
    TRY(datadir_shard_path(&runtime->datadir, 0, "poison", poison));
    struct poison_page *page = NULL;
    TRY(poison_map(poison, &page, fault));
    crash_handler_install(page);
    struct shard_options options = {
        .config = runtime->config,
        .journal_directory = runtime->journal_path,
        .state_directory = state,
        .poison_path = poison,
        .hash_seed = runtime->datadir.hash_seed,
        .gates = runtime->gate_list,
        .gates_count = runtime->gates_count,
        .stats = &runtime->stats,
        .logger = &runtime->logger,
        .is_ready = &runtime->is_ready,
        .progress = &runtime->progress,
        .outbox_waker = &runtime->outbox_waker,
        .committed_seq = &runtime->committed_seq,
    };
    TRY(shard_open(&options, &runtime->shard, fault));
    notify_start_end(&runtime->start);
    TRY(start_thread(&runtime->shard_thread, shard_main, runtime, fault));
    runtime->has_shard_thread = true;
    TRY(wait_for_shard(runtime, fault));
    struct status status = audit_config(runtime, NULL, runtime->config, "quell");
    if (status_is_ok(status)) {
        status = journal_config(runtime, runtime->config, true);
    }
    return status_is_ok(status)
               ? status
               : fault_set(fault, status.code, "the configuration could not be journaled");
}

static struct status open_sinks(struct runtime *runtime, bool stdout_json, struct fault *fault) {
    struct store **stores = ARENA_NEW(&runtime->arena, struct store *); /* as long as the sinks */
    struct gate **gates = ARENA_NEW(&runtime->arena, struct gate *);
    ASSERT(stores != NULL && gates != NULL);
    *stores = shard_get_store(runtime->shard);
    *gates = &runtime->gates[GATE_SINKS];
    struct sinks_options options = {
        .config = runtime->config,
        .stores = stores,
        .gates = gates,
        .shards_count = 1,
        .outbox_waker = &runtime->outbox_waker,
        .journal = {runtime->journal_path, runtime->datadir.hash_seed, &runtime->committed_seq},
        .stats = &runtime->stats,
        .board = &runtime->board,
        .logger = &runtime->logger,
        .files_max = descriptors_for_sinks(),
        .stdout_fd = STDOUT_FILENO,
        .stdout_json = stdout_json,
    };
    if (!status_is_ok(sink_board_init(&runtime->board))) {
        return fault_set(fault, STATUS_FULL, "no memory for the sinks' numbers");
    }
    TRY(sinks_open(&options, &runtime->sinks, fault));
    TRY(start_thread(&runtime->sinks_thread, sinks_main, runtime, fault));
    runtime->has_sinks_thread = true;
    return status_ok();
}

static struct status open_console(struct runtime *runtime, struct fault *fault) {
    struct console_options options = {
        .config = runtime->config,
        .gate = &runtime->gates[GATE_CONSOLE],
        .stats = &runtime->stats,
        .board = &runtime->board,
        .logger = &runtime->logger,
        .is_ready = &runtime->is_ready,
        .sources = &runtime->sources,
    };
    listening_init(&runtime->console_listening);
    TRY(console_open(&options, &runtime->console, fault));
    TRY(start_thread(&runtime->console_thread, console_main, runtime, fault));
    runtime->has_console_thread = true;
    return listening_wait(&runtime->console_listening, fault);
}

static struct status open_spans(struct runtime *runtime, struct fault *fault) {
    struct status status = span_memory_open(runtime->datadir.hash_seed, &runtime->spans);
    return status_is_ok(status) ? status : fault_set(fault, status.code, "no memory for spans");
}

static struct status open_ingest(struct runtime *runtime, uint32_t number, struct fault *fault) {
    struct ingest_thread *thread = &runtime->ingests[number];
    thread->gate = &runtime->gates[GATE_INGEST + number];
    thread->ended = &runtime->ended;
    struct ingest_options options = {
        .config = runtime->config,
        .hash_seed = runtime->datadir.hash_seed,
        .gates = &thread->gate,
        .gates_count = 1,
        .spans = runtime->spans,
        .stats = &runtime->stats,
        .logger = &runtime->logger,
        .share_port = runtime->config->ingest_threads > 1,
        .connections_max = runtime->connections_max,
        .is_ready = &runtime->is_ready,
    };
    listening_init(&thread->listening);
    TRY(ingest_open(&options, &thread->ingest, fault));
    runtime->ingests_count++;
    TRY(start_thread(&thread->thread, ingest_main, thread, fault));
    thread->is_running = true;
    return listening_wait(&thread->listening, fault);
}

static struct status open_kafka(struct runtime *runtime, uint32_t number, uint32_t thread,
                                struct fault *fault) {
    uint32_t gate = GATE_INGEST + runtime->config->ingest_threads + runtime->kafkas.count;
    struct kafka_source_options options = {
        .config = runtime->config,
        .number = number,
        .hash_seed = runtime->datadir.hash_seed,
        .thread = thread,
        .gate = &runtime->gates[gate],
        .store = shard_get_store(runtime->shard),
        .spans = runtime->spans,
        .board = &runtime->sources,
        .stats = &runtime->stats,
        .logger = &runtime->logger,
        .is_ready = &runtime->is_ready,
    };
    return kafka_threads_open(&runtime->kafkas, &options, fault);
}

static struct status open_all(struct runtime *runtime, bool stdout_json, struct fault *fault) {
    TRY(datadir_open(runtime->config->data_dir, &runtime->datadir, fault));
    TRY(open_gates(runtime, fault));
    TRY(open_console(runtime, fault)); /* first: restoring the state may take its time */
    TRY(open_shard(runtime, fault));
    TRY(open_sinks(runtime, stdout_json, fault));
    TRY(open_spans(runtime, fault));
    runtime->connections_max = descriptors_share(runtime->config, &runtime->logger);
    for (uint32_t i = 0; i < runtime->config->ingest_threads; i++) {
        TRY(open_ingest(runtime, i, fault));
    }
    /* Now /readyz says that events are taken. */
    console_serve(runtime->console, shard_get_view(runtime->shard));
    for (uint32_t i = 0; i < runtime->config->kafkas_count; i++) {
        for (uint32_t k = 0; k < runtime->config->kafkas[i].threads; k++) {
            TRY(open_kafka(runtime, i, k, fault));
        }
    }
    return status_ok();
}

struct status runtime_open(const struct runtime_options *options, struct runtime **runtime_out,
                           struct fault *fault) {
    struct runtime *runtime = calloc(1, sizeof(*runtime));
    if (runtime == NULL) {
        config_release(options->config); /* it is ours from here on, whatever happens */
        return fault_set(fault, STATUS_FULL, "no memory");
    }
    runtime->datadir.lock_fd = -1;
    notify_start_init(&runtime->start, START_TOLD_NS);
    runtime->progress = (struct progress){notify_start_tell, &runtime->start};
    source_board_init(&runtime->sources);
    runtime->config = options->config;
    config_started_init(&runtime->started, options->config);
    runtime->cli = *options->cli;
    runtime->cli.logger = &runtime->logger;
    runtime->cli.stats = &runtime->stats;
    runtime->logger = cli_logger(options->cli, options->config);
    runtime->logger.fd = terminal_open(STDERR_FILENO);
    (void)pthread_mutex_init(&runtime->log_losses.mutex, NULL);
    runtime->logger.losses = &runtime->log_losses;
    runtime->ended.stats = &runtime->stats;
    runtime->ended.logger = &runtime->logger;
    runtime->kafkas.ended = &runtime->ended;
    stats_set(&runtime->stats, STAT_CONFIG_RELOAD_OK, 1);
    stats_set(&runtime->stats, STAT_CONFIG_RELOAD_NS, clock_wall_ns());
    certificate_tell(options->config, &runtime->stats, &runtime->logger);
    struct status status = open_all(runtime, options->stdout_json, fault);
    if (!status_is_ok(status)) {
        (void)runtime_close(runtime, NULL);
        return status;
    }
    log_write(&runtime->logger, LOG_LEVEL_INFO, "run",
              "listening: ingest on port %u, console on port %u, data in %s",
              runtime_http_port(runtime), runtime_console_port(runtime), runtime->datadir.path);
    *runtime_out = runtime;
    return status_ok();
}

/* --- Closing --- */

static void close_ingests(struct runtime *runtime) {
    for (uint32_t i = 0; i < runtime->ingests_count; i++) {
        ingest_stop(runtime->ingests[i].ingest);
    }
    for (uint32_t i = 0; i < runtime->ingests_count; i++) {
        if (runtime->ingests[i].is_running) {
            pthread_join(runtime->ingests[i].thread, NULL);
        }
    }
}

int runtime_close(struct runtime *runtime, const char *who) {
    if (runtime == NULL) {
        return 0;
    }
    if (who != NULL) {
        log_write(&runtime->logger, LOG_LEVEL_INFO, "run", "stopping, by %s", who);
    }
    stats_set(&runtime->stats, STAT_STOPPING, 1);
    close_ingests(runtime);
    kafka_threads_stop(&runtime->kafkas);
    if (runtime->has_sinks_thread) {
        sinks_stop(runtime->sinks);
        pthread_join(runtime->sinks_thread, NULL);
    }
    if (runtime->has_console_thread) {
        console_stop(runtime->console);
        pthread_join(runtime->console_thread, NULL);
    }
    if (runtime->has_shard_thread) {
        shard_stop(runtime->shard);
        pthread_join(runtime->shard_thread, NULL);
    }
    for (uint32_t i = 0; i < runtime->ingests_count; i++) {
        ingest_close(runtime->ingests[i].ingest);
    }
    kafka_threads_close(&runtime->kafkas);
    span_memory_close(runtime->spans);
    sinks_close(runtime->sinks);
    console_close(runtime->console);
    shard_close(runtime->shard);
    datadir_close(&runtime->datadir);
    sink_board_deinit(&runtime->board);
    config_release(runtime->config);
    arena_deinit(&runtime->arena);
    bool is_good = runtime_is_alive(runtime);
    if (who != NULL && is_good) {
        log_write(&runtime->logger, LOG_LEVEL_INFO, "run",
                  "stopped: what was received is committed");
    }
    terminal_close(runtime->logger.fd, STDERR_FILENO);
    free(runtime);
    return is_good ? 0 : 1;
}

bool runtime_is_alive(const struct runtime *runtime) {
    return atomic_load(&runtime->ended.count) == 0;
}

uint16_t runtime_http_port(const struct runtime *runtime) {
    return runtime->ingests[0].listening.port;
}

uint16_t runtime_console_port(const struct runtime *runtime) {
    return runtime->console_listening.port;
}
