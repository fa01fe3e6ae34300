/* journal_ahead_test.c - zeroes before small blocks: where, and never over a block. */
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "tests/core/journal_world.h"

enum { BLOCK = 4096, FEW = 40, ROUNDS = 300 };

static void skip_where_nothing_is_written_ahead(const struct world *world) {
    struct statfs info;
    assert_int_equal(statfs(world->directory, &info), 0);
    if (info.f_type != EXT4_SUPER_MAGIC && info.f_type != XFS_SUPER_MAGIC) {
        skip();
    }
}

/* Whether something was written at the offset: room that was only allocated is a hole. */
static bool is_written(const struct world *world, off_t offset) {
    char path[160];
    segment_path(world, 1, path, sizeof(path));
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    off_t data = lseek(fd, offset, SEEK_DATA);
    close(fd);
    return data == offset;
}

static off_t next_offset(uint32_t blocks) {
    return (off_t)BLOCK * (1 + blocks);
}

static void a_small_block_finds_its_place_written(void **state) {
    struct world *world = *state;
    skip_where_nothing_is_written_ahead(world);
    world->options.segment_bytes = MIB;
    world_open(world);
    for (uint32_t blocks = 0; blocks < FEW; blocks++) {
        write_blocks(world, 1, 100);
        assert_true(blocks < 20 || is_written(world, next_offset(blocks + 1)));
    }
    assert_int_equal(read_all(world, 1).records, FEW);
}

static void large_blocks_go_where_nothing_was_written(void **state) {
    struct world *world = *state;
    skip_where_nothing_is_written_ahead(world);
    world->options.segment_bytes = MIB;
    world_open(world);
    for (uint32_t i = 0; i < 8; i++) {
        for (uint32_t record = 0; record < 5; record++) {
            assert_status(append(world, journal_next_seq(world->journal), 7900), OK);
        }
        assert_status(flush(world), OK);
    }
    assert_false(is_written(world, next_offset(8 * 10)));
}

/* What would end in the zeroes on their way, or leave their segment, waits for them. */
static void a_block_waits_for_zeroes_in_its_way(void **state) {
    struct world *world = *state;
    skip_where_nothing_is_written_ahead(world);
    world->options.segment_bytes = MIB;
    world_open(world);
    write_blocks(world, 1, 100);
    assert_int_equal(world->loop.count, 1);
    assert_false(journal_is_flushing(world->journal));
    uint32_t records = 0;
    while (!journal_is_flushing(world->journal)) {
        assert_status(append(world, journal_next_seq(world->journal), 7900), OK);
        assert_in_range(++records, 1, 100);
    }
    loop_complete(&world->loop);
    assert_false(journal_is_flushing(world->journal));
    assert_status(flush(world), OK);
    assert_int_equal(read_all(world, 1).records, 1 + records);
}

static void a_segment_is_left_only_without_zeroes_on_their_way(void **state) {
    struct world *world = *state;
    skip_where_nothing_is_written_ahead(world);
    world->options.segment_bytes = 128 * KIB;
    world_open(world);
    write_blocks(world, 1, 100);
    assert_int_equal(world->loop.count, 1);
    journal_skip_to(world->journal, 100);
    assert_true(journal_is_flushing(world->journal));
    loop_complete(&world->loop);
    assert_false(journal_is_flushing(world->journal));
    write_blocks(world, 1, 100);
    assert_int_equal(count_files(world), 2);
}

/* A disk that takes blocks but no zeroes: nothing is lost, and it is not asked again. */
static void zeroes_that_fail_are_given_up(void **state) {
    struct world *world = *state;
    skip_where_nothing_is_written_ahead(world);
    world->options.segment_bytes = MIB;
    world_open(world);
    write_blocks(world, 1, 100);
    world->loop.write_error = EIO;
    loop_complete(&world->loop);
    world->loop.write_error = 0;
    write_blocks(world, FEW, 100);
    assert_int_equal(world->loop.count, 0);
    assert_false(journal_is_failed(world->journal));
    assert_int_equal(read_all(world, 1).records, 1 + FEW);
}

static void blocks_of_all_sizes_are_read_back_also_after_a_restart(void **state) {
    struct world *world = *state;
    uint64_t random = 88172645463325252U;
    world->options.segment_bytes = 512 * KIB;
    world_open(world);
    for (int round = 0; round < ROUNDS; round++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        for (uint64_t records = random % 8 == 0 ? 1 + random / 8 % 20 : 1; records > 0; records--) {
            if (journal_is_flushing(world->journal)) {
                loop_complete(&world->loop);
            }
            uint64_t seq = journal_next_seq(world->journal);
            assert_status(append(world, seq, 64 + random / 1024 % 7900), OK);
        }
        if (journal_is_flushing(world->journal)) {
            loop_complete(&world->loop);
        }
        assert_status(flush(world), OK);
        if (random / 64 % 32 == 0) {
            world_close(world);
            world_open(world);
        }
    }
    struct read_result result = read_all(world, 1);
    assert_int_equal(result.damages, 0);
    assert_int_equal(result.records, journal_next_seq(world->journal) - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_small_block_finds_its_place_written),
        TEST(large_blocks_go_where_nothing_was_written),
        TEST(a_block_waits_for_zeroes_in_its_way),
        TEST(a_segment_is_left_only_without_zeroes_on_their_way),
        TEST(zeroes_that_fail_are_given_up),
        TEST(blocks_of_all_sizes_are_read_back_also_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
