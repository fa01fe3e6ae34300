/*
 * recover.c - from rows and journal back to the state that was: init, restore, replay.
 *
 * Rows come first, up to the cursor; then every journal record behind it is applied exactly as it
 * was the first time. A record that crashed the process twice is put into the quarantine instead.
 * When there is a gap between the cursor and the oldest journal record it is said loudly.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"

/* Address space only: what is not used costs nothing. Enough for as many entities, ids and
 * incidents as the configuration lets there be, and 256 M edges. */
#define ENGINE_ARENA_BYTES (UINT64_C(128) << 30)

static struct status rooms_init(struct engine *engine, const struct engine_options *options) {
    struct arena *arena = &engine->arena;
    struct graph_options graph_options = {
        .nodes_max = options->nodes_max,
        .edges_max = options->edges_max,
        .learned_max = options->learned_edges_max,
    };
    struct event_ids_options ids_options = {options->event_ids_max};
    uint32_t numbers_max =
        graph_numbers_max(&graph_options); /* more than nodes: they lie in runs */
    struct dedup_options dedup_options = {options->dedup_keys_max, numbers_max};
    struct incidents_options incidents_options = {
        .incidents_max = options->incidents_max,
        .members_max = MEMBERS_DEFAULT,
        .nodes_max = numbers_max,
        .hash_seed = options->hash_seed,
    };
    TRY(effects_init(&engine->effects, EFFECTS_BYTES, arena));
    TRY(effects_init(&engine->drained, EFFECTS_BYTES, arena));
    engine->heads = ARENA_ARRAY(arena, struct event_head, BATCH_EVENTS_MAX);
    if (engine->heads == NULL) {
        return status_of(STATUS_FULL);
    }
    TRY(event_ids_init(&engine->event_ids, &ids_options, arena));
    TRY(dedup_init(&engine->dedup, &dedup_options, arena));
    TRY(graph_init(&engine->graph, &graph_options, arena));
    TRY(graph_search_init(&engine->search, &graph_options, GRAPH_VISITS_MAX, arena));
    TRY(incidents_init(&engine->incidents, &incidents_options, arena));
    TRY(streams_init(&engine->streams, engine->logger, engine->stats, arena));
    TRY(silences_init(&engine->silences, arena));
    TRY(kept_init(&engine->kept, options->kept_bytes_max, options->kept_rows_max, arena));
    return tenants_init(&engine->tenants, &engine->policies, arena);
}

struct status engine_init(struct engine *engine, const struct engine_options *options,
                          struct fault *fault) {
    *engine = (struct engine){
        .hash_seed = options->hash_seed,
        .keeps_incidents = options->keeps_incidents,
        .store = options->store,
        .files = options->files,
        .logger = options->logger,
        .stats = options->stats,
        .progress = options->progress,
        .policies.defaults = policy_default(),
    };
    engine->spans = policy_set_spans(&engine->policies);
    struct status status = arena_init(&engine->arena, ENGINE_ARENA_BYTES);
    for (uint32_t i = 0; i < 2 && status_is_ok(status); i++) {
        /* Decoded policies are a few times their encoded size. */
        status = arena_init(&engine->policy_arenas[i], 16 * POLICY_BYTES_MAX);
    }
    if (status_is_ok(status)) {
        status = store_writer_open(engine->store, &engine->writer);
    }
    if (status_is_ok(status)) {
        status = rooms_init(engine, options);
    }
    if (!status_is_ok(status)) {
        engine_deinit(engine);
        return fault_set(fault, status.code, "cannot reserve memory for the engine's state");
    }
    status = poison_open(options->poison_path, &engine->poison, fault);
    if (!status_is_ok(status)) {
        engine_deinit(engine);
    }
    return status;
}

void engine_deinit(struct engine *engine) {
    store_writer_close(engine->writer);
    if (engine->graph != NULL) {
        graph_deinit(engine->graph);
    }
    tenants_deinit(&engine->tenants);
    poison_close(&engine->poison);
    arena_deinit(&engine->policy_arenas[0]);
    arena_deinit(&engine->policy_arenas[1]);
    arena_deinit(&engine->arena);
    *engine = (struct engine){0};
}

/* --- Rows --- */

typedef struct status restore_row(struct engine *engine, struct slice key, struct slice value);

