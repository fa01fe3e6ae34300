/*
 * http.c - connections: receive a head, receive a body, hand the request over, send the answer, and
 * again. See http.h.
 *
 * States of a connection: HEAD (also idle) -> BODY -> BUSY (the handler has it) -> SENDING -> HEAD,
 * or closing. `generation` grows with every request, so a late answer finds nobody. Buffers grow by
 * doubling; an idle connection keeps a small one, until all together reach body_bytes_total_max.
 * A body's time is body_timeout_ns plus what came of it at 64 KiB/s: who sends slower is cut off,
 * however long a length was promised.
 */
#include "core/http.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "core/http_conn.h"

enum { PIPELINED_BYTES = 64 * 1024, SLOWEST_BYTES_PER_S = 64 * 1024 };

static void take_input(struct http_conn *http);

/* --- Timers --- */

static void start_timer(struct http_conn *http, uint64_t span_ns) {
    struct loop *loop = http->server->options.loop;
    loop_timer_start(loop, &http->timer, loop_now_ns(loop) + span_ns);
}

void http_conn_free(struct http_conn *http) {
    struct http_server *server = http->server;
    loop_timer_stop(server->options.loop, &http->timer);
    http_queue_remove(&server->put_back, &http->queued);
    if (http->phase == PHASE_BUSY || http->phase == PHASE_SENDING) {
        ASSERT(server->busy_count > 0);
        server->busy_count--;
    }
    http_input_drop(http);
    http_output_drop(http);
    http->generation++;
    http->phase = PHASE_GONE;
    http->next_free = server->free;
    server->free = http;
}

void http_conn_close(struct http_conn *http) {
    struct loop_conn *conn = http->conn;
    http_conn_free(http);
    loop_conn_close(conn);
}

/* --- Answers --- */

static void send_output(struct http_conn *http) {
    struct slice whole = slice_of(http->output, http->output_size);
    http->is_sending = true;
    http->has_output = false;
    start_timer(http, http->server->options.send_timeout_ns);
    loop_conn_send(http->conn, &whole, 1);
}

static void write_answer(struct http_conn *http, unsigned status, const char *content_type,
                         const char *headers, struct slice body) {
    size_t headers_size = headers == NULL ? 0 : strlen(headers);
    size_t capacity = 512 + headers_size + body.size;
    if (!http_output_reserve(http, capacity)) {
        http_conn_close(http);
        return;
    }
    struct text text = text_over(http->output, capacity);
    text_add_format(&text, "HTTP/1.1 %u %s\r\n", status, http_status_words(status));
    if (content_type != NULL) {
        text_add_format(&text, "Content-Type: %s\r\n", content_type);
    }
    text_add_format(&text, "Content-Length: %zu\r\n", body.size);
    if (http->closes_after) {
        text_add_text(&text, "Connection: close\r\n");
    } else if (http->head.is_1_0) {
        text_add_text(&text, "Connection: keep-alive\r\n");
    }
    text_add_text(&text, headers == NULL ? "" : headers);
    text_add_text(&text, "\r\n");
    ASSERT(!text.truncated);
    if (body.size > 0 && !http->request.is_head) {
        memcpy(http->output + text.size, body.data, body.size);
        text.size += body.size;
    }
    http->output_size = text.size;
    http->phase = PHASE_SENDING;
    http->has_output = true;
    if (!http->is_sending) {
        send_output(http);
    }
}

static bool exchange_is_waiting(struct http_exchange exchange) {
    const struct http_server *server = exchange.server;
    const struct http_conn *http = &server->conns[exchange.index];
    return http->generation == exchange.generation && http->phase == PHASE_BUSY;
}

static void answer_exchange(struct http_exchange exchange, const struct http_answer *answer) {
    struct http_server *server = exchange.server;
    struct http_conn *http = &server->conns[exchange.index];
    if (!exchange_is_waiting(exchange)) {
        return;
    }
    ASSERT(!answer->is_unfinished);
    http->generation++;
    bool is_last = http->has_ended && http->input_size == http->request_size;
    if (server->is_draining || is_last) {
        http->closes_after = true;
    }
    if (answer->status >= 400) {
        http_count(server, STAT_HTTP_ERRORS);
    }
    write_answer(http, answer->status, answer->content_type, answer->headers, answer->body);
}

static void put_back_exchange(struct http_exchange exchange);

static struct http_exchange exchange_of(const struct http_conn *http) {
    return (struct http_exchange){
        answer_exchange, exchange_is_waiting, put_back_exchange,
        http->server,    http->index,         http->generation,
    };
}

