/*
 * alerts.c - Prometheus alerts as POST /api/v2/alerts brings them (formats.h).
 *
 * 1. The labels name the entity, the first that is there: entity (where it is kind:name; else it is
 *    a label of the user's own), job_id, dataset, check_id, service, the scrape job; else the alert
 *    itself is the check that failed.
 * 2. A sender repeats a firing alert every minute or so, and moves its endsAt on. Each repeat is a
 * signal of its own, so that the incident stays open while the alert fires; only what comes twice
 * within REPEAT_NS with the same endsAt (a retry) is the same event.
 * 3. An alert whose endsAt has passed is resolved: good news. One whose endsAt is ahead fires until
 * then, unless it is resolved before; an array's without endsAt is over when nobody repeats it
 * (resolve_after), an Alertmanager's (its webhook gives what fires no endsAt, and repeats it every
 * few hours only) when it says so, or after TOLD_NS.
 */
#include "ingest/formats.h"
#include "ingest/json_events.h"

enum { ALERT_LABELS_MAX = 64 };
#define REPEAT_NS NS_PER_S
#define TOLD_NS NS_PER_DAY

struct alert {
    struct draft draft;
    struct slice labels[ALERT_LABELS_MAX][2];
    uint32_t labels_count;
    uint64_t starts_ns;
    uint64_t ends_ns;
    bool is_resolved; /* by its own word */
};

/* --- Reading --- */

static void take_labels(struct json_walk *walk, struct alert *alert) {
    struct slice key;
    if (json_peek(walk) != JSON_OBJECT) {
        json_skip(walk, NULL);
        draft_refuse(&alert->draft, "labels is no object", (struct slice){0});
        return;
    }
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        struct slice value = draft_take_word(walk, &alert->draft, "a label's value is no string");
        if (alert->labels_count == ALERT_LABELS_MAX) {
            draft_refuse(&alert->draft, "an alert has at most 64 labels", (struct slice){0});
            continue;
        }
        alert->labels[alert->labels_count][0] = key;
        alert->labels[alert->labels_count++][1] = value;
        draft_add_attribute(&alert->draft, key, value);
    }
}

/* summary wins over description, description over message. */
static void take_annotations(struct json_walk *walk, struct draft *draft) {
    struct slice key;
    unsigned best = 0;
    if (json_peek(walk) != JSON_OBJECT) {
        json_skip(walk, NULL);
        return;
    }
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        struct slice value = draft_take_word(walk, draft, "an annotation is no string");
        unsigned rank = json_key_is(key, "summary")       ? 3
                        : json_key_is(key, "description") ? 2
                        : json_key_is(key, "message")     ? 1
                                                          : 0;
        if (rank > best) {
            best = rank;
            draft->envelope.message = value;
        }
        draft_add_attribute(draft, key, value);
    }
}

/* Empty, null and the year 1 all mean that the time is not given. */
static uint64_t take_instant(struct json_walk *walk, struct draft *draft) {
    struct slice text = draft_take_word(walk, draft, "startsAt and endsAt are RFC 3339 times");
    uint64_t time_ns = 0;
    bool is_given = text.size > 0 && !slice_starts_with(text, SLICE("0001-"));
    if (is_given && !status_is_ok(text_parse_time_clamped(text, &time_ns))) {
        draft_refuse(draft, "no RFC 3339 time: ", text);
    }
    return time_ns;
}

static struct alert *alert_of(struct draft *draft) {
    return (struct alert *)(void *)draft; /* its first member */
}

static void take_member(struct json_walk *walk, struct draft *draft, struct slice key) {
    struct alert *alert = alert_of(draft);
    if (json_key_is(key, "labels")) {
        take_labels(walk, alert);
    } else if (json_key_is(key, "annotations")) {
        take_annotations(walk, draft);
    } else if (json_key_is(key, "startsAt")) {
        alert->starts_ns = take_instant(walk, draft);
    } else if (json_key_is(key, "endsAt")) {
        alert->ends_ns = take_instant(walk, draft);
    } else if (json_key_is(key, "status") && json_peek(walk) == JSON_STRING) {
        struct slice word = draft_take_word(walk, draft, "status is no string");
        alert->is_resolved = slice_equals(word, SLICE("resolved"));
    } else if (json_key_is(key, "generatorURL")) {
        draft_take_attribute(walk, draft, key);
    } else {
        json_skip(walk, NULL);
    }
}

