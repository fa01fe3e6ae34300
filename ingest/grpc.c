/* grpc.c - see grpc.h. */
#include "ingest/grpc.h"

#include "core/base/assert.h"
#include "core/digest.h"
#include "ingest/answer.h"

enum { PREFIX_BYTES = 5, ANSWER_BYTES = 4096 };
#define CONTENT_TYPE "application/grpc"
#define ACCEPTED "grpc-accept-encoding: identity, " INFLATE_NAMES "\r\n"

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
static void add_retry_details(struct text *lines, struct slice words, unsigned wait_s) {
    char memory[4][1024];
    struct text info = text_over(memory[0], sizeof(memory[0]));
    struct text any = text_over(memory[1], sizeof(memory[1]));
    struct text status = text_over(memory[2], sizeof(memory[2]));
    struct text delay = text_over(memory[3], sizeof(memory[3]));
    answer_add_proto_number(&delay, 1, wait_s);
    answer_add_proto_bytes(&info, 1, text_slice(&delay));
    answer_add_proto_bytes(&any, 1, SLICE("type.googleapis.com/google.rpc.RetryInfo"));
    answer_add_proto_bytes(&any, 2, text_slice(&info));
    answer_add_proto_number(&status, 1, GRPC_UNAVAILABLE);
    answer_add_proto_words(&status, 2, slice_head(words, sizeof(memory[2]) / 2));
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
static void respond_error(struct http_exchange exchange, enum grpc_code code, struct slice words,
                          unsigned wait_s) {
    char memory[4096];
    char words_memory[512];
    struct text lines = text_over(memory, sizeof(memory));
    struct text sound = text_over(words_memory, sizeof(words_memory)); /* "Percent-Encoded UTF-8" */
    text_add_utf8(&sound, words);
    words = text_slice(&sound);
    text_add_format(&lines, "grpc-status: %u\r\ngrpc-message: ", (unsigned)code);
    add_percent_encoded(&lines, words);
    text_add_text(&lines, "\r\n" ACCEPTED);
    if (code == GRPC_UNAVAILABLE) {
        add_retry_details(&lines, words, wait_s);
    }
    ASSERT(!lines.truncated);
    struct http_answer answer = {
        .status = 200, .content_type = CONTENT_TYPE, .headers = memory, .is_bare = true};
    http_answer(exchange, &answer);
}

void grpc_respond_error(struct http_exchange exchange, enum grpc_code code, struct slice words) {
    respond_error(exchange, code, words, 1);
}

void grpc_refuse(struct http_exchange exchange, unsigned http_status, struct slice words,
                 unsigned wait_s) {
    respond_error(exchange, code_of(http_status), words, wait_s);
}

struct framed {
    uint8_t bytes[PREFIX_BYTES + ANSWER_BYTES];
    size_t size;
};

static void frame_message(struct framed *framed, struct slice message) {
    ASSERT(message.size <= ANSWER_BYTES);
    memset(framed->bytes, 0, PREFIX_BYTES);
    framed->bytes[3] = (uint8_t)(message.size >> 8);
    framed->bytes[4] = (uint8_t)message.size;
    if (message.size > 0) {
        memcpy(framed->bytes + PREFIX_BYTES, message.data, message.size);
    }
    framed->size = PREFIX_BYTES + message.size;
}

static void respond(struct http_exchange exchange, struct slice body, const char *trailers) {
    struct http_answer answer = {.status = 200,
                                 .content_type = CONTENT_TYPE,
                                 .headers = ACCEPTED,
                                 .body = body,
                                 .trailers = trailers,
                                 .is_bare = true,
                                 .is_unfinished = trailers == NULL};
    http_answer(exchange, &answer);
}

void grpc_respond(struct http_exchange exchange, unsigned http_status, struct slice body) {
    if (http_status != 200) {
        grpc_refuse(exchange, http_status, body, 1);
        return;
    }
    struct framed framed;
    frame_message(&framed, body);
    respond(exchange, slice_of(framed.bytes, framed.size), "grpc-status: 0\r\n");
}

void grpc_stream_message(struct http_exchange exchange, struct slice message) {
    struct framed framed;
    frame_message(&framed, message);
    respond(exchange, slice_of(framed.bytes, framed.size), NULL);
}

void grpc_stream_end(struct http_exchange exchange, enum grpc_code code, const char *words) {
    char memory[1024];
    struct text trailers = text_over(memory, sizeof(memory));
    text_add_format(&trailers, "grpc-status: %u\r\ngrpc-message: ", (unsigned)code);
    add_percent_encoded(&trailers, slice_of_text(words));
    text_add_text(&trailers, "\r\n");
    ASSERT(!trailers.truncated);
    respond(exchange, slice_of(NULL, 0), memory);
}
