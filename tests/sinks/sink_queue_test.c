/* sink_queue_test.c - order an incident, no waiting between incidents, latest state when it lags.
 */
#include "tests/base/unit.h"

#include "sinks/sink_memory.h"
#include "sinks/sink_queue.h"

static struct hash128 incident(uint64_t number) {
    return (struct hash128){.lo = number, .hi = 1};
}

/* Of the incident as it was at `version`; else each message is of a later state. */
static struct status push_state(struct sink_queue *queue, uint64_t number, uint64_t of,
                                enum outbox_type type, uint32_t version) {
    return sink_queue_push(queue,
                           &(struct outbox_message){.number = number,
                                                    .incident_id = incident(of),
                                                    .incident_version = version,
                                                    .type = type},
                           true);
}

static void push(struct sink_queue *queue, uint64_t number, uint64_t of, enum outbox_type type,
                 bool lags) {
    const struct outbox_message message = {.number = number,
                                           .incident_id = incident(of),
                                           .incident_version = (uint32_t)number,
                                           .type = type};
    assert_status(sink_queue_push(queue, &message, lags), OK);
}

static void a_waiting_message_holds_back_its_own_incident_only(void **state) {
    struct sink_queue queue = {0};
    uint64_t due_ns = 0;
    push(&queue, 1, 7, OUTBOX_OPENED, false);
    push(&queue, 2, 7, OUTBOX_UPDATED, false);
    push(&queue, 3, 8, OUTBOX_OPENED, false);
    queue.messages[0].due_ns = 100;
    struct queued_message *next = sink_queue_next(&queue, 50, &due_ns);
    assert_non_null(next);
    assert_int_equal(next->number, 3);
    sink_queue_remove(&queue, next);
    assert_null(sink_queue_next(&queue, 50, &due_ns));
    assert_int_equal(due_ns, 100);
    next = sink_queue_next(&queue, 100, &due_ns);
    assert_int_equal(next->number, 1);
    sink_queue_remove(&queue, next);
    assert_int_equal(sink_queue_next(&queue, 100, &due_ns)->number, 2);
    sink_queue_deinit(&queue);
}

static void a_lagging_queue_keeps_the_latest_state_in_the_first_place(void **state) {
    struct sink_queue queue = {0};
    uint64_t due_ns = 0;
    push(&queue, 1, 7, OUTBOX_OPENED, true);
    push(&queue, 2, 8, OUTBOX_OPENED, true);
    push(&queue, 3, 7, OUTBOX_UPDATED, true);
    push(&queue, 4, 7, OUTBOX_UPDATED, true);
    assert_int_equal(queue.count, 2);
    struct queued_message *next = sink_queue_next(&queue, 0, &due_ns);
    assert_int_equal(next->number, 4);
    assert_int_equal(next->type, OUTBOX_OPENED); /* nobody heard of it before */
    assert_int_equal(next->opened_number, 1);    /* its row says so after a restart, too */
    assert_int_equal(queue.superseded_count, 1);
    assert_int_equal(queue.superseded[0], 3);
    push(&queue, 5, 8, OUTBOX_RESOLVED, true);
    assert_int_equal(queue.messages[1].type, OUTBOX_RESOLVED);
    assert_int_equal(queue.messages[1].opened_number, 2); /* it may be reopened */
    assert_int_equal(queue.superseded_count, 1);
    push(&queue, 6, 8, OUTBOX_UPDATED, true); /* reopened, and still nobody heard of it */
    assert_int_equal(queue.messages[1].type, OUTBOX_OPENED);
    assert_int_equal(queue.messages[1].opened_number, 2);
    assert_int_equal(queue.superseded_count, 2);
    assert_int_equal(queue.superseded[1], 5);
    push(&queue, 7, 7, OUTBOX_RESOLVED, true);
    assert_int_equal(queue.messages[0].opened_number, 1);
    assert_int_equal(queue.superseded_count, 3);
    assert_int_equal(queue.superseded[2], 4);
    sink_queue_deinit(&queue);
}

static void what_is_in_flight_is_never_replaced(void **state) {
    struct sink_queue queue = {0};
    push(&queue, 1, 7, OUTBOX_OPENED, false);
    queue.messages[0].is_in_flight = true;
    push(&queue, 2, 7, OUTBOX_UPDATED, true);
    push(&queue, 3, 7, OUTBOX_RESOLVED, true);
    assert_int_equal(queue.count, 2);
    assert_int_equal(sink_queue_in_flight(&queue)->number, 1);
    assert_int_equal(queue.messages[1].number, 3);
    assert_int_equal(queue.messages[1].type, OUTBOX_RESOLVED);
    sink_queue_deinit(&queue);
}

