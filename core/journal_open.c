/*
 * journal_open.c - finding the end of a journal: the last segment is walked block by block, a torn
 * tail is cut off, what the disk does not give is refused.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/base/arena.h"
#include "core/clock.h"
#include "core/journal_internal.h"
#include "core/log.h"

static void log_damage(struct journal *journal, uint64_t offset, uint64_t end, const char *what) {
    log_write(journal->options.logger, LOG_LEVEL_WARNING, "journal",
              "%s/%020" PRIu64 ".qj: %s from offset %" PRIu64 " to %" PRIu64, journal->directory,
              journal->segment.first_seq, what, offset, end);
}

/* Walks the blocks of the last segment; sets next_seq, offset and the size of the last block. IO
 * when the disk does not give the bytes behind the last block found: some of them may have been
 * acknowledged. */
static struct status scan_last_segment(struct journal *journal, uint64_t *last_bytes_out,
                                       struct fault *fault) {
    *last_bytes_out = 0;
    uint64_t offset = BLOCK_ALIGN_BYTES;
    uint64_t seq = journal->segment.first_seq;
    for (;;) {
        struct journal_place place;
        journal_segment_find(&journal->segment, offset, seq, journal->blocks[0].data, &place);
        if (place.found == JOURNAL_FOUND_UNREADABLE) {
            return fault_set(fault, STATUS_IO,
                             "journal: %s/%020" PRIu64 ".qj cannot be read from offset %" PRIu64
                             " on: mend the disk, or bring the file back from a copy",
                             journal->directory, journal->segment.first_seq, offset);
        }
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
        *last_bytes_out = journal_block_padded_bytes(place.header.payload_bytes);
        offset = place.offset + *last_bytes_out;
    }
    journal->next_seq = seq;
    journal->offset = offset;
    return status_ok();
}

/* Writes the last block again. After a failed sync its pages may stand in the machine's memory
 * alone, marked clean, so that no sync would ever bring them to the disk. */
static struct status harden_last_block(struct journal *journal, uint64_t bytes,
                                       struct fault *fault) {
    const struct files *files = journal->options.files;
    uint8_t *data = journal->blocks[0].data;
    uint64_t offset = journal->offset - bytes;
    bool is_done = file_read(files, journal->segment.fd, data, bytes, offset) == bytes &&
                   file_write(files, journal->segment.fd, data, bytes, offset) == 0 &&
                   file_sync_data(files, journal->segment.fd) == 0;
    return is_done
               ? status_ok()
               : fault_set(fault, STATUS_IO,
                           "journal: the block at offset %" PRIu64 " of %s/%020" PRIu64
                           ".qj cannot be written again: %s",
                           offset, journal->directory, journal->segment.first_seq, strerror(errno));
}

static struct status open_last_segment(struct journal *journal, struct fault *fault) {
    struct journal_segment_entry *last = &journal->segments[journal->segments_count - 1];
    TRY(journal_segment_open(journal->options.files, journal->directory, last->first_seq,
                             &journal->segment, fault));
    uint64_t last_bytes = 0;
    TRY(scan_last_segment(journal, &last_bytes, fault));
    TRY(journal_segment_reopen(journal->directory, journal->offset, journal->options.segment_bytes,
                               &journal->segment, fault));
    last->size_bytes = journal->segment.size_bytes;
    journal_ahead_enter(&journal->ahead, &journal->segment);
    return last_bytes == 0 ? status_ok() : harden_last_block(journal, last_bytes, fault);
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
        /* The kernel takes hold of a block page by page when it writes it: of few large ones. */
        is_full = posix_memalign(&data, LARGE_PAGE_BYTES, BLOCK_BYTES_MAX) != 0;
        if (!is_full) {
            arena_advise_dense(data, BLOCK_BYTES_MAX);
        }
        journal->blocks[i].data = is_full ? NULL : data;
    }
    return is_full ? fault_set(fault, STATUS_FULL, "journal: no memory for its blocks")
                   : status_ok();
}

/* Whole blocks, one at least behind the header. */
static uint64_t segment_bytes_of(const struct journal_options *options) {
    uint64_t bytes = options->segment_bytes == 0 ? JOURNAL_SEGMENT_BYTES : options->segment_bytes;
    bytes = bytes / BLOCK_ALIGN_BYTES * BLOCK_ALIGN_BYTES;
    uint64_t bytes_min = UINT64_C(2) * BLOCK_ALIGN_BYTES;
    return bytes < bytes_min ? bytes_min : bytes;
}

/* With none the journal does as well, but slower. */
static void open_spare(struct journal *journal) {
    const struct journal_options *options = &journal->options;
    if (options->wake != NULL && options->files == NULL &&
        !status_is_ok(journal_spare_open(journal->directory, options->segment_bytes, options->wake,
                                         options->wake_context, &journal->spare))) {
        journal->spare = NULL;
    }
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
    journal_ahead_init(&journal->ahead, options->loop);
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
    open_spare(journal);
    journal_tell_bytes(journal, (int64_t)journal->bytes);
    *journal_out = journal;
    return status_ok();
}
