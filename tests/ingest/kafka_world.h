/*
 * kafka_world.h - a Kafka source in a test's hands: its state, an empty store, and a shard that is
 * the test itself. What the shard got is kept as words: "range t/0 0-3 =3", "job:a", "! reason",
 * "edge of service:a".
 */
#pragma once

#include "tests/base/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ingest/kafka_internal.h"

enum { SAID_MAX = 1 << 17 };

struct world {
    char directory[64];
    struct config *config;
    struct arena arena;
    struct gate gate;
    struct store *store;
    struct span_memory *spans;
    struct source_board board;
    struct stats stats;
    struct logger logger;
    atomic_bool is_ready;
    struct kafka_source *source;
    char *said[SAID_MAX];
    uint32_t said_count;
    uint32_t batches_count;
    uint32_t events_count; /* envelopes */
};

static inline void world_say(struct world *world, char *words) {
    assert_true(world->said_count < SAID_MAX);
    world->said[world->said_count++] = words;
}

/* toml is the inside of [[kafka]]. */
static inline struct world *world_open(const char *toml) {
    struct world *world = calloc(1, sizeof(*world));
    char path[96];
    scratch_make(world->directory, sizeof(world->directory));
    (void)snprintf(path, sizeof(path), "%s/quell.toml", world->directory);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fprintf(file, "[[kafka]]\n%s", toml);
    (void)fclose(file);
    struct config_options config_options = {.path = path};
    static char error_memory[4096];
    struct config_errors errors = {.text = text_over(error_memory, sizeof(error_memory))};
    struct status status = config_load(&config_options, &world->config, &errors);
    if (!status_is_ok(status)) {
        fail_msg("%s", error_memory);
    }
    struct store_options store_options = {.directory = world->directory, .map_bytes_max = GIB};
    struct fault fault = {{0}};
    assert_status(store_open(&store_options, &world->store, &fault), OK);
    assert_status(arena_init(&world->arena, 64 * MIB), OK);
    assert_status(gate_init(&world->gate, &world->arena), OK);
    assert_status(span_memory_open(7, &world->spans), OK);
    source_board_init(&world->board);
    world->logger = (struct logger){.fd = -1, .level_min = LOG_LEVEL_ERROR};
    atomic_store(&world->is_ready, true);
    struct kafka_source_options options = {
        .config = world->config,
        .hash_seed = 7,
        .gate = &world->gate,
        .store = world->store,
        .board = &world->board,
        .spans = world->spans,
        .stats = &world->stats,
        .logger = &world->logger,
        .is_ready = &world->is_ready,
    };
    status = kafka_source_open(&options, &world->source, &fault);
    if (!status_is_ok(status)) {
        fail_msg("%s", fault.words);
    }
    return world;
}

static inline void world_close(struct world *world) {
    kafka_source_close(world->source);
    store_close(world->store);
    span_memory_close(world->spans);
    config_release(world->config);
    arena_deinit(&world->arena);
    scratch_remove(world->directory);
    for (uint32_t i = 0; i < world->said_count; i++) {
        free(world->said[i]);
    }
    free(world);
}

/* --- The shard --- */

static inline void world_read_range(struct world *world, const struct stream_range *range) {
    char *words = NULL;
    char from[32] = "";
    char to[32] = "";
    (void)snprintf(from, sizeof(from), range->from.part > 0 ? "%llu.%u" : "%llu",
                   (unsigned long long)range->from.offset, range->from.part);
    (void)snprintf(to, sizeof(to), range->to.part > 0 ? "%llu.%u" : "%llu",
                   (unsigned long long)range->to.offset, range->to.part);
    assert_true(asprintf(&words, "range %.*s/%u %s-%s =%u%s", SLICE_PRINT(range->name.topic),
                         range->name.partition, from, to, range->envelopes,
                         range->is_reset ? " reset" : "") > 0);
    world_say(world, words);
}

static inline void world_read_envelope(struct world *world, struct slice entry) {
    struct envelope envelope;
    char *words = NULL;
    assert_status(envelope_verify(entry), OK);
    envelope_read(entry, &envelope);
    assert_true(slice_starts_with(envelope.source, SLICE("kafka:")));
    assert_true(slice_find_byte(envelope.source, '@') < envelope.source.size);
    bool is_refused = (envelope.flags & ENVELOPE_REFUSED) != 0;
    bool is_edge = (envelope.flags & ENVELOPE_LEARNED) != 0;
    assert_true(asprintf(&words, "%s%.*s",
                         is_refused ? "! "
                         : is_edge  ? "edge of "
                                    : "",
                         SLICE_PRINT(is_refused ? envelope.reason : envelope.entity)) > 0);
    world_say(world, words);
}

/* Takes the batch that was sent, keeps its words when it is answered OK; false: there is none. */
static inline bool world_answer(struct world *world, enum status_code outcome) {
    struct batch *batch = gate_receive(&world->gate);
    if (batch == NULL) {
        return false;
    }
    struct batch_view view;
    struct slice entry;
    assert_status(batch_open(writer_slice(&batch->writer), &view), OK);
    assert_int_equal(view.kind, BATCH_STREAM);
    uint32_t left = 0;
    while (outcome == STATUS_OK && batch_next(&view, &entry)) {
        struct stream_range range;
        if (left > 0) {
            world_read_envelope(world, entry);
            world->events_count++;
            left--;
            continue;
        }
        assert_status(stream_range_decode(entry, &range), OK);
        world_read_range(world, &range);
        left = range.envelopes;
    }
    assert_int_equal(left, 0);
    world->batches_count++;
    gate_answer(&world->gate, batch, outcome);
    gate_wake_source(&world->gate);
    return true;
}
