/* kept_more_test.c - what is kept for people, at the edges: while a trim is due, when all tenants
 * together have too much, when a row cannot be read. */
#include "tests/engine/kept_world.h"

#include <stdio.h>

/* --- While a trim is due --- */

static void operate_on_each(struct world *world, enum operator_action action, uint64_t first,
                            uint32_t count, uint64_t step) {
    batch_clear(&world->batch, BATCH_OPERATOR);
    for (uint32_t i = 0; i < count; i++) {
        const struct operator_request request = {.action = action,
                                                 .incident_id = {.lo = first + i * step},
                                                 .tenant = SLICE("acme"),
                                                 .by = SLICE("ann")};
        struct writer writer = batch_entry_begin(&world->batch);
        operator_encode(&request, &writer);
        batch_entry_commit(&world->batch, writer.size);
    }
    apply_record(world);
    commit(world);
}

static void an_operators_drop_takes_one_row_while_a_trim_is_due(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, 5 * FEW * COST});
    while (world->engine.kept.next_ns > world->now_ns) {
        refuse(world, "acme", 1);
    }
    commit(world);
    uint32_t count = quarantined(world, "acme", &first);
    operate(world, OPERATOR_DROP_QUARANTINED, first);
    assert_int_equal(quarantined(world, "acme", &first), count - 1);
    assert_int_equal(counter(world, TENANT_COUNTER_QUARANTINE_DROPPED), 0);
    assert_sums(world);
    apply_tick(world, 0);
    commit(world);
    assert_sums(world);
    assert_same_after_replay(world);
}

static void what_an_operator_retries_is_not_dropped_for_its_age(void **state) {
    struct world *world = *state;
    configure(world, (struct bound){NS_PER_DAY, GIB});
    uint64_t first = make_dead_letters(world, 5);
    commit(world);
    uint32_t waiting = rows_count(world, STORE_TABLE_OUTBOX);
    world->now_ns += 2 * NS_PER_DAY;
    operate_on_each(world, OPERATOR_RETRY_DEAD, first, 3, 1);
    assert_int_equal(rows_count(world, STORE_TABLE_DEAD), 2);
    assert_true(rows_count(world, STORE_TABLE_OUTBOX) >= waiting + 3);
    assert_int_equal(counter(world, TENANT_COUNTER_DEAD_LETTERS_DROPPED), 0);
    assert_sums(world);
    apply_tick(world, 0); /* nobody asked for the others */
    commit(world);
    assert_int_equal(counter(world, TENANT_COUNTER_DEAD_LETTERS_DROPPED), 2);
    assert_sums(world);
    assert_same_after_replay(world);
}

static void an_operators_second_word_on_a_row_in_one_record_is_too_late(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, GIB});
    refuse(world, "acme", 3);
    commit(world);
    operate_on_each(world, OPERATOR_DROP_QUARANTINED, 2, 2, 0);
    assert_int_equal(quarantined(world, "acme", &first), 2);
    assert_sums(world);
    operate_on_each(world, OPERATOR_DROP_QUARANTINED, 3, 2, 1); /* two rows are no repetition */
    assert_int_equal(quarantined(world, "acme", &first), 0);
    assert_sums(world);
    uint64_t letter = make_dead_letters(world, 3);
    commit(world);
    uint32_t waiting = rows_count(world, STORE_TABLE_OUTBOX);
    operate_on_each(world, OPERATOR_RETRY_DEAD, letter, 2, 0);
    assert_int_equal(rows_count(world, STORE_TABLE_DEAD), 2);
    assert_int_equal(rows_count(world, STORE_TABLE_OUTBOX), waiting + 1);
    assert_sums(world);
    assert_same_after_replay(world);
}

static void a_bound_that_is_raised_holds_before_anything_goes(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, GIB});
    refuse(world, "acme", 5);
    commit(world);
    restart(world);
    world->now_ns += 2 * NS_PER_DAY; /* it stood still */
    configure(world, (struct bound){30 * NS_PER_DAY, GIB});
    apply_tick(world, 0);
    commit(world);
    assert_int_equal(quarantined(world, "acme", &first), 5);
    assert_same_after_replay(world);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_operators_drop_takes_one_row_while_a_trim_is_due),
        TEST(what_an_operator_retries_is_not_dropped_for_its_age),
        TEST(an_operators_second_word_on_a_row_in_one_record_is_too_late),
        TEST(a_bound_that_is_raised_holds_before_anything_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
