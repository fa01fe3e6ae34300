/* http2_server.c - the life of a server: its connections come from http.c. See http2.h. */
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/http2_conn.h"

struct status http2_server_open(const struct http_options *options, struct http_queue *put_back,
                                struct http2_server **server_out) {
    struct http2_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        return status_of(STATUS_FULL);
    }
    ASSERT(options->handler->on_refused != NULL);
    server->options = *options;
    server->put_back = put_back;
    http_limit_words(options->request_limit_name, options->request_bytes_max, "",
                     server->too_large);
    struct status status = http2_pools_init(server);
    if (!status_is_ok(status)) {
        http2_server_close(server);
        return status;
    }
    *server_out = server;
    return status_ok();
}

bool http2_server_adopt(struct http2_server *server, struct loop_conn *conn, struct slice bytes,
                        bool has_ended) {
    struct http2_conn *http2 = server->free_conns;
    if (http2 == NULL || server->is_draining || has_ended) {
        return false;
    }
    server->free_conns = http2->next_free;
    *http2 = (struct http2_conn){
        .server = server,
        .output = malloc(HTTP2_OUTPUT_BYTES),
        .credit = HTTP2_FLOOD_CREDIT,
        .credit_ns = loop_now_ns(server->options.loop),
        .timer = {.on_due = http2_conn_check, .context = http2},
    };
    if (http2->output == NULL || !http2_conn_open_session(http2)) {
        http2_conn_free(http2);
        return false;
    }
    http2->active_ns = http2_now_ns(http2);
    http2->conn = conn;
    loop_conn_hand_over(conn, &http2_conn_handler, http2);
    http2_conn_start_timer(http2);
    http2_conn_handler.on_receive(http2, conn, bytes);
    return true;
}

void http2_server_drain(struct http2_server *server) {
    server->is_draining = true;
    for (uint32_t i = 0; i < HTTP2_CONNECTIONS_MAX; i++) {
        struct http2_conn *http2 = &server->conns[i];
        if (http2->conn != NULL) {
            http2_conn_drain(http2);
        }
    }
}

void http2_server_end_receiving(struct http2_server *server, const char *words) {
    for (uint32_t i = 0; i < HTTP2_CONNECTIONS_MAX; i++) {
        struct http2_conn *http2 = &server->conns[i];
        if (http2->conn != NULL) {
            http2_conn_end_receiving(http2, words);
        }
    }
}

uint32_t http2_server_busy_count(const struct http2_server *server) {
    return server->streams_count;
}

void http2_server_close(struct http2_server *server) {
    if (server == NULL) {
        return;
    }
    for (uint32_t i = 0; server->conns != NULL && i < HTTP2_CONNECTIONS_MAX; i++) {
        if (server->conns[i].conn != NULL) {
            http2_conn_free(&server->conns[i]);
        }
    }
    arena_deinit(&server->arena);
    free(server);
}
