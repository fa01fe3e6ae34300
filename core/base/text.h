/*
 * text.h - making and reading text: a bounded builder, JSON output, times, durations, sizes, globs.
 *
 * A `struct text` appends into memory of the caller and never past it: when something does not
 * fit, `truncated` is set and the text ends at a whole UTF-8 character. No allocation, no locale,
 * no clock. Any thread.
 */
#pragma once

#include "core/base/hash.h"
#include "core/base/slice.h"
#include "core/base/status.h"

struct text {
    char *data; /* always 0-terminated when capacity > 0 */
    size_t capacity;
    size_t size;
    bool truncated;
};

static inline struct text text_over(void *data, size_t capacity) {
    if (capacity > 0) {
        ((char *)data)[0] = 0;
    }
    return (struct text){.data = (char *)data, .capacity = capacity};
}
static inline struct slice text_slice(const struct text *text) {
    return slice_of(text->data, text->size);
}

void text_add(struct text *text, struct slice bytes);
void text_add_text(struct text *text, const char *words);
void text_add_char(struct text *text, char character);
void text_add_u64(struct text *text, uint64_t value);
/* "1 event", "2 events". */
void text_add_count(struct text *text, uint64_t count, const char *noun);
void text_add_i64(struct text *text, int64_t value);
/* Shortest form that reads back the same; "null" for what JSON cannot say. */
void text_add_f64(struct text *text, double value);
void text_add_hex(struct text *text, struct slice bytes);
/* A full text's last bytes, to whole characters, give way to '#' and the mark in hex, by which it
 * differs from what was cut alike; it is no longer truncated. The text has room for that alone. */
void text_end_with_mark(struct text *text, struct slice mark);
__attribute__((format(printf, 2, 3))) void text_add_format(struct text *text, const char *format,
                                                           ...);
/* RFC 3339 in UTC with `digits` fractional digits (0, 3, 6 or 9): 2026-11-20T03:00:00.000Z. */
void text_add_time(struct text *text, uint64_t time_ns, unsigned digits);
/* "90s", "5m", "1h30m", "250ms": as a person would write it. */
void text_add_duration(struct text *text, uint64_t span_ns);

/* A JSON string with quotes: control characters, quotes and backslashes escaped, also U+2028/9;
 * bytes that are not UTF-8 become U+FFFD. */
void text_add_json_string(struct text *text, struct slice value);
/* "key":"value", and "key":"2026-11-20T03:00:00.000Z": a member of an object. The key is ours and
 * stands as it is. */
void text_add_json_member(struct text *text, const char *key, struct slice value);
void text_add_json_time(struct text *text, const char *key, uint64_t time_ns);
/* A character in UTF-8; below U+110000. */
void text_add_code_point(struct text *text, uint32_t code);
/* A label of Prometheus' text format: name="value", backslash, quote and line feed escaped. */
void text_add_label(struct text *text, const char *name, struct slice value);
/* Each byte that is no UTF-8 becomes U+FFFD. */
void text_add_utf8(struct text *text, struct slice value);
/* What a terminal may show safely: control characters (also C1 and ANSI escapes), line separators
 * and overrides of direction become '?'. */
void text_add_printable(struct text *text, struct slice value);

/* RFC 3339 date-time with any offset and 0-9+ fractional digits; INVALID else. Years 1970-2261. */
MUST_CHECK struct status text_parse_time(struct slice text, uint64_t *time_ns_out);
/* The same of all years: before 1970 is 0, behind 2261 is INT64_MAX. */
MUST_CHECK struct status text_parse_time_clamped(struct slice text, uint64_t *time_ns_out);
/* "10s", "5m", "4h", "1d", "250ms", "1h30m"; a bare "0" is zero. INVALID else, or on overflow. */
MUST_CHECK struct status text_parse_duration(struct slice text, uint64_t *span_ns_out);
/* "64KiB", "1GiB", "512", "10MB" (decimal). INVALID else, or on overflow. */
MUST_CHECK struct status text_parse_size(struct slice text, uint64_t *bytes_out);
/* Decimal digits only, overflow checked. */
MUST_CHECK struct status text_parse_u64(struct slice text, uint64_t *value_out);
/* Hex digits of either case; the size must be exactly 2 * size. INVALID may leave some written. */
MUST_CHECK struct status text_parse_hex(struct slice text, uint8_t *bytes_out, size_t size);

/* Shell-like glob over the whole text: '*' any run, '?' one byte. No recursion; at
 * worst text.size * glob.size steps. */
bool text_matches_glob(struct slice text, struct slice glob);

/* Whether it begins like a Python trace, whose last line says what happened. */
bool text_begins_trace(struct slice text);
/* Without blanks and control characters at its end. */
struct slice text_without_blank_end(struct slice text);
/* The last line that is not blank, without blanks around it. */
struct slice text_last_line(struct slice text);

/* Whether all of it is valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool text_is_utf8(struct slice text);
/* Without the byte order mark that spreadsheets and some clients put before UTF-8 (RFC 8259, 8.1:
 * a parser may ignore it). */
struct slice text_behind_mark(struct slice text);

/* Edit distance up to `limit` (limit + 1 when more), two letters that changed places being one
 * edit. Inputs <= 64 bytes. */
unsigned text_distance(struct slice a, struct slice b, unsigned limit);

/* What somebody may have meant by a word that is not known. */
struct text_guess {
    struct slice word;
    unsigned distance;   /* of `nearest`; the first of several as near wins */
    const char *nearest; /* NULL: nothing is near enough to be worth a "did you mean" */
};
struct text_guess text_guess_of(struct slice word);
void text_guess_try(struct text_guess *guess, const char *candidate);
/* ": did you mean "x"?", or nothing. */
void text_add_guess(struct text *text, const struct text_guess *guess);

/* 26 characters of Crockford base32 of a 128-bit value, lower case: the tail of incident ids. */
enum { TEXT_BASE32_SIZE = 26 };
void text_add_base32(struct text *text, struct hash128 value);
MUST_CHECK struct status text_parse_base32(struct slice text, struct hash128 *value_out);
