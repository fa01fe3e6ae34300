/* shard_test.c - a shard turned by hand, whose state fails under it. */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>

#include "core/operator.h"
#include "core/stats.h"
#include "engine/engine.h"
#include "tests/base/scratch.h"

enum { GATES = 2, BATCH_BYTES = 64 * 1024, TURNS_MAX = 200 };

/* Stands before LMDB's own: from the moment that the state fails on no transaction begins. */
int mdb_txn_begin(void *env, void *parent, unsigned flags, void **txn_out);

static atomic_bool state_fails;

int mdb_txn_begin(void *env, void *parent, unsigned flags, void **txn_out) {
    int (*next)(void *, void *, unsigned, void **) =
        (int (*)(void *, void *, unsigned, void **))dlsym(RTLD_NEXT, "mdb_txn_begin");
    return atomic_load(&state_fails) ? ENOMEM : next(env, parent, flags, txn_out);
}

struct world {
    char directory[64];
    char journal_path[96];
    char state_path[96];
    char poison_path[96];
    struct arena arena;
    struct gate gates[GATES];
    struct gate *gate_list[GATES];
    struct batch batches[GATES];
    struct batch config_batch;
    struct config *config;
    struct stats stats;
    atomic_bool is_ready;
    struct shard *shard;
    struct fault fault;
};

static void make_batch(struct world *world, struct batch *batch) {
    void *memory = arena_allocate(&world->arena, BATCH_BYTES, 64);
    assert_non_null(memory);
    batch_init(batch, memory, BATCH_BYTES);
}

static void open_shard(struct world *world) {
    const struct shard_options options = {
        .config = world->config,
        .journal_directory = world->journal_path,
        .state_directory = world->state_path,
        .poison_path = world->poison_path,
        .hash_seed = 7,
        .gates = world->gate_list,
        .gates_count = GATES,
        .stats = &world->stats,
        .is_ready = &world->is_ready,
    };
    assert_status(shard_open(&options, &world->shard, &world->fault), OK);
    assert_status(shard_begin(world->shard, &world->fault), OK);
}

static int set_up(void **state) {
    static struct world world;
    static char words[1024];
    struct config_errors errors = {.text = text_over(words, sizeof(words))};
    struct config_options options = {.path = "/dev/null"};
    world = (struct world){0};
    scratch_make(world.directory, sizeof(world.directory));
    (void)snprintf(world.journal_path, sizeof(world.journal_path), "%s/journal", world.directory);
    (void)snprintf(world.state_path, sizeof(world.state_path), "%s/state", world.directory);
    (void)snprintf(world.poison_path, sizeof(world.poison_path), "%s/poison", world.directory);
    assert_status(arena_init(&world.arena, 16 * MIB), OK);
    for (uint32_t i = 0; i < GATES; i++) {
        assert_status(gate_init(&world.gates[i], &world.arena), OK);
        world.gate_list[i] = &world.gates[i];
        make_batch(&world, &world.batches[i]);
    }
    assert_status(config_load(&options, &world.config, &errors), OK);
    open_shard(&world);
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    atomic_store(&state_fails, false);
    shard_close(world->shard);
    config_release(world->config);
    arena_deinit(&world->arena);
    scratch_remove(world->directory);
    return 0;
}

/* A line of the audit by somebody: answered when it can be read. */
static void send_audit(struct world *world, uint32_t gate) {
    struct batch *batch = &world->batches[gate];
    const struct operator_request request = {
        .action = OPERATOR_AUDIT, .by = SLICE("ann"), .note = SLICE("looked at it")};
    batch_clear(batch, BATCH_OPERATOR);
    struct writer writer = batch_entry_begin(batch);
    operator_encode(&request, &writer);
    batch_entry_commit(batch, writer.size);
    (void)batch_finish(batch);
    assert_status(gate_send(&world->gates[gate], batch), OK);
}

static enum status_code await_answer(struct world *world, uint32_t gate) {
    struct batch *batch = gate_take_back(&world->gates[gate]);
    for (int i = 0; i < TURNS_MAX && batch == NULL; i++) {
        assert_status(shard_step(world->shard), OK);
        batch = gate_take_back(&world->gates[gate]);
    }
    assert_non_null(batch);
    return batch->outcome;
}

static void people_are_answered_when_it_can_be_read(void **state) {
    struct world *world = *state;
    send_audit(world, 0);
    send_audit(world, 1);
    assert_int_equal(await_answer(world, 0), STATUS_OK);
    assert_int_equal(await_answer(world, 1), STATUS_OK);
    assert_true(atomic_load(&world->is_ready));
}

/* Whoever waits for a commit hears that none comes; else a reload would wait for ever, and with it
 * the end of the process. The second one fails while it is applied, which commits what the first
 * one did. */
static void nobody_waits_for_a_state_that_failed(void **state) {
    struct world *world = *state;
    atomic_store(&state_fails, true);
    send_audit(world, 0);
    send_audit(world, 1);
    assert_int_equal(await_answer(world, 0), STATUS_IO);
    assert_int_equal(await_answer(world, 1), STATUS_IO);
    assert_false(atomic_load(&world->is_ready));
    send_audit(world, 0);
    assert_int_equal(await_answer(world, 0), STATUS_IO);
    shard_stop(world->shard);
    assert_status(shard_step(world->shard), END);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(people_are_answered_when_it_can_be_read),
        TEST(nobody_waits_for_a_state_that_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
