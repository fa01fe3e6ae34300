/*
 * loop_conn.c - connections of a loop, whatever back-end moves their bytes: accepted, received,
 * sent in parts, lingering, closed. See loop.h and loop_internal.h.
 */
#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/loop_internal.h"

static void count_connections(struct loop *loop) {
    if (loop->options.stats != NULL && loop->options.connections_max > 0) {
        stats_set(loop->options.stats, STAT_CONNECTIONS, loop->conns_open);
    }
}

void loop_accepted(struct loop_listener *listener, int fd) {
    struct loop *loop = listener->loop;
    struct loop_conn *conn = loop->conns_free;
    if (conn == NULL || !listener->is_open) {
        loop_close_fd(fd);
        if (loop->options.stats != NULL) {
            stats_add(loop->options.stats, STAT_CONNECTIONS_REFUSED, 1);
        }
        return;
    }
    loop->conns_free = conn->next;
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* no socket: no matter */
    uint32_t generation = conn->generation + 1;
    *conn = (struct loop_conn){.loop = loop,
                               .fd = fd,
                               .state = CONN_OPEN,
                               .index = conn->index,
                               .generation = generation,
                               .handler = listener->handler};
    loop->conns_open++;
    count_connections(loop);
    if (listener->tls != NULL && !status_is_ok(tls_conn_open(listener->tls, &conn->tls))) {
        loop_conn_close(conn);
        return;
    }
    conn->context = conn->handler->on_open(listener->context, conn);
    if (conn->context == NULL) {
        loop_conn_close(conn);
        return;
    }
    if (conn->state == CONN_OPEN) {
        loop->calls->conn_start(conn);
    }
}

void loop_received(struct loop_conn *conn, struct slice bytes) {
    if (conn->state != CONN_OPEN) {
        return;
    }
    if (conn->tls != NULL) {
        loop_tls_received(conn, bytes);
    } else {
        conn->handler->on_receive(conn->context, conn, bytes);
    }
}

void loop_ended(struct loop_conn *conn) {
    conn->has_ended = true;
    if (conn->state == CONN_FINISHING) {
        loop_conn_close(conn);
    } else if (conn->tls != NULL) {
        loop_tls_ended(conn);
    } else if (conn->state == CONN_OPEN) {
        conn->handler->on_end(conn->context, conn);
    }
}

void loop_lost(struct loop_conn *conn) {
    bool is_told = conn->state == CONN_OPEN;
    if (is_told) {
        /* Closed first, so that a handler that closes it too does no harm. */
        conn->state = CONN_FINISHING;
        conn->handler->on_lost(conn->context, conn);
    }
    loop_conn_close(conn);
}

void loop_send_fin(struct loop_conn *conn) {
    conn->wants_finish = false;
    const struct loop_backend_calls *calls = conn->loop->calls;
    bool is_sent =
        !conn->has_ended && (calls->conn_shutdown != NULL ? calls->conn_shutdown(conn)
                                                          : shutdown(conn->fd, SHUT_WR) == 0);
    if (!is_sent) {
        loop_conn_close(conn);
    }
}

bool loop_sent(struct loop_conn *conn, size_t sent) {
    while (conn->parts_at < conn->parts_count) {
        struct iovec *part = &conn->parts[conn->parts_at];
        size_t take = sent < part->iov_len ? sent : part->iov_len;
        part->iov_base = (uint8_t *)part->iov_base + take;
        part->iov_len -= take;
        sent -= take;
        if (part->iov_len > 0) {
            return false;
        }
        conn->parts_at++;
    }
    ASSERT(sent == 0);
    conn->is_sending = false;
    if (conn->tls != NULL) {
        loop_tls_sent(conn);
    } else if (conn->wants_finish) {
        loop_send_fin(conn);
    } else if (conn->state == CONN_OPEN) {
        conn->handler->on_sent(conn->context, conn);
    }
    return true;
}

void loop_start_send(struct loop_conn *conn, const struct slice *parts, uint32_t parts_count) {
    ASSERT(!conn->is_sending);
    conn->parts_at = 0;
    conn->parts_count = parts_count;
    for (uint32_t i = 0; i < parts_count; i++) {
        conn->parts[i].iov_base = (void *)(uintptr_t)parts[i].data;
        conn->parts[i].iov_len = parts[i].size;
    }
    conn->is_sending = true;
    conn->loop->calls->conn_send(conn);
}

