/* left_behind_test.c - rows that a sink's queue had no room for are read again. Without a thread:
 * the test is its loop. */
#include "tests/base/scratch.h"

#include <dlfcn.h>

#include "sinks/sinks_internal.h"

enum { ROWS = 5, PAGE_NOT_FOUND = -30797 };

/* Stands before LMDB's own: after so many rows it finds a page that is none. */
static uint32_t rows_left = UINT32_MAX;
static bool fails_once;

int mdb_cursor_get(void *cursor, void *key, void *value, int operation);

int mdb_cursor_get(void *cursor, void *key, void *value, int operation) {
    int (*next)(void *, void *, void *, int) =
        (int (*)(void *, void *, void *, int))dlsym(RTLD_NEXT, "mdb_cursor_get");
    if (rows_left == 0) {
        rows_left = fails_once ? UINT32_MAX : 0;
        return PAGE_NOT_FOUND;
    }
    rows_left--;
    return next(cursor, key, value, operation);
}

struct world {
    char directory[64];
    struct store *stores[1];
    struct sink_host host;
    struct sink_host *hosts[1];
    struct sinks sinks;
    struct sink_board_row row;
    struct fault fault;
};

static void put_row(struct world *world, uint64_t number) {
    uint8_t key_bytes[8];
    uint8_t bytes[512];
    struct writer key = writer_over(key_bytes, sizeof(key_bytes));
    struct writer row = writer_over(bytes, sizeof(bytes));
    const struct outbox_message message = {.number = number,
                                           .incident_id = {.lo = number},
                                           .type = OUTBOX_OPENED,
                                           .tenant = SLICE("acme"),
                                           .sink = SLICE("hook")};
    writer_u64_big_endian(&key, number);
    outbox_message_encode(&message, &row);
    assert_status(store_put(world->stores[0], STORE_TABLE_OUTBOX, writer_slice(&key),
                            writer_slice(&row), &world->fault),
                  OK);
}

static void put_rows(struct world *world, uint64_t first, uint64_t last) {
    assert_status(store_begin(world->stores[0], &world->fault), OK);
    for (uint64_t number = first; number <= last; number++) {
        put_row(world, number);
    }
    assert_status(store_commit(world->stores[0], &world->fault), OK);
}

static int set_up(void **state) {
    static struct world world;
    world = (struct world){
        .host = {.type = &sink_stdout_type, .behind_from = 1, .sinks = &world.sinks},
        .hosts = {&world.host},
        .sinks = {.options.stores = world.stores, .hosts_count = 1, .next_number = ROWS + 1},
    };
    world.sinks.hosts = world.hosts;
    world.host.config.name = SLICE("hook");
    scratch_make(world.directory, sizeof(world.directory));
    const struct store_options options = {.directory = world.directory, .map_bytes_max = GIB};
    assert_status(store_open(&options, &world.stores[0], &world.fault), OK);
    put_rows(&world, 1, ROWS);
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    sink_queue_deinit(&world->host.queue);
    store_close(world->stores[0]);
    scratch_remove(world->directory);
    return 0;
}

/* As each step of the host does it. */
static void read_again(struct world *world) {
    if (world->host.behind_from != 0) {
        sinks_read_again(&world->sinks, &world->host);
    }
}

static void what_a_broken_page_hid_is_read_when_it_can_be(void **state) {
    struct world *world = *state;
    rows_left = 2;
    read_again(world);
    read_again(world);
    assert_int_equal(world->host.queue.count, 2);
    rows_left = UINT32_MAX;
    read_again(world);
    assert_int_equal(world->host.queue.count, ROWS);
    for (uint32_t i = 0; i < ROWS; i++) {
        assert_int_equal(world->host.queue.messages[i].number, i + 1);
    }
    assert_int_equal(world->host.behind_from, 0);
}

/* All of them, as the host shows it. */
static uint64_t pending(struct world *world) {
    sink_host_step(&world->host);
    return atomic_load(&world->row.numbers[SINK_NUMBER_PENDING]);
}

