/* otlp_record.c - see otlp_record.h. */
#include "ingest/otlp_record.h"

#include "core/base/text.h"
#include "ingest/otlp_edges.h"

/* The attributes that the rules look for, by name. */
#define FOR_EACH_KNOWN(X)                                                                          \
    X(OTLP_JOB_ID, "job.id")                                                                       \
    X(OTLP_PIPELINE_NAME, "cicd.pipeline.name")                                                    \
    X(OTLP_DATASET_NAME, "dataset.name")                                                           \
    X(OTLP_CHECK_ID, "check.id")                                                                   \
    X(OTLP_SERVICE_NAME, "service.name")                                                           \
    X(OTLP_SERVICE_NAMESPACE, "service.namespace")                                                 \
    X(OTLP_JOB_STATUS, "job.status")                                                               \
    X(OTLP_CHECK_STATUS, "check.status")                                                           \
    X(OTLP_EVENT_ID, "event.id")                                                                   \
    X(OTLP_RUN_ID, "run.id")                                                                       \
    X(OTLP_ERROR_TYPE, "error.type")                                                               \
    X(OTLP_EXCEPTION_TYPE, "exception.type")                                                       \
    X(OTLP_EXCEPTION_MESSAGE, "exception.message")                                                 \
    X(OTLP_TENANT_ID, "tenant.id")                                                                 \
    X(OTLP_DB_SYSTEM, "db.system")                                                                 \
    X(OTLP_DB_SYSTEM_NAME, "db.system.name")                                                       \
    X(OTLP_DB_NAME, "db.name")                                                                     \
    X(OTLP_DB_NAMESPACE, "db.namespace")                                                           \
    X(OTLP_SERVER_ADDRESS, "server.address")                                                       \
    X(OTLP_PEER_SERVICE, "peer.service")                                                           \
    X(OTLP_MESSAGING_SYSTEM, "messaging.system")                                                   \
    X(OTLP_MESSAGING_DESTINATION, "messaging.destination")                                         \
    X(OTLP_MESSAGING_DESTINATION_NAME, "messaging.destination.name")

static const struct slice known_keys[OTLP_KNOWN_COUNT] = {
#define KEY(name, words) [name] = {(const uint8_t *)(words), sizeof(words) - 1},
    FOR_EACH_KNOWN(KEY)
#undef KEY
};

/* Bit n is set when a known key has n bytes. */
#define SIZE_BIT(name, words) | UINT64_C(1) << (sizeof(words) - 1)
static const uint64_t known_sizes = 0 FOR_EACH_KNOWN(SIZE_BIT);
#undef SIZE_BIT

static void note_known(struct otlp_attributes *attributes, struct slice key, struct slice value) {
    /* Few keys have the length of a known one. */
    if (key.size >= 64 || (known_sizes >> key.size & 1) == 0) {
        return;
    }
    for (size_t i = 0; i < OTLP_KNOWN_COUNT; i++) {
        if (slice_equals(key, known_keys[i])) {
            attributes->known[i] = value;
            return;
        }
    }
}

void otlp_attributes_reset(struct otlp_attributes *attributes) {
    /* Not the items: 128 of them are not cleared for every record. */
    attributes->count = 0;
    attributes->is_cut = false;
    memset(attributes->known, 0, sizeof(attributes->known));
}

static struct slice cut_value(struct slice value) {
    value = slice_head(value, ATTRIBUTE_BYTES_MAX);
    while (value.size > 0 && !text_is_utf8(value)) {
        value.size--;
    }
    return value;
}

void otlp_attributes_add(struct otlp_attributes *attributes, const struct attribute *attribute) {
    note_known(attributes, attribute->key, attribute->value);
    if (attributes->count == ATTRIBUTES_PER_EVENT_MAX) {
        attributes->is_cut = true;
        return;
    }
    struct attribute *item = &attributes->items[attributes->count++];
    *item = *attribute;
    if (item->value.size > ATTRIBUTE_BYTES_MAX) {
        attributes->is_cut = true;
        item->value = cut_value(item->value);
    }
}

