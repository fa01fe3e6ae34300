/* inflate.c - formats by name, the buffer, and zlib's two formats. See inflate.h. */
#include "ingest/inflate.h"

#include <stdlib.h>
#include <zlib.h>

#include "ingest/inflate_internal.h"

enum { GROWTH_BYTES_MIN = 64 * 1024, WINDOW_GZIP = 15 + 16, WINDOW_ZLIB = 15, WINDOW_RAW = -15 };

struct status inflate_format_find(struct slice name, enum inflate_format *format_out) {
    static const struct {
        const char *name;
        enum inflate_format format;
    } formats[] = {
        {"", INFLATE_NONE},       {"identity", INFLATE_NONE},   {"gzip", INFLATE_GZIP},
        {"x-gzip", INFLATE_GZIP}, {"deflate", INFLATE_DEFLATE}, {"zstd", INFLATE_ZSTD},
    };
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (slice_equals_ignoring_case(name, slice_of_text(formats[i].name))) {
            *format_out = formats[i].format;
            return status_ok();
        }
    }
    return status_of(STATUS_UNSUPPORTED);
}

bool inflate_grow(struct inflate_buffer *buffer, uint64_t bytes_max) {
    size_t wanted = buffer->capacity == 0 ? GROWTH_BYTES_MIN : buffer->capacity * 2;
    wanted = wanted < bytes_max + 1 ? wanted : (size_t)bytes_max + 1;
    if (wanted <= buffer->capacity) {
        return false;
    }
    uint8_t *grown = realloc(buffer->data, wanted);
    if (grown == NULL) {
        return false;
    }
    buffer->data = grown;
    buffer->capacity = wanted;
    return true;
}

static struct status run(z_stream *stream, struct inflate_buffer *buffer, uint64_t bytes_max,
                         bool has_members, size_t *size_out) {
    size_t size = 0;
    for (;;) {
        if (size == buffer->capacity && !inflate_grow(buffer, bytes_max)) {
            return status_of(STATUS_FULL);
        }
        size_t room = buffer->capacity - size;
        room = room < (1u << 30) ? room : (1u << 30);
        stream->next_out = buffer->data + size;
        stream->avail_out = (uInt)room;
        int result = inflate(stream, Z_NO_FLUSH);
        size += room - stream->avail_out;
        if (size > bytes_max) {
            return status_of(STATUS_FULL);
        }
        if (result == Z_STREAM_END && stream->avail_in == 0) {
            *size_out = size;
            return status_ok();
        }
        /* RFC 1952, section 2.2: "A gzip file consists of a series of members". */
        bool is_next = result == Z_STREAM_END && has_members && inflateReset(stream) == Z_OK;
        bool is_stuck = stream->avail_in == 0 && stream->avail_out > 0;
        if (!is_next && (result != Z_OK || is_stuck)) {
            return status_of(STATUS_INVALID);
        }
    }
}

/* RFC 9110, section 8.4.1.2: "Some non-conformant implementations send the "deflate" compressed
 * data without the zlib wrapper": its two bytes are a multiple of 31, with method 8. */
static bool has_zlib_wrapper(struct slice bytes) {
    return bytes.size >= 2 && (bytes.data[0] & 0x0F) == 8 &&
           (bytes.data[0] * 256u + bytes.data[1]) % 31 == 0;
}

static struct status inflate_zlib(struct inflate_buffer *buffer, enum inflate_format format,
                                  struct slice compressed, uint64_t bytes_max, size_t *size_out) {
    z_stream stream = {0};
    int window = format == INFLATE_GZIP         ? WINDOW_GZIP
                 : has_zlib_wrapper(compressed) ? WINDOW_ZLIB
                                                : WINDOW_RAW;
    if (compressed.size > UINT32_MAX || inflateInit2(&stream, window) != Z_OK) {
        return status_of(STATUS_INVALID);
    }
    stream.next_in = (Bytef *)(uintptr_t)compressed.data;
    stream.avail_in = (uInt)compressed.size;
    struct status status = run(&stream, buffer, bytes_max, format == INFLATE_GZIP, size_out);
    inflateEnd(&stream);
    return status;
}

struct status inflate_bytes(struct inflate_buffer *buffer, enum inflate_format format,
                            struct slice compressed, uint64_t bytes_max,
                            struct slice *inflated_out) {
    size_t size = 0;
    if (format == INFLATE_NONE) {
        *inflated_out = compressed;
        return status_ok();
    }
    TRY(format == INFLATE_ZSTD ? inflate_zstd(buffer, compressed, bytes_max, &size)
                               : inflate_zlib(buffer, format, compressed, bytes_max, &size));
    *inflated_out = slice_of(buffer->data, size);
    return status_ok();
}

void inflate_buffer_deinit(struct inflate_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct inflate_buffer){0};
}
