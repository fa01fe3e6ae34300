/*
 * state_copy.h - a copy of the state beside it, for the day when its file is damaged.
 *
 * The journal alone gives the whole state only while it begins at record 1. Before retention takes
 * records away, a copy of the state is made that has applied them: then copy and journal together
 * are the state, at any time. So a copy is made about once in the time that the journal is kept
 * (journal.retention, journal.retention_bytes), and it costs the room of one state more.
 *
 * <state>.copy-<last record applied, 20 digits>/data.mdb: LMDB's own hot copy, made under the name
 * <state>.copy.new, made durable, checked page by page, then renamed. The one before goes then.
 *
 * When it cannot be made (the disk has no room for it), that is said, tried again after a while,
 * and retention goes on: that the disk does not run full counts more.
 *
 * Thread: the shard. A thread of its own makes the copy, in a read transaction; the shard waits for
 * it only at the end.
 */
#pragma once

#include "core/base/fault.h"
#include "core/log.h"
#include "core/store.h"

enum { STATE_COPY_PATH_BYTES_MAX = 1200 };

struct state_copy;

struct state_copy_options {
    struct store *store;         /* outlives this */
    const char *state_directory; /* of that store; copied */
    uint64_t reserve_bytes;      /* that a copy leaves free on the disk */
    const struct logger *logger;
};

MUST_CHECK struct status state_copy_open(const struct state_copy_options *options,
                                         struct state_copy **copy_out);
/* Waits for a copy that is being made. NULL is allowed. */
void state_copy_close(struct state_copy *copy);

/* The records below `seq` are to go, or have gone: returns below which they may go now. Starts
 * making a copy when the one that is there does not reach so far. */
uint64_t state_copy_release(struct state_copy *copy, uint64_t seq);

/* The newest copy's directory, into STATE_COPY_PATH_BYTES_MAX bytes, and the last record that it
 * has applied; 0 when there is none. Any thread. */
uint64_t state_copy_find(const char *state_directory, char *path_out);
