/*
 * journal.c - appending: batches gather in an open block, a flush writes and syncs it in one go.
 *
 * Files: journal_block.c (format of a block), journal_segment.c (files), journal_spare.c (the next
 * one), journal_ahead.c (zeroes before small blocks), journal_reader.c (reading).
 *
 * Invariants:
 * 1. blocks[open_index] fills; the block flushed last and the one before stay untouched, so a block
 *    handed out by journal_flush is readable until the second next flush.
 * 2. A block goes to the disk only when its place is allocated: no space is met before the write,
 *    the records are withdrawn and next_seq steps back. At that moment no other record is open.
 * 3. After a failed write or sync is_failed stays set. The next fdatasync would say "fine" although
 *    the pages are lost, so nothing is acknowledged on this journal again.
 * 4. A block in a new segment is durable when both it and the segment's name are: the name is given
 * by another thread (journal_spare.c) while the block is written.
 * 5. A segment left behind is synced first (but with sync = never): older blocks are never less
 *    durable than newer ones.
 * 6. Sync = interval: the first flush a second after the last sync syncs with its write;
 * journal_tick does it when no flush comes.
 *
 * Memory: three aligned block buffers and the list of segments at open. Thread: the shard.
 */
#include "core/journal_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/batch.h"
#include "core/clock.h"
#include "core/log.h"

enum { PIECE_BYTES = 12 * 1024 }; /* four times the three lanes of crc32c.c */

static struct open_block *open_block(struct journal *journal) {
    return &journal->blocks[journal->open_index];
}

void journal_tell_bytes(const struct journal *journal, int64_t change) {
    if (journal->options.stats != NULL) {
        stats_add(journal->options.stats, STAT_JOURNAL_BYTES, (uint64_t)change);
    }
}

static void fail_for_good(struct journal *journal, const char *what, int error) {
    journal->is_failed = true;
    if (journal->options.stats != NULL) {
        stats_set(journal->options.stats, STAT_JOURNAL_FAILED, 1);
    }
    log_write(journal->options.logger, LOG_LEVEL_ERROR, "journal",
              "%s in %s failed (%s): nothing more is taken; restart when the disk is well", what,
              journal->directory, strerror(error));
}

void journal_close(struct journal *journal) {
    if (journal == NULL) {
        return;
    }
    ASSERT(!journal->is_flushing || journal->is_failed);
    journal_ahead_deinit(&journal->ahead);
    if (journal->has_unsynced && journal->options.sync == JOURNAL_SYNC_INTERVAL) {
        (void)file_sync_data(journal->options.files,
                             journal->segment.fd); /* none of it was promised to be durable */
    }
    journal_tell_bytes(journal, -(int64_t)journal->bytes);
    journal_spare_close(journal->spare);
    journal_segment_close(&journal->segment);
    for (uint32_t i = 0; i < BLOCKS_COUNT; i++) {
        free(journal->blocks[i].data);
    }
    free(journal->segments);
    free(journal);
}

/* --- Append --- */

uint64_t journal_next_seq(const struct journal *journal) {
    return journal->next_seq;
}

uint64_t journal_first_seq(const struct journal *journal) {
    return journal->segments_count == 0 ? journal->next_seq : journal->segments[0].first_seq;
}

/* Where the open block would end in the segment; UINT64_MAX: it has no room there. */
static uint64_t open_block_end(const struct journal *journal) {
    uint64_t padded =
        journal_block_padded_bytes(journal->blocks[journal->open_index].payload_bytes);
    bool has_room =
        journal->segment.fd >= 0 && padded <= journal->segment.size_bytes - journal->offset;
    return has_room ? journal->offset + padded : UINT64_MAX;
}

bool journal_is_flushing(const struct journal *journal) {
    return journal->is_flushing || journal_ahead_bars(&journal->ahead, open_block_end(journal));
}

bool journal_is_writing(const struct journal *journal) {
    return journal->is_flushing || journal->ahead.is_writing;
}

bool journal_is_failed(const struct journal *journal) {
    return journal->is_failed;
}

size_t journal_open_bytes(const struct journal *journal) {
    return journal->blocks[journal->open_index].payload_bytes;
}

enum { LINE_BYTES = 64 }; /* of the cache; for speed alone */

/* Another thread wrote it, so it lies in that core's cache: it comes while the piece before it is
 * summed. */
static void prefetch_piece(struct slice piece) {
    for (size_t at = 0; at < piece.size; at += LINE_BYTES) {
        __builtin_prefetch(piece.data + at);
    }
}

