/*
 * otlp_json.h - what OTLP/JSON requests share: attributes, AnyValue, 64-bit numbers, hex ids.
 *
 * Unknown fields are skipped, null is a field that is not there. A false or void return leaves the
 * walk failed; the caller asks the walk. Thread: one at a time.
 */
#pragma once

#include "ingest/json_walk.h"
#include "ingest/otlp_record.h"

/* An array of KeyValue; adds to what is there. */
bool otlp_take_attributes(struct json_walk *walk, struct otlp_attributes *attributes);
/* The same, the array was just entered; consumes its end. */
void otlp_take_attribute_elements(struct json_walk *walk, struct otlp_attributes *attributes);
/* An AnyValue as text; its type; empty for an empty one. */
bool otlp_take_any(struct json_walk *walk, struct slice *text_out, enum attribute_type *type_out);
/* A string; nothing is written for null. */
bool otlp_take_text(struct json_walk *walk, struct slice *text_out);
/* A number, or a string that holds one, in the range of its type. */
bool otlp_take_u64(struct json_walk *walk, uint64_t *value_out);
/* The same of an enum's value, which may be any number: one below zero as protobuf has it, all ones
 * before it. */
bool otlp_take_enum(struct json_walk *walk, uint64_t *value_out);
