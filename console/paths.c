/*
 * paths.c - which path means what on the console port; errors, metrics and health.
 */
#include "console/console_internal.h"

static const char index_page[] =
    "quell " QUELL_VERSION "\n\n"
    "GET  /api/v1/incidents?tenant=&status=&since=&limit=&cursor=\n"
    "GET  /api/v1/incidents/<id>\n"
    "GET  /api/v1/incidents/<id>/timeline|explain\n"
    "POST /api/v1/incidents/<id>/ack      {\"by\":\"...\",\"note\":\"...\"}\n"
    "POST /api/v1/incidents/<id>/resolve\n"
    "GET  /api/v1/graph?tenant=&entity=&direction=up|down&hops=\n"
    "POST /api/v1/graph/remove?tenant=&from=&to=  {\"by\":\"...\",\"note\":\"...\"}\n"
    "GET  /api/v1/stats?tenant=\n"
    "GET  /api/v1/audit?tenant=&limit=&cursor=\n"
    "GET  /api/v1/dlq?tenant=&sink=&limit=&cursor=\n"
    "GET  /api/v1/dlq/<number>\n"
    "GET  /api/v1/quarantine?tenant=&limit=&cursor=\n"
    "GET  /api/v1/quarantine/<id>\n"
    "POST /api/v1/quarantine/<id>/retry|drop\n"
    "GET  /api/v1/silences?tenant=\n"
    "POST /api/v1/silences?tenant=       {\"entity\":\"job:*\",\"duration\":\"2h\",\"reason\":"
    "\"...\",\"by\":\"...\"}\n"
    "POST /api/v1/silences/<id>/expire\n"
    "POST /api/v1/dlq/<number>/retry|drop  {\"by\":\"...\",\"note\":\"...\"}\n"
    "POST /api/v1/slack/interactions    signed by Slack\n"
    "GET  /metrics /healthz /livez /readyz\n";

/* --- Answers --- */

void console_answer_error(struct http_exchange exchange, unsigned status, const char *code,
                          const char *words) {
    char memory[1024];
    struct text body = text_over(memory, sizeof(memory));
    text_add_format(&body, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    text_add_json_string(&body, slice_of_text(words));
    text_add_text(&body, "}}");
    const char *headers = status == 429 || status == 503 ? "Retry-After: 1\r\n" : NULL;
    http_respond(exchange, status, "application/json", headers, text_slice(&body));
}

/* For what the HTTP server refuses by itself. */
static const char *code_of(unsigned status) {
    static const struct {
        unsigned status;
        const char *code;
    } codes[] = {
        {408, "timeout"},   {413, "too_large"},   {414, "too_large"},   {417, "unsupported"},
        {431, "too_large"}, {501, "unsupported"}, {503, "unavailable"}, {505, "unsupported"},
    };
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].status == status) {
            return codes[i].code;
        }
    }
    return "bad_request";
}

void console_on_error(void *context, unsigned status, const char *words, struct text *body,
                      const char **content_type_out) {
    (void)context;
    *content_type_out = "application/json";
    text_add_format(body, "{\"error\":{\"code\":\"%s\",\"message\":", code_of(status));
    text_add_json_string(body, slice_of_text(words));
    text_add_text(body, "}}");
}

struct text console_text(struct console *console) {
    arena_reset(&console->text_arena);
    /* Taken without the arena's zeroing: an answer is written before it is read. */
    console->text_arena.used_bytes = console->text_arena.capacity_bytes;
    return text_over(console->text_arena.base, console->text_arena.capacity_bytes);
}

void console_answer_one(struct http_exchange exchange, struct status status,
                        const struct text *text, const char *missing) {
    if (status.code == STATUS_MISSING) {
        console_answer_error(exchange, 404, "not_found", missing);
        return;
    }
    console_answer(exchange, status, text);
}

void console_answer(struct http_exchange exchange, struct status status, const struct text *text) {
    switch (status.code) {
    case STATUS_OK:
        http_respond(exchange, 200, "application/json", NULL, text_slice(text));
        return;
    case STATUS_MISSING:
        console_answer_error(exchange, 404, "not_found", "there is nothing by that name");
        return;
    case STATUS_FULL:
        console_answer_error(exchange, 400, "too_large", "the answer is too large: ask for less");
        return;
    default:
        console_answer_error(exchange, 500, "internal", status_name(status));
    }
}

static void answer_text(struct http_exchange exchange, unsigned status, struct slice words) {
    http_respond(exchange, status, "text/plain; charset=utf-8", NULL, words);
}

static void answer_metrics(struct console *console, struct http_exchange exchange,
                           const struct http_request *request) {
    if (!access_may_read_metrics(console, exchange, request)) {
        return;
    }
    struct text text = console_text(console);
    stats_add_prometheus(console->options.stats, &text);
    sink_board_add_prometheus(console->options.board, &text);
    if (console->options.sources != NULL) {
        source_board_add_prometheus(console->options.sources, &text);
    }
    struct status status = view_stats_prometheus(console->reader, &text);
    if (!status_is_ok(status)) {
        console_answer(exchange, status, &text);
        return;
    }
    http_respond(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", NULL,
                 text_slice(&text));
}

