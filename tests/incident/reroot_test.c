/* reroot_test.c - the cause, or the edge to it, arrives after what it broke. */
#include "tests/incident/world.h"

static void late_cause_reroots_an_untold_incident_and_keeps_its_id(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:b", START_NS + 5);
    struct hash128 id = world_id(&world, "acme", 0);
    world_fail(&world, "job:a", START_NS);
    assert_true(hash128_equals(world_id(&world, "acme", 0), id));
    assert_int_equal(world.opened, 1);
    world_run(&world, START_NS + NS_PER_HOUR);
    assert_int_equal(world.told_count, 1);
    assert_non_null(strstr(world.told[0].json, "\"entity\":\"job:a\",\"error_class\""));
    world_deinit(&world);
}

static void late_cause_reroots_told_incidents_into_the_first_seen(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_depend(&world, "job:c", "job:a");
    world_fail(&world, "job:b", START_NS);
    struct hash128 first = world_id(&world, "acme", 0);
    world_run(&world, START_NS + NS_PER_S);
    world_fail(&world, "job:c", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_int_equal(world.told_count, 2);
    world_fail(&world, "job:a", START_NS);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_int_equal(world_rows(&world, STORE_TABLE_RECENT), 1);
    assert_true(hash128_equals(world_id(&world, "acme", 0), first));
    /* The second one is closed under its own id, and leads to the first. */
    assert_int_equal(world.told_count, 3);
    assert_int_equal(world.told[2].type, 3);
    assert_false(hash128_equals(world.told[2].incident_id, first));
    assert_non_null(strstr(world.told[2].json, "\"status\":\"resolved\""));
    assert_non_null(strstr(world.told[2].json, "\"labels\":{\"merged_into\":\"inc_"));
    assert_int_equal(world_rows(&world, STORE_TABLE_ALIAS), 1);
    char *timeline = world_timeline(&world, first);
    assert_int_equal(count_text(timeline, "\"what\":\"merged\""), 1);
    assert_int_equal(count_text(timeline, "\"what\":\"re-rooted\",\"detail\":\"job:b to job:a\""),
                     1);
    free(timeline);
    world_run(&world, START_NS + 10 * NS_PER_MINUTE); /* the new root is told as an update */
    assert_int_equal(world.told_count, 4);
    assert_int_equal(world.told[3].type, 2);
    assert_true(hash128_equals(world.told[3].incident_id, first));
    world_deinit(&world);
}

/* Who joins the one incident makes it one with the other: its closing message counts him. */
static void the_numbers_of_a_closing_message_agree(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:below", START_NS + 20 * NS_PER_S);
    world_run(&world, START_NS + NS_PER_MINUTE);
    world_fail(&world, "job:above", START_NS);
    world_run(&world, START_NS + 2 * NS_PER_MINUTE);
    assert_int_equal(world.told_count, 2);
    world_depend(&world, "job:below", "job:between");
    world_depend(&world, "job:between", "job:above");
    world_fail(&world, "job:between", START_NS + 10 * NS_PER_S);
    assert_int_equal(world.told_count, 3);
    assert_non_null(strstr(world.told[2].json, "\"labels\":{\"merged_into\":\"inc_"));
    assert_non_null(strstr(world.told[2].json,
                           "\"affected\":[{\"entity\":\"job:between\",\"status\":\"failed\","));
    assert_non_null(strstr(world.told[2].json, "\"blast_radius\":{\"total\":2,\"failing\":2,"
                                               "\"at_risk\":0,\"by_kind\":{\"job\":2}}"));
    world_deinit(&world);
}

/* As many as fit, those first that are nearest to the root. */
static void a_closing_message_lists_the_affected_within_its_bound(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:first", START_NS);
    world_run(&world, START_NS + NS_PER_S);
    world_fail(&world, "job:root", START_NS);
    for (unsigned i = 60; i > 0; i--) {
        char name[32];
        (void)snprintf(name, sizeof(name), "job:d%02u", i);
        world_depend(&world, name, "job:root");
        world_fail(&world, name, START_NS + i * NS_PER_MS);
    }
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_int_equal(world.told_count, 2);
    world_depend(&world, "job:first", "job:cause");
    world_depend(&world, "job:root", "job:cause");
    world_fail(&world, "job:cause", START_NS);
    assert_int_equal(world.told_count, 3);
    const char *json = world.told[2].json;
    assert_non_null(strstr(json, "\"title\":\"job:root failed"));
    assert_non_null(strstr(json, "\"affected\":[{\"entity\":\"job:d01\",\"status\":\"failed\","));
    assert_non_null(strstr(json, "\"entity\":\"job:d32\""));
    assert_null(strstr(json, "\"entity\":\"job:d33\""));
    assert_int_equal(count_text(json, "\"hops\":"), 32);
    assert_non_null(strstr(json, "\"affected_total\":\"60\"}"));
    assert_in_range(strlen(json), 1, 16 * 1024);
    world_deinit(&world);
}

static void many_told_incidents_merge_in_steps_as_room_allows(void **state) {
    (void)state;
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
        char name[32];
        snprintf(name, sizeof(name), "job:leaf_%03u", i);
        world_depend(&world, name, "job:root");
        struct signal signal = world_signal("acme", name, EVENT_STATUS_FAILED, START_NS);
        uint8_t message[MESSAGE_KEPT_BYTES_MAX];
        memset(message, 1, sizeof(message)); /* six bytes each in JSON */
        signal.message = slice_of(message, sizeof(message));
        world_bad_signal(&world, "acme", name, &signal, false);
    }
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_int_equal(world_incidents(&world, "acme"), 240);
    assert_int_equal(world.told_count, 960);
    world_fail(&world, "job:root", START_NS);
    assert_true(world_incidents(&world, "acme") > 1); /* not all fit in one call */
    world_run(&world, START_NS + 2 * NS_PER_MINUTE);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    assert_int_equal(incidents_open_count(world.incidents), 1);
    assert_int_equal(world_rows(&world, STORE_TABLE_ALIAS), 239);
    assert_int_equal(world_rows(&world, STORE_TABLE_MEMBER), 241);
    assert_int_equal(world.told_count, 960 + 239 * 4);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(strstr(json, "\"title\":\"job:root failed: Timeout; 240 downstream"));
    free(json);
    world_deinit(&world);
}

