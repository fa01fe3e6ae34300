/* kept_world.c - see kept_world.h. */
#include "tests/engine/kept_world.h"

#include <stdio.h>
#include <unistd.h>

#include "core/operator.h"

/* Of tenant acme, whose sink "hook" is told at once, and of all others. */
static void apply_policies(struct world *world, struct policy *acme,
                           const struct policy *defaults) {
    struct slice sinks[] = {SLICE("hook")};
    struct policy_set set = {.defaults = *defaults, .tenants = acme, .tenants_count = 1};
    acme->tenant = SLICE("acme");
    acme->sinks = sinks;
    acme->sinks_count = 1;
    acme->group_wait_ns = 0;
    batch_clear(&world->batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(&world->batch);
    assert_status(policy_set_encode(&set, &writer), OK);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
    batch_clear(&world->batch, BATCH_EVENTS);
}

void configure(struct world *world, struct bound bound) {
    struct policy defaults = policy_default();
    struct policy acme = policy_default();
    acme.quarantine_age_ns_max = acme.dead_age_ns_max = bound.age_ns;
    acme.quarantine_bytes_max = acme.dead_bytes_max = bound.bytes;
    defaults.quarantine_bytes_max = bound.bytes;
    apply_policies(world, &acme, &defaults);
}

void add_refused(struct world *world, const char *tenant, size_t raw_bytes) {
    static uint8_t raw[64 * 1024];
    static uint8_t bytes[96 * 1024];
    struct envelope envelope = {
        .flags = ENVELOPE_REFUSED,
        .event_time_ns = world->now_ns,
        .ingest_time_ns = world->now_ns + NS_PER_S, /* as its record will be stamped */
        .tenant = slice_of_text(tenant),
        .entity = SLICE("unknown:unidentified"),
        .reason = SLICE("status: no such word"),
        .raw = slice_of(raw, raw_bytes),
        .source = SLICE("test"),
    };
    struct writer writer = writer_over(bytes, sizeof(bytes));
    assert_status(envelope_encode(&envelope, &writer), OK);
    assert_status(batch_add(&world->batch, writer_slice(&writer)), OK);
}

void refuse(struct world *world, const char *tenant, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        add_refused(world, tenant, RAW_BYTES);
        apply_record(world);
    }
}

uint32_t quarantined(struct world *world, const char *tenant, uint64_t *first_seq_out) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice key;
    struct slice value;
    uint32_t count = 0;
    uint8_t bytes[TENANT_BYTES_MAX + 1];
    struct writer prefix = writer_over(bytes, sizeof(bytes));
    writer_bytes(&prefix, slice_of_text(tenant));
    writer_u8(&prefix, 0);
    *first_seq_out = 0;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(store_cursor_open(snapshot, STORE_TABLE_QUARANTINE, writer_slice(&prefix),
                                    slice_of(NULL, 0), &cursor),
                  OK);
    while (status_is_ok(store_cursor_next(cursor, &key, &value))) {
        struct reader reader = reader_over(slice_tail(key, prefix.size));
        *first_seq_out = count++ == 0 ? reader_u64_big_endian(&reader) : *first_seq_out;
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    return count;
}

void assert_same_after_replay(struct world *world) {
    char path[96];
    struct hash128 digest = engine_digest(&world->engine);
    restart(world); /* from the last commit on */
    assert_same(engine_digest(&world->engine), digest);
    commit(world);
    struct hash128 rows = store_digest(world);
    crash(world);
    snprintf(path, sizeof(path), "%s/data.mdb", world->state_path);
    assert_int_equal(unlink(path), 0);
    start(world);
    assert_same(engine_digest(&world->engine), digest);
    assert_same(store_digest(world), rows);
}

/* As kept.c has it. */
static uint64_t cost_of(size_t bytes) {
    return 256 + (bytes > 2000 ? (bytes + 4095) / 4096 * 4096 : bytes);
}

static uint64_t read_big_endian(struct slice key, size_t at, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | key.data[at + i];
    }
    return value;
}

/* Its row is there, unless it is being dropped. */
static void assert_incident(struct store_snapshot *snapshot, struct slice tenant,
                            struct slice key) {
    uint8_t bytes[TENANT_BYTES_MAX + 32];
    struct writer name = writer_over(bytes, sizeof(bytes));
    struct slice value;
    struct incident_remains remains;
    writer_bytes(&name, tenant);
    writer_u8(&name, 0);
    writer_bytes(&name, slice_tail(key, 13));
    assert_status(store_get(snapshot, STORE_TABLE_INCIDENT, writer_slice(&name), &value), OK);
    assert_status(incident_remains_read(value, &remains), OK);
    assert_int_equal(remains.resolved_ns, read_big_endian(key, 5, 8));
}

