/*
 * crc32c.c - CRC-32C (RFC 3720, appendix B.4). The SSE4.2 instruction takes three cycles and a new
 * one may begin in each, so three stretches run side by side and are joined by carry-less
 * multiplication. By nibbles from a table of 64 bytes, which stays in the cache, where the CPU has
 * no such instruction.
 */
#include "core/base/hash.h"

/* The remainder of each nibble under the reflected polynomial 0x82F63B78. */
static const uint32_t nibble_remainders[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t crc32c_of_by_table(struct slice bytes, uint32_t crc) {
    crc = ~crc;
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= bytes.data[i];
        crc = (crc >> 4) ^ nibble_remainders[crc & 15];
        crc = (crc >> 4) ^ nibble_remainders[crc & 15];
    }
    return ~crc;
}

/* Of two polynomials modulo that of the sum; reflected: bit 31 is x^0. */
static uint32_t multiply(uint32_t left, uint32_t right) {
    uint32_t product = 0;
    for (uint32_t bit = UINT32_C(1) << 31; bit != 0; bit >>= 1) {
        product ^= (left & bit) != 0 ? right : 0;
        right = (right & 1) != 0 ? (right >> 1) ^ UINT32_C(0x82F63B78) : right >> 1;
    }
    return product;
}

/* A byte behind multiplies the first's remainder by x^8. */
uint32_t crc32c_join(uint32_t first, uint32_t second, uint64_t size) {
    uint32_t power = UINT32_C(1) << 23; /* x^8, squared at each step */
    for (; size != 0; size >>= 1) {
        first = (size & 1) != 0 ? multiply(first, power) : first;
        power = multiply(power, power);
    }
    return first ^ second;
}

#ifdef __x86_64__
#include <immintrin.h>

/* The bytes of one of the three stretches. */
enum { LANE_BYTES = 1024 };

/* x^(8n - 33) modulo the polynomial, reflected: a remainder times it, fed to the instruction, is
 * the remainder moved n bytes on. (33: the instruction multiplies by x^32, and the product of two
 * reflected words stands one bit too low.) */
#define MOVE_ONE_LANE 0x170076fa
#define MOVE_TWO_LANES 0xa51b6135

__attribute__((target("sse4.2"))) static uint64_t take_word(uint64_t crc, const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return _mm_crc32_u64(crc, word);
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t move_on(uint64_t crc, int64_t power) {
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)crc), _mm_cvtsi64_si128(power), 0);
    return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t take_lanes(const uint8_t *at,
                                                                    uint64_t crc) {
    uint64_t second = 0;
    uint64_t third = 0;
    for (size_t i = 0; i < LANE_BYTES; i += 8) {
        crc = take_word(crc, at + i);
        second = take_word(second, at + LANE_BYTES + i);
        third = take_word(third, at + 2 * (size_t)LANE_BYTES + i);
    }
    return move_on(crc, MOVE_TWO_LANES) ^ move_on(second, MOVE_ONE_LANE) ^ third;
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc32c_hardware(struct slice bytes,
                                                                         uint32_t crc) {
    uint64_t wide = crc;
    size_t at = 0;
    for (; at + 3 * (size_t)LANE_BYTES <= bytes.size; at += 3 * (size_t)LANE_BYTES) {
        wide = take_lanes(bytes.data + at, wide);
    }
    for (; at + 8 <= bytes.size; at += 8) {
        wide = take_word(wide, bytes.data + at);
    }
    crc = (uint32_t)wide;
    for (; at < bytes.size; at++) {
        crc = _mm_crc32_u8(crc, bytes.data[at]);
    }
    return crc;
}

uint32_t crc32c_of(struct slice bytes, uint32_t crc) {
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")) {
        return ~crc32c_hardware(bytes, ~crc);
    }
    return crc32c_of_by_table(bytes, crc);
}
#else
uint32_t crc32c_of(struct slice bytes, uint32_t crc) {
    return crc32c_of_by_table(bytes, crc);
}
#endif