/* The listeners are closed by then: nobody shall be sent here. */
static bool is_stopping(const struct console *console) {
    return stats_get(console->options.stats, STAT_STOPPING) != 0;
}

/* Each part on a line of its own, as the health endpoints of Kubernetes do. */
static void answer_ready_verbose(struct console *console, struct http_exchange exchange,
                                 bool takes_events, bool is_ready) {
    struct text text = console_text(console);
    const struct stats *stats = console->options.stats;
    bool is_failed = stats_get(stats, STAT_JOURNAL_FAILED) != 0;
    text_add_format(&text, "[%c] journal %s\n", is_failed ? '-' : '+',
                    is_failed ? "failed: a write was refused by the disk" : "ok");
    text_add_format(&text, "[%c] shard %s\n", takes_events ? '+' : '-',
                    takes_events           ? "takes events"
                    : is_stopping(console) ? "takes no events: stopping"
                                           : "takes no events");
    uint64_t ended = stats_get(stats, STAT_THREADS_ENDED);
    text_add_format(&text, "[%c] threads %s\n", ended == 0 ? '+' : '-',
                    ended == 0 ? "ok" : "failed: one ended by itself");
    if (console->options.sources != NULL) {
        (void)source_board_add_ready(console->options.sources, false, &text);
    }
    text_add_text(&text, is_ready ? "ready\n" : "not ready\n");
    answer_text(exchange, is_ready ? 200 : 503, text_slice(&text));
}

static struct slice ready_words(const struct console *console, bool takes_events, bool is_ready) {
    return is_ready                  ? SLICE("ready\n")
           : is_stopping(console)    ? SLICE("not ready: stopping\n")
           : console->reader == NULL ? SLICE("not ready: starting\n")
           : !takes_events           ? SLICE("not ready: the journal takes no events\n")
                                     : SLICE("not ready: a thread ended by itself: restart\n");
}

/* "?verbose" says which part is not ready. */
static void answer_ready(struct console *console, struct http_exchange exchange,
                         const struct http_request *request) {
    bool takes_events =
        console->reader != NULL && atomic_load(console->options.is_ready) && !is_stopping(console);
    bool is_whole = stats_get(console->options.stats, STAT_THREADS_ENDED) == 0;
    bool is_ready = takes_events && is_whole;
    if (console->options.sources != NULL) {
        is_ready = source_board_add_ready(console->options.sources, true, NULL) && is_ready;
    }
    if (http_query_has(request->query, "verbose")) {
        answer_ready_verbose(console, exchange, takes_events, is_ready);
        return;
    }
    if (is_ready || !takes_events || !is_whole) {
        answer_text(exchange, is_ready ? 200 : 503, ready_words(console, takes_events, is_ready));
        return;
    }
    struct text text = console_text(console);
    (void)source_board_add_ready(console->options.sources, true, &text);
    answer_text(exchange, 503, text_slice(&text));
}

/* --- Routes --- */

enum route {
    ROUTE_INDEX,
    ROUTE_INCIDENTS,
    ROUTE_GRAPH,
    ROUTE_STATS,
    ROUTE_AUDIT,
    ROUTE_METRICS,
    ROUTE_LIVE,
    ROUTE_READY
};

static const struct {
    const char *path;
    enum route route;
} routes[] = {
    {"/", ROUTE_INDEX},
    {"/api/v1/incidents", ROUTE_INCIDENTS},
    {"/api/v1/graph", ROUTE_GRAPH},
    {"/api/v1/stats", ROUTE_STATS},
    {"/api/v1/audit", ROUTE_AUDIT},
    {"/metrics", ROUTE_METRICS},
    {"/healthz", ROUTE_LIVE},
    {"/livez", ROUTE_LIVE},
    {"/-/healthy", ROUTE_LIVE},
    {"/readyz", ROUTE_READY},
    {"/-/ready", ROUTE_READY},
};

static void answer_route(struct console *console, struct http_exchange exchange, enum route route,
                         const struct http_request *request) {
    switch (route) {
    case ROUTE_INDEX:
        answer_text(exchange, 200, slice_of_text(index_page));
        return;
    case ROUTE_INCIDENTS:
        api_incidents(console, exchange, request);
        return;
    case ROUTE_GRAPH:
        api_graph(console, exchange, request);
        return;
    case ROUTE_STATS:
        api_stats(console, exchange, request);
        return;
    case ROUTE_AUDIT:
        api_audit(console, exchange, request);
        return;
    case ROUTE_METRICS:
        answer_metrics(console, exchange, request);
        return;
    case ROUTE_LIVE:
        answer_text(exchange, 200, SLICE("ok\n"));
        return;
    case ROUTE_READY:
        answer_ready(console, exchange, request);
        return;
    }
}