void otlp_inherit(struct otlp_attributes *inner, const struct otlp_attributes *outer) {
    uint32_t own = inner->count;
    for (size_t i = 0; i < OTLP_KNOWN_COUNT; i++) {
        if (inner->known[i].size == 0) {
            inner->known[i] = outer->known[i];
        }
    }
    for (uint32_t i = 0; i < outer->count; i++) {
        bool is_named = false;
        for (uint32_t j = 0; j < own && !is_named; j++) {
            is_named = slice_equals(inner->items[j].key, outer->items[i].key);
        }
        if (is_named) {
            continue;
        }
        if (inner->count == ATTRIBUTES_PER_EVENT_MAX) {
            inner->is_cut = true;
            return;
        }
        inner->items[inner->count++] = outer->items[i];
    }
}

/* job.status makes the record a job's, check.status a check's. INVALID for an unknown word. */
static struct status settle_status(struct otlp_record *record, struct fault *reason) {
    const struct slice *known = record->attributes.known;
    if (record->envelope.kind == EVENT_KIND_METRIC) {
        return status_ok(); /* there it is a label: how many jobs failed, not that one did */
    }
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

static struct status settle_record(struct otlp_record *record, struct decode *decode,
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
    return derive_memo_entity(&decode->memo, &keys, decode->arena, &envelope->entity, reason);
}

void otlp_record_init(struct otlp_record *record, enum event_kind kind) {
    memset(&record->envelope, 0, sizeof(record->envelope));
    otlp_attributes_reset(&record->attributes);
    record->observed_ns = 0;
    record->reason = NULL;
    record->span = NULL;
    record->envelope.kind = kind;
}

void otlp_record_set_severity(struct otlp_record *record, uint64_t number) {
    record->envelope.severity = event_severity_of_otlp(number > 24 ? 0 : (uint32_t)number);
}

/* --- Spans --- */

enum { SPAN_STATUS_ERROR = 2 };

void otlp_span_init(struct otlp_span *span) {
    otlp_record_init(&span->record, EVENT_KIND_SPAN);
    span->record.span = span;
    span->kind = SPAN_KIND_UNSPECIFIED;
    span->name = slice_of(NULL, 0);
    span->status_message = slice_of(NULL, 0);
    span->status_code = 0;
}

void otlp_span_set_kind(struct otlp_span *span, uint64_t number) {
    span->kind = number > SPAN_KIND_CONSUMER ? SPAN_KIND_UNSPECIFIED : (enum span_kind)number;
}

void otlp_span_note_event(struct otlp_span *span, const struct otlp_attributes *attributes) {
    static const enum otlp_known wanted[] = {OTLP_EXCEPTION_TYPE, OTLP_EXCEPTION_MESSAGE};
    for (size_t i = 0; i < 2; i++) {
        struct slice *known = &span->record.attributes.known[wanted[i]];
        *known = known->size > 0 ? *known : attributes->known[wanted[i]];
    }
}

void otlp_span_settle(struct otlp_span *span) {
    struct envelope *envelope = &span->record.envelope;
    if (span->status_code == SPAN_STATUS_ERROR) {
        envelope->status = EVENT_STATUS_FAILED;
        envelope->severity = EVENT_SEVERITY_ERROR;
        envelope->message = span->status_message;
        if (envelope->message.size == 0) {
            envelope->message = span->record.attributes.known[OTLP_EXCEPTION_MESSAGE];
        }
    }
    envelope->message = envelope->message.size > 0 ? envelope->message : span->name;
}

/* --- The end --- */

struct status otlp_record_finish(struct otlp_record *record, struct decode *decode,
                                 struct slice raw, const struct otlp_attributes *outer) {
    struct fault reason;
    otlp_inherit(&record->attributes, outer);
    struct status status = settle_record(record, decode, &reason);
    if (status.code == STATUS_INVALID) {
        return decode_refuse(decode, raw, reason.words);
    }
    TRY(status);
    uint32_t accepted = decode->accepted;
    TRY(decode_add(decode, &record->envelope, record->attributes.known[OTLP_TENANT_ID], raw));
    bool teaches = record->span != NULL && decode->spans != NULL && decode->accepted > accepted;
    return teaches ? otlp_edges_learn(record->span, decode, raw) : status_ok();
}
