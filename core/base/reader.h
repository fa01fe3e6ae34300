/*
 * reader.h - bounds-checked reading of little-endian binary, and the writer that makes it.
 *
 * A reader never reads past its end: the first failure sticks (`failed`), further reads give
 * zeroes, and the caller checks once at the end. The writer fills memory of the caller; past its
 * end it only sets `failed`. Any thread. Inline, because the hot path writes a field at a time.
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

/* The next `size` bytes, or NULL and failed. */
static inline const uint8_t *reader_take(struct reader *reader, size_t size) {
    if (reader->failed || size > reader->bytes.size - reader->at) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *start = reader->bytes.data + reader->at;
    reader->at += size;
    return start;
}

#define READER_NUMBER(name, type)                                                                  \
    static inline type name(struct reader *reader) {                                               \
        type value = 0;                                                                            \
        const uint8_t *start = reader_take(reader, sizeof(value));                                 \
        if (start != NULL) {                                                                       \
            memcpy(&value, start, sizeof(value));                                                  \
        }                                                                                          \
        return value;                                                                              \
    }
READER_NUMBER(reader_u8, uint8_t)
READER_NUMBER(reader_u16, uint16_t)
READER_NUMBER(reader_u32, uint32_t)
READER_NUMBER(reader_u64, uint64_t)
READER_NUMBER(reader_f64, double)
#undef READER_NUMBER

static inline struct hash128 reader_hash128(struct reader *reader) {
    uint64_t lo = reader_u64(reader);
    uint64_t hi = reader_u64(reader);
    return (struct hash128){lo, hi};
}
/* `size` bytes in place. */
static inline struct slice reader_bytes(struct reader *reader, size_t size) {
    const uint8_t *start = reader_take(reader, size);
    return slice_of(start, start == NULL ? 0 : size);
}
/* A u32 length, then that many bytes, in place. */
struct slice reader_text(struct reader *reader);
static inline size_t reader_left(const struct reader *reader) {
    return reader->failed ? 0 : reader->bytes.size - reader->at;
}

static inline struct writer writer_over(void *data, size_t capacity) {
    return (struct writer){.data = (uint8_t *)data, .capacity = capacity};
}
static inline void writer_bytes(struct writer *writer, struct slice bytes) {
    if (writer->failed || bytes.size > writer->capacity - writer->size) {
        writer->failed = true;
        return;
    }
    if (bytes.size > 0) {
        memcpy(writer->data + writer->size, bytes.data, bytes.size);
    }
    writer->size += bytes.size;
}

#define WRITER_NUMBER(name, type)                                                                  \
    static inline void name(struct writer *writer, type value) {                                   \
        writer_bytes(writer, slice_of(&value, sizeof(value)));                                     \
    }
WRITER_NUMBER(writer_u8, uint8_t)
WRITER_NUMBER(writer_u16, uint16_t)
WRITER_NUMBER(writer_u32, uint32_t)
WRITER_NUMBER(writer_u64, uint64_t)
WRITER_NUMBER(writer_f64, double)
#undef WRITER_NUMBER

static inline void writer_hash128(struct writer *writer, struct hash128 value) {
    writer_u64(writer, value.lo);
    writer_u64(writer, value.hi);
}
/* A u32 length, then the bytes. */
void writer_text(struct writer *writer, struct slice text);
static inline struct slice writer_slice(const struct writer *writer) {
    return slice_of(writer->data, writer->size);
}

/* Big-endian, so that LMDB's bytewise key order is numeric order. */
void writer_u64_big_endian(struct writer *writer, uint64_t value);
uint64_t reader_u64_big_endian(struct reader *reader);
void writer_u32_big_endian(struct writer *writer, uint32_t value);
uint32_t reader_u32_big_endian(struct reader *reader);
