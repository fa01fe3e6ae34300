/* journal_close_test.c - a journal that ends on another thread than the one that wrote: on real
 * loops, of which a ring completes nothing for others. */
#include "core/journal.h"

#include <pthread.h>

#include "core/base/limits.h"
#include "core/batch.h"
#include "core/loop.h"
#include "tests/base/scratch.h"

struct world {
    char directory[64];
    enum loop_backend backend;
    struct loop *loop;
    struct journal *journal;
    bool is_durable;
    bool is_writing; /* when the thread ended */
    uint8_t memory[8192];
};

static void on_flushed(void *context, struct status status) {
    ((struct world *)context)->is_durable = status_is_ok(status);
}

/* One small block, whose end begins to write zeroes. */
static void *write_block(void *context) {
    struct world *world = context;
    struct fault fault = {{0}};
    struct loop_options loop_options = {.backend = world->backend};
    assert_status(loop_open(&loop_options, &world->loop, &fault), OK);
    struct journal_options options = {
        .directory = world->directory, .segment_bytes = MIB, .loop = world->loop};
    assert_status(journal_open(&options, &world->journal, &fault), OK);
    struct batch batch;
    struct journal_block block;
    uint64_t seq;
    batch_init(&batch, world->memory, sizeof(world->memory));
    batch_clear(&batch, BATCH_EVENTS);
    assert_status(batch_add(&batch, SLICE("an event")), OK);
    assert_status(journal_append(world->journal, batch_finish(&batch), 1, &seq), OK);
    assert_status(journal_flush(world->journal, on_flushed, world, &block), OK);
    while (!world->is_durable) {
        assert_status(loop_run_once(world->loop, NS_PER_S), OK);
    }
    world->is_writing = journal_is_writing(world->journal);
    return NULL;
}

static uint64_t count_records(const char *directory) {
    struct journal_reader *reader = NULL;
    struct fault fault = {{0}};
    struct slice record;
    uint64_t seq = 0;
    uint64_t count = 0;
    assert_status(journal_reader_open(NULL, directory, 1, &reader, &fault), OK);
    while (status_is_ok(journal_reader_next(reader, &record, &seq, &fault))) {
        count++;
    }
    journal_reader_close(reader);
    return count;
}

static void end_on_another_thread(enum loop_backend backend) {
    struct world world = {.backend = backend};
    pthread_t thread;
    scratch_make(world.directory, sizeof(world.directory));
    assert_int_equal(pthread_create(&thread, NULL, write_block, &world), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    print_message("%s\n",
                  world.is_writing ? "with zeroes on their way" : "with nothing on its way");
    journal_close(world.journal);
    loop_close(world.loop);
    assert_int_equal(count_records(world.directory), 1);
    scratch_remove(world.directory);
}

static void a_journal_ends_on_another_thread_than_its_loops(void **state) {
    (void)state;
    end_on_another_thread(LOOP_AUTO);
    end_on_another_thread(LOOP_EPOLL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_journal_ends_on_another_thread_than_its_loops)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
