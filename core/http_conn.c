/*
 * http_conn.c - what the loop tells of a connection, and what becomes of it. See http.c.
 *
 * A body's time is body_timeout_ns plus what came of it at 64 KiB/s: who sends slower is cut off,
 * however long a length was promised. No time counts in which the loop did not listen.
 */
#include "core/http_conn.h"

#include "core/base/assert.h"

enum { PIPELINED_BYTES = 64 * 1024, SLOWEST_BYTES_PER_S = 64 * 1024 };

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

void http_conn_finish(struct http_conn *http) {
    struct loop_conn *conn = http->conn;
    http_conn_free(http);
    loop_conn_finish(conn);
}

static uint64_t body_due_ns(const struct http_conn *http) {
    return http->body_began_ns + http->server->options.body_timeout_ns +
           http->body_received_bytes * NS_PER_S / SLOWEST_BYTES_PER_S;
}

static void next_request(struct http_conn *http) {
    struct http_server *server = http->server;
    ASSERT(server->busy_count > 0 && http->input_size >= http->request_size);
    server->busy_count--;
    http->input_size -= http->request_size;
    if (http->input_size > 0) {
        memmove(http->input, http->input + http->request_size, http->input_size);
    }
    http->request_size = 0;
    http->searched = 0;
    http->has_head = false;
    http->phase = PHASE_HEAD;
    http_conn_skip_blank_lines(http);
    http->has_begun = http->input_size > 0;
    if (http->input_size == 0 && http->input_capacity > HTTP_KEPT_BYTES_MAX) {
        http_input_drop(http);
    }
    if (http->output_capacity > HTTP_KEPT_BYTES_MAX) {
        http_output_drop(http);
    }
    http_conn_start_timer(http, http->has_begun ? server->options.header_timeout_ns
                                                : server->options.idle_timeout_ns);
    http_conn_take_input(http);
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

/* The time it earned, and that in which nobody listened to it. */
static bool has_more_time(struct http_conn *http) {
    struct loop *loop = http->server->options.loop;
    uint64_t deaf_ns = loop_deaf_ns(loop) - http->deaf_ns;
    http->deaf_ns += deaf_ns;
    http->body_began_ns += deaf_ns;
    uint64_t due_ns = http->phase == PHASE_BODY ? body_due_ns(http) : http->due_ns + deaf_ns;
    if (due_ns <= http->due_ns) {
        return false;
    }
    http->due_ns = due_ns;
    loop_timer_start(loop, &http->timer, due_ns);
    return true;
}

static void on_timeout(void *context) {
    struct http_conn *http = context;
    if (has_more_time(http)) {
        return;
    }
    if (http_queued_is_in(&http->queued)) { /* it came, and its owner's turn has not */
        http_conn_start_timer(http, http->server->options.idle_timeout_ns);
        return;
    }
    bool is_idle = http->phase == PHASE_HEAD && http->input_size == 0;
    if (!is_idle) {
        http_count(http->server, STAT_CLIENTS_SLOW);
    }
    unsigned slow_head_status = http->server->options.slow_head_status;
    bool is_in_head = http->phase == PHASE_HEAD && !is_idle;
    if (is_in_head || http->phase == PHASE_BODY) {
        unsigned status = is_in_head && slow_head_status != 0 ? slow_head_status : 408;
        http_conn_refuse(http, status, "the request took too long");
    } else if (is_idle) {
        http_conn_finish(http);
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
    http_conn_start_timer(http, server->options.header_timeout_ns);
    return http;
}

static void run_out_of_memory(struct http_conn *http) {
    if (http->phase >= PHASE_BUSY) {
        http_conn_close(http);
    } else {
        http_conn_refuse_for_memory(http);
    }
}

/* The head's slices point to where the input was. */
static void find_head_again(struct http_conn *http) {
    const char *words = "";
    if (http->phase == PHASE_BODY) {
        ASSERT(http_head_parse(slice_of(http->input, http->head_size), &http->head, &words) == 0);
    }
}

/* What is not dealt with when the loop takes its memory back moves into the connection's own. */
static void keep_rest(struct http_conn *http) {
    if (http->input == http->memory) {
        return; /* it has, or the connection is gone */
    }
    bool is_last = http->closes_after || http->input_size == http->request_size;
    bool is_taken = http->phase >= PHASE_BUSY && is_last && !http_queued_is_in(&http->queued);
    if (is_taken) {
        http->input = http->memory;
        http->input_size = 0;
        http->request_size = 0;
    } else if (http_input_reserve(http, http->input_size)) {
        find_head_again(http);
    } else {
        run_out_of_memory(http);
    }
}

static void begin_request(struct http_conn *http, struct slice bytes) {
    http->input = (uint8_t *)(uintptr_t)bytes.data; /* lent to be written to, too */
    http->input_size = bytes.size;
    http_conn_skip_blank_lines(http);
    if (http->input_size > 0 && !http->has_begun) {
        http->has_begun = true;
        http_conn_start_timer(http, http->server->options.header_timeout_ns);
    }
    http_conn_take_input(http);
    keep_rest(http);
}

static void go_on_receiving(struct http_conn *http, struct slice bytes) {
    const uint8_t *before = http->input;
    if (!http_input_reserve(http, http->input_size + bytes.size)) {
        run_out_of_memory(http);
        return;
    }
    memcpy(http->input + http->input_size, bytes.data, bytes.size);
    http->input_size += bytes.size;
    if (http->input != before) {
        find_head_again(http);
    }
    if (http->phase == PHASE_BODY) {
        http->body_received_bytes += bytes.size;
    }
    if (http->phase < PHASE_BUSY) {
        http_conn_take_input(http);
    } else if (http->input_size - http->request_size >= PIPELINED_BYTES) {
        loop_conn_pause(http->conn);
    }
}

static void on_receive(void *context, struct loop_conn *conn, struct slice bytes) {
    struct http_conn *http = context;
    struct http_server *server = http->server;
    (void)conn;
    if (server->options.stats != NULL) {
        stats_add(server->options.stats, STAT_BYTES_RECEIVED, bytes.size);
    }
    if (http->closes_after && http->phase >= PHASE_BUSY) {
        return; /* nothing behind the last request matters */
    }
    if (http->phase == PHASE_HEAD && http->input_size == 0) {
        begin_request(http, bytes);
    } else {
        go_on_receiving(http, bytes);
    }
}

static bool begins(const struct http_conn *http) {
    const struct http_options *options = &http->server->options;
    return options->handler->may_begin(options->context, http->owner);
}

static void receive_again(void *context);

/* Asked before anything of a request is received. */
static bool may_receive(void *context, struct loop_conn *conn) {
    struct http_conn *http = context;
    (void)conn;
    if (http_queued_is_in(&http->queued) && http->queued.hand_over == receive_again) {
        return false;
    }
    bool is_first = http->phase == PHASE_HEAD && http->input_size == 0;
    if (!is_first || !http->has_owner || http->server->options.handler->may_begin == NULL ||
        begins(http)) {
        return true;
    }
    http_queue_push(&http->server->put_back, &http->queued, receive_again, http);
    return false;
}

static void receive_again(void *context) {
    struct http_conn *http = context;
    if (may_receive(http, http->conn)) {
        loop_conn_receive(http->conn);
    }
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
    (void)conn;
    http->is_sending = false;
    if (http->has_output) {
        http_conn_send_output(http);
        return;
    }
    if (http->phase != PHASE_SENDING) {
        return; /* it was 100 Continue */
    }
    if (http->closes_after || http->server->is_draining) {
        http_conn_finish(http);
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
    .may_receive = may_receive,
    .on_receive = on_receive,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_lost = on_lost,
};