static void coalescing_later_gives_the_same_as_at_once(void **state) {
    struct sink_queue queue = {0};
    for (uint64_t number = 1; number <= 300; number++) {
        push(&queue, number, number % 10, number <= 10 ? OUTBOX_OPENED : OUTBOX_UPDATED, false);
    }
    sink_queue_coalesce(&queue);
    assert_int_equal(queue.count, 10);
    assert_int_equal(queue.superseded_count, 280); /* and ten rows "opened" stay */
    for (uint32_t i = 0; i < queue.count; i++) {
        assert_int_equal(queue.messages[i].opened_number, 1 + i);
        assert_int_equal(queue.messages[i].number, 291 + i);
        assert_int_equal(queue.messages[i].type, OUTBOX_OPENED);
    }
    sink_queue_deinit(&queue);
}

static void a_dead_letter_that_goes_out_again_does_not_replace_what_is_newer(void **state) {
    struct sink_queue queue = {0};
    push(&queue, 5, 7, OUTBOX_RESOLVED, true);
    assert_status(push_state(&queue, 6, 7, OUTBOX_OPENED, 1), OK);
    assert_int_equal(queue.count, 1);
    assert_int_equal(queue.messages[0].number, 5);
    assert_int_equal(queue.messages[0].type, OUTBOX_RESOLVED);
    assert_int_equal(queue.superseded_count, 1);
    assert_int_equal(queue.superseded[0], 6);
    push(&queue, 7, 7, OUTBOX_UPDATED, true);
    assert_int_equal(queue.messages[0].type, OUTBOX_OPENED); /* reopened, and unheard of */
    push(&queue, 8, 9, OUTBOX_UPDATED, true);
    assert_status(push_state(&queue, 9, 9, OUTBOX_OPENED, 1), OK);
    assert_int_equal(queue.messages[1].number, 8);
    assert_int_equal(queue.messages[1].type, OUTBOX_OPENED); /* nobody heard of it before */
    sink_queue_deinit(&queue);
    push(&queue, 5, 7, OUTBOX_RESOLVED, false);
    queue.messages[0].version = 20; /* so 9 is older, though it comes later */
    push(&queue, 9, 7, OUTBOX_OPENED, false);
    sink_queue_coalesce(&queue);
    assert_int_equal(queue.count, 1);
    assert_int_equal(queue.messages[0].number, 5);
    sink_queue_deinit(&queue);
}

/* The dead letter was behind the message that waited, and an update took its place there. */
static void what_nobody_heard_of_is_so_also_when_two_places_become_one(void **state) {
    struct sink_queue queue = {0};
    push(&queue, 8, 7, OUTBOX_UPDATED, false);
    queue.messages[0].version = 2;
    push(&queue, 9, 7, OUTBOX_OPENED, false);
    queue.messages[1].version = 1;
    assert_status(push_state(&queue, 10, 7, OUTBOX_UPDATED, 3), OK);
    assert_int_equal(queue.messages[1].opened_number, 9);
    sink_queue_coalesce(&queue);
    assert_int_equal(queue.count, 1);
    assert_int_equal(queue.messages[0].number, 10);
    assert_int_equal(queue.messages[0].type, OUTBOX_OPENED);
    assert_int_equal(queue.messages[0].opened_number, 9); /* says so after a restart, too */
    assert_int_equal(queue.superseded_count, 1);
    assert_int_equal(queue.superseded[0], 8);
    push(&queue, 11, 7, OUTBOX_RESOLVED, true);
    assert_int_equal(queue.messages[0].opened_number, 9); /* it may be reopened */
    assert_int_equal(queue.superseded_count, 2);
    assert_int_equal(queue.superseded[1], 10);
    sink_queue_deinit(&queue);
    push(&queue, 5, 7, OUTBOX_UPDATED, false);
    push(&queue, 6, 7, OUTBOX_OPENED, false);
    push(&queue, 7, 7, OUTBOX_RESOLVED, true);
    sink_queue_coalesce(&queue);
    push(&queue, 8, 7, OUTBOX_UPDATED, true);
    assert_int_equal(queue.count, 1);
    assert_int_equal(queue.messages[0].type, OUTBOX_OPENED);
    sink_queue_deinit(&queue);
}