/* A page of another site that a person's browser shows must not act for that person: a browser says
 * so itself. Programs send neither header. */
static bool is_of_another_site(const struct http_request *request) {
    struct slice site = http_header_find(request, "sec-fetch-site");
    struct slice origin = http_header_find(request, "origin");
    struct slice host = http_header_find(request, "host");
    struct slice authority = slice_tail(origin, slice_find_byte(origin, ':') + 3);
    return slice_equals(site, SLICE("cross-site")) || slice_equals(site, SLICE("same-site")) ||
           (origin.size > 0 && !slice_equals_ignoring_case(authority, host));
}

bool console_allow_method(struct http_exchange exchange, const struct http_request *request,
                          bool is_post) {
    bool is_allowed = is_post ? slice_equals(request->method, SLICE("POST"))
                              : slice_equals(request->method, SLICE("GET")) || request->is_head;
    if (!is_allowed) {
        static const char body[] =
            "{\"error\":{\"code\":\"method_not_allowed\",\"message\":\"see the Allow header\"}}";
        http_respond(exchange, 405, "application/json",
                     is_post ? "Allow: POST\r\n" : "Allow: GET, HEAD\r\n", slice_of_text(body));
    }
    return is_allowed;
}

/* /api/v1/incidents/<id>[/timeline|/explain|/ack|/resolve] */
static void answer_incident(struct console *console, struct http_exchange exchange,
                            struct slice rest, const struct http_request *request) {
    struct slice id = slice_head(rest, slice_find_byte(rest, '/'));
    struct slice what = slice_tail(rest, id.size);
    bool is_ack = slice_equals(what, SLICE("/ack"));
    bool is_resolve = slice_equals(what, SLICE("/resolve"));
    bool is_timeline = slice_equals(what, SLICE("/timeline"));
    bool is_explain = slice_equals(what, SLICE("/explain"));
    if (what.size > 0 && !is_ack && !is_resolve && !is_timeline && !is_explain) {
        console_answer_error(exchange, 404, "not_found", "there is no such path");
        return;
    }
    if (!console_allow_method(exchange, request, is_ack || is_resolve)) {
        return;
    }
    if (is_ack || is_resolve) {
        action_start(console, exchange, id, is_ack ? OPERATOR_ACKNOWLEDGE : OPERATOR_RESOLVE,
                     request);
    } else if (is_timeline) {
        api_timeline(console, exchange, id, request);
    } else if (is_explain) {
        api_explain(console, exchange, id, request);
    } else {
        api_incident(console, exchange, id, request);
    }
}

/* Health is answered always; all else tells of the state. */
static bool needs_state(struct slice path) {
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (slice_equals(path, slice_of_text(routes[i].path))) {
            enum route route = routes[i].route;
            return route != ROUTE_LIVE && route != ROUTE_READY && route != ROUTE_INDEX;
        }
    }
    return true;
}

/* What answers for itself whatever stands behind its path. */
static const struct {
    const char *path;
    void (*on_request)(struct console *console, struct http_exchange exchange, struct slice rest,
                       const struct http_request *request);
} folders[] = {
    {"/api/v1/silences", silences_on_request},
    {"/api/v1/quarantine", quarantine_on_request},
    {"/api/v1/dlq", letters_on_request},
    {"/api/v1/graph/remove", edges_on_request},
};

void console_on_request(void *context, struct http_exchange exchange,
                        const struct http_request *request) {
    struct console *console = context;
    if (slice_equals(request->method, SLICE("POST")) && is_of_another_site(request)) {
        console_answer_error(exchange, 403, "forbidden", "a page of another site asks for this");
        return;
    }
    if (console->reader == NULL && needs_state(request->path)) {
        console_answer_error(exchange, 503, "unavailable",
                             "quell is starting: it restores its state, try again");
        return;
    }
    struct slice prefix = SLICE("/api/v1/incidents/");
    if (slice_starts_with(request->path, prefix) && request->path.size > prefix.size) {
        answer_incident(console, exchange, slice_tail(request->path, prefix.size), request);
        return;
    }
    if (slice_equals(request->path, SLICE("/api/v1/slack/interactions"))) {
        slack_on_request(console, exchange, request);
        return;
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        struct slice folder = slice_of_text(folders[i].path);
        struct slice rest = slice_tail(request->path, folder.size);
        if (slice_starts_with(request->path, folder) && (rest.size == 0 || rest.data[0] == '/')) {
            folders[i].on_request(console, exchange, rest, request);
            return;
        }
    }
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (slice_equals(request->path, slice_of_text(routes[i].path))) {
            if (console_allow_method(exchange, request, false)) {
                answer_route(console, exchange, routes[i].route, request);
            }
            return;
        }
    }
    console_answer_error(exchange, 404, "not_found", "there is no such path: GET / lists them");
}
