/*
 * graph_print.c - `quell graph`: a tenant's dependency graph, or what lies up- or downstream of one
 * entity, as DOT for Graphviz or as the admin API's JSON.
 *
 * An arrow goes from the dependant to what it depends on; what fails is red, an edge that was only
 * learned is dashed, a cycle is said in a comment. Where several tenants have nodes in it, names
 * are "tenant/entity", but for those of the platform, which say so themselves.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"

enum { PATH_BYTES_MAX = 2048, NAME_BYTES_MAX = 2 * ENTITY_BYTES_MAX + 64 };

/* The member `name` of a node or an edge as a quoted string of DOT: only the quote and the
 * backslash mean anything there. `owner` is the member that says whose it is; NULL: nobody asks. */
static void print_name(struct slice object, const char *name, const char *owner) {
    char memory[NAME_BYTES_MAX];
    char owner_memory[NAME_BYTES_MAX];
    char shown_memory[2 * NAME_BYTES_MAX];
    struct text value = text_over(memory, sizeof(memory));
    struct text tenant = text_over(owner_memory, sizeof(owner_memory));
    struct text shown = text_over(shown_memory, sizeof(shown_memory));
    json_pick_text(object, name, &value);
    if (owner != NULL && !slice_starts_with(text_slice(&value), SLICE("platform/"))) {
        json_pick_text(object, owner, &tenant);
        text_add_printable(&shown, text_slice(&tenant));
        text_add_char(&shown, '/');
    }
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

/* Whether nodes of more than one tenant are shown, platform not counted. */
static bool has_several_tenants(struct slice nodes) {
    struct slice first = {0};
    struct slice item;
    bool is_mixed = false;
    while (!is_mixed && json_pick_item(&nodes, &item)) {
        struct slice tenant = json_pick(item, "tenant");
        if (slice_is_empty(tenant) || text_is(item, "tenant", "platform")) {
            continue;
        }
        is_mixed = !slice_is_empty(first) && !slice_equals(first, tenant);
        first = tenant;
    }
    return is_mixed;
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
    bool is_mixed = has_several_tenants(nodes);
    (void)printf("digraph quell {\n  rankdir=RL;\n  node [shape=box];\n");
    while (json_pick_item(&nodes, &item)) {
        (void)printf("  ");
        print_name(item, "entity", is_mixed ? "tenant" : NULL);
        (void)printf(text_is(item, "status", "ok") ? ";\n" : " [color=red, fontcolor=red];\n");
    }
    while (json_pick_item(&edges, &item)) {
        (void)printf("  ");
        print_name(item, "from", is_mixed ? "tenant_id" : NULL);
        (void)printf(" -> ");
        print_name(item, "to", is_mixed ? "tenant_id" : NULL);
        (void)printf(text_is(item, "origin", "learned") ? " [style=dashed];\n" : ";\n");
    }
    print_cycles(graph);
    (void)printf("}\n");
}

/* What a list brought in by mistake. */
static int remove_edge(const struct cli_options *options) {
    struct admin_client client;
    struct config *config = NULL;
    char path_memory[PATH_BYTES_MAX];
    char body_memory[PATH_BYTES_MAX];
    char answer_memory[PATH_BYTES_MAX];
    struct text path = text_over(path_memory, sizeof(path_memory));
    struct text body = text_over(body_memory, sizeof(body_memory));
    struct text answer = text_over(answer_memory, sizeof(answer_memory));
    if (cli_word(options, 2) == NULL) {
        (void)fprintf(stderr, "quell: which edge? quell graph remove FROM TO\n");
        return 2;
    }
    if (!status_is_ok(admin_client_of(options, &client, &config))) {
        return 1;
    }
    text_add_text(&path, "/api/v1/graph/remove?");
    admin_add_parameter(&path, "tenant", cli_option(options, "--tenant"));
    admin_add_parameter(&path, "from", cli_word(options, 1));
    admin_add_parameter(&path, "to", cli_word(options, 2));
    text_add_text(&body, "{\"by\":");
    text_add_json_string(&body, slice_of_text(admin_actor(options)));
    text_add_char(&body, '}');
    bool is_done = admin_call_or_say(&client, text_slice(&path), text_slice(&body), &answer);
    if (is_done) {
        (void)printf("%s\n", cli_option(options, "--json") != NULL ? answer.data : "removed");
    }
    config_release(config);
    return is_done ? 0 : 1;
}

int command_graph(const struct cli_options *options) {
    const char *word = cli_word(options, 0);
    if (word != NULL && strcmp(word, "remove") == 0) {
        return remove_edge(options);
    }
    if (word != NULL && strcmp(word, "import") == 0) {
        return graph_import(options);
    }
    struct text answer;
    char memory[PATH_BYTES_MAX];
    struct text path = text_over(memory, sizeof(memory));
    struct fault fault;
    uint64_t hops = 0;
    if (cli_word(options, 1) != NULL) {
        (void)fprintf(stderr, "quell: the graph of \"%s\", not also \"%s\": one at a time\n", word,
                      cli_word(options, 1));
        return 2;
    }
    if (!status_is_ok(cli_option_number(options, "--hops", 0, &hops, &fault))) {
        (void)fprintf(stderr, "quell: %s\n", fault.words);
        return 2;
    }
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
