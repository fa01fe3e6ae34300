/*
 * fields.c - a flat JSON object's string members. Small on purpose: an action's body is two
 * strings, and the full walker belongs to ingest.
 */
#include "console/console_internal.h"

enum { FIELDS_DEPTH_MAX = 32 };

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
    text_add_code_point(text, code >= 0xD800 && code <= 0xDFFF ? 0xFFFD : code);
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

static bool take_digits(struct scan *scan) {
    size_t start = scan->at;
    while (scan->at < scan->bytes.size && scan->bytes.data[scan->at] >= '0' &&
           scan->bytes.data[scan->at] <= '9') {
        scan->at++;
    }
    return scan->at > start;
}

/* One of the bytes, without blanks before it. */
static bool take_one_of(struct scan *scan, const char *bytes) {
    bool is_there = scan->at < scan->bytes.size && scan->bytes.data[scan->at] != 0 &&
                    strchr(bytes, scan->bytes.data[scan->at]) != NULL;
    scan->at += is_there;
    return is_there;
}

static bool skip_number(struct scan *scan) {
    (void)take_one_of(scan, "-");
    bool is_zero = take_one_of(scan, "0");
    if (!is_zero && !take_digits(scan)) {
        return false;
    }
    if (take_one_of(scan, ".") && !take_digits(scan)) {
        return false;
    }
    if (take_one_of(scan, "eE")) {
        (void)take_one_of(scan, "+-");
        return take_digits(scan);
    }
    return true;
}

static bool take_word(struct scan *scan, const char *word) {
    struct slice wanted = slice_of_text(word);
    bool is_there = slice_starts_with(slice_tail(scan->bytes, scan->at), wanted);
    scan->at += is_there ? wanted.size : 0;
    return is_there;
}

static bool skip_string(struct scan *scan) {
    char memory[FIELD_BYTES_MAX];
    struct text ignored = text_over(memory, sizeof(memory));
    return take_string(scan, &ignored);
}

static bool skip_value(struct scan *scan, uint32_t depth);

static bool skip_container(struct scan *scan, char end, uint32_t depth) {
    if (depth == FIELDS_DEPTH_MAX) {
        return false;
    }
    if (take_byte(scan, end)) {
        return true;
    }
    do {
        bool has_key = end != '}' || (skip_string(scan) && take_byte(scan, ':'));
        if (!has_key || !skip_value(scan, depth + 1)) {
            return false;
        }
    } while (take_byte(scan, ','));
    return take_byte(scan, end);
}

/* Any value of a key that means nothing here. */
static bool skip_value(struct scan *scan, uint32_t depth) {
    skip_blanks(scan);
    uint8_t byte = scan->at < scan->bytes.size ? scan->bytes.data[scan->at] : 0;
    if (byte == '"') {
        return skip_string(scan);
    }
    if (byte == '{' || byte == '[') {
        scan->at++;
        return skip_container(scan, byte == '{' ? '}' : ']', depth);
    }
    return take_word(scan, "true") || take_word(scan, "false") || take_word(scan, "null") ||
           skip_number(scan);
}

/* A string, or null for none; each key once, and nothing is cut. */
static bool take_field(struct scan *scan, struct text *text, bool *is_seen) {
    bool is_first = !*is_seen;
    *is_seen = true;
    skip_blanks(scan);
    return is_first && (take_word(scan, "null") || take_string(scan, text)) && !text->truncated;
}

struct fields {
    struct text *by;
    struct text *note;
    bool has_by;
    bool has_note;
};

static bool take_member(struct scan *scan, struct fields *fields) {
    char key_memory[64];
    struct text key = text_over(key_memory, sizeof(key_memory));
    if (!take_string(scan, &key) || !take_byte(scan, ':')) {
        return false;
    }
    if (slice_equals(text_slice(&key), SLICE("by"))) {
        return take_field(scan, fields->by, &fields->has_by);
    }
    if (slice_equals(text_slice(&key), SLICE("note"))) {
        return take_field(scan, fields->note, &fields->has_note);
    }
    return skip_value(scan, 0);
}

struct status fields_read(struct slice body, struct text *by, struct text *note) {
    struct scan scan = {.bytes = body};
    struct fields fields = {.by = by, .note = note};
    skip_blanks(&scan);
    if (scan.at == body.size) {
        return status_ok();
    }
    bool is_sound = text_is_utf8(body) && take_byte(&scan, '{');
    if (is_sound && !take_byte(&scan, '}')) {
        do {
            is_sound = take_member(&scan, &fields);
        } while (is_sound && take_byte(&scan, ','));
        is_sound = is_sound && take_byte(&scan, '}');
    }
    skip_blanks(&scan);
    return is_sound && scan.at == body.size ? status_ok() : status_of(STATUS_INVALID);
}
