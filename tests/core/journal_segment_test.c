/* journal_segment_test.c - a segment that cannot be made, whichever of its calls fails, leaves
 * nothing behind that a reader could take for one. */
#include "tests/core/journal_world.h"

#include "core/journal_segment.h"
#include "tests/core/fault_disk.h"

enum { CALLS_MAX = 20 };

static const int full_errors[] = {EMFILE, ENOSPC};
static const int errors[] = {EMFILE, ENOSPC, EIO};

static struct fault_disk *open_disk(struct world *world) {
    const struct fault_disk_options options = {.seed = 1};
    struct fault_disk *disk = fault_disk_open(&options);
    world->options.files = fault_disk_files(disk);
    return disk;
}

/* How many calls it takes: from there on it is made. */
static uint32_t fail_each_call(struct world *world, struct fault_disk *disk, int error) {
    for (uint32_t number = 1; number < CALLS_MAX; number++) {
        struct journal_segment segment;
        fault_disk_fail_call(disk, number, error);
        struct status status = journal_segment_create(world->options.files, world->directory, 5,
                                                      SEGMENT_BYTES, &segment, &world->fault);
        if (status_is_ok(status)) {
            journal_segment_close(&segment);
            return number - 1;
        }
        assert_string_equal(status_name(status), error == EIO ? "io" : "full");
        assert_int_equal(count_files(world), 0);
    }
    fail_msg("it is never made");
    return 0;
}

static void a_segment_that_cannot_be_made_leaves_nothing_behind(void **state) {
    struct world *world = *state;
    struct fault_disk *disk = open_disk(world);
    char path[160];
    segment_path(world, 5, path, sizeof(path));
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        assert_true(fail_each_call(world, disk, errors[i]) >= 6);
        assert_int_equal(unlink(path), 0);
    }
    fault_disk_close(disk);
}

/* The block that wants the new segment is withdrawn; a smaller one still fits into the old. */
static void fail_and_go_on(struct world *world, struct fault_disk *disk, uint32_t number,
                           int error) {
    world_open(world);
    write_blocks(world, 7, 8000); /* 7 of them fill the segment but for some KiB */
    fault_disk_fail_call(disk, number, error);
    assert_int_equal(append(world, 8, 8000).code, STATUS_OK);
    assert_int_equal(flush(world).code, STATUS_FULL);
    fault_disk_fail_call(disk, 0, 0);
    write_blocks(world, 1, 100);
    world_close(world);
    assert_int_equal(read_all(world, 1).records, 8);
    world_open(world);
    write_blocks(world, 3, 8000);
    world_close(world);
    struct read_result result = read_all(world, 1);
    assert_int_equal(result.records, 11);
    assert_int_equal(result.damages, 0);
}

static void what_is_acknowledged_behind_a_failed_segment_is_read_back(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(full_errors) / sizeof(full_errors[0]); i++) {
        for (uint32_t number = 1; number <= 6; number++) {
            void *scratch = NULL;
            assert_int_equal(world_setup(&scratch), 0);
            struct fault_disk *disk = open_disk(scratch);
            fail_and_go_on(scratch, disk, number, full_errors[i]);
            assert_int_equal(world_teardown(&scratch), 0);
            fault_disk_close(disk);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_segment_that_cannot_be_made_leaves_nothing_behind),
        cmocka_unit_test(what_is_acknowledged_behind_a_failed_segment_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
