/*
 * json_index_x86.c - the vector levels of json_index: SSE2, AVX2, AVX-512 with VBMI2.
 *
 * '[' and '{', ']' and '}' differ in bit 5 alone, so each pair costs one comparison once that bit
 * is set. The same bit would turn the control characters 0x1A and 0x0C into ':' and ','; those two
 * are compared as they are.
 */
#include "ingest/json_index_step.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define FOR_SSE2 static inline __attribute__((always_inline))
#define FOR_AVX2 static inline __attribute__((always_inline, target("avx2,bmi,bmi2,lzcnt,popcnt")))
#define AVX512_TARGET "avx512f,avx512bw,avx512vbmi,avx512vbmi2,bmi,bmi2,lzcnt,popcnt"
#define FOR_AVX512 static inline __attribute__((always_inline, target(AVX512_TARGET)))

/* --- SSE2: four times 16 bytes --- */

FOR_SSE2 uint64_t mask_of_16(__m128i bytes, unsigned shift) {
    return (uint64_t)(uint32_t)_mm_movemask_epi8(bytes) << shift;
}

FOR_SSE2 void classify_16(const uint8_t *block, unsigned shift, struct json_masks *masks) {
    const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(block + shift));
    const __m128i folded = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
#define IS(value, letter) _mm_cmpeq_epi8(value, _mm_set1_epi8(letter))
    masks->quote |= mask_of_16(IS(bytes, '"'), shift);
    masks->backslash |= mask_of_16(IS(bytes, '\\'), shift);
    masks->control |=
        mask_of_16(_mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes), shift);
    masks->high |= mask_of_16(bytes, shift);
    masks->operator|= mask_of_16(_mm_or_si128(_mm_or_si128(IS(folded, '{'), IS(folded, '}')),
                                              _mm_or_si128(IS(bytes, ':'), IS(bytes, ','))),
                                 shift);
    masks->blank |= mask_of_16(_mm_or_si128(_mm_or_si128(IS(bytes, ' '), IS(bytes, '\t')),
                                            _mm_or_si128(IS(bytes, '\n'), IS(bytes, '\r'))),
                               shift);
#undef IS
}

FOR_SSE2 struct json_masks classify_sse2(const uint8_t *block) {
    struct json_masks masks = {0};
    for (unsigned shift = 0; shift < 64; shift += 16) {
        classify_16(block, shift, &masks);
    }
    return masks;
}

void json_fill_sse2(struct json_index *index) {
    json_fill_with(index, classify_sse2, json_write_each);
}

/* --- AVX2: twice 32 bytes --- */

FOR_AVX2 uint64_t mask_of_32(__m256i bytes, unsigned shift) {
    return (uint64_t)(uint32_t)_mm256_movemask_epi8(bytes) << shift;
}

FOR_AVX2 void classify_32(const uint8_t *block, unsigned shift, struct json_masks *masks) {
    const __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(block + shift));
    const __m256i folded = _mm256_or_si256(bytes, _mm256_set1_epi8(0x20));
#define IS(value, letter) _mm256_cmpeq_epi8(value, _mm256_set1_epi8(letter))
    masks->quote |= mask_of_32(IS(bytes, '"'), shift);
    masks->backslash |= mask_of_32(IS(bytes, '\\'), shift);
    masks->control |=
        mask_of_32(_mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1F)), bytes), shift);
    masks->high |= mask_of_32(bytes, shift);
    masks->operator|= mask_of_32(_mm256_or_si256(_mm256_or_si256(IS(folded, '{'), IS(folded, '}')),
                                                 _mm256_or_si256(IS(bytes, ':'), IS(bytes, ','))),
                                 shift);
    masks->blank |= mask_of_32(_mm256_or_si256(_mm256_or_si256(IS(bytes, ' '), IS(bytes, '\t')),
                                               _mm256_or_si256(IS(bytes, '\n'), IS(bytes, '\r'))),
                               shift);
#undef IS
}

FOR_AVX2 struct json_masks classify_avx2(const uint8_t *block) {
    struct json_masks masks = {0};
    classify_32(block, 0, &masks);
    classify_32(block, 32, &masks);
    return masks;
}

FOR_AVX2 void write_avx2(uint32_t *entries, uint32_t base, uint64_t tokens) {
    json_write_each(entries, base, tokens);
}

__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt"))) void
json_fill_avx2(struct json_index *index) {
    json_fill_with(index, classify_avx2, write_avx2);
}

/* --- AVX-512: 64 bytes at once --- */

FOR_AVX512 struct json_masks classify_avx512(const uint8_t *block) {
    const __m512i bytes = _mm512_loadu_si512(block);
    const __m512i folded = _mm512_or_si512(bytes, _mm512_set1_epi8(0x20));
    struct json_masks masks;
#define IS(value, letter) _mm512_cmpeq_epi8_mask(value, _mm512_set1_epi8(letter))
    masks.quote = IS(bytes, '"');
    masks.backslash = IS(bytes, '\\');
    masks.control = _mm512_cmplt_epu8_mask(bytes, _mm512_set1_epi8(0x20));
    masks.high = _mm512_movepi8_mask(bytes);
    masks.operator= IS(folded, '{') | IS(folded, '}') | IS(bytes, ':') | IS(bytes, ',');
    masks.blank = IS(bytes, ' ') | IS(bytes, '\t') | IS(bytes, '\n') | IS(bytes, '\r');
#undef IS
    return masks;
}

/* Squeezes the offsets of the set bits together, then widens them sixteen at a time; entries behind
 * the last one are overwritten by the next step. */
FOR_AVX512 void write_avx512(uint32_t *entries, uint32_t base, uint64_t tokens) {
    const __m512i bytes = _mm512_maskz_compress_epi8(
        tokens, _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47,
                                46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30,
                                29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13,
                                12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
    const __m512i offset = _mm512_set1_epi32((int)base);
    const int count = __builtin_popcountll(tokens);
#define STORE(quarter)                                                                             \
    _mm512_storeu_si512(                                                                           \
        entries + (size_t)16 * (quarter),                                                          \
        _mm512_add_epi32(offset, _mm512_cvtepu8_epi32(_mm512_extracti32x4_epi32(bytes, quarter))))
    STORE(0);
    if (count > 16) {
        STORE(1);
        if (__builtin_expect(count > 32, 0)) {
            STORE(2);
            STORE(3);
        }
    }
#undef STORE
}

__attribute__((target(AVX512_TARGET))) void json_fill_avx512(struct json_index *index) {
    json_fill_with(index, classify_avx512, write_avx512);
}
#else
typedef int json_index_x86_is_empty;
#endif
