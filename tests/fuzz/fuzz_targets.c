/* fuzz_targets.c - see fuzz_targets.h. What is accepted is looked at to the end, so that a value
 * that points outside its bytes is found by the sanitizer. */
#include "tests/fuzz/fuzz_targets.h"

#include <stdlib.h>

#include "core/base/assert.h"
#include "core/base/limits.h"
#include "core/batch.h"
#include "core/config_toml.h"
#include "core/http.h"
#include "core/journal_block.h"
#include "core/loop_sim.h"
#include "ingest/native.h"
#include "ingest/otlp_proto.h"
#include "ingest/otlp_shape.h"

enum { BATCH_BYTES = 1 << 20, ARENA_BYTES = 8 << 20 };

/* --- HTTP --- */

static void on_request(void *context, struct http_exchange exchange,
                       const struct http_request *request) {
    (void)context;
    (void)http_header_find(request, "Content-Type");
    http_respond(exchange, 200, "text/plain", NULL, request->path);
}

static void on_error(void *context, unsigned status, const char *words, struct text *body,
                     const char **content_type_out) {
    (void)context;
    *content_type_out = "text/plain";
    text_add_format(body, "%u %s", status, words);
}

static void on_refused(void *context, struct http_exchange exchange,
                       const struct http_request *request, unsigned status, const char *words) {
    (void)context;
    (void)request;
    http_respond(exchange, status, "text/plain", NULL, slice_of_text(words));
}

static const struct http_handler http_handler = {
    .on_request = on_request, .on_error = on_error, .on_refused = on_refused};

/* A server lives on from run to run (its pools cost more than a run); its connections do not. */
static struct loop *serve_http(uint16_t *port_out) {
    static struct loop *loop;
    static struct http_server *server;
    static uint16_t port;
    if (loop == NULL) {
        struct loop_options loop_options = {.backend = LOOP_SIM, .connections_max = 4};
        ASSERT(status_is_ok(loop_open(&loop_options, &loop, NULL)));
        struct http_options options = {
            .loop = loop,
            .address = SLICE("127.0.0.1:0"),
            .connections_max = 4,
            .request_bytes_max = 64 * KIB,
            .body_bytes_total_max = MIB,
            .header_timeout_ns = NS_PER_S,
            .body_timeout_ns = NS_PER_S,
            .idle_timeout_ns = NS_PER_S,
            .handler = &http_handler,
            .takes_http_2 = true,
        };
        ASSERT(status_is_ok(http_server_open(&options, &server, &port, NULL)));
    }
    *port_out = port;
    loop_sim_seed(loop, 1); /* the same bytes come in the same pieces, whatever was before */
    return loop;
}

void fuzz_http(struct slice bytes) {
    uint16_t port = 0;
    struct loop *loop = serve_http(&port);
    uint32_t client = loop_sim_connect(loop, port);
    for (uint32_t turns = 0; turns < 4096; turns++) {
        char answer[4096];
        int64_t taken = bytes.size == 0 ? 0 : loop_sim_send(loop, client, bytes);
        bytes = taken > 0 ? slice_tail(bytes, (size_t)taken) : bytes;
        ASSERT(status_is_ok(loop_run_once(loop, 0)));
        if (loop_sim_receive(loop, client, answer, sizeof(answer)) < 0) {
            break;
        }
        if (bytes.size == 0 && turns > 64) {
            loop_sim_half_close(loop, client);
            ASSERT(status_is_ok(loop_run_once(loop, 0)));
            break;
        }
    }
    loop_sim_disconnect(loop, client, true);
    ASSERT(status_is_ok(loop_run_once(loop, 0)));
    ASSERT(loop_connections_count(loop) == 0);
}

/* --- Decoders --- */

struct intake {
    struct arena arena;
    struct batch batch;
    void *memory;
};

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    struct intake *intake = context;
    (void)tenant;
    return is_full ? NULL : &intake->batch;
}

/* Every envelope that was made must be a valid one. */
static void look_at_batch(struct batch *batch) {
    struct batch_view view;
    struct slice entry;
    ASSERT(status_is_ok(batch_open(batch_finish(batch), &view)));
    while (batch_next(&view, &entry)) {
        struct envelope envelope;
        ASSERT(status_is_ok(envelope_verify(entry)));
        envelope_read(entry, &envelope);
        ASSERT(text_is_utf8(envelope.tenant) && envelope.tenant.size <= TENANT_BYTES_MAX);
    }
}

