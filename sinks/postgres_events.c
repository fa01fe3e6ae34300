/*
 * postgres_events.c - see postgres_events.h. A row of binary COPY: i16 number of columns, then for
 * each i32 size (-1: NULL) and the bytes, all big-endian; timestamptz is i64 microseconds since
 * 2000-01-01, jsonb is a byte 1 and the text.
 */
#include "sinks/postgres_events.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/text.h"
#include "schemas/envelope.h"

enum {
    COLUMNS_COUNT = 18,
    WORDS_BYTES = 4096,
    NUMBER_BYTES_MAX = 64,
    /* "up to 131072 digits before the decimal point; up to 16383 digits after" (numeric), whatever
     * way the exponent moves it. */
    DIGITS_MAX = 1000,
    EXPONENT_DIGITS_MAX = 3,
};
#define COLUMNS                                                                                    \
    "tenant, event_id, kind, entity, status, severity, event_time, ingest_time, run_id, trace_id," \
    " span_id, parent_span_id, error_class, message, source, fingerprint, depends_on, attributes"
#define INCOMING "pg_temp.quell_events_incoming"
/* Of 2000-01-01. */
#define EPOCH_US (INT64_C(946684800) * 1000000)

/* --- Columns --- */

static void write_i32(struct writer *rows, int32_t value) {
    uint32_t big = __builtin_bswap32((uint32_t)value);
    writer_u32(rows, big);
}

static void write_null(struct writer *rows) {
    write_i32(rows, -1);
}

/* Empty is NULL. Text knows no NUL byte, and our own cutting may leave half a character. */
static void write_text(struct writer *rows, struct slice value) {
    if (value.size == 0) {
        write_null(rows);
        return;
    }
    write_i32(rows, (int32_t)value.size);
    size_t at = rows->size;
    bool is_utf8 = text_is_utf8(value);
    writer_bytes(rows, value);
    for (size_t i = at; !rows->failed && i < rows->size; i++) {
        bool is_bad = rows->data[i] == 0 || (!is_utf8 && rows->data[i] >= 0x80);
        rows->data[i] = is_bad ? '?' : rows->data[i];
    }
}

static void write_key_text(struct writer *rows, struct slice value) {
    if (value.size == 0) {
        write_i32(rows, 0); /* a key is never NULL */
    } else {
        write_text(rows, value);
    }
}

static void write_time(struct writer *rows, uint64_t time_ns) {
    write_i32(rows, 8);
    writer_u64_big_endian(rows, (uint64_t)((int64_t)(time_ns / NS_PER_US) - EPOCH_US));
}

/* Zero is NULL. */
static void write_hex(struct writer *rows, const uint64_t *words, size_t count) {
    char memory[33];
    struct text hex = text_over(memory, sizeof(memory));
    uint64_t any = 0;
    for (size_t i = 0; i < count; i++) {
        text_add_format(&hex, "%016llx", (unsigned long long)words[i]);
        any |= words[i];
    }
    write_text(rows, any == 0 ? slice_of(NULL, 0) : text_slice(&hex));
}

static void write_hash(struct writer *rows, struct hash128 hash) {
    const uint64_t words[2] = {hash.lo, hash.hi};
    write_hex(rows, words, 2);
}

/* --- JSON --- */

void postgres_clean_json(char *json, size_t size) {
    for (size_t i = 0; i + 1 < size; i++) {
        if (json[i] != '\\') {
            continue;
        }
        if (i + 6 <= size && memcmp(json + i, "\\u0000", 6) == 0) {
            memcpy(json + i, "\\ufffd", 6);
        }
        i++; /* whatever is escaped, also a backslash */
    }
}

static bool is_number(struct slice value) {
    char copy[NUMBER_BYTES_MAX];
    char *end = NULL;
    if (value.size == 0 || value.size >= sizeof(copy) || value.data[0] == '+') {
        return false;
    }
    for (size_t i = 0; i < value.size; i++) {
        if (slice_find_byte(SLICE("0123456789.eE+-"), value.data[i]) == 15) {
            return false;
        }
    }
    memcpy(copy, value.data, value.size);
    copy[value.size] = 0;
    return isfinite(strtod(copy, &end)) && end == copy + value.size;
}

static size_t count_digits(struct slice text) {
    size_t count = 0;
    while (count < text.size && text.data[count] >= '0' && text.data[count] <= '9') {
        count++;
    }
    return count;
}

/* -12.50: what JSON writes without an exponent. */
static bool is_plain_decimal(struct slice text) {
    text = slice_tail(text, text.size > 0 && text.data[0] == '-' ? 1 : 0);
    size_t whole = count_digits(text);
    if (whole == 0 || (whole > 1 && text.data[0] == '0')) {
        return false;
    }
    struct slice rest = slice_tail(text, whole);
    return rest.size == 0 || (rest.size > 1 && rest.data[0] == '.' &&
                              count_digits(slice_tail(rest, 1)) == rest.size - 1);
}

