/*
 * sink.h - all that a new sink implements. The host (sinks/sinks.c) owns everything hard: the
 * queue, retries with backoff and jitter, timeouts, the breaker, the order of an incident's
 * messages, dead letters. A sink only says how one message becomes one request, and what an answer
 * means.
 *
 * There are two shapes. An HTTP sink fills a `struct sink_request` and reads a response; the host
 * sends it (libcurl). A direct sink (stdout) delivers in the call and must not block.
 *
 * A sink may also be a shared object that exports `const struct sink_type *quell_sink_type(void)`.
 * Threads: all calls come from the sinks' thread.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/fault.h"
#include "core/config.h"
#include "core/outbox.h"

#define SINK_ABI_VERSION 1u

/* What the host should do now. */
enum sink_verdict {
    SINK_DELIVERED,
    SINK_RETRY,   /* transient: backoff; retry_after_ns is honoured when set */
    SINK_GIVE_UP, /* permanent: dead letter at once */
};

struct sink_request {
    struct slice url;
    struct slice body;
    struct slice *headers; /* "Name: value", complete lines without CR LF */
    uint32_t headers_count;
};

struct sink_response {
    long http_status;        /* 0: no response, `error` says why */
    struct slice body;       /* the first 64 KiB */
    uint64_t retry_after_ns; /* of Retry-After; 0 when absent */
    struct slice error;
};

struct sink_type {
    uint32_t abi_version;             /* SINK_ABI_VERSION */
    const char *name;                 /* "webhook": type = "webhook" */
    const char *const *setting_names; /* NULL-terminated: what the config may say beside the host's
                                         own (timeout, max_attempts, rate, ...) */
    /* Checks the settings and makes the sink's state in the arena (alive until close). */
    struct status (*open)(const struct config_sink *config, struct arena *arena, void **state_out,
                          struct fault *fault);
    void (*close)(void *state); /* may be NULL */
    /* HTTP sinks: everything in request lives in the arena until the attempt ends. now_ns is wall
     * time. Direct sinks: NULL. */
    struct status (*build_request)(void *state, const struct outbox_message *message,
                                   uint64_t now_ns, struct arena *arena,
                                   struct sink_request *request_out, struct fault *fault);
    enum sink_verdict (*read_response)(void *state, const struct sink_response *response);
    /* Direct sinks; HTTP sinks: NULL. */
    enum sink_verdict (*deliver)(void *state, const struct outbox_message *message,
                                 struct fault *fault);
};

/* The value of a setting, empty when it is not there. */
struct slice sink_setting_find(const struct config_sink *config, const char *key);
