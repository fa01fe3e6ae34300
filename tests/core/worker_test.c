/* worker_test.c - one piece of work after the other, in another thread. */
#include "core/worker.h"

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/limits.h"
#include "core/clock.h"
#include "tests/base/unit.h"

struct world {
    struct worker *worker;
    pthread_t owner;
    uint64_t rest_ns; /* of each piece */
    int pieces;       /* the worker's while it is busy */
    bool was_here;    /* work was done in the owner's thread */
    bool was_cut_short;
    atomic_int told;
};

static void work(void *context) {
    struct world *world = context;
    world->was_here |= pthread_equal(pthread_self(), world->owner) != 0;
    world->was_cut_short = world->rest_ns > 0 && !worker_rest(world->worker, world->rest_ns);
    world->pieces++;
}

static void tell(void *context) {
    struct world *world = context;
    atomic_fetch_add(&world->told, 1);
}

static void open_world(struct world *world) {
    const struct worker_options options = {.work = work, .on_done = tell, .context = world};
    world->owner = pthread_self();
    assert_status(worker_open(&options, &world->worker), OK);
}

static void each_piece_is_done_once_elsewhere_and_told(void **state) {
    struct world world = {0};
    (void)state;
    open_world(&world);
    for (int i = 1; i <= 100; i++) {
        worker_submit(world.worker);
        worker_wait(world.worker);
        assert_false(worker_is_busy(world.worker));
        assert_int_equal(world.pieces, i);
    }
    worker_close(world.worker);
    assert_int_equal(atomic_load(&world.told), 100);
    assert_false(world.was_here);
}

static void closing_ends_what_was_submitted(void **state) {
    struct world world = {0};
    (void)state;
    open_world(&world);
    worker_submit(world.worker);
    worker_close(world.worker);
    assert_int_equal(world.pieces, 1);
}

static void a_rest_lasts_unless_its_owner_closes(void **state) {
    struct world world = {.rest_ns = 5 * NS_PER_MS};
    (void)state;
    open_world(&world);
    uint64_t begin_ns = clock_monotonic_ns();
    worker_submit(world.worker);
    worker_wait(world.worker);
    assert_true(clock_monotonic_ns() - begin_ns >= world.rest_ns);
    assert_false(world.was_cut_short);

    world.rest_ns = 60 * NS_PER_S;
    worker_submit(world.worker);
    worker_close(world.worker);
    assert_true(world.was_cut_short);
}

static void nothing_is_closed_without_harm(void **state) {
    (void)state;
    worker_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_piece_is_done_once_elsewhere_and_told),
        cmocka_unit_test(closing_ends_what_was_submitted),
        cmocka_unit_test(a_rest_lasts_unless_its_owner_closes),
        cmocka_unit_test(nothing_is_closed_without_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
