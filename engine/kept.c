/*
 * kept.c - see kept.h: the rows of table KEPT, their sums, and when something is to go.
 *
 * A commit that nobody asked for costs all tenants some milliseconds, so each is to be worth it:
 * an eighth of the bytes goes at once, and age may be passed by an eighth of it, an hour at most.
 */
#include "engine/kept_internal.h"

#include "core/base/assert.h"

enum {
    ROW_BYTES_MAX = 8 + 4 + 4 + TENANT_BYTES_MAX,
    SUM_BYTES_MAX = 24 + 8 + 16 + 8,
    PAGE_BYTES = 4096,
    VALUE_IN_PAGE_BYTES_MAX = 2000, /* LMDB gives larger ones pages of their own */
    BESIDE_BYTES = 256,             /* keys, the row of KEPT, and what LMDB adds */
};
#define AGE_SLACK_NS_MAX NS_PER_HOUR

struct status kept_init(struct kept *kept, uint64_t bytes_max, uint32_t rows_max,
                        struct arena *arena) {
    *kept = (struct kept){.next_ns = UINT64_MAX,
                          .bytes_max = bytes_max != 0 ? bytes_max : KEPT_BYTES_MAX,
                          .rows_max = rows_max != 0 ? rows_max : KEPT_ROWS_MAX};
    for (int kind = 0; kind < KEPT_KINDS; kind++) {
        kept->level[kind] = UINT64_MAX;
        kept->sums[kind] = ARENA_ARRAY(arena, struct kept_sum, KEPT_PLACES);
        if (kept->sums[kind] == NULL) {
            return status_of(STATUS_FULL);
        }
    }
    return status_ok();
}

