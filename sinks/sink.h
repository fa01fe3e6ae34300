/*
 * sink.h - all that a new sink implements. The host (sinks/sinks.c) owns everything hard: the
 * queue, retries with backoff and jitter, timeouts, the breaker, the order of an incident's
 * messages, dead letters. A sink only says how one message becomes one request, and what an answer
 * means.
 *
 * There are three shapes; a sink fills the functions of one:
 *   HTTP      build_request, read_response: the host sends it (libcurl).
 *   direct    deliver: delivers in the call and must not block (tests/sinks/example_sink.c).
 *   watching  start, cancel: drives a descriptor of its own by the host's watches (stdout,
 *             postgres).
 *
 * A sink may also be a shared object that exports `const struct sink_type *quell_sink_type(void)`.
 * Threads: all calls come from the sinks' thread.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/config.h"
#include "core/outbox.h"

#define SINK_ABI_VERSION 4u

/* What the host should do now. */
enum sink_verdict {
    SINK_DELIVERED,
    SINK_RETRY,    /* transient: backoff; retry_after_ns is honoured when set */
    SINK_GIVE_UP,  /* permanent: dead letter at once */
    SINK_CONTINUE, /* HTTP: this step worked, the message needs another request: step + 1 */
};

/* One message on its way to one sink. Its memory lives until the attempt ends. */
struct sink_delivery {
    struct outbox_message message; /* what is told, and the incident as JSON (payload) */
    /* What read_response asked to remember at an earlier message of this incident, also before a
     * restart; empty when nothing. */
    struct slice memory;
    uint64_t now_ns; /* wall time of the attempt */
    uint32_t step;   /* 0, or how often SINK_CONTINUE was said for this message */
};

/* What is longer is never sent; receivers take no more either (8 KiB is what most servers have for
 * a line of a head). A sink says so in open. */
enum { SINK_URL_BYTES_MAX = 4095, SINK_HEADER_BYTES_MAX = 8191 };

struct sink_request {
    struct slice url;
    struct slice body;
    struct slice *headers; /* "Name: value", complete lines without CR LF */
    uint32_t headers_count;
    struct slice ca_file; /* said by the host, from the setting: whom an https:// server shows */
};

struct sink_response {
    long http_status;        /* 0: no response, `error` says why */
    struct slice body;       /* the first 64 KiB */
    uint64_t retry_after_ns; /* of Retry-After; 0 when absent */
    /* Also set for a 2xx whose body broke off: that is delivered, but for who needs the body. */
    struct slice error;
    bool is_refused; /* by us: the address is none that sinks may reach; the host gives up */
};

/* What the host does for a watching sink; one at a time, from `start` until `finish`. */
struct sink_watcher {
    enum sink_addresses addresses; /* what may be reached: sinks/guard.h */
    /* on_ready is called whenever the descriptor is ready for one of the events (enum
     * loop_watch_events of core/loop.h); events = 0 stops. Stop before the descriptor is closed. */
    struct status (*watch)(struct sink_watcher *watcher, int fd, unsigned events,
                           void (*on_ready)(void *state), void *state);
    /* The delivery is over; words only matter when it failed. The last thing that a callback does:
     * start may be called from within. */
    void (*finish)(struct sink_watcher *watcher, enum sink_verdict verdict, struct slice words);
};

/* --- Copies of events, for sinks that can hold them --- */

/* The setting that asks for them: "true" or "false". */
#define SINK_SETTING_EVENTS "events"

/* Of an event in our journal: the record's number, and the event's place in it. 0, 0: before all.
 */
struct sink_place {
    uint64_t record;
    uint32_t index;
};

/* Events on their way to one sink, and where in the journal they end. The sink keeps the place in
 * the transaction that holds the events, so that nothing is copied twice and nothing left out. */
struct sink_copy {
    struct slice tenant;  /* of the sink; empty: of the defaults */
    struct slice sink;    /* its name */
    struct slice journal; /* which journal the places are of: another data directory's differs */
    struct sink_place from;
    struct sink_place to;
    struct slice rows; /* what add_event wrote */
    uint32_t rows_count;
    bool asks_for_place;     /* and for nothing else */
    uint64_t lost_count;     /* journal records that were gone before they could be copied */
    struct sink_place place; /* the answer: what the sink holds is all before it */
};

struct sink_type {
    uint32_t abi_version;             /* SINK_ABI_VERSION */
    const char *name;                 /* "webhook": type = "webhook" */
    const char *const *setting_names; /* NULL-terminated: what the config may say beside the host's
                                         own (timeout, max_attempts, rate, ...) */
    /* Checks the settings and makes the sink's state in the arena (alive until close). Does no I/O:
     * `quell check` calls it too. */
    struct status (*open)(const struct config_sink *config, struct arena *arena, void **state_out,
                          struct fault *fault);
    void (*close)(void *state); /* may be NULL */
    /* HTTP sinks: everything in request lives in the arena until the attempt ends. */
    struct status (*build_request)(void *state, const struct sink_delivery *delivery,
                                   struct arena *arena, struct sink_request *request_out,
                                   struct fault *fault);
    /* What is written to `memory` (up to OUTBOX_MEMORY_BYTES_MAX) comes back in later deliveries of
     * the same incident; nothing written: as it was. */
    enum sink_verdict (*read_response)(void *state, const struct sink_delivery *delivery,
                                       const struct sink_response *response, struct text *memory);
    /* Direct sinks. */
    enum sink_verdict (*deliver)(void *state, const struct sink_delivery *delivery,
                                 struct fault *fault);
    /* Watching sinks: begins; watcher->finish says the end, also from within. */
    void (*start)(void *state, const struct sink_delivery *delivery, struct arena *arena,
                  struct sink_watcher *watcher);
    /* The delivery took too long or the process ends: let go of everything, finish nothing. */
    void (*cancel)(void *state);
    /* Sinks that take copies of events; the host opens the type once more for them. add_event
     * writes one event (an envelope's bytes) behind the rows: FULL when there is no room, and
     * nothing is written. copy_events makes the rows durable together with the place, if the place
     * was `from`; begins as start does. */
    struct status (*add_event)(void *state, struct slice envelope, struct writer *rows);
    void (*copy_events)(void *state, struct sink_copy *copy, struct arena *arena,
                        struct sink_watcher *watcher);
    /* Messages a minute unless the config says `rate`; 0: as many as there are. */
    uint32_t rate_per_minute;
    /* Each message is kept, and an older state never takes the place of a newer one: it gets all of
     * them, however late, also what others do not hear any more: messages that newer ones of the
     * incident overtook while it lagged, or before an operator retried their dead letter. */
    bool keeps_history;
};

/* The value of a setting, empty when it is not there. */
struct slice sink_setting_find(const struct config_sink *config, const char *key);
