/* kept_incident_test.c - resolved incidents have an end: a tenant's oldest go with all that hangs
 * on them, and what is open, or may be opened again, never does. */
#include "tests/engine/kept_world.h"

enum { INCIDENT_COST = 2500 }; /* of one with a single member, about */

static void what_ended_long_ago_goes_with_all_that_hangs_on_it(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    make_resolved(world, "acme", 3);
    uint32_t waiting = rows_count(world, STORE_TABLE_OUTBOX);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 3);
    assert_int_equal(waiting, 6);
    assert_sums(world);
    uint64_t due_ns = engine_next_due_ns(&world->engine);
    assert_in_range(due_ns - world->now_ns, 7 * NS_PER_HOUR, 9 * NS_PER_HOUR);
    assert_int_equal(due_ns % NS_PER_HOUR, 0); /* as of everybody: one commit for all */
    apply_tick(world, due_ns - world->now_ns);
    commit(world);
    assert_no_rows(world);
    assert_int_equal(rows_count(world, STORE_TABLE_OUTBOX), waiting); /* still to be told */
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_OPENED), 3);
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_DROPPED), 3);
    assert_sums(world);
    assert_same_after_replay(world);
}

static void what_is_open_or_may_be_opened_again_stays(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){NS_PER_S, 64 * KIB});
    tell(world, "acme", "job:open", EVENT_STATUS_FAILED, NULL);
    tell(world, "acme", "job:back", EVENT_STATUS_FAILED, NULL);
    tell(world, "acme", "job:back", EVENT_STATUS_SUCCEEDED, NULL);
    apply_tick(world, 20 * NS_PER_MINUTE);
    settle(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 2);
    tell(world, "acme", "job:back", EVENT_STATUS_FAILED, NULL); /* opened again */
    apply_tick(world, 30 * NS_PER_DAY);
    settle(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), 2);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 2);
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_DROPPED), 0);
    tell(world, "acme", "job:back", EVENT_STATUS_SUCCEEDED, NULL);
    apply_tick(world, REOPEN_NS);
    settle(world);
    apply_tick(world, NS_PER_MINUTE);
    settle(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 1);
    assert_int_equal(rows_count(world, STORE_TABLE_MEMBER), 1);
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_DROPPED), 1);
    assert_sums(world);
    assert_same_after_replay(world);
}

static void beyond_its_bytes_a_tenants_oldest_incidents_go(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){NS_PER_DAY, 20 * INCIDENT_COST});
    make_resolved(world, "rival", 30);
    make_resolved(world, "acme", 50);
    make_resolved(world, "acme", 50);
    settle(world);
    uint32_t count = rows_count(world, STORE_TABLE_INCIDENT) - 30;
    assert_in_range(count, 15, 40);
    assert_int_equal(rows_count(world, STORE_TABLE_RECENT), count + 30);
    assert_int_equal(rows_count(world, STORE_TABLE_MEMBER), count + 30);
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_DROPPED), 100 - count);
    const struct tenant *acme = tenants_find(&world->engine.tenants, SLICE("acme"));
    uint32_t place = tenants_number(&world->engine.tenants, acme);
    assert_in_range(world->engine.kept.sums[KEPT_INCIDENT][place].bytes, 1, 20 * INCIDENT_COST);
    assert_sums(world);
    assert_same_after_replay(world);
}

/* What each takes is about what its rows take. */
static void an_incident_costs_what_its_rows_have(void **state) {
    struct world *world = *state;
    uint64_t bytes = 0;
    configure_incidents(world, (struct bound){NS_PER_DAY, GIB});
    make_resolved(world, "acme", 20);
    struct store_snapshot *snapshot = NULL;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    for (size_t i = 0; i < INCIDENT_TABLES; i++) {
        struct store_cursor *cursor = NULL;
        struct slice key;
        struct slice value;
        assert_status(store_cursor_open(snapshot, incident_tables[i], (struct slice){0},
                                        (struct slice){0}, &cursor),
                      OK);
        while (status_is_ok(store_cursor_next(cursor, &key, &value))) {
            bytes += key.size + value.size + 16;
        }
        store_cursor_close(cursor);
    }
    store_snapshot_release(snapshot);
    uint64_t cost = world->engine.kept.bytes[KEPT_INCIDENT];
    assert_in_range(cost, bytes, 2 * bytes);
}

