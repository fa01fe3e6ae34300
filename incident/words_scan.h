/*
 * words_scan.h - the vectors of words.c: where letters stand, where a word of trouble may begin.
 *
 * Every message is read here, which is worth it. Raw pointers, because it is a scanner: each
 * function reads as many bytes as its name says. Any thread.
 */
#pragma once

#include "core/base/slice.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { SCAN_LETTERS = 26, SCAN_BYTES = 16, SCAN_WIDE_BYTES = 32 };

/* Which of the 16 bytes are ASCII letters, a bit each. */
static inline uint32_t scan_letters_16(const uint8_t *window) {
#if defined(__x86_64__)
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)window);
    __m128i number = _mm_sub_epi8(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), _mm_set1_epi8('a'));
    __m128i is_letter =
        _mm_cmpeq_epi8(_mm_min_epu8(number, _mm_set1_epi8(SCAN_LETTERS - 1)), number);
    return (uint32_t)_mm_movemask_epi8(is_letter);
#else
    uint32_t letters = 0;
    for (uint32_t i = 0; i < SCAN_BYTES; i++) {
        letters |= (uint32_t)((uint8_t)((window[i] | 0x20) - 'a') < SCAN_LETTERS) << i;
    }
    return letters;
#endif
}

#if defined(__x86_64__)

enum { SCAN_DEPTH = 4, SCAN_WIDE_READ = SCAN_WIDE_BYTES + SCAN_DEPTH - 1 };

/* Which groups of beginnings a letter is the first to fourth of, a bit a group, by the letter's low
 * five bits. Other bytes have a letter's low bits, too: what is found is a candidate. */
struct scan_groups {
    uint8_t of[SCAN_DEPTH][32];
};

#define FOR_AVX2 static inline __attribute__((always_inline, target("avx2,bmi")))

/* 32 bytes that stand in a table of 32, each by its low five bits. */
FOR_AVX2 __m256i scan_look_up(const uint8_t *table, __m256i bytes) {
    __m256i index = _mm256_and_si256(bytes, _mm256_set1_epi8(0x1F));
    __m256i low =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
    __m256i high = _mm256_broadcastsi128_si256(
        _mm_loadu_si128((const __m128i *)(const void *)(table + SCAN_BYTES)));
    /* A shuffle gives 0 where the index has its high bit. */
    low = _mm256_shuffle_epi8(low, _mm256_add_epi8(index, _mm256_set1_epi8(0x70)));
    high = _mm256_shuffle_epi8(high, _mm256_sub_epi8(index, _mm256_set1_epi8(SCAN_BYTES)));
    return _mm256_or_si256(low, high);
}

FOR_AVX2 uint32_t scan_letters_32(__m256i bytes) {
    __m256i number =
        _mm256_sub_epi8(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('a'));
    __m256i last = _mm256_set1_epi8(SCAN_LETTERS - 1);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_min_epu8(number, last), number));
}

/* Where in the first 32 of SCAN_WIDE_READ bytes one of the groups' words may begin, a bit each.
 * is_inside: the byte before them is a letter, 0 or 1. */
FOR_AVX2 uint32_t scan_candidates(const uint8_t *window, const struct scan_groups *groups,
                                  uint32_t is_inside) {
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)window);
    __m256i found = scan_look_up(groups->of[0], bytes);
    for (int i = 1; i < SCAN_DEPTH; i++) {
        __m256i behind = _mm256_loadu_si256((const __m256i *)(const void *)(window + i));
        found = _mm256_and_si256(found, scan_look_up(groups->of[i], behind));
    }
    __m256i is_none = _mm256_cmpeq_epi8(found, _mm256_setzero_si256());
    uint32_t letters = scan_letters_32(bytes);
    return ~(uint32_t)_mm256_movemask_epi8(is_none) & letters & ~(letters << 1 | is_inside);
}

#undef FOR_AVX2
#endif
