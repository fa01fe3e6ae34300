/* store.c - see store.h. The only file that knows LMDB. Each stored value ends with its CRC-32C. */
#include "core/store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/file.h"

/* LMDB's lock file: a head and a slot of 64 bytes a reader. */
#define LOCK_BYTES (READERS_MAX * 64 + 4096)
enum { READERS_MAX = 254, CRC_BYTES = 4, PATH_BYTES_MAX = 1200 };

struct store {
    MDB_env *env;
    MDB_txn *txn; /* the one write transaction, or NULL */
    MDB_dbi tables[STORE_TABLE_COUNT];
    uint64_t map_bytes_max;
    uint64_t reserved_bytes; /* of the file, from its beginning */
    uint8_t *scratch;        /* a value with its checksum; grows to the largest value */
    size_t scratch_bytes;
};

struct store_snapshot {
    struct store *store;
    MDB_txn *txn;
};

struct store_cursor {
    struct store_snapshot *snapshot;
    MDB_cursor *cursor;
    uint8_t prefix[512];
    size_t prefix_size;
    uint8_t start[512];
    size_t start_size;
    bool is_started;
    bool is_broken;
};

static const char *const table_names[] = {
#define STORE_TABLE(number, name, text) [number] = (text),
#include "schemas/table_list.h"
#undef STORE_TABLE
};

static enum status_code code_of(int code) {
    switch (code) {
    case MDB_NOTFOUND:
        return STATUS_MISSING;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case MDB_READERS_FULL:
    case ENOSPC:
    case EDQUOT:
        return STATUS_FULL;
    case MDB_CORRUPTED:
    case MDB_INVALID:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL:
    case MDB_VERSION_MISMATCH:
        return STATUS_CORRUPT;
    default:
        return STATUS_IO;
    }
}

static struct status refuse(struct fault *fault, int code, const char *what) {
    return fault_set(fault, code_of(code), "state store: %s: %s", what, mdb_strerror(code));
}

static MDB_val to_value(struct slice bytes) {
    /* LMDB never writes through a key or value that is given to it. */
    return (MDB_val){.mv_size = bytes.size, .mv_data = (void *)(uintptr_t)bytes.data};
}

bool store_knows_table(struct slice name) {
    bool is_known = false;
    for (uint32_t i = 0; i < STORE_TABLE_COUNT; i++) {
        is_known = is_known || slice_equals(name, slice_of_text(table_names[i]));
    }
    return is_known;
}

static int open_tables(struct store *store, bool read_only) {
    MDB_txn *txn = NULL;
    int code = mdb_txn_begin(store->env, NULL, read_only ? MDB_RDONLY : 0, &txn);
    for (uint32_t i = 0; i < STORE_TABLE_COUNT && code == 0; i++) {
        code = mdb_dbi_open(txn, table_names[i], read_only ? 0 : MDB_CREATE, &store->tables[i]);
    }
    if (code != 0) {
        mdb_txn_abort(txn);
        return code;
    }
    return mdb_txn_commit(txn);
}

/* LMDB writes to its lock file through mapped memory, so a page of it that the disk has no room for
 * would end the process (SIGBUS): it gets its room first. One that is there already has its first
 * page, which is all that a few readers need. Before LMDB opens it: a close of ours behind that
 * would release its locks. */
static int allocate_lock_file(const char *directory) {
    char path[PATH_BYTES_MAX];
    struct stat facts = {0};
    (void)snprintf(path, sizeof(path), "%s/lock.mdb", directory);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return 0; /* LMDB says why, or goes without */
    }
    bool is_done = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOCK_BYTES) == 0 || errno == EOPNOTSUPP;
    int code = is_done ? 0 : errno;
    bool has_page = fstat(fd, &facts) == 0 && facts.st_size > 0 && facts.st_blocks > 0;
    (void)close(fd);
    return has_page ? 0 : code;
}

