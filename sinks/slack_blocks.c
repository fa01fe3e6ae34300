/* slack_blocks.c - see slack_blocks.h. A person should grasp the message in five seconds: how bad,
 * what broke first, since when, who is hit, what is at risk, how much noise was kept away. */
#include "sinks/slack_blocks.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"
#include "sinks/slack_buttons.h"
#include "sinks/slack_text.h"

enum {
    PICKED_BYTES_MAX = SLACK_PICKED_BYTES_MAX,
    NAME_BYTES_MAX = 200, /* an entity shown */
    MESSAGE_BYTES_SHOWN_MAX = 800,
    AFFECTED_SHOWN_MAX = 5,
    CONTEXT_BYTES_MAX = 2400,
    FALLBACK_MESSAGE_BYTES_MAX = 200,
    ALTERNATIVES_SHOWN_MAX = 2,
    SURE_PERCENT = 60,  /* less is called probable */
    WORTH_PERCENT = 10, /* less likely roots are not shown */
};
static_assert(AFFECTED_SHOWN_MAX * (NAME_BYTES_MAX + 16) < SLACK_SECTION_BYTES_MAX,
              "the list of the affected fits in a section");

/* --- Blocks --- */

static void add_mrkdwn(struct text *json, const struct text *words) {
    text_add_text(json, "{\"type\":\"mrkdwn\",\"verbatim\":true,\"text\":");
    text_add_json_string(json, text_slice(words));
    text_add_char(json, '}');
}

static void add_section(struct text *json, const struct text *words) {
    ASSERT(words->size <= SLACK_SECTION_BYTES_MAX && !words->truncated);
    text_add_text(json, ",{\"type\":\"section\",\"text\":");
    add_mrkdwn(json, words);
    text_add_char(json, '}');
}

struct severity_look {
    const char *word;
    const char *sign;
};

/* "(red) CRITICAL job:x failed", or "(green) RESOLVED ..."; event text is escaped. */
static void add_headline(struct text *text, struct slack_told told, struct slice incident,
                         size_t bytes_max) {
    static const struct severity_look looks[] = {
        {"critical", "\xF0\x9F\x94\xB4 CRITICAL "},
        {"error", "\xF0\x9F\x9F\xA0 ERROR "},
        {"warning", "\xF0\x9F\x9F\xA1 WARNING "},
        {"info", "\xF0\x9F\x94\xB5 INFO "},
    };
    char severity_memory[32];
    char title_memory[PICKED_BYTES_MAX];
    struct text severity = text_over(severity_memory, sizeof(severity_memory));
    struct text title = text_over(title_memory, sizeof(title_memory));
    json_pick_text(incident, "severity", &severity);
    json_pick_text(incident, "title", &title);
    size_t before = text->size;
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]) && told.type != OUTBOX_RESOLVED; i++) {
        if (slice_equals(text_slice(&severity), slice_of_text(looks[i].word))) {
            text_add_text(text, looks[i].sign);
        }
    }
    if (told.type == OUTBOX_RESOLVED) {
        text_add_text(text, slack_is_merged(incident) ? "\xF0\x9F\x94\x80 MERGED "
                                                      : "\xF0\x9F\x9F\xA2 RESOLVED ");
    } else if (slack_is_acknowledged(incident)) {
        text_add_text(text, "(acknowledged) ");
    } else if (told.is_repeat) {
        text_add_text(text, "(still open) ");
    } else if (slack_is_reopened(incident)) {
        text_add_text(text, "(reopened) ");
    }
    slack_add_escaped(text, text_slice(&title), bytes_max - (text->size - before));
}

static void add_header(struct text *json, struct slack_told told, struct slice incident) {
    char memory[SLACK_HEADER_BYTES_MAX + 1];
    struct text words = text_over(memory, sizeof(memory));
    add_headline(&words, told, incident, SLACK_HEADER_BYTES_MAX);
    text_add_text(json, "{\"type\":\"header\",\"text\":{\"type\":\"plain_text\",\"emoji\":false,"
                        "\"text\":");
    text_add_json_string(json, text_slice(&words));
    text_add_text(json, "}}");
}

enum field {
    FIELD_ROOT,
    FIELD_SINCE,
    FIELD_LASTED,
    FIELD_HIT,
    FIELD_RISK,
    FIELD_HOLDER,
    FIELD_OWNER,
    FIELDS
};
static_assert((int)FIELDS <= (int)SLACK_FIELDS_MAX, "Slack refuses more");

/* "0.9677" as 97. */
static unsigned percent_of(struct slice share) {
    char memory[32];
    struct text text = text_over(memory, sizeof(memory));
    text_add(&text, share);
    double value = strtod(memory, NULL);
    return value > 0 && value <= 1 ? (unsigned)(value * 100 + 0.5) : 0;
}

