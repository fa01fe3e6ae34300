/*
 * journal.c - appending: batches gather in an open block, a flush writes and syncs it in one go.
 *
 * Files: journal_block.c (format of a block), journal_segment.c (files), journal_reader.c
 * (reading).
 *
 * Invariants:
 * 1. blocks[open_index] fills; the block flushed last and the one before stay untouched, so a block
 *    handed out by journal_flush is readable until the second next flush.
 * 2. A block goes to the disk only when its place is allocated: no space is met before the write,
 *    the records are withdrawn and next_seq steps back. At that moment no other record is open.
 * 3. After a failed write or sync is_failed stays set. The next fdatasync would say "fine" although
 *    the pages are lost, so nothing is acknowledged on this journal again.
 * 4. A segment left behind is synced first (but with sync = never): older blocks are never less
 *    durable than newer ones.
 * 5. Sync = interval: the first flush a second after the last sync syncs with its write;
 * journal_tick does it when no flush comes.
 *
 * Memory: three aligned block buffers and the list of segments at open. Thread: the shard.
 */
#include "core/journal.h"

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
#include "core/journal_segment.h"
#include "core/log.h"

enum { BLOCKS_COUNT = 3 };

struct open_block {
    uint8_t *data; /* BLOCK_BYTES_MAX, aligned */
    uint32_t payload_bytes;
    uint32_t count;
    uint64_t first_seq;
};

struct journal {
    struct journal_options options;
    char directory[JOURNAL_PATH_BYTES_MAX];
    struct open_block blocks[BLOCKS_COUNT];
    uint32_t open_index;
    uint32_t payload_bytes_max;
    uint64_t next_seq;
    struct journal_segment segment;         /* written to */
    uint64_t offset;                        /* of the next block in it */
    struct journal_segment_entry *segments; /* all files, oldest first; the last is `segment` */
    uint32_t segments_count;
    uint64_t bytes; /* of all files */
    struct loop_file_op op;
    void (*on_done)(void *context, struct status status);
    void *context;
    uint64_t flushed_at_ns; /* monotonic */
    uint64_t synced_at_ns;  /* monotonic */
    bool has_unsynced;
    bool is_flushing;
    bool is_failed;
};

static struct open_block *open_block(struct journal *journal) {
    return &journal->blocks[journal->open_index];
}