static void give_outcome(struct world *world, uint64_t number, enum outbox_result result) {
    const struct outbox_outcome outcome = {
        .number = number, .result = result, .error = SLICE("HTTP 400"), .memory = SLICE("thread")};
    batch_clear(&world->batch, BATCH_OUTCOME);
    struct writer writer = batch_entry_begin(&world->batch);
    outbox_outcome_encode(&outcome, &writer);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
}

/* --- Merged ones --- */

static void what_was_merged_goes_with_its_survivor(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    uint64_t first = incidents_next_outbox_number(world->engine.incidents);
    make_merged(world, 5, 0);
    for (uint64_t i = 0; i < 5; i++) {
        give_outcome(world, first + i, OUTBOX_DELIVERED);
    }
    apply_tick(world, 6 * NS_PER_HOUR);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_MEMORY), 5);
    assert_int_equal(rows_count(world, STORE_TABLE_ALIAS), 4);
    assert_sums(world);
    apply_tick(world, 4 * NS_PER_HOUR);
    settle(world);
    assert_no_rows(world);
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_DROPPED), 1);
    assert_same_after_replay(world);
}

static void tick_bounded(struct world *world, uint64_t span_ns, uint32_t rows_max) {
    uint32_t before = incident_rows(world);
    apply_tick(world, span_ns);
    commit(world);
    assert_in_range(before - incident_rows(world), 1, rows_max + 3); /* and what ends a timeline */
}

static void what_is_more_than_a_record_may_drop_goes_in_several(void **state) {
    struct world *world = *state;
    for (uint32_t rows = 1; rows < 12; rows += 2) {
        world->kept_rows_max = rows;
        restart(world);
        configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
        make_merged(world, 5, rows);
        make_resolved(world, "acme", 2);
        tick_bounded(world, 10 * NS_PER_HOUR, rows);
        assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 2); /* is not found any more */
        assert_int_equal(rows_count(world, STORE_TABLE_RECENT), 2);
        restart(world); /* in the middle of it */
        while (engine_next_due_ns(&world->engine) <= world->now_ns) {
            tick_bounded(world, 0, rows);
        }
        assert_no_rows(world);
        assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_DROPPED), 3 * (rows + 1) / 2);
    }
    assert_same_after_replay(world);
}

/* --- Messages --- */

static void messages_outlive_their_incident_but_leave_nothing_behind(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    uint64_t first = incidents_next_outbox_number(world->engine.incidents);
    make_resolved(world, "acme", 2);
    give_outcome(world, first, OUTBOX_DELIVERED);
    give_outcome(world, first + 2, OUTBOX_DEAD);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_MEMORY), 3); /* and that one was not heard of */
    assert_int_equal(rows_count(world, STORE_TABLE_OUTBOX), 2);
    apply_tick(world, 10 * NS_PER_HOUR);
    give_outcome(world, first + 1, OUTBOX_DELIVERED); /* while the drop is not committed */
    commit(world);
    assert_no_rows(world);
    operate(world, OPERATOR_RETRY_DEAD, first + 2);
    assert_int_equal(rows_count(world, STORE_TABLE_DEAD), 0);
    assert_int_equal(rows_count(world, STORE_TABLE_OUTBOX), 2);
    give_outcome(world, first + 3, OUTBOX_DELIVERED);
    give_outcome(world, first + 4, OUTBOX_DELIVERED);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_OUTBOX), 0);
    assert_int_equal(counter(world, TENANT_COUNTER_DELIVERIES_OK), 4);
    assert_no_rows(world);
    assert_same_after_replay(world);
}

