/*
 * loop.c - what all back-ends have in common: connections and their callbacks, wakers, watches. See
 * loop.h and loop_internal.h.
 */
#include "core/loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/clock.h"
#include "core/loop_internal.h"

/* --- Life --- */

/* -1 stands for none: also where connections are simulated. */
void loop_close_fd(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

static struct status init_conns(struct loop *loop) {
    uint32_t count = loop->options.connections_max;
    loop->conns = ARENA_ARRAY(&loop->arena, struct loop_conn, count + 1u);
    loop->timers = ARENA_ARRAY(&loop->arena, struct loop_timer *, LOOP_TIMERS_MAX);
    if (loop->conns == NULL || loop->timers == NULL) {
        return status_of(STATUS_FULL);
    }
    for (uint32_t i = count; i > 0; i--) {
        struct loop_conn *conn = &loop->conns[i - 1];
        conn->loop = loop;
        conn->index = i - 1;
        conn->fd = -1;
        conn->next = loop->conns_free;
        loop->conns_free = conn;
    }
    return status_ok();
}

static struct status open_backend(struct loop *loop, struct fault *fault) {
    enum loop_backend wanted = loop->options.backend;
    if (wanted == LOOP_EPOLL || wanted == LOOP_SIM) {
        loop->calls = wanted == LOOP_SIM ? &loop_sim_calls : &loop_epoll_calls;
        return loop->calls->open(loop, fault);
    }
    loop->calls = &loop_uring_calls;
    struct status status = loop->calls->open(loop, fault);
    if (status_is_ok(status) || wanted == LOOP_IO_URING) {
        return status;
    }
    loop->calls = &loop_epoll_calls;
    return loop->calls->open(loop, fault);
}

static uint64_t read_clock(const struct loop *loop) {
    return loop->calls->now != NULL ? loop->calls->now(loop) : clock_monotonic_ns();
}

struct status loop_open(const struct loop_options *options, struct loop **loop_out,
                        struct fault *fault) {
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        return fault_set(fault, STATUS_FULL, "no memory for a loop");
    }
    loop->options = *options;
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    size_t bytes = ((size_t)options->connections_max + 1) * sizeof(struct loop_conn) +
                   LOOP_TIMERS_MAX * sizeof(void *) + 64 * KIB;
    struct status status =
        loop->wake_fd < 0 ? status_of(STATUS_IO) : arena_init(&loop->arena, bytes);
    if (status_is_ok(status)) {
        status = init_conns(loop);
    }
    if (!status_is_ok(status)) {
        loop_close(loop);
        return fault_set(fault, status.code, "cannot open a loop: %s", strerror(errno));
    }
    status = open_backend(loop, fault);
    if (!status_is_ok(status)) {
        loop->calls = NULL;
        loop_close(loop);
        return status;
    }
    loop->now_ns = loop->woke_ns = read_clock(loop);
    *loop_out = loop;
    return status_ok();
}

void loop_close(struct loop *loop) {
    if (loop == NULL) {
        return;
    }
    if (loop->calls != NULL) {
        loop->calls->close(loop);
    }
    for (uint32_t i = 0; i < loop->options.connections_max && loop->conns != NULL; i++) {
        tls_conn_close(loop->conns[i].tls);
        loop_close_fd(loop->conns[i].fd);
    }
    for (uint32_t i = 0; i < loop->listeners_count; i++) {
        if (loop->listeners[i].is_open) {
            loop_close_fd(loop->listeners[i].fd);
        }
        tls_server_release(loop->listeners[i].tls);
    }
    loop_close_fd(loop->wake_fd);
    arena_deinit(&loop->arena);
    free(loop);
}

enum loop_backend loop_get_backend(const struct loop *loop) {
    return loop->calls->backend;
}

/* A wait that ends much later than it was asked to is where a process that is stopped stands. */
void loop_woke(struct loop *loop) {
    loop->now_ns = read_clock(loop);
    loop->woke_ns = loop->now_ns;
    uint64_t waited_ns = loop->now_ns - loop->polled_ns;
    uint64_t late_ns = waited_ns > loop->asked_ns ? waited_ns - loop->asked_ns : 0;
    loop->deaf_ns += late_ns > LOOP_DEAF_MIN_NS ? late_ns : 0;
}

