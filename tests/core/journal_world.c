/* journal_world.c - see journal_world.h. */
#include "tests/core/journal_world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

void loop_file_write(struct loop *loop, struct loop_file_op *op) {
    assert_in_range(loop->count, 0, LOOP_OPS_MAX - 1);
    loop->ops[loop->count++] = op;
}

static void complete_op(struct loop *loop, struct loop_file_op *op) {
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

void loop_complete(struct loop *loop) {
    struct loop now = *loop;
    loop->count = 0;
    for (uint32_t i = 0; i < now.count; i++) {
        complete_op(loop, now.ops[i]);
    }
}

struct status loop_run_once(struct loop *loop, uint64_t timeout_ns) {
    (void)timeout_ns;
    loop_complete(loop);
    return status_ok();
}

void world_open(struct world *world) {
    struct status status = journal_open(&world->options, &world->journal, &world->fault);
    if (!status_is_ok(status)) {
        print_message("%s\n", world->fault.words);
    }
    assert_int_equal(status.code, STATUS_OK);
}

void world_close(struct world *world) {
    journal_close(world->journal);
    world->journal = NULL;
}

int world_setup(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    scratch_make(world->directory, sizeof(world->directory));
    world->options = (struct journal_options){
        .directory = world->directory,
        .sync = JOURNAL_SYNC_ALWAYS,
        .segment_bytes = SEGMENT_BYTES,
        .loop = &world->loop,
    };
    *state = world;
    return 0;
}

int world_teardown(void **state) {
    struct world *world = *state;
    world_close(world);
    scratch_remove(world->directory);
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

void on_flushed(void *context, struct status status) {
    ((struct world *)context)->flushed = status;
}

struct status append(struct world *world, uint64_t number, size_t size) {
    uint64_t seq = 0;
    struct slice batch = make_batch(world, number, size);
    struct status status = journal_append(world->journal, batch, 1000 + number, &seq);
    if (status_is_ok(status)) {
        assert_int_equal(seq + 1, journal_next_seq(world->journal));
    }
    return status;
}

struct status flush(struct world *world) {
    struct journal_block block;
    world->flushed = status_of(STATUS_CLOSED);
    TRY(journal_flush(world->journal, on_flushed, world, &block));
    assert_true(journal_is_flushing(world->journal));
    assert_int_equal(world->flushed.code, STATUS_CLOSED);
    loop_complete(&world->loop);
    return world->flushed;
}

void write_blocks(struct world *world, uint32_t count, size_t size) {
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(append(world, journal_next_seq(world->journal), size).code, STATUS_OK);
        assert_int_equal(flush(world).code, STATUS_OK);
    }
}

void check_record(struct slice record, uint64_t seq) {
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

struct read_result read_all(struct world *world, uint64_t from_seq) {
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

void segment_path(const struct world *world, uint64_t first_seq, char *path, size_t size) {
    snprintf(path, size, "%s/%020llu.qj", world->directory, (unsigned long long)first_seq);
}

void flip_bit(const struct world *world, uint64_t first_seq, off_t offset) {
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

uint32_t count_files(const struct world *world) {
    uint32_t count = 0;
    DIR *stream = opendir(world->directory);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        count += entry->d_name[0] != '.';
    }
    closedir(stream);
    return count;
}
