/*
 * slack_blocks.h - an incident as Slack's Block Kit shows it, within Block Kit's documented limits.
 *
 * Everything that comes from events is shown inside code spans with & < > escaped, so that it can
 * neither mention anybody (<!channel>, <@U1>) nor change how the message looks. Pure.
 */
#pragma once

#include "core/base/text.h"
#include "core/outbox.h"
#include "sinks/slack_buttons.h"

/* https://docs.slack.dev/reference/block-kit/blocks, in characters; counted here in bytes, which
 * are never fewer. Slack refuses larger messages as a whole (invalid_blocks). The total is no
 * documented number: about 13,200 characters were seen to be refused (msg_blocks_too_long). */
enum {
    SLACK_BLOCKS_MAX = 50,
    SLACK_HEADER_BYTES_MAX = 150,
    SLACK_SECTION_BYTES_MAX = 3000,
    SLACK_FIELDS_MAX = 10,
    SLACK_FIELD_BYTES_MAX = 2000,
    SLACK_TOTAL_BYTES_MAX = 12000,
};

/* What a message is: a repeat reads as a reminder. */
struct slack_told {
    enum outbox_type type;
    bool is_repeat;
};

/* Adds `"text":"...","blocks":[...]`: the fallback line and the blocks. */
void slack_add_message(struct text *json, struct slack_told told, struct slice incident,
                       const struct slack_links *links);
/* One short section: what changed, for a reply in the thread. */
void slack_add_reply(struct text *json, struct slack_told told, struct slice incident);