static void a_full_queue_says_so_and_loses_nothing(void **state) {
    struct sink_queue queue = {0};
    for (uint64_t number = 1; number <= SINK_QUEUE_MAX; number++) {
        push(&queue, number, number, OUTBOX_OPENED, true);
    }
    assert_status(push_state(&queue, 9999, 9999, OUTBOX_OPENED, 1), FULL);
    assert_int_equal(queue.count, SINK_QUEUE_MAX);
    push(&queue, 10000, 1, OUTBOX_UPDATED, true); /* a known incident still finds its place */
    assert_int_equal(queue.messages[0].number, 10000);
    queue.messages[1].is_in_flight = true; /* beside it, one more of its incident */
    push(&queue, 10001, 2, OUTBOX_UPDATED, true);
    push(&queue, 10002, 2, OUTBOX_UPDATED, true);
    assert_int_equal(queue.count, SINK_QUEUE_MAX + 1);
    assert_true(sink_queue_has_row(&queue, 10002) && !sink_queue_has_row(&queue, 10001));
    sink_queue_deinit(&queue);
}

static void the_latest_memory_of_an_incident_is_found(void **state) {
    struct sink_memory memory = {0};
    assert_null(sink_memory_find(&memory, incident(1)));
    sink_memory_put(&memory, 1, incident(1), SLICE("C1 1.1"));
    sink_memory_put(&memory, 2, incident(2), SLICE("C1 2.1"));
    sink_memory_put(&memory, 3, incident(1), SLICE("C1 1.2"));
    const struct sink_memory_item *item = sink_memory_find(&memory, incident(1));
    assert_int_equal(item->number, 3);
    assert_slice(slice_of(item->bytes, item->size), "C1 1.2");
    for (uint64_t i = 0; i < SINK_MEMORIES_MAX; i++) {
        sink_memory_put(&memory, 10 + i, incident(1000 + i), SLICE("x"));
    }
    assert_null(sink_memory_find(&memory, incident(1)));
    sink_memory_deinit(&memory);
}

static void nothing_was_heard_until_a_version_is(void **state) {
    struct sink_memory memory = {0};
    assert_false(sink_memory_is_unheard(&memory, incident(1))); /* nothing is known */
    sink_memory_note_heard(&memory, incident(1), 0, false);
    sink_memory_note_heard(&memory, incident(2), 3, false);
    assert_true(sink_memory_is_unheard(&memory, incident(1)));
    assert_false(sink_memory_is_unheard(&memory, incident(2)));
    assert_int_equal(sink_memory_heard(&memory, incident(1)).version, 0);
    sink_memory_note_heard(&memory, incident(1), 1, false);
    assert_false(sink_memory_is_unheard(&memory, incident(1)));
    assert_int_equal(sink_memory_heard(&memory, incident(1)).version, 1);
    sink_memory_deinit(&memory);
}

static void whether_the_latest_that_was_heard_is_the_end_is_known(void **state) {
    struct sink_memory memory = {0};
    assert_false(sink_memory_heard(&memory, incident(1)).is_end);
    sink_memory_note_heard(&memory, incident(1), 2, true);
    sink_memory_note_heard(&memory, incident(2), 2, false);
    assert_true(sink_memory_heard(&memory, incident(1)).is_end);
    assert_false(sink_memory_heard(&memory, incident(2)).is_end);
    sink_memory_note_heard(&memory, incident(1), 1, false); /* a letter that went out again */
    assert_true(sink_memory_heard(&memory, incident(1)).is_end);
    sink_memory_note_heard(&memory, incident(1), 3, false); /* open again */
    assert_false(sink_memory_heard(&memory, incident(1)).is_end);
    sink_memory_deinit(&memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_waiting_message_holds_back_its_own_incident_only),
        cmocka_unit_test(a_lagging_queue_keeps_the_latest_state_in_the_first_place),
        cmocka_unit_test(what_is_in_flight_is_never_replaced),
        cmocka_unit_test(coalescing_later_gives_the_same_as_at_once),
        cmocka_unit_test(a_dead_letter_that_goes_out_again_does_not_replace_what_is_newer),
        cmocka_unit_test(what_nobody_heard_of_is_so_also_when_two_places_become_one),
        cmocka_unit_test(a_full_queue_says_so_and_loses_nothing),
        cmocka_unit_test(the_latest_memory_of_an_incident_is_found),
        cmocka_unit_test(nothing_was_heard_until_a_version_is),
        cmocka_unit_test(whether_the_latest_that_was_heard_is_the_end_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
