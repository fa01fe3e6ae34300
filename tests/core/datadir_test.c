/* datadir_test.c - the data directory: its lock, its format, its seed. */
#include "tests/base/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/datadir.h"

struct world {
    char parent[64];
    char path[80];
    struct fault fault;
};

static int setup(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    scratch_make(world->parent, sizeof(world->parent));
    snprintf(world->path, sizeof(world->path), "%s/data", world->parent);
    *state = world;
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
    scratch_remove(world->parent);
    free(world);
    return 0;
}

static enum status_code open_one(struct world *world, struct datadir *datadir) {
    return datadir_open(slice_of_text(world->path), datadir, &world->fault).code;
}

static void it_is_made_for_its_owner_alone(void **state) {
    struct world *world = *state;
    struct datadir datadir;
    struct stat info;
    char path[DATADIR_PATH_BYTES_MAX];
    assert_int_equal(open_one(world, &datadir), STATUS_OK);
    assert_int_equal(stat(world->path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(datadir_shard_path(&datadir, 0, "journal", path).code, STATUS_OK);
    assert_non_null(strstr(path, "/data/shard-0/journal"));
    datadir_close(&datadir);
}

static void a_second_one_is_refused_until_the_first_is_closed(void **state) {
    struct world *world = *state;
    struct datadir first;
    struct datadir second;
    assert_int_equal(open_one(world, &first), STATUS_OK);
    assert_int_equal(open_one(world, &second), STATUS_DENIED);
    assert_non_null(strstr(world->fault.words, world->path));
    datadir_close(&first);
    assert_int_equal(open_one(world, &second), STATUS_OK);
    datadir_close(&second);
}

static void the_seed_stays_the_same(void **state) {
    struct world *world = *state;
    struct datadir datadir;
    assert_int_equal(open_one(world, &datadir), STATUS_OK);
    uint64_t seed = datadir.hash_seed;
    datadir_close(&datadir);
    assert_int_equal(open_one(world, &datadir), STATUS_OK);
    assert_true(datadir.hash_seed == seed);
    datadir_close(&datadir);
}

static void write_file(const struct world *world, const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", world->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void read_format(const struct world *world, char *line_out, size_t size) {
    char path[128];
    snprintf(path, sizeof(path), "%s/FORMAT", world->path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line_out, (int)size, file));
    fclose(file);
}

/* Whoever only reads leaves it to an older quell; whoever runs on it takes it over. */
static void an_older_format_is_read_and_raised_by_who_writes(void **state) {
    struct world *world = *state;
    struct datadir datadir;
    char line[32];
    assert_int_equal(open_one(world, &datadir), STATUS_OK);
    datadir_close(&datadir);
    write_file(world, "FORMAT", "quell-data 1\n");
    struct slice path = slice_of_text(world->path);
    assert_int_equal(datadir_open_existing(path, &datadir, &world->fault).code, STATUS_OK);
    datadir_close(&datadir);
    read_format(world, line, sizeof(line));
    assert_string_equal(line, "quell-data 1\n");
    assert_int_equal(open_one(world, &datadir), STATUS_OK);
    datadir_close(&datadir);
    read_format(world, line, sizeof(line));
    assert_string_equal(line, "quell-data 2\n");
}

static void another_format_and_a_damaged_seed_are_refused(void **state) {
    struct world *world = *state;
    struct datadir datadir;
    assert_int_equal(open_one(world, &datadir), STATUS_OK);
    datadir_close(&datadir);
    write_file(world, "FORMAT", "quell-data 9\n");
    assert_int_equal(open_one(world, &datadir), STATUS_UNSUPPORTED);
    write_file(world, "FORMAT", "quell-data 1\n");
    write_file(world, "seed", "abc");
    assert_int_equal(open_one(world, &datadir), STATUS_CORRUPT);
    write_file(world, "seed", ""); /* as a copy onto a full disk leaves it */
    assert_int_equal(open_one(world, &datadir), STATUS_CORRUPT);
    char path[128];
    snprintf(path, sizeof(path), "%s/seed", world->path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(open_one(world, &datadir), STATUS_CORRUPT); /* never made anew */
}

/* A copy in which nobody has run yet: no LOCK, no shard. It is not made whole by being looked at.
 */
static void who_only_reads_makes_nothing(void **state) {
    struct world *world = *state;
    struct datadir datadir;
    struct slice path = slice_of_text(world->path);
    char lock[128];
    char shard[128];
    assert_int_equal(open_one(world, &datadir), STATUS_OK);
    datadir_close(&datadir);
    snprintf(lock, sizeof(lock), "%s/LOCK", world->path);
    snprintf(shard, sizeof(shard), "%s/shard-0", world->path);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(rmdir(shard), 0);
    assert_int_equal(datadir_open_existing(path, &datadir, &world->fault).code, STATUS_OK);
    datadir_close(&datadir);
    assert_int_equal(datadir_peek(path, &datadir, &world->fault).code, STATUS_OK);
    assert_int_not_equal(access(lock, F_OK), 0);
    assert_int_not_equal(access(shard, F_OK), 0);
}

static void who_only_reads_keeps_others_out(void **state) {
    struct world *world = *state;
    struct datadir first;
    struct datadir second;
    struct slice path = slice_of_text(world->path);
    assert_int_equal(open_one(world, &first), STATUS_OK);
    assert_int_equal(datadir_open_existing(path, &second, &world->fault).code, STATUS_DENIED);
    datadir_close(&first);
    assert_int_equal(datadir_open_existing(path, &first, &world->fault).code, STATUS_OK);
    assert_int_equal(open_one(world, &second), STATUS_DENIED);
    datadir_close(&first);
}

static void closing_a_zeroed_one_closes_nothing(void **state) {
    (void)state;
    struct datadir datadir = {0};
    int before = fcntl(0, F_GETFD);
    datadir_close(&datadir);
    assert_int_equal(fcntl(0, F_GETFD), before);
    assert_int_equal(datadir.lock_fd, -1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_is_made_for_its_owner_alone),
        TEST(a_second_one_is_refused_until_the_first_is_closed),
        TEST(who_only_reads_makes_nothing),
        TEST(who_only_reads_keeps_others_out),
        TEST(the_seed_stays_the_same),
        TEST(an_older_format_is_read_and_raised_by_who_writes),
        TEST(another_format_and_a_damaged_seed_are_refused),
        cmocka_unit_test(closing_a_zeroed_one_closes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
