/*
 * decode.h - from the bytes of one request to envelopes in batches.
 *
 * 1. All of a request is decoded before anything is sent: INVALID means that nothing of it counts.
 * 2. A record that is refused becomes a refused envelope with its raw bytes: nothing is lost.
 * 3. No malloc: what a record needs beside its own bytes is in the arena, rewound behind each.
 *
 * Thread: one at a time. The bytes stay alive during the call only.
 */
#pragma once

#include "core/batch.h"
#include "ingest/json_walk.h"
#include "ingest/span_memory.h"
#include "schemas/derive_memo.h"

struct shapes;

enum { DECODE_CLAIMS_MAX = 8 };

/* Of the refused records, those that claimed another tenant than the token's. */
struct decode_claim {
    uint32_t count;
    uint32_t size;
    uint8_t tenant[TENANT_BYTES_MAX]; /* cut, copied: the record's memory is reused */
};

/* The tenant that lasts for all of a request, be it the token's, the header's or "default": what is
 * found out about it once. */
struct decode_usual {
    struct slice tenant; /* empty: nothing is known yet */
    struct slice dedup_by;
};

struct decode {
    /* Set by the caller. */
    struct arena *arena;
    uint64_t hash_seed;
    uint64_t now_ns;
    struct slice source;
    struct slice tenant;  /* of the token or the header; empty: of the record, else default */
    bool tenant_is_bound; /* by a token */
    /* The batch with room for one more envelope of this tenant; is_full: the one given last had
     * none. NULL: there is none to have, and the request is throttled. */
    struct batch *(*batch_for)(void *context, struct slice tenant, bool is_full);
    /* dedup.by of the tenant, empty for the default; may be NULL. */
    struct slice (*dedup_by_for)(void *context, struct slice tenant);
    /* Told of each refused record; may be NULL. */
    void (*on_refused)(void *context, uint32_t index, const char *reason);
    /* What a refused envelope keeps beside its bytes, such as where it was read; may be NULL. */
    const struct attribute *(*refused_attributes)(void *context, uint32_t *count_out);
    /* The record at hand, whose attributes a refused envelope keeps: where its own bytes do not
     * say all, as those of a resource stand around them. NULL: they do. */
    const struct envelope *at_hand;
    void *context;
    struct span_memory *spans;         /* NULL: nothing is learned of spans */
    const struct policy_set *policies; /* how long a tenant's learned edges live */
    struct shapes *shapes;        /* how log records are spelled here; NULL: nothing is learned */
    struct shapes *native_shapes; /* the same of native events */
    bool walks_only;              /* native events: tests compare with what the walk makes */
    struct derive_memo memo;      /* starts zeroed */
    struct decode_usual usual;    /* zeroed for each request or message */
    /* Results. */
    uint32_t accepted;
    uint32_t refused;
    struct decode_claim claims[DECODE_CLAIMS_MAX];
    uint32_t claims_count;
    uint64_t points;    /* of metrics, in both */
    struct fault fault; /* the first reason of a refusal, or why the body is INVALID */
};

/* A decoded record: derives, encodes, adds. `claimed` is the tenant that the record names, maybe
 * empty. OK also when the record was refused; FULL: throttle the request. */
MUST_CHECK struct status decode_add(struct decode *decode, struct envelope *envelope,
                                    struct slice claimed, struct slice raw);
/* Adds the record as refused, in the books of the tenant that it claims, when that is one and the
 * request names none. FULL: throttle the request. */
MUST_CHECK struct status decode_refuse_of(struct decode *decode, struct slice claimed,
                                          struct slice raw, const char *reason);
/* The same of what claims nothing, or could not be read so far. */
MUST_CHECK struct status decode_refuse(struct decode *decode, struct slice raw, const char *reason);
/* What a failed walk means for the request: FULL when the arena was short, else INVALID with
 * decode->fault filled. */
MUST_CHECK struct status decode_fail(struct decode *decode, const struct json_walk *walk);

/* An OTLP/JSON ExportLogsServiceRequest. INVALID with decode->fault: the body is not one. */
MUST_CHECK struct status otlp_json_decode_logs(struct decode *decode, struct slice body);
/* An OTLP/JSON ExportTraceServiceRequest. */
MUST_CHECK struct status otlp_json_decode_traces(struct decode *decode, struct slice body);
/* An OTLP/JSON ExportMetricsServiceRequest. */
MUST_CHECK struct status otlp_json_decode_metrics(struct decode *decode, struct slice body);
