/*
 * journal.h - the truth: an append-only log of batches in checksummed, aligned blocks.
 *
 * Files <directory>/<first seq, 20 digits>.qj of preallocated JOURNAL_SEGMENT_BYTES, opened
 * O_DIRECT where the file system allows it (buffered else), written in blocks aligned
 * to BLOCK_ALIGN_BYTES. The formats stand in journal_block.h and journal_segment.h as byte tables.
 *
 * Invariants:
 * 1. A record is acknowledged only after the block that holds it is written and fdatasync'd
 *    (sync = always); with interval, after the write, synced at least every second; with never,
 *    after the write.
 * 2. Record numbers (seq) start at 1 and grow by one, over all segments.
 * 3. At most one block is in flight; while it syncs, the next one fills and the one before may be
 *    read (applied): three buffers rotate.
 * 4. After one failed write or sync the journal is failed for good: every later append is IO.
 *    Nothing is retried on that file; a restart recovers.
 *
 * Thread: the shard. Memory: three block buffers at open, nothing after.
 */
#pragma once

#include "core/base/fault.h"
#include "core/base/limits.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/file.h"
#include "core/loop.h"
#include "core/stats.h"

enum journal_sync { JOURNAL_SYNC_ALWAYS, JOURNAL_SYNC_INTERVAL, JOURNAL_SYNC_NEVER };

struct journal;

struct journal_options {
    const char *directory; /* created when missing */
    enum journal_sync sync;
    uint64_t segment_bytes; /* 0: JOURNAL_SEGMENT_BYTES */
    /* Whole old segments below the kept seq are deleted beyond these; 0: no bound. */
    uint64_t retention_bytes_max;
    uint64_t retention_ns_max; /* since the last write */
    struct loop *loop;         /* does the writing */
    const struct files *files; /* NULL: the machine's */
    /* Makes the next segment ahead, in a thread of its own, on the machine's disk. From there it
     * calls wake: then journal_go_on is to be called on the journal's thread. NULL: it is made when
     * it is needed. */
    void (*wake)(void *context);
    void *wake_context;
    struct stats *stats;         /* may be NULL */
    const struct logger *logger; /* may be NULL */
};

/* Finds the end: truncates a torn tail (said in the log), reports damaged blocks in the middle.
 * CORRUPT with file and offset when the journal cannot be used at all. */
MUST_CHECK struct status journal_open(const struct journal_options *options,
                                      struct journal **journal_out, struct fault *fault);
void journal_close(struct journal *journal);

/* The next record's number: 1 in an empty journal. */
uint64_t journal_next_seq(const struct journal *journal);
/* The oldest record still there; next_seq when none is. */
uint64_t journal_first_seq(const struct journal *journal);

/* Copies a finished batch (core/batch.h) into the open block, sets its stamp and seq there.
 * FULL: the open block has no room, flush first. IO: the journal is failed. INVALID: no batch, or
 * larger than a block can ever hold. */
MUST_CHECK struct status journal_append(struct journal *journal, struct slice batch,
                                        uint64_t stamp_ns, uint64_t *seq_out);
/* What was appended last, in the open block; valid as the block is. */
struct slice journal_last_record(const struct journal *journal);
/* Bytes waiting in the open block. */
size_t journal_open_bytes(const struct journal *journal);

/* A block that was handed to the disk. Its bytes stay readable until the second next flush. */
struct journal_block {
    uint64_t first_seq;
    uint32_t count;
    struct slice records; /* read with journal_block_next */
};
/* Starts writing the open block (it must not be empty, and no flush may be in flight). FULL, at
 * once: no space on the disk, nothing was written, the records are withdrawn and their numbers used
 * again; the journal is not failed, a later append tries again. IO: the journal is failed. After OK
 * on_done comes from the loop: OK durable as the sync mode says; IO: the journal is failed. */
MUST_CHECK struct status journal_flush(struct journal *journal,
                                       void (*on_done)(void *context, struct status status),
                                       void *context, struct journal_block *block_out);
/* After options.wake: a flush that waits for its segment may be done, and on_done come. */
void journal_go_on(struct journal *journal);
/* No flush may begin: a block is in flight, or zeroes are written ahead where the open one would
 * go. The loop ends either. */
bool journal_is_flushing(const struct journal *journal);
/* A block, or what is written ahead of the next ones, is on its way: the loop has work to end. */
bool journal_is_writing(const struct journal *journal);
bool journal_is_failed(const struct journal *journal);
/* Takes the next record (a batch's bytes) off the block's front; false at the end. */
bool journal_block_next(struct journal_block *block, struct slice *record_out);

/* With sync = interval: syncs what was written when a second has passed since the last sync and no
 * flush came to do it. Blocks for one fdatasync. Call it about every second. */
void journal_tick(struct journal *journal);

/* The oldest record that would be left by journal_retain of the same arguments. */
uint64_t journal_expired_seq(const struct journal *journal, uint64_t keep_seq, uint64_t now_ns);
/* Old segments whose records are all below keep_seq may go, as retention says. now_ns: wall. Does
 * journal_tick too. */
void journal_retain(struct journal *journal, uint64_t keep_seq, uint64_t now_ns);

/* The records from here up to next_seq are not there and never will be: the next record gets this
 * number, in a new segment. Nothing may be open. */
void journal_skip_to(struct journal *journal, uint64_t next_seq);

/* --- Reading what is on disk: recovery, replay, check. Any thread, own object. --- */
struct journal_reader;
MUST_CHECK struct status journal_reader_open(const struct files *files, const char *directory,
                                             uint64_t from_seq, struct journal_reader **reader_out,
                                             struct fault *fault);
/* END after the last whole record. IO when the disk does not give the last file's end. CORRUPT with
 * file and offset in fault for a damaged block: the next call goes on behind it. The record is
 * valid until the next call. */
MUST_CHECK struct status journal_reader_next(struct journal_reader *reader,
                                             struct slice *record_out, uint64_t *seq_out,
                                             struct fault *fault);
/* The number in the name of the oldest segment; 0 when there is none. */
MUST_CHECK struct status journal_find_first(const struct files *files, const char *directory,
                                            uint64_t *first_seq_out, struct fault *fault);
void journal_reader_close(struct journal_reader *reader);
