/* poison_test.c - which record crashed the process, and how often, across crashes. */
#include "tests/base/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/poison.h"

struct world {
    char path[32];
    struct poison poison;
    struct fault fault;
};

static int set_up(void **state) {
    static struct world world;
    world = (struct world){0};
    snprintf(world.path, sizeof(world.path), "poison-test-XXXXXX");
    int fd = mkstemp(world.path);
    assert_true(fd >= 0);
    close(fd);
    assert_status(poison_open(world.path, &world.poison, &world.fault), OK);
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    poison_close(&world->poison);
    return unlink(world->path);
}

/* A process ends and another begins: all that is left is the file. */
static void begin_anew(struct world *world) {
    poison_close(&world->poison);
    assert_status(poison_open(world->path, &world->poison, &world->fault), OK);
}

static void crash_in(struct world *world, uint64_t seq) {
    poison_enter(&world->poison, seq);
    poison_mark_crash(world->poison.page);
    begin_anew(world);
}

static void two_crashes_in_one_record_are_enough(void **state) {
    struct world *world = *state;
    crash_in(world, 7);
    assert_false(poison_is_poisonous(&world->poison, 7));
    crash_in(world, 7);
    assert_true(poison_is_poisonous(&world->poison, 7));
    assert_false(poison_is_poisonous(&world->poison, 6));
    assert_false(poison_is_poisonous(&world->poison, 8));
}

static void crashes_in_different_records_do_not_add_up(void **state) {
    struct world *world = *state;
    crash_in(world, 7);
    crash_in(world, 8);
    crash_in(world, 7);
    assert_false(poison_is_poisonous(&world->poison, 7));
    assert_false(poison_is_poisonous(&world->poison, 8));
}

static void being_killed_is_no_crash(void **state) {
    struct world *world = *state;
    for (int i = 0; i < 5; i++) {
        poison_enter(&world->poison, 7);
        begin_anew(world);
    }
    assert_false(poison_is_poisonous(&world->poison, 7));
}

static void a_crash_outside_any_record_is_nobodys(void **state) {
    struct world *world = *state;
    for (int i = 0; i < 5; i++) {
        poison_enter(&world->poison, 7);
        poison_leave(&world->poison);
        poison_mark_crash(world->poison.page);
        begin_anew(world);
    }
    assert_false(poison_is_poisonous(&world->poison, 7));
    assert_false(poison_is_poisonous(&world->poison, 0));
    poison_mark_crash(NULL); /* a crash before there is a file */
}

static void a_file_that_cannot_be_made_is_told(void **state) {
    struct world *world = *state;
    struct poison other = {0};
    assert_status(poison_open("no-such-directory/poison", &other, &world->fault), IO);
    assert_non_null(strstr(world->fault.words, "no-such-directory/poison"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(two_crashes_in_one_record_are_enough),
        TEST(crashes_in_different_records_do_not_add_up),
        TEST(being_killed_is_no_crash),
        TEST(a_crash_outside_any_record_is_nobodys),
        TEST(a_file_that_cannot_be_made_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
