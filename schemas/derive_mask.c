/*
 * derive_mask.c - a message without what differs from one occurrence to the next, so that repeats
 * of one error have one class: numbers and timestamps with their zone become '#', months and days
 * of the week beside them '#', hex words and uuids '#', quoted strings ''. One pass, bounded
 * output; messages come from strangers, so that what is looked at in vain at any place is bounded,
 * too.
 */
#include "core/base/json_pick.h"
#include "core/base/text.h"
#include "schemas/derive.h"

/* Shorter ones are words of a language or, with a digit, parts of names like "a1". */
enum { HEX_WORD_BYTES_MIN = 8, HEX_MIXED_BYTES_MIN = 6 };
/* A traceparent, the longest that is one word, has 55. */
enum { HEX_WORD_BYTES_MAX = 64, QUOTED_BYTES_MAX = 256 };
/* Of a structured message: how far it is looked at, and what is taken of what it says. */
enum { STRUCTURED_BYTES_MAX = 4096, SAID_BYTES_MAX = 1024 };

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_hex(uint8_t byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool is_letter(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

static size_t hex_size(struct slice text) {
    size_t size = 0;
    while (size < text.size && is_hex(text.data[size])) {
        size++;
    }
    return size;
}

static bool has_any(struct slice text, bool (*is_one)(uint8_t byte)) {
    for (size_t i = 0; i < text.size; i++) {
        if (is_one(text.data[i])) {
            return true;
        }
    }
    return false;
}

static bool ends_word(struct slice rest, size_t size) {
    return size == rest.size || (!is_letter(rest.data[size]) && !is_digit(rest.data[size]));
}

/* Size of hex digits at the front, in pieces that dashes join; "a1b2c3d4-api" has one such piece,
 * as its "a" begins another word. */
static size_t hex_pieces_size(struct slice rest) {
    struct slice near = slice_head(rest, HEX_WORD_BYTES_MAX);
    size_t piece = hex_size(rest);
    size_t size = 0;
    if (piece >= HEX_WORD_BYTES_MAX) {
        return piece; /* a dump, whatever comes behind it: no byte of it is looked at again */
    }
    for (size_t start = 0; piece > 0 && ends_word(rest, start + piece); start = size + 1) {
        size = start + piece;
        bool joins = size < rest.size && rest.data[size] == '-';
        piece = joins ? hex_size(slice_tail(near, size + 1)) : 0;
    }
    return size;
}

/* Size of a hex word or uuid at the front: "deadbeef", "a1b2c3", "5b8efff7-9803-..."; else 0, also
 * when it has digits only: a number may go on in other ways. */
static size_t hex_word_size(struct slice rest) {
    size_t size = hex_pieces_size(rest);
    if (size < HEX_MIXED_BYTES_MIN) {
        return 0;
    }
    struct slice word = slice_head(rest, size);
    bool has_digit = has_any(word, is_digit);
    bool has_dash = slice_find_byte(word, '-') < size;
    bool is_long = size >= HEX_WORD_BYTES_MIN && (has_digit || !has_dash);
    bool is_mixed = has_digit && !has_dash;
    return has_any(word, is_letter) && (is_long || is_mixed) ? size : 0;
}

/* A number or timestamp: digits, and what joins digits ('.', ':', '-', 'T', ','). */
static size_t number_size(struct slice rest) {
    size_t size = 0;
    while (size < rest.size) {
        bool joins = size + 1 < rest.size && is_digit(rest.data[size + 1]) &&
                     strchr(".:-T,", rest.data[size]) != NULL && rest.data[size] != 0;
        if (!is_digit(rest.data[size]) && !joins) {
            break;
        }
        size++;
    }
    return size;
}

/* Behind a number's digits: "e-05", "E+7", "e10". */
static size_t exponent_size(struct slice rest) {
    bool has_sign = rest.size > 1 && (rest.data[1] == '-' || rest.data[1] == '+');
    size_t size = has_sign ? 2 : 1;
    if (rest.size <= size || (rest.data[0] | 0x20) != 'e' || !is_digit(rest.data[size])) {
        return 0;
    }
    while (size < rest.size && is_digit(rest.data[size])) {
        size++;
    }
    return size;
}

/* A time's zone behind its digits: "Z", "+02:00", "+0200". */
static size_t zone_size(struct slice number, struct slice rest) {
    bool is_time = slice_find_byte(number, ':') < number.size;
    if (!is_time || rest.size == 0) {
        return 0;
    }
    if (rest.data[0] == 'Z') {
        return rest.size == 1 || (!is_letter(rest.data[1]) && !is_digit(rest.data[1])) ? 1 : 0;
    }
    size_t size = rest.data[0] == '+' ? number_size(slice_tail(rest, 1)) : 0;
    return size == 4 || size == 5 ? size + 1 : 0;
}

/* A number with all that belongs to it, whose first digit is at the front. */
static size_t whole_number_size(struct slice rest) {
    if (rest.size > 2 && rest.data[0] == '0' && (rest.data[1] | 0x20) == 'x') {
        return 2 + hex_size(slice_tail(rest, 2));
    }
    size_t size = number_size(rest);
    size += zone_size(slice_head(rest, size), slice_tail(rest, size));
    return size + exponent_size(slice_tail(rest, size));
}

/* --- Dates in words: "Mon, 23 Nov 2026", "Nov  3 06:53:05", "23-NOV-26" --- */

enum { NAME_BYTES_MAX = 9, SHORT_NAME_BYTES = 3 };
static const char month_names[][NAME_BYTES_MAX + 1] = {
    "january", "february", "march",     "april",   "may",      "june",
    "july",    "august",   "september", "october", "november", "december",
};
static const char weekday_names[][NAME_BYTES_MAX + 1] = {
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
};

/* Size of one of the names at the front, whole or its first three letters, with a capital: "may" is
 * no month. 0: none. */
static size_t name_size(struct slice rest, const char names[][NAME_BYTES_MAX + 1], size_t count) {
    char lower[NAME_BYTES_MAX + 1] = {0};
    size_t size = 0;
    if (rest.size == 0 || rest.data[0] < 'A' || rest.data[0] > 'Z') {
        return 0;
    }
    for (; size < rest.size && size < NAME_BYTES_MAX && is_letter(rest.data[size]); size++) {
        lower[size] = (char)(rest.data[size] | 0x20);
    }
    if (size < SHORT_NAME_BYTES || (size < rest.size && is_letter(rest.data[size]))) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_it = memcmp(lower, names[i], size) == 0;
        if (is_it && (size == SHORT_NAME_BYTES || size == strlen(names[i]))) {
            return size;
        }
    }
    return 0;
}

/* The same of what joins parts of a date: "-", "/", ".", "," and blanks, three at most. */
static struct slice behind_joint(struct slice rest) {
    size_t size = 0;
    while (size < rest.size && size < 3 && rest.data[size] != 0 &&
           strchr(" -/.,", rest.data[size]) != NULL) {
        size++;
    }
    return size == 0 ? slice_of(NULL, 0) : slice_tail(rest, size);
}

static bool begins_number(struct slice rest) {
    return rest.size > 0 && is_digit(rest.data[0]);
}

/* Whether what was masked last is a number, and one joint stands behind it. */
static bool is_behind_number(const struct text *masked) {
    char joint = '\0';
    if (masked->size >= 2) {
        joint = masked->data[masked->size - 1];
    }
    return joint != '\0' && strchr(" -/", joint) != NULL && masked->data[masked->size - 2] == '#';
}

static size_t month_size(struct slice rest, const struct text *masked) {
    size_t size = name_size(rest, month_names, sizeof(month_names) / sizeof(month_names[0]));
    struct slice next = slice_tail(rest, size);
    bool is_date = size > 0 && (begins_number(behind_joint(next)) || is_behind_number(masked));
    bool is_padded = slice_starts_with(next, SLICE("  ")); /* "Nov  3", as "Nov 13" */
    return is_date ? size + (is_padded ? 1 : 0) : 0;
}

static size_t weekday_size(struct slice rest) {
    size_t size = name_size(rest, weekday_names, sizeof(weekday_names) / sizeof(weekday_names[0]));
    struct slice next = size > 0 ? behind_joint(slice_tail(rest, size)) : slice_of(NULL, 0);
    struct text none = text_over(NULL, 0);
    return begins_number(next) || month_size(next, &none) > 0 ? size : 0;
}

static size_t date_word_size(struct slice rest, const struct text *masked) {
    size_t size = month_size(rest, masked);
    return size > 0 ? size : weekday_size(rest);
}

/* "23-Nov-26", and not the hex of "23-FEB0-26" or "23-FEB-9F3A". */
static bool begins_date(struct slice rest) {
    size_t digits = number_size(slice_head(rest, 4));
    struct slice month = slice_tail(rest, digits + 1);
    size_t size = name_size(month, month_names, sizeof(month_names) / sizeof(month_names[0]));
    struct slice year = slice_tail(month, size + 1);
    size_t year_digits = number_size(slice_head(year, 4));
    return digits > 0 && size > 0 && rest.data[digits] == '-' &&
           slice_starts_with(slice_tail(month, size), SLICE("-")) && year_digits > 0 &&
           ends_word(year, year_digits);
}

/* --- Quotes --- */

/* Size of what is before the first quote that no backslash escapes. */
static size_t unescaped_size(struct slice text, uint8_t quote) {
    size_t size = 0;
    while (size < text.size && text.data[size] != quote) {
        size += text.data[size] == '\\' ? 2 : 1;
    }
    return size < text.size ? size : text.size;
}

/* Whether the closing quote stands at the front; the one that is an apostrophe, too, only where no
 * word goes on behind it: "can’t". */
static bool closes_pair(struct slice rest, struct slice closing) {
    bool is_apostrophe = slice_equals(closing, SLICE("’"));
    return slice_starts_with(rest, closing) && (!is_apostrophe || ends_word(rest, closing.size));
}

/* Size of a string in quotes that differ at its two ends, in the ways of several languages. */
static size_t paired_size(struct slice rest) {
    static const struct {
        const char *opening;
        const char *closing[2];
    } pairs[] = {{"“", {"”", "”"}},
                 {"„", {"“", "”"}},
                 {"»", {"«", "«"}},
                 {"«", {"»", "»"}},
                 {"‘", {"’", "’"}}};
    struct slice near = slice_head(rest, QUOTED_BYTES_MAX);
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct slice first = slice_of_text(pairs[i].closing[0]);
        struct slice second = slice_of_text(pairs[i].closing[1]);
        size_t at = strlen(pairs[i].opening);
        if (!slice_starts_with(near, slice_of_text(pairs[i].opening))) {
            continue;
        }
        for (; at < near.size; at++) {
            struct slice here = slice_tail(near, at);
            if (closes_pair(here, first) || closes_pair(here, second)) {
                return at + first.size;
            }
        }
    }
    return 0;
}

