/*
 * commit.c - effects and the journal cursor become one LMDB transaction.
 *
 * Rooms emit rows into the effects buffer; when it runs short it is drained into the transaction
 * that is open, which only a commit ends. So a crash at any moment leaves the state as it was
 * after some whole journal record, and the cursor says which.
 *
 * The rows are written, and made durable, by core/store_writer: in a shard by a thread of its own,
 * while records go on being applied into a second buffer. What reads rows waits for it.
 *
 * META rows: "cursor" -> u64 applied seq, u64 now_ns, u64 next outbox number, u64 policy digest.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"

enum { EMITS_PER_COMMIT = 8 }; /* of old rows: some megabytes */

struct incident_context engine_incident_context(struct engine *engine, uint32_t index) {
    return (struct incident_context){
        .on_forgotten = engine->keeps_incidents ? NULL : engine_kept_forgotten,
        .listener = engine,
        .graph = engine->graph,
        .search = engine->search,
        .policies = &engine->policies,
        .silences = engine->silences.items,
        .silences_count = engine->silences.count,
        .effects = &engine->effects,
        .now_ns = engine->now_ns,
        .cause_seq = engine->journal_seq != 0 ? engine->journal_seq : engine->applied_seq,
        .cause_index = index,
    };
}

/* Hands what has gathered to the writer; goes on in the other buffer. Waits for the piece before.
 */
static struct status drain_effects(struct engine *engine, bool commits, struct fault *fault) {
    if (engine->is_committing) {
        TRY(engine_commit_end(engine, fault));
    }
    TRY(store_writer_wait(engine->writer, fault));
    if (engine->effects.count == 0 && !commits) {
        return status_ok();
    }
    struct effects drained = engine->effects;
    engine->effects = engine->drained;
    engine->drained = drained;
    effects_clear(&engine->effects);
    store_writer_submit(engine->writer, &engine->drained, commits);
    return status_ok();
}

struct status engine_make_room(struct engine *engine, size_t bytes, struct fault *fault) {
    ASSERT(bytes <= EFFECTS_BYTES);
    if (effects_room(&engine->effects) >= bytes) {
        return status_ok();
    }
    TRY(drain_effects(engine, false, fault));
    ASSERT(effects_room(&engine->effects) >= bytes);
    return status_ok();
}

struct status engine_make_event_room(struct engine *engine, struct fault *fault) {
    while (incidents_waits_for_rows(engine->incidents)) {
        TRY(engine_make_room(engine, EVENT_EFFECT_BYTES_MIN, fault));
        struct incident_context context = engine_incident_context(engine, UINT32_MAX);
        bool is_done = incidents_emit(engine->incidents, &context);
        TRY(is_done ? status_ok() : drain_effects(engine, false, fault));
    }
    return engine_make_room(engine, EVENT_EFFECT_BYTES_MIN, fault);
}

/* Dirty rows of all rooms; each room stops when there is no room, or when it was enough for a
 * cache, and goes on after a drain. */
static struct status emit_rows(struct engine *engine, struct fault *fault) {
    struct incident_context context = engine_incident_context(engine, UINT32_MAX);
    bool is_done = false;
    while (!is_done) {
        TRY(engine_make_room(engine, EVENT_EFFECT_BYTES_MIN, fault));
        is_done = dedup_emit(engine->dedup, &engine->effects) &&
                  graph_emit(engine->graph, &engine->effects) &&
                  incidents_emit(engine->incidents, &context) &&
                  tenants_emit(&engine->tenants, &engine->effects);
        TRY(is_done ? status_ok() : drain_effects(engine, false, fault));
    }
    return status_ok();
}

static struct status emit_cursor(struct engine *engine, struct fault *fault) {
    uint8_t row[32];
    struct writer writer = writer_over(row, sizeof(row));
    writer_u64(&writer, engine->applied_seq);
    writer_u64(&writer, engine->now_ns);
    writer_u64(&writer, incidents_next_outbox_number(engine->incidents));
    writer_u64(&writer, engine->policy_digest);
    ASSERT(!writer.failed && writer.size == sizeof(row));
    TRY(engine_make_room(engine, 256, fault));
    effect_put(&engine->effects, STORE_TABLE_META, SLICE("cursor"), writer_slice(&writer));
    return status_ok();
}

