/*
 * run.h - the wiring: every thread of a running quell, started and stopped in order.
 */
#pragma once

#include "cli/options.h"

struct runtime;

struct runtime_options {
    struct config *config; /* the runtime takes the caller's reference */
    const struct cli_options *cli;
    bool stdout_json;
};

/* Opens the data directory, restores the state, starts all threads, waits until they listen. */
MUST_CHECK struct status runtime_open(const struct runtime_options *options,
                                      struct runtime **runtime_out, struct fault *fault);
/* Drains: stops sources, then sinks, console and shard. 0 when all went well. NULL is allowed. The
 * log says by `who`, and when it is done: else a stop looks like a kill. NULL: nobody asked. */
int runtime_close(struct runtime *runtime, const char *who);
/* A new configuration: journaled, then used by every thread; a bad one changes nothing. What
 * changed is logged for the audit, with `who` asked for it. False: the old one stays. */
bool runtime_reload(struct runtime *runtime, const char *who);
/* What is in force until the next reload, and its file (NULL: there is none). */
const struct config *runtime_config(const struct runtime *runtime, const char **path_out);
/* Whether none of its threads has ended by itself. */
bool runtime_is_alive(const struct runtime *runtime);
uint16_t runtime_http_port(const struct runtime *runtime);
uint16_t runtime_console_port(const struct runtime *runtime);
