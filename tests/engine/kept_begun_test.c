/* kept_begun_test.c - an incident whose drop is begun goes whole: whatever a record may drop, and
 * whether or not anything else is too much by then. */
#include "tests/engine/kept_world.h"

/* All that stands hangs on an incident that is there. */
static void assert_no_orphans(struct world *world) {
    uint32_t count = rows_count(world, STORE_TABLE_INCIDENT);
    assert_int_equal(rows_count(world, STORE_TABLE_RECENT), count);
    assert_int_equal(rows_count(world, STORE_TABLE_MEMBER), count);
    assert_sums(world);
}

static void what_is_begun_goes_whole_though_the_rest_may_stay(void **state) {
    struct world *world = *state;
    for (uint32_t rows = 1; rows < 20; rows++) {
        world->kept_rows_max = rows;
        restart(world);
        configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
        make_resolved(world, "acme", 20);
        uint64_t bytes = world->engine.kept.bytes[KEPT_INCIDENT];
        configure_incidents(world, (struct bound){8 * NS_PER_HOUR, bytes - bytes / 20});
        settle(world);
        assert_in_range(rows_count(world, STORE_TABLE_INCIDENT), 15, 19);
        assert_no_orphans(world);
        apply_tick(world, 10 * NS_PER_HOUR);
        settle(world);
        assert_no_rows(world);
    }
    assert_same_after_replay(world);
}

/* Between two records, with a start, a crash, and a bound that would let it stay. */
static void what_is_begun_goes_whole_though_the_bound_is_raised(void **state) {
    struct world *world = *state;
    world->kept_rows_max = 1;
    restart(world);
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    make_resolved(world, "acme", 2);
    uint64_t bytes = world->engine.kept.bytes[KEPT_INCIDENT];
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, bytes - bytes / 4});
    apply_tick(world, 0);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 1);
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    restart(world);
    settle(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 1);
    assert_no_orphans(world);
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_DROPPED), 1);
    assert_same_after_replay(world);
}

/* By when they ended: it might be opened again for longer. */
static void what_is_begun_goes_before_an_older_one_that_came_since(void **state) {
    struct world *world = *state;
    const struct bound wide = {NS_PER_DAY, GIB};
    world->kept_rows_max = 1;
    restart(world);
    configure_reopening(world, wide, NS_PER_HOUR);
    tell(world, "acme", "job:older", EVENT_STATUS_FAILED, NULL);
    tell(world, "acme", "job:older", EVENT_STATUS_SUCCEEDED, NULL);
    apply_tick(world, NS_PER_MINUTE);
    configure_reopening(world, wide, NS_PER_MINUTE);
    make_resolved(world, "acme", 2);
    uint64_t bytes = world->engine.kept.bytes[KEPT_INCIDENT];
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 3);
    configure_reopening(world, (struct bound){NS_PER_DAY, bytes - bytes / 4}, NS_PER_MINUTE);
    apply_tick(world, 0);
    assert_int_equal(world->engine.kept.sums[KEPT_INCIDENT][0].rows, 2);
    configure_reopening(world, wide, NS_PER_MINUTE);
    apply_tick(world, NS_PER_HOUR);
    assert_int_equal(world->engine.kept.sums[KEPT_INCIDENT][0].rows, 3); /* it has come */
    settle(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 2);
    assert_no_orphans(world);
    assert_int_equal(world->engine.kept.sums[KEPT_INCIDENT][0].rows, 2);
    assert_same_after_replay(world);
}

/* As a start of another version finds it. */
static void let_index_anew(struct world *world) {
    assert_status(store_begin(world->store, &world->fault), OK);
    assert_status(
        store_put(world->store, STORE_TABLE_META, SLICE("kept"), SLICE("\2\0\0\0"), &world->fault),
        OK);
    assert_status(store_commit(world->store, &world->fault), OK);
    restart(world);
}

