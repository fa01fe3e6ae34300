/*
 * journal_world.h - the journal over real files, with a loop of the tests' own: it writes and syncs
 * in place, completes when the test says so, and fails when the test wants it.
 */
#pragma once

#include "tests/base/scratch.h"

#include "core/batch.h"
#include "core/journal.h"

#define SEGMENT_BYTES (64 * KIB)

enum { LOOP_OPS_MAX = 2 }; /* a block, and zeroes ahead of the next ones */

struct loop {
    struct loop_file_op *ops[LOOP_OPS_MAX];
    uint32_t count;
    int write_error;
    int sync_error;
    uint32_t syncs;
    int fd_last;
};

struct world {
    char directory[64];
    struct loop loop;
    struct journal_options options;
    struct journal *journal;
    struct fault fault;
    struct status flushed;
    uint64_t memory[8192 / 8];
};

struct read_result {
    uint64_t records;
    uint64_t damages;
    uint64_t seq_first;
    uint64_t seq_last;
};

/* Does what was asked of the loop until now, in its order, or fails as it is told to. */
void loop_complete(struct loop *loop);
/* The journal as world->options say. */
void world_open(struct world *world);
void world_close(struct world *world);
/* cmocka fixtures. */
int world_setup(void **state);
int world_teardown(void **state);
/* For journal_flush, with the world. */
void on_flushed(void *context, struct status status);
/* Record `number`, which tells its number, `size` bytes long in all or a little more. */
struct status append(struct world *world, uint64_t number, size_t size);
/* Writes what is open; what on_flushed was told. */
struct status flush(struct world *world);
/* `count` blocks of one record each; record n tells n. */
void write_blocks(struct world *world, uint32_t count, size_t size);
/* That the record says what record `seq` was made of. */
void check_record(struct slice record, uint64_t seq);
/* What a reader finds from `from_seq` on; each record is checked. */
struct read_result read_all(struct world *world, uint64_t from_seq);
void segment_path(const struct world *world, uint64_t first_seq, char *path, size_t size);
/* Of the segment that begins at first_seq. */
void flip_bit(const struct world *world, uint64_t first_seq, off_t offset);
/* Segments in the directory. */
uint32_t count_files(const struct world *world);

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)
