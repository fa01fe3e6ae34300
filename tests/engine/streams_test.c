/* streams_test.c - what was applied of a partition is not applied again, whatever comes again. */
#include "tests/base/unit.h"

#include <stdio.h>

#include "core/base/text.h"
#include "engine/streams.h"
#include "schemas/envelope.h"

struct world {
    struct arena arena;
    struct effects effects;
    struct streams streams;
};

static int set_up(void **state) {
    static struct world world;
    world = (struct world){0};
    assert_status(arena_init(&world.arena, 64 * MIB), OK);
    assert_status(effects_init(&world.effects, MIB, &world.arena), OK);
    assert_status(streams_init(&world.streams, NULL, NULL, &world.arena), OK);
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    arena_deinit(&world->arena);
    return 0;
}

/* How many of the range's envelopes are let through. */
static uint32_t send(struct world *world, struct stream_range range) {
    uint8_t memory[STREAM_RANGE_BYTES_MAX];
    struct writer writer = writer_over(memory, sizeof(memory));
    struct stream_group group = {0};
    range.name.cluster = SLICE("c");
    range.name.group = SLICE("g");
    range.name.topic = SLICE("t");
    stream_range_encode(&range, &writer);
    assert_false(streams_pass(&world->streams, &group, writer_slice(&writer), &world->effects));
    uint32_t passed = 0;
    for (uint32_t i = 0; i < range.envelopes; i++) {
        passed += streams_pass(&world->streams, &group, SLICE("envelope"), &world->effects);
    }
    assert_int_equal(group.left, 0);
    return passed;
}

static void a_range_passes_once(void **state) {
    struct world *world = *state;
    struct stream_range first = {.from = {0, 0}, .to = {3, 0}, .envelopes = 3};
    struct stream_range next = {.from = {3, 0}, .to = {5, 0}, .envelopes = 2};
    assert_int_equal(send(world, first), 3);
    assert_int_equal(send(world, first), 0);
    assert_int_equal(send(world, next), 2);
    assert_int_equal(send(world, first), 0);
    assert_int_equal(send(world, next), 0);
}

static void partitions_do_not_know_of_one_another(void **state) {
    struct world *world = *state;
    struct stream_range range = {.from = {0, 0}, .to = {3, 0}, .envelopes = 3};
    assert_int_equal(send(world, range), 3);
    range.name.partition = 1;
    assert_int_equal(send(world, range), 3);
}

static void parts_of_one_message_pass_once_each(void **state) {
    struct world *world = *state;
    struct stream_range head = {.from = {7, 0}, .to = {7, 10}, .envelopes = 10};
    struct stream_range tail = {.from = {7, 10}, .to = {8, 0}, .envelopes = 5};
    assert_int_equal(send(world, head), 10);
    assert_int_equal(send(world, head), 0);
    assert_int_equal(send(world, tail), 5);
    assert_int_equal(send(world, tail), 0);
}

enum { EDGE = 100 };

/* Envelopes of the messages at `offsets`, of those plus EDGE an edge that a span taught; those that
 * are let through, as digits. */
static const char *send_messages(struct world *world, struct stream_range range,
                                 const uint32_t *offsets) {
    static char passed[32];
    struct text text = text_over(passed, sizeof(passed));
    uint8_t memory[STREAM_RANGE_BYTES_MAX];
    struct writer writer = writer_over(memory, sizeof(memory));
    struct stream_group group = {0};
    range.name.topic = SLICE("t");
    stream_range_encode(&range, &writer);
    assert_false(streams_pass(&world->streams, &group, writer_slice(&writer), &world->effects));
    for (uint32_t i = 0; i < range.envelopes; i++) {
        uint8_t bytes[1024];
        char source[32];
        (void)snprintf(source, sizeof(source), "kafka:t/0@%u", offsets[i] % EDGE);
        struct envelope envelope = {
            .tenant = SLICE("t"), .entity = SLICE("job:a"), .source = slice_of_text(source)};
        envelope.flags = offsets[i] >= EDGE ? ENVELOPE_LEARNED : 0;
        struct writer one = writer_over(bytes, sizeof(bytes));
        assert_status(envelope_encode(&envelope, &one), OK);
        if (streams_pass(&world->streams, &group, writer_slice(&one), &world->effects)) {
            text_add_format(&text, offsets[i] >= EDGE ? "e" : "%u", offsets[i]);
        }
    }
    text_add_char(&text, 0);
    return passed;
}

