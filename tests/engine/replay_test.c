/* replay_test.c - what a shard knows after a crash is what it knew: journal, state, poison. */
#include "tests/engine/shard_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* --- Tests --- */

static void what_was_not_committed_is_replayed_to_the_same_state(void **state) {
    struct world *world = *state;
    add_storm(world);
    apply_record(world);
    commit(world);
    add_event(world, "job:extract", EVENT_STATUS_SUCCEEDED, "e-4", NULL);
    add_event(world, "job:other", EVENT_STATUS_FAILED, "e-5", NULL);
    apply_record(world);
    struct hash128 digest = engine_digest(&world->engine);
    assert_int_equal(world->engine.applied_seq, 2);
    assert_int_equal(world->engine.committed_seq, 1);
    restart(world);
    assert_int_equal(world->engine.applied_seq, 2);
    assert_int_equal(world->engine.now_ns, world->now_ns);
    assert_same(engine_digest(&world->engine), digest);
    assert_int_equal(counter(world, TENANT_COUNTER_EVENTS_ACCEPTED), 5);
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_OPENED), 2);
}

static void a_state_that_is_lost_is_made_anew_row_by_row(void **state) {
    struct world *world = *state;
    char path[96];
    add_storm(world);
    apply_record(world);
    commit(world);
    apply_tick(world, NS_PER_MINUTE); /* the incident is told */
    commit(world);
    add_event(world, "job:extract", EVENT_STATUS_SUCCEEDED, "e-4", NULL);
    apply_record(world);
    commit(world);
    struct hash128 rows = store_digest(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 1);
    assert_int_equal(rows_count(world, STORE_TABLE_EVENT_ID), 2);
    assert_true(rows_count(world, STORE_TABLE_TIMELINE) > 0);
    crash(world);
    snprintf(path, sizeof(path), "%s/data.mdb", world->state_path);
    assert_int_equal(unlink(path), 0);
    start(world);
    assert_int_equal(world->engine.applied_seq, 3);
    assert_same(store_digest(world), rows);
}

static void a_committed_record_is_not_applied_again(void **state) {
    struct world *world = *state;
    add_storm(world);
    apply_record(world);
    commit(world);
    struct hash128 rows = store_digest(world);
    struct hash128 digest = engine_digest(&world->engine);
    for (int i = 0; i < 3; i++) {
        restart(world);
        assert_int_equal(world->engine.applied_seq, 1);
        assert_same(engine_digest(&world->engine), digest);
        assert_same(store_digest(world), rows);
        assert_int_equal(counter(world, TENANT_COUNTER_EVENTS_RECEIVED), 3);
        assert_int_equal(counter(world, TENANT_COUNTER_SIGNALS_TOTAL), 3);
    }
}

/* The answer was lost with the process: the client sends its batch once more. */
static void a_batch_sent_again_after_a_restart_changes_nothing(void **state) {
    struct world *world = *state;
    add_storm(world);
    apply_record(world);
    apply_tick(world, NS_PER_S); /* what one record makes due, the next one does */
    commit(world);
    restart(world);
    struct hash128 digest = engine_digest(&world->engine);
    add_storm(world);
    apply_record(world);
    assert_same(engine_digest(&world->engine), digest);
    assert_int_equal(counter(world, TENANT_COUNTER_EVENTS_DUPLICATE), 3);
    assert_int_equal(counter(world, TENANT_COUNTER_SIGNALS_TOTAL), 3);
    /* Also when it is replayed. */
    restart(world);
    assert_same(engine_digest(&world->engine), digest);
    assert_int_equal(counter(world, TENANT_COUNTER_EVENTS_DUPLICATE), 3);
}

