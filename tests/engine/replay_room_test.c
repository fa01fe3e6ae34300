/* replay_room_test.c - what a record does is the same whatever waits to be written when it is
 * applied: a replay writes at other moments. */
#include "tests/engine/shard_world.h"

#include <stdio.h>

enum { LEAVES = 240, STRANGERS = 100, WORDS_BYTES = 60000 };

static void set_policy(struct world *world, struct slice *sinks, uint32_t sinks_count) {
    struct policy_set set = {.defaults = policy_default()};
    set.defaults.correlate_suspect_min = 0;
    set.defaults.sinks = sinks;
    set.defaults.sinks_count = sinks_count;
    batch_clear(&world->batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(&world->batch);
    assert_status(policy_set_encode(&set, &writer), OK);
    batch_entry_commit(&world->batch, writer.size);
    apply_record(world);
}

static void add_failure(struct world *world, const char *kind, unsigned number,
                        const char *upstreams) {
    char job[32];
    char id[32];
    (void)snprintf(job, sizeof(job), "job:%s_%u", kind, number);
    (void)snprintf(id, sizeof(id), "%s-%u", kind, number);
    add_event(world, job, EVENT_STATUS_FAILED, id, upstreams);
}

/* Each is an incident, as the root is not known to fail yet. */
static void fail_leaves(struct world *world) {
    for (unsigned i = 0; i < LEAVES; i++) {
        add_failure(world, "leaf", i, "job:root");
    }
    apply_record(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), LEAVES);
}

static void fail_root(struct world *world) {
    add_event(world, "job:root", EVENT_STATUS_FAILED, "root", NULL);
    apply_record(world);
    assert_int_equal(incidents_open_count(world->engine.incidents), 1);
}

static void assert_the_same_when_replayed(struct world *world) {
    struct hash128 digest = engine_digest(&world->engine);
    uint64_t seq = world->engine.applied_seq;
    restart(world);
    assert_int_equal(world->engine.applied_seq, seq);
    assert_same(engine_digest(&world->engine), digest);
}

/* So much waits in the effects that an event has no more room than it is promised. */
static void fill_effects(struct world *world) {
    static const uint8_t words[WORDS_BYTES] = {0};
    struct effects *effects = &world->engine.effects;
    while (effects_room(effects) >= EVENT_EFFECT_BYTES_MIN + 2 * (size_t)WORDS_BYTES) {
        effect_put(effects, STORE_TABLE_META, SLICE("filler"), slice_of(words, sizeof(words)));
    }
}

static void a_storm_merges_the_same_however_full_the_effects_are(void **state) {
    struct world *world = *state;
    static char names[SINKS_PER_TENANT_MAX][16];
    struct slice sinks[SINKS_PER_TENANT_MAX];
    for (unsigned i = 0; i < SINKS_PER_TENANT_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "sink_%u", i);
        sinks[i] = slice_of_text(names[i]);
    }
    set_policy(world, sinks, SINKS_PER_TENANT_MAX);
    fail_leaves(world);
    apply_tick(world, NS_PER_MINUTE); /* all are told */
    commit(world);
    fill_effects(world);
    fail_root(world);
    assert_the_same_when_replayed(world);
}

/* The pool of incidents has 256 places. The rows that free them are written behind the merge, as a
 * clock will have it, or not. */
static void leave_places(struct world *world, bool is_written, bool is_one_record) {
    set_policy(world, NULL, 0);
    fail_leaves(world);
    commit(world);
    fail_root(world);
    if (is_written) {
        commit(world);
    }
    for (unsigned i = 0; i < STRANGERS; i++) {
        add_failure(world, "stranger", i, NULL);
        if (!is_one_record || i + 1 == STRANGERS) {
            apply_record(world);
        }
    }
    assert_int_equal(incidents_open_count(world->engine.incidents), 1 + STRANGERS);
    assert_the_same_when_replayed(world);
    commit(world);
    assert_int_equal(rows_count(world, STORE_TABLE_QUARANTINE), 0);
}

static void what_is_merged_leaves_its_place_to_the_next_record(void **state) {
    leave_places(*state, false, false);
}

static void what_is_merged_leaves_its_place_within_a_record(void **state) {
    leave_places(*state, false, true);
}

static void what_is_merged_leaves_its_place_when_it_is_written(void **state) {
    leave_places(*state, true, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_storm_merges_the_same_however_full_the_effects_are,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_merged_leaves_its_place_to_the_next_record, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_merged_leaves_its_place_within_a_record, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_merged_leaves_its_place_when_it_is_written, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
