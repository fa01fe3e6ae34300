/*
 * loop_epoll.c - the portable back-end: epoll, level-triggered; file writes are done in the call
 * and reported by the next run. A send is tried at once; what the socket does not take waits for
 * EPOLLOUT.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/loop_internal.h"

enum { EVENTS_MAX = 256, FILE_OPS_MAX = 64, RECEIVE_BYTES = 64 * 1024, READS_PER_TURN_MAX = 4 };
enum { TAG_CONN, TAG_LISTENER, TAG_WAKE, TAG_WATCH };

struct epoll_state {
    int fd;
    uint8_t *buffer;
    struct loop_file_op *done[FILE_OPS_MAX];
    struct status done_status[FILE_OPS_MAX];
    uint32_t done_count;
    struct loop_conn *sent; /* sends that completed in the call: told in the next run */
    bool waits_by_ms;       /* the kernel, or what guards a container, knows no epoll_pwait2 */
};

/* 2 bits tag, 30 bits index, 32 bits generation. */
static uint64_t pack(unsigned tag, uint32_t index, uint32_t generation) {
    return ((uint64_t)generation << 32) | ((uint64_t)index << 2) | tag;
}

static bool control(struct loop *loop, int operation, int fd, uint32_t events, uint64_t data) {
    struct epoll_state *state = loop->backend;
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(state->fd, operation, fd, &event) == 0;
}

static struct status epoll_open(struct loop *loop, struct fault *fault) {
    struct epoll_state *state = calloc(1, sizeof(*state));
    uint8_t *buffer = malloc(RECEIVE_BYTES);
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (state == NULL || buffer == NULL || fd < 0) {
        free(state);
        free(buffer);
        if (fd >= 0) {
            close(fd);
        }
        return fault_set(fault, STATUS_IO, "cannot open epoll: %s", strerror(errno));
    }
    state->fd = fd;
    state->buffer = buffer;
    loop->backend = state;
    if (!control(loop, EPOLL_CTL_ADD, loop->wake_fd, EPOLLIN, pack(TAG_WAKE, 0, 0))) {
        return fault_set(fault, STATUS_IO, "cannot watch a descriptor: %s", strerror(errno));
    }
    return status_ok();
}

static void epoll_close(struct loop *loop) {
    struct epoll_state *state = loop->backend;
    if (state != NULL) {
        close(state->fd);
        free(state->buffer);
        free(state);
    }
}

/* --- Listeners --- */

static struct status epoll_listen(struct loop *loop, struct loop_listener *listener) {
    uint32_t index = (uint32_t)(listener - loop->listeners);
    listener->is_armed = true;
    return control(loop, EPOLL_CTL_ADD, listener->fd, EPOLLIN, pack(TAG_LISTENER, index, 0))
               ? status_ok()
               : status_of(STATUS_IO);
}

static void epoll_stop_listening(struct loop *loop, struct loop_listener *listener) {
    (void)control(loop, EPOLL_CTL_DEL, listener->fd, 0, 0);
}

/* Without descriptors left, accepting again at once would spin: the listener rests. */
static void rest_listener(struct loop *loop, struct loop_listener *listener) {
    listener->is_armed = false;
    loop->accept_again_ns = loop->now_ns + 100 * NS_PER_MS;
    (void)control(loop, EPOLL_CTL_DEL, listener->fd, 0, 0);
}

static void wake_listeners(struct loop *loop) {
    if (loop->accept_again_ns == 0 || loop->now_ns < loop->accept_again_ns) {
        return;
    }
    loop->accept_again_ns = 0;
    for (uint32_t i = 0; i < loop->listeners_count; i++) {
        if (loop->listeners[i].is_open && !loop->listeners[i].is_armed) {
            (void)!status_is_ok(epoll_listen(loop, &loop->listeners[i]));
        }
    }
}

static void accept_some(struct loop *loop, struct loop_listener *listener) {
    for (int i = 0; i < 64 && listener->is_open; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                rest_listener(loop, listener);
            }
            return;
        }
        loop_accepted(listener, fd);
    }
}

/* --- Connections --- */

static uint32_t wanted_events(const struct loop_conn *conn) {
    uint32_t events = EPOLLRDHUP;
    if (!conn->is_paused && !conn->has_ended) {
        events |= EPOLLIN;
    } else {
        events = 0;
    }
    return conn->is_sending ? events | EPOLLOUT : events;
}

static void update_events(struct loop_conn *conn) {
    uint32_t events = wanted_events(conn);
    if (events == conn->events || conn->fd < 0) {
        return;
    }
    conn->events = events;
    (void)control(conn->loop, EPOLL_CTL_MOD, conn->fd, events,
                  pack(TAG_CONN, conn->index, conn->generation));
}

static void epoll_conn_start(struct loop_conn *conn) {
    conn->events = wanted_events(conn) & ~(uint32_t)EPOLLOUT;
    if (!control(conn->loop, EPOLL_CTL_ADD, conn->fd, conn->events,
                 pack(TAG_CONN, conn->index, conn->generation))) {
        loop_lost(conn);
    }
}

