/*
 * policy_route.c - finding a tenant's policy, a job, and the sinks of an incident.
 */
#include "core/base/assert.h"
#include "core/base/text.h"
#include "schemas/policy.h"

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

static bool route_matches(const struct policy_route *route, enum event_severity severity,
                          struct slice root_entity, struct slice owner) {
    return severity >= route->severity_min &&
           (route->severity_max == EVENT_SEVERITY_NONE || severity <= route->severity_max) &&
           (route->entity_glob.size == 0 || text_matches_glob(root_entity, route->entity_glob)) &&
           (route->owner_glob.size == 0 || text_matches_glob(owner, route->owner_glob));
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

uint32_t policy_route_incident(const struct policy *policy, enum event_severity severity,
                               struct slice root_entity, struct slice owner,
                               struct slice sinks_out[SINKS_PER_TENANT_MAX]) {
    ASSERT(severity < EVENT_SEVERITY_COUNT);
    if (policy->routes_count == 0) {
        return add_sinks(policy->sinks, policy->sinks_count, sinks_out, 0);
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < policy->routes_count; i++) {
        const struct policy_route *route = &policy->routes[i];
        if (!route_matches(route, severity, root_entity, owner)) {
            continue;
        }
        count = add_sinks(route->sinks, route->sinks_count, sinks_out, count);
        if (!route->goes_on) {
            return count;
        }
    }
    return count;
}
