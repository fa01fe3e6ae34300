/* liveness.c - see liveness.h. */
#include "ingest/liveness.h"

static void answer_status(struct http_exchange exchange, uint64_t started_ns) {
    char memory[512];
    struct text body = text_over(memory, sizeof(memory));
    /* "cluster", "config", "uptime" (a time) and "versionInfo" with all of its members are required
     * (alertmanager, api/v2/openapi.yaml, alertmanagerStatus). */
    text_add_text(&body, "{\"cluster\":{\"status\":\"disabled\",\"peers\":[]},"
                         "\"config\":{\"original\":\"\"},\"uptime\":\"");
    text_add_time(&body, started_ns, 3);
    text_add_text(&body,
                  "\",\"versionInfo\":{\"branch\":\"\",\"buildDate\":\"\",\"buildUser\":\"\","
                  "\"goVersion\":\"\",\"revision\":\"\",\"version\":\"" QUELL_VERSION "\"}}");
    http_respond(exchange, 200, "application/json", "", text_slice(&body));
}

bool liveness_take(struct http_exchange exchange, const struct http_request *request, bool is_ready,
                   uint64_t started_ns) {
    static const char type[] = "text/plain; charset=utf-8";
    if (!request->is_head && !slice_equals(request->method, SLICE("GET"))) {
        return false;
    }
    if (slice_equals(request->path, SLICE("/-/healthy"))) {
        http_respond(exchange, 200, type, "", SLICE("OK"));
        return true;
    }
    if (slice_equals(request->path, SLICE("/-/ready"))) {
        http_respond(exchange, is_ready ? 200 : 503, type, is_ready ? "" : "Retry-After: 1\r\n",
                     is_ready ? SLICE("OK") : SLICE("not ready"));
        return true;
    }
    if (slice_equals(request->path, SLICE("/api/v2/status"))) {
        answer_status(exchange, started_ns);
        return true;
    }
    return false;
}
