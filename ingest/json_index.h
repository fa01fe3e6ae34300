/*
 * json_index.h - where the tokens of a JSON text stand: the structural index that json_walk reads.
 *
 * A window of the text is indexed at a time, 64 bytes a step, by the widest vectors the machine
 * has.
 *
 * 1. Entries are the offsets, in order, of every { } [ ] : , outside strings, of both quotes of
 * each string, and of the first byte of each other run of bytes (numbers, words, rubbish).
 * 2. The closing quote of a string that holds a backslash is marked JSON_INDEX_ESCAPED.
 * 3. Control characters in strings, unfinished strings and bytes that are not UTF-8 are errors
 * here; a string whose closing quote is indexed is known to be UTF-8.
 * 4. The last entry of the text is its size. All levels give the same entries (a test compares).
 *
 * Memory: one fixed struct, of the caller's arena. Thread: one at a time.
 */
#pragma once

#include "core/base/slice.h"

/* What the machine can do; the order is the order of preference. */
enum json_level {
    JSON_LEVEL_PLAIN,
    JSON_LEVEL_SSE2,
    JSON_LEVEL_AVX2,
    JSON_LEVEL_AVX512,
    JSON_LEVEL_COUNT,
};

enum {
    JSON_INDEX_ENTRIES_MAX = 1024,  /* 4 KiB: a window stays in the first cache */
    JSON_INDEX_ENTRIES_FIRST = 192, /* of the window behind a seek: maybe the walk jumps on soon */
    JSON_INDEX_STEP_BYTES = 64,
};

/* Offsets have 31 bits, the rest marks. */
#define JSON_INDEX_ESCAPED 0x80000000u
#define JSON_TEXT_BYTES_MAX 0x7FFFFFFFu

struct json_index {
    struct slice bytes;
    enum json_level level;
    uint32_t generation; /* counts windows, so that a walk knows whether its place is still here */
    uint32_t count;
    uint32_t count_max;     /* of this window */
    size_t next_at;         /* the first byte that is not indexed yet */
    uint64_t inside;        /* all ones when a string is open there */
    uint64_t escaped;       /* 1 when the byte there is behind an odd backslash */
    uint64_t scalar;        /* 1 when the byte before it belongs to a number or word */
    size_t open_at;         /* the quote of the open string */
    size_t high_at;         /* where bytes above 0x7F that are not checked yet begin */
    bool has_high;          /* there are such bytes */
    bool is_string_escaped; /* the open string holds a backslash */
    const char *error;      /* NULL while good; static words */
    size_t error_at;
    uint32_t entries[JSON_INDEX_ENTRIES_MAX + JSON_INDEX_STEP_BYTES];
};

/* The best level of this machine. */
enum json_level json_level_best(void);
/* Whether this machine can do it. */
bool json_level_is_there(enum json_level level);

/* bytes: at most JSON_TEXT_BYTES_MAX. */
void json_index_init(struct json_index *index, struct slice bytes, enum json_level level);
/* Continues at `at`, a place outside strings, with the next json_index_fill. */
void json_index_seek(struct json_index *index, size_t at);
/* The next window: replaces the entries, at least one; or sets the error. */
void json_index_fill(struct json_index *index);
