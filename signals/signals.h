/*
 * signals.h - is an event bad news, good news, or nothing; and what the news is.
 *
 * Pure, stateless. Thread: the shard.
 */
#pragma once

#include "schemas/envelope.h"
#include "schemas/policy.h"

struct signal {
    enum signal_news news;
    enum event_status status;     /* FAILED for error logs and failed spans */
    enum event_severity severity; /* as the source said, NONE when it did not */
    enum event_kind kind;
    bool recovers_by_silence; /* services, log sources, unknown: resolve_after; else by good news */
    bool has_score;
    double score;
    uint64_t event_time_ns;
    struct hash128 fingerprint;
    struct hash128 entity_key;
    struct hash128 trace_id;
    struct slice tenant;
    struct slice entity;
    struct slice error_class;
    struct slice message;
};

/* Slices point into the envelope's bytes. A job, dataset, check recovers by good news; a service or
 * unknown entity by silence only (its `ok` is NEUTRAL). */
struct signal signal_classify(const struct envelope *envelope);
