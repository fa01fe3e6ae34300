/*
 * kept_recover.c - what is kept for people, at a start: the sums come back from their rows; a
 * directory of before table KEPT gets one, of what stands in QUARANTINE, DEAD and INCIDENT. A start
 * that dies on the way begins anew, and writes the same.
 */
#include "engine/kept_internal.h"

#include "core/base/assert.h"
#include "core/outbox.h"

enum { KEY_TAIL_BYTES = 13, EFFECT_BYTES = 4096, KEPT_VERSION = 3 };

static struct status restore_sum(struct engine *engine, struct store_snapshot *snapshot,
                                 enum kept_kind kind, uint32_t place) {
    uint8_t key[KEPT_SUM_KEY_BYTES];
    struct slice row;
    struct status status =
        store_get(snapshot, STORE_TABLE_KEPT, kept_sum_key(kind, place, key), &row);
    if (!status_is_ok(status)) {
        return status.code == STATUS_MISSING ? status_ok() : status;
    }
    struct reader reader = reader_over(row);
    struct kept_sum *sum = &engine->kept.sums[kind][place];
    sum->rows = reader_u64(&reader);
    sum->bytes = reader_u64(&reader);
    sum->oldest_ns = reader_u64(&reader);
    if (!reader.failed && reader_left(&reader) > 0) {
        sum->begun_ns = reader_u64(&reader);
        sum->begun = reader_hash128(&reader);
        sum->begun_bytes = reader_left(&reader) > 0 ? reader_u64(&reader) : 0;
    }
    engine->kept.bytes[kind] += sum->bytes;
    return reader.failed ? status_of(STATUS_CORRUPT) : status_ok();
}

struct status engine_kept_restore(struct engine *engine, struct store_snapshot *snapshot) {
    struct slice row;
    struct status status = store_get(snapshot, STORE_TABLE_META, SLICE("kept"), &row);
    if (!status_is_ok(status)) {
        return status.code == STATUS_MISSING ? status_ok() : status;
    }
    struct reader reader = reader_over(row);
    if (reader_u32(&reader) != KEPT_VERSION) {
        return status_ok(); /* its keys are others: it is made anew */
    }
    for (int kind = 0; kind < KEPT_KINDS; kind++) {
        for (uint32_t place = 0; place < engine->tenants.count; place++) {
            TRY(restore_sum(engine, snapshot, (enum kept_kind)kind, place));
        }
        TRY(restore_sum(engine, snapshot, (enum kept_kind)kind, KEPT_BEYOND));
    }
    engine->kept.is_whole = true;
    engine_kept_schedule(engine);
    return status_ok();
}

/* --- Directories of before --- */

/* It will have the same number after the next start. */
static void know_tenant(struct engine *engine, struct slice name) {
    struct tenant *tenant = NULL;
    if (status_is_ok(tenants_intern(&engine->tenants, name, &tenant))) {
        tenant_count(&engine->tenants, tenant, TENANT_COUNTER_EVENTS_RECEIVED, 0);
    }
}

static void index_quarantined(struct engine *engine, struct store_snapshot *snapshot,
                              struct slice key, struct slice value) {
    (void)snapshot;
    bool is_key =
        key.size > KEY_TAIL_BYTES && key.size <= (size_t)TENANT_BYTES_MAX + KEY_TAIL_BYTES;
    if (!is_key) {
        return;
    }
    struct slice tenant = slice_head(key, key.size - KEY_TAIL_BYTES);
    struct reader reader = reader_over(slice_tail(key, tenant.size + 1));
    struct kept_row row = {
        .number = reader_u64_big_endian(&reader), .at_ns = engine->now_ns, .bytes = value.size};
    row.index = reader_u32_big_endian(&reader);
    if (status_is_ok(envelope_verify(value))) {
        struct envelope envelope;
        envelope_read(value, &envelope);
        row.at_ns = envelope.ingest_time_ns < row.at_ns ? envelope.ingest_time_ns : row.at_ns;
    }
    know_tenant(engine, tenant);
    engine_kept_add(engine, KEPT_QUARANTINE, tenant, &row);
}

static void index_dead(struct engine *engine, struct store_snapshot *snapshot, struct slice key,
                       struct slice value) {
    (void)snapshot;
    struct reader reader = reader_over(key);
    struct kept_row row = {.number = reader_u64_big_endian(&reader), .bytes = value.size};
    struct dead_letter letter;
    struct outbox_message message;
    bool is_readable = !reader.failed && status_is_ok(dead_letter_decode(value, &letter)) &&
                       status_is_ok(outbox_message_decode(letter.row, &message));
    if (!is_readable) {
        return; /* nobody can list it either */
    }
    row.at_ns = dead_letter_when(&letter, &message);
    know_tenant(engine, message.tenant);
    engine_kept_add(engine, KEPT_DEAD, message.tenant, &row);
}

