/*
 * actions.c - a person acknowledges or resolves: an operator record through the journal, answered
 * with the incident as it is after the commit.
 */
#include "console/console_internal.h"

#include "core/base/assert.h"

static void write_batch(struct action *action, const struct operator_request *request) {
    batch_clear(&action->batch, BATCH_OPERATOR);
    struct writer writer = batch_entry_begin(&action->batch);
    operator_encode(request, &writer);
    ASSERT(!writer.failed);
    batch_entry_commit(&action->batch, writer.size);
    (void)batch_finish(&action->batch);
}

/* Live incidents only: a resolved one takes no action any more. */
bool action_is_too_late(struct console *console, struct slice id) {
    struct text text = console_text(console);
    struct slice resolved = SLICE("\"status\":\"resolved\"");
    if (!status_is_ok(view_incident_json(console->reader, slice_of(NULL, 0), id, &text))) {
        return false;
    }
    struct slice head = slice_head(text_slice(&text), 256);
    for (size_t i = 0; i + resolved.size <= head.size; i++) {
        if (slice_starts_with(slice_tail(head, i), resolved)) {
            return true;
        }
    }
    return false;
}

static void send(struct console *console, struct http_exchange exchange, struct slice id,
                 const struct operator_request *request, bool is_quiet) {
    struct action *action = console->free_actions;
    if (action == NULL || id.size > sizeof(action->id)) {
        console_answer_error(exchange, 429, "throttled", "too many actions at once");
        return;
    }
    write_batch(action, request);
    action->exchange = exchange;
    action->what = request->action;
    action->is_quiet = is_quiet;
    slice_copy(id, (uint8_t *)action->id); /* an edge has none */
    action->id_size = id.size;
    action->batch.request = action;
    if (!status_is_ok(gate_send(console->options.gate, &action->batch))) {
        console_answer_error(exchange, 429, "throttled", "too many actions at once");
        return;
    }
    console->free_actions = action->next;
    console->actions_out++;
}

void action_send(struct console *console, struct http_exchange exchange, struct slice id,
                 const struct operator_request *request) {
    send(console, exchange, id, request, false);
}

void action_send_quietly(struct console *console, struct http_exchange exchange, struct slice id,
                         const struct operator_request *request) {
    send(console, exchange, id, request, true);
}

bool action_read_body(struct http_exchange exchange, const struct http_request *request,
                      struct text *by, struct text *note) {
    if (!status_is_ok(fields_read(request->body, by, note))) {
        console_answer_error(exchange, 400, "invalid",
                             "the body is {\"by\":\"...\",\"note\":\"...\"}, each once and at "
                             "most 511 bytes long");
        return false;
    }
    return true;
}

void action_start(struct console *console, struct http_exchange exchange, struct slice id,
                  enum operator_action what, const struct http_request *request) {
    char by_memory[FIELD_BYTES_MAX];
    char note_memory[FIELD_BYTES_MAX];
    struct parameters parameters;
    char tenant[TENANT_BYTES_MAX];
    size_t tenant_size = 0;
    struct text by = text_over(by_memory, sizeof(by_memory));
    struct text note = text_over(note_memory, sizeof(note_memory));
    struct operator_request operator_request = {.action = what};
    if (!parameters_read(console, exchange, request, &parameters)) {
        return;
    }
    if (!action_read_body(exchange, request, &by, &note)) {
        return;
    }
    bool is_found = status_is_ok(view_find_incident(
        console->reader, id, &operator_request.incident_id, tenant, &tenant_size));
    struct slice asked = parameters.values[PARAMETER_TENANT];
    if (!is_found || (asked.size > 0 && !slice_equals(asked, slice_of(tenant, tenant_size)))) {
        console_answer_error(exchange, 404, "not_found", "no incident has this id");
        return;
    }
    if (action_is_too_late(console, id)) {
        console_answer_error(exchange, 409, "conflict", "the incident is resolved already");
        return;
    }
    operator_request.tenant = slice_of(tenant, tenant_size);
    operator_request.by = text_slice(&by);
    operator_request.note = text_slice(&note);
    action_send(console, exchange, id, &operator_request);
}

static void answer_action(struct console *console, struct action *action,
                          enum status_code outcome) {
    if (outcome != STATUS_OK) {
        console_answer_error(action->exchange, 503, "unavailable",
                             "the action could not be stored, try again");
        return;
    }
    if (action->is_quiet) {
        http_respond(action->exchange, 200, NULL, NULL, slice_of(NULL, 0));
        return;
    }
    struct text text = console_text(console);
    if (action->what == OPERATOR_RETRY_DEAD || action->what == OPERATOR_DROP_DEAD) {
        text_add_format(&text, "{\"number\":%.*s,\"result\":\"%s\"}", (int)action->id_size,
                        action->id, action->what == OPERATOR_RETRY_DEAD ? "retried" : "dropped");
        console_answer(action->exchange, status_ok(), &text);
        return;
    }
    if (action->what == OPERATOR_RETRY_QUARANTINED || action->what == OPERATOR_DROP_QUARANTINED) {
        text_add_format(&text, "{\"id\":\"%.*s\",\"result\":\"%s\"}", (int)action->id_size,
                        action->id,
                        action->what == OPERATOR_RETRY_QUARANTINED ? "retried" : "dropped");
        console_answer(action->exchange, status_ok(), &text);
        return;
    }
    if (action->what == OPERATOR_REMOVE_EDGE) {
        text_add_text(&text, "{\"result\":\"removed\"}");
        console_answer(action->exchange, status_ok(), &text);
        return;
    }
    if (action->what == OPERATOR_SILENCE || action->what == OPERATOR_UNSILENCE) {
        text_add_format(&text, "{\"id\":\"%.*s\",\"result\":\"%s\"}", (int)action->id_size,
                        action->id, action->what == OPERATOR_SILENCE ? "made" : "ended");
        console_answer(action->exchange, status_ok(), &text);
        return;
    }
    struct status status = view_incident_json(console->reader, slice_of(NULL, 0),
                                              slice_of(action->id, action->id_size), &text);
    console_answer(action->exchange, status, &text);
}

static void end_action(struct console *console, const struct batch *batch) {
    struct action *action = batch->request;
    answer_action(console, action, batch->outcome);
    action->next = console->free_actions;
    console->free_actions = action;
    console->actions_out--;
}

void actions_take_back(struct console *console) {
    struct batch *batch = gate_take_back(console->options.gate);
    while (batch != NULL) {
        if (!refusals_take_back(&console->refusals, batch)) {
            end_action(console, batch);
        }
        batch = gate_take_back(console->options.gate);
    }
}
