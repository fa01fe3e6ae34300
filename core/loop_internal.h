/*
 * loop_internal.h - what the back-ends of core/loop.h share. Only loop*.c include it.
 *
 * loop.c and its neighbours keep connections, timers, wakers and watches; a back-end moves bytes
 * and says when. A connection's slot is reused only after the back-end has said that nothing of it
 * is in flight (loop_conn_release); `generation` tells a late completion from the slot's next life.
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "core/loop.h"

enum {
    LOOP_LISTENERS_MAX = 8,
    LOOP_WAKERS_MAX = 16,
    LOOP_WATCHES_MAX = 1 << 20, /* descriptors are below; memory is touched as they are watched */
    LOOP_TIMERS_MAX = 1 << 20,
    LOOP_SEND_PARTS_MAX = 8,
    LOOP_PEER_BYTES_MAX = 64,
    LOOP_POLL_EVENTS_MIN = 16, /* that a poll tells of when there are more */
    LOOP_HELD_STEPS = 10,
};
#define LOOP_LINGER_NS NS_PER_S
/* Under constant load a timer runs about so late, or some LOOP_HELD_STEPS turns if they last
 * longer. */
#define LOOP_HELD_MAX_NS (100 * NS_PER_MS)
/* Shorter than that, being late is what a busy machine does. */
#define LOOP_DEAF_MIN_NS (500 * NS_PER_MS)

enum conn_state { CONN_FREE, CONN_OPEN, CONN_FINISHING, CONN_CLOSING };

struct loop_listener {
    struct loop *loop;
    int fd;
    const struct loop_conn_handler *handler;
    void *context;
    struct tls_server *tls; /* NULL: plain */
    bool is_open;
    bool is_armed; /* the back-end accepts on it */
};

struct loop_conn {
    struct loop *loop;
    int fd;
    enum conn_state state;
    uint32_t index;
    uint32_t generation;
    const struct loop_conn_handler *handler;
    void *context;
    struct iovec parts[LOOP_SEND_PARTS_MAX];
    struct msghdr message;
    uint32_t parts_at; /* first part not wholly sent */
    uint32_t parts_count;
    bool is_sending;   /* the caller waits for on_sent */
    bool wants_finish; /* FIN after the send in flight */
    bool is_paused;
    bool has_ended;       /* the peer sent FIN */
    bool is_receiving;    /* back-end: a receive is armed */
    bool is_in_ready;     /* back-end: in the ready list */
    uint32_t in_flight;   /* back-end: kernel operations not yet complete */
    uint32_t events;      /* back-end: what epoll watches; that the end was told of (io_uring) */
    struct tls_conn *tls; /* NULL: plain; then `parts` are the handler's own */
    struct slice plain[LOOP_SEND_PARTS_MAX]; /* TLS: what the handler sends, not yet encrypted */
    uint32_t plain_at;
    uint32_t plain_count;
    bool is_plain_sending; /* TLS: the handler waits for on_sent */
    bool has_plain_ended;  /* TLS: the handler was told of the end */
    struct loop_timer linger;
    struct loop_conn *next; /* free list or ready list */
    char peer[LOOP_PEER_BYTES_MAX];
};

struct loop_waker {
    struct loop *loop;
    void (*on_wake)(void *context);
    void *context;
    atomic_bool is_pending;
    bool is_muted; /* the loop's thread alone */
};

struct loop_watch_slot {
    int fd;
    unsigned events; /* 0: free */
    uint32_t generation;
    void (*on_ready)(void *context, int fd, unsigned events);
    void *context;
    bool is_armed; /* back-end */
};