static struct status restore_node(struct engine *engine, struct slice key, struct slice value) {
    return graph_restore_node(engine->graph, key, value);
}
static struct status restore_edge(struct engine *engine, struct slice key, struct slice value) {
    return graph_restore_edge(engine->graph, key, value);
}
static struct status restore_dedup(struct engine *engine, struct slice key, struct slice value) {
    return dedup_restore(engine->dedup, key, value);
}
static uint32_t node_of(const void *context, struct hash128 entity_key) {
    return graph_find_node(context, entity_key); /* no node: nobody recovers */
}
static struct status restore_old_dedup(struct engine *engine, struct slice key,
                                       struct slice value) {
    engine->has_old_dedup_rows = true;
    return dedup_restore_old(engine->dedup, key, value, node_of, engine->graph);
}
static struct status restore_ids(struct engine *engine, struct slice key, struct slice value) {
    return event_ids_restore(engine->event_ids, key, value, engine->now_ns);
}
static struct status restore_incident(struct engine *engine, struct slice key, struct slice value) {
    return incidents_restore_incident(engine->incidents, key, value);
}
static struct status restore_member(struct engine *engine, struct slice key, struct slice value) {
    return incidents_restore_member(engine->incidents, key, value);
}
static struct status restore_tenant(struct engine *engine, struct slice key, struct slice value) {
    (void)key; /* rows come in number order, so numbers come out the same */
    return tenants_restore(&engine->tenants, value);
}
static struct status restore_stream(struct engine *engine, struct slice key, struct slice value) {
    return streams_restore(&engine->streams, key, value);
}

static struct status restore_silence(struct engine *engine, struct slice key, struct slice value) {
    return silences_put(&engine->silences, key, value);
}

static const struct {
    enum store_table table;
    restore_row *restore;
    const char *name;
    const char *limit; /* the key that says how many rows there may be; NULL: none */
} restore_steps[] = {
    {STORE_TABLE_NODE, restore_node, "node", "limits.entities"},
    {STORE_TABLE_EDGE, restore_edge, "edge", "limits.edges"},
    {STORE_TABLE_DEDUP_KEY, restore_dedup, "dedup_key", NULL},
    {STORE_TABLE_DEDUP, restore_old_dedup, "dedup", NULL},
    {STORE_TABLE_EVENT_ID, restore_ids, "event_id", NULL},
    {STORE_TABLE_INCIDENT, restore_incident, "incident", "limits.incidents"},
    {STORE_TABLE_MEMBER, restore_member, "member", NULL},
    {STORE_TABLE_TENANT, restore_tenant, "tenant", NULL},
    {STORE_TABLE_STREAM, restore_stream, "stream", NULL},
    {STORE_TABLE_SILENCE, restore_silence, "silence", NULL},
};

/* The limit was lowered below what the table holds; the cursor stands at the first row that found
 * no room. */
static struct status refuse_limit(struct engine *engine, struct store_cursor *cursor, uint32_t step,
                                  struct fault *fault) {
    struct slice key;
    struct slice value;
    uint64_t missing = 1;
    while (status_is_ok(store_cursor_next(cursor, &key, &value))) {
        missing += restore_steps[step].restore(engine, key, value).code == STATUS_FULL ? 1 : 0;
    }
    return fault_set(fault, STATUS_FULL,
                     "%s is too small by %llu for what the state holds: raise it",
                     restore_steps[step].limit, (unsigned long long)missing);
}

static struct status restore_table(struct engine *engine, struct store_snapshot *snapshot,
                                   uint32_t step, struct fault *fault) {
    struct store_cursor *cursor = NULL;
    TRY(store_cursor_open(snapshot, restore_steps[step].table, slice_of(NULL, 0), slice_of(NULL, 0),
                          &cursor));
    struct slice key;
    struct slice value;
    uint64_t rows = 0;
    struct status status = store_cursor_next(cursor, &key, &value);
    while (status_is_ok(status)) {
        progress_tell(engine->progress, "rows of a table of the state restored", ++rows);
        status = restore_steps[step].restore(engine, key, value);
        if (status_is_ok(status)) {
            status = store_cursor_next(cursor, &key, &value);
        }
    }
    if (status.code == STATUS_FULL && restore_steps[step].limit != NULL) {
        status = refuse_limit(engine, cursor, step, fault);
        store_cursor_close(cursor);
        return status;
    }
    store_cursor_close(cursor);
    if (status.code != STATUS_END) {
        return fault_set(fault, status.code, "table %s of the state cannot be restored: %s",
                         restore_steps[step].name, status_name(status));
    }
    return status_ok();
}

