/* json_pick.c - see json_pick.h. The input is our own, so only its shape matters. */
#include "sinks/json_pick.h"

/* Behind the string that starts at `at` (its opening quote). */
static size_t skip_string(struct slice json, size_t at) {
    for (at++; at < json.size && json.data[at] != '"'; at++) {
        at += json.data[at] == '\\' ? 1 : 0;
    }
    return at + 1;
}

static void add_code(struct text *text, struct slice digits) {
    uint8_t bytes[2];
    if (!status_is_ok(text_parse_hex(digits, bytes, 2))) {
        return;
    }
    unsigned code = (unsigned)bytes[0] << 8 | bytes[1];
    char utf8[3] = {(char)(0xE0 | (code >> 12)), (char)(0x80 | ((code >> 6) & 0x3F)),
                    (char)(0x80 | (code & 0x3F))};
    if (code < 0x80) {
        text_add_char(text, (char)code);
    } else if (code >= 0x800) {
        text_add(text, slice_of(utf8, 3));
    }
}

static void add_unescaped(struct text *text, struct slice inside) {
    for (size_t i = 0; i < inside.size; i++) {
        uint8_t byte = inside.data[i];
        if (byte != '\\' || i + 1 == inside.size) {
            text_add(text, slice_of(&byte, 1));
            continue;
        }
        byte = inside.data[++i];
        if (byte == 'u') {
            add_code(text, slice_head(slice_tail(inside, i + 1), 4));
            i += 4;
            continue;
        }
        text_add_char(text, byte == 'n'   ? '\n'
                            : byte == 't' ? '\t'
                            : byte == 'r' ? '\r'
                                          : (char)byte);
    }
}

void json_pick_text(struct slice json, const char *name, struct text *text) {
    unsigned depth = 0;
    size_t at = 0;
    while (at < json.size) {
        uint8_t byte = json.data[at];
        depth += byte == '{' || byte == '[' ? 1 : 0;
        depth -= byte == '}' || byte == ']' ? 1 : 0;
        if (byte != '"') {
            at++;
            continue;
        }
        size_t end = skip_string(json, at);
        struct slice word = slice_head(slice_tail(json, at + 1), end - at - 2);
        struct slice rest = slice_tail(json, end);
        bool is_wanted = depth == 1 && slice_equals(word, slice_of_text(name)) &&
                         slice_starts_with(rest, SLICE(":\""));
        if (is_wanted) {
            size_t value_end = skip_string(rest, 1);
            add_unescaped(text, slice_head(slice_tail(rest, 2), value_end - 3));
            return;
        }
        at = end;
    }
}