/* What it stands for is there, and costs what it says. */
static struct kept_sum assert_row(struct store_snapshot *snapshot, struct slice key,
                                  struct slice row) {
    bool is_dead_letter = key.data[0] == KEPT_DEAD;
    struct reader reader = reader_over(row);
    struct kept_sum one = {.rows = 1, .oldest_ns = reader_u64(&reader)};
    one.bytes = reader_u32(&reader);
    struct slice tenant = reader_text(&reader);
    uint8_t bytes[TENANT_BYTES_MAX + 16];
    struct writer name = writer_over(bytes, sizeof(bytes));
    struct slice value;
    assert_false(reader.failed);
    if (key.data[0] == KEPT_INCIDENT) {
        assert_incident(snapshot, tenant, key);
        assert_int_equal(read_big_endian(key, 5, 8), one.oldest_ns);
        return one;
    }
    if (is_dead_letter) {
        writer_bytes(&name, slice_of(key.data + 13, 8));
    } else {
        engine_quarantine_key(tenant, read_big_endian(key, 5, 8),
                              (uint32_t)read_big_endian(key, 13, 4), &name);
    }
    assert_status(store_get(snapshot, is_dead_letter ? STORE_TABLE_DEAD : STORE_TABLE_QUARANTINE,
                            writer_slice(&name), &value),
                  OK);
    assert_int_equal(one.bytes, cost_of(value.size));
    assert_true(!is_dead_letter || read_big_endian(key, 5, 8) == one.oldest_ns);
    return one;
}

/* The rows of one kind and place, and the sum that stands before them. */
static uint32_t assert_place(struct world *world, struct store_snapshot *snapshot,
                             enum kept_kind kind, uint32_t place) {
    const struct kept_sum *sum = &world->engine.kept.sums[kind][place];
    struct kept_sum found = {0};
    struct store_cursor *cursor = NULL;
    struct slice key;
    struct slice row;
    uint8_t memory[KEPT_SUM_KEY_BYTES];
    struct slice prefix = kept_sum_key(kind, place, memory);
    assert_status(store_cursor_open(snapshot, STORE_TABLE_KEPT, prefix, slice_of(NULL, 0), &cursor),
                  OK);
    while (status_is_ok(store_cursor_next(cursor, &key, &row))) {
        if (key.size == KEPT_SUM_KEY_BYTES) {
            assert_int_equal(row.size, hash128_is_zero(sum->begun) ? 24 : sizeof(*sum));
            assert_memory_equal(row.data, sum, row.size);
            continue;
        }
        assert_int_equal(key.size, kind == KEPT_INCIDENT ? 29 : kind == KEPT_DEAD ? 21 : 17);
        struct kept_sum one = assert_row(snapshot, key, row);
        bool is_oldest = found.rows == 0 || one.oldest_ns < found.oldest_ns;
        found.oldest_ns = is_oldest ? one.oldest_ns : found.oldest_ns;
        found.bytes += one.bytes;
        found.rows++;
    }
    store_cursor_close(cursor);
    assert_int_equal(found.rows, sum->rows);
    assert_int_equal(found.bytes, sum->bytes);
    assert_true(sum->oldest_ns <= found.oldest_ns);
    return (uint32_t)found.rows;
}

void assert_sums(struct world *world) {
    static const enum store_table tables[KEPT_KINDS] = {
        [KEPT_QUARANTINE] = STORE_TABLE_QUARANTINE,
        [KEPT_DEAD] = STORE_TABLE_DEAD,
        [KEPT_INCIDENT] = STORE_TABLE_INCIDENT,
    };
    struct store_snapshot *snapshot = NULL;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    for (int kind = 0; kind < KEPT_KINDS; kind++) {
        uint64_t bytes = 0;
        uint32_t rows = 0;
        for (uint32_t place = 0; place < KEPT_PLACES; place++) {
            rows += assert_place(world, snapshot, (enum kept_kind)kind, place);
            bytes += world->engine.kept.sums[kind][place].bytes;
        }
        assert_int_equal(world->engine.kept.bytes[kind], bytes);
        if (kind == KEPT_INCIDENT) { /* others are open, or may be opened again */
            assert_true(rows_count(world, tables[kind]) >= rows);
        } else {
            assert_int_equal(rows_count(world, tables[kind]), rows);
        }
    }
    store_snapshot_release(snapshot);
}

void operate(struct world *world, enum operator_action action, uint64_t number) {
    const struct operator_request request = {.action = action,
                                             .incident_id = {.lo = number},
                                             .tenant = SLICE("acme"),
                                             .by = SLICE("ann")};
    batch_clear(&world->batch, BATCH_OPERATOR);
    struct writer writer = batch_entry_begin(&world->batch);
    operator_encode(&request, &writer);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
    commit(world);
}

void add_outcome(struct world *world, uint64_t number, enum outbox_result result) {
    const struct outbox_outcome outcome = {
        .number = number, .result = result, .attempts = 10, .error = SLICE("HTTP 400")};
    struct writer writer = batch_entry_begin(&world->batch);
    outbox_outcome_encode(&outcome, &writer);
    batch_entry_commit(&world->batch, writer.size);
}

