/* api.c - the reading half of the admin API (product.md, "Admin API"). */
#include "console/console_internal.h"

/* RFC 3339, its '+' also as the blank that a query makes of it; or epoch seconds, ms, us or ns by
 * magnitude, as occurred_at. */
static bool parse_since(struct slice text, uint64_t *since_ns_out) {
    char memory[64];
    struct text time = text_over(memory, sizeof(memory));
    uint64_t number = 0;
    size_t blank = slice_find_byte(text, ' ');
    text_add(&time, slice_head(text, blank));
    text_add_text(&time, blank < text.size ? "+" : "");
    text_add(&time, slice_tail(text, blank + 1));
    if (text.size == 0 || status_is_ok(text_parse_time_clamped(text_slice(&time), since_ns_out))) {
        return true;
    }
    bool is_number = status_is_ok(text_parse_u64(text, &number)) && number <= INT64_MAX;
    for (uint64_t unit_ns = NS_PER_S; is_number && unit_ns > 0; unit_ns /= 1000) {
        if (number <= INT64_MAX / unit_ns) {
            *since_ns_out = number * unit_ns;
            return true;
        }
    }
    return false;
}

static bool status_word_is_known(struct slice word) {
    return word.size == 0 || slice_equals(word, SLICE("open")) ||
           slice_equals(word, SLICE("acknowledged")) || slice_equals(word, SLICE("resolved"));
}

void api_incidents(struct console *console, struct http_exchange exchange,
                   const struct http_request *request) {
    struct parameters parameters;
    if (!parameters_read(console, exchange, request, &parameters)) {
        return;
    }
    struct view_query query;
    if (!parameters_take_page(exchange, &parameters, &query)) {
        return;
    }
    query.status = parameters.values[PARAMETER_STATUS];
    if (!status_word_is_known(query.status)) {
        parameters_refuse(exchange, PARAMETER_STATUS, "open, acknowledged or resolved");
        return;
    }
    if (!parse_since(parameters.values[PARAMETER_SINCE], &query.since_ns)) {
        parameters_refuse(exchange, PARAMETER_SINCE, "an RFC 3339 time or an epoch time");
        return;
    }
    struct text text = console_text(console);
    struct status status = view_incidents_json(console->reader, &query, &text);
    parameters_answer_page(exchange, status, &text);
}

typedef struct status view_one(struct view_reader *reader, struct slice tenant, struct slice id,
                               struct text *json);

static void answer_one(struct console *console, struct http_exchange exchange, struct slice id,
                       const struct http_request *request, view_one *view_one_json) {
    struct parameters parameters;
    if (!parameters_read(console, exchange, request, &parameters)) {
        return;
    }
    struct text text = console_text(console);
    struct status status =
        view_one_json(console->reader, parameters.values[PARAMETER_TENANT], id, &text);
    console_answer_one(exchange, status, &text, "no incident has this id");
}

void api_incident(struct console *console, struct http_exchange exchange, struct slice id,
                  const struct http_request *request) {
    answer_one(console, exchange, id, request, view_incident_json);
}

void api_timeline(struct console *console, struct http_exchange exchange, struct slice id,
                  const struct http_request *request) {
    answer_one(console, exchange, id, request, view_timeline_json);
}

void api_explain(struct console *console, struct http_exchange exchange, struct slice id,
                 const struct http_request *request) {
    answer_one(console, exchange, id, request, view_explain_json);
}

void api_graph(struct console *console, struct http_exchange exchange,
               const struct http_request *request) {
    struct parameters parameters;
    uint32_t hops_max = 8;
    if (!parameters_read(console, exchange, request, &parameters)) {
        return;
    }
    if (!parameters_take_number(exchange, &parameters, PARAMETER_HOPS, GRAPH_HOPS_MAX, &hops_max)) {
        return;
    }
    struct text text = console_text(console);
    struct status status = view_graph_json(console->reader, parameters.values[PARAMETER_TENANT],
                                           parameters.values[PARAMETER_ENTITY],
                                           parameters.values[PARAMETER_DIRECTION], hops_max, &text);
    if (status.code == STATUS_INVALID) {
        parameters_refuse(exchange, PARAMETER_DIRECTION, "up or down");
        return;
    }
    console_answer_one(exchange, status, &text,
                       "the graph has no entity of this name, such as job:load");
}

void api_audit(struct console *console, struct http_exchange exchange,
               const struct http_request *request) {
    struct parameters parameters;
    struct view_query query;
    if (!parameters_read(console, exchange, request, &parameters) ||
        !parameters_take_page(exchange, &parameters, &query)) {
        return;
    }
    struct text text = console_text(console);
    struct status status = view_audit_json(console->reader, &query, &text);
    parameters_answer_page(exchange, status, &text);
}

void api_stats(struct console *console, struct http_exchange exchange,
               const struct http_request *request) {
    struct parameters parameters;
    if (!parameters_read(console, exchange, request, &parameters)) {
        return;
    }
    struct text text = console_text(console);
    struct status status =
        view_stats_json(console->reader, parameters.values[PARAMETER_TENANT], &text);
    console_answer(exchange, status, &text);
}