uint32_t kept_cost_of(enum kept_kind kind, size_t bytes) {
    bool has_pages = kind != KEPT_INCIDENT && bytes > VALUE_IN_PAGE_BYTES_MAX;
    uint64_t cost =
        BESIDE_BYTES + (has_pages ? (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES : bytes);
    return cost < UINT32_MAX ? (uint32_t)cost : UINT32_MAX;
}

/* --- Rows --- */

struct slice kept_sum_key(enum kept_kind kind, uint32_t place, uint8_t memory[KEPT_SUM_KEY_BYTES]) {
    struct writer writer = writer_over(memory, KEPT_SUM_KEY_BYTES);
    writer_u8(&writer, (uint8_t)kind);
    writer_u32_big_endian(&writer, place == KEPT_BEYOND ? UINT32_MAX : place);
    ASSERT(!writer.failed);
    return writer_slice(&writer);
}

struct slice kept_row_key(enum kept_kind kind, uint32_t place, const struct kept_row *row,
                          uint8_t memory[KEPT_ROW_KEY_BYTES_MAX]) {
    (void)kept_sum_key(kind, place, memory);
    struct writer writer =
        writer_over(memory + KEPT_SUM_KEY_BYTES, KEPT_ROW_KEY_BYTES_MAX - KEPT_SUM_KEY_BYTES);
    if (kind == KEPT_DEAD) { /* a letter may have been tried for days: numbers are in no order */
        writer_u64_big_endian(&writer, row->at_ns);
        writer_u64_big_endian(&writer, row->number);
    } else if (kind == KEPT_INCIDENT) {
        writer_u64_big_endian(&writer, row->at_ns);
        writer_hash128(&writer, row->id);
    } else {
        writer_u64_big_endian(&writer, row->number);
        writer_u32_big_endian(&writer, row->index);
    }
    ASSERT(!writer.failed);
    return slice_of(memory, KEPT_SUM_KEY_BYTES + writer.size);
}

bool kept_read_row_key(enum kept_kind kind, struct slice key, struct kept_row *row_out) {
    struct reader reader = reader_over(slice_tail(key, KEPT_SUM_KEY_BYTES));
    *row_out = (struct kept_row){0};
    if (kind == KEPT_DEAD) {
        row_out->at_ns = reader_u64_big_endian(&reader);
        row_out->number = reader_u64_big_endian(&reader);
    } else if (kind == KEPT_INCIDENT) {
        row_out->at_ns = reader_u64_big_endian(&reader);
        row_out->id = reader_hash128(&reader);
    } else {
        row_out->number = reader_u64_big_endian(&reader);
        row_out->index = reader_u32_big_endian(&reader);
    }
    return !reader.failed && reader_left(&reader) == 0;
}

static struct slice sum_row(const struct kept_sum *sum, uint8_t memory[SUM_BYTES_MAX]) {
    struct writer writer = writer_over(memory, SUM_BYTES_MAX);
    writer_u64(&writer, sum->rows);
    writer_u64(&writer, sum->bytes);
    writer_u64(&writer, sum->oldest_ns);
    if (!hash128_is_zero(sum->begun)) {
        writer_u64(&writer, sum->begun_ns);
        writer_hash128(&writer, sum->begun);
        writer_u64(&writer, sum->begun_bytes);
    }
    ASSERT(!writer.failed);
    return writer_slice(&writer);
}

void kept_emit_sum(struct engine *engine, enum kept_kind kind, uint32_t place) {
    uint8_t key[KEPT_SUM_KEY_BYTES];
    uint8_t row[SUM_BYTES_MAX];
    effect_put(&engine->effects, STORE_TABLE_KEPT, kept_sum_key(kind, place, key),
               sum_row(&engine->kept.sums[kind][place], row));
}

void kept_subtract(struct engine *engine, enum kept_kind kind, uint32_t place, uint64_t cost) {
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

struct kept_bounds kept_bounds_of(const struct engine *engine, enum kept_kind kind,
                                  uint32_t place) {
    const struct policy *policy =
        place == KEPT_BEYOND ? &engine->policies.defaults : engine->tenants.items[place].policy;
    const struct kept_bounds bounds[KEPT_KINDS] = {
        [KEPT_QUARANTINE] = {policy->quarantine_age_ns_max, policy->quarantine_bytes_max},
        [KEPT_DEAD] = {policy->dead_age_ns_max, policy->dead_bytes_max},
        [KEPT_INCIDENT] = {policy->incidents_age_ns_max, policy->incidents_bytes_max},
    };
    return bounds[kind];
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

uint64_t kept_due_ns(const struct engine *engine, enum kept_kind kind, uint32_t place) {
    const struct kept_sum *sum = &engine->kept.sums[kind][place];
    if (sum->rows == 0) {
        return UINT64_MAX;
    }
    if (!hash128_is_zero(sum->begun)) {
        return engine->now_ns;
    }
    struct kept_bounds bounds = kept_bounds_of(engine, kind, place);
    uint64_t level = engine->kept.level[kind];
    if (sum->bytes > (level < bounds.bytes ? level : bounds.bytes) && sum->rows > 1) {
        return engine->now_ns;
    }
    uint64_t slack_ns = bounds.age_ns / 8;
    slack_ns = slack_ns < AGE_SLACK_NS_MAX ? slack_ns : AGE_SLACK_NS_MAX;
    uint64_t latest_ns = sum->oldest_ns + bounds.age_ns + slack_ns;
    /* Nearly every tenant has some each day: all go at the same moments, with one commit. */
    bool is_common = kind == KEPT_INCIDENT && slack_ns > 0;
    return is_common ? latest_ns / slack_ns * slack_ns : latest_ns;
}

uint32_t kept_next_place(const struct engine *engine, uint32_t place) {
    return place + 1 < engine->tenants.count || place == KEPT_BEYOND ? place + 1 : KEPT_BEYOND;
}

uint32_t kept_first_place(const struct engine *engine) {
    return engine->tenants.count > 0 ? 0 : KEPT_BEYOND;
}

void engine_kept_schedule(struct engine *engine) {
    uint64_t next_ns = UINT64_MAX;
    for (int kind = 0; kind < KEPT_KINDS; kind++) {
        engine->kept.level[kind] = level_of(&engine->kept, (enum kept_kind)kind);
        for (uint32_t place = kept_first_place(engine); place < KEPT_PLACES;
             place = kept_next_place(engine, place)) {
            uint64_t at_ns = kept_due_ns(engine, (enum kept_kind)kind, place);
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

uint32_t kept_place_of(struct engine *engine, struct slice tenant) {
    const struct tenant *known = tenants_find(&engine->tenants, tenant);
    return known != NULL ? tenants_number(&engine->tenants, known) : KEPT_BEYOND;
}

void engine_kept_add(struct engine *engine, enum kept_kind kind, struct slice tenant,
                     const struct kept_row *row) {
    uint32_t place = kept_place_of(engine, tenant);
    struct kept_sum *sum = &engine->kept.sums[kind][place];
    uint8_t key[KEPT_ROW_KEY_BYTES_MAX];
    uint8_t value[ROW_BYTES_MAX];
    struct writer writer = writer_over(value, sizeof(value));
    uint32_t cost = kept_cost_of(kind, row->bytes);
    writer_u64(&writer, row->at_ns);
    writer_u32(&writer, cost);
    writer_text(&writer, tenant);
    ASSERT(!writer.failed);
    effect_put(&engine->effects, STORE_TABLE_KEPT, kept_row_key(kind, place, row, key),
               writer_slice(&writer));
    sum->oldest_ns = sum->rows == 0 || row->at_ns < sum->oldest_ns ? row->at_ns : sum->oldest_ns;
    sum->rows++;
    sum->bytes += cost;
    engine->kept.bytes[kind] += cost;
    kept_emit_sum(engine, kind, place);
    uint64_t at_ns = engine->kept.bytes[kind] > engine->kept.bytes_max
                         ? engine->now_ns /* anybody's may be too many */
                         : kept_due_ns(engine, kind, place);
    engine->kept.next_ns = at_ns < engine->kept.next_ns ? at_ns : engine->kept.next_ns;
}

void engine_kept_remove(struct engine *engine, enum kept_kind kind, struct slice tenant,
                        const struct kept_row *row) {
    uint32_t place = kept_place_of(engine, tenant);
    uint8_t key[KEPT_ROW_KEY_BYTES_MAX];
    effect_delete(&engine->effects, STORE_TABLE_KEPT, kept_row_key(kind, place, row, key));
    kept_subtract(engine, kind, place, kept_cost_of(kind, row->bytes));
    kept_emit_sum(engine, kind, place);
}

struct hash128 engine_kept_digest(const struct engine *engine) {
    struct hash128 digest = {0};
    for (int kind = 0; kind < KEPT_KINDS; kind++) {
        for (uint32_t place = kept_first_place(engine); place < KEPT_PLACES;
             place = kept_next_place(engine, place)) {
            const struct kept_sum *sum = &engine->kept.sums[kind][place];
            if (sum->rows > 0) {
                uint8_t row[SUM_BYTES_MAX];
                digest = hash128_combine(digest, hash128_of(sum_row(sum, row), place));
            }
        }
    }
    return digest;
}
