/*
 * otlp_number.h - one way to write a double and bytes, so that JSON and protobuf of the same data
 * give the same envelope. Thread: any.
 */
#pragma once

#include "core/base/text.h"

/* The shortest of 15, 16 or 17 digits that reads back the same; NaN, Infinity, -Infinity. */
void otlp_add_double(struct text *text, double value);
/* A double as JSON has it (a number, or NaN and Infinity as strings), written as above; as it is
 * when it is no number. */
void otlp_add_written_double(struct text *text, struct slice written);
/* A whole number as protobuf's JSON mapping lets senders spell it: digits, also with a fraction of
 * zeros or an exponent ("17", "17.0", "1.7e1"). INVALID: below zero, not whole, beyond 64 bits. */
MUST_CHECK struct status otlp_parse_u64(struct slice text, uint64_t *value_out);
/* The same with a sign. */
MUST_CHECK struct status otlp_parse_i64(struct slice text, int64_t *value_out);
/* Standard base64 with padding. */
void otlp_add_base64(struct text *text, struct slice bytes);
