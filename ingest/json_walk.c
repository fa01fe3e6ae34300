/*
 * json_walk.c - see json_walk.h. The grammar of RFC 8259 over the tokens of json_index.
 *
 * The index says where tokens begin; that nothing but blanks stands behind a number or a word is
 * checked here, by the byte that follows it.
 */
#include "ingest/json_walk.h"

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "ingest/json_string.h"

static void fail_at(struct json_walk *walk, size_t at, const char *words) {
    if (walk->error == NULL) {
        walk->error = words;
        walk->error_at = at;
    }
    walk->at = walk->bytes.size;
}

struct json_walk json_walk_over_at(struct slice bytes, struct arena *arena, enum json_level level) {
    struct json_walk walk = {.bytes = bytes, .arena = arena};
    if (bytes.size > JSON_TEXT_BYTES_MAX) {
        fail_at(&walk, 0, "the text is too large");
        return walk;
    }
    walk.index = arena_allocate_unset(arena, sizeof(*walk.index), 64);
    if (walk.index == NULL) {
        walk.is_out_of_room = true;
        fail_at(&walk, 0, "there is no room to read the text");
        return walk;
    }
    json_index_init(walk.index, bytes, level);
    return walk;
}

struct json_walk json_walk_over(struct slice bytes, struct arena *arena) {
    return json_walk_over_at(bytes, arena, json_level_best());
}

/* The next window of tokens; also when a copy of the walk has moved the index elsewhere. */
static __attribute__((noinline)) bool refill(struct json_walk *walk) {
    if (walk->error != NULL) {
        return false;
    }
    struct json_index *index = walk->index;
    if (walk->generation != index->generation) {
        json_index_seek(index, walk->at);
        index->error = NULL;
    }
    json_index_fill(index);
    walk->generation = index->generation;
    walk->cursor = 0;
    if (index->error != NULL) {
        fail_at(walk, index->error_at, index->error);
    }
    return index->error == NULL;
}

/* The next token as the index has it; of a failed walk the end of the text. */
static inline uint32_t entry_now(struct json_walk *walk) {
    if (__builtin_expect(walk->error != NULL, 0)) {
        return (uint32_t)walk->bytes.size;
    }
    if (__builtin_expect(
            walk->generation != walk->index->generation || walk->cursor >= walk->index->count, 0) &&
        !refill(walk)) {
        return (uint32_t)walk->bytes.size;
    }
    return walk->index->entries[walk->cursor];
}

static inline size_t token_now(struct json_walk *walk) {
    return entry_now(walk) & ~JSON_INDEX_ESCAPED;
}

/* The byte at `at`; 0 at the end, which no caller takes for anything. */
static inline uint8_t byte_at(const struct json_walk *walk, size_t at) {
    return at < walk->bytes.size ? walk->bytes.data[at] : 0;
}

/* Consumes the next token, which ends before `end`. */
static inline void consume(struct json_walk *walk, size_t end) {
    walk->cursor++;
    walk->at = end;
}

/* RFC 8259, 2: ws = *( %x20 / %x09 / %x0A / %x0D ) */
size_t json_find_first(struct slice text) {
    size_t at = 0;
    while (at < text.size && (text.data[at] == ' ' || text.data[at] == '\t' ||
                              text.data[at] == '\n' || text.data[at] == '\r')) {
        at++;
    }
    return at;
}

uint8_t json_first_byte(struct slice text) {
    size_t at = json_find_first(text);
    return at < text.size ? text.data[at] : 0;
}

size_t json_next_at(struct json_walk *walk) {
    return token_now(walk);
}

void json_fail(struct json_walk *walk, const char *words) {
    fail_at(walk, token_now(walk), words);
}

static enum json_type type_of(uint8_t byte) {
    static const uint8_t types[256] = {
        ['{'] = JSON_OBJECT, ['['] = JSON_ARRAY, ['"'] = JSON_STRING, ['t'] = JSON_TRUE,
        ['f'] = JSON_FALSE,  ['n'] = JSON_NULL,  ['-'] = JSON_NUMBER, ['0' ... '9'] = JSON_NUMBER,
    };
    return (enum json_type)types[byte];
}

