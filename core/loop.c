/*
 * loop.c - what all back-ends have in common: a loop's life and its turns, wakers, watches; its
 * connections are in loop_conn.c. See loop.h and loop_internal.h.
 */
#include "core/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
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
    loop->watches = ARENA_ARRAY(&loop->arena, struct loop_watch_slot, LOOP_WATCHES_MAX);
    if (loop->conns == NULL || loop->timers == NULL || loop->watches == NULL) {
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
                   LOOP_TIMERS_MAX * sizeof(void *) +
                   LOOP_WATCHES_MAX * sizeof(struct loop_watch_slot) + 64 * KIB;
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

struct status loop_watch(struct loop *loop, int fd, unsigned events,
                         void (*on_ready)(void *context, int fd, unsigned events), void *context) {
    if (fd < 0 || fd >= LOOP_WATCHES_MAX) {
        return events == 0 ? status_ok() : status_of(STATUS_FULL);
    }
    struct loop_watch_slot *slot = &loop->watches[fd];
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
