/*
 * options.h - the command line, parsed: flags that all commands share, and for each command its own
 * flags and positional words (command_list.h). A command adds a line there and asks here.
 */
#pragma once

#include <stdio.h>

#include "core/base/fault.h"
#include "core/config.h"
#include "core/stats.h"

enum { OVERRIDES_MAX = 128, WORDS_MAX = 64, FLAGS_MAX = 16 };

struct cli_options {
    const char *command;
    const char *config_path;
    const char *overrides[OVERRIDES_MAX];
    uint32_t overrides_count;
    bool format_json;       /* --format json: incidents; of reports the same as --json */
    const char *log_format; /* NULL: as the config says */
    const struct logger
        *logger;         /* takes the errors of a configuration; NULL: stderr, as they are */
    struct stats *stats; /* hear of a refused one before the logger does; NULL: nobody */
    bool wants_help;
    const char *words[WORDS_MAX]; /* what stands after the command and is no flag */
    uint32_t words_count;
    struct {
        const char *name;  /* "--data" */
        const char *value; /* "" for a flag that takes none */
    } flags[FLAGS_MAX];
    uint32_t flags_count;
};

/* INVALID with words for a flag or word that the command does not take, or a missing value. An
 * unknown command is the caller's to refuse; what follows it is not looked at. */
MUST_CHECK struct status cli_options_parse(int count, char **words, struct cli_options *options_out,
                                           struct fault *fault);
/* The last value given to one of the command's own flags, such as "--data"; NULL when not given. */
const char *cli_option(const struct cli_options *options, const char *name);
/* The same as a number; `otherwise` when not given; INVALID with words for what is no number. */
MUST_CHECK struct status cli_option_number(const struct cli_options *options, const char *name,
                                           uint64_t otherwise, uint64_t *number_out,
                                           struct fault *fault);
/* The positional word at `at`, NULL when there are fewer. */
const char *cli_word(const struct cli_options *options, uint32_t at);
/* The file that is loaded: the named one, ./quell.toml when it is there, or NULL. */
const char *cli_config_path(const struct cli_options *options);
/* For who goes by the configuration: from now on ./quell.toml counts as named when it is there, and
 * that it cannot be read, or is gone later, is an error. */
void cli_settle_config_path(struct cli_options *options);
/* Loads the named configuration, or ./quell.toml when no path is given and it is there. Tells all
 * errors, a line or a log record each; INVALID then. */
MUST_CHECK struct status cli_load_config(const struct cli_options *options,
                                         struct config **config_out);
/* The log on stderr as the command line asks for it, else the configuration; JSON without one yet
 * (NULL). */
struct logger cli_logger(const struct cli_options *options, const struct config *config);
/* What the command takes; the page of all for NULL, and for one that is none. */
void cli_print_usage(FILE *out, const char *name);
