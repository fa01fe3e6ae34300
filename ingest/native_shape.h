/*
 * native_shape.h - native events spelled like events before them (shape.h).
 *
 * Learned are events that native_usual takes, and none in which a field stands twice. Thread: one
 * at a time.
 */
#pragma once

#include "ingest/native_usual.h"
#include "ingest/shape.h"

/* Takes the event that begins the text into a draft that was just made; its size, or 0 when it is
 * spelled otherwise, the draft then being half filled. */
size_t native_shape_take(struct shapes *shapes, struct slice text, struct draft *draft);
/* Learns the event, which is known to be a good object. What the walk needs of the arena is given
 * back. */
void native_shape_learn(struct shapes *shapes, struct slice text, struct arena *arena);
