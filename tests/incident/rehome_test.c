/* rehome_test.c - a cause that is told late takes over many long chains at once: soon, and with a
 * bounded amount of work at a time. */
#include "incident/incident_state.h"
#include "tests/incident/world.h"

/* far0 -> quiet0 -> c0s0 -> c0s1 -> ... and so on; near -> each first step, told last. */
enum { CHAINS = 40, LENGTH = 20 };

static const char *step_name(char name[16], unsigned chain, unsigned step) {
    snprintf(name, 16, "job:c%us%u", chain, step);
    return name;
}

static void init_chains(struct world *world) {
    char name[16];
    char above[16];
    world_init_sized(world, 512);
    world->policies.defaults.correlate_suspect_min = 0;
    for (unsigned chain = 0; chain < CHAINS; chain++) {
        char quiet[16];
        snprintf(name, sizeof(name), "job:far%u", chain);
        snprintf(quiet, sizeof(quiet), "job:quiet%u", chain);
        world_depend(world, quiet, name);
        world_depend(world, step_name(above, chain, 0), quiet);
        world_depend(world, above, "job:near");
        world_fail(world, name, START_NS);
        for (unsigned step = 0; step < LENGTH; step++) {
            if (step > 0) {
                world_depend(world, step_name(name, chain, step),
                             step_name(above, chain, step - 1));
            }
            world_fail(world, step_name(name, chain, step),
                       START_NS + NS_PER_MINUTE + step * NS_PER_S);
        }
    }
    assert_int_equal(world_incidents(world, "acme"), CHAINS);
    world_fail(world, "job:near", START_NS + 30 * NS_PER_S);
}

/* How many of all steps stand with job:near. */
static unsigned taken_along(struct world *world) {
    struct incidents *incidents = world->incidents;
    uint64_t tenant = tenant_hash_of(incidents, SLICE("acme"));
    struct member *near = member_find(incidents, tenant, world_node(world, "acme", "job:near"));
    unsigned taken = 0;
    for (unsigned i = 0; i < CHAINS * LENGTH; i++) {
        char name[16];
        uint32_t node = world_node(world, "acme", step_name(name, i / LENGTH, i % LENGTH));
        taken += member_find(incidents, tenant, node)->incident == near->incident ? 1 : 0;
    }
    return taken;
}

static void many_long_chains_are_taken_along_within_seconds(void **state) {
    (void)state;
    struct world world;
    init_chains(&world);
    world_run_for(&world, 20 * NS_PER_S);
    assert_int_equal(taken_along(&world), CHAINS * LENGTH);
    world_deinit(&world);
}

/* What is well below all of them makes each search long. */
static void widen_chains(struct world *world) {
    char name[16];
    for (unsigned i = 0; i < CHAINS * LENGTH; i++) {
        world_depend(world, "job:hub", step_name(name, i / LENGTH, i % LENGTH));
    }
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "job:leaf%u", i);
        world_depend(world, name, "job:hub");
    }
}

static void taking_many_chains_along_costs_little_at_a_time(void **state) {
    (void)state;
    struct world world;
    init_chains(&world);
    widen_chains(&world);
    uint64_t most = 0;
    for (unsigned second = 0; second < 20; second++) {
        uint64_t before = graph_search_visited(world.search);
        world_run_for(&world, NS_PER_S);
        uint64_t visited = graph_search_visited(world.search) - before;
        most = visited > most ? visited : most;
    }
    assert_int_equal(taken_along(&world), CHAINS * LENGTH);
    assert_in_range(most, 1, 80000);
    world_deinit(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_long_chains_are_taken_along_within_seconds),
        cmocka_unit_test(taking_many_chains_along_costs_little_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