static void the_first_to_fail_of_a_cycle_is_its_root(void **state) {
    (void)state;
    const char *ring[3] = {"job:a", "job:b", "job:c"};
    for (unsigned shift = 0; shift < 6; shift++) {
        struct world world;
        world_init(&world);
        for (unsigned i = 0; i < 3; i++) {
            world_depend(&world, ring[i], ring[(i + 1) % 3]);
        }
        for (unsigned i = 0; i < 3; i++) {
            unsigned at = shift < 3 ? (i + shift) % 3 : (shift - i) % 3;
            world_fail(&world, ring[at], START_NS + (at == 1 ? 0 : NS_PER_S));
        }
        assert_int_equal(world_incidents(&world, "acme"), 1);
        char *json = world_json(&world, "acme", 0);
        assert_non_null(strstr(json, "\"title\":\"job:b failed"));
        free(json);
        world_deinit(&world);
    }
}

static void an_explicit_failure_is_the_root_of_a_cycle_before_lateness(void **state) {
    (void)state;
    for (unsigned first = 0; first < 2; first++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:a", "job:b");
        world_depend(&world, "job:b", "job:a");
        for (unsigned i = 0; i < 2; i++) {
            if ((i ^ first) == 0) {
                world_bad(&world, "acme", "job:a", EVENT_STATUS_LATE, START_NS);
            } else {
                world_bad(&world, "acme", "job:b", EVENT_STATUS_FAILED, START_NS);
            }
        }
        char *json = world_json(&world, "acme", 0);
        assert_int_equal(world_incidents(&world, "acme"), 1);
        assert_non_null(strstr(json, "\"title\":\"job:b failed"));
        free(json);
        world_deinit(&world);
    }
}

static void an_edge_that_arrives_later_connects_incidents(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_fail(&world, "job:b", START_NS);
    world_fail(&world, "job:a", START_NS);
    world_fail(&world, "job:z", START_NS);
    world_depend(&world, "job:middle", "job:a");
    assert_int_equal(world_incidents(&world, "acme"), 3);
    world_depend(&world, "job:b", "job:middle");
    struct incident_context context = world_context(&world);
    incidents_apply_edge(world.incidents, &context, world_node(&world, "acme", "job:b"),
                         world_node(&world, "acme", "job:middle"));
    world_commit(&world);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    /* And an edge between healthy nodes, far from both ends. */
    world_depend(&world, "job:a", "job:high");
    world_depend(&world, "job:higher", "job:z");
    world_depend(&world, "job:high", "job:higher");
    incidents_apply_edge(world.incidents, &context, world_node(&world, "acme", "job:high"),
                         world_node(&world, "acme", "job:higher"));
    world_commit(&world);
    assert_int_equal(world_incidents(&world, "acme"), 1);
    world_run(&world, START_NS + NS_PER_MINUTE);
    assert_non_null(strstr(world.told[0].json, "\"title\":\"job:z failed: Timeout; 2 downstream"));
    world_deinit(&world);
}

