/* answer.c - see answer.h. */
#include "ingest/answer.h"

/* google.rpc.Code of an HTTP status, as the OTLP specification pairs them. */
static unsigned rpc_code(unsigned http_status) {
    switch (http_status) {
    case 401:
        return 16; /* UNAUTHENTICATED */
    case 403:
        return 7; /* PERMISSION_DENIED */
    case 404:
        return 5; /* NOT_FOUND */
    case 413:
    case 429:
        return 8; /* RESOURCE_EXHAUSTED */
    case 501:
        return 12; /* UNIMPLEMENTED */
    case 503:
        return 14; /* UNAVAILABLE */
    default:
        return 3; /* INVALID_ARGUMENT */
    }
}

static const char *code_word(unsigned http_status) {
    switch (http_status) {
    case 401:
        return "unauthorized";
    case 403:
        return "forbidden";
    case 404:
        return "not_found";
    case 405:
        return "method_not_allowed";
    case 408:
        return "timeout";
    case 413:
        return "too_large";
    case 415:
        return "unsupported_media_type";
    case 429:
        return "throttled";
    case 501:
        return "not_implemented";
    case 503:
        return "unavailable";
    default:
        return "invalid";
    }
}

void answer_error(struct text *body, enum answer_style style, unsigned http_status,
                  const char *words) {
    if (style == ANSWER_OTLP) {
        text_add_format(body, "{\"code\":%u,\"message\":", rpc_code(http_status));
        text_add_json_string(body, slice_of_text(words));
        text_add_char(body, '}');
        return;
    }
    text_add_format(body, "{\"error\":{\"code\":\"%s\",\"message\":", code_word(http_status));
    text_add_json_string(body, slice_of_text(words));
    text_add_text(body, "}}");
}

void answer_otlp(struct text *body, const char *rejected_key, uint64_t rejected,
                 const char *words) {
    if (rejected == 0) {
        text_add_text(body, "{}");
        return;
    }
    text_add_format(body, "{\"partialSuccess\":{\"%s\":\"%llu\",\"errorMessage\":", rejected_key,
                    (unsigned long long)rejected);
    text_add_json_string(body, slice_of_text(words));
    text_add_text(body, "}}");
}
