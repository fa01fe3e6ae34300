/*
 * kept.c - see kept.h. Rows are added and removed by whoever puts them aside; when a bound is
 * passed, the next record begins with a commit, reads the oldest of that tenant and drops them.
 *
 * A commit that nobody asked for costs all tenants some milliseconds, so each is to be worth it:
 * an eighth of the bytes goes at once, and age may be passed by an eighth of it, an hour at most.
 */
#include "engine/engine_state.h"

#include "core/base/assert.h"

enum {
    ROW_KEY_BYTES_MAX = KEPT_SUM_KEY_BYTES + 16,
    ROW_BYTES_MAX = 8 + 4 + 4 + TENANT_BYTES_MAX,
    ASIDE_KEY_BYTES_MAX = TENANT_BYTES_MAX + 16,
    EFFECT_BYTES_MAX = 1024, /* of one row: far below */
    /* More than a record can add, of which each has 128 bytes and more of a batch. */
    DROPS_PER_RECORD_MAX = BATCH_BYTES_MAX / 128,
    PAGE_BYTES = 4096,
    VALUE_IN_PAGE_BYTES_MAX = 2000, /* LMDB gives larger ones pages of their own */
    BESIDE_BYTES = 256,             /* keys, the row of KEPT, and what LMDB adds */
};
#define AGE_SLACK_NS_MAX NS_PER_HOUR

struct status kept_init(struct kept *kept, uint64_t bytes_max, struct arena *arena) {
    *kept = (struct kept){.next_ns = UINT64_MAX,
                          .bytes_max = bytes_max != 0 ? bytes_max : KEPT_BYTES_MAX};
    for (int kind = 0; kind < KEPT_KINDS; kind++) {
        kept->level[kind] = UINT64_MAX;
        kept->sums[kind] = ARENA_ARRAY(arena, struct kept_sum, KEPT_PLACES);
        if (kept->sums[kind] == NULL) {
            return status_of(STATUS_FULL);
        }
    }
    return status_ok();
}

