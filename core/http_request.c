/* http_request.c - what handlers ask of a request: headers, query parameters; and reason phrases.
 */
#include "core/http.h"

struct slice http_header_find(const struct http_request *request, const char *name) {
    struct slice wanted = slice_of_text(name);
    for (uint32_t i = 0; i < request->headers_count; i++) {
        if (slice_equals_ignoring_case(request->headers[i].name, wanted)) {
            return request->headers[i].value;
        }
    }
    return slice_of(NULL, 0);
}

bool http_bearer_find(const struct http_request *request, struct slice *token_out) {
    struct slice prefix = SLICE("Bearer ");
    struct slice header = http_header_find(request, "authorization");
    if (header.size <= prefix.size ||
        !slice_equals_ignoring_case(slice_head(header, prefix.size), prefix)) {
        return false;
    }
    *token_out = slice_trim(slice_tail(header, prefix.size));
    return true;
}

static bool decode_percent(struct slice text, char *value_out, size_t capacity, size_t *size_out) {
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i] == '+' ? ' ' : text.data[i];
        if (byte == '%') {
            if (i + 2 >= text.size ||
                !status_is_ok(text_parse_hex(slice_of(text.data + i + 1, 2), &byte, 1))) {
                return false;
            }
            i += 2;
        }
        if (size == capacity) {
            return false;
        }
        value_out[size++] = (char)byte;
    }
    *size_out = size;
    return true;
}

/* Takes what stands before and of the next pair of this name off the query. */
static bool take_pair(struct slice *query, struct slice name, struct slice *value_out) {
    while (query->size > 0) {
        struct slice pair = slice_head(*query, slice_find_byte(*query, '&'));
        size_t equals = slice_find_byte(pair, '=');
        *query = slice_tail(*query, pair.size + 1);
        if (slice_equals(slice_head(pair, equals), name)) {
            *value_out = slice_tail(pair, equals + 1);
            return true;
        }
    }
    return false;
}

uint32_t http_query_count(struct slice query, const char *name) {
    struct slice ignored;
    uint32_t count = 0;
    while (take_pair(&query, slice_of_text(name), &ignored)) {
        count++;
    }
    return count;
}

bool http_query_has(struct slice query, const char *name) {
    return http_query_count(query, name) > 0;
}

bool http_query_find(struct slice query, const char *name, char *value_out, size_t capacity,
                     size_t *size_out) {
    struct slice value;
    return take_pair(&query, slice_of_text(name), &value) &&
           decode_percent(value, value_out, capacity, size_out);
}

const char *http_status_words(unsigned status) {
    static const struct {
        unsigned status;
        const char *words;
    } known[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].status == status) {
            return known[i].words;
        }
    }
    return "Status";
}

void http_respond(struct http_exchange exchange, unsigned status, const char *content_type,
                  const char *headers, struct slice body) {
    struct http_answer answer = {
        .status = status, .content_type = content_type, .headers = headers, .body = body};
    http_answer(exchange, &answer);
}