/* Whether the root has reported nothing. Its first evidence says so. */
static bool is_suspected(struct slice root) {
    struct slice evidence = json_pick(root, "evidence");
    struct slice first;
    return json_pick_item(&evidence, &first) && slice_starts_with(first, SLICE("\"suspected: "));
}

static void add_root(struct text *text, struct slice incident) {
    struct slice root = json_pick(incident, "root_cause");
    unsigned percent = percent_of(json_pick(root, "confidence"));
    bool is_silent = is_suspected(root);
    text_add_text(text, is_silent                 ? "*Suspected, says nothing itself*\n"
                        : percent >= SURE_PERCENT ? "*Broke first*\n"
                                                  : "*Broke first, probably*\n");
    slack_add_member(text, root, "entity", NAME_BYTES_MAX);
    char memory[PICKED_BYTES_MAX];
    struct text error = text_over(memory, sizeof(memory));
    json_pick_text(root, "error_class", &error);
    struct slice line = slice_head(text_slice(&error), slice_find_byte(text_slice(&error), '\n'));
    if (line.size > 0) { /* the rest stands below */
        text_add_char(text, ' ');
        slack_add_code(text, line, NAME_BYTES_MAX);
    }
    text_add_format(text, " (%u %% sure)", percent);
}

static uint64_t time_of(struct slice object, const char *name) {
    char memory[64];
    struct text value = text_over(memory, sizeof(memory));
    uint64_t time_ns = 0;
    json_pick_text(object, name, &value);
    return status_is_ok(text_parse_time(text_slice(&value), &time_ns)) ? time_ns : 0;
}

/* When the first of them failed: the root may have been noticed, or have said so, after those that
 * failed by it. 0: nobody says. */
static uint64_t began_ns(struct slice incident) {
    uint64_t first_ns = time_of(json_pick(incident, "root_cause"), "first_seen");
    struct slice rest = json_pick(incident, "affected");
    struct slice item;
    while (json_pick_item(&rest, &item)) {
        uint64_t since_ns = time_of(item, "since");
        bool is_earlier = since_ns > 0 && (first_ns == 0 || since_ns < first_ns);
        first_ns = is_earlier ? since_ns : first_ns;
    }
    return first_ns;
}

static void add_lasted(struct text *text, struct slice incident) {
    uint64_t end_ns = time_of(incident, "resolved_at");
    uint64_t start_ns = began_ns(incident);
    if (end_ns > start_ns && start_ns > 0 && !slack_is_merged(incident)) {
        text_add_text(text, "*Lasted*\n");
        text_add_duration(text, (end_ns - start_ns) / NS_PER_S * NS_PER_S);
    }
}

static void add_count(struct text *text, const char *words, uint64_t count) {
    if (count > 0) {
        text_add_text(text, words);
        text_add_u64(text, count);
    }
}

/* Nothing for what says nothing: each word costs a tired reader time. */
static void add_field_words(struct text *text, enum field field, struct slice incident) {
    struct slice radius = json_pick(incident, "blast_radius");
    switch (field) {
    case FIELD_ROOT:
        add_root(text, incident);
        return;
    case FIELD_SINCE:
        text_add_text(text, "*Since*\n");
        slack_add_date(text, began_ns(incident));
        return;
    case FIELD_LASTED:
        add_lasted(text, incident);
        return;
    case FIELD_HIT:
        add_count(text, "*Failing now*\n", json_pick_u64(radius, "failing"));
        return;
    case FIELD_RISK:
        if (!slack_is_resolved(incident)) { /* of what is well, nothing is at risk */
            add_count(text, "*At risk downstream*\n", json_pick_u64(radius, "at_risk"));
        }
        return;
    case FIELD_HOLDER:
        if (slack_is_ended_by_person(incident)) {
            text_add_text(text, "*Resolved by*\n");
            slack_add_person(text, incident);
        } else if (json_pick(json_pick(incident, "labels"), "acknowledged_by").size > 2) {
            text_add_text(text, "*Acknowledged by*\n");
            slack_add_member(text, json_pick(incident, "labels"), "acknowledged_by",
                             NAME_BYTES_MAX);
        }
        return;
    default:
        if (json_pick(incident, "owner").size > 2) {
            text_add_text(text, "*Owner*\n");
            slack_add_member(text, incident, "owner", NAME_BYTES_MAX);
        }
    }
}

static void add_fields(struct text *json, struct slice incident) {
    bool is_first = true;
    text_add_text(json, ",{\"type\":\"section\",\"fields\":[");
    for (enum field field = 0; field < FIELDS; field++) {
        char memory[SLACK_FIELD_BYTES_MAX + 1];
        struct text words = text_over(memory, sizeof(memory));
        add_field_words(&words, field, incident);
        if (words.size > 0) {
            text_add_text(json, is_first ? "" : ",");
            add_mrkdwn(json, &words);
            is_first = false;
        }
    }
    text_add_text(json, "]}");
}

