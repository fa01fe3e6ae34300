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

/* Writes the words (printf-like); `fault` may be NULL. */
__attribute__((format(printf, 2, 3))) void fault_write(struct fault *fault, const char *format,
                                                       ...);

static inline MUST_CHECK struct status fault_status(enum status_code code) {
    return status_of(code);
}

/* What several checks say, so that a person reads all of it: the words of `next` become a line of
 * `all` when `status` says that it failed. The worse of both statuses. `all` may be NULL. */
MUST_CHECK struct status fault_join(struct fault *all, struct status before, struct status status,
                                    const struct fault *next);

/* Writes the words (printf-like) and is `code` as a status, so that a failing function can
 * end with: return fault_set(fault, STATUS_IO, "cannot open %s: %s", path, reason);
 * `fault` may be NULL. A macro, so that compilers and analysers see at the call that it fails. */
#define fault_set(fault, code, ...) (fault_write((fault), __VA_ARGS__), fault_status(code))
