/*
 * shard_turn.c - the order in which a shard's journal, state and graph move: receive, append,
 * flush; while that block syncs, apply the one before; answer; commit.
 *
 * Invariants:
 * 1. A batch is answered OK only after the block that holds it is durable as journal.sync says.
 * 2. Only durable blocks are applied, in order, each record once.
 * 3. Operator and configuration batches are answered after the commit, so that whoever asked reads
 *    the result.
 * 4. After a failed flush nothing is answered OK any more, is_ready is false, and the process goes
 *    on only to say so (/readyz 503) until it is restarted.
 *
 * Memory: none of its own. Thread: shard_run's.
 */
#include "engine/shard_internal.h"

#include "core/base/assert.h"
#include "core/clock.h"

/* A commit costs a sync of the state, next to which the journal's are slow. What sinks wait for is
 * in a hurry, and an idle shard has the time; the rest is safe in the journal. */
#define COMMIT_INTERVAL_NEWS_NS (10 * NS_PER_MS)
#define COMMIT_INTERVAL_IDLE_NS (20 * NS_PER_MS)
#define COMMIT_INTERVAL_NS (100 * NS_PER_MS)
/* How long what is due waits when the journal found no room on the disk, before it is tried again.
 */
#define NO_ROOM_REST_NS (100 * NS_PER_MS)
/* From so many records since the last commit on, a quiet moment is one between two gusts. */
#define STORM_RECORDS_MIN 64u
#define FAILED_COMMIT "the state could not be committed"

void shard_fail(struct shard *shard, const char *what, struct status status) {
    if (!shard->is_failed) {
        log_write(shard->options.logger, LOG_LEVEL_ERROR, "shard",
                  "%s (%s%s%s): nothing more is accepted until a restart", what,
                  status_name(status), shard->fault.words[0] != 0 ? ": " : "", shard->fault.words);
    }
    shard->is_failed = true;
    atomic_store(shard->options.is_ready, false);
    if (shard->options.stats != NULL) {
        stats_set(shard->options.stats, STAT_JOURNAL_FAILED, 1);
    }
}

/* --- Receive and append --- */

static struct status append_record(struct shard *shard, struct slice bytes, uint64_t stamp_ns) {
    uint64_t seq = 0;
    TRY(journal_append(shard->journal, bytes, stamp_ns, &seq));
    block_heads_add(&shard->heads[shard->open_heads], journal_last_record(shard->journal));
    return status_ok();
}

/* false: the open block is full, the batch is held for the next one. */
static bool append_batch(struct shard *shard, struct waiting one) {
    if (shard->is_failed) {
        waiting_answer(one, STATUS_IO);
        return true;
    }
    bool is_news = one.batch->kind == BATCH_EVENTS || one.batch->kind == BATCH_STREAM;
    if (!shard->has_config && !room_lets_start(&shard->room)) {
        waiting_answer(one, STATUS_FULL);
        return true;
    }
    if (is_news && (!room_is_enough(&shard->room) || !lag_takes(&shard->lag, one.batch->count))) {
        waiting_answer(one, STATUS_FULL);
        return true;
    }
    struct slice bytes = slice_of(one.batch->writer.data, one.batch->writer.size);
    struct status status = append_record(shard, bytes, stamp_next(&shard->stamp));
    if (status.code == STATUS_FULL) {
        ASSERT(shard->held.batch == NULL);
        shard->held = one;
        return false;
    }
    if (!status_is_ok(status)) {
        if (journal_is_failed(shard->journal)) {
            shard_fail(shard, "the journal cannot be written", status);
        }
        waiting_answer(one, status.code);
        return true;
    }
    waiting_add(&shard->lists[shard->open_list], one.gate, one.batch);
    lag_add(&shard->lag, is_news ? one.batch->count : 0);
    return true;
}

static bool list_has_room(const struct shard *shard) {
    return shard->lists[shard->open_list].count < WAITING_MAX &&
           shard->after_commits[shard->next_commit].count + shard->lists[0].count +
                   shard->lists[1].count <
               WAITING_MAX;
}

