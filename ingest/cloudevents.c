/*
 * cloudevents.c - CloudEvents 1.0 (formats.h): an outer event whose data holds native fields.
 *
 * What the data leaves out comes from the context attributes: the entity from `subject`, the status
 * from the last word of `type` that is one ("com.acme.job.failed"), the time from `time`, the event
 * id from (source, id), which the specification calls unique.
 */
#include "core/base/assert.h"
#include "core/digest.h"
#include "ingest/formats.h"
#include "ingest/json_events.h"
#include "ingest/native.h"
#include "ingest/path_table.h"

struct cloudevent {
    struct draft draft;
    struct slice id;
    struct slice source;
    struct slice specversion;
    struct slice type;
    struct slice subject;
    struct slice tenant; /* extension tenantid */
    struct slice traceparent;
    uint64_t time_ns;
    struct json_walk data; /* a bookmark; bytes.size 0: there is none */
    struct slice data_base64;
};

struct text_attribute {
    const char *name;
    const char *header;
    size_t offset;
};

static const struct text_attribute text_attributes[] = {
    {"id", "ce-id", offsetof(struct cloudevent, id)},
    {"source", "ce-source", offsetof(struct cloudevent, source)},
    {"specversion", "ce-specversion", offsetof(struct cloudevent, specversion)},
    {"type", "ce-type", offsetof(struct cloudevent, type)},
    {"subject", "ce-subject", offsetof(struct cloudevent, subject)},
    {"tenantid", "ce-tenantid", offsetof(struct cloudevent, tenant)},
    {"traceparent", "ce-traceparent", offsetof(struct cloudevent, traceparent)},
};
enum { TEXT_ATTRIBUTES = sizeof(text_attributes) / sizeof(text_attributes[0]) };

static struct slice *attribute_of(struct cloudevent *event, size_t i) {
    return (struct slice *)(void *)((uint8_t *)event + text_attributes[i].offset);
}

/* --- Meaning --- */

static void settle_status(struct cloudevent *event) {
    struct draft *draft = &event->draft;
    struct slice rest = event->type;
    while (!draft->has_status && rest.size > 0) {
        size_t start = rest.size;
        while (start > 0 && rest.data[start - 1] != '.') {
            start--;
        }
        struct slice word = slice_tail(rest, start);
        draft->has_status =
            word.size > 0 && status_is_ok(event_status_parse(word, &draft->envelope.status));
        rest = slice_head(rest, start > 0 ? start - 1 : 0);
    }
    if (!draft->has_status) {
        draft_refuse(draft, "neither data.status nor type says a status: ", event->type);
    }
}

static void settle_entity(struct cloudevent *event) {
    struct draft *draft = &event->draft;
    struct fault unused;
    if (draft->entity.size > 0 || draft->job_id.size > 0 || event->subject.size == 0) {
        return;
    }
    bool is_entity = status_is_ok(derive_check_entity(event->subject, &unused));
    *(is_entity ? &draft->entity : &draft->job_id) = event->subject;
}

/* W3C Trace Context: 00-<32 hex>-<16 hex>-<2 hex>. It orders nothing: a wrong one is not worth the
 * event. */
static void settle_trace(struct cloudevent *event) {
    struct envelope *envelope = &event->draft.envelope;
    struct hash128 trace_id;
    if (draft_parse_trace_id(slice_head(slice_tail(event->traceparent, 3), 32), &trace_id) &&
        draft_parse_span_id(slice_head(slice_tail(event->traceparent, 36), 16),
                            &envelope->span_id)) {
        envelope->trace_id = trace_id;
    }
}

/* "source id", as no source has a blank: "a b", "c" and "a", "b c" are not one. The hash of both
 * where a source has one all the same, or where they are too long. */
static void write_event_id(const struct cloudevent *event, uint64_t hash_seed, struct text *id) {
    struct slice parts[] = {event->source, event->id};
    if (event->source.size + 1 + event->id.size > EVENT_ID_BYTES_MAX ||
        slice_find_byte(event->source, ' ') < event->source.size) {
        struct hash128 hash = hash128_of_parts(parts, 2, hash_seed);
        text_add_text(id, "ce:");
        text_add_hex(id, slice_of(&hash, sizeof(hash)));
        return;
    }
    text_add(id, event->source);
    text_add_char(id, ' ');
    text_add(id, event->id);
}

static struct status settle_event_id(struct decode *decode, struct cloudevent *event) {
    struct envelope *envelope = &event->draft.envelope;
    if (envelope->event_id.size > 0 || event->draft.is_refused) {
        return status_ok();
    }
    char *memory = arena_allocate_unset(decode->arena, EVENT_ID_BYTES_MAX + 1, 1);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    struct text id = text_over(memory, EVENT_ID_BYTES_MAX + 1);
    write_event_id(event, decode->hash_seed, &id);
    ASSERT(!id.truncated);
    envelope->event_id = text_slice(&id);
    return status_ok();
}

