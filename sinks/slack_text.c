/* slack_text.c - see slack_text.h. */
#include "sinks/slack_text.h"

#include "core/base/json_pick.h"
#include "core/base/limits.h"

#define ELLIPSIS "\xE2\x80\xA6"

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

/* Before the next line break or tab. */
static size_t plain_run(struct slice value) {
    size_t size = 0;
    while (size < value.size && value.data[size] != '\n' && value.data[size] != '\t' &&
           value.data[size] != '\r') {
        size++;
    }
    return size;
}

/* Without control characters, ANSI, broken UTF-8. */
static void add_clean(struct text *clean, struct slice value, bool keeps_lines) {
    while (value.size > 0) {
        size_t run = plain_run(value);
        text_add_printable(clean, slice_head(value, run));
        value = slice_tail(value, run);
        bool is_two = slice_starts_with(value, SLICE("\r\n"));
        value = slice_tail(value, is_two ? 1 : 0);
        if (value.size > 0) {
            uint8_t byte = value.data[0];
            text_add_char(clean, (char)(byte == '\r' ? '?' : keeps_lines ? byte : ' '));
            value = slice_tail(value, 1);
        }
    }
}

static void add_escaped(struct text *text, struct slice value, size_t bytes_max, bool keeps_lines) {
    char memory[SLACK_PICKED_BYTES_MAX];
    struct text clean = text_over(memory, sizeof(memory));
    add_clean(&clean, value, keeps_lines);
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

void slack_add_escaped(struct text *text, struct slice value, size_t bytes_max) {
    add_escaped(text, value, bytes_max, false);
}

void slack_add_code_block(struct text *text, struct slice value, size_t bytes_max) {
    if (value.size > 0) {
        text_add_text(text, "```");
        add_escaped(text, value, bytes_max, true);
        text_add_text(text, "```");
    }
}

void slack_add_code(struct text *text, struct slice value, size_t bytes_max) {
    if (value.size > 0) {
        text_add_char(text, '`');
        slack_add_escaped(text, value, bytes_max);
        text_add_char(text, '`');
    }
}

void slack_add_member(struct text *text, struct slice object, const char *name, size_t bytes_max) {
    char memory[SLACK_PICKED_BYTES_MAX];
    struct text value = text_over(memory, sizeof(memory));
    json_pick_text(object, name, &value);
    slack_add_code(text, text_slice(&value), bytes_max);
}

void slack_add_date(struct text *text, uint64_t time_ns) {
    if (time_ns > 0) {
        text_add_format(text, "<!date^%llu^{date_short_pretty} {time_secs}|",
                        (unsigned long long)(time_ns / NS_PER_S));
        text_add_time(text, time_ns, 0);
        text_add_char(text, '>');
    }
}

enum {
    PERSON_BYTES_MAX = 300, /* a name; a note */
    EVIDENCE_SHOWN_MAX = 3,
    AGAINST_SHOWN_MAX = 2, /* a doubt without its reason is no help */
};

/* Those that begin so speak against the root. */
#define AGAINST "against it: "

static void add_evidence_of(struct text *words, struct slice root, bool is_against,
                            const char *heading, size_t bytes_max) {
    struct slice rest = json_pick(root, "evidence");
    struct slice against = SLICE(AGAINST);
    struct slice item;
    uint32_t shown_max = is_against ? AGAINST_SHOWN_MAX : EVIDENCE_SHOWN_MAX;
    uint32_t shown = 0;
    while (shown < shown_max && json_pick_item(&rest, &item)) {
        char picked[SLACK_PICKED_BYTES_MAX];
        struct text memory = text_over(picked, sizeof(picked));
        json_pick_unescape(item, &memory);
        struct slice evidence = text_slice(&memory);
        if (slice_starts_with(evidence, against) == is_against) {
            text_add_text(words, shown == 0 ? heading : ", ");
            slack_add_code(words, slice_tail(evidence, is_against ? against.size : 0), bytes_max);
            shown++;
        }
    }
}

void slack_add_evidence(struct text *text, struct slice root, size_t bytes_max) {
    size_t before = text->size;
    add_evidence_of(text, root, false, "Why: ", bytes_max);
    add_evidence_of(text, root, true,
                    text->size > before ? ". Against it: " : "Against it: ", bytes_max);
}

void slack_add_person(struct text *text, struct slice incident) {
    struct slice labels = json_pick(incident, "labels");
    bool has_name = json_pick(labels, "resolved_by").size > 0;
    bool has_note = json_pick(labels, "resolved_note").size > 0;
    slack_add_member(text, labels, "resolved_by", PERSON_BYTES_MAX);
    text_add_text(text, has_note && !has_name ? "somebody" : "");
    text_add_text(text, has_note ? ": " : "");
    slack_add_member(text, labels, "resolved_note", PERSON_BYTES_MAX);
}

bool slack_is_merged(struct slice incident) {
    return json_pick(json_pick(incident, "labels"), "merged_into").size > 0;
}

bool slack_is_resolved(struct slice incident) {
    return slice_equals(json_pick(incident, "status"), SLICE("\"resolved\""));
}

bool slack_is_reopened(struct slice incident) {
    return json_pick(json_pick(incident, "labels"), "reopened_at").size > 0;
}

bool slack_is_acknowledged(struct slice incident) {
    return slice_equals(json_pick(incident, "status"), SLICE("\"acknowledged\""));
}

bool slack_is_ended_by_person(struct slice incident) {
    struct slice labels = json_pick(incident, "labels");
    return json_pick(labels, "resolved_by").size > 0 || json_pick(labels, "resolved_note").size > 0;
}
