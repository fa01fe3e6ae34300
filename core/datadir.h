/*
 * datadir.h - the data directory: its layout, its lock, its format version, its secret hash seed.
 *
 *   <path>/LOCK            held with flock while a process uses the directory
 *   <path>/FORMAT          "quell-data 2"; 1 is read, and becomes 2
 *   <path>/seed            8 random bytes, made once
 *   <path>/shard-0/journal, state, poison; state.copy-<record> (core/state_copy.h)
 *
 * Thread: main.
 */
#pragma once

#include "core/base/fault.h"

enum { DATADIR_PATH_BYTES_MAX = 1024, DATADIR_BYTES_MAX = DATADIR_PATH_BYTES_MAX - 64 };

struct datadir {
    int lock_fd;
    uint64_t hash_seed;
    char path[DATADIR_PATH_BYTES_MAX];
};

/* Makes what is missing. DENIED when another process holds it, UNSUPPORTED for another format,
 * CORRUPT for a seed that is lost or cut, IO
 * else, each with words that say what to do. */
MUST_CHECK struct status datadir_open(struct slice path, struct datadir *datadir_out,
                                      struct fault *fault);
/* The same of a directory that is there already, for reading: makes nothing, leaves an older format
 * as it is, and needs no right to write, as on a snapshot. MISSING with words else. */
MUST_CHECK struct status datadir_open_existing(struct slice path, struct datadir *datadir_out,
                                               struct fault *fault);
/* Path and seed of a directory that is there, without the lock: for those who only read its
 * journal, also beside a running quell. Nothing to close. */
MUST_CHECK struct status datadir_peek(struct slice path, struct datadir *datadir_out,
                                      struct fault *fault);
/* Gives the lock back. Accepts a zeroed one. */
void datadir_close(struct datadir *datadir);
/* "<path>/shard-<n>/<name>" into path_out[DATADIR_PATH_BYTES_MAX]. FULL when too long. */
MUST_CHECK struct status datadir_shard_path(const struct datadir *datadir, uint32_t shard,
                                            const char *name, char *path_out);
/* A directory that was made for a while, and all that is in it. Follows no link; what cannot be
 * removed stays. */
void datadir_remove(const char *path);
