/*
 * shard.c - a shard's life: the thread that owns a journal, a state and a graph opens them, takes
 * its turns (shard_turn.c) until it is told to stop, and closes them.
 *
 * Memory: fixed at open. Thread: shard_run's, but for shard_stop.
 */
#include "engine/shard_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/clock.h"
#include "engine/rebuild.h"
#include "engine/view_state.h"

static void on_wake(void *context) {
    (void)context; /* waking is all: shard_turn looks at every gate */
}

/* In the thread of the journal's spare. The shard's other waker rests while a block is flushed. */
static void wake_for_journal(void *context) {
    const struct shard *shard = context;
    loop_waker_wake(shard->journal_waker);
}

static void on_published(void *context) {
    const struct shard *shard = context;
    if (shard->journal != NULL) {
        journal_go_on(shard->journal);
    }
}

/* In the writer's thread. */
static void on_committed(void *context) {
    const struct shard *shard = context;
    loop_waker_wake(shard->waker);
}

static struct rebuild_options rebuild_options(const struct shard *shard) {
    return (struct rebuild_options){shard->options.journal_directory,
                                    shard->options.state_directory, shard->options.logger,
                                    shard->options.progress};
}

static struct status open_on_thread(struct shard *shard, struct fault *fault) {
    struct config *config = shard->options.config;
    struct loop_options loop_options = {.backend = config->io, .stats = shard->options.stats};
    TRY(loop_open(&loop_options, &shard->loop, fault));
    bool is_simulated = loop_get_backend(shard->loop) == LOOP_SIM;
    TRY(loop_waker_open(shard->loop, on_published, shard, &shard->journal_waker));
    struct journal_options journal_options = {
        .directory = shard->options.journal_directory,
        .files = shard->options.files,
        .wake = is_simulated ? NULL : wake_for_journal,
        .wake_context = shard,
        .sync = config->journal_sync,
        .segment_bytes = config->journal_segment_bytes,
        .retention_bytes_max = config->journal_retention_bytes_max,
        .retention_ns_max = config->journal_retention_ns_max,
        .loop = shard->loop,
        .stats = shard->options.stats,
        .logger = shard->options.logger,
    };
    TRY(journal_open(&journal_options, &shard->journal, fault));
    struct rebuild_options rebuild = rebuild_options(shard);
    TRY(rebuild_meet_journal(shard->journal, shard->engine.applied_seq, &rebuild, fault));
    TRY(loop_waker_open(shard->loop, on_wake, shard, &shard->waker));
    shard->told_outbox_number = shard->engine.committed_outbox_number;
    if (!is_simulated) {
        TRY(store_writer_start(shard->engine.writer, on_committed, shard));
        TRY(warmer_open(&shard->warmer));
    }
    for (uint32_t i = 0; i < shard->options.gates_count; i++) {
        atomic_store(&shard->options.gates[i]->shard_waker, shard->waker);
    }
    return status_ok();
}

static struct status state_open(struct shard *shard, struct fault *fault) {
    const struct config *config = shard->options.config;
    struct rebuild_options rebuild = rebuild_options(shard);
    TRY(rebuild_open_store(&rebuild, &shard->store, fault));
    shard->room = (struct room){
        .store = shard->store,
        .reserve_bytes = config->store_reserve_bytes,
        .stats = shard->options.stats,
        .logger = shard->options.logger,
    };
    struct engine_options engine_options = {
        .nodes_max = config->entities_max,
        .edges_max = config->edges_max,
        .learned_edges_max = config->learned_edges_max,
        .dedup_keys_max = config->dedup_keys_max,
        .event_ids_max = config->event_ids_max,
        .incidents_max = config->incidents_max,
        .kept_rows_max = shard->options.kept_rows_max,
        .hash_seed = shard->options.hash_seed,
        .store = shard->store,
        .poison_path = shard->options.poison_path,
        .files = shard->options.files,
        .logger = shard->options.logger,
        .stats = shard->options.stats,
        .progress = shard->options.progress,
    };
    TRY(engine_init(&shard->engine, &engine_options, fault));
    TRY(engine_recover(&shard->engine, shard->options.journal_directory, fault));
    shard->stamp = stamp_from(shard->engine.now_ns);
    struct state_copy_options copy_options = {
        .store = shard->store,
        .state_directory = shard->options.state_directory,
        .reserve_bytes = config->store_reserve_bytes,
        .logger = shard->options.logger,
    };
    TRY(state_copy_open(&copy_options, &shard->retain.copy));
    return view_init(&shard->view, shard->store, &shard->engine, &shard->options, &shard->arena);
}

