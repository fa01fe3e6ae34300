/* blast_test.c - what the blast radius counts: by kind, and when all is well again; and that the
 * evidence is counted anew when a member turns out to be worse or older. */
#include "tests/incident/world.h"

static unsigned sum_by_kind(const char *json) {
    const char *at = strstr(json, "\"by_kind\":{");
    assert_non_null(at);
    unsigned sum = 0;
    for (at += strlen("\"by_kind\":{"); *at != '}';) {
        at = strchr(at, ':');
        assert_non_null(at);
        char *end = NULL;
        sum += (unsigned)strtoul(at + 1, &end, 10);
        at = *end == ',' ? end + 1 : end;
    }
    return sum;
}

/* job:root and `count` dependants, each of a kind of its own. */
static void fail_kinds(struct world *world, unsigned count) {
    world_fail(world, "job:root", START_NS);
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof(name), "kind%c:x", 'a' + (int)i);
        world_depend(world, name, "job:root");
        world_bad(world, "acme", name, EVENT_STATUS_FAILED, START_NS);
    }
    world_run(world, START_NS + NS_PER_MINUTE);
}

static void nineteen_kinds_add_up(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init(&world);
        fail_kinds(&world, 18);
        if (restarts == 1) {
            world_restart(&world);
        }
        char *json = world_json(&world, "acme", 0);
        assert_non_null(strstr(json, "\"blast_radius\":{\"total\":19,\"failing\":19,"));
        assert_int_equal(sum_by_kind(json), 19);
        assert_non_null(strstr(json, "\"other\":4"));
        free(json);
        assert_int_equal(sum_by_kind(world.told[0].json), 19);
        world_deinit(&world);
    }
}

static void as_many_kinds_as_are_kept_stand_by_name(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    fail_kinds(&world, 14);
    char *json = world_json(&world, "acme", 0);
    assert_int_equal(sum_by_kind(json), 15);
    assert_int_equal(count_text(json, ":x\",\"status\":"), 14);
    assert_int_equal(count_text(json, "\":1,\"kind"), 14);
    assert_null(strstr(json, "\"other\""));
    free(json);
    world_deinit(&world);
}

static void expect_well(const char *json) {
    assert_non_null(
        strstr(json, "\"blast_radius\":{\"total\":0,\"failing\":0,\"at_risk\":0,\"by_kind\":{}}"));
    assert_non_null(strstr(json, "\"status\":\"resolved\""));
}

static void of_what_is_resolved_nothing_is_at_risk(void **state) {
    (void)state;
    for (unsigned by_hand = 0; by_hand < 2; by_hand++) {
        struct world world;
        world_init(&world);
        world_depend(&world, "job:b", "job:a");
        world_depend(&world, "dataset:c", "job:b");
        world_fail(&world, "job:a", START_NS);
        world_run(&world, START_NS + NS_PER_MINUTE);
        assert_non_null(strstr(world.told[0].json, "\"total\":3,\"failing\":1,\"at_risk\":2,"));
        struct incident_context context = world_context(&world);
        if (by_hand == 1) {
            struct hash128 id = world.told[0].incident_id;
            assert_true(status_is_ok(incidents_operate(world.incidents, &context, id, SLICE("acme"),
                                                       true, SLICE("kim"), SLICE(""))));
            world_commit(&world);
        } else {
            world_good(&world, "acme", "job:a", world.now_ns);
        }
        assert_int_equal(world.told_count, 2);
        expect_well(world.told[1].json);
        world_restart(&world);
        world_run(&world, START_NS + NS_PER_DAY); /* forgotten, its rows stay */
        char *json = world_json(&world, "acme", 0);
        expect_well(json);
        free(json);
        world_deinit(&world);
    }
}

static void what_comes_back_is_at_risk_again(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_fail(&world, "job:a", START_NS);
    world_run(&world, START_NS + NS_PER_MINUTE);
    world_good(&world, "acme", "job:a", world.now_ns);
    world_fail(&world, "job:a", world.now_ns);
    world_run(&world, world.now_ns + NS_PER_MINUTE);
    char *json = world_json(&world, "acme", 0);
    assert_non_null(
        strstr(json, "\"total\":2,\"failing\":1,\"at_risk\":1,\"by_kind\":{\"job\":2}"));
    free(json);
    world_deinit(&world);
}

static void expect_shown(struct world *world, const char *words) {
    char *json = world_json(world, "acme", 0);
    assert_non_null(strstr(json, words));
    free(json);
}

/* Also when there is nothing to tell, or it is not yet the time. */
static void evidence_is_of_what_is_known_now(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    world_depend(&world, "job:b", "job:a");
    world_bad(&world, "acme", "job:a", EVENT_STATUS_LATE, START_NS);
    world_fail(&world, "job:b", START_NS + 5 * NS_PER_S);
    world_run(&world, START_NS + 6 * NS_PER_S);
    expect_shown(&world, "\"first to fail\",\"upstream of 1 of 1 affected\",\"is late or degraded");
    world_fail(&world, "job:a", START_NS + 6 * NS_PER_S);
    world_run_for(&world, NS_PER_S);
    expect_shown(&world, "\"first to fail\",\"upstream of 1 of 1 affected\",\"reported a failure");
    world_run_for(&world, NS_PER_MINUTE); /* it is told, and that is all */
    struct signal older = world_signal("acme", "job:b", EVENT_STATUS_FAILED, START_NS - NS_PER_S);
    world_bad_signal(&world, "acme", "job:b", &older, true);
    world_run_for(&world, NS_PER_S);
    expect_shown(&world, "\"against it: failed after 1 of 1 affected\"");
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nineteen_kinds_add_up),
        cmocka_unit_test(as_many_kinds_as_are_kept_stand_by_name),
        cmocka_unit_test(of_what_is_resolved_nothing_is_at_risk),
        cmocka_unit_test(what_comes_back_is_at_risk_again),
        cmocka_unit_test(evidence_is_of_what_is_known_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
