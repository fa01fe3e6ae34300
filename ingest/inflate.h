/*
 * inflate.h - compressed bodies: gzip and deflate (inflate.c, by zlib), zstd (inflate_zstd.c, by
 * libzstd). The limit on what comes out is held while it comes out, so a bomb costs at most
 * bytes_max. Thread: one at a time, own object.
 */
#pragma once

#include "core/base/slice.h"
#include "core/base/status.h"

enum inflate_format { INFLATE_NONE, INFLATE_GZIP, INFLATE_DEFLATE, INFLATE_ZSTD };

/* All that is understood, for Accept-Encoding and grpc-accept-encoding. */
#define INFLATE_NAMES "gzip, deflate, zstd"

struct inflate_buffer {
    uint8_t *data;
    size_t capacity;
};

/* By the name of a content coding, in any case; empty and "identity" are NONE. UNSUPPORTED:
 * another. */
MUST_CHECK struct status inflate_format_find(struct slice name, enum inflate_format *format_out);
/* INVALID: not what the format says, or cut short. FULL: more than bytes_max come out. The result
 * lives until the next call; with NONE it is the bytes themselves. */
MUST_CHECK struct status inflate_bytes(struct inflate_buffer *buffer, enum inflate_format format,
                                       struct slice compressed, uint64_t bytes_max,
                                       struct slice *inflated_out);
void inflate_buffer_deinit(struct inflate_buffer *buffer);
