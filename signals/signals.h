/*
 * signals.h - is an event bad news, good news, or nothing; and what the news is.
 *
 * Pure, stateless. Thread: the shard.
 */
#pragma once

#include "schemas/envelope.h"
#include "schemas/policy.h"

/* That a node is well is noted again no sooner than after so long. */
#define SIGNAL_WELL_NOTED_NS (2 * NS_PER_MINUTE)

struct signal {
    enum signal_news news;
    enum event_status status;     /* FAILED for error logs and failed spans */
    enum event_severity severity; /* as an alert's rule said; of others CRITICAL if they said so */
    enum event_kind kind;
    bool recovers_by_silence; /* alerts, services, log sources, unknown; else by good news */
    bool is_own_word_only;    /* good news that ends no trouble but what the same source told */
    uint64_t fires_until_ns;  /* of an alert: its endsAt, as far as it says; else 0 */
    uint64_t source_key;      /* which one of a kind's sources: of an alert its labels; else 0 */
    bool has_score;
    double score;
    uint64_t event_time_ns;
    uint64_t heard_ns; /* the same, but not ahead of when it came: clocks that are ahead */
    struct hash128 fingerprint;
    struct hash128 entity_key;
    struct hash128 trace_id;
    struct slice tenant;
    struct slice entity;
    struct slice error_class;
    struct slice message;
};

/* Whether good news end the trouble of such an entity: a job, dataset or check. */
bool signal_recovers_by_news(struct slice entity);

/* Slices point into the envelope's bytes. A job, dataset, check recovers by good news; a service or
 * unknown entity by silence, or when the one alert that told of its trouble is resolved. What it
 * calls good itself is NEUTRAL. */
struct signal signal_classify(const struct envelope *envelope);
