/*
 * reader.h - bounds-checked reading of little-endian binary, and the writer that makes it.
 *
 * A reader never reads past its end: the first failure sticks (`failed`), further reads give
 * zeroes, and the caller checks once at the end. The writer fills memory of the caller; past its
 * end it only sets `failed`. Any thread.
 */
#pragma once

#include "core/base/hash.h"
#include "core/base/slice.h"

struct reader {
    struct slice bytes;
    size_t at;
    bool failed;
};

struct writer {
    uint8_t *data;
    size_t capacity;
    size_t size;
    bool failed;
};

static inline struct reader reader_over(struct slice bytes) {
    return (struct reader){.bytes = bytes};
}
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
double reader_f64(struct reader *reader);
struct hash128 reader_hash128(struct reader *reader);
/* `size` bytes in place. */
struct slice reader_bytes(struct reader *reader, size_t size);
/* A u32 length, then that many bytes, in place. */
struct slice reader_text(struct reader *reader);
static inline size_t reader_left(const struct reader *reader) {
    return reader->failed ? 0 : reader->bytes.size - reader->at;
}

static inline struct writer writer_over(void *data, size_t capacity) {
    return (struct writer){.data = (uint8_t *)data, .capacity = capacity};
}
void writer_u8(struct writer *writer, uint8_t value);
void writer_u16(struct writer *writer, uint16_t value);
void writer_u32(struct writer *writer, uint32_t value);
void writer_u64(struct writer *writer, uint64_t value);
void writer_f64(struct writer *writer, double value);
void writer_hash128(struct writer *writer, struct hash128 value);
void writer_bytes(struct writer *writer, struct slice bytes);
/* A u32 length, then the bytes. */
void writer_text(struct writer *writer, struct slice text);
static inline struct slice writer_slice(const struct writer *writer) {
    return slice_of(writer->data, writer->size);
}

/* Big-endian, so that LMDB's bytewise key order is numeric order. */
void writer_u64_big_endian(struct writer *writer, uint64_t value);
uint64_t reader_u64_big_endian(struct reader *reader);
