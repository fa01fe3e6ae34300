/*
 * commit.c - effects and the journal cursor become one LMDB transaction.
 *
 * Rooms emit rows into the effects buffer; when it runs short it is drained into the transaction
 * that is open, which only engine_commit ends. So a crash at any moment leaves the state as it was
 * after some whole journal record, and the cursor says which.
 *
 * META rows: "cursor" -> u64 applied seq, u64 now_ns, u64 next outbox number, u64 policy digest.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"

enum { EMITS_PER_COMMIT = 32 }; /* of old rows: some megabytes */

struct incident_context engine_incident_context(struct engine *engine, uint32_t index) {
    return (struct incident_context){
        .graph = engine->graph,
        .search = engine->search,
        .policies = &engine->policies,
        .silences = engine->silences.items,
        .silences_count = engine->silences.count,
        .effects = &engine->effects,
        .now_ns = engine->now_ns,
        .cause_seq = engine->applied_seq,
        .cause_index = index,
    };
}

static struct status drain_one(struct engine *engine, const struct effect *effect,
                               struct fault *fault) {
    if (effect->kind == EFFECT_DELETE) {
        return store_delete(engine->store, effect->table, effect->key, fault);
    }
    if (effect->table == STORE_TABLE_OUTBOX) {
        engine->has_uncommitted_outbox = true;
    }
    return store_put(engine->store, effect->table, effect->key, effect->value, fault);
}

static struct status drain_effects(struct engine *engine, struct fault *fault) {
    if (engine->effects.count == 0) {
        return status_ok();
    }
    if (!engine->is_writing) {
        TRY(store_begin(engine->store, fault));
        engine->is_writing = true;
    }
    struct effects_cursor cursor = effects_begin(&engine->effects);
    struct effect effect;
    while (effects_next(&cursor, &effect)) {
        TRY(drain_one(engine, &effect, fault));
    }
    effects_clear(&engine->effects);
    return status_ok();
}

struct status engine_make_room(struct engine *engine, size_t bytes, struct fault *fault) {
    ASSERT(bytes <= EFFECTS_BYTES);
    if (effects_room(&engine->effects) >= bytes) {
        return status_ok();
    }
    TRY(drain_effects(engine, fault));
    ASSERT(effects_room(&engine->effects) >= bytes);
    return status_ok();
}

/* Dirty rows of all rooms; each room stops when there is no room, or when it was enough for a
 * cache, and goes on after a drain. */
static struct status emit_rows(struct engine *engine, struct fault *fault) {
    struct incident_context context = engine_incident_context(engine, UINT32_MAX);
    bool is_done = false;
    while (!is_done) {
        TRY(drain_effects(engine, fault));
        is_done = dedup_emit(engine->dedup, &engine->effects) &&
                  graph_emit(engine->graph, &engine->effects) &&
                  incidents_emit(engine->incidents, &context) &&
                  tenants_emit(&engine->tenants, &engine->effects);
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
    stats_set(engine->stats, STAT_DEDUP_UNREMEMBERED, dedup_unremembered_count(engine->dedup));
    stats_set(engine->stats, STAT_EVENT_IDS, event_ids_count(engine->event_ids));
    stats_set(engine->stats, STAT_EVENT_IDS_EVICTED, event_ids_evicted_count(engine->event_ids));
    stats_set(engine->stats, STAT_GRAPH_NODES, graph_nodes_count(engine->graph));
    stats_set(engine->stats, STAT_GRAPH_EDGES, graph_edges_count(engine->graph));
    stats_set(engine->stats, STAT_GRAPH_EDGES_LEARNED, graph_learned_count(engine->graph));
    stats_set(engine->stats, STAT_INCIDENTS_OPEN, incidents_open_count(engine->incidents));
    stats_add(engine->stats, STAT_STORE_COMMITS, 1);
}

static struct status commit_drained(struct engine *engine, struct fault *fault) {
    if (!engine->is_writing) {
        return status_ok();
    }
    engine->is_writing = false;
    return store_commit(engine->store, fault);
}

/* In transactions of a bounded size: new rows stand beside old ones until all are there, and a row
 * that was replaced is known again. */
struct status engine_replace_old_rows(struct engine *engine, struct fault *fault) {
    bool is_done = !engine->has_old_dedup_rows;
    for (uint32_t i = 1; !is_done; i++) {
        is_done = dedup_emit(engine->dedup, &engine->effects);
        TRY(drain_effects(engine, fault));
        TRY(is_done || i % EMITS_PER_COMMIT == 0 ? commit_drained(engine, fault) : status_ok());
    }
    if (engine->has_old_dedup_rows) {
        TRY(store_begin(engine->store, fault));
        engine->is_writing = true;
        TRY(store_clear(engine->store, STORE_TABLE_DEDUP, fault));
        TRY(commit_drained(engine, fault));
        engine->has_old_dedup_rows = false;
    }
    return status_ok();
}

bool engine_has_news(const struct engine *engine) {
    return incidents_next_outbox_number(engine->incidents) != engine->committed_outbox_number;
}

struct status engine_commit(struct engine *engine, struct fault *fault) {
    if (engine->applied_seq == engine->committed_seq) {
        return status_ok();
    }
    TRY(emit_rows(engine, fault));
    TRY(emit_cursor(engine, fault));
    TRY(drain_effects(engine, fault));
    ASSERT(engine->is_writing);
    engine->is_writing = false;
    TRY(store_commit(engine->store, fault));
    engine->committed_seq = engine->applied_seq;
    engine->committed_outbox_number = incidents_next_outbox_number(engine->incidents);
    engine->has_uncommitted_outbox = false;
    publish_stats(engine);
    return status_ok();
}
