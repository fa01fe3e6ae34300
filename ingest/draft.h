/*
 * draft.h - an event while it is read from JSON of some format: the envelope, the room for what it
 * points at, and whether it is refused already.
 *
 * A wrong field refuses the record and reading goes on, so that the walk stands behind the record
 * and the next one can be read; only the first reason is kept. Memory: the decode's arena.
 */
#pragma once

#include "ingest/decode.h"

struct draft {
    struct envelope envelope;
    struct slice claimed; /* the tenant that the record names */
    struct slice job_id;
    struct slice entity; /* written out; wins over job_id */
    bool has_status;
    bool is_refused;
    /* From here on not cleared with the rest: half a page, for every event. */
    struct fault reason; /* set when refused */
    struct attribute attributes[ATTRIBUTES_PER_EVENT_MAX];
    struct slice depends_on[DEPENDS_ON_PER_EVENT_MAX + 1];
};

/* Empty, in memory of any content. */
static inline void draft_init(struct draft *draft) {
    memset(draft, 0, offsetof(struct draft, reason));
}

/* Refuses the record: words, then the detail, shortened. */
void draft_refuse(struct draft *draft, const char *words, struct slice detail);
/* A string or a number as text, empty for null; anything else refuses with the complaint. */
struct slice draft_take_word(struct json_walk *walk, struct draft *draft, const char *complaint);
/* RFC 3339, or epoch seconds, ms, us or ns by magnitude; null and "" leave the time alone. */
void draft_take_time(struct json_walk *walk, struct draft *draft);
void draft_take_status(struct json_walk *walk, struct draft *draft);
void draft_take_severity(struct json_walk *walk, struct draft *draft);
/* Any value becomes an attribute; composites keep their JSON; what has no room sets the flag. */
void draft_take_attribute(struct json_walk *walk, struct draft *draft, struct slice key);
/* 32 and 16 hex digits; what is none orders nothing and stays an attribute. */
void draft_take_trace_id(struct json_walk *walk, struct draft *draft, struct slice key);
void draft_take_span_id(struct json_walk *walk, struct draft *draft, struct slice key,
                        uint64_t *span_id_out);
/* The same of what was read already: a word as draft_take_word gives it, a scalar as it is written,
 * a string without its quotes. */
void draft_set_time(struct draft *draft, struct slice text);
void draft_set_status(struct draft *draft, struct slice word);
void draft_set_severity(struct draft *draft, struct slice word);
void draft_set_attribute(struct draft *draft, struct slice key, struct slice value,
                         enum json_type type);
void draft_set_trace_id(struct draft *draft, struct slice key, struct slice hex);
void draft_set_span_id(struct draft *draft, struct slice key, struct slice hex,
                       uint64_t *span_id_out);
bool draft_parse_trace_id(struct slice hex, struct hash128 *trace_id_out);
bool draft_parse_span_id(struct slice hex, uint64_t *span_id_out);
/* Adds a text attribute under the same bounds. */
void draft_add_attribute(struct draft *draft, struct slice key, struct slice value);
/* A finite decimal number of at most 63 bytes. */
bool draft_parse_decimal(struct slice text, double *value_out);
/* The entity from `entity` or `job_id`, unless the envelope has one; then adds the event or
 * refuses it with its raw bytes. FULL: throttle. */
MUST_CHECK struct status draft_finish(struct decode *decode, struct draft *draft, struct slice raw);
