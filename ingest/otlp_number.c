/* otlp_number.c - see otlp_number.h. */
#include "ingest/otlp_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_BYTES_MAX = 64, PLAIN_DIGITS_MAX = 15, EXPONENT_DIGITS_MAX = 3 };

void otlp_add_double(struct text *text, double value) {
    char written[NUMBER_BYTES_MAX];
    if (isnan(value)) {
        text_add_text(text, "NaN");
        return;
    }
    if (isinf(value)) {
        text_add_text(text, value > 0 ? "Infinity" : "-Infinity");
        return;
    }
    for (int digits = PLAIN_DIGITS_MAX; digits <= 17; digits++) {
        (void)snprintf(written, sizeof(written), "%.*g", digits, value);
        double back = strtod(written, NULL);
        if (back >= value && back <= value) {
            break;
        }
    }
    text_add_text(text, written);
}

bool otlp_is_beyond_json(struct slice written) {
    return slice_equals(written, SLICE("NaN")) || slice_equals(written, SLICE("Infinity")) ||
           slice_equals(written, SLICE("-Infinity"));
}

bool otlp_is_double(struct slice written) {
    char copy[NUMBER_BYTES_MAX];
    char *end = NULL;
    if (otlp_is_beyond_json(written)) {
        return true;
    }
    if (written.size == 0 || written.size >= sizeof(copy)) {
        return false;
    }
    for (size_t at = 0; at < written.size; at++) {
        if (slice_find_byte(SLICE("0123456789.eE+-"), written.data[at]) == 15) {
            return false;
        }
    }
    memcpy(copy, written.data, written.size);
    copy[written.size] = 0;
    (void)strtod(copy, &end);
    return end == copy + written.size;
}

/* "-12.5": at most 15 digits, none of them idle, which is how otlp_add_double writes it too. */
static bool is_plain(struct slice written) {
    size_t at = written.size > 0 && written.data[0] == '-' ? 1 : 0;
    size_t start = at;
    size_t point = SIZE_MAX;
    for (; at < written.size; at++) {
        if (written.data[at] == '.' && point == SIZE_MAX) {
            point = at;
        } else if (written.data[at] < '0' || written.data[at] > '9') {
            return false;
        }
    }
    bool is_short = written.size - start <= PLAIN_DIGITS_MAX && written.size > start;
    bool is_zero_led = is_short && written.data[start] == '0';
    if (!is_short ||
        (is_zero_led && (start == 1 || point != start + 1 || written.size < start + 3 ||
                         written.data[start + 2] == '0'))) {
        return is_short && is_zero_led && start == 0 && written.size == 1;
    }
    return point == SIZE_MAX ||
           (point != start && point + 1 < written.size && written.data[written.size - 1] != '0');
}

void otlp_add_written_double(struct text *text, struct slice written) {
    char copy[NUMBER_BYTES_MAX];
    char *end = NULL;
    if (is_plain(written) || written.size == 0 || written.size >= sizeof(copy)) {
        text_add(text, written);
        return;
    }
    memcpy(copy, written.data, written.size);
    copy[written.size] = 0;
    double value = strtod(copy, &end);
    if (end == copy + written.size) {
        otlp_add_double(text, value);
    } else {
        text_add(text, written);
    }
}

/* What stands behind the "e": at most three digits, with or without a sign. */
static bool parse_exponent(struct slice text, int64_t *value_out) {
    uint64_t size;
    bool is_negative = text.size > 0 && text.data[0] == '-';
    bool has_sign = is_negative || (text.size > 0 && text.data[0] == '+');
    struct slice digits = slice_tail(text, has_sign ? 1 : 0);
    if (digits.size > EXPONENT_DIGITS_MAX || !status_is_ok(text_parse_u64(digits, &size))) {
        return false;
    }
    *value_out = is_negative ? -(int64_t)size : (int64_t)size;
    return true;
}

