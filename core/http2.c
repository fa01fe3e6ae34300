/*
 * http2.c - connections: bytes to nghttp2, its events to requests, answers back. See http2.h.
 *
 * States of a stream: RECEIVING -> BUSY (the handler has it) -> ANSWERING -> gone; the peer may
 * reset it at any time, then a late answer finds another generation and does nothing.
 *
 * Inside nghttp2's callbacks (is_in_session) nothing is sent or closed; what they decided is
 * carried out by pump() behind them.
 */
#include "core/http2.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/http2_conn.h"

enum { SLOWEST_BYTES_PER_S = 64 * 1024, CREDIT_PER_ANSWER = 4 };
#define SEND_TIMEOUT_NS (30 * NS_PER_S)

/* --- Life of a connection --- */

static uint64_t now_of(const struct http2_conn *http2) {
    return loop_now_ns(http2->server->options.loop);
}

static void count(const struct http2_server *server, enum stat_number stat, uint64_t value) {
    if (server->options.stats != NULL) {
        stats_add(server->options.stats, stat, value);
    }
}

void http2_conn_free(struct http2_conn *http2) {
    struct http2_server *server = http2->server;
    ASSERT(!http2->is_in_session);
    loop_timer_stop(server->options.loop, &http2->timer);
    while (http2->streams != NULL) {
        http2_stream_close(http2->streams);
    }
    nghttp2_session_del(http2->session);
    free(http2->output);
    http2->session = NULL;
    http2->output = NULL;
    http2->conn = NULL;
    http2->next_free = server->free_conns;
    server->free_conns = http2;
}

static void conn_close(struct http2_conn *http2) {
    struct loop_conn *conn = http2->conn;
    http2_conn_free(http2);
    loop_conn_close(conn);
}

/* Ends it with a reason; what was not answered never will be. */
static void terminate(struct http2_conn *http2, uint32_t error_code) {
    http2->is_terminated = true;
    (void)nghttp2_session_terminate_session(http2->session, error_code);
}

/* --- Sending --- */

/* As many frames as the buffer takes. Less than 0: the session is broken. */
static ssize_t fill_output(struct http2_conn *http2) {
    size_t size = 0;
    while (size + HTTP2_FRAME_BYTES_MAX <= HTTP2_OUTPUT_BYTES) {
        const uint8_t *frame = NULL;
        ssize_t taken = nghttp2_session_mem_send(http2->session, &frame);
        if (taken < 0 || taken > HTTP2_FRAME_BYTES_MAX) {
            return -1;
        }
        if (taken == 0) {
            break;
        }
        memcpy(http2->output + size, frame, (size_t)taken);
        size += (size_t)taken;
    }
    return (ssize_t)size;
}

/* What waits for a window that a peer at its end will never open is as good as sent. */
static bool waits_for_handler(const struct http2_conn *http2) {
    for (const struct http2_stream *stream = http2->streams; stream != NULL;
         stream = stream->next) {
        if (stream->state == STREAM_BUSY) {
            return true;
        }
    }
    return false;
}

/* Asked when there is nothing to send. */
static bool is_done(const struct http2_conn *http2) {
    return (http2->has_ended && !waits_for_handler(http2)) ||
           (nghttp2_session_want_read(http2->session) == 0 &&
            nghttp2_session_want_write(http2->session) == 0);
}

/* Sends what there is to send; closes the connection when that was all. It may be gone behind. */
static void pump(struct http2_conn *http2) {
    if (http2->is_in_session || http2->is_sending) {
        return;
    }
    http2->is_in_session = true;
    ssize_t size = fill_output(http2);
    http2->is_in_session = false;
    if (size < 0) {
        conn_close(http2);
        return;
    }
    if (size > 0) {
        struct slice whole = slice_of(http2->output, (size_t)size);
        http2->is_sending = true;
        http2->sent_ns = now_of(http2);
        loop_conn_send(http2->conn, &whole, 1);
        return;
    }
    if (is_done(http2)) {
        struct loop_conn *conn = http2->conn;
        http2_conn_free(http2);
        loop_conn_finish(conn);
    }
}

