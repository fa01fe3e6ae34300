/* inflate_test.c - compressed bodies: what comes out, and that no input makes it more than was
 * allowed. */
#include "ingest/inflate.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "core/base/limits.h"
#include "tests/base/unit.h"

enum { PACKED_BYTES_MAX = 1 << 20 };

struct packed {
    enum inflate_format format;
    uint8_t bytes[PACKED_BYTES_MAX];
    size_t size;
};

static void pack_zlib(struct packed *packed, struct slice plain, int window) {
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)plain.data;
    stream.avail_in = (uInt)plain.size;
    stream.next_out = packed->bytes + packed->size;
    stream.avail_out = (uInt)(PACKED_BYTES_MAX - packed->size);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed->size = PACKED_BYTES_MAX - stream.avail_out;
    deflateEnd(&stream);
}

static void pack_zstd(struct packed *packed, struct slice plain, int window_log) {
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log)));
    /* The frame does not say how much comes out: only inflating tells. */
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0)));
    ZSTD_inBuffer input = {plain.data, plain.size, 0};
    ZSTD_outBuffer output = {packed->bytes, PACKED_BYTES_MAX, packed->size};
    assert_int_equal(ZSTD_compressStream2(context, &output, &input, ZSTD_e_end), 0);
    packed->size = output.pos;
    ZSTD_freeCCtx(context);
}

static void pack(struct packed *packed, enum inflate_format format, struct slice plain) {
    packed->format = format;
    packed->size = 0;
    if (format == INFLATE_ZSTD) {
        pack_zstd(packed, plain, 0);
    } else {
        pack_zlib(packed, plain, format == INFLATE_GZIP ? 15 + 16 : 15);
    }
}

static enum status_code unpack(struct inflate_buffer *buffer, const struct packed *packed,
                               size_t size, uint64_t bytes_max, struct slice *plain_out) {
    /* A copy of its own size, so that a sanitizer sees a read behind it. */
    uint8_t *exact = malloc(size + 1);
    memcpy(exact, packed->bytes, size);
    struct status status =
        inflate_bytes(buffer, packed->format, slice_of(exact, size), bytes_max, plain_out);
    free(exact);
    return status.code;
}

static void fill(uint8_t *bytes, size_t size, uint64_t seed) {
    for (size_t i = 0; i < size; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (uint8_t)("abcdefgh"[seed >> 61] ^ (int)(i % 7));
    }
}

static void what_went_in_comes_out(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, 300000};
    struct packed *packed = malloc(sizeof(*packed));
    uint8_t *plain = malloc(300000);
    fill(plain, 300000, 7);
    for (enum inflate_format format = INFLATE_NONE + 1; format <= INFLATE_ZSTD; format++) {
        struct inflate_buffer buffer = {0};
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct slice out = {0};
            struct slice in = slice_of(plain, sizes[i]);
            pack(packed, format, in);
            assert_int_equal(unpack(&buffer, packed, packed->size, 300000, &out), STATUS_OK);
            assert_true(slice_equals(in, out));
            assert_int_equal(unpack(&buffer, packed, packed->size, sizes[i], &out), STATUS_OK);
        }
        inflate_buffer_deinit(&buffer);
    }
    free(plain);
    free(packed);
}

static void a_bomb_costs_no_more_than_the_limit(void **state) {
    (void)state;
    size_t size = 64 * MIB;
    uint8_t *zeros = calloc(1, size);
    struct packed *packed = malloc(sizeof(*packed));
    for (enum inflate_format format = INFLATE_NONE + 1; format <= INFLATE_ZSTD; format++) {
        struct inflate_buffer buffer = {0};
        struct slice out = {0};
        pack(packed, format, slice_of(zeros, size));
        assert_int_equal(unpack(&buffer, packed, packed->size, MIB, &out), STATUS_FULL);
        assert_true(buffer.capacity <= MIB + 1);
        assert_int_equal(unpack(&buffer, packed, packed->size, size - 1, &out), STATUS_FULL);
        assert_int_equal(unpack(&buffer, packed, packed->size, size, &out), STATUS_OK);
        inflate_buffer_deinit(&buffer);
    }
    free(packed);
    free(zeros);
}

