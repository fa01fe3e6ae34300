/*
 * journal_fault_test.c - the journal over a disk that lies: whatever was acknowledged is read back
 * after each power cut, in order and unchanged; damage in the middle costs its block alone.
 *
 *   journal_fault_test [rounds [seed]]   repeats what a failure printed
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/batch.h"
#include "core/journal.h"
#include "tests/core/fault_disk.h"

enum { LIVES = 4, MUTATIONS = 5, RECORDS_MAX = 4096, BATCH_BYTES = 16384 };
#define SEGMENT_BYTES (64 * KIB)

struct loop {
    struct loop_file_op *op;
};

void loop_file_write(struct loop *loop, struct loop_file_op *op) {
    ASSERT(loop->op == NULL);
    loop->op = op;
}

/* This disk is no file system of which anything is known: only blocks are written. */
struct status loop_run_once(struct loop *loop, uint64_t timeout_ns) {
    (void)loop;
    (void)timeout_ns;
    return status_of(STATUS_CLOSED);
}

static void loop_complete(struct loop *loop) {
    struct loop_file_op *op = loop->op;
    loop->op = NULL;
    bool is_done = file_write(op->files, op->fd, op->data, op->size, op->offset) == 0 &&
                   (!op->sync || file_sync_data(op->files, op->fd) == 0);
    op->error_number = is_done ? 0 : errno;
    op->on_done(op->context, status_of(is_done ? STATUS_OK : STATUS_IO));
}

/* What the test knows: content of each record number last given out, and what was acknowledged. */
struct world {
    char directory[96];
    uint64_t seed;
    struct fault_disk *disk;
    struct loop loop;
    struct status flushed;
    uint64_t contents[RECORDS_MAX]; /* by seq */
    uint64_t acknowledged;          /* up to this seq */
    uint64_t next_content;
    uint64_t memory[BATCH_BYTES / 8];
};

#define CHECK(world, condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s; again: journal_fault_test 1 %llu\n", __FILE__,       \
                          __LINE__, #condition, (unsigned long long)(world)->seed);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void on_flushed(void *context, struct status status) {
    ((struct world *)context)->flushed = status;
}

static struct slice make_batch(struct world *world, uint64_t content, size_t size) {
    static uint8_t entry[BATCH_BYTES];
    struct batch batch;
    batch_init(&batch, world->memory, sizeof(world->memory));
    batch_clear(&batch, BATCH_EVENTS);
    memset(entry, (int)(content & 255), size);
    memcpy(entry, &content, sizeof(content));
    CHECK(world, status_is_ok(batch_add(&batch, slice_of(entry, size))));
    return batch_finish(&batch);
}

/* Some records and flushes; false when the journal failed. */
static bool write_some(struct world *world, struct journal *journal) {
    uint64_t count = fault_disk_random(world->disk) % 4 + 1;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t seq = 0;
        size_t size = 8 + fault_disk_random(world->disk) % 12000;
        uint64_t content = world->next_content++;
        struct slice batch = make_batch(world, content, size);
        if (!status_is_ok(journal_append(journal, batch, 1, &seq))) {
            break;
        }
        CHECK(world, seq > world->acknowledged && seq < RECORDS_MAX);
        world->contents[seq] = content;
    }
    if (journal_open_bytes(journal) == 0) {
        return !journal_is_failed(journal);
    }
    struct journal_block block;
    struct status status = journal_flush(journal, on_flushed, world, &block);
    if (status.code == STATUS_FULL) {
        return true; /* withdrawn: the numbers are used again */
    }
    if (!status_is_ok(status)) {
        CHECK(world, journal_is_failed(journal));
        return false;
    }
    loop_complete(&world->loop);
    if (status_is_ok(world->flushed)) {
        world->acknowledged = block.first_seq + block.count - 1;
    }
    CHECK(world, status_is_ok(world->flushed) != journal_is_failed(journal));
    return status_is_ok(world->flushed);
}

static void check_all(struct world *world) {
    struct journal_reader *reader = NULL;
    struct fault fault = {{0}};
    const struct files *files = fault_disk_files(world->disk);
    CHECK(world, status_is_ok(journal_reader_open(files, world->directory, 1, &reader, &fault)));
    struct slice record;
    uint64_t seq = 0;
    uint64_t expected = 1;
    struct status status = journal_reader_next(reader, &record, &seq, &fault);
    for (; status_is_ok(status); status = journal_reader_next(reader, &record, &seq, &fault)) {
        struct batch_view view;
        struct slice entry;
        uint64_t content = 0;
        CHECK(world, seq == expected++);
        CHECK(world, status_is_ok(batch_open(record, &view)) && batch_next(&view, &entry));
        memcpy(&content, entry.data, sizeof(content));
        CHECK(world, content == world->contents[seq] && view.seq == seq);
    }
    CHECK(world, status.code == STATUS_END);
    CHECK(world, expected > world->acknowledged);
    journal_reader_close(reader);
}

