/* audit_print.c - `quell audit`: who did what, when, newest first; from the admin API. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "core/base/json_pick.h"

static void print_member(struct slice line, const char *name, int width) {
    char memory[2 * 4096];
    char shown_memory[2 * 4096];
    struct text value = text_over(memory, sizeof(memory));
    struct text shown = text_over(shown_memory, sizeof(shown_memory));
    json_pick_text(line, name, &value);
    text_add_printable(&shown, text_slice(&value));
    (void)printf("%-*s ", width, shown_memory);
}

/* As the timeline says it. */
static void print_by(struct slice line) {
    char memory[512];
    char shown_memory[512];
    struct text by = text_over(memory, sizeof(memory));
    struct text shown = text_over(shown_memory, sizeof(shown_memory));
    json_pick_text(line, "by", &by);
    text_add_printable(&shown, text_slice(&by));
    (void)printf("by %s\n", shown.size > 0 ? shown_memory : "nobody named");
}

static void print_lines(struct slice answer) {
    struct slice rest = json_pick(answer, "audit");
    struct slice line;
    while (json_pick_item(&rest, &line)) {
        print_member(line, "at", 24);
        print_member(line, "tenant", 12);
        print_member(line, "what", 22);
        print_member(line, "detail", 0);
        print_by(line);
    }
}

int command_audit(const struct cli_options *options) {
    char memory[1024];
    struct text path = text_over(memory, sizeof(memory));
    struct text answer;
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
