/*
 * dead_letters.c - dead letters over the API: list, show, and what an operator does to one. A
 * tenant's token sees and moves its own alone.
 */
#include "console/console_internal.h"

#include "core/base/json_pick.h"

static void list_letters(struct console *console, struct http_exchange exchange,
                         const struct parameters *parameters) {
    struct view_query query;
    if (!parameters_take_page(exchange, parameters, &query)) {
        return;
    }
    query.sink = parameters->values[PARAMETER_SINK];
    struct text text = console_text(console);
    struct status status = view_dead_letters_json(console->reader, &query, &text);
    parameters_answer_page(exchange, status, &text);
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
                           struct slice tenant, uint64_t number, enum operator_action what,
                           const struct http_request *request) {
    char by_memory[FIELD_BYTES_MAX];
    char note_memory[FIELD_BYTES_MAX];
    char owner_memory[TENANT_BYTES_MAX + 1];
    char id_memory[24]; /* the number as JSON has it, without zeros before it */
    struct text by = text_over(by_memory, sizeof(by_memory));
    struct text note = text_over(note_memory, sizeof(note_memory));
    struct text owner = text_over(owner_memory, sizeof(owner_memory));
    struct text id = text_over(id_memory, sizeof(id_memory));
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
    text_add_u64(&id, number);
    action_send(console, exchange, text_slice(&id), &operator_request);
}

static void show_letter(struct console *console, struct http_exchange exchange, struct slice tenant,
                        uint64_t number) {
    struct text text = console_text(console);
    struct status status = view_dead_letter_json(console->reader, tenant, number, &text);
    console_answer_one(exchange, status, &text, "no dead letter has this number");
}

static void answer_letter(struct console *console, struct http_exchange exchange,
                          struct slice tenant, const struct aside_path *path,
                          const struct http_request *request) {
    uint64_t number = 0;
    if (!status_is_ok(text_parse_u64(path->id, &number))) {
        console_answer_error(exchange, 404, "not_found", "no dead letter has this number");
    } else if (path->is_retry || path->is_drop) {
        operate_letter(console, exchange, tenant, number,
                       path->is_retry ? OPERATOR_RETRY_DEAD : OPERATOR_DROP_DEAD, request);
    } else {
        show_letter(console, exchange, tenant, number);
    }
}

void letters_on_request(struct console *console, struct http_exchange exchange, struct slice rest,
                        const struct http_request *request) {
    struct parameters parameters;
    struct aside_path path;
    if (!aside_read_path(exchange, request, rest, &path) ||
        !parameters_read(console, exchange, request, &parameters)) {
        return;
    }
    if (path.id.size > 0) {
        answer_letter(console, exchange, parameters.values[PARAMETER_TENANT], &path, request);
    } else {
        list_letters(console, exchange, &parameters);
    }
}
