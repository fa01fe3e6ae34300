/*
 * native.c - native events (product.md): one object, an array, or one object a line (NDJSON).
 *
 * A record that is no sound event is refused alone, with its raw bytes; JSON that cannot be read
 * ends the body: in an array nothing counts, in NDJSON the line is refused and the next one is
 * read.
 */
#include "ingest/native.h"

#include <math.h>
#include <stdlib.h>

#include "core/base/assert.h"

enum { NUMBER_BYTES_MAX = 64 };

struct native_event {
    struct envelope envelope;
    struct slice claimed; /* tenant_id */
    struct slice job_id;
    struct slice entity;
    struct attribute attributes[ATTRIBUTES_PER_EVENT_MAX];
    struct slice depends_on[DEPENDS_ON_PER_EVENT_MAX + 1];
    bool has_status;
    struct fault reason; /* words: the record is refused */
    bool is_refused;
};

static void refuse(struct native_event *event, const char *words, struct slice detail) {
    if (event->is_refused) {
        return;
    }
    event->is_refused = true;
    struct slice shown = slice_head(detail, 80);
    (void)!status_is_ok(fault_set(&event->reason, STATUS_INVALID, "%s%.*s", words, (int)shown.size,
                                  shown.size > 0 ? (const char *)shown.data : ""));
}

static const struct slice nothing = {(const uint8_t *)"", 0};

/* A string or a number as text; anything else refuses the record. */
static struct slice take_word(struct json_walk *walk, struct native_event *event,
                              const char *complaint) {
    struct slice text = {0};
    switch (json_peek(walk)) {
    case JSON_STRING:
        json_take_string(walk, &text);
        return text;
    case JSON_NUMBER:
        json_take_number(walk, &text);
        return text;
    case JSON_NULL:
        json_take_null(walk);
        return text;
    default:
        json_skip(walk, NULL);
        refuse(event, complaint, nothing);
        return text;
    }
}

/* --- Times --- */

/* Epoch seconds, milliseconds, microseconds or nanoseconds, told apart by magnitude. */
static uint64_t epoch_ns(double value) {
    static const double units[] = {1e9, 1e6, 1e3, 1};
    double limit = 1e11; /* seconds up to the year 5138 */
    for (size_t i = 0; i < 4; i++) {
        if (value < limit) {
            double ns = value * units[i];
            return ns < 1.8e19 ? (uint64_t)ns : 0;
        }
        limit *= 1e3;
    }
    return 0;
}