static void receive_batches(struct shard *shard) {
    if (shard->held.batch != NULL) {
        struct waiting held = shard->held;
        shard->held = (struct waiting){0};
        if (!append_batch(shard, held)) {
            return;
        }
    }
    bool is_any = true;
    while (is_any) {
        is_any = false;
        /* One batch a source and turn: none starves another. */
        for (uint32_t i = 0; i < shard->options.gates_count; i++) {
            if (!list_has_room(shard)) {
                return;
            }
            struct gate *gate = shard->options.gates[i];
            struct batch *batch = gate_receive(gate);
            if (batch == NULL) {
                continue;
            }
            is_any = true;
            if (!append_batch(shard, (struct waiting){gate, batch})) {
                return;
            }
        }
    }
}

static bool rests_for_room(const struct shard *shard) {
    return shard->no_room_at_ns > 0 &&
           clock_monotonic_ns() - shard->no_room_at_ns < NO_ROOM_REST_NS;
}

/* Not before the configuration of this start: what is due by the one before may be due no more. */
static void append_tick(struct shard *shard) {
    uint64_t now = stamp_next(&shard->stamp);
    if (!shard->has_config) {
        return;
    }
    if (shard->is_failed || rests_for_room(shard) || engine_next_due_ns(&shard->engine) > now) {
        return;
    }
    if (journal_open_bytes(shard->journal) > 0 || shard->has_durable ||
        journal_is_flushing(shard->journal)) {
        return; /* a record on its way carries a stamp of its own */
    }
    batch_clear(&shard->tick, BATCH_TICK);
    struct status status = append_record(shard, batch_finish(&shard->tick), now);
    if (!status_is_ok(status) && journal_is_failed(shard->journal)) {
        shard_fail(shard, "the journal cannot be written", status);
    }
}

/* --- Flush --- */

/* Answers what waits only for durability; keeps what waits for the commit. */
static void answer_durable(struct shard *shard, struct waiting_list *list) {
    struct waiting_list *kept = &shard->after_commits[shard->next_commit];
    uint32_t count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        enum batch_kind kind = list->items[i].batch->kind;
        shard->has_config = shard->has_config || kind == BATCH_CONFIG;
        if (kind == BATCH_OPERATOR || kind == BATCH_CONFIG) {
            waiting_add(kept, list->items[i].gate, list->items[i].batch);
        } else {
            list->items[count++] = list->items[i];
        }
    }
    list->count = count;
    waiting_answer_all(list, STATUS_OK);
}

static void on_flushed(void *context, struct status status) {
    struct shard *shard = context;
    loop_waker_listen(shard->waker); /* shard_turn looks at every gate next */
    struct waiting_list *list = &shard->lists[shard->open_list ^ 1];
    lag_flushed(&shard->lag, status_is_ok(status));
    if (status_is_ok(status)) {
        ASSERT(!shard->has_durable);
        shard->durable = shard->flushing;
        shard->durable_heads = shard->flushing_heads;
        shard->has_durable = true;
        answer_durable(shard, list);
        return;
    }
    if (status.code != STATUS_FULL) {
        shard_fail(shard, "the journal could not be made durable", status);
    } else {
        log_write(shard->options.logger, LOG_LEVEL_ERROR, "shard",
                  "no space left for the journal: sources are asked to try again");
    }
    waiting_answer_all(list, status.code);
}

