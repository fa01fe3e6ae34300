/*
 * policy.c - a set of policies as bytes: u32 version, u32 tenants, the defaults, then each tenant.
 * Strings and arrays carry a u32 count. Append fields at the end of a policy and raise the version:
 * records of before stay in journals and are read as they were written.
 */
#include "schemas/policy.h"

#include "core/base/assert.h"

enum { POLICY_VERSION = 7, POLICY_VERSION_OLDEST = 1, ITEMS_MAX = 1 << 20 };

struct policy policy_default(void) {
    return (struct policy){
        .idempotency_horizon_ns = NS_PER_HOUR,
        .dedup_window_ns = 10 * NS_PER_MINUTE,
        .dedup_max_window_ns = NS_PER_HOUR,
        .correlate_window_ns = 15 * NS_PER_MINUTE,
        .resolve_after_ns = 5 * NS_PER_MINUTE,
        .reopen_window_ns = 30 * NS_PER_MINUTE,
        .group_wait_ns = 10 * NS_PER_S,
        .group_interval_ns = 5 * NS_PER_MINUTE,
        .repeat_interval_ns = 4 * NS_PER_HOUR,
        .learned_ttl_ns = NS_PER_DAY,
        .correlate_hops_max = 8,
        .correlate_suspect_min = 3,
        .quarantine_age_ns_max = 30 * NS_PER_DAY,
        .quarantine_bytes_max = 64 * MIB,
        .dead_age_ns_max = 30 * NS_PER_DAY,
        .dead_bytes_max = 64 * MIB,
        .incidents_age_ns_max = 90 * NS_PER_DAY,
        .incidents_bytes_max = 256 * MIB,
    };
}

/* --- Encoding --- */

static void write_texts(struct writer *writer, const struct slice *texts, uint32_t count) {
    writer_u32(writer, count);
    for (uint32_t i = 0; i < count; i++) {
        writer_text(writer, texts[i]);
    }
}

static void write_job(struct writer *writer, const struct policy_job *job) {
    writer_text(writer, job->entity);
    writer_text(writer, job->owner);
    writer_u32(writer, job->tier);
    write_texts(writer, job->depends_on, job->depends_on_count);
    policy_labels_write(job->labels, job->labels_count, writer);
}

static void write_route(struct writer *writer, const struct policy_route *route) {
    writer_u8(writer, route->goes_on ? 1 : 0);
    policy_match_write(&route->match, writer);
    write_texts(writer, route->sinks, route->sinks_count);
}

void policy_silence_encode(const struct policy_silence *silence, struct writer *writer) {
    policy_match_write(&silence->match, writer);
    writer_u64(writer, silence->start_ns);
    writer_u64(writer, silence->end_ns);
    writer_text(writer, silence->reason);
    writer_text(writer, silence->who);
}

static void write_policy(struct writer *writer, const struct policy *policy) {
    writer_text(writer, policy->tenant);
    writer_u64(writer, policy->idempotency_horizon_ns);
    writer_u64(writer, policy->dedup_window_ns);
    writer_u64(writer, policy->dedup_max_window_ns);
    writer_u64(writer, policy->correlate_window_ns);
    writer_u64(writer, policy->resolve_after_ns);
    writer_u64(writer, policy->reopen_window_ns);
    writer_u64(writer, policy->group_wait_ns);
    writer_u64(writer, policy->group_interval_ns);
    writer_u64(writer, policy->repeat_interval_ns);
    writer_u32(writer, policy->correlate_hops_max);
    writer_u32(writer, policy->correlate_suspect_min);
    writer_text(writer, policy->owner);
    writer_text(writer, policy->dedup_by);
    writer_u32(writer, policy->jobs_count);
    for (uint32_t i = 0; i < policy->jobs_count; i++) {
        write_job(writer, &policy->jobs[i]);
    }
    writer_u32(writer, policy->routes_count);
    for (uint32_t i = 0; i < policy->routes_count; i++) {
        write_route(writer, &policy->routes[i]);
    }
    write_texts(writer, policy->sinks, policy->sinks_count);
    policy_labels_write(policy->labels, policy->labels_count, writer);
    writer_u32(writer, policy->silences_count);
    for (uint32_t i = 0; i < policy->silences_count; i++) {
        policy_silence_encode(&policy->silences[i], writer);
    }
    writer_u64(writer, policy->learned_ttl_ns);
    writer_u32(writer, policy->limit_events_per_s);
    writer_u32(writer, policy->limit_entities);
    writer_u32(writer, policy->limit_incidents_per_h);
    writer_u32(writer, policy->limit_dedup_keys);
    writer_u64(writer, policy->quarantine_age_ns_max);
    writer_u64(writer, policy->quarantine_bytes_max);
    writer_u64(writer, policy->dead_age_ns_max);
    writer_u64(writer, policy->dead_bytes_max);
    writer_u64(writer, policy->incidents_age_ns_max);
    writer_u64(writer, policy->incidents_bytes_max);
}

