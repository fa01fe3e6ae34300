/*
 * otlp_json_record.h - what log records and spans share in JSON: ids and the levels above.
 * Thread: one at a time.
 */
#pragma once

#include "ingest/otlp_json.h"

/* The value of traceId, spanId or parentSpanId. */
void otlp_take_ids(struct json_walk *walk, struct slice key, struct otlp_record *record);
/* The record is read (it began at `start`): settles status and entity, derives, adds or refuses. */
MUST_CHECK struct status otlp_json_finish_record(struct otlp_record *record, struct decode *decode,
                                                 struct json_walk *walk, size_t start,
                                                 const struct otlp_attributes *outer);

struct otlp_level {
    struct slice owner;    /* "resource" */
    struct slice children; /* "scopeLogs" */
    struct status (*take_children)(struct decode *decode, struct json_walk *walk,
                                   const struct otlp_attributes *outer);
};

/* One object with an owner and its children, in either order. */
MUST_CHECK struct status otlp_take_level(struct decode *decode, struct json_walk *walk,
                                         const struct otlp_level *level,
                                         const struct otlp_attributes *outer);
