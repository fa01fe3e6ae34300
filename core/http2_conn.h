/* http2_conn.h - inside http2: a connection, its streams and their memory. Thread: the loop's. */
#pragma once

#include "core/http2.h"

enum {
    HTTP2_OUTPUT_BYTES = 64 * 1024,
    HTTP2_FRAME_BYTES_MAX = 16 * 1024 + 9,
    HTTP2_RESETS_REMEMBERED = HTTP2_STREAMS_PER_CONNECTION,
};

struct http2_bytes {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

enum http2_stream_state {
    STREAM_FREE,
    STREAM_RECEIVING,
    STREAM_BUSY,      /* the handler has it */
    STREAM_ANSWERING, /* its answer is with nghttp2 */
};

struct http2_field {
    uint32_t name_size;
    uint32_t value_size;
};

struct http2_stream {
    struct http2_conn *conn;
    uint32_t index;
    uint32_t generation;
    int32_t id;
    enum http2_stream_state state;
    struct http2_field fields[HTTP_HEADERS_MAX];
    uint32_t fields_count;
    struct http2_bytes head; /* names and values, one behind another */
    struct http2_bytes body; /* of the request, then of the answer */
    char *trailers;          /* of the answer; NULL: none */
    size_t answer_sent;
    bool is_unfinished; /* more of the answer follows */
    bool is_head;       /* the answer's body is not sent */
    uint64_t began_ns;
    unsigned refusal; /* an HTTP status once the request is known to be refused */
    const char *refusal_words;
    struct http_queued queued; /* the request was put back */
    struct http2_stream *next; /* free, or of the connection */
    struct http2_stream *previous;
};

struct http2_conn {
    struct http2_server *server;
    struct loop_conn *conn; /* NULL: free */
    struct nghttp2_session *session;
    struct http2_stream *streams;
    uint32_t streams_count;
    uint8_t *output; /* HTTP2_OUTPUT_BYTES */
    bool is_sending;
    bool is_in_session; /* nghttp2 is calling us: no flush, no close */
    bool has_ended;     /* the peer sends no more */
    bool is_terminated; /* GOAWAY was sent for good; nothing more is read */
    bool has_said_goaway;
    uint64_t active_ns; /* when something came last */
    uint64_t pinged_ns; /* since then; 0: not asked whether it is there */
    uint64_t sent_ns;   /* when the send in flight began */
    uint64_t credit;    /* frames that are no request and may still come, as of credit_ns */
    uint64_t credit_ns;
    int32_t last_id; /* of the streams that were opened */
    int32_t reset_ids[HTTP2_RESETS_REMEMBERED];
    uint32_t resets_count;
    struct loop_timer timer;
    struct http2_conn *next_free;
};

struct http2_server {
    struct http_options options;
    char too_large[HTTP_LIMIT_WORDS_BYTES_MAX]; /* why a body is refused with 413 */
    struct arena arena;
    struct http2_conn *conns;
    struct http2_conn *free_conns;
    struct http2_stream *streams;
    struct http2_stream *free_streams;
    uint32_t streams_count;
    uint64_t buffered_bytes; /* of all requests */
    bool is_draining;
    struct http_queue *put_back; /* of all of the server's connections */
};

/* --- http2_stream.c --- */
MUST_CHECK struct status http2_pools_init(struct http2_server *server);
/* NULL: none is free. */
struct http2_stream *http2_stream_open(struct http2_conn *conn, int32_t id);
void http2_stream_close(struct http2_stream *stream);
/* Marks it for refusal, once. */
void http2_stream_refuse(struct http2_stream *stream, unsigned status, const char *words);
void http2_stream_add_field(struct http2_stream *stream, struct slice name, struct slice value);
void http2_stream_add_body(struct http2_stream *stream, struct slice bytes);
/* The request as the handler gets it; headers go to `headers` (HTTP_HEADERS_MAX of them). */
void http2_stream_make_request(const struct http2_stream *stream, struct http_header *headers,
                               struct http_request *request_out);
/* Request memory is given back, the answer's body and trailers are kept. False without memory. */
bool http2_stream_keep_answer(struct http2_stream *stream, const struct http_answer *answer);
/* One more piece of an unfinished answer. False without memory. */
bool http2_stream_keep_more(struct http2_stream *stream, const struct http_answer *answer);
/* Whether it has an answer that the peer has not taken since began_ns. */
bool http2_stream_has_unsent(const struct http2_stream *stream);
/* Gives the request's memory back. */
void http2_stream_drop_request(struct http2_stream *stream);

/* --- http2_answer.c --- */
enum { HTTP2_ANSWER_FIELDS_MAX = 16 };
struct http2_answer_fields {
    struct http_header fields[HTTP2_ANSWER_FIELDS_MAX];
    size_t count;
    char numbers[2][24];
    char names[HTTP2_ANSWER_FIELDS_MAX][32];
};
/* The head of the answer. */
void http2_answer_make_fields(const struct http_answer *answer, struct http2_answer_fields *fields);
/* "Name: value" lines, each ended by CR LF, as fields. */
void http2_answer_add_lines(struct http2_answer_fields *fields, const char *lines);

/* --- http2.c --- */
extern const struct loop_conn_handler http2_conn_handler;
void http2_conn_check(void *http2);
/* For the next http2_conn_check. */
void http2_conn_start_timer(struct http2_conn *http2);
void http2_conn_drain(struct http2_conn *http2);
/* As http2_server_end_receiving. The connection may be gone behind it. */
void http2_conn_end_receiving(struct http2_conn *http2, const char *words);
/* Gives all back but the loop's connection. */
void http2_conn_free(struct http2_conn *http2);
/* Stands still while the loop does not listen (loop_deaf_ns). */
uint64_t http2_now_ns(const struct http2_conn *http2);
void http2_count(const struct http2_server *server, enum stat_number stat, uint64_t value);
/* Ends it with a reason (RFC 9113, section 7); what was not answered never will be. */
void http2_terminate(struct http2_conn *http2, uint32_t error_code);
/* Sends what there is to send; closes the connection when that was all. It may be gone behind. */
void http2_pump(struct http2_conn *http2);

/* --- http2_session.c --- */
/* False without memory; http2_conn_free either way. */
bool http2_conn_open_session(struct http2_conn *http2);
/* The handler gets the request, whole or refused. */
void http2_stream_hand_over(struct http2_stream *stream);