static int open_env(struct store *store, const struct store_options *options) {
    int code = options->read_only ? 0 : allocate_lock_file(options->directory);
    if (code == 0) {
        code = mdb_env_create(&store->env);
    }
    if (code == 0) {
        code = mdb_env_set_maxdbs(store->env, STORE_TABLE_COUNT);
    }
    if (code == 0) {
        code = mdb_env_set_maxreaders(store->env, READERS_MAX);
    }
    if (code == 0) {
        code = mdb_env_set_mapsize(store->env, options->map_bytes_max);
    }
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (options->read_only ? MDB_RDONLY : MDB_NOMETASYNC);
    if (code == 0) {
        code = mdb_env_open(store->env, options->directory, flags, 0600);
    }
    return code == 0 ? open_tables(store, options->read_only) : code;
}

/* Whether there is nothing at the path, or nothing in it. */
static bool is_vacant(const char *path) {
    struct stat facts;
    return stat(path, &facts) != 0 ? errno == ENOENT : facts.st_size == 0;
}

struct status store_open(const struct store_options *options, struct store **store_out,
                         struct fault *fault) {
    char path[PATH_BYTES_MAX];
    (void)snprintf(path, sizeof(path), "%s/data.mdb", options->directory);
    if (!options->read_only && mkdir(options->directory, 0700) != 0 && errno != EEXIST) {
        return fault_set(fault, STATUS_IO, "cannot make %s: %s", options->directory,
                         strerror(errno));
    }
    struct store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for the state store");
    }
    store->map_bytes_max = options->map_bytes_max;
    bool is_new = !options->read_only && is_vacant(path);
    int code = open_env(store, options);
    if (code != 0) {
        store_close(store);
        if (is_new) {
            (void)unlink(path); /* half a head would be a damaged state at the next start */
        }
        return refuse(fault, code, options->directory);
    }
    *store_out = store;
    return status_ok();
}

void store_close(struct store *store) {
    if (store == NULL) {
        return;
    }
    store_abort(store);
    if (store->env != NULL) {
        mdb_env_close(store->env);
    }
    free(store->scratch);
    free(store);
}

/* --- Writing --- */

struct status store_begin(struct store *store, struct fault *fault) {
    ASSERT(store->txn == NULL);
    int code = mdb_txn_begin(store->env, NULL, 0, &store->txn);
    return code == 0 ? status_ok() : refuse(fault, code, "begin");
}

static bool scratch_reserve(struct store *store, size_t size) {
    if (size <= store->scratch_bytes) {
        return true;
    }
    size_t grown_size = size * 2;
    uint8_t *grown = realloc(store->scratch, grown_size);
    if (grown != NULL) {
        store->scratch = grown;
        store->scratch_bytes = grown_size;
    }
    return grown != NULL;
}

/* Rows of a log come in the order of their keys: put at the end, a page is left full, where LMDB
 * else splits it into halves that nothing will ever fill. */
static int put_row(struct store *store, enum store_table table, MDB_val *key, MDB_val *value) {
    int code = MDB_KEYEXIST;
    if (table == STORE_TABLE_EVENT_ID) {
        code = mdb_put(store->txn, store->tables[table], key, value, MDB_APPEND);
    }
    return code == MDB_KEYEXIST ? mdb_put(store->txn, store->tables[table], key, value, 0) : code;
}

struct status store_put(struct store *store, enum store_table table, struct slice key,
                        struct slice value, struct fault *fault) {
    ASSERT(store->txn != NULL && table < STORE_TABLE_COUNT);
    if (!scratch_reserve(store, value.size + CRC_BYTES)) {
        return fault_set(fault, STATUS_FULL, "no memory for a value of %zu bytes", value.size);
    }
    uint32_t crc = crc32c_of(value, crc32c_of(key, 0));
    if (value.size > 0) {
        memcpy(store->scratch, value.data, value.size);
    }
    memcpy(store->scratch + value.size, &crc, CRC_BYTES);
    MDB_val mdb_key = to_value(key);
    MDB_val mdb_value = {value.size + CRC_BYTES, store->scratch};
    int code = put_row(store, table, &mdb_key, &mdb_value);
    return code == 0 ? status_ok() : refuse(fault, code, table_names[table]);
}

