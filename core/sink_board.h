/*
 * sink_board.h - one row of numbers a sink of a tenant: written by the sinks' thread, read by the
 * console for /metrics. A sink that left the configuration is not shown; its row stays, so that it
 * counts on when it comes back, until a full board gives it to a new sink.
 *
 * Thread: one writer, any number of readers; relaxed numbers for people. Names and what is shown
 * change under a lock, at a reload, for which whoever shows them waits.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "core/base/limits.h"
#include "core/base/text.h"

/* More sinks than this are delivered to, but not shown. */
enum { SINK_BOARD_ROWS_MAX = 4096 };

enum sink_number {
    SINK_NUMBER_BREAKER, /* 0 closed, 1 half-open, 2 open */
    SINK_NUMBER_PENDING,
    SINK_NUMBER_DELIVERED,
    SINK_NUMBER_FAILED, /* attempts */
    SINK_NUMBER_DEAD,
    SINK_NUMBER_SUPERSEDED,
    SINK_NUMBER_OPENED, /* the breaker */
    SINK_NUMBER_COPIED, /* events */
    SINK_NUMBER_COPY_LOST,
    SINK_NUMBER_COPY_BEHIND,
    SINK_NUMBERS
};

struct sink_board_row {
    char tenant[TENANT_BYTES_MAX + 1]; /* empty: of the defaults */
    char sink[96];                     /* cut */
    bool is_shown;
    _Atomic uint64_t numbers[SINK_NUMBERS];
};

struct sink_board {
    pthread_mutex_t lock; /* of what follows, but the numbers */
    struct sink_board_row *rows;
    uint32_t count;
};

/* FULL without memory. */
MUST_CHECK struct status sink_board_init(struct sink_board *board);
void sink_board_deinit(struct sink_board *board);
/* The writer: the sink's row, which becomes shown; NULL when it has none. */
struct sink_board_row *sink_board_find(struct sink_board *board, struct slice tenant,
                                       struct slice sink);
/* The writer: a row for a sink that has none, when all that have one are found: on a full board
 * that of one that is not shown, from zero. NULL when all are shown, or the tenant's name is too
 * long. */
struct sink_board_row *sink_board_add(struct sink_board *board, struct slice tenant,
                                      struct slice sink);
/* The writer: before a new configuration's sinks are added. */
void sink_board_hide_all(struct sink_board *board);
/* Any thread: Prometheus text. */
void sink_board_add_prometheus(struct sink_board *board, struct text *text);

/* The writer; a NULL row, of a full board, is passed over. */
static inline void sink_row_set(struct sink_board_row *row, enum sink_number number,
                                uint64_t value) {
    if (row != NULL) {
        atomic_store_explicit(&row->numbers[number], value, memory_order_relaxed);
    }
}
static inline void sink_row_add_many(struct sink_board_row *row, enum sink_number number,
                                     uint64_t count) {
    if (row != NULL) {
        atomic_fetch_add_explicit(&row->numbers[number], count, memory_order_relaxed);
    }
}
static inline void sink_row_add(struct sink_board_row *row, enum sink_number number) {
    sink_row_add_many(row, number, 1);
}
