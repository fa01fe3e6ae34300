/*
 * kept_trim.c - what is kept for people (kept.h) has an end: when a bound is passed, the next
 * record begins with a commit, reads the oldest of that tenant and drops them.
 */
#include "engine/kept_internal.h"

#include "core/base/assert.h"

enum {
    ASIDE_KEY_BYTES_MAX = TENANT_BYTES_MAX + 32,
    /* More than a record can add, of which each has 128 bytes and more of a batch. */
    DROPS_PER_RECORD_MAX = BATCH_BYTES_MAX / 128,
};

static const enum store_table aside_table[KEPT_KINDS] = {
    [KEPT_QUARANTINE] = STORE_TABLE_QUARANTINE,
    [KEPT_DEAD] = STORE_TABLE_DEAD,
    [KEPT_INCIDENT] = STORE_TABLE_INCIDENT,
};

struct drop {
    struct store_snapshot *snapshot;
    enum kept_kind kind;
    uint32_t place;
    uint64_t bytes_wanted;   /* until no more are left than this */
    uint64_t died_ns;        /* who was put aside by then goes in any case */
    uint32_t *left;          /* drops, of incidents rows, that the record may still do */
    struct hash128 finished; /* had been begun: the snapshot has it still */
    uint32_t count;
    bool is_early;                 /* some went before they were too old */
    char tenant[TENANT_BYTES_MAX]; /* of the latest */
    size_t tenant_size;
};

static struct kept_sum *sum_of(struct engine *engine, const struct drop *drop) {
    return &engine->kept.sums[drop->kind][drop->place];
}

static bool is_begun(const struct kept_sum *sum, const struct kept_row *row) {
    return !hash128_is_zero(row->id) && hash128_equals(row->id, sum->begun);
}

static void leave_begun(struct kept_sum *sum) {
    sum->begun_ns = 0;
    sum->begun = (struct hash128){0};
    sum->begun_bytes = 0;
}

static bool is_wanted(const struct kept_sum *sum, const struct drop *drop,
                      const struct kept_row *row) {
    bool is_over = sum->rows > 1 && sum->bytes > drop->bytes_wanted;
    return *drop->left > 0 && (is_over || row->at_ns <= drop->died_ns || is_begun(sum, row));
}

/* The key in QUARANTINE, DEAD or INCIDENT of what the row stands for. */
static struct slice aside_key(enum kept_kind kind, struct slice tenant, const struct kept_row *row,
                              uint8_t memory[ASIDE_KEY_BYTES_MAX]) {
    struct writer key = writer_over(memory, ASIDE_KEY_BYTES_MAX);
    if (kind == KEPT_DEAD) {
        writer_u64_big_endian(&key, row->number);
    } else if (kind == KEPT_INCIDENT) {
        return kept_incident_key(tenant, row->id, &key);
    } else {
        engine_quarantine_key(tenant, row->number, row->index, &key);
    }
    return writer_slice(&key);
}

/* A row whose bytes cannot be read: its key says what it stands for, and that what it costs. Of the
 * tenants beyond TENANTS_MAX the key says no name: what was refused of them stays. */
static void read_by_key(struct engine *engine, const struct drop *drop, struct kept_row *row,
                        uint32_t *cost_out, struct slice *tenant_out) {
    struct slice value;
    uint8_t memory[ASIDE_KEY_BYTES_MAX];
    struct slice tenant =
        drop->place == KEPT_BEYOND ? SLICE("") : engine->tenants.items[drop->place].name;
    struct status status = store_get(drop->snapshot, aside_table[drop->kind],
                                     aside_key(drop->kind, tenant, row, memory), &value);
    log_write(engine->logger, LOG_LEVEL_ERROR, "engine",
              "a row of table kept cannot be read: %llu/%u, which it stands for, is dropped",
              (unsigned long long)row->number, row->index);
    struct incident_remains remains;
    size_t bytes = status_is_ok(status) ? value.size : 0;
    if (drop->kind == KEPT_INCIDENT && status_is_ok(status) &&
        status_is_ok(kept_incident_remains(drop->snapshot, value, &remains))) {
        bytes = remains.bytes;
    }
    const struct kept_sum *sum = &engine->kept.sums[drop->kind][drop->place];
    bool is_said = is_begun(sum, row) && sum->begun_bytes > 0;
    *cost_out = is_said ? (uint32_t)sum->begun_bytes : kept_cost_of(drop->kind, bytes);
    *tenant_out = tenant;
}