/* --- Meaning --- */

static struct slice find_label(const struct alert *alert, const char *name) {
    for (uint32_t i = 0; i < alert->labels_count; i++) {
        if (slice_equals(alert->labels[i][0], slice_of_text(name))) {
            return alert->labels[i][1];
        }
    }
    return slice_of(NULL, 0);
}

static struct slice first_label(const struct alert *alert, const char *name, const char *other) {
    struct slice value = find_label(alert, name);
    return value.size > 0 ? value : find_label(alert, other);
}

static struct status settle_entity(struct decode *decode, struct alert *alert) {
    struct draft *draft = &alert->draft;
    struct derive_entity_keys keys = {
        .job_id = find_label(alert, "job_id"),
        .dataset_name = first_label(alert, "dataset_name", "dataset"),
        .check_id = find_label(alert, "check_id"),
        .service_name = first_label(alert, "service_name", "service"),
        .service_namespace = find_label(alert, "service_namespace"),
    };
    if (keys.service_name.size == 0) {
        keys.service_name = find_label(alert, "job");
    }
    bool is_named = keys.job_id.size + keys.dataset_name.size + keys.check_id.size > 0;
    if (!is_named && keys.service_name.size == 0) {
        keys.check_id = find_label(alert, "alertname");
    }
    struct fault unused;
    struct slice entity = find_label(alert, "entity");
    if (entity.size > 0 && status_is_ok(derive_check_entity(entity, &unused))) {
        draft->entity = entity;
        return status_ok();
    }
    return derive_entity(&keys, decode->arena, &draft->envelope.entity, &draft->reason);
}

static void settle_severity(struct alert *alert) {
    struct slice word = find_label(alert, "severity");
    enum event_severity *severity = &alert->draft.envelope.severity;
    if (word.size == 0 || !status_is_ok(event_severity_parse(word, severity))) {
        *severity = EVENT_SEVERITY_ERROR; /* the word is the user's own; the alert still fires */
    }
}

/* Invariant 2: labels, state, start, end and a slot of time make the event. What ended once may
 * fire again since the same start (after its sender was lost for a while), and ends again at
 * another time. */
static struct status settle_event_id(struct decode *decode, struct alert *alert) {
    uint64_t sum = 0; /* labels are a set: their order says nothing */
    for (uint32_t i = 0; i < alert->labels_count; i++) {
        sum += hash128_of_parts(alert->labels[i], 2, decode->hash_seed).lo;
    }
    struct envelope *envelope = &alert->draft.envelope;
    bool is_firing = envelope->status == EVENT_STATUS_FAILED;
    char *memory = arena_allocate(decode->arena, 128, 1);
    if (memory == NULL) {
        return status_of(STATUS_FULL);
    }
    struct text id = text_over(memory, 128);
    text_add_format(
        &id, "alert:%016llx:%llu:%llu:%llu", (unsigned long long)sum,
        (unsigned long long)alert->starts_ns, (unsigned long long)(is_firing ? alert->ends_ns : 0),
        (unsigned long long)(is_firing || alert->ends_ns == 0 ? decode->now_ns / REPEAT_NS
                                                              : alert->ends_ns));
    envelope->event_id = text_slice(&id);
    return status_ok();
}

/* When it began or ended; 0, which is now, where it does not say. One that says no start began when
 * it came, so its end is not earlier than that either, whatever it says. */
static uint64_t settle_time(const struct alert *alert, bool has_ended) {
    uint64_t ends_ns = has_ended && alert->starts_ns != 0 ? alert->ends_ns : 0;
    return has_ended || alert->is_resolved ? ends_ns : alert->starts_ns;
}

