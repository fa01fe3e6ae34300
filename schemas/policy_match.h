/*
 * policy_match.h - whom a route or a silence means: severity, root cause, owner, labels, day, hour.
 * Pure: the hour is of the subject's `now_ns`, in a time zone whose rule stands in the match, so a
 * replay judges as it was judged then.
 */
#pragma once

#include "core/base/reader.h"
#include "schemas/event.h"

enum { POLICY_LABELS_MAX = 8, MINUTES_A_DAY = 24 * 60 };

struct policy_label {
    struct slice key;
    struct slice value; /* in a match: a glob */
};

/* match = { severity = ">=error", entity = "job:load_*", owner = "...", labels = { team = "x" },
 *           days = ["mon", "fri"], hours = "22:00-06:00", timezone = "Europe/Berlin" } */
struct policy_match {
    enum event_severity severity_min; /* NONE: any */
    enum event_severity severity_max; /* NONE: any; "error" alone sets both */
    struct slice entity_glob;         /* of the root cause; empty: any */
    struct slice owner_glob;          /* empty: any */
    struct policy_label labels[POLICY_LABELS_MAX];
    uint32_t labels_count;
    uint8_t days;         /* bit 0: Sunday, as in cron; 0: any */
    uint16_t minute_from; /* of the day, local; from == to: any */
    uint16_t minute_to;   /* not included; smaller than from: over midnight, of the day it began */
    struct slice zone;    /* rule of schemas/zone.h; empty: UTC */
};

/* An incident, as routes and silences see it. */
struct policy_subject {
    enum event_severity severity;
    struct slice root_entity;
    struct slice owner;
    const struct policy_label *labels;
    uint32_t labels_count;
    uint64_t now_ns;
};

enum policy_miss {
    POLICY_MATCHES,
    POLICY_MISS_SEVERITY,
    POLICY_MISS_ENTITY,
    POLICY_MISS_OWNER,
    POLICY_MISS_LABEL,
    POLICY_MISS_TIME,
};

/* Whether it matches, else the first thing that does not fit. */
enum policy_miss policy_match_test(const struct policy_match *match,
                                   const struct policy_subject *subject);

/* When the hour or the day next begins or ceases to fit, at the earliest; UINT64_MAX: it has none.
 */
uint64_t policy_match_changes_ns(const struct policy_match *match, uint64_t now_ns);

/* ">=error", "error", "<=warning"; INVALID. */
MUST_CHECK struct status policy_severity_parse(struct slice words, struct policy_match *match);
void policy_match_write(const struct policy_match *match, struct writer *writer);
/* What is out of bounds makes the reader fail. */
struct policy_match policy_match_read(struct reader *reader);
void policy_labels_write(const struct policy_label *labels, uint32_t count, struct writer *writer);
uint32_t policy_labels_read(struct reader *reader, struct policy_label labels[POLICY_LABELS_MAX]);
