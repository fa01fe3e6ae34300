/* learned_edges_test.c - when the engine looks for learned edges that nobody has seen for long. */
#include "tests/engine/shard_world.h"

static void forget_after(struct world *world, uint64_t ttl_ns) {
    struct policy acme = policy_default();
    struct policy_set set = {.defaults = policy_default(), .tenants = &acme, .tenants_count = 1};
    acme.tenant = SLICE("acme");
    acme.learned_ttl_ns = ttl_ns;
    batch_clear(&world->batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(&world->batch);
    assert_status(policy_set_encode(&set, &writer), OK);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
    batch_clear(&world->batch, BATCH_EVENTS);
}

static void learn_edge(struct world *world) {
    uint8_t bytes[1024];
    struct slice upstream = SLICE("service:cart");
    struct envelope envelope = {
        .kind = EVENT_KIND_LOG,
        .flags = ENVELOPE_LEARNED,
        .event_time_ns = START_NS,
        .ingest_time_ns = START_NS,
        .tenant = SLICE("acme"),
        .entity = SLICE("service:shop"),
        .source = SLICE("test"),
        .depends_on = &upstream,
        .depends_on_count = 1,
    };
    struct writer writer = writer_over(bytes, sizeof(bytes));
    assert_status(envelope_encode(&envelope, &writer), OK);
    assert_status(batch_add(&world->batch, writer_slice(&writer)), OK);
    apply_record(world);
    assert_int_equal(graph_learned_count(world->engine.graph), 1);
}

/* How long from now until it is looked for such edges. */
static uint64_t look_in_ns(const struct world *world) {
    return engine_next_due_ns(&world->engine) - world->engine.now_ns;
}

static void a_short_ttl_makes_looks_no_more_frequent_than_every_ten_seconds(void **state) {
    struct world *world = *state;
    forget_after(world, NS_PER_S); /* a second later by itself, as is each record */
    learn_edge(world);
    assert_int_equal(look_in_ns(world), 8 * NS_PER_S);
    apply_tick(world, 6 * NS_PER_S);
    assert_int_equal(graph_learned_count(world->engine.graph), 1);
    apply_tick(world, 0);
    assert_int_equal(graph_learned_count(world->engine.graph), 0);
}

static void a_long_ttl_is_looked_after_in_eighths_of_ten_minutes_at_most(void **state) {
    struct world *world = *state;
    forget_after(world, 4 * NS_PER_MINUTE);
    learn_edge(world);
    assert_int_equal(look_in_ns(world), 28 * NS_PER_S);
    forget_after(world, NS_PER_DAY);
    assert_int_equal(look_in_ns(world), 10 * NS_PER_MINUTE - 3 * NS_PER_S);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            a_short_ttl_makes_looks_no_more_frequent_than_every_ten_seconds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_long_ttl_is_looked_after_in_eighths_of_ten_minutes_at_most, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
