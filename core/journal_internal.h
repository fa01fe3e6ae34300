/*
 * journal_internal.h - inside the journal: what journal.c (appending) and journal_open.c (finding
 * the end) share. Invariants stand in journal.c.
 */
#pragma once

#include "core/journal.h"
#include "core/journal_ahead.h"
#include "core/journal_segment.h"
#include "core/journal_spare.h"

enum { BLOCKS_COUNT = 3 };

struct open_block {
    uint8_t *data; /* BLOCK_BYTES_MAX, aligned */
    uint32_t payload_bytes;
    uint32_t payload_crc;
    uint32_t count;
    uint64_t first_seq;
};

struct journal {
    struct journal_options options;
    char directory[JOURNAL_PATH_BYTES_MAX];
    struct open_block blocks[BLOCKS_COUNT];
    uint32_t open_index;
    uint32_t payload_bytes_max;
    struct slice last_record;
    uint64_t next_seq;
    struct journal_segment segment;         /* written to */
    uint64_t offset;                        /* of the next block in it */
    struct journal_segment_entry *segments; /* all files, oldest first; the last is `segment` */
    uint32_t segments_count;
    uint64_t bytes; /* of all files */
    struct loop_file_op op;
    struct journal_ahead ahead;
    void (*on_done)(void *context, struct status status);
    void *context;
    uint64_t flushed_at_ns;      /* monotonic */
    uint64_t synced_at_ns;       /* monotonic */
    struct journal_spare *spare; /* NULL: segments are made when they are needed */
    bool is_spare_asked;         /* while this segment is written to */
    bool is_publishing;          /* the flush in flight waits for its segment */
    bool is_written;             /* the block in flight is, as `written` says */
    struct status written;
    bool has_unsynced;
    bool is_flushing;
    bool is_failed;
    bool is_full_said; /* in the log: once until there is room again */
};

/* Adds to the bytes that the metrics tell; may be negative. */
void journal_tell_bytes(const struct journal *journal, int64_t change);
