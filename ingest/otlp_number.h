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
/* Standard base64 with padding. */
void otlp_add_base64(struct text *text, struct slice bytes);
