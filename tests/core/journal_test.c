/* journal_test.c - records are read back, segments come and go, syncs are as asked for. */
#include "tests/core/journal_world.h"

#include <fcntl.h>

#include "core/clock.h"

static void records_are_read_back_in_order(void **state) {
    struct world *world = *state;
    world_open(world);
    assert_int_equal(journal_next_seq(world->journal), 1);
    for (uint64_t i = 1; i <= 30; i++) {
        assert_int_equal(append(world, i, 200).code, STATUS_OK);
    }
    assert_true(journal_open_bytes(world->journal) >= 30 * 200);
    struct journal_block block;
    struct slice record;
    assert_int_equal(journal_flush(world->journal, on_flushed, world, &block).code, STATUS_OK);
    assert_int_equal(append(world, 31, 200).code, STATUS_OK); /* while the other one is in flight */
    loop_complete(&world->loop);
    assert_int_equal(world->flushed.code, STATUS_OK);
    assert_int_equal(world->loop.syncs, 1);
    assert_int_equal(flush(world).code, STATUS_OK);
    for (uint64_t i = 1; i <= 30; i++) {
        assert_true(journal_block_next(&block, &record));
        check_record(record, i);
    }
    assert_false(journal_block_next(&block, &record));
    struct read_result result = read_all(world, 1);
    assert_int_equal(result.records, 31);
    assert_int_equal(result.damages, 0);
    result = read_all(world, 17);
    assert_int_equal(result.seq_first, 17);
    assert_int_equal(result.records, 15);
}

static void numbers_go_on_after_reopening(void **state) {
    struct world *world = *state;
    for (uint64_t i = 0; i < 5; i++) {
        world_open(world);
        assert_int_equal(journal_next_seq(world->journal), 1 + 3 * i);
        write_blocks(world, 3, 300);
        world_close(world);
    }
    assert_int_equal(read_all(world, 1).records, 15);
}

static void a_missing_directory_reads_as_empty(void **state) {
    struct world *world = *state;
    struct journal_reader *reader = NULL;
    struct slice record;
    uint64_t seq = 0;
    assert_int_equal(journal_reader_open(NULL, "journal-test-none", 1, &reader, &world->fault).code,
                     STATUS_OK);
    assert_int_equal(journal_reader_next(reader, &record, &seq, &world->fault).code, STATUS_END);
    journal_reader_close(reader);
}

static void blocks_never_span_segments(void **state) {
    struct world *world = *state;
    world_open(world);
    write_blocks(world, 40, 5000); /* 7 blocks of 8 KiB fit into a segment of 64 KiB */
    assert_int_equal(count_files(world), 6);
    world_close(world);
    world_open(world);
    assert_int_equal(journal_next_seq(world->journal), 41);
    struct read_result result = read_all(world, 1);
    assert_int_equal(result.records, 40);
    assert_int_equal(result.damages, 0);
    assert_int_equal(read_all(world, 33).records, 8);
}

static void retention_keeps_what_is_needed(void **state) {
    struct world *world = *state;
    world->options.retention_bytes_max = 3 * SEGMENT_BYTES;
    world_open(world);
    write_blocks(world, 40, 5000);
    journal_retain(world->journal, 10, clock_wall_ns()); /* segment 8..14 holds 10 */
    assert_int_equal(journal_first_seq(world->journal), 8);
    journal_retain(world->journal, 41, clock_wall_ns());
    assert_int_equal(count_files(world), 3);
    assert_int_equal(journal_first_seq(world->journal), 22);
    assert_int_equal(read_all(world, 1).seq_first, 22);
    assert_int_equal(read_all(world, 1).damages, 0);
}

static void retention_by_age_never_takes_the_last_segment(void **state) {
    struct world *world = *state;
    world->options.retention_ns_max = NS_PER_HOUR;
    world_open(world);
    write_blocks(world, 40, 5000);
    journal_retain(world->journal, 41, clock_wall_ns());
    assert_int_equal(count_files(world), 6);
    journal_retain(world->journal, 41, clock_wall_ns() + 2 * NS_PER_HOUR);
    assert_int_equal(count_files(world), 1);
    world_close(world);
    world_open(world);
    assert_int_equal(journal_next_seq(world->journal), 41);
}

static void interval_and_never_do_not_sync_each_block(void **state) {
    struct world *world = *state;
    world->options.sync = JOURNAL_SYNC_INTERVAL;
    world_open(world);
    write_blocks(world, 5, 100);
    assert_int_equal(world->loop.syncs, 0);
    usleep(1010 * 1000);
    write_blocks(world, 3, 100);
    assert_int_equal(world->loop.syncs, 1);
    int fd = world->loop.fd_last;
    usleep(1010 * 1000);
    assert_int_equal(close(fd), 0); /* the next sync can only fail: so it is seen */
    journal_tick(world->journal);
    assert_true(journal_is_failed(world->journal));
    assert_int_equal(dup2(open("/dev/null", O_RDWR | O_CLOEXEC), fd), fd);
    world_close(world);
    world->options.sync = JOURNAL_SYNC_NEVER;
    world_open(world);
    write_blocks(world, 3, 100);
    assert_int_equal(world->loop.syncs, 1);
}

static void bounds_are_answered(void **state) {
    struct world *world = *state;
    uint64_t seq = 0;
    world->options.segment_bytes = 8192; /* a block of 4096 - 64 bytes */
    world_open(world);
    assert_int_equal(append(world, 1, 5000).code, STATUS_INVALID);
    assert_int_equal(journal_append(world->journal, SLICE("no batch"), 1, &seq).code,
                     STATUS_INVALID);
    assert_int_equal(append(world, 1, 3000).code, STATUS_OK);
    assert_int_equal(append(world, 2, 3000).code, STATUS_FULL);
    assert_int_equal(flush(world).code, STATUS_OK);
    assert_int_equal(append(world, 2, 3000).code, STATUS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(records_are_read_back_in_order),
        TEST(numbers_go_on_after_reopening),
        TEST(a_missing_directory_reads_as_empty),
        TEST(blocks_never_span_segments),
        TEST(retention_keeps_what_is_needed),
        TEST(retention_by_age_never_takes_the_last_segment),
        TEST(interval_and_never_do_not_sync_each_block),
        TEST(bounds_are_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
