/*
 * journal_ahead.h - inside the journal: zeroes written over the room that small blocks are about to
 * take.
 *
 * The first write to room that was only allocated changes what the file system knows of the file,
 * and the sync behind it writes that, too: on ext4 two thirds more CPU and half as much time again
 * as for a block that is written over (4 and 64 KiB, measured). So what reads as zeroes anyway is
 * written as zeroes, many small blocks' worth at once, while the blocks before it sync. Large
 * blocks gain little by it and would be written twice: they go where nothing was written.
 *
 * Invariants: 1. Zeroes are written behind all blocks only. 2. No block is written, and no segment
 * left, while zeroes on their way are where it would go: journal_ahead_bars.
 *
 * What goes wrong here costs speed only: the journal's own write meets it again. Thread: the
 * journal's. Memory: one chunk of zeroes at init.
 */
#pragma once

#include "core/base/status.h"
#include "core/journal_segment.h"
#include "core/loop.h"

struct journal_ahead {
    struct loop *loop;
    void *zeroes; /* NULL: no memory, nothing is done */
    struct loop_file_op op;
    uint64_t from; /* of what was written last, or is being written */
    uint64_t to;
    bool is_of_use;  /* in this segment */
    bool is_writing; /* between `from` and `to` */
};

/* Borrows the loop. */
void journal_ahead_init(struct journal_ahead *ahead, struct loop *loop);
/* Waits for what is on its way, where its loop still runs. */
void journal_ahead_deinit(struct journal_ahead *ahead);
/* Another segment is written to from now on; nothing may be on its way. */
void journal_ahead_enter(struct journal_ahead *ahead, const struct journal_segment *segment);
/* A block of so many bytes is durable, the next one begins at the offset. */
void journal_ahead_follow(struct journal_ahead *ahead, const struct journal_segment *segment,
                          uint64_t block_bytes, uint64_t offset);
/* Whether a block must wait that would end there, or in another segment: UINT64_MAX. */
bool journal_ahead_bars(const struct journal_ahead *ahead, uint64_t end);
