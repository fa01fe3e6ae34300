/* complaint_test.c - entities that have not failed, but say that something is wrong. */
#include "tests/incident/world.h"

/* Whether it was taken as a complaint. */
static bool hear(struct world *world, const char *entity, const char *message, uint64_t event_ns) {
    struct signal signal = world_signal("acme", entity, EVENT_STATUS_OK, event_ns);
    signal.news = SIGNAL_NEUTRAL;
    signal.message = slice_of_text(message);
    uint32_t node = world_node(world, "acme", entity);
    world->seq++;
    struct incident_context context = world_context(world);
    signal.entity_key = graph_get_node(world->graph, node).key;
    bool is_complaint = incidents_is_complaint(world->incidents, &context, &signal);
    if (is_complaint) {
        incidents_apply_complaint(world->incidents, &context, node, &signal);
    }
    world_run(world, world->now_ns + 2 * NS_PER_S); /* past the refresh */
    world_commit(world);
    return is_complaint;
}

static void expect(struct world *world, const char *part) {
    char *json = world_json(world, "acme", 0);
    if (strstr(json, part) == NULL) {
        fail_msg("%s is not in %s", part, json);
    }
    free(json);
}

static void who_complains_of_a_failing_entity_is_hit_and_at_risk(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "service:payment", START_NS);
    assert_true(hear(&world, "service:cart", "upstream payment slow, retrying", START_NS + 1));
    expect(&world, "payment failed: Timeout; 1 downstream affected");
    expect(&world, "{\"entity\":\"service:cart\",\"status\":\"degraded\"");
    expect(&world, "\"total\":2,\"failing\":1,\"at_risk\":1");
    expect(&world, "\"signals\":{\"total\":1,");
    assert_false(hear(&world, "service:cart", "upstream payment slow, retrying", START_NS + 2));
    world_deinit(&world);
}

/* The title counts who complains, the evidence does not: it says so. */
static void evidence_of_those_that_failed_is_called_that_beside_a_complaint(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:load", "job:extract");
    world_depend(&world, "job:report", "job:extract");
    world_fail(&world, "job:extract", START_NS);
    world_fail(&world, "job:load", START_NS + NS_PER_S);
    world_run_for(&world, NS_PER_MINUTE);
    expect(&world, "\"upstream of 1 of 1 affected\"");
    assert_true(hear(&world, "job:report", "extract failed, nothing to report", START_NS + 1));
    world_run_for(&world, NS_PER_MINUTE);
    expect(&world, "job:extract failed: Timeout; 2 downstream affected");
    expect(&world, "\"upstream of 1 of 1 affected that failed\"");
    world_restart(&world);
    world_fail(&world, "job:load", START_NS + 2 * NS_PER_S);
    expect(&world, "\"upstream of 1 of 1 affected that failed\"");
    world_deinit(&world);
}

static void a_neighbours_trouble_counts_whichever_way_the_edge_goes(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "service:gateway", "service:orders");
    world_depend(&world, "service:web", "service:gateway");
    world_fail(&world, "service:gateway", START_NS);
    assert_true(hear(&world, "service:orders", "token validation failed", START_NS + 1));
    assert_true(hear(&world, "service:web", "requests are slow", START_NS + 2));
    expect(&world, "\"total\":3,\"failing\":1,\"at_risk\":2");
    world_deinit(&world);
}

/* Its failure was over when it was told, and nobody was told of it. */
static void who_is_kept_aside_may_complain(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_good(&world, "acme", "job:cart", START_NS - NS_PER_MINUTE);
    world_fail(&world, "job:cart", START_NS - 3 * NS_PER_MINUTE);
    world_fail(&world, "service:payment", START_NS);
    world_restart(&world);
    assert_true(hear(&world, "job:cart", "upstream payment slow, retrying", START_NS + 1));
    expect(&world, "{\"entity\":\"job:cart\",\"status\":\"degraded\"");
    assert_int_equal(world_rows(&world, STORE_TABLE_INCIDENT), 1);
    assert_int_equal(world_rows(&world, STORE_TABLE_MEMBER), 2);
    world_restart(&world);
    world_run(&world, START_NS + NS_PER_HOUR);
    assert_int_equal(incidents_open_count(world.incidents), 0);
    world_deinit(&world);
}

static void words_without_trouble_strangers_and_other_hours_are_no_complaint(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "service:web", "service:payment");
    assert_false(hear(&world, "service:web", "payment failed", START_NS));
    world_fail(&world, "service:payment", START_NS);
    assert_false(hear(&world, "service:web", "payment answered 200", START_NS + 1));
    assert_false(hear(&world, "service:other", "request failed", START_NS + 1));
    assert_false(hear(&world, "service:web", "payment failed", START_NS + NS_PER_DAY));
    expect(&world, "\"affected\":[]");
    world_deinit(&world);
}

static void who_complained_and_then_fails_is_placed_as_if_it_had_not(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "service:web", "service:store");
    world_fail(&world, "service:web", START_NS);
    assert_true(hear(&world, "service:store", "slow query", START_NS + 1));
    expect(&world, "\"root_cause\":{\"entity\":\"service:web\"");
    world_fail(&world, "service:store", START_NS + 2);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    expect(&world, "\"root_cause\":{\"entity\":\"service:store\"");
    expect(&world, "\"total\":2,\"failing\":2,\"at_risk\":0");
    world_deinit(&world);
}