struct status policy_set_encode(const struct policy_set *set, struct writer *writer) {
    writer_u32(writer, POLICY_VERSION);
    writer_u32(writer, set->tenants_count);
    write_policy(writer, &set->defaults);
    for (uint32_t i = 0; i < set->tenants_count; i++) {
        write_policy(writer, &set->tenants[i]);
    }
    return writer->failed ? status_of(STATUS_FULL) : status_ok();
}

/* --- Decoding --- */

struct decode {
    struct reader reader;
    struct arena *arena;
    uint32_t version;
    bool is_full;
};

/* A count and memory for it; a count that the bytes cannot hold is refused before it is allocated.
 */
static void *read_items(struct decode *decode, size_t item_size, uint32_t *count_out) {
    uint32_t count = reader_u32(&decode->reader);
    *count_out = 0;
    if (count > ITEMS_MAX || count > reader_left(&decode->reader)) {
        decode->reader.failed = true;
        return NULL;
    }
    void *items = arena_allocate_array(decode->arena, count + 1u, item_size, 16);
    if (items == NULL) {
        decode->is_full = true;
        decode->reader.failed = true;
        return NULL;
    }
    *count_out = count;
    return items;
}

static struct slice *read_texts(struct decode *decode, uint32_t *count_out) {
    struct slice *texts = read_items(decode, sizeof(struct slice), count_out);
    for (uint32_t i = 0; i < *count_out; i++) {
        texts[i] = reader_text(&decode->reader);
    }
    return texts;
}

static void read_jobs(struct decode *decode, struct policy *policy) {
    policy->jobs = read_items(decode, sizeof(struct policy_job), &policy->jobs_count);
    for (uint32_t i = 0; i < policy->jobs_count; i++) {
        struct policy_job *job = &policy->jobs[i];
        job->entity = reader_text(&decode->reader);
        job->owner = reader_text(&decode->reader);
        job->tier = reader_u32(&decode->reader);
        job->depends_on = read_texts(decode, &job->depends_on_count);
        if (decode->version >= 2) {
            job->labels_count = policy_labels_read(&decode->reader, job->labels);
        }
    }
}

/* Version 1 knew less of a match. */
static void read_route_1(struct reader *reader, struct policy_route *route) {
    uint8_t severity_min = reader_u8(reader);
    uint8_t severity_max = reader_u8(reader);
    route->goes_on = reader_u8(reader) != 0;
    if (severity_min >= EVENT_SEVERITY_COUNT || severity_max >= EVENT_SEVERITY_COUNT) {
        reader->failed = true;
        return;
    }
    route->match.severity_min = (enum event_severity)severity_min;
    route->match.severity_max = (enum event_severity)severity_max;
    route->match.entity_glob = reader_text(reader);
    route->match.owner_glob = reader_text(reader);
}

static void read_routes(struct decode *decode, struct policy *policy) {
    policy->routes = read_items(decode, sizeof(struct policy_route), &policy->routes_count);
    for (uint32_t i = 0; i < policy->routes_count; i++) {
        struct policy_route *route = &policy->routes[i];
        if (decode->version == 1) {
            read_route_1(&decode->reader, route);
        } else {
            route->goes_on = reader_u8(&decode->reader) != 0;
            route->match = policy_match_read(&decode->reader);
        }
        route->sinks = read_texts(decode, &route->sinks_count);
    }
}

struct policy_silence policy_silence_read(struct reader *reader) {
    struct policy_silence silence = {.match = policy_match_read(reader)};
    silence.start_ns = reader_u64(reader);
    silence.end_ns = reader_u64(reader);
    silence.reason = reader_text(reader);
    silence.who = reader_text(reader);
    return silence;
}