/* "data_base64": the data as Base64 (JSON event format 1.0.2, section 3.1); it may be JSON. */
static struct status open_base64(struct decode *decode, struct cloudevent *event) {
    size_t size = 0;
    size_t capacity = event->data_base64.size / 4 * 3 + 3;
    if (event->data_base64.size == 0) {
        return status_ok();
    }
    uint8_t *bytes = arena_allocate(decode->arena, capacity, 1);
    if (bytes == NULL) {
        return status_of(STATUS_FULL);
    }
    if (!status_is_ok(digest_parse_base64(event->data_base64, bytes, capacity, &size))) {
        draft_refuse(&event->draft, "data_base64 is no base64", (struct slice){0});
        return status_ok();
    }
    struct json_walk walk = json_walk_over(slice_of(bytes, size), decode->arena);
    event->data = walk;
    bool is_json = json_skip(&walk, NULL) && json_finish(&walk);
    if (!is_json) {
        event->data = (struct json_walk){0};
    }
    return status_ok();
}

static void take_data(struct cloudevent *event) {
    struct slice key;
    struct json_walk *walk = &event->data;
    if (walk->bytes.size == 0 || json_peek(walk) != JSON_OBJECT) {
        return;
    }
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        native_take_field(walk, &event->draft, key);
    }
}

static struct status add_event(struct decode *decode, struct cloudevent *event, struct slice raw) {
    struct draft *draft = &event->draft;
    if (!slice_equals(event->specversion, SLICE("1.0"))) {
        draft_refuse(draft,
                     event->specversion.size == 0 ? "specversion is required"
                                                  : "specversion is not 1.0: ",
                     event->specversion);
    }
    if (event->id.size == 0 || event->source.size == 0 || event->type.size == 0) {
        draft_refuse(draft, "id, source and type are required", (struct slice){0});
    }
    TRY(open_base64(decode, event));
    take_data(event);
    settle_status(event);
    settle_entity(event);
    settle_trace(event);
    draft->claimed = draft->claimed.size > 0 ? draft->claimed : event->tenant;
    if (draft->envelope.event_time_ns == 0) {
        draft->envelope.event_time_ns = event->time_ns;
    }
    draft_add_attribute(draft, SLICE("ce.source"), event->source);
    draft_add_attribute(draft, SLICE("ce.type"), event->type);
    TRY(settle_event_id(decode, event));
    return draft_finish(decode, draft, raw);
}

/* --- Structured and batch mode --- */

static void take_time(struct json_walk *walk, struct cloudevent *event) {
    struct slice text = draft_take_word(walk, &event->draft, "time is no string");
    if (text.size > 0 && !status_is_ok(text_parse_time_clamped(text, &event->time_ns))) {
        draft_refuse(&event->draft, "time is no RFC 3339 time: ", text);
    }
}

static struct cloudevent *event_of(struct draft *draft) {
    return (struct cloudevent *)(void *)draft; /* its first member */
}

static void take_member(struct json_walk *walk, struct draft *draft, struct slice key) {
    struct cloudevent *event = event_of(draft);
    for (size_t i = 0; i < TEXT_ATTRIBUTES; i++) {
        if (slice_equals(key, slice_of_text(text_attributes[i].name))) {
            *attribute_of(event, i) =
                draft_take_word(walk, draft, "a context attribute is no string");
            return;
        }
    }
    if (json_key_is(key, "time")) {
        take_time(walk, event);
    } else if (json_key_is(key, "data")) {
        event->data = *walk;
        json_skip(walk, NULL);
    } else if (json_key_is(key, "data_base64")) {
        event->data_base64 = draft_take_word(walk, &event->draft, "data_base64 is no string");
    } else {
        json_skip(walk, NULL);
    }
}

static struct status add_draft(struct decode *decode, struct draft *draft, struct slice raw) {
    return add_event(decode, event_of(draft), raw);
}

static struct status take_event(struct decode *decode, struct json_walk *walk, bool is_whole) {
    static const struct json_event_format format = {
        .complaint = "a CloudEvent is a JSON object",
        .size = sizeof(struct cloudevent),
        .take_member = take_member,
        .add_event = add_draft,
    };
    return json_event_take(decode, walk, &format, is_whole);
}

struct status cloudevents_decode(struct decode *decode, struct slice body) {
    struct json_walk walk = json_walk_over(body, decode->arena);
    return json_events_take(decode, &walk, take_event);
}

/* --- Binary mode --- */

/* A quoted string (RFC 7230, section 3.2.6) without its quotes and backslashes; any other value as
 * it is. */
