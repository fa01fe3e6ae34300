/* audit_print.c - `quell audit`: who did what, when, newest first; from the admin API. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "core/base/json_pick.h"

/* As the timeline says it. */
static void print_by(struct slice line) {
    struct slice by = json_pick(line, "by");
    (void)printf("by ");
    show_value(slice_equals(by, SLICE("\"\"")) ? SLICE("\"nobody named\"") : by);
    (void)printf("\n");
}

static void print_lines(struct slice answer) {
    struct slice rest = json_pick(answer, "audit");
    struct slice line;
    while (json_pick_item(&rest, &line)) {
        show_column(line, "at", 24);
        show_column(line, "tenant", 12);
        show_column(line, "what", 22);
        show_column(line, "detail", 0);
        print_by(line);
    }
}

int command_audit(const struct cli_options *options) {
    char memory[1024];
    struct text path = text_over(memory, sizeof(memory));
    struct text answer;
    struct fault fault;
    uint64_t limit = 0;
    if (!status_is_ok(cli_option_number(options, "--limit", 0, &limit, &fault))) {
        (void)fprintf(stderr, "quell: %s\n", fault.words);
        return 2;
    }
    text_add_text(&path, "/api/v1/audit?");
    admin_add_parameter(&path, "tenant", cli_option(options, "--tenant"));
    admin_add_parameter(&path, "limit", cli_option(options, "--limit"));
    admin_add_parameter(&path, "cursor", cli_option(options, "--cursor"));
    if (!admin_ask(options, text_slice(&path), &answer)) {
        return 1;
    }
    if (cli_option(options, "--json") != NULL) {
        (void)printf("%s\n", answer.data);
    } else {
        print_lines(text_slice(&answer));
        admin_tell_more(text_slice(&answer));
    }
    free(answer.data);
    return 0;
}
