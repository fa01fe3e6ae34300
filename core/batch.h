/*
 * batch.h - what crosses from a source to a shard and is one journal record: a header and entries,
 * contiguous, little-endian.
 *
 *   offset size  header (48 bytes)
 *   0      4     magic "QBT1"
 *   4      2     kind (enum batch_kind)
 *   6      2     zero
 *   8      4     count of entries
 *   12     4     size of all bytes with this header, a multiple of 8
 *   16     8     stamp_ns: the engine's `now`; set by the shard at append, never decreasing
 *   24     8     seq: the journal record number; set by the journal at append
 *   32     16    cause: free for the kind (operator: request id; else zero)
 *   then count times: u32 size, u32 zero, bytes, zero padding to 8
 *
 * Memory: fixed capacity from its owner's arena. A struct batch belongs to one thread at a time:
 * its source, then (through a ring) the shard, which copies the bytes into its block and gives it
 * back through the reply ring with `outcome` set, only after they are durable.
 */
#pragma once

#include "core/base/reader.h"
#include "core/base/slice.h"
#include "core/base/status.h"

enum batch_kind {
    BATCH_EVENTS = 1,   /* entries: envelopes */
    BATCH_TICK = 2,     /* no entries: time has come to stamp_ns */
    BATCH_CONFIG = 3,   /* one entry: an encoded policy_set */
    BATCH_OPERATOR = 4, /* entries: core/operator.h actions */
    BATCH_OUTCOME = 5,  /* entries: core/outbox.h delivery outcomes */
    BATCH_STREAM = 6,   /* entries: core/stream.h ranges, each with its envelopes behind it */
};

enum { BATCH_HEADER_BYTES = 48, BATCH_ENTRY_HEADER_BYTES = 8 };

struct batch {
    struct writer writer; /* the bytes above */
    uint32_t count;
    enum batch_kind kind;
    uint32_t reply_slot;         /* which reply ring of the shard takes it back */
    enum status_code outcome;    /* set by the shard: OK durable; FULL try later; IO/CLOSED never */
    void *request;               /* the source's own */
    uint64_t request_generation; /* the source's own */
    struct batch *next;          /* the source's free list or chain */
};

/* Room for one batch of capacity_bytes (<= BATCH_BYTES_MAX) over memory of the caller. */
void batch_init(struct batch *batch, void *memory, size_t capacity_bytes);
/* Empties it for a new use. */
void batch_clear(struct batch *batch, enum batch_kind kind);
/* Adds an entry by copying. FULL: unchanged. */
MUST_CHECK struct status batch_add(struct batch *batch, struct slice entry);
/* In place: returns a writer over the free room behind a new entry header; finish with
 * batch_entry_commit(size written) or just do not. FULL is a writer of capacity 0. */
struct writer batch_entry_begin(struct batch *batch);
void batch_entry_commit(struct batch *batch, size_t size);
/* Writes the header; the finished bytes. */
struct slice batch_finish(struct batch *batch);

/* Reading a finished batch's bytes. */
struct batch_view {
    enum batch_kind kind;
    uint32_t count;
    uint64_t stamp_ns;
    uint64_t seq;
    struct hash128 cause;
    struct reader entries;
    uint32_t left;  /* entries to come */
    bool is_broken; /* an entry's bounds were wrong, or bytes are left over: ask at the end */
};
/* CORRUPT when the header is wrong; entries are checked as they come. */
MUST_CHECK struct status batch_open(struct slice bytes, struct batch_view *view_out);
/* The next entry; false at the end, and at an entry that does not fit (is_broken). */
bool batch_next(struct batch_view *view, struct slice *entry_out);
/* Sets stamp and seq in finished bytes, in place (the shard and the journal). */
void batch_set_stamp(uint8_t *bytes, uint64_t stamp_ns);
void batch_set_seq(uint8_t *bytes, uint64_t seq);