/* Copies a record, gives it stamp and number, and adds it to the payload's checksum: piece by
 * piece, so that each is read while it is in the first cache. */
static uint32_t take_record(uint8_t *record, struct slice batch, uint64_t stamp_ns, uint64_t seq,
                            uint32_t crc) {
    for (size_t at = 0; at < batch.size; at += PIECE_BYTES) {
        struct slice piece = slice_head(slice_tail(batch, at), PIECE_BYTES);
        memcpy(record + at, piece.data, piece.size);
        prefetch_piece(slice_head(slice_tail(batch, at + PIECE_BYTES), PIECE_BYTES));
        if (at == 0) {
            batch_set_stamp(record, stamp_ns);
            batch_set_seq(record, seq);
        }
        crc = crc32c_of(slice_of(record + at, piece.size), crc);
    }
    return crc;
}

struct status journal_append(struct journal *journal, struct slice batch, uint64_t stamp_ns,
                             uint64_t *seq_out) {
    if (journal->is_failed) {
        return status_of(STATUS_IO);
    }
    if (batch.size > journal->payload_bytes_max ||
        journal_block_record_bytes(batch) != batch.size) {
        return status_of(STATUS_INVALID);
    }
    struct open_block *block = open_block(journal);
    if (batch.size > journal->payload_bytes_max - block->payload_bytes) {
        return status_of(STATUS_FULL);
    }
    uint8_t *record = block->data + JOURNAL_BLOCK_HEADER_BYTES + block->payload_bytes;
    block->payload_crc =
        take_record(record, batch, stamp_ns, journal->next_seq, block->payload_crc);
    if (block->count == 0) {
        block->first_seq = journal->next_seq;
    }
    ASSERT(block->first_seq + block->count == journal->next_seq);
    block->payload_bytes += (uint32_t)batch.size;
    block->count++;
    journal->last_record = slice_of(record, batch.size);
    *seq_out = journal->next_seq++;
    return status_ok();
}

struct slice journal_last_record(const struct journal *journal) {
    return journal->last_record;
}

bool journal_block_next(struct journal_block *block, struct slice *record_out) {
    if (block->count == 0) {
        return false;
    }
    size_t size = journal_block_record_bytes(block->records);
    ASSERT(size > 0);
    *record_out = slice_head(block->records, size);
    block->records = slice_tail(block->records, size);
    block->first_seq++;
    block->count--;
    return true;
}

/* --- Flush --- */

static void empty_block(struct open_block *block) {
    block->payload_bytes = 0;
    block->payload_crc = 0;
    block->count = 0;
}

/* No space: as if the open block's records had never been appended. */
static void withdraw_open_block(struct journal *journal) {
    struct open_block *block = open_block(journal);
    ASSERT(journal->next_seq == block->first_seq + block->count);
    journal->next_seq = block->first_seq;
    empty_block(block);
}

static struct status leave_segment(struct journal *journal) {
    if (journal->segment.fd < 0) {
        return status_ok();
    }
    if (journal->has_unsynced && journal->options.sync == JOURNAL_SYNC_INTERVAL &&
        file_sync_data(journal->options.files, journal->segment.fd) != 0) {
        fail_for_good(journal, "sync", errno);
        return status_of(STATUS_IO);
    }
    journal->segments[journal->segments_count - 1].written_ns = clock_wall_ns();
    journal->has_unsynced = false;
    return status_ok();
}

/* The spare, when there is one: its name becomes durable beside the block. */
static struct status obtain_segment(struct journal *journal, struct journal_segment *segment_out,
                                    struct fault *fault) {
    uint64_t first_seq = open_block(journal)->first_seq;
    uint64_t salt = 0;
    journal->is_spare_asked = false;
    if (journal->spare != NULL && status_is_ok(journal_segment_salt(&salt, fault))) {
        journal->is_publishing = journal_spare_take(journal->spare, first_seq, salt, segment_out);
    }
    return journal->is_publishing
               ? status_ok()
               : journal_segment_create(journal->options.files, journal->directory, first_seq,
                                        journal->options.segment_bytes, segment_out, fault);
}

/* From the middle of a segment on the next one is made. */
static void ask_for_spare(struct journal *journal) {
    bool is_due = journal->offset > journal->segment.size_bytes / 2;
    if (journal->spare != NULL && is_due && !journal->is_spare_asked && !journal->is_publishing) {
        journal->is_spare_asked = true;
        journal_spare_prepare(journal->spare);
    }
}