/* What fails, in event time, and what it depends on. */
struct failure {
    const char *tenant;
    const char *entity;
    const char *upstream; /* as world_depend takes it; NULL: none */
    enum event_status status;
    uint64_t after_ns;
};

#define STORM_SIZE 4u
#define STORM_ORDERS 24u

static void learn_edge(struct world *world, const char *tenant, const char *entity,
                       const char *upstream) {
    char from[96];
    snprintf(from, sizeof(from), "%s|%s", tenant, entity);
    world_depend(world, from, upstream);
    const char *bar = strchr(upstream, '|');
    assert_non_null(bar);
    char owner[72];
    snprintf(owner, sizeof(owner), "%.*s", (int)(bar - upstream), upstream);
    struct incident_context context = world_context(world);
    incidents_apply_edge(world->incidents, &context, world_node(world, tenant, entity),
                         world_node(world, owner, bar + 1));
    world_commit(world);
}

static void learn_edge_of(struct world *world, const struct failure *failure) {
    if (failure->upstream != NULL) {
        learn_edge(world, failure->tenant, failure->entity, failure->upstream);
    }
}

/* The order-th permutation, one failure after the other. */
static void fail_in_order(struct world *world, const struct failure storm[STORM_SIZE],
                          unsigned order, bool is_declared) {
    for (unsigned i = 0; i < STORM_SIZE && is_declared; i++) {
        learn_edge_of(world, &storm[i]);
    }
    unsigned left[STORM_SIZE] = {0, 1, 2, 3};
    for (unsigned count = STORM_SIZE; count > 0; count--) {
        const struct failure *next = &storm[left[order % count]];
        memmove(&left[order % count], &left[order % count + 1],
                (count - 1 - order % count) * sizeof(left[0]));
        order /= count;
        if (!is_declared) {
            learn_edge_of(world, next); /* an event's edges come before its news */
        }
        world_bad(world, next->tenant, next->entity, next->status, START_NS + next->after_ns);
    }
}

static const struct failure ring_storm[STORM_SIZE] = {
    {"acme", "job:a", "acme|job:c", EVENT_STATUS_FAILED, 0},
    {"acme", "job:b", "acme|job:a", EVENT_STATUS_FAILED, 5 * NS_PER_S},
    {"acme", "job:c", "acme|job:b", EVENT_STATUS_FAILED, 10 * NS_PER_S},
    {"acme", "job:d", "acme|job:c", EVENT_STATUS_FAILED, 15 * NS_PER_S},
};

static void expect_one_root(struct world *world, const char *tenant, const char *root,
                            unsigned affected) {
    char words[128];
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", root);
    assert_int_equal(world_incidents(world, tenant), 1);
    char *json = world_json(world, tenant, 0);
    assert_non_null(strstr(json, words));
    assert_int_equal(count_text(json, "\"hops\":"), affected);
    free(json);
}

static const struct failure platform_storm[STORM_SIZE] = {
    {"platform", "service:net", NULL, EVENT_STATUS_DOWN, 0},
    {"platform", "service:w", "platform|service:net", EVENT_STATUS_DOWN, 5 * NS_PER_S},
    {"acme", "job:a1", "platform|service:w", EVENT_STATUS_FAILED, 10 * NS_PER_S},
    {"acme", "job:a2", "acme|job:a1", EVENT_STATUS_FAILED, 15 * NS_PER_S},
};

static void a_late_platform_cause_reroots_tenants_in_any_order(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2 * STORM_ORDERS; i++) {
        struct world world;
        world_init(&world);
        fail_in_order(&world, platform_storm, i / 2, i % 2 == 1);
        expect_one_root(&world, "platform", "service:net", 1);
        expect_one_root(&world, "acme", "platform/service:net", 2);
        assert_int_equal(world_rows(&world, STORE_TABLE_MEMBER), 5);
        world_restart(&world); /* and the rows say the same */
        world_run(&world, START_NS + NS_PER_MINUTE);
        expect_one_root(&world, "acme", "platform/service:net", 2);
        world_deinit(&world);
    }
}

