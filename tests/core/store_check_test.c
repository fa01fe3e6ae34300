/*
 * store_check_test.c - the check of LMDB's file: what it passes gives the same rows and can be
 * written to; what it refuses names file and offset. A mutated file never crashes anything.
 *
 *   store_check_test [rounds [seed]]
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/reader.h"
#include "core/store.h"
#include "core/store_check.h"

enum { COMMITS = 60, DIGESTS_MAX = 2, FILE_BYTES_MAX = 8 << 20 };

struct world {
    char directory[96];
    char path[128];
    uint64_t random;
    uint64_t seed;
    uint64_t round; /* with this seed */
    uint8_t *file;  /* as it was written */
    size_t file_bytes;
    struct hash128 digests[DIGESTS_MAX]; /* of the last commits, newest first */
};

#define CHECK(world, condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: %s; again: store_check_test %llu %llu\n", __FILE__,      \
                          __LINE__, #condition, (unsigned long long)(world)->round,                \
                          (unsigned long long)(world)->seed);                                      \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static uint64_t next_random(struct world *world) {
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return world->random;
}

static struct store *open_store(struct world *world) {
    struct store_options options = {.directory = world->directory, .map_bytes_max = GIB};
    struct store *store = NULL;
    struct fault fault = {{0}};
    CHECK(world, status_is_ok(store_open(&options, &store, &fault)));
    return store;
}

/* Some rows come, some go; sizes up to a few overflow pages. */
static void write_commit(struct world *world, struct store *store) {
    static uint8_t value[20000];
    CHECK(world, status_is_ok(store_begin(store, NULL)));
    for (int i = 0; i < 40; i++) {
        uint8_t key[16];
        struct writer writer = writer_over(key, sizeof(key));
        writer_u64_big_endian(&writer, next_random(world) % 600);
        writer_u64(&writer, 7);
        enum store_table table = (enum store_table)(1 + next_random(world) % 4);
        size_t size = next_random(world) % (next_random(world) % 16 == 0 ? sizeof(value) : 300);
        memset(value, (int)(next_random(world) & 255), size);
        struct status status =
            next_random(world) % 4 == 0
                ? store_delete(store, table, writer_slice(&writer), NULL)
                : store_put(store, table, writer_slice(&writer), slice_of(value, size), NULL);
        CHECK(world, status_is_ok(status));
    }
    CHECK(world, status_is_ok(store_commit(store, NULL)));
}

static struct hash128 digest_of(struct world *world) {
    struct store_check_result result;
    struct fault fault = {{0}};
    struct status status = store_check(NULL, world->directory, NULL, &result, &fault);
    if (!status_is_ok(status)) {
        (void)fprintf(stderr, "%s %s\n", status_name(status), fault.words);
    }
    CHECK(world, status_is_ok(status));
    return result.digest;
}

/* The same over LMDB itself: the check must see what LMDB sees. */
static struct hash128 digest_by_lmdb(struct world *world, struct store *store) {
    static const enum store_table by_name[] = {/* LMDB walks tables by name */
                                               STORE_TABLE_DEDUP, STORE_TABLE_EDGE,
                                               STORE_TABLE_EVENT_ID, STORE_TABLE_NODE};
    struct store_snapshot *snapshot = NULL;
    struct hash128 digest = {0};
    uint64_t rows = 0;
    CHECK(world, status_is_ok(store_snapshot_acquire(store, &snapshot)));
    for (uint32_t i = 0; i < 4; i++) {
        struct store_cursor *cursor = NULL;
        struct slice parts[2];
        CHECK(world, status_is_ok(store_cursor_open(snapshot, by_name[i], slice_of(NULL, 0),
                                                    slice_of(NULL, 0), &cursor)));
        while (status_is_ok(store_cursor_next(cursor, &parts[0], &parts[1]))) {
            digest = hash128_combine(digest, hash128_of_parts(parts, 2, rows++));
        }
        store_cursor_close(cursor);
    }
    store_snapshot_release(snapshot);
    return digest;
}

static void build_file(struct world *world) {
    struct store *store = open_store(world);
    for (int i = 0; i < COMMITS; i++) {
        write_commit(world, store);
        world->digests[1] = world->digests[0];
        world->digests[0] = digest_of(world);
        struct hash128 by_lmdb = digest_by_lmdb(world, store);
        CHECK(world, hash128_equals(by_lmdb, world->digests[0]));
    }
    store_close(store);
    int fd = open(world->path, O_RDONLY | O_CLOEXEC);
    ssize_t size = read(fd, world->file, FILE_BYTES_MAX);
    CHECK(world, size > 0 && size < FILE_BYTES_MAX);
    world->file_bytes = (size_t)size;
    close(fd);
}

