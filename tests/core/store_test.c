/* store_test.c - the state store over a real LMDB environment. */
#include "tests/base/scratch.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/store.h"

struct world {
    char directory[64];
    struct store_options options;
    struct store *store;
    struct fault fault;
};

static void world_open(struct world *world) {
    assert_int_equal(store_open(&world->options, &world->store, &world->fault).code, STATUS_OK);
}

static int setup(void **state) {
    struct world *world = calloc(1, sizeof(*world));
    scratch_make(world->directory, sizeof(world->directory));
    world->options =
        (struct store_options){.directory = world->directory, .map_bytes_max = 4 * GIB};
    world_open(world);
    *state = world;
    return 0;
}

static int teardown(void **state) {
    struct world *world = *state;
    store_close(world->store);
    scratch_remove(world->directory);
    free(world);
    return 0;
}

static void put(struct world *world, const char *key, const char *value) {
    assert_int_equal(store_begin(world->store, &world->fault).code, STATUS_OK);
    assert_int_equal(store_put(world->store, STORE_TABLE_META, slice_of_text(key),
                               slice_of_text(value), &world->fault)
                         .code,
                     STATUS_OK);
    assert_int_equal(store_commit(world->store, &world->fault).code, STATUS_OK);
}

static enum status_code get(struct world *world, const char *key, const char *value) {
    struct store_snapshot *snapshot = NULL;
    struct slice found;
    assert_int_equal(store_snapshot_acquire(world->store, &snapshot).code, STATUS_OK);
    struct status status = store_get(snapshot, STORE_TABLE_META, slice_of_text(key), &found);
    if (status_is_ok(status)) {
        assert_true(slice_equals(found, slice_of_text(value)));
    }
    store_snapshot_release(snapshot);
    return status.code;
}

static void committed_rows_are_kept(void **state) {
    struct world *world = *state;
    struct stat info;
    char path[96];
    put(world, "a", "one");
    put(world, "a", "two");
    put(world, "empty", "");
    assert_int_equal(get(world, "a", "two"), STATUS_OK);
    assert_int_equal(get(world, "empty", ""), STATUS_OK);
    assert_int_equal(get(world, "b", ""), STATUS_MISSING);
    store_close(world->store);
    world_open(world);
    assert_int_equal(get(world, "a", "two"), STATUS_OK);
    snprintf(path, sizeof(path), "%s/data.mdb", world->directory);
    assert_int_equal(stat(path, &info), 0);
    assert_true((uint64_t)info.st_size < MIB); /* the map is address space, not disk */
}

static void deleted_and_aborted_rows_are_gone(void **state) {
    struct world *world = *state;
    struct slice key = SLICE("a");
    put(world, "a", "one");
    assert_int_equal(store_begin(world->store, &world->fault).code, STATUS_OK);
    assert_int_equal(store_delete(world->store, STORE_TABLE_META, key, &world->fault).code,
                     STATUS_OK);
    store_abort(world->store);
    assert_int_equal(get(world, "a", "one"), STATUS_OK);
    assert_int_equal(store_begin(world->store, &world->fault).code, STATUS_OK);
    for (int i = 0; i < 2; i++) { /* the second time it is missing, and that is fine */
        assert_int_equal(store_delete(world->store, STORE_TABLE_META, key, &world->fault).code,
                         STATUS_OK);
    }
    assert_int_equal(store_commit(world->store, &world->fault).code, STATUS_OK);
    assert_int_equal(get(world, "a", ""), STATUS_MISSING);
}

static void *read_in_thread(void *context) {
    struct store_snapshot *snapshot = context;
    struct slice value;
    struct status status = store_get(snapshot, STORE_TABLE_META, SLICE("a"), &value);
    bool is_old = status_is_ok(status) && slice_equals(value, SLICE("old"));
    return is_old ? context : NULL;
}

static void a_snapshot_in_another_thread_stays_as_it_was(void **state) {
    struct world *world = *state;
    struct store_snapshot *snapshot = NULL;
    pthread_t thread;
    void *result = NULL;
    put(world, "a", "old");
    assert_int_equal(store_snapshot_acquire(world->store, &snapshot).code, STATUS_OK);
    put(world, "a", "new");
    assert_int_equal(pthread_create(&thread, NULL, read_in_thread, snapshot), 0);
    pthread_join(thread, &result);
    assert_ptr_equal(result, snapshot);
    assert_int_equal(get(world, "a", "new"), STATUS_OK);
    store_snapshot_release(snapshot);
}

static void many_snapshots_may_be_open_and_too_many_are_refused(void **state) {
    struct world *world = *state;
    struct store_snapshot *snapshots[512] = {0};
    size_t count = 0;
    struct status status = status_ok();
    while (count < 512 && status_is_ok(status)) {
        status = store_snapshot_acquire(world->store, &snapshots[count]);
        count += status_is_ok(status);
    }
    assert_int_equal(status.code, STATUS_FULL);
    assert_true(count >= 126);
    for (size_t i = 0; i < count; i++) {
        store_snapshot_release(snapshots[i]);
    }
}

