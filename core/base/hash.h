/*
 * hash.h - 128-bit and 64-bit hashes (XXH3), and CRC-32C for what is stored.
 *
 * Hashes are seeded per data directory, so that nobody outside can craft two names that collide.
 * Memory: none. Any thread.
 */
#pragma once

#include "core/base/slice.h"

struct hash128 {
    uint64_t lo;
    uint64_t hi;
};

static inline bool hash128_equals(struct hash128 a, struct hash128 b) {
    return a.lo == b.lo && a.hi == b.hi;
}

static inline bool hash128_is_zero(struct hash128 hash) {
    return (hash.lo | hash.hi) == 0;
}

/* XXH3-128 of the bytes. */
struct hash128 hash128_of(struct slice bytes, uint64_t seed);

/* XXH3-64 of the bytes. */
uint64_t hash64_of(struct slice bytes, uint64_t seed);

/* Hash of several parts; a length stands before each, so ("ab","c") differs from ("a","bc"). */
struct hash128 hash128_of_parts(const struct slice *parts, size_t count, uint64_t seed);

/* Mixes one more hash in, order matters. */
struct hash128 hash128_combine(struct hash128 a, struct hash128 b);

/* CRC-32C (Castagnoli, reflected polynomial 0x82F63B78), hardware where the CPU has it. Start with
 * crc = 0; feed the result back in to go on. */
uint32_t crc32c_of(struct slice bytes, uint32_t crc);

/* Of two stretches one behind the other, of each its own; `size` is the second's. */
uint32_t crc32c_join(uint32_t first, uint32_t second, uint64_t size);

/* The same number without the instruction: the way of other CPUs, and the tests' second opinion. */
uint32_t crc32c_of_by_table(struct slice bytes, uint32_t crc);
