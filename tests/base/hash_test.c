/* hash_test.c - known answers, and that parts keep their borders. */
#include "tests/base/unit.h"

#include "core/base/hash.h"
#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/* RFC 3720, appendix B.4, and the usual check value of "123456789". */
static void crc32c_gives_the_published_answers(void **state) {
    uint8_t zeroes[32] = {0};
    uint8_t ones[32];
    memset(ones, 0xFF, sizeof(ones));
    assert_int_equal(crc32c_of(SLICE("123456789"), 0), 0xE3069283u);
    assert_int_equal(crc32c_of(slice_of(zeroes, 32), 0), 0x8A9136AAu);
    assert_int_equal(crc32c_of(slice_of(ones, 32), 0), 0x62A8AB43u);
    assert_int_equal(crc32c_of(slice_of(NULL, 0), 0), 0);
    assert_int_equal(crc32c_of_by_table(SLICE("123456789"), 0), 0xE3069283u);
}

static void crc32c_is_the_same_by_table_in_pieces_and_unaligned(void **state) {
    static uint8_t bytes[9500]; /* the hardware takes 3,072 at a time */
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * i * 167 + 13);
    }
    for (size_t size = 0; size < 9400; size += size < 280 ? 1 : 61) {
        struct slice whole = slice_of(bytes + size % 9, size);
        uint32_t crc = crc32c_of(whole, 0);
        assert_int_equal(crc, crc32c_of_by_table(whole, 0));
        uint32_t front = crc32c_of(slice_head(whole, size / 3), 0);
        assert_int_equal(crc, crc32c_of(slice_tail(whole, size / 3), front));
    }
}

static void parts_keep_their_borders_short_and_long(void **state) {
    static uint8_t large[2000];
    struct slice cut_late[] = {SLICE("ab"), SLICE("c")};
    struct slice cut_early[] = {SLICE("a"), SLICE("bc")};
    assert_false(
        hash128_equals(hash128_of_parts(cut_late, 2, 1), hash128_of_parts(cut_early, 2, 1)));
    assert_false(
        hash128_equals(hash128_of_parts(cut_late, 2, 1), hash128_of_parts(cut_late, 2, 2)));
    assert_true(hash128_equals(hash128_of_parts(cut_late, 2, 1), hash128_of_parts(cut_late, 2, 1)));
    struct slice long_late[] = {slice_of(large, 1001), slice_of(large, 999)};
    struct slice long_early[] = {slice_of(large, 999), slice_of(large, 1001)};
    assert_false(
        hash128_equals(hash128_of_parts(long_late, 2, 1), hash128_of_parts(long_early, 2, 1)));
}

/* What is stored is found again by another machine, whatever vectors it has. */
static void long_texts_have_the_published_hash(void **state) {
    static uint8_t bytes[2000];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256);
    }
    struct hash128 middle = hash128_of(slice_of(bytes, 240), 5);
    struct hash128 longer = hash128_of(slice_of(bytes, 241), 5);
    struct hash128 longest = hash128_of(slice_of(bytes, 2000), 0);
    assert_int_equal(middle.lo, UINT64_C(0x41F60BE7DEFD9F9));
    assert_int_equal(longer.lo, UINT64_C(0x936A2ED0DFBEEAC9));
    assert_int_equal(longer.hi, UINT64_C(0xCBE48115F73D4B56));
    assert_int_equal(longest.lo, UINT64_C(0x30BF30132F263CD7));
    assert_int_equal(longest.hi, UINT64_C(0xA5464BD343A370F7));
}

static void combining_depends_on_the_order(void **state) {
    struct hash128 a = hash128_of(SLICE("a"), 0);
    struct hash128 b = hash128_of(SLICE("b"), 0);
    assert_false(hash128_equals(hash128_combine(a, b), hash128_combine(b, a)));
    assert_int_not_equal(hash64_of(SLICE("a"), 0), hash64_of(SLICE("a"), 1));
}

static void checksums_of_two_stretches_are_joined(void **state) {
    static uint8_t bytes[70000];
    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * i >> 5);
    }
    static const size_t borders[] = {0, 1, 7, 48, 3072, 12288, 65536, 69999, 70000};
    uint32_t whole = crc32c_of(slice_of(bytes, sizeof(bytes)), 0);
    for (size_t i = 0; i < sizeof(borders) / sizeof(borders[0]); i++) {
        uint32_t first = crc32c_of(slice_of(bytes, borders[i]), 0);
        uint64_t left = sizeof(bytes) - borders[i];
        uint32_t second = crc32c_of(slice_of(bytes + borders[i], left), 0);
        assert_int_equal(crc32c_join(first, second, left), whole);
    }
}

#if defined(__x86_64__)
/* Intel's manual, volume 1, 13.6: XGETBV with 1 tells which state is not as it was at the start;
 * here the upper halves of ymm (bit 2) and of zmm (bit 6). */
static bool knows_what_is_in_use(void) {
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
    return __builtin_cpu_supports("avx") && __get_cpuid_count(0xD, 1, &eax, &ebx, &ecx, &edx) &&
           (eax & 4) != 0;
}

__attribute__((target("xsave"), noinline)) static bool upper_halves_are_in_use(void) {
    return (_xgetbv(1) & (1 << 2 | 1 << 6)) != 0;
}

__attribute__((target("avx"), noinline)) static void leave_upper_halves(void) {
    _mm256_zeroupper();
}
#endif

/* Left in use, they cost every other vector instruction of the process. */
static void a_long_hash_leaves_no_wide_vector_in_use(void **state) {
#if defined(__x86_64__)
    static const uint8_t text[2000] = {1};
    if (!knows_what_is_in_use()) {
        skip();
    }
    for (size_t size = 100; size <= sizeof(text); size += 100) {
        leave_upper_halves();
        assert_true(hash128_of(slice_of(text, size), 1).lo != 0);
        assert_false(upper_halves_are_in_use());
    }
#else
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_gives_the_published_answers),
        cmocka_unit_test(crc32c_is_the_same_by_table_in_pieces_and_unaligned),
        cmocka_unit_test(checksums_of_two_stretches_are_joined),
        cmocka_unit_test(parts_keep_their_borders_short_and_long),
        cmocka_unit_test(long_texts_have_the_published_hash),
        cmocka_unit_test(combining_depends_on_the_order),
        cmocka_unit_test(a_long_hash_leaves_no_wide_vector_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
