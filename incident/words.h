/*
 * words.h - what an error's words give away. Private to the room.
 */
#pragma once

#include "core/base/slice.h"

/* Whether it is an error that a caller has because of what it calls. */
bool words_blame_another(struct slice words);
/* Whether it tells of trouble at all, its own or another's. */
bool words_tell_trouble(struct slice words);