/* Size of a quoted string at the front. In quotes that are escaped themselves the next quote is the
 * end; in others an escaped quote is none, unless there is no other: 'C:\dir\'. */
static size_t quoted_size(struct slice rest) {
    size_t opening = rest.data[0] == '\\' && rest.size > 1 ? 2 : 1;
    uint8_t quote = rest.data[opening - 1];
    if (quote >= 0x80) {
        return paired_size(rest);
    }
    if (quote != '\'' && quote != '"' && quote != '`') {
        return 0;
    }
    struct slice inside = slice_head(slice_tail(rest, opening), QUOTED_BYTES_MAX);
    size_t end = opening == 1 ? unescaped_size(inside, quote) : inside.size;
    end = end < inside.size ? end : slice_find_byte(inside, quote);
    return end == inside.size ? 0 : opening + end + 1;
}

/* Masks what stands at the front of rest; how many bytes that took. `in_word`: behind a letter. */
static size_t mask_front(struct slice rest, bool in_word, struct text *masked) {
    size_t size = in_word ? 0 : quoted_size(rest);
    if (size > 0) {
        text_add_text(masked, "''");
        return size;
    }
    if (!in_word) { /* dates first: "Dec" and "Feb" are hex digits */
        size = date_word_size(rest, masked);
        size = size > 0 || begins_date(rest) ? size : hex_word_size(rest);
    }
    if (size == 0 && is_digit(rest.data[0])) {
        size = whole_number_size(rest);
    }
    if (size > 0) {
        text_add_char(masked, '#');
        return size;
    }
    text_add(masked, slice_head(rest, 1));
    return 1;
}