static void the_first_of_a_cycle_is_its_root_whoever_closes_it(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2 * STORM_ORDERS; i++) {
        struct world world;
        world_init(&world);
        fail_in_order(&world, ring_storm, i / 2, i % 2 == 1);
        expect_one_root(&world, "acme", "job:a", 3);
        world_deinit(&world);
    }
}

/* All have failed, and only then is one of the ring's edges known. */
static void an_edge_that_closes_a_cycle_makes_its_first_the_root(void **state) {
    (void)state;
    for (unsigned i = 0; i < 3 * STORM_ORDERS; i++) {
        struct world world;
        world_init(&world);
        struct failure storm[STORM_SIZE];
        memcpy(storm, ring_storm, sizeof(storm));
        storm[i % 3].upstream = NULL;
        fail_in_order(&world, storm, i / 3, true);
        learn_edge_of(&world, &ring_storm[i % 3]);
        expect_one_root(&world, "acme", "job:a", 3);
        world_deinit(&world);
    }
}

/* job:b is the root of the ring; the edge leads from the other one, or from a silent one of a ring
 * of three, to a cause. */
static void an_edge_from_any_of_a_ring_finds_its_cause(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bool is_late = (i & 1) == 1;
        struct world world;
        world_init(&world);
        world_depend(&world, "job:c", "job:b");
        world_depend(&world, "job:b", (i & 2) == 0 ? "job:c" : "job:h");
        world_depend(&world, "job:h", "job:c");
        const char *from = (i & 2) == 0 ? "job:c" : "job:h";
        if (!is_late) {
            learn_edge(&world, "acme", from, "acme|job:a");
        }
        world_fail(&world, "job:b", START_NS + 1 * NS_PER_S);
        world_fail(&world, "job:a", START_NS);
        world_fail(&world, "job:c", START_NS + 2 * NS_PER_S);
        if (is_late) {
            learn_edge(&world, "acme", from, "acme|job:a");
        }
        expect_one_root(&world, "acme", "job:a", 2);
        assert_int_equal(incidents_open_count(world.incidents), 1);
        world_deinit(&world);
    }
}

/* The edge joins two nodes of the platform with a silent one on each side of it, or none. */
static void a_late_edge_of_the_platform_reroots_tenants(void **state) {
    (void)state;
    for (unsigned silent = 0; silent < 2; silent++) {
        struct world world;
        world_init(&world);
        const char *lower = silent == 0 ? "service:w" : "service:low";
        const char *upper = silent == 0 ? "platform|service:net" : "platform|service:high";
        if (silent == 1) {
            world_depend(&world, "platform|service:w", "platform|service:low");
            world_depend(&world, "platform|service:high", "platform|service:net");
        }
        world_depend(&world, "acme|job:a1", "platform|service:w");
        world_bad(&world, "platform", "service:net", EVENT_STATUS_DOWN, START_NS);
        world_bad(&world, "platform", "service:w", EVENT_STATUS_DOWN, START_NS + 5);
        world_fail(&world, "job:a1", START_NS + 10);
        expect_one_root(&world, "acme", "platform/service:w", 1);
        learn_edge(&world, "platform", lower, upper);
        expect_one_root(&world, "platform", "service:net", 1);
        expect_one_root(&world, "acme", "platform/service:net", 1);
        world_deinit(&world);
    }
}

/* Nothing that is bad stands at either end of the edge: a tenant hangs on the one by silent nodes,
 * the platform's cause lies above the other. A tenant that nothing joins to it stays apart. */
static void a_late_edge_between_silent_nodes_of_the_platform_reaches_tenants(void **state) {
    (void)state;
    for (unsigned is_first = 0; is_first < 2; is_first++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "acme|job:a1", "platform|service:w");
        world_depend(&world, "platform|service:w", "platform|service:low");
        world_depend(&world, "platform|service:high", "platform|service:net");
        world_depend(&world, "beta|job:b1", "platform|service:other");
        world_bad(&world, "platform", "service:net", EVENT_STATUS_DOWN, START_NS);
        if (is_first == 1) {
            learn_edge(&world, "platform", "service:low", "platform|service:high");
        }
        world_fail(&world, "job:a1", START_NS + 10);
        world_bad(&world, "beta", "job:b1", EVENT_STATUS_FAILED, START_NS + 10);
        if (is_first == 0) {
            learn_edge(&world, "platform", "service:low", "platform|service:high");
        }
        world_run(&world, START_NS + NS_PER_MINUTE);
        expect_one_root(&world, "acme", "platform/service:net", 1);
        expect_one_root(&world, "beta", "job:b1", 0);
        expect_one_root(&world, "platform", "service:net", 0);
        world_deinit(&world);
    }
}