/* --- Requests --- */

static void make_request(struct http_conn *http, struct slice body) {
    struct slice target = http_target_without_host(http->head.target);
    size_t question = slice_find_byte(target, '?');
    http->request = (struct http_request){
        .method = http->head.method,
        .path = slice_head(target, question),
        .query = slice_tail(target, question + 1),
        .headers = http->head.headers,
        .headers_count = http->head.headers_count,
        .body = body,
        .peer = loop_conn_identity(http->conn),
        .is_head = slice_equals(http->head.method, SLICE("HEAD")),
    };
}

/* An error of the server's own before it knows what is asked. */
static void refuse_unknown(struct http_conn *http, unsigned status, const char *words) {
    char memory[1024];
    struct text body = text_over(memory, sizeof(memory));
    const char *content_type = "application/json";
    const struct http_options *options = &http->server->options;
    options->handler->on_error(options->context, status, words, &body, &content_type);
    http_count(http->server, STAT_HTTP_ERRORS);
    http->request.is_head =
        slice_starts_with(slice_of(http->input, http->input_size), SLICE("HEAD "));
    write_answer(http, status, content_type, status == 503 ? "Retry-After: 1\r\n" : NULL,
                 text_slice(&body));
}

/* The connection closes behind it. Once the head is read, the handler knows the answer's form. */
static void refuse(struct http_conn *http, unsigned status, const char *words) {
    struct http_server *server = http->server;
    const struct http_options *options = &server->options;
    if (http->phase != PHASE_BUSY) {
        server->busy_count++;
    }
    http->phase = PHASE_BUSY;
    http->generation++;
    http->closes_after = true;
    if (!http->has_head || options->handler->on_refused == NULL) {
        refuse_unknown(http, status, words);
        return;
    }
    make_request(http, slice_of(NULL, 0));
    options->handler->on_refused(options->context, exchange_of(http), &http->request, status,
                                 words);
}

static void refuse_for_memory(struct http_conn *http) {
    http_count(http->server, STAT_BUFFERS_FULL);
    refuse(http, 503, "too many requests are being received, try again");
}

static void hand_over(struct http_conn *http, struct slice body) {
    struct http_server *server = http->server;
    make_request(http, body);
    http->phase = PHASE_BUSY;
    http->closes_after = !http->head.keeps_alive;
    http->generation++;
    server->busy_count++;
    loop_timer_stop(server->options.loop, &http->timer);
    http_count(server, STAT_HTTP_REQUESTS);
    server->options.handler->on_request(server->options.context, exchange_of(http), &http->request);
}

/* The input may have moved meanwhile: the request is made again from the same bytes. */
static void hand_over_again(void *context) {
    struct http_conn *http = context;
    const struct http_options *options = &http->server->options;
    const char *words = "";
    ASSERT(http->phase == PHASE_BUSY && http->has_head);
    ASSERT(http_head_parse(slice_of(http->input, http->head_size), &http->head, &words) == 0);
    make_request(http,
                 slice_of(http->input + http->head_size, http->request_size - http->head_size));
    options->handler->on_request(options->context, exchange_of(http), &http->request);
}

static void put_back_exchange(struct http_exchange exchange) {
    struct http_server *server = exchange.server;
    struct http_conn *http = &server->conns[exchange.index];
    ASSERT(exchange_is_waiting(exchange));
    http_queue_push(&server->put_back, &http->queued, hand_over_again, http);
}

static uint64_t body_due_ns(const struct http_conn *http) {
    return http->body_began_ns + http->server->options.body_timeout_ns +
           http->body_received_bytes * NS_PER_S / SLOWEST_BYTES_PER_S;
}

static void take_length_body(struct http_conn *http) {
    size_t wanted = http->head_size + (size_t)http->head.content_length;
    if (http->input_size < wanted) {
        return;
    }
    http->request_size = wanted;
    hand_over(http, slice_of(http->input + http->head_size, (size_t)http->head.content_length));
}

/* What is not decoded moves up behind what is: chunk sizes and extensions cost no memory. */
static void drop_framing(struct http_conn *http) {
    size_t dropped = http->chunks.read_at - http->chunks.write_at;
    uint8_t *body = http->input + http->head_size;
    size_t rest = http->input_size - http->head_size - http->chunks.read_at;
    memmove(body + http->chunks.write_at, body + http->chunks.read_at, rest);
    http->chunks.read_at = http->chunks.write_at;
    http->input_size -= dropped;
}