enum json_type json_peek(struct json_walk *walk) {
    size_t at = token_now(walk);
    enum json_type type = type_of(byte_at(walk, at));
    if (__builtin_expect(type == JSON_NONE, 0)) {
        fail_at(walk, at,
                at == walk->bytes.size ? "the text ends where a value is due" : "a value is due");
    }
    return walk->error == NULL ? type : JSON_NONE;
}

static bool enter(struct json_walk *walk, uint8_t open, const char *words) {
    size_t at = token_now(walk);
    if (byte_at(walk, at) != open) {
        fail_at(walk, at, words);
        return false;
    }
    if (walk->depth == JSON_DEPTH_MAX) {
        fail_at(walk, at, "nested too deeply");
        return false;
    }
    consume(walk, at + 1);
    walk->depth++;
    walk->is_fresh = true;
    return true;
}

bool json_enter_object(struct json_walk *walk) {
    return enter(walk, '{', "an object is due");
}

bool json_enter_array(struct json_walk *walk) {
    return enter(walk, '[', "an array is due");
}

/* Consumes the closing byte or the comma before the next item; true when an item is due. */
static inline bool step(struct json_walk *walk, uint8_t close) {
    size_t at = token_now(walk);
    uint8_t byte = byte_at(walk, at);
    if (walk->error != NULL) {
        return false;
    }
    ASSERT(walk->depth > 0);
    if (byte == close) {
        consume(walk, at + 1);
        walk->depth--;
        walk->is_fresh = false;
        return false;
    }
    if (walk->is_fresh) {
        walk->is_fresh = false;
        return true;
    }
    if (byte != ',') {
        fail_at(walk, at, close == '}' ? "',' or '}' is due" : "',' or ']' is due");
        return false;
    }
    consume(walk, at + 1);
    return true;
}

bool json_next_element(struct json_walk *walk) {
    return step(walk, ']');
}

/* --- Strings --- */

/* What stands between the quotes; its escapes are checked when it has any. */
static inline bool take_raw_string(struct json_walk *walk, struct slice *raw_out,
                                   bool *is_escaped_out) {
    size_t start = token_now(walk) + 1;
    if (byte_at(walk, start - 1) != '"') {
        fail_at(walk, start - 1, "a string is due");
        return false;
    }
    walk->cursor++;
    uint32_t entry = entry_now(walk);
    if (walk->error != NULL) {
        return false;
    }
    size_t end = entry & ~JSON_INDEX_ESCAPED;
    ASSERT(end >= start && byte_at(walk, end) == '"');
    *raw_out = slice_of(walk->bytes.data + start, end - start);
    *is_escaped_out = (entry & JSON_INDEX_ESCAPED) != 0;
    if (__builtin_expect(*is_escaped_out, 0)) {
        size_t bad = json_find_bad_escape(*raw_out);
        if (bad < raw_out->size) {
            fail_at(walk, start + bad, "not a known escape");
            return false;
        }
    }
    consume(walk, end + 1);
    return true;
}

static bool unescape(struct json_walk *walk, struct slice raw, struct slice *text_out) {
    uint8_t *out = arena_allocate_unset(walk->arena, raw.size + 4, 1);
    if (out == NULL) {
        walk->is_out_of_room = true;
        json_fail(walk, "the text has more escaped strings than there is room for");
        return false;
    }
    *text_out = slice_of(out, json_unescape(raw, out));
    return true;
}

static inline bool take_string(struct json_walk *walk, struct slice *text_out) {
    struct slice raw;
    bool is_escaped;
    if (!take_raw_string(walk, &raw, &is_escaped)) {
        return false;
    }
    if (__builtin_expect(is_escaped, 0)) {
        return unescape(walk, raw, text_out);
    }
    *text_out = raw;
    return true;
}

bool json_take_string(struct json_walk *walk, struct slice *text_out) {
    return take_string(walk, text_out);
}

static inline bool take_colon(struct json_walk *walk) {
    size_t at = token_now(walk);
    if (byte_at(walk, at) != ':') {
        fail_at(walk, at, "':' is due");
        return false;
    }
    consume(walk, at + 1);
    return true;
}

