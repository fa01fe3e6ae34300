/*
 * show.h - a member of an answer's JSON on stdout: unescaped, and without what could move a
 * terminal's cursor, for much of it comes from events. Nothing for what is no string.
 */
#pragma once

#include "core/base/slice.h"

void show_value(struct slice value);
void show_member(struct slice object, const char *name);
/* At least `width` bytes wide, and a blank behind it. */
void show_column(struct slice object, const char *name, int width);
