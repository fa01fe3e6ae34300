/* reader.c - see reader.h. The machine is little-endian: asserted at compile time. */
#include "core/base/reader.h"

#include <assert.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored integers are little-endian");

static const uint8_t *take(struct reader *reader, size_t size) {
    if (reader->failed || size > reader->bytes.size - reader->at) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *start = reader->bytes.data + reader->at;
    reader->at += size;
    return start;
}

#define READER_NUMBER(name, type)                                                                  \
    type name(struct reader *reader) {                                                             \
        type value = 0;                                                                            \
        const uint8_t *start = take(reader, sizeof(value));                                        \
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

struct hash128 reader_hash128(struct reader *reader) {
    uint64_t lo = reader_u64(reader);
    uint64_t hi = reader_u64(reader);
    return (struct hash128){lo, hi};
}

struct slice reader_bytes(struct reader *reader, size_t size) {
    const uint8_t *start = take(reader, size);
    return slice_of(start, start == NULL ? 0 : size);
}

struct slice reader_text(struct reader *reader) {
    uint32_t size = reader_u32(reader);
    return reader_bytes(reader, size);
}

uint64_t reader_u64_big_endian(struct reader *reader) {
    return __builtin_bswap64(reader_u64(reader));
}

void writer_bytes(struct writer *writer, struct slice bytes) {
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
    void name(struct writer *writer, type value) {                                                 \
        writer_bytes(writer, slice_of(&value, sizeof(value)));                                     \
    }
WRITER_NUMBER(writer_u8, uint8_t)
WRITER_NUMBER(writer_u16, uint16_t)
WRITER_NUMBER(writer_u32, uint32_t)
WRITER_NUMBER(writer_u64, uint64_t)
WRITER_NUMBER(writer_f64, double)

void writer_hash128(struct writer *writer, struct hash128 value) {
    writer_u64(writer, value.lo);
    writer_u64(writer, value.hi);
}

void writer_text(struct writer *writer, struct slice text) {
    if (text.size > UINT32_MAX) {
        writer->failed = true;
        return;
    }
    writer_u32(writer, (uint32_t)text.size);
    writer_bytes(writer, text);
}

void writer_u64_big_endian(struct writer *writer, uint64_t value) {
    writer_u64(writer, __builtin_bswap64(value));
}
