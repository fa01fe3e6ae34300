/*
 * otlp_json.h - what OTLP/JSON requests share: attributes, AnyValue, 64-bit numbers, hex ids.
 *
 * Unknown fields are skipped, null is a field that is not there. A false or void return leaves the
 * walk failed; the caller asks the walk. Thread: one at a time.
 */
#pragma once

#include "ingest/json_walk.h"
#include "schemas/envelope.h"

enum otlp_known {
    OTLP_JOB_ID,
    OTLP_PIPELINE_NAME,
    OTLP_DATASET_NAME,
    OTLP_CHECK_ID,
    OTLP_SERVICE_NAME,
    OTLP_SERVICE_NAMESPACE,
    OTLP_JOB_STATUS,
    OTLP_CHECK_STATUS,
    OTLP_EVENT_ID,
    OTLP_RUN_ID,
    OTLP_ERROR_TYPE,
    OTLP_EXCEPTION_TYPE,
    OTLP_EXCEPTION_MESSAGE,
    OTLP_TENANT_ID,
    OTLP_KNOWN_COUNT,
};

/* Attributes of one level and what the rules look for among them and the levels above. */
struct otlp_attributes {
    struct attribute items[ATTRIBUTES_PER_EVENT_MAX];
    uint32_t count;
    bool is_cut; /* there were more */
    struct slice known[OTLP_KNOWN_COUNT];
};

/* An array of KeyValue; adds to what is there. */
bool otlp_take_attributes(struct json_walk *walk, struct otlp_attributes *attributes);
/* Adds the attributes of an outer level that the inner one does not name. */
void otlp_inherit(struct otlp_attributes *inner, const struct otlp_attributes *outer);
/* An AnyValue as text; its type; empty for an empty one. */
bool otlp_take_any(struct json_walk *walk, struct slice *text_out, enum attribute_type *type_out);
/* A string; nothing is written for null. */
bool otlp_take_text(struct json_walk *walk, struct slice *text_out);
/* A number, or a string that holds one, in the range of its type. */
bool otlp_take_u64(struct json_walk *walk, uint64_t *value_out);
