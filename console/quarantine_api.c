/*
 * quarantine_api.c - the quarantine over the API: list, show, drop, and apply again what can be. A
 * tenant's token sees and moves its own alone.
 */
#include "console/console_internal.h"

#include "core/base/json_pick.h"

enum { CURSOR_BYTES_MAX = 256, RECORDS_MAX = 1000, RECORDS_DEFAULT = 100 };

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

static void list_records(struct console *console, struct http_exchange exchange,
                         struct slice tenant, const struct http_request *request) {
    char limit_memory[32];
    char cursor[CURSOR_BYTES_MAX];
    struct slice limit_text;
    uint64_t limit = RECORDS_DEFAULT;
    struct view_query query = {.tenant = tenant};
    if (!read_value(exchange, request, "limit", limit_memory, sizeof(limit_memory), &limit_text) ||
        !read_value(exchange, request, "cursor", cursor, sizeof(cursor), &query.cursor)) {
        return;
    }
    bool is_number = limit_text.size == 0 || status_is_ok(text_parse_u64(limit_text, &limit));
    if (!is_number || limit < 1 || limit > RECORDS_MAX) {
        console_answer_error(exchange, 400, "invalid", "parameter limit: a number from 1 to 1000");
        return;
    }
    query.limit = (uint32_t)limit;
    struct text text = console_text(console);
    struct status status = view_quarantine_json(console->reader, &query, &text);
    if (status.code == STATUS_INVALID) {
        console_answer_error(exchange, 400, "invalid", "parameter cursor: not one of this API");
        return;
    }
    console_answer(exchange, status, &text);
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
                          struct slice tenant, struct slice path,
                          const struct http_request *request) {
    struct slice id = slice_head(path, slice_find_byte(path, '/'));
    struct slice what = slice_tail(path, id.size);
    bool is_retry = slice_equals(what, SLICE("/retry"));
    bool is_drop = slice_equals(what, SLICE("/drop"));
    uint64_t seq = 0;
    uint64_t index = 0;
    if (!parse_id(id, &seq, &index) || (what.size > 0 && !is_retry && !is_drop)) {
        console_answer_error(exchange, 404, "not_found", "no quarantined record has this id");
        return;
    }
    if (!console_allow_method(exchange, request, is_retry || is_drop)) {
        return;
    }
    if (is_retry || is_drop) {
        struct operator_request operation = {
            .action = is_retry ? OPERATOR_RETRY_QUARANTINED : OPERATOR_DROP_QUARANTINED,
            .incident_id = {.lo = seq, .hi = index},
        };
        operate_record(console, exchange, tenant, id, operation, request);
        return;
    }
    struct text text = console_text(console);
    struct status status =
        view_quarantined_json(console->reader, tenant, seq, (uint32_t)index, &text);
    console_answer(exchange, status, &text);
}

void quarantine_on_request(struct console *console, struct http_exchange exchange,
                           struct slice rest, const struct http_request *request) {
    char memory[TENANT_BYTES_MAX];
    struct slice tenant;
    if (!api_read_tenant(console, exchange, request, memory, &tenant)) {
        return;
    }
    if (rest.size > 1) {
        answer_record(console, exchange, tenant, slice_tail(rest, 1), request);
    } else if (console_allow_method(exchange, request, false)) {
        list_records(console, exchange, tenant, request);
    }
}