struct status shard_open(const struct shard_options *options, struct shard **shard_out,
                         struct fault *fault) {
    ASSERT(options->gates_count > 0 && options->is_ready != NULL);
    struct shard *shard = calloc(1, sizeof(*shard));
    if (shard == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a shard");
    }
    shard->options = *options;
    shard->lag =
        (struct lag){.events_max = options->config->lag_events_max, .stats = options->stats};
    struct status status = arena_init(&shard->arena, 64 * MIB);
    if (status_is_ok(status)) {
        void *memory = arena_allocate(&shard->arena, 4096, 64);
        ASSERT(memory != NULL);
        batch_init(&shard->tick, memory, 4096);
    }
    for (uint32_t i = 0; i < SHARD_HEADS && status_is_ok(status); i++) {
        status = block_heads_init(&shard->heads[i], &shard->arena);
    }
    if (status_is_ok(status)) {
        status = state_open(shard, fault);
    }
    if (!status_is_ok(status)) {
        shard_close(shard);
        return status;
    }
    *shard_out = shard;
    return status_ok();
}

struct status shard_begin(struct shard *shard, struct fault *fault) {
    struct status status = open_on_thread(shard, fault);
    if (!status_is_ok(status)) {
        shard_fail(shard, "the shard cannot start", status);
        return status;
    }
    atomic_store(shard->options.is_ready, true);
    log_write(shard->options.logger, LOG_LEVEL_INFO, "shard", "ready at journal record %llu",
              (unsigned long long)shard->engine.applied_seq);
    return status_ok();
}

struct status shard_step(struct shard *shard) {
    return shard_turn(shard);
}

struct status shard_run(struct shard *shard, struct fault *fault) {
    TRY(shard_begin(shard, fault));
    struct status status = status_ok();
    while (status_is_ok(status)) {
        status = shard_turn(shard);
    }
    shard_refuse_leftovers(shard);
    /* Here: a ring completes nothing for another thread. */
    while (journal_is_writing(shard->journal) &&
           status_is_ok(loop_run_once(shard->loop, NS_PER_S))) {
    }
    return status.code == STATUS_END ? status_ok() : status;
}

void shard_stop(struct shard *shard) {
    atomic_store(&shard->is_stopping, true);
    struct loop_waker *waker = atomic_load(&shard->options.gates[0]->shard_waker);
    if (waker != NULL) {
        loop_waker_wake(waker);
    }
}

void shard_close(struct shard *shard) {
    if (shard == NULL) {
        return;
    }
    while (shard->journal != NULL && journal_is_writing(shard->journal) &&
           status_is_ok(loop_run_once(shard->loop, NS_PER_S))) {
    }
    state_copy_close(shard->retain.copy);
    journal_close(shard->journal);
    warmer_close(shard->warmer);   /* of the engine's memory */
    engine_deinit(&shard->engine); /* its writer wakes the loop */
    loop_close(shard->loop);
    store_close(shard->store);
    arena_deinit(&shard->arena);
    free(shard);
}

struct view *shard_get_view(struct shard *shard) {
    return shard->view;
}

struct store *shard_get_store(struct shard *shard) {
    return shard->store;
}
