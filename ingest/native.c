/*
 * native.c - native events (product.md): one object, an array, or one object a line (NDJSON).
 *
 * A record that is no sound event is refused alone, with its raw bytes; JSON that cannot be read
 * ends the body: in an array nothing counts, in NDJSON the line is refused and the next one is
 * read, be it the first line or the last, and whether or not the content type says NDJSON. Events
 * that are spelled like earlier ones are taken by their shape (native_shape.h), those that are
 * spelled as usual in one pass (native_usual.h), all others, and whatever is wrong, by the walk.
 */
#include "ingest/native.h"

#include "core/base/assert.h"
#include "ingest/native_shape.h"
#include "ingest/native_usual.h"

/* --- Fields --- */

void native_set_details_score(struct draft *draft, struct slice number) {
    if (draft_parse_decimal(number, &draft->envelope.score)) {
        draft->envelope.flags |= ENVELOPE_HAS_SCORE;
    }
}

static void take_depends_on(struct json_walk *walk, struct draft *draft) {
    if (json_take_null(walk)) {
        return;
    }
    if (json_peek(walk) != JSON_ARRAY) {
        json_skip(walk, NULL);
        draft_refuse(draft, "depends_on is no array of entities", (struct slice){0});
        return;
    }
    uint32_t count = 0;
    json_enter_array(walk);
    while (json_next_element(walk)) {
        struct slice entity = draft_take_word(walk, draft, "depends_on is no array of entities");
        if (count > DEPENDS_ON_PER_EVENT_MAX) {
            continue;
        }
        draft->depends_on[count++] = entity;
    }
    draft->envelope.depends_on = draft->depends_on;
    draft->envelope.depends_on_count = count;
}

static void take_details(struct json_walk *walk, struct draft *draft) {
    struct slice key;
    if (json_take_null(walk)) {
        return;
    }
    if (json_peek(walk) != JSON_OBJECT) {
        draft_take_attribute(walk, draft, SLICE("details"));
        return;
    }
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (slice_equals(key, SLICE("score")) && json_peek(walk) == JSON_NUMBER) {
            struct json_walk bookmark = *walk;
            struct slice number;
            if (json_take_number(&bookmark, &number)) {
                native_set_details_score(draft, number);
            }
        }
        draft_take_attribute(walk, draft, key);
    }
}

enum native_field native_field_of(struct slice key) {
    switch (key.size) {
    case 6:
        return json_key_is(key, "job_id")   ? NATIVE_JOB_ID
               : json_key_is(key, "status") ? NATIVE_STATUS
               : json_key_is(key, "run_id") ? NATIVE_RUN_ID
               : json_key_is(key, "entity") ? NATIVE_ENTITY
                                            : NATIVE_OTHER;
    case 7:
        return json_key_is(key, "message")   ? NATIVE_MESSAGE
               : json_key_is(key, "details") ? NATIVE_DETAILS
               : json_key_is(key, "span_id") ? NATIVE_SPAN_ID
                                             : NATIVE_OTHER;
    case 8:
        return json_key_is(key, "event_id")   ? NATIVE_EVENT_ID
               : json_key_is(key, "severity") ? NATIVE_SEVERITY
               : json_key_is(key, "trace_id") ? NATIVE_TRACE_ID
                                              : NATIVE_OTHER;
    case 9:
        return json_key_is(key, "tenant_id") ? NATIVE_TENANT_ID : NATIVE_OTHER;
    case 10:
        return json_key_is(key, "error_type")   ? NATIVE_ERROR_TYPE
               : json_key_is(key, "depends_on") ? NATIVE_DEPENDS_ON
               : json_key_is(key, "event_time") ? NATIVE_TIME
                                                : NATIVE_OTHER;
    case 11:
        return json_key_is(key, "occurred_at") ? NATIVE_TIME : NATIVE_OTHER;
    case 14:
        return json_key_is(key, "parent_span_id") ? NATIVE_PARENT_SPAN_ID : NATIVE_OTHER;
    default:
        return NATIVE_OTHER;
    }
}

