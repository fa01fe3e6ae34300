/* json_pick.c - see json_pick.h. */
#include "core/base/json_pick.h"

static size_t skip_blanks(struct slice json, size_t at) {
    while (at < json.size && (json.data[at] == ' ' || json.data[at] == '\t' ||
                              json.data[at] == '\n' || json.data[at] == '\r')) {
        at++;
    }
    return at;
}

/* Behind the string that starts at `at` (its opening quote); at most the end. */
static size_t skip_string(struct slice json, size_t at) {
    for (at++; at < json.size && json.data[at] != '"'; at++) {
        at += json.data[at] == '\\' ? 1 : 0;
    }
    return at < json.size ? at + 1 : json.size;
}

/* Behind the value that starts at `at`: to the comma or bracket that ends it. */
static size_t skip_value(struct slice json, size_t at) {
    size_t depth = 0;
    while (at < json.size) {
        uint8_t byte = json.data[at];
        if (byte == '"') {
            at = skip_string(json, at);
            continue;
        }
        bool is_end = byte == ',' || byte == '}' || byte == ']';
        if (is_end && depth == 0) {
            return at;
        }
        depth += byte == '{' || byte == '[' ? 1 : 0;
        depth -= byte == '}' || byte == ']' ? 1 : 0;
        at++;
    }
    return at;
}

static struct slice cut(struct slice json, size_t from, size_t to) {
    while (to > from && (json.data[to - 1] == ' ' || json.data[to - 1] == '\n' ||
                         json.data[to - 1] == '\t' || json.data[to - 1] == '\r')) {
        to--;
    }
    return slice_of(json.data + from, to - from);
}

struct slice json_pick(struct slice object, const char *name) {
    size_t at = skip_blanks(object, 0);
    if (at == object.size || object.data[at] != '{') {
        return slice_of(NULL, 0);
    }
    at = skip_blanks(object, at + 1);
    while (at < object.size && object.data[at] == '"') {
        size_t key_end = skip_string(object, at);
        struct slice key = slice_head(slice_tail(object, at + 1), key_end - at - 2);
        at = skip_blanks(object, key_end);
        if (at == object.size || object.data[at] != ':') {
            break;
        }
        at = skip_blanks(object, at + 1);
        size_t end = skip_value(object, at);
        if (slice_equals(key, slice_of_text(name))) {
            return cut(object, at, end);
        }
        at = skip_blanks(object, end < object.size ? end + 1 : end);
    }
    return slice_of(NULL, 0);
}

bool json_pick_item(struct slice *array, struct slice *item_out) {
    size_t at = skip_blanks(*array, 0);
    if (at == array->size || (array->data[at] != '[' && array->data[at] != ',')) {
        return false;
    }
    at = skip_blanks(*array, at + 1);
    size_t end = skip_value(*array, at);
    *item_out = cut(*array, at, end);
    *array = slice_tail(*array, end);
    return item_out->size > 0;
}

static bool read_code(struct slice inside, size_t at, unsigned *code_out) {
    uint8_t bytes[2];
    struct slice digits = slice_head(slice_tail(inside, at), 4);
    if (!status_is_ok(text_parse_hex(digits, bytes, 2))) {
        return false;
    }
    *code_out = (unsigned)bytes[0] << 8 | bytes[1];
    return true;
}

/* \uXXXX, or two of them for what lies beyond U+FFFF; half a pair becomes U+FFFD. How many bytes
 * were read behind "\u". */
static size_t add_escaped_code(struct text *text, struct slice inside, size_t at) {
    unsigned code = 0;
    unsigned low = 0;
    if (!read_code(inside, at, &code)) {
        text_add_code_point(text, 0xFFFD);
        return 0;
    }
    bool is_pair = code >= 0xD800 && code < 0xDC00 &&
                   slice_starts_with(slice_tail(inside, at + 4), SLICE("\\u")) &&
                   read_code(inside, at + 6, &low) && low >= 0xDC00 && low < 0xE000;
    if (is_pair) {
        text_add_code_point(text, 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
        return 10;
    }
    text_add_code_point(text, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
    return 4;
}

static char plain_escape(uint8_t byte) {
    switch (byte) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    default:
        return (char)byte;
    }
}

void json_pick_unescape(struct slice raw, struct text *text) {
    if (raw.size < 2 || raw.data[0] != '"' || raw.data[raw.size - 1] != '"') {
        return;
    }
    struct slice inside = slice_of(raw.data + 1, raw.size - 2);
    for (size_t i = 0; i < inside.size; i++) {
        uint8_t byte = inside.data[i];
        if (byte != '\\') {
            /* A run of plain bytes at once, so that a cut falls between characters. */
            size_t run = slice_find_byte(slice_tail(inside, i), '\\');
            text_add(text, slice_of(inside.data + i, run));
            i += run - 1;
            continue;
        }
        i++;
        byte = i < inside.size ? inside.data[i] : 0;
        if (byte == 'u') {
            i += add_escaped_code(text, inside, i + 1);
        } else if (byte != 0) {
            text_add_char(text, plain_escape(byte));
        }
    }
}

void json_pick_text(struct slice object, const char *name, struct text *text) {
    json_pick_unescape(json_pick(object, name), text);
}

uint64_t json_pick_u64(struct slice object, const char *name) {
    uint64_t value = 0;
    return status_is_ok(text_parse_u64(json_pick(object, name), &value)) ? value : 0;
}
