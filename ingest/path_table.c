/* path_table.c - see path_table.h. */
#include "ingest/path_table.h"

#include "core/base/assert.h"
#include "ingest/edges.h"
#include "ingest/formats.h"
#include "ingest/native.h"
#include "ingest/otlp_proto.h"

#define SEND "the content type must be "
#define OTLP_TYPES SEND "application/json or application/x-protobuf"
static const struct route routes[ROUTES] = {
    [ROUTE_LOGS] = {"/v1/logs", ANSWER_OTLP, OTLP_TYPES, "otlp-http", "rejectedLogRecords"},
    [ROUTE_TRACES] = {"/v1/traces", ANSWER_OTLP, OTLP_TYPES, "otlp-http", "rejectedSpans"},
    [ROUTE_METRICS] = {"/v1/metrics", ANSWER_OTLP, OTLP_TYPES, "otlp-http", "rejectedDataPoints"},
    [ROUTE_EVENTS] = {"/v1/events", ANSWER_NATIVE, SEND "application/json or application/x-ndjson",
                      "native", ""},
    [ROUTE_LINEAGE] = {"/api/v1/lineage", ANSWER_LINEAGE, SEND "application/json", "openlineage",
                       ""},
    [ROUTE_LINEAGE_BATCH] = {"/api/v1/lineage/batch", ANSWER_LINEAGE, SEND "application/json",
                             "openlineage", ""},
    [ROUTE_ALERTS] = {"/api/v2/alerts", ANSWER_ALERTS, SEND "application/json", "alertmanager", ""},
    [ROUTE_CLOUDEVENTS] = {"/v1/cloudevents", ANSWER_COUNTS,
                           SEND "application/cloudevents+json, "
                                "application/cloudevents-batch+json, or application/json with "
                                "ce- headers",
                           "cloudevents", ""},
    [ROUTE_EDGES] = {"/v1/edges", ANSWER_COUNTS,
                     SEND "text/csv, application/json or application/x-ndjson", "edges", ""},
    [ROUTE_PING] = {"/ping/", ANSWER_PING, "", "ping", ""},
};

static struct status decode_native(struct decode *decode, struct slice body) {
    return native_decode(decode, body, false);
}

static struct status decode_native_lines(struct decode *decode, struct slice body) {
    return native_decode(decode, body, true);
}

/* Binary mode when the headers say so; else a structured event whose sender left the type plain. */
static struct status decode_cloudevent_data(struct decode *decode, struct slice body) {
    const struct intake *intake = decode->context;
    bool is_binary = http_header_find(intake->request, "ce-specversion").size > 0;
    return is_binary ? cloudevents_decode_binary(decode, intake->request, body)
                     : cloudevents_decode(decode, body);
}

static const struct format formats[] = {
    {ROUTE_LOGS, "application/json", ANSWER_OTLP, otlp_json_decode_logs},
    {ROUTE_LOGS, "application/x-protobuf", ANSWER_PROTO, otlp_proto_decode_logs},
    {ROUTE_TRACES, "application/json", ANSWER_OTLP, otlp_json_decode_traces},
    {ROUTE_TRACES, "application/x-protobuf", ANSWER_PROTO, otlp_proto_decode_traces},
    {ROUTE_METRICS, "application/json", ANSWER_OTLP, otlp_json_decode_metrics},
    {ROUTE_METRICS, "application/x-protobuf", ANSWER_PROTO, otlp_proto_decode_metrics},
    {ROUTE_EVENTS, "application/json", ANSWER_NATIVE, decode_native},
    {ROUTE_EVENTS, "application/x-ndjson", ANSWER_NATIVE, decode_native_lines},
    {ROUTE_EVENTS, "application/ndjson", ANSWER_NATIVE, decode_native_lines},
    {ROUTE_EVENTS, "application/jsonl", ANSWER_NATIVE, decode_native_lines},
    {ROUTE_EVENTS, "text/plain", ANSWER_NATIVE, decode_native},
    {ROUTE_EVENTS, "", ANSWER_NATIVE, decode_native},
    {ROUTE_EVENTS, "application/x-www-form-urlencoded", ANSWER_NATIVE, decode_native}, /* curl -d */
    {ROUTE_LINEAGE, "application/json", ANSWER_LINEAGE, lineage_decode},
    {ROUTE_LINEAGE, "", ANSWER_LINEAGE, lineage_decode},
    {ROUTE_LINEAGE, "application/x-www-form-urlencoded", ANSWER_LINEAGE, lineage_decode},
    {ROUTE_LINEAGE_BATCH, "application/json", ANSWER_LINEAGE, lineage_decode},
    {ROUTE_LINEAGE_BATCH, "", ANSWER_LINEAGE, lineage_decode},
    {ROUTE_LINEAGE_BATCH, "application/x-www-form-urlencoded", ANSWER_LINEAGE, lineage_decode},
    {ROUTE_ALERTS, "application/json", ANSWER_ALERTS, alerts_decode},
    {ROUTE_ALERTS, "", ANSWER_ALERTS, alerts_decode},
    {ROUTE_ALERTS, "application/x-www-form-urlencoded", ANSWER_ALERTS, alerts_decode},
    {ROUTE_CLOUDEVENTS, "application/cloudevents+json", ANSWER_COUNTS, cloudevents_decode},
    {ROUTE_CLOUDEVENTS, "application/cloudevents-batch+json", ANSWER_COUNTS, cloudevents_decode},
    {ROUTE_CLOUDEVENTS, "application/json", ANSWER_COUNTS, decode_cloudevent_data},
    {ROUTE_CLOUDEVENTS, "", ANSWER_COUNTS, decode_cloudevent_data},
    {ROUTE_CLOUDEVENTS, "application/x-www-form-urlencoded", ANSWER_COUNTS, decode_cloudevent_data},
    {ROUTE_EDGES, "text/csv", ANSWER_COUNTS, edges_decode},
    {ROUTE_EDGES, "text/plain", ANSWER_COUNTS, edges_decode},
    {ROUTE_EDGES, "application/json", ANSWER_COUNTS, edges_decode},
    {ROUTE_EDGES, "application/x-ndjson", ANSWER_COUNTS, edges_decode},
    {ROUTE_EDGES, "", ANSWER_COUNTS, edges_decode},
    {ROUTE_EDGES, "application/x-www-form-urlencoded", ANSWER_COUNTS, edges_decode}, /* curl */
};