static void publish_stats(struct engine *engine) {
    if (engine->stats == NULL) {
        return;
    }
    stats_set(engine->stats, STAT_DEDUP_KEYS, dedup_count(engine->dedup));
    stats_set(engine->stats, STAT_DEDUP_EVICTED, dedup_evicted_count(engine->dedup));
    stats_set(engine->stats, STAT_DEDUP_UNREMEMBERED, dedup_unremembered_count(engine->dedup));
    stats_set(engine->stats, STAT_EVENT_IDS, event_ids_count(engine->event_ids));
    stats_set(engine->stats, STAT_EVENT_IDS_EVICTED, event_ids_evicted_count(engine->event_ids));
    stats_set(engine->stats, STAT_GRAPH_NODES, graph_nodes_count(engine->graph));
    stats_set(engine->stats, STAT_GRAPH_NODES_MAX, graph_nodes_max(engine->graph));
    stats_set(engine->stats, STAT_GRAPH_EDGES_MAX, graph_edges_max(engine->graph));
    stats_set(engine->stats, STAT_GRAPH_EDGES, graph_edges_count(engine->graph));
    stats_set(engine->stats, STAT_GRAPH_EDGES_LEARNED, graph_learned_count(engine->graph));
    stats_set(engine->stats, STAT_INCIDENTS_OPEN, incidents_open_count(engine->incidents));
    stats_set(engine->stats, STAT_INCIDENTS_HELD, incidents_held_count(engine->incidents));
    stats_set(engine->stats, STAT_INCIDENTS_HELD_MAX, incidents_held_max(engine->incidents));
    stats_set(engine->stats, STAT_QUARANTINE_BYTES, engine->kept.bytes[KEPT_QUARANTINE]);
    stats_set(engine->stats, STAT_DEAD_LETTERS_BYTES, engine->kept.bytes[KEPT_DEAD]);
    stats_set(engine->stats, STAT_INCIDENTS_RESOLVED_BYTES, engine->kept.bytes[KEPT_INCIDENT]);
    stats_add(engine->stats, STAT_STORE_COMMITS, 1);
}

/* Of a table that holds nothing any more that is needed. */
static struct status clear_old_rows(struct engine *engine, struct fault *fault) {
    TRY(store_writer_wait(engine->writer, fault));
    TRY(store_begin(engine->store, fault));
    TRY(store_clear(engine->store, STORE_TABLE_DEDUP, fault));
    return store_commit(engine->store, fault);
}

/* In transactions of a bounded size: new rows stand beside old ones until all are there, and a row
 * that was replaced is known again. */
struct status engine_replace_old_rows(struct engine *engine, struct fault *fault) {
    bool is_done = false;
    for (uint32_t i = 1; !is_done; i++) {
        is_done = dedup_emit(engine->dedup, &engine->effects);
        if (!is_done) {
            progress_tell(engine->progress, "pieces of a former version's rows replaced", i);
        }
        bool commits = is_done || i % EMITS_PER_COMMIT == 0;
        TRY(engine->effects.count > 0 ? drain_effects(engine, commits, fault) : status_ok());
    }
    if (!engine->kept.is_whole) {
        TRY(engine_kept_index(engine, fault));
    }
    if (engine->has_old_dedup_rows) {
        TRY(clear_old_rows(engine, fault));
        engine->has_old_dedup_rows = false;
    }
    return status_ok();
}

struct status engine_commit_rows(struct engine *engine, size_t bytes, struct fault *fault) {
    return effects_room(&engine->effects) < bytes ? drain_effects(engine, true, fault)
                                                  : status_ok();
}

bool engine_has_news(const struct engine *engine) {
    return incidents_next_outbox_number(engine->incidents) != engine->submitted_outbox_number;
}

struct status engine_commit_begin(struct engine *engine, struct fault *fault) {
    ASSERT(!engine->is_committing && engine->applied_seq != engine->committed_seq);
    TRY(emit_rows(engine, fault));
    TRY(emit_cursor(engine, fault));
    TRY(drain_effects(engine, true, fault));
    engine->is_committing = true;
    engine->submitted_seq = engine->applied_seq;
    engine->submitted_outbox_number = incidents_next_outbox_number(engine->incidents);
    return status_ok();
}

bool engine_is_committing(const struct engine *engine) {
    return engine->is_committing && store_writer_is_busy(engine->writer);
}

struct status engine_commit_end(struct engine *engine, struct fault *fault) {
    if (!engine->is_committing) {
        return status_ok();
    }
    engine->is_committing = false;
    TRY(store_writer_wait(engine->writer, fault));
    engine->committed_seq = engine->submitted_seq;
    engine->committed_outbox_number = engine->submitted_outbox_number;
    publish_stats(engine);
    return status_ok();
}

struct status engine_commit(struct engine *engine, struct fault *fault) {
    TRY(engine_commit_end(engine, fault));
    if (engine->applied_seq == engine->committed_seq) {
        return status_ok();
    }
    TRY(engine_commit_begin(engine, fault));
    return engine_commit_end(engine, fault);
}
