/* options.c - see options.h. */
#include "cli/options.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "sinks/sinks.h"

enum { ERRORS_BYTES_MAX = 16 * 1024 * 1024 };

static const char usage[] =
    "quell turns a storm of events into a few incidents that say what broke first.\n"
    "\n"
    "usage: quell COMMAND [--config quell.toml] [--set key=value]...\n"
    "\n"
    "  run       start (without a config file: loopback, tenant \"default\", ./quell-data)\n"
    "            [--format text|json] how incidents are printed  [--log-format json|text]\n"
    "  check     check the configuration: every error with file:line:column, exit 1\n"
    "            [--explain incident.json [--at time]] which route would take it, and why\n"
    "            [--data DIR [--json]] whether a data directory is whole, while quell is down\n"
    "  dlq       dead letters: list [--tenant t] [--sink s] | show N | retry N... | drop N...\n"
    "            (--all instead of numbers; --console host:port; QUELL_TOKEN or --token;\n"
    "            lists: [--limit n] [--cursor c])\n"
    "  replay    a journal's range through the current rules, a dry run: [--data DIR]\n"
    "            [--from N|time|24h] [--to N|time] [--limit N] [--json]\n"
    "  quarantine  what was refused: list [--tenant t] | show ID | drop ID... | retry ID...\n"
    "  silence   add --for 2h --reason words [--entity glob] [--severity s] [--owner glob]\n"
    "            [--label key=glob] [--tenant t] | list | expire ID; [--json]\n"
    "  graph     a tenant's dependencies as DOT: [ENTITY] [--tenant t] [--direction up|down]\n"
    "            [--hops n] [--json] | import FILE: edges of CSV or JSON [--to host:port]\n"
    "            | remove FROM TO: an edge that no configuration says\n"
    "  explain   why an incident has its root: inc_... [--tenant t] [--json]\n"
    "  audit     who changed what, when: [--tenant t] [--limit n] [--cursor c] [--json]\n"
    "  demo      a living example: forty failures become one incident\n"
    "  load      send a load at a constant rate and measure (quell load --help)\n"
    "  version   print the version\n"
    "\n"
    "exit status: 0 done; 1 not done, not whole, or refused; 2 the command line is wrong: nothing\n"
    "was done\n";

/* --- What each command takes --- */

struct command {
    const char *name;
    uint32_t words_max;
    const char *const *flags; /* ends with NULL */
};

#define FLAGS(...) ((const char *const[]){__VA_ARGS__})
#define COMMAND(name, words_max, ...) {name, words_max, FLAGS(__VA_ARGS__)},
static const struct command commands[] = {
#include "cli/command_list.h"
};
#undef COMMAND
#undef FLAGS