/* --- Answers --- */

static void make_pairs(const struct http2_answer_fields *fields, nghttp2_nv *pairs) {
    for (size_t i = 0; i < fields->count; i++) {
        const struct http_header *field = &fields->fields[i];
        pairs[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)field->name.data,
                                (uint8_t *)(uintptr_t)field->value.data, field->name.size,
                                field->value.size, NGHTTP2_NV_FLAG_NONE};
    }
}

static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *buffer, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *context) {
    struct http2_stream *stream = source->ptr;
    (void)context;
    size_t left = stream->body.size - stream->answer_sent;
    size_t take = left < size ? left : size;
    memcpy(buffer, stream->body.data + stream->answer_sent, take);
    stream->answer_sent += take;
    if (take < left) {
        return (ssize_t)take;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (stream->trailers != NULL) {
        struct http2_answer_fields trailers = {.count = 0};
        nghttp2_nv pairs[HTTP2_ANSWER_FIELDS_MAX];
        http2_answer_add_lines(&trailers, stream->trailers);
        make_pairs(&trailers, pairs);
        *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
        (void)nghttp2_submit_trailer(session, id, pairs, trailers.count);
    }
    return (ssize_t)take;
}

static void submit_answer(struct http2_stream *stream, const struct http_answer *answer) {
    struct http2_conn *http2 = stream->conn;
    struct http2_answer_fields fields;
    nghttp2_nv pairs[HTTP2_ANSWER_FIELDS_MAX];
    bool has_body = answer->body.size > 0 || answer->trailers != NULL;
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_answer};
    http2_answer_make_fields(answer, &fields);
    make_pairs(&fields, pairs);
    stream->began_ns = now_of(http2);
    (void)nghttp2_submit_response(http2->session, stream->id, pairs, fields.count,
                                  has_body ? &provider : NULL);
    uint64_t credit = http2->credit + CREDIT_PER_ANSWER;
    http2->credit = credit < HTTP2_FLOOD_CREDIT ? credit : HTTP2_FLOOD_CREDIT;
}

static void answer_exchange(struct http_exchange exchange, const struct http_answer *answer) {
    struct http2_server *server = exchange.server;
    struct http2_stream *stream = &server->streams[exchange.index];
    if (stream->generation != exchange.generation || stream->state != STREAM_BUSY) {
        return;
    }
    struct http2_conn *http2 = stream->conn;
    stream->generation++;
    count(server, STAT_HTTP_ERRORS, answer->status >= 400 ? 1 : 0);
    if (http2_stream_keep_answer(stream, answer)) {
        submit_answer(stream, answer);
    } else {
        (void)nghttp2_submit_rst_stream(http2->session, 0, stream->id, NGHTTP2_INTERNAL_ERROR);
    }
    pump(http2);
}

/* --- Requests --- */

static void hand_over(struct http2_stream *stream) {
    struct http2_server *server = stream->conn->server;
    const struct http_options *options = &server->options;
    struct http_header headers[HTTP_HEADERS_MAX];
    struct http_request request;
    if (stream->state != STREAM_RECEIVING) {
        return;
    }
    http2_stream_make_request(stream, headers, &request);
    stream->state = STREAM_BUSY;
    stream->generation++;
    struct http_exchange exchange = {answer_exchange, server, stream->index, stream->generation};
    count(server, STAT_HTTP_REQUESTS, 1);
    if (stream->refusal == 0) {
        options->handler->on_request(options->context, exchange, &request);
    } else {
        request.body = slice_of(NULL, 0);
        options->handler->on_refused(options->context, exchange, &request, stream->refusal,
                                     stream->refusal_words);
    }
    if (stream->state == STREAM_BUSY && stream->generation == exchange.generation) {
        http2_stream_drop_request(stream); /* it waits for the journal, without its body */
    }
}

