/*
 * json_walk.c - see json_walk.h. The one scanner of JSON text; it moves `at` over checked bounds.
 *
 * Bytes outside strings are matched against ASCII only, and strings with a high bit are checked as
 * UTF-8, so that whatever was walked to its end is valid UTF-8 as a whole.
 */
#include "ingest/json_walk.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/base/text.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

struct json_walk json_walk_over(struct slice bytes, struct arena *arena) {
    return (struct json_walk){.bytes = bytes, .arena = arena};
}

static void fail_at(struct json_walk *walk, size_t at, const char *words) {
    if (walk->error == NULL) {
        walk->error = words;
        walk->error_at = at;
    }
    walk->at = walk->bytes.size;
}

void json_fail(struct json_walk *walk, const char *words) {
    fail_at(walk, walk->at, words);
}

/* The byte under the walker; 0 at the end, which no caller takes for anything. */
static inline uint8_t byte_now(const struct json_walk *walk) {
    return walk->at < walk->bytes.size ? walk->bytes.data[walk->at] : 0;
}

static inline void skip_blanks(struct json_walk *walk) {
    while (walk->at < walk->bytes.size) {
        uint8_t byte = walk->bytes.data[walk->at];
        if (byte > ' ' || (byte != ' ' && byte != '\n' && byte != '\r' && byte != '\t')) {
            return;
        }
        walk->at++;
    }
}

enum json_type json_peek(struct json_walk *walk) {
    skip_blanks(walk);
    if (walk->error != NULL) {
        return JSON_NONE;
    }
    uint8_t byte = byte_now(walk);
    switch (byte) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        break;
    }
    if (byte == '-' || (byte >= '0' && byte <= '9')) {
        return JSON_NUMBER;
    }
    json_fail(walk, walk->at == walk->bytes.size ? "the text ends where a value is due"
                                                 : "a value is due");
    return JSON_NONE;
}

static bool enter(struct json_walk *walk, enum json_type type, const char *words) {
    if (json_peek(walk) != type) {
        json_fail(walk, words);
        return false;
    }
    if (walk->depth == JSON_DEPTH_MAX) {
        json_fail(walk, "nested too deeply");
        return false;
    }
    walk->at++;
    walk->depth++;
    walk->is_fresh = true;
    return true;
}

bool json_enter_object(struct json_walk *walk) {
    return enter(walk, JSON_OBJECT, "an object is due");
}

bool json_enter_array(struct json_walk *walk) {
    return enter(walk, JSON_ARRAY, "an array is due");
}

/* Consumes the closing byte or the comma before the next item; true when an item is due. */
static bool step(struct json_walk *walk, uint8_t close) {
    skip_blanks(walk);
    if (walk->error != NULL) {
        return false;
    }
    ASSERT(walk->depth > 0);
    if (byte_now(walk) == close) {
        walk->at++;
        walk->depth--;
        walk->is_fresh = false;
        return false;
    }
    if (walk->is_fresh) {
        walk->is_fresh = false;
        return true;
    }
    if (byte_now(walk) != ',') {
        json_fail(walk, close == '}' ? "',' or '}' is due" : "',' or ']' is due");
        return false;
    }
    walk->at++;
    return true;
}

bool json_next_member(struct json_walk *walk, struct slice *key_out) {
    struct slice key;
    if (!step(walk, '}')) {
        return false;
    }
    skip_blanks(walk);
    if (!json_take_string(walk, &key)) {
        return false;
    }
    skip_blanks(walk);
    if (byte_now(walk) != ':') {
        json_fail(walk, "':' is due");
        return false;
    }
    walk->at++;
    *key_out = key;
    return true;
}

bool json_next_element(struct json_walk *walk) {
    return step(walk, ']');
}

/* --- Strings --- */

/* From `at`, the first byte that is a quote, a backslash or a control character; notes in *is_high
 * whether a byte above 0x7F was passed (maybe one just behind the stop: it only costs a check). */
