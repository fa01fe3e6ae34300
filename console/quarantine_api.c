/*
 * quarantine_api.c - the quarantine over the API: list, show, drop, and apply again what can be. A
 * tenant's token sees and moves its own alone.
 */
#include "console/console_internal.h"

#include "core/base/json_pick.h"

static void list_records(struct console *console, struct http_exchange exchange,
                         const struct parameters *parameters) {
    struct view_query query;
    if (!parameters_take_page(exchange, parameters, &query)) {
        return;
    }
    struct text text = console_text(console);
    struct status status = view_quarantine_json(console->reader, &query, &text);
    parameters_answer_page(exchange, status, &text);
}

/* "<record>-<index>". */
static bool parse_id(struct slice id, uint64_t *seq_out, uint64_t *index_out) {
    size_t dash = slice_find_byte(id, '-');
    return dash < id.size && status_is_ok(text_parse_u64(slice_head(id, dash), seq_out)) &&
           status_is_ok(text_parse_u64(slice_tail(id, dash + 1), index_out)) &&
           *index_out <= UINT32_MAX;
}

static void operate_record(struct console *console, struct http_exchange exchange,
                           struct slice tenant, struct slice id, struct operator_request operation,
                           const struct http_request *request) {
    char by_memory[FIELD_BYTES_MAX];
    char note_memory[FIELD_BYTES_MAX];
    char owner_memory[TENANT_BYTES_MAX + 1];
    struct text by = text_over(by_memory, sizeof(by_memory));
    struct text note = text_over(note_memory, sizeof(note_memory));
    struct text owner = text_over(owner_memory, sizeof(owner_memory));
    if (!action_read_body(exchange, request, &by, &note)) {
        return;
    }
    struct text text = console_text(console);
    if (!status_is_ok(view_quarantined_json(console->reader, tenant, operation.incident_id.lo,
                                            (uint32_t)operation.incident_id.hi, &text))) {
        console_answer_error(exchange, 404, "not_found", "no quarantined record has this id");
        return;
    }
    bool is_retryable = slice_equals(json_pick(text_slice(&text), "retryable"), SLICE("true"));
    if (operation.action == OPERATOR_RETRY_QUARANTINED && !is_retryable) {
        console_answer_error(exchange, 409, "conflict",
                             "it was refused: correct it and send it again, then drop this one");
        return;
    }
    json_pick_text(text_slice(&text), "tenant", &owner);
    operation.tenant = text_slice(&owner);
    operation.by = text_slice(&by);
    operation.note = text_slice(&note);
    action_send(console, exchange, id, &operation);
}

static void answer_record(struct console *console, struct http_exchange exchange,
                          struct slice tenant, const struct aside_path *path,
                          const struct http_request *request) {
    uint64_t seq = 0;
    uint64_t index = 0;
    if (!parse_id(path->id, &seq, &index)) {
        console_answer_error(exchange, 404, "not_found", "no quarantined record has this id");
        return;
    }
    if (path->is_retry || path->is_drop) {
        struct operator_request operation = {
            .action = path->is_retry ? OPERATOR_RETRY_QUARANTINED : OPERATOR_DROP_QUARANTINED,
            .incident_id = {.lo = seq, .hi = index},
        };
        operate_record(console, exchange, tenant, path->id, operation, request);
        return;
    }
    struct text text = console_text(console);
    struct status status =
        view_quarantined_json(console->reader, tenant, seq, (uint32_t)index, &text);
    console_answer_one(exchange, status, &text, "no quarantined record has this id");
}

void quarantine_on_request(struct console *console, struct http_exchange exchange,
                           struct slice rest, const struct http_request *request) {
    struct parameters parameters;
    struct aside_path path;
    if (!aside_read_path(exchange, request, rest, &path) ||
        !parameters_read(console, exchange, request, &parameters)) {
        return;
    }
    if (path.id.size > 0) {
        answer_record(console, exchange, parameters.values[PARAMETER_TENANT], &path, request);
    } else {
        list_records(console, exchange, &parameters);
    }
}
