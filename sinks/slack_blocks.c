/* slack_blocks.c - see slack_blocks.h. A person should grasp the message in five seconds: how bad,
 * what broke first, since when, who is hit, what is at risk, how much noise was kept away. */
#include "sinks/slack_blocks.h"

#include "core/base/assert.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"

enum {
    PICKED_BYTES_MAX = 2048, /* one value of the incident, unescaped */
    NAME_BYTES_MAX = 200,    /* an entity shown */
    MESSAGE_BYTES_SHOWN_MAX = 800,
    AFFECTED_SHOWN_MAX = 5,
    EVIDENCE_SHOWN_MAX = 3,
    CONTEXT_BYTES_MAX = 900,
};
static_assert(AFFECTED_SHOWN_MAX * (NAME_BYTES_MAX + 16) < SLACK_SECTION_BYTES_MAX,
              "the list of the affected fits in a section");

#define ELLIPSIS "\xE2\x80\xA6"

/* --- Text --- */

static struct slice entity_of(uint8_t byte) {
    switch (byte) {
    case '&':
        return SLICE("&amp;");
    case '<':
        return SLICE("&lt;");
    case '>':
        return SLICE("&gt;");
    case '`':
        return SLICE("'"); /* would end a code span */
    default:
        return slice_of(NULL, 0);
    }
}

static size_t character_bytes(uint8_t lead) {
    return lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
}

void slack_add_escaped(struct text *text, struct slice value, size_t bytes_max) {
    char memory[PICKED_BYTES_MAX];
    struct text clean = text_over(memory, sizeof(memory));
    text_add_printable(&clean, value); /* control characters, ANSI, broken UTF-8 */
    size_t room = bytes_max - (sizeof(ELLIPSIS) - 1);
    size_t used = 0;
    for (size_t at = 0; at < clean.size;) {
        struct slice rest = slice_tail(text_slice(&clean), at);
        size_t size = character_bytes(rest.data[0]);
        struct slice shown = entity_of(rest.data[0]);
        shown = shown.size > 0 ? shown : slice_head(rest, size);
        if (used + shown.size > room) {
            text_add_text(text, ELLIPSIS);
            return;
        }
        text_add(text, shown);
        used += shown.size;
        at += size;
    }
    if (clean.truncated) {
        text_add_text(text, ELLIPSIS);
    }
}

static void add_code(struct text *text, struct slice value, size_t bytes_max) {
    if (value.size > 0) {
        text_add_char(text, '`');
        slack_add_escaped(text, value, bytes_max);
        text_add_char(text, '`');
    }
}

/* A member of an object, as a code span. */
static void add_member(struct text *text, struct slice object, const char *name, size_t bytes_max) {
    char memory[PICKED_BYTES_MAX];
    struct text value = text_over(memory, sizeof(memory));
    json_pick_text(object, name, &value);
    add_code(text, text_slice(&value), bytes_max);
}

/* Shown in the reader's own time zone; the plain form is for clients that cannot. */
static void add_date(struct text *text, struct slice object, const char *name) {
    char memory[64];
    struct text value = text_over(memory, sizeof(memory));
    uint64_t time_ns = 0;
    json_pick_text(object, name, &value);
    if (status_is_ok(text_parse_time(text_slice(&value), &time_ns))) {
        text_add_format(text, "<!date^%llu^{date_short_pretty} {time_secs}|",
                        (unsigned long long)(time_ns / NS_PER_S));
        text_add_time(text, time_ns, 0);
        text_add_char(text, '>');
    }
}

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
static void add_headline(struct text *text, enum outbox_type type, struct slice incident,
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
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]) && type != OUTBOX_RESOLVED; i++) {
        if (slice_equals(text_slice(&severity), slice_of_text(looks[i].word))) {
            text_add_text(text, looks[i].sign);
        }
    }
    text_add_text(text, type == OUTBOX_RESOLVED ? "\xF0\x9F\x9F\xA2 RESOLVED " : "");
    slack_add_escaped(text, text_slice(&title), bytes_max - (text->size - before));
}

