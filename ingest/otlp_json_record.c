/* otlp_json_record.c - see otlp_json_record.h. */
#include "ingest/otlp_json_record.h"

#include "core/base/text.h"

static void take_id(struct json_walk *walk, struct otlp_record *record, uint8_t *id_out,
                    size_t size) {
    struct slice text = {0};
    if (otlp_take_text(walk, &text) && text.size > 0 &&
        !status_is_ok(text_parse_hex(text, id_out, size))) {
        record->reason =
            size == 16 ? "traceId is not 32 hex digits" : "spanId is not 16 hex digits";
    }
}

void otlp_take_ids(struct json_walk *walk, struct slice key, struct otlp_record *record) {
    uint8_t id[16] = {0};
    bool is_trace = json_key_is(key, "traceId");
    bool is_parent = json_key_is(key, "parentSpanId");
    take_id(walk, record, id, is_trace ? 16 : 8);
    struct reader reader = reader_over(slice_of(id, sizeof(id)));
    uint64_t first = reader_u64_big_endian(&reader);
    if (is_trace) {
        record->envelope.trace_id.lo = first;
        record->envelope.trace_id.hi = reader_u64_big_endian(&reader);
    } else if (is_parent) {
        record->envelope.parent_span_id = first;
    } else {
        record->envelope.span_id = first;
    }
}

/* job.status makes the record a job's, check.status a check's. INVALID for an unknown word. */
static struct status settle_status(struct otlp_record *record, struct fault *reason) {
    const struct slice *known = record->attributes.known;
    bool is_job = known[OTLP_JOB_STATUS].size > 0;
    struct slice word = is_job ? known[OTLP_JOB_STATUS] : known[OTLP_CHECK_STATUS];
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

static struct status settle_record(struct otlp_record *record, struct arena *arena,
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
    envelope->error_class =
        known[OTLP_ERROR_TYPE].size > 0 ? known[OTLP_ERROR_TYPE] : known[OTLP_EXCEPTION_TYPE];
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

void otlp_record_init(struct otlp_record *record, enum event_kind kind) {
    /* Not the attributes' items: 128 of them are not cleared for every record. */
    memset(&record->envelope, 0, sizeof(record->envelope));
    memset(record->attributes.known, 0, sizeof(record->attributes.known));
    record->attributes.count = 0;
    record->attributes.is_cut = false;
    record->observed_ns = 0;
    record->reason = NULL;
    record->envelope.kind = kind;
}

struct status otlp_record_finish(struct otlp_record *record, struct decode *decode,
                                 struct json_walk *walk, size_t start,
                                 const struct otlp_attributes *outer) {
    if (walk->error != NULL) {
        return decode_fail(decode, walk);
    }
    struct slice raw = slice_of(walk->bytes.data + start, walk->at - start);
    struct fault reason;
    otlp_inherit(&record->attributes, outer);
    struct status status = settle_record(record, decode->arena, &reason);
    if (status.code == STATUS_INVALID) {
        return decode_refuse(decode, raw, reason.words);
    }
    TRY(status);
    return decode_add(decode, &record->envelope, record->attributes.known[OTLP_TENANT_ID], raw);
}

/* The attributes of a "resource" or "scope" object. */
static void take_owner(struct json_walk *walk, struct otlp_attributes *attributes) {
    struct slice key;
    if (json_take_null(walk) || !json_enter_object(walk)) {
        return;
    }
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "attributes")) {
            otlp_take_attributes(walk, attributes);
        } else {
            json_skip(walk, NULL);
        }
    }
}

static void inherit_once(struct otlp_attributes *attributes, const struct otlp_attributes *outer,
                         bool *is_done) {
    if (outer != NULL && !*is_done) {
        otlp_inherit(attributes, outer);
    }
    *is_done = true;
}

/* One object with an owner and its children. Usually the owner comes first and the children are
 * taken as they come; else the walk comes back to them once the owner is known. */
struct status otlp_take_level(struct decode *decode, struct json_walk *walk,
                              const struct otlp_level *level, const struct otlp_attributes *outer) {
    struct otlp_attributes attributes;
    struct json_walk children = {.error = "none"};
    struct slice key;
    bool has_owner = false;
    attributes.count = 0;
    attributes.is_cut = false;
    memset(attributes.known, 0, sizeof(attributes.known));
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        bool is_children = slice_equals(key, level->children);
        if (slice_equals(key, level->owner)) {
            take_owner(walk, &attributes);
            inherit_once(&attributes, outer, &has_owner);
        } else if (is_children && has_owner) {
            TRY(level->take_children(decode, walk, &attributes));
        } else {
            children = is_children ? *walk : children;
            json_skip(walk, NULL);
        }
    }
    if (walk->error != NULL) {
        return decode_fail(decode, walk);
    }
    inherit_once(&attributes, outer, &has_owner);
    return children.error != NULL ? status_ok()
                                  : level->take_children(decode, &children, &attributes);
}
