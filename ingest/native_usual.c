/* native_usual.c - see native_usual.h. Raw pointers, because it is a scanner: every byte is looked
 * at behind a comparison with the text's size. */
#include "ingest/native_usual.h"

#include "core/base/text.h"
#include "ingest/shape_scan.h"

struct scan {
    const uint8_t *data;
    size_t size;
    size_t at;
};

/* The byte that is due, or 0 at the end of the text, which nobody takes for anything. */
static inline uint8_t byte_now(const struct scan *scan) {
    return scan->at < scan->size ? scan->data[scan->at] : 0;
}

static inline uint8_t skip_blanks(struct scan *scan) {
    uint8_t byte = byte_now(scan);
    while (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t') {
        scan->at++;
        byte = byte_now(scan);
    }
    return byte;
}

/* --- Scalars --- */

/* Behind the opening quote; false when it has an escape or is no sound string. */
static inline bool take_string(struct scan *scan, struct slice *text_out) {
    struct slice rest = slice_of(scan->data + scan->at, scan->size - scan->at);
    bool has_high = false;
    size_t size = scan_string(rest, &has_high);
    if (size == rest.size || (has_high && !text_is_utf8(slice_head(rest, size)))) {
        return false;
    }
    *text_out = slice_of(rest.data, size);
    scan->at += size + 1;
    return true;
}

static bool take_number(struct scan *scan, struct slice *text_out) {
    struct slice rest = slice_of(scan->data + scan->at, scan->size - scan->at);
    size_t size = scan_number(rest);
    if (size == rest.size) {
        return false; /* no number; or nothing behind it, and then no object */
    }
    *text_out = slice_head(rest, size);
    scan->at += size;
    return true;
}

static bool take_word(struct scan *scan, struct slice word, struct slice *text_out) {
    struct slice rest = slice_of(scan->data + scan->at, scan->size - scan->at);
    if (!slice_starts_with(rest, word)) {
        return false;
    }
    *text_out = slice_head(rest, word.size);
    scan->at += word.size;
    return true;
}

/* The value that is due: a string without its quotes, else as it is written. JSON_NONE: none of
 * the usual ones. */
static inline enum json_type take_scalar(struct scan *scan, struct slice *text_out) {
    uint8_t byte = skip_blanks(scan);
    if (byte == '"') {
        scan->at++;
        return take_string(scan, text_out) ? JSON_STRING : JSON_NONE;
    }
    switch (byte) {
    case 't':
        return take_word(scan, SLICE("true"), text_out) ? JSON_TRUE : JSON_NONE;
    case 'f':
        return take_word(scan, SLICE("false"), text_out) ? JSON_FALSE : JSON_NONE;
    case 'n':
        return take_word(scan, SLICE("null"), text_out) ? JSON_NULL : JSON_NONE;
    default:
        return take_number(scan, text_out) ? JSON_NUMBER : JSON_NONE;
    }
}

/* As draft_take_word: a string or a number, empty for null. */
static inline bool take_text(struct scan *scan, struct slice *text_out) {
    enum json_type type = take_scalar(scan, text_out);
    if (type == JSON_NULL) {
        *text_out = (struct slice){0};
    }
    return type == JSON_STRING || type == JSON_NUMBER || type == JSON_NULL;
}

/* --- Containers --- */

/* Takes what stands before the next item; false at the end (consumed), or when neither a comma nor
 * `close` is there: the scan then stands behind the text. */
static inline bool take_step(struct scan *scan, uint8_t close, bool is_first) {
    uint8_t byte = skip_blanks(scan);
    if (byte == close) {
        scan->at++;
        return false;
    }
    if (is_first) {
        return true;
    }
    scan->at = byte == ',' ? scan->at + 1 : scan->size + 1;
    return byte == ',';
}

static inline bool is_lost(const struct scan *scan) {
    return scan->at > scan->size;
}

/* A key and its colon. */
static inline bool take_key(struct scan *scan, struct slice *key_out) {
    if (skip_blanks(scan) != '"') {
        return false;
    }
    scan->at++;
    if (!take_string(scan, key_out) || skip_blanks(scan) != ':') {
        return false;
    }
    scan->at++;
    return true;
}

static bool take_depends_on(struct scan *scan, struct draft *draft) {
    struct slice entity;
    uint32_t count = 0;
    if (skip_blanks(scan) != '[') {
        return take_scalar(scan, &entity) == JSON_NULL;
    }
    scan->at++;
    for (bool is_first = true; take_step(scan, ']', is_first); is_first = false) {
        if (!take_text(scan, &entity)) {
            return false;
        }
        if (count <= DEPENDS_ON_PER_EVENT_MAX) {
            draft->depends_on[count++] = entity;
        }
    }
    draft->envelope.depends_on = draft->depends_on;
    draft->envelope.depends_on_count = count;
    return !is_lost(scan);
}

static bool take_attribute(struct scan *scan, struct draft *draft, struct slice key) {
    struct slice value;
    enum json_type type = take_scalar(scan, &value);
    if (type != JSON_NONE) {
        draft_set_attribute(draft, key, value, type);
    }
    return type != JSON_NONE;
}

static bool take_details(struct scan *scan, struct draft *draft) {
    struct slice key;
    struct slice value;
    if (skip_blanks(scan) != '{') {
        enum json_type type = take_scalar(scan, &value);
        if (type != JSON_NONE && type != JSON_NULL) {
            draft_set_attribute(draft, SLICE("details"), value, type);
        }
        return type != JSON_NONE;
    }
    scan->at++;
    for (bool is_first = true; take_step(scan, '}', is_first); is_first = false) {
        if (!take_key(scan, &key)) {
            return false;
        }
        enum json_type type = take_scalar(scan, &value);
        if (type == JSON_NONE) {
            return false;
        }
        if (type == JSON_NUMBER && slice_equals(key, SLICE("score"))) {
            native_set_details_score(draft, value);
        }
        draft_set_attribute(draft, key, value, type);
    }
    return !is_lost(scan);
}

/* --- Fields --- */

static inline bool take_field(struct scan *scan, struct draft *draft, struct slice key) {
    enum native_field field = native_field_of(key);
    if (field < NATIVE_TEXTS_COUNT) {
        return take_text(scan, native_text_of(draft, field));
    }
    switch (field) {
    case NATIVE_DEPENDS_ON:
        return take_depends_on(scan, draft);
    case NATIVE_DETAILS:
        return take_details(scan, draft);
    case NATIVE_OTHER:
        return take_attribute(scan, draft, key);
    default:
        break;
    }
    struct slice word;
    bool is_word = take_text(scan, &word);
    if (is_word) {
        native_set_meaning(draft, field, key, word);
    }
    return is_word;
}

size_t native_usual_take(struct slice text, struct draft *draft) {
    struct scan scan = {.data = text.data, .size = text.size};
    struct slice key;
    if (byte_now(&scan) != '{') {
        return 0;
    }
    scan.at++;
    for (bool is_first = true; take_step(&scan, '}', is_first); is_first = false) {
        if (!take_key(&scan, &key) || !take_field(&scan, draft, key)) {
            return 0;
        }
    }
    return is_lost(&scan) ? 0 : scan.at;
}
