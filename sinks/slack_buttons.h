/*
 * slack_buttons.h - what a reader of an incident in Slack can do: open a page of it, acknowledge
 * it, there or by a page. Pure.
 */
#pragma once

#include "core/base/text.h"

struct slack_links {
    struct slice open_url;        /* with {id} for the incident's; empty: no button */
    struct slice acknowledge_url; /* the same */
    /* The sink's name: the button acknowledges by itself (console/slack_actions.c); empty: not. */
    struct slice acknowledge_sink;
};

/* Adds `,{"type":"actions",...}`; nothing where there is nothing to do. */
void slack_add_buttons(struct text *json, struct slice incident, const struct slack_links *links,
                       bool can_acknowledge);
