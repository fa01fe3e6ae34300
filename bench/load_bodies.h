/*
 * load_bodies.h - the requests that a load sends: made once from a seed, stamped anew each time.
 *
 * A pool of whole HTTP requests (head and body) over one made-up world: services in trees of
 * fifty, popular as Zipf has it, under some number of tenants. Records are log lines and job runs;
 * a given share are errors, half of these single ones, half cascades in which a node and all below
 * it fail with the same request. Before each send every record gets a time stamp that no other has,
 * so that none of them is taken for a duplicate by its content; a given share of sends is repeated
 * unstamped, which makes true duplicates.
 *
 * Memory: the pool, at most LOAD_POOL_BYTES_MAX. One thread.
 */
#pragma once

#include "bench/random.h"
#include "core/base/fault.h"

enum load_protocol { LOAD_OTLP_JSON, LOAD_OTLP_PROTO, LOAD_NATIVE, LOAD_PROTOCOLS };

enum {
    LOAD_POOL_REQUESTS = 256,
    LOAD_POOL_BYTES_MAX = 256 << 20,
    LOAD_BATCH_RECORDS_MAX = 10000,
    LOAD_TENANTS_MAX = 100000,
    LOAD_HOST_BYTES_MAX = 256,
    LOAD_ATTRIBUTES_MAX = 8,
};

struct load_world {
    enum load_protocol protocol;
    const char *host;  /* for the Host header */
    const char *path;  /* NULL: the protocol's own */
    const char *token; /* NULL: none */
    uint64_t seed;
    uint32_t batch_records;
    uint32_t services;
    uint32_t tenants;    /* 1: no tenant is named */
    uint32_t attributes; /* of a log record, at most LOAD_ATTRIBUTES_MAX */
    double errors;       /* share of records, 0..1 */
};

struct load_request {
    char *bytes; /* owned by the pool */
    uint32_t size;
    uint32_t body_at;
    uint32_t records;
    uint32_t *stamps_at; /* where the records' times stand, in `bytes` */
    bool stamps_binary;  /* 8 bytes, little endian; else 19 decimal digits */
};

struct load_pool {
    struct load_request requests[LOAD_POOL_REQUESTS];
    uint32_t count;
    uint64_t stamp_ns_last;
};

/* "otlp-json", "otlp-proto", "native"; NULL-terminated table order of enum load_protocol. */
extern const char *const load_protocol_names[LOAD_PROTOCOLS];

/* INVALID with words when the pool would become too large; FULL without memory. */
MUST_CHECK struct status load_pool_init(struct load_pool *pool, const struct load_world *world,
                                        struct fault *fault);
void load_pool_deinit(struct load_pool *pool);
/* Gives each record of the request a time of its own, `now_ns` (wall) or little later. */
void load_request_stamp(struct load_pool *pool, struct load_request *request, uint64_t now_ns);
