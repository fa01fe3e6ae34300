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
/* NaN, Infinity, -Infinity: doubles that are no JSON numbers, so JSON has them as strings. */
bool otlp_is_beyond_json(struct slice written);
/* Whether a string spells a double as protobuf's JSON mapping does: a decimal number or those. */
bool otlp_is_double(struct slice written);
/* A whole number as protobuf's JSON mapping lets senders spell it: digits, also with a fraction of
 * zeros or an exponent ("17", "17.0", "1.7e1"). INVALID: below zero, not whole, beyond 64 bits. */
MUST_CHECK struct status otlp_parse_u64(struct slice text, uint64_t *value_out);
/* The same with a sign. */
MUST_CHECK struct status otlp_parse_i64(struct slice text, int64_t *value_out);
/* Whether it is a short whole number, written as otlp_parse_i64's value would be. */
static inline bool otlp_is_plain_i64(struct slice text) {
    size_t start = text.size > 0 && text.data[0] == '-' ? 1 : 0;
    size_t digits = text.size - start;
    bool is_plain = digits > 0 && digits <= 18 && (text.data[start] != '0' || text.size == 1);
    for (size_t at = start; is_plain && at < text.size; at++) {
        is_plain = text.data[at] >= '0' && text.data[at] <= '9';
    }
    return is_plain;
}
/* Standard base64 with padding. */
void otlp_add_base64(struct text *text, struct slice bytes);
/* Bytes as protobuf's JSON mapping lets senders spell them, in standard or URL-safe base64, padded
 * or not, written as above; as they are when they are neither. */
void otlp_add_written_base64(struct text *text, struct slice written);
