/* correlate_test.c - one incident a cause, whatever order the news arrives in. */
#include "tests/incident/world.h"

#define CASCADE 40u

enum shape { CHAIN, TREE, DIAMONDS, FAN, HEALTHY_BETWEEN, RING_BELOW, SHAPES };
enum times { ROOT_FIRST, ALL_EQUAL, AS_THEY_ARRIVE, TIMES };

static char names[CASCADE][32];

static void add_link(struct world *world, unsigned child, unsigned parent, enum shape shape) {
    if (shape != HEALTHY_BETWEEN) {
        world_depend(world, names[child], names[parent]);
        return;
    }
    char between[48];
    snprintf(between, sizeof(between), "dataset:between_%u_%u", child, parent);
    world_depend(world, names[child], between);
    world_depend(world, between, names[parent]);
}

static void build(struct world *world, enum shape shape) {
    for (unsigned i = 0; i < CASCADE; i++) {
        snprintf(names[i], sizeof(names[i]), "job:step_%02u", i);
    }
    for (unsigned i = 1; i < CASCADE; i++) {
        switch (shape) {
        case CHAIN:
        case HEALTHY_BETWEEN:
            add_link(world, i, i - 1, shape);
            break;
        case TREE:
            add_link(world, i, (i - 1) / 2, shape);
            break;
        case DIAMONDS: /* 0; 1 2; 3; 4 5; 6; ... */
            if (i % 3 == 0) {
                add_link(world, i, i - 1, shape);
                add_link(world, i, i - 2, shape);
            } else {
                add_link(world, i, i - i % 3, shape);
            }
            break;
        case FAN:
            add_link(world, i, 0, shape);
            break;
        default: /* a chain whose last ten stand in a ring */
            add_link(world, i, i - 1, shape);
            if (i == CASCADE - 1) {
                add_link(world, CASCADE - 10, i, shape);
            }
        }
    }
}

static void fail_in_order(struct world *world, const unsigned *order, enum times times) {
    for (unsigned i = 0; i < CASCADE; i++) {
        uint64_t event_ns = times == ROOT_FIRST  ? START_NS + order[i] * NS_PER_S
                            : times == ALL_EQUAL ? START_NS
                                                 : START_NS + i * NS_PER_S;
        world_fail(world, names[order[i]], event_ns);
    }
}

static void expect_one_cascade(struct world *world) {
    assert_int_equal(incidents_open_count(world->incidents), 1);
    assert_int_equal(world_incidents(world, "acme"), 1);
    assert_int_equal(world_rows(world, STORE_TABLE_MEMBER), CASCADE);
    assert_int_equal(world_rows(world, STORE_TABLE_RECENT), 1);
    world_run(world, START_NS + 10 * NS_PER_S);
    assert_int_equal(world->told_count, 1);
    const char *json = world->told[0].json;
    assert_non_null(
        strstr(json, "\"title\":\"job:step_00 failed: Timeout; 39 downstream affected\""));
    assert_non_null(strstr(json, "\"root_cause\":{\"entity\":\"job:step_00\""));
    assert_int_equal(count_text(json, "\"hops\":"), 39);
    assert_non_null(strstr(json, "\"failing\":40"));
    char *listed = world_json(world, "acme", 0);
    assert_int_equal(count_text(listed, "\"hops\":"), 39);
    free(listed);
}

static void try_order(enum shape shape, const unsigned *order, enum times times) {
    struct world world;
    world_init(&world);
    build(&world, shape);
    fail_in_order(&world, order, times);
    expect_one_cascade(&world);
    world_deinit(&world);
}

static void every_rotation_of_a_cascade_is_one_incident(void **state) {
    (void)state;
    for (enum shape shape = 0; shape < SHAPES; shape++) {
        for (unsigned shift = 0; shift < CASCADE; shift++) {
            unsigned order[CASCADE];
            for (unsigned i = 0; i < CASCADE; i++) {
                order[i] = (i + shift) % CASCADE;
            }
            try_order(shape, order, shift % TIMES);
        }
    }
}

static void any_order_of_a_cascade_is_one_incident(void **state) {
    (void)state;
    uint64_t random = 42;
    for (unsigned round = 0; round < 200; round++) {
        unsigned order[CASCADE];
        for (unsigned i = 0; i < CASCADE; i++) {
            order[i] = i;
        }
        for (unsigned i = CASCADE - 1; i > 0; i--) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            unsigned other = (unsigned)((random >> 33) % (i + 1));
            unsigned swapped = order[i];
            order[i] = order[other];
            order[other] = swapped;
        }
        try_order(round % SHAPES, order, (round / SHAPES) % TIMES);
    }
}

static uint64_t next_random(uint64_t *random) {
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *random >> 33;
}

