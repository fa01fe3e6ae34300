/*
 * journal_block.h - inside the journal: the format of one block and the checks on it.
 *
 * A block is one group commit. It starts at a multiple of BLOCK_ALIGN_BYTES inside a segment, never
 * spans two segments, and is little-endian:
 *
 *   offset size  header (64 bytes)
 *   0      8     magic "QUELLBK1"
 *   8      4     version, 1
 *   12     4     CRC-32C over bytes 16 .. 64 + payload size
 *   16     4     payload size in bytes
 *   20     4     count of records
 *   24     8     first_seq: number of the first record
 *   32     8     salt of the segment (random): bytes of another life of the disk never look valid
 *   40     8     offset of the block in its segment
 *   48     16    zero
 *   64     -     payload: `count` finished batches (core/batch.h), each a multiple of 8 bytes
 *   then zeroes up to the next multiple of BLOCK_ALIGN_BYTES
 *
 * Memory: of the caller. Pure. Any thread.
 */
#pragma once

#include "core/base/limits.h"
#include "core/base/slice.h"
#include "core/base/status.h"

enum { JOURNAL_BLOCK_HEADER_BYTES = 64 };

struct journal_block_header {
    uint32_t payload_bytes;
    uint32_t count;
    uint64_t first_seq;
    uint64_t salt;
    uint64_t offset;
};

/* Bytes a block with this payload takes in the segment: padded to BLOCK_ALIGN_BYTES. */
static inline uint64_t journal_block_padded_bytes(uint64_t payload_bytes) {
    uint64_t size = JOURNAL_BLOCK_HEADER_BYTES + payload_bytes;
    return (size + BLOCK_ALIGN_BYTES - 1) / BLOCK_ALIGN_BYTES * BLOCK_ALIGN_BYTES;
}

/* Seals a block whose payload, of that CRC-32C, is in place at block + 64: header, checksum, zero
 * padding. The memory must hold journal_block_padded_bytes(). */
void journal_block_seal(uint8_t *block, const struct journal_block_header *header,
                        uint32_t payload_crc);

/* Whether the first 64 bytes could begin a block of this segment at this offset. CORRUPT else. */
MUST_CHECK struct status journal_block_read_header(struct slice bytes, uint64_t salt,
                                                   uint64_t offset,
                                                   struct journal_block_header *header_out);

/* Checks checksum and record bounds of a whole block (header and payload). CORRUPT. */
MUST_CHECK struct status journal_block_verify(struct slice block,
                                              const struct journal_block_header *header);

/* Size of the record at the front of `records`; 0 when its bounds are wrong. */
size_t journal_block_record_bytes(struct slice records);
