/* late_test.c - refusals leave at moments of their own, and all are answered. */
#include "ingest/late.h"

#include "tests/base/unit.h"

static uint32_t answered;

static void count_answer(void *context) {
    (void)context;
    answered++;
}

static void make_late(struct late *late, struct arena *arena) {
    assert_true(status_is_ok(arena_init(arena, MIB)));
    assert_true(status_is_ok(late_init(late, arena, count_answer)));
    answered = 0;
}

/* Clients that were refused at once, and come back after the same wait, must not do so at once. */
static void those_refused_at_once_are_answered_evenly(void **state) {
    (void)state;
    enum { COUNT = 200, PARTS = 50, PART_NS = 1000000000 / PARTS };
    struct arena arena;
    struct late late;
    uint32_t counts[PARTS] = {0};
    make_late(&late, &arena);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_non_null(late_take(&late));
        uint64_t delay_ns = late_delay_ns(&late);
        assert_in_range(delay_ns, LATE_MIN_NS, LATE_MIN_NS + LATE_SPREAD_NS - 1);
        counts[(delay_ns - LATE_MIN_NS) / PART_NS]++;
    }
    for (uint32_t i = 0; i < PARTS; i++) {
        assert_in_range(counts[i], COUNT / PARTS - 2, COUNT / PARTS + 2);
    }
    arena_deinit(&arena);
}

static void a_pool_used_up_gives_none_until_one_is_back(void **state) {
    (void)state;
    struct arena arena;
    struct late late;
    make_late(&late, &arena);
    struct late_answer *last = NULL;
    for (uint32_t i = 0; i < LATE_MAX; i++) {
        last = late_take(&late);
        assert_non_null(last);
    }
    assert_null(late_take(&late));
    late_give(&late, last);
    assert_ptr_equal(late_take(&late), last);
    arena_deinit(&arena);
}

static void those_under_way_go_out_when_the_loop_ends(void **state) {
    (void)state;
    struct arena arena;
    struct late late;
    struct loop *loop = NULL;
    struct loop_options options = {0};
    struct fault fault = {{0}};
    make_late(&late, &arena);
    assert_true(status_is_ok(loop_open(&options, &loop, &fault)));
    for (uint32_t i = 0; i < 3; i++) {
        struct late_answer *answer = late_take(&late);
        loop_timer_start(loop, &answer->timer, loop_now_ns(loop) + late_delay_ns(&late));
    }
    late_flush(&late, loop);
    assert_int_equal(answered, 3);
    late_flush(&late, loop);
    assert_int_equal(answered, 3);
    loop_close(loop);
    arena_deinit(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_refused_at_once_are_answered_evenly),
        cmocka_unit_test(a_pool_used_up_gives_none_until_one_is_back),
        cmocka_unit_test(those_under_way_go_out_when_the_loop_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
