/*
 * store.h - LMDB, wrapped: the shard's materialised state. The only file that knows <lmdb.h>.
 *
 * One environment a shard in <data>/shard-<n>/state; tables of schemas/table_list.h. One write
 * transaction at a time, by the shard's thread; any number of read transactions in other threads.
 * Each value carries a CRC-32C that is checked on every read: CORRUPT, never wrong bytes. No
 * DUPSORT, no WRITEMAP, no nested transactions. The journal is the truth and a lost last commit is
 * replayed, so commits run with MDB_NOMETASYNC: the map is never inconsistent, at worst one behind.
 */
#pragma once

#include "core/base/fault.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "schemas/effect.h"

struct store;

struct store_options {
    const char *directory;  /* created when missing */
    uint64_t map_bytes_max; /* address space; the file grows with use */
    bool read_only;
};

/* CORRUPT when LMDB refuses the file. Keeping a second process out is the data directory's lock. */
MUST_CHECK struct status store_open(const struct store_options *options, struct store **store_out,
                                    struct fault *fault);
void store_close(struct store *store);

/* --- Writing (the shard) --- */
MUST_CHECK struct status store_begin(struct store *store, struct fault *fault);
MUST_CHECK struct status store_put(struct store *store, enum store_table table, struct slice key,
                                   struct slice value, struct fault *fault);
/* Whether one of its STORE_TABLE_COUNT tables has that name. Thread: any. */
bool store_knows_table(struct slice name);
/* Missing keys are fine. */
MUST_CHECK struct status store_delete(struct store *store, enum store_table table, struct slice key,
                                      struct fault *fault);
/* Deletes all rows of the table. */
MUST_CHECK struct status store_clear(struct store *store, enum store_table table,
                                     struct fault *fault);
MUST_CHECK struct status store_commit(struct store *store, struct fault *fault);
void store_abort(struct store *store);
/* Makes `directory` with a durable copy of what is committed, also beside a transaction. Any
 * thread.
 */
MUST_CHECK struct status store_copy(struct store *store, const char *directory,
                                    struct fault *fault);
/* Makes sure that the file can grow by `bytes` without asking the file system for room, so that a
 * commit does not meet a full disk. FULL when there is not that much. File systems that cannot
 * reserve say OK. */
MUST_CHECK struct status store_reserve(struct store *store, uint64_t bytes, struct fault *fault);
/* Bytes in use and the bound, for backpressure before MDB_MAP_FULL. */
void store_usage(struct store *store, uint64_t *used_bytes_out, uint64_t *max_bytes_out);

/* --- Reading (any thread): a snapshot --- */
struct store_snapshot;
MUST_CHECK struct status store_snapshot_acquire(struct store *store,
                                                struct store_snapshot **snapshot_out);
void store_snapshot_release(struct store_snapshot *snapshot);
/* The value points into the map: valid until release. MISSING, CORRUPT. */
MUST_CHECK struct status store_get(struct store_snapshot *snapshot, enum store_table table,
                                   struct slice key, struct slice *value_out);
/* Walks keys >= start in order, only those that begin with prefix (may be empty). */
struct store_cursor;
MUST_CHECK struct status store_cursor_open(struct store_snapshot *snapshot, enum store_table table,
                                           struct slice prefix, struct slice start,
                                           struct store_cursor **cursor_out);
/* END after the last; CORRUPT for a damaged value (the walk can go on), or for a damaged page: then
 * it is IO from there on. */
MUST_CHECK struct status store_cursor_next(struct store_cursor *cursor, struct slice *key_out,
                                           struct slice *value_out);
void store_cursor_close(struct store_cursor *cursor);
