/* api.c - the reading half of the admin API (product.md, "Admin API"). */
#include "console/console_internal.h"

#include <stdio.h>

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, PARAMETER_BYTES_MAX = 512 };

enum name { TENANT, STATUS_WORD, SINCE, LIMIT, CURSOR, ENTITY, DIRECTION, HOPS, NAMES_COUNT };

static const char *const names[NAMES_COUNT] = {
    [TENANT] = "tenant", [STATUS_WORD] = "status", [SINCE] = "since",         [LIMIT] = "limit",
    [CURSOR] = "cursor", [ENTITY] = "entity",      [DIRECTION] = "direction", [HOPS] = "hops",
};

/* The query's parameters, each decoded into its own memory; empty when not given. */
struct parameters {
    char memory[NAMES_COUNT][PARAMETER_BYTES_MAX];
    struct slice values[NAMES_COUNT];
};

static void refuse_parameter(struct http_exchange exchange, const char *name, const char *wanted) {
    char words[160];
    (void)snprintf(words, sizeof(words), "parameter %s: %s", name, wanted);
    console_answer_error(exchange, 400, "invalid", words);
}

/* False, and answered, when one cannot be read: as if not given it would widen what is asked for.
 */
static bool read_parameters(struct console *console, struct http_exchange exchange,
                            const struct http_request *request, struct parameters *parameters) {
    for (uint32_t i = 0; i < NAMES_COUNT; i++) {
        size_t size = 0;
        bool is_read = http_query_find(request->query, names[i], parameters->memory[i],
                                       PARAMETER_BYTES_MAX, &size);
        if (!is_read && http_query_has(request->query, names[i])) {
            refuse_parameter(exchange, names[i], "badly encoded, or longer than 512 bytes");
            return false;
        }
        parameters->values[i] = slice_of(parameters->memory[i], size);
    }
    return access_settle_tenant(console, exchange, request, parameters->values[TENANT],
                                &parameters->values[TENANT]);
}

bool api_read_tenant(struct console *console, struct http_exchange exchange,
                     const struct http_request *request, char memory[TENANT_BYTES_MAX],
                     struct slice *tenant_out) {
    size_t size = 0;
    if (!http_query_find(request->query, "tenant", memory, TENANT_BYTES_MAX, &size) &&
        http_query_has(request->query, "tenant")) {
        refuse_parameter(exchange, "tenant", "badly encoded, or longer than 64 bytes");
        return false;
    }
    return access_settle_tenant(console, exchange, request, slice_of(memory, size), tenant_out);
}

/* RFC 3339, or seconds since 1970. */
static bool parse_since(struct slice text, uint64_t *since_ns_out) {
    uint64_t seconds = 0;
    if (text.size == 0 || status_is_ok(text_parse_time(text, since_ns_out))) {
        return true;
    }
    if (!status_is_ok(text_parse_u64(text, &seconds)) || seconds > UINT64_C(9000000000)) {
        return false;
    }
    *since_ns_out = seconds * NS_PER_S;
    return true;
}

static bool parse_number(struct slice text, uint64_t max, uint32_t *number_out) {
    uint64_t value = 0;
    if (text.size == 0) {
        return true;
    }
    if (!status_is_ok(text_parse_u64(text, &value)) || value < 1 || value > max) {
        return false;
    }
    *number_out = (uint32_t)value;
    return true;
}

static bool status_word_is_known(struct slice word) {
    return word.size == 0 || slice_equals(word, SLICE("open")) ||
           slice_equals(word, SLICE("acknowledged")) || slice_equals(word, SLICE("resolved"));
}

void api_incidents(struct console *console, struct http_exchange exchange,
                   const struct http_request *request) {
    struct parameters parameters;
    if (!read_parameters(console, exchange, request, &parameters)) {
        return;
    }
    struct view_query query = {
        .tenant = parameters.values[TENANT],
        .status = parameters.values[STATUS_WORD],
        .limit = LIMIT_DEFAULT,
        .cursor = parameters.values[CURSOR],
    };
    if (!status_word_is_known(query.status)) {
        refuse_parameter(exchange, "status", "open, acknowledged or resolved");
        return;
    }
    if (!parse_since(parameters.values[SINCE], &query.since_ns)) {
        refuse_parameter(exchange, "since", "an RFC 3339 time or seconds since 1970");
        return;
    }
    if (!parse_number(parameters.values[LIMIT], LIMIT_MAX, &query.limit)) {
        refuse_parameter(exchange, "limit", "a number from 1 to 1000");
        return;
    }
    struct text text = console_text(console);
    struct status status = view_incidents_json(console->reader, &query, &text);
    if (status.code == STATUS_INVALID) {
        refuse_parameter(exchange, "cursor", "not one that this API gave for this query");
        return;
    }
    console_answer(exchange, status, &text);
}

void api_incident(struct console *console, struct http_exchange exchange, struct slice id,
                  const struct http_request *request) {
    struct parameters parameters;
    if (!read_parameters(console, exchange, request, &parameters)) {
        return;
    }
    struct text text = console_text(console);
    struct status status =
        view_incident_json(console->reader, parameters.values[TENANT], id, &text);
    console_answer(exchange, status, &text);
}

void api_timeline(struct console *console, struct http_exchange exchange, struct slice id,
                  const struct http_request *request) {
    struct parameters parameters;
    if (!read_parameters(console, exchange, request, &parameters)) {
        return;
    }
    struct text text = console_text(console);
    struct status status =
        view_timeline_json(console->reader, parameters.values[TENANT], id, &text);
    console_answer(exchange, status, &text);
}

void api_explain(struct console *console, struct http_exchange exchange, struct slice id,
                 const struct http_request *request) {
    struct parameters parameters;
    if (!read_parameters(console, exchange, request, &parameters)) {
        return;
    }
    struct text text = console_text(console);
    struct status status = view_explain_json(console->reader, parameters.values[TENANT], id, &text);
    console_answer(exchange, status, &text);
}

void api_graph(struct console *console, struct http_exchange exchange,
               const struct http_request *request) {
    struct parameters parameters;
    uint32_t hops_max = 8;
    if (!read_parameters(console, exchange, request, &parameters)) {
        return;
    }
    if (!parse_number(parameters.values[HOPS], GRAPH_HOPS_MAX, &hops_max)) {
        refuse_parameter(exchange, "hops", "a number from 1 to 32");
        return;
    }
    struct text text = console_text(console);
    struct status status =
        view_graph_json(console->reader, parameters.values[TENANT], parameters.values[ENTITY],
                        parameters.values[DIRECTION], hops_max, &text);
    if (status.code == STATUS_INVALID) {
        refuse_parameter(exchange, "direction", "up or down");
        return;
    }
    console_answer(exchange, status, &text);
}

void api_stats(struct console *console, struct http_exchange exchange,
               const struct http_request *request) {
    struct parameters parameters;
    if (!read_parameters(console, exchange, request, &parameters)) {
        return;
    }
    struct text text = console_text(console);
    struct status status = view_stats_json(console->reader, parameters.values[TENANT], &text);
    console_answer(exchange, status, &text);
}
