/* state_copy_test.c - which copies of the state stand on the disk. */
#include "core/state_copy.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "tests/base/scratch.h"

struct world {
    char directory[64];
    char state[96];
    struct store *store;
    struct fault fault;
};

static int set_up(void **state) {
    static struct world world;
    world = (struct world){0};
    scratch_make(world.directory, sizeof(world.directory));
    (void)snprintf(world.state, sizeof(world.state), "%s/state", world.directory);
    const struct store_options options = {.directory = world.state, .map_bytes_max = 16 * MIB};
    assert_status(store_open(&options, &world.store, &world.fault), OK);
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    store_close(world->store);
    scratch_remove(world->directory);
    return 0;
}

/* As if it had applied so many records. */
static void make_copy(struct world *world, const char *of, unsigned long long seq) {
    char path[160];
    char file[192];
    (void)snprintf(path, sizeof(path), "%s/%s.copy-%020llu", world->directory, of, seq);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(file, sizeof(file), "%s/data.mdb", path);
    FILE *stream = fopen(file, "w");
    assert_non_null(stream);
    (void)fclose(stream);
}

static bool has_copy(struct world *world, const char *of, unsigned long long seq) {
    char file[192];
    (void)snprintf(file, sizeof(file), "%s/%s.copy-%020llu/data.mdb", world->directory, of, seq);
    return access(file, F_OK) == 0;
}

static void reopen(struct world *world) {
    struct state_copy *copy = NULL;
    const struct state_copy_options options = {.store = world->store,
                                               .state_directory = world->state};
    assert_status(state_copy_open(&options, &copy), OK);
    state_copy_close(copy);
}

/* Between the new copy's name and the end of the one before it a process may die. */
static void of_copies_that_a_crash_left_only_the_newest_stays(void **state) {
    struct world *world = *state;
    char path[STATE_COPY_PATH_BYTES_MAX];
    make_copy(world, "state", 7);
    make_copy(world, "state", 12345);
    make_copy(world, "state", 900);
    make_copy(world, "other", 5); /* another state's */
    make_copy(world, "state", 0); /* no copy's name: left alone */
    reopen(world);
    assert_false(has_copy(world, "state", 7));
    assert_false(has_copy(world, "state", 900));
    assert_true(has_copy(world, "state", 12345));
    assert_true(has_copy(world, "other", 5));
    assert_true(has_copy(world, "state", 0));
    assert_int_equal(state_copy_find(world->state, path), 12345);
    reopen(world);
    assert_true(has_copy(world, "state", 12345));
}

static void without_a_copy_nothing_is_removed(void **state) {
    struct world *world = *state;
    char path[STATE_COPY_PATH_BYTES_MAX];
    make_copy(world, "other", 5);
    reopen(world);
    assert_true(has_copy(world, "other", 5));
    assert_int_equal(state_copy_find(world->state, path), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(of_copies_that_a_crash_left_only_the_newest_stays),
        TEST(without_a_copy_nothing_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