/* An outcome's record comes before the tick that drops, whatever is due. */
static void no_outcome_is_applied_to_what_its_own_record_drops(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    uint64_t first = incidents_next_outbox_number(world->engine.incidents);
    make_resolved(world, "acme", 1);
    world->now_ns += 10 * NS_PER_HOUR;
    give_outcome(world, first, OUTBOX_DELIVERED);
    settle(world);
    assert_no_rows(world);
    assert_same_after_replay(world);
}

/* --- Damage --- */

/* What LMDB gives is what was written, but that is no row. */
static void damage_youngest(struct world *world) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice prefix = SLICE("\2");
    struct slice key;
    struct slice row;
    uint8_t youngest[64];
    size_t size = 0;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(store_cursor_open(snapshot, STORE_TABLE_KEPT, prefix, prefix, &cursor), OK);
    while (status_is_ok(store_cursor_next(cursor, &key, &row))) {
        memcpy(youngest, key.data, key.size);
        size = key.size;
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    assert_status(store_begin(world->store, &world->fault), OK);
    assert_status(store_put(world->store, STORE_TABLE_KEPT, slice_of(youngest, size),
                            SLICE("nothing"), &world->fault),
                  OK);
    assert_status(store_commit(world->store, &world->fault), OK);
}

static void a_row_that_cannot_be_read_goes_when_its_key_says(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    make_resolved(world, "acme", 1);
    apply_tick(world, 4 * NS_PER_HOUR);
    make_resolved(world, "acme", 1);
    damage_youngest(world);
    apply_tick(world, 5 * NS_PER_HOUR);
    settle(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 1);
    apply_tick(world, 5 * NS_PER_HOUR);
    settle(world);
    assert_no_rows(world);
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_DROPPED), 2);
}

/* --- Directories of before --- */

static void forget_kept_incidents(struct world *world) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice prefix = SLICE("\2");
    struct slice key;
    struct slice row;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(store_cursor_open(snapshot, STORE_TABLE_KEPT, prefix, prefix, &cursor), OK);
    assert_status(store_begin(world->store, &world->fault), OK);
    while (status_is_ok(store_cursor_next(cursor, &key, &row))) {
        assert_status(store_delete(world->store, STORE_TABLE_KEPT, key, &world->fault), OK);
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    assert_status(
        store_put(world->store, STORE_TABLE_META, SLICE("kept"), SLICE("\2\0\0\0"), &world->fault),
        OK);
    assert_status(store_commit(world->store, &world->fault), OK);
}

static void what_was_resolved_before_there_was_a_bound_has_an_end_too(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    make_merged(world, 3, 0);
    make_resolved(world, "acme", 4);
    make_resolved(world, "rival", 2);
    tell(world, "acme", "job:late", EVENT_STATUS_FAILED, NULL);
    tell(world, "acme", "job:late", EVENT_STATUS_SUCCEEDED, NULL); /* may be opened again */
    commit(world);
    assert_int_equal(world->engine.kept.sums[KEPT_INCIDENT][0].rows, 5);
    struct hash128 rows = store_digest(world);
    struct hash128 digest = engine_digest(&world->engine);
    forget_kept_incidents(world);
    restart(world);
    assert_same(engine_digest(&world->engine), digest);
    assert_same(store_digest(world), rows);
    apply_tick(world, 10 * NS_PER_HOUR);
    settle(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 2); /* the rival's, for 90 days */
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_DROPPED), 6);
    assert_sums(world);
    assert_same_after_replay(world);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_ended_long_ago_goes_with_all_that_hangs_on_it),
        TEST(what_is_open_or_may_be_opened_again_stays),
        TEST(beyond_its_bytes_a_tenants_oldest_incidents_go),
        TEST(an_incident_costs_what_its_rows_have),
        TEST(what_was_merged_goes_with_its_survivor),
        TEST(what_is_more_than_a_record_may_drop_goes_in_several),
        TEST(messages_outlive_their_incident_but_leave_nothing_behind),
        TEST(no_outcome_is_applied_to_what_its_own_record_drops),
        TEST(a_row_that_cannot_be_read_goes_when_its_key_says),
        TEST(what_was_resolved_before_there_was_a_bound_has_an_end_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
