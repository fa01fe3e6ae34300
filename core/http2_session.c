/*
 * http2_session.c - nghttp2's events to requests, answers back to nghttp2. See http2.h.
 *
 * States of a stream: RECEIVING -> BUSY (the handler has it) -> ANSWERING -> gone; the peer may
 * reset it at any time, then a late answer finds another generation and does nothing.
 */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/http2_conn.h"

enum { CREDIT_PER_ANSWER = 4 };

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
    if (take > 0) { /* an answer may be its trailers only */
        memcpy(buffer, stream->body.data + stream->answer_sent, take);
    }
    stream->answer_sent += take;
    if (take < left) {
        return (ssize_t)take;
    }
    if (stream->is_unfinished) {
        return take > 0 ? (ssize_t)take : NGHTTP2_ERR_DEFERRED;
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
    bool has_body = !stream->is_head &&
                    (answer->body.size > 0 || answer->trailers != NULL || answer->is_unfinished);
    nghttp2_data_provider provider = {.source.ptr = stream, .read_callback = read_answer};
    http2_answer_make_fields(answer, &fields);
    make_pairs(&fields, pairs);
    (void)nghttp2_submit_response(http2->session, stream->id, pairs, fields.count,
                                  has_body ? &provider : NULL);
    uint64_t credit = http2->credit + CREDIT_PER_ANSWER;
    http2->credit = credit < HTTP2_FLOOD_CREDIT ? credit : HTTP2_FLOOD_CREDIT;
}

static bool exchange_is_waiting(struct http_exchange exchange) {
    const struct http2_server *server = exchange.server;
    const struct http2_stream *stream = &server->streams[exchange.index];
    return stream->generation == exchange.generation &&
           (stream->state == STREAM_BUSY ||
            (stream->state == STREAM_ANSWERING && stream->is_unfinished));
}

static void answer_exchange(struct http_exchange exchange, const struct http_answer *answer) {
    struct http2_server *server = exchange.server;
    struct http2_stream *stream = &server->streams[exchange.index];
    if (!exchange_is_waiting(exchange)) {
        return;
    }
    struct http2_conn *http2 = stream->conn;
    bool is_first = stream->state == STREAM_BUSY;
    stream->generation += answer->is_unfinished ? 0 : 1;
    if (is_first && http2_stream_keep_answer(stream, answer)) {
        http2_count(server, STAT_HTTP_ERRORS, answer->status >= 400 ? 1 : 0);
        submit_answer(stream, answer);
    } else if (!is_first && http2_stream_keep_more(stream, answer)) {
        (void)nghttp2_session_resume_data(http2->session, stream->id);
    } else {
        (void)nghttp2_submit_rst_stream(http2->session, 0, stream->id, NGHTTP2_INTERNAL_ERROR);
    }
    http2_pump(http2);
}

/* --- Requests --- */

static void put_back_exchange(struct http_exchange exchange);

static void give(struct http2_stream *stream) {
    struct http2_server *server = stream->conn->server;
    const struct http_options *options = &server->options;
    struct http_header headers[HTTP_HEADERS_MAX];
    struct http_request request;
    http2_stream_make_request(stream, headers, &request);
    stream->is_head = request.is_head;
    struct http_exchange exchange = {
        answer_exchange, exchange_is_waiting, put_back_exchange,
        server,          stream->index,       stream->generation,
    };
    if (stream->refusal == 0) {
        options->handler->on_request(options->context, exchange, &request);
    } else {
        request.body = slice_of(NULL, 0);
        options->handler->on_refused(options->context, exchange, &request, stream->refusal,
                                     stream->refusal_words);
    }
    if (stream->state == STREAM_BUSY && stream->generation == exchange.generation &&
        !http_queued_is_in(&stream->queued)) {
        http2_stream_drop_request(stream); /* it waits for the journal, without its body */
    }
}

static void give_again(void *stream) {
    give(stream);
}

static void put_back_exchange(struct http_exchange exchange) {
    struct http2_server *server = exchange.server;
    struct http2_stream *stream = &server->streams[exchange.index];
    ASSERT(exchange_is_waiting(exchange));
    http_queue_push(server->put_back, &stream->queued, give_again, stream);
}

void http2_stream_hand_over(struct http2_stream *stream) {
    if (stream->state != STREAM_RECEIVING) {
        return;
    }
    stream->state = STREAM_BUSY;
    stream->generation++;
    http2_count(stream->conn->server, STAT_HTTP_REQUESTS, 1);
    give(stream);
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

/* Trailers of a stream that we have reset may still be on their way to us. */
static void remember_reset(struct http2_conn *http2, int32_t id) {
    http2->reset_ids[http2->resets_count++ % HTTP2_RESETS_REMEMBERED] = id;
}

static bool was_reset(const struct http2_conn *http2, int32_t id) {
    for (uint32_t i = 0; i < HTTP2_RESETS_REMEMBERED; i++) {
        if (http2->reset_ids[i] == id) {
            return true;
        }
    }
    return false;
}

/* Section 5.1.1: "The identifier of a newly established stream MUST be numerically greater than all
 * streams that the initiating endpoint has opened"; what is not is of a closed one. (nghttp2 passes
 * over the DATA of such, which 5.1 allows.) */
static bool reopens_stream(nghttp2_session *session, const struct http2_conn *http2,
                           const nghttp2_frame_hd *frame) {
    return frame->type == NGHTTP2_HEADERS && frame->stream_id % 2 == 1 &&
           frame->stream_id <= http2->last_id &&
           nghttp2_session_get_stream_remote_close(session, frame->stream_id) < 0 &&
           !was_reset(http2, frame->stream_id);
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
    if (reopens_stream(session, http2, frame)) {
        http2_terminate(http2, NGHTTP2_STREAM_CLOSED);
        return 0;
    }
    uint64_t now_ns = loop_now_ns(http2->server->options.loop);
    uint64_t refill = (now_ns - http2->credit_ns) * HTTP2_FLOOD_CREDIT_PER_S / NS_PER_S;
    if (refill > 0) {
        http2->credit_ns = now_ns;
        refill += http2->credit;
        http2->credit = refill < HTTP2_FLOOD_CREDIT ? refill : HTTP2_FLOOD_CREDIT;
    }
    uint64_t cost = cost_of(frame);
    if (cost > http2->credit) {
        http2_terminate(http2, NGHTTP2_ENHANCE_YOUR_CALM);
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
    http2->last_id = id;
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
            http2_stream_hand_over(stream);
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
        http2_stream_hand_over(stream);
    }
    return 0;
}

/* Section 8.1: "a server MAY request that the client abort transmission of a request without error
 * by sending a RST_STREAM with an error code of NO_ERROR after sending a complete response". */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *context) {
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        remember_reset(context, frame->hd.stream_id);
    }
    bool ends = (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) &&
                (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (ends && nghttp2_session_get_stream_remote_close(session, frame->hd.stream_id) == 0) {
        (void)nghttp2_submit_rst_stream(session, 0, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
}

/* nghttp2 will reset its stream, or end the connection. */
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error_code,
                            void *context) {
    (void)session;
    (void)error_code;
    remember_reset(context, frame->hd.stream_id);
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
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
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
