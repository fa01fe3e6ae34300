/*
 * derive_mask.c - a message without what differs from one occurrence to the next, so that repeats
 * of one error have one class: runs of digits and timestamps with their zone become '#', hex words
 * and uuids '#', quoted strings ''. One pass, bounded output.
 */
#include "core/base/text.h"
#include "schemas/derive.h"

/* Shorter ones are words of a language or, with a digit, parts of names like "a1". */
enum { HEX_WORD_BYTES_MIN = 8, HEX_MIXED_BYTES_MIN = 6, QUOTED_BYTES_MAX = 256 };

static bool is_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9';
}

static bool is_hex(uint8_t byte) {
    return is_digit(byte) || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool is_letter(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

/* Size of a hex word or uuid at the front: "deadbeef", "a1b2c3", "5b8efff7-9803-..."; else 0. */
static size_t hex_word_size(struct slice rest) {
    size_t size = 0;
    bool has_digit = false;
    bool has_dash = false;
    while (size < rest.size && (is_hex(rest.data[size]) || rest.data[size] == '-')) {
        has_digit = has_digit || is_digit(rest.data[size]);
        has_dash = has_dash || rest.data[size] == '-';
        size++;
    }
    while (size > 0 && rest.data[size - 1] == '-') {
        size--;
    }
    bool is_word_end = size == rest.size || !is_letter(rest.data[size]);
    bool is_long = size >= HEX_WORD_BYTES_MIN && (has_digit || !has_dash);
    bool is_mixed = size >= HEX_MIXED_BYTES_MIN && has_digit && !has_dash;
    return is_word_end && (is_long || is_mixed) ? size : 0;
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

static size_t quoted_size(struct slice rest) {
    uint8_t quote = rest.data[0];
    if (quote != '\'' && quote != '"' && quote != '`') {
        return 0;
    }
    struct slice inside = slice_head(slice_tail(rest, 1), QUOTED_BYTES_MAX);
    size_t end = slice_find_byte(inside, quote);
    return end == inside.size ? 0 : end + 2;
}

/* Masks what stands at the front of rest; how many bytes that took. `in_word`: behind a letter. */
static size_t mask_front(struct slice rest, bool in_word, struct text *masked) {
    size_t size = in_word ? 0 : quoted_size(rest);
    if (size > 0) {
        text_add_text(masked, "''");
        return size;
    }
    size = in_word ? 0 : hex_word_size(rest);
    if (size == 0 && is_digit(rest.data[0])) {
        bool is_prefixed = rest.size > 2 && rest.data[0] == '0' && (rest.data[1] | 0x20) == 'x';
        size = is_prefixed ? 2 : number_size(rest);
        size += is_prefixed ? 0 : zone_size(slice_head(rest, size), slice_tail(rest, size));
        while (is_prefixed && size < rest.size && is_hex(rest.data[size])) {
            size++;
        }
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

struct status derive_mask_message(struct slice message, struct arena *arena,
                                  struct slice *masked_out) {
    char *memory = arena_allocate_unset(arena, ERROR_CLASS_BYTES_MAX + 1, 1);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    struct text masked = text_over(memory, ERROR_CLASS_BYTES_MAX + 1);
    *masked_out = derive_mask_over(message, &masked);
    return status_ok();
}
