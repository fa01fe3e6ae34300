/* json_string.c - see json_string.h. */
#include "ingest/json_string.h"

#include "core/base/assert.h"
#include "core/base/text.h"

static bool read_hex4(struct slice bytes, size_t at, uint32_t *code_out) {
    uint8_t pair[2];
    if (bytes.size - at < 4 ||
        !status_is_ok(text_parse_hex(slice_of(bytes.data + at, 4), pair, 2))) {
        return false;
    }
    *code_out = (uint32_t)pair[0] << 8 | pair[1];
    return true;
}

static size_t put_utf8(uint8_t *out, uint32_t code) {
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
        out[2] = (uint8_t)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3F));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3F));
    out[3] = (uint8_t)(0x80 | (code & 0x3F));
    return 4;
}

/* \uXXXX at `at` (behind the 'u'), with its low half when there is one. A lone half has no UTF-8
 * form and becomes U+FFFD. The bytes consumed; 0 when the digits are wrong. */
static size_t read_unicode_escape(struct slice bytes, size_t at, uint32_t *code_out) {
    uint32_t code;
    uint32_t low;
    if (!read_hex4(bytes, at, &code)) {
        return 0;
    }
    if (code >= 0xD800 && code < 0xDC00 && bytes.size - at >= 10 && bytes.data[at + 4] == '\\' &&
        bytes.data[at + 5] == 'u' && read_hex4(bytes, at + 6, &low) && low >= 0xDC00 &&
        low < 0xE000) {
        *code_out = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        return 10;
    }
    *code_out = code >= 0xD800 && code < 0xE000 ? 0xFFFD : code;
    return 4;
}

/* The escape whose backslash is at `at`: its length, 0 when it is none; writes up to 4 bytes. */
static size_t read_escape(struct slice bytes, size_t at, uint8_t *out, size_t *written_out) {
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    uint8_t letter = bytes.size - at >= 2 ? bytes.data[at + 1] : 0;
    if (letter == 'u') {
        uint32_t code;
        size_t size = read_unicode_escape(bytes, at + 2, &code);
        if (size > 0) {
            *written_out = put_utf8(out, code);
            return 2 + size;
        }
        return 0;
    }
    const char *found = letter == 0 ? NULL : strchr(letters, letter);
    if (found == NULL) {
        return 0;
    }
    out[0] = (uint8_t)meanings[found - letters];
    *written_out = 1;
    return 2;
}

size_t json_find_bad_escape(struct slice raw) {
    size_t at = slice_find_byte(raw, '\\');
    while (at < raw.size) {
        uint8_t unused[4];
        size_t written;
        size_t size = read_escape(raw, at, unused, &written);
        if (size == 0) {
            return at;
        }
        at += size;
        at += slice_find_byte(slice_tail(raw, at), '\\');
    }
    return raw.size;
}

size_t json_unescape(struct slice raw, uint8_t *out) {
    size_t size = 0;
    for (size_t at = 0; at < raw.size;) {
        size_t run = slice_find_byte(slice_tail(raw, at), '\\');
        memcpy(out + size, raw.data + at, run);
        size += run;
        at += run;
        if (at < raw.size) {
            size_t written = 0;
            size_t escape = read_escape(raw, at, out + size, &written);
            ASSERT(escape > 0);
            at += escape;
            size += written;
        }
    }
    ASSERT(size <= raw.size);
    return size;
}
