/*
 * open_loop.h - a load at a constant rate: requests are due by the clock, whatever the server does.
 *
 * Requests go to an HTTP server or, as messages, to a topic of Kafka.
 *
 * With a rate, request k is due k/rate after the start; it leaves as soon as a connection is free
 * (Kafka: as there is room among the messages under way) and its latency counts from when it was
 * due. Without one ("max") each connection sends its next request when the last was answered: this
 * finds the largest rate, its latencies mean little.
 *
 * A request file (open_loop_options.record_path, .replay_path) holds what was sent and when, for
 * the same load once more or against another server:
 *
 *   "quell-load 1\n", then per request: u64 due_ns since the start, u32 records, u32 size (both
 *   little endian), `size` bytes of head and body.
 */
#pragma once

#include "bench/load_bodies.h"
#include "bench/load_client.h"
#include "bench/load_kafka.h"
#include "bench/load_report.h"

struct open_loop_options {
    struct load_world world;
    struct load_address address;
    struct load_kafka_options kafka; /* with brokers: there, instead of to the address */
    double records_per_second;       /* 0: as many as the server takes */
    uint64_t duration_ns;
    uint64_t timeout_ns;
    uint32_t connections;
    double duplicates; /* share of requests that repeat the one before, byte for byte */
    uint32_t server_pid;
    bool shows_progress;     /* a live line on stderr */
    const char *record_path; /* NULL: none */
    const char *replay_path; /* NULL: generate; else world, rate and duplicates are not used */
};

/* "http://host[:port][/path]": host and port are resolved; `host_out` gets what the Host header
 * says, `path_out` NULL when the URL has none. Both may point into `url`. */
MUST_CHECK struct status open_loop_parse_url(const char *url, struct load_address *address_out,
                                             char host_out[LOAD_HOST_BYTES_MAX],
                                             const char **path_out, struct fault *fault);
/* Runs until the duration is over and all is answered or timed out, or SIGINT. `report_out` is
 * large (54 KiB). IO or INVALID with words. */
MUST_CHECK struct status open_loop_run(const struct open_loop_options *options,
                                       struct load_report *report_out, struct fault *fault);
