/* edge_test.c - an edge that is told late, and more incidents than it can join at once. */
#include "tests/incident/world.h"

static void fail_leaf(struct world *world, unsigned number, bool is_wordy) {
    char name[32];
    snprintf(name, sizeof(name), "job:leaf_%03u", number);
    world_depend(world, name, "job:middle");
    struct signal signal = world_signal("acme", name, EVENT_STATUS_FAILED, START_NS);
    uint8_t message[MESSAGE_KEPT_BYTES_MAX];
    memset(message, 1, sizeof(message)); /* six bytes each in JSON */
    signal.message = is_wordy ? slice_of(message, sizeof(message)) : signal.message;
    world_bad_signal(world, "acme", name, &signal, false);
}

static void learn_edge_of(struct world *world, const char *from, const char *tenant,
                          const char *to) {
    char upper[64];
    snprintf(upper, sizeof(upper), "%s|%s", tenant, to);
    world_depend(world, from, upper);
    world->seq++;
    struct incident_context context = world_context(world);
    incidents_apply_edge(world->incidents, &context, world_node(world, "acme", from),
                         world_node(world, tenant, to));
    world_commit(world);
}

static void learn_edge(struct world *world) {
    learn_edge_of(world, "job:middle", "acme", "job:root");
}

static void what_an_edge_has_no_room_to_join_is_joined_later(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        assert_true(status_is_ok(
            effects_init(&world.effects, INCIDENTS_EFFECT_BYTES_MIN + 64 * KIB, &world.arena)));
        world.policies.defaults.correlate_suspect_min = 0;
        world.sinks[1] = SLICE("audit-db");
        world.sinks[2] = SLICE("hook");
        world.sinks[3] = SLICE("mail");
        world.policies.defaults.sinks_count = 4;
        for (unsigned i = 0; i < 240; i++) {
            fail_leaf(&world, i, true);
        }
        world_fail(&world, "job:root", START_NS);
        world_run(&world, START_NS + NS_PER_MINUTE);
        assert_int_equal(world_incidents(&world, "acme"), 241);
        learn_edge(&world);
        assert_true(world_incidents(&world, "acme") > 1); /* not all fit in one call */
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run(&world, START_NS + 2 * NS_PER_MINUTE);
        assert_int_equal(world_incidents(&world, "acme"), 1);
        char *json = world_json(&world, "acme", 0);
        assert_non_null(strstr(json, "\"title\":\"job:root failed: Timeout; 240 downstream"));
        free(json);
        world_deinit(&world);
    }
}

static void an_edge_joins_more_incidents_than_it_looks_at_itself(void **state) {
    (void)state;
    struct world world;
    world_init_sized(&world, 512);
    world.policies.defaults.correlate_suspect_min = 0;
    for (unsigned i = 0; i < 400; i++) {
        fail_leaf(&world, i, false);
    }
    world_fail(&world, "job:root", START_NS);
    assert_int_equal(world_incidents(&world, "acme"), 401);
    learn_edge(&world);
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    world_deinit(&world);
}

static void expect_shown(struct world *world, const char *tenant, const char *words) {
    world_run_for(world, NS_PER_S);
    char *json = world_json(world, tenant, 0);
    assert_non_null(strstr(json, words));
    free(json);
}

/* People are told of the failure already, and nothing else turns bad. */
static void who_says_later_that_it_depends_on_what_fails_is_at_risk(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:root", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    expect_shown(&world, "acme", "\"total\":1,\"failing\":1,\"at_risk\":0,\"by_kind\":{\"job\":1}");
    learn_edge(&world);
    expect_shown(&world, "acme", "\"total\":2,\"failing\":1,\"at_risk\":1,\"by_kind\":{\"job\":2}");
    learn_edge_of(&world, "dataset:leaf", "acme", "job:middle");
    expect_shown(&world, "acme", "\"at_risk\":2,\"by_kind\":{\"dataset\":1,\"job\":2}");
    assert_int_equal(world.told_count, 1); /* not worth a message */
    world_good(&world, "acme", "job:root", world.now_ns);
    learn_edge_of(&world, "job:other", "acme", "job:middle");
    expect_shown(&world, "acme", "\"total\":0,\"failing\":0,\"at_risk\":0,");
    world_deinit(&world);
}

