/*
 * explain_incident.c - `quell explain inc_...`: why this root, for people: the evidence, the order
 * in time with the path from the root to each, the cycles, what was ruled out.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"

enum { PATH_BYTES_MAX = 1024 };

static void print_list(struct slice list, const char *between) {
    struct slice item;
    bool is_first = true;
    while (json_pick_item(&list, &item)) {
        (void)printf("%s", is_first ? "" : between);
        show_value(item);
        is_first = false;
    }
}

static void print_root(struct slice explained) {
    struct slice root = json_pick(explained, "root");
    struct slice evidence = json_pick(root, "evidence");
    struct slice item;
    show_member(explained, "incident");
    (void)printf(" of tenant ");
    show_member(explained, "tenant");
    (void)printf("\nroot     ");
    show_member(root, "entity");
    struct slice confidence = json_pick(root, "confidence");
    bool is_suspected = slice_equals(json_pick(root, "suspected"), SLICE("true"));
    (void)printf("  (confidence %.*s%s)\n", SLICE_PRINT(confidence),
                 is_suspected ? ", suspected" : "");
    while (json_pick_item(&evidence, &item)) {
        (void)printf("         - ");
        show_value(item);
        (void)printf("\n");
    }
}

static void print_order(struct slice explained) {
    struct slice order = json_pick(explained, "order");
    struct slice root = json_pick(json_pick(explained, "root"), "entity");
    struct slice item;
    (void)printf("order\n");
    while (json_pick_item(&order, &item)) {
        (void)printf("  ");
        show_member(item, "since");
        (void)printf("  ");
        show_member(item, "failed_as");
        (void)printf("  ");
        show_member(item, "entity");
        bool complains = slice_equals(json_pick(item, "complains"), SLICE("true"));
        (void)printf("%s", complains ? "  (has not failed, complains)" : "");
        if (!slice_equals(json_pick(item, "status"), json_pick(item, "failed_as"))) {
            (void)printf("  (now ");
            show_member(item, "status");
            (void)printf(")");
        }
        struct slice path = json_pick(item, "path");
        if (slice_equals(json_pick(item, "entity"), root)) {
            (void)printf("   the root");
        } else if (slice_equals(path, SLICE("[]"))) {
            (void)printf("   (no known path from the root)");
        } else {
            (void)printf("   by ");
            print_list(path, " > ");
        }
        (void)printf("\n");
    }
}

static void print_rest(struct slice explained) {
    struct slice cycles = json_pick(json_pick(explained, "slice"), "cycles");
    struct slice ruled_out = json_pick(explained, "ruled_out");
    struct slice item;
    while (json_pick_item(&cycles, &item)) {
        (void)printf("cycle    ");
        print_list(item, ", ");
        (void)printf("\n");
    }
    for (bool is_first = true; json_pick_item(&ruled_out, &item); is_first = false) {
        (void)printf("%s  ", is_first ? "ruled out\n" : "");
        show_member(item, "entity");
        (void)printf(": ");
        show_member(item, "reason");
        (void)printf("\n");
    }
}

int command_explain(const struct cli_options *options) {
    struct text answer;
    char memory[PATH_BYTES_MAX];
    struct text path = text_over(memory, sizeof(memory));
    const char *id = cli_word(options, 0);
    if (id == NULL || strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(id)) {
        (void)fprintf(stderr, "usage: quell explain inc_... [--tenant t] [--json]\n");
        return 2;
    }
    text_add_format(&path, "/api/v1/incidents/%.128s/explain?", id);
    admin_add_parameter(&path, "tenant", cli_option(options, "--tenant"));
    if (!admin_ask(options, text_slice(&path), &answer)) {
        return 1;
    }
    if (cli_option(options, "--json") != NULL) {
        (void)printf("%s\n", answer.data);
    } else {
        print_root(text_slice(&answer));
        print_order(text_slice(&answer));
        print_rest(text_slice(&answer));
    }
    free(answer.data);
    return 0;
}
