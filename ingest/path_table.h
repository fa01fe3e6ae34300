/*
 * path_table.h - what is taken where: paths, media types, and the decoder of each.
 */
#pragma once

#include "ingest/ingest_internal.h"

typedef struct status decode_fn(struct decode *decode, struct slice body);

struct route {
    const char *path;
    enum answer_style style;
    const char *types;        /* for a person: what may be sent */
    const char *source;       /* of its envelopes */
    const char *rejected_key; /* OTLP: the name of its count */
};

enum route_name {
    ROUTE_LOGS,
    ROUTE_TRACES,
    ROUTE_METRICS,
    ROUTE_EVENTS,
    ROUTE_LINEAGE,
    ROUTE_LINEAGE_BATCH,
    ROUTE_ALERTS,
    ROUTE_CLOUDEVENTS,
    ROUTE_EDGES,
    ROUTE_PING, /* the last: not known by its whole path */
    ROUTES,
};

/* How the body of one request is read and answered; the first that fits. */
struct format {
    enum route_name route;
    const char *type; /* "": none was said */
    enum answer_style style;
    decode_fn *decode;
};

/* Always known. */
const struct route *route_at(enum route_name name);
/* ROUTE_PING: none that is known by its whole path. A slash behind it, which a client makes of a
 * base URL, changes nothing. */
enum route_name route_find(struct slice path);
/* By the media type of its body, and what its headers make of that. NULL: not taken there. */
const struct format *format_find(enum route_name route, const struct http_request *request);
/* Of a gRPC method, by its path; NULL: none. */
const struct format *format_find_grpc(struct slice path);
/* "application/json; charset=utf-8" -> "application/json" */
struct slice media_type_of(const struct http_request *request);
bool media_type_is(struct slice type, const char *name);
/* "application/json", "application/vnd.acme+json"; none at all, too. */
bool media_type_is_json(struct slice type);