/* What a row costs on the disk, about. */
static uint64_t cost_of(size_t bytes) {
    bool has_pages = bytes > VALUE_IN_PAGE_BYTES_MAX;
    return BESIDE_BYTES + (has_pages ? (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES : bytes);
}

/* --- Rows --- */

struct slice kept_sum_key(enum kept_kind kind, uint32_t place, uint8_t memory[KEPT_SUM_KEY_BYTES]) {
    struct writer writer = writer_over(memory, KEPT_SUM_KEY_BYTES);
    writer_u8(&writer, (uint8_t)kind);
    writer_u32_big_endian(&writer, place == KEPT_BEYOND ? UINT32_MAX : place);
    ASSERT(!writer.failed);
    return writer_slice(&writer);
}

static struct slice row_key(enum kept_kind kind, uint32_t place, const struct kept_row *row,
                            uint8_t memory[ROW_KEY_BYTES_MAX]) {
    (void)kept_sum_key(kind, place, memory);
    struct writer writer =
        writer_over(memory + KEPT_SUM_KEY_BYTES, ROW_KEY_BYTES_MAX - KEPT_SUM_KEY_BYTES);
    if (kind == KEPT_DEAD) { /* a letter may have been tried for days: numbers are in no order */
        writer_u64_big_endian(&writer, row->at_ns);
        writer_u64_big_endian(&writer, row->number);
    } else {
        writer_u64_big_endian(&writer, row->number);
        writer_u32_big_endian(&writer, row->index);
    }
    ASSERT(!writer.failed);
    return slice_of(memory, KEPT_SUM_KEY_BYTES + writer.size);
}

/* False for a key that is none of a row. */
static bool read_row_key(enum kept_kind kind, struct slice key, struct kept_row *row_out) {
    struct reader reader = reader_over(slice_tail(key, KEPT_SUM_KEY_BYTES));
    *row_out = (struct kept_row){0};
    if (kind == KEPT_DEAD) {
        row_out->at_ns = reader_u64_big_endian(&reader);
        row_out->number = reader_u64_big_endian(&reader);
    } else {
        row_out->number = reader_u64_big_endian(&reader);
        row_out->index = reader_u32_big_endian(&reader);
    }
    return !reader.failed && reader_left(&reader) == 0;
}

static void emit_sum(struct engine *engine, enum kept_kind kind, uint32_t place) {
    const struct kept_sum *sum = &engine->kept.sums[kind][place];
    uint8_t key[KEPT_SUM_KEY_BYTES];
    uint8_t row[24];
    struct writer writer = writer_over(row, sizeof(row));
    writer_u64(&writer, sum->rows);
    writer_u64(&writer, sum->bytes);
    writer_u64(&writer, sum->oldest_ns);
    ASSERT(!writer.failed);
    effect_put(&engine->effects, STORE_TABLE_KEPT, kept_sum_key(kind, place, key),
               writer_slice(&writer));
}

static void subtract(struct engine *engine, enum kept_kind kind, uint32_t place, uint64_t cost) {
    struct kept_sum *sum = &engine->kept.sums[kind][place];
    bool is_last = sum->rows <= 1;
    uint64_t bytes = cost < sum->bytes && !is_last ? cost : sum->bytes;
    engine->kept.bytes[kind] -= bytes;
    if (is_last) {
        *sum = (struct kept_sum){0};
        return;
    }
    sum->bytes -= bytes;
    sum->rows--;
}

/* --- Bounds --- */

struct bounds {
    uint64_t age_ns;
    uint64_t bytes;
};

static struct bounds bounds_of(const struct engine *engine, enum kept_kind kind, uint32_t place) {
    const struct policy *policy =
        place == KEPT_BEYOND ? &engine->policies.defaults : engine->tenants.items[place].policy;
    return kind == KEPT_DEAD
               ? (struct bounds){policy->dead_age_ns_max, policy->dead_bytes_max}
               : (struct bounds){policy->quarantine_age_ns_max, policy->quarantine_bytes_max};
}

/* The most that each may have, so that all together have an eighth less than they may: no trim is
 * due again before that is filled. It is the same for all, and whoever has less leaves the rest to
 * the others. UINT64_MAX while they have no more than they may. */
static uint64_t level_of(const struct kept *kept, enum kept_kind kind) {
    if (kept->bytes[kind] <= kept->bytes_max) {
        return UINT64_MAX;
    }
    uint64_t wanted = kept->bytes_max - kept->bytes_max / 8;
    uint64_t low = 0;
    uint64_t high = wanted;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        uint64_t sum = 0;
        for (uint32_t place = 0; place < KEPT_PLACES; place++) {
            uint64_t bytes = kept->sums[kind][place].bytes;
            sum += bytes < middle ? bytes : middle;
        }
        low = sum <= wanted ? middle : low;
        high = sum <= wanted ? high : middle - 1;
    }
    return low;
}

/* When rows of it are to go; UINT64_MAX: never. */
static uint64_t due_ns(const struct engine *engine, enum kept_kind kind, uint32_t place) {
    const struct kept_sum *sum = &engine->kept.sums[kind][place];
    if (sum->rows == 0) {
        return UINT64_MAX;
    }
    struct bounds bounds = bounds_of(engine, kind, place);
    uint64_t level = engine->kept.level[kind];
    if (sum->bytes > (level < bounds.bytes ? level : bounds.bytes) && sum->rows > 1) {
        return engine->now_ns;
    }
    uint64_t slack_ns = bounds.age_ns / 8;
    return sum->oldest_ns + bounds.age_ns +
           (slack_ns < AGE_SLACK_NS_MAX ? slack_ns : AGE_SLACK_NS_MAX);
}

