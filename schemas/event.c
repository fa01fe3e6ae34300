/* event.c - see event.h. */
#include "schemas/event.h"

#include "core/base/assert.h"

struct vocabulary {
    const char *word;
    size_t size;
    enum signal_news news;
};

#define BAD SIGNAL_BAD
#define GOOD SIGNAL_GOOD
#define NEUTRAL SIGNAL_NEUTRAL

static const char *const kind_words[] = {
#define EVENT_KIND(number, name, word) [number] = (word),
#include "schemas/event_list.h"
#undef EVENT_KIND
};

static const struct vocabulary status_words[] = {
#define EVENT_STATUS(number, name, word, signal) [number] = {(word), sizeof(word) - 1, (signal)},
#include "schemas/event_list.h"
#undef EVENT_STATUS
};

static const char *const severity_words[] = {
#define EVENT_SEVERITY(number, name, word) [number] = (word),
#include "schemas/event_list.h"
#undef EVENT_SEVERITY
};

struct slice event_kind_word(enum event_kind kind) {
    bool is_known = kind < sizeof(kind_words) / sizeof(kind_words[0]);
    return slice_of_text(is_known ? kind_words[kind] : NULL);
}

struct slice event_status_word(enum event_status status) {
    ASSERT(status < EVENT_STATUS_COUNT);
    return slice_of_text(status_words[status].word);
}

struct slice event_severity_word(enum event_severity severity) {
    ASSERT(severity < EVENT_SEVERITY_COUNT);
    return slice_of_text(severity_words[severity]);
}

struct status event_status_parse(struct slice word, enum event_status *status_out) {
    for (uint32_t i = 1; i < EVENT_STATUS_COUNT; i++) {
        if (word.size == status_words[i].size && word.data[0] == (uint8_t)status_words[i].word[0] &&
            memcmp(word.data, status_words[i].word, word.size) == 0) {
            *status_out = (enum event_status)i;
            return status_ok();
        }
    }
    return status_of(STATUS_INVALID);
}

struct status event_status_unknown(struct slice word, struct fault *reason) {
    static const char words[] =
#define EVENT_STATUS(number, name, word, signal) word " "
#include "schemas/event_list.h"
#undef EVENT_STATUS
        ;
    struct slice shown = slice_head(word, 40);
    return fault_set(reason, STATUS_INVALID, "unknown status \"%.*s\": it is none of %.*s",
                     SLICE_PRINT(shown), SLICE_PRINT(slice_trim(slice_of_text(words))));
}

struct status event_severity_parse(struct slice word, enum event_severity *severity_out) {
    static const struct {
        const char *word;
        enum event_severity severity;
    } synonyms[] = {
        {"info", EVENT_SEVERITY_INFO},          {"information", EVENT_SEVERITY_INFO},
        {"informational", EVENT_SEVERITY_INFO}, {"notice", EVENT_SEVERITY_INFO},
        {"debug", EVENT_SEVERITY_INFO},         {"trace", EVENT_SEVERITY_INFO},
        {"none", EVENT_SEVERITY_INFO},          {"warning", EVENT_SEVERITY_WARNING},
        {"warn", EVENT_SEVERITY_WARNING},       {"error", EVENT_SEVERITY_ERROR},
        {"err", EVENT_SEVERITY_ERROR},          {"critical", EVENT_SEVERITY_CRITICAL},
        {"crit", EVENT_SEVERITY_CRITICAL},      {"fatal", EVENT_SEVERITY_CRITICAL},
        {"alert", EVENT_SEVERITY_CRITICAL},     {"emergency", EVENT_SEVERITY_CRITICAL},
        {"page", EVENT_SEVERITY_CRITICAL},
    };
    for (size_t i = 0; i < sizeof(synonyms) / sizeof(synonyms[0]); i++) {
        if (slice_equals_ignoring_case(word, slice_of_text(synonyms[i].word))) {
            *severity_out = synonyms[i].severity;
            return status_ok();
        }
    }
    return status_of(STATUS_INVALID);
}

/* OpenTelemetry logs data model, "Field: SeverityNumber". */
enum event_severity event_severity_of_otlp(uint32_t severity_number) {
    if (severity_number == 0) {
        return EVENT_SEVERITY_NONE;
    }
    if (severity_number >= 21) {
        return EVENT_SEVERITY_CRITICAL;
    }
    if (severity_number >= 17) {
        return EVENT_SEVERITY_ERROR;
    }
    return severity_number >= 13 ? EVENT_SEVERITY_WARNING : EVENT_SEVERITY_INFO;
}

enum signal_news event_status_news(enum event_status status) {
    ASSERT(status < EVENT_STATUS_COUNT);
    return status_words[status].news;
}
