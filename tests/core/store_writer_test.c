/* store_writer_test.c - rows are written in pieces and become visible together, with and without a
 * thread. */
#include "core/store_writer.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "tests/base/scratch.h"

struct world {
    char directory[64];
    struct store *store;
    struct store_writer *writer;
    struct arena arena;
    struct effects effects;
    struct fault fault;
    atomic_int done;
};

static void on_done(void *context) {
    struct world *world = context;
    atomic_fetch_add(&world->done, 1);
}

static void open_all(struct world *world, bool has_thread, uint64_t map_bytes) {
    struct store_options options = {.directory = world->directory, .map_bytes_max = map_bytes};
    assert_status(store_open(&options, &world->store, &world->fault), OK);
    assert_status(store_writer_open(world->store, &world->writer), OK);
    if (has_thread) {
        assert_status(store_writer_start(world->writer, on_done, world), OK);
    }
}

static void close_all(struct world *world) {
    store_writer_close(world->writer);
    store_close(world->store);
}

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    scratch_make(world->directory, sizeof(world->directory));
    assert_status(arena_init(&world->arena, 8 * MIB), OK);
    assert_status(effects_init(&world->effects, 4 * MIB, &world->arena), OK);
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    arena_deinit(&world->arena);
    scratch_remove(world->directory);
    free(world);
    return 0;
}

/* One row, whose work is waited for. */
static struct status write_row(struct world *world, const char *key, struct slice value,
                               bool commits) {
    effects_clear(&world->effects);
    effect_put(&world->effects, STORE_TABLE_META, slice_of_text(key), value);
    store_writer_submit(world->writer, &world->effects, commits);
    struct status status = store_writer_wait(world->writer, &world->fault);
    assert_false(store_writer_is_busy(world->writer));
    return status;
}

static bool is_there(struct world *world, const char *key) {
    struct store_snapshot *snapshot = NULL;
    struct slice found;
    assert_status(store_snapshot_acquire(world->store, &snapshot), OK);
    struct status status = store_get(snapshot, STORE_TABLE_META, slice_of_text(key), &found);
    store_snapshot_release(snapshot);
    return status_is_ok(status);
}

static void pieces_become_visible_with_their_commit(void **state) {
    struct world *world = *state;
    for (int round = 0; round < 2; round++) {
        bool has_thread = round == 1;
        char keys[2][8];
        (void)snprintf(keys[0], sizeof(keys[0]), "a%d", round);
        (void)snprintf(keys[1], sizeof(keys[1]), "b%d", round);
        open_all(world, has_thread, GIB);
        assert_status(write_row(world, keys[0], SLICE("1"), false), OK);
        assert_false(is_there(world, keys[0]));
        assert_status(write_row(world, keys[1], SLICE("2"), true), OK);
        assert_true(is_there(world, keys[0]) && is_there(world, keys[1]));
        close_all(world);
        assert_int_equal(atomic_load(&world->done), has_thread ? 2 : 0);
    }
}

static void what_was_not_committed_is_gone_when_it_closes(void **state) {
    struct world *world = *state;
    for (int round = 0; round < 2; round++) {
        open_all(world, round == 1, GIB);
        assert_status(write_row(world, "lost", SLICE("1"), false), OK);
        close_all(world);
        open_all(world, false, GIB);
        assert_false(is_there(world, "lost"));
        close_all(world);
    }
}

/* Closing waits for what is at work. */
static void a_commit_at_work_is_not_cut_short(void **state) {
    struct world *world = *state;
    open_all(world, true, GIB);
    effect_put(&world->effects, STORE_TABLE_META, SLICE("kept"), SLICE("1"));
    store_writer_submit(world->writer, &world->effects, true);
    close_all(world);
    open_all(world, false, GIB);
    assert_true(is_there(world, "kept"));
    close_all(world);
}

static void after_a_failure_no_later_piece_is_written(void **state) {
    struct world *world = *state;
    uint8_t *large = malloc(2 * MIB);
    memset(large, 7, 2 * MIB);
    for (int round = 0; round < 2; round++) {
        open_all(world, round == 1, MIB);
        assert_status(write_row(world, "before", SLICE("1"), false), OK);
        assert_status(write_row(world, "large", slice_of(large, 2 * MIB), false), FULL);
        assert_true(world->fault.words[0] != 0);
        assert_status(write_row(world, "behind", SLICE("1"), true), FULL);
        assert_false(is_there(world, "before") || is_there(world, "behind"));
        close_all(world);
    }
    free(large);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(pieces_become_visible_with_their_commit),
        TEST(what_was_not_committed_is_gone_when_it_closes),
        TEST(a_commit_at_work_is_not_cut_short),
        TEST(after_a_failure_no_later_piece_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
