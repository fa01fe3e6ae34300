/*
 * put_aside.c - `quell quarantine`: what was refused or could not be applied, in the running quell,
 * through its admin API, so that what is done to it goes through the journal.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"

enum {
    PATH_BYTES_MAX = 2048,
    BODY_BYTES_MAX = 1024,
    PAGE_RECORDS = 100,
    ID_BYTES_MAX = 40,
    CURSOR_BYTES_MAX = 512
};
#define ANSWER_BYTES_MAX (64 * MIB)

struct quarantine {
    const struct cli_options *options;
    struct admin_client client;
    struct text answer;
};

/* A record as a page names it. */
struct named {
    char id[ID_BYTES_MAX];
    char tenant[TENANT_BYTES_MAX + 1];
};

static bool get(struct quarantine *quarantine, const struct text *path) {
    return admin_call_or_say(&quarantine->client, text_slice(path), slice_of(NULL, 0),
                             &quarantine->answer);
}

static bool fetch_page(struct quarantine *quarantine, uint64_t limit, const char *cursor) {
    char memory[PATH_BYTES_MAX];
    struct text path = text_over(memory, sizeof(memory));
    text_add_format(&path, "/api/v1/quarantine?limit=%llu", (unsigned long long)limit);
    admin_add_parameter(&path, "tenant", cli_option(quarantine->options, "--tenant"));
    admin_add_parameter(&path, "cursor", cursor);
    return get(quarantine, &path);
}

static int list_records(struct quarantine *quarantine) {
    uint64_t limit = 100;
    struct fault fault;
    struct slice item;
    if (!status_is_ok(cli_option_number(quarantine->options, "--limit", 100, &limit, &fault))) {
        (void)fprintf(stderr, "quell: %s\n", fault.words);
        return 2;
    }
    if (!fetch_page(quarantine, limit, cli_option(quarantine->options, "--cursor"))) {
        return 1;
    }
    if (cli_option(quarantine->options, "--json") != NULL) {
        (void)printf("%s\n", quarantine->answer.data);
        return 0;
    }
    struct slice rest = json_pick(text_slice(&quarantine->answer), "quarantine");
    while (json_pick_item(&rest, &item)) {
        show_column(item, "id", 12);
        show_column(item, "at", 24);
        show_column(item, "tenant", 12);
        show_column(item, "source", 12);
        (void)printf("%8llu bytes  ", (unsigned long long)json_pick_u64(item, "bytes"));
        show_member(item, "reason");
        (void)printf("\n");
    }
    admin_tell_more(text_slice(&quarantine->answer));
    return 0;
}

static int show_record(struct quarantine *quarantine, const char *id) {
    char memory[PATH_BYTES_MAX];
    struct text path = text_over(memory, sizeof(memory));
    text_add_format(&path, "/api/v1/quarantine/%s?", id);
    admin_add_parameter(&path, "tenant", cli_option(quarantine->options, "--tenant"));
    if (!get(quarantine, &path)) {
        return 1;
    }
    (void)printf("%s\n", quarantine->answer.data);
    return 0;
}

static bool operate(struct quarantine *quarantine, const char *what, const char *id,
                    const char *tenant) {
    char path_memory[PATH_BYTES_MAX];
    char body_memory[BODY_BYTES_MAX];
    struct text path = text_over(path_memory, sizeof(path_memory));
    struct text body = text_over(body_memory, sizeof(body_memory));
    const char *by = admin_actor(quarantine->options);
    text_add_format(&path, "/api/v1/quarantine/%s/%s?", id, what);
    admin_add_parameter(&path, "tenant", tenant);
    text_add_text(&body, "{\"by\":");
    text_add_json_string(&body, slice_of_text(by != NULL ? by : "quell quarantine"));
    text_add_char(&body, '}');
    quarantine->client.about = id;
    bool is_done = admin_call_or_say(&quarantine->client, text_slice(&path), text_slice(&body),
                                     &quarantine->answer);
    quarantine->client.about = NULL;
    if (!is_done) {
        return false;
    }
    admin_tell_done(quarantine->options, &quarantine->answer, id, what);
    return true;
}

/* By the journal's record, which the id begins with: what comes later has a greater one. */
static uint64_t age_of(struct slice item) {
    char id[ID_BYTES_MAX] = "";
    struct text text = text_over(id, sizeof(id));
    json_pick_text(item, "id", &text);
    return strtoull(id, NULL, 10);
}

static void take_next_cursor(const struct quarantine *quarantine, char cursor[CURSOR_BYTES_MAX]) {
    struct text next = text_over(cursor, CURSOR_BYTES_MAX);
    json_pick_text(text_slice(&quarantine->answer), "next_cursor", &next);
}

/* The age of the newest that stands there now. */
static bool find_newest(struct quarantine *quarantine, uint64_t *newest_out) {
    char cursor[CURSOR_BYTES_MAX] = "";
    uint64_t newest = 0;
    do {
        if (!fetch_page(quarantine, PAGE_RECORDS, cursor[0] == 0 ? NULL : cursor)) {
            return false;
        }
        struct slice rest = json_pick(text_slice(&quarantine->answer), "quarantine");
        struct slice item;
        while (json_pick_item(&rest, &item)) {
            newest = age_of(item) > newest ? age_of(item) : newest;
        }
        take_next_cursor(quarantine, cursor);
    } while (cursor[0] != 0);
    *newest_out = newest;
    return true;
}

/* How many of all were left as they are. */
struct left {
    uint64_t newer;
    uint64_t refused;
};

/* What of the answer's page can be done: what was refused cannot be retried; what is newer than
 * that was not meant. Both are counted. */