/* A bad node with no bad node upstream of it is a root; no other is. Whatever the order. */
static size_t count_causes(struct world *world, const bool *is_bad) {
    size_t causes = 0;
    for (unsigned i = 0; i < CASCADE; i++) {
        uint32_t count = 0;
        const struct graph_visit *visits = graph_search_run(
            world->search, world->graph, i, GRAPH_UPSTREAM, 8, SLICE("acme"), &count, NULL);
        bool is_caused = false;
        for (uint32_t k = 0; k < count; k++) {
            is_caused = is_caused || is_bad[visits[k].node];
        }
        causes += is_bad[i] && !is_caused ? 1 : 0;
    }
    return causes;
}

static void in_any_graph_the_roots_are_the_causes(void **state) {
    (void)state;
    for (uint64_t round = 1; round <= 300; round++) {
        uint64_t random = round;
        struct world world;
        world_init(&world);
        world.policies.defaults.correlate_suspect_min = 0; /* only what reports counts here */
        bool is_bad[CASCADE] = {0};
        for (unsigned i = 0; i < CASCADE; i++) {
            snprintf(names[i], sizeof(names[i]), "job:step_%02u", i);
            assert_int_equal(world_node(&world, "acme", names[i]), i);
        }
        for (unsigned i = 1; i < CASCADE; i++) {
            for (unsigned k = (unsigned)(next_random(&random) % 3); k > 0; k--) {
                world_depend(&world, names[i], names[next_random(&random) % i]);
            }
        }
        unsigned failures = (unsigned)(next_random(&random) % 80) + 1;
        for (unsigned i = 0; i < failures; i++) {
            unsigned at = (unsigned)(next_random(&random) % CASCADE);
            is_bad[at] = true;
            world_fail(&world, names[at], START_NS + next_random(&random) % NS_PER_MINUTE);
        }
        assert_int_equal(world_incidents(&world, "acme"), count_causes(&world, is_bad));
        assert_int_equal(incidents_open_count(world.incidents), count_causes(&world, is_bad));
        world_deinit(&world);
    }
}

static void hops_are_the_shortest_from_the_root(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_depend(&world, "job:c", "job:b");
    world_depend(&world, "job:d", "job:c");
    world_depend(&world, "job:d", "job:a");
    world_fail(&world, "job:d", START_NS + 3);
    world_fail(&world, "job:c", START_NS + 2);
    world_fail(&world, "job:b", START_NS + 1);
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + 10 * NS_PER_S);
    const char *json = world.told[0].json;
    assert_non_null(strstr(
        json, "\"job:d\",\"status\":\"failed\",\"since\":\"2025-11-20T03:00:00.000Z\",\"hops\":1"));
    assert_non_null(strstr(
        json, "\"job:c\",\"status\":\"failed\",\"since\":\"2025-11-20T03:00:00.000Z\",\"hops\":2"));
    world_deinit(&world);
}

static void unrelated_failures_stay_apart(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_depend(&world, "job:y", "job:x");
    world_fail(&world, "job:b", START_NS);
    world_fail(&world, "job:y", START_NS);
    world_fail(&world, "job:a", START_NS);
    world_fail(&world, "job:x", START_NS);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    assert_int_equal(world.opened, 2);
    world_deinit(&world);
}

static void two_causes_of_one_stay_two_incidents(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:shared", "job:left");
    world_depend(&world, "job:shared", "job:right");
    world_fail(&world, "job:left", START_NS);
    world_fail(&world, "job:shared", START_NS + 1);
    world_fail(&world, "job:right", START_NS + 2);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    world_depend(&world, "job:left", "job:source");
    world_depend(&world, "job:right", "job:source");
    world_fail(&world, "job:source", START_NS + 3);
    assert_int_equal(world_incidents(&world, "acme"), 1); /* now they have one cause */
    world_deinit(&world);
}

static void failures_outside_the_window_stay_apart(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", START_NS);
    world_fail(&world, "job:b", START_NS + 15 * NS_PER_MINUTE + NS_PER_S);
    assert_int_equal(world_incidents(&world, "acme"), 2);
    world_depend(&world, "job:d", "job:c");
    world_fail(&world, "job:d", START_NS + 15 * NS_PER_MINUTE);
    world_fail(&world, "job:c", START_NS);
    assert_int_equal(world_incidents(&world, "acme"), 3);
    world_deinit(&world);
}

static void expect_platform_root(struct world *world, const char *tenant, unsigned affected) {
    char *json = world_json(world, tenant, 0);
    char title[128];
    snprintf(title, sizeof(title), "\"title\":\"platform/service:db down; %u downstream affected\"",
             affected);
    assert_int_equal(world_incidents(world, tenant), 1);
    assert_non_null(strstr(json, title));
    assert_non_null(strstr(json, "\"root_cause\":{\"entity\":\"platform/service:db\""));
    assert_int_equal(count_text(json, "\"hops\":"), affected);
    free(json);
}

