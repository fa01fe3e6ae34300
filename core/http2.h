/*
 * http2.h - HTTP/2 (RFC 9113) beside HTTP/1.1: the same handler, the same exchange, on connections
 * that http.c hands over when they begin with the preface.
 *
 * A request is given to the handler whole; its answer may have trailers, which gRPC needs. Streams
 * are answered in any order. An answer that leaves before its request has wholly come is followed
 * by RST_STREAM(NO_ERROR), as section 8.1 asks. An answer may go on for as long as the client
 * listens; one who stays silent meanwhile is pinged, and closed when even that is not answered.
 *
 * Bounds: streams a connection and in all, header fields, a body, all bodies together, time to send
 * a body and to take an answer. Frames that carry no request (pings, settings, resets,
 * continuations, empty data, window updates) spend a credit that time and answered requests refill;
 * who has none left is told ENHANCE_YOUR_CALM and closed. Flow control windows bound what is on its
 * way. Thread: the loop's.
 */
#pragma once

#include "core/http.h"
#include "core/http_queue.h"

struct http2_server;

#define HTTP2_PREFACE SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

/* Listens on nothing itself. Options and queue are those of the HTTP/1.1 server. */
MUST_CHECK struct status http2_server_open(const struct http_options *options,
                                           struct http_queue *put_back,
                                           struct http2_server **server_out);
/* Takes the connection over, with what it sent so far, preface and all. False: no room. */
bool http2_server_adopt(struct http2_server *server, struct loop_conn *conn, struct slice bytes,
                        bool has_ended);
/* GOAWAY to all; connections close behind the streams they are at. */
void http2_server_drain(struct http2_server *server);
/* Requests that are not whole are answered 503 with the words, a literal. */
void http2_server_end_receiving(struct http2_server *server, const char *words);
/* Streams open. */
uint32_t http2_server_busy_count(const struct http2_server *server);
/* NULL is allowed. */
void http2_server_close(struct http2_server *server);
