/*
 * silence.c - `quell silence add|list|expire`: mutes telling for a while, through the admin API of
 * the running quell, so that it goes through the journal.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"

enum { PATH_BYTES_MAX = 2048, BODY_BYTES_MAX = 8192 };
#define ANSWER_BYTES_MAX (8 * MIB)

struct silencing {
    const struct cli_options *options;
    struct admin_client client;
    struct text answer;
};

static bool call(struct silencing *silencing, const char *what, struct slice body) {
    char memory[PATH_BYTES_MAX];
    struct text path = text_over(memory, sizeof(memory));
    text_add_format(&path, "/api/v1/silences%s?", what);
    admin_add_parameter(&path, "tenant", cli_option(silencing->options, "--tenant"));
    return admin_call_or_say(&silencing->client, text_slice(&path), body, &silencing->answer);
}

/* ,"name":"value" */
static void add_member(struct text *body, const char *name, const char *value) {
    if (value != NULL) {
        text_add_format(body, ",\"%s\":", name);
        text_add_json_string(body, slice_of_text(value));
    }
}

/* --label key=glob, any number of them. */
static void add_labels(struct text *body, const struct cli_options *options) {
    bool is_first = true;
    text_add_text(body, ",\"labels\":{");
    for (uint32_t i = 0; i < options->flags_count; i++) {
        struct slice words = slice_of_text(options->flags[i].value);
        size_t equals = slice_find_byte(words, '=');
        if (strcmp(options->flags[i].name, "--label=") != 0) {
            continue;
        }
        text_add_text(body, is_first ? "" : ",");
        text_add_json_string(body, slice_head(words, equals));
        text_add_char(body, ':');
        text_add_json_string(body, slice_tail(words, equals + 1));
        is_first = false;
    }
    text_add_char(body, '}');
}

/* Without an equals sign it would be a label that must be empty. */
static bool are_labels_good(const struct cli_options *options) {
    for (uint32_t i = 0; i < options->flags_count; i++) {
        const char *value = options->flags[i].value;
        bool is_label = strcmp(options->flags[i].name, "--label=") == 0;
        if (is_label && (value[0] == '=' || strchr(value, '=') == NULL)) {
            (void)fprintf(stderr, "quell: --label wants key=glob, not \"%s\"\n", value);
            return false;
        }
    }
    return true;
}

static int add_silence(struct silencing *silencing) {
    const struct cli_options *options = silencing->options;
    char memory[BODY_BYTES_MAX];
    struct text body = text_over(memory, sizeof(memory));
    if (!are_labels_good(options)) {
        return 2;
    }
    if (cli_option(options, "--for") == NULL && cli_option(options, "--end") == NULL) {
        (void)fprintf(stderr, "quell: silence add wants --for 2h or --end TIME\n");
        return 2;
    }
    if (cli_option(options, "--for") != NULL && cli_option(options, "--end") != NULL) {
        (void)fprintf(stderr, "quell: silence add wants --for or --end, not both\n");
        return 2;
    }
    text_add_text(&body, "{\"by\":");
    text_add_json_string(&body, slice_of_text(admin_actor(options)));
    add_member(&body, "severity", cli_option(options, "--severity"));
    add_member(&body, "entity", cli_option(options, "--entity"));
    add_member(&body, "owner", cli_option(options, "--owner"));
    add_member(&body, "start", cli_option(options, "--start"));
    add_member(&body, "end", cli_option(options, "--end"));
    add_member(&body, "duration", cli_option(options, "--for"));
    add_member(&body, "reason", cli_option(options, "--reason"));
    add_labels(&body, options);
    text_add_char(&body, '}');
    if (body.truncated) {
        (void)fprintf(stderr, "quell: this is too long for a silence\n");
        return 2;
    }
    if (!call(silencing, "", text_slice(&body))) {
        return 1;
    }
    char id[64];
    struct text words = text_over(id, sizeof(id));
    json_pick_text(text_slice(&silencing->answer), "id", &words);
    (void)printf("%s\n", cli_option(options, "--json") != NULL ? silencing->answer.data : id);
    return 0;
}

