/*
 * fields.c - a flat JSON object's string members. Small on purpose: an action's body is two
 * strings, and the full walker belongs to ingest.
 */
#include "console/console_internal.h"

struct scan {
    struct slice bytes;
    size_t at;
};

static void skip_blanks(struct scan *scan) {
    while (scan->at < scan->bytes.size && strchr(" \t\r\n", scan->bytes.data[scan->at]) != NULL &&
           scan->bytes.data[scan->at] != 0) {
        scan->at++;
    }
}

static bool take_byte(struct scan *scan, char byte) {
    skip_blanks(scan);
    if (scan->at < scan->bytes.size && scan->bytes.data[scan->at] == (uint8_t)byte) {
        scan->at++;
        return true;
    }
    return false;
}

static void add_code_point(struct text *text, uint32_t code) {
    char utf8[4];
    if (code < 0x80) {
        text_add_char(text, (char)code);
    } else if (code < 0x800) {
        utf8[0] = (char)(0xC0 | (code >> 6));
        utf8[1] = (char)(0x80 | (code & 0x3F));
        text_add(text, slice_of(utf8, 2));
    } else if (code < 0x10000) {
        utf8[0] = (char)(0xE0 | (code >> 12));
        utf8[1] = (char)(0x80 | ((code >> 6) & 0x3F));
        utf8[2] = (char)(0x80 | (code & 0x3F));
        text_add(text, slice_of(utf8, 3));
    } else {
        utf8[0] = (char)(0xF0 | (code >> 18));
        utf8[1] = (char)(0x80 | ((code >> 12) & 0x3F));
        utf8[2] = (char)(0x80 | ((code >> 6) & 0x3F));
        utf8[3] = (char)(0x80 | (code & 0x3F));
        text_add(text, slice_of(utf8, 4));
    }
}

static bool take_hex4(struct scan *scan, uint32_t *code_out) {
    uint8_t bytes[2];
    struct slice digits = slice_head(slice_tail(scan->bytes, scan->at), 4);
    if (!status_is_ok(text_parse_hex(digits, bytes, 2))) {
        return false;
    }
    scan->at += 4;
    *code_out = ((uint32_t)bytes[0] << 8) | bytes[1];
    return true;
}

/* \uXXXX, or a pair of them; half a pair becomes U+FFFD. */
static bool take_unicode(struct scan *scan, struct text *text) {
    uint32_t code = 0;
    uint32_t low = 0;
    if (!take_hex4(scan, &code)) {
        return false;
    }
    bool is_high = code >= 0xD800 && code <= 0xDBFF;
    if (is_high && slice_starts_with(slice_tail(scan->bytes, scan->at), SLICE("\\u"))) {
        struct scan ahead = {.bytes = scan->bytes, .at = scan->at + 2};
        if (take_hex4(&ahead, &low) && low >= 0xDC00 && low <= 0xDFFF) {
            scan->at = ahead.at;
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
    }
    add_code_point(text, code >= 0xD800 && code <= 0xDFFF ? 0xFFFD : code);
    return true;
}

static bool take_escape(struct scan *scan, struct text *text) {
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    if (scan->at >= scan->bytes.size) {
        return false;
    }
    uint8_t name = scan->bytes.data[scan->at++];
    const char *found = name == 0 ? NULL : strchr(names, name);
    if (found != NULL) {
        text_add_char(text, values[found - names]);
        return true;
    }
    return name == 'u' && take_unicode(scan, text);
}

static bool take_string(struct scan *scan, struct text *text) {
    if (!take_byte(scan, '"')) {
        return false;
    }
    while (scan->at < scan->bytes.size) {
        uint8_t byte = scan->bytes.data[scan->at++];
        if (byte == '"') {
            return true;
        }
        if (byte < 0x20 || (byte == '\\' && !take_escape(scan, text))) {
            return false;
        }
        if (byte != '\\') {
            text_add(text, slice_of(&byte, 1));
        }
    }
    return false;
}

static bool is_scalar_byte(uint8_t byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '-' ||
           byte == '+' || byte == '.' || byte == 'E';
}

/* A number, true, false or null. */
static bool skip_scalar(struct scan *scan) {
    size_t start = scan->at;
    while (scan->at < scan->bytes.size && is_scalar_byte(scan->bytes.data[scan->at])) {
        scan->at++;
    }
    return scan->at > start;
}

/* Any value of a key that means nothing here: brackets are counted, not read. */
static bool skip_value(struct scan *scan) {
    char memory[FIELD_BYTES_MAX];
    uint32_t depth = 0;
    do {
        struct text ignored = text_over(memory, sizeof(memory));
        skip_blanks(scan);
        uint8_t byte = scan->at < scan->bytes.size ? scan->bytes.data[scan->at] : 0;
        if (byte == '"' ? !take_string(scan, &ignored)
                        : strchr("{}[],:", byte) == NULL && !skip_scalar(scan)) {
            return false;
        }
        if (byte == 0 || (depth == 0 && strchr("}],:", byte) != NULL)) {
            return false;
        }
        scan->at += strchr("{}[],:", byte) != NULL;
        depth += byte == '{' || byte == '[';
        depth -= byte == '}' || byte == ']';
    } while (depth > 0);
    return true;
}

/* A string, or null for none. */
static bool take_field(struct scan *scan, struct text *text) {
    skip_blanks(scan);
    struct slice null_word = SLICE("null");
    if (slice_starts_with(slice_tail(scan->bytes, scan->at), null_word)) {
        scan->at += null_word.size;
        return true;
    }
    return take_string(scan, text);
}

static bool take_member(struct scan *scan, struct text *by, struct text *note) {
    char key_memory[64];
    struct text key = text_over(key_memory, sizeof(key_memory));
    if (!take_string(scan, &key) || !take_byte(scan, ':')) {
        return false;
    }
    bool is_by = slice_equals(text_slice(&key), SLICE("by"));
    bool is_note = slice_equals(text_slice(&key), SLICE("note"));
    if (is_by || is_note) {
        return take_field(scan, is_by ? by : note);
    }
    return skip_value(scan);
}

struct status fields_read(struct slice body, struct text *by, struct text *note) {
    struct scan scan = {.bytes = body};
    skip_blanks(&scan);
    if (scan.at == body.size) {
        return status_ok();
    }
    bool is_sound = text_is_utf8(body) && take_byte(&scan, '{');
    if (is_sound && !take_byte(&scan, '}')) {
        do {
            is_sound = take_member(&scan, by, note);
        } while (is_sound && take_byte(&scan, ','));
        is_sound = is_sound && take_byte(&scan, '}');
    }
    skip_blanks(&scan);
    return is_sound && scan.at == body.size ? status_ok() : status_of(STATUS_INVALID);
}