/* One that is not forgotten yet comes when it is. */
static void index_incident(struct engine *engine, struct store_snapshot *snapshot, struct slice key,
                           struct slice value) {
    struct incident_remains remains;
    (void)key;
    if (!status_is_ok(kept_incident_remains(snapshot, value, &remains))) {
        return;
    }
    know_tenant(engine, remains.tenant);
    engine_kept_forgotten(engine, &remains);
}

/* Of one that index_incident will not find: its row is gone, for some of it was dropped, or cannot
 * be read. Nothing else tells what is left of it. */
static void keep_unfound(struct engine *engine, struct store_snapshot *snapshot,
                         const struct kept_row *row, struct slice value) {
    struct reader reader = reader_over(value);
    uint64_t at_ns = reader_u64(&reader);
    uint32_t cost = reader_u32(&reader);
    uint32_t beside = kept_cost_of(KEPT_INCIDENT, 0);
    struct slice tenant = reader_text(&reader);
    if (reader.failed || tenant.size > TENANT_BYTES_MAX || at_ns != row->at_ns) {
        return;
    }
    uint8_t memory[TENANT_BYTES_MAX + 32];
    struct writer key = writer_over(memory, sizeof(memory));
    struct slice found;
    struct incident_remains remains;
    struct status status =
        store_get(snapshot, STORE_TABLE_INCIDENT, kept_incident_key(tenant, row->id, &key), &found);
    if (status_is_ok(status) && status_is_ok(incident_remains_read(found, &remains))) {
        return;
    }
    know_tenant(engine, tenant);
    struct kept_sum *sum = &engine->kept.sums[KEPT_INCIDENT][kept_place_of(engine, tenant)];
    if (status.code == STATUS_MISSING && hash128_is_zero(sum->begun)) {
        sum->begun_ns = row->at_ns;
        sum->begun = row->id;
        sum->begun_bytes = cost;
    }
    engine_kept_add(engine, KEPT_INCIDENT, tenant,
                    &(struct kept_row){.at_ns = row->at_ns,
                                       .bytes = cost > beside ? cost - beside : 0,
                                       .id = row->id});
}

/* Of table KEPT: of a version before, or of a start that died on the way. */
static void forget_row(struct engine *engine, struct store_snapshot *snapshot, struct slice key,
                       struct slice value) {
    struct kept_row row;
    if (key.size == 0) {
        return;
    }
    effect_delete(&engine->effects, STORE_TABLE_KEPT, key);
    if (key.data[0] == KEPT_INCIDENT && kept_read_row_key(KEPT_INCIDENT, key, &row)) {
        keep_unfound(engine, snapshot, &row, value);
    }
}

static struct status
index_table(struct engine *engine, struct store_snapshot *snapshot, enum store_table table,
            void (*add)(struct engine *, struct store_snapshot *, struct slice, struct slice),
            struct fault *fault) {
    uint64_t rows = 0;
    struct slice none = slice_of(NULL, 0);
    struct slice key = none;
    struct slice value = none;
    struct store_cursor *cursor = NULL;
    TRY(store_cursor_open(snapshot, table, none, none, &cursor));
    struct status status = store_cursor_next(cursor, &key, &value);
    while (status_is_ok(status) || status.code == STATUS_CORRUPT) {
        progress_tell(engine->progress, "rows of what is kept for people indexed", ++rows);
        add(engine, snapshot, key,
            status_is_ok(status) ? value : none); /* a damaged row counts as well */
        status = engine_commit_rows(engine, EFFECT_BYTES, fault);
        key = none;
        status = status_is_ok(status) ? store_cursor_next(cursor, &key, &value) : status;
    }
    store_cursor_close(cursor);
    return status.code == STATUS_END ? status_ok() : status;
}

struct status engine_kept_index(struct engine *engine, struct fault *fault) {
    struct store_snapshot *snapshot = NULL;
    TRY(store_snapshot_acquire(engine->store, &snapshot));
    struct status status = index_table(engine, snapshot, STORE_TABLE_KEPT, forget_row, fault);
    if (status_is_ok(status)) {
        status = index_table(engine, snapshot, STORE_TABLE_QUARANTINE, index_quarantined, fault);
    }
    if (status_is_ok(status)) {
        status = index_table(engine, snapshot, STORE_TABLE_DEAD, index_dead, fault);
    }
    if (status_is_ok(status)) {
        status = index_table(engine, snapshot, STORE_TABLE_INCIDENT, index_incident, fault);
    }
    store_snapshot_release(snapshot);
    TRY(status);
    while (!tenants_emit(&engine->tenants, &engine->effects)) {
        TRY(engine_commit_rows(engine, EFFECTS_BYTES, fault));
    }
    uint8_t row[4];
    struct writer writer = writer_over(row, sizeof(row));
    writer_u32(&writer, KEPT_VERSION);
    TRY(engine_commit_rows(engine, EFFECT_BYTES, fault));
    effect_put(&engine->effects, STORE_TABLE_META, SLICE("kept"), writer_slice(&writer));
    engine->kept.is_whole = true;
    return engine_commit_rows(engine, EFFECTS_BYTES, fault);
}
