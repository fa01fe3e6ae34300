/*
 * journal_segment.h - inside the journal: one segment file, its making and its scanning.
 *
 * File <directory>/<first seq, 20 digits>.qj, preallocated. Its first BLOCK_ALIGN_BYTES:
 *
 *   offset size
 *   0      8     magic "QUELLSG1"
 *   8      4     version, 1
 *   12     4     CRC-32C over bytes 16 .. 48
 *   16     8     first_seq, as in the name
 *   24     8     salt, random
 *   32     8     bytes of the file as it was made
 *   40     8     zero
 *   then zeroes; blocks (journal_block.h) follow from BLOCK_ALIGN_BYTES on.
 *
 * A segment is made under a name ending in ".new", made durable, then renamed, so that every ".qj"
 * file has a whole header. Thread: one at a time.
 */
#pragma once

#include "core/base/fault.h"
#include "core/file.h"
#include "core/journal_block.h"

enum { JOURNAL_PATH_BYTES_MAX = 4096 };
#define JOURNAL_SEGMENTS_MAX 65536u /* 4 TiB of default segments; at it the journal says FULL */

struct journal_segment {
    const struct files *files;
    int fd; /* -1: closed */
    uint64_t first_seq;
    uint64_t salt;
    uint64_t size_bytes;
    bool is_direct; /* O_DIRECT */
};

/* What stands on the list of a journal's files. */
struct journal_segment_entry {
    uint64_t first_seq;
    uint64_t size_bytes;
    uint64_t written_ns; /* wall time of the last write */
};

/* Fills memory for JOURNAL_SEGMENTS_MAX entries, sorted by first_seq. A directory that is missing
 * has none. FULL: more files than that. */
MUST_CHECK struct status journal_segment_list(const char *directory,
                                              struct journal_segment_entry *entries,
                                              uint32_t *count_out, struct fault *fault);
/* "<directory>/<first seq>.qj" into JOURNAL_PATH_BYTES_MAX bytes. */
void journal_segment_path(const char *directory, uint64_t first_seq, char *path);

/* Makes a durable, preallocated segment of size_bytes, open for writing. FULL: no space, nothing is
 * left behind. IO. */
MUST_CHECK struct status journal_segment_create(const struct files *files, const char *directory,
                                                uint64_t first_seq, uint64_t size_bytes,
                                                struct journal_segment *segment_out,
                                                struct fault *fault);
/* Its two halves: a preallocated file at `path`, which must not be there yet; and, when first_seq
 * and salt are set, a durable header, then the segment's name in place of `path`, durable;
 * directory_fd is the directory's, open. FULL, IO. */
MUST_CHECK struct status journal_segment_allocate(const struct files *files, const char *path,
                                                  uint64_t size_bytes,
                                                  struct journal_segment *segment_out,
                                                  struct fault *fault);
MUST_CHECK struct status journal_segment_publish(const struct journal_segment *segment,
                                                 const char *path, const char *directory,
                                                 int directory_fd, struct fault *fault);
MUST_CHECK struct status journal_segment_salt(uint64_t *salt_out, struct fault *fault);
/* Opens for reading and checks the header. CORRUPT, IO. */
MUST_CHECK struct status journal_segment_open(const struct files *files, const char *directory,
                                              uint64_t first_seq,
                                              struct journal_segment *segment_out,
                                              struct fault *fault);
/* Opens again for writing at end_bytes: what stands behind is cut off, the room up to size_bytes is
 * allocated anew as zeroes (less when the disk is full). IO. */
MUST_CHECK struct status journal_segment_reopen(const char *directory, uint64_t end_bytes,
                                                uint64_t size_bytes,
                                                struct journal_segment *segment,
                                                struct fault *fault);
void journal_segment_close(struct journal_segment *segment);

enum journal_found {
    JOURNAL_FOUND_BLOCK,      /* a valid block at the offset asked for */
    JOURNAL_FOUND_LATER,      /* damaged bytes, then a valid block */
    JOURNAL_FOUND_END,        /* zeroes up to the end of the file */
    JOURNAL_FOUND_TORN,       /* other bytes, and no valid block behind them */
    JOURNAL_FOUND_UNREADABLE, /* the disk does not give the bytes, and no block behind them */
};
struct journal_place {
    enum journal_found found;
    uint64_t offset;                    /* of the block found */
    struct journal_block_header header; /* of it */
};
/* Finds the first valid block at or behind `offset` whose first_seq >= seq_min and reads it into
 * `buffer` (BLOCK_BYTES_MAX). Bytes that cannot be read are damaged when a block stands behind
 * them. */
void journal_segment_find(const struct journal_segment *segment, uint64_t offset, uint64_t seq_min,
                          uint8_t *buffer, struct journal_place *place_out);

/* fsync of a directory. IO. */
MUST_CHECK struct status journal_directory_sync(const struct files *files, const char *directory,
                                                struct fault *fault);