static struct status restore_meta(struct engine *engine, struct store_snapshot *snapshot,
                                  struct fault *fault) {
    struct slice row;
    struct status status = store_get(snapshot, STORE_TABLE_META, SLICE("cursor"), &row);
    if (status.code == STATUS_MISSING) {
        return status_of(STATUS_END);
    }
    TRY(status);
    struct reader reader = reader_over(row);
    engine->applied_seq = reader_u64(&reader);
    engine->now_ns = reader_u64(&reader);
    incidents_set_next_outbox_number(engine->incidents, reader_u64(&reader));
    if (reader.failed) {
        return fault_set(fault, STATUS_CORRUPT, "the state's cursor cannot be read");
    }
    engine->committed_seq = engine->applied_seq;
    engine->committed_outbox_number = incidents_next_outbox_number(engine->incidents);
    engine->submitted_seq = engine->committed_seq;
    engine->submitted_outbox_number = engine->committed_outbox_number;
    status = store_get(snapshot, STORE_TABLE_META, SLICE("audit"), &row);
    if (status_is_ok(status)) {
        status = audit_numbers_decode(row, engine->audit_numbers);
    }
    if (!status_is_ok(status) && status.code != STATUS_MISSING) {
        return status;
    }
    status = store_get(snapshot, STORE_TABLE_META, SLICE("policy"), &row);
    return status.code == STATUS_MISSING ? status_ok() : engine_set_policies(engine, row, fault);
}

static struct status restore_rows(struct engine *engine, struct store_snapshot *snapshot,
                                  struct fault *fault) {
    struct status status = restore_meta(engine, snapshot, fault);
    if (status.code == STATUS_END) {
        return status_ok(); /* an empty state */
    }
    TRY(status);
    for (uint32_t i = 0; i < sizeof(restore_steps) / sizeof(restore_steps[0]); i++) {
        TRY(restore_table(engine, snapshot, i, fault));
    }
    status = engine_kept_restore(engine, snapshot);
    if (!status_is_ok(status)) {
        return fault_set(fault, status.code, "table kept of the state cannot be restored: %s",
                         status_name(status));
    }
    status = incidents_restore_end(engine->incidents, engine->graph);
    graph_fold_now(engine->graph);
    return status;
}

/* --- Journal --- */

static struct status replay_record(struct engine *engine, struct slice record, uint64_t seq,
                                   struct fault *fault) {
    if (poison_is_poisonous(&engine->poison, seq)) {
        log_write(engine->logger, LOG_LEVEL_ERROR, "engine",
                  "journal record %llu crashed the process %d times while it was applied: it is "
                  "put into the quarantine and left out",
                  (unsigned long long)seq, POISON_CRASHES_MAX);
        return engine_quarantine_record(engine, record, fault);
    }
    struct status status = engine_apply(engine, record, fault);
    if (status.code == STATUS_CORRUPT) {
        log_write(engine->logger, LOG_LEVEL_ERROR, "engine", "journal record %llu is no batch",
                  (unsigned long long)seq);
        return status_ok();
    }
    return status;
}

static struct status replay_journal(struct engine *engine, struct journal_reader *reader,
                                    struct fault *fault) {
    struct slice record;
    uint64_t seq = 0;
    for (;;) {
        struct status status = journal_reader_next(reader, &record, &seq, fault);
        if (status.code == STATUS_END) {
            return engine_commit(engine, fault);
        }
        if (status.code == STATUS_CORRUPT) {
            log_write(engine->logger, LOG_LEVEL_ERROR, "journal", "%s", fault->words);
            continue;
        }
        TRY(status);
        if (seq != engine->applied_seq + 1) {
            log_write(engine->logger, LOG_LEVEL_ERROR, "engine",
                      "journal records %llu to %llu are missing",
                      (unsigned long long)engine->applied_seq + 1, (unsigned long long)seq - 1);
            engine->applied_seq = seq - 1;
        }
        progress_tell(engine->progress, "records of the journal replayed, up to", seq);
        struct fault cause = {{0}};
        status = replay_record(engine, record, seq, &cause);
        if (!status_is_ok(status)) {
            return fault_set(fault, status.code, "journal record %llu cannot be applied: %s",
                             (unsigned long long)seq,
                             cause.words[0] != 0 ? cause.words : status_name(status));
        }
        if (engine->applied_seq - engine->committed_seq >= 4096) {
            TRY(engine_commit(engine, fault)); /* bounds the transaction's size */
        }
    }
}

struct status engine_recover(struct engine *engine, const char *journal_directory,
                             struct fault *fault) {
    struct store_snapshot *snapshot = NULL;
    TRY(store_snapshot_acquire(engine->store, &snapshot));
    struct status status = restore_rows(engine, snapshot, fault);
    store_snapshot_release(snapshot);
    TRY(status);
    TRY(engine_replace_old_rows(engine, fault));
    struct journal_reader *reader = NULL;
    TRY(journal_reader_open(engine->files, journal_directory, engine->applied_seq + 1, &reader,
                            fault));
    status = replay_journal(engine, reader, fault);
    journal_reader_close(reader);
    return status;
}
