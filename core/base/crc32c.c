/*
 * crc32c.c - CRC-32C (RFC 3720, appendix B.4): one lane of the SSE4.2
 * instruction runs at 8-10 GB/s, far above the disk. By nibbles from a table of 64 bytes, which
 * stays in the cache, where the CPU has none.
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

#ifdef __x86_64__
#include <nmmintrin.h>

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
    if (__builtin_cpu_supports("sse4.2")) {
        return ~crc32c_hardware(bytes, ~crc);
    }
    return crc32c_of_by_table(bytes, crc);
}
#else
uint32_t crc32c_of(struct slice bytes, uint32_t crc) {
    return crc32c_of_by_table(bytes, crc);
}
#endif
