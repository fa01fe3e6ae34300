/*
 * json_string.h - the escapes in JSON strings (RFC 8259, 7).
 * Thread: any.
 */
#pragma once

#include "core/base/slice.h"

/* The first backslash that begins no known escape; raw.size when all are good. raw: what stands
 * between the quotes. */
size_t json_find_bad_escape(struct slice raw);
/* Writes what raw means, whose escapes are good, to out, which has raw.size + 4 bytes: an escape is
 * never shorter than what it stands for, but is written as 4. The size written. A lone half of a
 * surrogate pair has no UTF-8 form and becomes U+FFFD. */
size_t json_unescape(struct slice raw, uint8_t *out);
