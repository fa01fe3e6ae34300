/* text_escape.c - text that is safe where it goes: JSON, metrics, terminals; and UTF-8. */
#include "core/base/text.h"

/*
 * The length of the valid UTF-8 character at the front (RFC 3629, section 4), 0 when it is none.
 */
static size_t character_size(const uint8_t *bytes, size_t size) {
    uint8_t lead = bytes[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) {
        return 0;
    }
    size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (size < wanted) {
        return 0;
    }
    for (size_t i = 1; i < wanted; i++) {
        if ((bytes[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool is_overlong = (lead == 0xE0 && bytes[1] < 0xA0) || (lead == 0xF0 && bytes[1] < 0x90);
    bool is_outside = (lead == 0xED && bytes[1] > 0x9F) || (lead == 0xF4 && bytes[1] > 0x8F);
    return is_overlong || is_outside ? 0 : wanted;
}

bool text_is_utf8(struct slice text) {
    size_t at = 0;
    while (at < text.size) {
        size_t size = character_size(text.data + at, text.size - at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

struct slice text_behind_mark(struct slice text) {
    struct slice mark = SLICE("\xEF\xBB\xBF");
    return slice_starts_with(text, mark) ? slice_tail(text, mark.size) : text;
}

static void add_json_control(struct text *text, uint8_t byte) {
    switch (byte) {
    case '\n':
        text_add_text(text, "\\n");
        return;
    case '\r':
        text_add_text(text, "\\r");
        return;
    case '\t':
        text_add_text(text, "\\t");
        return;
    default:
        text_add_format(text, "\\u%04x", byte);
    }
}

/* One character that may not stand as it is; how many bytes of the value it took. */
static size_t add_json_special(struct text *text, struct slice rest) {
    uint8_t byte = rest.data[0];
    if (byte == '"' || byte == '\\') {
        text_add_char(text, '\\');
        text_add_char(text, (char)byte);
        return 1;
    }
    if (byte < 0x20 || byte == 0x7F) {
        add_json_control(text, byte);
        return 1;
    }
    size_t size = character_size(rest.data, rest.size);
    if (size == 0) {
        text_add_text(text, "\xEF\xBF\xBD");
        return 1;
    }
    bool is_separator = size == 3 && byte == 0xE2 && rest.data[1] == 0x80 &&
                        (rest.data[2] == 0xA8 || rest.data[2] == 0xA9);
    if (is_separator) {
        text_add_text(text, rest.data[2] == 0xA8 ? "\\u2028" : "\\u2029");
    } else {
        text_add(text, slice_head(rest, size));
    }
    return size;
}

static bool is_plain(uint8_t byte) {
    return byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\';
}

void text_add_json_string(struct text *text, struct slice value) {
    text_add_char(text, '"');
    size_t at = 0;
    while (at < value.size) {
        size_t run = at;
        while (run < value.size && is_plain(value.data[run])) {
            run++;
        }
        text_add(text, slice_of(value.data + at, run - at));
        at = run;
        if (at < value.size) {
            at += add_json_special(text, slice_tail(value, at));
        }
    }
    text_add_char(text, '"');
}

static void add_json_key(struct text *text, const char *key) {
    text_add_char(text, '"');
    text_add_text(text, key);
    text_add_text(text, "\":");
}

void text_add_json_member(struct text *text, const char *key, struct slice value) {
    add_json_key(text, key);
    text_add_json_string(text, value);
}

void text_add_json_time(struct text *text, const char *key, uint64_t time_ns) {
    add_json_key(text, key);
    text_add_char(text, '"');
    text_add_time(text, time_ns, 3);
    text_add_char(text, '"');
}

void text_add_code_point(struct text *text, uint32_t code) {
    char utf8[4];
    size_t size = 0;
    if (code < 0x80) {
        utf8[size++] = (char)code;
    } else if (code < 0x800) {
        utf8[size++] = (char)(0xC0 | (code >> 6));
    } else if (code < 0x10000) {
        utf8[size++] = (char)(0xE0 | (code >> 12));
        utf8[size++] = (char)(0x80 | ((code >> 6) & 0x3F));
    } else {
        utf8[size++] = (char)(0xF0 | (code >> 18));
        utf8[size++] = (char)(0x80 | ((code >> 12) & 0x3F));
        utf8[size++] = (char)(0x80 | ((code >> 6) & 0x3F));
    }
    if (code >= 0x80) {
        utf8[size++] = (char)(0x80 | (code & 0x3F));
    }
    text_add(text, slice_of(utf8, size));
}

void text_add_label(struct text *text, const char *name, struct slice value) {
    text_add_format(text, "%s=\"", name);
    for (size_t i = 0; i < value.size; i++) {
        char byte = (char)value.data[i];
        bool is_special = byte == '\n' || byte == '"' || byte == '\\';
        text_add_text(text, is_special ? "\\" : "");
        text_add_char(text, (char)(byte == '\n' ? 'n' : byte));
    }
    text_add_char(text, '"');
}

void text_add_utf8(struct text *text, struct slice value) {
    size_t at = 0;
    while (at < value.size && !text->truncated) {
        size_t size = character_size(value.data + at, value.size - at);
        text_add(text, size == 0 ? SLICE("\xEF\xBF\xBD") : slice_of(value.data + at, size));
        at += size == 0 ? 1 : size;
    }
}

/* Of a character of so many bytes: C0, C1, DEL; U+2028 to U+202E and U+2066 to U+2069, which end a
 * line or turn the direction of what follows. */
static bool is_control(const uint8_t *bytes, size_t size) {
    switch (size) {
    case 1:
        return bytes[0] < 0x20 || bytes[0] == 0x7F;
    case 2:
        return bytes[0] == 0xC2 && bytes[1] < 0xA0;
    case 3:
        return bytes[0] == 0xE2 && ((bytes[1] == 0x80 && bytes[2] >= 0xA8 && bytes[2] <= 0xAE) ||
                                    (bytes[1] == 0x81 && bytes[2] >= 0xA6 && bytes[2] <= 0xA9));
    default:
        return false;
    }
}

void text_add_printable(struct text *text, struct slice value) {
    size_t at = 0;
    while (at < value.size) {
        size_t size = character_size(value.data + at, value.size - at);
        if (size == 0 || is_control(value.data + at, size)) {
            text_add_char(text, '?');
            at += size == 0 ? 1 : size;
            continue;
        }
        text_add(text, slice_of(value.data + at, size));
        at += size;
    }
}