bool loop_is_busy(const struct loop_conn *conn) {
    return conn->tls != NULL ? conn->is_plain_sending : conn->is_sending;
}

void loop_conn_send(struct loop_conn *conn, const struct slice *parts, uint32_t parts_count) {
    ASSERT(parts_count > 0 && parts_count <= LOOP_SEND_PARTS_MAX);
    ASSERT(!loop_is_busy(conn));
    if (conn->state != CONN_OPEN) {
        return;
    }
    if (conn->tls != NULL) {
        loop_tls_send(conn, parts, parts_count);
    } else {
        loop_start_send(conn, parts, parts_count);
    }
}

void loop_conn_pause(struct loop_conn *conn) {
    if (conn->state == CONN_OPEN && !conn->is_paused) {
        conn->is_paused = true;
        conn->loop->calls->conn_update(conn);
    }
}

void loop_conn_resume(struct loop_conn *conn) {
    if (conn->state == CONN_OPEN && conn->is_paused) {
        conn->is_paused = false;
        conn->loop->calls->conn_update(conn);
    }
}

void loop_conn_receive(struct loop_conn *conn) {
    conn->loop->calls->conn_receive(conn);
}

void loop_conn_hand_over(struct loop_conn *conn, const struct loop_conn_handler *handler,
                         void *context) {
    ASSERT(!loop_is_busy(conn) && context != NULL);
    conn->handler = handler;
    conn->context = context;
}

static void on_linger(void *context) {
    loop_conn_close(context);
}

/* What still comes is thrown away, for a while. */
void loop_start_linger(struct loop_conn *conn) {
    conn->linger.on_due = on_linger;
    conn->linger.context = conn;
    loop_timer_start(conn->loop, &conn->linger, conn->loop->now_ns + LOOP_LINGER_NS);
    if (conn->is_paused) {
        conn->is_paused = false;
        conn->loop->calls->conn_update(conn);
    }
}

void loop_conn_finish(struct loop_conn *conn) {
    if (conn->state != CONN_OPEN) {
        return;
    }
    conn->state = CONN_FINISHING;
    loop_start_linger(conn);
    if (conn->tls != NULL) {
        loop_tls_finish(conn);
    } else if (conn->is_sending) {
        conn->wants_finish = true;
    } else {
        loop_send_fin(conn);
    }
}

bool loop_conn_owes_nothing(const struct loop_conn *conn) {
    int unacknowledged = 0; /* also where it cannot be asked for: the simulation has no socket */
    (void)ioctl(conn->fd, SIOCOUTQ, &unacknowledged);
    return conn->tls == NULL && !loop_is_busy(conn) && unacknowledged == 0;
}

void loop_conn_close(struct loop_conn *conn) {
    if (conn->state == CONN_FREE || conn->state == CONN_CLOSING) {
        return;
    }
    conn->state = CONN_CLOSING;
    loop_timer_stop(conn->loop, &conn->linger);
    conn->loop->calls->conn_close(conn);
}

void loop_conn_release(struct loop_conn *conn) {
    struct loop *loop = conn->loop;
    ASSERT(conn->state == CONN_CLOSING && loop->conns_open > 0);
    tls_conn_close(conn->tls);
    conn->tls = NULL;
    loop_close_fd(conn->fd);
    conn->fd = -1;
    conn->state = CONN_FREE;
    conn->next = loop->conns_free;
    loop->conns_free = conn;
    loop->conns_open--;
    count_connections(loop);
}

struct slice loop_conn_peer(struct loop_conn *conn) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    char host[INET6_ADDRSTRLEN] = "?";
    if (getpeername(conn->fd, (struct sockaddr *)&address, &size) == 0) {
        bool is_v6 = address.ss_family == AF_INET6;
        const void *raw = is_v6 ? (void *)&((struct sockaddr_in6 *)&address)->sin6_addr
                                : (void *)&((struct sockaddr_in *)&address)->sin_addr;
        (void)inet_ntop(address.ss_family, raw, host, sizeof(host));
    }
    (void)snprintf(conn->peer, sizeof(conn->peer), "%s", host);
    return slice_of_text(conn->peer);
}

const struct tls_peer *loop_conn_identity(const struct loop_conn *conn) {
    return tls_conn_peer(conn->tls);
}

uint32_t loop_connections_count(const struct loop *loop) {
    return loop->conns_open;
}
