/* kept_test.c - the quarantine and the dead letters have an end: a tenant's oldest go, nobody
 * else's, and a replay lets the same go. */
#include "tests/engine/kept_world.h"

#include <stdio.h>

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
    assert_status(store_put(world->store, STORE_TABLE_KEPT, SLICE("\1\0\0\0\0of before"),
                            SLICE("nothing"), &world->fault),
                  OK);
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

struct told {
    uint32_t indexed;
    uint32_t replayed;
    uint32_t restored;
};

static void hear(void *context, const char *what, uint64_t done) {
    struct told *told = context;
    assert_true(done > 0);
    told->indexed += strstr(what, "indexed") != NULL;
    told->replayed += strstr(what, "replayed") != NULL;
    told->restored += strstr(what, "restored") != NULL;
}

/* A service manager stops who says nothing for too long. */
static void a_start_that_indexes_or_replays_much_says_that_it_goes_on(void **state) {
    struct world *world = *state;
    struct told told = {0};
    const struct progress progress = {hear, &told};
    configure(world, (struct bound){NS_PER_DAY, GIB});
    refuse(world, "acme", 40);
    (void)make_dead_letters(world, 3);
    commit(world);
    forget_kept(world, 0);
    refuse(world, "acme", 20);
    world->progress = &progress;
    restart(world);
    assert_true(told.indexed >= 43);
    assert_int_equal(told.replayed, 20);
    assert_true(told.restored > 0);
}

/* --- All tenants --- */

/* Whoever has no more than an equal part loses nothing, how much the others ever have. */
static void when_all_have_too_much_the_largest_give_way(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    world->kept_bytes_max = 40 * COST;
    restart(world);
    configure(world, (struct bound){NS_PER_DAY, GIB});
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
    assert_same_after_replay(world);
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
        TEST(a_start_that_indexes_or_replays_much_says_that_it_goes_on),
        TEST(when_all_have_too_much_the_largest_give_way),
        TEST(tenants_too_many_share_one_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
