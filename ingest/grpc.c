/* grpc.c - see grpc.h. */
#include "ingest/grpc.h"

#include "core/base/assert.h"
#include "core/digest.h"
#include "ingest/answer.h"
#include "ingest/proto_walk.h"

enum { PREFIX_BYTES = 5, ANSWER_BYTES = 4096, RETRY_AFTER_S = 1 };
#define CONTENT_TYPE "application/grpc"
#define ACCEPTED "grpc-accept-encoding: identity, " INFLATE_NAMES "\r\n"

/* google.rpc.Code */
enum grpc_code {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16,
};

static enum grpc_code code_of(unsigned http_status) {
    switch (http_status) {
    case 200:
        return GRPC_OK;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
    case 405:
    case 415:
    case 501:
        return GRPC_UNIMPLEMENTED;
    case 408:
        return GRPC_DEADLINE_EXCEEDED;
    case 413:
    case 431:
        return GRPC_RESOURCE_EXHAUSTED;
    case 429:
    case 503:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_INVALID_ARGUMENT;
    }
}

/* --- Requests --- */

bool grpc_is_request(const struct http_request *request) {
    struct slice type = http_header_find(request, "content-type");
    return request->is_http_2 && slice_starts_with(type, SLICE(CONTENT_TYPE)) &&
           (type.size == sizeof(CONTENT_TYPE) - 1 || type.data[sizeof(CONTENT_TYPE) - 1] == '+' ||
            type.data[sizeof(CONTENT_TYPE) - 1] == ';');
}

static unsigned inflate_message(struct inflate_buffer *buffer, const struct http_request *request,
                                uint64_t bytes_max, struct slice *message, const char **words) {
    enum inflate_format format = INFLATE_NONE;
    struct slice encoding = http_header_find(request, "grpc-encoding");
    if (!status_is_ok(inflate_format_find(encoding, &format))) {
        *words = "grpc-encoding must be one of " INFLATE_NAMES ", or identity";
        return 501;
    }
    if (format == INFLATE_NONE) {
        *words = "the message is marked as compressed, and grpc-encoding names no compression";
        return 400;
    }
    struct status status = inflate_bytes(buffer, format, *message, bytes_max, message);
    *words = "the message is not what grpc-encoding says";
    return status_is_ok(status) ? 0 : status.code == STATUS_FULL ? 413 : 400;
}

unsigned grpc_open_message(struct inflate_buffer *buffer, const struct http_request *request,
                           uint64_t bytes_max, struct slice *message_out, const char **words) {
    struct slice body = request->body;
    *words = "a request is one message behind its prefix of five bytes";
    if (body.size < PREFIX_BYTES || body.data[0] > 1) {
        return 400;
    }
    uint32_t size = (uint32_t)body.data[1] << 24 | (uint32_t)body.data[2] << 16 |
                    (uint32_t)body.data[3] << 8 | body.data[4];
    if (size != body.size - PREFIX_BYTES) {
        return 400;
    }
    struct slice message = slice_tail(body, PREFIX_BYTES);
    if (body.data[0] == 1 && buffer == NULL) {
        return 400;
    }
    if (body.data[0] == 1) {
        unsigned refusal = inflate_message(buffer, request, bytes_max, &message, words);
        if (refusal != 0) {
            return refusal;
        }
    }
    *message_out = message;
    return 0;
}

/* --- Answers --- */

/* "Percent-Byte-Unencoded": what is printable in ASCII, but for '%'. */
static void add_percent_encoded(struct text *text, struct slice words) {
    for (size_t i = 0; i < words.size; i++) {
        uint8_t byte = words.data[i];
        if (byte >= 0x20 && byte <= 0x7E && byte != '%') {
            text_add_char(text, (char)byte);
        } else {
            text_add_format(text, "%%%02X", byte);
        }
    }
}

