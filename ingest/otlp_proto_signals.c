/*
 * otlp_proto_signals.c - the export requests of log records and spans.
 * What a record means is the same as in JSON: otlp_record.c decides.
 */
#include "ingest/otlp_proto.h"

static struct status add_attribute(struct decode *decode, struct proto_root *root,
                                   struct slice message, struct otlp_record *record) {
    return otlp_proto_add_attribute(root, message, decode->arena, &record->attributes);
}

/* A failure of the request ends it before the record counts. */
static struct status finish(struct otlp_record *record, struct decode *decode,
                            const struct proto_root *root, struct slice message,
                            const struct otlp_attributes *outer) {
    return root->error != NULL ? status_ok() : otlp_record_finish(record, decode, message, outer);
}

/* --- Logs --- */

enum log_field {
    LOG_TIME = 1,
    LOG_SEVERITY = 2,
    LOG_BODY = 5,
    LOG_ATTRIBUTES = 6,
    LOG_TRACE_ID = 9,
    LOG_SPAN_ID = 10,
    LOG_OBSERVED_TIME = 11,
    LOG_EVENT_NAME = 12,
};

static struct status take_log_bytes(struct decode *decode, struct proto_root *root,
                                    const struct proto_field *field, struct otlp_record *record) {
    struct slice body = record->envelope.message;
    enum attribute_type type = ATTRIBUTE_STRING;
    switch (field->number) {
    case LOG_BODY:
        TRY(otlp_proto_take_any(root, field->bytes, decode->arena, &body, &type));
        otlp_record_set_body(record, body, type);
        return status_ok();
    case LOG_ATTRIBUTES:
        return add_attribute(decode, root, field->bytes, record);
    case LOG_TRACE_ID:
        otlp_proto_take_id(record, OTLP_PROTO_TRACE_ID, field->bytes);
        return status_ok();
    case LOG_SPAN_ID:
        otlp_proto_take_id(record, OTLP_PROTO_SPAN_ID, field->bytes);
        return status_ok();
    case LOG_EVENT_NAME:
        (void)proto_text(root, field, &record->event_name);
        return status_ok();
    default:
        return status_ok();
    }
}

static struct status take_log(struct decode *decode, struct proto_root *root, struct slice message,
                              const struct otlp_attributes *outer) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct otlp_record record;
    struct proto_field field;
    otlp_record_init(&record, EVENT_KIND_LOG);
    while (proto_next(&walk, &field)) {
        if (field.wire == PROTO_LENGTH) {
            TRY(take_log_bytes(decode, root, &field, &record));
        } else if (proto_is(&field, LOG_TIME, PROTO_FIXED64)) {
            record.envelope.event_time_ns = field.value;
        } else if (proto_is(&field, LOG_OBSERVED_TIME, PROTO_FIXED64)) {
            record.observed_ns = field.value;
        } else if (proto_is(&field, LOG_SEVERITY, PROTO_VARINT)) {
            otlp_record_set_severity(&record, field.value);
        }
    }
    return finish(&record, decode, root, message, outer);
}

static struct status take_scope_logs(struct decode *decode, struct proto_root *root,
                                     struct slice message, const struct otlp_attributes *outer) {
    static const struct otlp_proto_level level = {2, 3, take_log};
    return otlp_proto_take_level(decode, root, &level, message, outer);
}

struct status otlp_proto_decode_logs(struct decode *decode, struct slice body) {
    static const struct otlp_proto_level level = {2, 1, take_scope_logs};
    return otlp_proto_take_request(decode, &level, body);
}

/* --- Traces --- */

enum span_field {
    SPAN_TRACE_ID = 1,
    SPAN_SPAN_ID = 2,
    SPAN_PARENT_SPAN_ID = 4,
    SPAN_NAME = 5,
    SPAN_KIND = 6,
    SPAN_START = 7,
    SPAN_END = 8,
    SPAN_ATTRIBUTES = 9,
    SPAN_EVENTS = 11,
    SPAN_STATUS = 15,
};

static struct status take_span_event(struct decode *decode, struct proto_root *root,
                                     struct slice message, struct otlp_span *span) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct otlp_attributes attributes;
    struct proto_field field;
    otlp_attributes_reset(&attributes);
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 3, PROTO_LENGTH)) {
            TRY(otlp_proto_add_attribute(root, field.bytes, decode->arena, &attributes));
        }
    }
    otlp_span_note_event(span, &attributes);
    return status_ok();
}

static void take_span_status(struct proto_root *root, struct slice message,
                             struct otlp_span *span) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct proto_field field;
    while (proto_next(&walk, &field)) {
        if (proto_is(&field, 2, PROTO_LENGTH)) {
            (void)proto_text(root, &field, &span->status_message);
        } else if (proto_is(&field, 3, PROTO_VARINT)) {
            span->status_code = field.value;
        }
    }
}

static struct status take_span_bytes(struct decode *decode, struct proto_root *root,
                                     const struct proto_field *field, struct otlp_span *span) {
    struct otlp_record *record = &span->record;
    switch (field->number) {
    case SPAN_TRACE_ID:
        otlp_proto_take_id(record, OTLP_PROTO_TRACE_ID, field->bytes);
        return status_ok();
    case SPAN_SPAN_ID:
        otlp_proto_take_id(record, OTLP_PROTO_SPAN_ID, field->bytes);
        return status_ok();
    case SPAN_PARENT_SPAN_ID:
        otlp_proto_take_id(record, OTLP_PROTO_PARENT_SPAN_ID, field->bytes);
        return status_ok();
    case SPAN_NAME:
        (void)proto_text(root, field, &span->name);
        return status_ok();
    case SPAN_ATTRIBUTES:
        return add_attribute(decode, root, field->bytes, record);
    case SPAN_EVENTS:
        return take_span_event(decode, root, field->bytes, span);
    case SPAN_STATUS:
        take_span_status(root, field->bytes, span);
        return status_ok();
    default:
        return status_ok();
    }
}

static struct status take_span(struct decode *decode, struct proto_root *root, struct slice message,
                               const struct otlp_attributes *outer) {
    struct proto_walk walk = proto_walk_over(root, message);
    struct otlp_span span;
    struct proto_field field;
    otlp_span_init(&span);
    while (proto_next(&walk, &field)) {
        if (field.wire == PROTO_LENGTH) {
            TRY(take_span_bytes(decode, root, &field, &span));
        } else if (proto_is(&field, SPAN_END, PROTO_FIXED64)) {
            span.record.envelope.event_time_ns = field.value;
        } else if (proto_is(&field, SPAN_START, PROTO_FIXED64)) {
            span.record.observed_ns = field.value;
        } else if (proto_is(&field, SPAN_KIND, PROTO_VARINT)) {
            otlp_span_set_kind(&span, field.value);
        }
    }
    otlp_span_settle(&span);
    return finish(&span.record, decode, root, message, outer);
}

static struct status take_scope_spans(struct decode *decode, struct proto_root *root,
                                      struct slice message, const struct otlp_attributes *outer) {
    static const struct otlp_proto_level level = {2, 3, take_span};
    return otlp_proto_take_level(decode, root, &level, message, outer);
}

struct status otlp_proto_decode_traces(struct decode *decode, struct slice body) {
    static const struct otlp_proto_level level = {2, 1, take_scope_spans};
    return otlp_proto_take_request(decode, &level, body);
}
