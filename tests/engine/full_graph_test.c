/* full_graph_test.c - a graph, or a tenant's share of it, that has no room: what is known is heard
 * all the same. */
#include "tests/engine/shard_world.h"

#include <stdio.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/log.h"
#include "engine/view_state.h"

/* acme may have so many entities; 0: as many as there is room for. */
static void limit_acme(struct world *world, uint32_t entities) {
    struct policy acme = policy_default();
    struct policy_set set = {.defaults = policy_default(), .tenants = &acme, .tenants_count = 1};
    acme.tenant = SLICE("acme");
    acme.limit_entities = entities;
    batch_clear(&world->batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(&world->batch);
    assert_status(policy_set_encode(&set, &writer), OK);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
}

/* The same when it is replayed, and when it is found in the state. */
static void assert_the_same_again(struct world *world) {
    struct hash128 digest = engine_digest(&world->engine);
    for (int round = 0; round < 2; round++) {
        restart(world);
        assert_same(engine_digest(&world->engine), digest);
        commit(world);
    }
}

static void a_known_entity_is_heard_though_its_new_dependency_finds_no_room(void **state) {
    struct world *world = *state;
    add_event(world, "job:a", EVENT_STATUS_SUCCEEDED, "e-1", "job:b");
    add_event(world, "job:c", EVENT_STATUS_SUCCEEDED, "e-2", NULL); /* three nodes, an edge */
    apply_record(world);
    uint32_t edges = graph_edges_count(world->engine.graph);
    add_event(world, "job:b", EVENT_STATUS_FAILED, "e-3", "dataset:new job:c");
    apply_record(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), 1);
    bool has_room_for_edges = world->edges_max > edges;
    assert_int_equal(graph_edges_count(world->engine.graph), edges + (has_room_for_edges ? 1 : 0));
    add_event(world, "job:b", EVENT_STATUS_SUCCEEDED, "e-4", "dataset:newer");
    apply_record(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), 0);
    assert_int_equal(stats_get(&world->stats, STAT_EDGES_LEFT_OUT), has_room_for_edges ? 2 : 3);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_QUARANTINE), 0);
    assert_the_same_again(world);
}

static uint32_t count_lines(int fd) {
    char bytes[8192];
    ssize_t size = pread(fd, bytes, sizeof(bytes), 0);
    uint32_t lines = 0;
    assert_true(size >= 0 && size < (ssize_t)sizeof(bytes));
    for (ssize_t i = 0; i < size; i++) {
        lines += bytes[i] == '\n';
    }
    return lines;
}

/* So many failures of jobs that nobody knows yet, and a new dependency of one that is known. */
static void add_strangers(struct world *world, uint32_t count, uint32_t *number) {
    for (uint32_t i = 0; i < count; i++, (*number)++) {
        char job[32];
        char id[32];
        (void)snprintf(job, sizeof(job), "job:stranger%u", *number);
        (void)snprintf(id, sizeof(id), "s-%u", *number);
        add_event(world, job, EVENT_STATUS_FAILED, id, NULL);
        (void)snprintf(id, sizeof(id), "k-%u", *number);
        add_event(world, "job:known", EVENT_STATUS_SUCCEEDED, id, job);
    }
    apply_record(world);
}

static void what_finds_no_room_is_counted_each_time_and_told_once_a_minute(void **state) {
    struct world *world = *state;
    uint32_t number = 0;
    FILE *file = tmpfile();
    assert_non_null(file);
    const struct logger logger = {.fd = fileno(file), .level_min = LOG_LEVEL_ERROR};
    world->logger = &logger;
    restart(world);
    add_event(world, "job:known", EVENT_STATUS_SUCCEEDED, "e-1", "job:a job:b");
    apply_record(world);
    add_strangers(world, 20, &number);
    add_strangers(world, 20, &number);
    assert_int_equal(count_lines(logger.fd), 2); /* one for each of the two kinds */
    apply_tick(world, NS_PER_MINUTE);
    add_strangers(world, 20, &number);
    assert_int_equal(count_lines(logger.fd), 4);
    assert_int_equal(stats_get(&world->stats, STAT_EVENTS_SET_ASIDE), 60);
    assert_int_equal(stats_get(&world->stats, STAT_EDGES_LEFT_OUT), 60);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_QUARANTINE), 60);
    world->logger = NULL;
    restart(world);
    (void)fclose(file);
}

/* Of what finds no room for its edges nothing stands there: they are left out. */
static void the_quarantine_says_what_there_may_be_no_room_for(void **state) {
    struct world *world = *state;
    struct view view = {.store = world->store};
    struct view_reader reader = {.view = &view};
    char memory[4096];
    struct text json = text_over(memory, sizeof(memory));
    struct slice any = {0};
    uint32_t number = 0;
    add_event(world, "job:known", EVENT_STATUS_SUCCEEDED, "e-1", "job:a job:b");
    apply_record(world);
    add_strangers(world, 1, &number);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_QUARANTINE), 1);
    assert_status(view_quarantined_json(&reader, any, world->engine.applied_seq, 0, &json), OK);
    assert_non_null(strstr(memory, "\"reason\":\"could not be applied: no room was left for its "
                                   "tenant, entity or incident (see limits), or it ended the "
                                   "process\",\"retryable\":true"));
}

static void a_start_names_the_limit_that_is_below_what_is_stored(void **state) {
    struct world *world = *state;
    add_event(world, "job:a", EVENT_STATUS_SUCCEEDED, "e-1", "job:b job:c job:d");
    apply_record(world);
    commit(world);
    crash(world);
    world->nodes_max = 2;
    assert_status(try_start(world), FULL);
    assert_string_equal(world->fault.words,
                        "limits.entities is too small by 2 for what the state holds: raise it");
    crash(world);
    world->nodes_max = 4;
    world->edges_max = 2;
    assert_status(try_start(world), FULL);
    assert_string_equal(world->fault.words,
                        "limits.edges is too small by 1 for what the state holds: raise it");
    crash(world);
    world->edges_max = 3;
    start(world);
}

static int set_up_few_nodes(void **state) {
    assert_int_equal(set_up(state), 0);
    struct world *world = *state;
    world->nodes_max = 3;
    restart(world);
    return 0;
}

static int set_up_few_edges(void **state) {
    assert_int_equal(set_up(state), 0);
    struct world *world = *state;
    world->edges_max = 1;
    restart(world);
    return 0;
}

static int set_up_bounded_tenant(void **state) {
    assert_int_equal(set_up(state), 0);
    limit_acme(*state, 3);
    return 0;
}

int main(void) {
#define HEARD(set_up)                                                                              \
    {                                                                                              \
        "a_known_entity_is_heard_though_its_new_dependency_finds_no_room: " #set_up,               \
            a_known_entity_is_heard_though_its_new_dependency_finds_no_room, set_up, tear_down,    \
            NULL                                                                                   \
    }
    const struct CMUnitTest tests[] = {
        HEARD(set_up_few_nodes),
        HEARD(set_up_few_edges),
        HEARD(set_up_bounded_tenant),
        cmocka_unit_test_setup_teardown(
            what_finds_no_room_is_counted_each_time_and_told_once_a_minute, set_up_few_nodes,
            tear_down),
        cmocka_unit_test_setup_teardown(the_quarantine_says_what_there_may_be_no_room_for,
                                        set_up_few_nodes, tear_down),
        cmocka_unit_test_setup_teardown(a_start_names_the_limit_that_is_below_what_is_stored,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
