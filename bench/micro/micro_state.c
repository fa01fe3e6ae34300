/* micro_state.c - what the engine does behind the journal: ids, windows, a whole batch. */
#include <stdio.h>
#include <stdlib.h>

#include "bench/load_bodies.h"
#include "bench/micro/micro.h"
#include "core/base/assert.h"
#include "core/base/limits.h"
#include "engine/engine_state.h"
#include "ingest/decode.h"
#include "ingest/otlp_proto.h"

#define NOW_NS UINT64_C(1800000000000000000)
enum { KEYS = 1 << 20, BATCH_RECORDS = 100, BATCHES = 256, BATCH_ROOM = 128 * 1024 };

/* --- Idempotency and dedup --- */

struct keys {
    struct arena arena;
    struct effects effects;
    struct event_ids *ids;
    struct dedup *dedup;
    struct random random;
    uint64_t seq;
};

static void deinit_keys(void *state) {
    struct keys *keys = state;
    arena_deinit(&keys->arena);
    free(keys);
}

static void *init_keys(const char *directory) {
    struct keys *keys = calloc(1, sizeof(*keys));
    struct event_ids_options id_options = {.count_max = KEYS};
    struct dedup_options dedup_options = {.keys_max = KEYS, .entities_max = KEYS};
    (void)directory;
    ASSERT(keys != NULL);
    keys->random.state = 1;
    ASSERT(status_is_ok(arena_init(&keys->arena, GIB)));
    ASSERT(status_is_ok(effects_init(&keys->effects, 4 * MIB, &keys->arena)));
    ASSERT(status_is_ok(event_ids_init(&keys->ids, &id_options, &keys->arena)));
    ASSERT(status_is_ok(dedup_init(&keys->dedup, &dedup_options, &keys->arena)));
    return keys;
}

static struct hash128 next_key(struct keys *keys) {
    uint64_t low = random_next(&keys->random);
    return (struct hash128){low, random_next(&keys->random)};
}

/* New ids, as they come in batches; once full, each also makes the oldest one go. */
static struct micro_work run_ids(void *state, uint64_t rounds) {
    struct keys *keys = state;
    for (uint64_t i = 0; i < rounds; i++) {
        struct hash128 batch[BATCH_RECORDS];
        event_ids_begin_batch(keys->ids, ++keys->seq, NOW_NS, NS_PER_HOUR);
        for (int k = 0; k < BATCH_RECORDS; k++) {
            batch[k] = next_key(keys);
            event_ids_prefetch(keys->ids, batch[k]);
        }
        for (int k = 0; k < BATCH_RECORDS; k++) {
            micro_use(event_ids_admit(keys->ids, batch[k]));
        }
        event_ids_end_batch(keys->ids, &keys->effects);
        effects_clear(&keys->effects);
    }
    return (struct micro_work){rounds * BATCH_RECORDS, rounds * BATCH_RECORDS * 16};
}

/* Repeats over half a million live fingerprints. */
static struct micro_work run_dedup(void *state, uint64_t rounds) {
    struct keys *keys = state;
    for (uint64_t i = 0; i < rounds * BATCH_RECORDS; i++) {
        uint64_t number = random_below(&keys->random, KEYS / 2);
        struct hash128 fingerprint = {number * 0x9E3779B97F4A7C15ULL, number};
        const struct dedup_rule rule = {10 * NS_PER_MINUTE, NS_PER_HOUR, 0, 0};
        struct dedup_answer answer =
            dedup_admit(keys->dedup, fingerprint, (uint32_t)number, NOW_NS, &rule);
        micro_use(answer.count);
        if (i % 1024 == 0) {
            while (!dedup_emit(keys->dedup, &keys->effects)) {
                effects_clear(&keys->effects);
            }
            effects_clear(&keys->effects);
        }
    }
    return (struct micro_work){rounds * BATCH_RECORDS, rounds * BATCH_RECORDS * 16};
}

/* --- The engine --- */

struct applying {
    struct engine engine;
    struct store *store;
    struct load_pool pool;
    struct arena arena;
    struct batch batches[BATCHES];
    uint8_t *memory;
    uint32_t keys_at[BATCHES][BATCH_RECORDS]; /* where each event's key stands */
    uint64_t seq;
    struct logger logger;
};

static struct batch *batch_for(void *context, struct slice tenant, bool is_full) {
    (void)tenant;
    return is_full ? NULL : context;
}

