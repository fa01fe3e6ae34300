/*
 * console.h - port 8418: the admin API, /metrics and health, on a thread of its own.
 *
 * Reads only committed state (engine/view.h); what changes something goes through the journal as a
 * BATCH_OPERATOR record and is answered when it is durable, applied and committed.
 */
#pragma once

#include "core/config.h"
#include "core/gate.h"
#include "core/sink_board.h"
#include "core/source_board.h"
#include "core/stats.h"
#include "engine/view.h"

struct console;

struct console_options {
    struct config *config;
    struct view *view; /* NULL: it comes by console_serve; until then 503, but for health */
    struct gate *gate;
    struct stats *stats;
    struct sink_board *board;
    const struct logger *logger;
    const atomic_bool *is_ready;
    struct source_board *sources; /* may be NULL: no sources of their own */
};

/* Memory and the view; nothing listens yet. FULL with a fault. */
MUST_CHECK struct status console_open(const struct console_options *options,
                                      struct console **console_out, struct fault *fault);
/* Thread main; returns after console_stop. on_listening as in ingest.h. */
MUST_CHECK struct status console_run(struct console *console,
                                     void (*on_listening)(void *context, uint16_t port,
                                                          const struct fault *fault),
                                     void *context);
/* Any thread: the state is restored, here is its view. Once, when it was not in the options. */
void console_serve(struct console *console, struct view *view);
/* Any thread: takes a new configuration. */
void console_reconfigure(struct console *console, struct config *config);
/* Any thread. */
void console_stop(struct console *console);
void console_close(struct console *console);
