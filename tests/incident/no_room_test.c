/* no_room_test.c - what finds no room in the effects or the pools is asked again, not lost. */
#include "incident/causes.h"
#include "tests/incident/world.h"

static void name_of(char *name, size_t size, const char *kind, unsigned number) {
    snprintf(name, size, "job:%s_%03u", kind, number);
}

static void depend_on_near(struct world *world, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        name_of(name, sizeof(name), "leaf", i);
        world_depend(world, name, "job:near");
    }
}

/* So many that join the cause at hand, job:far. */
static void fail_far(struct world *world, unsigned count) {
    world_depend(world, "job:middle", "job:far");
    world_fail(world, "job:far", START_NS);
    for (unsigned i = 0; i < count; i++) {
        char name[32];
        name_of(name, sizeof(name), "leaf", i);
        world_depend(world, name, "job:middle");
        world_fail(world, name, START_NS + 20 * NS_PER_S);
    }
    assert_int_equal(world_incidents(world, "acme"), 1);
}

static size_t affected_of(struct world *world, const char *root) {
    char words[64];
    size_t count = SIZE_MAX;
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", root);
    for (size_t i = 0; i < world_incidents(world, "acme"); i++) {
        char *json = world_json(world, "acme", i);
        count = strstr(json, words) != NULL ? count_text(json, "\"hops\":") : count;
        free(json);
    }
    return count;
}

static void a_cause_told_late_takes_over_more_than_it_looks_at_at_once(void **state) {
    (void)state;
    struct world world;
    world_init(&world);
    depend_on_near(&world, 600);
    fail_far(&world, 600);
    world_fail(&world, "job:near", START_NS + 10 * NS_PER_S);
    world_run(&world, START_NS + MINUTES(1));
    assert_int_equal(affected_of(&world, "job:near"), 600);
    assert_int_equal(affected_of(&world, "job:far"), 0);
    world_deinit(&world);
}

/* Each leaf joined the far cause by the one that failed before it, and both stand as near to the
 * other cause: asked in the wrong order, only one of the chain moves a turn. */
static void a_chain_that_a_cause_told_late_takes_over_ends_with_it(void **state) {
    enum { LEAVES = 20 };
    (void)state;
    for (unsigned is_reversed = 0; is_reversed < 2; is_reversed++) {
        struct world world;
        char before[32] = "job:silent_1";
        world_init(&world);
        world.policies.defaults.correlate_suspect_min = 0;
        world_depend(&world, before, "job:silent_2");
        world_depend(&world, "job:silent_2", "job:far");
        world_depend(&world, "job:middle", "job:near");
        for (unsigned i = 0; i < LEAVES; i++) {
            char name[32];
            name_of(name, sizeof(name), "leaf", is_reversed ? LEAVES - 1 - i : i);
            world_depend(&world, name, "job:middle");
        }
        world_fail(&world, "job:far", START_NS);
        for (unsigned i = 0; i < LEAVES; i++) {
            char name[32];
            name_of(name, sizeof(name), "leaf", i);
            world_depend(&world, name, before);
            world_fail(&world, name, START_NS + (10 + i) * NS_PER_S);
            memcpy(before, name, sizeof(before));
        }
        assert_int_equal(affected_of(&world, "job:far"), LEAVES);
        world_fail(&world, "job:near", START_NS + 5 * NS_PER_S);
        world_run(&world, START_NS + MINUTES(1));
        assert_int_equal(affected_of(&world, "job:near"), LEAVES);
        assert_int_equal(affected_of(&world, "job:far"), 0);
        world_deinit(&world);
    }
}

static struct member *member_of(struct world *world, const char *entity) {
    return member_find(world->incidents, tenant_hash_of(world->incidents, SLICE("acme")),
                       world_node(world, "acme", entity));
}

