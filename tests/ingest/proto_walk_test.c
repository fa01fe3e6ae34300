/* proto_walk_test.c - protobuf's wire format: what is given of a message, passed over, refused. */
#include "ingest/proto_walk.h"

#include "tests/base/unit.h"

/* Walks a message to its end; its field 1 (a number) as last seen. NULL, or why it failed. */
static const char *walk_over(struct slice bytes, uint64_t *value_out) {
    struct proto_root root = {.bytes = bytes};
    struct proto_walk walk = proto_walk_over(&root, bytes);
    struct proto_field field;
    *value_out = 0;
    while (proto_next(&walk, &field)) {
        assert_true(field.wire != PROTO_GROUP && field.wire != PROTO_GROUP_END);
        if (proto_is(&field, 1, PROTO_VARINT)) {
            *value_out = field.value;
        }
    }
    return root.error;
}

#define BYTES(words)                                                                               \
    { (const uint8_t *)(words), sizeof(words) - 1 }

static void a_group_is_passed_over_with_all_that_it_holds(void **state) {
    static const struct slice good[] = {
        BYTES("\x53\x54\x08\x07"),                     /* 10 { } */
        BYTES("\x08\x07\x53\x54"),                     /* at the end */
        BYTES("\x53\x08\x09\x12\x01x\x54\x08\x07"),    /* 10 { 1: 9, 2: "x" } */
        BYTES("\x53\x53\x5b\x5c\x54\x54\x08\x07"),     /* 10 { 10 { 11 { } } } */
        BYTES("\x53\x0d\x01\x02\x03\x04\x54\x08\x07"), /* with a fixed32 */
        BYTES("\x93\x03\x12\x01\x54\x94\x03\x08\x07"), /* 50 { 2: "T" }, a tag of two bytes */
        BYTES("\x0b\x0c\x08\x07"), /* under a number that is known, of another type */
    };
    uint64_t value;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_null(walk_over(good[i], &value));
        assert_int_equal(value, 7);
    }
}

static void a_group_that_is_not_whole_is_refused(void **state) {
    static const struct {
        struct slice bytes;
        const char *words;
    } bad[] = {
        {BYTES("\x53"), "a group has no end"},
        {BYTES("\x53\x53\x54\x08\x07"), "a group has no end"},
        {BYTES("\x54"), "a group ends that was not begun"},
        {BYTES("\x53\x5c\x54"), "a group ends that was not begun"},
        {BYTES("\x53\x12\x05x\x54"), "a field is longer than its message"},
        {BYTES("\x53\x00\x54"), "a field has no sound number"},
        {BYTES("\x53\x0f\x54"), "a field has an unknown wire type"},
    };
    uint64_t value;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_string_equal(walk_over(bad[i].bytes, &value), bad[i].words);
    }
}

static void groups_in_one_another_are_bounded(void **state) {
    uint8_t bytes[2 * (PROTO_GROUP_DEPTH_MAX + 1)];
    uint64_t value;
    (void)state;
    memset(bytes, 0x53, PROTO_GROUP_DEPTH_MAX);
    memset(bytes + PROTO_GROUP_DEPTH_MAX, 0x54, PROTO_GROUP_DEPTH_MAX);
    assert_null(walk_over(slice_of(bytes, 2 * (size_t)PROTO_GROUP_DEPTH_MAX), &value));
    memset(bytes, 0x53, PROTO_GROUP_DEPTH_MAX + 1);
    memset(bytes + PROTO_GROUP_DEPTH_MAX + 1, 0x54, PROTO_GROUP_DEPTH_MAX + 1);
    assert_string_equal(walk_over(slice_of(bytes, sizeof(bytes)), &value), "nested too deeply");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_passed_over_with_all_that_it_holds),
        cmocka_unit_test(a_group_that_is_not_whole_is_refused),
        cmocka_unit_test(groups_in_one_another_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