/* Two readers of a partition, one of which has lost it and does not know yet. */
static void of_an_overlap_only_the_new_part_passes(void **state) {
    struct world *world = *state;
    const uint32_t offsets[] = {0, 1, 2, 3, 4, 5, 6, 7};
    struct stream_range first = {.from = {0, 0}, .to = {4, 0}, .envelopes = 4};
    struct stream_range both = {.from = {2, 0}, .to = {6, 0}, .envelopes = 4};
    struct stream_range late = {.from = {4, 0}, .to = {8, 0}, .envelopes = 4};
    assert_string_equal(send_messages(world, first, offsets), "0123");
    assert_string_equal(send_messages(world, both, offsets + 2), "45");
    assert_string_equal(send_messages(world, late, offsets + 4), "67");
    assert_string_equal(send_messages(world, first, offsets), "");
}

static void an_overlap_may_end_inside_a_message(void **state) {
    struct world *world = *state;
    const uint32_t cut[] = {3, 4, 4};
    const uint32_t whole[] = {3, 4, 4, 4, 5};
    struct stream_range first = {.from = {3, 0}, .to = {4, 2}, .envelopes = 3};
    struct stream_range again = {.from = {3, 0}, .to = {6, 0}, .envelopes = 5};
    assert_string_equal(send_messages(world, first, cut), "344");
    assert_string_equal(send_messages(world, again, whole), "45");
}

/* How many edges come of a message depends on what was told before: they shift no place. */
static void edges_learned_of_spans_are_no_parts_of_a_message(void **state) {
    struct world *world = *state;
    const uint32_t cut[] = {4, EDGE + 4, 4};
    const uint32_t again[] = {4, EDGE + 4, 4, 4, 5};
    struct stream_range first = {.from = {4, 0}, .to = {4, 2}, .envelopes = 3};
    struct stream_range whole = {.from = {4, 0}, .to = {6, 0}, .envelopes = 5};
    assert_string_equal(send_messages(world, first, cut), "4e4");
    assert_string_equal(send_messages(world, whole, again), "e45");
}

static void a_reset_starts_over(void **state) {
    struct world *world = *state;
    struct stream_range old = {.from = {0, 0}, .to = {900, 0}, .envelopes = 1};
    struct stream_range anew = {.from = {0, 0}, .to = {2, 0}, .envelopes = 2, .is_reset = true};
    struct stream_range next = {.from = {2, 0}, .to = {4, 0}, .envelopes = 2};
    assert_int_equal(send(world, old), 1);
    assert_int_equal(send(world, anew), 2);
    assert_int_equal(send(world, next), 2);
}

static void a_place_at_zero_is_kept_too(void **state) {
    struct world *world = *state;
    struct stream_range pin = {0};
    assert_int_equal(send(world, pin), 0);
    assert_int_equal(world->effects.count, 1);
}

static void restored_places_are_known(void **state) {
    struct world *world = *state;
    struct stream_range first = {.from = {0, 0}, .to = {3, 4}, .envelopes = 3};
    assert_int_equal(send(world, first), 3);
    struct effects_cursor cursor = effects_begin(&world->effects);
    struct effect row;
    struct streams again;
    assert_true(effects_next(&cursor, &row));
    assert_int_equal(row.table, STORE_TABLE_STREAM);
    assert_status(streams_init(&again, NULL, NULL, &world->arena), OK);
    assert_status(streams_restore(&again, row.key, row.value), OK);
    world->streams = again;
    assert_int_equal(send(world, first), 0);
    first.to = (struct stream_place){3, 5};
    assert_int_equal(send(world, first), 3);
}

static void what_is_no_range_is_passed_over(void **state) {
    struct world *world = *state;
    struct stream_group group = {0};
    assert_false(streams_pass(&world->streams, &group, SLICE("no range at all"), &world->effects));
    assert_int_equal(group.left, 0);
    assert_int_equal(world->effects.count, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_range_passes_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(partitions_do_not_know_of_one_another, set_up, tear_down),
        cmocka_unit_test_setup_teardown(parts_of_one_message_pass_once_each, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_an_overlap_only_the_new_part_passes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_overlap_may_end_inside_a_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(edges_learned_of_spans_are_no_parts_of_a_message, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_reset_starts_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_place_at_zero_is_kept_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(restored_places_are_known, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_range_is_passed_over, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