void let_die(struct world *world, uint64_t number) {
    batch_clear(&world->batch, BATCH_OUTCOME);
    add_outcome(world, number, OUTBOX_DEAD);
    apply_record(world);
}

uint64_t make_dead_letters(struct world *world, uint32_t count) {
    uint64_t first = incidents_next_outbox_number(world->engine.incidents);
    for (uint32_t i = 0; i < count; i++) {
        char job[32];
        (void)snprintf(job, sizeof(job), "job:j%u", i);
        add_event(world, job, EVENT_STATUS_FAILED, job, NULL);
        apply_record(world);
        apply_tick(world, NS_PER_S);
        assert_int_equal(incidents_next_outbox_number(world->engine.incidents), first + i + 1);
        let_die(world, first + i);
    }
    return first;
}

bool is_dead(struct world *world, uint64_t number) {
    uint8_t bytes[8];
    struct writer key = writer_over(bytes, sizeof(bytes));
    struct slice value;
    struct dead_letter letter;
    struct store_snapshot *snapshot = NULL;
    writer_u64_big_endian(&key, number);
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    struct status status = store_get(snapshot, STORE_TABLE_DEAD, writer_slice(&key), &value);
    if (status_is_ok(status)) {
        assert_status(dead_letter_decode(value, &letter), OK);
        assert_slice(letter.error, "HTTP 400");
        assert_true(letter.row.size > 200);
    }
    store_snapshot_release(snapshot);
    return status_is_ok(status);
}

/* --- Resolved incidents --- */

const enum store_table incident_tables[INCIDENT_TABLES] = {
    STORE_TABLE_INCIDENT, STORE_TABLE_RECENT, STORE_TABLE_MEMBER,
    STORE_TABLE_TIMELINE, STORE_TABLE_ALIAS,  STORE_TABLE_MEMORY};

void configure_incidents(struct world *world, struct bound bound) {
    configure_reopening(world, bound, policy_default().reopen_window_ns);
}

void configure_reopening(struct world *world, struct bound bound, uint64_t reopen_window_ns) {
    const struct policy defaults = policy_default();
    struct policy acme = policy_default();
    acme.reopen_window_ns = reopen_window_ns;
    acme.incidents_age_ns_max = bound.age_ns;
    acme.incidents_bytes_max = bound.bytes;
    apply_policies(world, &acme, &defaults);
}

void tell(struct world *world, const char *tenant, const char *job, enum event_status status,
          const char *upstreams) {
    char id[32];
    (void)snprintf(id, sizeof(id), "e-%llu", (unsigned long long)world->now_ns);
    add_tenants_event(world, tenant, job, status, id, upstreams);
    apply_record(world);
}

void make_resolved(struct world *world, const char *tenant, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        char job[32];
        (void)snprintf(job, sizeof(job), "job:%s%llu", tenant, (unsigned long long)world->now_ns);
        tell(world, tenant, job, EVENT_STATUS_FAILED, NULL);
        tell(world, tenant, job, EVENT_STATUS_SUCCEEDED, NULL);
    }
    apply_tick(world, REOPEN_NS);
    commit(world);
}

void settle(struct world *world) {
    while (engine_next_due_ns(&world->engine) <= world->now_ns) {
        apply_tick(world, 0);
    }
    commit(world);
}

void assert_no_rows(struct world *world) {
    for (size_t i = 0; i < INCIDENT_TABLES; i++) {
        assert_int_equal(rows_count(world, incident_tables[i]), 0);
    }
    assert_int_equal(world->engine.kept.sums[KEPT_INCIDENT][0].rows, 0);
    assert_int_equal(world->engine.kept.bytes[KEPT_INCIDENT], 0);
}

void make_merged(struct world *world, uint32_t count, uint32_t turn) {
    char jobs[MERGED_MAX][32];
    assert_in_range(count, 1, MERGED_MAX);
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(jobs[i], sizeof(jobs[i]), "job:m%u-%u", turn, i);
        tell(world, "acme", jobs[i], EVENT_STATUS_FAILED, NULL);
    }
    commit(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), count);
    for (uint32_t i = count - 1; i > 0; i--) {
        tell(world, "acme", jobs[i], EVENT_STATUS_FAILED, jobs[i - 1]);
        apply_tick(world, 0);
        assert_int_equal(incidents_open_count(world->engine.incidents), i);
    }
    for (uint32_t i = 0; i < count; i++) {
        tell(world, "acme", jobs[i], EVENT_STATUS_SUCCEEDED, NULL);
    }
    commit(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), 0);
    assert_int_equal(rows_count(world, STORE_TABLE_ALIAS), count - 1);
}

uint32_t incident_rows(struct world *world) {
    uint32_t count = 0;
    for (size_t i = 0; i < INCIDENT_TABLES; i++) {
        count += rows_count(world, incident_tables[i]);
    }
    return count;
}