static void take_chunked_body(struct http_conn *http) {
    const char *words = "";
    unsigned refusal = http_chunks_decode(&http->chunks, http->input + http->head_size,
                                          http->input_size - http->head_size,
                                          http->server->options.request_bytes_max, &words);
    if (refusal != 0) {
        refuse(http, refusal, refusal == 413 ? http->server->too_large : words);
        return;
    }
    drop_framing(http);
    if (http->chunks.state == CHUNK_DONE) {
        http->request_size = http->head_size + http->chunks.write_at;
        hand_over(http, slice_of(http->input + http->head_size, http->chunks.write_at));
    }
}

static void say_continue(struct http_conn *http) {
    static const char words[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct slice whole = slice_of(words, sizeof(words) - 1);
    http->is_sending = true;
    loop_conn_send(http->conn, &whole, 1);
}

/* The input may move when it grows: slices of the head are made again from the same bytes. */
static bool grow_for_body(struct http_conn *http) {
    const uint8_t *before = http->input;
    if (!http_input_reserve(http, http->head_size + (size_t)http->head.content_length + 1)) {
        return false;
    }
    if (http->input != before) {
        const char *words = "";
        ASSERT(http_head_parse(slice_of(http->input, http->head_size), &http->head, &words) == 0);
    }
    return true;
}

static void start_body(struct http_conn *http) {
    const struct http_options *options = &http->server->options;
    if (http->head.has_length && http->head.content_length > options->request_bytes_max) {
        refuse(http, 413, http->server->too_large);
        return;
    }
    if (!grow_for_body(http)) {
        refuse_for_memory(http);
        return;
    }
    http->phase = PHASE_BODY;
    http->chunks = (struct http_chunks){0};
    bool has_body = http->head.is_chunked || http->head.content_length > 0;
    bool is_all_here = http->input_size >= http->head_size + http->head.content_length;
    if (http->head.expects_continue && has_body && (http->head.is_chunked || !is_all_here)) {
        say_continue(http);
    }
    if (has_body && (http->head.is_chunked || !is_all_here)) {
        http->body_began_ns = loop_now_ns(options->loop);
        http->body_received_bytes = 0;
        start_timer(http, options->body_timeout_ns);
    }
}

static void take_head(struct http_conn *http) {
    struct slice input = slice_of(http->input, http->input_size);
    size_t searched = http->searched;
    const char *words = "";
    http->head_size = http_head_find_end(input, searched);
    http->searched = http->input_size;
    if (http->head_size == 0) {
        unsigned refusal = http_head_check_part(input, searched, &words);
        if (refusal != 0) {
            refuse(http, refusal, words);
        }
        return;
    }
    if (http->head_size > HTTP_HEADER_BYTES_MAX) {
        refuse(http, 431, "the headers are too large");
        return;
    }
    unsigned refusal = http_head_parse(slice_head(input, http->head_size), &http->head, &words);
    if (refusal != 0) {
        refuse(http, refusal, words);
        return;
    }
    http->has_head = true;
    start_body(http);
}

/* As far as the input goes. Stops while a request is with the handler. */
static void take_input(struct http_conn *http) {
    if (!http->is_settled && http->server->http2 != NULL && http_conn_try_http_2(http)) {
        return;
    }
    if (http->phase == PHASE_HEAD && http->input_size > 0) {
        /* A blank line before a request is allowed (RFC 9112, section 2.2). */
        while (http->input_size >= 2 && memcmp(http->input, "\r\n", 2) == 0) {
            http->input_size -= 2;
            http->searched = 0;
            memmove(http->input, http->input + 2, http->input_size);
        }
        if (http->input_size > 0) {
            take_head(http);
        }
    }
    if (http->phase == PHASE_BODY) {
        if (http->head.is_chunked) {
            take_chunked_body(http);
        } else {
            take_length_body(http);
        }
    }
}

static void next_request(struct http_conn *http) {
    struct http_server *server = http->server;
    ASSERT(server->busy_count > 0 && http->input_size >= http->request_size);
    server->busy_count--;
    http->input_size -= http->request_size;
    memmove(http->input, http->input + http->request_size, http->input_size);
    http->request_size = 0;
    http->searched = 0;
    http->has_head = false;
    http->phase = PHASE_HEAD;
    if (http->input_size == 0 && http->input_capacity > HTTP_KEPT_BYTES_MAX) {
        http_input_drop(http);
    }
    if (http->output_capacity > HTTP_KEPT_BYTES_MAX) {
        http_output_drop(http);
    }
    start_timer(http, http->input_size > 0 ? server->options.header_timeout_ns
                                           : server->options.idle_timeout_ns);
    take_input(http);
    if (http->phase == PHASE_HEAD || http->phase == PHASE_BODY) {
        if (http->has_ended) {
            http_conn_close(http);
        } else {
            loop_conn_resume(http->conn); /* the rest of a request, however large, must come */
        }
    } else if (http->phase == PHASE_BUSY &&
               http->input_size - http->request_size < PIPELINED_BYTES) {
        loop_conn_resume(http->conn);
    }
}

/* --- Connection callbacks --- */

static void on_timeout(void *context) {
    struct http_conn *http = context;
    struct loop *loop = http->server->options.loop;
    if (http->phase == PHASE_BODY && body_due_ns(http) > loop_now_ns(loop)) {
        loop_timer_start(loop, &http->timer, body_due_ns(http));
        return;
    }
    bool is_idle = http->phase == PHASE_HEAD && http->input_size == 0;
    if (!is_idle) {
        http_count(http->server, STAT_CLIENTS_SLOW);
    }
    bool has_begun =
        http->phase == PHASE_BODY || (http->phase == PHASE_HEAD && http->input_size > 0);
    if (has_begun) {
        refuse(http, 408, "the request took too long");
    } else {
        http_conn_close(http);
    }
}

static void *on_open(void *listener_context, struct loop_conn *conn) {
    struct http_server *server = listener_context;
    struct http_conn *http = server->free;
    if (http == NULL || server->is_draining) {
        return NULL;
    }
    server->free = http->next_free;
    uint32_t generation = http->generation + 1;
    uint32_t index = http->index;
    memset(http, 0, sizeof(*http));
    http->server = server;
    http->conn = conn;
    http->index = index;
    http->generation = generation;
    http->timer.on_due = on_timeout;
    http->timer.context = http;
    start_timer(http, server->options.header_timeout_ns);
    return http;
}

static void on_receive(void *context, struct loop_conn *conn, struct slice bytes) {
    struct http_conn *http = context;
    struct http_server *server = http->server;
    if (server->options.stats != NULL) {
        stats_add(server->options.stats, STAT_BYTES_RECEIVED, bytes.size);
    }
    if (http->closes_after && http->phase >= PHASE_BUSY) {
        return; /* nothing behind the last request matters */
    }
    bool was_idle = http->phase == PHASE_HEAD && http->input_size == 0;
    const uint8_t *before = http->input;
    if (!http_input_reserve(http, http->input_size + bytes.size)) {
        if (http->phase >= PHASE_BUSY) {
            http_conn_close(http);
        } else {
            refuse_for_memory(http);
        }
        return;
    }
    memcpy(http->input + http->input_size, bytes.data, bytes.size);
    http->input_size += bytes.size;
    if (http->input != before && http->phase == PHASE_BODY) {
        const char *words = ""; /* the head's slices point into the old place */
        ASSERT(http_head_parse(slice_of(http->input, http->head_size), &http->head, &words) == 0);
    }
    if (http->phase == PHASE_BODY) {
        http->body_received_bytes += bytes.size;
    }
    if (was_idle) {
        start_timer(http, server->options.header_timeout_ns);
    }
    if (http->phase >= PHASE_BUSY) {
        if (http->input_size - http->request_size >= PIPELINED_BYTES) {
            loop_conn_pause(conn);
        }
        return;
    }
    take_input(http);
}

static void on_end(void *context, struct loop_conn *conn) {
    struct http_conn *http = context;
    (void)conn;
    http->has_ended = true;
    if (http->phase == PHASE_HEAD || http->phase == PHASE_BODY) {
        http_conn_close(http); /* a request that will never be whole */
    }
}

static void on_sent(void *context, struct loop_conn *conn) {
    struct http_conn *http = context;
    http->is_sending = false;
    if (http->has_output) {
        send_output(http);
        return;
    }
    if (http->phase != PHASE_SENDING) {
        return; /* it was 100 Continue */
    }
    if (http->closes_after || http->server->is_draining) {
        http_conn_free(http);
        loop_conn_finish(conn);
        return;
    }
    next_request(http);
}

static void on_lost(void *context, struct loop_conn *conn) {
    (void)conn;
    http_conn_free(context);
}

const struct loop_conn_handler http_conn_handler = {
    .on_open = on_open,
    .on_receive = on_receive,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_lost = on_lost,
};
