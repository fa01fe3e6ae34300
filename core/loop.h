/*
 * loop.h - one thread's I/O: sockets, timers, wakes, durable file writes; io_uring, epoll or a
 * simulation behind the same calls.
 *
 * Back-ends: loop_uring.c (multishot accept, multishot poll, one buffer to receive into,
 * single-issuer with deferred task work), loop_epoll.c, loop_sim.c (virtual time, in-memory
 * connections, scripted from tests). AUTO takes io_uring when the kernel and its sandbox allow it.
 *
 * Rules:
 * 1. Everything happens on the thread that calls loop_run_once, but for loop_waker_wake.
 * 2. A callback may start and close anything, also its own connection; after loop_conn_close no
 *    callback comes for that connection and its memory is the loop's again.
 * 3. At most one send per connection is in flight: send again from on_sent.
 * 4. Connections come from a fixed pool (connections_max); beyond it new ones are closed at once
 * and counted.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "core/file.h"
#include "core/stats.h"
#include "core/tls.h"

enum loop_backend { LOOP_AUTO, LOOP_IO_URING, LOOP_EPOLL, LOOP_SIM };

struct loop;
struct loop_conn;

struct loop_options {
    enum loop_backend backend;
    uint32_t connections_max; /* 0: no sockets, only wakes, timers and files */
    struct stats *stats;      /* may be NULL */
};

/* Opens a loop for the calling thread (io_uring rings are single-issuer: open it where it runs).
 * IO or UNSUPPORTED with words when the asked back-end cannot be had. */
MUST_CHECK struct status loop_open(const struct loop_options *options, struct loop **loop_out,
                                   struct fault *fault);
/* Closes all connections and listeners without callbacks; NULL is allowed. */
void loop_close(struct loop *loop);
/* What AUTO became. */
enum loop_backend loop_get_backend(const struct loop *loop);
/* Time as the loop sees it (virtual in the simulation), monotonic. */
uint64_t loop_now_ns(const struct loop *loop);
/* How long, all together, the loop did not listen: while its thread or the whole process stood
 * still, what goes beyond half a second, or beyond the wait that it had asked for. Now less that
 * never goes back. Who takes time for progress of a peer's takes that off. */
uint64_t loop_deaf_ns(const struct loop *loop);
/* Waits for events up to timeout_ns (UINT64_MAX: until something happens), runs their callbacks. */
MUST_CHECK struct status loop_run_once(struct loop *loop, uint64_t timeout_ns);

/* --- Connections --- */
struct loop_conn_handler {
    /* A new connection; return the context for its other callbacks, NULL to close it. */
    void *(*on_open)(void *listener_context, struct loop_conn *conn);
    /* NULL: always. Something came: whether it may be received now. False: it stays with the
     * kernel, and the peer waits, until loop_conn_receive. Only io_uring asks. */
    bool (*may_receive)(void *context, struct loop_conn *conn);
    /* Bytes came; they are valid, and may be written to, only during the call. */
    void (*on_receive)(void *context, struct loop_conn *conn, struct slice bytes);
    /* The peer sends no more (half-close). The connection can still send. */
    void (*on_end)(void *context, struct loop_conn *conn);
    /* The send started last is complete; its memory is the caller's again. */
    void (*on_sent)(void *context, struct loop_conn *conn);
    /* Reset or error: the connection is gone when this returns. Not called after loop_conn_close.
     */
    void (*on_lost)(void *context, struct loop_conn *conn);
};

/* Whether loop_listen can read the address; INVALID with words. */
MUST_CHECK struct status loop_check_address(struct slice address, struct fault *fault);
/* The port that two listeners at these addresses would dispute; 0: none, also when one of them
 * cannot be read or leaves the port to the system. */
uint16_t loop_shared_port(struct slice left, struct slice right);
/* Listens on "127.0.0.1:4318", "[::1]:0" or "0.0.0.0:80". SO_REUSEPORT is set when `share` is.
 * port_out (may be NULL) gets the port, also when 0 was asked for. IO with words on failure. */
MUST_CHECK struct status loop_listen(struct loop *loop, struct slice address, bool share,
                                     const struct loop_conn_handler *handler,
                                     void *listener_context, uint16_t *port_out,
                                     struct fault *fault);