/* A new segment beginning with the open block. FULL: everything is as before. */
static struct status start_segment(struct journal *journal) {
    struct fault fault = {0};
    struct journal_segment segment = {.fd = -1};
    if (journal->segments_count == JOURNAL_SEGMENTS_MAX) {
        return status_of(STATUS_FULL);
    }
    TRY(leave_segment(journal));
    struct status status = obtain_segment(journal, &segment, &fault);
    if (!status_is_ok(status)) {
        if (!journal->is_full_said) {
            log_write(journal->options.logger, LOG_LEVEL_ERROR, "journal",
                      "%s: sources are asked to try again until there is room", fault.words);
        }
        journal->is_full_said = status.code == STATUS_FULL;
        return status;
    }
    journal->is_full_said = false;
    journal_segment_close(&journal->segment);
    journal->segment = segment;
    journal->offset = BLOCK_ALIGN_BYTES;
    journal_ahead_enter(&journal->ahead, &segment);
    journal->segments[journal->segments_count++] = (struct journal_segment_entry){
        .first_seq = segment.first_seq,
        .size_bytes = segment.size_bytes,
        .written_ns = clock_wall_ns(),
    };
    journal->bytes += segment.size_bytes;
    journal_tell_bytes(journal, (int64_t)segment.size_bytes);
    return status_ok();
}

/* Room for the open block in the segment, or in a new one. */
static struct status make_room(struct journal *journal) {
    if (open_block_end(journal) != UINT64_MAX) {
        return status_ok();
    }
    struct status status = start_segment(journal);
    if (status.code == STATUS_FULL) {
        withdraw_open_block(journal);
    } else if (!status_is_ok(status) && !journal->is_failed) {
        fail_for_good(journal, "making a segment", EIO);
    }
    return status;
}

static void tell_flush(struct journal *journal) {
    struct stats *stats = journal->options.stats;
    if (stats == NULL) {
        return;
    }
    stats_add(stats, STAT_JOURNAL_APPENDED_BYTES, journal->op.size);
    if (journal->op.sync) {
        stats_add(stats, STAT_JOURNAL_SYNCS, 1);
        stats_add(stats, STAT_JOURNAL_SYNC_NS, clock_monotonic_ns() - journal->flushed_at_ns);
    }
}

/* The block is written, and its segment has its name. */
static void complete_flush(struct journal *journal) {
    struct status status = journal->written;
    ASSERT(journal->is_flushing);
    journal->is_flushing = false;
    journal->is_written = false;
    if (!status_is_ok(status)) {
        fail_for_good(journal, "a write", journal->op.error_number);
        status = status_of(STATUS_IO);
    } else if (journal->is_failed) {
        status = status_of(STATUS_IO);
    } else {
        tell_flush(journal);
        journal->has_unsynced = !journal->op.sync;
        if (journal->op.sync) {
            journal->synced_at_ns = clock_monotonic_ns();
        }
        ask_for_spare(journal);
        journal_ahead_follow(&journal->ahead, &journal->segment, journal->op.size, journal->offset);
    }
    journal->on_done(journal->context, status);
}

static void on_written(void *context, struct status status) {
    struct journal *journal = context;
    journal->is_written = true;
    journal->written = status;
    if (!journal->is_publishing) {
        complete_flush(journal);
    }
}

void journal_go_on(struct journal *journal) {
    if (!journal->is_publishing || journal_spare_is_publishing(journal->spare)) {
        return;
    }
    journal->is_publishing = false;
    if (!status_is_ok(journal_spare_published(journal->spare))) {
        fail_for_good(journal, "naming a segment", EIO);
    }
    if (journal->is_written) {
        complete_flush(journal);
    }
}

static bool is_sync_due(const struct journal *journal) {
    switch (journal->options.sync) {
    case JOURNAL_SYNC_ALWAYS:
        return true;
    case JOURNAL_SYNC_INTERVAL:
        return clock_monotonic_ns() - journal->synced_at_ns >= NS_PER_S;
    case JOURNAL_SYNC_NEVER:
        return false;
    }
    return true;
}

static void start_write(struct journal *journal, struct open_block *block, uint64_t padded_bytes) {
    struct journal_block_header header = {
        .payload_bytes = block->payload_bytes,
        .count = block->count,
        .first_seq = block->first_seq,
        .salt = journal->segment.salt,
        .offset = journal->offset,
    };
    journal_block_seal(block->data, &header, block->payload_crc);
    journal->op = (struct loop_file_op){
        .files = journal->options.files,
        .fd = journal->segment.fd,
        .data = block->data,
        .size = (uint32_t)padded_bytes,
        .offset = journal->offset,
        .sync = is_sync_due(journal),
        .on_done = on_written,
        .context = journal,
    };
    journal->offset += padded_bytes;
    journal->flushed_at_ns = clock_monotonic_ns();
    journal->is_flushing = true;
    loop_file_write(journal->options.loop, &journal->op);
}

