/* tenants_test.c - tenants follow what the platform says broke, however late it says so. */
#include "tests/incident/world.h"

static void expect_root(struct world *world, const char *tenant, const char *root,
                        unsigned affected) {
    char words[96];
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", root);
    assert_int_equal(world_incidents(world, tenant), 1);
    char *json = world_json(world, tenant, 0);
    if (strstr(json, words) == NULL || count_text(json, "\"hops\":") != affected) {
        fail_msg("%s: not %s with %u affected: %s", tenant, root, affected, json);
    }
    free(json);
}

static void fail_platform(struct world *world, const char *entity, uint64_t event_ns) {
    world_bad(world, "platform", entity, EVENT_STATUS_FAILED, event_ns);
}

/* It failed, and was well again before anybody told of the failure. */
static void a_stale_platform_failure_is_the_cause_of_tenants_failures(void **state) {
    (void)state;
    for (unsigned is_well_first = 0; is_well_first < 2; is_well_first++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:load", "platform|job:wj");
        world_depend(&world, "globex|job:load", "platform|job:wj");
        if (is_well_first == 1) {
            world_good(&world, "platform", "job:wj", START_NS - MINUTES(2));
        }
        world_fail(&world, "job:load", START_NS - MINUTES(5));
        world_bad(&world, "globex", "job:load", EVENT_STATUS_FAILED, START_NS - MINUTES(1));
        if (is_well_first == 0) {
            world_good(&world, "platform", "job:wj", START_NS - MINUTES(2));
        }
        fail_platform(&world, "job:wj", START_NS - MINUTES(6));
        world_run(&world, START_NS + MINUTES(1));
        expect_root(&world, "acme", "platform/job:wj", 1);
        expect_root(&world, "globex", "job:load", 0); /* it failed when that was well */
        expect_root(&world, "platform", "job:wj", 0);
        assert_int_equal(incidents_open_count(world.incidents), 2);
        world_good(&world, "acme", "job:load", world.now_ns);
        world_good(&world, "globex", "job:load", world.now_ns);
        assert_int_equal(incidents_open_count(world.incidents), 0);
        world_deinit(&world);
    }
}

static void the_timeline_names_the_first_of_a_tenant_that_the_platform_hits(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:load", "platform|service:dwh");
    world_depend(&world, "job:dash", "platform|service:dwh");
    fail_platform(&world, "service:dwh", START_NS);
    world_fail(&world, "job:load", START_NS + NS_PER_S);
    world_fail(&world, "job:dash", START_NS + 2 * NS_PER_S);
    char *timeline = world_timeline(&world, world_id(&world, "acme", 0));
    assert_non_null(strstr(timeline, "platform/service:dwh failed"));
    assert_int_equal(count_text(timeline, "job:load failed"), 1);
    assert_int_equal(count_text(timeline, "job:dash failed"), 1);
    free(timeline);
    world_deinit(&world);
}

/* job:x of the platform stands in the incident of job:r1 until its nearer cause job:r2 is told. */
static void tenants_follow_a_platform_node_to_its_nearer_cause(void **state) {
    (void)state;
    static const char *const orders[] = {"12xt", "1xt2", "1x2t", "x1t2", "tx12"};
    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "platform|job:x", "platform|job:r2");
        world_depend(&world, "platform|job:x", "platform|job:m");
        world_depend(&world, "platform|job:m", "platform|job:r1");
        world_depend(&world, "platform|job:y", "platform|job:r1");
        world_depend(&world, "acme|job:load", "platform|job:x");
        world_depend(&world, "globex|job:load", "platform|job:y");
        fail_platform(&world, "job:y", START_NS + 20 * NS_PER_S);
        world_bad(&world, "globex", "job:load", EVENT_STATUS_FAILED, START_NS + 30 * NS_PER_S);
        for (const char *at = orders[i]; *at != 0; at++) {
            if (*at == '1') {
                fail_platform(&world, "job:r1", START_NS);
            } else if (*at == '2') {
                fail_platform(&world, "job:r2", START_NS + 10 * NS_PER_S);
            } else if (*at == 'x') {
                fail_platform(&world, "job:x", START_NS + 20 * NS_PER_S);
            } else {
                world_fail(&world, "job:load", START_NS + 30 * NS_PER_S);
            }
        }
        world_run(&world, START_NS + MINUTES(1));
        assert_int_equal(world_incidents(&world, "platform"), 2);
        expect_root(&world, "acme", "platform/job:r2", 1);
        expect_root(&world, "globex", "platform/job:r1", 1);
        world_deinit(&world);
    }
}

static void fail_naming_host(struct world *world, const char *entity, uint64_t event_ns) {
    struct signal signal = world_signal("platform", entity, EVENT_STATUS_FAILED, event_ns);
    signal.message = SLICE("no answer from store1.internal.example.com");
    world_bad_signal(world, "platform", entity, &signal, false);
}

/* The tenant's root is a node of the platform that is no root there, since the one above it is well
 * again; that incident is swallowed by one which its errors lead to. */
static void tenants_of_any_node_of_a_merged_platform_incident_follow(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "platform|job:x", "platform|job:r");
    world_depend(&world, "platform|job:z", "platform|job:y");
    world_depend(&world, "acme|job:load", "platform|job:x");
    fail_platform(&world, "job:z", START_NS - NS_PER_S);
    fail_platform(&world, "job:r", START_NS);
    fail_naming_host(&world, "job:x", START_NS + NS_PER_S);
    world_good(&world, "platform", "job:r", START_NS + 5 * NS_PER_S);
    world_fail(&world, "job:load", START_NS + 6 * NS_PER_S);
    expect_root(&world, "acme", "platform/job:x", 1);
    fail_naming_host(&world, "job:y", START_NS - 2 * NS_PER_S);
    world_run(&world, START_NS + MINUTES(1));
    expect_root(&world, "platform", "job:y", 3);
    expect_root(&world, "acme", "platform/job:y", 1);
    world_deinit(&world);
}

static void a_new_edge_leads_past_what_is_well_to_what_is_bad_behind_it(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "platform|job:mid", "platform|job:top");
    world_depend(&world, "platform|job:mid2", "platform|job:mid");
    world_depend(&world, "acme|job:load", "platform|job:low");
    fail_platform(&world, "job:top", START_NS - 50 * NS_PER_S);
    fail_platform(&world, "job:mid", START_NS - 40 * NS_PER_S);
    world_good(&world, "platform", "job:mid", START_NS - 20 * NS_PER_S);
    world_fail(&world, "job:load", START_NS);
    expect_root(&world, "acme", "job:load", 0);
    world_depend(&world, "platform|job:low", "platform|job:mid2");
    struct incident_context context = world_context(&world);
    incidents_apply_edge(world.incidents, &context, world_node(&world, "platform", "job:low"),
                         world_node(&world, "platform", "job:mid2"));
    world_run(&world, START_NS + MINUTES(1));
    expect_root(&world, "acme", "platform/job:top", 1);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_timeline_names_the_first_of_a_tenant_that_the_platform_hits),
        cmocka_unit_test(a_stale_platform_failure_is_the_cause_of_tenants_failures),
        cmocka_unit_test(tenants_follow_a_platform_node_to_its_nearer_cause),
        cmocka_unit_test(tenants_of_any_node_of_a_merged_platform_incident_follow),
        cmocka_unit_test(a_new_edge_leads_past_what_is_well_to_what_is_bad_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