/* The same over TLS. The loop holds a reference to the server. */
MUST_CHECK struct status loop_listen_tls(struct loop *loop, struct slice address, bool share,
                                         const struct loop_conn_handler *handler,
                                         void *listener_context, struct tls_server *tls,
                                         uint16_t *port_out, struct fault *fault);
/* New connections of every listener over TLS use this server from now on. */
void loop_replace_tls(struct loop *loop, struct tls_server *tls);
/* Stops accepting on all listeners; connections go on. */
void loop_stop_listening(struct loop *loop);
/* Sends the bytes (up to 8 slices, together); memory stays valid until on_sent or the end of the
 * connection. */
void loop_conn_send(struct loop_conn *conn, const struct slice *parts, uint32_t parts_count);
/* Stops / restarts receiving: backpressure on one connection. */
void loop_conn_pause(struct loop_conn *conn);
void loop_conn_resume(struct loop_conn *conn);
/* Receives what may_receive left, with callbacks from inside. */
void loop_conn_receive(struct loop_conn *conn);
/* From now on the callbacks are another's; not while a send is in flight. */
void loop_conn_hand_over(struct loop_conn *conn, const struct loop_conn_handler *handler,
                         void *context);
/* Sends FIN after what is in flight, then discards what still comes until the peer closes or 1 s.
 */
void loop_conn_finish(struct loop_conn *conn);
/* Whether loop_conn_close cuts nothing off: no close_notify is owed, and the peer has all that was
 * sent. */
bool loop_conn_owes_nothing(const struct loop_conn *conn);
/* Closes now. */
void loop_conn_close(struct loop_conn *conn);
/* "127.0.0.1:52110", for logs. */
struct slice loop_conn_peer(struct loop_conn *conn);
/* Who the client proved to be by its certificate; NULL: nobody. */
const struct tls_peer *loop_conn_identity(const struct loop_conn *conn);
uint32_t loop_connections_count(const struct loop *loop);

/* --- Timers: memory of the caller --- */
struct loop_timer {
    uint64_t due_ns; /* 0: not running */
    void (*on_due)(void *context);
    void *context;
    uint32_t heap_index; /* the loop's */
};
/* (Re)starts at loop time due_ns. When it is due, what had come by then is told first. */
void loop_timer_start(struct loop *loop, struct loop_timer *timer, uint64_t due_ns);
void loop_timer_stop(struct loop *loop, struct loop_timer *timer);

/* --- Wakes from other threads --- */
struct loop_waker;
/* on_wake runs on the loop's thread at least once after each wake; many wakes may become one. */
MUST_CHECK struct status loop_waker_open(struct loop *loop, void (*on_wake)(void *context),
                                         void *context, struct loop_waker **waker_out);
/* Any thread. */
void loop_waker_wake(struct loop_waker *waker);
/* Loop's thread: until loop_waker_listen wakes cost nothing and do nothing. For a loop that waits
 * for something else anyway and looks at what others left for it afterwards. */
void loop_waker_mute(struct loop_waker *waker);
/* Loop's thread: wakes count again. What was left before this call must be looked for after it. */
void loop_waker_listen(struct loop_waker *waker);

/* --- Foreign descriptors (libcurl, libpq) --- */
enum loop_watch_events { LOOP_READABLE = 1, LOOP_WRITABLE = 2 };
/* Level-triggered; events = 0 stops watching. FULL: the descriptor is 2^20 or more; IO: the kernel
 * refuses. */
MUST_CHECK struct status loop_watch(struct loop *loop, int fd, unsigned events,
                                    void (*on_ready)(void *context, int fd, unsigned events),
                                    void *context);

/* --- Durable file writes: memory of the caller, alive until done --- */
struct loop_file_op {
    const struct files *files; /* NULL: the machine's, in the background where the loop can */
    int fd;
    const void *data; /* aligned as O_DIRECT wants when the file is */
    uint32_t size;
    uint64_t offset;
    bool sync; /* fdatasync after the write; done only after both */
    void (*on_done)(void *context, struct status status); /* IO on any failure or a short write */
    void *context;
    int error_number; /* errno of the failure */
};
/* Several may be in flight. Completion comes from loop_run_once, never from inside this call. */
void loop_file_write(struct loop *loop, struct loop_file_op *op);