/* What the row stands for; END: more than the record may drop, so it is begun. */
static struct status drop_aside(struct engine *engine, const struct drop *drop, struct slice tenant,
                                const struct kept_row *row, uint32_t cost, struct fault *fault) {
    uint8_t memory[ASIDE_KEY_BYTES_MAX];
    bool is_whole = true;
    if (drop->kind == KEPT_INCIDENT) {
        TRY(kept_drop_incident(engine, drop->snapshot, tenant, row->id, drop->left, &is_whole,
                               fault));
    } else {
        effect_delete(&engine->effects, aside_table[drop->kind],
                      aside_key(drop->kind, tenant, row, memory));
    }
    if (!is_whole) {
        struct kept_sum *sum = sum_of(engine, drop);
        sum->begun_ns = row->at_ns;
        sum->begun = row->id;
        sum->begun_bytes = cost;
        return status_of(STATUS_END);
    }
    return engine_make_room(engine, KEPT_EFFECT_BYTES_MAX, fault);
}

/* The row, and what it stands for, are gone. */
static void count_dropped(struct engine *engine, struct drop *drop, const struct kept_row *row,
                          uint32_t cost, struct slice tenant) {
    struct kept_sum *sum = sum_of(engine, drop);
    drop->finished = is_begun(sum, row) ? row->id : drop->finished;
    leave_begun(sum);
    kept_subtract(engine, drop->kind, drop->place, cost);
    memcpy(drop->tenant, tenant.data, tenant.size);
    drop->tenant_size = tenant.size;
    drop->is_early = drop->is_early || row->at_ns > drop->died_ns;
    drop->count++;
    *drop->left -= *drop->left > 0 ? 1 : 0;
}

/* Drops the row unless it may stay, with all that are younger: END. */
static struct status drop_row(struct engine *engine, struct drop *drop, struct slice key,
                              struct slice value, struct fault *fault) {
    struct kept_sum *sum = sum_of(engine, drop);
    struct kept_row row;
    if (!kept_read_row_key(drop->kind, key, &row)) {
        return status_ok(); /* the sum, which stands before them */
    }
    if (!hash128_is_zero(row.id) && hash128_equals(row.id, drop->finished)) {
        return status_ok();
    }
    struct reader reader = reader_over(value);
    uint64_t at_ns = reader_u64(&reader);
    uint32_t cost = reader_u32(&reader);
    struct slice tenant = reader_text(&reader);
    bool is_damaged = reader.failed || tenant.size > TENANT_BYTES_MAX;
    bool is_keyed = is_damaged || drop->kind == KEPT_INCIDENT;
    row.at_ns = is_keyed ? row.at_ns : at_ns; /* of incidents the key says it */
    bool is_dated = !is_damaged || drop->kind == KEPT_INCIDENT;
    bool was_begun = is_begun(sum, &row);
    if (is_dated && !is_wanted(sum, drop, &row)) {
        sum->oldest_ns = row.at_ns;
        return status_of(STATUS_END);
    }
    if (is_damaged) {
        read_by_key(engine, drop, &row, &cost, &tenant);
    }
    TRY(engine_make_room(engine, KEPT_EFFECT_BYTES_MAX, fault));
    struct status status = drop_aside(engine, drop, tenant, &row, cost, fault);
    if (status.code == STATUS_END && !was_begun) { /* else older ones may have come since */
        sum->oldest_ns = row.at_ns;
    }
    TRY(status);
    effect_delete(&engine->effects, STORE_TABLE_KEPT, key);
    count_dropped(engine, drop, &row, cost, tenant);
    return status_ok();
}