static size_t find_string_stop(struct slice bytes, size_t at, bool *is_high) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1F);
    while (bytes.size - at >= 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(bytes.data + at));
        __m128i stop = _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash));
        stop = _mm_or_si128(stop, _mm_cmpeq_epi8(_mm_min_epu8(block, control), block));
        unsigned stops = (unsigned)_mm_movemask_epi8(stop);
        *is_high |= _mm_movemask_epi8(block) != 0;
        if (stops != 0) {
            return at + (size_t)__builtin_ctz(stops);
        }
        at += 16;
    }
#endif
    for (; at < bytes.size; at++) {
        uint8_t byte = bytes.data[at];
        *is_high |= byte >= 0x80;
        if (byte == '"' || byte == '\\' || byte < 0x20) {
            break;
        }
    }
    return at;
}

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

/* The end (its quote) of the string that starts at `start`; false with the walk failed. */
static bool find_string_end(struct json_walk *walk, size_t start, size_t *end_out,
                            bool *is_escaped_out) {
    struct slice bytes = walk->bytes;
    bool is_high = false;
    bool is_escaped = false;
    size_t at = find_string_stop(bytes, start, &is_high);
    while (at < bytes.size && bytes.data[at] == '\\') {
        uint8_t unused[4];
        size_t written;
        size_t size = read_escape(bytes, at, unused, &written);
        if (size == 0) {
            fail_at(walk, at, "not a known escape");
            return false;
        }
        is_escaped = true;
        at = find_string_stop(bytes, at + size, &is_high);
    }
    if (at == bytes.size) {
        fail_at(walk, start, "the string has no end");
        return false;
    }
    if (bytes.data[at] != '"') {
        fail_at(walk, at, "a control character stands in a string");
        return false;
    }
    if (is_high && !text_is_utf8(slice_of(bytes.data + start, at - start))) {
        fail_at(walk, start, "the string is not UTF-8");
        return false;
    }
    *end_out = at;
    *is_escaped_out = is_escaped;
    return true;
}

/* An escape is never shorter than what it stands for, so the raw size is room enough. */
static bool unescape(struct json_walk *walk, struct slice raw, struct slice *text_out) {
    uint8_t *out = arena_allocate(walk->arena, raw.size + 4, 1);
    size_t size = 0;
    if (out == NULL) {
        walk->is_out_of_room = true;
        json_fail(walk, "the text has more escaped strings than there is room for");
        return false;
    }
    for (size_t at = 0; at < raw.size;) {
        size_t run = slice_find_byte(slice_tail(raw, at), '\\');
        memcpy(out + size, raw.data + at, run);
        size += run;
        at += run;
        if (at < raw.size) {
            size_t written = 0;
            at += read_escape(raw, at, out + size, &written);
            size += written;
        }
    }
    ASSERT(size <= raw.size);
    *text_out = slice_of(out, size);
    return true;
}

static bool take_raw_string(struct json_walk *walk, struct slice *raw_out, bool *is_escaped_out) {
    size_t end;
    if (walk->error != NULL || byte_now(walk) != '"') {
        json_fail(walk, "a string is due");
        return false;
    }
    size_t start = walk->at + 1;
    if (!find_string_end(walk, start, &end, is_escaped_out)) {
        return false;
    }
    *raw_out = slice_of(walk->bytes.data + start, end - start);
    walk->at = end + 1;
    return true;
}

bool json_take_string(struct json_walk *walk, struct slice *text_out) {
    struct slice raw;
    bool is_escaped;
    skip_blanks(walk);
    if (!take_raw_string(walk, &raw, &is_escaped)) {
        return false;
    }
    if (is_escaped) {
        return unescape(walk, raw, text_out);
    }
    *text_out = raw;
    return true;
}

/* --- Numbers and words --- */

static size_t skip_digits(struct json_walk *walk) {
    size_t start = walk->at;
    while (byte_now(walk) >= '0' && byte_now(walk) <= '9') {
        walk->at++;
    }
    return walk->at - start;
}

