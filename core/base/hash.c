/* hash.c - see hash.h. The only file that knows xxHash. */
#include "core/base/hash.h"

#if defined(__x86_64__)
#include <immintrin.h>
#include <xxh_x86dispatch.h>

/* The library leaves the upper halves of the vector registers in use. The next instruction of the
 * old encoding, of which all our code is made, then waits some hundred cycles until they are saved,
 * and the next hash until they are back. A function of its own: no caller has anything in them. */
__attribute__((target("avx"), noinline)) static void leave_wide_vectors(void) {
    _mm256_zeroupper();
}

/* The library's own choice of vectors, at run time; the same hash. What is inlined below is
 * compiled for the oldest machine, and vectors are used from MID_BYTES_MAX on only. */
static struct hash128 hash_long(struct slice bytes, uint64_t seed) {
    XXH128_hash_t hash = XXH3_128bits_withSeed_dispatch(bytes.data, bytes.size, seed);
    if (__builtin_cpu_supports("avx")) {
        leave_wide_vectors();
    }
    return (struct hash128){.lo = hash.low64, .hi = hash.high64};
}
#undef XXH3_128bits
#undef XXH3_128bits_withSeed
#undef XXH3_64bits_withSeed
#endif

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/base/assert.h"

enum { MID_BYTES_MAX = 240 };
static_assert(MID_BYTES_MAX == XXH3_MIDSIZE_MAX, "where XXH3 begins to use vectors");

static struct hash128 from_xxh(XXH128_hash_t hash) {
    return (struct hash128){.lo = hash.low64, .hi = hash.high64};
}

struct hash128 hash128_of(struct slice bytes, uint64_t seed) {
#if defined(__x86_64__)
    if (bytes.size > MID_BYTES_MAX) {
        return hash_long(bytes, seed);
    }
#endif
    return from_xxh(XXH3_128bits_withSeed(bytes.data, bytes.size, seed));
}

uint64_t hash64_of(struct slice bytes, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}

/* Short keys are hashed in one go from the stack; longer ones part by part. */
enum { PARTS_INLINE_BYTES_MAX = 512 };

struct hash128 hash128_of_parts(const struct slice *parts, size_t count, uint64_t seed) {
    uint8_t joined[PARTS_INLINE_BYTES_MAX];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        if (size + 4 + parts[i].size > sizeof(joined)) {
            /* Position matters, so the hash so far is the seed of what follows. */
            struct hash128 hash = hash128_of(slice_of(joined, size), seed);
            for (size_t k = i; k < count; k++) {
                hash = hash128_combine(hash, hash128_of(parts[k], seed + k + 1));
            }
            return hash;
        }
        uint32_t part_size = (uint32_t)parts[i].size;
        memcpy(joined + size, &part_size, 4);
        slice_copy(parts[i], joined + size + 4);
        size += 4 + part_size;
    }
    return hash128_of(slice_of(joined, size), seed);
}

struct hash128 hash128_combine(struct hash128 a, struct hash128 b) {
    uint64_t words[4] = {a.lo, a.hi, b.lo, b.hi};
    return from_xxh(XXH3_128bits(words, sizeof(words)));
}
