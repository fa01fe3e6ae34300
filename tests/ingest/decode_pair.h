/* decode_pair.h - a body decoded twice, by the walk alone and by what is quicker, to be compared.
 */
#pragma once

#include <stdlib.h>

#include "ingest/decode.h"
#include "tests/base/unit.h"

enum { ROOM = 1 << 20, TEXT_ROOM = 1 << 16 };

struct decoding {
    uint8_t *memory;
    struct batch batch;
    struct arena arena;
    struct decode decode;
    struct status status;
    struct slice bytes;
};

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    (void)tenant;
    return is_full ? NULL : &((struct decoding *)context)->batch;
}

static void pair_init(struct decoding *pair) {
    for (int i = 0; i < 2; i++) {
        pair[i].memory = malloc(ROOM);
        assert_non_null(pair[i].memory);
        assert_status(arena_init(&pair[i].arena, ROOM), OK);
    }
}

static void pair_deinit(struct decoding *pair) {
    for (int i = 0; i < 2; i++) {
        free(pair[i].memory);
        arena_deinit(&pair[i].arena);
    }
}

/* Ready for a body. */
static struct decode *decoding_begin(struct decoding *decoding) {
    batch_init(&decoding->batch, decoding->memory, ROOM);
    arena_reset(&decoding->arena);
    decoding->decode = (struct decode){.now_ns = UINT64_C(1800000000000000000),
                                       .source = SLICE("test"),
                                       .batch_for = batch_for,
                                       .arena = &decoding->arena,
                                       .context = decoding};
    return &decoding->decode;
}

static void decoding_end(struct decoding *decoding, struct status status) {
    decoding->status = status;
    decoding->bytes = batch_finish(&decoding->batch);
}

/* Both made the same of it; whether it could be read. */
static bool expect_same_envelopes(const struct decoding *pair) {
    assert_int_equal(pair[0].status.code, pair[1].status.code);
    if (status_is_ok(pair[0].status)) {
        assert_int_equal(pair[0].decode.accepted, pair[1].decode.accepted);
        assert_int_equal(pair[0].decode.refused, pair[1].decode.refused);
        assert_true(slice_equals(pair[0].bytes, pair[1].bytes));
    }
    return status_is_ok(pair[0].status);
}