static const struct command *find_command(const char *name) {
    for (size_t i = 0; name != NULL && i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* --- Help --- */

/* The command's lines of the page: one that begins with its name, and those that are set deeper. */
static const char *find_usage(const char *name, size_t *size_out) {
    size_t name_size = strlen(name);
    for (const char *line = usage; line != NULL; line = strstr(line + 1, "\n  ")) {
        const char *begin = line + 1;
        if (strncmp(begin, "  ", 2) != 0 || strncmp(begin + 2, name, name_size) != 0 ||
            begin[2 + name_size] != ' ') {
            continue;
        }
        const char *end = begin;
        do {
            end = strchr(end, '\n') + 1;
        } while (strncmp(end, "   ", 3) == 0);
        *size_out = (size_t)(end - begin);
        return begin;
    }
    return NULL;
}

void cli_print_usage(FILE *out, const char *name) {
    const struct command *command = find_command(name);
    size_t size = 0;
    const char *words = command == NULL ? NULL : find_usage(name, &size);
    if (words == NULL) {
        (void)fputs(usage, out);
        return;
    }
    (void)fprintf(out, "usage: quell %s [--config quell.toml] [--set key=value]...\n\n%.*s", name,
                  (int)size, words);
    for (uint32_t i = 0; command->flags[i] != NULL; i++) {
        const char *flag = command->flags[i];
        size_t flag_size = strcspn(flag, "=");
        (void)fprintf(out, "%s %.*s%s", i == 0 ? "\nflags:" : "", (int)flag_size, flag,
                      flag[flag_size] == '=' ? " VALUE" : "");
    }
    (void)fputs(command->flags[0] == NULL ? "" : "\n", out);
}

/* --- One word after another --- */

/* Where the reading stands. */
struct words {
    char **words;
    int count;
    int at;
};

/* Whether the word is the flag `name`, with `=` at its end when it wants a value. `*value_out` is
 * NULL when the value is missing. */
static bool take_flag(struct words *words, const char *name, const char **value_out) {
    const char *word = words->words[words->at];
    size_t size = strcspn(name, "=");
    if (strncmp(word, name, size) != 0 || (word[size] != 0 && word[size] != '=')) {
        return false;
    }
    if (name[size] == 0) {
        *value_out = "";
        return word[size] == 0;
    }
    if (word[size] == '=') {
        *value_out = word + size + 1;
        return true;
    }
    *value_out = words->at + 1 < words->count ? words->words[words->at + 1] : NULL;
    words->at += 1;
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

static struct status set_common(struct cli_options *options, unsigned flag, const char *value,
                                struct fault *fault) {
    enum { CONFIG, SET, FORMAT, LOG_FORMAT };
    if (flag == FORMAT) {
        return set_format(options, value, fault);
    }
    if (flag == SET && options->overrides_count == OVERRIDES_MAX) {
        return fault_set(fault, STATUS_INVALID, "at most %d times --set", OVERRIDES_MAX);
    }
    if (flag == SET) {
        options->overrides[options->overrides_count++] = value;
        return status_ok();
    }
    if (flag == LOG_FORMAT && strcmp(value, "json") != 0 && strcmp(value, "text") != 0) {
        return fault_set(fault, STATUS_INVALID, "--log-format is json or text");
    }
    *(flag == CONFIG ? &options->config_path : &options->log_format) = value;
    return status_ok();
}

static const char *const common_flags[] = {"--config=", "--set=", "--format=", "--log-format="};
enum { COMMON_FLAGS_COUNT = sizeof(common_flags) / sizeof(common_flags[0]) };

static struct status take_common_flag(struct words *words, struct cli_options *options,
                                      bool *is_taken_out, struct fault *fault) {
    const char *value = NULL;
    for (unsigned flag = 0; flag < COMMON_FLAGS_COUNT; flag++) {
        if (!take_flag(words, common_flags[flag], &value)) {
            continue;
        }
        *is_taken_out = true;
        if (value == NULL) {
            return fault_set(fault, STATUS_INVALID, "%.*s wants a value",
                             (int)strcspn(common_flags[flag], "="), common_flags[flag]);
        }
        return set_common(options, flag, value, fault);
    }
    return status_ok();
}

/* "host:port", and no URL. */
static bool is_address(const char *value) {
    const char *colon = strrchr(value, ':');
    uint64_t port = 0;
    return colon != NULL && colon != value && strchr(value, '/') == NULL &&
           status_is_ok(text_parse_u64(slice_of_text(colon + 1), &port)) && port > 0 &&
           port <= UINT16_MAX;
}

static struct status take_own_flag(struct words *words, const struct command *command,
                                   struct cli_options *options, bool *is_taken_out,
                                   struct fault *fault) {
    const char *value = NULL;
    for (const char *const *flag = command->flags; *flag != NULL; flag++) {
        if (!take_flag(words, *flag, &value)) {
            continue;
        }
        *is_taken_out = true;
        if (value == NULL) {
            return fault_set(fault, STATUS_INVALID, "%.*s wants a value", (int)strcspn(*flag, "="),
                             *flag);
        }
        if (strcmp(*flag, "--console=") == 0 && !is_address(value)) {
            return fault_set(fault, STATUS_INVALID,
                             "--console wants host:port, such as 127.0.0.1:8418, not \"%s\"",
                             value);
        }
        if (options->flags_count == FLAGS_MAX) {
            return fault_set(fault, STATUS_INVALID, "too many flags");
        }
        options->flags[options->flags_count].name = *flag;
        options->flags[options->flags_count++].value = value;
        return status_ok();
    }
    return status_ok();
}

static struct status refuse_flag(const char *word, const struct command *command,
                                 struct fault *fault) {
    char memory[128];
    struct text meant = text_over(memory, sizeof(memory));
    struct text_guess guess = text_guess_of(slice_head(slice_of_text(word), strcspn(word, "=")));
    for (unsigned i = 0; i < COMMON_FLAGS_COUNT; i++) {
        text_guess_try(&guess, common_flags[i]);
    }
    for (uint32_t i = 0; command != NULL && command->flags[i] != NULL; i++) {
        text_guess_try(&guess, command->flags[i]);
    }
    if (guess.nearest != NULL) {
        text_add_format(&meant, ": did you mean \"%.*s\"?", (int)strcspn(guess.nearest, "="),
                        guess.nearest);
    }
    return fault_set(fault, STATUS_INVALID, "unknown argument \"%s\"%.*s", word,
                     SLICE_PRINT(text_slice(&meant)));
}

static struct status take_word(const char *word, const struct command *command,
                               struct cli_options *options, struct fault *fault) {
    if (word[0] == '-' && word[1] != 0) {
        return refuse_flag(word, command, fault);
    }
    if (options->command == NULL) {
        options->command = word;
        return status_ok();
    }
    if (options->words_count == command->words_max) {
        return fault_set(fault, STATUS_INVALID, "unknown argument \"%s\"", word);
    }
    options->words[options->words_count++] = word;
    return status_ok();
}

static struct status parse_word(struct words *words, struct cli_options *options,
                                struct fault *fault) {
    const struct command *command = find_command(options->command);
    const char *word = words->words[words->at];
    bool is_taken = false;
    bool is_first = options->command == NULL;
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 ||
        (is_first && strcmp(word, "help") == 0)) {
        options->wants_help = true;
        return status_ok();
    }
    if (is_first && (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)) {
        options->command = "version";
        return status_ok();
    }
    TRY(take_common_flag(words, options, &is_taken, fault));
    if (!is_taken && command != NULL) {
        TRY(take_own_flag(words, command, options, &is_taken, fault));
    }
    if (is_taken || (options->command != NULL && command == NULL)) {
        return status_ok();
    }
    return take_word(word, command, options, fault);
}

struct status cli_options_parse(int count, char **words, struct cli_options *options_out,
                                struct fault *fault) {
    struct cli_options options = {0};
    struct words reading = {words, count, 1};
    for (; reading.at < count; reading.at++) {
        TRY(parse_word(&reading, &options, fault));
    }
    *options_out = options;
    return status_ok();
}

/* --- What was given --- */

const char *cli_option(const struct cli_options *options, const char *name) {
    for (uint32_t i = options->flags_count; i > 0; i--) {
        size_t size = strcspn(options->flags[i - 1].name, "=");
        if (strlen(name) == size && strncmp(options->flags[i - 1].name, name, size) == 0) {
            return options->flags[i - 1].value;
        }
    }
    return options->format_json && strcmp(name, "--json") == 0 ? "" : NULL;
}

struct status cli_option_number(const struct cli_options *options, const char *name,
                                uint64_t otherwise, uint64_t *number_out, struct fault *fault) {
    const char *value = cli_option(options, name);
    uint64_t number = otherwise;
    if (value != NULL && !status_is_ok(text_parse_u64(slice_of(value, strlen(value)), &number))) {
        return fault_set(fault, STATUS_INVALID, "%s wants a number, not \"%s\"", name, value);
    }
    *number_out = number;
    return status_ok();
}

const char *cli_word(const struct cli_options *options, uint32_t at) {
    return at < options->words_count ? options->words[at] : NULL;
}

static const char *const default_path = "quell.toml";

void cli_settle_config_path(struct cli_options *options) {
    struct stat facts; /* of the link itself, which may lead nowhere */
    if (options->config_path == NULL && lstat(default_path, &facts) == 0) {
        options->config_path = default_path;
    }
}

const char *cli_config_path(const struct cli_options *options) {
    bool has_default = options->config_path == NULL && access(default_path, R_OK) == 0;
    return has_default ? default_path : options->config_path;
}

/* A log on stderr is one record a line, also of what is wrong with a file. */
static void tell_errors(const struct logger *logger, struct slice errors, struct status status) {
    const char *words = status.code == STATUS_FULL
                            ? "no memory, or no address space (ulimit -v is to be unlimited)"
                            : status_name(status);
    if (errors.size == 0 && logger != NULL) {
        log_write(logger, LOG_LEVEL_ERROR, "config", "cannot load the configuration: %s", words);
    } else if (errors.size == 0) {
        (void)fprintf(stderr, "quell: cannot load the configuration: %s\n", words);
    } else if (logger == NULL) {
        (void)fprintf(stderr, "%.*s", SLICE_PRINT(errors));
    }
    while (logger != NULL && errors.size > 0) {
        struct slice line = slice_head(errors, slice_find_byte(errors, '\n'));
        log_write(logger, LOG_LEVEL_ERROR, "config", "%.*s", SLICE_PRINT(line));
        errors = slice_tail(errors, line.size + 1);
    }
}

/* `errors`: empty, with room for whatever a thousand files may have wrong. */
static struct status load_config(const struct cli_options *options, struct config_errors *errors,
                                 struct config **config_out) {
    struct config_options load = {
        .path = cli_config_path(options),
        .overrides = options->overrides,
        .overrides_count = options->overrides_count,
        .check_more = sinks_check_config,
    };
    struct config *config = NULL;
    struct status status = config_load(&load, &config, errors);
    if (!status_is_ok(status)) {
        if (options->stats != NULL) {
            stats_set(options->stats, STAT_CONFIG_RELOAD_OK, 0);
        }
        tell_errors(options->logger, text_slice(&errors->text), status);
        config_release(config);
        return status;
    }
    *config_out = config;
    return status_ok();
}

struct status cli_load_config(const struct cli_options *options, struct config **config_out) {
    char *memory = malloc(ERRORS_BYTES_MAX); /* as long as nothing is wrong, addresses alone */
    if (memory == NULL) {
        tell_errors(options->logger, slice_of(NULL, 0), status_of(STATUS_FULL));
        return status_of(STATUS_FULL);
    }
    struct config_errors errors = {.text = text_over(memory, ERRORS_BYTES_MAX)};
    struct status status = load_config(options, &errors, config_out);
    free(memory);
    return status;
}

struct logger cli_logger(const struct cli_options *options, const struct config *config) {
    struct logger logger = {.fd = STDERR_FILENO, .level_min = LOG_LEVEL_INFO};
    if (config != NULL) {
        logger.format = config->log_format;
        logger.level_min = config->log_level;
    }
    if (options->log_format != NULL) {
        logger.format =
            strcmp(options->log_format, "text") == 0 ? LOG_FORMAT_TEXT : LOG_FORMAT_JSON;
    }
    return logger;
}
