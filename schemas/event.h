/*
 * event.h - the closed vocabularies of an event: kind, status, severity; words and numbers.
 *
 * All functions are pure; returned words are static. Any thread.
 */
#pragma once

#include "core/base/fault.h"
#include "core/base/slice.h"
#include "core/base/status.h"

enum event_kind {
#define EVENT_KIND(number, name, word) EVENT_KIND_##name = (number),
#include "schemas/event_list.h"
#undef EVENT_KIND
};

enum event_status {
#define EVENT_STATUS(number, name, word, signal) EVENT_STATUS_##name = (number),
#include "schemas/event_list.h"
#undef EVENT_STATUS
    EVENT_STATUS_COUNT
};

enum event_severity {
#define EVENT_SEVERITY(number, name, word) EVENT_SEVERITY_##name = (number),
#include "schemas/event_list.h"
#undef EVENT_SEVERITY
    EVENT_SEVERITY_COUNT
};

enum signal_news { SIGNAL_NEUTRAL, SIGNAL_BAD, SIGNAL_GOOD };

/* Static words, as JSON and people see them. */
struct slice event_kind_word(enum event_kind kind);
struct slice event_status_word(enum event_status status);
struct slice event_severity_word(enum event_severity severity);

/* INVALID for an unknown word. Severity also takes warn, fatal, debug, trace, err, notice,
 * emergency and their upper case; kind and status are exact lower case. */
MUST_CHECK struct status event_status_parse(struct slice word, enum event_status *status_out);
/* INVALID, with the words that there are for whoever used another. */
MUST_CHECK struct status event_status_unknown(struct slice word, struct fault *reason);
MUST_CHECK struct status event_severity_parse(struct slice word, enum event_severity *severity_out);

/* OTLP severityNumber: 1-12 info (0 none), 13-16 warning, 17-20 error, 21 and beyond critical. */
enum event_severity event_severity_of_otlp(uint32_t severity_number);

/* What a status word says about its entity. */
enum signal_news event_status_news(enum event_status status);