static void add_error_message(struct text *json, struct slice incident) {
    char picked[PICKED_BYTES_MAX];
    char memory[SLACK_SECTION_BYTES_MAX + 1];
    struct text message = text_over(picked, sizeof(picked));
    struct text words = text_over(memory, sizeof(memory));
    json_pick_text(json_pick(incident, "root_cause"), "message", &message);
    if (message.size > 0) {
        slack_add_code_block(&words, text_slice(&message), MESSAGE_BYTES_SHOWN_MAX);
        add_section(json, &words);
    }
}

/* All of them: what the message could not hold stands in labels.affected_total. */
static uint64_t count_affected(struct slice incident) {
    char memory[32];
    struct text total = text_over(memory, sizeof(memory));
    struct slice rest = json_pick(incident, "affected");
    struct slice item;
    uint64_t count = 0;
    json_pick_text(json_pick(incident, "labels"), "affected_total", &total);
    if (status_is_ok(text_parse_u64(text_slice(&total), &count))) {
        return count;
    }
    while (json_pick_item(&rest, &item)) {
        count++;
    }
    return count;
}

static void add_affected(struct text *json, struct slice incident) {
    char memory[SLACK_SECTION_BYTES_MAX + 1];
    struct text words = text_over(memory, sizeof(memory));
    struct slice rest = json_pick(incident, "affected");
    struct slice item;
    uint64_t total = count_affected(incident);
    uint64_t shown = 0;
    if (total == 0) {
        return;
    }
    text_add_format(&words, "*Affected: %llu*", (unsigned long long)total);
    while (shown < AFFECTED_SHOWN_MAX && json_pick_item(&rest, &item)) {
        text_add_text(&words, "\n");
        slack_add_member(&words, item, "entity", NAME_BYTES_MAX);
        text_add_char(&words, ' ');
        slack_add_member(&words, item, "status", 32);
        shown++;
    }
    if (shown < total) {
        text_add_format(&words, "\nand %llu more", (unsigned long long)(total - shown));
    }
    add_section(json, &words);
}

/* What else it may have been, when that is worth a look. */
static void add_alternatives(struct text *words, struct slice root) {
    struct slice rest = json_pick(root, "alternatives");
    struct slice item;
    for (uint32_t i = 0; i < ALTERNATIVES_SHOWN_MAX && json_pick_item(&rest, &item); i++) {
        unsigned percent = percent_of(json_pick(item, "confidence"));
        if (percent >= WORTH_PERCENT) {
            text_add_text(words, i == 0 ? ". Or: " : ", ");
            slack_add_member(words, item, "entity", NAME_BYTES_MAX);
            text_add_format(words, " (%u %%)", percent);
        }
    }
}

static void add_noise(struct text *words, struct slice incident) {
    struct slice signals = json_pick(incident, "signals");
    uint64_t total = json_pick_u64(signals, "total");
    uint64_t suppressed = json_pick_u64(signals, "suppressed");
    if (suppressed == 0) {
        return;
    }
    text_add_text(words, ". Noise kept away: ");
    text_add_u64(words, suppressed);
    text_add_text(words, " of ");
    text_add_u64(words, total);
    text_add_text(words, total == 1 ? " signal" : " signals");
}

/* Why this is thought to be the cause, what was kept away, and where the incident is found again.
 */
static void add_context(struct text *json, struct slice incident) {
    char memory[CONTEXT_BYTES_MAX + 1];
    struct text words = text_over(memory, sizeof(memory));
    struct slice root = json_pick(incident, "root_cause");
    if (slack_is_merged(incident)) {
        text_add_text(&words, "Goes on as ");
        slack_add_member(&words, json_pick(incident, "labels"), "merged_into", 64);
        text_add_text(&words, ". ");
    }
    slack_add_evidence(&words, root, NAME_BYTES_MAX);
    add_alternatives(&words, root);
    add_noise(&words, incident);
    text_add_text(&words, ". Tenant ");
    slack_add_member(&words, incident, "tenant", 80);
    text_add_char(&words, ' ');
    slack_add_member(&words, incident, "id", 64);
    ASSERT(!words.truncated);
    text_add_text(json, ",{\"type\":\"context\",\"elements\":[");
    add_mrkdwn(json, &words);
    text_add_text(json, "]}");
}

/* What a message says in short: itself, of a Python trace, or its kept end, the last line. */
static struct slice gist_of(struct slice message) {
    bool is_trace = text_begins_trace(message) || slice_starts_with(message, SLICE("  File \""));
    return is_trace ? text_last_line(message) : message;
}

/* Whether the title says all of the message already. */
static bool title_has(struct slice incident, struct slice message) {
    char memory[PICKED_BYTES_MAX];
    struct text title = text_over(memory, sizeof(memory));
    json_pick_text(incident, "title", &title);
    return memmem(title.data, title.size, message.data, message.size) != NULL;
}

