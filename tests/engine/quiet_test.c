/* quiet_test.c - events of which the head is enough: they do what they would do read in full, and
 * the same after a replay. */
#include <stdio.h>

#include "tests/engine/shard_world.h"

/* While it runs a shard knows of quiet events from their heads alone; a replay makes these anew. */
static void quiet_events_count_the_same_live_and_replayed(void **state) {
    struct world *world = *state;
    struct arena arena = {0};
    struct block_heads heads;
    assert_status(arena_init(&arena, 64 * MIB), OK);
    assert_status(block_heads_init(&heads, &arena), OK);
    add_storm(world);
    add_log(world, "acme", "l-1", "request handled");
    add_log(world, "acme", "l-1", "request handled"); /* a duplicate */
    add_log(world, "acme", "l-2", "job:extract is slow");
    add_log(world, "acme", "l-3", "request handled");
    add_log(world, "other", "l-4", "request handled");
    add_log(world, "other", "l-5", "request handled");
    assert_status(batch_add(&world->batch, SLICE("no envelope")), OK);
    add_log(world, "other", "l-6", "request handled");
    struct slice record = write_record(world);
    block_heads_add(&heads, record);
    assert_int_equal(heads.count, 11);
    assert_status(engine_apply_from(&world->engine, record, &heads, &world->fault), OK);
    struct hash128 digest = engine_digest(&world->engine);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(counter(world, TENANT_COUNTER_EVENTS_RECEIVED), 7);
        assert_int_equal(counter(world, TENANT_COUNTER_EVENTS_ACCEPTED), 7);
        assert_int_equal(counter(world, TENANT_COUNTER_EVENTS_DUPLICATE), 1);
        assert_int_equal(event_ids_count(world->engine.event_ids), 9);
        assert_int_equal(tenants_find(&world->engine.tenants, SLICE("other"))
                             ->counters[TENANT_COUNTER_EVENTS_ACCEPTED],
                         3);
        assert_same(engine_digest(&world->engine), digest);
        restart(world);
    }
    arena_deinit(&arena);
}

/* --- Well events --- */

/* What a tenant sees of some events. */
struct facts {
    uint64_t counters[TENANT_COUNTER_COUNT];
    struct hash128 dedup;
    struct hash128 graph;
    uint32_t open;
    uint32_t ids;
};

static uint32_t next_random(uint64_t *random) {
    *random = *random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (uint32_t)(*random >> 33);
}

static void add_range(struct world *world, uint64_t from, uint64_t to, uint32_t envelopes) {
    uint8_t memory[STREAM_RANGE_BYTES_MAX];
    struct writer writer = writer_over(memory, sizeof(memory));
    struct stream_range range = {
        .name = {.cluster = SLICE("c"), .group = SLICE("g"), .topic = SLICE("t")},
        .from = {.offset = from},
        .to = {.offset = to},
        .envelopes = envelopes,
    };
    stream_range_encode(&range, &writer);
    assert_status(batch_add(&world->batch, writer_slice(&writer)), OK);
}

/* Jobs that fail now and then; between them, when they are to be read in full, another tenant. */
static void add_jobs(struct world *world, uint64_t seed, uint32_t count, bool is_interleaved) {
    static const enum event_status statuses[] = {
        EVENT_STATUS_SUCCEEDED, EVENT_STATUS_SUCCEEDED, EVENT_STATUS_OK,     EVENT_STATUS_STARTED,
        EVENT_STATUS_SUCCEEDED, EVENT_STATUS_SUCCEEDED, EVENT_STATUS_FAILED, EVENT_STATUS_SUCCEEDED,
    };
    for (uint32_t i = 0; i < count; i++) {
        char job[16];
        char id[16];
        (void)snprintf(job, sizeof(job), "job:j%u", next_random(&seed) % 5);
        (void)snprintf(id, sizeof(id), "%u", next_random(&seed) % (2 * count));
        add_event(world, job, statuses[next_random(&seed) % 8], id, NULL);
        if (is_interleaved) {
            add_log(world, "other", "l-1", "request handled");
        }
    }
}

static void apply_with_heads(struct world *world, struct block_heads *heads) {
    struct slice record = write_record(world);
    block_heads_clear(heads);
    block_heads_add(heads, record);
    assert_status(engine_apply_from(&world->engine, record, heads, &world->fault), OK);
}

