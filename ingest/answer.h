/*
 * answer.h - what ingest says back: google.rpc.Status for OTLP, in JSON or protobuf as the request
 * was, counts for native events. Pure.
 */
#pragma once

#include "core/base/text.h"

enum answer_style {
    ANSWER_OTLP,
    ANSWER_PROTO,
    ANSWER_GRPC,
    ANSWER_NATIVE,  /* counts and reasons; a request without an event is none that did well */
    ANSWER_COUNTS,  /* the same, and may be empty */
    ANSWER_LINEAGE, /* the same, 201 */
    ANSWER_ALERTS,  /* nothing, as Alertmanager */
    ANSWER_PING,    /* OK */
    ANSWER_PLAIN,
};

/* "application/x-protobuf", "application/json", or plain text for a ping. */
const char *answer_content_type(enum answer_style style);
/* Further header lines of a good answer, or NULL. */
const char *answer_headers(enum answer_style style);
/* Whether the answer names each refused record. */
bool answer_lists_errors(enum answer_style style);

/* Fields of a protobuf message. */
void answer_add_proto_number(struct text *message, uint32_t field, uint64_t value);
void answer_add_proto_bytes(struct text *message, uint32_t field, struct slice bytes);
/* "A string must always contain UTF-8 encoded text" (Protocol Buffers): words that quote a part of
 * a record may end within a character, and a client refuses the whole message for it. Cut at
 * ANSWER_WORDS_BYTES_MAX. */
enum { ANSWER_WORDS_BYTES_MAX = 900 };
void answer_add_proto_words(struct text *message, uint32_t field, struct slice words);
/* The body of an error. gRPC: the words alone (grpc.h makes trailers of them). OTLP:
 * {"code":3,"message":"..."} (google.rpc.Status, as JSON or protobuf); else
 * {"error":{"code":"...","message":"..."}}. */
void answer_error(struct text *body, enum answer_style style, unsigned http_status,
                  const char *words);
/* {} or {"partialSuccess":{"<rejected_key>":"n","errorMessage":"..."}}, or the same in protobuf. */
void answer_otlp(struct text *body, enum answer_style style, const char *rejected_key,
                 uint64_t rejected, const char *words);
