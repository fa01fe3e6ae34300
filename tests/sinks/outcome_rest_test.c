/* outcome_rest_test.c - the sinks' thread beside a shard in trouble. Outcomes that its journal has
 * no room for rest, keep their order, and the end waits for them; a damaged row of its state holds
 * up no other. The test is the shard. */
#include "tests/base/scratch.h"

#include <fcntl.h>
#include <pthread.h>

#include "core/clock.h"
#include "sinks/sinks_internal.h"

enum { OUTCOMES = 3 };
#define REST_NS (200 * NS_PER_MS)
#define WAIT_NS (10 * NS_PER_S)

struct world {
    char directory[64];
    struct arena arena;
    struct gate gate;
    struct gate *gate_list[1];
    struct store *stores[1];
    _Atomic(struct loop_waker *) outbox_waker;
    _Atomic uint64_t committed_seq;
    struct sink_board board;
    struct config *config;
    struct sinks *sinks;
    pthread_t thread;
    bool is_running;
    struct batch *sent[OUTCOMES];
    struct fault fault;
};

static void open_sinks(struct world *world) {
    const struct store_options store_options = {.directory = world->directory,
                                                .map_bytes_max = GIB};
    const struct sinks_options options = {
        .config = world->config,
        .stores = world->stores,
        .gates = world->gate_list,
        .shards_count = 1,
        .outbox_waker = &world->outbox_waker,
        .journal = {.committed_seq = &world->committed_seq},
        .board = &world->board,
        .stdout_fd = STDOUT_FILENO,
    };
    assert_status(store_open(&store_options, &world->stores[0], &world->fault), OK);
    assert_status(sink_board_init(&world->board), OK);
    assert_status(sinks_open(&options, &world->sinks, &world->fault), OK);
}

static void *run(void *context) {
    struct world *world = context;
    return status_is_ok(sinks_run(world->sinks)) ? world : NULL;
}

/* Outcomes are on their way when the thread starts. */
static int set_up(void **state) {
    static struct world world;
    static char words[1024];
    struct config_errors errors = {.text = text_over(words, sizeof(words))};
    const struct config_options options = {.path = "/dev/null"};
    world = (struct world){.gate_list = {&world.gate}};
    scratch_make(world.directory, sizeof(world.directory));
    assert_status(arena_init(&world.arena, MIB), OK);
    assert_status(gate_init(&world.gate, &world.arena), OK);
    assert_status(config_load(&options, &world.config, &errors), OK);
    open_sinks(&world);
    for (uint32_t i = 0; i < OUTCOMES; i++) {
        const struct outbox_outcome outcome = {.number = i + 1, .result = OUTBOX_DELIVERED};
        assert_true(sinks_send_outcome(world.sinks, 0, &outcome));
        world.sent[i] = gate_receive(&world.gate);
        assert_non_null(world.sent[i]);
    }
    assert_int_equal(pthread_create(&world.thread, NULL, run, &world), 0);
    world.is_running = true;
    while (atomic_load(&world.outbox_waker) == NULL) { /* until it listens */
        usleep(1000);
    }
    *state = &world;
    return 0;
}

static void join(struct world *world) {
    void *result = NULL;
    assert_int_equal(pthread_join(world->thread, &result), 0);
    world->is_running = false;
    assert_ptr_equal(result, world);
    assert_int_equal(world->sinks->batches_out, 0);
}

static int tear_down(void **state) {
    struct world *world = *state;
    if (world->is_running) {
        sinks_stop(world->sinks);
        join(world);
    }
    sinks_close(world->sinks);
    sink_board_deinit(&world->board);
    store_close(world->stores[0]);
    config_release(world->config);
    arena_deinit(&world->arena);
    scratch_remove(world->directory);
    return 0;
}

static void answer(struct world *world, struct batch *batch, enum status_code outcome) {
    gate_answer(&world->gate, batch, outcome);
    gate_wake_source(&world->gate);
}

static struct batch *receive(struct world *world) {
    uint64_t until_ns = clock_monotonic_ns() + WAIT_NS;
    struct batch *batch = gate_receive(&world->gate);
    while (batch == NULL && clock_monotonic_ns() < until_ns) {
        usleep(1000);
        batch = gate_receive(&world->gate);
    }
    return batch;
}

