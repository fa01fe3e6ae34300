/*
 * policy_route.c - finding a tenant's policy, a job, and the sinks of an incident.
 */
#include "core/base/assert.h"
#include "core/base/text.h"
#include "schemas/policy.h"

struct policy_spans policy_set_spans(const struct policy_set *set) {
    struct policy_spans spans = {
        .idempotency_horizon_ns_max = set->defaults.idempotency_horizon_ns,
        .learned_ttl_ns_min = set->defaults.learned_ttl_ns,
    };
    for (uint32_t i = 0; i < set->tenants_count; i++) {
        const struct policy *policy = &set->tenants[i];
        uint64_t horizon_ns = policy->idempotency_horizon_ns;
        if (horizon_ns > spans.idempotency_horizon_ns_max) {
            spans.idempotency_horizon_ns_max = horizon_ns;
        }
        if (policy->learned_ttl_ns < spans.learned_ttl_ns_min) {
            spans.learned_ttl_ns_min = policy->learned_ttl_ns;
        }
    }
    return spans;
}

const struct policy *policy_set_find(const struct policy_set *set, struct slice tenant) {
    uint32_t low = 0;
    uint32_t high = set->tenants_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slice_compare(set->tenants[middle].tenant, tenant);
        if (order == 0) {
            return &set->tenants[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return &set->defaults;
}

const struct policy_job *policy_find_job(const struct policy *policy, struct slice entity) {
    uint32_t low = 0;
    uint32_t high = policy->jobs_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slice_compare(policy->jobs[middle].entity, entity);
        if (order == 0) {
            return &policy->jobs[middle];
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

static uint32_t add_sinks(const struct slice *names, uint32_t names_count,
                          struct slice sinks_out[SINKS_PER_TENANT_MAX], uint32_t count) {
    for (uint32_t i = 0; i < names_count; i++) {
        bool is_there = false;
        for (uint32_t k = 0; k < count; k++) {
            is_there = is_there || slice_equals(sinks_out[k], names[i]);
        }
        if (!is_there && count < SINKS_PER_TENANT_MAX) {
            sinks_out[count++] = names[i];
        }
    }
    return count;
}

uint32_t policy_route_incident(const struct policy *policy, const struct policy_subject *subject,
                               struct slice sinks_out[SINKS_PER_TENANT_MAX]) {
    ASSERT(subject->severity < EVENT_SEVERITY_COUNT);
    if (policy->routes_count == 0) {
        return add_sinks(policy->sinks, policy->sinks_count, sinks_out, 0);
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < policy->routes_count; i++) {
        const struct policy_route *route = &policy->routes[i];
        if (policy_match_test(&route->match, subject) != POLICY_MATCHES) {
            continue;
        }
        count = add_sinks(route->sinks, route->sinks_count, sinks_out, count);
        if (!route->goes_on) {
            return count;
        }
    }
    return count;
}

uint64_t policy_routes_change_ns(const struct policy *policy, uint64_t now_ns) {
    uint64_t first_ns = UINT64_MAX;
    for (uint32_t i = 0; i < policy->routes_count; i++) {
        uint64_t next_ns = policy_match_changes_ns(&policy->routes[i].match, now_ns);
        first_ns = next_ns < first_ns ? next_ns : first_ns;
    }
    return first_ns;
}

uint32_t policy_labels(const struct policy *policy, struct slice root_entity,
                       struct policy_label labels_out[2 * POLICY_LABELS_MAX]) {
    const struct policy_job *job = policy_find_job(policy, root_entity);
    uint32_t count = 0;
    for (uint32_t i = 0; job != NULL && i < job->labels_count; i++) {
        labels_out[count++] = job->labels[i];
    }
    uint32_t own = count;
    for (uint32_t i = 0; i < policy->labels_count; i++) {
        bool is_there = false;
        for (uint32_t k = 0; k < own; k++) {
            is_there = is_there || slice_equals(labels_out[k].key, policy->labels[i].key);
        }
        if (!is_there) {
            labels_out[count++] = policy->labels[i];
        }
    }
    return count;
}

const struct policy_silence *policy_find_silence(const struct policy_silence *silences,
                                                 uint32_t count, struct slice tenant,
                                                 const struct policy_subject *subject) {
    const struct policy_silence *longest = NULL;
    for (uint32_t i = 0; i < count; i++) {
        const struct policy_silence *silence = &silences[i];
        bool is_now = silence->start_ns <= subject->now_ns && subject->now_ns < silence->end_ns;
        bool is_own = tenant.size == 0 || slice_equals(silence->tenant, tenant);
        if (is_now && is_own && (longest == NULL || silence->end_ns > longest->end_ns) &&
            policy_match_test(&silence->match, subject) == POLICY_MATCHES) {
            longest = silence;
        }
    }
    return longest;
}