static void what_is_begun_is_found_by_another_version_too(void **state) {
    struct world *world = *state;
    world->kept_rows_max = 1;
    restart(world);
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    make_resolved(world, "acme", 3);
    uint64_t bytes = world->engine.kept.bytes[KEPT_INCIDENT];
    make_resolved(world, "rival", 1);
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, bytes - bytes / 4});
    apply_tick(world, 0);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 3);
    struct hash128 rows = store_digest(world);
    struct hash128 digest = engine_digest(&world->engine);
    let_index_anew(world);
    assert_same(engine_digest(&world->engine), digest);
    assert_same(store_digest(world), rows);
    settle(world);
    assert_no_orphans(world);
    apply_tick(world, 10 * NS_PER_HOUR);
    settle(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 1); /* the rival's */
    assert_no_orphans(world);
}

static void what_was_merged_goes_however_deep(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    make_merged(world, MERGED_MAX, 0);
    apply_tick(world, 10 * NS_PER_HOUR);
    settle(world);
    assert_no_rows(world);
    assert_int_equal(counter(world, TENANT_COUNTER_INCIDENTS_DROPPED), 1);
    assert_same_after_replay(world);
}

static void what_was_merged_deep_goes_in_many_small_records(void **state) {
    struct world *world = *state;
    world->kept_rows_max = 7;
    restart(world);
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    make_merged(world, MERGED_MAX, 0);
    apply_tick(world, 10 * NS_PER_HOUR);
    settle(world);
    assert_no_rows(world);
    assert_same_after_replay(world);
}

/* --- Damage --- */

/* What LMDB gives is what was written, but that is no row. */
static void damage_oldest(struct world *world) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice prefix = SLICE("\2");
    struct slice key = {0};
    struct slice row;
    uint8_t memory[64];
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(store_cursor_open(snapshot, STORE_TABLE_KEPT, prefix, prefix, &cursor), OK);
    while (key.size <= KEPT_SUM_KEY_BYTES) {
        assert_status(store_cursor_next(cursor, &key, &row), OK);
    }
    memcpy(memory, key.data, key.size);
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    assert_status(store_begin(world->store, &world->fault), OK);
    assert_status(store_put(world->store, STORE_TABLE_KEPT, slice_of(memory, key.size),
                            SLICE("nothing"), &world->fault),
                  OK);
    assert_status(store_commit(world->store, &world->fault), OK);
}

static void a_row_that_cannot_be_read_leaves_the_sum_of_the_others(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    make_resolved(world, "acme", 1);
    apply_tick(world, 4 * NS_PER_HOUR);
    make_resolved(world, "acme", 3);
    damage_oldest(world);
    apply_tick(world, 5 * NS_PER_HOUR);
    settle(world);
    assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 3);
    assert_no_orphans(world);
}

/* By then nothing else tells what it cost: the row of the incident was the first to go. */
static void a_row_damaged_while_its_incident_is_begun_leaves_the_sum_of_the_others(void **state) {
    struct world *world = *state;
    for (uint32_t restarts = 0; restarts < 2; restarts++) {
        world->kept_rows_max = 1;
        restart(world);
        configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
        make_resolved(world, "acme", 3);
        uint64_t bytes = world->engine.kept.bytes[KEPT_INCIDENT];
        configure_incidents(world, (struct bound){8 * NS_PER_HOUR, bytes - bytes / 5});
        apply_tick(world, 0);
        commit(world);
        assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 2);
        damage_oldest(world);
        if (restarts == 1) {
            restart(world);
        }
        settle(world);
        assert_int_equal(rows_count(world, STORE_TABLE_INCIDENT), 2);
        assert_no_orphans(world);
        apply_tick(world, 10 * NS_PER_HOUR);
        settle(world);
        assert_no_rows(world);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_begun_goes_whole_though_the_rest_may_stay),
        TEST(what_is_begun_goes_whole_though_the_bound_is_raised),
        TEST(what_is_begun_goes_before_an_older_one_that_came_since),
        TEST(what_is_begun_is_found_by_another_version_too),
        TEST(what_was_merged_goes_however_deep),
        TEST(what_was_merged_deep_goes_in_many_small_records),
        TEST(a_row_that_cannot_be_read_leaves_the_sum_of_the_others),
        TEST(a_row_damaged_while_its_incident_is_begun_leaves_the_sum_of_the_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
