/* configure_test.c - jobs come and go with their file, also when the graph has no room for them; a
 * version that cannot be taken. */
#include "tests/engine/shard_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "schemas/derive.h"

enum { NAME_BYTES = 16, JOBS_MANY = 2000, JOBS_ENDLESS = 200000 };

static void name_job(uint32_t number, char name_out[NAME_BYTES]) {
    (void)snprintf(name_out, NAME_BYTES, "job:j%u", number);
}

static uint32_t find_node(struct world *world, uint32_t number) {
    char name[NAME_BYTES];
    name_job(number, name);
    return graph_find_node(world->engine.graph,
                           derive_entity_key(SLICE("acme"), slice_of_text(name), HASH_SEED));
}

/* A version in which acme declares so many jobs, each behind the one before it. */
static void declare_jobs(struct world *world, uint32_t count) {
    char(*names)[NAME_BYTES] = calloc(count, sizeof(*names));
    struct policy_job *jobs = calloc(count, sizeof(*jobs));
    struct slice *upstreams = calloc(count, sizeof(*upstreams));
    struct policy acme = policy_default();
    struct policy_set set = {.defaults = policy_default(), .tenants = &acme, .tenants_count = 1};
    assert_true(names != NULL && jobs != NULL && upstreams != NULL);
    for (uint32_t number = 0; number < count; number++) {
        name_job(number, names[number]);
        jobs[number].entity = slice_of_text(names[number]);
        upstreams[number] = jobs[number > 0 ? number - 1 : 0].entity;
        jobs[number].depends_on = &upstreams[number];
        jobs[number].depends_on_count = number > 0 ? 1 : 0;
    }
    acme.tenant = SLICE("acme");
    acme.jobs = jobs;
    acme.jobs_count = count;
    batch_clear(&world->batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(&world->batch);
    assert_status(policy_set_encode(&set, &writer), OK);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
    free(upstreams);
    free(jobs);
    free(names);
}

static void assert_withdrawn(struct world *world, uint32_t last_taken) {
    assert_int_equal(world->engine.policies.tenants[0].jobs_count, 1);
    assert_int_equal(graph_edges_count(world->engine.graph), 0);
    assert_int_not_equal(find_node(world, last_taken), GRAPH_NODE_NONE);
    assert_int_equal(find_node(world, last_taken + 1), GRAPH_NODE_NONE);
}

static void a_job_that_found_no_room_is_withdrawn_as_any_other(void **state) {
    struct world *world = *state;
    declare_jobs(world, JOBS_MANY); /* more than there is room for */
    uint32_t taken = graph_nodes_count(world->engine.graph);
    assert_int_equal(taken, graph_nodes_max(world->engine.graph));
    assert_int_equal(graph_edges_count(world->engine.graph), taken - 1);
    declare_jobs(world, 1);
    assert_withdrawn(world, taken - 1);
    struct hash128 digest = engine_digest(&world->engine);
    for (int round = 0; round < 2; round++) { /* replayed, then found in the state */
        restart(world);
        assert_same(engine_digest(&world->engine), digest);
        assert_withdrawn(world, taken - 1);
        commit(world);
    }
    add_event(world, "job:j0", EVENT_STATUS_FAILED, "e-1", NULL);
    apply_record(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), 1);
}

/* A version that fits in a record, and says of so many jobs that memory for them is refused. */
static void write_endless_version(struct world *world) {
    struct slice before_count = SLICE("what stands before the number of jobs");
    struct policy_set set = {.defaults = policy_default()};
    set.defaults.dedup_by = before_count;
    batch_clear(&world->batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(&world->batch);
    assert_status(policy_set_encode(&set, &writer), OK);
    uint8_t *found = memmem(writer.data, writer.size, before_count.data, before_count.size);
    assert_non_null(found);
    struct writer count = writer_over(found + before_count.size, 4);
    writer_u32(&count, JOBS_ENDLESS);
    while (writer.size < JOBS_ENDLESS + KIB) { /* a byte each at least: else it is no version */
        writer_u8(&writer, 0);
    }
    assert_false(writer.failed);
    batch_entry_commit(&world->batch, writer.size);
    (void)write_record(world);
}

static void a_recovery_that_fails_says_at_which_record_and_why(void **state) {
    struct world *world = *state;
    add_event(world, "job:j0", EVENT_STATUS_FAILED, "e-1", NULL);
    apply_record(world);
    commit(world);
    write_endless_version(world);
    crash(world);
    assert_status(try_start(world), FULL);
    assert_string_equal(world->fault.words, "journal record 2 cannot be applied: a configuration "
                                            "version cannot be read: full");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_job_that_found_no_room_is_withdrawn_as_any_other),
        TEST(a_recovery_that_fails_says_at_which_record_and_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