struct slice derive_mask_over(struct slice message, struct text *masked) {
    size_t at = 0;
    while (at < message.size && !masked->truncated) {
        bool in_word = at > 0 && is_letter(message.data[at - 1]);
        at += mask_front(slice_tail(message, at), in_word, masked);
    }
    struct slice result = text_slice(masked);
    while (!text_is_utf8(result) && result.size > 0) {
        result.size--; /* a character cut at the bound */
    }
    return result;
}

/* A structured log is an object, of which one member says what happened: masked as a whole, each
 * error of its source would be of one class. Empty: it is none, or has no such member. */
static struct slice find_said(struct slice message, struct text *said) {
    static const char *const names[] = {"message", "msg",       "@m",   "error",
                                        "err",     "exception", "event"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && said->size == 0; i++) {
        struct slice value = json_pick(message, names[i]);
        bool is_object = slice_starts_with(value, SLICE("{")); /* {"error":{"message":...}} */
        json_pick_unescape(is_object ? json_pick(value, "message") : value, said);
    }
    return text_slice(said);
}

struct status derive_mask_message(struct slice message, struct arena *arena,
                                  struct slice *masked_out) {
    char *memory = arena_allocate_unset(arena, ERROR_CLASS_BYTES_MAX + 1, 1);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    char said_memory[SAID_BYTES_MAX + 1];
    struct text said = text_over(said_memory, sizeof(said_memory));
    struct text masked = text_over(memory, ERROR_CLASS_BYTES_MAX + 1);
    if (slice_starts_with(message, SLICE("{"))) {
        struct slice words = find_said(slice_head(message, STRUCTURED_BYTES_MAX), &said);
        message = words.size > 0 ? words : message;
    }
    *masked_out = derive_mask_over(message, &masked);
    return status_ok();
}
