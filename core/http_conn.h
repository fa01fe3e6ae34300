/* http_conn.h - inside http: a connection, its requests and its buffers. Thread: the loop's. */
#pragma once

#include "core/http2.h"
#include "core/http_parse.h"
#include "core/http_queue.h"

/* What an idle connection may keep of a large request. */
enum { HTTP_KEPT_BYTES_MAX = 256 * 1024 };

enum phase { PHASE_HEAD, PHASE_BODY, PHASE_BUSY, PHASE_SENDING, PHASE_GONE };

struct http_conn {
    struct http_server *server;
    struct loop_conn *conn;
    uint32_t index;
    uint32_t generation;
    enum phase phase;
    uint8_t *input; /* `memory`, or during on_receive what the loop received */
    size_t input_size;
    uint8_t *memory;
    size_t input_capacity; /* of `memory` */
    size_t searched;       /* of the head */
    size_t head_size;
    size_t request_size; /* head and body, as received */
    struct http_chunks chunks;
    uint64_t due_ns;  /* of the timer */
    uint64_t deaf_ns; /* the loop's then */
    uint64_t body_began_ns;
    uint64_t body_received_bytes;
    struct http_head head;
    bool has_begun; /* something of the present request came: its time runs */
    bool has_head;  /* `head` is that of the present request */
    struct http_request request;
    char *output;
    size_t output_capacity;
    size_t output_size;
    bool has_output; /* an answer waits for the send in flight (100 Continue) */
    bool is_sending;
    bool closes_after; /* no further request on this connection */
    bool has_ended;    /* the client sends no more */
    bool is_settled;   /* it speaks HTTP/1.1 */
    struct loop_timer timer;
    struct http_queued queued; /* the request was put back, or is not even received */
    struct hash128 owner;      /* of the request before */
    bool has_owner;
    struct http_conn *next_free;
};

struct http_server {
    struct http_options options;
    char too_large[HTTP_LIMIT_WORDS_BYTES_MAX]; /* why a body is refused with 413 */
    struct arena arena;
    struct http_conn *conns;
    struct http_conn *free;
    uint64_t buffered_bytes; /* capacity of all inputs */
    uint32_t busy_count;
    bool is_draining;
    struct loop_timer grace;    /* while draining */
    struct http_queue put_back; /* of HTTP/2 too */
    struct http2_server *http2; /* NULL: HTTP/1.1 only */
};

static inline void http_count(const struct http_server *server, enum stat_number stat) {
    if (server->options.stats != NULL) {
        stats_add(server->options.stats, stat, 1);
    }
}

extern const struct loop_conn_handler http_conn_handler;
/* --- http.c: a request and its answer --- */
void http_conn_start_timer(struct http_conn *http, uint64_t span_ns);
void http_conn_send_output(struct http_conn *http);
/* In place of a request they are allowed (RFC 9112, section 2.2), but they do not begin it. */
void http_conn_skip_blank_lines(struct http_conn *http);
/* As far as the input goes. Stops while a request is with the handler. */
void http_conn_take_input(struct http_conn *http);
/* The connection closes behind it. Once the head is read, the handler knows the answer's form. */
void http_conn_refuse(struct http_conn *http, unsigned status, const char *words);
void http_conn_refuse_for_memory(struct http_conn *http);

/* --- http_conn.c --- */
/* Gives the slot back; close: and closes the connection; finish: behind what is sent, and over TLS
 * with close_notify. */
void http_conn_free(struct http_conn *http);
void http_conn_close(struct http_conn *http);
void http_conn_finish(struct http_conn *http);
/* RFC 9113, section 3.4: a client that knows begins with 24 bytes that no request begins with. True
 * when the connection is no longer ours, or when it is too early to say. */
bool http_conn_try_http_2(struct http_conn *http);

/* Room for `size` bytes in all, in the connection's own memory. False beyond body_bytes_total_max,
 * or without memory. */
bool http_input_reserve(struct http_conn *http, size_t size);
void http_input_drop(struct http_conn *http);
/* As http_input_reserve; only memory bounds it: an answer is as large as the handler made it. */
bool http_output_reserve(struct http_conn *http, size_t size);
void http_output_drop(struct http_conn *http);
