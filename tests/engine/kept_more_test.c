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

/* --- All tenants --- */

static void who_has_less_than_the_level_loses_nothing_whatever_its_number(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    world->kept_bytes_max = 100 * COST;
    restart(world);
    configure(world, (struct bound){NS_PER_DAY, GIB});
    refuse(world, "acme", 44); /* the first number, and more than an equal part of three */
    refuse(world, "small", 1);
    uint32_t sent = 0;
    while (world->engine.kept.bytes[KEPT_QUARANTINE] <= world->kept_bytes_max) {
        refuse(world, "flood", 1);
        sent++;
    }
    apply_tick(world, 0);
    commit(world);
    assert_true(quarantined(world, "flood", &first) < sent);
    assert_int_equal(quarantined(world, "small", &first), 1);
    assert_int_equal(quarantined(world, "acme", &first), 44);
    assert_sums(world);
    assert_same_after_replay(world);
}

/* Four hundred have almost nothing: what they leave is the large one's. */
static void what_small_tenants_leave_is_for_the_large(void **state) {
    struct world *world = *state;
    world->kept_bytes_max = 1000 * COST;
    restart(world);
    configure(world, (struct bound){NS_PER_DAY, GIB});
    for (uint32_t number = 0; number < 400; number++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "t%u", number);
        refuse(world, name, 1);
    }
    const uint64_t *bytes = &world->engine.kept.bytes[KEPT_QUARANTINE];
    while (*bytes <= world->kept_bytes_max) {
        refuse(world, "acme", 1);
    }
    apply_tick(world, 0);
    commit(world);
    assert_true(*bytes <= world->kept_bytes_max);
    assert_true(*bytes > world->kept_bytes_max - world->kept_bytes_max / 8 - 2 * COST);
    assert_sums(world);
}

/* A trim makes room for more than the next record. */
static void above_what_all_may_have_trims_are_rare(void **state) {
    struct world *world = *state;
    uint32_t trims = 0;
    world->kept_bytes_max = 200 * COST;
    restart(world);
    configure(world, (struct bound){NS_PER_DAY, GIB});
    refuse(world, "rival", 90);
    for (uint32_t i = 0; i < 400; i++) {
        uint64_t before = world->engine.kept.bytes[KEPT_QUARANTINE];
        refuse(world, "acme", 1);
        trims += world->engine.kept.bytes[KEPT_QUARANTINE] < before;
    }
    commit(world);
    assert_in_range(trims, 1, 20);
    assert_sums(world);
    assert_same_after_replay(world);
}

/* --- Dead letters --- */

static void dead_letters_go_in_the_order_in_which_they_died(void **state) {
    struct world *world = *state;
    configure(world, (struct bound){24 * NS_PER_HOUR, GIB});
    uint64_t first = incidents_next_outbox_number(world->engine.incidents);
    add_event(world, "job:slow", EVENT_STATUS_FAILED, "slow", NULL);
    apply_record(world);
    apply_tick(world, NS_PER_S);
    add_event(world, "job:fast", EVENT_STATUS_FAILED, "fast", NULL);
    apply_record(world);
    apply_tick(world, NS_PER_S);
    let_die(world, first + 1);
    apply_tick(world, 20 * NS_PER_HOUR);
    let_die(world, first); /* it was tried for longer */
    commit(world);
    assert_sums(world);
    apply_tick(world, 6 * NS_PER_HOUR);
    commit(world);
    assert_true(is_dead(world, first));
    assert_false(is_dead(world, first + 1));
    assert_sums(world);
    assert_same_after_replay(world);
    operate(world, OPERATOR_DROP_DEAD, first);
    assert_int_equal(rows_count(world, STORE_TABLE_DEAD), 0);
    assert_sums(world);
}

static void assert_one_died(struct world *world, uint64_t number) {
    commit(world);
    assert_true(is_dead(world, number));
    assert_int_equal(counter(world, TENANT_COUNTER_DELIVERIES_DEAD), 1);
    assert_int_equal(counter(world, TENANT_COUNTER_DELIVERIES_OK), 0);
    assert_int_equal(counter(world, TENANT_COUNTER_DELIVERIES_FAILED), 10);
    assert_int_equal(world->engine.kept.sums[KEPT_DEAD][0].rows, 1);
    assert_sums(world);
    assert_same_after_replay(world);
}

