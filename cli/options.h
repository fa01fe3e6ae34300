/*
 * options.h - the command line, parsed: one table of flags, the same for all commands.
 */
#pragma once

#include "core/base/fault.h"
#include "core/config.h"

enum { OVERRIDES_MAX = 128 };

struct cli_options {
    const char *command;
    const char *config_path;
    const char *overrides[OVERRIDES_MAX];
    uint32_t overrides_count;
    bool format_json;       /* --format json: incidents */
    const char *log_format; /* NULL: as the config says */
    bool wants_help;
};

/* INVALID with words for an unknown flag or a missing value. */
MUST_CHECK struct status cli_options_parse(int count, char **words, struct cli_options *options_out,
                                           struct fault *fault);
/* Loads the named configuration, or ./quell.toml when no path is given and it is there. Prints all
 * errors on stderr; INVALID then. */
MUST_CHECK struct status cli_load_config(const struct cli_options *options,
                                         struct config **config_out);
void cli_print_usage(int fd);
