/*
 * kafka_decode.h - what a Kafka message is, and its decoding by the decoders of the HTTP paths.
 * Pure; thread: one at a time.
 */
#pragma once

#include "core/config.h"
#include "ingest/decode.h"

/* Decodes a message's value: native JSON (object, array, lines), OTLP/JSON or OTLP/protobuf with
 * any signal. `content_type` is the header's value or empty. AUTO: by content type, else by the
 * bytes. INVALID with decode->fault: nothing of it counts. FULL: no batch, or no room in the arena.
 */
MUST_CHECK struct status kafka_decode(struct decode *decode, enum kafka_format format,
                                      struct slice content_type, struct slice value);
