/* sink_board.c - see sink_board.h. */
#include "core/sink_board.h"

#include <stdlib.h>

#include "core/base/assert.h"

struct status sink_board_init(struct sink_board *board) {
    board->rows = calloc(SINK_BOARD_ROWS_MAX, sizeof(*board->rows)); /* touched as used */
    board->count = 0;
    ASSERT(pthread_mutex_init(&board->lock, NULL) == 0);
    return board->rows != NULL ? status_ok() : status_of(STATUS_FULL);
}

void sink_board_deinit(struct sink_board *board) {
    ASSERT(pthread_mutex_destroy(&board->lock) == 0);
    free(board->rows);
    board->rows = NULL;
}

static void lock(struct sink_board *board) {
    ASSERT(pthread_mutex_lock(&board->lock) == 0);
}

static void unlock(struct sink_board *board) {
    ASSERT(pthread_mutex_unlock(&board->lock) == 0);
}

static bool is_of(const struct sink_board_row *row, struct slice tenant, struct slice sink) {
    return slice_equals(tenant, slice_of_text(row->tenant)) &&
           slice_equals(slice_head(sink, sizeof(row->sink) - 1), slice_of_text(row->sink));
}

struct sink_board_row *sink_board_find(struct sink_board *board, struct slice tenant,
                                       struct slice sink) {
    struct sink_board_row *found = NULL;
    ASSERT(board->rows != NULL);
    lock(board);
    for (uint32_t i = 0; i < board->count && found == NULL; i++) {
        found = is_of(&board->rows[i], tenant, sink) ? &board->rows[i] : NULL;
    }
    if (found != NULL) {
        found->is_shown = true;
    }
    unlock(board);
    return found;
}

/* A new one, else one that nobody sees; NULL: all are seen. */
static struct sink_board_row *take_row(struct sink_board *board) {
    if (board->count < SINK_BOARD_ROWS_MAX) {
        return &board->rows[board->count++];
    }
    for (uint32_t i = 0; i < board->count; i++) {
        if (!board->rows[i].is_shown) {
            return &board->rows[i];
        }
    }
    return NULL;
}

static void name_row(struct sink_board_row *row, struct slice tenant, struct slice sink) {
    struct text tenant_text = text_over(row->tenant, sizeof(row->tenant));
    struct text sink_text = text_over(row->sink, sizeof(row->sink));
    text_add(&tenant_text, tenant);
    text_add(&sink_text, slice_head(sink, sizeof(row->sink) - 1));
    for (uint32_t number = 0; number < SINK_NUMBERS; number++) {
        atomic_store_explicit(&row->numbers[number], 0, memory_order_relaxed);
    }
    row->is_shown = true;
}

struct sink_board_row *sink_board_add(struct sink_board *board, struct slice tenant,
                                      struct slice sink) {
    ASSERT(board->rows != NULL);
    if (tenant.size > TENANT_BYTES_MAX) {
        return NULL;
    }
    lock(board);
    struct sink_board_row *row = take_row(board);
    if (row != NULL) {
        name_row(row, tenant, sink);
    }
    unlock(board);
    return row;
}

void sink_board_hide_all(struct sink_board *board) {
    lock(board);
    for (uint32_t i = 0; i < board->count; i++) {
        board->rows[i].is_shown = false;
    }
    unlock(board);
}

void sink_board_add_prometheus(struct sink_board *board, struct text *text) {
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
    lock(board);
    for (uint32_t number = 0; number < SINK_NUMBERS; number++) {
        text_add_format(text, "# HELP quell_sink_%s %s\n# TYPE quell_sink_%s %s\n",
                        looks[number].name, looks[number].help, looks[number].name,
                        looks[number].type);
        for (uint32_t i = 0; i < board->count; i++) {
            const struct sink_board_row *row = &board->rows[i];
            if (!row->is_shown) {
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
    unlock(board);
}
