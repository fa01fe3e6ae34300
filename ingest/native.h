/*
 * native.h - native events, POST /v1/events (product.md, "Native event").
 */
#pragma once

#include "ingest/draft.h"

/* Decodes one object, an array, or lines. INVALID with decode->fault: the body is no JSON, nothing
 * of it counts. FULL: throttle. */
MUST_CHECK struct status native_decode(struct decode *decode, struct slice body,
                                       bool is_ndjson_type);

/* One member of an event's object, its value is due: for formats that carry native fields. */
void native_take_field(struct json_walk *walk, struct draft *draft, struct slice key);
