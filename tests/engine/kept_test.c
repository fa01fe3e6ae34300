/* kept_test.c - the quarantine and the dead letters have an end: a tenant's oldest go, nobody
 * else's, and a replay lets the same go. */
#include "tests/engine/shard_world.h"

#include <stdio.h>
#include <unistd.h>

#include "core/operator.h"
#include "core/outbox.h"

enum { RAW_BYTES = 400, COST = 1200, FEW = 8 }; /* a refused record costs less than COST */

struct bound {
    uint64_t age_ns;
    uint64_t bytes;
};

/* Of acme; everybody else has the defaults, but the number of bytes. */
static void configure(struct world *world, struct bound bound) {
    struct slice sinks[] = {SLICE("hook")};
    struct policy acme = policy_default();
    struct policy_set set = {.defaults = policy_default(), .tenants = &acme, .tenants_count = 1};
    acme.tenant = SLICE("acme");
    acme.sinks = sinks;
    acme.sinks_count = 1;
    acme.group_wait_ns = 0;
    acme.quarantine_age_ns_max = acme.dead_age_ns_max = bound.age_ns;
    acme.quarantine_bytes_max = acme.dead_bytes_max = bound.bytes;
    set.defaults.quarantine_bytes_max = bound.bytes;
    batch_clear(&world->batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(&world->batch);
    assert_status(policy_set_encode(&set, &writer), OK);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
    batch_clear(&world->batch, BATCH_EVENTS);
}

static void add_refused(struct world *world, const char *tenant, size_t raw_bytes) {
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

static void refuse(struct world *world, const char *tenant, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        add_refused(world, tenant, RAW_BYTES);
        apply_record(world);
    }
}

/* What stands there of the tenant, and the oldest record's number. */
static uint32_t quarantined(struct world *world, const char *tenant, uint64_t *first_seq_out) {
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

/* What the state is after a restart, and after the journal alone, is what it was. */
static void assert_same_after_replay(struct world *world) {
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

/* The sums are those of the rows. */
static void assert_sums(struct world *world) {
    uint64_t rows = 0;
    uint32_t sums = 0;
    for (int kind = 0; kind < KEPT_KINDS; kind++) {
        uint64_t bytes = 0;
        uint32_t places = 0;
        for (uint32_t place = 0; place < KEPT_PLACES; place++) {
            const struct kept_sum *sum = &world->engine.kept.sums[kind][place];
            rows += sum->rows;
            bytes += sum->bytes;
            uint8_t key[KEPT_SUM_KEY_BYTES];
            struct slice row;
            struct store_snapshot *snapshot = NULL;
            if (sum->rows > 0) {
                assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
                struct slice name = kept_sum_key((enum kept_kind)kind, place, key);
                assert_status(store_get(snapshot, STORE_TABLE_KEPT, name, &row), OK);
                store_snapshot_release(snapshot);
            }
            places += sum->rows > 0;
        }
        sums += places;
        assert_int_equal(world->engine.kept.places[kind], places);
        assert_int_equal(world->engine.kept.bytes[kind], bytes);
    }
    uint32_t found = rows_count(world, STORE_TABLE_KEPT);
    assert_int_equal(
        rows_count(world, STORE_TABLE_QUARANTINE) + rows_count(world, STORE_TABLE_DEAD), rows);
    assert_true(found >= rows + sums); /* a sum of nothing may stay */
}

static void beyond_its_bytes_a_tenants_oldest_refused_records_go(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, FEW * COST});
    refuse(world, "rival", 5);
    refuse(world, "acme", 60);
    apply_tick(world, 0);
    commit(world);
    uint32_t count = quarantined(world, "acme", &first);
    assert_in_range(count, FEW - FEW / 4, 2 * FEW);
    assert_int_equal(first, 66 - count + 1); /* the newest are there, without a gap */
    assert_int_equal(quarantined(world, "rival", &first), 5);
    assert_int_equal(first, 2);
    assert_int_equal(counter(world, TENANT_COUNTER_EVENTS_REJECTED), 60);
    assert_int_equal(counter(world, TENANT_COUNTER_QUARANTINE_DROPPED), 60 - count);
    assert_sums(world);
    assert_same_after_replay(world);
    assert_int_equal(quarantined(world, "acme", &first), count);
}

static void what_one_record_brings_too_much_goes_at_once(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, FEW * COST});
    for (uint32_t i = 0; i < 100; i++) {
        add_refused(world, "acme", RAW_BYTES);
    }
    apply_record(world);
    assert_true(engine_next_due_ns(&world->engine) <= world->now_ns); /* a tick is made for it */
    assert_same_after_replay(world);
    assert_int_equal(quarantined(world, "acme", &first), 100);
    apply_tick(world, 0);
    commit(world);
    assert_in_range(quarantined(world, "acme", &first), 1, 2 * FEW);
    assert_true(engine_next_due_ns(&world->engine) > world->now_ns);
    assert_sums(world);
    assert_same_after_replay(world);
}

