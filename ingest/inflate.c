/* inflate.c - see inflate.h. */
#include "ingest/inflate.h"

#include <stdlib.h>
#include <zlib.h>

enum { GROWTH_BYTES_MIN = 64 * 1024, WINDOW_AUTO = 15 + 32 };

static bool grow(struct inflate_buffer *buffer, uint64_t bytes_max) {
    size_t wanted = buffer->capacity == 0 ? GROWTH_BYTES_MIN : buffer->capacity * 2;
    wanted = wanted < bytes_max + 1 ? wanted : (size_t)bytes_max + 1;
    uint8_t *grown = realloc(buffer->data, wanted);
    if (grown == NULL || wanted == buffer->capacity) {
        return false;
    }
    buffer->data = grown;
    buffer->capacity = wanted;
    return true;
}

static struct status run(z_stream *stream, struct inflate_buffer *buffer, uint64_t bytes_max,
                         size_t *size_out) {
    size_t size = 0;
    for (;;) {
        if (size == buffer->capacity && !grow(buffer, bytes_max)) {
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
        if (result == Z_STREAM_END) {
            *size_out = size;
            return stream->avail_in == 0 ? status_ok() : status_of(STATUS_INVALID);
        }
        bool is_stuck = stream->avail_in == 0 && stream->avail_out > 0;
        if (result != Z_OK || is_stuck) {
            return status_of(STATUS_INVALID);
        }
    }
}

struct status inflate_gzip(struct inflate_buffer *buffer, struct slice compressed,
                           uint64_t bytes_max, struct slice *inflated_out) {
    z_stream stream = {0};
    if (compressed.size > UINT32_MAX || inflateInit2(&stream, WINDOW_AUTO) != Z_OK) {
        return status_of(STATUS_INVALID);
    }
    stream.next_in = (Bytef *)(uintptr_t)compressed.data;
    stream.avail_in = (uInt)compressed.size;
    size_t size = 0;
    struct status status = run(&stream, buffer, bytes_max, &size);
    inflateEnd(&stream);
    if (status_is_ok(status)) {
        *inflated_out = slice_of(buffer->data, size);
    }
    return status;
}

void inflate_buffer_deinit(struct inflate_buffer *buffer) {
    free(buffer->data);
    *buffer = (struct inflate_buffer){0};
}
