/* api.c - the reading half of the admin API (product.md, "Admin API"). */
#include "console/console_internal.h"

#include <stdio.h>

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, PARAMETER_BYTES_MAX = 512 };

/* One query parameter, decoded into its own memory. */
struct parameter {
    char memory[PARAMETER_BYTES_MAX];
    size_t size;
};

static struct slice read_parameter(const struct http_request *request, const char *name,
                                   struct parameter *parameter) {
    if (!http_query_find(request->query, name, parameter->memory, sizeof(parameter->memory),
                         &parameter->size)) {
        parameter->size = 0;
    }
    return slice_of(parameter->memory, parameter->size);
}

static void refuse_parameter(struct http_exchange exchange, const char *name, const char *wanted) {
    char words[160];
    (void)snprintf(words, sizeof(words), "parameter %s: %s", name, wanted);
    console_answer_error(exchange, 400, "invalid", words);
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
    struct parameter tenant;
    struct parameter status_word;
    struct parameter since;
    struct parameter limit;
    struct parameter cursor;
    struct view_query query = {
        .tenant = read_parameter(request, "tenant", &tenant),
        .status = read_parameter(request, "status", &status_word),
        .limit = LIMIT_DEFAULT,
        .cursor = read_parameter(request, "cursor", &cursor),
    };
    if (!status_word_is_known(query.status)) {
        refuse_parameter(exchange, "status", "open, acknowledged or resolved");
        return;
    }
    if (!parse_since(read_parameter(request, "since", &since), &query.since_ns)) {
        refuse_parameter(exchange, "since", "an RFC 3339 time or seconds since 1970");
        return;
    }
    if (!parse_number(read_parameter(request, "limit", &limit), LIMIT_MAX, &query.limit)) {
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
    struct parameter tenant;
    struct text text = console_text(console);
    struct status status = view_incident_json(
        console->reader, read_parameter(request, "tenant", &tenant), id, &text);
    console_answer(exchange, status, &text);
}

void api_timeline(struct console *console, struct http_exchange exchange, struct slice id,
                  const struct http_request *request) {
    struct parameter tenant;
    struct text text = console_text(console);
    struct status status = view_timeline_json(
        console->reader, read_parameter(request, "tenant", &tenant), id, &text);
    console_answer(exchange, status, &text);
}

void api_graph(struct console *console, struct http_exchange exchange,
               const struct http_request *request) {
    struct parameter tenant;
    struct parameter entity;
    struct parameter direction;
    struct parameter hops;
    uint32_t hops_max = 8;
    if (!parse_number(read_parameter(request, "hops", &hops), GRAPH_HOPS_MAX, &hops_max)) {
        refuse_parameter(exchange, "hops", "a number from 1 to 32");
        return;
    }
    struct text text = console_text(console);
    struct status status = view_graph_json(
        console->reader, read_parameter(request, "tenant", &tenant),
        read_parameter(request, "entity", &entity),
        read_parameter(request, "direction", &direction), hops_max, &text);
    if (status.code == STATUS_INVALID) {
        refuse_parameter(exchange, "direction", "up or down");
        return;
    }
    console_answer(exchange, status, &text);
}

void api_stats(struct console *console, struct http_exchange exchange,
               const struct http_request *request) {
    struct parameter tenant;
    struct text text = console_text(console);
    struct status status = view_stats_json(console->reader,
                                           read_parameter(request, "tenant", &tenant), &text);
    console_answer(exchange, status, &text);
}