static const struct text_field {
    const char *complaint;
    size_t offset; /* of a struct slice in struct draft */
} text_fields[NATIVE_TEXTS_COUNT] = {
    [NATIVE_TENANT_ID] = {"tenant_id is no string", offsetof(struct draft, claimed)},
    [NATIVE_JOB_ID] = {"job_id is no string", offsetof(struct draft, job_id)},
    [NATIVE_ENTITY] = {"entity is no string", offsetof(struct draft, entity)},
    [NATIVE_EVENT_ID] = {"event_id is no string", offsetof(struct draft, envelope.event_id)},
    [NATIVE_RUN_ID] = {"run_id is no string", offsetof(struct draft, envelope.run_id)},
    [NATIVE_MESSAGE] = {"message is no string", offsetof(struct draft, envelope.message)},
    [NATIVE_ERROR_TYPE] = {"error_type is no string", offsetof(struct draft, envelope.error_class)},
};

struct slice *native_text_of(struct draft *draft, enum native_field field) {
    ASSERT(field < NATIVE_TEXTS_COUNT);
    return (struct slice *)(void *)((uint8_t *)draft + text_fields[field].offset);
}

void native_set_meaning(struct draft *draft, enum native_field field, struct slice key,
                        struct slice word) {
    switch (field) {
    case NATIVE_STATUS:
        draft_set_status(draft, word);
        break;
    case NATIVE_SEVERITY:
        draft_set_severity(draft, word);
        break;
    case NATIVE_TIME:
        draft_set_time(draft, word);
        break;
    case NATIVE_TRACE_ID:
        draft_set_trace_id(draft, key, word);
        break;
    case NATIVE_SPAN_ID:
        draft_set_span_id(draft, key, word, &draft->envelope.span_id);
        break;
    default:
        ASSERT(field == NATIVE_PARENT_SPAN_ID);
        draft_set_span_id(draft, key, word, &draft->envelope.parent_span_id);
        break;
    }
}

void native_take_field(struct json_walk *walk, struct draft *draft, struct slice key) {
    enum native_field field = native_field_of(key);
    switch (field) {
    case NATIVE_STATUS:
        draft_take_status(walk, draft);
        break;
    case NATIVE_SEVERITY:
        draft_take_severity(walk, draft);
        break;
    case NATIVE_TIME:
        draft_take_time(walk, draft);
        break;
    case NATIVE_DEPENDS_ON:
        take_depends_on(walk, draft);
        break;
    case NATIVE_DETAILS:
        take_details(walk, draft);
        break;
    case NATIVE_TRACE_ID:
        draft_take_trace_id(walk, draft, key);
        break;
    case NATIVE_SPAN_ID:
        draft_take_span_id(walk, draft, key, &draft->envelope.span_id);
        break;
    case NATIVE_PARENT_SPAN_ID:
        draft_take_span_id(walk, draft, key, &draft->envelope.parent_span_id);
        break;
    case NATIVE_OTHER:
        draft_take_attribute(walk, draft, key);
        break;
    default:
        *native_text_of(draft, field) = draft_take_word(walk, draft, text_fields[field].complaint);
        break;
    }
}

/* --- Records --- */

static struct status add_event(struct decode *decode, struct draft *draft, struct slice raw) {
    if (!draft->has_status) {
        draft_refuse(draft, "status is required", (struct slice){0});
    }
    return draft_finish(decode, draft, raw);
}

static struct status take_event(struct decode *decode, struct json_walk *walk, bool is_whole) {
    static const struct json_event_format format = {
        .complaint = "an event is a JSON object",
        .size = sizeof(struct draft),
        .take_member = native_take_field,
        .add_event = add_event,
    };
    return json_event_take(decode, walk, &format, is_whole);
}

/* By its shape, or in one pass: then its shape is learned. */
static size_t take_quickly(struct decode *decode, struct slice text, struct draft *draft) {
    struct shapes *shapes = decode->native_shapes;
    if (shapes == NULL) {
        return native_usual_take(text, draft);
    }
    size_t size = native_shape_take(shapes, text, draft);
    if (size > 0) {
        return size;
    }
    draft_init(draft);
    size = native_usual_take(text, draft);
    if (size > 0) {
        native_shape_learn(shapes, slice_head(text, size), decode->arena);
    }
    return size;
}

/* The event that begins the text, when it is spelled as usual: its size; else 0, and nothing was
 * added. */
static size_t take_usual_event(struct decode *decode, struct slice text, bool is_whole,
                               struct status *status_out) {
    size_t mark = decode->arena->used_bytes;
    struct draft *draft =
        decode->walks_only ? NULL : json_event_make(decode->arena, sizeof(*draft));
    size_t size = draft == NULL ? 0 : take_quickly(decode, text, draft);
    if (size > 0 && is_whole && json_find_first(slice_tail(text, size)) < text.size - size) {
        size = 0;
    }
    if (size > 0) {
        *status_out = add_event(decode, draft, slice_head(text, size));
    }
    arena_rewind(decode->arena, mark);
    return size;
}

