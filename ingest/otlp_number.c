/* otlp_number.c - see otlp_number.h. */
#include "ingest/otlp_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_BYTES_MAX = 64, PLAIN_DIGITS_MAX = 15 };

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

void otlp_add_base64(struct text *text, struct slice bytes) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    for (size_t at = 0; at < bytes.size; at += 3) {
        size_t left = bytes.size - at;
        uint32_t group = (uint32_t)bytes.data[at] << 16;
        group |= left > 1 ? (uint32_t)bytes.data[at + 1] << 8 : 0;
        group |= left > 2 ? bytes.data[at + 2] : 0;
        char written[4] = {digits[group >> 18], digits[group >> 12 & 63],
                           digits[left > 1 ? group >> 6 & 63 : 64],
                           digits[left > 2 ? group & 63 : 64]};
        text_add(text, slice_of(written, sizeof(written)));
    }
}
