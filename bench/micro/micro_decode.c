/*
 * micro_decode.c - from a request's bytes to envelopes: the requests of `quell load`, 100 records
 * each, and what their parsing alone costs.
 */
#include <stdlib.h>

#include "bench/load_bodies.h"
#include "bench/micro/micro.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "ingest/decode.h"
#include "ingest/native.h"
#include "ingest/otlp_proto.h"
#include "ingest/otlp_shape.h"

#define NOW_NS UINT64_C(1800000000000000000)
enum { BATCH_RECORDS = 100, BATCH_ROOM = 1 << 20 };

struct decoding {
    struct load_pool pool;
    struct arena arena;
    struct batch batch;
    struct shapes shapes;
    struct shapes native_shapes;
    uint8_t *memory;
    uint32_t next;
};

static void deinit(void *state) {
    struct decoding *decoding = state;
    load_pool_deinit(&decoding->pool);
    arena_deinit(&decoding->arena);
    free(decoding->memory);
    free(decoding);
}

static void *init_protocol(enum load_protocol protocol) {
    struct decoding *decoding = calloc(1, sizeof(*decoding));
    struct load_world world = {.protocol = protocol,
                               .host = "bench",
                               .seed = 1,
                               .batch_records = BATCH_RECORDS,
                               .services = 200,
                               .tenants = 1,
                               .attributes = 2,
                               .errors = 0.01};
    struct fault fault;
    ASSERT(decoding != NULL);
    decoding->memory = malloc(BATCH_ROOM);
    ASSERT(decoding->memory != NULL);
    shapes_init(&decoding->shapes);
    shapes_init(&decoding->native_shapes);
    batch_init(&decoding->batch, decoding->memory, BATCH_ROOM);
    ASSERT(status_is_ok(arena_init(&decoding->arena, 16 * MIB)));
    ASSERT(status_is_ok(load_pool_init(&decoding->pool, &world, &fault)));
    for (uint32_t i = 0; i < decoding->pool.count; i++) {
        load_request_stamp(&decoding->pool, &decoding->pool.requests[i], NOW_NS);
    }
    return decoding;
}

static void *init_json(const char *directory) {
    (void)directory;
    return init_protocol(LOAD_OTLP_JSON);
}

static void *init_proto(const char *directory) {
    (void)directory;
    return init_protocol(LOAD_OTLP_PROTO);
}

static void *init_native(const char *directory) {
    (void)directory;
    return init_protocol(LOAD_NATIVE);
}

static struct slice next_body(struct decoding *decoding) {
    struct load_request *request =
        &decoding->pool.requests[decoding->next++ % decoding->pool.count];
    return slice_of(request->bytes + request->body_at, request->size - request->body_at);
}

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    struct decoding *decoding = context;
    (void)tenant;
    return is_full ? NULL : &decoding->batch;
}

typedef struct status decode_body(struct decode *decode, struct slice body);

static struct micro_work decode_rounds(struct decoding *decoding, uint64_t rounds,
                                       decode_body *decode_one) {
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        struct slice body = next_body(decoding);
        struct decode decode = {.arena = &decoding->arena,
                                .shapes = &decoding->shapes,
                                .native_shapes = &decoding->native_shapes,
                                .hash_seed = 7,
                                .now_ns = NOW_NS,
                                .source = SLICE("bench"),
                                .batch_for = batch_for,
                                .context = decoding};
        arena_reset(&decoding->arena);
        batch_clear(&decoding->batch, BATCH_EVENTS);
        struct status status = decode_one(&decode, body);
        ASSERT(status_is_ok(status) && decode.accepted == BATCH_RECORDS);
        micro_use(decoding->batch.writer.size);
        bytes += body.size;
    }
    return (struct micro_work){rounds * BATCH_RECORDS, bytes};
}

static struct status decode_native(struct decode *decode, struct slice body) {
    return native_decode(decode, body, true);
}

static struct micro_work run_json(void *state, uint64_t rounds) {
    return decode_rounds(state, rounds, otlp_json_decode_logs);
}

static struct micro_work run_proto(void *state, uint64_t rounds) {
    return decode_rounds(state, rounds, otlp_proto_decode_logs);
}

