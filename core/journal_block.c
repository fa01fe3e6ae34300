/*
 * journal_block.c - sealing and checking blocks. The format stands in journal_block.h.
 *
 * Invariants: 1. A sealed block always verifies. 2. Nothing is read beyond the slice given. 3. The
 * checksum covers every byte that has a meaning but magic and version, which are compared.
 */
#include "core/journal_block.h"

#include "core/base/assert.h"
#include "core/base/hash.h"
#include "core/base/reader.h"
#include "core/batch.h"

enum { BLOCK_VERSION = 1, BLOCK_CHECKED_AT = 16, RECORD_SIZE_AT = 12 };
static const uint8_t block_magic[8] = "QUELLBK1";
static_assert(BLOCK_BYTES_MAX % BLOCK_ALIGN_BYTES == 0, "a full block needs no padding");

static uint32_t block_checksum(const uint8_t *block, uint32_t payload_bytes) {
    size_t size = JOURNAL_BLOCK_HEADER_BYTES - BLOCK_CHECKED_AT + (size_t)payload_bytes;
    return crc32c_of(slice_of(block + BLOCK_CHECKED_AT, size), 0);
}

static void write_header(uint8_t *block, const struct journal_block_header *header,
                         uint32_t checksum) {
    struct writer writer = writer_over(block, JOURNAL_BLOCK_HEADER_BYTES);
    writer_bytes(&writer, slice_of(block_magic, sizeof(block_magic)));
    writer_u32(&writer, BLOCK_VERSION);
    writer_u32(&writer, checksum);
    writer_u32(&writer, header->payload_bytes);
    writer_u32(&writer, header->count);
    writer_u64(&writer, header->first_seq);
    writer_u64(&writer, header->salt);
    writer_u64(&writer, header->offset);
    writer_u64(&writer, 0);
    writer_u64(&writer, 0);
    ASSERT(!writer.failed && writer.size == JOURNAL_BLOCK_HEADER_BYTES);
}

void journal_block_seal(uint8_t *block, const struct journal_block_header *header,
                        uint32_t payload_crc) {
    uint64_t padded = journal_block_padded_bytes(header->payload_bytes);
    ASSERT(header->count > 0 && header->first_seq > 0);
    ASSERT(padded <= BLOCK_BYTES_MAX && header->offset % BLOCK_ALIGN_BYTES == 0);
    size_t used = JOURNAL_BLOCK_HEADER_BYTES + (size_t)header->payload_bytes;
    memset(block + used, 0, (size_t)padded - used);
    write_header(block, header, 0);
    uint32_t checksum = crc32c_join(block_checksum(block, 0), payload_crc, header->payload_bytes);
    write_header(block, header, checksum);
}

struct status journal_block_read_header(struct slice bytes, uint64_t salt, uint64_t offset,
                                        struct journal_block_header *header_out) {
    struct reader reader = reader_over(bytes);
    struct slice magic = reader_bytes(&reader, sizeof(block_magic));
    uint32_t version = reader_u32(&reader);
    (void)reader_u32(&reader); /* the checksum: journal_block_verify */
    struct journal_block_header header = {0};
    header.payload_bytes = reader_u32(&reader);
    header.count = reader_u32(&reader);
    header.first_seq = reader_u64(&reader);
    header.salt = reader_u64(&reader);
    header.offset = reader_u64(&reader);
    if (reader.failed || !slice_equals(magic, slice_of(block_magic, sizeof(block_magic))) ||
        version != BLOCK_VERSION || header.salt != salt || header.offset != offset) {
        return status_of(STATUS_CORRUPT);
    }
    if (header.payload_bytes > BLOCK_BYTES_MAX - JOURNAL_BLOCK_HEADER_BYTES || header.count == 0 ||
        header.count > header.payload_bytes / BATCH_HEADER_BYTES || header.first_seq == 0 ||
        header.first_seq > UINT64_MAX - header.count) {
        return status_of(STATUS_CORRUPT);
    }
    *header_out = header;
    return status_ok();
}

size_t journal_block_record_bytes(struct slice records) {
    if (records.size < BATCH_HEADER_BYTES) {
        return 0;
    }
    struct reader reader = reader_over(slice_tail(records, RECORD_SIZE_AT));
    uint32_t size = reader_u32(&reader);
    bool is_valid = size >= BATCH_HEADER_BYTES && size <= records.size && size % 8 == 0;
    return is_valid ? size : 0;
}

struct status journal_block_verify(struct slice block, const struct journal_block_header *header) {
    size_t size = JOURNAL_BLOCK_HEADER_BYTES + (size_t)header->payload_bytes;
    if (block.size < size) {
        return status_of(STATUS_CORRUPT);
    }
    struct reader reader = reader_over(slice_tail(block, RECORD_SIZE_AT));
    if (reader_u32(&reader) != block_checksum(block.data, header->payload_bytes)) {
        return status_of(STATUS_CORRUPT);
    }
    struct slice records = slice_of(block.data + JOURNAL_BLOCK_HEADER_BYTES, header->payload_bytes);
    for (uint32_t i = 0; i < header->count; i++) {
        size_t record = journal_block_record_bytes(records);
        if (record == 0) {
            return status_of(STATUS_CORRUPT);
        }
        records = slice_tail(records, record);
    }
    return status_of(records.size == 0 ? STATUS_OK : STATUS_CORRUPT);
}
