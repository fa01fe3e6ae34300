/*
 * grpc.h - OTLP/gRPC: the gRPC wire protocol over the HTTP/2 server ("gRPC over HTTP2", grpc/doc).
 *
 * A unary request is one message behind a prefix of five bytes (compressed flag, length), answered
 * by HTTP 200 and a status in the trailers. What ingest would answer over HTTP maps to a gRPC
 * status (grpc.c); backpressure is UNAVAILABLE with RetryInfo, as the OTLP specification asks. An
 * answer of many messages is for the health service (health.h).
 * Thread: the ingest's.
 */
#pragma once

#include "core/http.h"
#include "ingest/inflate.h"

/* google.rpc.Code */
enum grpc_code {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
};

/* Whether the request speaks gRPC: its media type on a connection that can carry trailers. */
bool grpc_is_request(const struct http_request *request);
/* The one message of the request, inflated if it is compressed. 0, or the HTTP status to refuse it
 * with and why. 413 has no words: the caller
 * knows the limit. `buffer` NULL: a compressed one is refused. */
unsigned grpc_open_message(struct inflate_buffer *buffer, const struct http_request *request,
                           uint64_t bytes_max, struct slice *message_out, const char **words);
/* An answer: a message with status OK for HTTP status 200, else the words of an error. */
void grpc_respond(struct http_exchange exchange, unsigned http_status, struct slice body);
/* The words of an error; who may come again is asked to wait so long. */
void grpc_refuse(struct http_exchange exchange, unsigned http_status, struct slice words,
                 unsigned wait_s);
/* An error by its own name. */
void grpc_respond_error(struct http_exchange exchange, enum grpc_code code, struct slice words);
/* One message of an answer that goes on until its end is told. */
void grpc_stream_message(struct http_exchange exchange, struct slice message);
void grpc_stream_end(struct http_exchange exchange, enum grpc_code code, const char *words);