static void event_ids_survive_a_restart_until_their_horizon(void **state) {
    struct world *world = *state;
    add_event(world, "job:extract", EVENT_STATUS_FAILED, "e-1", NULL);
    apply_record(world);
    commit(world);
    restart(world);
    assert_int_equal(event_ids_count(world->engine.event_ids), 1);
    add_event(world, "job:elsewhere", EVENT_STATUS_FAILED, "e-1", NULL);
    add_event(world, "job:extract", EVENT_STATUS_FAILED, "e-2", NULL);
    apply_record(world);
    assert_int_equal(counter(world, TENANT_COUNTER_EVENTS_DUPLICATE), 1);
    assert_int_equal(counter(world, TENANT_COUNTER_SIGNALS_TOTAL), 2);
    commit(world);
    restart(world);
    world->now_ns += 2 * NS_PER_HOUR; /* idempotency.horizon is 1 h */
    add_event(world, "job:extract", EVENT_STATUS_FAILED, "e-1", NULL);
    apply_record(world);
    assert_int_equal(counter(world, TENANT_COUNTER_EVENTS_DUPLICATE), 1);
    assert_int_equal(counter(world, TENANT_COUNTER_SIGNALS_TOTAL), 3);
}

/* --- Rows of a former format --- */

/* DEDUP_KEY's row as DEDUP had it. */
static void put_old_row(struct world *world, struct slice row) {
    struct reader reader = reader_over(row);
    struct hash128 fingerprint = reader_hash128(&reader);
    uint64_t first_ns = reader_u64(&reader) * NS_PER_MS;
    uint64_t expires_ns = first_ns + reader_u32(&reader) * NS_PER_MS;
    uint64_t count = reader_u32(&reader);
    uint32_t node = reader_u32(&reader);
    uint8_t key_bytes[16];
    uint8_t row_bytes[56];
    struct writer key = writer_over(key_bytes, sizeof(key_bytes));
    struct writer old = writer_over(row_bytes, sizeof(row_bytes));
    writer_hash128(&key, fingerprint);
    writer_u64(&old, first_ns);
    writer_u64(&old, first_ns);
    writer_u64(&old, expires_ns);
    writer_u64(&old, count);
    writer_hash128(&old, graph_get_node(world->engine.graph, node).key);
    writer_u32(&old, reader_u32(&reader));
    writer_u32(&old, 0);
    assert_status(store_put(world->store, STORE_TABLE_DEDUP, writer_slice(&key), writer_slice(&old),
                            &world->fault),
                  OK);
}

/* The first `kept` of the new rows stay: a process died when it had written so many of them. */
static void write_old_dedup_rows(struct world *world, uint32_t kept) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice none = {0};
    struct slice key;
    struct slice row;
    uint32_t count = 0;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(store_cursor_open(snapshot, STORE_TABLE_DEDUP_KEY, none, none, &cursor), OK);
    assert_status(store_begin(world->store, &world->fault), OK);
    while (status_is_ok(store_cursor_next(cursor, &key, &row))) {
        put_old_row(world, row);
        if (count++ >= kept) {
            assert_status(store_delete(world->store, STORE_TABLE_DEDUP_KEY, key, &world->fault),
                          OK);
        }
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    assert_status(store_commit(world->store, &world->fault), OK);
}

static void dedup_rows_of_a_former_format_are_replaced(void **state) {
    struct world *world = *state;
    add_storm(world);
    apply_record(world);
    commit(world);
    for (uint32_t kept = 0; kept < 3; kept++) {
        write_old_dedup_rows(world, kept);
        assert_int_equal(rows_count(world, STORE_TABLE_DEDUP), 3);
        restart(world);
        assert_int_equal(rows_count(world, STORE_TABLE_DEDUP), 0);
        assert_int_equal(rows_count(world, STORE_TABLE_DEDUP_KEY), 3);
    }
    struct hash128 digest = engine_digest(&world->engine);
    restart(world);
    assert_same(engine_digest(&world->engine), digest);
    add_event(world, "job:load", EVENT_STATUS_FAILED, "e-4", NULL);
    add_event(world, "job:extract", EVENT_STATUS_SUCCEEDED, "e-5", NULL);
    add_event(world, "job:extract", EVENT_STATUS_FAILED, "e-6", NULL);
    apply_record(world);
    assert_int_equal(counter(world, TENANT_COUNTER_SIGNALS_TOTAL), 5);
    assert_int_equal(counter(world, TENANT_COUNTER_SIGNALS_SUPPRESSED), 1);
}