static struct micro_work run_native(void *state, uint64_t rounds) {
    return decode_rounds(state, rounds, decode_native);
}

/* Where tokens are and that it is UTF-8: what no reader of JSON can do without. */
static struct micro_work run_index(void *state, uint64_t rounds) {
    struct decoding *decoding = state;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        struct slice body = next_body(decoding);
        arena_reset(&decoding->arena);
        struct json_walk walk = json_walk_over(body, &decoding->arena);
        while (walk.index->next_at < body.size) {
            json_index_fill(walk.index);
            ASSERT(walk.index->error == NULL);
            micro_use(walk.index->count);
        }
        bytes += body.size;
    }
    return (struct micro_work){rounds * BATCH_RECORDS, bytes};
}

/* The grammar checked, nothing taken. */
static struct micro_work run_skip(void *state, uint64_t rounds) {
    struct decoding *decoding = state;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        struct slice body = next_body(decoding);
        arena_reset(&decoding->arena);
        struct json_walk walk = json_walk_over(body, &decoding->arena);
        while (json_next_at(&walk) < body.size) { /* one text, or one a line */
            ASSERT(json_skip(&walk, NULL));
        }
        bytes += body.size;
    }
    return (struct micro_work){rounds * BATCH_RECORDS, bytes};
}

/* Envelopes of one decoded request, to be written and read again. */
struct envelopes {
    struct decoding *decoding;
    struct envelope items[BATCH_RECORDS];
    struct slice bytes[BATCH_RECORDS];
    uint8_t out[ENVELOPE_BYTES_MAX];
};

static void *init_envelopes(const char *directory) {
    struct envelopes *envelopes = calloc(1, sizeof(*envelopes));
    ASSERT(envelopes != NULL);
    envelopes->decoding = init_json(directory);
    (void)run_json(envelopes->decoding, 1);
    struct batch_view view;
    ASSERT(status_is_ok(batch_open(batch_finish(&envelopes->decoding->batch), &view)));
    for (int i = 0; batch_next(&view, &envelopes->bytes[i]); i++) {
        envelope_read(envelopes->bytes[i], &envelopes->items[i]);
        envelopes->items[i].attributes_count = 0;
        envelopes->items[i].depends_on_count = 0;
        if (i == BATCH_RECORDS - 1) {
            break;
        }
    }
    return envelopes;
}

static void deinit_envelopes(void *state) {
    struct envelopes *envelopes = state;
    deinit(envelopes->decoding);
    free(envelopes);
}

static struct micro_work run_encode(void *state, uint64_t rounds) {
    struct envelopes *envelopes = state;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < rounds * BATCH_RECORDS; i++) {
        struct writer writer = writer_over(envelopes->out, sizeof(envelopes->out));
        ASSERT(status_is_ok(envelope_encode(&envelopes->items[i % BATCH_RECORDS], &writer)));
        bytes += writer.size;
    }
    return (struct micro_work){rounds * BATCH_RECORDS, bytes};
}

static struct micro_work run_read(void *state, uint64_t rounds) {
    struct envelopes *envelopes = state;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < rounds * BATCH_RECORDS; i++) {
        struct slice entry = envelopes->bytes[i % BATCH_RECORDS];
        struct envelope envelope;
        ASSERT(status_is_ok(envelope_verify(entry)));
        envelope_read(entry, &envelope);
        micro_use(envelope.event_key.lo);
        bytes += entry.size;
    }
    return (struct micro_work){rounds * BATCH_RECORDS, bytes};
}

const struct micro_bench micro_decode_benches[] = {
    {"json_index", "record", "memcpy", init_json, run_index, deinit, false},
    {"json_skip", "record", "json_index", init_json, run_skip, deinit, false},
    {"otlp_json_decode", "record", "json_skip", init_json, run_json, deinit, false},
    {"otlp_proto_decode", "record", "memcpy", init_proto, run_proto, deinit, false},
    {"native_skip", "record", "json_index", init_native, run_skip, deinit, false},
    {"native_decode", "record", "json_index", init_native, run_native, deinit, false},
    {"envelope_encode", "record", "memcpy", init_envelopes, run_encode, deinit_envelopes, false},
    {"envelope_verify_read", "record", "memcpy", init_envelopes, run_read, deinit_envelopes, false},
    {0},
};
