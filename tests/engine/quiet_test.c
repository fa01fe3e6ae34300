/* quiet_test.c - events that are no news: counted and known, and the same after a replay. */
#include "tests/engine/shard_world.h"

static void add_log(struct world *world, const char *tenant, const char *id, const char *message) {
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(quiet_events_count_the_same_live_and_replayed, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
