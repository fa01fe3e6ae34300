/* sink_board.c - see sink_board.h. */
#include "core/sink_board.h"

#include <stdlib.h>

#include "core/base/assert.h"

struct status sink_board_init(struct sink_board *board) {
    board->rows = calloc(SINK_BOARD_ROWS_MAX, sizeof(*board->rows)); /* touched as used */
    atomic_store(&board->count, 0);
    return board->rows != NULL ? status_ok() : status_of(STATUS_FULL);
}

void sink_board_deinit(struct sink_board *board) {
    free(board->rows);
    board->rows = NULL;
}

struct sink_board_row *sink_board_row(struct sink_board *board, struct slice tenant,
                                      struct slice sink) {
    struct sink_board_row *rows = board->rows;
    uint32_t count = atomic_load(&board->count);
    ASSERT(rows != NULL);
    struct slice name = slice_head(sink, sizeof(rows->sink) - 1);
    for (uint32_t i = 0; i < count; i++) {
        struct sink_board_row *row = &rows[i];
        if (slice_equals(tenant, slice_of_text(row->tenant)) &&
            slice_equals(name, slice_of_text(row->sink))) {
            atomic_store(&row->is_shown, true);
            return row;
        }
    }
    if (count == SINK_BOARD_ROWS_MAX || tenant.size > TENANT_BYTES_MAX) {
        return NULL;
    }
    struct sink_board_row *row = &rows[count];
    struct text tenant_text = text_over(row->tenant, sizeof(row->tenant));
    struct text sink_text = text_over(row->sink, sizeof(row->sink));
    text_add(&tenant_text, tenant);
    text_add(&sink_text, sink);
    atomic_store(&row->is_shown, true);
    atomic_store(&board->count, count + 1); /* publishes the names */
    return row;
}

void sink_board_hide_all(struct sink_board *board) {
    uint32_t count = atomic_load(&board->count);
    for (uint32_t i = 0; i < count; i++) {
        atomic_store(&board->rows[i].is_shown, false);
    }
}

void sink_board_add_prometheus(const struct sink_board *board, struct text *text) {
    static const struct {
        const char *name;
        const char *type;
        const char *help;
    } looks[SINK_NUMBERS] = {
        {"breaker_state", "gauge", "Circuit breaker: 0 closed, 1 half-open, 2 open"},
        {"pending", "gauge", "Messages that wait for the sink"},
        {"delivered_total", "counter", "Messages delivered since the start"},
        {"attempts_failed_total", "counter", "Attempts that failed since the start"},
        {"dead_total", "counter", "Messages that became dead letters since the start"},
        {"superseded_total", "counter", "Messages replaced by a later state of their incident"},
        {"breaker_opened_total", "counter", "How often the circuit breaker opened"},
        {"events_copied_total", "counter", "Events copied to the sink since the start"},
        {"events_lost_total", "counter",
         "Journal records, or refused events, that were not copied"},
        {"events_behind", "gauge", "Journal records that the copy of events is behind"},
    };
    uint32_t count = atomic_load(&board->count);
    for (uint32_t number = 0; number < SINK_NUMBERS; number++) {
        text_add_format(text, "# HELP quell_sink_%s %s\n# TYPE quell_sink_%s %s\n",
                        looks[number].name, looks[number].help, looks[number].name,
                        looks[number].type);
        for (uint32_t i = 0; i < count; i++) {
            const struct sink_board_row *row = &board->rows[i];
            if (!atomic_load(&row->is_shown)) {
                continue;
            }
            text_add_format(text, "quell_sink_%s{", looks[number].name);
            text_add_label(text, "tenant", slice_of_text(row->tenant));
            text_add_char(text, ',');
            text_add_label(text, "sink", slice_of_text(row->sink));
            text_add_text(text, "} ");
            text_add_u64(text, atomic_load_explicit(&row->numbers[number], memory_order_relaxed));
            text_add_char(text, '\n');
        }
    }
}
