/*
 * http_server.c - the life of a server: its pool of connections, its listeners, its drain. See
 * http.h.
 */
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/http_conn.h"

#define SEND_TIMEOUT_NS (30 * NS_PER_S)

void http_limit_words(const char *limit_name, uint64_t bytes_max, const char *tail,
                      char words_out[HTTP_LIMIT_WORDS_BYTES_MAX]) {
    struct text text = text_over(words_out, HTTP_LIMIT_WORDS_BYTES_MAX);
    text_add_format(&text, "the body is larger than %s (%llu bytes)%s",
                    limit_name == NULL ? "max_request_bytes" : limit_name,
                    (unsigned long long)bytes_max, tail);
    ASSERT(!text.truncated);
}

static struct status make_conns(struct http_server *server) {
    uint32_t count = server->options.connections_max;
    TRY(arena_init(&server->arena, ((size_t)count + 1) * sizeof(struct http_conn)));
    server->conns = ARENA_ARRAY(&server->arena, struct http_conn, count);
    for (uint32_t i = count; i > 0; i--) {
        server->conns[i - 1].index = i - 1;
        server->conns[i - 1].server = server;
        server->conns[i - 1].phase = PHASE_GONE;
        server->conns[i - 1].next_free = server->free;
        server->free = &server->conns[i - 1];
    }
    return server->options.takes_http_2
               ? http2_server_open(&server->options, &server->put_back, &server->http2)
               : status_ok();
}

struct status http_server_open(const struct http_options *options, struct http_server **server_out,
                               uint16_t *port_out, struct fault *fault) {
    struct http_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a server");
    }
    server->options = *options;
    if (options->send_timeout_ns == 0) {
        server->options.send_timeout_ns = SEND_TIMEOUT_NS;
    }
    if (options->drain_grace_ns == 0) {
        server->options.drain_grace_ns = HTTP_DRAIN_GRACE_NS;
    }
    http_limit_words(options->request_limit_name, options->request_bytes_max, "",
                     server->too_large);
    struct status status = make_conns(server);
    if (status_is_ok(status)) {
        status = http_server_listen(server, options->address, options->tls, port_out, fault);
    }
    if (!status_is_ok(status)) {
        http_server_close(server);
        return status;
    }
    *server_out = server;
    return status_ok();
}

struct status http_server_listen(struct http_server *server, struct slice address,
                                 struct tls_server *tls, uint16_t *port_out, struct fault *fault) {
    return loop_listen_tls(server->options.loop, address, server->options.share, &http_conn_handler,
                           server, tls, port_out, fault);
}

bool http_conn_try_http_2(struct http_conn *http) {
    struct slice input = slice_of(http->input, http->input_size);
    if (input.size < HTTP2_PREFACE.size && slice_starts_with(HTTP2_PREFACE, input)) {
        return true;
    }
    http->is_settled = true;
    if (!slice_starts_with(input, HTTP2_PREFACE)) {
        return false;
    }
    struct loop_conn *conn = http->conn;
    bool has_ended = http->has_ended;
    loop_timer_stop(http->server->options.loop, &http->timer);
    if (!http2_server_adopt(http->server->http2, conn, input, has_ended)) {
        http_conn_close(http);
        return true;
    }
    http_conn_free(http);
    return true;
}

static bool is_receiving(const struct http_conn *http) {
    return http->phase == PHASE_HEAD || http->phase == PHASE_BODY;
}

/* Who waits for its turn may have sent all of it. */
static void end_receiving(void *context) {
    struct http_server *server = context;
    const char *words = "the server stops and has not received all of the request, send it again";
    for (uint32_t i = 0; i < server->options.connections_max; i++) {
        struct http_conn *http = &server->conns[i];
        if (is_receiving(http) && !http_queued_is_in(&http->queued)) {
            http_conn_refuse(http, 503, words);
        }
    }
    if (server->http2 != NULL) {
        http2_server_end_receiving(server->http2, words);
    }
}

/* A finished one lingers until its client closes too, which holds up the stop. */
static void end_idle(struct http_conn *http) {
    if (loop_conn_owes_nothing(http->conn)) {
        http_conn_close(http);
    } else {
        http_conn_finish(http);
    }
}

void http_server_drain(struct http_server *server) {
    struct loop *loop = server->options.loop;
    server->is_draining = true;
    server->grace = (struct loop_timer){.on_due = end_receiving, .context = server};
    loop_timer_start(loop, &server->grace, loop_now_ns(loop) + server->options.drain_grace_ns);
    loop_stop_listening(loop);
    for (uint32_t i = 0; i < server->options.connections_max; i++) {
        struct http_conn *http = &server->conns[i];
        if (http->phase == PHASE_HEAD && http->input_size == 0 &&
            !http_queued_is_in(&http->queued)) {
            end_idle(http);
        }
    }
    if (server->http2 != NULL) {
        http2_server_drain(server->http2);
    }
}

uint32_t http_server_busy_count(const struct http_server *server) {
    uint32_t count =
        server->busy_count + (server->http2 == NULL ? 0 : http2_server_busy_count(server->http2));
    for (uint32_t i = 0; server->is_draining && i < server->options.connections_max; i++) {
        count += is_receiving(&server->conns[i]);
    }
    return count;
}

bool http_server_has_put_back(const struct http_server *server) {
    return server->put_back.first != NULL;
}

void http_server_resume(struct http_server *server) {
    const struct http_queued *last = server->put_back.last;
    while (server->put_back.first != NULL && server->put_back.last == last) {
        struct http_queued *first = server->put_back.first;
        void (*hand_over)(void *owner) = first->hand_over;
        void *owner = first->owner;
        last = first == last ? NULL : last;
        http_queue_remove(&server->put_back, first);
        hand_over(owner);
    }
}

void http_server_close(struct http_server *server) {
    if (server == NULL) {
        return;
    }
    loop_timer_stop(server->options.loop, &server->grace);
    for (uint32_t i = 0; server->conns != NULL && i < server->options.connections_max; i++) {
        if (server->conns[i].phase != PHASE_GONE) {
            http_conn_free(&server->conns[i]);
        }
    }
    http2_server_close(server->http2);
    arena_deinit(&server->arena);
    free(server);
}