struct status store_delete(struct store *store, enum store_table table, struct slice key,
                           struct fault *fault) {
    ASSERT(store->txn != NULL && table < STORE_TABLE_COUNT);
    MDB_val mdb_key = to_value(key);
    int code = mdb_del(store->txn, store->tables[table], &mdb_key, NULL);
    return code == 0 || code == MDB_NOTFOUND ? status_ok()
                                             : refuse(fault, code, table_names[table]);
}

struct status store_clear(struct store *store, enum store_table table, struct fault *fault) {
    ASSERT(store->txn != NULL && table < STORE_TABLE_COUNT);
    int code = mdb_drop(store->txn, store->tables[table], 0);
    return code == 0 ? status_ok() : refuse(fault, code, table_names[table]);
}

struct status store_commit(struct store *store, struct fault *fault) {
    ASSERT(store->txn != NULL);
    int code = mdb_txn_commit(store->txn);
    store->txn = NULL;
    return code == 0 ? status_ok() : refuse(fault, code, "commit");
}

void store_abort(struct store *store) {
    if (store->txn != NULL) {
        mdb_txn_abort(store->txn);
        store->txn = NULL;
    }
}

struct status store_copy(struct store *store, const char *directory, struct fault *fault) {
    char path[4096];
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        return fault_set(fault, STATUS_IO, "cannot make %s: %s", directory, strerror(errno));
    }
    int code = mdb_env_copy2(store->env, directory, MDB_CP_COMPACT);
    if (code != 0) {
        return refuse(fault, code, directory);
    }
    (void)snprintf(path, sizeof(path), "%s/data.mdb", directory);
    int fd = file_open(NULL, path, O_RDONLY);
    bool is_durable =
        fd >= 0 && file_sync(NULL, fd) == 0 && file_sync_directory(NULL, directory) == 0;
    code = errno;
    file_close(NULL, fd);
    return is_durable ? status_ok() : refuse(fault, code, path);
}

/* Asked first: an fallocate that fails keeps all the room that it found until then. */
static bool has_room(int fd, uint64_t bytes) {
    struct statvfs disk;
    struct stat file;
    if (fstatvfs(fd, &disk) != 0 || fstat(fd, &file) != 0) {
        return true;
    }
    uint64_t held_bytes = (uint64_t)file.st_blocks * 512;
    return bytes <= held_bytes || bytes - held_bytes <= (uint64_t)disk.f_bavail * disk.f_frsize;
}

static int reserve(int fd, uint64_t bytes) {
    if (!has_room(fd, bytes)) {
        errno = ENOSPC;
        return -1;
    }
    return fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)bytes);
}

struct status store_reserve(struct store *store, uint64_t bytes, struct fault *fault) {
    uint64_t used_bytes = 0;
    uint64_t max_bytes = 0;
    store_usage(store, &used_bytes, &max_bytes);
    uint64_t wanted = used_bytes + bytes;
    if (wanted > max_bytes) {
        return fault_set(fault, STATUS_FULL, "state store: it has reached its bound of %llu bytes",
                         (unsigned long long)max_bytes);
    }
    if (wanted <= store->reserved_bytes) {
        return status_ok();
    }
    mdb_filehandle_t fd = -1;
    ASSERT(mdb_env_get_fd(store->env, &fd) == 0);
    /* Twice as much is asked for, so that the next time is not soon. */
    uint64_t ample = wanted + bytes;
    if (reserve(fd, ample) == 0) {
        store->reserved_bytes = ample;
    } else if (errno == EOPNOTSUPP) {
        store->reserved_bytes = UINT64_MAX;
    } else if (reserve(fd, wanted) == 0) {
        store->reserved_bytes = wanted;
    } else {
        return refuse(fault, errno, "reserve room");
    }
    return status_ok();
}

void store_usage(struct store *store, uint64_t *used_bytes_out, uint64_t *max_bytes_out) {
    MDB_envinfo info;
    MDB_stat stat;
    ASSERT(mdb_env_info(store->env, &info) == 0 && mdb_env_stat(store->env, &stat) == 0);
    *used_bytes_out = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
    *max_bytes_out = store->map_bytes_max;
}

