/* parameters.c - the query parameters of the admin API, see console_internal.h. */
#include "console/console_internal.h"

#include <stdio.h>

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000 };

static const char *const names[PARAMETERS_COUNT] = {
    [PARAMETER_TENANT] = "tenant", [PARAMETER_STATUS] = "status",
    [PARAMETER_SINCE] = "since",   [PARAMETER_LIMIT] = "limit",
    [PARAMETER_CURSOR] = "cursor", [PARAMETER_ENTITY] = "entity",
    [PARAMETER_SINK] = "sink",     [PARAMETER_DIRECTION] = "direction",
    [PARAMETER_HOPS] = "hops",     [PARAMETER_FROM] = "from",
    [PARAMETER_TO] = "to",
};

void parameters_refuse(struct http_exchange exchange, enum parameter which, const char *wanted) {
    char words[160];
    (void)snprintf(words, sizeof(words), "parameter %s: %s", names[which], wanted);
    console_answer_error(exchange, 400, "invalid", words);
}

/* One that cannot be read is refused: as if not given it would widen what is asked for. So is one
 * that is given twice: the first alone would leave out what the other asks for. */
bool parameters_read(struct console *console, struct http_exchange exchange,
                     const struct http_request *request, struct parameters *parameters) {
    for (enum parameter i = 0; i < PARAMETERS_COUNT; i++) {
        size_t size = 0;
        uint32_t count = http_query_count(request->query, names[i]);
        bool is_read = http_query_find(request->query, names[i], parameters->memory[i],
                                       PARAMETER_BYTES_MAX, &size);
        if (count > 1 || (count == 1 && !is_read)) {
            parameters_refuse(exchange, i,
                              count > 1 ? "given more than once"
                                        : "badly encoded, or longer than 512 bytes");
            return false;
        }
        parameters->values[i] = slice_of(parameters->memory[i], size);
    }
    return access_settle_tenant(console, exchange, request, parameters->values[PARAMETER_TENANT],
                                &parameters->values[PARAMETER_TENANT]);
}

bool parameters_take_number(struct http_exchange exchange, const struct parameters *parameters,
                            enum parameter which, uint32_t max, uint32_t *number) {
    struct slice text = parameters->values[which];
    uint64_t value = 0;
    char wanted[64];
    if (text.size == 0) {
        return true;
    }
    /* Whoever asks for a longer page gets a cursor; of the rest, what cannot be had is said. */
    bool is_cut = which == PARAMETER_LIMIT;
    if (!status_is_ok(text_parse_u64(text, &value)) || value < 1 || (value > max && !is_cut)) {
        (void)snprintf(wanted, sizeof(wanted), "a number from 1 to %u", max);
        parameters_refuse(exchange, which, wanted);
        return false;
    }
    *number = value < max ? (uint32_t)value : max;
    return true;
}

bool parameters_take_page(struct http_exchange exchange, const struct parameters *parameters,
                          struct view_query *query_out) {
    struct view_query query = {
        .tenant = parameters->values[PARAMETER_TENANT],
        .limit = LIMIT_DEFAULT,
        .cursor = parameters->values[PARAMETER_CURSOR],
    };
    if (!parameters_take_number(exchange, parameters, PARAMETER_LIMIT, LIMIT_MAX, &query.limit)) {
        return false;
    }
    *query_out = query;
    return true;
}

void parameters_answer_page(struct http_exchange exchange, struct status status,
                            const struct text *page) {
    if (status.code == STATUS_INVALID) {
        parameters_refuse(exchange, PARAMETER_CURSOR, "not one that this API gave for this query");
        return;
    }
    console_answer(exchange, status, page);
}