/* A complaint is no failure: it explains nobody, and nobody waits for its end. */
static void a_complaint_is_no_cause_and_keeps_no_incident_open(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:report", "job:middle");
    world_fail(&world, "job:extract", START_NS);
    assert_true(hear(&world, "job:middle", "waiting for extract: timeout", START_NS + 1));
    world_fail(&world, "job:report", START_NS + 2);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    world_good(&world, "acme", "job:extract", START_NS + NS_PER_MINUTE);
    world_good(&world, "acme", "job:report", START_NS + NS_PER_MINUTE);
    assert_int_equal(incidents_open_count(world.incidents), 0);
    world_deinit(&world);
}

static void complaints_survive_a_restart_and_a_merge(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:load_orders", "job:extract");
    world_fail(&world, "job:load_orders", START_NS);
    assert_true(hear(&world, "service:shop", "error from load_orders", START_NS + 1));
    struct hash128 before = incidents_digest(world.incidents);
    world_restart(&world);
    assert_true(hash128_equals(before, incidents_digest(world.incidents)));
    world_fail(&world, "job:extract", START_NS + 2);
    world_run(&world, world.now_ns + 2 * NS_PER_S);
    world_commit(&world);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    expect(&world, "extract failed: Timeout; 2 downstream affected");
    expect(&world, "\"total\":3,\"failing\":2,\"at_risk\":1");
    world_deinit(&world);
}

static void a_record_full_of_complaints_is_looked_at_no_further(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "service:payment", START_NS);
    struct incident_context context = world_context(&world);
    uint32_t taken = 0;
    for (unsigned i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof(name), "service:caller_%u", i);
        struct signal signal = world_signal("acme", name, EVENT_STATUS_OK, START_NS + 1);
        signal.news = SIGNAL_NEUTRAL;
        signal.message = SLICE("payment failed");
        uint32_t node = world_node(&world, "acme", name);
        signal.entity_key = graph_get_node(world.graph, node).key;
        taken += incidents_is_complaint(world.incidents, &context, &signal) ? 1 : 0;
    }
    assert_in_range(taken, 1, 64);
    /* Healthy words are cheaper; in a long record only some of them are read. */
    world.seq++;
    context = world_context(&world);
    for (uint32_t i = 0; i < 20000; i++) {
        struct signal signal = world_signal("acme", "service:quiet", EVENT_STATUS_OK, START_NS + 1);
        signal.message = SLICE("request answered");
        context.cause_index = i;
        assert_false(incidents_is_complaint(world.incidents, &context, &signal));
    }
    taken = 0;
    struct signal signal = world_signal("acme", "service:late", EVENT_STATUS_OK, START_NS + 1);
    signal.message = SLICE("payment failed");
    for (uint32_t i = 0; i < 160; i++) {
        context.cause_index++;
        taken += incidents_is_complaint(world.incidents, &context, &signal) ? 1 : 0;
    }
    assert_int_equal(taken, 10);
    world_deinit(&world);
}

/* It is the suspected root, so it is not among those whom that has hit. */
static void a_suspect_that_complains_is_not_hit_by_itself(void **state) {
    (void)state;
    for (uint32_t is_early = 0; is_early < 2; is_early++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:a", "service:store");
        world_depend(&world, "job:b", "service:store");
        world_depend(&world, "job:c", "service:store");
        world_fail(&world, "job:a", START_NS);
        assert_true(is_early == 0 ||
                    hear(&world, "service:store", "disk unavailable", START_NS + 1));
        world_fail(&world, "job:b", START_NS + 2);
        world_fail(&world, "job:c", START_NS + 3);
        assert_false(hear(&world, "service:store", "disk unavailable", START_NS + 4));
        expect(&world, "service:store suspected; 3 downstream affected");
        expect(&world, "\"total\":3,\"failing\":3,\"at_risk\":0");
        char *json = world_json(&world, "acme", 0);
        assert_null(strstr(json, "{\"entity\":\"service:store\",\"status\""));
        free(json);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_complains_of_a_failing_entity_is_hit_and_at_risk),
        cmocka_unit_test(evidence_of_those_that_failed_is_called_that_beside_a_complaint),
        cmocka_unit_test(who_is_kept_aside_may_complain),
        cmocka_unit_test(a_neighbours_trouble_counts_whichever_way_the_edge_goes),
        cmocka_unit_test(words_without_trouble_strangers_and_other_hours_are_no_complaint),
        cmocka_unit_test(who_complained_and_then_fails_is_placed_as_if_it_had_not),
        cmocka_unit_test(a_complaint_is_no_cause_and_keeps_no_incident_open),
        cmocka_unit_test(complaints_survive_a_restart_and_a_merge),
        cmocka_unit_test(a_suspect_that_complains_is_not_hit_by_itself),
        cmocka_unit_test(a_record_full_of_complaints_is_looked_at_no_further),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
