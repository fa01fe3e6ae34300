/*
 * words.h - what an error's words give away. Private to the room.
 */
#pragma once

#include "core/base/slice.h"

/* Whom an error speaks of: nobody, the one that has it, something that it calls. */
enum tone { TONE_NEUTRAL, TONE_OWN, TONE_BLAME };

/* Of an error by its class and its message; blame anywhere in it beats own trouble. */
enum tone words_tone(struct slice error_class, struct slice message);
/* Whether it is an error that a caller has because of what it calls. */
bool words_blame_another(struct slice words);
/* Whether it tells of trouble at all, its own or another's. */
bool words_tell_trouble(struct slice words);
/* What is kept of a message of more than bytes_max bytes: its beginning, or, of a trace whose last
 * line says what happened, its last whole lines. Whole characters; a part of `message`. */
struct slice words_kept(struct slice message, size_t bytes_max);
