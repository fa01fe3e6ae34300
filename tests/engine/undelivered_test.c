/* undelivered_test.c - what was told and did not arrive, or did late, stands in the timeline of the
 * incident, or of what it was merged into, and after a replay as before. */
#include "tests/engine/kept_world.h"

#include <stdlib.h>

static void give_outcome(struct world *world, uint64_t number, enum outbox_result result) {
    batch_clear(&world->batch, BATCH_OUTCOME);
    add_outcome(world, number, result);
    apply_record(world);
}

/* How many lines of all timelines hold these words. */
static uint32_t count_lines(struct world *world, const char *words) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice key;
    struct slice row;
    uint32_t count = 0;
    commit(world);
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(store_cursor_open(snapshot, STORE_TABLE_TIMELINE, (struct slice){0},
                                    (struct slice){0}, &cursor),
                  OK);
    while (status_is_ok(store_cursor_next(cursor, &key, &row))) {
        char memory[1024];
        struct text json = text_over(memory, sizeof(memory));
        assert_status(incident_timeline_render(row, &json), OK);
        text_add_char(&json, 0);
        count += strstr(memory, words) != NULL ? 1 : 0;
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    return count;
}

#define UNDELIVERED "\"undelivered\",\"detail\":\"opened to "
#define LATE "\"delivered late\",\"detail\":\"opened to "

static void what_is_given_up_and_what_arrives_late_stand_there(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    uint64_t first = make_dead_letters(world, 2);
    assert_int_equal(count_lines(world, UNDELIVERED), 2);
    assert_int_equal(count_lines(world, ": HTTP 400\""), 2);
    operate(world, OPERATOR_RETRY_DEAD, first);
    let_die(world, first + 2);
    assert_int_equal(count_lines(world, UNDELIVERED), 3);
    operate(world, OPERATOR_RETRY_DEAD, first + 2);
    give_outcome(world, first + 3, OUTBOX_ATTEMPTED);
    assert_int_equal(count_lines(world, LATE), 0);
    give_outcome(world, first + 3, OUTBOX_DELIVERED);
    give_outcome(world, first + 3, OUTBOX_DELIVERED);
    assert_int_equal(count_lines(world, LATE), 1);
    assert_int_equal(count_lines(world, UNDELIVERED), 3);
    assert_same_after_replay(world);
}

static void what_arrives_in_time_is_no_news(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    uint64_t first = incidents_next_outbox_number(world->engine.incidents);
    tell(world, "acme", "job:a", EVENT_STATUS_FAILED, NULL);
    apply_tick(world, NS_PER_S);
    commit(world);
    uint32_t before = rows_count(world, STORE_TABLE_TIMELINE);
    give_outcome(world, first, OUTBOX_ATTEMPTED);
    give_outcome(world, first, OUTBOX_DELIVERED);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_TIMELINE), before);
}

/* Known only when nothing opens it again: its rows are all there is. */
static void of_one_that_is_over_a_message_has_one_line(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    uint64_t first = incidents_next_outbox_number(world->engine.incidents);
    make_resolved(world, "acme", 1);
    let_die(world, first);
    assert_int_equal(count_lines(world, UNDELIVERED), 1);
    let_die(world, first + 1);
    assert_int_equal(count_lines(world, "\"undelivered\",\"detail\":\"resolved to "), 1);
    operate(world, OPERATOR_RETRY_DEAD, first);
    let_die(world, first + 2);
    assert_int_equal(count_lines(world, UNDELIVERED), 1);
    operate(world, OPERATOR_RETRY_DEAD, first + 2);
    give_outcome(world, first + 3, OUTBOX_DELIVERED);
    assert_int_equal(count_lines(world, LATE), 1);
    assert_int_equal(count_lines(world, UNDELIVERED), 0);
    assert_same_after_replay(world);
    operate(world, OPERATOR_RETRY_DEAD, first + 1);
    apply_tick(world, 10 * NS_PER_HOUR);
    let_die(world, first + 4); /* while the drop is not committed */
    settle(world);
    assert_no_rows(world);
    assert_same_after_replay(world);
}

/* Of the one that is left: people look there. */
static void of_one_that_was_merged_it_stands_in_the_survivors(void **state) {
    struct world *world = *state;
    configure_incidents(world, (struct bound){8 * NS_PER_HOUR, GIB});
    uint64_t first = incidents_next_outbox_number(world->engine.incidents);
    tell(world, "acme", "job:a", EVENT_STATUS_FAILED, NULL);
    tell(world, "acme", "job:b", EVENT_STATUS_FAILED, NULL);
    commit(world);
    tell(world, "acme", "job:b", EVENT_STATUS_FAILED, "job:a");
    apply_tick(world, 0);
    let_die(world, first + 1); /* while the merge is not committed */
    assert_int_equal(incidents_open_count(world->engine.incidents), 1);
    assert_int_equal(rows_count(world, STORE_TABLE_ALIAS), 1);
    assert_int_equal(count_lines(world, UNDELIVERED), 1);
    let_die(world, first);
    assert_int_equal(count_lines(world, UNDELIVERED), 2);
    assert_same_after_replay(world);
    tell(world, "acme", "job:a", EVENT_STATUS_SUCCEEDED, NULL);
    tell(world, "acme", "job:b", EVENT_STATUS_SUCCEEDED, NULL);
    apply_tick(world, REOPEN_NS);
    operate(world, OPERATOR_RETRY_DEAD, first + 1);
    uint64_t again = incidents_next_outbox_number(world->engine.incidents) - 1;
    give_outcome(world, again, OUTBOX_DELIVERED);
    assert_int_equal(count_lines(world, LATE), 1);
    assert_same_after_replay(world);
    apply_tick(world, 10 * NS_PER_HOUR);
    settle(world);
    assert_no_rows(world);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_is_given_up_and_what_arrives_late_stand_there),
        TEST(what_arrives_in_time_is_no_news),
        TEST(of_one_that_is_over_a_message_has_one_line),
        TEST(of_one_that_was_merged_it_stands_in_the_survivors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