/* Causes are looked for within max_hops, a blast radius reaches farther. */
static void who_says_later_that_it_depends_on_what_fails_far_above_is_at_risk(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:near", "job:root");
    world_depend(&world, "job:far", "job:near");
    world.policies.defaults.correlate_hops_max = 1;
    world_fail(&world, "job:root", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    expect_shown(&world, "acme", "\"at_risk\":2,");
    learn_edge_of(&world, "job:new", "acme", "job:far");
    expect_shown(&world, "acme", "\"at_risk\":3,");
    world_deinit(&world);
}

static void a_tenant_that_learns_later_that_it_hangs_on_the_platform_is_at_risk(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_bad(&world, "platform", "service:db", EVENT_STATUS_DOWN, START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    learn_edge_of(&world, "job:middle", "platform", "service:db");
    expect_shown(&world, "platform", "tenants hit: 0, at risk: 1");
    world_deinit(&world);
}

static void expect_at_risk(struct world *world, const char *root, unsigned count) {
    char root_words[64];
    char count_words[32];
    unsigned found = 0;
    snprintf(root_words, sizeof(root_words), "\"root_cause\":{\"entity\":\"%s\"", root);
    snprintf(count_words, sizeof(count_words), "\"at_risk\":%u,", count);
    for (size_t i = 0; i < world_incidents(world, "acme"); i++) {
        char *json = world_json(world, "acme", i);
        found += strstr(json, root_words) != NULL && strstr(json, count_words) != NULL ? 1 : 0;
        free(json);
    }
    assert_int_equal(found, 1);
}

/* The two stand apart, and both are above it. */
static void who_depends_on_what_two_failures_reach_is_at_risk_of_both(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world.policies.defaults.correlate_suspect_min = 0;
    world_depend(&world, "job:middle", "job:near");
    world_depend(&world, "job:middle", "job:between");
    world_depend(&world, "job:between", "job:far");
    world_fail(&world, "job:near", START_NS);
    world_fail(&world, "job:far", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    expect_at_risk(&world, "job:near", 1);
    expect_at_risk(&world, "job:far", 2);
    learn_edge_of(&world, "dataset:leaf", "acme", "job:middle");
    world_run_for(&world, NS_PER_S);
    expect_at_risk(&world, "job:near", 2);
    expect_at_risk(&world, "job:far", 3);
    world_deinit(&world);
}

/* Two steps above it stands what failed much later than it, too late to be why; above that, only by
 * the new edge, what failed before it. */
static void what_the_lower_end_does_not_explain_is_asked_of_the_upper_one(void **state) {
    (void)state;
    static const char *const words[] = {"exit 1", "cannot read far_root"};
    for (unsigned is_named = 0; is_named < 2; is_named++) { /* by the message, or by an event */
        struct world world;
        world_init(&world);
        world.policies.defaults.correlate_suspect_min = 0;
        world_depend(&world, "job:leaf", "job:silent");
        world_depend(&world, "job:silent", "job:middle");
        world_fail(&world, "job:far_root", START_NS);
        world_bad(&world, "acme", "job:leaf", EVENT_STATUS_LATE, START_NS + 6 * NS_PER_S);
        struct signal signal =
            world_signal("acme", "job:middle", EVENT_STATUS_LATE, START_NS + 75 * NS_PER_S);
        signal.message = slice_of_text(words[is_named]);
        world_bad_signal(&world, "acme", "job:middle", &signal, false);
        if (is_named == 0) {
            assert_int_equal(world_incidents(&world, "acme"), 3);
            learn_edge_of(&world, "job:middle", "acme", "job:far_root");
        }
        assert_int_equal(world_incidents(&world, "acme"), 1);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_edge_has_no_room_to_join_is_joined_later),
        cmocka_unit_test(an_edge_joins_more_incidents_than_it_looks_at_itself),
        cmocka_unit_test(who_says_later_that_it_depends_on_what_fails_is_at_risk),
        cmocka_unit_test(who_says_later_that_it_depends_on_what_fails_far_above_is_at_risk),
        cmocka_unit_test(a_tenant_that_learns_later_that_it_hangs_on_the_platform_is_at_risk),
        cmocka_unit_test(who_depends_on_what_two_failures_reach_is_at_risk_of_both),
        cmocka_unit_test(what_the_lower_end_does_not_explain_is_asked_of_the_upper_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