static void prepare_batch(struct applying *applying, uint32_t index) {
    struct load_request *request = &applying->pool.requests[index];
    struct batch *batch = &applying->batches[index];
    struct batch_view view;
    struct slice entry;
    struct decode decode = {.arena = &applying->arena,
                            .hash_seed = 7,
                            .now_ns = NOW_NS,
                            .source = SLICE("bench"),
                            .batch_for = batch_for,
                            .context = batch};
    batch_init(batch, applying->memory + (size_t)index * BATCH_ROOM, BATCH_ROOM);
    load_request_stamp(&applying->pool, request, NOW_NS);
    arena_reset(&applying->arena);
    struct slice body =
        slice_of(request->bytes + request->body_at, request->size - request->body_at);
    ASSERT(status_is_ok(otlp_proto_decode_logs(&decode, body)));
    ASSERT(status_is_ok(batch_open(batch_finish(batch), &view)));
    for (int i = 0; batch_next(&view, &entry); i++) {
        struct envelope envelope;
        envelope_read(entry, &envelope);
        const uint8_t *at = memmem(entry.data, entry.size, &envelope.event_key, 16);
        ASSERT(at != NULL);
        applying->keys_at[index][i] = (uint32_t)(at - batch->writer.data);
    }
}

static void *init_engine(const char *directory) {
    struct applying *applying = calloc(1, sizeof(*applying));
    struct fault fault = {{0}};
    char poison[256];
    ASSERT(applying != NULL);
    (void)snprintf(poison, sizeof(poison), "%s/poison", directory);
    struct store_options store_options = {.directory = directory, .map_bytes_max = 8 * GIB};
    ASSERT(status_is_ok(store_open(&store_options, &applying->store, &fault)));
    struct engine_options options = {.nodes_max = 1 << 16,
                                     .edges_max = 1 << 16,
                                     .dedup_keys_max = 1 << 18,
                                     .event_ids_max = 1 << 20,
                                     .incidents_max = 1 << 12,
                                     .hash_seed = 7,
                                     .store = applying->store,
                                     .poison_path = poison,
                                     .logger = &applying->logger};
    ASSERT(status_is_ok(engine_init(&applying->engine, &options, &fault)));
    struct load_world world = {.protocol = LOAD_OTLP_PROTO,
                               .host = "bench",
                               .seed = 1,
                               .batch_records = BATCH_RECORDS,
                               .services = 200,
                               .tenants = 1,
                               .attributes = 2,
                               .errors = 0.01};
    ASSERT(status_is_ok(load_pool_init(&applying->pool, &world, &fault)));
    ASSERT(status_is_ok(arena_init(&applying->arena, 16 * MIB)));
    applying->memory = malloc((size_t)BATCHES * BATCH_ROOM);
    ASSERT(applying->memory != NULL && applying->pool.count == BATCHES);
    for (uint32_t i = 0; i < BATCHES; i++) {
        prepare_batch(applying, i);
    }
    return applying;
}

static void deinit_engine(void *state) {
    struct applying *applying = state;
    engine_deinit(&applying->engine);
    store_close(applying->store);
    load_pool_deinit(&applying->pool);
    arena_deinit(&applying->arena);
    free(applying->memory);
    free(applying);
}

/* Batches of new events, one in a hundred an error, with a commit every 256: the road behind the
 * journal as a busy shard goes it. */
static struct micro_work run_engine(void *state, uint64_t rounds) {
    struct applying *applying = state;
    struct fault fault;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < rounds; i++) {
        uint32_t index = (uint32_t)(applying->seq % BATCHES);
        struct batch *batch = &applying->batches[index];
        for (int k = 0; k < BATCH_RECORDS; k++) {
            uint64_t low = (applying->seq * BATCH_RECORDS + (uint64_t)k) * 0x9E3779B97F4A7C15ULL;
            memcpy(batch->writer.data + applying->keys_at[index][k], &low, sizeof(low));
        }
        applying->seq++;
        struct slice record = batch_finish(batch);
        batch_set_stamp(batch->writer.data, NOW_NS + applying->seq * 10000);
        batch_set_seq(batch->writer.data, applying->seq);
        ASSERT(status_is_ok(engine_apply(&applying->engine, record, &fault)));
        bytes += record.size;
        if (applying->seq % BATCHES == 0) {
            ASSERT(status_is_ok(engine_commit(&applying->engine, &fault)));
        }
    }
    return (struct micro_work){rounds * BATCH_RECORDS, bytes};
}

const struct micro_bench micro_state_benches[] = {
    {"event_ids_admit_new", "record", NULL, init_keys, run_ids, deinit_keys, false},
    {"dedup_admit_repeat", "record", NULL, init_keys, run_dedup, deinit_keys, false},
    {"engine_apply_commit", "record", "event_ids_admit_new", init_engine, run_engine, deinit_engine,
     false},
    {0},
};