static void a_platform_node_is_the_root_of_each_tenants_own_incident(void **state) {
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "acme|job:load", "platform|service:db");
        world_depend(&world, "acme|job:more", "platform|service:db");
        world_depend(&world, "globex|job:load", "platform|service:db");
        if (late == 0) {
            world_bad(&world, "platform", "service:db", EVENT_STATUS_DOWN, START_NS);
        }
        world_fail(&world, "job:load", START_NS);
        world_fail(&world, "job:more", START_NS);
        world_bad(&world, "globex", "job:load", EVENT_STATUS_FAILED, START_NS);
        if (late == 1) {
            world_bad(&world, "platform", "service:db", EVENT_STATUS_DOWN, START_NS);
        }
        expect_platform_root(&world, "acme", 2);
        expect_platform_root(&world, "globex", 1);
        assert_int_equal(world_incidents(&world, "platform"), 1);
        world_run(&world, START_NS + NS_PER_MINUTE);
        assert_int_equal(world.told_count, 3);
        /* The platform recovers by silence; the tenants' incidents end when their own jobs do. */
        world_run(&world, START_NS + 6 * NS_PER_MINUTE);
        assert_int_equal(world.told_count, 4);
        world_good(&world, "acme", "job:load", world.now_ns);
        world_good(&world, "acme", "job:more", world.now_ns);
        assert_int_equal(world.told_count, 5);
        assert_int_equal(world.told[4].type, 3);
        assert_string_equal(world.told[4].tenant, "acme");
        assert_int_equal(incidents_open_count(world.incidents), 1);
        world_deinit(&world);
    }
}

static void the_platform_is_told_how_many_tenants_it_hits_but_no_names(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "acme|job:load", "platform|service:db");
    world_depend(&world, "acme|job:more", "platform|service:db");
    world_depend(&world, "globex|job:load", "platform|service:db");
    world_depend(&world, "umbrella|job:load", "platform|service:cache");
    world_depend(&world, "platform|service:cache", "platform|service:db");
    world_bad(&world, "platform", "service:db", EVENT_STATUS_DOWN, START_NS);
    world_fail(&world, "job:load", START_NS + 1);
    world_fail(&world, "job:more", START_NS + 1);
    world_run(&world, START_NS + NS_PER_MINUTE);
    world_commit(&world);
    world_restart(&world);
    char *json = world_json(&world, "platform", 0);
    assert_non_null(strstr(json, "\"tenants hit: 1, at risk: 2\""));
    assert_null(strstr(json, "acme"));
    free(json);
    json = world_json(&world, "acme", 0);
    assert_null(strstr(json, "tenants"));
    free(json);
    world_deinit(&world);
}

static void a_node_is_known_as_a_member_as_long_as_any_tenant_has_it(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    uint32_t load = world_node(&world, "acme", "job:load");
    uint32_t db = world_node(&world, "platform", "service:db");
    world_depend(&world, "acme|job:load", "platform|service:db");
    assert_false(incidents_have_member(world.incidents, load));
    world_bad(&world, "platform", "service:db", EVENT_STATUS_DOWN, START_NS);
    world_fail(&world, "job:load", START_NS + 1);
    for (int round = 0; round < 2; round++) {
        assert_true(incidents_have_member(world.incidents, load));
        assert_true(incidents_have_member(world.incidents, db));
        world_commit(&world);
        world_restart(&world);
    }
    world_good(&world, "acme", "job:load", START_NS + 2);
    assert_true(incidents_have_member(world.incidents, load)); /* recovered, and may come back */
    world_run(&world, START_NS + NS_PER_DAY);
    assert_int_equal(incidents_open_count(world.incidents), 0);
    assert_false(incidents_have_member(world.incidents, load));
    assert_false(incidents_have_member(world.incidents, db));
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rotation_of_a_cascade_is_one_incident),
        cmocka_unit_test(any_order_of_a_cascade_is_one_incident),
        cmocka_unit_test(in_any_graph_the_roots_are_the_causes),
        cmocka_unit_test(hops_are_the_shortest_from_the_root),
        cmocka_unit_test(unrelated_failures_stay_apart),
        cmocka_unit_test(two_causes_of_one_stay_two_incidents),
        cmocka_unit_test(failures_outside_the_window_stay_apart),
        cmocka_unit_test(the_platform_is_told_how_many_tenants_it_hits_but_no_names),
        cmocka_unit_test(a_platform_node_is_the_root_of_each_tenants_own_incident),
        cmocka_unit_test(a_node_is_known_as_a_member_as_long_as_any_tenant_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
