/*
 * letters.c - `quell dlq`: dead letters of the running quell, through its admin API, so that what
 * is done to them goes through the journal.
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/admin_client.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "core/base/json_pick.h"
#include "core/base/limits.h"

enum { PATH_BYTES_MAX = 2048, BODY_BYTES_MAX = 2048, PAGE_LETTERS = 500, ALL_LETTERS_MAX = 100000 };
#define ANSWER_BYTES_MAX (64 * MIB)

struct letters {
    const struct cli_options *options;
    struct admin_client client;
    struct text answer;
};

static bool call(struct letters *letters, const struct text *path, struct slice body) {
    return admin_call_or_say(&letters->client, text_slice(path), body, &letters->answer);
}

/* --- list --- */

static void print_letter(struct slice letter) {
    (void)printf("%-8llu ", (unsigned long long)json_pick_u64(letter, "number"));
    show_column(letter, "died_at", 24);
    show_column(letter, "tenant", 12);
    show_column(letter, "sink", 12);
    show_column(letter, "type", 8);
    show_column(letter, "incident", 30);
    uint64_t attempts = json_pick_u64(letter, "attempts");
    (void)printf("%llu attempt%s  ", (unsigned long long)attempts, attempts == 1 ? "" : "s");
    show_member(letter, "error");
    (void)printf("\n");
}

static bool fetch_page(struct letters *letters, uint64_t limit, const char *cursor) {
    char memory[PATH_BYTES_MAX];
    struct text path = text_over(memory, sizeof(memory));
    text_add_format(&path, "/api/v1/dlq?limit=%llu", (unsigned long long)limit);
    admin_add_parameter(&path, "tenant", cli_option(letters->options, "--tenant"));
    admin_add_parameter(&path, "sink", cli_option(letters->options, "--sink"));
    admin_add_parameter(&path, "cursor", cursor);
    return call(letters, &path, slice_of(NULL, 0));
}

static int list_letters(struct letters *letters) {
    uint64_t limit = 100;
    struct fault fault;
    struct slice item;
    if (!status_is_ok(cli_option_number(letters->options, "--limit", 100, &limit, &fault))) {
        (void)fprintf(stderr, "quell: %s\n", fault.words);
        return 2;
    }
    if (!fetch_page(letters, limit, cli_option(letters->options, "--cursor"))) {
        return 1;
    }
    if (cli_option(letters->options, "--json") != NULL) {
        (void)printf("%s\n", letters->answer.data);
        return 0;
    }
    struct slice rest = json_pick(text_slice(&letters->answer), "dead_letters");
    while (json_pick_item(&rest, &item)) {
        print_letter(item);
    }
    admin_tell_more(text_slice(&letters->answer));
    return 0;
}

/* --- show, retry, drop --- */

static int show_letter(struct letters *letters, const char *number) {
    char memory[PATH_BYTES_MAX];
    struct text path = text_over(memory, sizeof(memory));
    text_add_format(&path, "/api/v1/dlq/%s?", number);
    admin_add_parameter(&path, "tenant", cli_option(letters->options, "--tenant"));
    if (!call(letters, &path, slice_of(NULL, 0))) {
        return 1;
    }
    (void)printf("%s\n", letters->answer.data);
    return 0;
}

static bool operate(struct letters *letters, const char *what, const char *number) {
    char path_memory[PATH_BYTES_MAX];
    char body_memory[BODY_BYTES_MAX];
    struct text path = text_over(path_memory, sizeof(path_memory));
    struct text body = text_over(body_memory, sizeof(body_memory));
    text_add_format(&path, "/api/v1/dlq/%s/%s?", number, what);
    admin_add_parameter(&path, "tenant", cli_option(letters->options, "--tenant"));
    text_add_text(&body, "{\"by\":");
    text_add_json_string(&body, slice_of_text(admin_actor(letters->options)));
    text_add_char(&body, '}');
    letters->client.about = number;
    bool is_done = call(letters, &path, text_slice(&body));
    letters->client.about = NULL;
    if (!is_done) {
        return false;
    }
    admin_tell_done(letters->options, &letters->answer, number, what);
    return true;
}

struct numbered {
    uint64_t created_ns; /* of the message */
    uint64_t number;
};

/* A letter that was retried in vain has a higher number than newer ones. */
static int by_age(const void *a, const void *b) {
    const struct numbered *left = a;
    const struct numbered *right = b;
    if (left->created_ns != right->created_ns) {
        return left->created_ns < right->created_ns ? -1 : 1;
    }
    return left->number < right->number ? -1 : left->number > right->number;
}

static struct numbered number_of(struct slice letter) {
    char memory[64];
    struct text created = text_over(memory, sizeof(memory));
    struct numbered numbered = {.number = json_pick_u64(letter, "number")};
    json_pick_text(letter, "created_at", &created);
    (void)status_is_ok(text_parse_time(text_slice(&created), &numbered.created_ns));
    return numbered;
}