/* The process dies in the middle of the record: what the crash handler does. */
static void die_while_applying(struct world *world, uint64_t seq) {
    poison_enter(&world->engine.poison, seq);
    poison_mark_crash(world->engine.poison.page);
    crash(world);
}

static void a_record_that_crashed_once_is_tried_again(void **state) {
    struct world *world = *state;
    add_storm(world);
    (void)write_record(world);
    die_while_applying(world, 1);
    start(world);
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_OPENED), 1);
    assert_int_equal(rows_count(world, STORE_TABLE_QUARANTINE), 0);
}

static void a_record_that_crashed_twice_goes_to_the_quarantine(void **state) {
    struct world *world = *state;
    add_event(world, "job:before", EVENT_STATUS_FAILED, "e-0", NULL);
    apply_record(world);
    commit(world);
    add_storm(world);
    (void)write_record(world);
    add_event(world, "job:behind", EVENT_STATUS_FAILED, "e-9", NULL);
    (void)write_record(world);
    die_while_applying(world, 2);
    struct poison poison = {0};
    assert_status(poison_open(world->poison_path, &poison, &world->fault), OK);
    poison_enter(&poison, 2);
    poison_mark_crash(poison.page); /* the second time, while it is replayed */
    poison_close(&poison);
    start(world);
    assert_int_equal(world->engine.applied_seq, 3);
    assert_int_equal(rows_count(world, STORE_TABLE_QUARANTINE), 3);
    assert_int_equal(counter(world, TENANT_COUNTER_SIGNALS_TOTAL), 2); /* before and behind it */
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_OPENED), 2);
    struct hash128 rows = store_digest(world);
    restart(world); /* it stays there, once */
    assert_same(store_digest(world), rows);
}

/* --- The audit --- */

static void add_audit_line(struct world *world, uint32_t number) {
    char memory[32];
    struct text by = text_over(memory, sizeof(memory));
    text_add_u64(&by, number);
    const struct operator_request line = {.action = OPERATOR_AUDIT, .by = text_slice(&by)};
    struct writer writer = batch_entry_begin(&world->batch);
    operator_encode(&line, &writer);
    batch_entry_commit(&world->batch, writer.size);
}

static void assert_audit_line(struct world *world, uint64_t number, const char *by) {
    uint8_t key[AUDIT_KEY_BYTES];
    struct slice row;
    struct audit_entry entry;
    struct store_snapshot *snapshot = NULL;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(
        store_get(snapshot, STORE_TABLE_AUDIT, audit_key(AUDIT_CHANGES, number, key), &row), OK);
    assert_status(audit_decode(row, &entry), OK);
    assert_int_equal(entry.number, number);
    assert_slice(entry.by, by);
    store_snapshot_release(snapshot);
}

static void the_audit_keeps_its_newest_lines_over_a_crash(void **state) {
    struct world *world = *state;
    const uint32_t lines = AUDIT_ROWS_MAX + 616;
    for (uint32_t number = 0; number < lines; number += 500) {
        batch_clear(&world->batch, BATCH_OPERATOR);
        for (uint32_t i = number; i < number + 500 && i < lines; i++) {
            add_audit_line(world, i);
        }
        apply_record(world);
        if (number == 8000) {
            commit(world);
        }
    }
    restart(world); /* what was not committed comes out of the journal, with the same numbers */
    assert_int_equal(world->engine.audit_numbers[AUDIT_CHANGES], lines);
    assert_int_equal(world->engine.audit_numbers[AUDIT_REFUSALS], 0);
    commit(world);
    assert_audit_line(world, lines - 1, "16999");
    assert_audit_line(world, lines - AUDIT_ROWS_MAX, "616");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_not_committed_is_replayed_to_the_same_state),
        TEST(a_state_that_is_lost_is_made_anew_row_by_row),
        TEST(a_committed_record_is_not_applied_again),
        TEST(a_batch_sent_again_after_a_restart_changes_nothing),
        TEST(event_ids_survive_a_restart_until_their_horizon),
        TEST(dedup_rows_of_a_former_format_are_replaced),
        TEST(a_record_that_crashed_once_is_tried_again),
        TEST(a_record_that_crashed_twice_goes_to_the_quarantine),
        TEST(the_audit_keeps_its_newest_lines_over_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