/* jsonb keeps each digit: those of a long id would be lost in a double. */
static void add_number(struct text *json, struct slice digits, bool is_whole) {
    char copy[NUMBER_BYTES_MAX];
    struct text text = text_over(copy, sizeof(copy));
    text_add(&text, digits);
    if (is_plain_decimal(digits)) {
        text_add(json, digits);
    } else if (is_whole) {
        text_add_i64(json, strtoll(copy, NULL, 10));
    } else {
        text_add_f64(json, strtod(copy, NULL));
    }
}

/* In JSON without a backslash, so that every quote begins or ends a string. */
static bool has_huge_number(struct slice json) {
    uint32_t digits = 0;
    uint32_t digits_max = DIGITS_MAX;
    bool is_string = false;
    for (size_t i = 0; i < json.size; i++) {
        uint8_t byte = json.data[i];
        bool is_digit = byte >= '0' && byte <= '9';
        bool is_exponent = byte == 'e' || byte == 'E'; /* or of a word, which no digit follows */
        is_string = is_string != (byte == '"');
        if (is_string || is_exponent || (!is_digit && byte != '.' && byte != '-' && byte != '+')) {
            digits = 0;
            digits_max = is_exponent && !is_string ? EXPONENT_DIGITS_MAX : DIGITS_MAX;
        } else if (is_digit && ++digits > digits_max) {
            return true;
        }
    }
    return false;
}

/* Numbers that are none or too large, and escapes that jsonb might refuse, stay text. */
static void add_value(struct text *json, const struct attribute *attribute) {
    struct slice value = attribute->value;
    bool is_whole = attribute->type == ATTRIBUTE_INT;
    bool is_bool = slice_equals(value, SLICE("true")) || slice_equals(value, SLICE("false"));
    bool is_plain =
        value.size > 0 && slice_find_byte(value, '\\') == value.size && !has_huge_number(value);
    if ((is_whole || attribute->type == ATTRIBUTE_DOUBLE) && is_number(value)) {
        add_number(json, value, is_whole);
    } else if ((attribute->type == ATTRIBUTE_BOOL && is_bool) ||
               (attribute->type == ATTRIBUTE_JSON && is_plain)) {
        text_add(json, value);
    } else {
        text_add_json_string(json, value);
    }
}

static void add_attributes(struct text *json, const struct envelope *envelope, struct slice bytes) {
    struct attribute_cursor cursor = envelope_attributes(bytes);
    struct attribute attribute;
    text_add_char(json, '{');
    while (attribute_cursor_next(&cursor, &attribute)) {
        text_add_text(json, cursor.left + 1 == envelope->attributes_count ? "" : ",");
        text_add_json_string(json, attribute.key);
        text_add_char(json, ':');
        add_value(json, &attribute);
    }
    text_add_char(json, '}');
}

static void add_depends_on(struct text *json, const struct envelope *envelope, struct slice bytes) {
    text_add_char(json, '[');
    for (uint32_t i = 0; i < envelope->depends_on_count; i++) {
        text_add_text(json, i == 0 ? "" : ",");
        text_add_json_string(json, envelope_depends_on_at(bytes, i));
    }
    text_add_char(json, ']');
}

/* In place: its size is known when it is written. */
static void write_json(struct writer *rows, const struct envelope *envelope, struct slice bytes,
                       void (*add)(struct text *json, const struct envelope *envelope,
                                   struct slice bytes)) {
    size_t at = rows->size;
    write_i32(rows, 0);
    writer_u8(rows, 1);
    if (rows->failed) {
        return;
    }
    struct text json = text_over(rows->data + rows->size, rows->capacity - rows->size);
    add(&json, envelope, bytes);
    if (json.truncated) {
        rows->failed = true;
        return;
    }
    postgres_clean_json(json.data, json.size);
    rows->size = at;
    write_i32(rows, (int32_t)json.size + 1);
    rows->size += json.size + 1;
}

/* --- One event --- */

static void write_event_id(struct writer *rows, const struct envelope *envelope) {
    if (envelope->event_id.size > 0) {
        write_text(rows, envelope->event_id);
    } else {
        write_hash(rows, envelope->event_key); /* of the content */
    }
}

static void write_event(struct writer *rows, const struct envelope *envelope, struct slice bytes) {
    writer_u8(rows, 0);
    writer_u8(rows, COLUMNS_COUNT);
    write_key_text(rows, envelope->tenant);
    write_event_id(rows, envelope);
    write_text(rows, event_kind_word(envelope->kind));
    write_text(rows, envelope->entity);
    write_text(rows, event_status_word(envelope->status));
    write_text(rows, event_severity_word(envelope->severity));
    write_time(rows, envelope->event_time_ns);
    write_time(rows, envelope->ingest_time_ns);
    write_text(rows, envelope->run_id);
    write_hash(rows, envelope->trace_id);
    write_hex(rows, &envelope->span_id, 1);
    write_hex(rows, &envelope->parent_span_id, 1);
    write_text(rows, envelope->error_class);
    write_text(rows, envelope->message);
    write_text(rows, envelope->source);
    write_hash(rows, envelope->fingerprint);
    write_json(rows, envelope, bytes, add_depends_on);
    write_json(rows, envelope, bytes, add_attributes);
}

