/* inflate_internal.h - inside inflate: one format each. */
#pragma once

#include "ingest/inflate.h"

/* More room, at most one byte above bytes_max (to see that there is too much). False: none. */
bool inflate_grow(struct inflate_buffer *buffer, uint64_t bytes_max);
/* As inflate_bytes. */
MUST_CHECK struct status inflate_zstd(struct inflate_buffer *buffer, struct slice compressed,
                                      uint64_t bytes_max, size_t *size_out);
