/*
 * json_pick.h - one top-level string of an incident's JSON, which we wrote ourselves: for titles.
 * Pure. Any thread.
 */
#pragma once

#include "core/base/text.h"

/* Appends the value of "name" on the top level, unescaped; nothing when it is not there. */
void json_pick_text(struct slice json, const char *name, struct text *text);
