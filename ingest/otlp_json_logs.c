/*
 * otlp_json_logs.c - ExportLogsServiceRequest: resourceLogs > scopeLogs > logRecords.
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
    } else if (json_key_is(key, "eventName")) {
        otlp_take_text(walk, &record->event_name);
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
    return otlp_take_records(decode, walk, outer, take_record);
}

struct status otlp_json_decode_logs(struct decode *decode, struct slice body) {
    const struct otlp_json_request request = {SLICE("resourceLogs"), SLICE("scopeLogs"),
                                              SLICE("logRecords"), take_records};
    return otlp_json_decode_request(decode, body, &request);
}
