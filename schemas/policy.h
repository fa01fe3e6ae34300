/*
 * policy.h - a tenant's rules as the engine sees them: spans, jobs, routes, sink names. No secret
 * and no URL ever stands in a policy: it is written to the journal.
 *
 * A configuration version is one policy_set: the defaults (for tenants without a file) and one
 * policy a tenant file. Its encoded form is a BATCH_CONFIG record. Decoding allocates only from the
 * given arena. Thread: read-only after decode, any.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/limits.h"
#include "core/base/reader.h"
#include "core/base/slice.h"
#include "core/base/status.h"
#include "schemas/event.h"
#include "schemas/policy_match.h"

struct policy_job {
    struct slice entity; /* "job:load_orders" */
    struct slice owner;
    uint32_t tier; /* 1 is the most important; 0 when not given */
    struct slice *depends_on;
    uint32_t depends_on_count;
    struct policy_label labels[POLICY_LABELS_MAX];
    uint32_t labels_count;
};

struct policy_route {
    struct policy_match match;
    struct slice *sinks; /* names of [sink.x] */
    uint32_t sinks_count;
    bool goes_on; /* continue = true */
};

/* A silence or maintenance window: what it means is recorded, and told only when it is over. */
struct policy_silence {
    struct policy_match match;
    uint64_t start_ns;
    uint64_t end_ns;
    struct slice reason;
    struct slice who;
    struct slice tenant; /* of one that an operator made; not encoded */
    struct hash128 id;   /* the same */
};

struct policy {
    struct slice tenant;             /* empty in the defaults */
    uint64_t idempotency_horizon_ns; /* 1 h */
    uint64_t dedup_window_ns;        /* 10 m */
    uint64_t dedup_max_window_ns;    /* 1 h */
    uint64_t correlate_window_ns;    /* 15 m */
    uint64_t resolve_after_ns;       /* 5 m */
    uint64_t reopen_window_ns;       /* 30 m */
    uint64_t group_wait_ns;          /* 10 s */
    uint64_t group_interval_ns;      /* 5 m */
    uint64_t repeat_interval_ns;     /* 4 h */
    uint64_t learned_ttl_ns;         /* 24 h: how long a learned edge lives unseen */
    uint32_t correlate_hops_max;     /* 8 */
    uint32_t correlate_suspect_min;  /* 3; 0: a silent upstream is never suspected */
    struct slice owner;              /* default owner of the tenant's incidents */
    struct slice dedup_by;           /* comma-separated; empty: tenant, entity, kind, error_class */
    struct policy_job *jobs;
    uint32_t jobs_count;
    struct policy_route *routes; /* none: every incident goes to all sinks */
    uint32_t routes_count;
    struct slice *sinks; /* all sink names of the tenant */
    uint32_t sinks_count;
    struct policy_label labels[POLICY_LABELS_MAX]; /* of all its incidents */
    uint32_t labels_count;
    uint32_t limit_events_per_s;    /* at ingest; 0: as many as come, as for those below */
    uint32_t limit_entities;        /* beyond: quarantined */
    uint32_t limit_incidents_per_h; /* beyond: recorded, and told when the hour is over */
    uint32_t limit_dedup_keys;      /* beyond: told, but repeats are not known as such */
    uint64_t quarantine_age_ns_max; /* 30 d; beyond it, or these bytes, its oldest are dropped */
    uint64_t quarantine_bytes_max;  /* 64 MiB */
    uint64_t dead_age_ns_max;       /* the same of dead letters */
    uint64_t dead_bytes_max;
    uint64_t incidents_age_ns_max; /* 90 d since their end; the same of resolved incidents */
    uint64_t incidents_bytes_max;  /* 256 MiB */
    struct policy_silence *silences;
    uint32_t silences_count;
};

struct policy_set {
    struct policy defaults;
    struct policy *tenants; /* sorted by tenant */
    uint32_t tenants_count;
};

/* The values that stand in product.md; no jobs, no routes, no sinks. */
struct policy policy_default(void);

/* FULL when the writer has no room. */
MUST_CHECK struct status policy_set_encode(const struct policy_set *set, struct writer *writer);
/* CORRUPT for damaged bytes; FULL when the arena is. Slices point into `bytes`. */
MUST_CHECK struct status policy_set_decode(struct slice bytes, struct arena *arena,
                                           struct policy_set *set_out);
/* Of the defaults and all tenants: what must be kept, or looked at, for the most demanding one. */
struct policy_spans {
    uint64_t idempotency_horizon_ns_max;
    uint64_t learned_ttl_ns_min;
};
struct policy_spans policy_set_spans(const struct policy_set *set);
/* The tenant's policy, or the defaults. */
const struct policy *policy_set_find(const struct policy_set *set, struct slice tenant);
/* The job's declaration or NULL. */
const struct policy_job *policy_find_job(const struct policy *policy, struct slice entity);
/* The sinks that take an incident, in route order without repeats; names point into the policy. */
uint32_t policy_route_incident(const struct policy *policy, const struct policy_subject *subject,
                               struct slice sinks_out[SINKS_PER_TENANT_MAX]);
/* When the hour or the day may next lead elsewhere; UINT64_MAX: no route asks for them. */
uint64_t policy_routes_change_ns(const struct policy *policy, uint64_t now_ns);
/* The tenant's labels and those of the root cause's job, which win: up to 2 * POLICY_LABELS_MAX. */
uint32_t policy_labels(const struct policy *policy, struct slice root_entity,
                       struct policy_label labels_out[2 * POLICY_LABELS_MAX]);
/* The silence that mutes the incident longest from now on; NULL when none does. `tenant` empty: of
 * any, else only that one's. */
const struct policy_silence *policy_find_silence(const struct policy_silence *silences,
                                                 uint32_t count, struct slice tenant,
                                                 const struct policy_subject *subject);

/* The writer fails when it has no room. */
void policy_silence_encode(const struct policy_silence *silence, struct writer *writer);
/* Reads one behind the reader; a damaged one makes it fail. */
struct policy_silence policy_silence_read(struct reader *reader);
