/* main.c - which command? */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/commands.h"

static int command_version(const struct cli_options *options) {
    (void)options;
    (void)printf("quell %s\n", QUELL_VERSION);
    return 0;
}

static const struct {
    const char *name;
    int (*run)(const struct cli_options *options);
} commands[] = {
    {"run", command_run},       {"check", command_check},     {"demo", command_demo},
    {"dlq", command_dlq},       {"silence", command_silence}, {"version", command_version},
    {"graph", command_graph},   {"explain", command_explain}, {"quarantine", command_quarantine},
    {"replay", command_replay}, {"audit", command_audit},
};

/* The words first and last: a page of usage would hide them. */
static int misused(const char *words) {
    bool is_asking = words[0] != 0 && words[strlen(words) - 1] == '?';
    (void)fprintf(stderr, "quell: %s%s quell --help tells what there is\n", words,
                  is_asking ? "" : ";");
    return 2;
}

static int unknown_command(const char *name) {
    char memory[128];
    struct text meant = text_over(memory, sizeof(memory));
    struct text_guess guess = text_guess_of(slice_of_text(name));
    struct fault fault;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        text_guess_try(&guess, commands[i].name);
    }
    text_add_guess(&meant, &guess);
    fault_write(&fault, "unknown command \"%s\"%.*s", name, SLICE_PRINT(text_slice(&meant)));
    return misused(fault.words);
}

/* Started with one of them closed, the first file that is opened would have its number, and what
 * is printed would be written into the data. Held the wrong way round: to use one is an error. */
static bool hold_standard_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        bool is_closed = fcntl(fd, F_GETFD) < 0;
        if (is_closed && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            return false;
        }
    }
    return true;
}

/* `quell help load`; any other flag before its name is none of its own. */
static int load_out_of_place(const struct cli_options *options) {
    char help[] = "--help";
    char *words[] = {help};
    return options->wants_help ? command_load(1, words)
                               : misused("load takes its own flags alone, and behind its name");
}

static int run_command(int count, char **words) {
    struct cli_options options;
    struct fault fault;
    if (count > 1 && strcmp(words[1], "load") == 0) {
        return command_load(count - 2, words + 2);
    }
    if (!status_is_ok(cli_options_parse(count, words, &options, &fault))) {
        return misused(fault.words);
    }
    if (options.command != NULL && strcmp(options.command, "load") == 0) {
        return load_out_of_place(&options);
    }
    if (options.wants_help || options.command == NULL) {
        cli_print_usage(options.wants_help ? stdout : stderr, options.command);
        return options.wants_help ? 0 : 2;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(options.command, commands[i].name) == 0) {
            return commands[i].run(&options);
        }
    }
    return unknown_command(options.command);
}

/* What was asked for and could not be written was not done: a full disk must not pass for an empty
 * list. An earlier write may be the one that failed, which errno no longer tells. */
static int finish(int code) {
    bool is_flushed = fflush(stdout) == 0;
    const char *words = is_flushed ? "not everything was written" : strerror(errno);
    if (is_flushed && ferror(stdout) == 0) {
        return code;
    }
    (void)fprintf(stderr, "quell: cannot write to stdout: %s\n", words);
    return code == 0 ? 1 : code;
}

int main(int count, char **words) {
    if (!hold_standard_descriptors()) {
        return 1; /* there is nowhere to say why */
    }
    return finish(run_command(count, words));
}
