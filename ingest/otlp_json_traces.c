/*
 * otlp_json_traces.c - ExportTraceServiceRequest: resourceSpans > scopeSpans > spans.
 *
 * What a span means is otlp_record.h's.
 */
#include "ingest/decode.h"
#include "ingest/otlp_json_record.h"

static void take_status(struct json_walk *walk, struct otlp_span *span) {
    struct slice key;
    if (json_take_null(walk) || !json_enter_object(walk)) {
        return;
    }
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "code")) {
            otlp_take_enum(walk, &span->status_code);
        } else if (json_key_is(key, "message")) {
            otlp_take_text(walk, &span->status_message);
        } else {
            json_skip(walk, NULL);
        }
    }
}

static void take_event(struct json_walk *walk, struct otlp_span *span) {
    struct otlp_attributes attributes;
    struct slice key;
    otlp_attributes_reset(&attributes);
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (json_key_is(key, "attributes")) {
            otlp_take_attributes(walk, &attributes);
        } else {
            json_skip(walk, NULL);
        }
    }
    otlp_span_note_event(span, &attributes);
}

static void take_events(struct json_walk *walk, struct otlp_span *span) {
    if (json_take_null(walk) || !json_enter_array(walk)) {
        return;
    }
    while (json_next_element(walk)) {
        take_event(walk, span);
    }
}

static void take_span_member(struct json_walk *walk, struct slice key, struct otlp_span *span) {
    struct otlp_record *record = &span->record;
    if (json_key_is(key, "endTimeUnixNano")) {
        otlp_take_u64(walk, &record->envelope.event_time_ns);
    } else if (json_key_is(key, "startTimeUnixNano")) {
        otlp_take_u64(walk, &record->observed_ns);
    } else if (json_key_is(key, "kind")) {
        uint64_t kind = 0;
        otlp_take_enum(walk, &kind);
        otlp_span_set_kind(span, kind);
    } else if (json_key_is(key, "name")) {
        otlp_take_text(walk, &span->name);
    } else if (json_key_is(key, "status")) {
        take_status(walk, span);
    } else if (json_key_is(key, "attributes")) {
        otlp_take_attributes(walk, &record->attributes);
    } else if (json_key_is(key, "events")) {
        take_events(walk, span);
    } else if (json_key_is(key, "traceId") || json_key_is(key, "spanId") ||
               json_key_is(key, "parentSpanId")) {
        otlp_take_ids(walk, key, record);
    } else {
        json_skip(walk, NULL);
    }
}

static struct status take_span(struct decode *decode, struct json_walk *walk,
                               const struct otlp_attributes *outer) {
    struct otlp_span span;
    struct slice key;
    otlp_span_init(&span);
    size_t start = json_next_at(walk);
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        take_span_member(walk, key, &span);
    }
    otlp_span_settle(&span);
    return otlp_json_finish_record(&span.record, decode, walk, start, outer);
}

static struct status take_spans(struct decode *decode, struct json_walk *walk,
                                const struct otlp_attributes *outer) {
    return otlp_take_records(decode, walk, outer, take_span);
}

struct status otlp_json_decode_traces(struct decode *decode, struct slice body) {
    const struct otlp_json_request request = {SLICE("resourceSpans"), SLICE("scopeSpans"),
                                              SLICE("spans"), take_spans};
    return otlp_json_decode_request(decode, body, &request);
}