/* What its callbacks took. Half a second of it is work: under steady overload time goes on. */
static void look_at_clock(struct loop *loop) {
    loop->now_ns = read_clock(loop);
    uint64_t busy_ns = loop->now_ns - loop->woke_ns;
    loop->deaf_ns += busy_ns > LOOP_DEAF_MIN_NS ? busy_ns - LOOP_DEAF_MIN_NS : 0;
    loop->woke_ns = loop->now_ns;
}

static struct status poll_once(struct loop *loop, uint64_t timeout_ns) {
    loop->is_poll_partial = false;
    loop->polled_ns = loop->now_ns;
    loop->asked_ns = timeout_ns;
    struct status status = loop->calls->run(loop, timeout_ns);
    look_at_clock(loop);
    loop_note_heard(loop);
    return status;
}

/* A timer runs when a poll that began behind its time has told what had come: who sent in time
 * while this thread stood still, or the whole process did, is heard before his time is up. A poll
 * that waited does not say it: it is where a process that is stopped stands. One more is enough
 * for that; while there is more than a poll tells of, the next turns say it. */
struct status loop_run_once(struct loop *loop, uint64_t timeout_ns) {
    look_at_clock(loop);
    struct status status = poll_once(loop, loop_wait_ns(loop, timeout_ns));
    if (status_is_ok(status) && !loop->is_poll_partial && loop_holds_timer(loop)) {
        status = poll_once(loop, 0);
    }
    loop_run_timers(loop);
    return status;
}

/* --- Connections --- */

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

/* --- Wakers --- */

struct status loop_waker_open(struct loop *loop, void (*on_wake)(void *context), void *context,
                              struct loop_waker **waker_out) {
    if (loop->wakers_count == LOOP_WAKERS_MAX) {
        return status_of(STATUS_FULL);
    }
    struct loop_waker *waker = &loop->wakers[loop->wakers_count++];
    waker->loop = loop;
    waker->on_wake = on_wake;
    waker->context = context;
    atomic_init(&waker->is_pending, false);
    *waker_out = waker;
    return status_ok();
}

void loop_waker_wake(struct loop_waker *waker) {
    if (atomic_exchange(&waker->is_pending, true)) {
        return; /* a wake is on its way already */
    }
    uint64_t one = 1;
    ssize_t ignored = write(waker->loop->wake_fd, &one, sizeof(one));
    (void)ignored; /* full counter: the loop will wake anyway */
}

void loop_waker_mute(struct loop_waker *waker) {
    waker->is_muted = true;
    /* As if a wake were on its way. */
    atomic_store(&waker->is_pending, true);
}

void loop_waker_listen(struct loop_waker *waker) {
    waker->is_muted = false;
    /* An exchange: what was left before a wake that found it pending is seen after it. */
    (void)atomic_exchange(&waker->is_pending, false);
}

void loop_run_wakers(struct loop *loop) {
    uint64_t count = 0;
    ssize_t ignored = read(loop->wake_fd, &count, sizeof(count));
    (void)ignored;
    for (uint32_t i = 0; i < loop->wakers_count; i++) {
        struct loop_waker *waker = &loop->wakers[i];
        if (!waker->is_muted && atomic_exchange(&waker->is_pending, false)) {
            waker->on_wake(waker->context);
        }
    }
}

/* --- Watches --- */

static struct loop_watch_slot *find_watch(struct loop *loop, int fd) {
    struct loop_watch_slot *unused = NULL;
    for (uint32_t i = 0; i < LOOP_WATCHES_MAX; i++) {
        struct loop_watch_slot *slot = &loop->watches[i];
        if (slot->events != 0 && slot->fd == fd) {
            return slot;
        }
        if (slot->events == 0 && unused == NULL) {
            unused = slot;
        }
    }
    return unused;
}

struct status loop_watch(struct loop *loop, int fd, unsigned events,
                         void (*on_ready)(void *context, int fd, unsigned events), void *context) {
    struct loop_watch_slot *slot = find_watch(loop, fd);
    if (slot == NULL) {
        return status_of(STATUS_FULL);
    }
    if (slot->events == 0 && events == 0) {
        return status_ok();
    }
    slot->fd = fd;
    slot->events = events;
    slot->on_ready = on_ready;
    slot->context = context;
    slot->generation++;
    return loop->calls->watch(loop, slot);
}

void loop_file_write(struct loop *loop, struct loop_file_op *op) {
    ASSERT(op->fd >= 0 && op->on_done != NULL);
    op->error_number = 0;
    loop->calls->file_write(loop, op);
}
