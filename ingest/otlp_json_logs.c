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

struct log_record {
    struct envelope envelope;
    struct otlp_attributes attributes;
    uint64_t observed_ns;
    const char *reason; /* to be refused for, NULL when good */
};

static void take_id(struct json_walk *walk, struct log_record *record, uint8_t *id_out,
                    size_t size) {
    struct slice text = {0};
    if (otlp_take_text(walk, &text) && text.size > 0 &&
        !status_is_ok(text_parse_hex(text, id_out, size))) {
        record->reason = size == 16 ? "traceId is not 32 hex digits" : "spanId is not 16 hex digits";
    }
}

static void take_ids(struct json_walk *walk, struct slice key, struct log_record *record) {
    uint8_t id[16] = {0};
    bool is_trace = key.data[0] == 't';
    take_id(walk, record, id, is_trace ? 16 : 8);
    struct reader reader = reader_over(slice_of(id, sizeof(id)));
    uint64_t first = reader_u64_big_endian(&reader);
    if (is_trace) {
        record->envelope.trace_id.lo = first;
        record->envelope.trace_id.hi = reader_u64_big_endian(&reader);
    } else {
        record->envelope.span_id = first;
    }
}

static void take_severity(struct json_walk *walk, struct log_record *record) {
    uint64_t number = 0;
    if (otlp_take_u64(walk, &number)) {
        record->envelope.severity = event_severity_of_otlp(number > 24 ? 0 : (uint32_t)number);
    }
}

static void take_record_member(struct json_walk *walk, struct slice key,
                               struct log_record *record) {
    enum attribute_type type = ATTRIBUTE_STRING;
    if (slice_equals(key, SLICE("timeUnixNano"))) {
        otlp_take_u64(walk, &record->envelope.event_time_ns);
    } else if (slice_equals(key, SLICE("observedTimeUnixNano"))) {
        otlp_take_u64(walk, &record->observed_ns);
    } else if (slice_equals(key, SLICE("severityNumber"))) {
        take_severity(walk, record);
    } else if (slice_equals(key, SLICE("body"))) {
        otlp_take_any(walk, &record->envelope.message, &type);
    } else if (slice_equals(key, SLICE("attributes"))) {
        otlp_take_attributes(walk, &record->attributes);
    } else if (slice_equals(key, SLICE("traceId")) || slice_equals(key, SLICE("spanId"))) {
        take_ids(walk, key, record);
    } else {
        json_skip(walk, NULL);
    }
}

/* job.status makes the record a job's, check.status a check's. INVALID for an unknown word. */
static struct status settle_status(struct log_record *record, struct fault *reason) {
    const struct slice *known = record->attributes.known;
    bool is_job = known[OTLP_JOB_STATUS].size > 0;
    struct slice word = is_job ? known[OTLP_JOB_STATUS] : known[OTLP_CHECK_STATUS];
    record->envelope.kind = EVENT_KIND_LOG;
    if (word.size == 0) {
        return status_ok();
    }
    record->envelope.kind = is_job ? EVENT_KIND_JOB : EVENT_KIND_CHECK;
    if (!status_is_ok(event_status_parse(word, &record->envelope.status))) {
        return fault_set(reason, STATUS_INVALID, "unknown status \"%.*s\"",
                         SLICE_PRINT(slice_head(word, 40)));
    }
    return status_ok();
}

static struct status settle_record(struct log_record *record, struct arena *arena,
                                   struct fault *reason) {
    const struct slice *known = record->attributes.known;
    struct envelope *envelope = &record->envelope;
    struct derive_entity_keys keys = {
        .job_id = known[OTLP_JOB_ID].size > 0 ? known[OTLP_JOB_ID] : known[OTLP_PIPELINE_NAME],
        .dataset_name = known[OTLP_DATASET_NAME],
        .check_id = known[OTLP_CHECK_ID],
        .service_name = known[OTLP_SERVICE_NAME],
        .service_namespace = known[OTLP_SERVICE_NAMESPACE],
    };
    if (record->reason != NULL) {
        return fault_set(reason, STATUS_INVALID, "%s", record->reason);
    }
    TRY(settle_status(record, reason));
    envelope->event_id = known[OTLP_EVENT_ID];
    envelope->run_id = known[OTLP_RUN_ID];
    envelope->error_class = known[OTLP_ERROR_TYPE].size > 0 ? known[OTLP_ERROR_TYPE]
                                                            : known[OTLP_EXCEPTION_TYPE];
    if (envelope->message.size == 0) {
        envelope->message = known[OTLP_EXCEPTION_MESSAGE];
    }
    if (envelope->event_time_ns == 0) {
        envelope->event_time_ns = record->observed_ns;
    }
    envelope->flags |= record->attributes.is_cut ? ENVELOPE_MESSAGE_CUT : 0u;
    envelope->attributes = record->attributes.items;
    envelope->attributes_count = record->attributes.count;
    return derive_entity(&keys, arena, &envelope->entity, reason);
}

