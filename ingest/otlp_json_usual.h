/*
 * otlp_json_usual.h - the usual spelling of log records and attributes, matched byte for byte.
 *
 * Each call takes one thing that is spelled as the official exporters do, without blanks, or does
 * nothing and leaves it to the walk that knows all spellings. The results are the same, which a
 * test checks. Thread: one at a time.
 */
#pragma once

#include "ingest/otlp_json.h"

/* {"key":"...","value":{"stringValue":"..."}}, also with an intValue in quotes; the next token
 * begins an element. */
bool otlp_take_usual_attribute(struct json_walk *walk, struct otlp_attributes *attributes);
/* A member of a log record; the walk stands before its comma or, in a fresh object, its key. */
bool otlp_take_usual_log_member(struct json_walk *walk, struct otlp_record *record);