#define COLLECTOR "/opentelemetry.proto.collector."

/* gRPC: by its method, whatever the path of the route is. */
static const struct {
    const char *path;
    struct format format;
} methods[] = {
    {COLLECTOR "logs.v1.LogsService/Export",
     {ROUTE_LOGS, "application/grpc", ANSWER_GRPC, otlp_proto_decode_logs}},
    {COLLECTOR "trace.v1.TraceService/Export",
     {ROUTE_TRACES, "application/grpc", ANSWER_GRPC, otlp_proto_decode_traces}},
    {COLLECTOR "metrics.v1.MetricsService/Export",
     {ROUTE_METRICS, "application/grpc", ANSWER_GRPC, otlp_proto_decode_metrics}},
};

const struct route *route_at(enum route_name name) {
    ASSERT(name < ROUTES);
    return &routes[name];
}

enum route_name route_find(struct slice path) {
    bool has_slash = path.size > 1 && path.data[path.size - 1] == '/';
    struct slice plain = has_slash ? slice_head(path, path.size - 1) : path;
    size_t route = 0;
    while (route < ROUTE_PING && !slice_equals(plain, slice_of_text(routes[route].path))) {
        route++;
    }
    return (enum route_name)route;
}

/* CloudEvents in binary mode: its data, of whatever media type, may say nothing to us. What begins
 * with "application/cloudevents" is a whole event in an encoding that we do not know. */
static const struct format *format_find_context(enum route_name route, struct slice type,
                                                const struct http_request *request) {
    static const struct format any = {ROUTE_CLOUDEVENTS, "", ANSWER_COUNTS, decode_cloudevent_data};
    static const char whole[] = "application/cloudevents";
    bool is_whole = media_type_is(slice_head(type, sizeof(whole) - 1), whole);
    bool has_context = http_header_find(request, "ce-specversion").size > 0;
    return route == ROUTE_CLOUDEVENTS && has_context && !is_whole ? &any : NULL;
}

const struct format *format_find(enum route_name route, const struct http_request *request) {
    struct slice type = media_type_of(request);
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        if (formats[i].route == route && media_type_is(type, formats[i].type)) {
            return &formats[i];
        }
    }
    return format_find_context(route, type, request);
}

const struct format *format_find_grpc(struct slice path) {
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (slice_equals(path, slice_of_text(methods[i].path))) {
            return &methods[i].format;
        }
    }
    return NULL;
}

struct slice media_type_of(const struct http_request *request) {
    struct slice value = http_header_find(request, "content-type");
    return slice_trim(slice_head(value, slice_find_byte(value, ';')));
}

bool media_type_is(struct slice type, const char *name) {
    return slice_equals_ignoring_case(type, slice_of_text(name));
}

bool media_type_is_json(struct slice type) {
    struct slice subtype = slice_tail(type, slice_find_byte(type, '/') + 1);
    size_t suffix = slice_find_byte(subtype, '+');
    struct slice syntax = suffix < subtype.size ? slice_tail(subtype, suffix + 1) : subtype;
    return type.size == 0 || media_type_is(syntax, "json");
}