/* What happened in a call is told from the loop: the caller is not called back from within. */
static void remember_sent(struct loop_conn *conn) {
    struct epoll_state *state = conn->loop->backend;
    if (!conn->is_in_ready) {
        conn->is_in_ready = true;
        conn->next = state->sent;
        state->sent = conn;
    }
}

static void try_send(struct loop_conn *conn, bool is_inside_call) {
    while (conn->is_sending && conn->state != CONN_CLOSING) {
        conn->message = (struct msghdr){.msg_iov = conn->parts + conn->parts_at,
                                        .msg_iovlen = conn->parts_count - conn->parts_at};
        ssize_t sent = sendmsg(conn->fd, &conn->message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            update_events(conn);
            return;
        }
        if (is_inside_call) {
            /* The rest, success and failure alike, is told by the next run. */
            conn->in_flight = sent < 0 ? 0 : (uint32_t)sent;
            conn->events |= sent < 0 ? EPOLLERR : 0;
            remember_sent(conn);
            return;
        }
        if (sent < 0) {
            loop_lost(conn);
            return;
        }
        (void)loop_sent(conn, (size_t)sent);
        return;
    }
}

static void epoll_conn_send(struct loop_conn *conn) {
    try_send(conn, true);
}

static void tell_sent(struct loop *loop) {
    struct epoll_state *state = loop->backend;
    struct loop_conn *conn = state->sent;
    state->sent = NULL;
    while (conn != NULL) {
        struct loop_conn *next = conn->next;
        size_t sent = conn->in_flight;
        conn->is_in_ready = false;
        conn->in_flight = 0;
        if (conn->state == CONN_CLOSING) {
            loop_conn_release(conn);
        } else if (sent == 0) {
            loop_lost(conn);
        } else if (!loop_sent(conn, sent) || conn->state == CONN_OPEN) {
            update_events(conn);
        }
        conn = next;
    }
}

static void epoll_conn_close(struct loop_conn *conn) {
    (void)control(conn->loop, EPOLL_CTL_DEL, conn->fd, 0, 0);
    if (!conn->is_in_ready) {
        loop_conn_release(conn);
    }
}

static void receive_some(struct loop_conn *conn) {
    struct epoll_state *state = conn->loop->backend;
    uint32_t generation = conn->generation;
    for (int i = 0; i < READS_PER_TURN_MAX; i++) {
        ssize_t got = recv(conn->fd, state->buffer, RECEIVE_BYTES, MSG_DONTWAIT);
        if (got < 0) {
            if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
                loop_lost(conn);
            }
            return;
        }
        if (got == 0) {
            conn->has_ended = true;
            update_events(conn);
            loop_ended(conn);
            return;
        }
        loop_received(conn, slice_of(state->buffer, (size_t)got));
        bool goes_on = conn->generation == generation && !conn->is_paused &&
                       (conn->state == CONN_OPEN || conn->state == CONN_FINISHING);
        if (!goes_on || got < RECEIVE_BYTES) {
            return;
        }
    }
    conn->loop->is_poll_partial = true;
}

static void on_conn_event(struct loop *loop, uint32_t index, uint32_t generation, uint32_t events) {
    struct loop_conn *conn = &loop->conns[index];
    if (conn->generation != generation || conn->state == CONN_FREE || conn->state == CONN_CLOSING) {
        return;
    }
    if ((events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && conn->has_ended)) {
        loop_lost(conn);
        return;
    }
    if ((events & EPOLLOUT) != 0 && conn->is_sending && !conn->is_in_ready) {
        try_send(conn, false);
        if (conn->generation != generation || conn->fd < 0) {
            return;
        }
        if (conn->state != CONN_CLOSING) {
            update_events(conn);
        }
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP)) != 0 && !conn->is_paused && !conn->has_ended &&
        conn->state != CONN_CLOSING && conn->state != CONN_FREE) {
        receive_some(conn);
    }
}

/* --- Watches and files --- */

static struct status epoll_watch(struct loop *loop, struct loop_watch_slot *slot) {
    uint32_t index = (uint32_t)(slot - loop->watches);
    uint32_t events = ((slot->events & LOOP_READABLE) != 0 ? (uint32_t)EPOLLIN : 0) |
                      ((slot->events & LOOP_WRITABLE) != 0 ? (uint32_t)EPOLLOUT : 0);
    uint64_t data = pack(TAG_WATCH, index, slot->generation);
    if (slot->events == 0) {
        (void)control(loop, EPOLL_CTL_DEL, slot->fd, 0, 0);
        slot->is_armed = false;
        return status_ok();
    }
    bool is_done = slot->is_armed && control(loop, EPOLL_CTL_MOD, slot->fd, events, data);
    /* A descriptor that was closed and opened again is not known any more. */
    is_done = is_done || control(loop, EPOLL_CTL_ADD, slot->fd, events, data);
    slot->is_armed = is_done;
    return is_done ? status_ok() : status_of(STATUS_IO);
}

