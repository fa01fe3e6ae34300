/*
 * explain_route.c - `quell check --explain incident.json [--at time]`: which route would take an
 * incident, and why not the others; which silence would mute it.
 */
#include <stdio.h>
#include <time.h>

#include "cli/commands.h"
#include "core/base/json_pick.h"
#include "core/config_rules.h"

enum { FILE_BYTES_MAX = 4 * 1024 * 1024, LABELS_SHOWN_MAX = 32, VALUE_BYTES_MAX = 1024 };

/* An incident as its file says it; its memory. */
struct explained {
    char tenant[TENANT_BYTES_MAX + 1];
    char severity[32];
    char root[VALUE_BYTES_MAX];
    char owner[VALUE_BYTES_MAX];
    char keys[LABELS_SHOWN_MAX][LABEL_BYTES_MAX + 1];
    char values[LABELS_SHOWN_MAX][LABEL_BYTES_MAX + 1];
    struct policy_label labels[LABELS_SHOWN_MAX];
    struct policy_subject subject;
};

static struct slice pick(struct slice object, const char *name, char *memory, size_t capacity) {
    struct text text = text_over(memory, capacity);
    json_pick_text(object, name, &text);
    return text_slice(&text);
}

/* Label by label: the object's keys are what we look for. */
static void read_labels(struct slice object, struct explained *explained) {
    uint32_t count = 0;
    size_t at = slice_find_byte(object, '"');
    while (at < object.size && count < LABELS_SHOWN_MAX) {
        struct slice rest = slice_tail(object, at);
        struct slice key =
            slice_head(slice_tail(rest, 1), slice_find_byte(slice_tail(rest, 1), '"'));
        struct text name = text_over(explained->keys[count], sizeof(explained->keys[count]));
        text_add(&name, key);
        struct slice raw = json_pick(object, explained->keys[count]);
        struct text value = text_over(explained->values[count], sizeof(explained->values[count]));
        json_pick_unescape(raw, &value);
        explained->labels[count] = (struct policy_label){text_slice(&name), text_slice(&value)};
        count++;
        size_t behind = raw.size == 0 ? object.size : (size_t)(raw.data - object.data) + raw.size;
        at = behind + slice_find_byte(slice_tail(object, behind), '"');
    }
    explained->subject.labels = explained->labels;
    explained->subject.labels_count = count;
}

static struct status read_incident(struct slice json, const char *at, struct explained *explained,
                                   struct fault *fault) {
    struct policy_subject *subject = &explained->subject;
    struct slice data = json_pick(json, "data"); /* a webhook's body will do, too */
    json = data.size > 0 ? data : json;
    (void)pick(json, "tenant", explained->tenant, sizeof(explained->tenant));
    struct slice severity =
        pick(json, "severity", explained->severity, sizeof(explained->severity));
    subject->root_entity =
        pick(json_pick(json, "root_cause"), "entity", explained->root, sizeof(explained->root));
    subject->owner = pick(json, "owner", explained->owner, sizeof(explained->owner));
    read_labels(json_pick(json, "labels"), explained);
    if (!status_is_ok(event_severity_parse(severity, &subject->severity)) ||
        subject->root_entity.size == 0) {
        return fault_set(fault, STATUS_INVALID,
                         "this is no incident: severity and root_cause.entity are wanted");
    }
    subject->now_ns = (uint64_t)time(NULL) * NS_PER_S;
    if (at != NULL && !status_is_ok(text_parse_time(slice_of_text(at), &subject->now_ns))) {
        return fault_set(fault, STATUS_INVALID, "--at is a time such as 2026-11-20T22:00:00Z");
    }
    return status_ok();
}

static const char *words_of(enum policy_miss miss) {
    switch (miss) {
    case POLICY_MATCHES:
        return "takes it";
    case POLICY_MISS_SEVERITY:
        return "no: its severity is another";
    case POLICY_MISS_ENTITY:
        return "no: the root cause's entity is another";
    case POLICY_MISS_OWNER:
        return "no: its owner is another";
    case POLICY_MISS_LABEL:
        return "no: a label is missing or another";
    case POLICY_MISS_TIME:
        return "no: not at this time";
    }
    return "";
}

static void explain_routes(const struct policy *policy, const struct policy_subject *subject) {
    bool is_taken = false;
    for (uint32_t i = 0; i < policy->routes_count; i++) {
        const struct policy_route *route = &policy->routes[i];
        enum policy_miss miss = policy_match_test(&route->match, subject);
        const char *words = is_taken ? "not asked: a route above took it" : words_of(miss);
        (void)printf("route %u: %s", i + 1, words);
        for (uint32_t s = 0; !is_taken && miss == POLICY_MATCHES && s < route->sinks_count; s++) {
            (void)printf("%s%.*s", s == 0 ? " for " : ", ", SLICE_PRINT(route->sinks[s]));
        }
        bool goes_on = miss != POLICY_MATCHES || route->goes_on;
        (void)printf("%s\n", !is_taken && miss == POLICY_MATCHES && goes_on ? ", and goes on" : "");
        is_taken = is_taken || !goes_on;
    }
    if (policy->routes_count == 0) {
        (void)printf("no routes: every incident goes to all sinks\n");
    }
}

static void explain_silences(const struct policy *policy, const struct policy_subject *subject) {
    const struct policy_silence *silence =
        policy_find_silence(policy->silences, policy->silences_count, slice_of(NULL, 0), subject);
    if (silence != NULL) {
        char memory[64];
        struct text end = text_over(memory, sizeof(memory));
        text_add_time(&end, silence->end_ns, 0);
        (void)printf("silenced until %s: %.*s (%.*s)\n", memory, SLICE_PRINT(silence->reason),
                     SLICE_PRINT(silence->who));
    }
}

static int explain(const struct config *config, const struct explained *explained) {
    struct slice sinks[SINKS_PER_TENANT_MAX];
    struct slice tenant = slice_of_text(explained->tenant[0] == 0 ? "default" : explained->tenant);
    const struct policy *policy = policy_set_find(&config->policies, tenant);
    (void)printf("tenant %.*s%s\n", SLICE_PRINT(tenant),
                 policy->tenant.size == 0 ? ": no file of its own, the defaults hold" : "");
    explain_routes(policy, &explained->subject);
    uint32_t count = policy_route_incident(policy, &explained->subject, sinks);
    (void)printf("told to:");
    for (uint32_t i = 0; i < count; i++) {
        (void)printf("%s%.*s", i == 0 ? " " : ", ", SLICE_PRINT(sinks[i]));
    }
    (void)printf("%s\n", count == 0 ? " nobody" : "");
    explain_silences(policy, &explained->subject);
    return count == 0 ? 1 : 0;
}

int explain_route(const struct cli_options *options, const struct config *config) {
    static const char *const flag = "--explain";
    struct arena arena = {0};
    struct slice file;
    struct fault fault = {{0}};
    int code = 2;
    struct status status = arena_init(&arena, 2 * (size_t)FILE_BYTES_MAX);
    struct explained *explained = status_is_ok(status) ? ARENA_NEW(&arena, struct explained) : NULL;
    if (explained != NULL) {
        status = config_read_file(cli_option(options, flag), FILE_BYTES_MAX, &arena, &file, &fault);
    }
    if (explained != NULL && status_is_ok(status)) {
        status = read_incident(file, cli_option(options, "--at"), explained, &fault);
    }
    if (explained != NULL && status_is_ok(status)) {
        code = explain(config, explained);
    } else {
        (void)fprintf(stderr, "quell: %s\n", fault.words);
    }
    arena_deinit(&arena);
    return code;
}
