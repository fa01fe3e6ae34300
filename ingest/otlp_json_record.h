/*
 * otlp_json_record.h - what the three export requests share in JSON: ids, and the levels above the
 * records.
 *
 * A resource or scope may stand behind its children: the walk then goes back to the children once
 * the outer attributes are known (a walk is a value, so a bookmark is a copy).
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

/* Reads one element of an array: a record, or all records of a scope. */
typedef struct status otlp_take(struct decode *decode, struct json_walk *walk,
                                const struct otlp_attributes *outer);

/* The keys of an export request, from the outside in, and what reads the array of its records. */
struct otlp_json_request {
    struct slice resources; /* "resourceLogs" */
    struct slice scopes;    /* "scopeLogs" */
    struct slice records;   /* "logRecords" */
    otlp_take *take_records;
};

/* Reads a request's body. INVALID with decode->fault: it is not one. FULL: throttle. */
MUST_CHECK struct status otlp_json_decode_request(struct decode *decode, struct slice body,
                                                  const struct otlp_json_request *request);

/* An array of records, or null; what each took of the arena is given back. Inline, so that a
 * record's reader is called by name: this is the loop of every record. */
static inline struct status otlp_take_records(struct decode *decode, struct json_walk *walk,
                                              const struct otlp_attributes *outer,
                                              otlp_take *take_record) {
    if (!json_take_null(walk)) {
        json_enter_array(walk);
        while (json_next_element(walk)) {
            size_t mark = decode->arena->used_bytes;
            TRY(take_record(decode, walk, outer));
            arena_rewind(decode->arena, mark);
        }
    }
    return walk->error == NULL ? status_ok() : decode_fail(decode, walk);
}
