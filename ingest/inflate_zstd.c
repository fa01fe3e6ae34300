/*
 * inflate_zstd.c - RFC 8878. See inflate.h.
 *
 * RFC 9659, section 3: "decoders that support the zstd content coding MUST support a Window_Size of
 * up to 8 MB" and an encoder must not ask for more: what does is refused before memory is taken.
 */
#include <zstd.h>

#include "ingest/inflate_internal.h"

enum { WINDOW_LOG_MAX = 23 };

static struct status run(ZSTD_DStream *stream, struct inflate_buffer *buffer, ZSTD_inBuffer *input,
                         uint64_t bytes_max, size_t *size_out) {
    ZSTD_outBuffer output = {buffer->data, buffer->capacity, 0};
    for (;;) {
        if (output.pos == output.size) {
            if (!inflate_grow(buffer, bytes_max)) {
                return status_of(STATUS_FULL);
            }
            output.dst = buffer->data;
            output.size = buffer->capacity;
        }
        size_t result = ZSTD_decompressStream(stream, &output, input);
        if (ZSTD_isError(result)) {
            return status_of(STATUS_INVALID);
        }
        if (output.pos > bytes_max) {
            return status_of(STATUS_FULL);
        }
        bool is_at_end = input->pos == input->size;
        if (result == 0 && is_at_end) {
            *size_out = output.pos;
            return status_ok();
        }
        if (result != 0 && is_at_end && output.pos < output.size) {
            return status_of(STATUS_INVALID); /* cut short */
        }
    }
}

struct status inflate_zstd(struct inflate_buffer *buffer, struct slice compressed,
                           uint64_t bytes_max, size_t *size_out) {
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer input = {compressed.data, compressed.size, 0};
    struct status status = status_of(STATUS_FULL);
    if (stream != NULL &&
        !ZSTD_isError(ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
        status = compressed.size == 0 ? status_of(STATUS_INVALID)
                                      : run(stream, buffer, &input, bytes_max, size_out);
    }
    (void)ZSTD_freeDStream(stream);
    return status;
}