struct status kept_next_row(struct store_cursor *cursor, const char *damaged_page,
                            struct slice *key_out, struct slice *value_out, struct fault *fault) {
    *key_out = *value_out = slice_of(NULL, 0);
    struct status status = store_cursor_next(cursor, key_out, value_out);
    if (status.code != STATUS_CORRUPT) {
        return status;
    }
    *value_out = slice_of(NULL, 0);
    return key_out->size > 0 ? status_ok() : fault_set(fault, STATUS_IO, "%s", damaged_page);
}

static struct status drop_rows(struct engine *engine, struct drop *drop,
                               struct store_cursor *cursor, struct fault *fault) {
    for (;;) {
        struct slice key;
        struct slice value;
        struct status status =
            kept_next_row(cursor, "a page of table kept cannot be read", &key, &value, fault);
        if (status.code == STATUS_END) { /* none is left */
            struct kept_sum *sum = sum_of(engine, drop);
            sum->rows = sum->rows > 1 ? 1 : sum->rows;
            kept_subtract(engine, drop->kind, drop->place, sum->bytes);
            return status_ok();
        }
        TRY(status);
        status = drop_row(engine, drop, key, value, fault);
        if (status.code == STATUS_END) {
            return status_ok();
        }
        TRY(status);
    }
}

/* What a record before has begun; END: it is more than this one may drop, too. */
static struct status finish_begun(struct engine *engine, struct drop *drop, struct fault *fault) {
    struct kept_sum *sum = sum_of(engine, drop);
    const struct kept_row row = {.at_ns = sum->begun_ns, .id = sum->begun};
    if (hash128_is_zero(row.id)) {
        return status_ok();
    }
    uint8_t memory[KEPT_ROW_KEY_BYTES_MAX];
    struct slice key = kept_row_key(drop->kind, drop->place, &row, memory);
    struct slice value = slice_of(NULL, 0);
    struct status status = store_get(drop->snapshot, STORE_TABLE_KEPT, key, &value);
    if (status.code == STATUS_MISSING) { /* only damage takes it away */
        leave_begun(sum);
        return status_ok();
    }
    if (status.code == STATUS_CORRUPT) {
        value = slice_of(NULL, 0);
        status = status_ok();
    }
    TRY(status);
    return drop_row(engine, drop, key, value, fault);
}

static struct status drop_oldest(struct engine *engine, struct drop *drop, struct fault *fault) {
    uint8_t key[KEPT_SUM_KEY_BYTES];
    struct slice prefix = kept_sum_key(drop->kind, drop->place, key);
    struct store_cursor *cursor = NULL;
    TRY(store_cursor_open(drop->snapshot, STORE_TABLE_KEPT, prefix, slice_of(NULL, 0), &cursor));
    struct status status = drop_rows(engine, drop, cursor, fault);
    store_cursor_close(cursor);
    return status;
}

static void tell(struct engine *engine, const struct drop *drop) {
    static const char *const words[KEPT_KINDS] = {
        [KEPT_QUARANTINE] = "records of the quarantine",
        [KEPT_DEAD] = "dead letters",
        [KEPT_INCIDENT] = "resolved incidents",
    };
    static const char *const sections[KEPT_KINDS] = {
        [KEPT_QUARANTINE] = "quarantine",
        [KEPT_DEAD] = "dead_letters",
        [KEPT_INCIDENT] = "incidents",
    };
    static const enum tenant_counter counters[KEPT_KINDS] = {
        [KEPT_QUARANTINE] = TENANT_COUNTER_QUARANTINE_DROPPED,
        [KEPT_DEAD] = TENANT_COUNTER_DEAD_LETTERS_DROPPED,
        [KEPT_INCIDENT] = TENANT_COUNTER_INCIDENTS_DROPPED,
    };
    uint64_t count = 0;
    struct tally *tally = &engine->kept.dropped[drop->kind];
    if (drop->place != KEPT_BEYOND) {
        tenant_count(&engine->tenants, &engine->tenants.items[drop->place], counters[drop->kind],
                     drop->count);
    } else if (engine->stats != NULL) { /* they have no counters */
        stats_add(engine->stats, STAT_KEPT_DROPPED_BEYOND, drop->count);
    }
    tally->untold += drop->count - 1;
    if (tally_add(tally, engine->now_ns, &count)) {
        /* That incidents grow old is no trouble of anybody's. */
        bool is_usual = drop->kind == KEPT_INCIDENT && !drop->is_early;
        log_write(engine->logger, is_usual ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "engine",
                  "%llu %s were dropped, the oldest of their tenants, the latest of tenant %.*s: "
                  "see %s.retention and %s.retention_bytes",
                  (unsigned long long)count, words[drop->kind], (int)drop->tenant_size,
                  drop->tenant, sections[drop->kind], sections[drop->kind]);
    }
}

