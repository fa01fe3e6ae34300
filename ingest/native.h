/*
 * native.h - native events, POST /v1/events (product.md, "Native event").
 */
#pragma once

#include "ingest/draft.h"

/* Decodes one object, an array, or lines. INVALID with decode->fault: the body is no JSON, nothing
 * of it counts. FULL: throttle. */
MUST_CHECK struct status native_decode(struct decode *decode, struct slice body,
                                       bool is_ndjson_type);

/* Decodes a body that is one object spelled as usual (native_usual.h), as native_decode does: true
 * with its status. False: it is spelled otherwise, and nothing was done. */
bool native_decode_usual(struct decode *decode, struct slice body, struct status *status_out);

/* One member of an event's object, its value is due: for formats that carry native fields. */
void native_take_field(struct json_walk *walk, struct draft *draft, struct slice key);