/* A length that is too large is refused before its bytes come. */
static void check_length(struct http2_stream *stream) {
    struct http_header headers[HTTP_HEADERS_MAX];
    struct http_request request;
    uint64_t length = 0;
    http2_stream_make_request(stream, headers, &request);
    struct slice text = http_header_find(&request, "content-length");
    if (text.size > 0 && status_is_ok(text_parse_u64(text, &length)) &&
        length > stream->conn->server->options.request_bytes_max) {
        http2_stream_refuse(stream, 413, stream->conn->server->too_large);
    }
}

/* --- nghttp2's events --- */

static struct http2_stream *stream_of(nghttp2_session *session, int32_t id) {
    return nghttp2_session_get_stream_user_data(session, id);
}

static uint64_t cost_of(const nghttp2_frame_hd *frame) {
    switch (frame->type) {
    case NGHTTP2_DATA:
        return frame->length > 0 || (frame->flags & NGHTTP2_FLAG_END_STREAM) != 0 ? 0 : 1;
    case NGHTTP2_SETTINGS:
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_CONTINUATION:
        return 4;
    default:
        return 1;
    }
}

/* Against floods of frames that are cheap to send and not free to take. */
static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *frame, void *context) {
    struct http2_conn *http2 = context;
    (void)session;
    uint64_t now_ns = now_of(http2);
    uint64_t refill = (now_ns - http2->credit_ns) * HTTP2_FLOOD_CREDIT_PER_S / NS_PER_S;
    if (refill > 0) {
        http2->credit_ns = now_ns;
        refill += http2->credit;
        http2->credit = refill < HTTP2_FLOOD_CREDIT ? refill : HTTP2_FLOOD_CREDIT;
    }
    uint64_t cost = cost_of(frame);
    if (cost > http2->credit) {
        terminate(http2, NGHTTP2_ENHANCE_YOUR_CALM);
        return 0;
    }
    http2->credit -= cost;
    return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    struct http2_conn *http2 = context;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST || http2->is_terminated) {
        return 0;
    }
    int32_t id = frame->hd.stream_id;
    struct http2_stream *stream = http2_stream_open(http2, id);
    if (stream == NULL) {
        (void)nghttp2_submit_rst_stream(session, 0, id, NGHTTP2_REFUSED_STREAM);
        return 0;
    }
    (void)nghttp2_session_set_stream_user_data(session, id, stream);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                     void *context) {
    (void)flags;
    (void)context;
    struct http2_stream *stream = stream_of(session, frame->hd.stream_id);
    if (stream != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        http2_stream_add_field(stream, slice_of(name, name_size), slice_of(value, value_size));
    }
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t size, void *context) {
    (void)flags;
    (void)context;
    struct http2_stream *stream = stream_of(session, id);
    if (stream != NULL) {
        http2_stream_add_body(stream, slice_of(data, size));
        if (stream->refusal != 0) {
            hand_over(stream);
        }
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    struct http2_conn *http2 = context;
    struct http2_stream *stream =
        frame->hd.stream_id == 0 ? NULL : stream_of(session, frame->hd.stream_id);
    bool is_head = frame->hd.type == NGHTTP2_HEADERS;
    if (stream == NULL || http2->is_terminated || (!is_head && frame->hd.type != NGHTTP2_DATA)) {
        return 0;
    }
    if (is_head && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        check_length(stream);
    }
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 || stream->refusal != 0) {
        hand_over(stream);
    }
    return 0;
}

/* Section 8.1: "a server MAY request that the client abort transmission of a request without error
 * by sending a RST_STREAM with an error code of NO_ERROR after sending a complete response". */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    (void)context;
    bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ends && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
        (void)nghttp2_submit_rst_stream(session, 0, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error_code,
                           void *context) {
    (void)error_code;
    (void)context;
    struct http2_stream *stream = stream_of(session, id);
    if (stream != NULL) {
        (void)nghttp2_session_set_stream_user_data(session, id, NULL);
        http2_stream_close(stream);
    }
    return 0;
}