static void start_flush(struct shard *shard) {
    if (shard->is_failed || journal_is_flushing(shard->journal) || shard->has_durable ||
        journal_open_bytes(shard->journal) == 0) {
        return;
    }
    shard->open_list ^= 1;
    ASSERT(shard->lists[shard->open_list].count == 0);
    shard->flushing_heads = &shard->heads[shard->open_heads];
    shard->open_heads = (shard->open_heads + 1) % SHARD_HEADS;
    block_heads_clear(&shard->heads[shard->open_heads]);
    lag_flush(&shard->lag);
    /* What arrives meanwhile cannot be made durable before this is: nobody needs to wake us. */
    loop_waker_mute(shard->waker);
    struct status status = journal_flush(shard->journal, on_flushed, shard, &shard->flushing);
    if (!status_is_ok(status)) {
        loop_waker_listen(shard->waker);
        loop_waker_wake(shard->waker); /* for what came meanwhile, of which nobody told us */
        lag_flushed(&shard->lag, false);
        waiting_answer_all(&shard->lists[shard->open_list ^ 1], status.code);
        shard->no_room_at_ns = status.code == STATUS_FULL ? clock_monotonic_ns() : 0;
        if (status.code != STATUS_FULL) {
            shard_fail(shard, "the journal cannot be flushed", status);
        }
    }
}

/* --- Apply and commit --- */

static void apply_block(struct shard *shard, struct journal_block block,
                        struct block_heads *heads) {
    struct slice record;
    while (!shard->is_failed && journal_block_next(&block, &record)) {
        shard->fault.words[0] = 0;
        struct status status = engine_apply_from(&shard->engine, record, heads, &shard->fault);
        if (!status_is_ok(status)) {
            shard_fail(shard, "a durable record could not be applied", status);
        }
    }
}

static void wake_sinks(struct shard *shard) {
    struct loop_waker *waker =
        shard->options.outbox_waker == NULL ? NULL : atomic_load(shard->options.outbox_waker);
    if (waker != NULL) {
        loop_waker_wake(waker);
    }
}

static void begin_commit(struct shard *shard) {
    shard->fault.words[0] = 0;
    struct status status = engine_commit_begin(&shard->engine, &shard->fault);
    if (!status_is_ok(status)) {
        shard_fail(shard, FAILED_COMMIT, status);
        return;
    }
    shard->is_committing = true;
    shard->committing_seq = shard->engine.submitted_seq;
    shard->next_commit ^= 1;
    ASSERT(shard->after_commits[shard->next_commit].count == 0);
    lag_commit(&shard->lag);
}

static void end_commit(struct shard *shard) {
    if (!shard->is_committing || engine_is_committing(&shard->engine)) {
        return;
    }
    shard->is_committing = false;
    shard->fault.words[0] = 0;
    /* Applying may have waited for the end itself: then there is nothing left to wait for. */
    struct status status = engine_commit_end(&shard->engine, &shard->fault);
    if (!status_is_ok(status) || shard->engine.committed_seq < shard->committing_seq) {
        shard_fail(shard, FAILED_COMMIT, status_is_ok(status) ? status_of(STATUS_IO) : status);
        return;
    }
    shard->committed_at_ns = clock_monotonic_ns();
    lag_committed(&shard->lag);
    if (shard->options.committed_seq != NULL) {
        atomic_store(shard->options.committed_seq, shard->engine.committed_seq);
    }
    waiting_answer_all(&shard->after_commits[shard->next_commit ^ 1], STATUS_OK);
    if (shard->engine.committed_outbox_number != shard->told_outbox_number) {
        shard->told_outbox_number = shard->engine.committed_outbox_number;
        wake_sinks(shard);
    }
}

static bool shard_is_idle(const struct shard *shard) {
    return !shard->has_durable && shard->held.batch == NULL &&
           !journal_is_flushing(shard->journal) && journal_open_bytes(shard->journal) == 0;
}

/* How long what was applied may still wait for its commit; 0: commit now. */
static uint64_t commit_wait_ns(const struct shard *shard) {
    bool has_news = engine_has_news(&shard->engine);
    bool is_idle = shard_is_idle(shard);
    bool is_stopping = atomic_load(&shard->is_stopping);
    bool is_awaited = shard->after_commits[shard->next_commit].count > 0;
    if (is_awaited || (is_idle && (has_news || is_stopping))) {
        return 0;
    }
    bool is_storm = shard->engine.applied_seq - shard->engine.submitted_seq >= STORM_RECORDS_MIN;
    uint64_t interval_ns = has_news               ? COMMIT_INTERVAL_NEWS_NS
                           : is_idle && !is_storm ? COMMIT_INTERVAL_IDLE_NS
                                                  : COMMIT_INTERVAL_NS;
    uint64_t since_ns = clock_monotonic_ns() - shard->committed_at_ns;
    return since_ns >= interval_ns ? 0 : interval_ns - since_ns;
}

