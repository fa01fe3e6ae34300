/*
 * fault.h - an error in words, for the places where a person reads it.
 *
 * Says what went wrong, where, and what to do. Fixed size, so that reporting never allocates.
 */
#pragma once

#include "core/base/text.h"

enum { FAULT_WORDS_BYTES_MAX = 480 };

struct fault {
    char words[FAULT_WORDS_BYTES_MAX]; /* 0-terminated */
};

/* Writes the words (printf-like) and returns `code` as a status, so that a failing function can
 * end with: return fault_set(fault, STATUS_IO, "cannot open %s: %s", path, reason);
 * `fault` may be NULL. */
__attribute__((format(printf, 3, 4))) MUST_CHECK struct status
fault_set(struct fault *fault, enum status_code code, const char *format, ...);