/* Its memory lives on from run to run: to map and to clear it costs more than a run. */
static struct intake *take_intake_again(void) {
    static struct intake intake;
    return &intake;
}

static struct intake *take_intake(void) {
    struct intake *intake = take_intake_again();
    if (intake->memory == NULL) {
        intake->memory = malloc(BATCH_BYTES);
        ASSERT(intake->memory != NULL && status_is_ok(arena_init(&intake->arena, ARENA_BYTES)));
        batch_init(&intake->batch, intake->memory, BATCH_BYTES);
    }
    arena_reset(&intake->arena);
    batch_clear(&intake->batch, BATCH_EVENTS);
    return intake;
}

static struct status decode_with(struct slice bytes, struct shapes *shapes,
                                 struct status (*run)(struct decode *, struct slice)) {
    struct intake *intake = take_intake();
    struct decode decode = {
        .arena = &intake->arena,
        .hash_seed = 1,
        .now_ns = UINT64_C(1800000000) * NS_PER_S,
        .source = SLICE("fuzz"),
        .batch_for = batch_for,
        .shapes = shapes,
        .native_shapes = shapes,
        .context = intake,
    };
    struct status status = run(&decode, bytes);
    ASSERT(status_is_ok(status) || status.code == STATUS_INVALID || status.code == STATUS_FULL);
    look_at_batch(&intake->batch);
    return status;
}

static void decode_by(struct slice bytes, struct status (*run)(struct decode *, struct slice)) {
    struct status unused = decode_with(bytes, NULL, run);
    (void)unused;
}

/* Records taken by a spelling that was learned (of the same text, the second time) are what the
 * walk alone makes of them. */
static void decode_shaped(struct slice bytes) {
    static struct shapes shapes;
    static uint8_t kept[BATCH_BYTES];
    struct status walked = decode_with(bytes, NULL, otlp_json_decode_logs);
    struct slice expected = batch_finish(&take_intake_again()->batch);
    memcpy(kept, expected.data, expected.size);
    shapes_init(&shapes);
    for (int i = 0; i < 2; i++) {
        struct status shaped = decode_with(bytes, &shapes, otlp_json_decode_logs);
        struct slice got = batch_finish(&take_intake_again()->batch);
        ASSERT(shaped.code == walked.code);
        ASSERT(!status_is_ok(walked) || slice_equals(got, slice_of(kept, expected.size)));
    }
}

static struct status decode_lines(struct decode *decode, struct slice bytes) {
    return native_decode(decode, bytes, true);
}

static struct status decode_json(struct decode *decode, struct slice bytes) {
    return native_decode(decode, bytes, false);
}

static struct status walk_lines(struct decode *decode, struct slice bytes) {
    decode->walks_only = true;
    return native_decode(decode, bytes, true);
}

static struct status walk_json(struct decode *decode, struct slice bytes) {
    decode->walks_only = true;
    return native_decode(decode, bytes, false);
}

/* Events taken in their usual spelling, or by a shape that was learned (of the same text, the
 * second time), are what the walk alone makes of them. */
static void decode_both(struct slice bytes, struct status (*walk)(struct decode *, struct slice),
                        struct status (*run)(struct decode *, struct slice)) {
    static struct shapes shapes;
    static uint8_t kept[BATCH_BYTES];
    struct shapes *const ways[] = {NULL, &shapes, &shapes};
    struct status walked = decode_with(bytes, NULL, walk);
    struct slice expected = batch_finish(&take_intake_again()->batch);
    memcpy(kept, expected.data, expected.size);
    shapes_init(&shapes);
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        struct status taken = decode_with(bytes, ways[i], run);
        struct slice got = batch_finish(&take_intake_again()->batch);
        bool is_short = walked.code == STATUS_FULL || taken.code == STATUS_FULL; /* of memory */
        ASSERT(is_short || taken.code == walked.code);
        ASSERT(is_short || !status_is_ok(walked) ||
               slice_equals(got, slice_of(kept, expected.size)));
    }
}

