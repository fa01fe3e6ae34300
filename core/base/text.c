/* text.c - appending plain text and numbers. See text.h. */
#include "core/base/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/assert.h"

/* Whole UTF-8 characters of the first `size` bytes. */
static size_t whole_characters(const uint8_t *bytes, size_t size) {
    size_t end = size;
    while (end > 0 && size - end < 3 && (bytes[end - 1] & 0xC0) == 0x80) {
        end--;
    }
    if (end == 0) {
        return size;
    }
    uint8_t lead = bytes[end - 1];
    size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return size - (end - 1) >= wanted ? size : end - 1;
}

void text_add(struct text *text, struct slice bytes) {
    if (text->truncated || text->capacity == 0) {
        text->truncated = text->truncated || bytes.size > 0;
        return;
    }
    size_t room = text->capacity - 1 - text->size;
    size_t size = bytes.size;
    if (size > room) {
        size = whole_characters(bytes.data, room);
        text->truncated = true;
    }
    if (size > 0) {
        memcpy(text->data + text->size, bytes.data, size);
    }
    text->size += size;
    text->data[text->size] = 0;
}

void text_add_text(struct text *text, const char *words) {
    text_add(text, slice_of_text(words));
}

void text_add_char(struct text *text, char character) {
    text_add(text, slice_of(&character, 1));
}

void text_add_u64(struct text *text, uint64_t value) {
    char digits[20];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    text_add(text, slice_of(digits + at, sizeof(digits) - at));
}

void text_add_count(struct text *text, uint64_t count, const char *noun) {
    text_add_u64(text, count);
    text_add_char(text, ' ');
    text_add_text(text, noun);
    text_add_text(text, count == 1 ? "" : "s");
}

void text_add_i64(struct text *text, int64_t value) {
    if (value < 0) {
        text_add_char(text, '-');
    }
    text_add_u64(text, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void text_add_f64(struct text *text, double value) {
    if (!isfinite(value)) {
        text_add_text(text, "null");
        return;
    }
    char written[40];
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(written, sizeof(written), "%.*g", digits, value);
        double back = 0;
        (void)sscanf(written, "%lf", &back);
        if (back >= value && back <= value) {
            break;
        }
    }
    text_add_text(text, written);
}

void text_add_hex(struct text *text, struct slice bytes) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        char pair[2] = {digits[bytes.data[i] >> 4], digits[bytes.data[i] & 15]};
        text_add(text, slice_of(pair, 2));
    }
}

void text_end_with_mark(struct text *text, struct slice mark) {
    size_t mark_bytes = 1 + 2 * mark.size;
    ASSERT(text->capacity > mark_bytes && text->size + mark_bytes >= text->capacity);
    text->size = text->capacity - 1 - mark_bytes;
    while (text->size > 0 && ((uint8_t)text->data[text->size] & 0xC0) == 0x80) {
        text->size--; /* what follows goes on with a character */
    }
    text->truncated = false;
    text_add_char(text, '#');
    text_add_hex(text, mark);
    ASSERT(!text->truncated);
}

void text_add_format(struct text *text, const char *format, ...) {
    if (text->truncated || text->capacity == 0) {
        return;
    }
    size_t room = text->capacity - text->size;
    va_list arguments;
    va_start(arguments, format);
    int wanted = vsnprintf(text->data + text->size, room, format, arguments);
    va_end(arguments);
    ASSERT(wanted >= 0);
    if ((size_t)wanted < room) {
        text->size += (size_t)wanted;
        return;
    }
    text->size += whole_characters((uint8_t *)text->data + text->size, room - 1);
    text->data[text->size] = 0;
    text->truncated = true;
}

static const char base32_digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void text_add_base32(struct text *text, struct hash128 value) {
    char digits[TEXT_BASE32_SIZE];
    unsigned __int128 rest = ((unsigned __int128)value.hi << 64) | value.lo;
    for (int i = TEXT_BASE32_SIZE - 1; i >= 0; i--) {
        digits[i] = base32_digits[(unsigned)(rest & 31)];
        rest >>= 5;
    }
    text_add(text, slice_of(digits, sizeof(digits)));
}

struct status text_parse_base32(struct slice text, struct hash128 *value_out) {
    if (text.size != TEXT_BASE32_SIZE || text.data[0] < '0' || text.data[0] > '7') {
        return status_of(STATUS_INVALID);
    }
    unsigned __int128 value = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *digit = memchr(base32_digits, text.data[i], sizeof(base32_digits) - 1);
        if (digit == NULL) {
            return status_of(STATUS_INVALID);
        }
        value = (value << 5) | (unsigned)(digit - base32_digits);
    }
    *value_out = (struct hash128){.lo = (uint64_t)value, .hi = (uint64_t)(value >> 64)};
    return status_ok();
}

bool text_begins_trace(struct slice text) {
    return slice_starts_with(text, SLICE("Traceback (most recent call last)"));
}

struct slice text_without_blank_end(struct slice text) {
    while (text.size > 0 && text.data[text.size - 1] <= ' ') {
        text.size--;
    }
    return text;
}

struct slice text_last_line(struct slice text) {
    struct slice line = text_without_blank_end(text);
    size_t start = line.size;
    while (start > 0 && line.data[start - 1] != '\n' && line.data[start - 1] != '\r') {
        start--;
    }
    line = slice_tail(line, start);
    while (line.size > 0 && line.data[0] <= ' ') {
        line = slice_tail(line, 1);
    }
    return line;
}
