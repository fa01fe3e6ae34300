/* journal_damage_test.c - the journal over damaged files and failing disks. */
#include "tests/core/journal_world.h"

#include <fcntl.h>
#include <sys/resource.h>

static void a_torn_tail_is_cut_and_its_numbers_used_again(void **state) {
    struct world *world = *state;
    world_open(world);
    write_blocks(world, 4, 5000);
    world_close(world);
    /* Block 4 stands at 4096 + 3 * 8192; its second page never reached the disk. */
    flip_bit(world, 1, 4096 + 3 * 8192 + 4096 + 100);
    struct read_result result = read_all(world, 1);
    assert_int_equal(result.records, 3);
    assert_int_equal(result.damages, 0);
    world_open(world);
    assert_int_equal(journal_next_seq(world->journal), 4);
    write_blocks(world, 1, 100);
    result = read_all(world, 1);
    assert_int_equal(result.records, 4);
    assert_int_equal(result.damages, 0);
}

static void damage_in_the_middle_is_told_and_skipped(void **state) {
    struct world *world = *state;
    world_open(world);
    write_blocks(world, 6, 5000);
    world_close(world);
    flip_bit(world, 1, 4096 + 2 * 8192 + 777);
    world_open(world);
    assert_int_equal(journal_next_seq(world->journal), 7);
    write_blocks(world, 1, 100);
    struct read_result result = read_all(world, 1);
    assert_int_equal(result.records, 6);
    assert_int_equal(result.damages, 1);
    assert_int_equal(result.seq_last, 7);
}

static void a_damaged_block_header_is_skipped(void **state) {
    struct world *world = *state;
    world_open(world);
    write_blocks(world, 6, 5000);
    world_close(world);
    flip_bit(world, 1, 4096 + 8192 + 17); /* the payload size of block 2 */
    struct read_result result = read_all(world, 1);
    assert_int_equal(result.records, 5);
    assert_int_equal(result.damages, 1);
}

static void a_lost_segment_is_told(void **state) {
    struct world *world = *state;
    char path[160];
    world_open(world);
    write_blocks(world, 40, 5000);
    segment_path(world, 15, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    struct read_result result = read_all(world, 1);
    assert_int_equal(result.records, 33);
    assert_int_equal(result.damages, 1);
}

static void a_full_disk_withdraws_and_tries_again(void **state) {
    struct world *world = *state;
    struct rlimit before;
    struct rlimit small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    world_open(world);
    write_blocks(world, 7, 5000); /* the segment is full */
    small = (struct rlimit){.rlim_cur = SEGMENT_BYTES / 2, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(append(world, 8, 5000).code, STATUS_OK);
        assert_int_equal(append(world, 9, 500).code, STATUS_OK);
        assert_int_equal(flush(world).code, STATUS_FULL);
        assert_int_equal(journal_next_seq(world->journal), 8);
        assert_int_equal(journal_open_bytes(world->journal), 0);
        assert_false(journal_is_failed(world->journal));
    }
    assert_int_equal(count_files(world), 1); /* nothing half-made is left */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    write_blocks(world, 3, 5000);
    assert_int_equal(read_all(world, 1).records, 10);
}

static void a_failed_sync_sticks(void **state) {
    struct world *world = *state;
    world_open(world);
    write_blocks(world, 2, 100);
    world->loop.sync_error = EIO;
    assert_int_equal(append(world, 3, 100).code, STATUS_OK);
    assert_int_equal(flush(world).code, STATUS_IO);
    assert_true(journal_is_failed(world->journal));
    world->loop.sync_error = 0; /* the kernel says "fine" the next time: not believed */
    assert_int_equal(append(world, 4, 100).code, STATUS_IO);
    assert_true(journal_is_failed(world->journal));
}

static void a_failed_write_takes_open_records_with_it(void **state) {
    struct world *world = *state;
    struct journal_block block;
    world_open(world);
    world->loop.write_error = EIO;
    assert_int_equal(append(world, 1, 100).code, STATUS_OK);
    assert_int_equal(journal_flush(world->journal, on_flushed, world, &block).code, STATUS_OK);
    assert_int_equal(append(world, 2, 100).code, STATUS_OK);
    loop_complete(&world->loop);
    assert_int_equal(world->flushed.code, STATUS_IO);
    assert_int_equal(journal_flush(world->journal, on_flushed, world, &block).code, STATUS_IO);
}

/* xorshift: the same mutations every time. */
static uint64_t next_random(uint64_t *random) {
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return *random;
}

static void mutate_file(const char *path, uint64_t *random) {
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    uint64_t count = 1 + next_random(random) % 8;
    for (uint64_t i = 0; i < count; i++) {
        uint8_t bytes[64];
        for (size_t k = 0; k < sizeof(bytes); k++) {
            bytes[k] = (uint8_t)next_random(random);
        }
        /* Half of them at headers, where lengths stand. */
        off_t at = (off_t)(next_random(random) % SEGMENT_BYTES);
        at = next_random(random) % 2 == 0 ? at / 4096 * 4096 + (off_t)(next_random(random) % 64)
                                          : at;
        size_t size = 1 + (size_t)(next_random(random) % sizeof(bytes));
        assert_int_equal(pwrite(fd, bytes, size, at), (ssize_t)size);
    }
    if (next_random(random) % 8 == 0) {
        assert_int_equal(ftruncate(fd, (off_t)(next_random(random) % SEGMENT_BYTES)), 0);
    }
    close(fd);
}

static void mutated_files_are_survived_without_wrong_records(void **state) {
    struct world *world = *state;
    uint64_t random = 88172645463325252u;
    for (int round = 0; round < 250; round++) {
        char path[160];
        scratch_remove(world->directory);
        assert_int_equal(mkdir(world->directory, 0700), 0);
        world_open(world);
        write_blocks(world, 10, 3000 + (size_t)(next_random(&random) % 4000));
        uint64_t next_seq = journal_next_seq(world->journal);
        world_close(world);
        segment_path(world, 1, path, sizeof(path));
        mutate_file(path, &random);
        struct read_result result = read_all(world, 1); /* checks each record */
        assert_true(result.records <= next_seq - 1);
        struct status status = journal_open(&world->options, &world->journal, &world->fault);
        if (status_is_ok(status)) {
            assert_true(journal_next_seq(world->journal) <= next_seq);
            write_blocks(world, 2, 100);
            world_close(world);
            (void)read_all(world, 1);
        } else {
            assert_int_equal(status.code, STATUS_CORRUPT);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_torn_tail_is_cut_and_its_numbers_used_again),
        TEST(damage_in_the_middle_is_told_and_skipped),
        TEST(a_damaged_block_header_is_skipped),
        TEST(a_lost_segment_is_told),
        TEST(a_full_disk_withdraws_and_tries_again),
        TEST(a_failed_sync_sticks),
        TEST(a_failed_write_takes_open_records_with_it),
        TEST(mutated_files_are_survived_without_wrong_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
