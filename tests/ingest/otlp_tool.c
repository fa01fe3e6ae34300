/*
 * otlp_tool.c - reads lines "logs|traces|metrics json|proto <hex of the body>" and writes for each
 * its envelopes as hex ("refused:" and the reason as hex for those), separated by spaces, or
 * "invalid: why". For otlp_pairs.py.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/assert.h"
#include "ingest/decode.h"
#include "ingest/otlp_proto.h"

enum { LINE_BYTES_MAX = 1 << 22, BATCH_ROOM = 1 << 21 };

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    (void)tenant;
    return is_full ? NULL : context;
}

static void write_envelopes(struct batch *batch) {
    struct batch_view view;
    struct slice entry;
    ASSERT(status_is_ok(batch_open(batch_finish(batch), &view)));
    for (bool is_first = true; batch_next(&view, &entry); is_first = false) {
        ASSERT(status_is_ok(envelope_verify(entry)));
        struct envelope envelope;
        envelope_read(entry, &envelope);
        fputs(is_first ? "" : " ", stdout);
        if ((envelope.flags & ENVELOPE_REFUSED) != 0) {
            fputs("refused:", stdout); /* its raw bytes differ, the reason does not */
            entry = envelope.reason;
        }
        for (size_t i = 0; i < entry.size; i++) {
            printf("%02x", entry.data[i]);
        }
    }
    puts("");
}

static void run_line(const char *what, const char *encoding, struct slice body, struct arena *arena,
                     uint8_t *memory) {
    typedef struct status decode_fn(struct decode *, struct slice);
    static decode_fn *const decoders[3][2] = {
        {otlp_json_decode_logs, otlp_proto_decode_logs},
        {otlp_json_decode_traces, otlp_proto_decode_traces},
        {otlp_json_decode_metrics, otlp_proto_decode_metrics},
    };
    struct batch batch;
    batch_init(&batch, memory, BATCH_ROOM);
    arena_reset(arena);
    struct decode decode = {.now_ns = UINT64_C(1800000000000000000),
                            .hash_seed = 7,
                            .source = SLICE("otlp-http"),
                            .batch_for = batch_for,
                            .context = &batch,
                            .arena = arena};
    struct status status =
        decoders[strcmp(what, "traces") == 0    ? 1
                 : strcmp(what, "metrics") == 0 ? 2
                                                : 0][strcmp(encoding, "proto") == 0](&decode, body);
    if (status_is_ok(status)) {
        write_envelopes(&batch);
    } else {
        printf("invalid: %s\n", decode.fault.words);
    }
}

int main(void) {
    struct arena arena = {0};
    char *line = malloc(LINE_BYTES_MAX);
    uint8_t *body = malloc(LINE_BYTES_MAX / 2);
    uint8_t *memory = malloc(BATCH_ROOM);
    ASSERT(line != NULL && body != NULL && memory != NULL);
    ASSERT(status_is_ok(arena_init(&arena, 1u << 24)));
    while (fgets(line, LINE_BYTES_MAX, stdin) != NULL) {
        char what[16];
        char encoding[16];
        int start = 0;
        ASSERT(sscanf(line, "%15s %15s %n", what, encoding, &start) == 2);
        size_t size = strcspn(line + start, "\n") / 2;
        ASSERT(size == 0 ||
               status_is_ok(text_parse_hex(slice_of(line + start, 2 * size), body, size)));
        run_line(what, encoding, slice_of(body, size), &arena, memory);
        fflush(stdout);
    }
    free(line);
    free(body);
    free(memory);
    arena_deinit(&arena);
    return 0;
}