/* As after two reloads, while the backlog of a sink that was removed is declared dead. */
static void a_letter_dies_once_however_often_that_is_told(void **state) {
    struct world *world = *state;
    configure(world, (struct bound){NS_PER_DAY, GIB});
    uint64_t number = incidents_next_outbox_number(world->engine.incidents);
    add_event(world, "job:one", EVENT_STATUS_FAILED, "one", NULL);
    apply_record(world);
    apply_tick(world, NS_PER_S);
    commit(world);
    let_die(world, number);
    apply_tick(world, NS_PER_S); /* and nothing is committed between */
    let_die(world, number);
    assert_one_died(world, number);
}

static void what_is_told_of_a_letter_behind_its_end_counts_for_nothing(void **state) {
    struct world *world = *state;
    configure(world, (struct bound){NS_PER_DAY, GIB});
    uint64_t number = incidents_next_outbox_number(world->engine.incidents);
    add_event(world, "job:one", EVENT_STATUS_FAILED, "one", NULL);
    apply_record(world);
    apply_tick(world, NS_PER_S);
    commit(world);
    batch_clear(&world->batch, BATCH_OUTCOME);
    add_outcome(world, number, OUTBOX_DEAD);
    add_outcome(world, number, OUTBOX_DEAD); /* in one record */
    add_outcome(world, number, OUTBOX_DELIVERED);
    apply_record(world);
    batch_clear(&world->batch, BATCH_OUTCOME);
    add_outcome(world, number, OUTBOX_ATTEMPTED);
    apply_record(world);
    assert_one_died(world, number);
}

/* --- Damage --- */

/* Flips a bit of the row of table KEPT that says that time of the tenant: of its cost. */
static void damage_row(struct world *world, uint64_t at_ns, const char *tenant) {
    static uint8_t bytes[8 << 20];
    char path[96];
    uint32_t found = 0;
    snprintf(path, sizeof(path), "%s/data.mdb", world->state_path);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    size_t size = fread(bytes, 1, sizeof(bytes), file);
    for (size_t i = 0; i + 24 < size; i++) {
        size_t name = i + 16; /* u64 when, u32 cost, u32 size of the text */
        if (memcmp(bytes + i, &at_ns, 8) == 0 &&
            memcmp(bytes + name, tenant, strlen(tenant)) == 0) {
            uint8_t byte = bytes[i + 8] ^ 1;
            assert_int_equal(fseek(file, (long)i + 8, SEEK_SET), 0);
            assert_int_equal(fwrite(&byte, 1, 1, file), 1);
            found++;
        }
    }
    assert_int_equal(fclose(file), 0);
    assert_true(found > 0);
}

static void a_row_that_cannot_be_read_goes_with_what_it_stands_for(void **state) {
    struct world *world = *state;
    uint64_t first = 0;
    configure(world, (struct bound){NS_PER_DAY, GIB});
    refuse(world, "acme", 3);
    uint64_t at_ns = world->engine.kept.sums[KEPT_QUARANTINE][0].oldest_ns;
    commit(world);
    world->now_ns += NS_PER_DAY + 2 * NS_PER_HOUR;
    crash(world);
    damage_row(world, at_ns, "acme");
    start(world);
    add_event(world, "job:good", EVENT_STATUS_FAILED, "good", NULL);
    apply_record(world);
    commit(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), 1); /* the record was applied */
    assert_int_equal(quarantined(world, "acme", &first), 0);
    assert_int_equal(counter(world, TENANT_COUNTER_QUARANTINE_DROPPED), 3);
    refuse(world, "acme", 1);
    commit(world);
    assert_sums(world);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_operators_drop_takes_one_row_while_a_trim_is_due),
        TEST(what_an_operator_retries_is_not_dropped_for_its_age),
        TEST(an_operators_second_word_on_a_row_in_one_record_is_too_late),
        TEST(a_bound_that_is_raised_holds_before_anything_goes),
        TEST(who_has_less_than_the_level_loses_nothing_whatever_its_number),
        TEST(what_small_tenants_leave_is_for_the_large),
        TEST(above_what_all_may_have_trims_are_rare),
        TEST(dead_letters_go_in_the_order_in_which_they_died),
        TEST(a_letter_dies_once_however_often_that_is_told),
        TEST(what_is_told_of_a_letter_behind_its_end_counts_for_nothing),
        TEST(a_row_that_cannot_be_read_goes_with_what_it_stands_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