static uint32_t collect_named(struct slice page, bool is_retry, uint64_t newest,
                              struct named *named, struct left *left) {
    struct slice rest = json_pick(page, "quarantine");
    struct slice item;
    uint32_t count = 0;
    while (count < PAGE_RECORDS && json_pick_item(&rest, &item)) {
        if (age_of(item) > newest) {
            left->newer++;
            continue;
        }
        struct text id = text_over(named[count].id, ID_BYTES_MAX);
        struct text tenant = text_over(named[count].tenant, TENANT_BYTES_MAX + 1);
        bool is_retryable = slice_equals(json_pick(item, "retryable"), SLICE("true"));
        json_pick_text(item, "id", &id);
        json_pick_text(item, "tenant", &tenant);
        bool is_refused = is_retry && !is_retryable;
        left->refused += is_refused ? 1 : 0;
        count += is_refused ? 0 : 1;
    }
    return count;
}

/* Of the newer: ours among them or others' alone, the journal's order does not tell. */
static void tell_left(bool is_retry, const struct left *left) {
    if (left->refused > 0) {
        (void)fprintf(stderr,
                      "quell: records that were refused, and would be again, so were left: %llu; "
                      "correct and send them anew, then drop these\n",
                      (unsigned long long)left->refused);
    }
    if (left->newer > 0) {
        (void)fprintf(
            stderr,
            "quell: records that came into the quarantine meanwhile and were left: %llu%s\n",
            (unsigned long long)left->newer,
            is_retry ? "; what found no room again stands there anew" : "");
    }
}

/* A page, then its records, each named with its tenant. One that is refused, being gone by now,
 * leaves the others to be done; no answer ends it. What finds no room again comes back behind the
 * cursor as a newer one, so only what stands there at the start is taken: it ends. */
static int operate_on_all(struct quarantine *quarantine, const char *what) {
    struct named named[PAGE_RECORDS];
    char cursor[CURSOR_BYTES_MAX] = "";
    bool is_retry = strcmp(what, "retry") == 0;
    uint64_t newest = 0;
    struct left left = {0};
    int code = 0;
    if (!find_newest(quarantine, &newest)) {
        return 1;
    }
    do {
        if (!fetch_page(quarantine, PAGE_RECORDS, cursor[0] == 0 ? NULL : cursor)) {
            return 1;
        }
        uint32_t count =
            collect_named(text_slice(&quarantine->answer), is_retry, newest, named, &left);
        take_next_cursor(quarantine, cursor);
        for (uint32_t i = 0; i < count; i++) {
            bool is_good = operate(quarantine, what, named[i].id, named[i].tenant);
            code = is_good ? code : 1;
            if (!is_good && quarantine->answer.size == 0) {
                return 1;
            }
        }
    } while (cursor[0] != 0);
    tell_left(is_retry, &left);
    return code;
}

static bool is_id(const char *word) {
    return strspn(word, "0123456789-") == strlen(word) && strlen(word) < ID_BYTES_MAX;
}

static bool is_id_or_say(const char *word) {
    if (is_id(word)) {
        return true;
    }
    char memory[ID_BYTES_MAX * 4];
    struct text shown = text_over(memory, sizeof(memory));
    text_add_printable(&shown, slice_head(slice_of_text(word), ID_BYTES_MAX));
    (void)fprintf(stderr, "quell: \"%s\" is no id of a record, such as 3-0\n", memory);
    return false;
}

/* Of all words, before anything is done by one of them. */
static bool are_ids_or_say(const struct quarantine *quarantine) {
    bool are_ids = true;
    for (uint32_t i = 1; cli_word(quarantine->options, i) != NULL; i++) {
        are_ids = is_id_or_say(cli_word(quarantine->options, i)) && are_ids;
    }
    return are_ids;
}

static int run_quarantine(struct quarantine *quarantine) {
    const char *what = cli_word(quarantine->options, 0);
    const char *id = cli_word(quarantine->options, 1);
    const char *tenant = cli_option(quarantine->options, "--tenant");
    bool is_all = cli_option(quarantine->options, "--all") != NULL;
    what = what == NULL ? "list" : what;
    if (strcmp(what, "list") == 0 && id == NULL) {
        return list_records(quarantine);
    }
    if (strcmp(what, "show") == 0 && id != NULL && cli_word(quarantine->options, 2) == NULL) {
        return are_ids_or_say(quarantine) ? show_record(quarantine, id) : 2;
    }
    bool is_action = strcmp(what, "retry") == 0 || strcmp(what, "drop") == 0;
    if (!is_action || (id == NULL) != is_all) {
        (void)fprintf(stderr, "usage: quell quarantine list | show ID | retry ID... | drop ID... | "
                              "retry --all | drop --all\n");
        return 2;
    }
    if (!are_ids_or_say(quarantine)) {
        return 2;
    }
    int code = is_all ? operate_on_all(quarantine, what) : 0;
    for (uint32_t i = 1; cli_word(quarantine->options, i) != NULL; i++) {
        code = operate(quarantine, what, cli_word(quarantine->options, i), tenant) ? code : 1;
    }
    return code;
}

int command_quarantine(const struct cli_options *options) {
    struct quarantine quarantine = {.options = options};
    struct config *config = NULL;
    if (!status_is_ok(admin_client_of(options, &quarantine.client, &config))) {
        return 1;
    }
    char *memory = malloc(ANSWER_BYTES_MAX);
    int code = 1;
    if (memory != NULL) {
        quarantine.answer = text_over(memory, ANSWER_BYTES_MAX);
        code = run_quarantine(&quarantine);
    }
    free(memory);
    config_release(config);
    return code;
}
