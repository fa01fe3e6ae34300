/*
 * otlp_shape.h - log records spelled like records before them (shape.h).
 *
 * A value with a fraction is left to the walk. Thread: one at a time.
 */
#pragma once

#include "ingest/otlp_record.h"
#include "ingest/shape.h"

/* Takes the record that begins the text into a record that was just initialised; its size, or 0
 * when it is spelled otherwise, the record then being half taken. */
size_t otlp_shape_take(struct shapes *shapes, struct slice text, struct otlp_record *record);
/* Learns the log record at which the walk stands, which is known to be a good one. What strings
 * with escapes take of the walk's arena is given back. */
void otlp_shape_learn(struct shapes *shapes, const struct json_walk *record);