/* The places in turn: of the tenants that are known, then that of all others. */
static uint32_t next_place(const struct engine *engine, uint32_t place) {
    return place + 1 < engine->tenants.count || place == KEPT_BEYOND ? place + 1 : KEPT_BEYOND;
}

static uint32_t first_place(const struct engine *engine) {
    return engine->tenants.count > 0 ? 0 : KEPT_BEYOND;
}

void engine_kept_schedule(struct engine *engine) {
    uint64_t next_ns = UINT64_MAX;
    for (int kind = 0; kind < KEPT_KINDS; kind++) {
        engine->kept.level[kind] = level_of(&engine->kept, (enum kept_kind)kind);
        for (uint32_t place = first_place(engine); place < KEPT_PLACES;
             place = next_place(engine, place)) {
            uint64_t at_ns = due_ns(engine, (enum kept_kind)kind, place);
            next_ns = at_ns < next_ns ? at_ns : next_ns;
        }
    }
    engine->kept.next_ns = next_ns;
}

bool engine_kept_is_due(struct engine *engine, uint64_t now_ns) {
    if (engine->kept.next_ns > now_ns) {
        return false;
    }
    engine_kept_schedule(engine);
    return engine->kept.next_ns <= now_ns;
}

/* --- Adding and removing --- */

static uint32_t place_of(struct engine *engine, struct slice tenant) {
    const struct tenant *known = tenants_find(&engine->tenants, tenant);
    return known != NULL ? tenants_number(&engine->tenants, known) : KEPT_BEYOND;
}

void engine_kept_add(struct engine *engine, enum kept_kind kind, struct slice tenant,
                     const struct kept_row *row) {
    uint32_t place = place_of(engine, tenant);
    struct kept_sum *sum = &engine->kept.sums[kind][place];
    uint8_t key[ROW_KEY_BYTES_MAX];
    uint8_t value[ROW_BYTES_MAX];
    struct writer writer = writer_over(value, sizeof(value));
    uint64_t cost = cost_of(row->bytes);
    writer_u64(&writer, row->at_ns);
    writer_u32(&writer, (uint32_t)cost);
    writer_text(&writer, tenant);
    ASSERT(!writer.failed);
    effect_put(&engine->effects, STORE_TABLE_KEPT, row_key(kind, place, row, key),
               writer_slice(&writer));
    sum->oldest_ns = sum->rows == 0 || row->at_ns < sum->oldest_ns ? row->at_ns : sum->oldest_ns;
    sum->rows++;
    sum->bytes += cost;
    engine->kept.bytes[kind] += cost;
    emit_sum(engine, kind, place);
    uint64_t at_ns = engine->kept.bytes[kind] > engine->kept.bytes_max
                         ? engine->now_ns /* anybody's may be too many */
                         : due_ns(engine, kind, place);
    engine->kept.next_ns = at_ns < engine->kept.next_ns ? at_ns : engine->kept.next_ns;
}

void engine_kept_remove(struct engine *engine, enum kept_kind kind, struct slice tenant,
                        const struct kept_row *row) {
    uint32_t place = place_of(engine, tenant);
    uint8_t key[ROW_KEY_BYTES_MAX];
    effect_delete(&engine->effects, STORE_TABLE_KEPT, row_key(kind, place, row, key));
    subtract(engine, kind, place, cost_of(row->bytes));
    emit_sum(engine, kind, place);
}

/* --- Dropping the oldest --- */

static const enum store_table aside_table[KEPT_KINDS] = {
    [KEPT_QUARANTINE] = STORE_TABLE_QUARANTINE, [KEPT_DEAD] = STORE_TABLE_DEAD};

struct drop {
    struct store_snapshot *snapshot;
    enum kept_kind kind;
    uint32_t place;
    uint64_t bytes_wanted; /* until no more are left than this */
    uint64_t died_ns;      /* who was put aside by then goes in any case */
    uint32_t *left;        /* drops that the record may still do */
    uint32_t count;
    char tenant[TENANT_BYTES_MAX]; /* of the latest */
    size_t tenant_size;
};

