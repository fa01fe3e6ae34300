/* journal_spare_test.c - the next segment of a journal, made by another thread. */
#include "core/journal_spare.h"

#include <fcntl.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "tests/base/scratch.h"

struct world {
    char directory[64];
    char path[96];
    struct journal_spare *spare;
    struct fault fault;
    atomic_int steps; /* told: one for making, one for publishing */
};

static void on_done(void *context) {
    struct world *world = context;
    atomic_fetch_add(&world->steps, 1);
}

static int set_up(void **state) {
    static struct world world;
    world = (struct world){0};
    scratch_make(world.directory, sizeof(world.directory));
    (void)snprintf(world.path, sizeof(world.path), "%s/spare.new", world.directory);
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    journal_spare_close(world->spare);
    scratch_remove(world->directory);
    return 0;
}

static void open_spare(struct world *world) {
    assert_status(journal_spare_open(world->directory, MIB, on_done, world, &world->spare), OK);
}

static void take(struct world *world, uint64_t first_seq, struct journal_segment *segment) {
    for (int i = 0; i < 60000; i++) {
        if (journal_spare_take(world->spare, first_seq, 77, segment)) {
            return;
        }
        usleep(1000);
    }
    fail_msg("no spare was made");
}

static void wait_for_steps(struct world *world, int count) {
    for (int i = 0; i < 60000 && atomic_load(&world->steps) < count; i++) {
        usleep(1000);
    }
    assert_int_equal(atomic_load(&world->steps), count);
}

static void a_spare_becomes_a_segment_when_it_is_taken(void **state) {
    struct world *world = *state;
    struct journal_segment segment;
    struct journal_segment read;
    open_spare(world);
    assert_false(journal_spare_take(world->spare, 5, 77, &segment));
    for (int round = 1; round <= 2; round++) {
        uint64_t first_seq = 5 * (uint64_t)round;
        journal_spare_prepare(world->spare);
        take(world, first_seq, &segment);
        wait_for_steps(world, 2 * round);
        assert_false(journal_spare_is_publishing(world->spare));
        assert_status(journal_spare_published(world->spare), OK);
        assert_status(journal_segment_open(NULL, world->directory, first_seq, &read, &world->fault),
                      OK);
        assert_int_equal(read.salt, 77);
        assert_int_equal(read.size_bytes, MIB);
        assert_int_equal(access(world->path, F_OK), -1);
        journal_segment_close(&read);
        journal_segment_close(&segment);
    }
}

static void a_spare_that_nobody_took_leaves_nothing_behind(void **state) {
    struct world *world = *state;
    struct journal_segment_entry entries[1];
    uint32_t count = 1;
    open_spare(world);
    journal_spare_prepare(world->spare);
    for (int i = 0; i < 60000 && access(world->path, F_OK) != 0; i++) {
        usleep(1000);
    }
    assert_int_equal(access(world->path, F_OK), 0);
    assert_status(journal_segment_list(world->directory, entries, &count, &world->fault), OK);
    assert_int_equal(count, 0); /* no reader takes it for a segment */
    journal_spare_close(world->spare);
    world->spare = NULL;
    assert_int_equal(access(world->path, F_OK), -1);
}

static void the_spare_of_a_process_that_died_is_removed(void **state) {
    struct world *world = *state;
    FILE *file = fopen(world->path, "w");
    assert_non_null(file);
    (void)fclose(file);
    open_spare(world);
    assert_int_equal(access(world->path, F_OK), -1);
}

static void a_name_that_cannot_be_given_is_said(void **state) {
    struct world *world = *state;
    struct journal_segment segment;
    open_spare(world);
    journal_spare_prepare(world->spare);
    for (int i = 0; i < 60000 && access(world->path, F_OK) != 0; i++) {
        usleep(1000);
    }
    usleep(50000);
    assert_int_equal(unlink(world->path), 0);
    take(world, 5, &segment);
    wait_for_steps(world, 2);
    assert_status(journal_spare_published(world->spare), IO);
    journal_segment_close(&segment);
}

static void a_spare_that_finds_no_room_leaves_the_segment_before_open(void **state) {
    alignas(BLOCK_ALIGN_BYTES) static const uint8_t block[BLOCK_ALIGN_BYTES];
    struct world *world = *state;
    struct journal_segment live;
    struct journal_segment next;
    open_spare(world);
    journal_spare_prepare(world->spare);
    take(world, 5, &live);
    wait_for_steps(world, 2);
    assert_int_equal(mkdir(world->path, 0700), 0); /* in its way: no spare can be made */
    for (int step = 3; step <= 4; step++) {
        journal_spare_prepare(world->spare);
        wait_for_steps(world, step);
        assert_false(journal_spare_take(world->spare, 6, 77, &next));
        assert_true(fcntl(live.fd, F_GETFD) >= 0);
        assert_int_equal(file_write(NULL, live.fd, block, sizeof(block), sizeof(block)), 0);
    }
    assert_int_equal(rmdir(world->path), 0);
    journal_spare_prepare(world->spare);
    take(world, 6, &next);
    wait_for_steps(world, 6);
    assert_status(journal_spare_published(world->spare), OK);
    assert_int_not_equal(next.fd, live.fd);
    journal_segment_close(&next);
    journal_segment_close(&live);
}

static void make_spare(struct world *world) {
    open_spare(world);
    journal_spare_prepare(world->spare);
    wait_for_steps(world, 1);
}

/* As many clients leave it: not one more can be opened. */
static struct rlimit use_up_descriptors(void) {
    struct rlimit before;
    int lowest = dup(STDERR_FILENO);
    assert_true(lowest >= 0);
    assert_int_equal(close(lowest), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(dup(STDERR_FILENO), -1);
    return before;
}

static void a_segment_gets_its_name_also_without_a_descriptor_left(void **state) {
    struct world *world = *state;
    struct journal_segment segment;
    struct journal_segment read;
    make_spare(world);
    struct rlimit before = use_up_descriptors();
    take(world, 5, &segment);
    wait_for_steps(world, 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(journal_spare_is_publishing(world->spare));
    assert_status(journal_spare_published(world->spare), OK);
    assert_status(journal_segment_open(NULL, world->directory, 5, &read, &world->fault), OK);
    journal_segment_close(&read);
    journal_segment_close(&segment);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_spare_becomes_a_segment_when_it_is_taken),
        TEST(a_spare_that_nobody_took_leaves_nothing_behind),
        TEST(the_spare_of_a_process_that_died_is_removed),
        TEST(a_name_that_cannot_be_given_is_said),
        TEST(a_spare_that_finds_no_room_leaves_the_segment_before_open),
        TEST(a_segment_gets_its_name_also_without_a_descriptor_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