struct loop_backend_calls {
    enum loop_backend backend;
    struct status (*open)(struct loop *loop, struct fault *fault);
    void (*close)(struct loop *loop);
    struct status (*run)(struct loop *loop, uint64_t timeout_ns);
    uint64_t (*now)(const struct loop *loop); /* NULL: the machine's monotonic clock */
    uint16_t (*port)(const struct loop_listener *listener); /* NULL: listeners are sockets */
    struct status (*listen)(struct loop *loop, struct loop_listener *listener);
    void (*stop_listening)(struct loop *loop, struct loop_listener *listener);
    void (*conn_start)(struct loop_conn *conn);
    void (*conn_send)(struct loop_conn *conn);
    void (*conn_update)(struct loop_conn *conn);   /* is_paused changed */
    void (*conn_receive)(struct loop_conn *conn);  /* NULL: handlers are not asked before */
    bool (*conn_shutdown)(struct loop_conn *conn); /* NULL: by the socket */
    void (*conn_close)(struct loop_conn *conn);    /* ends with loop_conn_release, now or later */
    struct status (*watch)(struct loop *loop, struct loop_watch_slot *slot);
    void (*file_write)(struct loop *loop, struct loop_file_op *op);
};

struct loop {
    const struct loop_backend_calls *calls;
    struct loop_options options;
    struct arena arena;
    struct loop_conn *conns;
    struct loop_conn *conns_free;
    uint32_t conns_open;
    struct loop_listener listeners[LOOP_LISTENERS_MAX];
    uint32_t listeners_count;
    struct loop_timer **timers; /* a binary heap by due_ns */
    uint32_t timers_count;
    struct loop_waker wakers[LOOP_WAKERS_MAX];
    uint32_t wakers_count;
    int wake_fd;                     /* eventfd */
    struct loop_watch_slot *watches; /* by descriptor */
    uint64_t now_ns;
    uint64_t polled_ns; /* when the last poll began */
    uint64_t asked_ns;  /* how long it was to wait */
    uint64_t woke_ns;   /* when it had, or the clock was looked at since */
    uint64_t deaf_ns;
    bool is_poll_partial;               /* it has not told all that had come by then */
    uint64_t heard_ns;                  /* what had come by then has been told, or its time is up */
    uint64_t steps_ns[LOOP_HELD_STEPS]; /* when the last partial polls began; a ring */
    uint32_t step;                      /* the last one */
    uint64_t accept_again_ns;           /* EMFILE: listeners rest until then */
    void *backend;                      /* the back-end's own state */
};

extern const struct loop_backend_calls loop_epoll_calls;
extern const struct loop_backend_calls loop_uring_calls;
extern const struct loop_backend_calls loop_sim_calls;

/* Back-end to loop.c: */
/* A new socket: makes a connection and tells the handler, or closes it. */
void loop_accepted(struct loop_listener *listener, int fd);
void loop_received(struct loop_conn *conn, struct slice bytes);
void loop_ended(struct loop_conn *conn);
void loop_lost(struct loop_conn *conn);
/* `sent` bytes left; true when all parts are out (then on_sent was called, or FIN sent). */
bool loop_sent(struct loop_conn *conn, size_t sent);
void loop_conn_release(struct loop_conn *conn);
void loop_run_wakers(struct loop *loop);
/* Between the wait of a run and its callbacks: these want to know what time it is now. */
void loop_woke(struct loop *loop);
/* After each poll. */
void loop_note_heard(struct loop *loop);
/* Whether a timer is due, but not yet by heard_ns. */
bool loop_holds_timer(const struct loop *loop);
/* What is due by heard_ns. */
void loop_run_timers(struct loop *loop);
/* Of -1: nothing. */
void loop_close_fd(int fd);
/* loop.c to loop_tls.c and back: */
void loop_start_send(struct loop_conn *conn, const struct slice *parts, uint32_t parts_count);
void loop_send_fin(struct loop_conn *conn);
void loop_start_linger(struct loop_conn *conn);
/* Whether the handler waits for on_sent. */
bool loop_is_busy(const struct loop_conn *conn);
void loop_tls_received(struct loop_conn *conn, struct slice bytes);
void loop_tls_ended(struct loop_conn *conn);
void loop_tls_send(struct loop_conn *conn, const struct slice *parts, uint32_t parts_count);
void loop_tls_sent(struct loop_conn *conn);
void loop_tls_finish(struct loop_conn *conn);
/* Nanoseconds until the next timer, at most timeout_ns. */
uint64_t loop_wait_ns(const struct loop *loop, uint64_t timeout_ns);