static void what_is_too_old_goes_soon_after(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){8 * NS_PER_HOUR, GIB});
    refuse(world, "acme", 3);
    refuse(world, "rival", 1); /* keeps it for 30 days */
    apply_tick(world, 8 * NS_PER_HOUR + 50 * NS_PER_MINUTE);
    refuse(world, "acme", 1);
    commit(world);
    assert_int_equal(quarantined(world, "acme", &first), 4);
    uint64_t due_ns = engine_next_due_ns(&world->engine);
    assert_in_range(due_ns - world->now_ns, 1, 10 * NS_PER_MINUTE);
    apply_tick(world, 10 * NS_PER_MINUTE);
    commit(world);
    assert_int_equal(quarantined(world, "acme", &first), 1);
    assert_int_equal(first, 7);
    assert_int_equal(quarantined(world, "rival", &first), 1);
    assert_int_equal(counter(world, TENANT_COUNTER_QUARANTINE_DROPPED), 3);
    assert_same_after_replay(world);
    apply_tick(world, 10 * NS_PER_HOUR);
    commit(world);
    assert_int_equal(quarantined(world, "acme", &first), 0);
    assert_sums(world);
    assert_same_after_replay(world);
}

static void the_newest_stays_however_large_it_is(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, FEW * COST});
    refuse(world, "acme", 3);
    add_refused(world, "acme", 60 * 1024);
    apply_record(world);
    for (int i = 0; i < 3; i++) {
        apply_tick(world, 0);
        commit(world);
        assert_int_equal(quarantined(world, "acme", &first), 1);
        assert_int_equal(first, 5);
    }
    assert_true(engine_next_due_ns(&world->engine) > world->now_ns);
    assert_same_after_replay(world);
}

static void operate(struct world *world, enum operator_action action, uint64_t number) {
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

static void what_an_operator_drops_makes_room(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, FEW * COST});
    refuse(world, "acme", 3);
    uint64_t bytes = world->engine.kept.bytes[KEPT_QUARANTINE];
    for (uint64_t number = 2; number < 5; number++) {
        operate(world, OPERATOR_DROP_QUARANTINED, number);
        operate(world, OPERATOR_DROP_QUARANTINED, number); /* is not there any more */
        uint64_t left = (4 - number) * bytes / 3;
        assert_int_equal(world->engine.kept.bytes[KEPT_QUARANTINE], left);
    }
    assert_int_equal(quarantined(world, "acme", &first), 0);
    assert_int_equal(counter(world, TENANT_COUNTER_QUARANTINE_DROPPED), 0); /* not by itself */
    assert_sums(world);
    assert_same_after_replay(world);
}

/* --- Dead letters --- */

static void let_die(struct world *world, uint64_t number) {
    const struct outbox_outcome outcome = {
        .number = number, .result = OUTBOX_DEAD, .attempts = 10, .error = SLICE("HTTP 400")};
    batch_clear(&world->batch, BATCH_OUTCOME);
    struct writer writer = batch_entry_begin(&world->batch);
    outbox_outcome_encode(&outcome, &writer);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
}