static bool parse_decimal(struct slice text, double *value_out) {
    char copy[NUMBER_BYTES_MAX];
    char *end = NULL;
    if (text.size == 0 || text.size >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    *value_out = strtod(copy, &end);
    return end == copy + text.size && isfinite(*value_out);
}

static void take_time(struct json_walk *walk, struct native_event *event) {
    struct slice text = take_word(walk, event, "occurred_at is no time");
    uint64_t whole = 0;
    double value = 0;
    if (text.size == 0 || status_is_ok(text_parse_time(text, &event->envelope.event_time_ns))) {
        return;
    }
    if (status_is_ok(text_parse_u64(text, &whole)) && whole >= UINT64_C(100000000000000000)) {
        event->envelope.event_time_ns = whole; /* nanoseconds, exact */
        return;
    }
    if (parse_decimal(text, &value) && value >= 0) {
        event->envelope.event_time_ns = epoch_ns(value);
        return;
    }
    refuse(event, "occurred_at is neither RFC 3339 nor an epoch time: ", text);
}

/* --- Fields --- */

static void take_status(struct json_walk *walk, struct native_event *event) {
    struct slice word = take_word(walk, event, "status is no word");
    event->has_status = word.size > 0;
    if (word.size > 0 && !status_is_ok(event_status_parse(word, &event->envelope.status))) {
        refuse(event, "unknown status: ", word);
    }
}

static void take_severity(struct json_walk *walk, struct native_event *event) {
    struct slice word = take_word(walk, event, "severity is no word");
    if (word.size > 0 && !status_is_ok(event_severity_parse(word, &event->envelope.severity))) {
        refuse(event, "unknown severity: ", word);
    }
}

static void take_depends_on(struct json_walk *walk, struct native_event *event) {
    if (json_take_null(walk)) {
        return;
    }
    if (json_peek(walk) != JSON_ARRAY) {
        json_skip(walk, NULL);
        refuse(event, "depends_on is no array of entities", nothing);
        return;
    }
    uint32_t count = 0;
    json_enter_array(walk);
    while (json_next_element(walk)) {
        struct slice entity = take_word(walk, event, "depends_on is no array of entities");
        if (count > DEPENDS_ON_PER_EVENT_MAX) {
            continue;
        }
        event->depends_on[count++] = entity;
    }
    event->envelope.depends_on = event->depends_on;
    event->envelope.depends_on_count = count;
}

static enum attribute_type attribute_type_of(enum json_type type) {
    switch (type) {
    case JSON_STRING:
        return ATTRIBUTE_STRING;
    case JSON_NUMBER:
        return ATTRIBUTE_DOUBLE;
    case JSON_TRUE:
    case JSON_FALSE:
        return ATTRIBUTE_BOOL;
    default:
        return ATTRIBUTE_JSON;
    }
}

/* Any value under a key becomes an attribute; composites keep their JSON. */
static void take_attribute(struct json_walk *walk, struct native_event *event, struct slice key) {
    struct slice value = {0};
    enum json_type type = json_peek(walk);
    if (type == JSON_STRING) {
        json_take_string(walk, &value);
    } else {
        json_skip(walk, &value);
    }
    struct envelope *envelope = &event->envelope;
    bool is_kept = type != JSON_NULL && envelope->attributes_count < ATTRIBUTES_PER_EVENT_MAX;
    if (!is_kept || value.size > ATTRIBUTE_BYTES_MAX || key.size > ATTRIBUTE_BYTES_MAX) {
        envelope->flags |= type != JSON_NULL ? ENVELOPE_MESSAGE_CUT : 0u;
        return;
    }
    event->attributes[envelope->attributes_count++] =
        (struct attribute){.key = key, .value = value, .type = attribute_type_of(type)};
}

static void take_details(struct json_walk *walk, struct native_event *event) {
    struct slice key;
    if (json_take_null(walk)) {
        return;
    }
    if (json_peek(walk) != JSON_OBJECT) {
        take_attribute(walk, event, SLICE("details"));
        return;
    }
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (slice_equals(key, SLICE("score")) && json_peek(walk) == JSON_NUMBER) {
            struct json_walk bookmark = *walk;
            struct slice number;
            json_take_number(&bookmark, &number);
            if (parse_decimal(number, &event->envelope.score)) {
                event->envelope.flags |= ENVELOPE_HAS_SCORE;
            }
        }
        take_attribute(walk, event, key);
    }
}

struct text_field {
    const char *key;
    size_t offset; /* of a struct slice in struct native_event */
};

static const struct text_field text_fields[] = {
    {"tenant_id", offsetof(struct native_event, claimed)},
    {"job_id", offsetof(struct native_event, job_id)},
    {"entity", offsetof(struct native_event, entity)},
    {"event_id", offsetof(struct native_event, envelope.event_id)},
    {"run_id", offsetof(struct native_event, envelope.run_id)},
    {"message", offsetof(struct native_event, envelope.message)},
    {"error_type", offsetof(struct native_event, envelope.error_class)},
};

static void take_field(struct json_walk *walk, struct native_event *event, struct slice key) {
    for (size_t i = 0; i < sizeof(text_fields) / sizeof(text_fields[0]); i++) {
        if (slice_equals(key, slice_of_text(text_fields[i].key))) {
            char complaint[64];
            struct text words = text_over(complaint, sizeof(complaint));
            text_add_format(&words, "%s is no string", text_fields[i].key);
            *(struct slice *)(void *)((uint8_t *)event + text_fields[i].offset) =
                take_word(walk, event, complaint);
            return;
        }
    }
    if (slice_equals(key, SLICE("status"))) {
        take_status(walk, event);
    } else if (slice_equals(key, SLICE("severity"))) {
        take_severity(walk, event);
    } else if (slice_equals(key, SLICE("occurred_at")) || slice_equals(key, SLICE("event_time"))) {
        take_time(walk, event);
    } else if (slice_equals(key, SLICE("depends_on"))) {
        take_depends_on(walk, event);
    } else if (slice_equals(key, SLICE("details"))) {
        take_details(walk, event);
    } else {
        take_attribute(walk, event, key);
    }
}

/* --- Records --- */