/* All that a phone shows: also what the error says, once. */
static void add_fallback(struct text *json, struct slack_told told, struct slice incident) {
    char memory[512 + 2 * FALLBACK_MESSAGE_BYTES_MAX];
    char picked[PICKED_BYTES_MAX];
    struct text words = text_over(memory, sizeof(memory));
    struct text message = text_over(picked, sizeof(picked));
    add_headline(&words, told, incident, 511);
    json_pick_text(json_pick(incident, "root_cause"), "message", &message);
    struct slice gist = gist_of(text_slice(&message));
    if (told.type != OUTBOX_RESOLVED && gist.size > 0 && !title_has(incident, gist)) {
        text_add_text(&words, " \xE2\x80\x94 ");
        slack_add_escaped(&words, gist, FALLBACK_MESSAGE_BYTES_MAX);
    }
    text_add_text(json, "\"text\":");
    text_add_json_string(json, text_slice(&words));
}

/* "Still open after 4h. " */
static void add_reminder(struct text *words, struct slice incident) {
    uint64_t now_ns = time_of(incident, "updated_at");
    uint64_t start_ns = slack_is_reopened(incident)
                            ? time_of(json_pick(incident, "labels"), "reopened_at")
                            : began_ns(incident);
    text_add_text(words, "Still open");
    if (start_ns > 0 && now_ns > start_ns) {
        uint64_t span_ns = now_ns - start_ns;
        text_add_text(words, " after ");
        text_add_duration(words,
                          span_ns - span_ns % (span_ns < NS_PER_MINUTE ? NS_PER_S : NS_PER_MINUTE));
    }
    text_add_text(words, ". ");
}

/* "Resolved <when>", "Resolved <when> by ann: restarted it", "Reopened <when>", "Acknowledged by
 * ann", "Now 13 failing, 18 at risk downstream". */
static void add_change(struct text *words, struct slack_told told, struct slice incident) {
    struct slice radius = json_pick(incident, "blast_radius");
    struct slice labels = json_pick(incident, "labels");
    if (told.type == OUTBOX_RESOLVED) {
        text_add_text(words, slack_is_merged(incident) ? "Goes on as " : "Resolved ");
        if (slack_is_merged(incident)) {
            slack_add_member(words, labels, "merged_into", 64);
        } else {
            slack_add_date(words, time_of(incident, "resolved_at"));
            text_add_text(words, slack_is_ended_by_person(incident) ? " by " : "");
            slack_add_person(words, incident);
        }
        return;
    }
    if (told.is_repeat) {
        add_reminder(words, incident);
    } else if (slack_is_reopened(incident) && !slack_is_acknowledged(incident)) {
        text_add_text(words, "Reopened ");
        slack_add_date(words, time_of(labels, "reopened_at"));
        text_add_text(words, ". ");
    }
    if (slack_is_acknowledged(incident)) {
        text_add_text(words, "Acknowledged");
        if (json_pick(labels, "acknowledged_by").size > 0) {
            text_add_text(words, " by ");
            slack_add_member(words, labels, "acknowledged_by", LABEL_BYTES_MAX);
        }
        text_add_text(words, ". ");
    }
    text_add_format(words, "Now %llu failing, %llu at risk downstream",
                    (unsigned long long)json_pick_u64(radius, "failing"),
                    (unsigned long long)json_pick_u64(radius, "at_risk"));
}

void slack_add_message(struct text *json, struct slack_told told, struct slice incident,
                       const struct slack_links *links) {
    add_fallback(json, told, incident);
    text_add_text(json, ",\"blocks\":[");
    add_header(json, told, incident);
    add_fields(json, incident);
    add_error_message(json, incident);
    add_affected(json, incident);
    add_context(json, incident);
    bool is_done = told.type == OUTBOX_RESOLVED || slack_is_acknowledged(incident);
    slack_add_buttons(json, incident, links, !is_done);
    text_add_char(json, ']');
}

void slack_add_reply(struct text *json, struct slack_told told, struct slice incident) {
    char memory[SLACK_SECTION_BYTES_MAX + 1];
    struct text words = text_over(memory, sizeof(memory));
    struct slice root = json_pick(incident, "root_cause");
    add_fallback(json, told, incident);
    text_add_text(json, ",\"blocks\":[");
    add_header(json, told, incident);
    add_change(&words, told, incident);
    text_add_text(&words, is_suspected(root) ? ". Suspected: " : ". Broke first: ");
    slack_add_member(&words, root, "entity", NAME_BYTES_MAX);
    text_add_format(&words, ". Affected: %llu.", (unsigned long long)count_affected(incident));
    add_section(json, &words);
    text_add_char(json, ']');
}
