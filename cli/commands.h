/* commands.h - the commands; each returns the process's exit code. */
#pragma once

#include "cli/options.h"

int command_run(const struct cli_options *options);
/* `quell check --data DIR`. */
int check_data(const struct cli_options *options);
int command_check(const struct cli_options *options);
/* `check --explain`: which route would take the incident in that file. */
int explain_route(const struct cli_options *options, const struct config *config);
int command_demo(const struct cli_options *options);
int command_silence(const struct cli_options *options);
/* Through the admin API of the running quell. */
int command_graph(const struct cli_options *options);
int command_audit(const struct cli_options *options);
/* `quell graph import FILE`. */
int graph_import(const struct cli_options *options);
int command_explain(const struct cli_options *options);
int command_quarantine(const struct cli_options *options);
int command_replay(const struct cli_options *options);
int command_dlq(const struct cli_options *options);
/* Has flags of its own: gets the words behind its name. */
int command_load(int count, char **words);