static void settle_entity(struct decode *decode, struct native_event *event) {
    struct envelope *envelope = &event->envelope;
    struct derive_entity_keys keys = {.job_id = event->job_id};
    struct status status = status_ok();
    if (event->entity.size > 0) {
        envelope->entity = event->entity;
        status = derive_check_entity(event->entity, &event->reason);
    } else if (event->job_id.size > 0) {
        status = derive_entity(&keys, decode->arena, &envelope->entity, &event->reason);
    } else {
        refuse(event, "one of job_id and entity is required", nothing);
        return;
    }
    event->is_refused = event->is_refused || !status_is_ok(status);
    envelope->kind =
        slice_starts_with(envelope->entity, SLICE("job:")) ? EVENT_KIND_JOB : EVENT_KIND_CHECK;
}

static struct status finish_event(struct decode *decode, struct native_event *event,
                                  struct slice raw) {
    if (!event->is_refused) {
        settle_entity(decode, event);
    }
    if (!event->is_refused && !event->has_status) {
        refuse(event, "status is required", nothing);
    }
    if (event->is_refused) {
        return decode_refuse(decode, raw, event->reason.words);
    }
    event->envelope.attributes = event->attributes;
    return decode_add(decode, &event->envelope, event->claimed, raw);
}

/* is_whole: nothing may follow the event. INVALID: the walk has failed, and nothing was added. */
static struct status take_event(struct decode *decode, struct json_walk *walk, bool is_whole) {
    struct slice raw;
    struct slice key;
    if (json_peek(walk) != JSON_OBJECT) {
        return json_skip(walk, &raw) ? decode_refuse(decode, raw, "an event is a JSON object")
                                     : decode_fail(decode, walk);
    }
    size_t start = json_next_at(walk);
    size_t mark = decode->arena->used_bytes;
    struct native_event *event = ARENA_NEW(decode->arena, struct native_event);
    if (event == NULL) {
        return status_of(STATUS_FULL);
    }
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        take_field(walk, event, key);
    }
    raw = slice_of(walk->bytes.data + start, walk->at - start);
    bool is_sound = walk->error == NULL && (!is_whole || json_finish(walk));
    struct status status = is_sound ? finish_event(decode, event, raw) : decode_fail(decode, walk);
    arena_rewind(decode->arena, mark);
    return status;
}

static struct status take_array(struct decode *decode, struct json_walk *walk) {
    json_enter_array(walk);
    while (json_next_element(walk)) {
        TRY(take_event(decode, walk, false));
    }
    return json_finish(walk) ? status_ok() : decode_fail(decode, walk);
}

static struct slice next_line(struct slice *rest) {
    struct slice line = slice_head(*rest, slice_find_byte(*rest, '\n'));
    *rest = slice_tail(*rest, line.size + 1);
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size--;
    }
    return slice_trim(line);
}

static struct status take_line(struct decode *decode, struct slice line) {
    size_t mark = decode->arena->used_bytes;
    struct json_walk walk = json_walk_over(line, decode->arena);
    struct status status = take_event(decode, &walk, true);
    arena_rewind(decode->arena, mark);
    if (status.code != STATUS_INVALID) {
        return status;
    }
    struct fault fault;
    json_explain(&walk, &fault);
    return decode_refuse(decode, line, fault.words);
}

static struct status take_lines(struct decode *decode, struct slice body) {
    while (body.size > 0) {
        struct slice line = next_line(&body);
        if (line.size > 0) {
            TRY(take_line(decode, line));
        }
    }
    return status_ok();
}

/* More than one JSON value, each on a line of its own. */
static bool is_ndjson(struct slice body, struct arena *arena) {
    struct slice first = slice_head(body, slice_find_byte(body, '\n'));
    if (slice_trim(slice_tail(body, first.size)).size == 0) {
        return false;
    }
    size_t mark = arena->used_bytes;
    struct json_walk walk = json_walk_over(first, arena);
    json_skip(&walk, NULL);
    bool is_value = json_finish(&walk);
    arena_rewind(arena, mark);
    return is_value;
}

struct status native_decode(struct decode *decode, struct slice body, bool is_ndjson_type) {
    struct json_walk walk = json_walk_over(body, decode->arena);
    struct json_walk look = walk;
    enum json_type type = json_peek(&look);
    if (is_ndjson_type || (type == JSON_OBJECT && is_ndjson(body, decode->arena))) {
        return take_lines(decode, body);
    }
    if (type == JSON_ARRAY) {
        return take_array(decode, &walk);
    }
    return take_event(decode, &walk, true);
}