static bool has_uncommitted(const struct shard *shard) {
    return !shard->is_failed && shard->engine.applied_seq != shard->engine.committed_seq;
}

static void commit_when_due(struct shard *shard) {
    end_commit(shard);
    if (!shard->is_committing && has_uncommitted(shard) && commit_wait_ns(shard) == 0) {
        begin_commit(shard);
        end_commit(shard); /* without a thread it is done */
    }
    if (shard->is_failed && !shard->is_committing) {
        /* No commit comes any more, whatever it was that failed. */
        waiting_answer_all(&shard->after_commits[0], STATUS_IO);
        waiting_answer_all(&shard->after_commits[1], STATUS_IO);
    }
}

static uint64_t shard_timeout_ns(struct shard *shard) {
    if (shard->has_durable) {
        return shard->is_failed ? 100 * NS_PER_MS : 0;
    }
    if (has_uncommitted(shard) && !shard->is_committing) {
        return commit_wait_ns(shard);
    }
    uint64_t due = engine_next_due_ns(&shard->engine);
    uint64_t now = stamp_next(&shard->stamp);
    uint64_t wait = due <= now ? 0 : due - now;
    if (shard->is_failed || !shard->has_config || journal_is_flushing(shard->journal)) {
        wait = NS_PER_S; /* no tick can be appended now: what is due does not hurry */
    } else if (rests_for_room(shard) && wait < NO_ROOM_REST_NS) {
        wait = NO_ROOM_REST_NS;
    }
    /* Also look up now and then: retention, and a wall clock that was stepped. */
    return wait < NS_PER_S ? wait : NS_PER_S;
}

static void warm_memory(struct shard *shard) {
    void *memory = NULL;
    size_t size = 0;
    if (shard->warmer != NULL && !warmer_is_busy(shard->warmer) &&
        event_ids_next_memory(shard->engine.event_ids, &memory, &size)) {
        warmer_submit(shard->warmer, memory, size);
    }
}

struct status shard_turn(struct shard *shard) {
    receive_batches(shard);
    append_tick(shard);
    struct journal_block block = shard->durable;
    struct block_heads *block_heads = shard->durable_heads;
    bool has_block = shard->has_durable;
    uint64_t block_events = shard->lag.durable; /* the flush may bring the next block's */
    shard->has_durable = false;
    start_flush(shard);
    lag_publish(&shard->lag);
    if (has_block) {
        apply_block(shard, block, block_heads);
        lag_applied(&shard->lag, block_events);
        warm_memory(shard);
    }
    commit_when_due(shard);
    retain_when_due(&shard->retain, shard->journal, shard->engine.committed_seq);
    if (atomic_load(&shard->is_stopping) && !has_uncommitted(shard) &&
        (shard_is_idle(shard) || (shard->is_failed && !journal_is_flushing(shard->journal)))) {
        return status_of(STATUS_END);
    }
    lag_publish(&shard->lag);
    uint64_t timeout = shard_timeout_ns(shard);
    bool has_more = shard->held.batch != NULL && !journal_is_flushing(shard->journal);
    return loop_run_once(shard->loop, has_more ? 0 : timeout);
}

/* Nobody will come for these any more: they get their answer. */
void shard_refuse_leftovers(struct shard *shard) {
    shard->is_failed = true;
    receive_batches(shard);
    waiting_answer_all(&shard->lists[0], STATUS_IO);
    waiting_answer_all(&shard->lists[1], STATUS_IO);
    waiting_answer_all(&shard->after_commits[0], STATUS_IO);
    waiting_answer_all(&shard->after_commits[1], STATUS_IO);
}
