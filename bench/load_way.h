/*
 * load_way.h - a way to the server under load: HTTP (load_client.h) or Kafka (load_kafka.h).
 *
 * A way carries requests and tells of each, once, what became of it. The latency counts from the
 * moment at which the request was due, not from when there was room for it: a slow server cannot
 * hide the requests that it kept waiting (coordinated omission). One thread.
 */
#pragma once

#include "core/base/slice.h"

enum load_fate {
    LOAD_ACCEPTED,
    LOAD_REFUSED,  /* backpressure: it may come again later */
    LOAD_REJECTED, /* never; or taken but for some of its records */
    LOAD_TIMED_OUT,
    LOAD_FAILED, /* no answer: the connection broke */
};

/* What became of one request. */
struct load_outcome {
    enum load_fate fate;
    uint32_t records_accepted; /* of the request's */
    uint64_t latency_ns;       /* since it was due */
    const char *words;         /* why, of what was not accepted; NULL: nothing is known */
};

typedef void load_outcome_fn(void *owner, const struct load_outcome *outcome);

struct load_way {
    /* Whether `send` may be called. */
    bool (*has_room)(void *way);
    /* Sends a whole request (head and body); `bytes` may change once this returns. */
    void (*send)(void *way, struct slice bytes, uint32_t records, uint64_t due_ns);
    /* Waits at most `wait_ns` for answers and takes them. */
    void (*poll)(void *way, uint64_t wait_ns);
    /* Requests that were sent and not answered. */
    uint32_t (*under_way)(const void *way);
    /* NULL is allowed. */
    void (*close)(void *way);
};