static void write_mutated(struct world *world) {
    int fd = open(world->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(world, write(fd, world->file, world->file_bytes) == (ssize_t)world->file_bytes);
    uint64_t count = 1 + next_random(world) % 3;
    for (uint64_t i = 0; i < count; i++) {
        uint8_t bytes[4096];
        /* A flipped bit, noise at a page's head or anywhere, a zeroed page; some at the metas. */
        uint64_t kind = next_random(world) % 4;
        size_t size = kind == 3 ? 4096 : kind == 2 ? 1 + next_random(world) % 64 : 1;
        uint64_t at = next_random(world) % (world->file_bytes - size);
        at = next_random(world) % 8 == 0 ? next_random(world) % 8192 : at;
        at = next_random(world) % 2 == 0 ? at / 4096 * 4096 + next_random(world) % 64 : at;
        at = kind == 3 ? at / 4096 * 4096 : at;
        size = at + size > world->file_bytes ? world->file_bytes - at : size;
        memcpy(bytes, world->file + at, size);
        for (size_t k = 0; k < size; k++) {
            uint8_t flip = (uint8_t)(1u << (next_random(world) % 8));
            uint8_t noise = (uint8_t)next_random(world);
            bytes[k] = (uint8_t)(kind == 3 ? 0 : bytes[k] ^ (kind == 2 ? noise : flip));
        }
        CHECK(world, pwrite(fd, bytes, size, (off_t)at) == (ssize_t)size);
    }
    if (next_random(world) % 16 == 0) {
        CHECK(world, ftruncate(fd, (off_t)(next_random(world) % world->file_bytes)) == 0);
    }
    close(fd);
}

/* true: it passed. */
static bool try_mutated(struct world *world) {
    struct store_check_result result;
    struct fault fault = {{0}};
    struct status status = store_check(NULL, world->directory, NULL, &result, &fault);
    if (!status_is_ok(status)) {
        CHECK(world, status.code == STATUS_CORRUPT || status.code == STATUS_MISSING);
        CHECK(world, status.code == STATUS_MISSING || (strstr(fault.words, "data.mdb") != NULL &&
                                                       strstr(fault.words, "offset") != NULL));
        return false;
    }
    /* Its newest commit, or, when that one's head was damaged, the one before. */
    CHECK(world, hash128_equals(result.digest, world->digests[0]) ||
                     hash128_equals(result.digest, world->digests[1]));
    struct store *store = open_store(world);
    struct hash128 by_lmdb = digest_by_lmdb(world, store);
    CHECK(world, hash128_equals(by_lmdb, result.digest));
    write_commit(world, store);
    write_commit(world, store);
    struct hash128 after = digest_by_lmdb(world, store);
    struct hash128 checked = digest_of(world);
    CHECK(world, hash128_equals(after, checked));
    store_close(store);
    return true;
}

static void remove_files(const char *directory) {
    DIR *stream = opendir(directory);
    ASSERT(stream != NULL);
    for (struct dirent *entry = readdir(stream); entry != NULL; entry = readdir(stream)) {
        (void)unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
}

int main(int count, char **words) {
    static struct world world;
    uint64_t rounds = count > 1 ? strtoull(words[1], NULL, 10) : 2000;
    uint64_t seed = count > 2 ? strtoull(words[2], NULL, 10) : (uint64_t)getpid() * 1000003u;
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ".";
    (void)snprintf(world.directory, sizeof(world.directory), "%s/store-check-XXXXXX", base);
    ASSERT(mkdtemp(world.directory) != NULL);
    (void)snprintf(world.path, sizeof(world.path), "%s/data.mdb", world.directory);
    (void)printf("seed %llu\n", (unsigned long long)seed);
    world.file = malloc(FILE_BYTES_MAX);
    ASSERT(world.file != NULL);
    uint64_t passed = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        if (i % 500 == 0) {
            remove_files(world.directory);
            world.seed = seed + i;
            world.round = 0;
            world.random = world.seed * 2654435761u + 88172645463325252u;
            build_file(&world);
        }
        world.round++;
        write_mutated(&world);
        passed += try_mutated(&world) ? 1 : 0;
    }
    (void)printf("%llu mutated files: %llu passed with the right rows, %llu refused\n",
                 (unsigned long long)rounds, (unsigned long long)passed,
                 (unsigned long long)(rounds - passed));
    free(world.file);
    remove_files(world.directory);
    return rmdir(world.directory);
}