static void add_header(struct text *json, enum outbox_type type, struct slice incident) {
    char memory[SLACK_HEADER_BYTES_MAX + 1];
    struct text words = text_over(memory, sizeof(memory));
    add_headline(&words, type, incident, SLACK_HEADER_BYTES_MAX);
    text_add_text(json, "{\"type\":\"header\",\"text\":{\"type\":\"plain_text\",\"emoji\":false,"
                        "\"text\":");
    text_add_json_string(json, text_slice(&words));
    text_add_text(json, "}}");
}

enum field { FIELD_ROOT, FIELD_SINCE, FIELD_HIT, FIELD_RISK, FIELD_NOISE, FIELD_OWNER, FIELDS };
static_assert((int)FIELDS <= (int)SLACK_FIELDS_MAX, "Slack refuses more");

static void add_counts(struct text *text, enum field field, struct slice incident) {
    struct slice radius = json_pick(incident, "blast_radius");
    struct slice signals = json_pick(incident, "signals");
    uint64_t total = json_pick_u64(signals, "total");
    switch (field) {
    case FIELD_HIT:
        text_add_text(text, "*Failing now*\n");
        text_add_u64(text, json_pick_u64(radius, "failing"));
        return;
    case FIELD_RISK:
        text_add_text(text, "*At risk downstream*\n");
        text_add_u64(text, json_pick_u64(radius, "at_risk"));
        return;
    default:
        text_add_text(text, "*Noise kept away*\n");
        text_add_u64(text, json_pick_u64(signals, "suppressed"));
        text_add_text(text, " of ");
        text_add_u64(text, total);
        text_add_text(text, total == 1 ? " signal" : " signals");
    }
}

static void add_field_words(struct text *text, enum field field, struct slice incident) {
    struct slice root = json_pick(incident, "root_cause");
    switch (field) {
    case FIELD_ROOT:
        text_add_text(text, "*Broke first*\n");
        add_member(text, root, "entity", NAME_BYTES_MAX);
        text_add_char(text, ' ');
        add_member(text, root, "error_class", NAME_BYTES_MAX);
        return;
    case FIELD_SINCE:
        text_add_text(text, "*Since*\n");
        add_date(text, root, "first_seen");
        return;
    case FIELD_OWNER:
        if (json_pick(incident, "owner").size > 2) {
            text_add_text(text, "*Owner*\n");
            add_member(text, incident, "owner", NAME_BYTES_MAX);
        }
        return;
    default:
        add_counts(text, field, incident);
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
        text_add_text(&words, "```");
        slack_add_escaped(&words, text_slice(&message), MESSAGE_BYTES_SHOWN_MAX);
        text_add_text(&words, "```");
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
        add_member(&words, item, "entity", NAME_BYTES_MAX);
        text_add_char(&words, ' ');
        add_member(&words, item, "status", 32);
        shown++;
    }
    if (shown < total) {
        text_add_format(&words, "\nand %llu more", (unsigned long long)(total - shown));
    }
    add_section(json, &words);
}

/* Why this is thought to be the cause, and where the incident is found again. */
static void add_context(struct text *json, struct slice incident) {
    char memory[CONTEXT_BYTES_MAX + 1];
    struct text words = text_over(memory, sizeof(memory));
    struct slice root = json_pick(incident, "root_cause");
    struct slice rest = json_pick(root, "evidence");
    struct slice item;
    add_member(&words, incident, "id", 64);
    text_add_text(&words, " tenant ");
    add_member(&words, incident, "tenant", 80);
    text_add_text(&words, " confidence ");
    text_add(&words, slice_head(json_pick(root, "confidence"), 8));
    for (uint32_t i = 0; i < EVIDENCE_SHOWN_MAX && json_pick_item(&rest, &item); i++) {
        char picked[PICKED_BYTES_MAX];
        struct text evidence = text_over(picked, sizeof(picked));
        json_pick_unescape(item, &evidence);
        text_add_text(&words, i == 0 ? ": " : ", ");
        add_code(&words, text_slice(&evidence), NAME_BYTES_MAX);
    }
    text_add_text(json, ",{\"type\":\"context\",\"elements\":[");
    add_mrkdwn(json, &words);
    text_add_text(json, "]}");
}