static int expire_silence(struct silencing *silencing, const char *id) {
    char what_memory[128];
    char body_memory[BODY_BYTES_MAX];
    struct text what = text_over(what_memory, sizeof(what_memory));
    struct text body = text_over(body_memory, sizeof(body_memory));
    for (const char *at = id; *at != 0; at++) {
        if (strchr("abcdefghijklmnopqrstuvwxyz0123456789_", *at) == NULL) {
            (void)fprintf(stderr, "quell: \"%s\" is no id of a silence\n", id);
            return 2;
        }
    }
    text_add_format(&what, "/%s/expire", id);
    text_add_text(&body, "{\"by\":");
    text_add_json_string(&body, slice_of_text(admin_actor(silencing->options)));
    text_add_char(&body, '}');
    if (!call(silencing, what_memory, text_slice(&body))) {
        return 1;
    }
    if (cli_option(silencing->options, "--json") != NULL) {
        (void)printf("%s\n", silencing->answer.data);
    }
    return 0;
}

/* --- List --- */

static void print_match(struct slice silence) {
    static const char *const names[] = {"severity", "entity", "owner"};
    bool is_all = true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (json_pick(silence, names[i]).size > 0) {
            (void)printf("%s ", names[i]);
            show_column(silence, names[i], 0);
            is_all = false;
        }
    }
    struct slice labels = json_pick(silence, "labels");
    if (labels.size > 2) { /* more than {} */
        char memory[4096];
        struct text shown = text_over(memory, sizeof(memory));
        text_add_printable(&shown, labels);
        (void)printf("labels %s ", memory);
        is_all = false;
    }
    (void)printf("%s", is_all ? "everything " : "");
}

static void print_silence(struct slice silence) {
    show_column(silence, "id", 30);
    show_column(silence, "tenant", 12);
    (void)printf("from ");
    show_column(silence, "start", 24);
    (void)printf("to ");
    show_column(silence, "end", 24);
    print_match(silence);
    (void)printf(" by ");
    show_column(silence, "by", 0);
    show_member(silence, "reason");
    (void)printf("\n");
}

static int list_silences(struct silencing *silencing) {
    struct slice item;
    if (!call(silencing, "", slice_of(NULL, 0))) {
        return 1;
    }
    if (cli_option(silencing->options, "--json") != NULL) {
        (void)printf("%s\n", silencing->answer.data);
        return 0;
    }
    struct slice rest = json_pick(text_slice(&silencing->answer), "silences");
    while (json_pick_item(&rest, &item)) {
        print_silence(item);
    }
    return 0;
}

static int run_silencing(struct silencing *silencing) {
    const char *what = cli_word(silencing->options, 0);
    const char *id = cli_word(silencing->options, 1);
    what = what == NULL ? "list" : what;
    if (strcmp(what, "add") == 0 && id == NULL) {
        return add_silence(silencing);
    }
    if (strcmp(what, "expire") == 0 && id != NULL) {
        return expire_silence(silencing, id);
    }
    if (strcmp(what, "list") != 0 || id != NULL) {
        (void)fprintf(stderr, "usage: quell silence add | list | expire ID\n");
        return 2;
    }
    return list_silences(silencing);
}

int command_silence(const struct cli_options *options) {
    struct silencing silencing = {.options = options};
    struct config *config = NULL;
    if (!status_is_ok(admin_client_of(options, &silencing.client, &config))) {
        return 1;
    }
    char *memory = malloc(ANSWER_BYTES_MAX);
    int code = 1;
    if (memory != NULL) {
        silencing.answer = text_over(memory, ANSWER_BYTES_MAX);
        code = run_silencing(&silencing);
    }
    free(memory);
    config_release(config);
    return code;
}
