/*
 * graph_print.c - `quell graph`: a tenant's dependency graph, or what lies up- or downstream of one
 * entity, as DOT for Graphviz or as the admin API's JSON.
 *
 * An arrow goes from the dependant to what it depends on; what fails is red, an edge that was only
 * learned is dashed, a cycle is said in a comment.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"

enum { PATH_BYTES_MAX = 2048, NAME_BYTES_MAX = 2 * ENTITY_BYTES_MAX + 64 };

/* A name as a quoted string of DOT: only the quote and the backslash mean anything there. */
static void print_quoted(struct slice object, const char *name) {
    char memory[NAME_BYTES_MAX];
    char shown_memory[NAME_BYTES_MAX];
    struct text value = text_over(memory, sizeof(memory));
    struct text shown = text_over(shown_memory, sizeof(shown_memory));
    json_pick_text(object, name, &value);
    text_add_printable(&shown, text_slice(&value));
    (void)putchar('"');
    for (size_t i = 0; i < shown.size; i++) {
        (void)printf(shown.data[i] == '"' || shown.data[i] == '\\' ? "\\%c" : "%c", shown.data[i]);
    }
    (void)putchar('"');
}

static bool text_is(struct slice object, const char *name, const char *wanted) {
    char memory[64];
    struct text value = text_over(memory, sizeof(memory));
    json_pick_text(object, name, &value);
    return slice_equals(text_slice(&value), slice_of_text(wanted));
}

static void print_cycles(struct slice graph) {
    struct slice cycles = json_pick(graph, "cycles");
    struct slice cycle;
    while (json_pick_item(&cycles, &cycle)) {
        char memory[4 * NAME_BYTES_MAX];
        struct text shown = text_over(memory, sizeof(memory));
        text_add_printable(&shown, cycle);
        (void)printf("  // cycle: %s\n", memory);
    }
}

static void print_dot(struct slice graph) {
    struct slice nodes = json_pick(graph, "nodes");
    struct slice edges = json_pick(graph, "edges");
    struct slice item;
    (void)printf("digraph quell {\n  rankdir=RL;\n  node [shape=box];\n");
    while (json_pick_item(&nodes, &item)) {
        (void)printf("  ");
        print_quoted(item, "entity");
        (void)printf(text_is(item, "status", "ok") ? ";\n" : " [color=red, fontcolor=red];\n");
    }
    while (json_pick_item(&edges, &item)) {
        (void)printf("  ");
        print_quoted(item, "from");
        (void)printf(" -> ");
        print_quoted(item, "to");
        (void)printf(text_is(item, "origin", "learned") ? " [style=dashed];\n" : ";\n");
    }
    print_cycles(graph);
    (void)printf("}\n");
}

int command_graph(const struct cli_options *options) {
    const char *word = cli_word(options, 0);
    if (word != NULL && strcmp(word, "import") == 0) {
        return graph_import(options);
    }
    struct text answer;
    char memory[PATH_BYTES_MAX];
    struct text path = text_over(memory, sizeof(memory));
    text_add_text(&path, "/api/v1/graph?");
    admin_add_parameter(&path, "tenant", cli_option(options, "--tenant"));
    admin_add_parameter(&path, "entity", cli_word(options, 0));
    admin_add_parameter(&path, "direction", cli_option(options, "--direction"));
    admin_add_parameter(&path, "hops", cli_option(options, "--hops"));
    if (!admin_ask(options, text_slice(&path), &answer)) {
        return 1;
    }
    if (cli_option(options, "--json") != NULL) {
        (void)printf("%s\n", answer.data);
    } else {
        print_dot(text_slice(&answer));
    }
    free(answer.data);
    return 0;
}