static void tell_bytes(const struct journal *journal, int64_t change) {
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

/* --- Open: find the end --- */

static void log_damage(struct journal *journal, uint64_t offset, uint64_t end, const char *what) {
    log_write(journal->options.logger, LOG_LEVEL_WARNING, "journal",
              "%s/%020" PRIu64 ".qj: %s from offset %" PRIu64 " to %" PRIu64, journal->directory,
              journal->segment.first_seq, what, offset, end);
}

/* Walks the blocks of the last segment; sets next_seq and offset. */
static void scan_last_segment(struct journal *journal) {
    uint64_t offset = BLOCK_ALIGN_BYTES;
    uint64_t seq = journal->segment.first_seq;
    for (;;) {
        struct journal_place place;
        journal_segment_find(&journal->segment, offset, seq, journal->blocks[0].data, &place);
        if (place.found == JOURNAL_FOUND_TORN) {
            log_damage(journal, offset, journal->segment.size_bytes,
                       "a torn tail, never acknowledged, is cut off");
        }
        if (place.found != JOURNAL_FOUND_BLOCK && place.found != JOURNAL_FOUND_LATER) {
            break;
        }
        if (place.found == JOURNAL_FOUND_LATER) {
            log_damage(journal, offset, place.offset, "damaged, records are lost; skipped");
        }
        seq = place.header.first_seq + place.header.count;
        offset = place.offset + journal_block_padded_bytes(place.header.payload_bytes);
    }
    journal->next_seq = seq;
    journal->offset = offset;
}

static struct status open_last_segment(struct journal *journal, struct fault *fault) {
    struct journal_segment_entry *last = &journal->segments[journal->segments_count - 1];
    TRY(journal_segment_open(journal->directory, last->first_seq, &journal->segment, fault));
    scan_last_segment(journal);
    TRY(journal_segment_reopen(journal->directory, journal->offset, journal->options.segment_bytes,
                               &journal->segment, fault));
    last->size_bytes = journal->segment.size_bytes;
    return status_ok();
}

static struct status find_end(struct journal *journal, struct fault *fault) {
    if (mkdir(journal->directory, 0700) != 0 && errno != EEXIST) {
        return fault_set(fault, STATUS_IO, "journal: cannot create %s: %s", journal->directory,
                         strerror(errno));
    }
    TRY(journal_segment_list(journal->directory, journal->segments, &journal->segments_count,
                             fault));
    journal->next_seq = 1;
    if (journal->segments_count > 0) {
        TRY(open_last_segment(journal, fault));
    }
    for (uint32_t i = 0; i < journal->segments_count; i++) {
        journal->bytes += journal->segments[i].size_bytes;
    }
    return status_ok();
}

static struct status allocate_memory(struct journal *journal, struct fault *fault) {
    journal->segments = calloc(JOURNAL_SEGMENTS_MAX, sizeof(*journal->segments));
    bool is_full = journal->segments == NULL;
    for (uint32_t i = 0; i < BLOCKS_COUNT && !is_full; i++) {
        void *data = NULL;
        is_full = posix_memalign(&data, BLOCK_ALIGN_BYTES, BLOCK_BYTES_MAX) != 0;
        journal->blocks[i].data = is_full ? NULL : data;
    }
    return is_full ? fault_set(fault, STATUS_FULL, "journal: no memory for its blocks")
                   : status_ok();
}

/* Whole blocks, one at least behind the header. */
static uint64_t segment_bytes_of(const struct journal_options *options) {
    uint64_t bytes = options->segment_bytes == 0 ? JOURNAL_SEGMENT_BYTES : options->segment_bytes;
    bytes = bytes / BLOCK_ALIGN_BYTES * BLOCK_ALIGN_BYTES;
    return bytes < 2 * BLOCK_ALIGN_BYTES ? 2 * BLOCK_ALIGN_BYTES : bytes;
}

struct status journal_open(const struct journal_options *options, struct journal **journal_out,
                           struct fault *fault) {
    if (strlen(options->directory) > JOURNAL_PATH_BYTES_MAX - 64) {
        return fault_set(fault, STATUS_INVALID, "journal: the directory's path is too long");
    }
    struct journal *journal = calloc(1, sizeof(*journal));
    if (journal == NULL) {
        return fault_set(fault, STATUS_FULL, "journal: no memory");
    }
    snprintf(journal->directory, sizeof(journal->directory), "%s", options->directory);
    journal->options = *options;
    journal->options.directory = journal->directory;
    journal->options.segment_bytes = segment_bytes_of(options);
    journal->segment.fd = -1;
    journal->synced_at_ns = clock_monotonic_ns();
    uint64_t block_max = journal->options.segment_bytes - BLOCK_ALIGN_BYTES;
    block_max = block_max < BLOCK_BYTES_MAX ? block_max : BLOCK_BYTES_MAX;
    journal->payload_bytes_max = (uint32_t)(block_max - JOURNAL_BLOCK_HEADER_BYTES);
    struct status status = allocate_memory(journal, fault);
    if (status_is_ok(status)) {
        status = find_end(journal, fault);
    }
    if (!status_is_ok(status)) {
        journal->bytes = 0;
        journal_close(journal);
        return status;
    }
    tell_bytes(journal, (int64_t)journal->bytes);
    *journal_out = journal;
    return status_ok();
}

void journal_close(struct journal *journal) {
    if (journal == NULL) {
        return;
    }
    ASSERT(!journal->is_flushing || journal->is_failed);
    if (journal->has_unsynced && journal->options.sync == JOURNAL_SYNC_INTERVAL) {
        (void)fdatasync(journal->segment.fd); /* none of it was promised to be durable */
    }
    tell_bytes(journal, -(int64_t)journal->bytes);
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

bool journal_is_flushing(const struct journal *journal) {
    return journal->is_flushing;
}

bool journal_is_failed(const struct journal *journal) {
    return journal->is_failed;
}

size_t journal_open_bytes(const struct journal *journal) {
    return journal->blocks[journal->open_index].payload_bytes;
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
    memcpy(record, batch.data, batch.size);
    batch_set_stamp(record, stamp_ns);
    batch_set_seq(record, journal->next_seq);
    if (block->count == 0) {
        block->first_seq = journal->next_seq;
    }
    ASSERT(block->first_seq + block->count == journal->next_seq);
    block->payload_bytes += (uint32_t)batch.size;
    block->count++;
    *seq_out = journal->next_seq++;
    return status_ok();
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
        fdatasync(journal->segment.fd) != 0) {
        fail_for_good(journal, "sync", errno);
        return status_of(STATUS_IO);
    }
    journal->segments[journal->segments_count - 1].written_ns = clock_wall_ns();
    journal->has_unsynced = false;
    return status_ok();
}

/* A new segment beginning with the open block. FULL: everything is as before. */
static struct status start_segment(struct journal *journal) {
    struct fault fault = {0};
    struct journal_segment segment;
    if (journal->segments_count == JOURNAL_SEGMENTS_MAX) {
        return status_of(STATUS_FULL);
    }
    TRY(leave_segment(journal));
    struct status status =
        journal_segment_create(journal->directory, open_block(journal)->first_seq,
                               journal->options.segment_bytes, &segment, &fault);
    if (!status_is_ok(status)) {
        log_write(journal->options.logger, LOG_LEVEL_ERROR, "journal", "%s", fault.words);
        return status;
    }
    journal_segment_close(&journal->segment);
    journal->segment = segment;
    journal->offset = BLOCK_ALIGN_BYTES;
    journal->segments[journal->segments_count++] = (struct journal_segment_entry){
        .first_seq = segment.first_seq,
        .size_bytes = segment.size_bytes,
        .written_ns = clock_wall_ns(),
    };
    journal->bytes += segment.size_bytes;
    tell_bytes(journal, (int64_t)segment.size_bytes);
    return status_ok();
}

/* Room for the open block in the segment, or in a new one. */
static struct status make_room(struct journal *journal, uint64_t padded_bytes) {
    if (journal->segment.fd >= 0 && padded_bytes <= journal->segment.size_bytes - journal->offset) {
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

static void on_written(void *context, struct status status) {
    struct journal *journal = context;
    ASSERT(journal->is_flushing);
    journal->is_flushing = false;
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
    }
    journal->on_done(journal->context, status);
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
    journal_block_seal(block->data, &header);
    journal->op = (struct loop_file_op){
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
    ASSERT(!journal->is_flushing && block->count > 0);
    if (journal->is_failed) {
        return status_of(STATUS_IO);
    }
    uint64_t padded_bytes = journal_block_padded_bytes(block->payload_bytes);
    TRY(make_room(journal, padded_bytes));
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
    if (fdatasync(journal->segment.fd) != 0) {
        fail_for_good(journal, "sync", errno);
        return;
    }
    journal->has_unsynced = false;
    journal->synced_at_ns = clock_monotonic_ns();
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

void journal_retain(struct journal *journal, uint64_t keep_seq, uint64_t now_ns) {
    journal_tick(journal);
    uint32_t gone = 0;
    uint64_t bytes = journal->bytes;
    while (may_go(journal, gone, keep_seq, now_ns, bytes)) {
        char path[JOURNAL_PATH_BYTES_MAX];
        journal_segment_path(journal->directory, journal->segments[gone].first_seq, path);
        if (unlink(path) != 0 && errno != ENOENT) {
            log_write(journal->options.logger, LOG_LEVEL_WARNING, "journal", "cannot delete %s: %s",
                      path, strerror(errno));
            break;
        }
        bytes -= journal->segments[gone++].size_bytes;
    }
    if (gone == 0) {
        return;
    }
    tell_bytes(journal, (int64_t)bytes - (int64_t)journal->bytes);
    journal->bytes = bytes;
    journal->segments_count -= gone;
    memmove(journal->segments, journal->segments + gone,
            journal->segments_count * sizeof(journal->segments[0]));
    struct fault fault = {0};
    if (!status_is_ok(journal_directory_sync(journal->directory, &fault))) {
        log_write(journal->options.logger, LOG_LEVEL_WARNING, "journal", "%s", fault.words);
    }
}