static uint32_t count_keys(struct world *world, const char *prefix, const char *start) {
    struct store_snapshot *snapshot = NULL;
    struct store_cursor *cursor = NULL;
    struct slice key;
    struct slice value;
    uint32_t count = 0;
    assert_int_equal(store_snapshot_acquire(world->store, &snapshot).code, STATUS_OK);
    assert_int_equal(store_cursor_open(snapshot, STORE_TABLE_META, slice_of_text(prefix),
                                       slice_of_text(start), &cursor)
                         .code,
                     STATUS_OK);
    struct status status = store_cursor_next(cursor, &key, &value);
    while (status_is_ok(status)) {
        assert_true(slice_starts_with(key, slice_of_text(prefix)));
        count++;
        status = store_cursor_next(cursor, &key, &value);
    }
    assert_int_equal(status.code, STATUS_END);
    store_cursor_close(cursor);
    store_snapshot_release(snapshot);
    return count;
}

static void a_cursor_walks_only_its_prefix(void **state) {
    struct world *world = *state;
    assert_int_equal(count_keys(world, "", ""), 0);
    const char *const keys[] = {"a1", "a2", "b1", "b2", "b3", "c"};
    for (size_t i = 0; i < 6; i++) {
        put(world, keys[i], "value");
    }
    assert_int_equal(count_keys(world, "", ""), 6);
    assert_int_equal(count_keys(world, "b", ""), 3);
    assert_int_equal(count_keys(world, "b", "b"), 3);
    assert_int_equal(count_keys(world, "b", "b2"), 2);
    assert_int_equal(count_keys(world, "", "b3"), 2);
    assert_int_equal(count_keys(world, "d", ""), 0);
}

static void put_ids(struct world *world, uint8_t number) {
    uint8_t ids[1608] = {0}; /* of a hundred events: two such rows fit on a page */
    const uint8_t key[2] = {number >> 4, (uint8_t)(number << 4)};
    assert_int_equal(store_put(world->store, STORE_TABLE_EVENT_ID, slice_of(key, sizeof(key)),
                               slice_of(ids, sizeof(ids)), &world->fault)
                         .code,
                     STATUS_OK);
}

static void rows_that_come_in_order_fill_their_pages(void **state) {
    struct world *world = *state;
    uint64_t before = 0;
    uint64_t after = 0;
    uint64_t max = 0;
    store_usage(world->store, &before, &max);
    assert_int_equal(store_begin(world->store, &world->fault).code, STATUS_OK);
    for (uint32_t i = 1; i <= 200; i++) {
        put_ids(world, (uint8_t)i);
    }
    put_ids(world, 0);   /* before all others */
    put_ids(world, 200); /* the last again */
    assert_int_equal(store_commit(world->store, &world->fault).code, STATUS_OK);
    store_usage(world->store, &after, &max);
    assert_true(after - before < 120 * 4096);
}

static void corrupt_value(const struct world *world, const char *value) {
    static uint8_t bytes[1024 * 1024];
    char path[96];
    snprintf(path, sizeof(path), "%s/data.mdb", world->directory);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    ssize_t size = read(fd, bytes, sizeof(bytes));
    assert_true(size > 0);
    uint32_t count = 0;
    size_t value_size = strlen(value);
    for (size_t i = 0; i + value_size <= (size_t)size; i++) {
        if (memcmp(bytes + i, value, value_size) == 0) {
            assert_int_equal(pwrite(fd, "X", 1, (off_t)i), 1);
            count++;
        }
    }
    assert_true(count > 0);
    close(fd);
}

static void a_corrupted_value_is_told_never_given(void **state) {
    struct world *world = *state;
    put(world, "a", "a value to be damaged");
    put(world, "b", "whole");
    store_close(world->store);
    world->store = NULL;
    corrupt_value(world, "a value to be damaged");
    world_open(world);
    assert_int_equal(get(world, "a", ""), STATUS_CORRUPT);
    assert_int_equal(get(world, "b", "whole"), STATUS_OK);
}

static void a_file_that_is_no_state_is_refused_in_words(void **state) {
    struct world *world = *state;
    char path[96];
    store_close(world->store);
    world->store = NULL;
    snprintf(path, sizeof(path), "%s/data.mdb", world->directory);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 4096; i++) {
        fputs("no state", file);
    }
    fclose(file);
    struct status status = store_open(&world->options, &world->store, &world->fault);
    assert_int_equal(status.code, STATUS_CORRUPT);
    assert_non_null(strstr(world->fault.words, world->directory));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(committed_rows_are_kept),
        TEST(deleted_and_aborted_rows_are_gone),
        TEST(a_snapshot_in_another_thread_stays_as_it_was),
        TEST(many_snapshots_may_be_open_and_too_many_are_refused),
        TEST(a_cursor_walks_only_its_prefix),
        TEST(rows_that_come_in_order_fill_their_pages),
        TEST(a_corrupted_value_is_told_never_given),
        TEST(a_file_that_is_no_state_is_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
