/*
 * journal_reader.c - reads what is on disk, record by record: recovery, replay, check.
 *
 * Knows nothing of a running journal: it lists the files once and reads them in order.
 *
 * Invariants: 1. Every record given out comes from a block whose checksum held. 2. Each damaged
 * place and each gap in the numbers is told once, then reading goes on behind it; every call moves
 * forward, so reading always ends. 3. Bytes that are no block at the end of the last file are a
 * torn tail, never acknowledged, and are the end.
 *
 * Memory: one block buffer and the list at open. Thread: one at a time.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/journal.h"
#include "core/journal_segment.h"

struct journal_reader {
    const struct files *files;
    char directory[JOURNAL_PATH_BYTES_MAX];
    struct journal_segment_entry *segments;
    uint32_t segments_count;
    uint32_t segment_index;
    struct journal_segment segment;
    uint64_t offset; /* of the next block */
    uint64_t from_seq;
    uint64_t seq;               /* the next record expected; 0: not known */
    struct journal_block block; /* what is left of the block in the buffer */
    uint8_t *buffer;
};

struct status journal_reader_open(const struct files *files, const char *directory,
                                  uint64_t from_seq, struct journal_reader **reader_out,
                                  struct fault *fault) {
    struct journal_reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return fault_set(fault, STATUS_FULL, "journal: no memory to read %s", directory);
    }
    reader->files = files;
    reader->segment.fd = -1;
    reader->from_seq = from_seq;
    snprintf(reader->directory, sizeof(reader->directory), "%s", directory);
    reader->buffer = malloc(BLOCK_BYTES_MAX);
    reader->segments = calloc(JOURNAL_SEGMENTS_MAX, sizeof(*reader->segments));
    struct status status;
    if (reader->buffer == NULL || reader->segments == NULL) {
        status = fault_set(fault, STATUS_FULL, "journal: no memory to read %s", directory);
    } else {
        status = journal_segment_list(directory, reader->segments, &reader->segments_count, fault);
    }
    if (!status_is_ok(status)) {
        journal_reader_close(reader);
        return status;
    }
    while (reader->segment_index + 1 < reader->segments_count &&
           reader->segments[reader->segment_index + 1].first_seq <= from_seq) {
        reader->segment_index++;
    }
    *reader_out = reader;
    return status_ok();
}

void journal_reader_close(struct journal_reader *reader) {
    if (reader == NULL) {
        return;
    }
    journal_segment_close(&reader->segment);
    free(reader->segments);
    free(reader->buffer);
    free(reader);
}

struct status journal_find_first(const struct files *files, const char *directory,
                                 uint64_t *first_seq_out, struct fault *fault) {
    struct journal_reader *reader = NULL;
    TRY(journal_reader_open(files, directory, 1, &reader, fault));
    *first_seq_out = reader->segments_count == 0 ? 0 : reader->segments[0].first_seq;
    journal_reader_close(reader);
    return status_ok();
}

static void leave_segment(struct journal_reader *reader) {
    journal_segment_close(&reader->segment);
    reader->segment_index++;
}

/* Opens the segment at the index; CORRUPT when numbers are missing before it or it is damaged. */
static struct status enter_segment(struct journal_reader *reader, struct fault *fault) {
    uint64_t first_seq = reader->segments[reader->segment_index].first_seq;
    uint64_t expected = reader->seq;
    reader->seq = first_seq;
    if (expected != 0 && expected != first_seq) {
        return fault_set(fault, STATUS_CORRUPT,
                         "journal: records %" PRIu64 " to %" PRIu64
                         " are missing before %s/%020" PRIu64 ".qj (offset 0)",
                         expected, first_seq - 1, reader->directory, first_seq);
    }
    struct status status =
        journal_segment_open(reader->files, reader->directory, first_seq, &reader->segment, fault);
    if (!status_is_ok(status)) {
        reader->segment_index++;
        reader->seq = 0;
        return status;
    }
    reader->offset = BLOCK_ALIGN_BYTES;
    return status_ok();
}

static struct status tell_damage(struct journal_reader *reader, uint64_t offset,
                                 struct fault *fault) {
    return fault_set(fault, STATUS_CORRUPT,
                     "journal: %s/%020" PRIu64 ".qj is damaged at offset %" PRIu64
                     ": records from %" PRIu64 " on are lost there",
                     reader->directory, reader->segment.first_seq, offset, reader->seq);
}

static void take_block(struct journal_reader *reader, const struct journal_place *place) {
    reader->block = (struct journal_block){
        .first_seq = place->header.first_seq,
        .count = place->header.count,
        .records =
            slice_of(reader->buffer + JOURNAL_BLOCK_HEADER_BYTES, place->header.payload_bytes),
    };
    reader->offset = place->offset + journal_block_padded_bytes(place->header.payload_bytes);
}

/* Brings the next block into the buffer. END after the last. */
static struct status next_block(struct journal_reader *reader, struct fault *fault) {
    while (reader->segment_index < reader->segments_count) {
        if (reader->segment.fd < 0) {
            TRY(enter_segment(reader, fault));
        }
        struct journal_place place;
        uint64_t offset = reader->offset;
        journal_segment_find(&reader->segment, offset, reader->seq, reader->buffer, &place);
        bool is_last = reader->segment_index + 1 == reader->segments_count;
        if (place.found == JOURNAL_FOUND_BLOCK || place.found == JOURNAL_FOUND_LATER) {
            uint64_t expected = reader->seq;
            bool is_damaged =
                place.found == JOURNAL_FOUND_LATER || place.header.first_seq != expected;
            struct status status = is_damaged ? tell_damage(reader, offset, fault) : status_ok();
            take_block(reader, &place);
            return status;
        }
        if (is_last && place.found == JOURNAL_FOUND_UNREADABLE) {
            return fault_set(fault, STATUS_IO,
                             "journal: %s/%020" PRIu64 ".qj cannot be read from offset %" PRIu64
                             " on: mend the disk, or bring the file back from a copy",
                             reader->directory, reader->segment.first_seq, offset);
        }
        if (is_last) {
            return status_of(STATUS_END);
        }
        struct status status =
            place.found == JOURNAL_FOUND_END ? status_ok() : tell_damage(reader, offset, fault);
        if (!status_is_ok(status)) {
            reader->seq = 0; /* told: the gap is not told again */
        }
        leave_segment(reader);
        TRY(status);
    }
    return status_of(STATUS_END);
}

struct status journal_reader_next(struct journal_reader *reader, struct slice *record_out,
                                  uint64_t *seq_out, struct fault *fault) {
    for (;;) {
        if (reader->block.records.size == 0) {
            TRY(next_block(reader, fault));
        }
        uint64_t seq = reader->block.first_seq;
        struct slice record;
        bool has_record = journal_block_next(&reader->block, &record);
        ASSERT(has_record);
        reader->seq = seq + 1;
        if (seq >= reader->from_seq) {
            *record_out = record;
            *seq_out = seq;
            return status_ok();
        }
    }
}