static struct status trim(struct engine *engine, struct store_snapshot *snapshot,
                          enum kept_kind kind, uint32_t place, uint32_t *left,
                          struct fault *fault) {
    struct kept_bounds bounds = kept_bounds_of(engine, kind, place);
    uint64_t level = engine->kept.level[kind];
    bool is_over = engine->kept.sums[kind][place].bytes > bounds.bytes;
    uint64_t wanted = is_over ? bounds.bytes - bounds.bytes / 8 : UINT64_MAX;
    struct drop drop = {
        .snapshot = snapshot,
        .kind = kind,
        .place = place,
        .bytes_wanted = wanted < level ? wanted : level,
        .died_ns = engine->now_ns > bounds.age_ns ? engine->now_ns - bounds.age_ns : 0,
        .left = left,
    };
    struct status status = finish_begun(engine, &drop, fault);
    if (status.code != STATUS_END) {
        TRY(status);
        TRY(drop_oldest(engine, &drop, fault));
    }
    TRY(engine_make_room(engine, KEPT_EFFECT_BYTES_MAX, fault));
    kept_emit_sum(engine, kind, place);
    if (drop.count > 0) {
        tell(engine, &drop);
    }
    return status_ok();
}

static struct status trim_if_due(struct engine *engine, struct store_snapshot *snapshot,
                                 enum kept_kind kind, uint32_t place, uint32_t *left,
                                 struct fault *fault) {
    bool is_due = *left > 0 && kept_due_ns(engine, kind, place) <= engine->now_ns;
    return is_due ? trim(engine, snapshot, kind, place, left, fault) : status_ok();
}

static uint32_t largest_place(const struct kept *kept, enum kept_kind kind) {
    uint32_t largest = KEPT_BEYOND;
    for (uint32_t place = 0; place < KEPT_BEYOND; place++) {
        bool is_larger = kept->sums[kind][place].bytes > kept->sums[kind][largest].bytes;
        largest = is_larger ? place : largest;
    }
    return largest;
}

/* The largest first: a record may not drop all that is above the level. */
static struct status trim_kind(struct engine *engine, struct store_snapshot *snapshot,
                               enum kept_kind kind, uint32_t *left, struct fault *fault) {
    TRY(trim_if_due(engine, snapshot, kind, largest_place(&engine->kept, kind), left, fault));
    for (uint32_t place = kept_first_place(engine); place < KEPT_PLACES;
         place = kept_next_place(engine, place)) {
        TRY(trim_if_due(engine, snapshot, kind, place, left, fault));
    }
    return status_ok();
}

struct status engine_kept_trim(struct engine *engine, struct fault *fault) {
    uint32_t drops = DROPS_PER_RECORD_MAX;
    uint32_t rows = engine->kept.rows_max;
    struct store_snapshot *snapshot = NULL;
    struct status status = status_ok();
    TRY(store_snapshot_acquire(engine->store, &snapshot));
    for (int kind = 0; kind < KEPT_KINDS && status_is_ok(status); kind++) {
        uint32_t *left = kind == KEPT_INCIDENT ? &rows : &drops;
        status = trim_kind(engine, snapshot, (enum kept_kind)kind, left, fault);
    }
    store_snapshot_release(snapshot);
    engine_kept_schedule(engine); /* what is left goes with the next record */
    return status;
}