/* RFC 8259, 6: number = [ minus ] int [ frac ] [ exp ]; int = zero / ( digit1-9 *DIGIT ) */
bool json_take_number(struct json_walk *walk, struct slice *text_out) {
    if (json_peek(walk) != JSON_NUMBER) {
        json_fail(walk, "a number is due");
        return false;
    }
    size_t start = walk->at;
    walk->at += byte_now(walk) == '-';
    bool is_zero = byte_now(walk) == '0';
    size_t digits = skip_digits(walk);
    bool is_good = digits > 0 && !(is_zero && digits > 1);
    if (is_good && byte_now(walk) == '.') {
        walk->at++;
        is_good = skip_digits(walk) > 0;
    }
    if (is_good && (byte_now(walk) | 0x20) == 'e') {
        walk->at++;
        walk->at += byte_now(walk) == '+' || byte_now(walk) == '-';
        is_good = skip_digits(walk) > 0;
    }
    if (!is_good) {
        json_fail(walk, "not a number");
        return false;
    }
    *text_out = slice_of(walk->bytes.data + start, walk->at - start);
    return true;
}

static bool take_word(struct json_walk *walk, struct slice word) {
    struct slice rest = slice_tail(walk->bytes, walk->at);
    if (!slice_starts_with(rest, word)) {
        json_fail(walk, "not a known word");
        return false;
    }
    walk->at += word.size;
    return true;
}

bool json_take_bool(struct json_walk *walk, bool *value_out) {
    enum json_type type = json_peek(walk);
    if (type != JSON_TRUE && type != JSON_FALSE) {
        json_fail(walk, "true or false is due");
        return false;
    }
    if (!take_word(walk, type == JSON_TRUE ? SLICE("true") : SLICE("false"))) {
        return false;
    }
    *value_out = type == JSON_TRUE;
    return true;
}

bool json_take_null(struct json_walk *walk) {
    return json_peek(walk) == JSON_NULL && take_word(walk, SLICE("null"));
}

/* --- Whole values --- */

static bool skip_scalar(struct json_walk *walk, enum json_type type) {
    struct slice text;
    bool flag;
    switch (type) {
    case JSON_STRING:
        return take_raw_string(walk, &text, &flag);
    case JSON_NUMBER:
        return json_take_number(walk, &text);
    case JSON_TRUE:
    case JSON_FALSE:
        return json_take_bool(walk, &flag);
    case JSON_NULL:
        return json_take_null(walk);
    default:
        return false;
    }
}

static bool skip_key(struct json_walk *walk) {
    struct slice raw;
    bool is_escaped;
    skip_blanks(walk);
    if (!take_raw_string(walk, &raw, &is_escaped)) {
        return false;
    }
    skip_blanks(walk);
    if (byte_now(walk) != ':') {
        json_fail(walk, "':' is due");
        return false;
    }
    walk->at++;
    return true;
}

/* One value, the recursion bounded by JSON_DEPTH_MAX. */
static bool skip_value(struct json_walk *walk) {
    enum json_type type = json_peek(walk);
    if (type == JSON_OBJECT && json_enter_object(walk)) {
        while (step(walk, '}')) {
            if (!skip_key(walk) || !skip_value(walk)) {
                return false;
            }
        }
    } else if (type == JSON_ARRAY && json_enter_array(walk)) {
        while (step(walk, ']')) {
            if (!skip_value(walk)) {
                return false;
            }
        }
    } else {
        return skip_scalar(walk, type);
    }
    return walk->error == NULL;
}

bool json_skip(struct json_walk *walk, struct slice *raw_out) {
    skip_blanks(walk);
    size_t start = walk->at;
    if (!skip_value(walk)) {
        return false;
    }
    if (raw_out != NULL) {
        *raw_out = slice_of(walk->bytes.data + start, walk->at - start);
    }
    return true;
}

bool json_finish(struct json_walk *walk) {
    skip_blanks(walk);
    if (walk->error == NULL && walk->at != walk->bytes.size) {
        json_fail(walk, "something follows the value");
    }
    return walk->error == NULL;
}

void json_explain(const struct json_walk *walk, struct fault *fault) {
    size_t line = 1;
    size_t line_start = 0;
    ASSERT(walk->error != NULL && walk->error_at <= walk->bytes.size);
    for (size_t i = 0; i < walk->error_at; i++) {
        if (walk->bytes.data[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    struct status unused = fault_set(fault, STATUS_INVALID, "%s at line %zu column %zu",
                                     walk->error, line, walk->error_at - line_start + 1);
    (void)unused;
}
