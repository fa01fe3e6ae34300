/*
 * slack_text.h - words of events inside a Slack message: escaped, cut, in code spans, so that they
 * mention nobody and change no look; and which state an incident is in. Pure.
 */
#pragma once

#include "core/base/text.h"

enum { SLACK_PICKED_BYTES_MAX = 2048 }; /* one value of the incident, unescaped; cut */

/* Adds the value with & < > escaped and control characters replaced, line breaks and tabs by a
 * blank, whole characters only, at most bytes_max bytes; an ellipsis shows a cut. */
void slack_add_escaped(struct text *text, struct slice value, size_t bytes_max);
/* The same as a code span; nothing for an empty value. */
void slack_add_code(struct text *text, struct slice value, size_t bytes_max);
/* As a code block, in which line breaks and tabs stay; bytes_max is of what stands in it. */
void slack_add_code_block(struct text *text, struct slice value, size_t bytes_max);
/* A member of a JSON object, as a code span. */
void slack_add_member(struct text *text, struct slice object, const char *name, size_t bytes_max);
/* A time in the reader's own time zone, the plain form for clients that cannot; nothing for 0. */
void slack_add_date(struct text *text, uint64_t time_ns);
/* "Why: ..., .... Against it: ...": the first few lines of the root's evidence, as code spans of at
 * most bytes_max bytes each; nothing when there is none. */
void slack_add_evidence(struct text *text, struct slice root, size_t bytes_max);

/* Who resolved it, and the note: "ann: restarted it"; nothing when it ended by itself. */
void slack_add_person(struct text *text, struct slice incident);

/* --- What an incident says of itself --- */

/* It goes on as another: its end is none. */
bool slack_is_merged(struct slice incident);
bool slack_is_resolved(struct slice incident);
/* Its end was told before. */
bool slack_is_reopened(struct slice incident);
bool slack_is_acknowledged(struct slice incident);
/* And who did has said a name or a note. */
bool slack_is_ended_by_person(struct slice incident);