/* The label tenant_id; or tenant, where nobody must prove who he is and it can be one's name: else
 * it is a label of the user's own, which loses no alert. */
static struct slice claim_of(const struct decode *decode, const struct alert *alert) {
    struct slice claim = find_label(alert, "tenant_id");
    struct slice word = find_label(alert, "tenant");
    struct fault unused;
    bool is_claim = claim.size == 0 && word.size > 0 && !decode->tenant_is_bound &&
                    status_is_ok(derive_check_tenant(word, &unused));
    return is_claim ? word : claim;
}

static struct status add_alert(struct decode *decode, struct draft *draft, struct slice raw) {
    struct alert *alert = alert_of(draft);
    struct envelope *envelope = &draft->envelope;
    bool has_ended = alert->ends_ns != 0 && alert->ends_ns <= decode->now_ns;
    bool is_resolved = has_ended || alert->is_resolved;
    if (alert->labels_count == 0) {
        draft_refuse(draft, "an alert has labels", (struct slice){0});
    }
    envelope->kind = EVENT_KIND_ALERT;
    envelope->status = is_resolved ? EVENT_STATUS_OK : EVENT_STATUS_FAILED;
    envelope->event_time_ns = settle_time(alert, has_ended);
    envelope->error_class = find_label(alert, "alertname");
    draft->claimed = claim_of(decode, alert);
    settle_severity(alert);
    if (!draft->is_refused) {
        struct status status = settle_entity(decode, alert);
        draft->is_refused = status.code == STATUS_INVALID;
        TRY(draft->is_refused ? status_ok() : status);
        TRY(settle_event_id(decode, alert));
    }
    return draft_finish(decode, draft, raw);
}

/* An Alertmanager repeats what fires every few hours only, and says itself when it is over. */
static struct status add_told_alert(struct decode *decode, struct draft *draft, struct slice raw) {
    struct alert *alert = alert_of(draft);
    if (alert->ends_ns == 0 && !alert->is_resolved) {
        alert->ends_ns = decode->now_ns / REPEAT_NS * REPEAT_NS + TOLD_NS;
    }
    return add_alert(decode, draft, raw);
}

static struct status take_told_event(struct decode *decode, struct json_walk *walk) {
    static const struct json_event_format format = {
        .complaint = "an alert is a JSON object",
        .size = sizeof(struct alert),
        .take_member = take_member,
        .add_event = add_told_alert,
    };
    return json_event_take(decode, walk, &format, false);
}

static struct status take_event(struct decode *decode, struct json_walk *walk, bool is_whole) {
    static const struct json_event_format format = {
        .complaint = "an alert is a JSON object",
        .size = sizeof(struct alert),
        .take_member = take_member,
        .add_event = add_alert,
    };
    return json_event_take(decode, walk, &format, is_whole);
}

/* What an Alertmanager's own webhook sends (its version 4): the alerts with what is common to them,
 * which each of them has too. */
static struct status take_webhook(struct decode *decode, struct json_walk *walk) {
    struct slice key;
    bool has_alerts = false;
    json_enter_object(walk);
    while (json_next_member(walk, &key)) {
        if (!json_key_is(key, "alerts") || json_peek(walk) != JSON_ARRAY) {
            json_skip(walk, NULL);
            continue;
        }
        has_alerts = true;
        json_enter_array(walk);
        while (json_next_element(walk)) {
            TRY(take_told_event(decode, walk));
        }
    }
    if (json_finish(walk) && !has_alerts) {
        json_fail(walk, "an array of alerts is wanted, or an object with \"alerts\"");
    }
    return walk->error == NULL ? status_ok() : decode_fail(decode, walk);
}

struct status alerts_decode(struct decode *decode, struct slice body) {
    struct json_walk walk = json_walk_over(body, decode->arena);
    if (json_peek(&walk) == JSON_OBJECT) {
        return take_webhook(decode, &walk);
    }
    return json_events_take_array(decode, &walk, take_event);
}