/* google.rpc.Status with one detail, google.rpc.RetryInfo { retry_delay { seconds } }. */
static void add_retry_details(struct text *lines, enum grpc_code code, struct slice words) {
    char memory[3][1024];
    struct text info = text_over(memory[0], sizeof(memory[0]));
    struct text any = text_over(memory[1], sizeof(memory[1]));
    struct text status = text_over(memory[2], sizeof(memory[2]));
    const uint8_t delay[] = {1 << 3, RETRY_AFTER_S};
    answer_add_proto_bytes(&info, 1, slice_of(delay, sizeof(delay)));
    answer_add_proto_bytes(&any, 1, SLICE("type.googleapis.com/google.rpc.RetryInfo"));
    answer_add_proto_bytes(&any, 2, text_slice(&info));
    answer_add_proto_number(&status, 1, code);
    answer_add_proto_bytes(&status, 2, slice_head(words, sizeof(memory[2]) / 2));
    answer_add_proto_bytes(&status, 3, text_slice(&any));
    ASSERT(!status.truncated);
    text_add_text(lines, "grpc-status-details-bin: ");
    text_add_base64(lines, text_slice(&status));
    while (lines->size > 0 && lines->data[lines->size - 1] == '=') {
        lines->size--; /* "implementations SHOULD emit un-padded values" */
    }
    text_add_text(lines, "\r\n");
}

/* "Trailers-Only": the status stands in the head, which ends the stream. */
static void respond_error(struct http_exchange exchange, enum grpc_code code, struct slice words) {
    char memory[4096];
    struct text lines = text_over(memory, sizeof(memory));
    words = slice_head(words, 512);
    text_add_format(&lines, "grpc-status: %u\r\ngrpc-message: ", (unsigned)code);
    add_percent_encoded(&lines, words);
    text_add_text(&lines, "\r\n" ACCEPTED);
    if (code == GRPC_UNAVAILABLE) {
        add_retry_details(&lines, code, words);
    }
    ASSERT(!lines.truncated);
    struct http_answer answer = {
        .status = 200, .content_type = CONTENT_TYPE, .headers = memory, .is_bare = true};
    http_answer(exchange, &answer);
}

static void respond_message(struct http_exchange exchange, struct slice message) {
    uint8_t framed[PREFIX_BYTES + ANSWER_BYTES] = {0};
    ASSERT(message.size <= ANSWER_BYTES);
    framed[3] = (uint8_t)(message.size >> 8);
    framed[4] = (uint8_t)message.size;
    if (message.size > 0) {
        memcpy(framed + PREFIX_BYTES, message.data, message.size);
    }
    struct http_answer answer = {.status = 200,
                                 .content_type = CONTENT_TYPE,
                                 .headers = ACCEPTED,
                                 .body = slice_of(framed, PREFIX_BYTES + message.size),
                                 .trailers = "grpc-status: 0\r\n",
                                 .is_bare = true};
    http_answer(exchange, &answer);
}

void grpc_respond(struct http_exchange exchange, unsigned http_status, struct slice body) {
    if (http_status == 200) {
        respond_message(exchange, body);
    } else {
        respond_error(exchange, code_of(http_status), body);
    }
}

/* --- Health (grpc/doc/health-checking.md) --- */

static bool knows_service(struct slice name) {
    return name.size == 0 ||
           slice_equals(name, SLICE("opentelemetry.proto.collector.logs.v1.LogsService")) ||
           slice_equals(name, SLICE("opentelemetry.proto.collector.trace.v1.TraceService")) ||
           slice_equals(name, SLICE("opentelemetry.proto.collector.metrics.v1.MetricsService"));
}

bool grpc_take_health(struct http_exchange exchange, const struct http_request *request,
                      bool is_serving) {
    if (!slice_equals(request->path, SLICE("/grpc.health.v1.Health/Check"))) {
        return false;
    }
    struct slice message = {0};
    const char *words = "";
    unsigned refusal = grpc_open_message(NULL, request, 0, &message, &words);
    struct proto_root root = {.bytes = message};
    struct proto_walk walk = proto_walk_over(&root, message);
    struct proto_field field;
    struct slice service = {0};
    while (refusal == 0 && proto_next(&walk, &field)) {
        service = proto_is(&field, 1, PROTO_LENGTH) ? field.bytes : service;
    }
    if (refusal != 0 || root.error != NULL) {
        respond_error(exchange, GRPC_INVALID_ARGUMENT, SLICE("this is no HealthCheckRequest"));
    } else if (!knows_service(service)) {
        respond_error(exchange, GRPC_NOT_FOUND, SLICE("there is no such service"));
    } else {
        const uint8_t serving[] = {1 << 3, is_serving ? 1 : 2};
        respond_message(exchange, slice_of(serving, sizeof(serving)));
    }
    return true;
}
