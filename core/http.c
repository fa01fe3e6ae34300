/*
 * http.c - requests: a head, a body, hand it over, send the answer, and again. See http.h; what the
 * loop tells of a connection is dealt with in http_conn.c.
 *
 * States of a connection: HEAD (also idle) -> BODY -> BUSY (the handler has it) -> SENDING -> HEAD,
 * or closing. `generation` grows with every request, so a late answer finds nobody.
 *
 * A request that was received whole is handed over where the loop received it, and nothing of it is
 * kept. What needs more (a part of a request, one that was put back) moves into the connection's
 * own memory; that grows by doubling, and an idle connection keeps a small one, until all together
 * reach body_bytes_total_max.
 */
#include "core/http.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "core/http_conn.h"

/* --- Timers --- */

void http_conn_start_timer(struct http_conn *http, uint64_t span_ns) {
    struct loop *loop = http->server->options.loop;
    http->due_ns = loop_now_ns(loop) + span_ns;
    http->deaf_ns = loop_deaf_ns(loop);
    loop_timer_start(loop, &http->timer, http->due_ns);
}

/* --- Answers --- */

void http_conn_send_output(struct http_conn *http) {
    struct slice whole = slice_of(http->output, http->output_size);
    http->is_sending = true;
    http->has_output = false;
    http_conn_start_timer(http, http->server->options.send_timeout_ns);
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
    if (http->is_sending) { /* behind 100 Continue, which must not take for ever either */
        http_conn_start_timer(http, http->server->options.send_timeout_ns);
    } else {
        http_conn_send_output(http);
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

void http_conn_refuse(struct http_conn *http, unsigned status, const char *words) {
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

void http_conn_refuse_for_memory(struct http_conn *http) {
    http_count(http->server, STAT_BUFFERS_FULL);
    http_conn_refuse(http, 503, "too many requests are being received, try again");
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

void http_name_owner(struct http_exchange exchange, struct hash128 owner) {
    if (exchange.answer == answer_exchange && exchange_is_waiting(exchange)) {
        struct http_server *server = exchange.server;
        server->conns[exchange.index].owner = owner;
        server->conns[exchange.index].has_owner = true;
    }
}

static void put_back_exchange(struct http_exchange exchange) {
    struct http_server *server = exchange.server;
    struct http_conn *http = &server->conns[exchange.index];
    ASSERT(exchange_is_waiting(exchange));
    http_queue_push(&server->put_back, &http->queued, hand_over_again, http);
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
        http_conn_refuse(http, refusal, refusal == 413 ? http->server->too_large : words);
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

static void start_body(struct http_conn *http) {
    const struct http_options *options = &http->server->options;
    if (http->head.has_length && http->head.content_length > options->request_bytes_max) {
        http_conn_refuse(http, 413, http->server->too_large);
        return;
    }
    bool is_all_here =
        !http->head.is_chunked && http->input_size >= http->head_size + http->head.content_length;
    http->phase = PHASE_BODY;
    http->chunks = (struct http_chunks){0};
    if (http->head.expects_continue && !is_all_here) {
        say_continue(http);
    }
    if (!is_all_here) {
        http->body_began_ns = loop_now_ns(options->loop);
        http->body_received_bytes = 0;
        http_conn_start_timer(http, options->body_timeout_ns);
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
            http_conn_refuse(http, refusal, words);
        }
        return;
    }
    if (http->head_size > HTTP_HEADER_BYTES_MAX) {
        http_conn_refuse(http, 431, "the headers are too large");
        return;
    }
    unsigned refusal = http_head_parse(slice_head(input, http->head_size), &http->head, &words);
    if (refusal != 0) {
        http_conn_refuse(http, refusal, words);
        return;
    }
    http->has_head = true;
    start_body(http);
}

void http_conn_skip_blank_lines(struct http_conn *http) {
    size_t blank = 0;
    while (http->input_size - blank >= 2 && memcmp(http->input + blank, "\r\n", 2) == 0) {
        blank += 2;
    }
    if (blank > 0) {
        http->is_settled = true; /* HTTP/2 begins otherwise */
        http->input_size -= blank;
        http->searched = 0;
        memmove(http->input, http->input + blank, http->input_size);
    }
}

void http_conn_take_input(struct http_conn *http) {
    if (!http->is_settled && http->server->http2 != NULL && http_conn_try_http_2(http)) {
        return;
    }
    if (http->phase == PHASE_HEAD && http->input_size > 0) {
        http_conn_skip_blank_lines(http);
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
