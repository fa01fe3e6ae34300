/* journal_test.c - the journal over real files, with a loop of the test's own: it writes and syncs
 * in place, completes when the test says so, and fails when the test wants it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/batch.h"
#include "core/clock.h"
#include "core/journal.h"

#define SEGMENT_BYTES (64 * KIB)

struct loop {
    struct loop_file_op *op;
    int write_error;
    int sync_error;
    uint32_t syncs;
    int fd_last;
};

void loop_file_write(struct loop *loop, struct loop_file_op *op) {
    assert_null(loop->op);
    loop->op = op;
}

static void loop_complete(struct loop *loop) {
    struct loop_file_op *op = loop->op;
    loop->op = NULL;
    loop->fd_last = op->fd;
    op->error_number = loop->write_error;
    if (op->error_number == 0) {
        ssize_t size = pwrite(op->fd, op->data, op->size, (off_t)op->offset);
        op->error_number = size == (ssize_t)op->size ? 0 : errno;
    }
    if (op->error_number == 0 && op->sync) {
        loop->syncs++;
        op->error_number = loop->sync_error != 0 ? loop->sync_error : fdatasync(op->fd);
    }
    op->on_done(op->context, status_of(op->error_number == 0 ? STATUS_OK : STATUS_IO));
}

struct world {
    char directory[64];
    struct loop loop;
    struct journal_options options;
    struct journal *journal;
    struct fault fault;
    struct status flushed;
    uint64_t memory[8192 / 8];
};

static void world_open(struct world *world) {
    struct status status = journal_open(&world->options, &world->journal, &world->fault);
    if (!status_is_ok(status)) {
        print_message("%s\n", world->fault.words);
    }
    assert_int_equal(status.code, STATUS_OK);
}

static void world_close(struct world *world) {
    journal_close(world->journal);
    world->journal = NULL;
}

static int setup(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    snprintf(world->directory, sizeof(world->directory), "journal-test-XXXXXX");
    assert_non_null(mkdtemp(world->directory));
    world->options = (struct journal_options){
        .directory = world->directory,
        .sync = JOURNAL_SYNC_ALWAYS,
        .segment_bytes = SEGMENT_BYTES,
        .loop = &world->loop,
    };
    *state = world;
    return 0;
}

static void remove_files(const char *directory) {
    DIR *stream = opendir(directory);
    assert_non_null(stream);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        (void)unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
}

static int teardown(void **state) {
    struct world *world = *state;
    world_close(world);
    remove_files(world->directory);
    rmdir(world->directory);
    free(world);
    return 0;
}

/* A batch whose one entry tells `number`, `size` bytes long in all or a little more. */
static struct slice make_batch(struct world *world, uint64_t number, size_t size) {
    struct batch batch;
    batch_init(&batch, world->memory, sizeof(world->memory));
    batch_clear(&batch, BATCH_EVENTS);
    uint8_t entry[8000] = {0};
    memcpy(entry, &number, sizeof(number));
    size_t entry_size = size < 64 ? 8 : size - 56;
    assert_int_equal(batch_add(&batch, slice_of(entry, entry_size)).code, STATUS_OK);
    return batch_finish(&batch);
}

static void on_flushed(void *context, struct status status) {
    ((struct world *)context)->flushed = status;
}

static struct status append(struct world *world, uint64_t number, size_t size) {
    uint64_t seq = 0;
    struct slice batch = make_batch(world, number, size);
    struct status status = journal_append(world->journal, batch, 1000 + number, &seq);
    if (status_is_ok(status)) {
        assert_int_equal(seq + 1, journal_next_seq(world->journal));
    }
    return status;
}

static struct status flush(struct world *world) {
    struct journal_block block;
    world->flushed = status_of(STATUS_CLOSED);
    TRY(journal_flush(world->journal, on_flushed, world, &block));
    assert_true(journal_is_flushing(world->journal));
    assert_int_equal(world->flushed.code, STATUS_CLOSED);
    loop_complete(&world->loop);
    return world->flushed;
}

/* `count` blocks of one record each; record n tells n. */
static void write_blocks(struct world *world, uint32_t count, size_t size) {
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(append(world, journal_next_seq(world->journal), size).code, STATUS_OK);
        assert_int_equal(flush(world).code, STATUS_OK);
    }
}

struct read_result {
    uint64_t records;
    uint64_t damages;
    uint64_t seq_first;
    uint64_t seq_last;
};

static void check_record(struct slice record, uint64_t seq) {
    struct batch_view view;
    struct slice entry;
    assert_int_equal(batch_open(record, &view).code, STATUS_OK);
    assert_int_equal(view.seq, seq);
    assert_true(batch_next(&view, &entry));
    uint64_t number = 0;
    memcpy(&number, entry.data, sizeof(number));
    assert_int_equal(number, seq);
    assert_int_equal(view.stamp_ns, 1000 + number);
}

static struct read_result read_all(struct world *world, uint64_t from_seq) {
    struct journal_reader *reader = NULL;
    struct read_result result = {0};
    assert_int_equal(
        journal_reader_open(NULL, world->directory, from_seq, &reader, &world->fault).code,
        STATUS_OK);
    for (uint32_t i = 0; i < 100000; i++) {
        struct slice record;
        uint64_t seq = 0;
        struct status status = journal_reader_next(reader, &record, &seq, &world->fault);
        if (status.code == STATUS_END) {
            journal_reader_close(reader);
            return result;
        }
        if (status.code == STATUS_CORRUPT) {
            result.damages++;
            assert_non_null(strstr(world->fault.words, "offset"));
            continue;
        }
        assert_int_equal(status.code, STATUS_OK);
        check_record(record, seq);
        assert_true(seq > result.seq_last);
        result.seq_first = result.records == 0 ? seq : result.seq_first;
        result.seq_last = seq;
        result.records++;
    }
    fail_msg("reading does not end");
    return result;
}

static void segment_path(const struct world *world, uint64_t first_seq, char *path, size_t size) {
    snprintf(path, size, "%s/%020llu.qj", world->directory, (unsigned long long)first_seq);
}

static void flip_bit(const struct world *world, uint64_t first_seq, off_t offset) {
    char path[160];
    uint8_t byte = 0;
    segment_path(world, first_seq, path, sizeof(path));
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

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

static uint32_t count_files(const struct world *world) {
    uint32_t count = 0;
    DIR *stream = opendir(world->directory);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        count += entry->d_name[0] != '.';
    }
    closedir(stream);
    return count;
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
        remove_files(world->directory);
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

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(records_are_read_back_in_order),
        TEST(numbers_go_on_after_reopening),
        TEST(a_missing_directory_reads_as_empty),
        TEST(a_torn_tail_is_cut_and_its_numbers_used_again),
        TEST(damage_in_the_middle_is_told_and_skipped),
        TEST(a_damaged_block_header_is_skipped),
        TEST(blocks_never_span_segments),
        TEST(a_lost_segment_is_told),
        TEST(retention_keeps_what_is_needed),
        TEST(retention_by_age_never_takes_the_last_segment),
        TEST(a_full_disk_withdraws_and_tries_again),
        TEST(a_failed_sync_sticks),
        TEST(a_failed_write_takes_open_records_with_it),
        TEST(interval_and_never_do_not_sync_each_block),
        TEST(bounds_are_answered),
        TEST(mutated_files_are_survived_without_wrong_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