/* What the platform itself tells apart stays apart for its tenants. */
static void tenants_keep_a_platform_root_that_has_a_cause_of_its_own(void **state) {
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "platform|service:w", "platform|service:net");
        world_depend(&world, "acme|job:a1", "platform|service:w");
        if (late == 0) {
            world_bad(&world, "platform", "service:net", EVENT_STATUS_DEGRADED, START_NS);
        }
        struct signal signal =
            world_signal("platform", "service:w", EVENT_STATUS_DOWN, START_NS - NS_PER_MINUTE);
        signal.error_class = SLICE("DiskFull");
        signal.message = SLICE("no space left on device");
        world_bad_signal(&world, "platform", "service:w", &signal, false);
        world_fail(&world, "job:a1", START_NS + 10 * NS_PER_S);
        if (late == 1) {
            world_bad(&world, "platform", "service:net", EVENT_STATUS_DEGRADED, START_NS);
        }
        assert_int_equal(world_incidents(&world, "platform"), 2);
        expect_one_root(&world, "acme", "platform/service:w", 1);
        world_deinit(&world);
    }
}

/* No edge joins the two nodes of the platform: their errors name the same host. */
static void a_platform_cause_found_without_an_edge_reroots_tenants(void **state) {
    (void)state;
    for (unsigned merges = 0; merges < 2; merges++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "acme|job:a1", "platform|service:w");
        world_depend(&world, "acme|job:a2", "platform|service:w");
        struct signal signal =
            world_signal("platform", "service:w", EVENT_STATUS_DOWN, START_NS + 5);
        signal.message = SLICE("no answer from store1.internal.example.com");
        world_bad_signal(&world, "platform", "service:w", &signal, false);
        world_fail(&world, "job:a1", START_NS + 10);
        expect_one_root(&world, "acme", "platform/service:w", 1);
        if (merges == 1) { /* it says so only with its second signal */
            world_bad(&world, "platform", "service:net", EVENT_STATUS_DOWN, START_NS);
        }
        signal.entity = SLICE("service:net");
        signal.event_time_ns = START_NS;
        world_bad_signal(&world, "platform", "service:net", &signal, false);
        expect_one_root(&world, "platform", "service:net", 1);
        world_run(&world, START_NS + NS_PER_S);
        expect_one_root(&world, "acme", "platform/service:net", 1);
        world_fail(&world, "job:a2", START_NS + 15);
        expect_one_root(&world, "acme", "platform/service:net", 2);
        world_deinit(&world);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(late_cause_reroots_an_untold_incident_and_keeps_its_id),
        cmocka_unit_test(late_cause_reroots_told_incidents_into_the_first_seen),
        cmocka_unit_test(the_numbers_of_a_closing_message_agree),
        cmocka_unit_test(a_closing_message_lists_the_affected_within_its_bound),
        cmocka_unit_test(many_told_incidents_merge_in_steps_as_room_allows),
        cmocka_unit_test(the_first_to_fail_of_a_cycle_is_its_root),
        cmocka_unit_test(an_explicit_failure_is_the_root_of_a_cycle_before_lateness),
        cmocka_unit_test(an_edge_that_arrives_later_connects_incidents),
        cmocka_unit_test(the_first_of_a_cycle_is_its_root_whoever_closes_it),
        cmocka_unit_test(an_edge_that_closes_a_cycle_makes_its_first_the_root),
        cmocka_unit_test(an_edge_from_any_of_a_ring_finds_its_cause),
        cmocka_unit_test(a_late_platform_cause_reroots_tenants_in_any_order),
        cmocka_unit_test(a_late_edge_of_the_platform_reroots_tenants),
        cmocka_unit_test(a_late_edge_between_silent_nodes_of_the_platform_reaches_tenants),
        cmocka_unit_test(a_platform_cause_found_without_an_edge_reroots_tenants),
        cmocka_unit_test(tenants_keep_a_platform_root_that_has_a_cause_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