/* Its effects have no room for anything. */
static struct incident_context context_of_none(struct world *world, struct effects *full) {
    struct incident_context context = world_context(world);
    assert_true(status_is_ok(effects_init(full, 64 * KIB, &world->arena)));
    context.effects = full;
    return context;
}

/* By the next advance, which is that of the same record: how much room there is depends on when
 * rows were written, and a replay writes them at other moments. */
static void what_a_late_cause_has_no_room_to_take_over_moves_at_once(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        struct effects full;
        world_init(&world);
        fail_far(&world, 40);
        world_fail(&world, "job:near", START_NS + 10 * NS_PER_S);
        depend_on_near(&world, 40);
        struct incident_context context = context_of_none(&world, &full);
        correlate_rehome(world.incidents, &context, member_of(&world, "job:near"), 0);
        world_commit(&world);
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run(&world, world.now_ns);
        assert_int_equal(affected_of(&world, "job:near"), 40);
        assert_int_equal(affected_of(&world, "job:far"), 0);
        world_deinit(&world);
    }
}

static void kin_that_there_is_no_room_to_join_is_joined_later(void **state) {
    (void)state;
    static const char words[] = "no answer from store1.internal.example.com";
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        struct effects full;
        world_init(&world);
        struct signal signal = world_signal("acme", "job:a", EVENT_STATUS_FAILED, START_NS);
        signal.message = slice_of_text(words);
        world_bad_signal(&world, "acme", "job:a", &signal, false);
        world_fail(&world, "job:b", START_NS + NS_PER_S);
        struct incident_context context = context_of_none(&world, &full);
        struct member *member = member_of(&world, "job:b");
        assert_true(resources_note(&member->resources, signal.message, world.incidents->hash_seed));
        member_touch(world.incidents, member);
        correlate_kin(world.incidents, &context, member);
        world_commit(&world);
        assert_int_equal(world_incidents(&world, "acme"), 2);
        if (restarts == 1) {
            world_restart(&world);
        }
        world_run(&world, START_NS + MINUTES(1));
        assert_int_equal(world_incidents(&world, "acme"), 1);
        assert_int_equal(affected_of(&world, "job:a"), 1);
        world_deinit(&world);
    }
}

/* Takes so many places of the pool. */
static void fill(struct world *world, unsigned count) {
    world_bad(world, "other", "job:root", EVENT_STATUS_FAILED, world->now_ns);
    for (unsigned i = 1; i < count; i++) {
        char name[40];
        snprintf(name, sizeof(name), "other|job:filler_%03u", i);
        world_depend(world, name, "other|job:root");
        world_bad(world, "other", name + strlen("other|"), EVENT_STATUS_FAILED, world->now_ns);
    }
    assert_int_equal(world_incidents(world, "other"), 1);
}

/* And gives them back an hour later. */
static void drain(struct world *world, unsigned count, bool restarts) {
    world_good(world, "other", "job:root", world->now_ns);
    for (unsigned i = 1; i < count; i++) {
        char name[32];
        name_of(name, sizeof(name), "filler", i);
        world_good(world, "other", name, world->now_ns);
    }
    if (restarts) {
        world_restart(world);
    }
    world_run_for(world, MINUTES(60));
}

static bool is_blamed(struct world *world, const char *tenant, const char *root) {
    char words[64];
    snprintf(words, sizeof(words), "\"root_cause\":{\"entity\":\"%s\"", root);
    assert_int_equal(world_incidents(world, tenant), 1);
    char *json = world_json(world, tenant, 0);
    bool is_so = strstr(json, words) != NULL && count_text(json, "\"hops\":1") == 1;
    free(json);
    return is_so;
}

