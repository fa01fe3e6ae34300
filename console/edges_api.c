/*
 * edges_api.c - operators take edges out that no list should have brought.
 *
 *   POST /api/v1/graph/remove?tenant=&from=job:b&to=job:a   {"by":"...","note":"..."}
 */
#include "console/console_internal.h"

#include "engine/view.h"

static void remove_edge(struct console *console, struct http_exchange exchange,
                        const struct operator_edge *edge,
                        struct operator_request *operator_request) {
    uint8_t detail[2 * PARAMETER_BYTES_MAX + 16];
    struct writer writer = writer_over(detail, sizeof(detail));
    bool is_config = false;
    if (!status_is_ok(view_find_edge(console->reader, operator_request->tenant, edge->from,
                                     edge->to, &is_config))) {
        console_answer_error(exchange, 404, "not_found",
                             "this tenant has no such edge: from is who depends, to on whom");
        return;
    }
    if (is_config) {
        console_answer_error(exchange, 409, "conflict",
                             "the tenant's configuration says so: take it out of depends_on there");
        return;
    }
    operator_edge_encode(edge, &writer);
    operator_request->detail = writer_slice(&writer);
    action_send(console, exchange, slice_of(NULL, 0), operator_request);
}

void edges_on_request(struct console *console, struct http_exchange exchange, struct slice rest,
                      const struct http_request *request) {
    struct parameters parameters;
    char by_memory[FIELD_BYTES_MAX];
    char note_memory[FIELD_BYTES_MAX];
    struct text by = text_over(by_memory, sizeof(by_memory));
    struct text note = text_over(note_memory, sizeof(note_memory));
    if (rest.size > 0) {
        console_answer_error(exchange, 404, "not_found", "there is no such path");
        return;
    }
    if (!console_allow_method(exchange, request, true) ||
        !parameters_read(console, exchange, request, &parameters) ||
        !action_read_body(exchange, request, &by, &note)) {
        return;
    }
    struct slice tenant = parameters.values[PARAMETER_TENANT];
    const struct operator_edge edge = {.from = parameters.values[PARAMETER_FROM],
                                       .to = parameters.values[PARAMETER_TO]};
    struct operator_request operator_request = {
        .action = OPERATOR_REMOVE_EDGE,
        .tenant = tenant.size > 0 ? tenant : SLICE("default"),
        .by = text_slice(&by),
        .note = text_slice(&note),
    };
    remove_edge(console, exchange, &edge, &operator_request);
}