static struct slice unquote(struct slice value, uint8_t *memory) {
    size_t size = 0;
    if (value.size < 2 || value.data[0] != '"' || value.data[value.size - 1] != '"') {
        return value;
    }
    for (size_t i = 1; i < value.size - 1; i++) {
        bool is_escaped = value.data[i] == '\\';
        i += is_escaped ? 1 : 0;
        if (i == value.size - 1 || (value.data[i] == '"' && !is_escaped)) {
            return value;
        }
        memory[size++] = value.data[i];
    }
    return slice_of(memory, size);
}

/* A '%' without two hex digits behind it stands for itself. `memory` may be the value's own. */
static struct slice decode_percent(struct slice value, uint8_t *memory) {
    size_t size = 0;
    for (size_t i = 0; i < value.size; i++) {
        uint8_t byte = 0;
        bool is_encoded =
            value.data[i] == '%' &&
            status_is_ok(text_parse_hex(slice_head(slice_tail(value, i + 1), 2), &byte, 1));
        memory[size++] = is_encoded ? byte : value.data[i];
        i += is_encoded ? 2 : 0;
    }
    return slice_of(memory, size);
}

/* "any HTTP header value MUST first be unescaped with respect to double-quoted strings [...] A
 * single round of percent-decoding MUST then be performed" (HTTP protocol binding 1.0.2, section
 * 3.1.3.2): so the same event is the same whichever way it came. */
static struct status take_header(struct decode *decode, const struct http_request *request,
                                 const char *name, struct cloudevent *event,
                                 struct slice *value_out) {
    struct slice value = http_header_find(request, name);
    bool is_plain =
        value.size == 0 || (value.data[0] != '"' && slice_find_byte(value, '%') == value.size);
    uint8_t *memory = is_plain ? NULL : arena_allocate_unset(decode->arena, value.size, 1);
    if (!is_plain && memory == NULL) {
        return status_of(STATUS_FULL);
    }
    value = is_plain ? value : decode_percent(unquote(value, memory), memory);
    if (!text_is_utf8(value)) {
        draft_refuse(&event->draft, "no UTF-8: ", slice_of_text(name));
        return status_ok();
    }
    *value_out = value;
    return status_ok();
}

/* Its context stands in the headers: a refused event keeps it beside the bytes of its body. */
static struct status keep_context(struct decode *decode, struct cloudevent *event,
                                  struct slice time) {
    struct envelope *kept = ARENA_NEW(decode->arena, struct envelope);
    struct attribute *attributes =
        ARENA_ARRAY(decode->arena, struct attribute, TEXT_ATTRIBUTES + 1);
    if (kept == NULL || attributes == NULL) {
        return status_of(STATUS_FULL);
    }
    for (size_t i = 0; i < TEXT_ATTRIBUTES; i++) {
        struct slice value = *attribute_of(event, i);
        if (value.size > 0 && value.size <= ATTRIBUTE_BYTES_MAX) {
            attributes[kept->attributes_count++] = (struct attribute){
                slice_of_text(text_attributes[i].header), value, ATTRIBUTE_STRING};
        }
    }
    if (time.size > 0 && time.size <= ATTRIBUTE_BYTES_MAX) {
        attributes[kept->attributes_count++] =
            (struct attribute){SLICE("ce-time"), time, ATTRIBUTE_STRING};
    }
    kept->attributes = attributes;
    decode->at_hand = kept;
    return status_ok();
}

/* Data of JSON is taken. What curl -d and others call a form may be JSON, or is let be. */
static struct status take_body(struct decode *decode, const struct http_request *request,
                               struct cloudevent *event, struct slice body) {
    struct slice type = media_type_of(request);
    bool is_form = media_type_is(type, "application/x-www-form-urlencoded");
    if ((!is_form && !media_type_is_json(type)) || slice_trim(body).size == 0) {
        return status_ok();
    }
    struct json_walk walk = json_walk_over(body, decode->arena);
    event->data = walk;
    json_skip(&walk, NULL);
    if (json_finish(&walk)) {
        return status_ok();
    }
    event->data = (struct json_walk){0};
    return is_form && !walk.is_out_of_room ? status_ok() : decode_fail(decode, &walk);
}

struct status cloudevents_decode_binary(struct decode *decode, const struct http_request *request,
                                        struct slice body) {
    struct cloudevent *event = ARENA_NEW(decode->arena, struct cloudevent);
    if (event == NULL) {
        return status_of(STATUS_FULL);
    }
    for (size_t i = 0; i < TEXT_ATTRIBUTES; i++) {
        TRY(take_header(decode, request, text_attributes[i].header, event, attribute_of(event, i)));
    }
    struct slice time = {0};
    TRY(take_header(decode, request, "ce-time", event, &time));
    if (time.size > 0 && !status_is_ok(text_parse_time_clamped(time, &event->time_ns))) {
        draft_refuse(&event->draft, "ce-time is no RFC 3339 time: ", time);
    }
    TRY(keep_context(decode, event, time));
    TRY(take_body(decode, request, event, body));
    return add_event(decode, event, body);
}
