/* slack_buttons.c - see slack_buttons.h. */
#include "sinks/slack_buttons.h"

#include "core/base/json_pick.h"
#include "core/slack_action.h"

enum { URL_BYTES_MAX = 3000, ACTION_BYTES_MAX = 512 }; /* the first by Block Kit */

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
    char memory[URL_BYTES_MAX + 1];
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

/* A button that Slack answers to us: its value says what, whose, and by which sink's secret. */
static void add_action(struct text *json, struct slice incident, struct slice sink) {
    char memory[ACTION_BYTES_MAX];
    struct text value = text_over(memory, sizeof(memory));
    json_pick_text(incident, "id", &value);
    text_add_char(&value, ' ');
    json_pick_text(incident, "tenant", &value);
    text_add_char(&value, ' ');
    text_add(&value, sink);
    text_add_text(json, "{\"type\":\"button\",\"action_id\":\"" SLACK_ACTION_ACKNOWLEDGE
                        "\",\"style\":\"primary\",\"text\":{\"type\":\"plain_text\",\"text\":"
                        "\"Acknowledge\"},\"value\":");
    text_add_json_string(json, text_slice(&value));
    text_add_char(json, '}');
}

void slack_add_buttons(struct text *json, struct slice incident, const struct slack_links *links,
                       bool can_acknowledge) {
    struct slice acknowledge_url = can_acknowledge ? links->acknowledge_url : slice_of(NULL, 0);
    bool has_first = can_acknowledge && links->acknowledge_sink.size > 0;
    if (links->open_url.size == 0 && acknowledge_url.size == 0 && !has_first) {
        return;
    }
    text_add_text(json, ",{\"type\":\"actions\",\"elements\":[");
    if (has_first) {
        add_action(json, incident, links->acknowledge_sink);
    } else {
        has_first = add_button(json, "Acknowledge", acknowledge_url, incident, true);
    }
    (void)add_button(json, "Open", links->open_url, incident, !has_first);
    text_add_text(json, "]}");
}
