/*
 * severity.c - how bad an incident is, and whose it is.
 *
 *   status failed aborted down -> error; late missed degraded -> warning
 *   an alert whose rule says warning or info: that
 *   tier 1: one step up; tier 3 and below: error -> warning
 *   the source said critical: critical, whatever the tier
 *   an error with FAILING_CRITICAL_MIN failing members: critical
 *
 * An incident has the worst of its members and is never lowered while it is open. Opened again by
 * what failed after its end, it is as bad as that: whoever was hit before is well.
 */
#include "incident/incident_state.h"

bool status_is_explicit(enum event_status status) {
    return status == EVENT_STATUS_FAILED || status == EVENT_STATUS_ABORTED ||
           status == EVENT_STATUS_DOWN;
}

enum event_severity severity_of_member(const struct policy *policy, struct slice entity,
                                       enum event_status status, enum event_severity source) {
    if (source == EVENT_SEVERITY_CRITICAL) {
        return EVENT_SEVERITY_CRITICAL;
    }
    bool is_mild = source == EVENT_SEVERITY_INFO || source == EVENT_SEVERITY_WARNING;
    enum event_severity severity = is_mild                      ? source
                                   : status_is_explicit(status) ? EVENT_SEVERITY_ERROR
                                                                : EVENT_SEVERITY_WARNING;
    const struct policy_job *job = policy_find_job(policy, entity);
    uint32_t tier = job == NULL ? 0 : job->tier;
    if (tier == 1) {
        return severity + 1;
    }
    return severity == EVENT_SEVERITY_ERROR && tier >= 3 ? EVENT_SEVERITY_WARNING : severity;
}

struct slice severity_owner(const struct policy *policy, struct slice entity) {
    const struct policy_job *job = policy_find_job(policy, entity);
    return job != NULL && !slice_is_empty(job->owner) ? job->owner : policy->owner;
}

void severity_raise(struct incidents *incidents, const struct incident_context *context,
                    struct incident *incident, enum event_severity severity) {
    if (severity < incident->severity) {
        severity = incident->severity;
    }
    if (severity == EVENT_SEVERITY_ERROR && incident->failing_count >= FAILING_CRITICAL_MIN) {
        severity = EVENT_SEVERITY_CRITICAL;
    }
    if (severity == incident->severity) {
        return;
    }
    enum event_severity before = incident->severity;
    incident->severity = severity;
    incident_touch(incidents, incident);
    if (before == EVENT_SEVERITY_NONE) {
        return; /* it has just been opened */
    }
    char words[DETAIL_BYTES_MAX];
    struct text detail = text_over(words, sizeof(words));
    text_add(&detail, event_severity_word(before));
    text_add_text(&detail, " to ");
    text_add(&detail, event_severity_word(severity));
    timeline_add(incidents, context, incident, "severity", text_slice(&detail));
    telling_note(incidents, context, incident, CHANGE_SEVERITY);
}

void severity_begin_life(struct incident *incident) {
    ASSERT(incident_is_live(incident));
    bool end_is_known = !incident->is_told || (incident->changes & CHANGE_REOPENED) != 0;
    if (end_is_known) {
        incident->severity = EVENT_SEVERITY_NONE;
    }
}