static void outcomes_without_room_rest_and_keep_their_order(void **state) {
    struct world *world = *state;
    for (int round = 0; round < 2; round++) {
        uint64_t since_ns = clock_monotonic_ns();
        for (uint32_t i = 0; i < OUTCOMES; i++) {
            answer(world, world->sent[i], STATUS_FULL);
            usleep(10000); /* one comes back while the one before it rests */
        }
        for (uint32_t i = 0; i < OUTCOMES; i++) {
            assert_ptr_equal(receive(world), world->sent[i]);
            assert_true(clock_monotonic_ns() - since_ns >= REST_NS);
        }
    }
    for (uint32_t i = 0; i < OUTCOMES; i++) {
        answer(world, world->sent[i], STATUS_OK);
    }
}

static void the_end_waits_for_outcomes_that_rest(void **state) {
    struct world *world = *state;
    answer(world, world->sent[0], STATUS_OK);
    answer(world, world->sent[1], STATUS_FULL);
    answer(world, world->sent[2], STATUS_FULL);
    sinks_stop(world->sinks);
    for (uint32_t i = 1; i < OUTCOMES; i++) {
        assert_ptr_equal(receive(world), world->sent[i]);
        answer(world, world->sent[i], STATUS_OK);
    }
    uint64_t since_ns = clock_monotonic_ns();
    join(world);
    assert_true(clock_monotonic_ns() - since_ns < 4 * NS_PER_S); /* not only at its deadline */
}

static void put_row(struct world *world, uint64_t number, const char *tenant) {
    uint8_t key_bytes[8];
    uint8_t bytes[512];
    struct writer key = writer_over(key_bytes, sizeof(key_bytes));
    struct writer row = writer_over(bytes, sizeof(bytes));
    const struct outbox_message message = {
        .number = number, .tenant = slice_of_text(tenant), .sink = SLICE("gone")};
    writer_u64_big_endian(&key, number);
    outbox_message_encode(&message, &row);
    assert_status(store_begin(world->stores[0], &world->fault), OK);
    assert_status(store_put(world->stores[0], STORE_TABLE_OUTBOX, writer_slice(&key),
                            writer_slice(&row), &world->fault),
                  OK);
    assert_status(store_commit(world->stores[0], &world->fault), OK);
}

/* One byte of each place where the words stand, as a disk may forget it. */
static void damage(const struct world *world, const char *words) {
    static uint8_t bytes[MIB];
    char path[96];
    (void)snprintf(path, sizeof(path), "%s/data.mdb", world->directory);
    int fd = open(path, O_RDWR);
    ssize_t size = pread(fd, bytes, sizeof(bytes), 0);
    assert_true(size > 0 && size < (ssize_t)sizeof(bytes));
    uint8_t *at = memmem(bytes, (size_t)size, words, strlen(words));
    assert_non_null(at);
    for (; at != NULL; at = memmem(at, (size_t)(bytes + size - at), words, strlen(words))) {
        assert_int_equal(pwrite(fd, "?", 1, at - bytes), 1);
        at++;
    }
    assert_int_equal(close(fd), 0);
}

static void messages_behind_a_damaged_row_are_told(void **state) {
    struct world *world = *state;
    for (uint32_t i = 0; i < OUTCOMES; i++) {
        answer(world, world->sent[i], STATUS_OK);
    }
    put_row(world, 1, "first");
    put_row(world, 2, "spoilt");
    put_row(world, 3, "third");
    damage(world, "spoilt");
    loop_waker_wake(atomic_load(&world->outbox_waker));
    for (uint64_t number = 1; number <= 3; number += 2) {
        struct outbox_outcome outcome;
        struct batch_view view;
        struct slice entry;
        struct batch *batch = receive(world);
        assert_non_null(batch);
        assert_status(batch_open(slice_of(batch->writer.data, batch->writer.size), &view), OK);
        assert_true(batch_next(&view, &entry));
        assert_status(outbox_outcome_decode(entry, &outcome), OK);
        assert_int_equal(outcome.number, number);
        answer(world, batch, STATUS_OK);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(outcomes_without_room_rest_and_keep_their_order),
        TEST(the_end_waits_for_outcomes_that_rest),
        TEST(messages_behind_a_damaged_row_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
