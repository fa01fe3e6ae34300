/*
 * native.c - native events (product.md): one object, an array, or one object a line (NDJSON).
 *
 * A record that is no sound event is refused alone, with its raw bytes; JSON that cannot be read
 * ends the body: in an array nothing counts, in NDJSON the line is refused and the next one is
 * read.
 */
#include "ingest/native.h"

#include "ingest/json_events.h"

/* --- Fields --- */

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
            if (json_take_number(&bookmark, &number) &&
                draft_parse_decimal(number, &draft->envelope.score)) {
                draft->envelope.flags |= ENVELOPE_HAS_SCORE;
            }
        }
        draft_take_attribute(walk, draft, key);
    }
}

struct text_field {
    struct slice key;
    const char *complaint;
    size_t offset; /* of a struct slice in struct draft */
};

#define TEXT_FIELD(name, place)                                                                    \
    {                                                                                              \
        {(const uint8_t *)(name), sizeof(name) - 1}, name " is no string",                         \
            offsetof(struct draft, place)                                                          \
    }
static const struct text_field text_fields[] = {
    TEXT_FIELD("tenant_id", claimed),
    TEXT_FIELD("job_id", job_id),
    TEXT_FIELD("entity", entity),
    TEXT_FIELD("event_id", envelope.event_id),
    TEXT_FIELD("run_id", envelope.run_id),
    TEXT_FIELD("message", envelope.message),
    TEXT_FIELD("error_type", envelope.error_class),
};
#undef TEXT_FIELD

void native_take_field(struct json_walk *walk, struct draft *draft, struct slice key) {
    for (size_t i = 0; i < sizeof(text_fields) / sizeof(text_fields[0]); i++) {
        if (slice_equals(key, text_fields[i].key)) {
            *(struct slice *)(void *)((uint8_t *)draft + text_fields[i].offset) =
                draft_take_word(walk, draft, text_fields[i].complaint);
            return;
        }
    }
    if (slice_equals(key, SLICE("status"))) {
        draft_take_status(walk, draft);
    } else if (slice_equals(key, SLICE("severity"))) {
        draft_take_severity(walk, draft);
    } else if (slice_equals(key, SLICE("occurred_at")) || slice_equals(key, SLICE("event_time"))) {
        draft_take_time(walk, draft);
    } else if (slice_equals(key, SLICE("depends_on"))) {
        take_depends_on(walk, draft);
    } else if (slice_equals(key, SLICE("details"))) {
        take_details(walk, draft);
    } else if (slice_equals(key, SLICE("trace_id"))) {
        draft_take_trace_id(walk, draft, key);
    } else if (slice_equals(key, SLICE("span_id"))) {
        draft_take_span_id(walk, draft, key, &draft->envelope.span_id);
    } else if (slice_equals(key, SLICE("parent_span_id"))) {
        draft_take_span_id(walk, draft, key, &draft->envelope.parent_span_id);
    } else {
        draft_take_attribute(walk, draft, key);
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

static struct slice next_line(struct slice *rest) {
    struct slice line = slice_head(*rest, slice_find_byte(*rest, '\n'));
    *rest = slice_tail(*rest, line.size + 1);
    if (line.size > 0 && line.data[line.size - 1] == '\r') {
        line.size--;
    }
    return slice_trim(line);
}

static struct status take_line(struct decode *decode, struct slice line, uint32_t lines_before) {
    size_t mark = decode->arena->used_bytes;
    struct json_walk walk = json_walk_over(line, decode->arena);
    walk.lines_before = lines_before;
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
    for (uint32_t number = 0; body.size > 0; number++) {
        struct slice line = next_line(&body);
        if (line.size > 0) {
            TRY(take_line(decode, line, number));
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
    bool is_object = json_first_byte(body) == '{'; /* a peek would index it once more */
    if (is_ndjson_type || (is_object && is_ndjson(body, decode->arena))) {
        return take_lines(decode, body);
    }
    return json_events_take(decode, &walk, take_event);
}
