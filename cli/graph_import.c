/*
 * graph_import.c - `quell graph import FILE`: who depends on whom, from a CSV or JSON file or what
 * `quell graph --json` has printed, by POST /v1/edges to the running quell.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"
#include "core/config_rules.h"

#define FILE_BYTES_MAX (64 * MIB)
#define ANSWER_BYTES_MAX (8 * MIB)

/* The listener for events; the address of --to wins. */
static void aim(const struct cli_options *options, const struct config *config,
                struct admin_client *client) {
    const char *token = cli_option(options, "--token");
    const char *to = cli_option(options, "--to");
    bool is_secure = config->tls.is_on && config->tls.http;
    client->tls = is_secure ? &config->tls.options : NULL;
    client->address = to != NULL ? slice_of_text(to) : config->listen_http;
    client->token = token != NULL ? token : getenv("QUELL_TOKEN");
    client->tenant = cli_option(options, "--tenant");
}

/* By the first byte behind blanks, and behind the byte order mark that spreadsheets write. */
static const char *media_type_of(struct slice file) {
    struct slice mark = SLICE("\xEF\xBB\xBF");
    size_t at = slice_starts_with(file, mark) ? mark.size : 0;
    while (at < file.size && (file.data[at] == ' ' || file.data[at] == '\t' ||
                              file.data[at] == '\r' || file.data[at] == '\n')) {
        at++;
    }
    bool is_json = at < file.size && (file.data[at] == '{' || file.data[at] == '[');
    return is_json ? "application/json" : "text/csv";
}

/* Whether all edges were taken. */
static bool print_answer(struct slice answer) {
    struct slice rejected = json_pick(answer, "rejected");
    struct slice errors = json_pick(answer, "errors");
    struct slice item;
    struct slice accepted = json_pick(answer, "accepted");
    (void)printf("%.*s edge%s taken, %.*s refused\n", SLICE_PRINT(accepted),
                 slice_equals(accepted, SLICE("1")) ? "" : "s", SLICE_PRINT(rejected));
    while (json_pick_item(&errors, &item)) {
        (void)printf("  edge %.*s: ", SLICE_PRINT(json_pick(item, "index")));
        show_member(item, "reason");
        (void)printf("\n");
    }
    return slice_equals(rejected, SLICE("0"));
}

static bool import(const struct cli_options *options, const struct config *config,
                   struct arena *arena) {
    struct fault fault;
    struct slice file;
    struct admin_client client;
    struct text answer = text_over(arena_allocate(arena, ANSWER_BYTES_MAX, 1), ANSWER_BYTES_MAX);
    unsigned http_status = 0;
    aim(options, config, &client);
    struct status status =
        config_read_file(cli_word(options, 1), FILE_BYTES_MAX, arena, &file, &fault);
    if (status_is_ok(status) && file.size == 0) {
        status = fault_set(&fault, STATUS_INVALID, "%s is empty", cli_word(options, 1));
    }
    if (status_is_ok(status)) {
        client.media_type = media_type_of(file);
        status = admin_call(&client, SLICE("/v1/edges"), file, &http_status, &answer, &fault);
    }
    if (!status_is_ok(status)) {
        (void)fprintf(stderr, "quell: %s\n", fault.words);
        return false;
    }
    if (json_pick(text_slice(&answer), "accepted").size == 0) { /* else it speaks of each edge */
        admin_say_refused(&client, http_status, text_slice(&answer));
        return false;
    }
    return print_answer(text_slice(&answer));
}

int graph_import(const struct cli_options *options) {
    struct config *config = NULL;
    struct arena arena;
    if (cli_word(options, 1) == NULL) {
        (void)fprintf(stderr, "quell: which file? quell graph import FILE\n");
        return 2;
    }
    if (cli_word(options, 2) != NULL) {
        (void)fprintf(stderr, "quell: imports \"%s\", not also \"%s\": one file at a time\n",
                      cli_word(options, 1), cli_word(options, 2));
        return 2;
    }
    if (!status_is_ok(cli_load_config(options, &config)) ||
        !status_is_ok(arena_init(&arena, FILE_BYTES_MAX + ANSWER_BYTES_MAX + 4 * MIB))) {
        config_release(config);
        return 1;
    }
    bool is_good = import(options, config, &arena);
    arena_deinit(&arena);
    config_release(config);
    return is_good ? 0 : 1;
}