static void one_life(struct world *world) {
    struct journal *journal = NULL;
    struct fault fault = {{0}};
    struct journal_options options = {
        .directory = world->directory,
        .sync = JOURNAL_SYNC_ALWAYS,
        .segment_bytes = SEGMENT_BYTES,
        .loop = &world->loop,
        .files = fault_disk_files(world->disk),
    };
    if (status_is_ok(journal_open(&options, &journal, &fault))) {
        CHECK(world, journal_next_seq(journal) > world->acknowledged);
        uint64_t turns = fault_disk_random(world->disk) % 24;
        while (turns-- > 0 && write_some(world, journal)) {
        }
        journal_close(journal);
    } else {
        CHECK(world, fault.words[0] != 0 && fault_disk_failures(world->disk) > 0);
    }
    fault_disk_cut_power(world->disk);
    uint32_t failures = fault_disk_random(world->disk) % 2 == 0 ? 0 : 24;
    fault_disk_set_failures(world->disk, 0);
    check_all(world);
    fault_disk_set_failures(world->disk, failures);
}

static void remove_files(const char *directory) {
    DIR *stream = opendir(directory);
    ASSERT(stream != NULL);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        (void)unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
}

/* Power cuts and errors: nothing acknowledged is lost, nothing is read that was not written. */
static uint32_t live_and_die(struct world *world, uint64_t seed) {
    struct fault_disk_options options = {.seed = seed, .fail_one_in = 32};
    char directory[96];
    memcpy(directory, world->directory, sizeof(directory));
    *world = (struct world){.seed = seed};
    memcpy(world->directory, directory, sizeof(directory));
    world->disk = fault_disk_open(&options);
    for (int life = 0; life < LIVES; life++) {
        one_life(world);
    }
    uint32_t failures = fault_disk_failures(world->disk);
    fault_disk_close(world->disk);
    remove_files(world->directory);
    return failures;
}

/* --- Mutations --- */

struct place {
    uint64_t offset; /* of the block */
    uint64_t end;
};

/* One record a block, in one segment; the places of the blocks. */
static uint32_t write_places(struct world *world, struct place *places) {
    struct journal *journal = NULL;
    struct journal_options options = {
        .directory = world->directory, .segment_bytes = SEGMENT_BYTES, .loop = &world->loop};
    CHECK(world, status_is_ok(journal_open(&options, &journal, NULL)));
    uint64_t offset = BLOCK_ALIGN_BYTES;
    uint32_t count = 0;
    for (; count < 10 && offset < SEGMENT_BYTES - 12 * KIB; count++) {
        uint64_t seq = 0;
        struct journal_block block;
        struct slice batch =
            make_batch(world, world->next_content, 8 + fault_disk_random(world->disk) % 8000);
        CHECK(world, status_is_ok(journal_append(journal, batch, 1, &seq)));
        world->contents[seq] = world->next_content++;
        CHECK(world, status_is_ok(journal_flush(journal, on_flushed, world, &block)));
        loop_complete(&world->loop);
        uint64_t end = offset + (64 + batch.size + BLOCK_ALIGN_BYTES - 1) / BLOCK_ALIGN_BYTES *
                                    BLOCK_ALIGN_BYTES;
        places[count] = (struct place){offset, offset + 64 + batch.size};
        offset = end;
    }
    journal_close(journal);
    return count;
}

/* Bytes of the segment before they were damaged. */
struct damage {
    uint64_t at;
    size_t size;
    uint8_t before[512];
};

static void mutate(struct world *world, int fd, struct damage *damage_out) {
    uint64_t at = fault_disk_random(world->disk) % SEGMENT_BYTES;
    uint8_t bytes[512];
    /* A flipped bit, a few bytes of noise, a zeroed sector. */
    uint64_t kind = fault_disk_random(world->disk) % 3;
    size_t size = kind == 0 ? 1 : kind == 1 ? 1 + fault_disk_random(world->disk) % 64 : 512;
    at = at + size > SEGMENT_BYTES ? SEGMENT_BYTES - size : at;
    CHECK(world, pread(fd, bytes, size, (off_t)at) == (ssize_t)size);
    *damage_out = (struct damage){.at = at, .size = size};
    memcpy(damage_out->before, bytes, size);
    for (size_t i = 0; i < size; i++) {
        uint8_t flip = (uint8_t)(1u << (fault_disk_random(world->disk) % 8));
        uint8_t noise = (uint8_t)(kind == 0 ? flip : fault_disk_random(world->disk));
        bytes[i] = (uint8_t)(kind == 2 ? 0 : bytes[i] ^ noise);
    }
    CHECK(world, pwrite(fd, bytes, size, (off_t)at) == (ssize_t)size);
}