static void on_watch_event(struct loop *loop, uint32_t index, uint32_t generation,
                           uint32_t events) {
    struct loop_watch_slot *slot = &loop->watches[index];
    if (slot->generation != generation || slot->events == 0) {
        return;
    }
    unsigned ready = ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 ? LOOP_READABLE : 0u) |
                     ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0 ? LOOP_WRITABLE : 0u);
    slot->on_ready(slot->context, slot->fd, ready & slot->events);
}

static struct status write_whole(struct loop_file_op *op) {
    if (file_write(op->files, op->fd, op->data, op->size, op->offset) != 0) {
        op->error_number = errno;
        return status_of(STATUS_IO);
    }
    if (op->sync && file_sync_data(op->files, op->fd) != 0) {
        op->error_number = errno;
        return status_of(STATUS_IO);
    }
    return status_ok();
}

static void epoll_file_write(struct loop *loop, struct loop_file_op *op) {
    struct epoll_state *state = loop->backend;
    ASSERT(state->done_count < FILE_OPS_MAX);
    state->done[state->done_count] = op;
    state->done_status[state->done_count] = write_whole(op);
    state->done_count++;
}

static void tell_files(struct loop *loop) {
    struct epoll_state *state = loop->backend;
    uint32_t count = state->done_count;
    struct loop_file_op *done[FILE_OPS_MAX];
    struct status results[FILE_OPS_MAX];
    memcpy(done, state->done, sizeof(done));
    memcpy(results, state->done_status, sizeof(results));
    state->done_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        done[i]->on_done(done[i]->context, results[i]);
    }
}

/* --- Run --- */

static void on_event(struct loop *loop, const struct epoll_event *event) {
    uint32_t generation = (uint32_t)(event->data.u64 >> 32);
    uint32_t index = (uint32_t)(event->data.u64 >> 2) & 0x3FFFFFFF;
    switch (event->data.u64 & 3) {
    case TAG_CONN:
        on_conn_event(loop, index, generation, event->events);
        return;
    case TAG_LISTENER:
        accept_some(loop, &loop->listeners[index]);
        return;
    case TAG_WAKE:
        loop_run_wakers(loop);
        return;
    default:
        on_watch_event(loop, index, generation, event->events);
    }
}

/* Rounded up: woken too early it would look again and again until the time has come. */
static int milliseconds_of(uint64_t timeout_ns) {
    uint64_t whole = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS > 0 ? 1 : 0);
    return whole < INT_MAX ? (int)whole : timeout_ns == UINT64_MAX ? -1 : INT_MAX;
}

/* Linux before 5.11 has no epoll_pwait2 (ENOSYS), and a filter of system calls that is as old does
 * not let it through (mostly EPERM): they have epoll_wait, which counts in milliseconds. */
static int wait_for_events(struct epoll_state *state, struct epoll_event *events,
                           uint64_t timeout_ns) {
    struct timespec wait = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                            .tv_nsec = (long)(timeout_ns % NS_PER_S)};
    if (!state->waits_by_ms) {
        int count = epoll_pwait2(state->fd, events, EVENTS_MAX,
                                 timeout_ns == UINT64_MAX ? NULL : &wait, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return count;
        }
        state->waits_by_ms = true;
    }
    return epoll_wait(state->fd, events, EVENTS_MAX, milliseconds_of(timeout_ns));
}

static struct status epoll_run(struct loop *loop, uint64_t timeout_ns) {
    struct epoll_state *state = loop->backend;
    struct epoll_event events[EVENTS_MAX];
    bool is_due = state->done_count > 0 || state->sent != NULL;
    if (loop->accept_again_ns != 0 && timeout_ns > 100 * NS_PER_MS) {
        timeout_ns = 100 * NS_PER_MS;
    }
    int count = wait_for_events(state, events, is_due ? 0 : timeout_ns);
    if (count < 0 && errno != EINTR) {
        return status_of(STATUS_IO);
    }
    loop_woke(loop);
    loop->is_poll_partial = count == EVENTS_MAX;
    wake_listeners(loop);
    tell_files(loop);
    tell_sent(loop);
    for (int i = 0; i < count; i++) {
        on_event(loop, &events[i]);
    }
    return status_ok();
}

const struct loop_backend_calls loop_epoll_calls = {
    .backend = LOOP_EPOLL,
    .open = epoll_open,
    .close = epoll_close,
    .run = epoll_run,
    .listen = epoll_listen,
    .stop_listening = epoll_stop_listening,
    .conn_start = epoll_conn_start,
    .conn_send = epoll_conn_send,
    .conn_update = update_events,
    .conn_close = epoll_conn_close,
    .watch = epoll_watch,
    .file_write = epoll_file_write,
};