bool native_decode_usual(struct decode *decode, struct slice body, struct status *status_out) {
    return take_usual_event(decode, body, true, status_out) > 0;
}

/* Elements spelled as usual, the first at `at`; behind the last of them. */
static struct status take_usual_elements(struct decode *decode, struct slice body, size_t at,
                                         size_t *end_out) {
    struct status status = status_ok();
    *end_out = at;
    size_t size = take_usual_event(decode, slice_tail(body, at), false, &status);
    while (size > 0) {
        TRY(status);
        at += size;
        *end_out = at;
        at += json_find_first(slice_tail(body, at));
        if (at == body.size || body.data[at] != ',') {
            break;
        }
        at++;
        at += json_find_first(slice_tail(body, at));
        size = take_usual_event(decode, slice_tail(body, at), false, &status);
    }
    return status_ok();
}

static struct status take_array(struct decode *decode, struct json_walk *walk) {
    json_enter_array(walk);
    while (json_next_element(walk)) {
        size_t at = json_next_at(walk);
        size_t end = at;
        TRY(take_usual_elements(decode, walk->bytes, at, &end));
        if (end > at) {
            json_jump(walk, end);
        } else {
            TRY(take_event(decode, walk, false));
        }
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

static struct status take_line(struct decode *decode, struct slice line, uint32_t lines_before) {
    struct status status;
    if (native_decode_usual(decode, line, &status)) {
        return status;
    }
    size_t mark = decode->arena->used_bytes;
    struct json_walk walk = json_walk_over(line, decode->arena);
    walk.lines_before = lines_before;
    status = take_event(decode, &walk, true);
    arena_rewind(decode->arena, mark);
    if (status.code != STATUS_INVALID) {
        return status;
    }
    struct fault fault;
    json_explain(&walk, &fault);
    return decode_refuse(decode, line, fault.words);
}

static struct status take_lines(struct decode *decode, struct slice body) {
    for (uint32_t number = 0; body.size > 0; number++) {
        struct slice line = next_line(&body);
        if (json_find_first(line) < line.size) {
            TRY(take_line(decode, line, number));
        }
    }
    return status_ok();
}

static bool is_object(struct slice text, struct arena *arena) {
    if (json_first_byte(text) != '{') {
        return false;
    }
    size_t mark = arena->used_bytes;
    struct json_walk walk = json_walk_over(text, arena);
    json_skip(&walk, NULL);
    bool is_value = json_finish(&walk);
    arena_rewind(arena, mark);
    return is_value;
}

/* More than one line, the first an object by itself. */
static bool begins_with_line(struct slice body, struct arena *arena) {
    struct slice rest = slice_tail(body, json_find_first(body));
    struct slice first = next_line(&rest);
    return json_find_first(rest) < rest.size && is_object(first, arena);
}

/* Of a body that is no JSON value: whether some line of it is an object by itself. Then it is
 * NDJSON that was cut at its beginning, or begins with a bad line, and loses only that. */
static bool holds_line(struct slice body, struct arena *arena) {
    while (body.size > 0) {
        if (is_object(next_line(&body), arena)) {
            return true;
        }
    }
    return false;
}

struct status native_decode(struct decode *decode, struct slice body, bool is_ndjson_type) {
    struct status status;
    bool begins_object = json_first_byte(body) == '{'; /* a peek would index it once more */
    if (!is_ndjson_type && begins_object && native_decode_usual(decode, body, &status)) {
        return status;
    }
    if (is_ndjson_type || (begins_object && begins_with_line(body, decode->arena))) {
        return take_lines(decode, body);
    }
    struct json_walk walk = json_walk_over(body, decode->arena);
    enum json_type type = json_peek(&walk);
    if (type == JSON_ARRAY) {
        return take_array(decode, &walk);
    }
    if (type != JSON_OBJECT && holds_line(body, decode->arena)) {
        return take_lines(decode, body);
    }
    status = take_event(decode, &walk, true);
    bool is_lines = status.code == STATUS_INVALID && holds_line(body, decode->arena);
    return is_lines ? take_lines(decode, body) : status;
}