struct status postgres_add_event(void *state, struct slice envelope, struct writer *rows) {
    (void)state;
    struct envelope event;
    size_t before = rows->size;
    envelope_read(envelope, &event);
    write_event(rows, &event, envelope);
    if (rows->failed) {
        rows->failed = false;
        rows->size = before;
        return status_of(STATUS_FULL);
    }
    return status_ok();
}

/* --- Words --- */

void postgres_frame_rows(struct slice rows, struct slice parts_out[POSTGRES_ROWS_PARTS]) {
    static const uint8_t head[19] = "PGCOPY\n\377\r\n"; /* and a 0; u32 flags, u32 size of more */
    static const uint8_t end[] = {0xFF, 0xFF};
    parts_out[0] = slice_of(head, sizeof(head));
    parts_out[1] = rows;
    parts_out[2] = slice_of(end, sizeof(end));
}

/* standard_conforming_strings is on. */
static void add_quoted(struct text *words, struct slice value) {
    text_add_char(words, '\'');
    for (size_t i = 0; i < value.size; i++) {
        text_add_text(words, value.data[i] == '\'' ? "'" : "");
        text_add_char(words, (char)value.data[i]);
    }
    text_add_char(words, '\'');
}

/* The row of this copy in quell_event_copies: (tenant, journal, sink). */
static void add_key(struct text *words, const struct sink_copy *copy) {
    text_add_char(words, '(');
    add_quoted(words, copy->tenant);
    text_add_char(words, ',');
    add_quoted(words, copy->journal);
    text_add_char(words, ',');
    add_quoted(words, copy->sink);
    text_add_char(words, ')');
}

static const char *const copy_words =
    "CREATE TEMPORARY TABLE IF NOT EXISTS quell_events_incoming (LIKE quell_events)"
    " ON COMMIT DELETE ROWS;"
    "COPY " INCOMING " (" COLUMNS ") FROM STDIN (FORMAT binary);"
    "INSERT INTO quell_events (" COLUMNS ") SELECT " COLUMNS " FROM " INCOMING
    " ON CONFLICT (tenant, event_id) DO NOTHING;";

static void add_move(struct text *words, const struct sink_copy *copy) {
    text_add_format(words,
                    "UPDATE quell_event_copies SET next_record = %llu, next_index = %u,"
                    " events = events + %u, records_lost = records_lost + %llu, copied_at = now()"
                    " WHERE next_record = %llu AND next_index = %u AND (tenant, journal, sink) = ",
                    (unsigned long long)copy->to.record, copy->to.index, copy->rows_count,
                    (unsigned long long)copy->lost_count, (unsigned long long)copy->from.record,
                    copy->from.index);
    add_key(words, copy);
    text_add_char(words, ';');
}

static void add_first_place(struct text *words, const struct sink_copy *copy) {
    text_add_text(words, "INSERT INTO quell_event_copies (tenant, journal, sink) VALUES ");
    add_key(words, copy);
    text_add_text(words, " ON CONFLICT (tenant, journal, sink) DO NOTHING;");
}

const char *postgres_copy_words(const struct sink_copy *copy, struct arena *arena) {
    char *memory = arena_allocate(arena, WORDS_BYTES, 1);
    if (memory == NULL) {
        return NULL;
    }
    struct text words = text_over(memory, WORDS_BYTES);
    text_add_text(&words, copy->rows_count > 0 ? copy_words : "");
    if (copy->asks_for_place) {
        add_first_place(&words, copy);
    } else {
        add_move(&words, copy);
    }
    text_add_text(&words, "SELECT next_record || ' ' || next_index FROM quell_event_copies"
                          " WHERE (tenant, journal, sink) = ");
    add_key(&words, copy);
    return words.truncated ? NULL : memory;
}

struct status postgres_read_place(struct slice answer, struct sink_place *place_out) {
    uint64_t index = 0;
    size_t space = slice_find_byte(answer, ' ');
    if (answer.size == 0) { /* the row is gone */
        *place_out = (struct sink_place){0};
        return status_ok();
    }
    struct sink_place place = {0};
    if (!status_is_ok(text_parse_u64(slice_head(answer, space), &place.record)) ||
        !status_is_ok(text_parse_u64(slice_tail(answer, space + 1), &index)) ||
        index > UINT32_MAX) {
        return status_of(STATUS_CORRUPT);
    }
    place.index = (uint32_t)index;
    *place_out = place;
    return status_ok();
}
