/*
 * inflate.h - request bodies with Content-Encoding gzip or deflate. The only file that knows zlib.
 * Thread: one at a time, own object.
 */
#pragma once

#include "core/base/slice.h"
#include "core/base/status.h"

struct inflate_buffer {
    uint8_t *data;
    size_t capacity;
};

/* INVALID: not gzip (or zlib), or cut short. FULL: more than bytes_max come out; checked while
 * inflating, so a bomb costs at most bytes_max. The result lives until the next call. */
MUST_CHECK struct status inflate_gzip(struct inflate_buffer *buffer, struct slice compressed,
                                      uint64_t bytes_max, struct slice *inflated_out);
void inflate_buffer_deinit(struct inflate_buffer *buffer);
