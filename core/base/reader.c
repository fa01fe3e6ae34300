/* reader.c - see reader.h. The machine is little-endian: asserted at compile time. */
#include "core/base/reader.h"

#include <assert.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored integers are little-endian");

struct slice reader_text(struct reader *reader) {
    uint32_t size = reader_u32(reader);
    return reader_bytes(reader, size);
}

uint64_t reader_u64_big_endian(struct reader *reader) {
    return __builtin_bswap64(reader_u64(reader));
}

uint32_t reader_u32_big_endian(struct reader *reader) {
    return __builtin_bswap32(reader_u32(reader));
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

void writer_u32_big_endian(struct writer *writer, uint32_t value) {
    writer_u32(writer, __builtin_bswap32(value));
}
