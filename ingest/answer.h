/*
 * answer.h - what ingest says back: google.rpc.Status for OTLP, counts for native events. Pure.
 */
#pragma once

#include "core/base/text.h"

enum answer_style { ANSWER_OTLP, ANSWER_NATIVE, ANSWER_PLAIN };

/* The body of an error. OTLP: {"code":3,"message":"..."} (google.rpc.Status as JSON); else
 * {"error":{"code":"...","message":"..."}}. */
void answer_error(struct text *body, enum answer_style style, unsigned http_status,
                  const char *words);
/* {} or {"partialSuccess":{"<rejected_key>":"n","errorMessage":"..."}} */
void answer_otlp(struct text *body, const char *rejected_key, uint64_t rejected, const char *words);
