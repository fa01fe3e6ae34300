/* shard_test.c - a shard turned by hand, whose state fails under it, or whose disk is full. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#include "core/clock.h"
#include "core/operator.h"
#include "core/stats.h"
#include "engine/engine.h"
#include "schemas/derive.h"
#include "tests/base/scratch.h"

enum { GATES = 2, BATCH_BYTES = 64 * 1024, TURNS_MAX = 200 };
enum { FILLERS_MAX = 2000, FILLER_EVENTS = 30, FILLER_MESSAGE_BYTES = 1500 };

/* Stands before LMDB's own: from the moment that the state fails on no transaction begins. */
int mdb_txn_begin(void *env, void *parent, unsigned flags, void **txn_out);

static atomic_bool state_fails;

int mdb_txn_begin(void *env, void *parent, unsigned flags, void **txn_out) {
    int (*next)(void *, void *, unsigned, void **) =
        (int (*)(void *, void *, unsigned, void **))dlsym(RTLD_NEXT, "mdb_txn_begin");
    return atomic_load(&state_fails) ? ENOMEM : next(env, parent, flags, txn_out);
}

/* Stands before the C library's own: with a full disk no segment finds room, though what was set
 * aside for the state is there. `meanwhile` is called once within. */
static atomic_bool disk_is_full;
static uint32_t allocations;
static void (*meanwhile)(void *context);
static void *meanwhile_context;

int fallocate(int fd, int mode, off_t offset, off_t size) {
    int (*next)(int, int, off_t, off_t) =
        (int (*)(int, int, off_t, off_t))dlsym(RTLD_NEXT, "fallocate64");
    void (*call)(void *) = mode == 0 ? meanwhile : NULL;
    if (mode == 0) {
        allocations++;
    }
    if (call != NULL) {
        meanwhile = NULL;
        call(meanwhile_context);
    }
    if (mode == 0 && atomic_load(&disk_is_full)) {
        errno = ENOSPC;
        return -1;
    }
    return next(fd, mode, offset, size);
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
    struct config *config;
    struct stats stats;
    atomic_bool is_ready;
    _Atomic uint64_t committed_seq;
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
        .committed_seq = &world->committed_seq,
    };
    assert_status(shard_open(&options, &world->shard, &world->fault), OK);
    assert_status(shard_begin(world->shard, &world->fault), OK);
}