static void take_all(struct world *world, uint32_t count) {
    world->host.behind_from = 0;
    world->sinks.next_number = count + 1;
    for (uint64_t number = 1; number <= count; number++) {
        const struct outbox_message message = {
            .number = number, .incident_id = {.lo = number}, .type = OUTBOX_OPENED};
        sinks_queue_row(&world->host, &message);
    }
}

static void deliver_all(struct world *world) {
    while (world->host.queue.count > 0) {
        sink_queue_remove(&world->host.queue, &world->host.queue.messages[0]);
    }
}

static void what_a_full_queue_left_behind_is_pending_too(void **state) {
    enum { LEFT = 7, ALL = SINK_QUEUE_MAX + LEFT };
    struct world *world = *state;
    struct sink_type history = sink_stdout_type;
    history.keeps_history = true;
    put_rows(world, ROWS + 1, ALL);
    world->host.row = &world->row;
    world->host.is_retiring = true; /* attempts nothing */
    for (unsigned keeps_history = 0; keeps_history < 2; keeps_history++) {
        world->host.type = keeps_history == 1 ? &history : &sink_stdout_type;
        take_all(world, ALL);
        assert_int_equal(world->host.queue.count, SINK_QUEUE_MAX);
        assert_int_equal(pending(world), ALL);
        deliver_all(world);
        assert_int_equal(pending(world), LEFT);
        assert_int_equal(world->host.queue.count, LEFT);
        deliver_all(world);
        assert_int_equal(pending(world), 0);
    }
}

/* Whatever a new configuration made anew: its rows from before it, and those that come. */
static void what_a_broken_page_hid_from_a_new_sink_is_read_when_it_can_be(void **state) {
    struct world *world = *state;
    struct sink_type history = sink_stdout_type;
    history.keeps_history = true;
    put_rows(world, ROWS + 1, ROWS + 2);
    world->host.is_retiring = true; /* attempts nothing */
    for (unsigned keeps_history = 0; keeps_history < 2; keeps_history++) {
        deliver_all(world);
        world->host.type = keeps_history == 1 ? &history : &sink_stdout_type;
        world->host.is_fresh = true;
        world->host.behind_from = 0;
        world->sinks.next_number = ROWS + 1;
        world->sinks.rewalk_from = 1;
        rows_left = 2;
        fails_once = keeps_history == 1;
        sinks_take_rows(&world->sinks);
        assert_int_equal(world->host.queue.count, fails_once ? ROWS + 2 : 2);
        rows_left = UINT32_MAX;
        sinks_take_rows(&world->sinks);
        assert_int_equal(world->host.queue.count, ROWS + 2);
        for (uint32_t i = 0; i < ROWS + 2; i++) {
            assert_int_equal(world->host.queue.messages[i].number, i + 1);
        }
        assert_int_equal(world->sinks.next_number, ROWS + 3);
        assert_int_equal(world->sinks.rewalk_from, 0);
    }
}

static void a_row_without_a_sink_behind_a_broken_page_is_looked_at_again(void **state) {
    struct world *world = *state;
    world->host.is_retiring = true;
    world->host.behind_from = 0;
    world->host.config.name = SLICE("another"); /* and no batch is free to say so */
    world->sinks.rewalk_from = 1;
    rows_left = 0;
    fails_once = false;
    sinks_take_rows(&world->sinks);
    rows_left = UINT32_MAX;
    assert_int_equal(world->sinks.rewalk_from, 1);
    sinks_take_rows(&world->sinks);
    assert_int_equal(world->sinks.rewalk_from, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_a_broken_page_hid_is_read_when_it_can_be, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_a_full_queue_left_behind_is_pending_too, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            what_a_broken_page_hid_from_a_new_sink_is_read_when_it_can_be, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_row_without_a_sink_behind_a_broken_page_is_looked_at_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
