/* stream_test.c - ranges and places of logs: back as written, refused when damaged. */
#include "tests/base/unit.h"

#include "core/stream.h"

static const struct stream_range example = {
    .name = {SLICE("lkc-1"), SLICE("quell"), SLICE("orders"), 70000},
    .from = {5, 0},
    .to = {9, 3},
    .envelopes = 12,
    .is_reset = true,
};

static void a_range_reads_back(void **state) {
    uint8_t memory[STREAM_RANGE_BYTES_MAX];
    struct writer writer = writer_over(memory, sizeof(memory));
    struct stream_range back;
    stream_range_encode(&example, &writer);
    assert_status(stream_range_decode(writer_slice(&writer), &back), OK);
    assert_slice(back.name.cluster, "lkc-1");
    assert_slice(back.name.group, "quell");
    assert_slice(back.name.topic, "orders");
    assert_int_equal(back.name.partition, 70000);
    assert_int_equal(back.from.offset, 5);
    assert_int_equal(back.to.offset, 9);
    assert_int_equal(back.to.part, 3);
    assert_int_equal(back.envelopes, 12);
    assert_true(back.is_reset);
}

static void a_range_keeps_its_size_whatever_its_numbers(void **state) {
    uint8_t memory[2][STREAM_RANGE_BYTES_MAX];
    struct stream_range other = example;
    other.to = (struct stream_place){UINT64_MAX, UINT32_MAX};
    other.envelopes = UINT32_MAX;
    struct writer first = writer_over(memory[0], sizeof(memory[0]));
    struct writer second = writer_over(memory[1], sizeof(memory[1]));
    stream_range_encode(&example, &first);
    stream_range_encode(&other, &second);
    assert_int_equal(first.size, second.size);
}

static void damaged_ranges_are_refused(void **state) {
    uint8_t memory[STREAM_RANGE_BYTES_MAX + 1] = {0};
    struct writer writer = writer_over(memory, sizeof(memory));
    struct stream_range back;
    stream_range_encode(&example, &writer);
    for (size_t size = 0; size < writer.size; size++) {
        assert_status(stream_range_decode(slice_of(memory, size), &back), CORRUPT);
    }
    assert_status(stream_range_decode(slice_of(memory, writer.size + 1), &back), CORRUPT);
    memory[0] ^= 1;
    assert_status(stream_range_decode(writer_slice(&writer), &back), CORRUPT);
}

static void the_longest_names_fit_into_a_key(void **state) {
    uint8_t letters[STREAM_TOPIC_BYTES_MAX];
    uint8_t memory[STREAM_KEY_BYTES_MAX];
    memset(letters, 'a', sizeof(letters));
    struct stream_name name = {slice_of(letters, STREAM_CLUSTER_BYTES_MAX),
                               slice_of(letters, STREAM_GROUP_BYTES_MAX),
                               slice_of(letters, STREAM_TOPIC_BYTES_MAX), UINT32_MAX};
    assert_int_equal(stream_key(&name, memory).size, STREAM_KEY_BYTES_MAX);
    assert_true(STREAM_KEY_BYTES_MAX <= 500);
}

static void places_are_ordered_by_offset_then_part(void **state) {
    struct stream_place a = {5, 0};
    struct stream_place b = {5, 1};
    struct stream_place c = {6, 0};
    assert_true(stream_place_is_before(a, b));
    assert_true(stream_place_is_before(b, c));
    assert_false(stream_place_is_before(a, a));
    assert_false(stream_place_is_before(c, b));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_reads_back),
        cmocka_unit_test(a_range_keeps_its_size_whatever_its_numbers),
        cmocka_unit_test(damaged_ranges_are_refused),
        cmocka_unit_test(the_longest_names_fit_into_a_key),
        cmocka_unit_test(places_are_ordered_by_offset_then_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
