/* sink_board_test.c - the numbers of sinks that come and go, as /metrics shows them. */
#include "tests/base/unit.h"

#include "core/sink_board.h"

static char page[4 * MIB];

static struct slice show(struct sink_board *board) {
    struct text text = text_over(page, sizeof(page));
    sink_board_add_prometheus(board, &text);
    assert_false(text.truncated);
    return text_slice(&text);
}

static struct slice name_of(const char *prefix, uint32_t number) {
    static char memory[32];
    struct text text = text_over(memory, sizeof(memory));
    text_add_format(&text, "%s%u", prefix, number);
    return text_slice(&text);
}

static bool shows(struct sink_board *board, const char *what) {
    (void)show(board);
    return strstr(page, what) != NULL;
}

static void a_sink_that_comes_back_counts_on(void **state) {
    struct sink_board board;
    (void)state;
    assert_status(sink_board_init(&board), OK);
    assert_null(sink_board_find(&board, SLICE("acme"), SLICE("oncall")));
    struct sink_board_row *row = sink_board_add(&board, SLICE("acme"), SLICE("oncall"));
    sink_row_add(row, SINK_NUMBER_DELIVERED);
    assert_true(shows(&board, "quell_sink_delivered_total{tenant=\"acme\",sink=\"oncall\"} 1\n"));
    sink_board_hide_all(&board);
    assert_false(shows(&board, "oncall"));
    assert_ptr_equal(sink_board_find(&board, SLICE("acme"), SLICE("oncall")), row);
    assert_true(shows(&board, "quell_sink_delivered_total{tenant=\"acme\",sink=\"oncall\"} 1\n"));
    sink_board_deinit(&board);
}

/* As when tenants and their sinks come and go for months. */
static void new_sinks_are_shown_however_many_there_were(void **state) {
    struct sink_board board;
    (void)state;
    assert_status(sink_board_init(&board), OK);
    struct sink_board_row *kept = sink_board_add(&board, SLICE("acme"), SLICE("kept"));
    sink_row_add(kept, SINK_NUMBER_DELIVERED);
    for (uint32_t i = 1; i < SINK_BOARD_ROWS_MAX; i++) {
        struct sink_board_row *row = sink_board_add(&board, SLICE("acme"), name_of("old", i));
        assert_non_null(row);
        sink_row_add(row, SINK_NUMBER_DEAD);
    }
    assert_null(sink_board_add(&board, SLICE("acme"), SLICE("one too many")));
    sink_board_hide_all(&board);
    assert_ptr_equal(sink_board_find(&board, SLICE("acme"), SLICE("kept")), kept);
    for (uint32_t i = 1; i < SINK_BOARD_ROWS_MAX; i++) {
        assert_non_null(sink_board_add(&board, SLICE("new"), name_of("new", i)));
    }
    assert_null(sink_board_add(&board, SLICE("acme"), SLICE("one too many")));
    assert_true(shows(&board, "quell_sink_delivered_total{tenant=\"acme\",sink=\"kept\"} 1\n"));
    assert_true(shows(&board, "quell_sink_dead_total{tenant=\"new\",sink=\"new4095\"} 0\n"));
    assert_false(shows(&board, "sink=\"old"));
    sink_board_deinit(&board);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sink_that_comes_back_counts_on),
        cmocka_unit_test(new_sinks_are_shown_however_many_there_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
