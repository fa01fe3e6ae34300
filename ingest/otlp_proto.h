/*
 * otlp_proto.h - OTLP requests in protobuf, straight to envelopes in one pass.
 *
 * Field numbers: opentelemetry-proto 1.x. A resource or scope may stand behind its children, so a
 * level's fields are passed over for its owner first; that touches tags and lengths only.
 * Thread: one at a time.
 */
#pragma once

#include "ingest/otlp_record.h"
#include "ingest/proto_walk.h"

/* Adds a KeyValue; FULL: the arena is. A failure stands in the root. */
MUST_CHECK struct status otlp_proto_add_attribute(struct proto_root *root, struct slice message,
                                                  struct arena *arena,
                                                  struct otlp_attributes *attributes);
/* An AnyValue as text, with its type. */
MUST_CHECK struct status otlp_proto_take_any(struct proto_root *root, struct slice message,
                                             struct arena *arena, struct slice *text_out,
                                             enum attribute_type *type_out);
/* 16 or 8 bytes of an id, else the record's reason is set; empty is no id. */
void otlp_proto_take_id(struct otlp_record *record, uint32_t which, struct slice bytes);
enum { OTLP_PROTO_TRACE_ID, OTLP_PROTO_SPAN_ID, OTLP_PROTO_PARENT_SPAN_ID };

struct otlp_proto_level {
    uint32_t children; /* the field number of scopeLogs or logRecords; its owner is field 1 */
    uint32_t owner_attributes; /* 1 of a Resource, 3 of an InstrumentationScope */
    struct status (*take_child)(struct decode *decode, struct proto_root *root,
                                struct slice message, const struct otlp_attributes *outer);
};
/* One ResourceLogs, ScopeLogs or the like: its owner's attributes, then its children. */
MUST_CHECK struct status otlp_proto_take_level(struct decode *decode, struct proto_root *root,
                                               const struct otlp_proto_level *level,
                                               struct slice message,
                                               const struct otlp_attributes *outer);
/* All of field 1 of a request, as levels. */
MUST_CHECK struct status otlp_proto_take_request(struct decode *decode,
                                                 const struct otlp_proto_level *level,
                                                 struct slice body);

/* An ExportLogsServiceRequest. INVALID with decode->fault: the body is not one. */
MUST_CHECK struct status otlp_proto_decode_logs(struct decode *decode, struct slice body);
/* An ExportTraceServiceRequest. */
MUST_CHECK struct status otlp_proto_decode_traces(struct decode *decode, struct slice body);
/* An ExportMetricsServiceRequest. */
MUST_CHECK struct status otlp_proto_decode_metrics(struct decode *decode, struct slice body);