/* --- Reading --- */

struct status store_snapshot_acquire(struct store *store, struct store_snapshot **snapshot_out) {
    struct store_snapshot *snapshot = calloc(1, sizeof(*snapshot));
    if (snapshot == NULL) {
        return status_of(STATUS_FULL);
    }
    snapshot->store = store;
    int code = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &snapshot->txn);
    if (code != 0) {
        free(snapshot);
        return status_of(code_of(code));
    }
    *snapshot_out = snapshot;
    return status_ok();
}

void store_snapshot_release(struct store_snapshot *snapshot) {
    mdb_txn_abort(snapshot->txn);
    free(snapshot);
}

static struct status check_value(MDB_val key, MDB_val value, struct slice *value_out) {
    if (value.mv_size < CRC_BYTES) {
        return status_of(STATUS_CORRUPT);
    }
    struct slice bytes = slice_of(value.mv_data, value.mv_size - CRC_BYTES);
    uint32_t stored = 0;
    memcpy(&stored, bytes.data + bytes.size, CRC_BYTES);
    if (crc32c_of(bytes, crc32c_of(slice_of(key.mv_data, key.mv_size), 0)) != stored) {
        return status_of(STATUS_CORRUPT);
    }
    *value_out = bytes;
    return status_ok();
}

struct status store_get(struct store_snapshot *snapshot, enum store_table table, struct slice key,
                        struct slice *value_out) {
    MDB_val mdb_key = to_value(key);
    MDB_val value;
    int code = mdb_get(snapshot->txn, snapshot->store->tables[table], &mdb_key, &value);
    if (code != 0) {
        return status_of(code_of(code));
    }
    return check_value(mdb_key, value, value_out);
}

struct status store_cursor_open(struct store_snapshot *snapshot, enum store_table table,
                                struct slice prefix, struct slice start,
                                struct store_cursor **cursor_out) {
    ASSERT(prefix.size <= 511 && start.size <= 511);
    /* No key before the prefix itself can begin with it. */
    start = slice_compare(start, prefix) < 0 ? prefix : start;
    struct store_cursor *cursor = calloc(1, sizeof(*cursor));
    if (cursor == NULL) {
        return status_of(STATUS_FULL);
    }
    cursor->snapshot = snapshot;
    cursor->prefix_size = prefix.size;
    cursor->start_size = start.size;
    if (prefix.size > 0) {
        memcpy(cursor->prefix, prefix.data, prefix.size);
    }
    if (start.size > 0) {
        memcpy(cursor->start, start.data, start.size);
    }
    int code = mdb_cursor_open(snapshot->txn, snapshot->store->tables[table], &cursor->cursor);
    if (code != 0) {
        free(cursor);
        return status_of(STATUS_IO);
    }
    *cursor_out = cursor;
    return status_ok();
}

struct status store_cursor_next(struct store_cursor *cursor, struct slice *key_out,
                                struct slice *value_out) {
    MDB_val key = {cursor->start_size, cursor->start};
    MDB_val value;
    bool has_start = !cursor->is_started && cursor->start_size > 0;
    int code = mdb_cursor_get(cursor->cursor, &key, &value,
                              cursor->is_started ? MDB_NEXT
                              : has_start        ? MDB_SET_RANGE
                                                 : MDB_FIRST);
    cursor->is_started = true;
    if (code != 0 && code != MDB_NOTFOUND) { /* a page, not a row: there is no way around it */
        enum status_code found = cursor->is_broken ? STATUS_IO : code_of(code);
        cursor->is_broken = true;
        return status_of(found);
    }
    if (code != 0) {
        return status_of(STATUS_END);
    }
    struct slice found = slice_of(key.mv_data, key.mv_size);
    if (!slice_starts_with(found, slice_of(cursor->prefix, cursor->prefix_size))) {
        return status_of(STATUS_END);
    }
    *key_out = found;
    return check_value(key, value, value_out);
}

void store_cursor_close(struct store_cursor *cursor) {
    mdb_cursor_close(cursor->cursor);
    free(cursor);
}