static void a_window_above_the_standard_is_refused(void **state) {
    (void)state;
    size_t size = 20 * MIB;
    uint8_t *zeros = calloc(1, size);
    struct packed *packed = malloc(sizeof(*packed));
    struct inflate_buffer buffer = {0};
    struct slice out = {0};
    for (int window_log = 23; window_log <= 24; window_log++) {
        packed->format = INFLATE_ZSTD;
        packed->size = 0;
        pack_zstd(packed, slice_of(zeros, size), window_log);
        assert_int_equal(unpack(&buffer, packed, packed->size, size, &out),
                         window_log == 23 ? STATUS_OK : STATUS_INVALID);
    }
    inflate_buffer_deinit(&buffer);
    free(packed);
    free(zeros);
}

static void what_is_cut_short_or_followed_by_more_is_invalid(void **state) {
    (void)state;
    uint8_t plain[2000];
    fill(plain, sizeof(plain), 11);
    struct packed *packed = malloc(sizeof(*packed));
    struct inflate_buffer buffer = {0};
    struct slice out = {0};
    for (enum inflate_format format = INFLATE_NONE + 1; format <= INFLATE_ZSTD; format++) {
        pack(packed, format, slice_of(plain, sizeof(plain)));
        for (size_t size = 0; size < packed->size; size++) {
            assert_int_equal(unpack(&buffer, packed, size, MIB, &out), STATUS_INVALID);
        }
        packed->bytes[packed->size] = 0x42;
        assert_int_equal(unpack(&buffer, packed, packed->size + 1, MIB, &out), STATUS_INVALID);
    }
    inflate_buffer_deinit(&buffer);
    free(packed);
}

static void flipped_bits_do_no_harm(void **state) {
    (void)state;
    uint8_t plain[3000];
    fill(plain, sizeof(plain), 13);
    struct packed *packed = malloc(sizeof(*packed));
    struct inflate_buffer buffer = {0};
    struct slice out = {0};
    uint64_t seed = 17;
    for (enum inflate_format format = INFLATE_NONE + 1; format <= INFLATE_ZSTD; format++) {
        pack(packed, format, slice_of(plain, sizeof(plain)));
        for (int i = 0; i < 3000; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint8_t *byte = &packed->bytes[(seed >> 33) % packed->size];
            uint8_t before = *byte;
            *byte ^= (uint8_t)(1u << (seed >> 61));
            (void)unpack(&buffer, packed, packed->size, 8000, &out);
            assert_true(buffer.capacity <= 8001);
            *byte = before;
        }
    }
    inflate_buffer_deinit(&buffer);
    free(packed);
}

static void members_and_a_missing_wrapper_are_taken(void **state) {
    (void)state;
    struct packed *packed = malloc(sizeof(*packed));
    struct inflate_buffer buffer = {0};
    struct slice out = {0};
    pack(packed, INFLATE_GZIP, SLICE("one, "));
    pack_zlib(packed, SLICE("two"), 15 + 16);
    assert_int_equal(unpack(&buffer, packed, packed->size, MIB, &out), STATUS_OK);
    assert_true(slice_equals(out, SLICE("one, two")));
    packed->format = INFLATE_DEFLATE;
    packed->size = 0;
    pack_zlib(packed, SLICE("raw deflate"), -15);
    assert_int_equal(unpack(&buffer, packed, packed->size, MIB, &out), STATUS_OK);
    assert_true(slice_equals(out, SLICE("raw deflate")));
    inflate_buffer_deinit(&buffer);
    free(packed);
}

static void names_are_those_of_http(void **state) {
    (void)state;
    enum inflate_format format = INFLATE_NONE;
    assert_true(status_is_ok(inflate_format_find(SLICE("GZip"), &format)));
    assert_int_equal(format, INFLATE_GZIP);
    assert_true(status_is_ok(inflate_format_find(SLICE("zstd"), &format)));
    assert_int_equal(format, INFLATE_ZSTD);
    assert_true(status_is_ok(inflate_format_find(slice_of(NULL, 0), &format)));
    assert_int_equal(format, INFLATE_NONE);
    assert_int_equal(inflate_format_find(SLICE("br"), &format).code, STATUS_UNSUPPORTED);
    assert_int_equal(inflate_format_find(SLICE("gzip, gzip"), &format).code, STATUS_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_went_in_comes_out),
        cmocka_unit_test(a_bomb_costs_no_more_than_the_limit),
        cmocka_unit_test(a_window_above_the_standard_is_refused),
        cmocka_unit_test(what_is_cut_short_or_followed_by_more_is_invalid),
        cmocka_unit_test(flipped_bits_do_no_harm),
        cmocka_unit_test(members_and_a_missing_wrapper_are_taken),
        cmocka_unit_test(names_are_those_of_http),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
