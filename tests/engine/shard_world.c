/* shard_world.c - see shard_world.h. */
#include "tests/engine/shard_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "schemas/derive.h"
#include "tests/base/scratch.h"

enum { UPSTREAMS_MAX = 4 };

/* --- A scratch shard, by hand --- */

static void on_flushed(void *context, struct status status) {
    struct world *world = context;
    assert_status(status, OK);
    world->is_flushed = true;
}

struct status try_start(struct world *world) {
    struct store_options store_options = {.directory = world->state_path, .map_bytes_max = GIB};
    assert_status(store_open(&store_options, &world->store, &world->fault), OK);
    struct engine_options options = {
        .nodes_max = world->nodes_max,
        .edges_max = world->edges_max,
        .dedup_keys_max = 1u << 10,
        .event_ids_max = 1u << 12,
        .incidents_max = 1u << 8,
        .kept_bytes_max = world->kept_bytes_max,
        .kept_rows_max = world->kept_rows_max,
        .hash_seed = HASH_SEED,
        .store = world->store,
        .poison_path = world->poison_path,
        .logger = world->logger,
        .stats = &world->stats,
        .progress = world->progress,
    };
    assert_status(engine_init(&world->engine, &options, &world->fault), OK);
    return engine_recover(&world->engine, world->journal_path, &world->fault);
}

void start(struct world *world) {
    struct status status = try_start(world);
    if (!status_is_ok(status)) {
        fail_msg("recover: %s: %s", status_name(status), world->fault.words);
    }
}

/* As a crash leaves it: what was not committed is gone. */
void crash(struct world *world) {
    engine_deinit(&world->engine);
    store_close(world->store);
}

void restart(struct world *world) {
    crash(world);
    start(world);
}

/* Makes the open batch a durable record that nobody has applied yet; its bytes are valid until the
 * next. */
struct slice write_record(struct world *world) {
    struct journal_block block;
    struct slice record;
    uint64_t seq = 0;
    world->now_ns += NS_PER_S;
    world->is_flushed = false;
    assert_status(journal_append(world->journal, batch_finish(&world->batch), world->now_ns, &seq),
                  OK);
    while (journal_is_flushing(world->journal)) { /* zeroes in its way */
        assert_status(loop_run_once(world->loop, NS_PER_S), OK);
    }
    assert_status(journal_flush(world->journal, on_flushed, world, &block), OK);
    while (!world->is_flushed) {
        assert_status(loop_run_once(world->loop, NS_PER_S), OK);
    }
    assert_true(journal_block_next(&block, &record));
    batch_clear(&world->batch, BATCH_EVENTS);
    return record;
}

void apply_record(struct world *world) {
    assert_status(engine_apply(&world->engine, write_record(world), &world->fault), OK);
}

void apply_tick(struct world *world, uint64_t span_ns) {
    batch_clear(&world->batch, BATCH_TICK);
    world->now_ns += span_ns;
    apply_record(world);
}

void commit(struct world *world) {
    assert_status(engine_commit(&world->engine, &world->fault), OK);
}

int set_up(void **state) {
    static struct world world;
    world = (struct world){.now_ns = START_NS, .nodes_max = 1u << 10, .edges_max = 1u << 12};
    scratch_make(world.directory, sizeof(world.directory));
    snprintf(world.journal_path, sizeof(world.journal_path), "%s/journal", world.directory);
    snprintf(world.state_path, sizeof(world.state_path), "%s/state", world.directory);
    snprintf(world.poison_path, sizeof(world.poison_path), "%s/poison", world.directory);
    assert_status(arena_init(&world.arena, MIB), OK);
    batch_init(&world.batch, arena_allocate(&world.arena, BATCH_BYTES, 64), BATCH_BYTES);
    batch_clear(&world.batch, BATCH_EVENTS);
    struct loop_options loop_options = {.backend = LOOP_EPOLL};
    assert_status(loop_open(&loop_options, &world.loop, &world.fault), OK);
    struct journal_options journal_options = {.directory = world.journal_path,
                                              .sync = JOURNAL_SYNC_NEVER,
                                              .segment_bytes = 2 * BLOCK_BYTES_MAX,
                                              .loop = world.loop};
    assert_status(journal_open(&journal_options, &world.journal, &world.fault), OK);
    start(&world);
    *state = &world;
    return 0;
}

int tear_down(void **state) {
    struct world *world = *state;
    crash(world);
    journal_close(world->journal);
    loop_close(world->loop);
    arena_deinit(&world->arena);
    scratch_remove(world->directory);
    return 0;
}

/* --- Events --- */

