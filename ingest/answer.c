/* answer.c - see answer.h. */
#include "ingest/answer.h"

#include "core/base/limits.h"

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

const char *answer_content_type(enum answer_style style) {
    return style == ANSWER_PROTO  ? "application/x-protobuf"
           : style == ANSWER_PING ? "text/plain; charset=utf-8"
                                  : "application/json";
}

const char *answer_headers(enum answer_style style) {
    static_assert(PING_BODY_BYTES_MAX == 10000, "the header below says it");
    return style == ANSWER_PING ? "Ping-Body-Limit: 10000\r\n" : NULL;
}

bool answer_lists_errors(enum answer_style style) {
    return style == ANSWER_NATIVE || style == ANSWER_COUNTS || style == ANSWER_LINEAGE;
}

/* --- Protobuf: a few small messages --- */

static void add_varint(struct text *body, uint64_t value) {
    while (value >= 0x80) {
        text_add_char(body, (char)(0x80 | (value & 0x7F)));
        value >>= 7;
    }
    text_add_char(body, (char)value);
}

void answer_add_proto_number(struct text *body, uint32_t field, uint64_t value) {
    add_varint(body, field << 3);
    add_varint(body, value);
}

void answer_add_proto_bytes(struct text *body, uint32_t field, struct slice bytes) {
    add_varint(body, field << 3 | 2);
    add_varint(body, bytes.size);
    text_add(body, bytes);
}

void answer_add_proto_words(struct text *body, uint32_t field, struct slice words) {
    char memory[ANSWER_WORDS_BYTES_MAX + 1];
    struct text text = text_over(memory, sizeof(memory));
    text_add_utf8(&text, words);
    answer_add_proto_bytes(body, field, text_slice(&text));
}

/* --- Answers --- */

void answer_error(struct text *body, enum answer_style style, unsigned http_status,
                  const char *words) {
    if (style == ANSWER_GRPC) {
        text_add_text(body, words);
        return;
    }
    if (style == ANSWER_PROTO) { /* google.rpc.Status: code = 1, message = 2 */
        answer_add_proto_number(body, 1, rpc_code(http_status));
        answer_add_proto_words(body, 2, slice_of_text(words));
        return;
    }
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

/* Export*ServiceResponse: partial_success = 1, of which rejected_* = 1 and error_message = 2. */
static void answer_proto(struct text *body, uint64_t rejected, const char *words) {
    char memory[1024];
    struct text partial = text_over(memory, sizeof(memory));
    if (rejected > 0) {
        answer_add_proto_number(&partial, 1, rejected);
        answer_add_proto_words(&partial, 2, slice_of_text(words));
        answer_add_proto_bytes(body, 1, text_slice(&partial));
    }
}

void answer_otlp(struct text *body, enum answer_style style, const char *rejected_key,
                 uint64_t rejected, const char *words) {
    if (style == ANSWER_PROTO || style == ANSWER_GRPC) {
        answer_proto(body, rejected, words);
        return;
    }
    if (rejected == 0) {
        text_add_text(body, "{}");
        return;
    }
    text_add_format(body, "{\"partialSuccess\":{\"%s\":\"%llu\",\"errorMessage\":", rejected_key,
                    (unsigned long long)rejected);
    text_add_json_string(body, slice_of_text(words));
    text_add_text(body, "}}");
}
