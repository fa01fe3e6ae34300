/*
 * native.h - native events, POST /v1/events (product.md, "Native event").
 */
#pragma once

#include "ingest/decode.h"

/* Decodes one object, an array, or lines. INVALID with decode->fault: the body is no JSON, nothing
 * of it counts. FULL: throttle. */
MUST_CHECK struct status native_decode(struct decode *decode, struct slice body,
                                       bool is_ndjson_type);