void add_event(struct world *world, const char *job, enum event_status status, const char *id,
               const char *upstreams) {
    add_tenants_event(world, "acme", job, status, id, upstreams);
}

static uint32_t split(const char *words, struct slice items_out[UPSTREAMS_MAX]) {
    struct slice rest = slice_of_text(words);
    uint32_t count = 0;
    while (rest.size > 0) {
        assert_true(count < UPSTREAMS_MAX);
        items_out[count] = slice_head(rest, slice_find_byte(rest, ' '));
        rest = slice_tail(rest, items_out[count++].size + 1);
    }
    return count;
}

void add_tenants_event(struct world *world, const char *tenant, const char *job,
                       enum event_status status, const char *id, const char *upstreams) {
    struct slice depends_on[UPSTREAMS_MAX];
    struct envelope envelope = {
        .kind = EVENT_KIND_JOB,
        .status = status,
        .severity = EVENT_SEVERITY_ERROR,
        .event_time_ns = START_NS, /* the same event again is the same event */
        .ingest_time_ns = START_NS,
        .tenant = slice_of_text(tenant),
        .entity = slice_of_text(job),
        .event_id = slice_of_text(id),
        .message = SLICE("timeout after 30s"),
        .source = SLICE("test"),
        .depends_on = depends_on,
        .depends_on_count = split(upstreams, depends_on),
    };
    struct derive_context context = {
        .hash_seed = HASH_SEED, .now_ns = START_NS, .tenant = slice_of_text(tenant)};
    uint8_t *scratch = malloc(MIB);
    struct arena arena = {0};
    assert_status(arena_init(&arena, MIB), OK);
    assert_status(derive_envelope(&context, &arena, &envelope, &world->fault), OK);
    struct writer writer = writer_over(scratch, MIB);
    assert_status(envelope_encode(&envelope, &writer), OK);
    assert_status(batch_add(&world->batch, writer_slice(&writer)), OK);
    arena_deinit(&arena);
    free(scratch);
}

/* A storm of three: one cause, two that it takes with it. */
void add_storm(struct world *world) {
    add_event(world, "job:extract", EVENT_STATUS_FAILED, "e-1", NULL);
    add_event(world, "job:load", EVENT_STATUS_FAILED, "e-2", "job:extract");
    add_event(world, "job:report", EVENT_STATUS_FAILED, "e-3", "job:load");
}

uint32_t rows_count(struct world *world, enum store_table table) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice none = {0};
    struct slice key;
    struct slice value;
    uint32_t count = 0;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(store_cursor_open(snapshot, table, none, none, &cursor), OK);
    while (status_is_ok(store_cursor_next(cursor, &key, &value))) {
        count++;
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    return count;
}

/* All committed rows of a table, in order. */
static struct hash128 table_digest(struct world *world, enum store_table table) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice none = {0};
    struct slice key;
    struct slice value;
    struct hash128 digest = {0};
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    assert_status(store_cursor_open(snapshot, table, none, none, &cursor), OK);
    while (status_is_ok(store_cursor_next(cursor, &key, &value))) {
        digest = hash128_combine(digest, hash128_of(key, 1));
        digest = hash128_combine(digest, hash128_of(value, 2));
    }
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    return digest;
}

struct hash128 store_digest(struct world *world) {
    struct hash128 digest = {0};
    for (int table = 0; table < STORE_TABLE_COUNT; table++) {
        digest = hash128_combine(digest, table_digest(world, (enum store_table)table));
    }
    return digest;
}

uint64_t counter(struct world *world, enum tenant_counter counter) {
    const struct tenant *tenant = tenants_find(&world->engine.tenants, SLICE("acme"));
    return tenant == NULL ? 0 : tenant->counters[counter];
}

void assert_same(struct hash128 a, struct hash128 b) {
    assert_int_equal(a.lo, b.lo);
    assert_int_equal(a.hi, b.hi);
}

void add_log(struct world *world, const char *tenant, const char *id, const char *message) {
    uint8_t bytes[2048];
    struct envelope envelope = {
        .event_key = hash128_of(slice_of_text(id), 0),
        .kind = EVENT_KIND_LOG,
        .severity = EVENT_SEVERITY_INFO,
        .event_time_ns = START_NS,
        .ingest_time_ns = START_NS,
        .tenant = slice_of_text(tenant),
        .entity = SLICE("service:shop"),
        .event_id = slice_of_text(id),
        .message = slice_of_text(message),
        .source = SLICE("test"),
    };
    struct writer writer = writer_over(bytes, sizeof(bytes));
    assert_status(envelope_encode(&envelope, &writer), OK);
    assert_status(batch_add(&world->batch, writer_slice(&writer)), OK);
}