/* "12.50e3" as 1250 times ten to the power of 1. */
static bool split_decimal(struct slice text, char digits[NUMBER_BYTES_MAX], size_t *count_out,
                          int64_t *power_out) {
    size_t end = 0;
    size_t point = SIZE_MAX;
    *count_out = 0;
    *power_out = 0;
    for (; end < text.size && text.data[end] != 'e' && text.data[end] != 'E'; end++) {
        if (text.data[end] == '.' && point == SIZE_MAX && end > 0) {
            point = end;
        } else if (text.data[end] >= '0' && text.data[end] <= '9') {
            digits[(*count_out)++] = (char)text.data[end];
        } else {
            return false;
        }
    }
    if (*count_out == 0 || point == end - 1 ||
        (end < text.size && !parse_exponent(slice_tail(text, end + 1), power_out))) {
        return false;
    }
    *power_out -= point == SIZE_MAX ? 0 : (int64_t)(end - point - 1);
    return true;
}

struct status otlp_parse_u64(struct slice text, uint64_t *value_out) {
    char digits[NUMBER_BYTES_MAX];
    size_t count;
    int64_t power;
    if (status_is_ok(text_parse_u64(text, value_out))) {
        return status_ok();
    }
    if (text.size > sizeof(digits) || !split_decimal(text, digits, &count, &power)) {
        return status_of(STATUS_INVALID);
    }
    while (count > 1 && power < 0 && digits[count - 1] == '0') {
        count--;
        power++;
    }
    TRY(text_parse_u64(slice_of(digits, count), value_out));
    if (*value_out == 0) {
        return status_ok();
    }
    for (; power > 0; power--) {
        if (__builtin_mul_overflow(*value_out, 10, value_out)) {
            return status_of(STATUS_INVALID);
        }
    }
    return power < 0 ? status_of(STATUS_INVALID) : status_ok();
}

struct status otlp_parse_i64(struct slice text, int64_t *value_out) {
    uint64_t size;
    bool is_negative = text.size > 0 && text.data[0] == '-';
    TRY(otlp_parse_u64(slice_tail(text, is_negative ? 1 : 0), &size));
    if (size > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) {
        return status_of(STATUS_INVALID);
    }
    *value_out = (int64_t)(is_negative ? 0 - size : size);
    return status_ok();
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
enum { BASE64_PAD = 64 };

void otlp_add_base64(struct text *text, struct slice bytes) {
    for (size_t at = 0; at < bytes.size; at += 3) {
        size_t left = bytes.size - at;
        uint32_t group = (uint32_t)bytes.data[at] << 16;
        group |= left > 1 ? (uint32_t)bytes.data[at + 1] << 8 : 0;
        group |= left > 2 ? bytes.data[at + 2] : 0;
        char written[4] = {digits[group >> 18], digits[group >> 12 & 63],
                           digits[left > 1 ? group >> 6 & 63 : BASE64_PAD],
                           digits[left > 2 ? group & 63 : BASE64_PAD]};
        text_add(text, slice_of(written, sizeof(written)));
    }
}

/* The value of a digit of either alphabet; BASE64_PAD: it is none. */
static size_t value_of_digit(uint8_t byte) {
    byte = byte == '-' ? '+' : byte == '_' ? '/' : byte;
    return slice_find_byte(slice_of(digits, BASE64_PAD), byte);
}

static bool is_base64(struct slice written, size_t size) {
    size_t padding = written.size - size;
    bool is_it = size % 4 != 1 && (padding == 0 || written.size % 4 == 0) && padding <= 2;
    for (size_t at = 0; is_it && at < size; at++) {
        is_it = value_of_digit(written.data[at]) < BASE64_PAD;
    }
    return is_it;
}

void otlp_add_written_base64(struct text *text, struct slice written) {
    size_t size = slice_find_byte(written, '=');
    for (size_t at = size; at < written.size; at++) {
        size = written.data[at] == '=' ? size : written.size;
    }
    if (!is_base64(written, size)) {
        text_add(text, written);
        return;
    }
    for (size_t at = 0; at < size; at++) {
        text_add_char(text, digits[value_of_digit(written.data[at])]);
    }
    for (; size % 4 != 0; size++) {
        text_add_char(text, digits[BASE64_PAD]);
    }
}