/* As many incidents, each told to a sink that does not take it. */
static uint64_t make_dead_letters(struct world *world, uint32_t count) {
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

static bool is_dead(struct world *world, uint64_t number) {
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

static void beyond_their_bytes_the_oldest_dead_letters_go(void **state) {
    struct world *world = *state;
    configure(world, (struct bound){NS_PER_DAY, FEW * COST});
    uint64_t first = make_dead_letters(world, 40);
    apply_tick(world, 0);
    commit(world);
    uint32_t count = rows_count(world, STORE_TABLE_DEAD);
    assert_in_range(count, 2, 2 * FEW);
    for (uint64_t i = 0; i < 40; i++) {
        assert_int_equal(is_dead(world, first + i), i >= 40 - count);
    }
    assert_int_equal(counter(world, TENANT_COUNTER_DELIVERIES_DEAD), 40);
    assert_int_equal(counter(world, TENANT_COUNTER_DEAD_LETTERS_DROPPED), 40 - count);
    operate(world, OPERATOR_RETRY_DEAD, first + 39);
    assert_int_equal(rows_count(world, STORE_TABLE_DEAD), count - 1);
    assert_int_equal(rows_count(world, STORE_TABLE_OUTBOX), 1);
    assert_sums(world);
    assert_same_after_replay(world);
}

/* --- Directories of before --- */

static void forget_kept(struct world *world, uint32_t left) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice none = {0};
    struct slice key;
    struct slice row;
    uint32_t count = 0;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(store_cursor_open(snapshot, STORE_TABLE_KEPT, none, none, &cursor), OK);
    assert_status(store_begin(world->store, &world->fault), OK);
    while (status_is_ok(store_cursor_next(cursor, &key, &row))) {
        if (count++ >= left) {
            assert_status(store_delete(world->store, STORE_TABLE_KEPT, key, &world->fault), OK);
        }
    }
    assert_status(store_delete(world->store, STORE_TABLE_META, SLICE("kept"), &world->fault), OK);
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    assert_status(store_commit(world->store, &world->fault), OK);
}

/* Also when a start before died in the middle of it. */
static void what_stood_there_before_there_were_bounds_is_bounded_too(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, GIB});
    refuse(world, "acme", 40);
    refuse(world, "rival", 2);
    (void)make_dead_letters(world, 3);
    commit(world);
    struct hash128 rows = store_digest(world);
    struct hash128 digest = engine_digest(&world->engine);
    for (uint32_t left = 0; left < 12; left += 3) {
        forget_kept(world, left);
        restart(world);
        assert_same(engine_digest(&world->engine), digest);
        assert_same(store_digest(world), rows);
    }
    configure(world, (struct bound){NS_PER_DAY, FEW * COST}); /* a bound that is lowered */
    apply_tick(world, 0);
    commit(world);
    assert_in_range(quarantined(world, "acme", &first), 1, 2 * FEW);
    assert_int_equal(quarantined(world, "rival", &first), 2);
    assert_same_after_replay(world);
}

/* --- All tenants --- */

/* Whoever has no more than an equal part loses nothing, how much the others ever have. */
static void when_all_have_too_much_the_largest_give_way(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, GIB});
    world->engine.kept.bytes_max = 40 * COST;
    refuse(world, "rival", 6);
    refuse(world, "acme", 120);
    refuse(world, "other", 120);
    apply_tick(world, 0);
    commit(world);
    assert_int_equal(quarantined(world, "rival", &first), 6);
    uint32_t acme = quarantined(world, "acme", &first);
    uint32_t other = quarantined(world, "other", &first);
    assert_in_range(acme, 10, 40);
    assert_in_range(other, 10, 40);
    assert_true(world->engine.kept.bytes[KEPT_QUARANTINE] <= 40 * COST);
    assert_int_equal(counter(world, TENANT_COUNTER_QUARANTINE_DROPPED), 120 - acme);
    assert_sums(world);
    struct hash128 digest = engine_digest(&world->engine);
    restart(world);
    assert_same(engine_digest(&world->engine), digest);
    assert_int_equal(world->engine.kept.places[KEPT_QUARANTINE], 3);
}

static void tenants_too_many_share_one_bound(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, FEW * COST});
    for (uint32_t number = 0; number < TENANTS_MAX; number++) {
        char tenant[16];
        (void)snprintf(tenant, sizeof(tenant), "t%u", number);
        add_log(world, tenant, tenant, "request handled");
        if ((number + 1) % 512 == 0) {
            apply_record(world);
        }
    }
    refuse(world, "t7", 2);
    for (uint32_t number = 0; number < 60; number++) {
        char tenant[16];
        (void)snprintf(tenant, sizeof(tenant), "late%u", number);
        refuse(world, tenant, 1);
    }
    apply_tick(world, 0);
    commit(world);
    assert_int_equal(quarantined(world, "t7", &first), 2);
    assert_int_equal(quarantined(world, "late0", &first), 0);
    assert_int_equal(quarantined(world, "late59", &first), 1);
    uint32_t count = rows_count(world, STORE_TABLE_QUARANTINE);
    assert_in_range(count, 3, 2 * FEW + 2);
    assert_int_equal(stats_get(&world->stats, STAT_KEPT_DROPPED_BEYOND), 62 - count);
    assert_sums(world);
    assert_same_after_replay(world);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(beyond_its_bytes_a_tenants_oldest_refused_records_go),
        TEST(what_one_record_brings_too_much_goes_at_once),
        TEST(what_is_too_old_goes_soon_after),
        TEST(the_newest_stays_however_large_it_is),
        TEST(what_an_operator_drops_makes_room),
        TEST(beyond_their_bytes_the_oldest_dead_letters_go),
        TEST(what_stood_there_before_there_were_bounds_is_bounded_too),
        TEST(when_all_have_too_much_the_largest_give_way),
        TEST(tenants_too_many_share_one_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
