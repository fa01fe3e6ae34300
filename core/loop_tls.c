/*
 * loop_tls.c - a connection whose listener speaks TLS: what comes is decrypted for the handler,
 * what it sends is encrypted; the back-ends move ciphertext and know nothing of it.
 *
 * conn->parts is what the back-end sends, so the handler's own slices wait in conn->plain. The
 * handler's send is complete when the last ciphertext of it has left. The rules of loop.h hold: no
 * callback comes from inside loop_conn_send, because what it encrypts leaves later.
 */
#include "core/base/assert.h"
#include "core/loop_internal.h"
#include "core/tls.h"

static void count(const struct loop_conn *conn, enum stat_number stat) {
    if (conn->loop->options.stats != NULL) {
        stats_add(conn->loop->options.stats, stat, 1);
    }
}

static bool is_alive(const struct loop_conn *conn) {
    return conn->state == CONN_OPEN || conn->state == CONN_FINISHING;
}

/* Encrypts what the handler sends, as far as the output takes it. False: the session is broken. */
static bool encrypt(struct loop_conn *conn) {
    bool is_broken = false;
    while (conn->plain_at < conn->plain_count && !is_broken) {
        struct slice *part = &conn->plain[conn->plain_at];
        size_t taken = tls_conn_write(conn->tls, *part, &is_broken);
        *part = slice_tail(*part, taken);
        if (part->size > 0) {
            break;
        }
        conn->plain_at++;
    }
    return !is_broken;
}

/* Starts the next send of ciphertext. False: there is none. */
static bool send_output(struct loop_conn *conn) {
    struct slice output = tls_conn_take_output(conn->tls);
    if (output.size == 0) {
        return false;
    }
    loop_start_send(conn, &output, 1);
    return true;
}

static void on_broken(void *context) {
    loop_lost(context);
}

/* Encrypts and sends as far as the network takes it; the FIN behind the last of it. No callback
 * comes from inside. */
static void flush(struct loop_conn *conn) {
    if (!is_alive(conn) || conn->is_sending) {
        return;
    }
    if (!encrypt(conn)) {
        conn->plain_at = conn->plain_count;
        conn->linger.on_due = on_broken;
        conn->linger.context = conn;
        loop_timer_start(conn->loop, &conn->linger, conn->loop->now_ns);
        return;
    }
    bool is_last = conn->wants_finish && conn->plain_at == conn->plain_count;
    if (is_last) {
        tls_conn_end(conn->tls);
    }
    if (!send_output(conn) && is_last) {
        loop_send_fin(conn);
    }
}

/* The handler hears that it is lost; the peer still gets the alert that says why. */
static void break_off(struct loop_conn *conn) {
    count(conn, STAT_TLS_FAILURES);
    bool is_told = conn->state == CONN_OPEN;
    conn->state = CONN_FINISHING;
    conn->plain_at = conn->plain_count;
    conn->wants_finish = true;
    if (is_told) {
        conn->handler->on_lost(conn->context, conn);
    }
    if (conn->state == CONN_FINISHING) {
        loop_start_linger(conn);
        flush(conn);
    }
}

/* Plaintext to the handler, until all is used up. A handler that closes may take the session with
 * it: false then. */
static bool decrypt(struct loop_conn *conn, enum tls_event *event_out) {
    struct slice plaintext = {0};
    enum tls_event event = tls_conn_read(conn->tls, &plaintext);
    while (event == TLS_PLAINTEXT) {
        conn->handler->on_receive(conn->context, conn, plaintext);
        if (conn->state != CONN_OPEN) {
            break;
        }
        event = tls_conn_read(conn->tls, &plaintext);
    }
    *event_out = event;
    return is_alive(conn);
}

void loop_tls_received(struct loop_conn *conn, struct slice bytes) {
    enum tls_event event = TLS_STARVED;
    bool was_established = tls_conn_is_established(conn->tls);
    tls_conn_feed(conn->tls, bytes);
    if (!decrypt(conn, &event)) {
        return;
    }
    tls_conn_feed(conn->tls, slice_of(NULL, 0));
    if (!was_established && tls_conn_is_established(conn->tls)) {
        count(conn, STAT_TLS_HANDSHAKES);
    }
    if (conn->state == CONN_OPEN && event == TLS_BROKEN) {
        break_off(conn);
        return;
    }
    if (event == TLS_ENDED) {
        loop_tls_ended(conn);
    }
    flush(conn);
}

/* By close_notify or by FIN, whichever comes first. */
void loop_tls_ended(struct loop_conn *conn) {
    if (conn->state == CONN_OPEN && !conn->has_plain_ended) {
        conn->has_plain_ended = true;
        conn->handler->on_end(conn->context, conn);
    }
}

void loop_tls_send(struct loop_conn *conn, const struct slice *parts, uint32_t parts_count) {
    ASSERT(conn->plain_at == conn->plain_count);
    memcpy(conn->plain, parts, parts_count * sizeof(*parts));
    conn->plain_at = 0;
    conn->plain_count = parts_count;
    conn->is_plain_sending = true;
    flush(conn);
}

/* A send of ciphertext is complete. */
void loop_tls_sent(struct loop_conn *conn) {
    flush(conn);
    bool is_done =
        conn->is_plain_sending && !conn->is_sending && conn->plain_at == conn->plain_count;
    if (is_done && conn->state == CONN_OPEN) {
        conn->is_plain_sending = false;
        conn->handler->on_sent(conn->context, conn);
    }
}

void loop_tls_finish(struct loop_conn *conn) {
    conn->wants_finish = true;
    flush(conn);
}