static bool is_wanted(const struct engine *engine, const struct drop *drop, uint64_t at_ns) {
    const struct kept_sum *sum = &engine->kept.sums[drop->kind][drop->place];
    bool is_over = sum->rows > 1 && sum->bytes > drop->bytes_wanted;
    return *drop->left > 0 && (is_over || at_ns <= drop->died_ns);
}

/* The key in QUARANTINE or DEAD of what the row stands for. */
static struct slice aside_key(enum kept_kind kind, struct slice tenant, const struct kept_row *row,
                              uint8_t memory[ASIDE_KEY_BYTES_MAX]) {
    struct writer key = writer_over(memory, ASIDE_KEY_BYTES_MAX);
    if (kind == KEPT_DEAD) {
        writer_u64_big_endian(&key, row->number);
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
    *cost_out = (uint32_t)cost_of(status_is_ok(status) ? value.size : 0);
    *tenant_out = tenant;
}

/* Drops the row unless it may stay, with all that are younger: END. */
static struct status drop_row(struct engine *engine, struct drop *drop, struct slice key,
                              struct slice value, struct fault *fault) {
    uint8_t memory[ASIDE_KEY_BYTES_MAX];
    struct kept_row row;
    if (!read_row_key(drop->kind, key, &row)) {
        return status_ok(); /* the sum, which stands before them */
    }
    struct reader reader = reader_over(value);
    row.at_ns = reader_u64(&reader);
    uint32_t cost = reader_u32(&reader);
    struct slice tenant = reader_text(&reader);
    bool is_damaged = reader.failed || tenant.size > TENANT_BYTES_MAX;
    if (is_damaged) {
        read_by_key(engine, drop, &row, &cost, &tenant);
    } else if (!is_wanted(engine, drop, row.at_ns)) {
        engine->kept.sums[drop->kind][drop->place].oldest_ns = row.at_ns;
        return status_of(STATUS_END);
    }
    TRY(engine_make_room(engine, EFFECT_BYTES_MAX, fault));
    effect_delete(&engine->effects, aside_table[drop->kind],
                  aside_key(drop->kind, tenant, &row, memory));
    effect_delete(&engine->effects, STORE_TABLE_KEPT, key);
    subtract(engine, drop->kind, drop->place, cost);
    memcpy(drop->tenant, tenant.data, tenant.size);
    drop->tenant_size = tenant.size;
    drop->count++;
    *drop->left -= *drop->left > 0 ? 1 : 0;
    return status_ok();
}

/* Without bytes when they are damaged. A damaged page is IO: there is no key to go by, and CORRUPT
 * would say of the record that it is none. */
static struct status next_row(struct store_cursor *cursor, struct slice *key_out,
                              struct slice *value_out, struct fault *fault) {
    *key_out = *value_out = slice_of(NULL, 0);
    struct status status = store_cursor_next(cursor, key_out, value_out);
    if (status.code != STATUS_CORRUPT) {
        return status;
    }
    *value_out = slice_of(NULL, 0);
    return key_out->size > 0 ? status_ok()
                             : fault_set(fault, STATUS_IO, "a page of table kept cannot be read");
}

static struct status drop_rows(struct engine *engine, struct drop *drop,
                               struct store_cursor *cursor, struct fault *fault) {
    for (;;) {
        struct slice key;
        struct slice value;
        struct status status = next_row(cursor, &key, &value, fault);
        if (status.code == STATUS_END) { /* none is left */
            struct kept_sum *sum = &engine->kept.sums[drop->kind][drop->place];
            sum->rows = sum->rows > 1 ? 1 : sum->rows;
            subtract(engine, drop->kind, drop->place, sum->bytes);
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

static void tell(struct engine *engine, const struct drop *drop) {
    static const char *const words[KEPT_KINDS] = {
        [KEPT_QUARANTINE] = "records of the quarantine", [KEPT_DEAD] = "dead letters"};
    static const char *const sections[KEPT_KINDS] = {
        [KEPT_QUARANTINE] = "quarantine", [KEPT_DEAD] = "dead_letters"};
    uint64_t count = 0;
    struct tally *tally = &engine->kept.dropped[drop->kind];
    if (drop->place != KEPT_BEYOND) {
        tenant_count(&engine->tenants, &engine->tenants.items[drop->place],
                     drop->kind == KEPT_DEAD ? TENANT_COUNTER_DEAD_LETTERS_DROPPED
                                             : TENANT_COUNTER_QUARANTINE_DROPPED,
                     drop->count);
    } else if (engine->stats != NULL) { /* they have no counters */
        stats_add(engine->stats, STAT_KEPT_DROPPED_BEYOND, drop->count);
    }
    tally->untold += drop->count - 1;
    if (tally_add(tally, engine->now_ns, &count)) {
        log_write(engine->logger, LOG_LEVEL_WARNING, "engine",
                  "%llu %s were dropped, the oldest of their tenants, the latest of tenant %.*s: "
                  "see %s.retention and %s.retention_bytes",
                  (unsigned long long)count, words[drop->kind], (int)drop->tenant_size,
                  drop->tenant, sections[drop->kind], sections[drop->kind]);
    }
}

static struct status trim(struct engine *engine, struct store_snapshot *snapshot,
                          enum kept_kind kind, uint32_t place, uint32_t *left,
                          struct fault *fault) {
    struct bounds bounds = bounds_of(engine, kind, place);
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
    uint8_t key[KEPT_SUM_KEY_BYTES];
    struct slice prefix = kept_sum_key(kind, place, key);
    struct store_cursor *cursor = NULL;
    TRY(store_cursor_open(snapshot, STORE_TABLE_KEPT, prefix, slice_of(NULL, 0), &cursor));
    struct status status = drop_rows(engine, &drop, cursor, fault);
    store_cursor_close(cursor);
    TRY(status);
    TRY(engine_make_room(engine, EFFECT_BYTES_MAX, fault));
    emit_sum(engine, kind, place);
    if (drop.count > 0) {
        tell(engine, &drop);
    }
    return status_ok();
}

static struct status trim_if_due(struct engine *engine, struct store_snapshot *snapshot,
                                 enum kept_kind kind, uint32_t place, uint32_t *left,
                                 struct fault *fault) {
    bool is_due = *left > 0 && due_ns(engine, kind, place) <= engine->now_ns;
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
    for (uint32_t place = first_place(engine); place < KEPT_PLACES;
         place = next_place(engine, place)) {
        TRY(trim_if_due(engine, snapshot, kind, place, left, fault));
    }
    return status_ok();
}

struct status engine_kept_trim(struct engine *engine, struct fault *fault) {
    uint32_t left = DROPS_PER_RECORD_MAX;
    struct store_snapshot *snapshot = NULL;
    struct status status = status_ok();
    TRY(store_snapshot_acquire(engine->store, &snapshot));
    for (int kind = 0; kind < KEPT_KINDS && status_is_ok(status); kind++) {
        status = trim_kind(engine, snapshot, (enum kept_kind)kind, &left, fault);
    }
    store_snapshot_release(snapshot);
    engine_kept_schedule(engine); /* what is left goes with the next record */
    return status;
}

struct hash128 engine_kept_digest(const struct engine *engine) {
    struct hash128 digest = {0};
    for (int kind = 0; kind < KEPT_KINDS; kind++) {
        for (uint32_t place = first_place(engine); place < KEPT_PLACES;
             place = next_place(engine, place)) {
            const struct kept_sum *sum = &engine->kept.sums[kind][place];
            if (sum->rows > 0) {
                digest = hash128_combine(
                    digest, hash128_of(slice_of((const uint8_t *)sum, sizeof(*sum)), place));
            }
        }
    }
    return digest;
}
