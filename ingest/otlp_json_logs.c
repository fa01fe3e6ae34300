/*
 * otlp_json_logs.c - ExportLogsServiceRequest: resourceLogs > scopeLogs > logRecords.
 */
#include "core/base/assert.h"
#include "core/base/text.h"
#include "ingest/decode.h"
#include "ingest/otlp_json.h"
#include "ingest/otlp_json_record.h"
#include "ingest/otlp_json_usual.h"
#include "ingest/otlp_shape.h"

static void take_severity(struct json_walk *walk, struct otlp_record *record) {
    uint64_t number = 0;
    if (otlp_take_enum(walk, &number)) {
        otlp_record_set_severity(record, number);
    }
}

static void take_record_member(struct json_walk *walk, struct slice key,
                               struct otlp_record *record) {
    enum attribute_type type = ATTRIBUTE_STRING;
    if (json_key_is(key, "timeUnixNano")) {
        otlp_take_u64(walk, &record->envelope.event_time_ns);
    } else if (json_key_is(key, "observedTimeUnixNano")) {
        otlp_take_u64(walk, &record->observed_ns);
    } else if (json_key_is(key, "severityNumber")) {
        take_severity(walk, record);
    } else if (json_key_is(key, "body")) {
        struct slice body = record->envelope.message;
        otlp_take_any(walk, &body, &type);
        otlp_record_set_body(record, body, type);
    } else if (json_key_is(key, "attributes")) {
        otlp_take_attributes(walk, &record->attributes);
    } else if (json_key_is(key, "eventName")) {
        otlp_take_text(walk, &record->event_name);
    } else if (json_key_is(key, "traceId") || json_key_is(key, "spanId")) {
        otlp_take_ids(walk, key, record);
    } else {
        json_skip(walk, NULL);
    }
}

/* A record by the walk. */
static struct status take_walked(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_attributes *outer, struct otlp_record *record) {
    struct slice key = {0}; /* of a member that is not spelled as usual */
    otlp_record_init(record, EVENT_KIND_LOG);
    size_t start = json_next_at(walk);
    struct json_walk bookmark = *walk;
    json_enter_object(walk);
    while (otlp_take_usual_log_member(walk, record) || json_next_member(walk, &key)) {
        if (key.data != NULL) {
            take_record_member(walk, key, record);
            key.data = NULL;
        }
    }
    TRY(otlp_json_finish_record(record, decode, walk, start, outer));
    if (decode->shapes != NULL) {
        otlp_shape_learn(decode->shapes, &bookmark);
    }
    return status_ok();
}

static size_t skip_blanks(struct slice text, size_t at) {
    while (at < text.size && (text.data[at] == ' ' || text.data[at] == '\n' ||
                              text.data[at] == '\t' || text.data[at] == '\r')) {
        at++;
    }
    return at;
}

/* Where the element behind the one that ended at `at` begins; `at` when there is none. */
static size_t find_next_record(struct slice text, size_t at) {
    size_t comma = skip_blanks(text, at);
    if (comma == text.size || text.data[comma] != ',') {
        return at;
    }
    size_t next = skip_blanks(text, comma + 1);
    return next < text.size && text.data[next] == '{' ? next : at;
}

/* Records from the one that is due on, as long as they are spelled like earlier ones; the walk then
 * stands behind the last one, or before the next, which is due. */
static struct status take_shaped(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_attributes *outer, struct otlp_record *record,
                                 bool *is_due_out) {
    size_t at = json_next_at(walk);
    size_t size = 0;
    bool is_first = true;
    *is_due_out = true;
    while (walk->error == NULL) {
        otlp_record_init(record, EVENT_KIND_LOG);
        size = otlp_shape_take(decode->shapes, slice_tail(walk->bytes, at), record);
        if (size == 0) {
            break;
        }
        size_t mark = decode->arena->used_bytes;
        TRY(otlp_record_finish(record, decode, slice_of(walk->bytes.data + at, size), outer));
        arena_rewind(decode->arena, mark);
        size_t next = find_next_record(walk->bytes, at + size);
        is_first = false;
        *is_due_out = next != at + size;
        at = next;
        if (!*is_due_out) {
            break;
        }
    }
    if (!is_first) {
        json_jump(walk, at);
    }
    return status_ok();
}

static struct status take_record(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_attributes *outer) {
    struct otlp_record record;
    bool is_due = true;
    if (decode->shapes != NULL) {
        TRY(take_shaped(decode, walk, outer, &record, &is_due));
    }
    return is_due ? take_walked(decode, walk, outer, &record) : status_ok();
}

static struct status take_records(struct decode *decode, struct json_walk *walk,
                                  const struct otlp_attributes *outer) {
    return otlp_take_records(decode, walk, outer, take_record);
}

struct status otlp_json_decode_logs(struct decode *decode, struct slice body) {
    const struct otlp_json_request request = {SLICE("resourceLogs"), SLICE("scopeLogs"),
                                              SLICE("logRecords"), take_records};
    return otlp_json_decode_request(decode, body, &request);
}
