/*
 * crc32c.c - CRC-32C (RFC 3720, appendix B.4): one lane of the SSE4.2
 * instruction runs at 8-10 GB/s, far above the disk. Bit by bit where the CPU has none.
 */
#include "core/base/hash.h"

#include <nmmintrin.h>

enum { POLYNOMIAL_REFLECTED = 0x82F63B78u };

static uint32_t crc32c_plain(struct slice bytes, uint32_t crc) {
    for (size_t i = 0; i < bytes.size; i++) {
        crc ^= bytes.data[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? (uint32_t)POLYNOMIAL_REFLECTED : 0);
        }
    }
    return crc;
}

__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(struct slice bytes,
                                                                  uint32_t crc) {
    uint64_t wide = crc;
    size_t at = 0;
    for (; at + 8 <= bytes.size; at += 8) {
        uint64_t word;
        memcpy(&word, bytes.data + at, sizeof(word));
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    for (; at < bytes.size; at++) {
        crc = _mm_crc32_u8(crc, bytes.data[at]);
    }
    return crc;
}

uint32_t crc32c_of(struct slice bytes, uint32_t crc) {
    crc = ~crc;
    if (__builtin_cpu_supports("sse4.2")) {
        return ~crc32c_hardware(bytes, crc);
    }
    return ~crc32c_plain(bytes, crc);
}
