/*
 * shape_scan.h - the loops of shape_path.h: are these bytes those, and where does a value end.
 *
 * Sixteen bytes at a time with the vectors that every x86-64 has, else byte by byte. Raw pointers,
 * because it is a scanner; both stay inside the slices they are given. Any thread.
 */
#pragma once

#include "core/base/slice.h"
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum { SHAPE_SCAN_BYTES = 16 };

static inline bool scan_is_same_8(const uint8_t *a, const uint8_t *b) {
    uint64_t words[2];
    memcpy(&words[0], a, 8);
    memcpy(&words[1], b, 8);
    return words[0] == words[1];
}

/* Of few bytes without a call: the second half overlaps the first. */
static inline bool scan_is_same(const uint8_t *a, const uint8_t *b, size_t size) {
    if (size >= 8 && size <= 16) {
        return scan_is_same_8(a, b) && scan_is_same_8(a + size - 8, b + size - 8);
    }
    return memcmp(a, b, size) == 0;
}

/* Whether the text begins with the `size` bytes at `wanted`. */
static inline bool scan_begins_with(struct slice text, const uint8_t *wanted, size_t size) {
    if (text.size < size) {
        return false;
    }
#if defined(__SSE2__)
    if (size >= SHAPE_SCAN_BYTES) {
        size_t last = size - SHAPE_SCAN_BYTES; /* overlaps the vector before it */
        __m128i same = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(text.data + last)),
                                      _mm_loadu_si128((const __m128i *)(wanted + last)));
        for (size_t at = 0; at < last; at += SHAPE_SCAN_BYTES) {
            same = _mm_and_si128(same,
                                 _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(text.data + at)),
                                                _mm_loadu_si128((const __m128i *)(wanted + at))));
        }
        return _mm_movemask_epi8(same) == 0xFFFF;
    }
#endif
    return scan_is_same(text.data, wanted, size);
}

/* The size of the string that begins the text, up to its quote; text.size when there is an escape,
 * a control character or no quote. *has_high_out: bytes above 0x7F are in it. */
static inline size_t scan_string(struct slice text, bool *has_high_out) {
    size_t at = 0;
    unsigned high = 0;
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1F);
    while (text.size - at >= SHAPE_SCAN_BYTES) {
        __m128i block = _mm_loadu_si128((const __m128i *)(text.data + at));
        __m128i special = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)),
            _mm_cmpeq_epi8(_mm_min_epu8(block, control), block));
        unsigned ends = (unsigned)_mm_movemask_epi8(special);
        unsigned highs = (unsigned)_mm_movemask_epi8(block);
        if (ends != 0) {
            unsigned first = (unsigned)__builtin_ctz(ends);
            high |= highs & ((1u << first) - 1);
            *has_high_out = high != 0;
            return text.data[at + first] == '"' ? at + first : text.size;
        }
        high |= highs;
        at += SHAPE_SCAN_BYTES;
    }
#endif
    for (; at < text.size; at++) {
        uint8_t byte = text.data[at];
        if (byte == '"' || byte == '\\' || byte < 0x20) {
            *has_high_out = high != 0;
            return byte == '"' ? at : text.size;
        }
        high |= byte & 0x80u;
    }
    return text.size;
}

enum { SCAN_INTEGER_DIGITS_MAX = 20 }; /* of a u64 */

static inline size_t scan_digits(struct slice text, size_t at) {
    while (at < text.size && (uint8_t)(text.data[at] - '0') < 10) {
        at++;
    }
    return at;
}

/* Digits, maybe behind a minus, as RFC 8259 has an integer; text.size: none. What may not follow it
 * is not what is due behind a value either. */
static inline size_t scan_integer(struct slice text) {
    size_t start = text.size > 0 && text.data[0] == '-';
    size_t end = scan_digits(slice_head(text, start + SCAN_INTEGER_DIGITS_MAX), start);
    bool is_one = end > start && (text.data[start] != '0' || end == start + 1);
    return is_one ? end : text.size;
}

/* RFC 8259, 6: number = [ minus ] int [ frac ] [ exp ]; here without exp, and of any length. */
static inline size_t scan_number(struct slice text) {
    size_t start = text.size > 0 && text.data[0] == '-';
    size_t end = scan_digits(text, start);
    bool is_good = end > start && (text.data[start] != '0' || end == start + 1);
    if (is_good && end < text.size && text.data[end] == '.') {
        size_t fraction = end + 1;
        end = scan_digits(text, fraction);
        is_good = end > fraction;
    }
    return is_good ? end : text.size;
}

static inline size_t scan_bool(struct slice text) {
    return slice_starts_with(text, SLICE("true"))    ? 4
           : slice_starts_with(text, SLICE("false")) ? 5
                                                     : text.size;
}