/* The numbers first: what is retried may be a dead letter again, with a higher one, meanwhile. */
static bool collect_numbers(struct letters *letters, struct numbered *numbers, uint32_t *count_out,
                            bool *has_more_out) {
    uint32_t count = 0;
    char cursor[32] = "0";
    while (cursor[0] != 0 && count + PAGE_LETTERS <= ALL_LETTERS_MAX) {
        struct slice item;
        if (!fetch_page(letters, PAGE_LETTERS, cursor)) {
            return false;
        }
        struct slice all = text_slice(&letters->answer);
        struct slice rest = json_pick(all, "dead_letters");
        while (count < ALL_LETTERS_MAX && json_pick_item(&rest, &item)) {
            numbers[count++] = number_of(item);
        }
        struct text next = text_over(cursor, sizeof(cursor));
        json_pick_text(all, "next_cursor", &next);
    }
    qsort(numbers, count, sizeof(*numbers), by_age);
    *count_out = count;
    *has_more_out = cursor[0] != 0;
    return true;
}

/* Oldest first, so that a receiver hears of an incident in the order in which it went. One that is
 * refused, being gone by now, leaves the others to be done; no answer ends it. */
static int operate_on_all(struct letters *letters, const char *what) {
    uint32_t count = 0;
    bool has_more = false;
    struct numbered *numbers = calloc(ALL_LETTERS_MAX, sizeof(*numbers));
    bool is_good = numbers != NULL && collect_numbers(letters, numbers, &count, &has_more);
    bool is_answered = true;
    for (uint32_t i = 0; i < count && is_answered; i++) {
        char number[32];
        (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)numbers[i].number);
        is_good = operate(letters, what, number) && is_good;
        is_answered = letters->answer.size > 0;
    }
    free(numbers);
    if (has_more) {
        (void)fprintf(stderr, "quell: more than %d letters: say it again for the others\n",
                      ALL_LETTERS_MAX);
    }
    return is_good && !has_more ? 0 : 1;
}

static bool is_number(const char *word) {
    uint64_t number = 0;
    return status_is_ok(text_parse_u64(slice_of_text(word), &number));
}

/* Of all words, before anything is done by one of them. */
static bool are_numbers_or_say(const struct letters *letters) {
    bool are_numbers = true;
    for (uint32_t i = 1; cli_word(letters->options, i) != NULL; i++) {
        if (!is_number(cli_word(letters->options, i))) {
            (void)fprintf(stderr, "quell: \"%s\" is no number of a dead letter\n",
                          cli_word(letters->options, i));
            are_numbers = false;
        }
    }
    return are_numbers;
}

static int operate_on_named(struct letters *letters, const char *what) {
    int code = 0;
    if (!are_numbers_or_say(letters)) {
        return 2;
    }
    for (uint32_t i = 1; cli_word(letters->options, i) != NULL; i++) {
        code = operate(letters, what, cli_word(letters->options, i)) ? code : 1;
    }
    return code;
}

static int run_letters(struct letters *letters) {
    const char *what = cli_word(letters->options, 0);
    const char *number = cli_word(letters->options, 1);
    bool is_all = cli_option(letters->options, "--all") != NULL;
    bool is_of_sink = cli_option(letters->options, "--sink") != NULL;
    what = what == NULL ? "list" : what;
    if (strcmp(what, "list") == 0 && number == NULL) {
        return list_letters(letters);
    }
    if (strcmp(what, "show") == 0 && number != NULL && !is_of_sink &&
        cli_word(letters->options, 2) == NULL) {
        return are_numbers_or_say(letters) ? show_letter(letters, number) : 2;
    }
    bool is_action = strcmp(what, "retry") == 0 || strcmp(what, "drop") == 0;
    if (!is_action || (number == NULL) != is_all || (number != NULL && is_of_sink)) {
        (void)fprintf(stderr, "usage: quell dlq list | show NUMBER | retry NUMBER... | "
                              "drop NUMBER... | retry --all | drop --all (--tenant t with each, "
                              "--sink s with list and --all)\n");
        return 2;
    }
    return is_all ? operate_on_all(letters, what) : operate_on_named(letters, what);
}

int command_dlq(const struct cli_options *options) {
    struct letters letters = {.options = options};
    struct config *config = NULL;
    if (!status_is_ok(admin_client_of(options, &letters.client, &config))) {
        return 1;
    }
    char *memory = malloc(ANSWER_BYTES_MAX);
    int code = 1;
    if (memory != NULL) {
        letters.answer = text_over(memory, ANSWER_BYTES_MAX);
        code = run_letters(&letters);
    }
    free(memory);
    config_release(config);
    return code;
}
