/* options.c - see options.h. */
#include "cli/options.h"

#include <stdio.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "sinks/sinks.h"

static const char usage[] =
    "quell turns a storm of events into a few incidents that say what broke first.\n"
    "\n"
    "usage: quell COMMAND [--config quell.toml] [--set key=value]...\n"
    "\n"
    "  run       start (without a config file: loopback, tenant \"default\", ./quell-data)\n"
    "            [--format text|json] how incidents are printed  [--log-format json|text]\n"
    "  check     check the configuration: every error with file:line:column, exit 1\n"
    "  demo      a living example: forty failures become one incident\n"
    "  load      send a load at a constant rate and measure (quell load --help)\n"
    "  version   print the version\n";

void cli_print_usage(int fd) {
    ssize_t ignored = write(fd, usage, sizeof(usage) - 1);
    (void)ignored;
}

static bool take_flag(int count, char **words, int *at, const char *name, const char **value_out) {
    size_t size = strlen(name);
    if (strncmp(words[*at], name, size) != 0) {
        return false;
    }
    if (words[*at][size] == '=') {
        *value_out = words[*at] + size + 1;
        return true;
    }
    if (words[*at][size] != 0) {
        return false;
    }
    *value_out = *at + 1 < count ? words[*at + 1] : NULL;
    *at += 1;
    return true;
}

static struct status set_format(struct cli_options *options, const char *value,
                                struct fault *fault) {
    bool is_json = strcmp(value, "json") == 0;
    if (!is_json && strcmp(value, "text") != 0) {
        return fault_set(fault, STATUS_INVALID, "--format is text or json");
    }
    options->format_json = is_json;
    return status_ok();
}

static struct status parse_word(int count, char **words, int *at, struct cli_options *options,
                                struct fault *fault) {
    const char *value = NULL;
    const char *word = words[*at];
    enum { CONFIG, SET, FORMAT, LOG_FORMAT, FLAGS };
    static const char *const flags[FLAGS] = {"--config", "--set", "--format", "--log-format"};
    for (int flag = 0; flag < FLAGS; flag++) {
        if (!take_flag(count, words, at, flags[flag], &value)) {
            continue;
        }
        if (value == NULL) {
            return fault_set(fault, STATUS_INVALID, "%s wants a value", flags[flag]);
        }
        if (flag == FORMAT) {
            return set_format(options, value, fault);
        }
        if (flag == SET && options->overrides_count == OVERRIDES_MAX) {
            return fault_set(fault, STATUS_INVALID, "at most %d times --set", OVERRIDES_MAX);
        }
        if (flag == SET) {
            options->overrides[options->overrides_count++] = value;
        } else {
            *(flag == CONFIG ? &options->config_path : &options->log_format) = value;
        }
        return status_ok();
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        options->wants_help = true;
        return status_ok();
    }
    if (word[0] == '-' || options->command != NULL) {
        bool is_path = options->command != NULL && strcmp(options->command, "check") == 0 &&
                       word[0] != '-' && options->config_path == NULL;
        if (!is_path) {
            return fault_set(fault, STATUS_INVALID, "unknown argument \"%s\"", word);
        }
        options->config_path = word;
        return status_ok();
    }
    options->command = word;
    return status_ok();
}

struct status cli_options_parse(int count, char **words, struct cli_options *options_out,
                                struct fault *fault) {
    struct cli_options options = {0};
    for (int at = 1; at < count; at++) {
        TRY(parse_word(count, words, &at, &options, fault));
    }
    *options_out = options;
    return status_ok();
}

struct status cli_load_config(const struct cli_options *options, struct config **config_out) {
    static const char *const default_path = "quell.toml";
    char memory[64 * 1024];
    struct config_errors errors = {.text = text_over(memory, sizeof(memory))};
    bool has_default = options->config_path == NULL && access(default_path, R_OK) == 0;
    struct config_options load = {
        .path = has_default ? default_path : options->config_path,
        .overrides = options->overrides,
        .overrides_count = options->overrides_count,
    };
    struct config *config = NULL;
    struct status status = config_load(&load, &config, &errors);
    if (status_is_ok(status)) {
        status = sinks_check_config(config, &errors);
    }
    if (!status_is_ok(status)) {
        (void)fprintf(stderr, "%s", memory);
        config_release(config);
        return status;
    }
    *config_out = config;
    return status_ok();
}