static int set_up(void **state) {
    static struct world world;
    static char words[1024];
    static const char *const overrides[] = {"notify.group_wait=100ms", "journal.segment_bytes=8MiB",
                                            "journal.state_reserve_bytes=8MiB"};
    struct config_errors errors = {.text = text_over(words, sizeof(words))};
    struct config_options options = {
        .path = "/dev/null", .overrides = overrides, .overrides_count = 3};
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
    atomic_store(&disk_is_full, false);
    meanwhile = NULL;
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

static void send_config(struct world *world, uint32_t gate) {
    struct batch *batch = &world->batches[gate];
    batch_clear(batch, BATCH_CONFIG);
    struct writer writer = batch_entry_begin(batch);
    assert_status(policy_set_encode(&world->config->policies, &writer), OK);
    batch_entry_commit(batch, writer.size);
    (void)batch_finish(batch);
    assert_status(gate_send(&world->gates[gate], batch), OK);
}

/* Words that do not pack. */
static struct slice scramble(char *bytes, size_t size) {
    static uint64_t seed = 1;
    for (size_t i = 0; i < size; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
        bytes[i] = (char)('!' + (seed >> 40) % 90);
    }
    return slice_of(bytes, size);
}

static void add_failure(struct world *world, struct batch *batch, const char *entity,
                        struct slice message) {
    uint8_t bytes[4096];
    size_t mark = world->arena.used_bytes;
    struct envelope envelope = {
        .kind = EVENT_KIND_JOB,
        .status = EVENT_STATUS_FAILED,
        .severity = EVENT_SEVERITY_ERROR,
        .event_time_ns = clock_wall_ns(),
        .ingest_time_ns = clock_wall_ns(),
        .tenant = SLICE("acme"),
        .entity = slice_of_text(entity),
        .message = message,
        .source = SLICE("test"),
    };
    const struct derive_context context = {
        .hash_seed = 7, .now_ns = envelope.event_time_ns, .tenant = envelope.tenant};
    assert_status(derive_envelope(&context, &world->arena, &envelope, &world->fault), OK);
    struct writer writer = writer_over(bytes, sizeof(bytes));
    assert_status(envelope_encode(&envelope, &writer), OK);
    assert_status(batch_add(batch, writer_slice(&writer)), OK);
    arena_rewind(&world->arena, mark);
}

static void send_failure(struct world *world, uint32_t gate) {
    struct batch *batch = &world->batches[gate];
    batch_clear(batch, BATCH_EVENTS);
    add_failure(world, batch, "job:load", SLICE("timeout after 30s"));
    (void)batch_finish(batch);
    assert_status(gate_send(&world->gates[gate], batch), OK);
}

static void send_filler(struct world *world, uint32_t number, uint32_t events) {
    char entity[32];
    char words[FILLER_MESSAGE_BYTES];
    struct batch *batch = &world->batches[0];
    (void)snprintf(entity, sizeof(entity), "job:load%u", number);
    batch_clear(batch, BATCH_EVENTS);
    for (uint32_t i = 0; i < events; i++) {
        add_failure(world, batch, entity, scramble(words, sizeof(words)));
    }
    (void)batch_finish(batch);
    assert_status(gate_send(&world->gates[0], batch), OK);
}

static void send_to_the_second_gate(void *context) {
    send_failure(context, 1);
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

/* Its only segment ends with what is in it, and somebody is to be told of a failure. */
static void start_with_a_full_disk(struct world *world) {
    send_config(world, 0);
    assert_int_equal(await_answer(world, 0), STATUS_OK);
    send_failure(world, 0);
    assert_int_equal(await_answer(world, 0), STATUS_OK);
    shard_close(world->shard);
    atomic_store(&disk_is_full, true);
    open_shard(world);
    send_config(world, 0);
    assert_int_equal(await_answer(world, 0), STATUS_FULL);
}

/* Until no segment has room, not even for one event; somebody is to be told of the latest ones. */
static void fill_disk(struct world *world) {
    send_config(world, 0);
    assert_int_equal(await_answer(world, 0), STATUS_OK);
    atomic_store(&disk_is_full, true);
    uint32_t number = 0;
    for (uint32_t events = FILLER_EVENTS; events > 0; events = events > 1 ? 1 : 0) {
        enum status_code outcome = STATUS_OK;
        for (uint32_t i = 0; i < FILLERS_MAX && outcome == STATUS_OK; i++) {
            send_filler(world, number++, events);
            outcome = await_answer(world, 0);
        }
        assert_int_equal(outcome, STATUS_FULL);
    }
}

static uint32_t turn_for(struct world *world, uint64_t span_ns) {
    uint32_t turns = 0;
    for (uint64_t end = clock_monotonic_ns() + span_ns; clock_monotonic_ns() < end; turns++) {
        assert_status(shard_step(world->shard), OK);
    }
    return turns;
}

/* Within the minute that it has. */
static void turn_until(struct world *world, bool (*is_so)(const struct world *world)) {
    uint64_t end = clock_monotonic_ns() + 60 * NS_PER_S;
    while (!is_so(world) && clock_monotonic_ns() < end) {
        assert_status(shard_step(world->shard), OK);
    }
    assert_true(is_so(world));
}

static bool has_tried(const struct world *world) {
    (void)world;
    return allocations > 0;
}

static bool has_committed(const struct world *world) {
    return atomic_load(&world->committed_seq) > 0;
}

static void without_room_a_shard_rests_until_there_is_some(void **state) {
    struct world *world = *state;
    fill_disk(world);
    allocations = 0;
    turn_until(world, has_tried);
    allocations = 0;
    uint32_t turns = turn_for(world, 400 * NS_PER_MS);
    assert_true(allocations <= 6); /* now and then */
    assert_true(turns <= 40);
    uint64_t spent = NS_PER_S;
    for (int i = 0; i < 5 && spent >= NS_PER_S / 2; i++) { /* the machine may stand still */
        send_failure(world, 0);
        uint64_t begin = clock_monotonic_ns();
        assert_int_equal(await_answer(world, 0), STATUS_FULL);
        spent = clock_monotonic_ns() - begin;
    }
    assert_true(spent < NS_PER_S / 2);
    atomic_store(&world->committed_seq, 0);
    atomic_store(&disk_is_full, false);
    turn_until(world, has_committed); /* nobody had to ask */
    send_failure(world, 0);
    assert_int_equal(await_answer(world, 0), STATUS_OK);
    assert_true(atomic_load(&world->is_ready));
}

/* What was due by the configuration before may be due no more. */
static void nothing_is_done_for_time_alone_before_a_configuration_found_room(void **state) {
    struct world *world = *state;
    start_with_a_full_disk(world);
    atomic_store(&world->committed_seq, 0);
    atomic_store(&disk_is_full, false);
    (void)turn_for(world, 400 * NS_PER_MS);
    assert_false(has_committed(world));
    send_config(world, 0);
    assert_int_equal(await_answer(world, 0), STATUS_OK);
    assert_true(has_committed(world));
}

static void what_comes_while_no_room_is_found_is_answered_at_once(void **state) {
    struct world *world = *state;
    uint64_t spent = NS_PER_S;
    for (int i = 0; i < 5 && spent >= NS_PER_S / 2; i++) { /* the machine may stand still */
        atomic_store(&disk_is_full, true);
        meanwhile = send_to_the_second_gate;
        meanwhile_context = world;
        send_failure(world, 0);
        uint64_t begin = clock_monotonic_ns();
        assert_int_equal(await_answer(world, 0), STATUS_FULL);
        assert_int_equal(await_answer(world, 1), STATUS_FULL);
        spent = clock_monotonic_ns() - begin;
    }
    assert_true(spent < NS_PER_S / 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(people_are_answered_when_it_can_be_read),
        TEST(nobody_waits_for_a_state_that_failed),
        TEST(without_room_a_shard_rests_until_there_is_some),
        TEST(nothing_is_done_for_time_alone_before_a_configuration_found_room),
        TEST(what_comes_while_no_room_is_found_is_answered_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