static struct facts facts_of(struct world *world) {
    struct facts facts = {
        .dedup = dedup_digest(world->engine.dedup),
        .graph = graph_digest(world->engine.graph),
        .open = incidents_open_count(world->engine.incidents),
        .ids = event_ids_count(world->engine.event_ids),
    };
    for (uint32_t i = 0; i < TENANT_COUNTER_COUNT; i++) {
        facts.counters[i] = counter(world, i);
    }
    return facts;
}

static struct facts run_jobs(uint64_t seed, enum batch_kind kind, bool is_interleaved) {
    enum { RECORDS = 4, EVENTS = 40 };
    void *state = NULL;
    struct arena arena = {0};
    struct block_heads heads;
    assert_int_equal(set_up(&state), 0);
    struct world *world = state;
    assert_status(arena_init(&arena, 64 * MIB), OK);
    assert_status(block_heads_init(&heads, &arena), OK);
    for (uint32_t i = 0; i < RECORDS; i++) {
        world->now_ns += (i & 1) * 20 * NS_PER_MINUTE; /* dedup forgets, the incidents do not */
        batch_clear(&world->batch, kind);
        for (uint64_t part = 0; part < 3 && kind == BATCH_STREAM; part++) {
            /* The second is new; the third was read before, and half of it twice. */
            uint64_t from = 100 * i + (part == 1 ? 50 : 0);
            add_range(world, from, from + 50, is_interleaved ? 2 * EVENTS : EVENTS);
            add_jobs(world, seed + i + (part == 1), EVENTS, is_interleaved);
        }
        if (kind == BATCH_EVENTS) {
            add_jobs(world, seed + i, EVENTS, is_interleaved);
        }
        apply_with_heads(world, &heads);
    }
    struct facts facts = facts_of(world);
    struct hash128 digest = engine_digest(&world->engine);
    restart(world);
    assert_same(engine_digest(&world->engine), digest);
    facts.ids -= is_interleaved ? 1 : 0; /* the other tenant's */
    arena_deinit(&arena);
    (void)tear_down(&state);
    return facts;
}

/* An event behind one of another tenant is read in full: both ways come to the same. */
static void well_events_do_what_they_would_do_read_in_full(void **state) {
    (void)state;
    static const enum batch_kind kinds[] = {BATCH_EVENTS, BATCH_STREAM};
    for (uint64_t seed = 1; seed <= 4; seed++) {
        for (size_t i = 0; i < 2; i++) {
            struct facts quick = run_jobs(seed, kinds[i], false);
            struct facts full = run_jobs(seed, kinds[i], true);
            assert_memory_equal(quick.counters, full.counters, sizeof(quick.counters));
            assert_same(quick.dedup, full.dedup);
            assert_same(quick.graph, full.graph);
            assert_int_equal(quick.open, full.open);
            assert_int_equal(quick.ids, full.ids);
            assert_true(quick.counters[TENANT_COUNTER_SIGNALS_TOTAL] > 0);
            assert_true(quick.counters[TENANT_COUNTER_EVENTS_DUPLICATE] > 0);
        }
    }
}

/* Nodes lie in runs of numbers, a run a tenant: the highest number is beyond the number of nodes.
 */
static void many_tenants_with_a_failed_job_each_find_room(void **state) {
    struct world *world = *state;
    for (int i = 0; i < 100; i++) {
        char tenant[16];
        (void)snprintf(tenant, sizeof(tenant), "t%d", i);
        add_tenants_event(world, tenant, "job:load", EVENT_STATUS_FAILED, "e-1", NULL);
        add_tenants_event(world, tenant, "job:load", EVENT_STATUS_SUCCEEDED, "e-2", NULL);
        add_tenants_event(world, tenant, "job:load", EVENT_STATUS_FAILED, "e-3", NULL);
    }
    apply_record(world);
    assert_int_equal(graph_nodes_count(world->engine.graph), 100);
    assert_true(graph_numbers_end(world->engine.graph) > 1024);
    assert_int_equal(dedup_count(world->engine.dedup), 100);
    struct hash128 digest = engine_digest(&world->engine);
    commit(world);
    restart(world);
    assert_same(engine_digest(&world->engine), digest);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(quiet_events_count_the_same_live_and_replayed, set_up,
                                        tear_down),
        cmocka_unit_test(well_events_do_what_they_would_do_read_in_full),
        cmocka_unit_test_setup_teardown(many_tenants_with_a_failed_job_each_find_room, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
