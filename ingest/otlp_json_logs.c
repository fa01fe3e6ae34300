/*
 * otlp_json_logs.c - ExportLogsServiceRequest: resourceLogs > scopeLogs > logRecords.
 *
 * A resource or scope may stand behind its children: the walk then goes back to the children once
 * the outer attributes are known (a walk is a value, so a bookmark is a copy).
 */
#include "core/base/assert.h"
#include "core/base/text.h"
#include "ingest/decode.h"
#include "ingest/otlp_json.h"
#include "ingest/otlp_json_record.h"
#include "ingest/otlp_json_usual.h"

static void take_severity(struct json_walk *walk, struct otlp_record *record) {
    uint64_t number = 0;
    if (otlp_take_u64(walk, &number)) {
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
        otlp_take_any(walk, &record->envelope.message, &type);
    } else if (json_key_is(key, "attributes")) {
        otlp_take_attributes(walk, &record->attributes);
    } else if (json_key_is(key, "traceId") || json_key_is(key, "spanId")) {
        otlp_take_ids(walk, key, record);
    } else {
        json_skip(walk, NULL);
    }
}

static struct status take_record(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_attributes *outer) {
    struct otlp_record record;
    struct slice key = {0}; /* of a member that is not spelled as usual */
    otlp_record_init(&record, EVENT_KIND_LOG);
    size_t start = json_next_at(walk);
    json_enter_object(walk);
    while (otlp_take_usual_log_member(walk, &record) || json_next_member(walk, &key)) {
        if (key.data != NULL) {
            take_record_member(walk, key, &record);
            key.data = NULL;
        }
    }
    return otlp_json_finish_record(&record, decode, walk, start, outer);
}

static struct status take_records(struct decode *decode, struct json_walk *walk,
                                  const struct otlp_attributes *outer) {
    if (!json_take_null(walk)) {
        json_enter_array(walk);
        while (json_next_element(walk)) {
            size_t mark = decode->arena->used_bytes;
            TRY(take_record(decode, walk, outer));
            arena_rewind(decode->arena, mark);
        }
    }
    return walk->error == NULL ? status_ok() : decode_fail(decode, walk);
}

static struct status take_scopes(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_attributes *outer) {
    static const struct otlp_level level = {
        {(const uint8_t *)"scope", 5}, {(const uint8_t *)"logRecords", 10}, take_records};
    if (!json_take_null(walk)) {
        json_enter_array(walk);
        while (json_next_element(walk)) {
            TRY(otlp_take_level(decode, walk, &level, outer));
        }
    }
    return walk->error == NULL ? status_ok() : decode_fail(decode, walk);
}

static struct status take_resources(struct decode *decode, struct json_walk *walk) {
    static const struct otlp_level level = {
        {(const uint8_t *)"resource", 8}, {(const uint8_t *)"scopeLogs", 9}, take_scopes};
    if (!json_take_null(walk)) {
        json_enter_array(walk);
        while (json_next_element(walk)) {
            TRY(otlp_take_level(decode, walk, &level, NULL));
        }
    }
    return status_ok();
}

struct status otlp_json_decode_logs(struct decode *decode, struct slice body) {
    struct json_walk walk = json_walk_over(body, decode->arena);
    struct slice key;
    json_enter_object(&walk);
    while (json_next_member(&walk, &key)) {
        if (json_key_is(key, "resourceLogs")) {
            TRY(take_resources(decode, &walk));
        } else {
            json_skip(&walk, NULL);
        }
    }
    return json_finish(&walk) ? status_ok() : decode_fail(decode, &walk);
}
