/*
 * dead_letters.c - dead letters over the API: list, show, and what an operator does to one. A
 * tenant's token sees and moves its own alone.
 */
#include "console/console_internal.h"

#include "core/base/json_pick.h"

enum { SINK_BYTES_MAX = 256, CURSOR_BYTES_MAX = 32, LETTERS_MAX = 1000, LETTERS_DEFAULT = 100 };

/* False, and answered, when it is there but cannot be read. */
static bool read_value(struct http_exchange exchange, const struct http_request *request,
                       const char *name, char *memory, size_t capacity, struct slice *value_out) {
    size_t size = 0;
    if (!http_query_find(request->query, name, memory, capacity, &size) &&
        http_query_has(request->query, name)) {
        console_answer_error(exchange, 400, "invalid", "a parameter is badly encoded or too long");
        return false;
    }
    *value_out = slice_of(memory, size);
    return true;
}

static void list_letters(struct console *console, struct http_exchange exchange,
                         struct slice tenant, const struct http_request *request) {
    char sink[SINK_BYTES_MAX];
    char limit_memory[CURSOR_BYTES_MAX];
    char cursor[CURSOR_BYTES_MAX];
    struct slice limit_text;
    uint64_t limit = LETTERS_DEFAULT;
    struct view_query query = {.tenant = tenant};
    if (!read_value(exchange, request, "sink", sink, sizeof(sink), &query.sink) ||
        !read_value(exchange, request, "limit", limit_memory, sizeof(limit_memory), &limit_text) ||
        !read_value(exchange, request, "cursor", cursor, sizeof(cursor), &query.cursor)) {
        return;
    }
    bool is_number = limit_text.size == 0 || status_is_ok(text_parse_u64(limit_text, &limit));
    if (!is_number || limit < 1 || limit > LETTERS_MAX) {
        console_answer_error(exchange, 400, "invalid", "parameter limit: a number from 1 to 1000");
        return;
    }
    query.limit = (uint32_t)limit;
    struct text text = console_text(console);
    struct status status = view_dead_letters_json(console->reader, &query, &text);
    if (status.code == STATUS_INVALID) {
        console_answer_error(exchange, 400, "invalid", "parameter cursor: not one of this API");
        return;
    }
    console_answer(exchange, status, &text);
}

/* What the letter's JSON says of its tenant. */
static bool find_tenant(struct console *console, struct slice tenant, uint64_t number,
                        struct text *tenant_out) {
    struct text text = console_text(console);
    if (!status_is_ok(view_dead_letter_json(console->reader, tenant, number, &text))) {
        return false;
    }
    json_pick_text(text_slice(&text), "tenant", tenant_out);
    return !tenant_out->truncated;
}

static void operate_letter(struct console *console, struct http_exchange exchange,
                           struct slice tenant, struct slice id, uint64_t number,
                           enum operator_action what, const struct http_request *request) {
    char by_memory[FIELD_BYTES_MAX];
    char note_memory[FIELD_BYTES_MAX];
    char owner_memory[TENANT_BYTES_MAX + 1];
    struct text by = text_over(by_memory, sizeof(by_memory));
    struct text note = text_over(note_memory, sizeof(note_memory));
    struct text owner = text_over(owner_memory, sizeof(owner_memory));
    if (!action_read_body(exchange, request, &by, &note)) {
        return;
    }
    if (!find_tenant(console, tenant, number, &owner)) {
        console_answer_error(exchange, 404, "not_found", "no dead letter has this number");
        return;
    }
    const struct operator_request operator_request = {
        .action = what,
        .incident_id = {.lo = number},
        .tenant = text_slice(&owner),
        .by = text_slice(&by),
        .note = text_slice(&note),
    };
    action_send(console, exchange, id, &operator_request);
}

static void show_letter(struct console *console, struct http_exchange exchange, struct slice tenant,
                        uint64_t number) {
    struct text text = console_text(console);
    struct status status = view_dead_letter_json(console->reader, tenant, number, &text);
    console_answer(exchange, status, &text);
}

static void answer_letter(struct console *console, struct http_exchange exchange,
                          struct slice tenant, struct slice path,
                          const struct http_request *request) {
    struct slice id = slice_head(path, slice_find_byte(path, '/'));
    struct slice what = slice_tail(path, id.size);
    bool is_retry = slice_equals(what, SLICE("/retry"));
    bool is_drop = slice_equals(what, SLICE("/drop"));
    uint64_t number = 0;
    if (!status_is_ok(text_parse_u64(id, &number)) || (what.size > 0 && !is_retry && !is_drop)) {
        console_answer_error(exchange, 404, "not_found", "no dead letter has this number");
        return;
    }
    if (!console_allow_method(exchange, request, is_retry || is_drop)) {
        return;
    }
    if (is_retry || is_drop) {
        operate_letter(console, exchange, tenant, id, number,
                       is_retry ? OPERATOR_RETRY_DEAD : OPERATOR_DROP_DEAD, request);
    } else {
        show_letter(console, exchange, tenant, number);
    }
}

void letters_on_request(struct console *console, struct http_exchange exchange, struct slice rest,
                        const struct http_request *request) {
    char memory[TENANT_BYTES_MAX];
    struct slice tenant;
    if (rest.size > 0 && rest.data[0] != '/') {
        console_answer_error(exchange, 404, "not_found", "there is no such path: GET / lists them");
        return;
    }
    if (!api_read_tenant(console, exchange, request, memory, &tenant)) {
        return;
    }
    if (rest.size > 1) {
        answer_letter(console, exchange, tenant, slice_tail(rest, 1), request);
    } else if (console_allow_method(exchange, request, false)) {
        list_letters(console, exchange, tenant, request);
    }
}
