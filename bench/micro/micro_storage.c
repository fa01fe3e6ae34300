/* micro_storage.c - what a sync costs, and what the journal and the store add to it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/micro/micro.h"
#include "core/base/assert.h"
#include "core/batch.h"
#include "core/journal.h"
#include "core/store.h"

enum { BLOCK_BYTES = 64 * 1024, ROWS = 100, ROW_BYTES = 100 };
#define FILE_BYTES (64LL << 20)

/* --- The floor: one aligned write into allocated space, and its sync --- */

struct bare {
    int fd;
    void *block;
    off_t at;
};

static void *init_bare(const char *directory) {
    char path[256];
    struct bare *bare = calloc(1, sizeof(*bare));
    ASSERT(bare != NULL);
    (void)snprintf(path, sizeof(path), "%s/bare", directory);
    bare->fd = open(path, O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
    bare->block = aligned_alloc(4096, BLOCK_BYTES);
    ASSERT(bare->block != NULL);
    memset(bare->block, 1, BLOCK_BYTES);
    if (bare->fd < 0 || posix_fallocate(bare->fd, 0, FILE_BYTES) != 0) {
        free(bare->block);
        free(bare);
        return NULL;
    }
    return bare;
}

static void deinit_bare(void *state) {
    struct bare *bare = state;
    close(bare->fd);
    free(bare->block);
    free(bare);
}

static struct micro_work run_bare(void *state, uint64_t rounds) {
    struct bare *bare = state;
    for (uint64_t i = 0; i < rounds; i++) {
        ASSERT(pwrite(bare->fd, bare->block, BLOCK_BYTES, bare->at) == BLOCK_BYTES);
        ASSERT(fdatasync(bare->fd) == 0);
        bare->at = (bare->at + BLOCK_BYTES) % FILE_BYTES;
    }
    return (struct micro_work){rounds, rounds * BLOCK_BYTES};
}

/* --- The journal --- */

struct writing {
    struct loop *loop;
    struct journal *journal;
    struct batch batch;
    void *memory;
    bool is_done;
};

static void *init_journal_of(const char *directory, enum journal_sync sync) {
    struct writing *writing = calloc(1, sizeof(*writing));
    struct fault fault;
    ASSERT(writing != NULL);
    struct loop_options loop_options = {.backend = LOOP_AUTO};
    ASSERT(status_is_ok(loop_open(&loop_options, &writing->loop, &fault)));
    struct journal_options options = {.directory = directory,
                                      .sync = sync,
                                      .retention_bytes_max = 512ULL << 20,
                                      .loop = writing->loop};
    ASSERT(status_is_ok(journal_open(&options, &writing->journal, &fault)));
    writing->memory = calloc(1, BLOCK_BYTES);
    ASSERT(writing->memory != NULL);
    batch_init(&writing->batch, writing->memory, BLOCK_BYTES);
    uint8_t entry[600] = {1};
    while (status_is_ok(batch_add(&writing->batch, slice_of(entry, sizeof(entry))))) {
        continue;
    }
    return writing;
}

static void *init_journal(const char *directory) {
    return init_journal_of(directory, JOURNAL_SYNC_ALWAYS);
}

static void *init_journal_unsynced(const char *directory) {
    return init_journal_of(directory, JOURNAL_SYNC_NEVER);
}

static void deinit_journal(void *state) {
    struct writing *writing = state;
    journal_close(writing->journal);
    loop_close(writing->loop);
    free(writing->memory);
    free(writing);
}

static void on_done(void *context, struct status status) {
    struct writing *writing = context;
    ASSERT(status_is_ok(status));
    writing->is_done = true;
}

static struct micro_work run_journal(void *state, uint64_t rounds) {
    struct writing *writing = state;
    struct slice bytes = batch_finish(&writing->batch);
    for (uint64_t i = 0; i < rounds; i++) {
        struct journal_block block;
        uint64_t seq = 0;
        writing->is_done = false;
        ASSERT(status_is_ok(journal_append(writing->journal, bytes, i + 1, &seq)));
        while (journal_is_flushing(writing->journal)) {
            ASSERT(status_is_ok(loop_run_once(writing->loop, NS_PER_S)));
        }
        ASSERT(status_is_ok(journal_flush(writing->journal, on_done, writing, &block)));
        while (!writing->is_done) {
            ASSERT(status_is_ok(loop_run_once(writing->loop, NS_PER_S)));
        }
        if (i % 1000 == 0) {
            journal_retain(writing->journal, seq, i);
        }
    }
    return (struct micro_work){rounds, rounds * bytes.size};
}

/* --- The store --- */

struct storing {
    struct store *store;
    uint64_t number;
};

static void *init_store(const char *directory) {
    struct storing *storing = calloc(1, sizeof(*storing));
    struct store_options options = {.directory = directory, .map_bytes_max = 8ULL << 30};
    struct fault fault;
    ASSERT(storing != NULL);
    ASSERT(status_is_ok(store_open(&options, &storing->store, &fault)));
    return storing;
}

static void deinit_store(void *state) {
    struct storing *storing = state;
    store_close(storing->store);
    free(storing);
}

/* Rows of ten thousand keys, over and over, as live dedup windows and incidents are. */
static struct micro_work run_store(void *state, uint64_t rounds) {
    enum { LIVE_KEYS = 10000 };
    struct storing *storing = state;
    uint8_t value[ROW_BYTES] = {0};
    struct fault fault;
    for (uint64_t i = 0; i < rounds; i++) {
        ASSERT(status_is_ok(store_begin(storing->store, &fault)));
        for (int row = 0; row < ROWS; row++) {
            uint64_t key = storing->number++ * 7919 % LIVE_KEYS;
            memcpy(value, &storing->number, sizeof(storing->number));
            ASSERT(status_is_ok(store_put(storing->store, STORE_TABLE_DEDUP,
                                          slice_of(&key, sizeof(key)),
                                          slice_of(value, sizeof(value)), &fault)));
        }
        ASSERT(status_is_ok(store_commit(storing->store, &fault)));
    }
    return (struct micro_work){rounds, rounds * ROWS * ROW_BYTES};
}

const struct micro_bench micro_storage_benches[] = {
    {"write_fdatasync_64k", "block", NULL, init_bare, run_bare, deinit_bare, true},
    {"journal_flush_64k", "block", "write_fdatasync_64k", init_journal, run_journal, deinit_journal,
     true},
    {"journal_flush_unsynced", "block", "write_fdatasync_64k", init_journal_unsynced, run_journal,
     deinit_journal, true},
    {"store_commit_100_rows", "commit", NULL, init_store, run_store, deinit_store, true},
    {0},
};