bool json_next_member(struct json_walk *walk, struct slice *key_out) {
    struct slice key;
    if (!step(walk, '}') || !take_string(walk, &key) || !take_colon(walk)) {
        return false;
    }
    *key_out = key;
    return true;
}

/* --- Numbers and words --- */

/* Whether a number or word may end before the byte: anything else would belong to it. */
static bool is_end_of_scalar(const struct json_walk *walk, size_t at) {
    static const bool ends[256] = {
        [' '] = true, ['\t'] = true, ['\n'] = true, ['\r'] = true, [','] = true,
        [':'] = true, ['['] = true,  [']'] = true,  ['{'] = true,  ['}'] = true,
    };
    return at == walk->bytes.size || ends[walk->bytes.data[at]];
}

static size_t skip_digits(const struct json_walk *walk, size_t at) {
    while (at < walk->bytes.size && (uint8_t)(walk->bytes.data[at] - '0') < 10) {
        at++;
    }
    return at;
}

/* The end of the number at `start`; `start` when there is none.
 * RFC 8259, 6: number = [ minus ] int [ frac ] [ exp ]; int = zero / ( digit1-9 *DIGIT ) */
static size_t find_number_end(const struct json_walk *walk, size_t start) {
    size_t whole = start + (byte_at(walk, start) == '-');
    size_t at = skip_digits(walk, whole);
    bool is_good = at > whole && !(byte_at(walk, whole) == '0' && at > whole + 1);
    if (is_good && byte_at(walk, at) == '.') {
        size_t fraction = at + 1;
        at = skip_digits(walk, fraction);
        is_good = at > fraction;
    }
    if (is_good && (byte_at(walk, at) | 0x20) == 'e') {
        size_t exponent = at + 1;
        exponent += byte_at(walk, exponent) == '+' || byte_at(walk, exponent) == '-';
        at = skip_digits(walk, exponent);
        is_good = at > exponent;
    }
    return is_good && is_end_of_scalar(walk, at) ? at : start;
}

bool json_take_number(struct json_walk *walk, struct slice *text_out) {
    size_t start = token_now(walk);
    if (type_of(byte_at(walk, start)) != JSON_NUMBER) {
        fail_at(walk, start, "a number is due");
        return false;
    }
    size_t end = find_number_end(walk, start);
    if (end == start) {
        fail_at(walk, start, "not a number");
        return false;
    }
    *text_out = slice_of(walk->bytes.data + start, end - start);
    consume(walk, end);
    return true;
}

static bool take_word(struct json_walk *walk, struct slice word) {
    size_t at = token_now(walk);
    if (walk->error != NULL || !slice_starts_with(slice_tail(walk->bytes, at), word) ||
        !is_end_of_scalar(walk, at + word.size)) {
        fail_at(walk, at, "not a known word");
        return false;
    }
    consume(walk, at + word.size);
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

/* One value, the recursion bounded by JSON_DEPTH_MAX. */
static bool skip_value(struct json_walk *walk) {
    enum json_type type = json_peek(walk);
    struct slice raw;
    bool is_escaped;
    if (type == JSON_OBJECT && json_enter_object(walk)) {
        while (step(walk, '}')) {
            if (!take_raw_string(walk, &raw, &is_escaped) || !take_colon(walk) ||
                !skip_value(walk)) {
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
    size_t start = token_now(walk);
    if (!skip_value(walk)) {
        return false;
    }
    if (raw_out != NULL) {
        *raw_out = slice_of(walk->bytes.data + start, walk->at - start);
    }
    return true;
}

void json_jump(struct json_walk *walk, size_t at) {
    ASSERT(at >= walk->at && at <= walk->bytes.size);
    walk->at = at;
    walk->is_fresh = false;
    if (walk->error == NULL) {
        walk->generation = walk->index->generation - 1; /* the index is made anew from here */
    }
}

bool json_finish(struct json_walk *walk) {
    size_t at = token_now(walk);
    if (walk->error == NULL && at != walk->bytes.size) {
        fail_at(walk, at, "something follows the value");
    }
    return walk->error == NULL;
}

void json_explain(const struct json_walk *walk, struct fault *fault) {
    size_t line = 1 + (size_t)walk->lines_before;
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
