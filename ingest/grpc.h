/*
 * grpc.h - OTLP/gRPC: the gRPC wire protocol over the HTTP/2 server ("gRPC over HTTP2", grpc/doc).
 *
 * A unary request is one message behind a prefix of five bytes (compressed flag, length), answered
 * by HTTP 200 and a status in the trailers. What ingest would answer over HTTP maps to a gRPC
 * status (grpc.c); backpressure is UNAVAILABLE with RetryInfo, as the OTLP specification asks.
 * Thread: the ingest's.
 */
#pragma once

#include "core/http.h"
#include "ingest/inflate.h"

/* Whether the request speaks gRPC: its media type on a connection that can carry trailers. */
bool grpc_is_request(const struct http_request *request);
/* The one message of the request, inflated if it is compressed. 0, or the HTTP status to refuse it
 * with and why. 413 has no words: the caller
 * knows the limit. `buffer` NULL: a compressed one is refused. */
unsigned grpc_open_message(struct inflate_buffer *buffer, const struct http_request *request,
                           uint64_t bytes_max, struct slice *message_out, const char **words);
/* An answer: a message with status OK for HTTP status 200, else the words of an error. */
void grpc_respond(struct http_exchange exchange, unsigned http_status, struct slice body);
/* Answers grpc.health.v1.Health/Check; false: the path is another. */
bool grpc_take_health(struct http_exchange exchange, const struct http_request *request,
                      bool is_serving);
