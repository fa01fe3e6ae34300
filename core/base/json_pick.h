/*
 * json_pick.h - values out of JSON that quell itself wrote (an incident), a service answered, or a
 * message holds: members by name, items one after the other, no tree. Damaged JSON gives empty
 * values, never a read past its end. Pure.
 */
#pragma once

#include "core/base/text.h"

/* The raw value of an object's own member, such as `"x"`, `12`, `{...}`; empty when not there. */
struct slice json_pick(struct slice object, const char *name);
/* Appends the string, unescaped; nothing when the member is not there or no string. */
void json_pick_text(struct slice object, const char *name, struct text *text);
/* A whole number; 0 when not there or no number. */
uint64_t json_pick_u64(struct slice object, const char *name);
/* Takes the next item of an array off *array (begin with the whole array); false at the end. */
bool json_pick_item(struct slice *array, struct slice *item_out);
/* A raw string value, unescaped. */
void json_pick_unescape(struct slice raw, struct text *text);