struct status journal_flush(struct journal *journal,
                            void (*on_done)(void *context, struct status status), void *context,
                            struct journal_block *block_out) {
    struct open_block *block = open_block(journal);
    ASSERT(!journal_is_flushing(journal) && block->count > 0);
    if (journal->is_failed) {
        return status_of(STATUS_IO);
    }
    uint64_t padded_bytes = journal_block_padded_bytes(block->payload_bytes);
    TRY(make_room(journal));
    journal->on_done = on_done;
    journal->context = context;
    *block_out = (struct journal_block){
        .first_seq = block->first_seq,
        .count = block->count,
        .records = slice_of(block->data + JOURNAL_BLOCK_HEADER_BYTES, block->payload_bytes),
    };
    journal->open_index = (journal->open_index + 1) % BLOCKS_COUNT;
    empty_block(open_block(journal));
    start_write(journal, block, padded_bytes);
    return status_ok();
}

void journal_tick(struct journal *journal) {
    if (journal->options.sync != JOURNAL_SYNC_INTERVAL || !journal->has_unsynced ||
        journal->is_flushing || journal->is_failed || !is_sync_due(journal)) {
        return;
    }
    if (file_sync_data(journal->options.files, journal->segment.fd) != 0) {
        fail_for_good(journal, "sync", errno);
        return;
    }
    journal->has_unsynced = false;
    journal->synced_at_ns = clock_monotonic_ns();
}

void journal_skip_to(struct journal *journal, uint64_t next_seq) {
    ASSERT(open_block(journal)->count == 0 && !journal->is_flushing);
    ASSERT(next_seq >= journal->next_seq);
    journal->next_seq = next_seq;
    journal->offset = journal->segment.size_bytes; /* no room: the next block starts a segment */
}

/* --- Retention --- */

static bool may_go(const struct journal *journal, uint32_t index, uint64_t keep_seq,
                   uint64_t now_ns, uint64_t bytes_left) {
    const struct journal_options *options = &journal->options;
    if (index + 1 >= journal->segments_count || journal->segments[index + 1].first_seq > keep_seq) {
        return false;
    }
    uint64_t written_ns = journal->segments[index].written_ns;
    bool is_old = options->retention_ns_max > 0 && now_ns > written_ns &&
                  now_ns - written_ns > options->retention_ns_max;
    return is_old ||
           (options->retention_bytes_max > 0 && bytes_left > options->retention_bytes_max);
}

uint64_t journal_expired_seq(const struct journal *journal, uint64_t keep_seq, uint64_t now_ns) {
    uint32_t gone = 0;
    uint64_t bytes = journal->bytes;
    while (may_go(journal, gone, keep_seq, now_ns, bytes)) {
        bytes -= journal->segments[gone++].size_bytes;
    }
    return gone == 0 ? journal_first_seq(journal) : journal->segments[gone].first_seq;
}

void journal_retain(struct journal *journal, uint64_t keep_seq, uint64_t now_ns) {
    journal_tick(journal);
    uint32_t gone = 0;
    uint64_t bytes = journal->bytes;
    while (may_go(journal, gone, keep_seq, now_ns, bytes)) {
        char path[JOURNAL_PATH_BYTES_MAX];
        journal_segment_path(journal->directory, journal->segments[gone].first_seq, path);
        if (file_remove(journal->options.files, path) != 0 && errno != ENOENT) {
            log_write(journal->options.logger, LOG_LEVEL_WARNING, "journal", "cannot delete %s: %s",
                      path, strerror(errno));
            break;
        }
        bytes -= journal->segments[gone++].size_bytes;
    }
    if (gone == 0) {
        return;
    }
    journal_tell_bytes(journal, (int64_t)bytes - (int64_t)journal->bytes);
    journal->bytes = bytes;
    journal->segments_count -= gone;
    memmove(journal->segments, journal->segments + gone,
            journal->segments_count * sizeof(journal->segments[0]));
    struct fault fault = {0};
    if (!status_is_ok(journal_directory_sync(journal->options.files, journal->directory, &fault))) {
        log_write(journal->options.logger, LOG_LEVEL_WARNING, "journal", "%s", fault.words);
    }
}