static struct status take_record(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_attributes *outer) {
    struct log_record record;
    struct slice key;
    memset(&record.envelope, 0, sizeof(record.envelope));
    memset(record.attributes.known, 0, sizeof(record.attributes.known));
    record.attributes.count = 0;
    record.attributes.is_cut = false;
    record.observed_ns = 0;
    record.reason = NULL;
    size_t start = walk->at;
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        take_record_member(walk, key, &record);
    }
    if (walk->error != NULL) {
        return decode_fail(decode, walk);
    }
    struct slice raw = slice_of(walk->bytes.data + start, walk->at - start);
    struct fault reason;
    otlp_inherit(&record.attributes, outer);
    struct status status = settle_record(&record, decode->arena, &reason);
    if (status.code == STATUS_INVALID) {
        return decode_refuse(decode, raw, reason.words);
    }
    TRY(status);
    return decode_add(decode, &record.envelope, record.attributes.known[OTLP_TENANT_ID], raw);
}

static struct status take_records(struct decode *decode, struct json_walk *walk,
                                  const struct otlp_attributes *outer) {
    if (!json_take_null(walk)) {
        json_enter_array(walk);
        while (json_next_element(walk)) {
            size_t mark = decode->arena->used_bytes;
            json_peek(walk);
            TRY(take_record(decode, walk, outer));
            arena_rewind(decode->arena, mark);
        }
    }
    return walk->error == NULL ? status_ok() : decode_fail(decode, walk);
}

/* The attributes of a "resource" or "scope" object. */
static void take_owner(struct json_walk *walk, struct otlp_attributes *attributes) {
    struct slice key;
    if (json_take_null(walk) || !json_enter_object(walk)) {
        return;
    }
    while (json_next_member(walk, &key)) {
        if (slice_equals(key, SLICE("attributes"))) {
            otlp_take_attributes(walk, attributes);
        } else {
            json_skip(walk, NULL);
        }
    }
}

struct level {
    struct slice owner;    /* "resource" */
    struct slice children; /* "scopeLogs" */
    struct status (*take_children)(struct decode *decode, struct json_walk *walk,
                                   const struct otlp_attributes *outer);
};

/* One object with an owner and its children, in either order. */
static struct status take_level(struct decode *decode, struct json_walk *walk,
                                const struct level *level, const struct otlp_attributes *outer) {
    struct otlp_attributes attributes;
    struct json_walk children = {.error = "none"};
    struct slice key;
    attributes.count = 0;
    attributes.is_cut = false;
    memset(attributes.known, 0, sizeof(attributes.known));
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (slice_equals(key, level->owner)) {
            take_owner(walk, &attributes);
        } else {
            children = slice_equals(key, level->children) ? *walk : children;
            json_skip(walk, NULL);
        }
    }
    if (walk->error != NULL) {
        return decode_fail(decode, walk);
    }
    if (outer != NULL) {
        otlp_inherit(&attributes, outer);
    }
    return children.error != NULL ? status_ok()
                                  : level->take_children(decode, &children, &attributes);
}

static struct status take_scopes(struct decode *decode, struct json_walk *walk,
                                 const struct otlp_attributes *outer) {
    static const struct level level = {{(const uint8_t *)"scope", 5},
                                       {(const uint8_t *)"logRecords", 10}, take_records};
    if (!json_take_null(walk)) {
        json_enter_array(walk);
        while (json_next_element(walk)) {
            TRY(take_level(decode, walk, &level, outer));
        }
    }
    return walk->error == NULL ? status_ok() : decode_fail(decode, walk);
}

static struct status take_resources(struct decode *decode, struct json_walk *walk) {
    static const struct level level = {{(const uint8_t *)"resource", 8},
                                       {(const uint8_t *)"scopeLogs", 9}, take_scopes};
    if (!json_take_null(walk)) {
        json_enter_array(walk);
        while (json_next_element(walk)) {
            TRY(take_level(decode, walk, &level, NULL));
        }
    }
    return status_ok();
}

struct status otlp_json_decode_logs(struct decode *decode, struct slice body) {
    struct json_walk walk = json_walk_over(body, decode->arena);
    struct slice key;
    json_enter_object(&walk);
    while (json_next_member(&walk, &key)) {
        if (slice_equals(key, SLICE("resourceLogs"))) {
            TRY(take_resources(decode, &walk));
        } else {
            json_skip(&walk, NULL);
        }
    }
    return json_finish(&walk) ? status_ok() : decode_fail(decode, &walk);
}