/* What is found: records that came, and how often damage was told. */
struct found {
    bool has[RECORDS_MAX];
    uint32_t told;
};

static void read_mutated(struct world *world, struct found *found) {
    struct journal_reader *reader = NULL;
    struct fault fault = {{0}};
    memset(found, 0, sizeof(*found));
    CHECK(world, status_is_ok(journal_reader_open(NULL, world->directory, 1, &reader, &fault)));
    for (;;) {
        struct slice record;
        uint64_t seq = 0;
        struct status status = journal_reader_next(reader, &record, &seq, &fault);
        /* A flip in the version of a segment is a format that nobody knows. */
        if (status.code == STATUS_CORRUPT || status.code == STATUS_UNSUPPORTED) {
            CHECK(world,
                  strstr(fault.words, ".qj") != NULL && strstr(fault.words, "offset") != NULL);
            CHECK(world, found->told++ < 100);
            continue;
        }
        if (status.code == STATUS_END) {
            break;
        }
        CHECK(world, status_is_ok(status));
        struct batch_view view;
        struct slice entry;
        uint64_t content = 0;
        CHECK(world, status_is_ok(batch_open(record, &view)) && batch_next(&view, &entry));
        memcpy(&content, entry.data, sizeof(content));
        CHECK(world, seq < RECORDS_MAX && content == world->contents[seq]);
        found->has[seq] = true;
    }
    journal_reader_close(reader);
}

/* A damaged block costs itself: it is told, and all others are read. */
static void check_found(struct world *world, const struct place *places, uint32_t count,
                        const struct damage *damage) {
    static struct found found;
    uint64_t to = damage->at + damage->size;
    bool hits_header = damage->at < 48;
    read_mutated(world, &found);
    for (uint32_t i = 0; i < count && !hits_header; i++) {
        bool is_hit = damage->at < places[i].end && to > places[i].offset;
        CHECK(world, is_hit || found.has[i + 1]);
        /* Only what has nothing whole behind it may look like a torn tail. */
        bool is_tail = i + 1 == count || !found.has[i + 2];
        CHECK(world, found.has[i + 1] || is_tail || found.told > 0);
    }
    CHECK(world, !hits_header || found.told > 0 || found.has[1]);
}

/* One journal, damaged in one place, mended, damaged in another. */
static void mutate_and_read(struct world *world, uint64_t seed) {
    struct fault_disk_options options = {.seed = seed};
    struct place places[16];
    char path[160];
    world->seed = seed;
    world->disk = fault_disk_open(&options);
    world->next_content = 1;
    uint32_t count = write_places(world, places);
    (void)snprintf(path, sizeof(path), "%s/%020d.qj", world->directory, 1);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK(world, fd >= 0);
    for (int i = 0; i < MUTATIONS; i++) {
        struct damage damage;
        mutate(world, fd, &damage);
        check_found(world, places, count, &damage);
        CHECK(world,
              pwrite(fd, damage.before, damage.size, (off_t)damage.at) == (ssize_t)damage.size);
    }
    close(fd);
    fault_disk_close(world->disk);
    remove_files(world->directory);
}

int main(int count, char **words) {
    static struct world world;
    uint64_t rounds = count > 1 ? strtoull(words[1], NULL, 10) : 2000;
    uint64_t seed = count > 2 ? strtoull(words[2], NULL, 10) : (uint64_t)getpid() * 1000003u;
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".";
    (void)snprintf(world.directory, sizeof(world.directory), "%s/journal-fault-XXXXXX", base);
    ASSERT(mkdtemp(world.directory) != NULL);
    (void)printf("seed %llu\n", (unsigned long long)seed);
    uint64_t failures = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        failures += live_and_die(&world, seed + i);
        mutate_and_read(&world, seed + i);
    }
    (void)printf("%llu rounds of %d lives, %llu failed calls, %llu mutations\n",
                 (unsigned long long)rounds, LIVES, (unsigned long long)failures,
                 (unsigned long long)(rounds * MUTATIONS));
    return rmdir(world.directory);
}
