/*
 * http2.c - connections: bytes to nghttp2 and from it, and what time does to them. See http2.h.
 *
 * Inside nghttp2's callbacks (is_in_session, http2_session.c) nothing is sent or closed; what they
 * decided is carried out by http2_pump() behind them.
 */
#include "core/http2.h"

#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#include "core/base/assert.h"
#include "core/http2_conn.h"

enum { SLOWEST_BYTES_PER_S = 64 * 1024 };

/* --- Life of a connection --- */

uint64_t http2_now_ns(const struct http2_conn *http2) {
    const struct loop *loop = http2->server->options.loop;
    return loop_now_ns(loop) - loop_deaf_ns(loop);
}

void http2_count(const struct http2_server *server, enum stat_number stat, uint64_t value) {
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

void http2_terminate(struct http2_conn *http2, uint32_t error_code) {
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

/* Said when it can be sent: what comes before it leaves is not told that it was passed over. */
static void say_goaway(struct http2_conn *http2) {
    if (http2->server->is_draining && !http2->has_said_goaway && !http2->is_terminated) {
        http2->has_said_goaway = true;
        int32_t last = nghttp2_session_get_last_proc_stream_id(http2->session);
        (void)nghttp2_submit_goaway(http2->session, 0, last, NGHTTP2_NO_ERROR, NULL, 0);
    }
}

void http2_pump(struct http2_conn *http2) {
    if (http2->is_in_session || http2->is_sending) {
        return;
    }
    say_goaway(http2);
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
        http2->sent_ns = http2_now_ns(http2);
        loop_conn_send(http2->conn, &whole, 1);
        return;
    }
    if (is_done(http2)) {
        struct loop_conn *conn = http2->conn;
        http2_conn_free(http2);
        loop_conn_finish(conn);
    }
}

/* --- The loop's events --- */

static bool is_too_slow(const struct http2_stream *stream, uint64_t now_ns) {
    uint64_t earned_ns = stream->body.size * NS_PER_S / SLOWEST_BYTES_PER_S;
    return now_ns - stream->began_ns > stream->conn->server->options.body_timeout_ns + earned_ns;
}

/* Who says nothing has no more to say; but who listens to an answer is asked whether it is there.
 * False: it is not. */
static bool check_silence(struct http2_conn *http2, uint64_t now_ns) {
    uint64_t silence_ns_max = http2->server->options.idle_timeout_ns;
    if (now_ns - http2->active_ns <= silence_ns_max) {
        return true;
    }
    if (http2->streams_count == 0) {
        http2_terminate(http2, NGHTTP2_NO_ERROR);
    } else if (http2->pinged_ns == 0) {
        http2->pinged_ns = now_ns;
        (void)nghttp2_submit_ping(http2->session, 0, NULL);
    }
    return http2->pinged_ns == 0 || now_ns - http2->pinged_ns <= silence_ns_max;
}

/* Instead of the rest of it. The caller pumps. */
static void end_stream(struct http2_stream *stream, unsigned status, const char *words) {
    struct http2_conn *http2 = stream->conn;
    http2_stream_refuse(stream, status, words);
    http2->is_in_session = true; /* the list must not change under us */
    http2_stream_hand_over(stream);
    http2->is_in_session = false;
}

void http2_conn_start_timer(struct http2_conn *http2) {
    struct loop *loop = http2->server->options.loop;
    loop_timer_start(loop, &http2->timer, loop_now_ns(loop) + NS_PER_S);
}

/* Once a second: who is too slow to send, to take, or has nothing to say. */
void http2_conn_check(void *context) {
    struct http2_conn *http2 = context;
    struct http2_server *server = http2->server;
    uint64_t now_ns = http2_now_ns(http2);
    uint64_t send_ns_max = server->options.send_timeout_ns;
    bool is_stuck = http2->is_sending && now_ns - http2->sent_ns > send_ns_max;
    struct http2_stream *next = NULL;
    for (struct http2_stream *stream = http2->streams; stream != NULL; stream = next) {
        next = stream->next;
        if (http2_stream_has_unsent(stream) && now_ns - stream->began_ns > send_ns_max) {
            is_stuck = true;
        } else if (stream->state == STREAM_RECEIVING && is_too_slow(stream, now_ns)) {
            http2_count(server, STAT_CLIENTS_SLOW, 1);
            end_stream(stream, 408, "the request took too long");
        }
    }
    if (is_stuck || !check_silence(http2, now_ns)) {
        http2_count(server, STAT_CLIENTS_SLOW, 1);
        conn_close(http2);
        return;
    }
    http2_conn_start_timer(http2);
    http2_pump(http2);
}

static void on_receive(void *context, struct loop_conn *conn, struct slice bytes) {
    struct http2_conn *http2 = context;
    (void)conn;
    http2_count(http2->server, STAT_BYTES_RECEIVED, bytes.size);
    http2->active_ns = http2_now_ns(http2);
    http2->pinged_ns = 0;
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
    http2_pump(http2);
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
    http2_pump(http2);
}

static void on_sent(void *context, struct loop_conn *conn) {
    struct http2_conn *http2 = context;
    (void)conn;
    http2->is_sending = false;
    http2_pump(http2);
}

static void on_lost(void *context, struct loop_conn *conn) {
    (void)conn;
    http2_conn_free(context);
}

const struct loop_conn_handler http2_conn_handler = {
    .on_receive = on_receive, .on_end = on_end, .on_sent = on_sent, .on_lost = on_lost};

void http2_conn_drain(struct http2_conn *http2) {
    http2_pump(http2);
}

void http2_conn_end_receiving(struct http2_conn *http2, const char *words) {
    struct http2_stream *next = NULL;
    for (struct http2_stream *stream = http2->streams; stream != NULL; stream = next) {
        next = stream->next;
        if (stream->state == STREAM_RECEIVING) {
            end_stream(stream, 503, words);
        }
    }
    http2_pump(http2);
}