/* The last place of the pool goes to one of two tenants. */
static void a_platform_node_is_blamed_when_there_is_a_place_again(void **state) {
    (void)state;
    for (unsigned restarts = 0; restarts < 2; restarts++) {
        struct world world;
        world_init_sized(&world, 16);
        world_depend(&world, "acme|job:load", "platform|job:feed");
        world_depend(&world, "globex|job:load", "platform|job:feed");
        fill(&world, 60);
        world_fail(&world, "job:load", START_NS + NS_PER_S);
        world_bad(&world, "globex", "job:load", EVENT_STATUS_FAILED, START_NS + NS_PER_S);
        world_bad(&world, "platform", "job:feed", EVENT_STATUS_FAILED, START_NS);
        world_run(&world, START_NS + MINUTES(5));
        assert_true(is_blamed(&world, "acme", "platform/job:feed") !=
                    is_blamed(&world, "globex", "platform/job:feed"));
        drain(&world, 60, restarts == 1);
        assert_true(is_blamed(&world, "acme", "platform/job:feed"));
        assert_true(is_blamed(&world, "globex", "platform/job:feed"));
        world_deinit(&world);
    }
}

/* It is to be looked at soon anyhow, as another has joined it just now. */
static void that_a_platform_node_has_no_place_is_known_after_a_restart(void **state) {
    (void)state;
    struct world world;
    world_init_sized(&world, 16);
    world_depend(&world, "acme|job:load", "platform|job:feed");
    world_depend(&world, "globex|job:load", "platform|job:feed");
    world_depend(&world, "globex|job:next", "globex|job:load");
    fill(&world, 59);
    world_fail(&world, "job:load", START_NS + NS_PER_S);
    world.now_ns += NS_PER_S;
    world_bad(&world, "globex", "job:load", EVENT_STATUS_FAILED, START_NS + NS_PER_S);
    world_bad(&world, "globex", "job:next", EVENT_STATUS_FAILED, START_NS + 2 * NS_PER_S);
    world_bad(&world, "platform", "job:feed", EVENT_STATUS_FAILED, START_NS);
    struct hash128 before = incidents_digest(world.incidents);
    world_restart(&world);
    assert_true(hash128_equals(incidents_digest(world.incidents), before));
    world_run_for(&world, MINUTES(5));
    assert_false(is_blamed(&world, "globex", "platform/job:feed"));
    drain(&world, 59, false);
    assert_true(is_blamed(&world, "globex", "platform/job:feed"));
    world_deinit(&world);
}

/* job:u is well for long, and net fails still. */
static void a_platform_node_takes_the_place_of_a_root_when_there_is_one(void **state) {
    (void)state;
    struct world world;
    world_init_sized(&world, 16);
    world_depend(&world, "job:x", "platform|job:net");
    world_depend(&world, "job:x", "job:u");
    world_bad(&world, "platform", "job:net", EVENT_STATUS_FAILED, world.now_ns);
    world_run_for(&world, MINUTES(1));
    world_fail(&world, "job:u", world.now_ns);
    struct signal named = world_signal("acme", "job:x", EVENT_STATUS_FAILED, world.now_ns);
    named.message = SLICE("u refused");
    world_bad_signal(&world, "acme", "job:x", &named, false);
    fill(&world, 60);
    world_good(&world, "acme", "job:u", world.now_ns);
    world_run_for(&world, MINUTES(10));
    assert_true(is_blamed(&world, "acme", "job:u"));
    drain(&world, 60, false);
    assert_true(is_blamed(&world, "acme", "platform/job:net"));
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cause_told_late_takes_over_more_than_it_looks_at_at_once),
        cmocka_unit_test(a_chain_that_a_cause_told_late_takes_over_ends_with_it),
        cmocka_unit_test(what_a_late_cause_has_no_room_to_take_over_moves_at_once),
        cmocka_unit_test(kin_that_there_is_no_room_to_join_is_joined_later),
        cmocka_unit_test(a_platform_node_is_blamed_when_there_is_a_place_again),
        cmocka_unit_test(that_a_platform_node_has_no_place_is_known_after_a_restart),
        cmocka_unit_test(a_platform_node_takes_the_place_of_a_root_when_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