bool http2_conn_open_session(struct http2_conn *http2) {
    nghttp2_session_callbacks *callbacks = NULL;
    nghttp2_option *option = NULL;
    if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) {
        nghttp2_session_callbacks_del(callbacks);
        return false;
    }
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    int result = nghttp2_session_server_new2(&http2->session, callbacks, http2, option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
    nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP2_STREAMS_PER_CONNECTION},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, (uint32_t)HTTP2_WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)HTTP_HEADER_BYTES_MAX},
    };
    return result == 0 &&
           nghttp2_submit_settings(http2->session, 0, settings,
                                   sizeof(settings) / sizeof(settings[0])) == 0 &&
           nghttp2_session_set_local_window_size(http2->session, 0, 0,
                                                 (int32_t)HTTP2_CONNECTION_WINDOW_BYTES) == 0;
}

/* --- The loop's events --- */

static bool is_too_slow(const struct http2_stream *stream, uint64_t now_ns) {
    uint64_t earned_ns = stream->body.size * NS_PER_S / SLOWEST_BYTES_PER_S;
    return now_ns - stream->began_ns > stream->conn->server->options.body_timeout_ns + earned_ns;
}

/* Once a second: who is too slow to send, to take, or has nothing to say. */
void http2_conn_check(void *context) {
    struct http2_conn *http2 = context;
    struct http2_server *server = http2->server;
    uint64_t now_ns = now_of(http2);
    bool is_stuck = http2->is_sending && now_ns - http2->sent_ns > SEND_TIMEOUT_NS;
    struct http2_stream *next = NULL;
    for (struct http2_stream *stream = http2->streams; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->state == STREAM_ANSWERING && now_ns - stream->began_ns > SEND_TIMEOUT_NS) {
            is_stuck = true;
        } else if (stream->state == STREAM_RECEIVING && is_too_slow(stream, now_ns)) {
            http2_stream_refuse(stream, 408, "the request took too long");
            http2->is_in_session = true; /* the list must not change under us */
            hand_over(stream);
            http2->is_in_session = false;
        }
    }
    if (is_stuck) {
        conn_close(http2);
        return;
    }
    if (http2->streams_count == 0 && now_ns - http2->active_ns > server->options.idle_timeout_ns) {
        terminate(http2, NGHTTP2_NO_ERROR);
    }
    loop_timer_start(server->options.loop, &http2->timer, now_ns + NS_PER_S);
    pump(http2);
}

static void on_receive(void *context, struct loop_conn *conn, struct slice bytes) {
    struct http2_conn *http2 = context;
    (void)conn;
    count(http2->server, STAT_BYTES_RECEIVED, bytes.size);
    http2->active_ns = now_of(http2);
    if (http2->is_terminated) {
        return;
    }
    http2->is_in_session = true;
    ssize_t taken = nghttp2_session_mem_recv(http2->session, bytes.data, bytes.size);
    http2->is_in_session = false;
    if (taken < 0) {
        conn_close(http2);
        return;
    }
    pump(http2);
}

static void on_end(void *context, struct loop_conn *conn) {
    struct http2_conn *http2 = context;
    (void)conn;
    http2->has_ended = true;
    for (struct http2_stream *stream = http2->streams; stream != NULL; stream = stream->next) {
        if (stream->state == STREAM_RECEIVING) { /* it will never be whole */
            (void)nghttp2_submit_rst_stream(http2->session, 0, stream->id, NGHTTP2_CANCEL);
        }
    }
    pump(http2);
}

static void on_sent(void *context, struct loop_conn *conn) {
    struct http2_conn *http2 = context;
    (void)conn;
    http2->is_sending = false;
    pump(http2);
}

static void on_lost(void *context, struct loop_conn *conn) {
    (void)conn;
    http2_conn_free(context);
}

const struct loop_conn_handler http2_conn_handler = {
    .on_receive = on_receive, .on_end = on_end, .on_sent = on_sent, .on_lost = on_lost};

void http2_conn_drain(struct http2_conn *http2) {
    int32_t last = nghttp2_session_get_last_proc_stream_id(http2->session);
    (void)nghttp2_submit_goaway(http2->session, 0, last, NGHTTP2_NO_ERROR, NULL, 0);
    pump(http2);
}
