/*
 * answer.h - what ingest says back: google.rpc.Status for OTLP, in JSON or protobuf as the request
 * was, counts for native events. Pure.
 */
#pragma once

#include "core/base/text.h"

enum answer_style { ANSWER_OTLP, ANSWER_PROTO, ANSWER_NATIVE, ANSWER_PLAIN };

/* "application/x-protobuf" or "application/json". */
const char *answer_content_type(enum answer_style style);

/* The body of an error. OTLP: {"code":3,"message":"..."} (google.rpc.Status, as JSON or protobuf);
 * else
 * {"error":{"code":"...","message":"..."}}. */
void answer_error(struct text *body, enum answer_style style, unsigned http_status,
                  const char *words);
/* {} or {"partialSuccess":{"<rejected_key>":"n","errorMessage":"..."}}, or the same in protobuf. */
void answer_otlp(struct text *body, enum answer_style style, const char *rejected_key,
                 uint64_t rejected, const char *words);