void fuzz_native(struct slice bytes) {
    decode_both(bytes, walk_json, decode_json);
    decode_both(bytes, walk_lines, decode_lines);
}

void fuzz_otlp_json(struct slice bytes) {
    decode_shaped(bytes);
    decode_by(bytes, otlp_json_decode_traces);
    decode_by(bytes, otlp_json_decode_metrics);
}

void fuzz_otlp_proto(struct slice bytes) {
    decode_by(bytes, otlp_proto_decode_logs);
    decode_by(bytes, otlp_proto_decode_traces);
    decode_by(bytes, otlp_proto_decode_metrics);
}

/* --- Configuration --- */

void fuzz_toml(struct slice bytes) {
    struct arena arena;
    struct toml_value root;
    struct fault fault;
    struct toml_source source = {SLICE("fuzz.toml"), bytes};
    ASSERT(status_is_ok(arena_init(&arena, ARENA_BYTES)));
    struct status status = toml_parse(&source, 1, &arena, &root, &fault);
    ASSERT(status_is_ok(status) || status.code == STATUS_INVALID || status.code == STATUS_FULL);
    arena_deinit(&arena);
}

/* --- What stands on the disk --- */

void fuzz_envelope(struct slice bytes) {
    struct envelope envelope;
    if (!status_is_ok(envelope_verify(bytes))) {
        return;
    }
    envelope_read(bytes, &envelope);
    volatile uint8_t last = 0;
    struct slice parts[] = {envelope.tenant, envelope.entity, envelope.event_id, envelope.message,
                            envelope.reason, envelope.raw,    envelope.source,   envelope.run_id};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        last = parts[i].size > 0 ? parts[i].data[parts[i].size - 1] : last;
    }
    for (uint32_t i = 0; i < envelope.depends_on_count; i++) {
        struct slice upstream = envelope_depends_on_at(bytes, i);
        last = upstream.size > 0 ? upstream.data[upstream.size - 1] : last;
    }
}

/* A block is met with any bytes; the checksum is mended, so that what lies behind it is reached. */
void fuzz_block(struct slice bytes) {
    struct journal_block_header header = {0};
    if (bytes.size < JOURNAL_BLOCK_HEADER_BYTES || bytes.size > MIB) {
        return;
    }
    if (status_is_ok(journal_block_read_header(slice_head(bytes, JOURNAL_BLOCK_HEADER_BYTES), 0, 0,
                                               &header))) {
        (void)!status_is_ok(journal_block_verify(bytes, &header));
    }
    size_t payload = bytes.size - JOURNAL_BLOCK_HEADER_BYTES;
    uint8_t *block = calloc(1, journal_block_padded_bytes(payload));
    ASSERT(block != NULL);
    memcpy(block, bytes.data, bytes.size);
    memcpy(&header.count, bytes.data + 20, sizeof(header.count));
    header.count = header.count == 0 ? 1 : header.count;
    header.first_seq = 1;
    header.payload_bytes = (uint32_t)payload;
    journal_block_seal(block, &header,
                       crc32c_of(slice_of(block + JOURNAL_BLOCK_HEADER_BYTES, payload), 0));
    if (status_is_ok(journal_block_verify(slice_of(block, bytes.size), &header))) {
        struct slice records = slice_of(block + JOURNAL_BLOCK_HEADER_BYTES, payload);
        for (size_t size = journal_block_record_bytes(records); size > 0;
             size = journal_block_record_bytes(records)) {
            struct batch_view view;
            struct slice entry;
            bool is_batch = status_is_ok(batch_open(slice_head(records, size), &view));
            while (is_batch && batch_next(&view, &entry)) {
                fuzz_envelope(entry);
            }
            records = slice_tail(records, size);
        }
    }
    free(block);
}

const struct fuzz_target fuzz_targets[] = {
    {"http", fuzz_http},         {"otlp_json", fuzz_otlp_json}, {"otlp_proto", fuzz_otlp_proto},
    {"native", fuzz_native},     {"toml", fuzz_toml},           {"block", fuzz_block},
    {"envelope", fuzz_envelope},
};
const unsigned fuzz_targets_count = sizeof(fuzz_targets) / sizeof(fuzz_targets[0]);