/* What records of before say nothing of. Their journal kept what was put aside, or resolved,
 * without an end: the first bound is one that this version's configuration says. */
static void set_defaults(struct policy *policy) {
    policy->learned_ttl_ns = policy_default().learned_ttl_ns;
    policy->quarantine_age_ns_max = policy->dead_age_ns_max = DURATION_NS_MAX;
    policy->quarantine_bytes_max = policy->dead_bytes_max = UINT64_MAX;
    policy->incidents_age_ns_max = DURATION_NS_MAX;
    policy->incidents_bytes_max = UINT64_MAX;
}

static void read_policy(struct decode *decode, struct policy *policy) {
    struct reader *reader = &decode->reader;
    policy->tenant = reader_text(reader);
    policy->idempotency_horizon_ns = reader_u64(reader);
    policy->dedup_window_ns = reader_u64(reader);
    policy->dedup_max_window_ns = reader_u64(reader);
    policy->correlate_window_ns = reader_u64(reader);
    policy->resolve_after_ns = reader_u64(reader);
    policy->reopen_window_ns = reader_u64(reader);
    policy->group_wait_ns = reader_u64(reader);
    policy->group_interval_ns = reader_u64(reader);
    policy->repeat_interval_ns = reader_u64(reader);
    policy->correlate_hops_max = reader_u32(reader);
    policy->correlate_suspect_min = reader_u32(reader);
    policy->owner = reader_text(reader);
    policy->dedup_by = reader_text(reader);
    read_jobs(decode, policy);
    read_routes(decode, policy);
    policy->sinks = read_texts(decode, &policy->sinks_count);
    set_defaults(policy);
    if (decode->version < 2) {
        return;
    }
    policy->labels_count = policy_labels_read(reader, policy->labels);
    policy->silences = read_items(decode, sizeof(struct policy_silence), &policy->silences_count);
    for (uint32_t i = 0; i < policy->silences_count; i++) {
        policy->silences[i] = policy_silence_read(reader);
    }
    if (decode->version >= 3) {
        policy->learned_ttl_ns = reader_u64(reader);
    }
    if (decode->version >= 4) {
        policy->limit_events_per_s = reader_u32(reader);
        policy->limit_entities = reader_u32(reader);
        policy->limit_incidents_per_h = reader_u32(reader);
    }
    if (decode->version >= 5) {
        policy->limit_dedup_keys = reader_u32(reader);
    }
    if (decode->version >= 6) {
        policy->quarantine_age_ns_max = reader_u64(reader);
        policy->quarantine_bytes_max = reader_u64(reader);
        policy->dead_age_ns_max = reader_u64(reader);
        policy->dead_bytes_max = reader_u64(reader);
    }
    if (decode->version >= 7) {
        policy->incidents_age_ns_max = reader_u64(reader);
        policy->incidents_bytes_max = reader_u64(reader);
    }
}

struct status policy_set_decode(struct slice bytes, struct arena *arena,
                                struct policy_set *set_out) {
    struct decode decode = {.reader = reader_over(bytes), .arena = arena};
    decode.version = reader_u32(&decode.reader);
    if (decode.version < POLICY_VERSION_OLDEST || decode.version > POLICY_VERSION) {
        return status_of(STATUS_CORRUPT);
    }
    struct policy_set set = {0};
    uint32_t tenants_count = reader_u32(&decode.reader);
    if (tenants_count > TENANTS_MAX) {
        return status_of(STATUS_CORRUPT);
    }
    set.tenants = ARENA_ARRAY(arena, struct policy, tenants_count + 1u);
    if (set.tenants == NULL) {
        return status_of(STATUS_FULL);
    }
    read_policy(&decode, &set.defaults);
    for (uint32_t i = 0; i < tenants_count && !decode.reader.failed; i++) {
        read_policy(&decode, &set.tenants[i]);
        set.tenants_count++;
    }
    if (decode.reader.failed || reader_left(&decode.reader) != 0) {
        return status_of(decode.is_full ? STATUS_FULL : STATUS_CORRUPT);
    }
    *set_out = set;
    return status_ok();
}