/* The address with {id} replaced; false when it would be too long. */
static bool fill_url(struct text *url, struct slice pattern, struct slice incident) {
    struct slice mark = SLICE("{id}");
    while (pattern.size > 0) {
        size_t run = slice_find_byte(pattern, '{');
        text_add(url, slice_head(pattern, run));
        pattern = slice_tail(pattern, run);
        if (slice_starts_with(pattern, mark)) {
            json_pick_text(incident, "id", url);
            pattern = slice_tail(pattern, mark.size);
        } else if (pattern.size > 0) {
            text_add_char(url, '{');
            pattern = slice_tail(pattern, 1);
        }
    }
    return !url->truncated;
}

static bool add_button(struct text *json, const char *words, struct slice pattern,
                       struct slice incident, bool is_first) {
    char memory[SLACK_BUTTON_URL_BYTES_MAX + 1];
    struct text url = text_over(memory, sizeof(memory));
    if (pattern.size == 0 || !fill_url(&url, pattern, incident)) {
        return false;
    }
    text_add_text(json, is_first ? "" : ",");
    text_add_format(json,
                    "{\"type\":\"button\",\"action_id\":\"%s\",\"text\":{\"type\":\"plain_text\","
                    "\"text\":\"%s\"},\"url\":",
                    words, words);
    text_add_json_string(json, text_slice(&url));
    text_add_char(json, '}');
    return true;
}

static void add_buttons(struct text *json, enum outbox_type type, struct slice incident,
                        const struct slack_links *links) {
    struct slice acknowledge_url =
        type == OUTBOX_RESOLVED ? slice_of(NULL, 0) : links->acknowledge_url;
    if (links->open_url.size == 0 && acknowledge_url.size == 0) {
        return;
    }
    text_add_text(json, ",{\"type\":\"actions\",\"elements\":[");
    bool has_first = add_button(json, "Acknowledge", acknowledge_url, incident, true);
    (void)add_button(json, "Open", links->open_url, incident, !has_first);
    text_add_text(json, "]}");
}

static void add_fallback(struct text *json, enum outbox_type type, struct slice incident) {
    char memory[512];
    struct text words = text_over(memory, sizeof(memory));
    add_headline(&words, type, incident, sizeof(memory) - 1);
    text_add_text(json, "\"text\":");
    text_add_json_string(json, text_slice(&words));
}

void slack_add_message(struct text *json, enum outbox_type type, struct slice incident,
                       const struct slack_links *links) {
    add_fallback(json, type, incident);
    text_add_text(json, ",\"blocks\":[");
    add_header(json, type, incident);
    add_fields(json, incident);
    add_error_message(json, incident);
    add_affected(json, incident);
    add_context(json, incident);
    add_buttons(json, type, incident, links);
    text_add_char(json, ']');
}

void slack_add_reply(struct text *json, enum outbox_type type, struct slice incident) {
    char memory[SLACK_SECTION_BYTES_MAX + 1];
    struct text words = text_over(memory, sizeof(memory));
    struct slice root = json_pick(incident, "root_cause");
    add_fallback(json, type, incident);
    text_add_text(json, ",\"blocks\":[");
    add_header(json, type, incident);
    text_add_text(&words, type == OUTBOX_RESOLVED ? "Resolved " : "Now ");
    add_date(&words, incident, type == OUTBOX_RESOLVED ? "resolved_at" : "updated_at");
    text_add_text(&words, ". Broke first: ");
    add_member(&words, root, "entity", NAME_BYTES_MAX);
    text_add_format(&words, ". Affected: %llu.", (unsigned long long)count_affected(incident));
    add_section(json, &words);
    text_add_char(json, ']');
}
