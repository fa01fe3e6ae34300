/*
 * load_report.h - what a load found out, as one live line, a table, or JSON.
 *
 * Memory: the struct. One thread.
 */
#pragma once

#include "bench/histogram.h"
#include "bench/load_way.h"
#include "core/base/text.h"

/* What the kernel says of the server's process, when its pid was given. */
struct load_server {
    uint32_t pid; /* 0: unknown */
    double cpu_seconds;
    uint64_t resident_bytes_max;
};

struct load_report {
    /* Of requests that were accepted, and of those that waited in vain: timed out, never sent. */
    struct histogram latency_ns;
    uint64_t requests_sent;
    uint64_t requests_unsent;   /* due, but no connection was free until the end */
    uint64_t requests_accepted; /* HTTP: 2xx of all its records; Kafka: acknowledged */
    uint64_t requests_refused;  /* HTTP: 429, 503 */
    uint64_t requests_rejected; /* other answers, and 2xx that refuse some records */
    uint64_t requests_timed_out;
    uint64_t requests_failed; /* the connection broke */
    uint64_t records_accepted;
    uint64_t bytes_sent;
    uint64_t took_ns;
    char trouble[256]; /* the first failure that has words */
    struct load_server server;
};

/* Counts one outcome; latency only of what was accepted or timed out. */
void load_report_add(struct load_report *report, const struct load_outcome *outcome);
/* "12.0 s  400,000 records/s  p99 3.1 ms  refused 0  failed 0", no line end. */
void load_report_add_progress(struct text *text, const struct load_report *report,
                              uint64_t records_before, uint64_t span_ns);
/* For people, and for programs; nothing of a server without a pid. */
void load_report_add_table(struct text *text, const struct load_report *report);
void load_report_add_json(struct text *text, const struct load_report *report);
